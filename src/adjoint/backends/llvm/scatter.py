"""Scatter: rows added where an index says, each part of the result by one worker.

A worker takes the indices in their order and adds the rows that fall into its part, so the order of
additions does not depend on how many workers there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from llvmlite import ir

from adjoint.backends.llvm.layout import View, whole
from adjoint.backends.llvm.nest import I64, PTR, Nest, index, ll
from adjoint.backends.llvm.scalar_cards import wrap
from adjoint.core.graph import Node
from adjoint.ops.gather import ScatterAdd

PARTS = 8
"""Parts of the result: a few more than there are workers, for indices are not spread evenly."""


@dataclass(frozen=True, slots=True)
class Scatter:
    """How rows are added.

    Attributes:
        rows: the values that are added.
        places: the index.
        out: the result.
        axis: along which the index counts.
        size: of that axis.
        into: what they are added to; None for zeros.
    """

    rows: View
    places: View
    out: View
    axis: int
    size: int
    into: View | None = None
    scratch: int = 0

    @property
    def replaces(self) -> View | None:
        """The operand in whose memory the result may be made."""
        return self.into


def plan(node: Node, xs: Sequence[Any]) -> Scatter | None:
    """The plan of a `ScatterAdd` or `AddRows`; None for dtypes that have no machine type."""
    if any(ll(v.base.dtype) is None for v in xs) or node.size == 0:
        return None
    if isinstance(node.op, ScatterAdd):
        rows, places = xs
        return Scatter(rows, places, whole(node), node.op.axis, node.op.size)
    into, places, rows = xs
    if not into.contiguous:
        return None
    return Scatter(rows, places, whole(node), node.op.axis, node.shape[node.op.axis], into)


def emit(program: Any, group: Any) -> None:
    """The kernel, over parts of the axis that the index counts on."""
    it: Scatter = group.plan
    kind = ir.FunctionType(ir.VoidType(), [PTR] * 3 + [I64, I64])
    function: Any = ir.Function(program.module, kind, program.name())
    function.linkage = "internal"
    parts = min(PARTS, it.size)
    nest = Nest(function)
    part = nest.open(*function.args[-2:])
    b = nest.inner
    low = b.udiv(b.mul(part, index(it.size)), index(parts))
    high = b.udiv(b.mul(b.add(part, index(1)), index(it.size)), index(parts))
    if it.into is None:
        _clear(nest, it, function.args[2], low, high)
    _add(nest, it, function.args, low, high)
    nest.close()
    nest.inner.ret_void()
    pointers = [program.address(v) for v in (it.rows, it.places, it.out)]
    if it.into is not None and (source := program.address(it.into)) is not pointers[2]:
        program.copy(pointers[2], source, program.bytes_of(it.out.base))
    work = (it.rows.size + (it.out.size if it.into is None else 0)) // parts
    program.launch(function, pointers, parts, work)


def _clear(nest: Nest, it: Scatter, out: Any, low: Any, high: Any) -> None:
    """Zeros in the part from `low` to `high`."""
    t = ll(it.out.base.dtype)
    inside = prod(it.out.shape[it.axis + 1 :])
    lead = nest.open(index(0), index(prod(it.out.shape[: it.axis])))
    b = nest.inner
    row = b.mul(lead, index(it.size * inside))
    first = b.add(row, b.mul(low, index(inside)))
    last = b.add(row, b.mul(high, index(inside)))
    i = nest.open(first, last)
    nest.inner.store(t(0), nest.inner.gep(out, [i], source_etype=t))
    nest.close()
    nest.close()


def _add(nest: Nest, it: Scatter, pointers: Sequence[Any], low: Any, high: Any) -> None:
    rows, places, out = pointers[:3]
    dtype = it.places.base.dtype
    assert dtype is not None
    t, ti = ll(it.out.base.dtype), ll(dtype)
    n = len(it.places.shape)
    after = it.out.strides[it.axis + 1 :]
    kinds = ["lead"] * it.axis + ["index"] * n + ["after"] * len(after)
    lead = iter(it.out.strides[: it.axis])
    inner = iter(after)
    count = iter(it.places.strides)
    source, target, where = rows, out, places
    for size, stride, what in zip(it.rows.shape, it.rows.strides, kinds, strict=True):
        if what == "after":
            break
        i = nest.open(index(0), index(size))
        b = nest.inner
        source = b.gep(source, [b.mul(i, index(stride))], source_etype=t)
        if what == "lead":
            target = b.gep(target, [b.mul(i, index(next(lead)))], source_etype=t)
        else:
            where = b.gep(where, [b.mul(i, index(next(count)))], source_etype=ti)
    b = nest.inner
    at = wrap(b, b.load(where, typ=ti), dtype, index(it.size))
    mine = b.and_(b.icmp_signed(">=", at, low), b.icmp_signed("<", at, high))
    target = b.gep(target, [b.mul(at, index(it.out.strides[it.axis]))], source_etype=t)
    once = nest.open(index(0), b.select(mine, index(1), index(0)))  # a loop that runs once or never
    del once
    sizes = it.rows.shape[len(kinds) - len(after) :]
    strides = it.rows.strides[len(kinds) - len(after) :]
    for size, stride in zip(sizes, strides, strict=True):
        i = nest.open(index(0), index(size))
        b = nest.inner
        source = b.gep(source, [b.mul(i, index(stride))], source_etype=t)
        target = b.gep(target, [b.mul(i, index(next(inner)))], source_etype=t)
    b = nest.inner
    plus = b.fadd if t in (ir.FloatType(), ir.DoubleType()) else b.add
    b.store(plus(b.load(target, typ=t), b.load(source, typ=t)), target)
    while nest.depth > 1:
        nest.close()
