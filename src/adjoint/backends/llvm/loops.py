"""Loop kernels: a group of maps and reductions as one function over a range of rows.

The kernel of a group is ``void kernel(pointers..., begin, end)``. Its units are the rows that
remain when the reduced axes are taken away (all but the last axis where nothing is reduced), so
that any range of them can be computed apart from the others. A row is walked once for each *phase*:
what depends on a reduced value waits for the phase after the one that reduces it.

If the last axis is reduced, sums are held in registers. If it is kept, a unit is a block of
columns, and sums are short arrays on the stack that stay in the cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import prod
from typing import Any

import numpy as np
from llvmlite import ir

from adjoint.backends.llvm import scalars
from adjoint.backends.llvm.extent import Extent
from adjoint.backends.llvm.groups import GATHERS, REDUCTIONS, is_copy
from adjoint.backends.llvm.layout import Ints, View, steps
from adjoint.backends.llvm.nest import I8, I64, PTR, Nest, constant, index, ll
from adjoint.backends.llvm.scalar_cards import body, wrap
from adjoint.core.bind import SCALARS
from adjoint.core.graph import Node
from adjoint.core.types import promote

SCRATCH = 8192
"""Elements of a row that may be kept on the stack from one phase to the next."""
DEAR = 4
"""Operations from which on an element is kept rather than computed again."""
FAST = ("reassoc", "nsz")


class LoopKernel:
    """The function that computes one group, and the one that adds up its parts if it has any.

    Args:
        module: where the functions go.
        name: of the function.
        extent: the group and its axes.
        parameters: for each value that is read or stored, the number of its pointer.

    Attributes:
        function: ``void (pointers..., begin, end)``; with parts, a pointer more, to their sums.
        finish: the second function; None without parts.
    """

    def __init__(self, module: Any, name: str, extent: Extent, parameters: dict[Node, int]) -> None:
        self.extent, self.parameters = extent, parameters
        self.group, self.grouping = extent.group, extent.grouping
        self.members, self.rows, self.ready = extent.members, extent.rows, extent.ready
        self.sizes, self.reduced, self.lane = extent.sizes, extent.reduced, extent.lane
        self.units, self.work = extent.units, extent.work
        self.function = self._begin(module, name)
        self._emit()
        self.finish = None
        if extent.parts > 1:
            self.finish = self._begin(module, f"{name}.finish")
            self._add_parts()

    def _begin(self, module: Any, name: str) -> Any:
        count = len(set(self.parameters.values())) + (self.extent.parts > 1)
        kind = ir.FunctionType(ir.VoidType(), [PTR] * count + [I64, I64])
        function: Any = ir.Function(module, kind, name)
        function.linkage = "internal"
        function.attributes.add("noinline")
        for arg in function.args[:count]:
            arg.add_attribute("noalias")
        self.pointers = function.args[:count]
        self.limits = function.args[count:]
        self.nest = Nest(function)
        self.at: dict[int, tuple[Any, int]] = {}  # axis -> its index and level, while it is open
        self.held: dict[Node, Any] = {}  # values of rows: numbers, or arrays of a block
        self.kept: dict[Node, Any] = {}  # elements of a row, on the stack
        self.phase = 0
        self.lane0: Any = index(0)
        self.lane1: Any = index(1)
        self.part: Any = None
        return function

    # -- emission ------------------------------------------------------------------------------

    def _emit(self) -> None:
        nest = self.nest
        if self.extent.flat:
            i = nest.open(*self.limits)
            self.at = {0: (i, nest.depth)}
            stored = [m for m in self.members if m in self.group.stored]
            self._in_order(stored)
            self._store_all(stored)
            nest.close()
        else:
            unit = nest.open(*self.limits)
            self._unravel(unit, self.extent.parts)
            self._unit()
            nest.close()
        nest.inner.ret_void()

    def _add_parts(self) -> None:
        """Add up the sums of all parts, and compute what depends on them."""
        nest = self.nest
        unit = nest.open(*self.limits)
        self._unravel(unit, 1)
        sums = self.extent.sums
        for node in sums:
            self._start(node)
        part = nest.open(index(0), index(self.extent.parts))
        self.part = part
        i = nest.open(self.lane0, self.lane1)
        for node in sums:
            t = ll(node.dtype)
            b = nest.inner
            memory = self._slot(node, i)
            x = b.load(self._partial(node, i), typ=t)
            b.store(combine(b, node, b.load(memory, typ=t), x), memory)
        nest.close()
        nest.close()
        self._end_of_walk(sums)
        self.phase = 1
        self._rows_of(0)
        self._rows_of(1)
        nest.close()
        nest.inner.ret_void()

    def _unravel(self, unit: Any, parts: int) -> None:
        """The indices of a unit along the kept axes, from its number."""
        b, level = self.nest.inner, self.nest.depth
        rest = unit
        if parts > 1:
            self.part = b.urem(rest, index(parts))
            rest = b.udiv(rest, index(parts))
        if self.lane is not None:
            width, size = index(self.extent.width), index(self.sizes[-1])
            blocks = index(self.extent.blocks)
            first = b.mul(b.urem(rest, blocks), width)
            rest = b.udiv(rest, blocks)
            stop = b.add(first, width)
            stop = b.select(b.icmp_signed("<", stop, size), stop, size)
            self.lane0, self.lane1 = first, stop
        outer = self.extent.outer
        self.row: Any = rest
        for a in reversed(outer):
            if a == outer[0]:
                self.at[a] = (rest, level)
            else:
                n = index(self.sizes[a])
                self.at[a] = (b.urem(rest, n), level)
                rest = b.udiv(rest, n)

    def _unit(self) -> None:
        if self.extent.parts > 1:
            self._walk_row(0)
            self._store_parts()
            return
        self._rows_of(0)
        for phase in range(max(self.ready.values(), default=0) + 1):
            self.phase = phase
            self._walk_row(phase)
            self._rows_of(phase + 1)

    def _rows_of(self, phase: int) -> None:
        """Compute and store the rows that are known from a phase on."""
        if self.lane is not None:
            self._finish_rows(phase)
        else:
            self._store_rows(phase)

    def _sums(self, phase: int) -> list[Node]:
        return [m for m in self.extent.sums if self.ready[m] == phase + 1]

    # -- parts ---------------------------------------------------------------------------------

    def _store_parts(self) -> None:
        """Leave the sums of this part for the function that adds them up."""
        i = self.nest.open(self.lane0, self.lane1)
        b = self.nest.inner
        for node in self.extent.sums:
            value = self.held[node]
            if self.lane is not None:
                value = b.load(self._slot(node, i), typ=ll(node.dtype))
            b.store(value, self._partial(node, i))
        self.nest.close()

    def _slot(self, node: Node, i: Any) -> Any:
        """The place of column `i` among the sums of a block."""
        b = self.nest.inner
        if self.lane is None:
            return self.held[node]
        return b.gep(self.held[node], [b.sub(i, self.lane0)], source_etype=ll(node.dtype))

    def _partial(self, node: Node, i: Any) -> Any:
        """The place of column `i` of a part among the sums of all parts."""
        b = self.nest.inner
        columns = self.sizes[-1] if self.lane is not None else 1
        before = 0
        for other in self.extent.sums:
            if other is node:
                break
            before += other.size * np.dtype(other.dtype).itemsize * self.extent.parts
        at = b.add(b.mul(self.row, index(self.extent.parts)), self.part)
        at = b.mul(at, index(columns))
        at = b.add(at, i) if self.lane is not None else at
        start = b.gep(self.pointers[-1], [index(before)], source_etype=I8)
        return b.gep(start, [at], source_etype=ll(node.dtype))

    def _bounds(self, axis: int) -> tuple[Any, Any]:
        """Where a reduced axis begins and ends in the part of this unit."""
        n = self.sizes[axis]
        parts = self.extent.parts
        if parts == 1 or axis != self.reduced[0]:
            return index(0), index(n)
        b = self.nest.builders[1]
        low = b.udiv(b.mul(self.part, index(n)), index(parts))
        high = b.udiv(b.mul(b.add(self.part, index(1)), index(n)), index(parts))
        return low, high

    def _walk_row(self, phase: int) -> None:
        """One pass over a row: what can be stored or summed in this phase."""
        stored = [m for m in self.group.stored if m not in self.rows and self.ready[m] == phase]
        keep = [m for m in self.members if self._worth_keeping(m, phase)]
        sums = self._sums(phase)
        if not (stored or sums or keep):
            return
        nest = self.nest
        for node in sums:
            self._start(node)
        loops = list(self.reduced) or list(range(len(self.sizes)))[-1:]
        for a in loops:
            self.at[a] = (nest.open(*self._bounds(a)), nest.depth)
        if self.lane is not None:
            self.at[self.lane] = (nest.open(self.lane0, self.lane1), nest.depth)
        self._in_order([*stored, *keep, *sums])
        for node in keep:
            self.kept[node] = nest.local(ll(node.dtype), self._row_size)
            value = self._member(node)[0]
            nest.inner.store(value, self._scratch(node))
        for node in sums:
            self._add(node)
        self._store_all(stored)
        if self.lane is not None:
            nest.close()
            del self.at[self.lane]
        for a in reversed(loops):
            nest.close()
            del self.at[a]
        self._end_of_walk(sums)

    def _end_of_walk(self, sums: Sequence[Node]) -> None:
        """Take sums of a row out of their memory."""
        if self.lane is None:
            b = self.nest.inner
            for node in sums:
                self.held[node] = b.load(self.held[node], typ=ll(node.dtype))

    def _in_order(self, roots: Sequence[Node]) -> None:
        """Compute what the roots depend on, operands first: no chain is too long for the stack."""
        sums = set(self.extent.sums)
        needed: set[Node] = set()
        stack = [v.base for m in roots for v in self.grouping.reads(m)]
        while stack:
            base = stack.pop()
            if base in self.group.members and base not in needed:
                needed.add(base)
                if base not in sums and self.ready[base] == self.phase:
                    stack += [v.base for v in self.grouping.reads(base)]
        for node in self.members:
            if node in needed and node not in self.rows:
                self._member(node)

    # -- rows ----------------------------------------------------------------------------------

    def _start(self, node: Node) -> None:
        """The accumulator of a reduction, at its neutral element."""
        t = ll(node.dtype)
        start = constant(neutral(node.op, node.dtype), node.dtype)
        if self.lane is None:
            self.held[node] = memory = self.nest.local(t, 1)
            self.nest.inner.store(start, memory)
            return
        self.held[node] = memory = self.nest.local(t, self.extent.width)
        i = self.nest.open(index(0), index(self.extent.width))
        self.nest.inner.store(start, self.nest.inner.gep(memory, [i], source_etype=t))
        self.nest.close()

    def _lane(self, node: Node) -> Any:
        """The place of the current column in an array of a block."""
        b = self.nest.inner
        assert self.lane is not None
        at = b.sub(self.at[self.lane][0], self.lane0)
        return b.gep(self.held[node], [at], source_etype=ll(node.dtype))

    def _add(self, node: Node) -> None:
        b = self.nest.inner
        t = ll(node.dtype)
        memory = self.held[node] if self.lane is None else self._lane(node)
        x, _ = self._operand(node, self.grouping.operands(node)[0], node.dtype)
        b = self.nest.inner
        b.store(combine(b, node, b.load(memory, typ=t), x), memory)

    def _store_rows(self, phase: int) -> None:
        self._store_all([m for m in self.group.stored if m in self.rows and self.ready[m] == phase])

    def _finish_rows(self, phase: int) -> None:
        """Compute the rows that this phase completes, a block at a time."""
        wanted = [
            m
            for m in self.members
            if m in self.rows
            and self.ready[m] == phase
            and (m in self.group.stored or m not in self.held)
        ]
        if not wanted:
            return
        nest = self.nest
        assert self.lane is not None
        for node in wanted:
            if node not in self.held:
                self.held[node] = nest.local(ll(node.dtype), self.extent.width)
        self.at[self.lane] = (nest.open(self.lane0, self.lane1), nest.depth)
        for node in wanted:
            reduction = self.extent.sums_up(node)
            value = self._held_value(node) if reduction else self._compute(node)
            if not reduction:
                nest.inner.store(value[0], self._lane(node))
                nest.caches[-1][node, "row"] = value
            if node in self.group.stored:
                self._store(node, value)
        nest.close()
        del self.at[self.lane]

    def _held_value(self, node: Node) -> tuple[Any, int]:
        depth = self.nest.depth
        found = self.nest.caches[-1].get((node, "row"))
        if found is None:
            found = (self.nest.inner.load(self._lane(node), typ=ll(node.dtype)), depth)
            self.nest.caches[-1][node, "row"] = found
        return found

    # -- elements that are kept between phases -------------------------------------------------

    @property
    def _row_size(self) -> int:
        return prod(self.sizes[a] for a in self.reduced)

    def _worth_keeping(self, node: Node, phase: int) -> bool:
        if node in self.rows or node in self.group.stored or self.ready[node] != phase:
            return False
        if self.lane is not None or not self.reduced or self._row_size > SCRATCH:
            return False
        if getattr(node.op, "flops", 1) < DEAR:
            return False
        later = [m for m in self.members if self.ready[m] > phase]
        return any(
            isinstance(x, View)
            and x.base is node
            and self.ready[m] - self.extent.sums_up(m) > phase
            for m in later
            for x in self.grouping.operands(m)
        )

    def _scratch(self, node: Node) -> Any:
        b = self.nest.inner
        at: Any = index(0)
        for a, step in zip(self.reduced, steps([self.sizes[a] for a in self.reduced]), strict=True):
            at = b.add(at, b.mul(self.at[a][0], index(step)))
        return b.gep(self.kept[node], [at], source_etype=ll(node.dtype))

    # -- values --------------------------------------------------------------------------------

    def _member(self, node: Node) -> tuple[Any, int]:
        """The value of a member at the current point, and the level that it was computed at."""
        if node in self.rows:
            if self.lane is not None:
                return self._held_value(node) if node in self.held else self._compute(node)
            if node in self.held:
                return self.held[node], 1
            return self._compute(node)
        if self.ready[node] < self.phase:
            if node in self.kept:
                depth = self.nest.depth

                def kept(b: Any) -> Any:
                    return b.load(self._scratch(node), typ=ll(node.dtype))

                return self.nest.once(depth, (node, "kept"), kept), depth
            if node in self.group.stored:
                return self._load(node, self.extent.collapsed(steps(self.group.domain)), 0)
        return self._compute(node)

    def _compute(self, node: Node) -> tuple[Any, int]:
        for cache in reversed(self.nest.caches):
            if node in cache:
                return cache[node]
        if isinstance(node.op, GATHERS):
            found = self._gather(node)
        elif is_copy(node) or isinstance(node.op, REDUCTIONS):
            found = self._operand(node, self.grouping.operands(node)[0], node.dtype)
            if isinstance(node.op, REDUCTIONS):
                found = (combine_first(self.nest.builders[found[1]], node, found[0]), found[1])
        else:
            found = self._map(node)
        self.nest.caches[found[1]][node] = found
        return found

    def _map(self, node: Node) -> tuple[Any, int]:
        dtype = operand_dtype(node)
        xs = [self._operand(node, x, dtype) for x in self.grouping.operands(node)]
        level = max((level for _, level in xs), default=0)
        b = self.nest.builders[level]
        return body(b, node.op, dtype, node.dtype, [x for x, _ in xs]), level

    def _gather(self, node: Node) -> tuple[Any, int]:
        """An element at a place that an index says; a bad index reads a place that exists.

        That an index is in range is checked before the kernel runs.
        """
        x, i = self.grouping.reads(node)
        values, places, step = self.extent.gathered(node)
        where, level = self._load(i.base, self.extent.collapsed(places), i.offset)
        size = index(x.shape[node.op.axis])

        def place(b: Any) -> Any:
            at = wrap(b, where, i.base.dtype, size)
            return b.mul(at, index(step), flags=("nsw",))

        at = self.nest.once(level, (id(where), "place", step), place)
        return self._load(x.base, self.extent.collapsed(values), x.offset, (at, level))

    def _operand(self, node: Node, x: Any, dtype: Any) -> tuple[Any, int]:
        if not isinstance(x, View):
            return constant(x, dtype), 0
        if x.base in self.group.members:
            return self._member(x.base)
        known = self.grouping.literal(x)
        if known is not None:
            return constant(known, x.base.dtype), 0
        return self._load(x.base, self.extent.collapsed(self.extent.strides(node, x)), x.offset)

    # -- memory --------------------------------------------------------------------------------

    def _address(
        self, base: Node, strides: Ints, offset: int, moved: tuple[Any, int] | None = None
    ) -> tuple[Any, int]:
        """The address of an element, and the level of the innermost axis that it depends on.

        With `moved`, so many elements further: a number, and the level at which it is known.
        """
        nest = self.nest
        terms: dict[int, list[tuple[int, Any]]] = {}
        for a, s in enumerate(strides):
            if s and self.sizes[a] != 1:
                i, level = self.at[a]
                terms.setdefault(level, []).append((s, i))
        if moved is not None:
            terms.setdefault(moved[1], []).append((1, moved[0]))
        pointer: Any = self.pointers[self.parameters[base]]
        t = ll(base.dtype)
        key: tuple[Any, ...] = (base, offset)
        level = 0
        if offset:
            pointer = nest.once(0, key, lambda b: b.gep(pointer, [index(offset)], source_etype=t))
        for level in sorted(terms):
            key = (*key, level, tuple((s, id(i)) for s, i in terms[level]))

            further = partial(moved_by, pointer, terms[level], t)
            pointer = nest.once(level, key, further)
        return pointer, level

    def _load(
        self, base: Node, strides: Ints, offset: int, moved: tuple[Any, int] | None = None
    ) -> tuple[Any, int]:
        pointer, level = self._address(base, strides, offset, moved)
        key = ("load", id(pointer))
        t = ll(base.dtype)
        return self.nest.once(level, key, lambda b: b.load(pointer, typ=t)), level

    def _store_all(self, nodes: Sequence[Node]) -> None:
        """Store values, all of which are computed before: one may replace what another reads."""
        values = [self._member(node) for node in nodes]
        for node, value in zip(nodes, values, strict=True):
            self._store(node, value)

    def _store(self, node: Node, value: tuple[Any, int]) -> None:
        if node in self.rows:
            reduced = self.group.reduced or ()
            kept = iter(steps(self.group.row))
            full = tuple(0 if a in reduced else next(kept) for a in range(len(self.group.domain)))
        else:
            full = steps(self.group.domain)
        pointer, _ = self._address(node, self.extent.collapsed(full), 0)
        self.nest.inner.store(value[0], pointer)


def moved_by(pointer: Any, terms: Sequence[tuple[int, Any]], t: Any, b: Any) -> Any:
    """A pointer moved by a sum of strides times indices."""
    total: Any = None
    for s, i in terms:
        term = i if s == 1 else b.mul(i, index(s), flags=("nsw",))
        total = term if total is None else b.add(total, term, flags=("nsw",))
    return b.gep(pointer, [total], source_etype=t)


def operand_dtype(node: Node) -> Any:
    """The common dtype in which a map computes."""
    xs = node.inputs[1:] if node.op.llvm == "select" else node.inputs
    types = [x.dtype for x in xs if isinstance(x, Node)]
    if not types:
        return node.dtype
    return promote(*[x if x.__class__ in SCALARS else x.dtype for x in xs])


def neutral(op: Any, dtype: Any) -> Any:
    """The value that a reduction starts from."""
    if op.llvm in ("add", "or"):
        return 0
    if op.llvm in ("mul", "and"):
        return 1
    if dtype.kind == "f":
        return -np.inf if op.llvm == "max" else np.inf
    if dtype.kind == "b":
        return op.llvm == "min"
    limits = np.iinfo(dtype)
    return limits.min if op.llvm == "max" else limits.max


def combine(b: Any, node: Node, total: Any, x: Any) -> Any:
    """One more element of a reduction."""
    kind, dtype = node.op.llvm, node.dtype
    assert dtype is not None
    if kind in ("or", "and"):
        x = combine_first(b, node, x)
        return b.or_(total, x) if kind == "or" else b.and_(total, x)
    if kind in ("max", "min"):
        return scalars.emit(b, kind, dtype, [total, x])
    if dtype.kind == "f":
        return (b.fadd if kind == "add" else b.fmul)(total, x, flags=FAST)
    return (b.add if kind == "add" else b.mul)(total, x)


def combine_first(b: Any, node: Node, x: Any) -> Any:
    """A single element as the result of a reduction: its truth, for `any` and `all`."""
    if node.op.llvm not in ("or", "and"):
        return x
    dtype = node.inputs[0].dtype
    return scalars.emit_cast(b, x, dtype, np.dtype(bool))
