"""Products of loops: few rows in each step times a matrix that is the same in all steps.

A library puts the matrix in the order that its kernels like in every call, which takes as long as
such a product. Here this is done once before the loop: panels of so many columns as a kernel
computes at once, one row of a panel after the other. A kernel holds a tile of the result in
registers: each element is one chain of multiply-adds, so it does not depend on the other rows.

Source: Goto and van de Geijn, Anatomy of High-Performance Matrix Multiplication (2008).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from adjoint.backends.llvm import processor
from adjoint.backends.llvm.arrangement import Arrangement
from adjoint.backends.llvm.control_body import Body, function_of
from adjoint.backends.llvm.groups import Group
from adjoint.backends.llvm.lowering import Lowering
from adjoint.backends.llvm.nest import I64, Nest, index, ll
from adjoint.backends.llvm.products import Product

MOST_ROWS = 96
"""Rows from which on the library's way costs little."""
REUSES = 3
"""Steps from which on it is worth the work."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A matrix in panels.

    Attributes:
        plan: the product.
        source: which input of the body the matrix is.
        offset: bytes from the beginning of the loop's memory.
        height: rows of a tile at most.
        vectors: vectors in a row of a tile.
        lanes: elements of a vector.
    """

    plan: Product
    source: int
    offset: int
    height: int
    vectors: int
    lanes: int

    @property
    def width(self) -> int:
        """Columns of a panel."""
        return self.vectors * self.lanes

    @property
    def panels(self) -> int:
        """How many there are."""
        return -(-self.plan.n // self.width)

    @property
    def element(self) -> Any:
        """The type of a number."""
        dtype: Any = self.plan.out.view.base.dtype
        return ll(dtype)

    @property
    def size(self) -> int:
        """Bytes of all panels."""
        dtype = self.plan.out.view.base.dtype
        assert dtype is not None
        return self.panels * self.width * self.plan.k * dtype.itemsize


def packable(body: Arrangement, consts: int, length: int) -> dict[Group, Packed]:
    """The products of a step whose second operand is the same in all steps."""
    at = {x: i for i, x in enumerate(body.graph.inputs[:consts])}
    out: dict[Group, Packed] = {}
    offset = 0
    for group in body.grouping.groups:
        plan = group.plan
        if not isinstance(plan, Product) or plan.batch or length < REUSES:
            continue
        source = plan.y.view.base
        if plan.m > MOST_ROWS or source not in at:
            continue
        assert source.dtype is not None
        lanes = processor.vector_bytes() // source.dtype.itemsize
        height, vectors = tile(plan.m)
        out[group] = packed = Packed(plan, at[source], offset, height, vectors, lanes)
        offset += -(-packed.size // 64) * 64
    return out


def tile(rows: int) -> tuple[int, int]:
    """Rows and vectors of the tiles for so many rows: sums that fill the registers."""
    wide = processor.vector_bytes() == 64 or processor.machine() == "aarch64"
    if rows <= 2:
        return rows, 8 if rows == 1 or wide else 4
    if rows <= 4:
        return rows, 4 if wide else 3
    return (8, 3) if wide else (6, 2)


# -- the matrix ------------------------------------------------------------------------------------


def pack(lowering: Lowering, it: Packed, source: Any, target: Any) -> None:
    """Put the matrix in panels."""
    t = it.element
    function = function_of(lowering, 2, [I64, I64])
    for arg in function.args[:2]:
        arg.add_attribute("noalias")
    x, out, begin, end = function.args
    down, across = (1, it.plan.y.lead) if it.plan.y.transposed else (it.plan.y.lead, 1)
    nest = Nest(function)
    unit = nest.open(begin, end)  # a row of a panel
    b = nest.inner
    first = b.mul(b.udiv(unit, index(it.plan.k)), index(it.width), flags=("nsw",))
    inside = b.mul(b.urem(unit, index(it.plan.k)), index(down), flags=("nsw",))
    start = b.mul(unit, index(it.width), flags=("nsw",))
    there = b.sub(index(it.plan.n), first, flags=("nsw",))
    there = b.select(b.icmp_signed("<", there, index(it.width)), there, index(it.width))
    lane = nest.open(index(0), there)
    b = nest.inner
    column = b.mul(b.add(first, lane, flags=("nsw",)), index(across), flags=("nsw",))
    value = b.load(b.gep(x, [b.add(inside, column, flags=("nsw",))], source_etype=t), typ=t)
    b.store(value, b.gep(out, [b.add(start, lane, flags=("nsw",))], source_etype=t))
    nest.close()
    lane = nest.open(there, index(it.width))  # beyond the last column
    b = nest.inner
    b.store(t(0.0), b.gep(out, [b.add(start, lane, flags=("nsw",))], source_etype=t))
    while nest.depth:
        nest.close()
    nest.inner.ret_void()
    lowering.launch(function, [source, target], it.panels * it.plan.k, it.width)


# -- the product -----------------------------------------------------------------------------------


def multiply(body: Body, it: Packed, panels: Any) -> None:
    """Write the product with a matrix in panels."""
    key = ("packed", _shape(it))
    function = body.shared.loops.get(key)
    if function is None:
        function = body.shared.loops[key] = _product(body, it)
    pointers = [body.address(it.plan.x.view), panels, body.address(it.plan.out.view)]
    body.launch(function, pointers, it.panels, 2 * it.plan.m * it.plan.k * it.width)


def _shape(it: Packed) -> Any:
    plan = it.plan
    x, out = plan.x, plan.out
    sizes = plan.m, plan.n, plan.k, x.transposed, x.lead, out.lead
    return (*sizes, it.height, it.vectors, it.lanes, str(it.element))


def _product(body: Body, it: Packed) -> Any:
    """The kernel over panels: all rows of the result, a tile at a time."""
    t, plan = it.element, it.plan
    function = function_of(body, 3, [I64, I64])
    for arg in function.args[:3]:
        arg.add_attribute("noalias")
    x, packed, out, begin, end = function.args
    nest = Nest(function)
    rest = nest.local(t, it.height * it.width) if plan.n % it.width else None
    panel = nest.open(begin, end)
    b = nest.inner
    panels = b.gep(packed, [b.mul(panel, index(plan.k * it.width))], source_etype=t)
    column = b.mul(panel, index(it.width))
    here = b.gep(out, [column], source_etype=t)
    step = 1 if plan.x.transposed else plan.x.lead
    for first, count, height in tiles(plan.m, it.height):
        tile_of = _tile(body, it, height)
        i = nest.open(index(0), index(count))
        b = nest.inner
        row = b.add(index(first), b.mul(i, index(height)))
        px = b.gep(x, [b.mul(row, index(step))], source_etype=t)
        target = b.gep(here, [b.mul(row, index(plan.out.lead))], source_etype=t)
        if rest is None:
            b.call(tile_of, [px, panels, target, index(plan.out.lead)])
        else:
            full = b.icmp_signed("<=", b.add(column, index(it.width)), index(plan.n))
            place = b.select(full, target, rest)
            lead = b.select(full, index(plan.out.lead), index(it.width))
            b.call(tile_of, [px, panels, place, lead])
            _move_rest(nest, it, full, height, rest, target, column)
        nest.close()
    nest.close()
    nest.inner.ret_void()
    return function


def _move_rest(
    nest: Nest, it: Packed, full: Any, height: int, rest: Any, target: Any, column: Any
) -> None:
    """Copy the columns that are there from a tile that stands over."""
    b, t = nest.inner, it.element
    rows = b.select(full, index(0), index(height))
    there = b.sub(index(it.plan.n), column)
    i = nest.open(index(0), rows)
    j = nest.open(index(0), there)
    b = nest.inner
    source = b.gep(rest, [b.add(b.mul(i, index(it.width)), j)], source_etype=t)
    place = b.gep(target, [b.add(b.mul(i, index(it.plan.out.lead)), j)], source_etype=t)
    b.store(b.load(source, typ=t), place)
    nest.close()
    nest.close()


def tiles(rows: int, most: int) -> list[tuple[int, int, int]]:
    """How rows are cut into tiles of nearly the same height: first row, how many, how high."""
    count = -(-rows // most)
    low, more = divmod(rows, count)
    out = [(0, more, low + 1), (more * (low + 1), count - more, low)]
    return [part for part in out if part[1]]


def _tile(body: Body, it: Packed, height: int) -> Any:
    """A function that computes a tile: ``void(x, panel, out, lead)``."""
    key = ("tile", _shape(it), height)
    if key in body.shared.loops:
        return body.shared.loops[key]
    t = it.element
    vector = ir.VectorType(t, it.lanes)
    function = function_of(body, 3, [I64])
    function.attributes.add("noinline")
    for arg in function.args[:3]:
        arg.add_attribute("noalias")
    x, panel, out, lead = function.args
    down, along = (1, it.plan.x.lead) if it.plan.x.transposed else (it.plan.x.lead, 1)
    entry, loop, done = (function.append_basic_block(name) for name in ("entry", "loop", "done"))
    b: Any = ir.IRBuilder(entry)
    b.branch(loop)
    b.position_at_end(loop)
    k = b.phi(I64)
    k.add_incoming(index(0), entry)
    sums: list[Any] = []
    for _ in range(height * it.vectors):
        sums.append(b.phi(vector))
        sums[-1].add_incoming(ir.Constant(vector, [0.0] * it.lanes), entry)
    fma = _fma(body, vector)
    size = it.lanes * (4 if t == ir.FloatType() else 8)
    start = b.gep(panel, [b.mul(k, index(it.width), flags=("nsw",))], source_etype=t)
    rows = [
        b.load(b.gep(start, [index(v * it.lanes)], source_etype=t), typ=vector, align=min(size, 64))
        for v in range(it.vectors)
    ]
    at = b.mul(k, index(along), flags=("nsw",))
    new: list[Any] = []
    for r in range(height):
        place = b.gep(x, [b.add(at, index(r * down), flags=("nsw",))], source_etype=t)
        value = _spread(b, b.load(place, typ=t), vector)
        for v, row in enumerate(rows):
            new.append(b.call(fma, [value, row, sums[r * it.vectors + v]]))
    for total, after in zip(sums, new, strict=True):
        total.add_incoming(after, loop)
    after = b.add(k, index(1), flags=("nsw",))
    k.add_incoming(after, loop)
    b.cbranch(b.icmp_signed("<", after, index(it.plan.k)), loop, done)
    b.position_at_end(done)
    for r in range(height):
        row = b.gep(out, [b.mul(index(r), lead)], source_etype=t)
        for v in range(it.vectors):
            place = b.gep(row, [index(v * it.lanes)], source_etype=t)
            b.store(new[r * it.vectors + v], place, align=size // it.lanes)
    b.ret_void()
    body.shared.loops[key] = function
    return function


def _spread(b: Any, x: Any, vector: Any) -> Any:
    """A number in all lanes."""
    undef = ir.Constant(vector, ir.Undefined)
    one = b.insert_element(undef, x, ir.Constant(ir.IntType(32), 0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), [0] * vector.count)
    return b.shuffle_vector(one, undef, mask)


def _fma(body: Lowering, vector: Any) -> Any:
    name = f"llvm.fma.v{vector.count}f{32 if vector.element == ir.FloatType() else 64}"
    declared = body.shared.declared
    if name not in declared:
        kind = ir.FunctionType(vector, [vector] * 3)
        declared[name] = ir.Function(body.module, kind, name)
    return declared[name]
