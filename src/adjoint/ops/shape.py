"""Views that change the shape: reshape, permute, expand, and sum, the transpose of expand.

Every function that changes only the shape is one of three cards: `Reshape`, `Permute`, `Expand`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, ClassVar, Final, final

import numpy as np

from adjoint.core import types
from adjoint.core.bind import lift
from adjoint.core.errors import AdjointError, ArgumentError, AxisError, ShapeError, explain
from adjoint.core.primitive import Sample
from adjoint.core.site import here
from adjoint.core.types import Shape, Type
from adjoint.ops.families import AbstractLinear

__all__ = [
    "broadcast_arrays",
    "broadcast_shapes",
    "broadcast_to",
    "flatten",
    "permute_dims",
    "ravel",
    "reshape",
]


@final
class Reshape(AbstractLinear):
    """The same elements in row-major order in another shape."""

    shape: Shape
    kind = "view"

    def value(self, x: Any) -> Any:
        return np.reshape(x, self.shape)

    def out_type(self, x: Any) -> Type:
        if math.prod(self.shape) != x.size:
            raise ShapeError(f"{x.size} elements do not fit the shape {self.shape}")
        return Type(self.shape, x.dtype)

    def transpose(self, i: int, ct: Any, x: Any) -> Any:
        return Reshape(x.shape)(ct)

    def batch(self, size: int, batched: tuple[bool, ...], x: Any) -> Any:
        return Reshape((size, *self.shape))(x)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls((3, 2)), [rng.normal(size=(2, 3))]
        yield cls((1,)), [rng.normal(size=())]


@final
class Permute(AbstractLinear):
    """The axes in another order: axis `order[k]` of `x` becomes axis `k`."""

    order: tuple[int, ...]
    kind = "view"
    name = "permute_dims"

    def value(self, x: Any) -> Any:
        return np.transpose(x, self.order)

    def out_type(self, x: Any) -> Type:
        if sorted(self.order) != list(range(x.ndim)):
            raise ShapeError(f"axes {self.order} are no permutation of the {x.ndim} axes of x")
        return Type(tuple(x.shape[a] for a in self.order), x.dtype)

    def transpose(self, i: int, ct: Any, x: Any) -> Any:
        return Permute(tuple(self.order.index(a) for a in range(len(self.order))))(ct)

    def batch(self, size: int, batched: tuple[bool, ...], x: Any) -> Any:
        return Permute((0, *(a + 1 for a in self.order)))(x)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls((1, 2, 0)), [rng.normal(size=(2, 3, 4))]


@final
class Expand(AbstractLinear):
    """The value repeated along new `axes` of the result, whose shape is `shape`."""

    shape: Shape
    axes: tuple[int, ...]
    kind = "view"
    name = "broadcast_to"

    def value(self, x: Any) -> Any:
        shape = self.shape
        x = np.asarray(x)
        if x.flags.c_contiguous and x.dtype.kind in "fciub" and x.size:
            # the view itself, by its strides: np.broadcast_to takes eight times as long to make it
            if x.ndim:
                steps = iter(x.strides)
                strides = [0 if a in self.axes else next(steps) for a in range(len(shape))]
            else:
                strides = (0,) * len(shape)
            return np.ndarray(shape, x.dtype, x, 0, strides)
        kept = iter(x.shape)
        aligned = tuple([1 if a in self.axes else next(kept) for a in range(len(shape))])
        return np.broadcast_to(np.reshape(x, aligned), shape)

    def out_type(self, x: Any) -> Type:
        kept = tuple(n for a, n in enumerate(self.shape) if a not in self.axes)
        if kept != x.shape:
            raise ShapeError(f"shape {x.shape} does not expand to {self.shape} along {self.axes}")
        return Type(self.shape, x.dtype)

    def transpose(self, i: int, ct: Any, x: Any) -> Any:
        return Sum(self.axes)(ct)

    def batch(self, size: int, batched: tuple[bool, ...], x: Any) -> Any:
        return Expand((size, *self.shape), tuple(a + 1 for a in self.axes))(x)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls((2, 3, 4), (0, 2)), [rng.normal(size=(3,))]
        yield cls((2,), (0,)), [rng.normal(size=())]


add_up: Final = np.add.reduce


@final
class Sum(AbstractLinear):
    """Sum over `axes`, which disappear."""

    axes: tuple[int, ...]
    kind = "reduce"
    llvm = "add"
    start: ClassVar[int] = 0

    def value(self, x: Any) -> Any:
        kind = x.dtype.kind
        if kind in "fc":  # which keep their dtype; to say so costs as much as a small sum
            return add_up(x, None if len(self.axes) == x.ndim else self.axes)
        if kind == "V":  # bfloat16 holds no sum of more than 256 ones
            wide = np.asarray(x).astype(np.float32)
            return np.asarray(add_up(wide, self.axes)).astype(x.dtype)
        return add_up(x, self.axes, x.dtype)

    def out_type(self, x: Any) -> Type:
        return x.drop(self.axes)

    def transpose(self, i: int, ct: Any, x: Any) -> Any:
        return expansion(x.shape, self.axes)(ct)

    def batch(self, size: int, batched: tuple[bool, ...], x: Any) -> Any:
        return Sum(tuple(a + 1 for a in self.axes))(x)

    def cost(self, *types: Any) -> int:
        return types[0].size

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls((0,)), [rng.normal(size=(2, 3))]
        yield cls((0, 2)), [rng.normal(size=(2, 3, 4))]
        yield cls(()), [rng.normal(size=(2,))]


@lru_cache(maxsize=1024)
def expansion(shape: Shape, axes: tuple[int, ...]) -> Expand:
    """The card that repeats a value along `axes` of `shape`, made once."""
    return Expand(shape, axes)


@lru_cache(maxsize=1024)
def sum_over(ndim: int, axis: int | tuple[int, ...] | None) -> Sum:
    """The sum over the axes that the user named, of values with `ndim` axes; AxisError if not."""
    return Sum(types.normalize_axes(axis, ndim))


def sum_dtype(dtype: Any, asked: Any = None) -> Any:
    """The dtype in which sums and products of elements of `dtype` are taken, unless one is asked.

    Small integers and bools grow to 64 bits, as the Array API says; floats stay.
    """
    if asked is not None:
        return types.as_dtype(asked)
    if dtype.kind in "bi":
        return np.dtype(np.int64)
    return np.dtype(np.uint64) if dtype.kind == "u" else dtype


def unbroadcast(g: Any, shape: Shape) -> Any:
    """Sum a cotangent of a broadcast operand back to the operand's shape.

    This is the only place in the library that undoes broadcasting.
    """
    for card in _undone(g.shape, shape):
        g = card(g)
    return g


@lru_cache(maxsize=1024)
def _undone(given: Shape, shape: Shape) -> tuple[Sum | Reshape, ...]:
    """The cards that take a value of the `given` shape to the one that was broadcast to it."""
    lead = len(given) - len(shape)
    axes = tuple(a for a, n in enumerate(given) if a < lead or (shape[a - lead] == 1 and n != 1))
    left = tuple(n for a, n in enumerate(given) if a not in axes)
    return (*([Sum(axes)] if axes else []), *([Reshape(shape)] if left != shape else []))


# -- what the user gave, made tidy ---------------------------------------------------------------


def refusal(
    op: str, error: AdjointError, *operands: tuple[str, Any], hint: str = ""
) -> AdjointError:
    """The same error, with the operation, its operands and the user's line in its text."""
    return type(error)(explain(error, op, operands, here(), hint))


