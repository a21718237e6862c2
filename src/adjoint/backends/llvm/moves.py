"""Moves: values put into parts of another, as joining and padding do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir

from adjoint.backends.llvm.layout import Ints, View, whole
from adjoint.backends.llvm.nest import I64, PTR, Nest, constant, index, ll
from adjoint.core.graph import Node
from adjoint.core.types import Shape


@dataclass(frozen=True, slots=True)
class Part:
    """A value and where it goes: strides and an offset in the result."""

    source: View
    strides: Ints
    offset: int


@dataclass(frozen=True, slots=True)
class Moves:
    """The parts of a result; `fill` says whether what they leave is zero."""

    parts: tuple[Part, ...]
    out: View
    fill: bool
    scratch: int = 0


def joined(node: Node, xs: Sequence[Any]) -> Moves | None:
    """The plan of a `Concat`."""
    if node.dtype is None or ll(node.dtype) is None:
        return None
    if any(x.base.dtype != node.dtype for x in xs):
        return None
    out = whole(node)
    parts: list[Part] = []
    at = 0
    for x in xs:
        parts.append(Part(x, out.strides, at * out.strides[node.op.axis]))
        at += x.shape[node.op.axis]
    return Moves(tuple(parts), out, fill=False)


def padded(node: Node, xs: Sequence[Any]) -> Moves | None:
    """The plan of a `Pad`; with edges cut off where padding is negative."""
    (x,) = xs
    op = node.op
    if node.dtype is None or ll(node.dtype) is None:
        return None
    out = whole(node)
    strides = tuple(s * (gap + 1) for s, gap in zip(out.strides, op.interior, strict=True))
    shape: list[int] = []
    begin, at = 0, 0
    for n, low, gap, size, s_in, s_out in zip(
        x.shape, op.low, op.interior, node.shape, x.strides, out.strides, strict=True
    ):
        first = max(0, -(low // (gap + 1)))  # the first element that is not cut off
        last = min(n - 1, (size - 1 - low) // (gap + 1))
        shape.append(max(0, last - first + 1))
        begin += first * s_in
        at += (low + first * (gap + 1)) * s_out
    source = View(x.base, tuple(shape), x.strides, x.offset + begin)
    return Moves((Part(source, strides, at),), out, fill=True)


def emit(program: Any, group: Any) -> None:
    """One kernel for each part, after one that clears the result if parts leave gaps."""
    it: Moves = group.plan
    dtype = it.out.base.dtype
    assert dtype is not None
    target = program.address(it.out)
    if it.fill:
        size = it.out.size
        function = clear(program.module, program.name(), dtype)
        program.launch(function, [target], size, 1)
    for part in it.parts:
        if part.source.size:
            move(program, part, target, dtype)


def move(program: Any, part: Part, target: Any, dtype: Any) -> None:
    """Launch the copy of one part."""
    shape, source, to = collapsed(part.source.shape, part.source.strides, part.strides)
    t = ll(dtype)
    kind = ir.FunctionType(ir.VoidType(), [PTR] * 2 + [I64, I64])
    function: Any = ir.Function(program.module, kind, program.name())
    function.linkage = "internal"
    for arg in function.args[:2]:
        arg.add_attribute("noalias")
    nest = Nest(function)
    pointers = list(function.args[:2])
    for a, n in enumerate(shape):
        i = nest.open(*(function.args[2:] if a == 0 else (index(0), index(n))))
        b = nest.inner
        for k, walk in enumerate((source, to)):
            step = b.mul(i, index(walk[a]), flags=("nsw",))
            pointers[k] = b.gep(pointers[k], [step], source_etype=t)
    nest.inner.store(nest.inner.load(pointers[0], typ=t), pointers[1])
    while nest.depth:
        nest.close()
    nest.inner.ret_void()
    b = program.builder()
    place = b.gep(target, [index(part.offset)], source_etype=t) if part.offset else target
    work = max(1, part.source.size // shape[0])
    program.launch(function, [program.address(part.source), place], shape[0], work)


def clear(module: Any, name: str, dtype: Any) -> Any:
    """A kernel that writes zeros."""
    kind = ir.FunctionType(ir.VoidType(), [PTR, I64, I64])
    function: Any = ir.Function(module, kind, name)
    function.linkage = "internal"
    nest = Nest(function)
    i = nest.open(*function.args[1:])
    b = nest.inner
    zero = constant(np.zeros((), dtype), dtype)
    b.store(zero, b.gep(function.args[0], [i], source_etype=ll(dtype)))
    nest.close()
    nest.inner.ret_void()
    return function


def collapsed(shape: Shape, *walks: Ints) -> tuple[Shape, ...]:
    """A shape and strides, neighbouring axes made one where every walk passes through as one."""
    sizes: list[int] = []
    out: list[list[int]] = [[] for _ in walks]
    for a, n in enumerate(shape):
        if n == 1:
            continue
        if sizes and all(w[-1] == walk[a] * n for w, walk in zip(out, walks, strict=True)):
            sizes[-1] *= n
            for w, walk in zip(out, walks, strict=True):
                w[-1] = walk[a]
        else:
            sizes.append(n)
            for w, walk in zip(out, walks, strict=True):
                w.append(walk[a])
    if not sizes:
        return ((1,), *((1,) for _ in walks))
    return (tuple(sizes), *map(tuple, out))
