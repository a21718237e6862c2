"""The largest element of each window, and what takes its gradient: the cards of max pooling.

All cards slide over the last axes and leave those in front alone. The place of an element is its
number within its window, in row-major order; so a loop over the elements of the window serves every
card, and nothing is copied.

**Ties:** the first of several equal elements takes the whole gradient, as in PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any, ClassVar, final

import numpy as np

from adjoint.core.errors import DTypeError, ShapeError
from adjoint.core.primitive import Primitive, Sample
from adjoint.core.types import Shape, Type
from adjoint.ops.families import AbstractGeneral, AbstractLinear
from adjoint.ops.shape import Expand
from adjoint.ops.slice import lifted
from adjoint.ops.windows import Pairs, counts, offsets, overlaps

__all__: list[str] = []

Ints = tuple[int, ...]


def lowest(dtype: Any) -> Any:
    """A value that no other of this dtype is below."""
    if dtype.kind == "b":
        return False
    if dtype.kind in "iu":
        return np.iinfo(dtype).min
    return -np.inf


def elements(op: Any, image: Ints, windows: Ints) -> Iterator[tuple[int, Any, Any]]:
    """For each element of the kernel: its number, the windows that have it, where it lies.

    Elements in the padding are left out.
    """
    starts = offsets(op.kernel, op.dilation, [low for low, _ in op.padding])
    for which, at_windows, at_image in overlaps(windows, op.stride, starts, image):
        yield int(np.ravel_multi_index(which, op.kernel)), at_windows, at_image


def pooled(op: Any, x: Any) -> Shape:
    """The shape of a value with one element for each window."""
    n = len(op.kernel)
    if x.ndim < n:
        raise ShapeError(f"windows over {n} axes of a value with {x.ndim}")
    lead = x.ndim - n
    found = counts(x.shape[lead:], op.kernel, op.stride, op.padding, op.dilation)
    return (*x.shape[:lead], *found)


@final
class MaxPool(AbstractGeneral):
    """The largest element of each window over the last axes; padding never wins."""

    kernel: Ints
    stride: Ints
    padding: Pairs
    dilation: Ints
    kind = "reduce"
    operands = ("x",)
    takes = "?bBhHiIlLqQefdE"

    def value(self, x: Any) -> Any:
        windows = self.out_type(x).shape
        n = len(self.kernel)
        out = np.full(windows, lowest(x.dtype), x.dtype)
        for _, at, source in elements(self, x.shape[x.ndim - n :], windows[x.ndim - n :]):
            part = out[at]
            np.maximum(part, x[source], out=part)
        return out

    def out_type(self, x: Any) -> Type:
        refuse_complex(x)
        return Type(pooled(self, x), x.dtype)

    def vjp(self, ct: Any, out: Any, x: Any) -> Any:
        place = MaxPlace(self.kernel, self.stride, self.padding, self.dilation)(x)
        sizes = x.shape[x.ndim - len(self.kernel) :]
        return (
            PutInWindow(sizes, self.kernel, self.stride, self.padding, self.dilation)(ct, place),
        )

    def batch(self, size: int, batched: tuple[bool, ...], x: Any) -> Any:
        return self(x)

    def cost(self, *types: Any) -> int:
        return prod(self.kernel) * prod(pooled(self, types[0]))

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        for fields, x in pool_samples(rng):
            yield cls(*fields), [x]


@final
class MaxPlace(Primitive):
    """The number of the largest element in each window: the first NaN, or the first of equals."""

    kernel: Ints
    stride: Ints
    padding: Pairs
    dilation: Ints
    kind = "reduce"
    operands = ("x",)
    takes = "?bBhHiIlLqQefdE"
    no_derivative = "a place in a window changes in jumps"

    def value(self, x: Any) -> Any:
        windows = self.out_type(x).shape
        lead = x.ndim - len(self.kernel)
        best = np.full(windows, lowest(x.dtype), x.dtype)
        out = np.full(windows, -1, np.int64)
        for k, at, source in elements(self, x.shape[lead:], windows[lead:]):
            value, record, place = x[source], best[at], out[at]
            # a NaN compares false, so it wins here, and once it is the record nothing else does
            better = ~(value <= record) & (record == record)
            better |= place < 0
            np.copyto(record, value, where=better)
            np.copyto(place, k, where=better)
        return out

    def out_type(self, x: Any) -> Type:
        refuse_complex(x)
        return Type(pooled(self, x), np.dtype(np.int64))

    def batch(self, size: int, batched: tuple[bool, ...], x: Any) -> Any:
        return self(x)

    def cost(self, *types: Any) -> int:
        return prod(self.kernel) * prod(pooled(self, types[0]))

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        for fields, x in pool_samples(rng):
            yield cls(*fields), [x]


@final
class TakeFromWindow(AbstractLinear):
    """From each window the element with a given number; zero where that lies in the padding."""

    kernel: Ints
    stride: Ints
    padding: Pairs
    dilation: Ints
    kind = "gather"
    operands = ("x", "place")
    parameters: ClassVar[tuple[int, ...]] = (1,)

    def coerce(self, xs: tuple[Any, ...]) -> tuple[Any, ...]:
        return lifted(xs)

    def value(self, x: Any, place: Any) -> Any:
        windows = self.out_type(x, place).shape
        lead = x.ndim - len(self.kernel)
        out = np.zeros(windows, x.dtype)
        for k, at, source in elements(self, x.shape[lead:], windows[lead:]):
            np.copyto(out[at], x[source], where=place[at] == k)
        return out

    def out_type(self, x: Any, place: Any) -> Type:
        windows = pooled(self, x)
        if place.shape != windows:
            raise ShapeError(f"places of shape {place.shape} for windows of shape {windows}")
        return Type(windows, x.dtype)

    def transpose(self, i: int, ct: Any, x: Any, place: Any) -> Any:
        if i:
            return None
        sizes = x.shape[x.ndim - len(self.kernel) :]
        card = PutInWindow(sizes, self.kernel, self.stride, self.padding, self.dilation)
        return card(ct, place)

    def batch(self, size: int, batched: tuple[bool, ...], *xs: Any) -> Any:
        return self(*in_front(size, batched, xs))

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        for fields, x in pool_samples(rng):
            yield cls(*fields), [x, MaxPlace(*fields).value(x)]


@final
class PutInWindow(AbstractLinear):
    """One element for each window, added to the place in it that has a given number."""

    sizes: Ints
    kernel: Ints
    stride: Ints
    padding: Pairs
    dilation: Ints
    kind = "scatter"
    operands = ("x", "place")
    parameters: ClassVar[tuple[int, ...]] = (1,)

    def coerce(self, xs: tuple[Any, ...]) -> tuple[Any, ...]:
        return lifted(xs)

    def value(self, x: Any, place: Any) -> Any:
        shape = self.out_type(x, place).shape
        lead = x.ndim - len(self.kernel)
        out = np.zeros(shape, x.dtype)
        nothing = np.zeros((), x.dtype)
        for k, at, target in elements(self, self.sizes, x.shape[lead:]):
            out[target] += np.where(place[at] == k, x[at], nothing)
        return out

    def out_type(self, x: Any, place: Any) -> Type:
        n = len(self.kernel)
        if place.shape != x.shape or x.ndim < n:
            raise ShapeError(f"places of shape {place.shape} for windows of shape {x.shape}")
        shape = x.shape[: x.ndim - n] + self.sizes
        if pooled(self, Type(shape, x.dtype)) != x.shape:
            raise ShapeError(f"windows of shape {x.shape} do not cover sizes {self.sizes}")
        return Type(shape, x.dtype)

    def transpose(self, i: int, ct: Any, x: Any, place: Any) -> Any:
        if i:
            return None
        return TakeFromWindow(self.kernel, self.stride, self.padding, self.dilation)(ct, place)

    def batch(self, size: int, batched: tuple[bool, ...], *xs: Any) -> Any:
        return self(*in_front(size, batched, xs))

    def cost(self, *types: Any) -> int:
        return types[0].size

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        for fields, x in pool_samples(rng):
            sizes = x.shape[x.ndim - len(fields[0]) :]
            place = MaxPlace(*fields).value(x)
            yield cls(sizes, *fields), [rng.normal(size=place.shape), place]


def refuse_complex(x: Any) -> None:
    """Complex numbers have no order."""
    if x.dtype.kind == "c":
        raise DTypeError(f"not defined for complex numbers, got {x.dtype}")


def in_front(size: int, batched: tuple[bool, ...], xs: tuple[Any, ...]) -> list[Any]:
    """The operands, all with the batch axis."""
    return [
        x if on else Expand((size, *x.shape), (0,))(x) for x, on in zip(xs, batched, strict=True)
    ]


def pool_samples(rng: Any) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Windows of several kinds, with values that differ enough for central differences."""
    for fields, shape in (
        (((2,), (2,), ((0, 0),), (1,)), (2, 3, 6)),
        (((3,), (2,), ((1, 1),), (2,)), (7,)),
        (((2, 3), (1, 2), ((1, 0), (1, 2)), (1, 1)), (2, 4, 5)),
        (((2, 2), (3, 3), ((0, 0), (0, 0)), (1, 2)), (1, 5, 6)),
    ):
        yield fields, rng.permutation(prod(shape)).reshape(shape) / 7.0
