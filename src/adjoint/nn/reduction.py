"""What becomes of the losses of single elements: their mean, their sum, both parts, or nothing."""

from __future__ import annotations

import math
from typing import Any, Final

import adjoint as ad
from adjoint.nn.refusal import refusal

REDUCTIONS: Final = ("mean", "sum", "none", "parts")


def reduced(name: str, losses: Any, reduction: str, count: Any = None) -> Any:
    """The losses as they shall be returned.

    Args:
        name: of the function, for errors.
        losses: the losses of the elements, any shape.
        reduction: ``"mean"`` is sum / count; ``"sum"``; ``"none"`` leaves them as they are;
            ``"parts"`` is the pair of sum and count, as two tensors of rank 0. The means of
            batches of different sizes cannot be averaged; their parts can be added up.
        count: what the mean divides by, a number or a tensor; by default how many losses there are.

    Raises:
        ArgumentError: for another reduction.
    """
    if reduction == "none":
        return losses
    if reduction not in REDUCTIONS:
        known = ", ".join(map(repr, REDUCTIONS))
        raise ad.errors.ArgumentError(f"{name}: reduction is one of {known}, got {reduction!r}")
    total = ad.sum(losses)
    if reduction == "sum":
        return total
    if count is None:
        count = math.prod(losses.shape)
    if reduction == "mean":
        return total / count
    if isinstance(count, int | float):
        return total, ad.full((), count, dtype=total.dtype)
    return total, count.astype(total.dtype)


def operands(name: str, first: str, x: Any, second: str, y: Any) -> tuple[Any, Any]:
    """Prediction and target as tensors of one shape.

    PyTorch broadcasts, with a warning: a column against a row is a matrix of losses that nobody
    meant.

    Raises:
        ShapeError: if the shapes differ.
    """
    x, y = ad.asarray(x), ad.asarray(y)
    if x.shape != y.shape:
        fact = f"{first} has shape {x.shape}, {second} {y.shape}"
        hint = f"{second}.reshape({first}.shape)" if x.size == y.size else ""
        raise refusal(ad.errors.ShapeError, fact, name, [(first, x), (second, y)], hint)
    return x, y
