"""Random bits from a counter: Philox4x32-10, the same on every back end.

A counter-based generator is a function: block `i` of a stream is a keyed mixing of the number `i`.
So a draw needs no loop over earlier draws, a compiled loop computes any element by itself, and the
whole state is four words that a graph can carry as an ordinary input. NumPy's own Philox works on
64-bit words, which accelerators and vector units lack; they compute the 32-bit one, and so do we.

Source: Salmon, Moraes, Dror and Shaw, Parallel Random Numbers: As Easy as 1, 2, 3 (SC 2011).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final, final

import numpy as np

from adjoint.core.errors import DTypeError, ShapeError
from adjoint.core.primitive import Primitive, Sample
from adjoint.core.types import Shape, Type

__all__: list[str] = []

ROUNDS: Final = 10
# Multipliers and key increments of the paper; rows are the words (0, 1) and (2, 3) of a block.
MULTIPLIERS: Final = np.array([[0xD2511F53], [0xCD9E8D57]], np.uint64)
WEYL: Final = np.array([[0x9E3779B9], [0xBB67AE85]], np.uint64)
BUMPS: Final = WEYL * np.arange(ROUNDS, dtype=np.uint64)[:, None, None]  # added to the key
LOW: Final = np.uint64(0xFFFFFFFF)
SHIFT: Final = np.uint64(32)
CHUNK: Final = 4096
"""Blocks that are mixed at a time: their words stay in the cache over the ten rounds."""


def mix(even: Any, odd: Any, key: Any) -> tuple[Any, Any]:
    """The ten rounds. Words are held as uint64 below 2**32, so that a product keeps its high half.

    Args:
        even: words 0 and 2 of each block, (..., 2, blocks); overwritten.
        odd: words 1 and 3, likewise.
        key: the two words of the key, (..., 2, 1), or one key for each block, (..., 2, blocks).

    Returns:
        The mixed words, in the same arrangement.
    """
    keys = key + BUMPS.reshape(ROUNDS, *(1,) * (key.ndim - 2), 2, 1) & LOW
    product, high = np.empty_like(even), np.empty_like(even)
    for r in range(ROUNDS):
        np.multiply(even, MULTIPLIERS, out=product)
        np.right_shift(product, SHIFT, out=high)
        # a round swaps the halves: what came from word 0 goes to words 2 and 3, and back
        np.bitwise_xor(high[..., ::-1, :], odd, out=even)
        np.bitwise_xor(even, keys[r], out=even)
        np.bitwise_and(product[..., ::-1, :], LOW, out=odd)
    return even, odd


def philox4x32(counter: Any, key: Any) -> Any:
    """One block of four random words for each counter.

    Args:
        counter: uint32, (..., blocks, 4), the lowest word first.
        key: uint32, (..., 2).

    Returns:
        uint32, (..., blocks, 4).
    """
    words = np.swapaxes(np.array(counter, np.uint64), -1, -2)
    even, odd = mix(words[..., 0::2, :], words[..., 1::2, :], np.asarray(key, np.uint64)[..., None])
    return _interleave(even, odd)


def _interleave(even: Any, odd: Any) -> Any:
    out = np.empty((*even.shape[:-2], even.shape[-1], 4), np.uint32)
    out[..., 0::2] = np.swapaxes(even, -1, -2)
    out[..., 1::2] = np.swapaxes(odd, -1, -2)
    return out


def key_of(state: Any) -> Any:
    """The two words of a state's key, (..., 2, 1)."""
    return state[..., :2].astype(np.uint64)[..., None]


def position(state: Any) -> Any:
    """The 64-bit counter of a state, (..., 1): the axis stays, for NumPy's scalars do not wrap."""
    wide = state.astype(np.uint64)
    return wide[..., 2:3] | wide[..., 3:] << SHIFT


def words_at(key: Any, count: Any) -> Any:
    """The four words of the blocks with these numbers.

    Args:
        key: the keys, as `mix` takes them.
        count: uint64, (..., blocks).

    Returns:
        uint32, (..., blocks, 4).
    """
    even = np.zeros((*count.shape[:-1], 2, count.shape[-1]), np.uint64)
    odd = np.zeros_like(even)
    even[..., 0, :] = count & LOW
    odd[..., 0, :] = count >> SHIFT
    return _interleave(*mix(even, odd, key))


def random_words(state: Any, n: int) -> Any:
    """The next `n` words of each stream.

    Args:
        state: uint32, (..., 4): the key, then the counter, each with its low word first.
        n: how many words.

    Returns:
        uint32, (..., n): word `i` is word ``i % 4`` of the block at ``counter + i // 4``.
    """
    blocks = blocks_for(n)
    key = key_of(state)
    start = position(state)
    out = np.empty((*state.shape[:-1], blocks, 4), np.uint32)
    for first in range(0, blocks, CHUNK):
        last = min(first + CHUNK, blocks)
        out[..., first:last, :] = words_at(key, start + np.arange(first, last, dtype=np.uint64))
    return out.reshape(*state.shape[:-1], 4 * blocks)[..., :n]


def blocks_for(n: int) -> int:
    """How many blocks of four words hold `n` words."""
    return -(-n // 4)


def check_state(state: Any) -> None:
    """Refuse what is not the state of a generator."""
    if state.dtype != np.uint32:
        raise DTypeError(f"the state of a generator is uint32, got {state.dtype}")
    if state.ndim == 0 or state.shape[-1] != 4:
        raise ShapeError(f"the state of a generator has the shape (..., 4), got {state.shape}")


class AbstractRandomSource(Primitive):
    """What reads the state of a generator as its first operand: discrete, so without a gradient.

    A state may carry leading axes, one stream for each. So in a mapped function every example
    draws its own numbers where the state is mapped, and the same numbers where it is not.
    """

    kind = "source"
    operands = ("state", "x")
    takes = "IL"

    def batch(self, size: int, batched: tuple[bool, ...], *xs: Any) -> Any:
        return self(*xs)

    def cost(self, *types: Any) -> int:
        return 0  # integer work, and no floating-point operation


@final
class RandomBits(AbstractRandomSource):
    """Uniform random words of a state's streams, `shape` of them for each."""

    shape: Shape
    llvm = "philox4x32"
    no_derivative = "random bits are integers; they do not depend smoothly on the state"

    def value(self, state: Any) -> Any:
        check_state(state)
        words = random_words(state, math.prod(self.shape))
        return words.reshape((*state.shape[:-1], *self.shape))

    def out_type(self, state: Any) -> Type:
        check_state(state)
        return Type((*state.shape[:-1], *self.shape), np.dtype(np.uint32))

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        state = np.array([1, 2, 0xFFFFFFFE, 4], np.uint32)
        yield cls((3, 5)), [state]
        yield cls(()), [state]
        yield cls((0,)), [state]
        yield cls((6,)), [np.stack([state, state + np.uint32(1)])]


@final
class SkipBlocks(AbstractRandomSource):
    """The state after `blocks` blocks were drawn: the counter moved on, with carry."""

    blocks: int
    llvm = "philox4x32_skip"
    no_derivative = "the state of a generator is a number of a block"

    def value(self, state: Any) -> Any:
        check_state(state)
        count = position(state) + np.uint64(self.blocks)
        out = state.copy()
        out[..., 2:3] = count & LOW
        out[..., 3:] = count >> SHIFT
        return out

    def out_type(self, state: Any) -> Type:
        check_state(state)
        return Type(state.shape, state.dtype)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(3), [np.array([1, 2, 0xFFFFFFFE, 4], np.uint32)]
        yield cls(3), [np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.uint32)]
