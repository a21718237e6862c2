"""Regular parts of a value: slice, its transpose pad, and the value with a part replaced.

A part is named by start, size and step for each axis, all known from the shapes: a strided view
that every back end can address. Steps may be negative.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, final

import numpy as np

from adjoint.core.bind import lift, make
from adjoint.core.errors import ShapeError
from adjoint.core.graph import Handle, leaf
from adjoint.core.primitive import Sample
from adjoint.core.types import Shape, Type
from adjoint.ops.families import CAST, AbstractLinear
from adjoint.ops.shape import Expand, Reshape, axes_of

__all__ = ["flip", "fliplr", "flipud"]

Ints = tuple[int, ...]


def python_slices(starts: Ints, sizes: Ints, steps: Ints) -> tuple[slice, ...]:
    """The Python slices that take `sizes` elements from `starts` on in `steps`."""
    out: list[slice] = []
    for start, size, step in zip(starts, sizes, steps, strict=True):
        stop = start + size * step
        # a negative stop would count from the end
        out.append(slice(start, stop if stop >= 0 and size else None if size else start, step))
    return tuple(out)


def check_part(shape: Shape, starts: Ints, sizes: Ints, steps: Ints) -> None:
    """Refuse a part that reaches out of a shape."""
    if not len(shape) == len(starts) == len(sizes) == len(steps):
        raise ShapeError(f"a part with {len(sizes)} axes of a value with {len(shape)}")
    for axis, (n, start, size, step) in enumerate(zip(shape, starts, sizes, steps, strict=True)):
        last = start + (size - 1) * step
        if size and not (0 <= start < n and 0 <= last < n):
            raise ShapeError(f"elements {start} to {last} of axis {axis}, which has size {n}")


@final
class Slice(AbstractLinear):
    """The elements ``starts[a] + k * steps[a]`` of each axis `a`, for `k` below ``sizes[a]``.

    The axes named in `drop` have size 1 and disappear.
    """

    starts: Ints
    sizes: Ints
    steps: Ints
    drop: Ints = ()
    kind = "view"

    @cached_property
    def key(self) -> tuple[Any, ...]:
        """The key that NumPy understands."""
        cuts = python_slices(self.starts, self.sizes, self.steps)
        return tuple(self.starts[a] if a in self.drop else cut for a, cut in enumerate(cuts))

    def value(self, x: Any) -> Any:
        return x[self.key]

    def out_type(self, x: Any) -> Type:
        check_part(x.shape, self.starts, self.sizes, self.steps)
        return Type(tuple(n for a, n in enumerate(self.sizes) if a not in self.drop), x.dtype)

    def transpose(self, i: int, ct: Any, x: Any) -> Any:
        if self.drop:
            ct = Reshape(self.sizes)(ct)
        backwards = tuple(
            a for a, (n, s) in enumerate(zip(self.sizes, self.steps, strict=True)) if s < 0 < n
        )
        ct = reverse(ct, backwards) if backwards else ct
        low: list[int] = []
        high: list[int] = []
        interior: list[int] = []
        for n, start, size, step in zip(x.shape, self.starts, self.sizes, self.steps, strict=True):
            first, last = sorted((start, start + (size - 1) * step)) if size else (0, -1)
            low.append(first)
            high.append(n - 1 - last)
            interior.append(abs(step) - 1)
        return Pad(tuple(low), tuple(high), tuple(interior))(ct)

    def batch(self, size: int, batched: tuple[bool, ...], x: Any) -> Any:
        drop = tuple(a + 1 for a in self.drop)
        return Slice((0, *self.starts), (size, *self.sizes), (1, *self.steps), drop)(x)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls((1, 0), (2, 3), (1, 1)), [rng.normal(size=(4, 3))]
        yield cls((0, 4), (2, 2), (2, -3)), [rng.normal(size=(4, 5))]
        yield cls((3,), (4,), (-1,)), [rng.normal(size=(4,))]
        yield cls((2,), (0,), (1,)), [rng.normal(size=(4,))]
        yield cls((), (), ()), [rng.normal(size=())]
        yield cls((1, 0), (1, 3), (1, 1), (0,)), [rng.normal(size=(2, 3))]
        yield cls((1, 2), (1, 1), (1, 1), (0, 1)), [rng.normal(size=(2, 3))]


@final
class Pad(AbstractLinear):
    """The value with zeros around it: `low` before, `high` after, `interior` between elements."""

    low: Ints
    high: Ints
    interior: Ints
    kind = "view"
    name = "pad"

    def value(self, x: Any) -> Any:
        out = np.zeros(self.shape_for(x.shape), x.dtype)
        out[python_slices(self.low, x.shape, self.steps())] = x
        return out

    def steps(self) -> Ints:
        """Distances of the elements in the result."""
        return tuple(n + 1 for n in self.interior)

    def shape_for(self, shape: Shape) -> Shape:
        """The shape of the result for an operand of this shape."""
        return tuple(
            low + (n + (n - 1) * between if n else 0) + high
            for n, low, high, between in zip(shape, self.low, self.high, self.interior, strict=True)
        )

    def out_type(self, x: Any) -> Type:
        if len(self.low) != x.ndim:
            raise ShapeError(f"padding for {len(self.low)} axes, x has {x.ndim}")
        return Type(self.shape_for(x.shape), x.dtype)

    def transpose(self, i: int, ct: Any, x: Any) -> Any:
        return Slice(self.low, x.shape, self.steps())(ct)

    def batch(self, size: int, batched: tuple[bool, ...], x: Any) -> Any:
        return Pad((0, *self.low), (0, *self.high), (0, *self.interior))(x)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls((1, 0), (0, 2), (0, 0)), [rng.normal(size=(2, 3))]
        yield cls((1,), (2,), (2,)), [rng.normal(size=(3,))]
        yield cls((1,), (2,), (2,)), [rng.normal(size=(0,))]
        yield cls((), (), ()), [rng.normal(size=())]


@final
class SetSlice(AbstractLinear):
    """The value `x` with a part replaced by `v`: what ``x[start:stop:step] = v`` makes of it."""

    starts: Ints
    steps: Ints
    kind = "scatter"
    name = "setitem"
    operands = ("x", "v")

    def value(self, x: Any, v: Any) -> Any:
        out = np.array(x)
        out[python_slices(self.starts, v.shape, self.steps)] = v
        return out

    def out_type(self, x: Any, v: Any) -> Type:
        check_part(x.shape, self.starts, v.shape, self.steps)
        return Type(x.shape, x.dtype)

    def coerce(self, xs: tuple[Any, ...]) -> tuple[Any, ...]:
        return alike(xs, 0)

    def transpose(self, i: int, ct: Any, x: Any, v: Any) -> Any:
        if i == 1:
            return Slice(self.starts, v.shape, self.steps)(ct)
        return self(ct, np.broadcast_to(np.zeros((), ct.dtype), v.shape))

    def batch(self, size: int, batched: tuple[bool, ...], x: Any, v: Any) -> Any:
        x, v = (in_front(size, b, y) for b, y in zip(batched, (x, v), strict=True))
        return SetSlice((0, *self.starts), (1, *self.steps))(x, v)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls((1, 0), (1, 2)), [rng.normal(size=(4, 3)), rng.normal(size=(2, 2))]
        yield cls((3,), (-2,)), [rng.normal(size=(4,)), rng.normal(size=(2,))]
        yield cls((), ()), [rng.normal(size=()), rng.normal(size=())]


def alike(xs: tuple[Any, ...], lead: int) -> tuple[Any, ...]:
    """Operands as handles of the dtype of operand `lead`; `xs` itself if they are already."""
    dtype = lift(xs[lead]).dtype
    out = tuple(lift(x) for x in xs)
    out = tuple(x if x.dtype == dtype else CAST[dtype](x) for x in out)
    return xs if all(a is b for a, b in zip(out, xs, strict=True)) else out


def lifted(xs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Operands as handles, each in its own dtype; `xs` itself if they are already."""
    if all(isinstance(x, Handle) for x in xs):
        return xs
    # an index array of the library's own making needs no look at its dtype
    return tuple(make(x, leaf(x)) if x.__class__ is np.ndarray else lift(x) for x in xs)


