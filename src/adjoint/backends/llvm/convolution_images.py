"""Convolution image by image: the forward pass, and the gradient of the input.

The kernel is brought into the order in which tiles need it, once. Then each worker takes images,
and blocks of channels of the result, in one of two ways:

- *collecting*: points are pixels of the result, and a tile sums over all that they meet, in an
  image that was copied between zeros if there is padding;
- *spreading*: points are pixels of the image, and for each element of the kernel a tile is added to
  where they go in a buffer. This is the way for dilated images and for much padding, as in the
  gradient of a convolution with strides or without padding: no zero is ever multiplied.

Vectors are along the channels; strips of tiles are transposed into their place.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd, prod
from typing import Any

from adjoint.backends.llvm.convolution_axes import Operand, Problem
from adjoint.backends.llvm.convolution_tile import (
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

PARTS = 32
"""Parts of the images: each has memory of its own."""
FEW = 8
"""Images below which the channels are shared among workers too."""
ADDING = 3
"""Steps of a tile that take as long as adding it to a buffer."""
STRIP = 48
"""Pixels that are transposed at once."""


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
    def spreading(self) -> bool:
        """Whether tiles are spread over the result."""
        if any(a.stride > 1 for a in self.it.axes):
            return False
        if any(a.spread > 1 for a in self.it.axes):
            return True
        return prod(self.it.image) * (self.it.inner + ADDING) < prod(self.it.out) * self.it.inner

    @property
    def points(self) -> int:
        """Points of an image."""
        return prod(self.it.image if self.spreading else self.it.out)

    @property
    def tile(self) -> Tile:
        """The register tile."""
        return tile_for(self.it.dtype, self.it.channels, self.points)

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
        size = self.blocks * self.tile.block * self.it.inner * prod(self.it.kernel)
        return aligned(size * self.it.dtype.itemsize)

    @property
    def own(self) -> int:
        """Bytes that each part has of its own: a padded image, or the buffer tiles are added to."""
        if self.spreading:
            reached = prod(axis.reached[1] for axis in self.it.axes)
            size = (reached + 1) * self.tile.block  # one more for points that are none
        elif self.it.padded:
            size, _ = self.it.padded_image(self.it.inner)
        else:
            return 0
        return aligned(size * self.it.dtype.itemsize)

    @property
    def scratch(self) -> int:
        """Bytes of memory."""
        return self.panel + prod(self.parts) * self.own

    @property
    def work(self) -> int:
        """Multiply-adds."""
        return self.points * prod(self.it.kernel) * self.it.depth

    def launch(self, program: Any, x: Any, y: Any, out: Any, scratch: Any) -> None:
        """Write the kernels, unless an equal convolution has them, and their launches."""
        kernels = program.shared.kernels
        if self not in kernels:
            kernels[self] = _packer(program, self), _kernel(program, self)
        pack, kernel = kernels[self]
        units = self.blocks * self.it.inner
        program.launch(pack, [y, scratch], units, self.panel // 4 // units)
        units = prod(self.parts)
        program.launch(kernel, [x, out, scratch], units, 2 * self.work // units)


def _packer(program: Any, plan: Images) -> Any:
    """The kernel that orders the numbers of the kernel: one unit for each block and channel."""
    it, tile = plan.it, plan.tile
    function = kernel_function(program, 2)
    y, panel, begin, end = function.args
    t = tile.type
    nest = Nest(function)
    unit = nest.open(begin, end)
    b = nest.inner
    block, inner = b.udiv(unit, index(it.inner)), b.urem(unit, index(it.inner))
    channel = times(b, block, tile.block)
    count = least(b, b.sub(index(it.channels), channel), index(tile.block))
    source = at(b, y, plus(b, times(b, channel, plan.y.own), times(b, inner, plan.y.other)), t)
    taps = prod(it.kernel)
    if plan.spreading:  # blocks, taps, inner channels; otherwise blocks, inner channels, taps
        where = plus(b, times(b, block, taps * it.inner), inner)
        step = it.inner * tile.block
    else:
        where = plus(b, times(b, block, it.inner * taps), times(b, inner, taps))
        step = tile.block
    target = at(b, panel, times(b, where, tile.block), t)
    first, walks = 0, list[Any]()
    for axis, stride, n in zip(it.axes, plan.y.space, steps(it.kernel), strict=True):
        first += (axis.kernel - 1) * stride if it.flip else 0
        walks.append((axis.kernel, -stride if it.flip else stride, n * step))
    copy(nest, t, at(b, source, first, t), target, [*walks, (count, plan.y.own, 1)])
    if it.channels % tile.block:  # channels that are none
        target = at(nest.inner, target, count, t)
        n = nest.inner.sub(index(tile.block), count)
        copy(nest, t, None, target, [(taps, 0, step), (n, 0, 1)])
    close(nest)
    nest.inner.ret_void()
    return function


def _kernel(program: Any, plan: Images) -> Any:
    """The kernel proper: a unit is a part of the images and of the blocks of channels."""
    it, tile = plan.it, plan.tile
    t = tile.type
    function = kernel_function(program, 3)
    x, out, scratch, begin, end = function.args
    nest = Nest(function)
    b = nest.inner
    own = at(b, scratch, plus(b, index(plan.panel), times(b, begin, plan.own)), I8)
    if plan.own and not plan.spreading:  # the zeros around the images stay for all of them
        clear(program, b, own, plan.own)
    unit = nest.open(begin, end)
    b = nest.inner
    images, groups = plan.parts
    part, group = b.udiv(unit, index(groups)), b.urem(unit, index(groups))
    i = nest.open(*share(b, part, it.images, images))
    b = nest.inner
    image = at(b, x, times(b, i, plan.x.own), t)
    result = at(b, out, times(b, i, plan.out.own), t)
    channels, space = plan.x.other, plan.x.space
    if not plan.spreading:
        image, channels, space = bring(nest, it, image, own, channels, space, it.inner)
    block = nest.open(*share(nest.inner, group, plan.blocks, groups))
    b = nest.inner
    size = it.inner * prod(it.kernel) * tile.block
    panel = at(b, scratch, times(b, block, size), t)
    channel = times(b, block, tile.block)
    valid = least(b, b.sub(index(it.channels), channel), index(tile.block))
    target = at(b, result, times(b, channel, plan.out.other), t)
    if plan.spreading:
        _spread(program, nest, plan, image, panel, own, target, valid)
    else:
        _collect(program, nest, plan, image, channels, space, panel, target, valid)
    while nest.depth:
        close(nest)
    nest.inner.ret_void()
    return function


def bring(
    nest: Nest, it: Problem, image: Any, padded: Any, other: int, space: Ints, channels: int
) -> tuple[Any, int, Ints]:
    """Copy what is needed of an image between zeros, if it needs them.

    Returns:
        Where the first element that is met lies, the stride of its channels, those in space.
    """
    t = kernel_type(it)
    b = nest.inner
    if not it.padded:
        shift = sum(-axis.low * s for axis, s in zip(it.axes, space, strict=True))
        return at(b, image, shift, t), other, space
    size, around = it.padded_image(1)
    walks: list[tuple[Any, int, int]] = [(channels, other, size)]
    first, target = 0, 0
    for axis, s, step in zip(it.axes, space, around, strict=True):
        begin, count = axis.inside
        walks.append((count, s, step))
        first += begin * s
        target += (begin + axis.low) * step
    copy(nest, t, at(b, image, first, t), at(b, padded, target, t), walks)
    return padded, size, around


def kernel_type(it: Problem) -> Any:
    """The type of a number."""
    return Tile(it.dtype, 1, 1, 1).type


def _collect(
    program: Any,
    nest: Nest,
    plan: Images,
    image: Any,
    channels: int,
    space: Ints,
    panel: Any,
    target: Any,
    valid: Any,
) -> None:
    """The result's pixels of an image and a block of channels, strip by strip."""
    it, tile = plan.it, plan.tile
    t = tile.type
    pixels = plan.points
    wide = tile.width * (tile.lanes // gcd(tile.width, tile.lanes))
    strip = -(-min(wide * max(1, STRIP // wide), pixels) // tile.width) * tile.width
    buffer = memory(nest, tile, strip * tile.block)
    dims = tuple((a.out, a.stride * s) for a, s in zip(it.axes, space, strict=True))
    levels = [(it.inner, channels)]
    levels += [(a.kernel, a.step * s) for a, s in zip(it.axes, space, strict=True)]
    s = nest.open(index(0), index(pixels), strip)
    count = least(nest.inner, nest.inner.sub(index(pixels), s), index(strip))
    k = nest.open(index(0), count, tile.width)
    b = nest.inner
    points = addresses(b, tile, image, plus(b, s, k), pixels, dims)
    sums = accumulate(nest, tile, points, panel, levels)
    b = nest.inner
    keep(b, tile, sums, at(b, buffer, times(b, k, tile.block), t))
    close(nest)
    args = [buffer, index(tile.block), at(nest.inner, target, s, t), index(plan.out.other)]
    nest.inner.call(transposer(program, it.dtype), [*args, count, valid])
    close(nest)


def _spread(
    program: Any,
    nest: Nest,
    plan: Images,
    image: Any,
    panel: Any,
    buffer: Any,
    target: Any,
    valid: Any,
) -> None:
    """The same, with each pixel of the image added wherever it goes."""
    it, tile = plan.it, plan.tile
    t = tile.type
    reached = tuple(axis.reached[1] for axis in it.axes)
    around = tuple(s * tile.block for s in steps(reached))
    clear(program, nest.inner, buffer, plan.own)
    tap = nest.open(index(0), index(prod(it.kernel)))
    b = nest.inner
    taps = tuple((a.kernel, -a.step * s) for a, s in zip(it.axes, around, strict=True))
    first = sum((a.low - a.reached[0]) * s for a, s in zip(it.axes, around, strict=True))
    there = at(b, buffer, plus(b, index(first), flat(b, tap, taps)), t)
    here = at(b, panel, times(b, tap, it.inner * tile.block), t)
    k = nest.open(index(0), index(plan.points), tile.width)
    dims = tuple(zip(it.image, plan.x.space, strict=True))
    points = addresses(nest.inner, tile, image, k, plan.points, dims)
    sums = accumulate(nest, tile, points, here, [(it.inner, plan.x.other)])
    b = nest.inner
    goals = tuple((a.image, a.spread * s) for a, s in zip(it.axes, around, strict=True))
    nowhere = at(b, buffer, prod(reached) * tile.block, t)
    for place, row in zip(
        addresses(b, tile, there, k, plan.points, goals, nowhere), sums, strict=True
    ):
        keep(b, tile, [row], place, add=True)
    close(nest)
    close(nest)
    kept = len(it.axes)  # rows that lie one behind the other in buffer and result are one
    while kept > 1 and reached[kept - 1] == it.axes[kept - 1].out:
        kept -= 1
    shift = sum(-a.reached[0] * s for a, s in zip(it.axes, around, strict=True))
    source = at(nest.inner, buffer, shift, t)
    for axis, s, stride in zip(
        it.axes[: kept - 1], around[: kept - 1], plan.out.space[: kept - 1], strict=True
    ):
        i = nest.open(index(0), index(axis.out))
        b = nest.inner
        source, target = at(b, source, times(b, i, s), t), at(b, target, times(b, i, stride), t)
    pixels = prod(it.out[kept - 1 :])
    args = [source, index(tile.block), target, index(plan.out.other), index(pixels), valid]
    nest.inner.call(transposer(program, it.dtype), args)
    for _ in it.axes[: kept - 1]:
        close(nest)
