"""Losses of classification into one of several classes, or of any distribution over classes."""

from __future__ import annotations

from typing import Any

import adjoint as ad
from adjoint.nn.reduction import operands, reduced
from adjoint.nn.refusal import refusal

__all__ = ["cross_entropy", "kl_div", "multi_margin_loss", "nll_loss", "one_hot"]


def one_hot(labels: Any, num_classes: int) -> Any:
    """A new last axis with 1 at the label and 0 elsewhere.

    Raises:
        ArgumentError: if a label is not from 0 to ``num_classes - 1``.

    Example:
        >>> ad.nn.functional.one_hot(ad.tensor([2, 0]), 3)
        tensor([[0, 0, 1],
                [1, 0, 0]])
    """
    labels = checked_labels("one_hot", labels, num_classes)
    return (labels[..., None] == ad.arange(num_classes, dtype=labels.dtype)).astype(ad.int64)


def checked_labels(name: str, labels: Any, classes: int, ignore_index: int | None = None) -> Any:
    """Labels as a tensor of integers from 0 to ``classes - 1``.

    Where the numbers are not known yet, because the function is being staged, they are not checked.

    Raises:
        DTypeError: if they are not integers.
        ArgumentError: if one is out of range; the text names it.
    """
    labels = ad.asarray(labels)
    if not ad.isdtype(labels.dtype, "integral"):
        fact = f"labels are integers, got {labels.dtype}"
        raise refusal(ad.errors.DTypeError, fact, name, [("labels", labels)])
    if not labels.known:
        return labels
    numbers = labels.numpy()
    wrong = (numbers < 0) | (numbers >= classes)
    if ignore_index is not None:
        wrong &= numbers != ignore_index
    if wrong.any():
        at = [int(i[0]) for i in wrong.nonzero()]
        more = f", the first of {wrong.sum()}," if wrong.sum() > 1 else ""
        fact = f"the label {numbers[tuple(at)]} at {at}{more} is not from 0 to {classes - 1}"
        raise refusal(ad.errors.ArgumentError, fact, name, [("labels", labels)])
    return labels


def _class_axis(name: str, x: Any) -> int:
    if not x.ndim:
        raise ad.errors.ShapeError(f"{name}: a tensor of rank 0 has no axis of classes")
    return 0 if x.ndim == 1 else 1


def _picked(name: str, x: Any, target: Any, weight: Any, ignore_index: int) -> tuple[Any, Any, Any]:
    """The element of `x` at each label, the weight of each label, and the axis of the classes.

    Ignored labels have weight 0.
    """
    axis = _class_axis(name, x)
    classes = x.shape[axis]
    expected = x.shape[:axis] + x.shape[axis + 1 :]
    labels = checked_labels(name, target, classes, ignore_index)
    if labels.shape != expected:
        fact = f"labels for an input of shape {x.shape} have shape {expected}, got {labels.shape}"
        raise refusal(ad.errors.ShapeError, fact, name, [("input", x), ("target", labels)])
    used = labels != ignore_index
    index = ad.where(used, labels, 0)
    at_label = ad.take_along_axis(x, ad.expand_dims(index, axis=axis), axis=axis)
    weights = used.astype(x.dtype)
    if weight is not None:
        weights = weights * ad.take(_class_weights(name, weight, classes, x.dtype), index, axis=0)
    return ad.where(used, ad.squeeze(at_label, axis=axis), 0.0), weights, axis


def _class_weights(name: str, weight: Any, classes: int, dtype: Any) -> Any:
    weight = ad.asarray(weight).astype(dtype)
    if weight.shape != (classes,):
        raise ad.errors.ShapeError(
            f"{name}: weight has shape {weight.shape}, but there are {classes} classes"
        )
    return weight


def nll_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Any:
    """Minus the log-probability at the label, times the label's weight.

    Args:
        input: log-probabilities, (batch, classes, ...) or (classes,).
        target: labels, (batch, ...) or ().
        weight: (classes,): how much each class counts.
        ignore_index: a label that does not count.
        reduction: ``"mean"`` (over the weights of the labels), ``"sum"``, ``"none"`` or
            ``"parts"``: sum and count.

    Raises:
        ArgumentError: if a label is out of range.
        ShapeError: if the shapes do not fit.

    Example:
        >>> log_p = ad.log(ad.tensor([[0.25, 0.75]]))
        >>> ad.nn.functional.nll_loss(log_p, ad.tensor([0]))
        tensor(1.3862944)
    """
    at_label, weights, _ = _picked("nll_loss", ad.asarray(input), target, weight, ignore_index)
    return reduced("nll_loss", -(weights * at_label), reduction, ad.sum(weights))


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """The surprise at the target under the softmax of the input: ``logsumexp(x) - x[label]``.

    Args:
        input: logits, (batch, classes, ...) or (classes,).
        target: labels as integers, (batch, ...) or (); or a distribution over the classes of the
            input's shape.
        weight: (classes,): how much each class counts.
        ignore_index: a label that does not count.
        reduction: ``"mean"`` (over the weights of the labels; over the batch for distributions),
            ``"sum"``, ``"none"`` or ``"parts"``: sum and count.
        label_smoothing: the share of the target that is spread evenly over the classes.

    Raises:
        ArgumentError: if a label is out of range, or the smoothing is not from 0 to 1.
        ShapeError: if the shapes do not fit.

    Example:
        >>> logits = ad.tensor([[0.0, 0.0], [1000.0, 0.0]])
        >>> ad.nn.functional.cross_entropy(logits, ad.tensor([0, 1]), reduction="none")
        tensor([6.931472e-01, 1.000000e+03])

    **Gradient:** probability minus target, from the exponentials of the forward pass alone.
    """
    if not 0 <= label_smoothing <= 1:
        raise ad.errors.ArgumentError(
            f"cross_entropy: label_smoothing is from 0 to 1, got {label_smoothing}"
        )
    input, target = ad.asarray(input), ad.asarray(target)
    if ad.isdtype(target.dtype, ("real floating",)):
        return _cross_entropy_of_distribution(input, target, weight, reduction, label_smoothing)
    return _cross_entropy_of_labels(input, target, weight, ignore_index, reduction, label_smoothing)


