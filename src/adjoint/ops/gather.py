"""Gather slices along one axis, its transpose scatter-add, and scatter that replaces.

One axis and one index array are all that indexing needs: keys with several index arrays are first
combined into one (see `adjoint.ops.index`). Negative indices count from the end. Duplicates are
added up in double precision and in the order in which they stand, so the result depends on nothing
but the operands.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, ClassVar, final

import numpy as np

from adjoint.core.bind import lift
from adjoint.core.errors import AxisError, DTypeError, ShapeError
from adjoint.core.primitive import Sample
from adjoint.core.types import INT, Type, dtype_kind
from adjoint.ops.families import AbstractLinear, AbstractMap, scale
from adjoint.ops.shape import Permute, Reshape, axis_of, ravel, refusal
from adjoint.ops.slice import in_front, lifted

__all__ = ["take"]

Ints = tuple[int, ...]


def check_index(index: Any) -> None:
    """Refuse an index that is not made of integers."""
    if dtype_kind(index.dtype) != INT:
        raise DTypeError(f"indices must be integers, got {index.dtype}")


def counted(n: int) -> Any:
    """The numbers from 0 to n - 1."""
    return np.arange(n, dtype=np.int64)


def wrapped(index: Any, size: int, axis: int) -> Any:
    """Non-negative indices for an axis of this size, or the error that names the one outside."""
    check_index(index)
    if not index.size:
        return index.astype(np.int64)
    low, high = index.min(), index.max()
    if low < -size or high >= size:
        worst = low if low < -size else high
        raise AxisError(f"index {worst} is out of range for axis {axis} with size {size}")
    index = index.astype(np.int64, copy=False)
    return index + size * (index < 0) if low < 0 else index


def add_rows(size: int, index: Any, rows: Any) -> Any:
    """Zeros of shape ``(size, width)`` with ``rows[k]`` added at ``index[k]``.

    One weighted count does all additions in C, in the order of the rows. NumPy's ``add.at`` is
    several times slower where rows are wider than 1.
    """
    out = np.zeros((size, rows.shape[1]), rows.dtype)
    if not rows.size:
        return out
    if size > 4 * len(index):  # count only among the rows that occur
        places, index = np.unique(index, return_inverse=True)
    else:
        places = counted(size)
    if np.bincount(index, minlength=len(places)).max() == 1:
        out[places[index]] = rows
    elif dtype_kind(rows.dtype) <= INT:
        np.add.at(out, places[index], rows)
    else:
        out[places] = _sums(len(places), index, rows)
    return out


def _sums(size: int, index: Any, rows: Any) -> Any:
    if rows.dtype.kind == "c":
        return _sums(size, index, rows.real) + 1j * _sums(size, index, rows.imag)
    width = rows.shape[1]
    flat = index if width == 1 else (index[:, None] * width + counted(width)).ravel()
    weights = rows.astype(np.float64).ravel()
    return np.bincount(flat, weights, size * width).reshape(size, width).astype(rows.dtype)


def _permuted(x: Any, order: Ints) -> Any:
    return x if order == tuple(range(len(order))) else Permute(order)(x)


def _move(x: Any, start: int, count: int, to: int) -> Any:
    """`x` with the `count` axes from `start` on moved, so that they begin at `to`."""
    block = tuple(range(start, start + count))
    rest = tuple(a for a in range(x.ndim) if a not in block)
    return _permuted(x, rest[:to] + block + rest[to:])


def _merged_index(size: int, n: int, axis: int, index: Any) -> Any:
    """An index per batch element as one index into batch and axis merged."""
    first = counted(size).reshape((size,) + (1,) * (index.ndim - 1)) * n
    return WrapIndex(n, axis)(index) + first


def _merge_front(x: Any) -> Any:
    return Reshape((x.shape[0] * x.shape[1], *x.shape[2:]))(x)


def _split_front(x: Any, size: int, n: int) -> Any:
    return Reshape((size, n, *x.shape[1:]))(x)


@final
class WrapIndex(AbstractMap):
    """Indices into an axis of this `size` with negative ones counted from the front.

    Those that are out of range raise, and name the axis.
    """

    size: int
    axis: int
    integers = True
    operands = ("index",)
    llvm = "wrap_index"
    no_derivative = "an index is a whole number"

    def value(self, index: Any) -> Any:
        return wrapped(index, self.size, self.axis)

    def out_type(self, *types: Any) -> Type:
        check_index(types[0])
        return Type(types[0].shape, np.dtype(np.int64))

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(4, 0), [np.array([[0, -1], [3, -4]])]
        yield cls(4, 0), [np.array(-2)]


@final
class Gather(AbstractLinear):
    """The slices of `x` along `axis` that `index` names; the axes of `index` take its place."""

    axis: int
    kind = "gather"
    name = "take"
    operands = ("x", "index")
    parameters: ClassVar[Ints] = (1,)

    def value(self, x: Any, index: Any) -> Any:
        check_index(index)
        try:
            if x.flags.c_contiguous and x.size:  # take does not check indices into nothing
                return np.take(x, index, axis=self.axis)
            # take would first make all of x contiguous
            return x[(slice(None),) * self.axis + (index,)]
        except (IndexError, TypeError):
            return np.take(x, wrapped(index, x.shape[self.axis], self.axis), axis=self.axis)

    def out_type(self, x: Any, index: Any) -> Type:
        check_index(index)
        return Type((*x.shape[: self.axis], *index.shape, *x.shape[self.axis + 1 :]), x.dtype)

    def coerce(self, xs: tuple[Any, ...]) -> tuple[Any, ...]:
        return lifted(xs)

    def transpose(self, i: int, ct: Any, x: Any, index: Any) -> Any:
        return ScatterAdd(self.axis, x.shape[self.axis])(ct, index)

    def batch(self, size: int, batched: tuple[bool, ...], x: Any, index: Any) -> Any:
        axis = self.axis
        if not batched[1]:
            return Gather(axis + 1)(x, index)
        if not batched[0]:
            return _move(self(x, index), axis, 1, 0)
        count = index.ndim - 1
        index = _merged_index(size, x.shape[axis + 1], axis, index)
        out = Gather(0)(_merge_front(_move(x, axis + 1, 1, 1)), index)
        return _move(out, 1, count, axis + 1)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(0), [rng.normal(size=(4, 3)), np.array([[0, 3], [-1, 0]])]
        yield cls(1), [rng.normal(size=(2, 5, 2)), np.array([4, 4, 1])]
        yield cls(0), [rng.normal(size=(4,)), np.array(2)]
        yield cls(1), [rng.normal(size=(2, 3)) + 1j, np.array([], dtype=np.int64)]


@final
class ScatterAdd(AbstractLinear):
    """Zeros with `size` slices along `axis`, and each slice of `x` added where `index` says."""

    axis: int
    size: int
    kind = "scatter"
    operands = ("x", "index")
    parameters: ClassVar[Ints] = (1,)

    def value(self, x: Any, index: Any) -> Any:
        axis = self.axis
        places = wrapped(index, self.size, axis).ravel()
        x = np.asarray(x)
        block = tuple(range(axis, axis + index.ndim))
        rest = tuple(a for a in range(x.ndim) if a not in block)
        shape = tuple(x.shape[a] for a in rest)
        rows = x.transpose(block + rest).reshape(places.size, math.prod(shape))
        out = add_rows(self.size, places, rows).reshape(self.size, *shape)
        return np.moveaxis(out, 0, axis)

    def out_type(self, x: Any, index: Any) -> Type:
        check_index(index)
        end = self.axis + index.ndim
        if x.shape[self.axis : end] != index.shape:
            raise ShapeError(
                f"index has shape {index.shape}, "
                f"x has {x.shape[self.axis : end]} from axis {self.axis} on"
            )
        return Type((*x.shape[: self.axis], self.size, *x.shape[end:]), x.dtype)

    def coerce(self, xs: tuple[Any, ...]) -> tuple[Any, ...]:
        return lifted(xs)

    def transpose(self, i: int, ct: Any, x: Any, index: Any) -> Any:
        return Gather(self.axis)(ct, index)

    def batch(self, size: int, batched: tuple[bool, ...], x: Any, index: Any) -> Any:
        axis = self.axis
        if not batched[1]:
            return ScatterAdd(axis + 1, self.size)(x, index)
        x = in_front(size, batched[0], x)
        x = _move(x, axis + 1, index.ndim - 1, 1)
        index = _merged_index(size, self.size, axis, index)
        out = ScatterAdd(0, size * self.size)(x, index)
        return _move(_split_front(out, size, self.size), 1, 1, axis + 1)

    def cost(self, *types: Any) -> int:
        return types[0].size

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(0, 4), [rng.normal(size=(2, 2, 3)), np.array([[0, 3], [-1, 0]])]
        yield cls(1, 6), [rng.normal(size=(2, 3, 2)), np.array([4, 4, 1])]
        yield cls(0, 40), [rng.normal(size=(3,)), np.array([4, 4, -1])]
        yield cls(0, 3), [rng.normal(size=(2,)), np.array(2)]
        yield cls(0, 3), [rng.normal(size=(4,)) * 1j, np.array([2, 2, 0, 2])]


@final
class LastWrite(AbstractMap):
    """Where no later element of `index` names the same place: the writes that stay.

    The places are those of an axis of this `size`; `lead` axes in front belong to a batch.
    """

    size: int
    lead: int
    kind = "scatter"
    operands = ("index",)
    integers = True
    no_derivative = "it is true or false"

    def value(self, index: Any) -> Any:
        index = np.asarray(index)
        shape = tuple(math.prod(n) for n in (index.shape[: self.lead], index.shape[self.lead :]))
        rows = index.reshape(shape) % self.size
        out: Any = np.zeros(rows.shape, np.bool_)
        for row, kept in zip(rows, out, strict=True):
            # the first among the reversed is the last
            kept[len(row) - 1 - np.unique(row[::-1], return_index=True)[1]] = True
        return out.reshape(index.shape)

    def out_type(self, *types: Any) -> Type:
        return Type(types[0].shape, np.dtype(np.bool_))

    def batch(self, size: int, batched: tuple[bool, ...], *xs: Any) -> Any:
        return LastWrite(self.size, self.lead + 1)(*xs)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(4, 0), [np.array([1, 2, -3, 0])]
        yield cls(4, 1), [np.array([[1, 2, 1, 0], [3, -1, 3, 3]])]
        yield cls(4, 0), [np.array(2)]


@final
class ScatterSet(AbstractLinear):
    """The value `x` with the slices along `axis` that `index` names replaced by those of `v`.

    Where `index` names a slice twice, the last one stays and is the only one with a gradient.
    """

    axis: int
    kind = "scatter"
    name = "setitem"
    operands = ("x", "index", "v")
    parameters: ClassVar[Ints] = (1,)

    def value(self, x: Any, index: Any, v: Any) -> Any:
        out = np.array(x)
        places = wrapped(index, x.shape[self.axis], self.axis)
        out[(slice(None),) * self.axis + (places,)] = v
        return out

    def out_type(self, x: Any, index: Any, v: Any) -> Type:
        check_index(index)
        shape = (*x.shape[: self.axis], *index.shape, *x.shape[self.axis + 1 :])
        if v.shape != shape:
            raise ShapeError(f"v has shape {v.shape}, the index asks for {shape}")
        return Type(x.shape, x.dtype)

    def coerce(self, xs: tuple[Any, ...]) -> tuple[Any, ...]:
        return lifted(xs)

    def transpose(self, i: int, ct: Any, x: Any, index: Any, v: Any) -> Any:
        if i == 0:
            return self(ct, index, np.broadcast_to(np.zeros((), ct.dtype), v.shape))
        stays = LastWrite(x.shape[self.axis], 0)(index)
        stays = Reshape((*stays.shape, *(1,) * (x.ndim - 1 - self.axis)))(stays)
        return scale(stays, Gather(self.axis)(ct, index))

    def batch(self, size: int, batched: tuple[bool, ...], x: Any, index: Any, v: Any) -> Any:
        axis = self.axis
        x, v = in_front(size, batched[0], x), in_front(size, batched[2], v)
        if not batched[1]:
            return ScatterSet(axis + 1)(x, index, v)
        n = x.shape[axis + 1]
        v = _move(v, axis + 1, index.ndim - 1, 1)
        index = _merged_index(size, n, axis, index)
        out = ScatterSet(0)(_merge_front(_move(x, axis + 1, 1, 1)), index, v)
        return _move(_split_front(out, size, n), 1, 1, axis + 1)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(0), [rng.normal(size=(4, 3)), np.array([0, -1]), rng.normal(size=(2, 3))]
        yield cls(1), [rng.normal(size=(2, 4)), np.array([[1], [1]]), rng.normal(size=(2, 2, 1))]
        yield cls(0), [rng.normal(size=(4,)), np.array(2), rng.normal(size=())]


def as_index(op: str, indices: Any) -> Any:
    """Indices as a tensor of integers."""
    if isinstance(indices, list | tuple) and not indices:
        indices = np.zeros(0, np.int64)
    index = lift(indices)
    try:
        check_index(index)
    except DTypeError as error:
        raise refusal(op, error, ("indices", index)) from None
    return index


def take(x: Any, indices: Any, /, axis: int | None = None) -> Any:
    """The slices of a tensor that `indices` name along an axis.

    Args:
        x: at least one axis.
        indices: integers of any shape, whose axes take the place of `axis` in the result;
            negative ones count from the end.
        axis: the axis; None flattens `x` first.

    Raises:
        AxisError: if an index is out of range; the message says which.
        DTypeError: if the indices are not integers.

    Example:
        >>> ad.take(ad.tensor([[1.0, 2.0], [3.0, 4.0]]), ad.tensor([1, 1]), axis=0)
        tensor([[3., 4.],
                [3., 4.]])

    **Gradient:** added up where a slice is taken several times.
    """
    x, index = lift(x), as_index("take", indices)
    if axis is None:
        x, axis = ravel(x), 0
    return Gather(axis_of("take", x, axis))(x, index)
