"""Slices added at places of a value: what a sparse update does to a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, final

import numpy as np

from adjoint.core.errors import ShapeError
from adjoint.core.primitive import Sample
from adjoint.core.types import Type
from adjoint.ops.families import AbstractLinear
from adjoint.ops.gather import Gather, ScatterAdd, check_index
from adjoint.ops.slice import in_front, lifted

__all__: list[str] = []

Ints = tuple[int, ...]


@final
class AddRows(AbstractLinear):
    """The value `x` with the slices `v` added along `axis` where `index` says."""

    axis: int
    kind = "scatter"
    operands = ("x", "index", "v")
    parameters: ClassVar[Ints] = (1,)

    def value(self, x: Any, index: Any, v: Any) -> Any:
        return np.asarray(x) + ScatterAdd(self.axis, x.shape[self.axis]).value(v, index)

    def out_type(self, x: Any, index: Any, v: Any) -> Type:
        check_index(index)
        shape = (*x.shape[: self.axis], *index.shape, *x.shape[self.axis + 1 :])
        if v.shape != shape:
            raise ShapeError(f"v has shape {v.shape}, the index asks for {shape}")
        return Type(x.shape, x.dtype)

    def coerce(self, xs: tuple[Any, ...]) -> tuple[Any, ...]:
        return lifted(xs)

    def transpose(self, i: int, ct: Any, x: Any, index: Any, v: Any) -> Any:
        return ct if i == 0 else Gather(self.axis)(ct, index)

    def batch(self, size: int, batched: tuple[bool, ...], x: Any, index: Any, v: Any) -> Any:
        scatter = ScatterAdd(self.axis, x.shape[self.axis + batched[0]])
        v = in_front(size, batched[2], v)
        added = scatter.batch(size, (True, batched[1]), v, index)
        return in_front(size, batched[0], x) + added

    def cost(self, *types: Any) -> int:
        return types[2].size

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(0), [rng.normal(size=(4, 3)), np.array([0, -1, 0]), rng.normal(size=(3, 3))]
        yield cls(1), [rng.normal(size=(2, 4)), np.array([[1], [1]]), rng.normal(size=(2, 2, 1))]
        yield cls(0), [rng.normal(size=(4,)), np.array(2), rng.normal(size=())]
