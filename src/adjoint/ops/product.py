"""The product over axes, with a gradient that is right where elements are zero."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, final

import numpy as np

from adjoint.core.primitive import Sample
from adjoint.core.types import Type
from adjoint.ops.cumulative import CumProd
from adjoint.ops.families import AbstractGeneral, conj, scale
from adjoint.ops.recurrence import shifted, with_first
from adjoint.ops.shape import Expand, merge_axes, split_axes

__all__: list[str] = []


@final
class Prod(AbstractGeneral):
    """Product over `axes`, which disappear.

    The derivative for an element is the product of all others: running products from both sides,
    shifted by one, multiplied. Nothing is divided, so zeros are no special case, to any order.
    """

    axes: tuple[int, ...]
    kind = "reduce"
    llvm = "mul"
    start: ClassVar[int] = 1

    def value(self, x: Any) -> Any:
        if x.dtype.char in "eE":
            wide = np.asarray(x).astype(np.float32)
            return np.asarray(np.multiply.reduce(wide, axis=self.axes)).astype(x.dtype)
        return np.multiply.reduce(x, axis=self.axes, dtype=x.dtype)

    def out_type(self, x: Any) -> Type:
        return x.drop(self.axes)

    def vjp(self, ct: Any, out: Any, x: Any) -> Any:
        merged = merge_axes(x, self.axes)
        axis = merged.ndim - 1
        before = with_first(shifted(CumProd(axis)(merged), axis, 1), axis, False, 1)
        after = with_first(shifted(CumProd(axis, True)(merged), axis, -1), axis, True, 1)
        others = split_axes(before * after, self.axes, x.shape)
        return (scale(Expand(x.shape, self.axes)(ct), conj(others)),)

    def batch(self, size: int, batched: tuple[bool, ...], x: Any) -> Any:
        return Prod(tuple(a + 1 for a in self.axes))(x)

    def cost(self, *types: Any) -> int:
        return types[0].size

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls((0,)), [rng.normal(size=(3, 2))]
        yield cls((0, 2)), [rng.normal(size=(2, 2, 3))]
        yield cls((0,)), [np.array([1.5, 0.0, -2.0])]
        yield cls((0,)), [np.array([0.0, 0.0, -2.0, 0.5])]
        yield cls((0,)), [rng.normal(size=3) + 1j * rng.normal(size=3)]
        yield cls(()), [rng.normal(size=2)]
        yield cls((1,)), [np.zeros((2, 0))]
