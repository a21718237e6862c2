"""Convolution with a kernel larger than the result: the gradient of a convolution's weights.

The result's elements are sums over all pixels of all images. The images are split into a fixed
number of parts, and each has sums of its own, which are added in order at the end: the bits do not
depend on the number of threads. A part takes its pixels in chunks that stay in the innermost cache:
the kernel's (the cotangent's) are transposed, so that channels lie one behind the other, and then
every tile of sums goes over the chunk.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from adjoint.backends.llvm.convolution_axes import Operand, Problem
from adjoint.backends.llvm.convolution_images import bring
from adjoint.backends.llvm.convolution_tile import (
    Dims,
    Tile,
    accumulate,
    addresses,
    at,
    clear,
    close,
    copy,
    flat,
    keep,
    kernel_function,
    least,
    memory,
    plus,
    share,
    tile_for,
    times,
    transposer,
)
from adjoint.backends.llvm.layout import Ints, steps
from adjoint.backends.llvm.nest import I8, Nest, index
from adjoint.passes.memory import aligned

PARTS = 8
"""Parts of the images: more cost memory and additions, fewer keep fewer workers busy."""
CHUNK = 1 << 14
"""Bytes of the transposed pixels: half of an innermost cache."""
MOST = 1 << 26
"""Bytes of all sums from which on this is not the way."""


@dataclass(frozen=True, slots=True)
class Sums:
    """A convolution whose kernel is larger than the result.

    What is contracted are the images here, and what stays are their channels.

    Attributes:
        it: sizes.
        x: strides of the images: along channels, images, in space.
        y: strides of the kernel: along the result's channels, images, in space.
        out: strides of the result: along both kinds of channels, in space.
    """

    it: Problem
    x: Operand
    y: Operand
    out: Operand

    @property
    def points(self) -> int:
        """Sums for each of the result's channels."""
        return self.it.images * prod(axis.out for axis in self.it.axes)

    @property
    def tile(self) -> Tile:
        """The register tile."""
        return tile_for(self.it.dtype, self.it.channels, self.points)

    @property
    def blocks(self) -> int:
        """Blocks of channels."""
        return -(-self.it.channels // self.tile.block)

    @property
    def rows(self) -> int:
        """Points with those that fill the last tile up."""
        return -(-self.points // self.tile.width) * self.tile.width

    @property
    def parts(self) -> int:
        """Parts of the images."""
        return min(self.it.inner, PARTS)

    @property
    def sums(self) -> int:
        """Bytes of the sums of a part."""
        return aligned(self.blocks * self.rows * self.tile.block * self.it.dtype.itemsize)

    @property
    def chunk(self) -> tuple[int, int]:
        """Images, and rows of pixels, of a chunk: one of them is 1, or the rows are all."""
        pixel = self.tile.block * self.it.dtype.itemsize
        height = self.it.axes[0].kernel
        row = pixel * prod(axis.kernel for axis in self.it.axes[1:])
        if row * height <= CHUNK:
            most = -(-self.it.inner // self.parts)
            return max(1, min(CHUNK // (row * height), most)), height
        return 1, max(1, CHUNK // row)

    @property
    def panel(self) -> int:
        """Bytes of the transposed pixels of a chunk."""
        images, rows = self.chunk
        pixels = images * rows * prod(axis.kernel for axis in self.it.axes[1:])
        return aligned(pixels * self.tile.block * self.it.dtype.itemsize)

    @property
    def image(self) -> int:
        """Bytes of the padded images of a chunk."""
        if not self.it.padded:
            return 0
        size = self.it.padded_image(self.it.images)[0] * self.it.dtype.itemsize
        return aligned(self.chunk[0] * size)

    @property
    def scratch(self) -> int:
        """Bytes of memory."""
        return self.parts * (self.sums + self.panel + self.image)

    @property
    def work(self) -> int:
        """Multiply-adds."""
        return prod(self.it.out) * prod(self.it.kernel) * self.it.depth

    def launch(self, program: Any, x: Any, y: Any, out: Any, scratch: Any) -> None:
        """Write the kernels, unless an equal convolution has them, and their launches."""
        kernels = program.shared.kernels
        if self not in kernels:
            kernels[self] = _kernel(program, self), _adder(program, self)
        kernel, adder = kernels[self]
        program.launch(kernel, [x, y, scratch], self.parts, 2 * self.work // self.parts)
        program.launch(adder, [out, scratch], self.blocks * self.points, self.tile.block * 8)


def fits(it: Problem) -> bool:
    """Whether the sums of all parts fit into a reasonable amount of memory."""
    size = it.images * it.channels * prod(a.out for a in it.axes) * it.dtype.itemsize
    return size * min(it.inner, PARTS) <= MOST


def _kernel(program: Any, plan: Sums) -> Any:
    """The sums of parts of the images: a unit is a part."""
    it = plan.it
    function = kernel_function(program, 3)
    x, y, scratch, begin, end = function.args
    nest = Nest(function)
    b = nest.inner
    most, height = plan.chunk
    own = plus(b, index(plan.parts * plan.sums), times(b, begin, plan.panel + plan.image))
    panel = at(b, scratch, own, I8)
    padded = at(b, panel, plan.panel, I8)
    if plan.image:
        clear(program, b, padded, plan.image)
    part = nest.open(begin, end)
    b = nest.inner
    sums = at(b, scratch, times(b, part, plan.sums), I8)
    clear(program, b, sums, plan.sums)
    low, high = share(b, part, it.inner, plan.parts)
    first = nest.open(low, high, most)
    b = nest.inner
    count = least(b, b.sub(high, first), index(most))
    image, apart, points, space = _images(nest, plan, x, padded, first, count)
    cotangent = at(nest.inner, y, times(nest.inner, first, plan.y.other), plan.tile.type)
    row = nest.open(index(0), index(it.axes[0].kernel), height)
    b = nest.inner
    rows = least(b, b.sub(index(it.axes[0].kernel), row), index(height))
    start, levels = _pixels(b, plan, image, space, row, rows)
    if most > 1:
        levels.insert(0, (count, apart))
    block = nest.open(index(0), index(plan.blocks))
    _transpose(program, nest, plan, cotangent, panel, block, count, row, rows)
    _tiles(nest, plan, start, points, levels, panel, sums, block)
    while nest.depth:
        close(nest)
    nest.inner.ret_void()
    return function


def _tiles(
    nest: Nest,
    plan: Sums,
    start: Any,
    points: Dims,
    levels: Any,
    panel: Any,
    sums: Any,
    block: Any,
) -> None:
    """Every tile of a block of channels goes over a chunk of pixels."""
    k = nest.open(index(0), index(plan.points), plan.tile.width)
    places = addresses(nest.inner, plan.tile, start, k, plan.points, points)
    found = accumulate(nest, plan.tile, places, panel, levels)
    b = nest.inner
    number = plus(b, times(b, block, plan.rows), k)
    there = at(b, sums, times(b, number, plan.tile.block), plan.tile.type)
    keep(b, plan.tile, found, there, add=True)
    close(nest)


def _pixels(
    b: Any, plan: Sums, image: Any, space: Ints, row: Any, rows: Any
) -> tuple[Any, list[tuple[Any, int]]]:
    """Where in the image the pixels of a chunk begin, and the axes on which they lie."""
    levels: list[tuple[Any, int]] = []
    first = 0
    for axis, stride in zip(plan.it.axes, space, strict=True):
        step = axis.step * stride
        if plan.it.flip:  # the kernel is read from its end, the image then too
            first += (axis.kernel - 1) * step
            step = -step
        levels.append((axis.kernel, step))
    shift = plus(b, index(first), times(b, row, levels[0][1]))
    if plan.chunk[1] < plan.it.axes[0].kernel:
        levels[0] = rows, levels[0][1]
    return at(b, image, shift, plan.tile.type), levels


def _images(
    nest: Nest, plan: Sums, x: Any, padded: Any, first: Any, count: Any
) -> tuple[Any, int, Dims, Ints]:
    """Bring a chunk's images.

    Returns:
        Where they lie, the stride from one to the next, axes of the points, strides in space.
    """
    it, t = plan.it, plan.tile.type
    size, _ = it.padded_image(it.images)
    i = nest.open(index(0), count) if it.padded else index(0)
    b = nest.inner
    source = at(b, x, times(b, b.add(first, i), plan.x.other), t)
    target = at(b, padded, times(b, i, size), t)
    image, channels, space = bring(nest, it, source, target, plan.x.own, plan.x.space, it.images)
    if it.padded:
        close(nest)
        image = padded
    apart = size if it.padded else plan.x.other
    moves = [(axis.out, axis.stride * s) for axis, s in zip(it.axes, space, strict=True)]
    return image, apart, ((it.images, channels), *moves), space


def _transpose(
    program: Any,
    nest: Nest,
    plan: Sums,
    cotangent: Any,
    panel: Any,
    block: Any,
    count: Any,
    row: Any,
    rows: Any,
) -> None:
    """Bring a block of channels of a chunk's pixels into the order in which tiles need them."""
    it, tile = plan.it, plan.tile
    t = tile.type
    inner = prod(axis.kernel for axis in it.axes[1:])
    b = nest.inner
    channel = times(b, block, tile.block)
    valid = least(b, b.sub(index(it.channels), channel), index(tile.block))
    if it.channels % tile.block:
        clear(program, b, panel, plan.panel)
    shift = plus(b, times(b, channel, plan.y.own), times(b, row, plan.y.space[0]))
    first = at(b, cotangent, shift, t)
    i = nest.open(index(0), count)
    b = nest.inner
    source = at(b, first, times(b, i, plan.y.other), t)
    target = at(b, panel, b.mul(b.mul(i, rows), index(inner * tile.block)), t)
    if plan.y.space == steps([axis.kernel for axis in it.axes]):
        pixels = b.mul(rows, index(inner))
        args = [source, index(plan.y.own), target, index(tile.block), valid, pixels]
        b.call(transposer(program, it.dtype), args)
    else:
        order = steps([*(axis.kernel for axis in it.axes), tile.block])
        sizes = [rows, *(axis.kernel for axis in it.axes[1:]), valid]
        walks = zip(sizes, (*plan.y.space, plan.y.own), order, strict=True)
        copy(nest, t, source, target, list(walks))
    close(nest)


def _adder(program: Any, plan: Sums) -> Any:
    """The kernel that adds the sums of the parts: one unit for each block and point."""
    it, tile = plan.it, plan.tile
    t = tile.type
    function = kernel_function(program, 2)
    out, scratch, begin, end = function.args
    nest = Nest(function)
    buffer = memory(nest, tile, tile.block)
    unit = nest.open(begin, end)
    b = nest.inner
    block, point = b.udiv(unit, index(plan.points)), b.urem(unit, index(plan.points))
    number = plus(b, times(b, block, plan.rows), point)
    source = at(b, scratch, times(b, number, tile.block), t)
    for j in range(tile.vectors):
        total: Any = None
        for part in range(plan.parts):
            place = at(b, at(b, source, part * plan.sums, I8), j * tile.lanes, t)
            value = b.load(place, typ=tile.vector, align=it.dtype.itemsize)
            total = value if total is None else b.fadd(total, value)
        b.store(total, at(b, buffer, j * tile.lanes, t), align=it.dtype.itemsize)
    channel = times(b, block, tile.block)
    valid = least(b, b.sub(index(it.channels), channel), index(tile.block))
    sizes = (it.images, *(axis.out for axis in it.axes))
    dims = tuple(zip(sizes, (plan.out.own, *plan.out.space), strict=True))
    shift = plus(b, flat(b, point, dims), times(b, channel, plan.out.other))
    copy(nest, t, buffer, at(b, out, shift, t), [(valid, 1, plan.out.other)])
    close(nest)
    nest.inner.ret_void()
    return function
