"""The largest and smallest elements over axes, and where they stand.

**Ties:** equal elements share the gradient equally.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, final

import numpy as np

from adjoint.core.errors import DTypeError, ShapeError
from adjoint.core.primitive import Primitive, Sample
from adjoint.core.types import Type
from adjoint.ops.compare import EQUAL
from adjoint.ops.families import CAST, AbstractGeneral, scale
from adjoint.ops.shape import Expand, Sum

__all__: list[str] = []


def check_some(x: Any, axes: tuple[int, ...], what: str) -> None:
    """Refuse complex values, and to look for an element among none."""
    if x.dtype.kind == "c":
        raise DTypeError(f"complex numbers have no order, got {x.dtype}")
    for a in axes:
        if not x.shape[a]:
            raise ShapeError(f"no {what} of no elements: x has shape {x.shape}, axis {a} is empty")


class AbstractExtreme(AbstractGeneral):
    """The element that wins over `axes`. **Gradient:** shared equally by all that are equal to it.

    If an element is NaN the result is NaN, and so are the gradients of its row.
    """

    axes: tuple[int, ...]
    kind = "reduce"
    takes = "?bBhHiIlLqQefdE"
    what: ClassVar[str] = ""

    def out_type(self, x: Any) -> Type:
        check_some(x, self.axes, self.what)
        return x.drop(self.axes)

    def vjp(self, ct: Any, out: Any, x: Any) -> Any:
        wins = CAST[ct.dtype](EQUAL(x, Expand(x.shape, self.axes)(out)))
        each = scale(ct, 1 / Sum(self.axes)(wins))
        return (scale(Expand(x.shape, self.axes)(each), wins),)

    def batch(self, size: int, batched: tuple[bool, ...], x: Any) -> Any:
        return type(self)(tuple(a + 1 for a in self.axes))(x)

    def cost(self, *types: Any) -> int:
        return types[0].size

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls((0,)), [rng.permutation(np.arange(6.0)).reshape(2, 3)]
        yield cls((0, 2)), [rng.permutation(np.arange(12.0)).reshape(2, 2, 3)]
        yield cls((0,)), [np.array([2.0])]
        yield cls(()), [rng.normal(size=2)]


@final
class Max(AbstractExtreme):
    """The largest element over `axes`. **Gradient:** shared equally at ties."""

    llvm = "max"
    what = "maximum"

    def value(self, x: Any) -> Any:
        check_some(x, (), "maximum")
        return np.maximum.reduce(x, axis=self.axes)


@final
class Min(AbstractExtreme):
    """The smallest element over `axes`. **Gradient:** shared equally at ties."""

    llvm = "min"
    what = "minimum"

    def value(self, x: Any) -> Any:
        check_some(x, (), "minimum")
        return np.minimum.reduce(x, axis=self.axes)


class AbstractPlace(Primitive):
    """Where along `axis` the element that wins stands first."""

    axis: int
    kind = "reduce"
    no_derivative = "a place is a whole number"
    takes = "?bBhHiIlLqQefdE"

    def out_type(self, x: Any) -> Type:
        check_some(x, (self.axis,), "place")
        return x.drop((self.axis,)).with_dtype(np.int64)

    def batch(self, size: int, batched: tuple[bool, ...], *xs: Any) -> Any:
        return type(self)(self.axis + 1)(*xs)

    def cost(self, *types: Any) -> int:
        return types[0].size

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(1), [rng.normal(size=(2, 3))]
        yield cls(0), [np.array([1, 3, 3, 2])]


@final
class ArgMax(AbstractPlace):
    """Where along `axis` the largest element stands first."""

    name = "argmax"
    llvm = "argmax"

    def value(self, x: Any) -> Any:
        check_some(x, (), "place")
        return np.asarray(np.argmax(x, axis=self.axis)).astype(np.int64, copy=False)


@final
class ArgMin(AbstractPlace):
    """Where along `axis` the smallest element stands first."""

    name = "argmin"
    llvm = "argmin"

    def value(self, x: Any) -> Any:
        check_some(x, (), "place")
        return np.asarray(np.argmin(x, axis=self.axis)).astype(np.int64, copy=False)


class AbstractVote(Primitive):
    """A question about the truth of the elements over `axes`."""

    axes: tuple[int, ...]
    kind = "reduce"
    no_derivative = "a bool has no gradient"

    def out_type(self, x: Any) -> Type:
        return x.drop(self.axes).with_dtype(np.bool_)

    def batch(self, size: int, batched: tuple[bool, ...], *xs: Any) -> Any:
        return type(self)(tuple(a + 1 for a in self.axes))(*xs)

    def cost(self, *types: Any) -> int:
        return types[0].size

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls((1,)), [rng.random((3, 2)) < 0.5]
        yield cls((0, 1)), [np.array([[0.0, 2.0]])]
        yield cls((0,)), [np.zeros((0, 2))]


@final
class AnyTrue(AbstractVote):
    """Whether some element over `axes` is not zero."""

    name = "any"
    llvm = "or"

    def value(self, x: Any) -> Any:
        return np.logical_or.reduce(x, axis=self.axes)


@final
class AllTrue(AbstractVote):
    """Whether all elements over `axes` are not zero."""

    name = "all"
    llvm = "and"

    def value(self, x: Any) -> Any:
        return np.logical_and.reduce(x, axis=self.axes)
