"""Joining and splitting along an axis, which are each other's transposes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, final

import numpy as np

from adjoint.core.bind import lift
from adjoint.core.errors import ArgumentError, AxisError, ShapeError
from adjoint.core.primitive import Sample
from adjoint.core.types import Type, normalize_axis, promote
from adjoint.ops.axes import atleast_1d, atleast_2d, atleast_3d
from adjoint.ops.families import CAST, AbstractLinear
from adjoint.ops.shape import Reshape, axis_of, ravel, refusal
from adjoint.ops.slice import in_front, part

__all__ = [
    "array_split",
    "cat",
    "column_stack",
    "concat",
    "concatenate",
    "dsplit",
    "dstack",
    "hsplit",
    "hstack",
    "split",
    "stack",
    "unstack",
    "vsplit",
    "vstack",
]


@final
class Concat(AbstractLinear):
    """The operands one after the other along `axis`."""

    axis: int
    kind = "view"

    def value(self, *xs: Any) -> Any:
        return np.concatenate(xs, axis=self.axis)

    def out_type(self, *xs: Any) -> Type:
        shapes = [x.shape for x in xs]
        first = shapes[0]
        for shape in shapes[1:]:
            rests = [s[: self.axis] + s[self.axis + 1 :] for s in (first, shape)]
            if len(shape) != len(first) or rests[0] != rests[1]:
                raise ShapeError(f"shapes {first} and {shape} differ beside axis {self.axis}")
        total = sum(shape[self.axis] for shape in shapes)
        shape = (*first[: self.axis], total, *first[self.axis + 1 :])
        return Type(shape, promote(*[x.dtype for x in xs]))

    def operand_names(self, n: int) -> tuple[str, ...]:
        return tuple(f"arrays[{i}]" for i in range(n))

    def coerce(self, xs: tuple[Any, ...]) -> tuple[Any, ...]:
        out = tuple(lift(x) for x in xs)
        dtype = promote(*[x.dtype for x in out])
        out = tuple(x if x.dtype == dtype else CAST[dtype](x) for x in out)
        return xs if all(a is b for a, b in zip(out, xs, strict=True)) else out

    def transpose(self, i: int, ct: Any, *xs: Any) -> Any:
        before = sum(x.shape[self.axis] for x in xs[:i])
        return part(ct, self.axis, before, xs[i].shape[self.axis])

    def batch(self, size: int, batched: tuple[bool, ...], *xs: Any) -> Any:
        return Concat(self.axis + 1)(
            *[in_front(size, b, x) for b, x in zip(batched, xs, strict=True)]
        )

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(0), [rng.normal(size=(2, 3)), rng.normal(size=(1, 3))]
        yield cls(1), [rng.normal(size=(2, n)) for n in (1, 0, 3)]
        yield cls(0), [rng.normal(size=(2,))]


@final
class Split(AbstractLinear):
    """The value cut along `axis` into parts of these `sizes`."""

    axis: int
    sizes: tuple[int, ...]
    kind = "view"

    def value(self, x: Any) -> Any:
        return tuple(np.split(x, np.cumsum(self.sizes[:-1], dtype=np.intp), self.axis))

    def out_type(self, x: Any) -> tuple[Type, ...]:
        if sum(self.sizes) != x.shape[self.axis]:
            raise ShapeError(
                f"sizes {self.sizes} add up to {sum(self.sizes)}, "
                f"axis {self.axis} has size {x.shape[self.axis]}"
            )
        before, after = x.shape[: self.axis], x.shape[self.axis + 1 :]
        return tuple(Type((*before, n, *after), x.dtype) for n in self.sizes)

    def transpose(self, i: int, ct: Any, x: Any) -> Any:
        return Concat(self.axis)(*ct)

    def batch(self, size: int, batched: tuple[bool, ...], x: Any) -> Any:
        return Split(self.axis + 1, self.sizes)(x)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(0, (2, 1)), [rng.normal(size=(3, 2))]
        yield cls(1, (0, 1, 2)), [rng.normal(size=(2, 3))]
        yield cls(0, (3,)), [rng.normal(size=(3,))]


def _arrays(op: str, arrays: Sequence[Any]) -> list[Any]:
    xs = [lift(x) for x in arrays]
    if not xs:
        raise refusal(op, ArgumentError("needs at least one array, got none"))
    return xs


def _axis(op: str, xs: list[Any], axis: int, ndim: int) -> int:
    try:
        return normalize_axis(axis, ndim)
    except AxisError as error:
        raise refusal(op, error, *((f"arrays[{i}]", x) for i, x in enumerate(xs))) from None


def concat(arrays: Sequence[Any], /, *, axis: int | None = 0, dtype: Any = None) -> Any:
    """The tensors one after the other along an axis, in their promoted dtype.

    Args:
        arrays: tensors whose shapes agree but for this axis.
        axis: the axis; None flattens them first.
        dtype: dtype of the result instead of the promoted one.

    Raises:
        ShapeError: if the other sizes differ.

    Example:
        >>> ad.concat([ad.tensor([1.0]), ad.tensor([2.0, 3.0])])
        tensor([1., 2., 3.])

    **Gradient:** each tensor gets its part of the cotangent.
    """
    xs = _arrays("concat", arrays)
    if axis is None:
        xs, axis = [ravel(x) for x in xs], 0
    if not xs[0].ndim:
        raise refusal("concat", ShapeError("0-d tensors have no axis to join; use stack"))
    at = _axis("concat", xs, axis, xs[0].ndim)
    if dtype is not None:
        xs = [CAST[np.dtype(dtype)](x) for x in xs]
    return Concat(at)(*xs)


def concatenate(arrays: Sequence[Any], /, axis: int | None = 0, *, dtype: Any = None) -> Any:
    """The tensors one after the other along an axis: NumPy's name of `concat`.

    Example:
        >>> ad.concatenate([ad.tensor([1.0]), ad.tensor([2.0])])
        tensor([1., 2.])
    """
    return concat(arrays, axis=axis, dtype=dtype)


def cat(arrays: Sequence[Any], /, axis: int | None = 0, *, dim: int | None = None) -> Any:
    """The tensors one after the other along an axis: PyTorch's name of `concat`.

    Example:
        >>> ad.cat([ad.tensor([1.0]), ad.tensor([2.0])], dim=0)
        tensor([1., 2.])
    """
    return concat(arrays, axis=axis if dim is None else dim)


def stack(
    arrays: Sequence[Any], /, *, axis: int = 0, dtype: Any = None, dim: int | None = None
) -> Any:
    """Tensors of one shape along a new axis, which stands at `axis` in the result.

    Raises:
        ShapeError: if the shapes differ.

    Example:
        >>> ad.stack([ad.tensor([1.0, 2.0]), ad.tensor([3.0, 4.0])])
        tensor([[1., 2.],
                [3., 4.]])

    **Gradient:** each tensor gets its slice of the cotangent.
    """
    xs = _arrays("stack", arrays)
    shapes = {x.shape for x in xs}
    if len(shapes) > 1:
        fact = ShapeError(f"shapes differ: {', '.join(map(str, sorted(shapes)))}")
        raise refusal("stack", fact, *((f"arrays[{i}]", x) for i, x in enumerate(xs)))
    at = _axis("stack", xs, axis if dim is None else dim, xs[0].ndim + 1)
    shape = xs[0].shape
    rows = [Reshape((*shape[:at], 1, *shape[at:]))(x) for x in xs]
    return concat(rows, axis=at, dtype=dtype)


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """The slices along an axis, without that axis.

    Raises:
        AxisError: if the axis does not exist.

    Example:
        >>> ad.unstack(ad.tensor([[1.0, 2.0], [3.0, 4.0]]))
        (tensor([1., 2.]), tensor([3., 4.]))

    **Gradient:** the stacked cotangents, in one pass however many slices there are.
    """
    x = lift(x)
    at = axis_of("unstack", x, axis)
    if not x.shape[at]:
        return ()
    shape = (*x.shape[:at], *x.shape[at + 1 :])
    return tuple(Reshape(shape)(y) for y in Split(at, (1,) * x.shape[at])(x))


def split(x: Any, indices_or_sections: int | Sequence[int], /, axis: int = 0) -> list[Any]:
    """The parts of a tensor between cuts along an axis.

    Args:
        x: at least one axis.
        indices_or_sections: the number of equal parts, or where each part but the first begins.
        axis: the axis that is cut.

    Raises:
        ShapeError: if the parts would not be equal.

    Example:
        >>> ad.split(ad.tensor([1.0, 2.0, 3.0, 4.0]), 2)
        [tensor([1., 2.]), tensor([3., 4.])]
    """
    x = lift(x)
    at = axis_of("split", x, axis)
    n = x.shape[at]
    if isinstance(indices_or_sections, int) and (
        indices_or_sections < 1 or n % indices_or_sections
    ):
        fact = ShapeError(f"axis {at} of size {n} has no {indices_or_sections} equal parts")
        raise refusal("split", fact, ("x", x), hint="ad.array_split, whose parts may differ by 1.")
    return array_split(x, indices_or_sections, axis)


def array_split(x: Any, indices_or_sections: int | Sequence[int], /, axis: int = 0) -> list[Any]:
    """The parts of a tensor between cuts along an axis; a number makes the first ones longer by 1.

    Example:
        >>> ad.array_split(ad.tensor([1.0, 2.0, 3.0]), 2)
        [tensor([1., 2.]), tensor([3.])]
    """
    x = lift(x)
    at = axis_of("array_split", x, axis)
    n = x.shape[at]
    if isinstance(indices_or_sections, int):
        count = indices_or_sections
        if count < 1:
            raise refusal("array_split", ArgumentError(f"{count} parts of a tensor"), ("x", x))
        sizes = [n // count + (i < n % count) for i in range(count)]
        return list(Split(at, tuple(sizes))(x))
    starts = [0, *(range(n)[slice(int(i), None)].start for i in indices_or_sections)]
    ends = [*(range(n)[: int(i)].stop for i in indices_or_sections), n]
    if starts == [0, *ends[:-1]] and starts == sorted(starts):
        sizes = [b - a for a, b in zip(starts, ends, strict=True)]
        return list(Split(at, tuple(sizes))(x))
    # cuts that run backwards leave empty parts and overlaps, as in NumPy
    return [part(x, at, a, max(b - a, 0)) for a, b in zip(starts, ends, strict=True)]


def hsplit(x: Any, indices_or_sections: int | Sequence[int], /) -> list[Any]:
    """The parts of a tensor between cuts along its columns (of a vector, along its only axis).

    Example:
        >>> ad.hsplit(ad.tensor([1.0, 2.0]), 2)
        [tensor([1.]), tensor([2.])]
    """
    return split(x, indices_or_sections, 1 if lift(x).ndim > 1 else 0)


def vsplit(x: Any, indices_or_sections: int | Sequence[int], /) -> list[Any]:
    """The parts of a tensor between cuts along its rows.

    Example:
        >>> ad.vsplit(ad.tensor([[1.0], [2.0]]), 2)
        [tensor([[1.]]), tensor([[2.]])]
    """
    return split(x, indices_or_sections, 0)


def dsplit(x: Any, indices_or_sections: int | Sequence[int], /) -> list[Any]:
    """The parts of a tensor between cuts along its third axis.

    Example:
        >>> len(ad.dsplit(ad.tensor([[[1.0, 2.0]]]), 2))
        2
    """
    return split(x, indices_or_sections, 2)


def hstack(arrays: Sequence[Any], /) -> Any:
    """The tensors side by side: joined along the second axis, vectors along their only one.

    Example:
        >>> ad.hstack([ad.tensor([1.0]), ad.tensor([2.0])])
        tensor([1., 2.])
    """
    xs = [atleast_1d(x) for x in _arrays("hstack", arrays)]
    return concat(xs, axis=0 if xs[0].ndim == 1 else 1)


def vstack(arrays: Sequence[Any], /) -> Any:
    """The tensors below each other: joined along the first axis, vectors as rows.

    Example:
        >>> ad.vstack([ad.tensor([1.0]), ad.tensor([2.0])])
        tensor([[1.],
                [2.]])
    """
    return concat([atleast_2d(x) for x in _arrays("vstack", arrays)], axis=0)


def dstack(arrays: Sequence[Any], /) -> Any:
    """The tensors behind each other: joined along the third axis.

    Example:
        >>> ad.dstack([ad.tensor([1.0]), ad.tensor([2.0])])
        tensor([[[1., 2.]]])
    """
    return concat([atleast_3d(x) for x in _arrays("dstack", arrays)], axis=2)


def column_stack(arrays: Sequence[Any], /) -> Any:
    """The tensors side by side, vectors as columns.

    Example:
        >>> ad.column_stack([ad.tensor([1.0, 2.0]), ad.tensor([3.0, 4.0])])
        tensor([[1., 3.],
                [2., 4.]])
    """
    xs = _arrays("column_stack", arrays)
    columns = [x if x.ndim > 1 else Reshape((x.size, 1))(x) for x in xs]
    return concat(columns, axis=1)