def _shifted(x: Any, axis: int) -> tuple[Any, Any]:
    """The logits less their largest, and the logarithm of the sum of exponentials of that.

    The logarithm is taken of the sum only, so its derivative is the exponential over the sum.
    """
    x = x - ad.stop_gradient(ad.max(x, axis=axis, keepdims=True))
    return x, ad.log(ad.sum(ad.exp(x), axis=axis))


def _cross_entropy_of_labels(
    x: Any, target: Any, weight: Any, ignore_index: int, reduction: str, smoothing: float
) -> Any:
    shifted, log_total = _shifted(x, _class_axis("cross_entropy", x))
    at_label, weights, axis = _picked("cross_entropy", shifted, target, weight, ignore_index)
    losses = weights * (log_total - at_label)
    if smoothing:
        classes = x.shape[axis]
        used = (target != ignore_index).astype(x.dtype)
        if weight is None:
            even = classes * log_total - ad.sum(shifted, axis=axis)
        else:
            each = _along(_class_weights("cross_entropy", weight, classes, x.dtype), x, axis)
            even = ad.sum(each) * log_total - ad.sum(each * shifted, axis=axis)
        losses = (1 - smoothing) * losses + (smoothing / classes) * (used * even)
    return reduced("cross_entropy", losses, reduction, ad.sum(weights))


def _cross_entropy_of_distribution(
    x: Any, target: Any, weight: Any, reduction: str, smoothing: float
) -> Any:
    x, target = operands("cross_entropy", "input", x, "target", target)
    axis = _class_axis("cross_entropy", x)
    classes = x.shape[axis]
    target = target.astype(x.dtype)
    if smoothing:
        target = target * (1 - smoothing) + smoothing / classes
    if weight is not None:
        each = _class_weights("cross_entropy", weight, classes, x.dtype)
        target = target * _along(each, x, axis)
    shifted, log_total = _shifted(x, axis)
    losses = ad.sum(target, axis=axis) * log_total - ad.sum(target * shifted, axis=axis)
    return reduced("cross_entropy", losses, reduction, max(x.size // max(classes, 1), 1))


def _along(weight: Any, x: Any, axis: int) -> Any:
    """A vector in the shape in which it runs along an axis of `x`."""
    return weight.reshape(tuple(n if i == axis else 1 for i, n in enumerate(x.shape)))


def kl_div(input: Any, target: Any, reduction: str = "mean", log_target: bool = False) -> Any:
    """``target (log(target) - input)``: how far a distribution is from one given by logarithms.

    Args:
        input: log-probabilities, any shape.
        target: probabilities, or their logarithms with `log_target`.
        reduction: ``"mean"`` over all elements, ``"batchmean"`` over the first axis (which is the
            Kullback-Leibler divergence), ``"sum"``, ``"none"`` or ``"parts"``: sum and count.
        log_target: whether the target is given by logarithms.

    Raises:
        ShapeError: if the shapes differ.

    Example:
        >>> p, q = ad.tensor([[0.5, 0.5]]), ad.tensor([[0.25, 0.75]])
        >>> ad.nn.functional.kl_div(ad.log(q), p, reduction="batchmean")
        tensor(0.14384104)
    """
    x, target = operands("kl_div", "input", input, "target", target)
    p, p_log_p = target, ad.xlogy(target, target)
    if log_target:
        p = ad.exp(target)
        p_log_p = p * target
    losses = p_log_p - p * x
    if reduction == "batchmean":
        return reduced("kl_div", losses, "mean", x.shape[0])
    return reduced("kl_div", losses, reduction)


def multi_margin_loss(
    input: Any,
    target: Any,
    p: int = 1,
    margin: float = 1.0,
    weight: Any = None,
    reduction: str = "mean",
) -> Any:
    """How far other classes come within a margin of the label: the mean of ``max(0, m - x_y + x)``.

    Args:
        input: scores, (batch, classes) or (classes,).
        target: labels, (batch,) or ().
        p: the power, 1 or 2.
        margin: the margin ``m``.
        weight: (classes,): how much each class counts.
        reduction: ``"mean"``, ``"sum"``, ``"none"`` or ``"parts"``: sum and count.

    Raises:
        ArgumentError: if a label is out of range.

    Example:
        >>> ad.nn.functional.multi_margin_loss(ad.tensor([[0.5, 1.0]]), ad.tensor([0]))
        tensor(0.75)
    """
    x = ad.asarray(input)
    axis = _class_axis("multi_margin_loss", x)
    labels = checked_labels("multi_margin_loss", target, x.shape[axis])
    at_label = ad.take_along_axis(x, ad.expand_dims(labels, axis=axis), axis=axis)
    room = ad.relu(margin - at_label + x) ** p
    if weight is not None:
        each = _class_weights("multi_margin_loss", weight, x.shape[axis], x.dtype)
        room = room * ad.expand_dims(ad.take(each, labels, axis=0), axis=axis)
    others = ad.expand_dims(labels, axis=axis) != ad.arange(x.shape[axis], dtype=labels.dtype)
    losses = ad.sum(ad.where(others, room, 0.0), axis=axis) / x.shape[axis]
    return reduced("multi_margin_loss", losses, reduction)