SEQUENCE: Final[Any] = Sequence


def several(axis: Any) -> tuple[Any, ...]:
    """The axes that the user gave, also if it is one."""
    return tuple(axis) if isinstance(axis, SEQUENCE) else (axis,)


def axis_of(op: str, x: Any, axis: Any) -> int:
    """The axis of `x` that the user named, counted from the front."""
    try:
        return types.normalize_axis(axis, x.ndim)
    except AxisError as error:
        raise refusal(op, error, ("x", x)) from None


def axes_of(op: str, x: Any, axis: int | Sequence[int] | None) -> tuple[int, ...]:
    """The axes of `x` that the user named, sorted and counted from the front; None names all."""
    try:
        return types.normalize_axes(None if axis is None else several(axis), x.ndim)
    except AxisError as error:
        raise refusal(op, error, ("x", x)) from None


def sizes_of(shape: Any) -> tuple[int, ...]:
    """A shape, or one size, as a tuple of ints."""
    if hasattr(shape, "__index__") and not getattr(shape, "ndim", 0):
        return (shape.__index__(),)
    try:
        return tuple(operator.index(n) for n in shape)
    except TypeError:
        raise ArgumentError(f"a shape is made of whole numbers, got {shape!r}") from None


def with_axes(out: Any, x: Any, axes: tuple[int, ...], keepdims: bool | None) -> Any:
    """A reduction's result, with the reduced axes of `x` put back if they are to be kept."""
    if not keepdims:
        return out
    return Reshape(tuple(1 if a in axes else n for a, n in enumerate(x.shape)))(out)


