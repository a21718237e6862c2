"""Generators: where random numbers come from, and where a stream stands."""

from __future__ import annotations

import math
import os
import threading
from typing import Any

import numpy as np

from adjoint.core.bind import lift, setting
from adjoint.core.errors import ArgumentError
from adjoint.core.types import Shape, Type
from adjoint.ops.arithmetic import MULTIPLY
from adjoint.ops.random_bits import RandomBits, SkipBlocks, blocks_for

__all__ = ["Generator", "default_generator", "seed"]


class Generator:
    """A stream of random numbers.

    Its whole state is four words: a key, which the seed gives, and the number of the next block.
    A draw binds `state` to a new tensor, as ``x += 1`` does, and changes nothing in place; so a
    function that draws can be staged with the state as an input and as a result.

    Args:
        seed: from 0 to 2**64 - 1; None takes one from the operating system.
        state: a uint32 tensor of four words to go on from, instead of a seed.

    Raises:
        ArgumentError: if the seed is out of range, or both are given.

    Example:
        >>> generator = ad.random.Generator(1)
        >>> ad.random.integers(1, 7, size=5, generator=generator)
        tensor([6, 6, 4, 5, 5])
    """

    __slots__ = ("_lock", "state")

    def __init__(self, seed: int | None = 0, *, state: Any = None) -> None:
        self._lock = threading.Lock()
        self.state: Any = None
        if state is None:
            self.seed(seed)
            return
        if seed not in (0, None):
            raise ArgumentError("Generator: give a seed or a state, not both")
        self.state = _checked(lift(state)).copy()  # the stream's own: drawing rebinds it

    def seed(self, seed: int | None) -> None:
        """Start the stream that belongs to a seed; None takes one from the operating system."""
        number = int.from_bytes(os.urandom(8)) if seed is None else _seed_number(seed)
        start = lift(np.array([number & 0xFFFFFFFF, number >> 32, 0, 0], np.uint32))
        if self.state is None:
            self.state = start
        else:  # the same tensor, which compiled functions know
            self.state.assign(start)

    def reserve(self, blocks: int) -> Any:
        """The state as it is, for a draw of so many blocks; the stream moves on behind them."""
        with self._lock:
            state = self.state.copy()
            if state.known:
                # A stream whose place is known keeps to it while a function is staged: a state
                # that is only a type must not outlive the staging.
                with setting(staging=False):
                    self.state.assign(SkipBlocks(blocks)(state))
            else:  # unless the function is compiled: then the state is an input and an output
                self.state.assign(SkipBlocks(blocks)(state))
        return state

    def bits(self, size: int | Shape = ()) -> Any:
        """Uniform random uint32 numbers of this shape."""
        shape = (size,) if isinstance(size, int) else tuple(size)
        return RandomBits(shape)(self.reserve(blocks_for(math.prod(shape))))

    def split(self, n: int) -> Any:
        """The states of `n` new streams, as a (n, 4) tensor: one for each example of a `vmap`.

        Example:
            >>> def noise(state):
            ...     return ad.random.normal(size=2, generator=ad.random.Generator(state=state))
            >>> ad.vmap(noise)(ad.random.Generator(0).split(3)).shape
            (3, 2)
        """
        return MULTIPLY(self.bits((n, 4)), lift(np.array([1, 1, 0, 0], np.uint32)))

    def spawn(self, n: int) -> list[Generator]:
        """`n` new generators whose streams have nothing to do with this one's or each other's."""
        states = self.split(n)
        return [Generator(state=states[i]) for i in range(n)]

    def state_dict(self) -> dict[str, Any]:
        """Where the stream stands, to be saved."""
        return {"state": self.state.detach()}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Go on from where a stream stood.

        Raises:
            ArgumentError: if it is not what `state_dict` gives.
        """
        if saved.keys() != {"state"}:
            raise ArgumentError(f"Generator: expected the key 'state', got {sorted(saved)}")
        self.state.assign(_checked(lift(saved["state"])))

    def __reduce__(self) -> tuple[Any, ...]:
        return _at, (self.state.numpy(),)  # copies go on from here, each with a lock of its own

    def __repr__(self) -> str:
        if not self.state.known:
            return f"Generator(state={self.state!r})"
        low, high, block, carry = (int(word) for word in self.state.value)
        at = f", at block {block + (carry << 32)}" if block or carry else ""
        return f"<Generator seed={low + (high << 32)}{at}>"


def _at(state: Any) -> Generator:
    return Generator(state=np.array(state))


def _checked(state: Any) -> Any:
    if state.shape != (4,) or state.dtype != np.uint32:
        raise ArgumentError(f"Generator: a state is u32[4], got {Type.of(state)}")
    return state


def _seed_number(seed: Any) -> int:
    try:
        number = seed.__index__()
    except AttributeError:
        raise ArgumentError(f"seed must be an integer, got {seed!r}") from None
    if not 0 <= number < 2**64:
        raise ArgumentError(f"seed must be from 0 to 2**64 - 1, got {seed}")
    return number


_default = Generator(0)


def default_generator() -> Generator:
    """The generator that draws where none is given.

    Example:
        >>> ad.random.seed(7)
        >>> ad.random.default_generator()
        <Generator seed=7>
        >>> ad.random.seed(0)
    """
    return _default


def seed(seed: int | None) -> None:
    """Start the default generator's stream anew; None takes a seed from the operating system.

    A program that never calls this begins with seed 0, so that every run can be repeated.

    Example:
        >>> ad.random.seed(0)
        >>> ad.random.uniform(size=2)
        tensor([0.39904642, 0.88052016])
    """
    _default.seed(seed)
