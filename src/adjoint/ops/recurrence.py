"""Linear recurrences along an axis: what the derivatives of running products come down to.

Source: Blelloch, Prefix sums and their applications (1990), section 1.4.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, final

import numpy as np

from adjoint.core.errors import AxisError, ShapeError
from adjoint.core.primitive import Sample
from adjoint.core.types import Type
from adjoint.ops.families import AbstractGeneral, conj, scale, strong_multiply
from adjoint.ops.gather import counted
from adjoint.ops.select import WHERE
from adjoint.ops.slice import alike, in_front, pad_axis, part

__all__: list[str] = []


def shifted(x: Any, axis: int, by: int) -> Any:
    """Each element `by` (1 or -1) further along the axis; a zero takes the free place."""
    n = x.shape[axis]
    if not n:
        return x
    if by > 0:
        return pad_axis(part(x, axis, 0, n - 1), axis, 1, 0)
    return pad_axis(part(x, axis, 1, n - 1), axis, 0, 1)


def with_first(x: Any, axis: int, reverse: bool, value: float) -> Any:
    """The result of `shifted` with this value instead of the zero that took the free place."""
    n = x.shape[axis]
    if not n:
        return x
    along = tuple(n if a == axis else 1 for a in range(x.ndim))
    free = counted(n) == (n - 1 if reverse else 0)
    return WHERE(free.reshape(along), np.asarray(value, x.dtype), x)


def accumulate(ufunc: Any, x: Any, axis: int, reverse: bool) -> Any:
    """Running results of a ufunc; 16-bit floats are kept in 32 bits on the way."""
    x = np.asarray(x)
    wide = x.astype(np.float32) if x.dtype.char in "eE" else x
    if reverse:
        wide = np.flip(wide, axis)
    out = ufunc.accumulate(wide, axis=axis, dtype=wide.dtype)
    return (np.flip(out, axis) if reverse else out).astype(x.dtype, copy=False)


def check_axis(x: Any, axis: int) -> None:
    """Refuse a value without this axis."""
    if axis >= len(x.shape):
        raise AxisError(f"axis {axis} of a value with {len(x.shape)} axes")


@final
class Recurrence(AbstractGeneral):
    """The linear recurrence ``y[k] = a[k] * y[k-1] + b[k]`` along `axis`, with ``y[-1] = 0``.

    With `reverse` it runs from the end, and ``y[k+1]`` stands for ``y[k-1]``. Zeros are strong:
    ``a * 0`` is 0 for any `a`. The first `a` plays no part.
    """

    axis: int
    reverse: bool = False
    kind = "scan"
    operands = ("a", "b")

    def value(self, a: Any, b: Any) -> Any:
        dtype = b.dtype
        # scalar steps in 16 bits would lose what the running value has gained
        a, b = (y.astype(np.float32) if dtype.char in "eE" else y for y in (a, b))
        a, b = (np.moveaxis(y, self.axis, 0) for y in (a, b))
        out = np.empty(b.shape, b.dtype)
        carry = np.zeros(b.shape[1:], b.dtype)
        steps = range(len(b))
        for k in reversed(steps) if self.reverse else steps:
            out[k] = carry = strong_multiply(carry, a[k]) + b[k]
        return np.moveaxis(out, 0, self.axis).astype(dtype, copy=False)

    def out_type(self, a: Any, b: Any) -> Type:
        check_axis(b, self.axis)
        if a.shape != b.shape:
            raise ShapeError(f"a has shape {a.shape}, b has {b.shape}")
        return Type(b.shape, b.dtype)

    def coerce(self, xs: tuple[Any, ...]) -> tuple[Any, ...]:
        return alike(xs, 1)

    def vjp(self, ct: Any, out: Any, a: Any, b: Any) -> Any:
        step = -1 if self.reverse else 1
        back = Recurrence(self.axis, not self.reverse)
        into = back(conj(shifted(a, self.axis, -step)), ct)
        return scale(into, conj(shifted(out, self.axis, step))), into

    def batch(self, size: int, batched: tuple[bool, ...], a: Any, b: Any) -> Any:
        a, b = in_front(size, batched[0], a), in_front(size, batched[1], b)
        return Recurrence(self.axis + 1, self.reverse)(a, b)

    def cost(self, *types: Any) -> int:
        return 2 * types[1].size

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(1), [rng.normal(size=(2, 4)), rng.normal(size=(2, 4))]
        yield cls(0, True), [rng.normal(size=(3, 2)), rng.normal(size=(3, 2))]
        z = rng.normal(size=(2, 3)) + 1j * rng.normal(size=(2, 3))
        yield cls(0), [z[0], z[1]]
        yield cls(0), [np.zeros((0,)), np.zeros((0,))]