def merge_axes(x: Any, axes: tuple[int, ...]) -> Any:
    """`x` with these axes moved to the end and made one."""
    kept = tuple(a for a in range(x.ndim) if a not in axes)
    size = math.prod(x.shape[a] for a in axes)
    if kept + axes != tuple(range(x.ndim)):
        shape = tuple(x.shape[a] for a in kept)
        return Reshape((*shape, size))(Permute(kept + axes)(x))
    return Reshape((*x.shape[: len(kept)], size))(x)


def split_axes(x: Any, axes: tuple[int, ...], shape: Shape) -> Any:
    """The inverse of `merge_axes`: a value of this shape again."""
    kept = tuple(a for a in range(len(shape)) if a not in axes)
    order = kept + axes
    x = Reshape(tuple(shape[a] for a in order))(x)
    if order == tuple(range(len(shape))):
        return x
    return Permute(tuple(order.index(a) for a in range(len(shape))))(x)


# -- public functions ----------------------------------------------------------------------------


def reshape(x: Any, /, shape: int | Sequence[int], *, copy: bool | None = None) -> Any:
    """The same elements, in row-major order, in another shape.

    Args:
        x: any shape.
        shape: the new shape; one size may be -1 and is then worked out from the rest.
        copy: accepted for the Array API; tensors are values, so it makes no difference.

    Raises:
        ShapeError: if the elements do not fit.

    Example:
        >>> ad.reshape(ad.tensor([1.0, 2.0, 3.0, 4.0]), (2, -1))
        tensor([[1., 2.],
                [3., 4.]])

    **Gradient:** the cotangent in the old shape.
    """
    x = lift(x)
    sizes = sizes_of(shape)
    if -1 in sizes:
        at = sizes.index(-1)
        rest = math.prod(sizes[:at] + sizes[at + 1 :])
        if sizes.count(-1) > 1 or rest <= 0 or x.size % rest:
            fact = ShapeError(f"{x.size} elements do not fit the shape {sizes}")
            raise refusal("reshape", fact, ("x", x))
        sizes = (*sizes[:at], x.size // rest, *sizes[at + 1 :])
    return Reshape(sizes)(x)


def permute_dims(x: Any, /, axes: Sequence[int]) -> Any:
    """The tensor with its axes in another order: axis ``axes[k]`` becomes axis ``k``.

    Raises:
        AxisError: if `axes` does not name every axis once.

    Example:
        >>> ad.permute_dims(ad.tensor([[1.0, 2.0], [3.0, 4.0]]), (1, 0))
        tensor([[1., 3.],
                [2., 4.]])

    **Gradient:** the cotangent with its axes put back.
    """
    x = lift(x)
    order = tuple(axis_of("permute_dims", x, a) for a in axes)
    if sorted(order) != list(range(x.ndim)):
        fact = AxisError(f"axes {tuple(axes)} do not name each of the {x.ndim} axes once")
        raise refusal("permute_dims", fact, ("x", x))
    return Permute(order)(x)


def broadcast_to(x: Any, /, shape: int | Sequence[int]) -> Any:
    """The value repeated, without copying, so that it fills a shape by NumPy's rule.

    Raises:
        ShapeError: if the shape of `x` does not broadcast to it.

    Example:
        >>> ad.broadcast_to(ad.tensor([1.0, 2.0]), (2, 2))
        tensor([[1., 2.],
                [1., 2.]])

    **Gradient:** the cotangent summed over the repeats.
    """
    x = lift(x)
    out = sizes_of(shape)
    lead = len(out) - x.ndim
    if lead < 0 or any(n not in (1, m) for n, m in zip(x.shape, out[lead:], strict=True)):
        fact = ShapeError(f"shape {x.shape} does not broadcast to {out}")
        raise refusal("broadcast_to", fact, ("x", x))
    repeated = tuple(a for a, n in enumerate(x.shape) if n == 1 and out[a + lead] != 1)
    if repeated:
        x = Reshape(tuple(n for a, n in enumerate(x.shape) if a not in repeated))(x)
    return Expand(out, (*range(lead), *(a + lead for a in repeated)))(x)


def broadcast_shapes(*shapes: int | Sequence[int]) -> Shape:
    """The shape that operands of these shapes broadcast to.

    Raises:
        ShapeError: if two sizes differ and neither is 1.

    Example:
        >>> ad.broadcast_shapes((3, 1), (2,))
        (3, 2)
    """
    return types.broadcast_shapes(*map(sizes_of, shapes)) if shapes else ()


def broadcast_arrays(*arrays: Any) -> tuple[Any, ...]:
    """The tensors, each repeated to their common shape.

    Raises:
        ShapeError: if the shapes do not broadcast.

    Example:
        >>> [x.shape for x in ad.broadcast_arrays(ad.tensor([1.0, 2.0]), ad.tensor([[1.0]]))]
        [(1, 2), (1, 2)]
    """
    xs = [lift(x) for x in arrays]
    try:
        shape = broadcast_shapes(*[x.shape for x in xs])
    except ShapeError as error:
        operands = [(f"arrays[{i}]", x) for i, x in enumerate(xs)]
        raise refusal("broadcast_arrays", error, *operands) from None
    return tuple(broadcast_to(x, shape) for x in xs)


def ravel(x: Any, /) -> Any:
    """All elements in row-major order along one axis.

    Example:
        >>> ad.ravel(ad.tensor([[1.0, 2.0], [3.0, 4.0]]))
        tensor([1., 2., 3., 4.])
    """
    x = lift(x)
    return Reshape((x.size,))(x)


def flatten(x: Any, /, start_axis: int = 0, end_axis: int = -1) -> Any:
    """The tensor with the axes from `start_axis` to `end_axis` made one.

    Raises:
        AxisError: if an axis does not exist, or the first stands after the last.

    Example:
        >>> ad.flatten(ad.broadcast_to(0.0, (2, 3, 4)), 1).shape
        (2, 12)
    """
    x = lift(x)
    if not x.ndim:
        return Reshape((1,))(x)
    first, last = axis_of("flatten", x, start_axis), axis_of("flatten", x, end_axis)
    if first > last:
        fact = AxisError(f"start_axis {start_axis} stands after end_axis {end_axis}")
        raise refusal("flatten", fact, ("x", x))
    merged = math.prod(x.shape[first : last + 1])
    return Reshape((*x.shape[:first], merged, *x.shape[last + 1 :]))(x)
