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
from math import prod
from typing import Any

from adjoint.backends.llvm import convolution_images, convolution_sums
from adjoint.backends.llvm.convolution_axes import Axis, Operand, Problem
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


def problem(node: Node) -> Problem | None:
    """The sizes of a convolution that the kernels can compute."""
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
    low = tuple(before for before, _ in op.padding)
    spaces = (x.shape[len(a) :], y.shape[len(b) :], node.shape[len(o) :])
    fields = (*spaces, op.stride, op.input_dilation, op.kernel_dilation, low)
    axes = tuple(Axis(*of_axis) for of_axis in zip(*fields, strict=True))
    images, inner = sizes.get(part.left, 1), sizes.get(part.inner, 1)
    it = Problem(node.dtype, images, inner, sizes[part.right], axes, op.flip)
    return it if computed(it) else None


def computed(it: Problem) -> bool:
    """Whether one of the kernels computes it."""
    if any(a.spread > 1 for a in it.axes):
        return not summed(it) and all(a.stride == 1 for a in it.axes)
    if any(a.inside[1] < 1 for a in it.axes):
        return False
    return not summed(it) or convolution_sums.fits(it)


def summed(it: Problem) -> bool:
    """Whether the kernel is larger than the result."""
    return prod(it.out) < prod(it.kernel)


def operand(view: View, letters: str, first: str, second: str) -> Operand:
    """The strides of an operand along two letters, either of which may be absent, and in space."""
    strides = dict(zip(letters, view.strides, strict=False))
    return Operand(strides.get(first, 0), strides.get(second, 0), view.strides[len(letters) :])


def native(node: Node) -> bool:
    """Whether a convolution has a kernel here."""
    return problem(node) is not None


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
    kind = convolution_sums.Sums if summed(it) else convolution_images.Images
    kernel = kind(it, *strides)
    return Convolution(kernel, x, y, out, kernel.scratch)


def emit(program: Any, group: Any) -> None:
    """Launch the kernels of a convolution; equal ones share their functions."""
    it: Convolution = group.plan
    pointers = program.address(it.x), program.address(it.y), program.address(it.out)
    it.kernel.launch(program, *pointers, program.scratch(group))
