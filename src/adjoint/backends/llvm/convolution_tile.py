"""The register tile of convolutions, and what brings numbers to it and away from it.

A tile holds `width` points times `vectors` vectors of channels in registers. In each step it takes
the channels' numbers from a *panel*, where they lie in the order in which they are needed, and one
number for each point from an image: ``tile[t] += image[point t + step] * panel[step]``. Points and
steps may lie anywhere in the image, so one tile serves every stride, dilation and size. With the
output's pixels for points and the kernel's elements for steps it is a convolution; with the
kernel's elements for points and the pixels for steps, the gradient of a kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from adjoint.backends.llvm import processor
from adjoint.backends.llvm.nest import I1, I8, I64, PTR, Nest, index, ll
from adjoint.core.types import DType

UNROLLED = 8
"""Steps that are written out one after the other, at most."""
LATENCY = 8
"""Multiply-adds in flight that keep the processor busy: a narrower tile waits for its own sums."""

Dims = tuple[tuple[int, int], ...]
"""Sizes and strides of several axes, the outermost first."""


@dataclass(frozen=True, slots=True)
class Tile:
    """Sizes of a register tile.

    Attributes:
        dtype: of the numbers.
        lanes: numbers in a vector.
        vectors: vectors of channels.
        width: points.
    """

    dtype: DType
    lanes: int
    vectors: int
    width: int

    @property
    def block(self) -> int:
        """Channels of a tile."""
        return self.lanes * self.vectors

    @property
    def type(self) -> Any:
        """The type of a number."""
        return ll(self.dtype)

    @property
    def vector(self) -> Any:
        """The type of a vector."""
        return ir.VectorType(self.type, self.lanes)


def tile_for(dtype: DType, channels: int, points: int) -> Tile:
    """The tile that wastes least on so many channels and points."""
    lanes = processor.vector_bytes() // dtype.itemsize
    registers = 16 if processor.machine() == "x86_64" and processor.vector_bytes() < 64 else 32
    while lanes > 4 and lanes >= 2 * channels:
        lanes //= 2
    best: tuple[float, Tile] | None = None
    for vectors in (1, 2, 4):
        most = min((registers - vectors - 2) // vectors, 12)
        if vectors > 1 and most < 4:
            continue
        blocks = -(-channels // (lanes * vectors))
        for width in range(min(4, most), most + 1):
            sums = vectors * width
            loads = (vectors + width) * (1.15 if vectors == 1 else 1.0)
            tile = max(sums, loads, LATENCY) + 0.3
            cost = blocks * -(-points // width) * tile
            if best is None or cost <= best[0]:
                best = cost, Tile(dtype, lanes, vectors, width)
    assert best is not None
    return best[1]


def fused(module: Any, t: Any) -> Any:
    """The multiply-add of a vector type."""
    name = f"llvm.fma.v{t.count}{'f32' if t.element == ir.FloatType() else 'f64'}"
    if name not in module.globals:
        ir.Function(module, ir.FunctionType(t, [t, t, t]), name)
    return module.globals[name]


def at(b: Any, pointer: Any, offset: Any, t: Any) -> Any:
    """The address so many numbers further; the offset is a value or an int."""
    offset = index(offset) if isinstance(offset, int) else offset
    return b.gep(pointer, [offset], source_etype=t)


def times(b: Any, i: Any, n: int) -> Any:
    """An index times a constant."""
    return i if n == 1 else b.mul(i, index(n), flags=("nsw",))


def plus(b: Any, *terms: Any) -> Any:
    """The sum of indices."""
    total = terms[0]
    for term in terms[1:]:
        total = b.add(total, term, flags=("nsw",))
    return total


def flat(b: Any, number: Any, dims: Dims) -> Any:
    """Where the element with a number, in row-major order, lies in axes of these strides."""
    total, rest = index(0), number
    for k in reversed(range(len(dims))):
        n, stride = dims[k]
        if k == 0:
            i = rest
        else:
            i, rest = b.urem(rest, index(n)), b.udiv(rest, index(n))
        total = plus(b, total, times(b, i, stride))
    return total


def least(b: Any, x: Any, y: Any) -> Any:
    """The smaller of two indices."""
    return b.select(b.icmp_signed("<", x, y), x, y)


def share(b: Any, unit: Any, n: int, parts: int) -> tuple[Any, Any]:
    """Where the share of a unit begins and ends if `n` things are split into parts."""
    ends = unit, b.add(unit, index(1))
    if n == parts:
        return ends
    low, high = (b.udiv(b.mul(end, index(n)), index(parts)) for end in ends)
    return low, high


def hidden(b: Any, pointer: Any) -> Any:
    """The same address, of which LLVM does not know how it is related to others.

    Neighbouring points meet the same numbers at different steps. LLVM would keep these numbers,
    for which a wide tile leaves no registers, and spill them.
    """
    return b.asm(ir.FunctionType(PTR, [PTR]), "", "=r,0", [pointer], False)


def addresses(
    b: Any,
    tile: Tile,
    base: Any,
    first: Any,
    count: int,
    dims: Dims,
    nowhere: Any = None,
) -> list[Any]:
    """The addresses of a tile's points, which are numbered in row-major order.

    Args:
        b: where it is written.
        tile: sizes.
        base: the address of the first of all points.
        first: the number of the tile's first point.
        count: of all points.
        dims: sizes and strides of the axes that they lie on.
        nowhere: the address of points beyond the last; by default that of the last.
    """
    t = tile.type
    if dims[-1][0] % tile.width == 0:  # all in one row
        start = at(b, base, flat(b, first, dims), t)
        places = [at(b, start, w * dims[-1][1], t) for w in range(tile.width)]
        return places if tile.vectors * tile.width <= LATENCY else [hidden(b, p) for p in places]
    places = []
    for w in range(tile.width):
        point = plus(b, first, index(w))
        place = at(b, base, flat(b, least(b, point, index(count - 1)), dims), t)
        if nowhere is not None and count % tile.width:
            place = b.select(b.icmp_signed("<", point, index(count)), place, nowhere)
        places.append(place)
    return places


def clear(program: Any, b: Any, pointer: Any, size: int) -> None:
    """Zeros in so many bytes."""
    function = program.external("llvm.memset.p0.i64", [PTR, I8, I64, I1])
    b.call(function, [pointer, ir.Constant(I8, 0), index(size), ir.Constant(I1, 0)])


def kernel_function(program: Any, pointers: int) -> Any:
    """A function of pointers and the first and last unit."""
    kind = ir.FunctionType(ir.VoidType(), [PTR] * pointers + [I64, I64])
    function: Any = ir.Function(program.module, kind, program.name())
    function.linkage = "internal"
    for pointer in function.args[:pointers]:
        pointer.add_attribute("noalias")
    return function


def close(nest: Nest, vectorise: bool = True) -> None:
    """Close the innermost loop, which is as it should be: it is not to be unrolled."""
    b = nest.inner
    nest.close()
    loop = _as_it_is(nest.function.module, vectorise)
    b.block.terminator.set_metadata("llvm.loop", loop)


def _as_it_is(module: Any, vectorise: bool) -> Any:
    """What says so of a loop: a node that names itself, then what is asked for."""
    wishes = [module.add_metadata(["llvm.loop.unroll.disable"])]
    if not vectorise:
        no = ir.Constant(I1, 0)
        wishes.append(module.add_metadata(["llvm.loop.vectorize.enable", no]))
    loop = ir.MDValue(module, wishes, name=str(len(module.metadata)))
    loop.operands = (loop, *wishes)
    return loop


def copy(
    nest: Nest, t: Any, source: Any, target: Any, walks: Sequence[tuple[Any, int, int]]
) -> None:
    """Loops that copy: for each axis its size and the strides in the source and the target.

    Without a source they write zeros.
    """
    depth = nest.depth
    for size, step_in, step_out in walks:
        i = nest.open(index(0), index(size) if isinstance(size, int) else size)
        b = nest.inner
        source = at(b, source, times(b, i, step_in), t) if source is not None else None
        target = at(b, target, times(b, i, step_out), t)
    value = nest.inner.load(source, typ=t) if source is not None else ir.Constant(t, 0.0)
    nest.inner.store(value, target)
    dense = walks[-1][1] in (0, 1) and walks[-1][2] == 1
    while nest.depth > depth:
        close(nest, dense)


def accumulate(
    nest: Nest,
    tile: Tile,
    points: Sequence[Any],
    panel: Any,
    levels: Sequence[tuple[Any, int]],
) -> list[list[Any]]:
    """The sums of a tile.

    Args:
        nest: where it is written.
        tile: sizes.
        points: the address of each point in the image.
        panel: the address of the panel.
        levels: the axes of the steps, outermost first: how many, and their stride in the image.
            The number of the outermost may be a value.

    Returns:
        Vectors, for each point.
    """
    t, v = tile.type, tile.vector
    zero = ir.Constant(v, None)
    sums = [[nest.local(v, 1) for _ in range(tile.vectors)] for _ in points]
    for cell in (c for row in sums for c in row):
        nest.inner.store(zero, cell)
    looped, unrolled = split_levels(levels)
    depth = nest.depth
    number, shift = index(0), index(0)
    for count, step in looped:
        i = nest.open(index(0), index(count) if isinstance(count, int) else count)
        b = nest.inner
        number = plus(b, b.mul(number, count if not isinstance(count, int) else index(count)), i)
        shift = plus(b, shift, times(b, i, step))
    b = nest.inner
    steps = [0]
    for count, step in unrolled:
        steps = [s + i * step for s in steps for i in range(count)]
    here = at(b, panel, times(b, number, len(steps) * tile.block), t)
    moved = [at(b, p, shift, t) for p in points]
    multiply_add = fused(nest.function.module, v)
    splat = ir.Constant(ir.VectorType(ir.IntType(32), tile.lanes), None)
    nothing = ir.Constant(v, ir.Undefined)
    values = [[b.load(cell, typ=v) for cell in cells] for cells in sums]
    for k, step in enumerate(steps):
        rows = [
            b.load(
                at(b, here, k * tile.block + j * tile.lanes, t), typ=v, align=tile.dtype.itemsize
            )
            for j in range(tile.vectors)
        ]
        for p, row in zip(moved, values, strict=True):
            x = b.load(at(b, p, step, t), typ=t)
            x = b.shuffle_vector(b.insert_element(nothing, x, index(0)), nothing, splat)
            row[:] = [b.call(multiply_add, [x, y, z]) for y, z in zip(rows, row, strict=True)]
    for row, cells in zip(values, sums, strict=True):
        for value, cell in zip(row, cells, strict=True):
            b.store(value, cell)
    while nest.depth > depth:
        close(nest)
    return [[nest.inner.load(cell, typ=v) for cell in cells] for cells in sums]


def split_levels(levels: Sequence[tuple[Any, int]]) -> tuple[list[Any], list[tuple[int, int]]]:
    """The levels that are loops, and the inner ones that are written out."""
    looped, unrolled = list(levels), list[tuple[int, int]]()
    count, step = looped[-1]
    if not isinstance(count, int):
        return looped, unrolled
    part = next(k for k in (*range(UNROLLED, 0, -1),) if count % k == 0)
    unrolled.append((part, step))
    looped[-1:] = [(count // part, step * part)] if part < count else []
    while looped and isinstance(looped[-1][0], int) and looped[-1][0] * part <= UNROLLED:
        unrolled.insert(0, looped.pop())
        part *= unrolled[0][0]
    return looped, unrolled


def memory(nest: Nest, tile: Tile, size: int) -> Any:
    """Memory on the stack for so many numbers."""
    place = nest.local(tile.vector, -(-size // tile.lanes))
    place.align = 64
    with nest.builders[0].goto_block(nest.entry):
        b = ir.IRBuilder(nest.entry)
        b.position_after(place)
        return b.bitcast(place, PTR)


def keep(b: Any, tile: Tile, sums: Sequence[Sequence[Any]], target: Any, add: bool = False) -> None:
    """Write the sums of a tile one point after the other, or add them to what is there."""
    t, size = tile.type, tile.dtype.itemsize
    for k, row in enumerate(sums):
        for j, value in enumerate(row):
            place = at(b, target, k * tile.block + j * tile.lanes, t)
            if add:
                value = b.fadd(value, b.load(place, typ=tile.vector, align=size))
            b.store(value, place, align=size)


def transposer(program: Any, dtype: DType) -> Any:
    """A function (source, its stride, target, its stride, rows, columns) that transposes."""
    name = f"transpose_{dtype.char}"
    if name in program.module.globals:
        return program.module.globals[name]
    t = ll(dtype)
    lanes = min(processor.vector_bytes(), 32) // dtype.itemsize
    kind = ir.FunctionType(ir.VoidType(), [PTR, I64, PTR, I64, I64, I64])
    function: Any = ir.Function(program.module, kind, name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    source, from_row, target, to_row, rows, columns = function.args
    for pointer in (source, target):
        pointer.add_attribute("noalias")
    nest = Nest(function)
    b = nest.inner
    whole_rows, whole_columns = (b.and_(n, index(-lanes)) for n in (rows, columns))
    i = nest.open(index(0), whole_rows, lanes)
    j = nest.open(index(0), whole_columns, lanes)
    b = nest.inner
    v, size = ir.VectorType(t, lanes), dtype.itemsize
    vectors: list[Any] = []
    for k in range(lanes):
        place = plus(b, b.mul(b.add(i, index(k)), from_row), j)
        vectors.append(b.load(at(b, source, place, t), typ=v, align=size))
    for k, x in enumerate(transposed(b, vectors)):
        place = plus(b, b.mul(b.add(j, index(k)), to_row), i)
        b.store(x, at(b, target, place, t), align=size)
    close(nest, False)
    close(nest, False)
    i = nest.open(index(0), rows)
    inside = nest.inner.icmp_signed("<", i, whole_rows)
    j = nest.open(nest.inner.select(inside, whole_columns, index(0)), columns)
    b = nest.inner
    x = b.load(at(b, source, plus(b, b.mul(i, from_row), j), t), typ=t)
    b.store(x, at(b, target, plus(b, b.mul(j, to_row), i), t))
    close(nest, False)
    close(nest, False)
    nest.inner.ret_void()
    return function


def transposed(b: Any, rows: list[Any]) -> list[Any]:
    """The transpose of as many vectors as each has lanes."""
    n = len(rows)
    i32 = ir.IntType(32)

    def shuffled(x: Any, y: Any, mask: list[int]) -> Any:
        return b.shuffle_vector(x, y, ir.Constant(ir.VectorType(i32, n), mask))

    done = 1
    if n == 8:  # pairs of rows, then pairs of pairs: what the processor does in one shuffle each
        low, high = [0, 8, 1, 9, 4, 12, 5, 13], [2, 10, 3, 11, 6, 14, 7, 15]
        first, last = [0, 1, 8, 9, 4, 5, 12, 13], [2, 3, 10, 11, 6, 7, 14, 15]
        new: list[Any] = []
        for k in (0, 4):
            x, y, z, w = rows[k : k + 4]
            t0, t1 = shuffled(x, y, low), shuffled(x, y, high)
            t2, t3 = shuffled(z, w, low), shuffled(z, w, high)
            for left, right in ((t0, t2), (t1, t3)):
                new += [shuffled(left, right, first), shuffled(left, right, last)]
        rows, done = new, 4
    while done < n:  # exchange the corners of ever larger squares
        out = list(rows)
        for k in (k for k in range(n) if not k & done):
            x, y = rows[k], rows[k + done]
            out[k] = shuffled(x, y, [j if not j & done else n + j - done for j in range(n)])
            out[k + done] = shuffled(x, y, [j + done if not j & done else n + j for j in range(n)])
        rows, done = out, 2 * done
    return rows
