"""Reductions: sum, product, mean, variance, any, all and counts.

`axis` is one axis, several or None for all of them; `keepdims` leaves the reduced axes in place
with size 1. PyTorch's names `dim` and `keepdim` are understood too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from adjoint.core.bind import bind_one, lift
from adjoint.core.errors import AxisError
from adjoint.core.types import as_dtype, default_dtype, is_inexact, real_of
from adjoint.ops.compare import EQUAL, NOT_EQUAL
from adjoint.ops.families import CAST, conj
from adjoint.ops.power import SQRT
from adjoint.ops.product import Prod
from adjoint.ops.select import WHERE
from adjoint.ops.shape import Expand, Sum, axes_of, refusal, sum_dtype, sum_over, with_axes
from adjoint.ops.truth import AllTrue, AnyTrue

__all__ = [
    "all",
    "any",
    "count_nonzero",
    "mean",
    "prod",
    "std",
    "sum",
    "var",
]

Axis = int | Sequence[int] | None


def _cast(x: Any, dtype: Any) -> Any:
    return x if x.dtype == dtype else CAST[dtype](x)


def sum(
    x: Any,
    /,
    axis: Axis = None,
    *,
    dtype: Any = None,
    keepdims: bool = False,
    dim: Axis = None,
    keepdim: bool | None = None,
) -> Any:
    """The sum of the elements over axes; 0 of none.

    Args:
        x: any shape.
        axis: one axis, several, or None for all.
        dtype: dtype of the sum; by default bools and integers become 64-bit integers, and floats
            keep theirs.
        keepdims: leave the reduced axes with size 1.
        dim: another name of `axis`.
        keepdim: another name of `keepdims`.

    Raises:
        AxisError: if an axis does not exist or is named twice.

    Example:
        >>> ad.sum(ad.tensor([[1.0, 2.0], [3.0, 4.0]]), axis=0)
        tensor([4., 6.])

    **Gradient:** 1 for every element.
    """
    x = lift(x)
    if axis is None:
        axis = dim
    try:
        # a list, which pyright sees after `isinstance` alone, and that is a call
        key = tuple(axis) if axis.__class__ is list else axis  # pyright: ignore[reportArgumentType]
        card = sum_over(x.value.ndim, key)
    except AxisError as error:
        raise refusal("sum", error, ("x", x)) from None
    if dtype is not None or x.value.dtype.kind not in "fc":
        x = _cast(x, sum_dtype(x.dtype, dtype))
    out = bind_one(card, x)
    return with_axes(out, x, card.axes, keepdims or keepdim) if keepdims or keepdim else out


def prod(
    x: Any,
    /,
    axis: Axis = None,
    *,
    dtype: Any = None,
    keepdims: bool = False,
    dim: Axis = None,
    keepdim: bool | None = None,
) -> Any:
    """The product of the elements over axes; 1 of none.

    Args:
        x: any shape.
        axis: one axis, several, or None for all.
        dtype: dtype of the product; by default as for `sum`.
        keepdims: leave the reduced axes with size 1.
        dim: another name of `axis`.
        keepdim: another name of `keepdims`.

    Raises:
        AxisError: if an axis does not exist or is named twice.

    Example:
        >>> ad.prod(ad.tensor([2.0, 3.0, 4.0]))
        tensor(24.)

    **Gradient:** the product of the other elements; right where elements are zero, to any order.
    """
    x = lift(x)
    axes = axes_of("prod", x, dim if axis is None else axis)
    out = Prod(axes)(_cast(x, sum_dtype(x.dtype, dtype)))
    return with_axes(out, x, axes, keepdims or keepdim)


def mean(
    x: Any,
    /,
    axis: Axis = None,
    *,
    dtype: Any = None,
    keepdims: bool = False,
    dim: Axis = None,
    keepdim: bool | None = None,
) -> Any:
    """The arithmetic mean of the elements over axes; NaN of none.

    Args:
        x: any shape. Integers give the default float dtype, and are summed as integers.
        axis: one axis, several, or None for all.
        dtype: dtype of the mean.
        keepdims: leave the reduced axes with size 1.
        dim: another name of `axis`.
        keepdim: another name of `keepdims`.

    Raises:
        AxisError: if an axis does not exist or is named twice.

    Example:
        >>> ad.mean(ad.tensor([1.0, 2.0, 6.0]))
        tensor(3.)

    **Gradient:** one over the number of elements.
    """
    x = lift(x)
    axes = axes_of("mean", x, dim if axis is None else axis)
    out = _mean(x, axes, _float_dtype(x, dtype))
    return with_axes(out, x, axes, keepdims or keepdim)


def _float_dtype(x: Any, dtype: Any = None) -> Any:
    if dtype is not None:
        return as_dtype(dtype)
    return x.dtype if is_inexact(x.dtype) else default_dtype()


def _mean(x: Any, axes: tuple[int, ...], dtype: Any) -> Any:
    n = _count(x, axes)
    # 16-bit floats overflow, and integers are exact, while they are added up
    wide = np.dtype(np.float32) if dtype.char in "eE" else dtype
    total = Sum(axes)(_cast(x, wide if is_inexact(x.dtype) else sum_dtype(x.dtype)))
    return _cast(_cast(total, wide) / n, dtype)


def _count(x: Any, axes: tuple[int, ...]) -> int:
    n = 1
    for a in axes:
        n *= x.shape[a]
    return n


def var(
    x: Any,
    /,
    axis: Axis = None,
    *,
    correction: float = 0.0,
    keepdims: bool = False,
    dim: Axis = None,
    keepdim: bool | None = None,
    ddof: float | None = None,
    unbiased: bool | None = None,
) -> Any:
    """The variance of the elements over axes: the mean squared distance from their mean.

    Args:
        x: any shape; of complex numbers the squared modulus counts, and the result is real.
        axis: one axis, several, or None for all.
        correction: the sum of squares is divided by the number of elements less this.
        keepdims: leave the reduced axes with size 1.
        dim: another name of `axis`.
        keepdim: another name of `keepdims`.
        ddof: NumPy's name of `correction`.
        unbiased: PyTorch's switch: True stands for a correction of 1, False for 0.

    Raises:
        AxisError: if an axis does not exist or is named twice.

    Example:
        >>> ad.var(ad.tensor([1.0, 2.0, 3.0, 4.0]))
        tensor(1.25)

    **Gradient:** ``2 (x - mean) / (n - correction)``.
    """
    x = lift(x)
    axes = axes_of("var", x, dim if axis is None else axis)
    out = _variance(x, axes, _correction(correction, ddof, unbiased))
    return with_axes(_cast(out, real_of(_float_dtype(x))), x, axes, keepdims or keepdim)


def _correction(correction: float, ddof: float | None, unbiased: bool | None) -> float:
    if unbiased is not None:
        return float(unbiased)
    return correction if ddof is None else ddof


def _variance(x: Any, axes: tuple[int, ...], correction: float) -> Any:
    """The variance, of 16-bit floats in 32 bits."""
    dtype = _float_dtype(x)
    wide = np.dtype(np.float32) if dtype.char in "eE" else dtype
    x = _cast(x, wide)
    off = x - Expand(x.shape, axes)(_mean(x, axes, wide))
    squares = _cast(off * conj(off), real_of(wide))
    left = _count(x, axes) - correction
    return Sum(axes)(squares) / (left if left > 0 else 0.0)


def std(
    x: Any,
    /,
    axis: Axis = None,
    *,
    correction: float = 0.0,
    keepdims: bool = False,
    dim: Axis = None,
    keepdim: bool | None = None,
    ddof: float | None = None,
    unbiased: bool | None = None,
) -> Any:
    """The standard deviation of the elements over axes: the square root of their variance.

    Args:
        x: any shape.
        axis: one axis, several, or None for all.
        correction: as for `var`.
        keepdims: leave the reduced axes with size 1.
        dim: another name of `axis`.
        keepdim: another name of `keepdims`.
        ddof: NumPy's name of `correction`.
        unbiased: PyTorch's switch, as for `var`.

    Raises:
        AxisError: if an axis does not exist or is named twice.

    Example:
        >>> ad.std(ad.tensor([1.0, 3.0]))
        tensor(1.)

    **Gradient:** ``(x - mean) / ((n - correction) std)``; zero where all elements are equal, so
    that constant data does not spoil a gradient.
    """
    x = lift(x)
    axes = axes_of("std", x, dim if axis is None else axis)
    variance = _variance(x, axes, _correction(correction, ddof, unbiased))
    constant = EQUAL(variance, 0)
    root = SQRT(WHERE(constant, 1, variance))
    out = _cast(WHERE(constant, 0, root), real_of(_float_dtype(x)))
    return with_axes(out, x, axes, keepdims or keepdim)


def any(
    x: Any,
    /,
    axis: Axis = None,
    *,
    keepdims: bool = False,
    dim: Axis = None,
    keepdim: bool | None = None,
) -> Any:
    """Whether some element over axes is not zero; False of none. NaN is not zero.

    Example:
        >>> ad.any(ad.tensor([[0.0, 0.0], [0.0, 2.0]]), axis=1)
        tensor([False,  True])
    """
    x = lift(x)
    axes = axes_of("any", x, dim if axis is None else axis)
    return with_axes(AnyTrue(axes)(x), x, axes, keepdims or keepdim)


def all(
    x: Any,
    /,
    axis: Axis = None,
    *,
    keepdims: bool = False,
    dim: Axis = None,
    keepdim: bool | None = None,
) -> Any:
    """Whether all elements over axes are not zero; True of none.

    Example:
        >>> ad.all(ad.tensor([[1.0, 0.0], [1.0, 2.0]]), axis=1)
        tensor([False,  True])
    """
    x = lift(x)
    axes = axes_of("all", x, dim if axis is None else axis)
    return with_axes(AllTrue(axes)(x), x, axes, keepdims or keepdim)


def count_nonzero(
    x: Any,
    /,
    axis: Axis = None,
    *,
    keepdims: bool = False,
    dim: Axis = None,
    keepdim: bool | None = None,
) -> Any:
    """The number of elements over axes that are not zero.

    Example:
        >>> ad.count_nonzero(ad.tensor([0.0, 1.0, 2.0]))
        tensor(2)
    """
    x = lift(x)
    axes = axes_of("count_nonzero", x, dim if axis is None else axis)
    out = Sum(axes)(CAST[np.dtype(np.int64)](NOT_EQUAL(x, 0)))
    return with_axes(out, x, axes, keepdims or keepdim)
