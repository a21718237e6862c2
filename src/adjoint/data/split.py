"""Parts of a dataset, drawn at random: for training, validation and test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from adjoint.data.dataset import Subset
from adjoint.data.errors import DataError
from adjoint.data.samplers import permutation

Array = np.ndarray[Any, Any]


def random_split(dataset: Any, parts: Sequence[float], seed: int = 0) -> list[Subset]:
    """The dataset in random parts that have no item in common.

    Args:
        dataset: anything with a length and items.
        parts: lengths that add up to that of the dataset, or fractions that add up to 1.
        seed: the same seed gives the same parts.

    Raises:
        DataError: if they do not add up.

    Example:
        >>> [list(part) for part in ad.data.random_split(range(5), [0.6, 0.4], seed=1)]
        [[3, 2, 0], [1, 4]]
    """
    lengths = part_lengths(len(dataset), parts)
    order = permutation(len(dataset), seed, 0)
    return [Subset(dataset, part) for part in np.split(order, np.cumsum(lengths)[:-1])]


def stratified_split(
    dataset: Any, parts: Sequence[float], labels: Any, seed: int = 0
) -> list[Subset]:
    """Random parts in which each class has the share that it has in the whole, to within one item.

    Rounding errors are passed on from class to class, so that rare ones do not all end up in one
    part, and the sizes of the parts are right to within an item too.

    Args:
        dataset: anything with a length and items.
        parts: lengths that add up to that of the dataset, or fractions that add up to 1.
        labels: the class of each item.
        seed: the same seed gives the same parts.

    Raises:
        DataError: if the parts do not add up, or there is not one label for each item.

    Example:
        >>> train, test = ad.data.stratified_split("aaaabb", [0.5, 0.5], list("aaaabb"))
        >>> sorted(train), sorted(test)
        (['a', 'a', 'b'], ['a', 'a', 'b'])
    """
    rows = len(dataset)
    fractions = np.array(part_lengths(rows, parts)) / max(rows, 1)
    kinds, classes = np.unique(np.asarray(labels), return_inverse=True)
    if classes.shape != (rows,):
        raise DataError(f"stratified_split: {classes.shape} labels for {rows} items")
    order = permutation(rows, seed, 0)
    chosen: list[list[Array]] = [[] for _ in parts]
    carry = np.zeros(len(parts))
    for k in range(len(kinds)):
        members = order[classes[order] == k]
        wanted = len(members) * fractions + carry
        counts = _rounded(wanted, len(members))
        carry = wanted - counts
        for part, piece in zip(chosen, np.split(members, np.cumsum(counts)[:-1]), strict=True):
            part.append(piece)
    rank = np.empty(rows, np.intp)
    rank[order] = np.arange(rows)  # back into random order: parts must not be sorted by class
    joined = [np.concatenate(part) if part else order[:0] for part in chosen]
    return [Subset(dataset, part[np.argsort(rank[part])]) for part in joined]


def _rounded(wanted: Array, total: int) -> Array:
    """Whole numbers near the wanted ones, none negative, that add up to the total."""
    counts = np.maximum(np.floor(wanted), 0).astype(np.intp)
    while (left := total - int(counts.sum())) != 0:
        owed = np.where((counts > 0) | (left > 0), wanted - counts, np.inf)
        counts[np.argmax(owed) if left > 0 else np.argmin(owed)] += np.sign(left)
    return counts


def part_lengths(rows: int, parts: Sequence[float]) -> list[int]:
    """The lengths of parts that are given as lengths or as fractions."""
    if parts and all(isinstance(p, int | np.integer) and p >= 0 for p in parts):
        if sum(parts) == rows:
            return [int(p) for p in parts]
        if sum(parts) != 1:
            listed = " + ".join(map(str, parts))
            raise DataError(f"split: {listed} is {sum(parts)}, but there are {rows} items")
    if not parts or not all(p >= 0 for p in parts) or abs(sum(parts) - 1) > 1e-9:
        listed = ", ".join(map(str, parts))
        raise DataError(f"split: fractions must not be negative and add up to 1, got {listed}")
    ends = [round(rows * end) for end in np.cumsum(parts).tolist()]
    return np.diff([0, *ends[:-1], rows]).tolist()
