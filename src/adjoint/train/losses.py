"""Losses as sums and counts, whose quotient is exact over batches of any sizes."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable
from typing import Any

import adjoint as ad
from adjoint.train.errors import TrainingError

Parts = Callable[[Any, Any], tuple[Any, Any]]
"""(output, target) -> (sum of the losses, how many they are)."""


def cross_entropy(output: Any, target: Any) -> tuple[Any, Any]:
    """Sum and count of the cross-entropy; scores of classes stand along the last axis."""
    if output.ndim > 2:  # a score for each token: (batch, length, classes)
        output, target = output.reshape((-1, output.shape[-1])), target.reshape((-1,))
    return ad.nn.functional.cross_entropy(output, target, reduction="parts")


def _alike(loss: Callable[..., Any]) -> Parts:
    def parts(output: Any, target: Any) -> tuple[Any, Any]:
        if output.ndim == target.ndim + 1 and output.shape[-1] == 1:
            output = output.reshape(target.shape)  # a single quantity: (batch, 1) for (batch,)
        return loss(output, target.astype(output.dtype), reduction="parts")

    return parts


def _named() -> dict[str, Parts]:
    f = ad.nn.functional
    return {
        "cross_entropy": cross_entropy,
        "mse": _alike(f.mse_loss),
        "l1": _alike(f.l1_loss),
        "huber": _alike(f.huber_loss),
        "binary_cross_entropy": _alike(f.binary_cross_entropy_with_logits),
    }


def as_parts(loss: Any) -> Parts:
    """A loss as a function that returns sum and count.

    Args:
        loss: a name; a loss of `ad.nn`, as function or layer; or any function of output and target.
            What returns a single number is taken for the mean over the batch.

    Raises:
        TrainingError: if there is no loss of this name.
    """
    if isinstance(loss, str):
        known = _named()
        if loss not in known:
            raise TrainingError(f"There is no loss {loss!r}; there are {', '.join(known)}.")
        return known[loss]
    if getattr(loss, "reduction", None) == "mean":
        layer = copy.copy(loss)
        layer.reduction = "parts"
        return layer
    if "reduction" in _arguments(loss):
        return functools.partial(loss, reduction="parts")

    def parts(output: Any, target: Any) -> tuple[Any, Any]:
        return whole(loss(output, target), target)

    return parts


def whole(found: Any, batch: Any) -> tuple[Any, Any]:
    """Sum and count of what a loss returned: a pair of them, or the mean over the batch."""
    if isinstance(found, tuple):
        total, count = found
        return total, ad.asarray(count).astype(total.dtype)
    rows = rows_of(batch)
    return found * rows, ad.full((), rows, dtype=found.dtype)


def rows_of(batch: Any) -> int:
    """How many rows a batch has: the length of its first array."""
    while isinstance(batch, dict | tuple | list) and batch:
        batch = next(iter(batch.values())) if isinstance(batch, dict) else batch[0]
    shape = getattr(batch, "shape", ())
    return int(shape[0]) if shape else 1


def _arguments(f: Any) -> tuple[str, ...]:
    try:
        return tuple(inspect.signature(f).parameters)
    except (TypeError, ValueError):
        return ()
