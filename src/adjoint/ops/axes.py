"""Axes that are added, dropped, moved and swapped: names for `Reshape` and `Permute`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adjoint.core import types
from adjoint.core.bind import lift
from adjoint.core.errors import AxisError, ShapeError
from adjoint.ops.shape import (
    Permute,
    Reshape,
    axes_of,
    axis_of,
    permute_dims,
    refusal,
    several,
)

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "expand_dims",
    "matrix_transpose",
    "moveaxis",
    "squeeze",
    "swapaxes",
    "transpose",
]


def transpose(x: Any, /, axes: Sequence[int] | None = None) -> Any:
    """The tensor with its axes reversed, or in the order `axes`.

    Example:
        >>> ad.transpose(ad.tensor([[1.0, 2.0, 3.0]])).shape
        (3, 1)
    """
    x = lift(x)
    return permute_dims(x, range(x.ndim)[::-1] if axes is None else axes)


def matrix_transpose(x: Any, /) -> Any:
    """Each matrix transposed: the last two axes swapped.

    Raises:
        ShapeError: if there are fewer than two axes.

    Example:
        >>> ad.matrix_transpose(ad.tensor([[1.0, 2.0, 3.0]])).shape
        (3, 1)
    """
    x = lift(x)
    if x.ndim < 2:
        fact = ShapeError(f"needs at least two axes, got {x.ndim}")
        raise refusal("matrix_transpose", fact, ("x", x))
    return swapaxes(x, -1, -2)


def expand_dims(x: Any, /, axis: int | Sequence[int] = 0) -> Any:
    """The tensor with new axes of size 1, which stand at `axis` in the result.

    Raises:
        AxisError: if a position is out of range or named twice.

    Example:
        >>> ad.expand_dims(ad.tensor([1.0, 2.0]), axis=1).shape
        (2, 1)
    """
    x = lift(x)
    given = several(axis)
    ndim = x.ndim + len(given)
    try:
        axes = types.normalize_axes(given, ndim)
    except AxisError as error:
        raise refusal("expand_dims", error, ("x", x)) from None
    old = iter(x.shape)
    return Reshape(tuple(1 if a in axes else next(old) for a in range(ndim)))(x)


def squeeze(x: Any, /, axis: int | Sequence[int] | None = None) -> Any:
    """The tensor without the axes of size 1 that `axis` names; None names all of them.

    Raises:
        ShapeError: if a named axis has another size.

    Example:
        >>> ad.squeeze(ad.tensor([[1.0, 2.0]]), axis=0)
        tensor([1., 2.])
    """
    x = lift(x)
    ones = tuple(a for a, n in enumerate(x.shape) if n == 1)
    axes = ones if axis is None else axes_of("squeeze", x, axis)
    for a in axes:
        if x.shape[a] != 1:
            fact = ShapeError(f"axis {a} has size {x.shape[a]}; only axes of size 1 can go")
            raise refusal("squeeze", fact, ("x", x))
    return Reshape(tuple(n for a, n in enumerate(x.shape) if a not in axes))(x)


def moveaxis(x: Any, source: int | Sequence[int], destination: int | Sequence[int], /) -> Any:
    """The tensor with the axes `source` moved to `destination`; the others keep their order.

    Raises:
        AxisError: if an axis does not exist, is named twice, or the counts differ.

    Example:
        >>> ad.moveaxis(ad.broadcast_to(0.0, (2, 3, 4)), 0, -1).shape
        (3, 4, 2)
    """
    x = lift(x)
    froms, tos = (
        tuple(axis_of("moveaxis", x, a) for a in several(axes)) for axes in (source, destination)
    )
    if len(froms) != len(tos) or len(set(froms)) != len(froms) or len(set(tos)) != len(tos):
        fact = AxisError(f"cannot move the axes {source} to {destination}: they must pair up")
        raise refusal("moveaxis", fact, ("x", x))
    rest = iter(a for a in range(x.ndim) if a not in froms)
    placed = dict(zip(tos, froms, strict=True))
    return Permute(tuple(placed[a] if a in placed else next(rest) for a in range(x.ndim)))(x)


def swapaxes(x: Any, axis1: int, axis2: int, /) -> Any:
    """The tensor with two axes exchanged.

    Example:
        >>> ad.swapaxes(ad.broadcast_to(0.0, (2, 3, 4)), 0, 2).shape
        (4, 3, 2)
    """
    x = lift(x)
    a, b = axis_of("swapaxes", x, axis1), axis_of("swapaxes", x, axis2)
    order = list(range(x.ndim))
    order[a], order[b] = b, a
    return Permute(tuple(order))(x)


def atleast_1d(x: Any, /) -> Any:
    """The tensor with at least one axis.

    Example:
        >>> ad.atleast_1d(2.0)
        tensor([2.])
    """
    x = lift(x)
    return Reshape(x.shape or (1,))(x)


def atleast_2d(x: Any, /) -> Any:
    """The tensor with at least two axes; new ones stand in front.

    Example:
        >>> ad.atleast_2d(ad.tensor([1.0, 2.0])).shape
        (1, 2)
    """
    x = lift(x)
    return Reshape((1,) * (2 - x.ndim) + x.shape)(x)


def atleast_3d(x: Any, /) -> Any:
    """The tensor with at least three axes, added where NumPy adds them.

    Example:
        >>> ad.atleast_3d(ad.tensor([1.0, 2.0])).shape
        (1, 2, 1)
    """
    x = lift(x)
    shape = x.shape if x.ndim > 2 else (*((1,) * (2 - x.ndim)), *x.shape, 1)
    return Reshape(shape)(x)
