"""Where values enter: arrays of constants, ranges, grids."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.core.bind import imagined, lift, numbers, own
from adjoint.core.errors import ArgumentError
from adjoint.core.graph import Handle
from adjoint.core.types import (
    FLOAT,
    INT,
    as_dtype,
    complex_of,
    default_dtype,
    default_for,
    dtype_kind,
)
from adjoint.ops.families import CAST
from adjoint.ops.shape import Expand, Permute, Reshape

__all__ = [
    "arange",
    "empty",
    "empty_like",
    "eye",
    "full",
    "full_like",
    "linspace",
    "logspace",
    "meshgrid",
    "ones",
    "ones_like",
    "zeros",
    "zeros_like",
]

CPU = "cpu"


def check_device(device: Any) -> None:
    """Refuse a device other than the one there is.

    Raises:
        ArgumentError: if `device` is neither None nor ``"cpu"``.
    """
    if device not in (None, CPU):
        raise ArgumentError(f"device {device!r} is not available; Adjoint computes on 'cpu'")


def _size(shape: Any) -> tuple[int, ...]:
    """A shape for whatever the user gave: an int, or a sequence of ints."""
    if hasattr(shape, "__index__"):
        return (int(shape),)
    return tuple(int(n) for n in shape)


def zeros(shape: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """A tensor of zeros.

    Args:
        shape: sizes of the axes, or one size.
        dtype: the default float dtype unless given.
        device: ``"cpu"``.

    Example:
        >>> ad.zeros((2,))
        tensor([0., 0.])
    """
    check_device(device)
    size, kind = _size(shape), as_dtype(dtype)
    out = imagined(size, kind)
    return own(np.zeros(size, kind)) if out is None else out


def ones(shape: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """A tensor of ones. Arguments are those of `zeros`.

    Example:
        >>> ad.ones(2)
        tensor([1., 1.])
    """
    check_device(device)
    size, kind = _size(shape), as_dtype(dtype)
    out = imagined(size, kind)
    return own(np.ones(size, kind)) if out is None else out


def empty(shape: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """A tensor whose values do not matter; they are zeros, so that results stay the same.

    Example:
        >>> ad.empty((2, 3)).shape
        (2, 3)
    """
    return zeros(shape, dtype=dtype, device=device)


def full(shape: Any, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """A tensor filled with one number.

    Args:
        shape: sizes of the axes, or one size.
        fill_value: a Python number, or a scalar tensor (gradients flow to it).
        dtype: that of the fill value unless given.
        device: ``"cpu"``.

    Example:
        >>> ad.full((2,), 7)
        tensor([7, 7])
    """
    check_device(device)
    size = _size(shape)
    if isinstance(fill_value, Handle):
        filled = Expand(size, tuple(range(len(size))))(fill_value)
        return filled if dtype is None else CAST[as_dtype(dtype)](filled)
    given = default_for(_kind(fill_value)) if dtype is None else as_dtype(dtype)
    out = imagined(size, given)
    return own(np.full(size, fill_value, given)) if out is None else out


def _kind(x: Any) -> int:
    return dtype_kind(np.asarray(x).dtype)


def _like(x: Any, dtype: Any) -> Any:
    return x.dtype if dtype is None else as_dtype(dtype)


def zeros_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Any:
    """A tensor of zeros of the shape and dtype of another.

    Example:
        >>> ad.zeros_like(ad.tensor([1, 2]))
        tensor([0, 0])

    **Gradient:** none.
    """
    x = lift(x)
    return zeros(x.shape, dtype=_like(x, dtype), device=device)


def ones_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Any:
    """A tensor of ones of the shape and dtype of another.

    Example:
        >>> ad.ones_like(ad.tensor([3, 4]))
        tensor([1, 1])

    **Gradient:** none.
    """
    x = lift(x)
    return ones(x.shape, dtype=_like(x, dtype), device=device)


def empty_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Any:
    """A tensor of the shape and dtype of another, whose values do not matter.

    Example:
        >>> ad.empty_like(ad.tensor([[1, 2]])).dtype
        dtype('int64')
    """
    return zeros_like(x, dtype=dtype, device=device)


def full_like(x: Any, /, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """A tensor of the shape and dtype of another, filled with one number.

    Example:
        >>> ad.full_like(ad.tensor([1.0, 2.0]), 7)
        tensor([7., 7.])
    """
    x = lift(x)
    return full(x.shape, fill_value, dtype=_like(x, dtype), device=device)


def arange(
    start: Any, /, stop: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None
) -> Any:
    """Evenly spaced numbers: `start`, ``start + step``, ... up to but not including `stop`.

    Args:
        start: the first number; with one argument it is `stop`, and the numbers begin at 0.
        stop: where to end.
        step: the distance.
        dtype: int64 if all three are ints, the default float dtype otherwise, unless given.
        device: ``"cpu"``.

    Example:
        >>> ad.arange(3)
        tensor([0, 1, 2])
    """
    check_device(device)
    if stop is None:
        start, stop = 0, start
    given = [_number(v, "ad.arange") for v in (start, stop, step)]
    if dtype is None:
        exact = all(isinstance(v, int) for v in given)
        dtype = default_for(INT) if exact else default_dtype()
    dtype = as_dtype(dtype)
    first, last, distance = given
    if (last - first) * (1 if distance > 0 else -1) <= 0:
        return own(np.empty(0, dtype))
    wide = np.arange(first, last, distance)
    return own(wide.astype(dtype))


def _number(x: Any, asked: str) -> Any:
    """A Python number for a number or scalar tensor."""
    if isinstance(x, Handle):
        return numbers(x, asked).item()
    return x.item() if isinstance(x, np.generic) else x


def linspace(
    start: Any,
    stop: Any,
    /,
    num: int,
    *,
    dtype: Any = None,
    device: Any = None,
    endpoint: bool = True,
) -> Any:
    """`num` evenly spaced numbers from `start` to `stop`.

    Args:
        start: the first number.
        stop: the last one, or the one after the last without `endpoint`.
        num: how many.
        dtype: the default float (or complex) dtype unless given.
        device: ``"cpu"``.
        endpoint: whether `stop` is among them.

    Example:
        >>> ad.linspace(0, 1, 3)
        tensor([0. , 0.5, 1. ])
    """
    check_device(device)
    first, last = _number(start, "ad.linspace"), _number(stop, "ad.linspace")
    if dtype is None:
        wide = isinstance(first, complex) or isinstance(last, complex)
        dtype = complex_of(default_dtype()) if wide else default_dtype()
    dtype = as_dtype(dtype)
    compute = dtype if dtype_kind(dtype) >= FLOAT and dtype.kind != "V" else None
    return own(np.linspace(first, last, num, endpoint=endpoint, dtype=compute).astype(dtype))


def logspace(start: Any, stop: Any, /, num: int, *, base: float = 10.0, dtype: Any = None) -> Any:
    """`num` numbers from ``base**start`` to ``base**stop``, evenly spaced on a log scale.

    Example:
        >>> ad.logspace(0, 2, 3)
        tensor([  1.,  10., 100.])
    """
    first, last = _number(start, "ad.logspace"), _number(stop, "ad.logspace")
    return own(np.logspace(first, last, num, base=base).astype(as_dtype(dtype)))


def eye(
    n_rows: int,
    n_cols: int | None = None,
    /,
    *,
    k: int = 0,
    dtype: Any = None,
    device: Any = None,
) -> Any:
    """A matrix with ones on its `k`-th diagonal and zeros elsewhere.

    Example:
        >>> ad.eye(2)
        tensor([[1., 0.],
                [0., 1.]])
    """
    check_device(device)
    return own(np.eye(n_rows, n_cols, k=k, dtype=as_dtype(dtype)))


def meshgrid(*xs: Any, indexing: str = "xy") -> tuple[Any, ...]:
    """Coordinate grids from one-dimensional tensors.

    Args:
        xs: tensors of rank 0 or 1.
        indexing: ``"xy"`` (columns vary with the first) or ``"ij"`` (rows do).

    Returns:
        A tuple with a grid for each.

    Example:
        >>> x, y = ad.meshgrid(ad.tensor([1, 2, 3]), ad.tensor([10, 20]))
        >>> x + y
        tensor([[11, 12, 13],
                [21, 22, 23]])

    **Gradient:** summed over the repeated axes.
    """
    if indexing not in ("xy", "ij"):
        raise ArgumentError(f"meshgrid: indexing must be 'xy' or 'ij', got {indexing!r}")
    lifted = [lift(x) for x in xs]
    if any(x.ndim > 1 for x in lifted):
        raise ArgumentError("meshgrid: expects tensors of rank 0 or 1")
    lifted = [x if x.ndim else Reshape((1,))(x) for x in lifted]
    shape = tuple(x.shape[0] for x in lifted)
    grids: list[Any] = []
    for i, x in enumerate(lifted):
        grid = Expand(shape, tuple(a for a in range(len(shape)) if a != i))(x)
        if indexing == "xy" and len(shape) > 1:
            grid = Permute((1, 0, *range(2, len(shape))))(grid)
        grids.append(grid)
    return tuple(grids)
