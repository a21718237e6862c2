"""Whether some or all elements over axes are not zero."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, final

import numpy as np

from adjoint.core.primitive import Primitive, Sample
from adjoint.core.types import Type

__all__: list[str] = []


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
