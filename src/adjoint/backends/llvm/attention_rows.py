"""Rows of scores in vectors: their largest element, exponentials, sums.

Rows lie in memory of the kernel's own, padded to whole vectors. What is behind the last score that
a row sees is made -inf first, so that the loops need no masks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir

from adjoint.backends.llvm import processor
from adjoint.backends.llvm.convolution_tile import at, fused
from adjoint.backends.llvm.nest import Nest, index, ll
from adjoint.backends.llvm.scalars_exponential import CONSTANTS, LOG2_E
from adjoint.backends.llvm.scalars_value import FORMATS
from adjoint.core.types import DType

LOWEST = {"f": -87.0, "d": -708.0}
"""Below it an exponential is taken for zero: next to that of the row's largest score it is."""


class Rows:
    """Vectors of one dtype, in the innermost loop of a nest."""

    def __init__(self, nest: Nest, dtype: DType) -> None:
        self.nest = nest
        self.dtype = dtype
        self.t = ll(dtype)
        self.lanes = processor.vector_bytes() // dtype.itemsize
        self.kind = ir.VectorType(self.t, self.lanes)

    @property
    def b(self) -> Any:
        """The builder."""
        return self.nest.inner

    def padded(self, n: int) -> int:
        """A length in whole vectors."""
        return -(-n // self.lanes) * self.lanes

    def up(self, n: Any, vectors: int = 1) -> Any:
        """An index rounded up to whole vectors, or to several."""
        b, step = self.b, vectors * self.lanes
        return b.and_(b.add(n, index(step - 1)), index(-step))

    def splat(self, x: Any) -> Any:
        """A vector of one number, which is a value or a float."""
        if isinstance(x, float):
            return ir.Constant(self.kind, [x] * self.lanes)
        b = self.b
        first = b.insert_element(ir.Constant(self.kind, ir.Undefined), x, ir.IntType(32)(0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return b.shuffle_vector(first, ir.Constant(self.kind, ir.Undefined), zeros)

    def load(self, pointer: Any, i: Any) -> Any:
        """The vector that begins at a place of a row."""
        return self.b.load(at(self.b, pointer, i, self.t), typ=self.kind, align=self.dtype.itemsize)

    def store(self, x: Any, pointer: Any, i: Any) -> None:
        """Put a vector there."""
        self.b.store(x, at(self.b, pointer, i, self.t), align=self.dtype.itemsize)

    def each(self, start: Any, stop: Any, body: Callable[[Any], None]) -> None:
        """A loop over the vectors of a row."""
        body(self.nest.open(start, stop, self.lanes))
        self.nest.close()

    def fill(self, x: float, row: Any, start: Any, stop: Any) -> None:
        """A number everywhere in a part of a row."""
        self.each(start, stop, lambda i: self.store(self.splat(x), row, i))

    def cut(self, row: Any, limit: Any, size: int, x: float) -> None:
        """A number behind the first `limit` ones, up to the end of the vector that ends there."""
        b = self.b
        last = index(size - self.lanes)
        here = b.and_(limit, index(-self.lanes))
        here = b.select(b.icmp_signed("<", here, last), here, last)
        lane = ir.IntType(32)
        count = b.insert_element(
            ir.Constant(ir.VectorType(lane, self.lanes), ir.Undefined),
            b.trunc(b.sub(limit, here), lane),
            lane(0),
        )
        zeros = ir.Constant(ir.VectorType(lane, self.lanes), [0] * self.lanes)
        count = b.shuffle_vector(count, count, zeros)
        numbers = ir.Constant(ir.VectorType(lane, self.lanes), list(range(self.lanes)))
        inside = b.icmp_signed("<", numbers, count)
        self.store(b.select(inside, self.load(row, here), self.splat(x)), row, here)

    def folded(self, x: Any, join: Callable[[Any, Any], Any]) -> Any:
        """The lanes of a vector made one number, halves first."""
        b, n = self.b, self.lanes
        while n > 1:
            n //= 2
            places = [n + i if i < n else i for i in range(self.lanes)]
            order = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), places)
            x = join(x, b.shuffle_vector(x, x, order))
        return b.extract_element(x, ir.IntType(32)(0))

    def larger(self, x: Any, y: Any) -> Any:
        """The larger of each two numbers; the second where one of them is NaN."""
        return self.b.select(self.b.fcmp_ordered(">", x, y), x, y)

    def largest(self, row: Any, stop: Any, place: Any) -> Any:
        """The largest number of a row that is none but a NaN's neighbour; -inf if there is none."""
        self.b.store(self.splat(-np.inf), place)

        def body(i: Any) -> None:
            old = self.b.load(place, typ=self.kind)
            self.b.store(self.larger(self.load(row, i), old), place)

        self.each(index(0), stop, body)
        return self.folded(self.b.load(place, typ=self.kind), self.larger)

    def exp(self, x: Any) -> Any:
        """Exponentials, to two units in the last place; NaN of an infinity, 0 of minus one."""
        b, known = self.b, CONSTANTS[self.t]
        form = FORMATS[self.t]
        fma = fused(b.module, self.kind)
        shifter = self.splat(form.shifter)
        moved = b.call(fma, [x, self.splat(LOG2_E), shifter])
        n = b.fsub(moved, shifter)
        r = b.call(fma, [n, self.splat(-known.high), x])
        r = b.call(fma, [n, self.splat(-known.low), r])
        total = self.splat(known.polynomial[-1])
        for c in (*known.polynomial[-2::-1], 0.5, 1.0, 1.0):
            total = b.call(fma, [total, r, self.splat(c)])
        whole = ir.VectorType(form.integer, self.lanes)
        bits = b.bitcast(moved, whole)
        shift = ir.Constant(whole, [form.fraction] * self.lanes)
        power = b.add(b.shl(bits, shift), ir.Constant(whole, [form.one] * self.lanes))
        out = b.fmul(total, b.bitcast(power, self.kind))
        tiny = b.fcmp_ordered("<", x, self.splat(LOWEST[self.dtype.char]))
        return b.select(tiny, self.splat(0.0), out)
