"""What the machine can do, measured once: the yardstick of reports."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final

import numpy as np

from adjoint.compiler.executors import executor
from adjoint.core.bind import staged_leaf
from adjoint.core.program import extract
from adjoint.core.types import Type

SIDES: Final = (1024, 512, 256)
"""Rows and columns of the matrices that are multiplied; the best size counts."""
COPIED: Final = (1 << 13, 1 << 16, 1 << 19, 1 << 21, 1 << 24)
"""Elements of the arrays that are copied: what smaller caches hold, larger ones, and none."""
SPAN: Final = 0.08
"""Seconds for each of these measurements."""


@dataclass(frozen=True)
class Machine:
    """Rates that a program can reach here.

    Attributes:
        flops: floating-point operations in a second, in a product of large float32 matrices.
        copies: for copies of arrays that read and write so many bytes, bytes in a second.
    """

    flops: float
    copies: tuple[tuple[int, float], ...]

    @property
    def bandwidth(self) -> float:
        """Bytes in a second from and to memory, where caches do not help."""
        return self.copies[-1][1]

    def seconds(self, flops: int, size: int) -> float:
        """The least time for so many operations on so many bytes."""
        rate = next((r for n, r in self.copies if n >= size), self.bandwidth)
        return max(flops / self.flops, size / rate)


@functools.cache
def machine(backend: str = "auto") -> Machine:
    """The rates of this machine; measured in a fraction of a second when first asked for."""
    f32 = np.dtype(np.float32)
    products: list[float] = []
    for n in SIDES:
        t = Type((n, n), f32)
        products.append(2 * n**3 / _best(backend, [t, t], operator.matmul))
    copies: list[tuple[int, float]] = []
    for n in COPIED:
        size = 2 * n * f32.itemsize
        copies.append((size, size / _best(backend, [Type((n,), f32)], operator.neg)))
    return Machine(max(products), tuple(copies))


def _best(backend: str, types: list[Type], f: Callable[..., Any]) -> float:
    """Seconds that the fastest of some runs of a function takes."""
    inputs = [staged_leaf(t) for t in types]
    graph = extract(inputs, [f(*inputs)])
    run = executor(backend, graph, {}, 0)
    arrays = [np.ones(t.shape, t.dtype) for t in (*types, *graph.out_types)]
    best = float("inf")
    end = perf_counter() + SPAN
    while best == float("inf") or perf_counter() < end:
        begin = perf_counter()
        run(arrays)
        best = min(best, perf_counter() - begin)
    return best
