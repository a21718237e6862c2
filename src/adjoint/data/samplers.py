"""In which order items come: pure functions of a seed and the number of the pass.

The bits are those of NumPy's Philox generator, whose stream is fixed; what is made of them is
written here. So the order does not change with the version of NumPy.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np

from adjoint.data.errors import DataError

Array = np.ndarray[Any, Any]


@runtime_checkable
class Sampler(Protocol):
    """An order of items: how many there are in a pass, and their indices in pass number `epoch`.

    Example:
        >>> isinstance(ad.data.RandomSampler(3), ad.data.Sampler)
        True
    """

    def __len__(self) -> int: ...

    def indices(self, epoch: int) -> Any:
        """The indices of pass number `epoch`, as an integer array."""
        ...


def random_bits(count: int, seed: int, stream: int) -> Array:
    """So many random 64-bit words, a pure function of seed and stream."""
    key = np.array([seed % 2**64, stream % 2**64], np.uint64)
    return np.random.Philox(key=key).random_raw(count)


def permutation(count: int, seed: int, stream: int) -> Array:
    """The numbers below `count` in random order, a pure function of seed and stream.

    Each number is written into the low bits of a random word, and the words are sorted.
    """
    low = np.uint64(max(count - 1, 0).bit_length())
    words = random_bits(count, seed, stream) >> low << low
    words |= np.arange(count, dtype=np.uint64)
    words.sort()
    words &= (np.uint64(1) << low) - np.uint64(1)
    return words.astype(np.intp)


class SequentialSampler:
    """All items in order, in every pass.

    Args:
        count: number of items.

    Example:
        >>> ad.data.SequentialSampler(3).indices(0)
        array([0, 1, 2])
    """

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def indices(self, epoch: int) -> Array:
        """The indices in order."""
        return np.arange(self.count)


class RandomSampler:
    """All items in random order, another in each pass.

    Args:
        count: number of items.
        seed: the same seed gives the same orders.

    Example:
        >>> sampler = ad.data.RandomSampler(5, seed=1)
        >>> sampler.indices(0), sampler.indices(1)
        (array([3, 2, 0, 1, 4]), array([0, 3, 4, 2, 1]))
    """

    def __init__(self, count: int, seed: int = 0) -> None:
        self.count, self.seed = count, seed

    def __len__(self) -> int:
        return self.count

    def indices(self, epoch: int) -> Array:
        """The order of pass number `epoch`."""
        return permutation(self.count, self.seed, epoch)


class WeightedSampler:
    """Items drawn in proportion to weights: rare classes more often, say.

    Without replacement the draws are those of Efraimidis and Spirakis (2006), "Weighted random
    sampling with a reservoir": the largest ``log(u) / weight`` win.

    Args:
        weights: one for each item, not negative.
        count: items in a pass; by default as many as there are weights.
        replacement: whether an item may come more than once in a pass.
        seed: the same seed gives the same draws.

    Raises:
        DataError: if weights are negative, not finite or all zero, or too few for the count.

    Example:
        >>> ad.data.WeightedSampler([0.0, 1.0, 1.0], 6).indices(0)
        array([1, 1, 1, 2, 2, 1])
    """

    def __init__(
        self, weights: Any, count: int | None = None, *, replacement: bool = True, seed: int = 0
    ) -> None:
        self.weights = np.asarray(weights, np.float64).reshape(-1)
        if not (np.isfinite(self.weights).all() and (self.weights >= 0).all()):
            raise DataError("WeightedSampler: weights must be finite and not negative")
        possible = int(np.count_nonzero(self.weights))
        self.count = len(self.weights) if count is None else count
        if not possible or (not replacement and self.count > possible):
            raise DataError(
                f"WeightedSampler: {self.count} items cannot be drawn from {possible} "
                f"with a weight above zero{'' if possible == 0 else ' without replacement'}"
            )
        self.replacement, self.seed = replacement, seed

    def __len__(self) -> int:
        return self.count

    def indices(self, epoch: int) -> Array:
        """The draws of pass number `epoch`."""
        if self.replacement:
            u = (random_bits(self.count, self.seed, epoch) >> np.uint64(11)) * 2.0**-53
            upto = np.cumsum(self.weights)
            found = np.searchsorted(upto, u * upto[-1], side="right")
            return np.minimum(found, np.flatnonzero(self.weights)[-1]).astype(np.intp)
        u = (random_bits(len(self.weights), self.seed, epoch) >> np.uint64(11)) * 2.0**-53
        with np.errstate(divide="ignore"):
            keys = np.where(self.weights > 0, np.log1p(-u) / self.weights, -np.inf)
        return np.argsort(-keys, kind="stable")[: self.count]
