"""Attention in blocks of rows: how operands lie, and where kernels keep what they need.

The scores of a block of queries are in memory of the kernel's own, so what attention needs beside
its operands and results grows with the number of keys, not with its square.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from adjoint.backends.llvm import processor
from adjoint.backends.llvm.attention_blocks import backward, forward
from adjoint.backends.llvm.attention_shape import Kernel, Walk
from adjoint.backends.llvm.convolution_tile import at
from adjoint.backends.llvm.layout import Ints, View, steps
from adjoint.backends.llvm.nest import ll
from adjoint.core.graph import Node, Pick
from adjoint.core.types import Shape
from adjoint.ops.attention import AttentionForward

PARTS = 8
"""Parts that the work is cut into at least, if there are as many units; each has its own memory."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A kernel and its operands.

    Attributes:
        kernel: what the code depends on, but for which results are wanted.
        operands: where the operands lie.
        scratch: bytes, for all parts.
        offsets: where results begin, if they are parts of one.
    """

    kernel: Kernel
    operands: tuple[View, ...]
    scratch: int
    offsets: Ints = ()


def walk(letters: str, strides: Ints, batch: str) -> Walk:
    """How an operand with these letters lies: along batch axes, rows, columns."""
    of = dict(zip(letters, strides, strict=True))
    row, column = (c for c in "ts" + "der" if c in of)
    return Walk(tuple(of[c] for c in batch), of[row], of[column])


def over_scores(view: View, shape: Shape) -> Walk:
    """How a mask lies that broadcasts against scores of this shape."""
    lead = (0,) * (len(shape) - len(view.shape))
    own = zip(view.shape, view.strides, strict=True)
    strides = lead + tuple(0 if n == 1 else s for n, s in own)
    return Walk(strides[:-2], strides[-2], strides[-1])


def plan(node: Node, xs: Sequence[Any]) -> Plan | None:
    """The plan of attention or its gradients; None for what has no machine type or no elements."""
    op: Any = node.op
    dtype = xs[0].base.dtype
    if any(not isinstance(x, View) or ll(x.base.dtype) is None or not x.size for x in xs):
        return None
    if dtype.char not in "fd":
        return None
    left, right = op.letters
    sizes = op.sizes(*xs[: len(left)])
    batch = op.batch_letters
    shape = tuple(sizes[c] for c in batch + "ts")
    operands = [walk(letters, x.strides, batch) for letters, x in zip(left, xs, strict=False)] + [
        over_scores(x, shape) for x in xs[len(left) :]
    ]
    offsets: Ints = ()
    if node.dtype is not None:  # all gradients in one
        of = dict(zip(right[0], steps(node.shape), strict=True))
        lain = [
            tuple(of["td"["tsde".index(c) // 2]] if c in "tsde" else of[c] for c in part)
            for part in op.parts
        ]
        results = [walk(part, x, batch) for part, x in zip(op.parts, lain, strict=True)]
        offsets = tuple(op.joined.index(name) * of["j"] for name in "qkv")
    else:
        results = [
            walk(letters, steps(t.shape), batch)
            for letters, t in zip(right, node.shape, strict=True)
        ]
    kernel = Kernel(
        back=not isinstance(op, AttentionForward),
        dtype=dtype,
        lanes=processor.vector_bytes() // dtype.itemsize,
        batch=shape[:-2],
        t=sizes["t"],
        s=sizes["s"],
        d=sizes["d"],
        e=sizes["e"],
        walks=(*operands, *results),
        scale=op.scale,
        reach=op.reach,
        how=op.mask,
        fill=op.fill,
        zero=op.zero,
    )
    return Plan(kernel, tuple(xs), kernel.bytes * parts_of(kernel), offsets)


def parts_of(kernel: Kernel) -> int:
    """How many parts the units of a kernel are cut into."""
    return min(kernel.units, max(PARTS, 2 * processor.threads()))


def emit(program: Any, group: Any) -> None:
    """Launch the kernel over parts of its units; equal ones share it."""
    it: Plan = group.plan
    node = next(m for m in group.members if not isinstance(m.op, Pick))
    picks = {m.op.index: m for m in group.stored if isinstance(m.op, Pick)}
    count = len(it.offsets) or len(node.shape)
    wanted = tuple(bool(it.offsets) or k in picks for k in range(count))
    parts = parts_of(it.kernel)
    key = it.kernel, wanted
    kernels = program.shared.kernels
    if key not in kernels:
        write = backward if it.kernel.back else forward
        kernels[key] = write(program, it.kernel, wanted, parts)
    scratch = program.scratch(group)
    if it.offsets:
        one = program.pointer(program.places[node])
        results = [at(program.builder(), one, offset, ll(node.dtype)) for offset in it.offsets]
    else:
        results = [
            program.pointer(program.places[picks[k]]) if k in picks else scratch
            for k in range(count)
        ]
    pointers = [*(program.address(v) for v in it.operands), *results, scratch]
    k = it.kernel
    work = (10 if k.back else 4) * prod((*k.batch, k.t, k.s, max(k.d, k.e)))
    program.launch(kernels[key], pointers, parts, max(1, work // parts))
