"""Random words: Philox blocks by number, the same bits as the card computes.

A block is a function of its number, so a draw is a loop that any worker may begin anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from llvmlite import ir

from adjoint.backends.llvm.layout import View, whole
from adjoint.backends.llvm.nest import I64, PTR, Nest, index
from adjoint.core.graph import Node
from adjoint.ops.random_bits import MULTIPLIERS, ROUNDS, WEYL, RandomBits, SkipBlocks

I32 = ir.IntType(32)
WORK = 64
"""Operations of a block."""


@dataclass(frozen=True, slots=True)
class Draw:
    """A draw from each of some streams, or their states moved on.

    Attributes:
        state: four words for each stream, one behind the other.
        out: the result.
        streams: how many.
        words: for each of them; 0 moves the state on.
        blocks: by which the state moves on.
    """

    state: View
    out: View
    streams: int
    words: int
    blocks: int
    scratch: int = 0


def plan(node: Node, xs: Sequence[Any]) -> Draw | None:
    """The plan of `RandomBits` and `SkipBlocks`; None where states do not lie in order."""
    (state,) = xs
    if not state.dense:
        return None
    streams = prod(state.shape[:-1])
    if isinstance(node.op, SkipBlocks):
        return Draw(state, whole(node), streams, 0, node.op.blocks)
    assert isinstance(node.op, RandomBits)
    return Draw(state, whole(node), streams, prod(node.op.shape), 0)


def emit(program: Any, group: Any) -> None:
    """Kernels over the blocks: those used whole, and the rest of the last of each stream."""
    it: Draw = group.plan
    pointers = [program.address(it.state), program.address(it.out)]
    if not it.streams:
        return
    if not it.words and it.blocks:
        program.launch(kernel(program, it, 1, 0, move=True), pointers, it.streams, 1)
        return
    full, rest = divmod(it.words, 4)
    if full:
        program.launch(kernel(program, it, full, 4), pointers, it.streams * full, WORK)
    if rest:
        program.launch(kernel(program, it, 1, rest, at=full), pointers, it.streams, WORK)


def kernel(program: Any, it: Draw, blocks: int, words: int, at: int = 0, move: bool = False) -> Any:
    """A kernel that writes `words` words of each of `blocks` blocks from number `at` on.

    With `move`, it writes the states behind all blocks of the draw instead.
    """
    kind = ir.FunctionType(ir.VoidType(), [PTR, PTR, I64, I64])
    function: Any = ir.Function(program.module, kind, program.name())
    function.linkage = "internal"
    states, out, begin, end = function.args
    nest = Nest(function)
    unit = nest.open(begin, end)
    b = nest.inner
    stream = b.udiv(unit, index(blocks))
    number = b.add(b.urem(unit, index(blocks)), index(at))
    state = b.gep(states, [b.mul(stream, index(4))], source_etype=I32)

    def word(k: int) -> Any:
        return b.load(b.gep(state, [index(k)], source_etype=I32), typ=I32)

    high = b.shl(b.zext(word(3), I64), index(32))
    count = b.or_(b.zext(word(2), I64), high)
    if move:
        moved = b.add(count, index(it.blocks))
        new = [word(0), word(1), b.trunc(moved, I32), b.trunc(b.lshr(moved, index(32)), I32)]
        place = b.gep(out, [b.mul(stream, index(4))], source_etype=I32)
    else:
        new = mixed(b, word(0), word(1), b.add(count, number))[:words]
        first = b.add(b.mul(stream, index(it.words)), b.mul(number, index(4)))
        place = b.gep(out, [first], source_etype=I32)
    for k, value in enumerate(new):
        b.store(value, b.gep(place, [index(k)], source_etype=I32))
    nest.close()
    nest.inner.ret_void()
    return function


def mixed(b: Any, key0: Any, key1: Any, count: Any) -> list[Any]:
    """The four words of a block."""
    keys = [key0, key1]
    even = [b.trunc(count, I32), I32(0)]
    odd = [b.trunc(b.lshr(count, index(32)), I32), I32(0)]
    for turn in range(ROUNDS):
        products = [
            b.mul(b.zext(x, I64), index(int(m)))
            for x, m in zip(even, MULTIPLIERS[:, 0], strict=True)
        ]
        highs = [b.trunc(b.lshr(p, index(32)), I32) for p in products]
        lows = [b.trunc(p, I32) for p in products]
        bumps = [I32(int(w) * turn & 0xFFFFFFFF) for w in WEYL[:, 0]]
        round_keys = [b.add(k, bump) for k, bump in zip(keys, bumps, strict=True)]
        even = [b.xor(b.xor(highs[1 - i], odd[i]), round_keys[i]) for i in range(2)]
        odd = [lows[1], lows[0]]
    return [even[0], odd[0], even[1], odd[1]]
