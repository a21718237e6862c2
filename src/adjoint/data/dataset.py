"""Datasets: things with a length and items, and, where it is cheap, batches by an index array."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from adjoint.data.containers import as_array, map_leaves
from adjoint.data.errors import DataError

Array = np.ndarray[Any, Any]


@runtime_checkable
class Dataset(Protocol):
    """What a loader can draw items from: a length, and an item for each index below it.

    A dataset that also has ``take(indices)``, which returns the batch of these items as arrays
    with a leading axis, is asked for a batch at once instead of item by item.

    Example:
        >>> isinstance([1.0, 2.0], ad.data.Dataset)
        True
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any, /) -> Any: ...


class ArrayDataset:
    """Arrays of equal length, row by row: the dataset that loads at the speed of indexing.

    Args:
        arrays: NumPy arrays, memory maps or tensors; or one nesting of containers of them, whose
            structure items and batches then have. With several arguments, items are tuples.

    Raises:
        DataError: if there is no array, or lengths differ.

    Example:
        >>> data = ad.data.ArrayDataset(np.arange(6.0).reshape(3, 2), np.array([0, 1, 0]))
        >>> data.take(np.array([2, 0]))
        (array([[4., 5.],
               [0., 1.]]), array([0, 0]))
    """

    def __init__(self, *arrays: Any) -> None:
        found: list[Array] = []
        self.tree = map_leaves(as_array, arrays[0] if len(arrays) == 1 else arrays)
        map_leaves(found.append, self.tree)
        if not found or not all(a.ndim for a in found):
            raise DataError("ArrayDataset: needs arrays of at least one axis, along which rows lie")
        lengths = sorted({len(a) for a in found})
        if len(lengths) > 1:
            listed = ", ".join(map(str, lengths))
            raise DataError(f"ArrayDataset: the arrays have different numbers of rows: {listed}")
        self._rows = lengths[0]
        # most trees are tuples of arrays, and their batches need no walk over a tree
        flat = type(self.tree) is tuple and len(self.tree) == len(found)
        self._flat = tuple(found) if flat else ()

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, index: int) -> Any:
        def row(a: Array) -> Any:
            return a[index]

        return map_leaves(row, self.tree)

    def take(self, indices: Any) -> Any:
        """The batch of these rows: copied for an array of indices, views for a slice."""
        view = indices.__class__ is slice
        if self._flat and view:
            return tuple([a[indices] for a in self._flat])
        if self._flat:
            return tuple([a.take(indices, 0) for a in self._flat])  # faster than a[indices]

        def rows(a: Array) -> Array:
            return a[indices] if view else a.take(indices, 0)

        return map_leaves(rows, self.tree)


TensorDataset = ArrayDataset
"""PyTorch's name for `ArrayDataset`."""


class Subset:
    """Some items of a dataset, in the given order.

    Args:
        dataset: the whole.
        indices: of the items, as integers; repetitions are allowed.

    Raises:
        DataError: if an index is out of range.

    Example:
        >>> list(ad.data.Subset([10, 20, 30], [2, 0]))
        [30, 10]
    """

    def __init__(self, dataset: Any, indices: Any) -> None:
        self.dataset = dataset
        self.indices: Array = np.asarray(indices, np.intp).reshape(-1)
        rows, low, high = len(dataset), *_extent(self.indices)
        if low < -rows or high >= rows:
            bad = low if low < -rows else high
            raise DataError(f"Subset: index {bad} is out of range for a dataset of {rows} items")

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Any:
        return self.dataset[int(self.indices[index])]

    def set_epoch(self, epoch: int) -> None:
        """Tell the dataset below the number of the pass over it."""
        _set_epoch(self.dataset, epoch)

    @property
    def take(self) -> Callable[[Any], Any]:
        """The batch of these items; there only if the dataset below has it."""
        inner = self.dataset.take
        return lambda indices: inner(self.indices[indices])


def _extent(indices: Array) -> tuple[int, int]:
    return (int(indices.min()), int(indices.max())) if indices.size else (0, -1)


class ConcatDataset:
    """Several datasets, one after the other.

    Args:
        datasets: at least one.

    Example:
        >>> list(ad.data.ConcatDataset([[1, 2], [3]]))
        [1, 2, 3]
    """

    def __init__(self, datasets: Sequence[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise DataError("ConcatDataset: needs at least one dataset")
        self._ends: list[int] = np.cumsum([len(d) for d in self.datasets]).tolist()

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, index: int) -> Any:
        at = index + len(self) if index < 0 else index
        if not 0 <= at < len(self):
            raise IndexError(f"index {index} is out of range for {len(self)} items")
        k = bisect.bisect_right(self._ends, at)
        return self.datasets[k][at - (self._ends[k - 1] if k else 0)]

    @property
    def take(self) -> Callable[[Any], Any]:
        """The batch of these items; there only if all datasets have it."""
        takes = [dataset.take for dataset in self.datasets]

        def batch(indices: Any) -> Any:
            at = np.asarray(indices, np.intp)
            at = np.where(at < 0, at + len(self), at)
            which = np.searchsorted(self._ends, at, side="right")
            starts = np.array([0, *self._ends[:-1]])
            order = np.argsort(which, kind="stable")
            pieces = [
                takes[k](at[order[which[order] == k]] - starts[k]) for k in np.unique(which)
            ] or [takes[0](at)]
            back = np.argsort(order)
            return map_leaves(lambda *xs: np.concatenate(xs).take(back, 0), *pieces)

        return batch

    def set_epoch(self, epoch: int) -> None:
        """Tell the datasets the number of the pass over them."""
        for dataset in self.datasets:
            _set_epoch(dataset, epoch)


class MapDataset:
    """A dataset with a function applied to each item when it is asked for.

    With ``random=True`` the function gets a second argument, a `numpy.random.Generator` that
    depends only on the seed, the epoch and the index: what it draws is the same in every run, with
    any number of workers, and after a resumption.

    Args:
        dataset: the items.
        f: from item to item, or from item and generator to item.
        random: whether `f` takes a generator.
        seed: of these generators.

    Example:
        >>> list(ad.data.MapDataset([1, 2, 3], lambda x: x * x))
        [1, 4, 9]
        >>> noisy = ad.data.MapDataset([1.0], lambda x, rng: x + rng.normal(), random=True)
        >>> noisy[0] == noisy[0]
        True
    """

    def __init__(
        self, dataset: Any, f: Callable[..., Any], *, random: bool = False, seed: int = 0
    ) -> None:
        self.dataset, self.f, self.random, self.seed = dataset, f, random, seed
        self._epoch = 0

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        item = self.dataset[index]
        if not self.random:
            return self.f(item)
        at = index + len(self) if index < 0 else index
        stream = np.random.SeedSequence(self.seed, spawn_key=(self._epoch, at))
        return self.f(item, np.random.Generator(np.random.Philox(stream)))

    def set_epoch(self, epoch: int) -> None:
        """Draw the random numbers of this pass; a loader calls it when a pass begins."""
        self._epoch = epoch
        _set_epoch(self.dataset, epoch)


def _set_epoch(dataset: Any, epoch: int) -> None:
    inner = getattr(dataset, "set_epoch", None)
    if inner is not None:
        inner(epoch)