def in_front(size: int, batched: bool, x: Any) -> Any:
    """The operand with a leading batch axis, repeated along it if it had none."""
    return x if batched else Expand((size, *x.shape), (0,))(x)


def part(x: Any, axis: int, start: int, size: int, step: int = 1) -> Any:
    """`size` elements of one axis, from `start` on."""
    ndim = x.ndim
    starts = tuple(start if a == axis else 0 for a in range(ndim))
    sizes = tuple(size if a == axis else n for a, n in enumerate(x.shape))
    return Slice(starts, sizes, tuple(step if a == axis else 1 for a in range(ndim)))(x)


def pad_axis(x: Any, axis: int, low: int, high: int) -> Any:
    """Zeros before and after the elements of one axis."""
    none = (0,) * x.ndim
    lows, highs = ((*none[:axis], n, *none[axis + 1 :]) for n in (low, high))
    return Pad(lows, highs, none)(x)


def reverse(x: Any, axes: Ints) -> Any:
    """The elements of these axes in the opposite order."""
    flipped = [a in axes and n > 0 for a, n in enumerate(x.shape)]
    starts = tuple(n - 1 if f else 0 for n, f in zip(x.shape, flipped, strict=True))
    return Slice(starts, tuple(x.shape), tuple(-1 if f else 1 for f in flipped))(x)


def flip(x: Any, /, *, axis: int | Sequence[int] | None = None) -> Any:
    """The tensor with the order of its elements reversed along `axis`; None names all axes.

    Raises:
        AxisError: if an axis does not exist.

    Example:
        >>> ad.flip(ad.tensor([1.0, 2.0, 3.0]))
        tensor([3., 2., 1.])

    **Gradient:** the cotangent flipped.
    """
    x = lift(x)
    return reverse(x, axes_of("flip", x, axis))


def flipud(x: Any, /) -> Any:
    """The tensor with its first axis reversed.

    Example:
        >>> ad.flipud(ad.tensor([1.0, 2.0]))
        tensor([2., 1.])
    """
    return flip(x, axis=0)


def fliplr(x: Any, /) -> Any:
    """The tensor with its second axis reversed.

    Example:
        >>> ad.fliplr(ad.tensor([[1.0, 2.0]]))
        tensor([[2., 1.]])
    """
    return flip(x, axis=1)
