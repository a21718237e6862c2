"""Convolution image by image: the forward pass, and the gradient of the input.

The kernel is brought into the order in which tiles need it, once. Each worker copies an image
between zeros (if there is padding), and computes the result's pixels tile by tile, with vectors
along the channels; a strip of tiles is then transposed into its place.

A dilated image, as in the gradient of a convolution with strides, is one convolution for each
phase, without the zeros between its elements.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd, prod
from typing import Any

from llvmlite import ir

from adjoint.backends.llvm.convolution_axes import Operand, Phase, Problem
from adjoint.backends.llvm.convolution_tile import (
    Tile,
    accumulate,
    at,
    clear,
    copy,
    flat,
    keep,
    least,
    memory,
    plus,
    share,
    tile_for,
    times,
    transposer,
)
from adjoint.backends.llvm.layout import Ints
from adjoint.backends.llvm.nest import I64, PTR, Nest, index
from adjoint.passes.memory import aligned

PARTS = 32
"""Parts of the images: each has memory of its own."""
FEW = 8
"""Images below which the channels are shared among workers too."""


@dataclass(frozen=True, slots=True)
class Images:
    """A convolution of images with a kernel that is smaller than they are.

    Attributes:
        it: sizes.
        x: strides of the images: along images, channels, in space.
        y: strides of the kernel: along the result's channels, the images' channels, in space.
        out: strides of the result: along images, channels, in space.
    """

    it: Problem
    x: Operand
    y: Operand
    out: Operand

    @property
    def tile(self) -> Tile:
        """The register tile."""
        points = max(prod(p.count for p in phases) for phases in self.phases)
        return tile_for(self.it.dtype, self.it.channels, points)

    @property
    def phases(self) -> Iterator[tuple[Phase, ...]]:
        """Every combination of the phases of the axes."""
        return itertools.product(*(axis.phases for axis in self.it.axes))

    @property
    def blocks(self) -> int:
        """Blocks of channels."""
        return -(-self.it.channels // self.tile.block)

    @property
    def parts(self) -> tuple[int, int]:
        """Parts that the images and the blocks of channels are split into."""
        images = min(self.it.images, PARTS)
        return images, self.blocks if images < FEW else 1

    @property
    def panel(self) -> int:
        """Bytes of the kernel in the order of the tiles."""
        taps = sum(prod(p.taps for p in phases) for phases in self.phases)
        size = self.blocks * self.tile.block * self.it.inner * taps
        return aligned(size * self.it.dtype.itemsize)

    @property
    def image(self) -> int:
        """Bytes of a padded image; 0 if images are read where they are."""
        if not self.it.padded:
            return 0
        return aligned(self.it.spread(self.it.inner)[0] * self.it.dtype.itemsize)

    @property
    def scratch(self) -> int:
        """Bytes of memory."""
        return self.panel + prod(self.parts) * self.image

    def launch(self, program: Any, x: Any, y: Any, out: Any, scratch: Any) -> None:
        """Write the kernels, unless an equal convolution has them, and their launches."""
        if self not in program.shared.kernels:
            program.shared.kernels[self] = _packer(program, self), _kernel(program, self)
        pack, kernel = program.shared.kernels[self]
        units = self.blocks * self.it.inner
        program.launch(pack, [y, scratch], units, self.panel // 4 // units)
        units = prod(self.parts)
        program.launch(kernel, [x, out, scratch], units, 2 * self.it.work // units)


def _function(program: Any, pointers: int) -> Any:
    kind = ir.FunctionType(ir.VoidType(), [PTR] * pointers + [I64, I64])
    function: Any = ir.Function(program.module, kind, program.name())
    function.linkage = "internal"
    for pointer in function.args[:pointers]:
        pointer.add_attribute("noalias")
    return function


def _packer(program: Any, plan: Images) -> Any:
    """The kernel that orders the numbers of the kernel: one unit for each block and channel."""
    it, tile = plan.it, plan.tile
    function = _function(program, 2)
    y, panel, begin, end = function.args
    t = tile.type
    nest = Nest(function)
    unit = nest.open(begin, end)
    b = nest.inner
    block, inner = b.udiv(unit, index(it.inner)), b.urem(unit, index(it.inner))
    channel = times(b, block, tile.block)
    count = least(b, b.sub(index(it.channels), channel), index(tile.block))
    source = at(b, y, plus(b, times(b, channel, plan.y.own), times(b, inner, plan.y.other)), t)
    begin_at = 0
    for phases in plan.phases:
        taps = [p.taps for p in phases]
        walks = [(p.taps, p.way * s) for p, s in zip(phases, plan.y.space, strict=True)]
        first = sum(p.kernel * s for p, s in zip(phases, plan.y.space, strict=True))
        size = prod(taps) * tile.block
        b = nest.inner
        target = at(b, panel, plus(b, index(begin_at), times(b, unit, size)), t)
        steps = [prod(taps[k + 1 :]) * tile.block for k in range(len(taps))]
        if it.channels % tile.block:
            clear(program, b, target, size * it.dtype.itemsize)
        around = [(n, walk, step) for (n, walk), step in zip(walks, steps, strict=True)]
        copy(nest, t, at(b, source, first, t), target, [*around, (count, plan.y.own, 1)])
        begin_at += plan.blocks * it.inner * size
    nest.close()
    nest.inner.ret_void()
    return function


def _kernel(program: Any, plan: Images) -> Any:
    """The kernel proper: a unit is a part of the images and of the blocks of channels."""
    it, tile = plan.it, plan.tile
    t = tile.type
    function = _function(program, 3)
    x, out, scratch, begin, end = function.args
    nest = Nest(function)
    b = nest.inner
    padded = at(b, scratch, plus(b, index(plan.panel), times(b, begin, plan.image)), ir.IntType(8))
    if plan.image:  # the zeros around the images stay for all of them
        clear(program, b, padded, plan.image)
    unit = nest.open(begin, end)
    b = nest.inner
    images, groups = plan.parts
    part, group = b.udiv(unit, index(groups)), b.urem(unit, index(groups))
    low = share(b, part, it.images, images)
    high = share(b, b.add(part, index(1)), it.images, images)
    i = nest.open(low, high)
    b = nest.inner
    image = at(b, x, times(b, i, plan.x.own), t)
    image, channels, space = bring(
        nest, it, tile, image, padded, plan.x.other, plan.x.space, it.inner
    )
    b = nest.inner
    result = at(b, out, times(b, i, plan.out.own), t)
    low = share(b, group, plan.blocks, groups)
    high = share(b, b.add(group, index(1)), plan.blocks, groups)
    block = nest.open(low, high)
    base = 0
    for phases in plan.phases:
        size = it.inner * prod(p.taps for p in phases) * tile.block
        b = nest.inner
        panel = at(b, scratch, plus(b, index(base), times(b, block, size)), t)
        levels = [(it.inner, channels)]
        levels += [(p.taps, p.inside * s) for p, s in zip(phases, space, strict=True)]
        _phase(program, nest, plan, phases, image, space, panel, levels, result, block)
        base += plan.blocks * size
    while nest.depth:
        nest.close()
    nest.inner.ret_void()
    return function


def bring(
    nest: Nest,
    it: Problem,
    tile: Tile,
    image: Any,
    padded: Any,
    other: int,
    space: Ints,
    channels: int,
) -> tuple[Any, int, Ints]:
    """Copy what is needed of an image between zeros, if it needs them.

    Returns:
        Where the first element that is met lies, the stride of its channels, those in space.
    """
    t = tile.type
    if not it.padded:
        shift = sum(axis.low * s for axis, s in zip(it.axes, space, strict=True))
        return at(nest.inner, image, shift, t), other, space
    _, steps = it.spread(1)
    walks: list[tuple[Any, int, int]] = [(channels, other, prod(it.region))]
    first, target = 0, 0
    for axis, s, step in zip(it.axes, space, steps, strict=True):
        begin, count = axis.inside
        walks.append((count, s, step))
        first += begin * s
        target += (begin - axis.low) * step
    b = nest.inner
    copy(nest, t, at(b, image, first, t), at(b, padded, target, t), walks)
    return padded, prod(it.region), steps


def _phase(
    program: Any,
    nest: Nest,
    plan: Images,
    phases: tuple[Phase, ...],
    image: Any,
    space: Ints,
    panel: Any,
    levels: Any,
    result: Any,
    block: Any,
) -> None:
    """The pixels of one phase of an image and a block of channels, strip by strip."""
    it, tile = plan.it, plan.tile
    t = tile.type
    pixels = prod(p.count for p in phases)
    dims = tuple((p.count, p.move * s) for p, s in zip(phases, space, strict=True))
    begin = sum(
        (p.begin - axis.low if p.taps else 0) * s
        for p, axis, s in zip(phases, it.axes, space, strict=True)
    )
    wide = tile.width * (tile.lanes // gcd(tile.width, tile.lanes))
    strip = -(-min(wide * max(1, 48 // wide), pixels) // tile.width) * tile.width
    buffer = memory(nest, tile, strip * tile.block)
    s = nest.open(index(0), index(pixels), strip)
    count = least(nest.inner, nest.inner.sub(index(pixels), s), index(strip))
    k = nest.open(index(0), count, tile.width)
    b = nest.inner
    points: list[Any] = []
    for w in range(tile.width):
        pixel = least(b, plus(b, s, k, index(w)), index(pixels - 1))
        points.append(at(b, image, plus(b, index(begin), flat(b, pixel, dims)), t))
    if not prod(p.taps for p in phases):
        levels = [(0, 0)]
    sums = accumulate(nest, tile, points, panel, levels)
    keep(nest.inner, tile, sums, at(nest.inner, buffer, times(nest.inner, k, tile.block), t))
    nest.close()
    b = nest.inner
    channel = times(b, block, tile.block)
    valid = least(b, b.sub(index(it.channels), channel), index(tile.block))
    target = at(b, result, times(b, channel, plan.out.other), t)
    if all(p.apart == 1 for p in phases):
        args = [buffer, index(tile.block), at(b, target, s, t), index(plan.out.other), count, valid]
        b.call(transposer(program, it.dtype), args)
    else:
        _scatter(nest, plan, phases, buffer, target, s, count, valid)
    nest.close()


def _scatter(
    nest: Nest,
    plan: Images,
    phases: tuple[Phase, ...],
    buffer: Any,
    target: Any,
    s: Any,
    count: Any,
    valid: Any,
) -> None:
    """Write a strip of pixels that do not lie one behind the other."""
    tile = plan.tile
    t = tile.type
    k = nest.open(index(0), count)
    b = nest.inner
    dims = tuple((p.count, p.apart * n) for p, n in zip(phases, plan.out.space, strict=True))
    first = sum(p.first * n for p, n in zip(phases, plan.out.space, strict=True))
    place = at(b, target, plus(b, index(first), flat(b, plus(b, s, k), dims)), t)
    source = at(b, buffer, times(b, k, tile.block), t)
    copy(nest, t, source, place, [(valid, 1, plan.out.other)])
    nest.close()
