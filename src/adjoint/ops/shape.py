"""Views that change the shape: reshape, permute, expand, and sum, the transpose of expand."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, ClassVar, final

import numpy as np

from adjoint.core.errors import ShapeError
from adjoint.core.primitive import Sample
from adjoint.core.types import Shape, Type
from adjoint.ops.families import AbstractLinear


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
        kept = iter(np.shape(x))
        aligned = tuple(1 if a in self.axes else next(kept) for a in range(len(self.shape)))
        return np.broadcast_to(np.reshape(x, aligned), self.shape)

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


@final
class Sum(AbstractLinear):
    """Sum over `axes`, which disappear."""

    axes: tuple[int, ...]
    kind = "reduce"
    llvm = "add"
    start: ClassVar[int] = 0

    def value(self, x: Any) -> Any:
        return np.add.reduce(x, axis=self.axes, dtype=x.dtype)

    def out_type(self, x: Any) -> Type:
        return x.drop(self.axes)

    def transpose(self, i: int, ct: Any, x: Any) -> Any:
        return Expand(x.shape, self.axes)(ct)

    def batch(self, size: int, batched: tuple[bool, ...], x: Any) -> Any:
        return Sum(tuple(a + 1 for a in self.axes))(x)

    def cost(self, *types: Any) -> int:
        return types[0].size

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls((0,)), [rng.normal(size=(2, 3))]
        yield cls((0, 2)), [rng.normal(size=(2, 3, 4))]
        yield cls(()), [rng.normal(size=(2,))]


def unbroadcast(g: Any, shape: Shape) -> Any:
    """Sum a cotangent of a broadcast operand back to the operand's shape.

    This is the only place in the library that undoes broadcasting.
    """
    if g.shape == shape:
        return g
    lead = len(g.shape) - len(shape)
    axes = tuple(
        a for a, n in enumerate(g.shape) if a < lead or (shape[a - lead] == 1 and n != 1)
    )
    if axes:
        g = Sum(axes)(g)
    return g if g.shape == shape else Reshape(shape)(g)
