"""Quantiles, percentiles and the median: places in the sorted values.

A quantile lies at ``p = q * (n + 1 - a - b) + a - 1`` among `n` sorted values, counted from 0, with
constants `a` and `b` that depend on the method.

Source: Hyndman and Fan, Sample quantiles in statistical packages (1996), table 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from adjoint.core.bind import lift, numbers
from adjoint.core.errors import ArgumentError, DTypeError, ShapeError
from adjoint.core.graph import Handle
from adjoint.core.types import default_dtype, is_inexact
from adjoint.ops.compare import IS_NAN
from adjoint.ops.families import CAST
from adjoint.ops.gather import Gather
from adjoint.ops.select import WHERE
from adjoint.ops.shape import Permute, Reshape, axes_of, merge_axes, refusal
from adjoint.ops.slice import part
from adjoint.ops.sort import Sort

__all__ = ["median", "percentile", "quantile"]

Axis = int | Sequence[int] | None

METHODS: Final = {
    "linear": (1.0, 1.0),
    "hazen": (0.5, 0.5),
    "weibull": (0.0, 0.0),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
    "interpolated_inverted_cdf": (0.0, 1.0),
    "lower": (1.0, 1.0),
    "higher": (1.0, 1.0),
    "midpoint": (1.0, 1.0),
    "nearest": (1.0, 1.0),
}


def quantile(
    x: Any,
    q: Any,
    /,
    axis: Axis = None,
    *,
    method: str = "linear",
    keepdims: bool = False,
    dim: Axis = None,
    keepdim: bool | None = None,
) -> Any:
    """The values below which a share `q` of the elements over axes lies; NaN if one is NaN.

    Args:
        x: any shape, real; integers give the default float dtype.
        q: a number from 0 to 1, or an array of them, whose axes come first in the result.
        axis: one axis, several, or None for all.
        method: how to read between two sorted values, as in `numpy.quantile`: ``"linear"``,
            ``"lower"``, ``"higher"``, ``"midpoint"``, ``"nearest"``, ``"hazen"``, ``"weibull"``,
            ``"median_unbiased"``, ``"normal_unbiased"`` or ``"interpolated_inverted_cdf"``.
        keepdims: leave the reduced axes with size 1.
        dim: another name of `axis`.
        keepdim: another name of `keepdims`.

    Raises:
        ArgumentError: if `q` is not between 0 and 1, or the method is unknown.
        ShapeError: if there are no elements.

    Example:
        >>> ad.quantile(ad.tensor([1.0, 2.0, 4.0, 8.0]), 0.5)
        tensor(3.)

    **Gradient:** to the two sorted neighbours, by their weights; at ties as for `sort`. None for
    `q`.
    """
    axis = dim if axis is None else axis
    return _quantile("quantile", lift(x), _shares(q, 1), axis, method, bool(keepdims or keepdim))


def percentile(
    x: Any,
    q: Any,
    /,
    axis: Axis = None,
    *,
    method: str = "linear",
    keepdims: bool = False,
    dim: Axis = None,
    keepdim: bool | None = None,
) -> Any:
    """The values below which `q` percent of the elements over axes lie: `quantile` of ``q / 100``.

    Example:
        >>> ad.percentile(ad.tensor([1.0, 2.0, 4.0, 8.0]), 50)
        tensor(3.)

    **Gradient:** as for `quantile`.
    """
    axis = dim if axis is None else axis
    keep = bool(keepdims or keepdim)
    return _quantile("percentile", lift(x), _shares(q, 100), axis, method, keep)


def median(
    x: Any,
    /,
    axis: Axis = None,
    *,
    keepdims: bool = False,
    dim: Axis = None,
    keepdim: bool | None = None,
) -> Any:
    """The middle one of the sorted elements over axes, or the mean of the two in the middle.

    Example:
        >>> ad.median(ad.tensor([1.0, 9.0, 2.0, 4.0]))
        tensor(3.)

    **Gradient:** to the middle element, or half to each of the two; at ties as for `sort`.
    """
    axis = dim if axis is None else axis
    keep = bool(keepdims or keepdim)
    return _quantile("median", lift(x), np.asarray(0.5), axis, "linear", keep)


def _shares(q: Any, whole: float) -> Any:
    given = numbers(q, "ad.quantile(x, q)") if isinstance(q, Handle) else q
    q = np.asarray(given, np.float64) / whole
    if not ((q >= 0) & (q <= 1)).all():
        name = "quantile" if whole == 1 else "percentile"
        raise refusal(name, ArgumentError(f"q must lie between 0 and {whole}, got {given}"))
    return q


def _quantile(op: str, x: Any, q: Any, axis: Axis, method: str, keepdims: bool) -> Any:
    axes = axes_of(op, x, axis)
    if x.dtype.kind == "c":
        fact = DTypeError(f"complex numbers have no order, got {x.dtype}")
        raise refusal(op, fact, ("x", x))
    if method not in METHODS:
        fact = ArgumentError(f"method {method!r} is none of {', '.join(METHODS)}")
        raise refusal(op, fact)
    x = x if is_inexact(x.dtype) else CAST[default_dtype()](x)
    merged = merge_axes(x, axes)
    last = merged.ndim - 1
    n = merged.shape[last]
    if not n:
        fact = ShapeError(f"no {op} of no elements: x has shape {x.shape}")
        raise refusal(op, fact, ("x", x))
    ordered = Sort(last)(merged)
    out = _between(ordered, last, *_places(q.ravel(), n, method))
    largest = part(ordered, last, n - 1, 1)  # NaN is sorted to the end
    out = WHERE(IS_NAN(largest), largest, out)
    # the axis of q comes first, and takes the shape of q
    kept = out.shape[:last]
    out = Reshape((*q.shape, *kept))(Permute((last, *range(last)))(out))
    if not keepdims:
        return out
    ones = tuple(1 if a in axes else m for a, m in enumerate(x.shape))
    return Reshape((*q.shape, *ones))(out)


def _places(q: Any, n: int, method: str) -> tuple[Any, Any, Any]:
    """For each share the places of the two sorted neighbours, and the weight of the second."""
    a, b = METHODS[method]
    p = np.minimum(np.maximum(q * (n + 1 - a - b) + (a - 1), 0), n - 1)
    if method == "nearest":
        p = np.rint(p)
    low, high = np.floor(p), np.ceil(p)
    if method == "lower":
        high = low
    elif method == "higher":
        low = high
    weight = (0 * p + 0.5 if method == "midpoint" else p - low) * (low != high)
    return low.astype(np.int64), high.astype(np.int64), weight


def _between(ordered: Any, axis: int, low: Any, high: Any, weight: Any) -> Any:
    below = Gather(axis)(ordered, low)
    if not weight.any():
        return below
    share = weight.astype(ordered.dtype)
    # not below + share * (above - below), which is NaN between two equal infinities
    mixed = below * (1 - share) + Gather(axis)(ordered, high) * share
    return WHERE(share == 0, below, mixed)
