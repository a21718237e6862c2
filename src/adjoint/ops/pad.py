"""Borders around a value: `pad` with NumPy's modes.

Zeros are the `Pad` card. What repeats elements of the value (edge, reflect, symmetric, wrap) is a
gather with indices that are known from the shape, so its gradient adds up the repeats.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.core.bind import SCALARS, lift
from adjoint.core.errors import ArgumentError, ShapeError
from adjoint.ops.families import CAST
from adjoint.ops.gather import Gather, counted
from adjoint.ops.select import WHERE
from adjoint.ops.shape import broadcast_to, refusal
from adjoint.ops.slice import Pad

__all__ = ["pad"]

MODES = ("constant", "edge", "reflect", "symmetric", "wrap")


def pad(
    x: Any,
    pad_width: Any,
    /,
    mode: str = "constant",
    *,
    constant_values: Any = 0,
    reflect_type: str = "even",
) -> Any:
    """The tensor with a border around it, as `numpy.pad` makes it.

    Args:
        x: any shape.
        pad_width: elements before and after: one number, a pair, or a pair for each axis.
        mode: ``"constant"``, ``"edge"`` (the last element), ``"reflect"`` (mirrored about the last
            element), ``"symmetric"`` (mirrored with the last element) or ``"wrap"`` (periodic).
        constant_values: what the border is filled with in mode ``"constant"``: a number or a
            0-d tensor, or as `pad_width`.
        reflect_type: only ``"even"``, the plain mirror image.

    Raises:
        ArgumentError: for an unknown mode, or widths that are not whole numbers from 0 on.
        ShapeError: if an axis of size 0 is to be extended from its elements.

    Example:
        >>> ad.pad(ad.tensor([1.0, 2.0, 3.0]), (1, 2), mode="reflect")
        tensor([2., 1., 2., 3., 2., 1.])

    **Gradient:** each element gets what arrives at it and at its repeats in the border.
    """
    x = lift(x)
    widths = _widths(x, pad_width)
    if mode not in MODES:
        raise refusal("pad", ArgumentError(f"mode {mode!r} is none of {', '.join(MODES)}"))
    if reflect_type != "even":
        raise refusal("pad", ArgumentError("reflect_type must be 'even'"))
    if mode == "constant":
        return _constant(x, widths, constant_values)
    for axis, (low, high) in enumerate(widths):
        if low or high:
            n = x.shape[axis]
            if not n:
                fact = ShapeError(f"axis {axis} has size 0: mode {mode!r} has nothing to repeat")
                raise refusal("pad", fact, ("x", x))
            # NumPy's own border of the indices says which element stands where
            index = np.pad(counted(n), (low, high), mode=mode)
            x = Gather(axis)(x, index)
    return x


def _widths(x: Any, pad_width: Any) -> list[tuple[int, int]]:
    try:
        given = np.broadcast_to(np.asarray(pad_width), (x.ndim, 2))
    except ValueError:
        fact = ArgumentError(f"pad_width {pad_width!r} is no number, pair or pair for each axis")
        raise refusal("pad", fact, ("x", x)) from None
    if given.dtype.kind not in "iu" or (given < 0).any():
        fact = ArgumentError(f"pad_width must be whole numbers from 0 on, got {pad_width!r}")
        raise refusal("pad", fact, ("x", x))
    return [(int(low), int(high)) for low, high in given]


def _constant(x: Any, widths: list[tuple[int, int]], fill: Any) -> Any:
    low, high = (tuple(w[i] for w in widths) for i in (0, 1))
    out = Pad(low, high, (0,) * x.ndim)(x)
    if fill.__class__ in SCALARS and fill == 0:
        return out
    inside = np.pad(np.ones(x.shape, np.bool_), widths)
    if np.ndim(fill) == 0 or getattr(fill, "ndim", None) == 0:
        border = CAST[x.dtype](lift(fill))
    else:
        border = np.pad(np.zeros(x.shape, x.dtype), widths, constant_values=fill)
    return WHERE(inside, out, broadcast_to(border, out.shape))
