"""Elements repeated and rotated: `repeat`, `tile`, `roll`, `rot90`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from adjoint.core.bind import lift, numbers
from adjoint.core.errors import ArgumentError, ShapeError
from adjoint.core.graph import Handle
from adjoint.ops.axes import swapaxes
from adjoint.ops.gather import Gather, counted
from adjoint.ops.join import Concat
from adjoint.ops.shape import Expand, Reshape, axis_of, ravel, refusal, several, sizes_of
from adjoint.ops.slice import part, reverse

__all__ = ["repeat", "roll", "rot90", "tile"]


def repeat(x: Any, repeats: Any, /, *, axis: int | None = None) -> Any:
    """The tensor with each element along an axis repeated.

    Args:
        x: any shape.
        repeats: how often: a whole number for all elements, or one for each.
        axis: the axis; None flattens `x` first.

    Raises:
        ShapeError: if there are neither one nor as many `repeats` as elements.

    Example:
        >>> ad.repeat(ad.tensor([1.0, 2.0]), 2)
        tensor([1., 1., 2., 2.])

    **Gradient:** summed over the repeats.
    """
    x = lift(x)
    if axis is None:
        x, axis = ravel(x), 0
    at = axis_of("repeat", x, axis)
    times = np.asarray(numbers(repeats, "ad.repeat") if isinstance(repeats, Handle) else repeats)
    if times.dtype.kind not in "iu" or (times < 0).any():
        fact = ArgumentError(f"repeats must be whole numbers from 0 on, got {repeats}")
        raise refusal("repeat", fact, ("x", x))
    n = x.shape[at]
    if times.size == 1:
        k = int(times.reshape(()))
        shape = (*x.shape[: at + 1], k, *x.shape[at + 1 :])
        merged = (*x.shape[:at], n * k, *x.shape[at + 1 :])
        return Reshape(merged)(Expand(shape, (at + 1,))(x))
    if times.shape != (n,):
        fact = ShapeError(f"repeats has shape {times.shape}, axis {at} has size {n}")
        raise refusal("repeat", fact, ("x", x))
    return Gather(at)(x, np.repeat(counted(n), times))


def tile(x: Any, repetitions: int | Sequence[int], /) -> Any:
    """The tensor laid side by side, so often along each axis.

    Args:
        x: any shape; if there are more repetitions than axes, new axes are put in front.
        repetitions: how often, for the last axes.

    Example:
        >>> ad.tile(ad.tensor([1.0, 2.0]), (2, 2))
        tensor([[1., 2., 1., 2.],
                [1., 2., 1., 2.]])

    **Gradient:** summed over the copies.
    """
    x = lift(x)
    times = sizes_of(repetitions)
    times = (1,) * (x.ndim - len(times)) + times
    shape = (1,) * (len(times) - x.ndim) + x.shape
    wide = tuple(n for pair in zip(times, shape, strict=True) for n in pair)
    axes = tuple(range(0, 2 * len(times), 2))
    out = Expand(wide, axes)(Reshape(shape)(x))
    return Reshape(tuple(k * n for k, n in zip(times, shape, strict=True)))(out)


def roll(
    x: Any,
    /,
    shift: int | Sequence[int],
    *,
    axis: int | Sequence[int] | None = None,
) -> Any:
    """The tensor with its elements moved along an axis; what leaves at one end enters at the other.

    Args:
        x: any shape.
        shift: places to move, to higher indices if positive; one number or one for each axis.
        axis: the axes; None rolls the flattened tensor.

    Raises:
        ArgumentError: if there are several shifts and not as many axes.

    Example:
        >>> ad.roll(ad.tensor([1.0, 2.0, 3.0]), 1)
        tensor([3., 1., 2.])

    **Gradient:** the cotangent rolled back.
    """
    x = lift(x)
    if axis is None:
        shifts = sizes_of(shift)
        return Reshape(x.shape)(_rolled(ravel(x), sum(shifts), 0))
    axes = several(axis)
    shifts = sizes_of(shift)
    shifts = shifts * len(axes) if len(shifts) == 1 else shifts
    axes = axes * len(shifts) if len(axes) == 1 else axes
    if len(shifts) != len(axes):
        fact = ArgumentError(f"{len(shifts)} shifts for {len(axes)} axes")
        raise refusal("roll", fact, ("x", x))
    for k, a in zip(shifts, axes, strict=True):
        x = _rolled(x, k, axis_of("roll", x, a))
    return x


def _rolled(x: Any, shift: int, axis: int) -> Any:
    n = x.shape[axis]
    k = shift % n if n else 0
    if not k:
        return Reshape(x.shape)(x)
    return Concat(axis)(part(x, axis, n - k, k), part(x, axis, 0, n - k))


def rot90(x: Any, /, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Any:
    """The tensor turned by 90 degrees `k` times, from the first of the axes towards the second.

    Example:
        >>> ad.rot90(ad.tensor([[1.0, 2.0], [3.0, 4.0]]))
        tensor([[2., 4.],
                [1., 3.]])
    """
    x = lift(x)
    a, b = (axis_of("rot90", x, axis) for axis in axes)
    if a == b:
        raise refusal("rot90", ArgumentError(f"axes {axes} are the same"), ("x", x))
    turns = k % 4
    if turns == 0:
        return Reshape(x.shape)(x)
    if turns == 2:
        return reverse(x, (a, b))
    if turns == 1:
        return swapaxes(reverse(x, (b,)), a, b)
    return reverse(swapaxes(x, a, b), (b,))
