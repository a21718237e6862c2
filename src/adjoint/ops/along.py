"""Elements taken along an axis, one index for each, and the transpose, which adds them there."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, ClassVar, final

import numpy as np

from adjoint.core.bind import lift
from adjoint.core.errors import ShapeError
from adjoint.core.primitive import Sample
from adjoint.core.types import Type, broadcast_shapes
from adjoint.ops.families import CAST, AbstractLinear
from adjoint.ops.gather import (
    Ints,
    ScatterSet,
    WrapIndex,
    add_rows,
    as_index,
    check_index,
    counted,
    wrapped,
)
from adjoint.ops.shape import Reshape, axis_of, broadcast_to, ravel, refusal
from adjoint.ops.slice import in_front, lifted

__all__ = ["put_along_axis", "take_along_axis"]


def flat_places(index: Any, size: int, axis: int, shape: Ints) -> Any:
    """For each element of `index`, its place in a value of this shape, counted row by row."""
    places = wrapped(index, size, axis)
    grid = np.ogrid[tuple(slice(n) for n in places.shape)]
    out = np.zeros((), np.int64)
    for a, n in enumerate(shape):
        out = out * n + (places if a == axis else grid[a])
    return np.broadcast_to(out, places.shape)


def check_along(x: Any, index: Any, axis: int) -> None:
    """Refuse an index whose shape differs from that of `x` beside `axis`."""
    check_index(index)
    rests = [t.shape[:axis] + t.shape[axis + 1 :] for t in (x, index)]
    if x.ndim != index.ndim or rests[0] != rests[1]:
        raise ShapeError(f"shapes {x.shape} and {index.shape} differ beside axis {axis}")


@final
class TakeAlong(AbstractLinear):
    """For each element of `index`, the element of `x` at that place along `axis`."""

    axis: int
    kind = "gather"
    name = "take_along_axis"
    operands = ("x", "index")
    parameters: ClassVar[Ints] = (1,)

    def value(self, x: Any, index: Any) -> Any:
        check_along(x, index, self.axis)
        places = wrapped(index, x.shape[self.axis], self.axis)
        return np.take_along_axis(np.asarray(x), places, self.axis)

    def out_type(self, x: Any, index: Any) -> Type:
        check_along(x, index, self.axis)
        return Type(index.shape, x.dtype)

    def coerce(self, xs: tuple[Any, ...]) -> tuple[Any, ...]:
        return lifted(xs)

    def transpose(self, i: int, ct: Any, x: Any, index: Any) -> Any:
        return AddAlong(self.axis, x.shape[self.axis])(ct, index)

    def batch(self, size: int, batched: tuple[bool, ...], x: Any, index: Any) -> Any:
        x, index = in_front(size, batched[0], x), in_front(size, batched[1], index)
        return TakeAlong(self.axis + 1)(x, index)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(1), [rng.normal(size=(2, 4)), np.array([[0, 0, -1], [3, 2, 1]])]
        yield cls(0), [rng.normal(size=(3,)), np.array([2, 2, 2, 0])]


@final
class AddAlong(AbstractLinear):
    """Zeros with `size` places along `axis`, and each element of `x` added where `index` says."""

    axis: int
    size: int
    kind = "scatter"
    operands = ("x", "index")
    parameters: ClassVar[Ints] = (1,)

    def value(self, x: Any, index: Any) -> Any:
        x = np.asarray(x)
        shape = (*x.shape[: self.axis], self.size, *x.shape[self.axis + 1 :])
        places = flat_places(index, self.size, self.axis, shape)
        return add_rows(math.prod(shape), places.ravel(), x.reshape(-1, 1)).reshape(shape)

    def out_type(self, x: Any, index: Any) -> Type:
        check_index(index)
        if x.shape != index.shape:
            raise ShapeError(f"x has shape {x.shape}, index {index.shape}")
        return Type((*x.shape[: self.axis], self.size, *x.shape[self.axis + 1 :]), x.dtype)

    def coerce(self, xs: tuple[Any, ...]) -> tuple[Any, ...]:
        return lifted(xs)

    def transpose(self, i: int, ct: Any, x: Any, index: Any) -> Any:
        return TakeAlong(self.axis)(ct, index)

    def batch(self, size: int, batched: tuple[bool, ...], x: Any, index: Any) -> Any:
        x, index = in_front(size, batched[0], x), in_front(size, batched[1], index)
        return AddAlong(self.axis + 1, self.size)(x, index)

    def cost(self, *types: Any) -> int:
        return types[0].size

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(1, 4), [rng.normal(size=(2, 3)), np.array([[0, 0, -1], [3, 2, 1]])]
        yield cls(0, 3), [rng.normal(size=(4,)), np.array([2, 2, 2, 0])]


def _pair(op: str, x: Any, indices: Any, axis: int | None) -> tuple[Any, Any, int]:
    """Both operands with the axis, their other sizes broadcast to each other."""
    x, index = lift(x), as_index(op, indices)
    if axis is None:
        x, axis = ravel(x), 0
    at = axis_of(op, x, axis)
    if x.ndim != index.ndim:
        fact = ShapeError(f"x has {x.ndim} axes, indices have {index.ndim}")
        raise refusal(op, fact, ("x", x), ("indices", index))
    rests = [(*t.shape[:at], 1, *t.shape[at + 1 :]) for t in (x, index)]
    if rests[0] == rests[1]:
        return x, index, at
    try:
        rest = broadcast_shapes(*rests)
    except ShapeError as error:
        raise refusal(op, error, ("x", x), ("indices", index)) from None
    shapes = [(*rest[:at], t.shape[at], *rest[at + 1 :]) for t in (x, index)]
    return broadcast_to(x, shapes[0]), broadcast_to(index, shapes[1]), at


def take_along_axis(x: Any, indices: Any, /, *, axis: int | None = -1) -> Any:
    """For each index, the element of `x` at that place along `axis`.

    ``out[i, j, k] = x[i, indices[i, j, k], k]`` for ``axis=1``. With the indices that `argsort` or
    `argmax` (``keepdims=True``) return, this gives the sorted values or the maximum.

    Args:
        x: any shape with at least one axis.
        indices: integers; as many axes as `x`, and sizes that broadcast with it beside `axis`.
        axis: the axis; None flattens `x` first.

    Raises:
        AxisError: if an index is out of range.
        ShapeError: if the other axes do not fit.

    Example:
        >>> x = ad.tensor([[3.0, 1.0], [5.0, 7.0]])
        >>> ad.take_along_axis(x, ad.tensor([[1], [0]]), axis=1)
        tensor([[1.],
                [5.]])

    **Gradient:** added up where an element is taken several times.
    """
    x, index, at = _pair("take_along_axis", x, indices, axis)
    return TakeAlong(at)(x, index)


def put_along_axis(x: Any, indices: Any, values: Any, /, *, axis: int | None = -1) -> Any:
    """A new tensor: `x` with the places along `axis` that `indices` name replaced by `values`.

    Args:
        x: any shape with at least one axis.
        indices: integers; as many axes as `x`, and sizes that broadcast with it beside `axis`.
        values: broadcast to the shape of the indices.
        axis: the axis; None flattens `x` first.

    Raises:
        AxisError: if an index is out of range.

    Example:
        >>> ad.put_along_axis(ad.tensor([1.0, 2.0, 3.0]), ad.tensor([1]), 9.0, axis=0)
        tensor([1., 9., 3.])

    **Gradient:** zero for the places that were replaced; the last of several writes to one place
    stays, and only its value has a gradient.
    """
    x, index, at = _pair("put_along_axis", x, indices, axis)
    stride = math.prod(x.shape[at + 1 :])
    rows = counted(math.prod(x.shape)).reshape(x.shape)
    first = rows[(slice(None),) * at + (slice(0, 1),)]
    places = WrapIndex(x.shape[at], at)(index) * stride + first
    values = CAST[x.dtype](broadcast_to(values, index.shape))
    out = ScatterSet(0)(ravel(x), ravel(places), ravel(values))
    return Reshape(x.shape)(out)
