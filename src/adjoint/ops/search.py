"""Finding elements: places in sorted values, places that are not zero, membership."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, final

import numpy as np

from adjoint.core.bind import lift, numbers
from adjoint.core.errors import ArgumentError, ShapeError
from adjoint.core.primitive import Primitive, Sample
from adjoint.core.types import FLOAT, INT, Type, dtype_kind, promote
from adjoint.ops.compare import LESS, LOGICAL_NOT
from adjoint.ops.families import CAST
from adjoint.ops.gather import Gather, as_index
from adjoint.ops.shape import Reshape, ravel, refusal
from adjoint.ops.slice import in_front
from adjoint.ops.sort import Sort

__all__ = [
    "argwhere",
    "flatnonzero",
    "isin",
    "nonzero",
    "searchsorted",
]


def comparable(xs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Operands as handles of one dtype that loses nothing of either; `xs` itself if they are."""
    out = tuple(lift(x) for x in xs)
    dtype = promote(*[x.dtype for x in out])
    kinds = {dtype_kind(x.dtype) for x in out}
    if kinds == {INT, FLOAT}:
        dtype = np.dtype(np.float64)  # an int64 in float32 would be another number
    out = tuple(x if x.dtype == dtype else CAST[dtype](x) for x in out)
    return xs if all(a is b for a, b in zip(out, xs, strict=True)) else out


@final
class SearchSorted(Primitive):
    """Where each element of `v` belongs in sorted `x`; the `lead` axes in front are a batch."""

    right: bool
    lead: int = 0
    kind = "sort"
    name = "searchsorted"
    operands = ("x", "v")
    no_derivative = "a place is a whole number"

    def value(self, x: Any, v: Any) -> Any:
        side = "right" if self.right else "left"
        x, v = np.asarray(x), np.asarray(v)
        out = np.empty(v.shape, np.int64)
        for at in np.ndindex(x.shape[: self.lead]):
            out[at] = np.searchsorted(x[at], v[at], side)
        return out

    def out_type(self, x: Any, v: Any) -> Type:
        if len(x.shape) != self.lead + 1:
            raise ShapeError(f"the sorted values must have one axis, got {len(x.shape)}")
        return Type(v.shape, np.dtype(np.int64))

    def coerce(self, xs: tuple[Any, ...]) -> tuple[Any, ...]:
        return comparable(xs)

    def batch(self, size: int, batched: tuple[bool, ...], *xs: Any) -> Any:
        if not batched[0] and not self.lead:
            return self(*xs)
        xs = tuple(in_front(size, b, x) for b, x in zip(batched, xs, strict=True))
        return SearchSorted(self.right, self.lead + 1)(*xs)

    def cost(self, *types: Any) -> int:
        return types[1].size * types[0].size.bit_length()

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(False), [np.array([1, 2, 2, 3]), np.array([[2, 0], [4, 3]])]
        yield cls(True), [np.array([1, 2, 2, 3]), np.array(2)]
        yield cls(True, 1), [np.array([[1, 2], [3, 4]]), np.array([[2], [2]])]


@final
class IsIn(Primitive):
    """Whether each element of `x` is among those of `v`."""

    kind = "sort"
    name = "isin"
    operands = ("x", "v")
    no_derivative = "a bool has no gradient"

    def value(self, x: Any, v: Any) -> Any:
        return np.isin(x, v)

    def out_type(self, x: Any, v: Any) -> Type:
        return Type(x.shape, np.dtype(np.bool_))

    def coerce(self, xs: tuple[Any, ...]) -> tuple[Any, ...]:
        return comparable(xs)

    def batch(self, size: int, batched: tuple[bool, ...], *xs: Any) -> Any:
        x, v = xs
        if not batched[1]:
            return self(x, v)
        # sorted values and a look at both sides of each place: a number per example is in it
        x = in_front(size, batched[0], x)
        flat, some = (Reshape((size, y.size // max(size, 1)))(y) for y in (x, v))
        ordered = Sort(1)(some)
        low, high = (SearchSorted(side, 1)(ordered, flat) for side in (False, True))
        return Reshape(x.shape)(LESS(low, high))

    def cost(self, *types: Any) -> int:
        return types[0].size * types[1].size.bit_length()

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(), [np.array([[1, 2], [5, 2]]), np.array([2, 7, 1])]
        yield cls(), [np.array(3.0), np.array([[3.0]])]


def searchsorted(x1: Any, x2: Any, /, *, side: str = "left", sorter: Any = None) -> Any:
    """For each element of `x2`, the place in sorted `x1` at which it keeps the order.

    Args:
        x1: one axis, ascending.
        x2: any shape.
        side: ``"left"`` puts it before equal elements, ``"right"`` after them.
        sorter: integers that sort `x1`, such as those of `argsort`.

    Raises:
        ShapeError: if `x1` has not exactly one axis.
        ArgumentError: for another `side`.

    Example:
        >>> ad.searchsorted(ad.tensor([1.0, 2.0, 3.0]), ad.tensor([2.5, 0.0]))
        tensor([2, 0])
    """
    x1, x2 = lift(x1), lift(x2)
    if side not in ("left", "right"):
        raise refusal("searchsorted", ArgumentError(f"side is 'left' or 'right', got {side!r}"))
    if sorter is not None:
        x1 = Gather(0)(x1, as_index("searchsorted", sorter))
    return SearchSorted(side == "right")(x1, x2)


def isin(x1: Any, x2: Any, /, *, assume_unique: bool = False, invert: bool = False) -> Any:
    """Whether each element of `x1` is among those of `x2`.

    Args:
        x1: any shape.
        x2: any shape.
        assume_unique: accepted for NumPy.
        invert: whether it is not.

    Example:
        >>> ad.isin(ad.tensor([1, 2, 3]), ad.tensor([1, 3]))
        tensor([ True, False,  True])
    """
    out = IsIn()(lift(x1), x2)
    return LOGICAL_NOT(out) if invert else out


def nonzero(x: Any, /) -> tuple[Any, ...]:
    """The places of the elements that are not zero: for each axis a tensor of indices.

    Raises:
        TracerLeak: if the numbers are not known; the shape of the result depends on them.

    Example:
        >>> ad.nonzero(ad.tensor([0.0, 3.0, 4.0]))
        (tensor([1, 2]),)
    """
    x = lift(x)
    found = numbers(x, "ad.nonzero(x)")
    if not x.ndim:
        raise refusal("nonzero", ShapeError("needs at least one axis, got 0"), ("x", x))
    return tuple(lift(index.astype(np.int64, copy=False)) for index in np.nonzero(found))


def argwhere(x: Any, /) -> Any:
    """The places of the elements that are not zero, one in each row.

    Example:
        >>> ad.argwhere(ad.tensor([[0.0, 3.0], [4.0, 0.0]]))
        tensor([[0, 1],
                [1, 0]])
    """
    found = np.argwhere(numbers(lift(x), "ad.argwhere(x)"))
    return lift(found.astype(np.int64, copy=False))


def flatnonzero(x: Any, /) -> Any:
    """The places of the elements of the flattened tensor that are not zero.

    Example:
        >>> ad.flatnonzero(ad.tensor([[0.0, 3.0], [4.0, 0.0]]))
        tensor([1, 2])
    """
    return nonzero(ravel(x))[0]
