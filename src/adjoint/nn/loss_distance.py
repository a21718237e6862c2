"""Distances and similarities of vectors, and losses that compare them."""

from __future__ import annotations

from typing import Any

import adjoint as ad
from adjoint.nn.reduction import operands, reduced

__all__ = [
    "cosine_embedding_loss",
    "cosine_similarity",
    "margin_ranking_loss",
    "normalize",
    "pairwise_distance",
    "triplet_margin_loss",
]


def _root(x: Any) -> Any:
    """The square root, with gradient 0 at 0."""
    zero = x == 0
    return ad.where(zero, 0.0, ad.sqrt(ad.where(zero, 1.0, x)))


def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    """The cosine of the angle between vectors along an axis.

    Args:
        x1: vectors.
        x2: vectors; the shapes broadcast.
        dim: the axis.
        eps: the least length of a vector, so that nothing is divided by zero.

    Example:
        >>> x1, x2 = ad.tensor([[3.0, 4.0]]), ad.tensor([[4.0, 3.0]])
        >>> ad.nn.functional.cosine_similarity(x1, x2)
        tensor([0.96])

    **Gradient:** 0 for the length of a zero vector.
    """
    x1, x2 = ad.broadcast_arrays(ad.asarray(x1), ad.asarray(x2))
    product = ad.sum(x1 * x2, axis=dim)
    n1, n2 = (ad.maximum(_root(ad.sum(x * x, axis=dim)), eps) for x in (x1, x2))
    return product / (n1 * n2)


def pairwise_distance(
    x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Any:
    """The p-norm of ``x1 - x2 + eps`` along the last axis.

    Example:
        >>> x1, x2 = ad.tensor([[3.0, 4.0]]), ad.zeros((1, 2))
        >>> ad.nn.functional.pairwise_distance(x1, x2)
        tensor([5.000001])
    """
    gap = ad.asarray(x1) - ad.asarray(x2) + eps
    return ad.linalg.vector_norm(gap, axis=-1, ord=p, keepdims=keepdim)


def normalize(x: Any, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Any:
    """Vectors along an axis divided by their p-norm, or by `eps` where that is greater.

    Example:
        >>> ad.nn.functional.normalize(ad.tensor([[3.0, 4.0]]))
        tensor([[0.6, 0.8]])
    """
    x = ad.asarray(x)
    return x / ad.maximum(ad.linalg.vector_norm(x, axis=dim, ord=p, keepdims=True), eps)


def cosine_embedding_loss(
    input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: str = "mean"
) -> Any:
    """``1 - cos`` where vectors shall point the same way (1), ``max(0, cos - margin)`` where not.

    Args:
        input1: vectors, (batch, n) or (n,).
        input2: vectors of the same shape.
        target: 1 or -1, (batch,) or ().
        margin: the cosine that unlike vectors may have.
        reduction: ``"mean"``, ``"sum"``, ``"none"`` or ``"parts"``: sum and count.

    Raises:
        ShapeError: if the shapes do not fit.

    Example:
        >>> x1, x2 = ad.tensor([[3.0, 4.0]]), ad.tensor([[4.0, 3.0]])
        >>> ad.nn.functional.cosine_embedding_loss(x1, x2, ad.tensor([-1.0]))
        tensor(0.96)
    """
    x1, x2 = operands("cosine_embedding_loss", "input1", input1, "input2", input2)
    y = ad.asarray(target)
    if y.shape != x1.shape[:-1]:
        raise ad.errors.ShapeError(
            f"cosine_embedding_loss: target has shape {y.shape}, "
            f"for an input of shape {x1.shape} it is {x1.shape[:-1]}"
        )
    eps = 1e-12  # inside the roots, as PyTorch has it here
    lengths = (ad.sum(x1 * x1, axis=-1) + eps) * (ad.sum(x2 * x2, axis=-1) + eps)
    cos = ad.sum(x1 * x2, axis=-1) / ad.sqrt(lengths)
    near = ad.where(y == 1, 1.0 - cos, 0.0)
    far = ad.where(y == -1, ad.relu(cos - margin), 0.0)
    return reduced("cosine_embedding_loss", near + far, reduction)


def margin_ranking_loss(
    input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: str = "mean"
) -> Any:
    """``max(0, -y (x1 - x2) + margin)``: whether the first ranks higher (1) or lower (-1).

    Args:
        input1: scores, any shape.
        input2: scores of the same shape.
        target: 1 or -1, of the same shape.
        margin: how far apart the scores shall be.
        reduction: ``"mean"``, ``"sum"``, ``"none"`` or ``"parts"``: sum and count.

    Raises:
        ShapeError: if the shapes differ.

    Example:
        >>> x1, x2 = ad.tensor([1.0]), ad.tensor([3.0])
        >>> ad.nn.functional.margin_ranking_loss(x1, x2, ad.tensor([1.0]))
        tensor(2.)

    **Gradient:** 0 at the kink.
    """
    x1, x2 = operands("margin_ranking_loss", "input1", input1, "input2", input2)
    x1, y = operands("margin_ranking_loss", "input1", x1, "target", target)
    losses = ad.relu(margin - y.astype(x1.dtype) * (x1 - x2))
    return reduced("margin_ranking_loss", losses, reduction)


def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> Any:
    """``max(0, d(anchor, positive) - d(anchor, negative) + margin)``.

    Args:
        anchor: vectors, (..., n).
        positive: vectors that shall be near the anchors.
        negative: vectors that shall be further away.
        margin: by how much.
        p: which norm.
        eps: added to the differences.
        swap: take the distance of positive and negative where it is the smaller one.
        reduction: ``"mean"``, ``"sum"``, ``"none"`` or ``"parts"``: sum and count.

    Raises:
        ShapeError: if the shapes differ.

    Example:
        >>> a, p, n = (ad.tensor([[x]]) for x in (0.0, 1.0, 1.5))
        >>> ad.nn.functional.triplet_margin_loss(a, p, n)
        tensor(0.5)

    **Gradient:** 0 at the kink.
    """
    anchor, positive = operands("triplet_margin_loss", "anchor", anchor, "positive", positive)
    anchor, negative = operands("triplet_margin_loss", "anchor", anchor, "negative", negative)
    near = pairwise_distance(anchor, positive, p, eps)
    far = pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = ad.minimum(far, pairwise_distance(positive, negative, p, eps))
    return reduced("triplet_margin_loss", ad.relu(near - far + margin), reduction)
