"""Losses of yes-or-no answers."""

from __future__ import annotations

from typing import Any

import adjoint as ad
from adjoint.nn.reduction import operands, reduced
from adjoint.nn.refusal import refusal

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "hinge_embedding_loss",
    "soft_margin_loss",
]

LEAST_LOG = -100.0
"""Where PyTorch cuts logarithms off, so that a wrong certainty costs 100 and not infinity."""
LEAST = 1e-12
"""Where it cuts off the denominator of the gradient."""


def binary_cross_entropy(
    input: Any, target: Any, weight: Any = None, reduction: str = "mean"
) -> Any:
    """``-(y log(p) + (1 - y) log(1 - p))``, with logarithms of at least -100.

    `binary_cross_entropy_with_logits` is exact where this one has run out of digits.

    Args:
        input: probabilities, any shape.
        target: what is true, from 0 to 1, of the same shape.
        weight: factors of the losses; they broadcast.
        reduction: ``"mean"``, ``"sum"``, ``"none"`` or ``"parts"``: sum and count.

    Raises:
        ArgumentError: if a probability is not from 0 to 1.
        ShapeError: if the shapes differ.

    Example:
        >>> p = ad.tensor([0.5, 0.0])
        >>> ad.nn.functional.binary_cross_entropy(p, ad.ones(2), reduction="none")
        tensor([  0.6931472, 100.       ])

    **Gradient:** ``(p - y) / (p (1 - p))``; neither factor below counts as less than 1e-12.
    """
    p, y = operands("binary_cross_entropy", "input", input, "target", target)
    y = y.astype(p.dtype)
    if p.known and p.size:
        low, high = p.numpy().min(), p.numpy().max()
        if low < 0 or high > 1:
            raise refusal(
                ad.errors.ArgumentError,
                f"probabilities are from 0 to 1, got values from {low} to {high}",
                "binary_cross_entropy",
                [("input", p)],
                "binary_cross_entropy_with_logits, which takes scores.",
            )
    losses = -(y * _log(p) + (1.0 - y) * _log(1.0 - p))
    if weight is not None:
        losses = losses * weight
    return reduced("binary_cross_entropy", losses, reduction)


def _log(p: Any) -> Any:
    """The logarithm, at least -100; its slope at most 1e12."""
    value = ad.stop_gradient(ad.maximum(ad.log(p), LEAST_LOG))
    return ad.where(p > LEAST, ad.log(p), value + (p - ad.stop_gradient(p)) / LEAST)


def binary_cross_entropy_with_logits(
    input: Any,
    target: Any,
    weight: Any = None,
    reduction: str = "mean",
    pos_weight: Any = None,
) -> Any:
    """`binary_cross_entropy` of the sigmoid of the input, exact for scores of any size.

    Args:
        input: scores, any shape.
        target: what is true, from 0 to 1, of the same shape.
        weight: factors of the losses; they broadcast.
        reduction: ``"mean"``, ``"sum"``, ``"none"`` or ``"parts"``: sum and count.
        pos_weight: how much a yes counts beside a no; it broadcasts, such as (classes,).

    Raises:
        ShapeError: if the shapes differ.

    Example:
        >>> scores = ad.tensor([0.0, -1000.0])
        >>> ad.nn.functional.binary_cross_entropy_with_logits(scores, ad.ones(2), reduction="none")
        tensor([6.931472e-01, 1.000000e+03])

    **Gradient:** ``sigmoid(x) - y`` (times the weights).
    """
    x, y = operands("binary_cross_entropy_with_logits", "input", input, "target", target)
    y = y.astype(x.dtype)
    if pos_weight is None:
        losses = ad.softplus(x) - y * x
    else:
        yes = 1.0 + (ad.asarray(pos_weight).astype(x.dtype) - 1.0) * y
        losses = (1.0 - y) * x + yes * ad.softplus(-x)
    if weight is not None:
        losses = losses * weight
    return reduced("binary_cross_entropy_with_logits", losses, reduction)


def soft_margin_loss(input: Any, target: Any, reduction: str = "mean") -> Any:
    """``log(1 + exp(-y x))`` for answers `y` of 1 and -1.

    Args:
        input: scores, any shape.
        target: 1 or -1, of the same shape.
        reduction: ``"mean"``, ``"sum"``, ``"none"`` or ``"parts"``: sum and count.

    Raises:
        ShapeError: if the shapes differ.

    Example:
        >>> ad.nn.functional.soft_margin_loss(ad.tensor([0.0, 2.0]), ad.tensor([1.0, -1.0]), "none")
        tensor([0.6931472, 2.126928 ])
    """
    x, y = operands("soft_margin_loss", "input", input, "target", target)
    return reduced("soft_margin_loss", ad.softplus(-y.astype(x.dtype) * x), reduction)


def hinge_embedding_loss(
    input: Any, target: Any, margin: float = 1.0, reduction: str = "mean"
) -> Any:
    """A distance `x` where the pair is alike (1), ``max(0, margin - x)`` where it is not (-1).

    Args:
        input: distances, any shape.
        target: 1 or -1, of the same shape.
        margin: how far apart unlike pairs shall be.
        reduction: ``"mean"``, ``"sum"``, ``"none"`` or ``"parts"``: sum and count.

    Raises:
        ShapeError: if the shapes differ.

    Example:
        >>> x, y = ad.tensor([0.25, 0.25]), ad.tensor([1.0, -1.0])
        >>> ad.nn.functional.hinge_embedding_loss(x, y, reduction="none")
        tensor([0.25, 0.75])
    """
    x, y = operands("hinge_embedding_loss", "input", input, "target", target)
    near = ad.where(y == 1, x, 0.0)
    far = ad.where(y == -1, ad.relu(margin - x), 0.0)
    return reduced("hinge_embedding_loss", near + far, reduction)
