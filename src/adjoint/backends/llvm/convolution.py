"""Convolutions without patches: which kernel computes one, and where its numbers lie.

A convolution contracts one letter and the kernel's elements. Where the kernel is smaller than the
result, each image is computed by itself (`convolution_images`): the forward pass and the gradient
of the input. Where it is larger, the kernel is a cotangent, and few results are sums over all of
its pixels (`convolution_sums`): the gradient of the weights. Everything else (groups, axes that
are summed alone) is left to the contraction of windows in `rewrites`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd, prod
from typing import Any

from adjoint.backends.llvm import convolution_images, convolution_sums
from adjoint.backends.llvm.convolution_axes import Axis, Operand, Phase, Problem
from adjoint.backends.llvm.layout import View, whole
from adjoint.core.graph import Node
from adjoint.ops.bilinear import roles, split


@dataclass(frozen=True, slots=True)
class Convolution:
    """How a convolution is computed.

    Attributes:
        kernel: what the machine code depends on: a plan of one of the two modules.
        x: the images.
        y: the kernel.
        out: the result.
        scratch: bytes of memory.
    """

    kernel: convolution_images.Images | convolution_sums.Sums
    x: View
    y: View
    out: View
    scratch: int


def axis(n: int, kernel: int, out: int, op: Any, a: int) -> Axis | None:
    """The geometry of one spatial axis; None if no window holds an element of the image."""
    stride, spread, step = op.stride[a], op.input_dilation[a], op.kernel_dilation[a]
    low = op.padding[a][0]
    apart = spread // gcd(spread, stride)
    phases: list[Phase] = []
    for r in range(min(apart, out)):
        taps = [k for k in range(kernel) if (r * stride + k * step - low) % spread == 0]
        count = -(-(out - r) // apart)
        begin = (r * stride + taps[0] * step - low) // spread if taps else 0
        between = taps[1] - taps[0] if len(taps) > 1 else 0
        first, way = (taps[0] if taps else 0), between
        if op.flip:
            first, way = kernel - 1 - first, -way
        move = apart * stride // spread
        inside = between * step // spread
        phases.append(Phase(r, apart, count, begin, move, len(taps), inside, first, way))
    ends = [(p.begin, p.begin + (p.count - 1) * p.move + (p.taps - 1) * p.inside) for p in phases]
    used = [end for end, p in zip(ends, phases, strict=True) if p.taps]
    if not used:
        return None
    low, high = min(begin for begin, _ in used), max(end for _, end in used)
    if high < 0 or low >= n:
        return None
    return Axis(n, kernel, out, low, high - low + 1, tuple(phases))


def problem(node: Node) -> Problem | None:
    """The sizes of a convolution that the kernels can compute, with the operands in C order."""
    op = node.op
    x, y = node.inputs
    if node.dtype is None or node.dtype.char not in "fd" or not node.size:
        return None
    if x.dtype != node.dtype or y.dtype != node.dtype or 0 in x.shape or 0 in y.shape:
        return None
    part = roles(op.spec)
    if part.batch or len(part.right) != 1 or len(part.left) > 1 or len(part.inner) > 1:
        return None
    a, b, o = split(op.spec)
    sizes = dict(zip(a, x.shape, strict=False)) | dict(zip(b, y.shape, strict=False))
    space = (x.shape[len(a) :], y.shape[len(b) :], node.shape[len(o) :])
    axes: list[Axis] = []
    for k, (n, kernel, out) in enumerate(zip(*space, strict=True)):
        found = axis(n, kernel, out, op, k)
        if found is None:
            return None
        axes.append(found)
    images, inner = sizes.get(part.left, 1), sizes.get(part.inner, 1)
    return Problem(node.dtype, images, inner, sizes[part.right], tuple(axes))


def operand(view: View, letters: str, first: str, second: str) -> Operand:
    """The strides of an operand along two letters, either of which may be absent, and in space."""
    strides = dict(zip(letters, view.strides, strict=False))
    return Operand(strides.get(first, 0), strides.get(second, 0), view.strides[len(letters) :])


def native(node: Node) -> bool:
    """Whether a convolution has a kernel here."""
    it = problem(node)
    return it is not None and (not summed(it) or convolution_sums.fits(it))


def summed(it: Problem) -> bool:
    """Whether the kernel is larger than the result."""
    small = prod(a.out for a in it.axes) < prod(a.kernel for a in it.axes)
    return small and all(len(a.phases) == 1 for a in it.axes)


def plan(node: Node, xs: Sequence[Any]) -> Convolution | None:
    """The plan of a `Convolve`; None where the kernels do not compute it."""
    it = problem(node)
    if it is None:
        return None
    x, y = xs
    out = whole(node)
    a, b, o = split(node.op.spec)
    part = roles(node.op.spec)
    strides = (
        operand(x, a, part.left, part.inner),
        operand(y, b, part.right, part.inner),
        operand(out, o, part.left, part.right),
    )
    if not summed(it):
        images = convolution_images.Images(it, *strides)
        return Convolution(images, x, y, out, images.scratch)
    if not convolution_sums.fits(it):
        return None
    sums = convolution_sums.Sums(it, *strides)
    return Convolution(sums, x, y, out, sums.scratch)


def emit(program: Any, group: Any) -> None:
    """Launch the kernels of a convolution; equal ones share their functions."""
    it: Convolution = group.plan
    pointers = program.address(it.x), program.address(it.y), program.address(it.out)
    it.kernel.launch(program, *pointers, program.scratch(group))
