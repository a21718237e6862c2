"""DataLoader: batches of a dataset, in an order that can be resumed exactly."""

from __future__ import annotations

import operator
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import Any

import numpy as np

import adjoint as ad
from adjoint.data.containers import collate, map_leaves, to_tensors
from adjoint.data.dataset import ArrayDataset
from adjoint.data.errors import DataError
from adjoint.data.prefetch import ahead
from adjoint.data.samplers import RandomSampler, SequentialSampler

Array = np.ndarray[Any, Any]
_FIXED = ("batch_size", "drop_last", "shuffle", "items")
_WORDS = {"items": "the number of items"}


class DataLoader:
    """Batches of a dataset; each ``for batch in loader`` is one pass over it, an epoch.

    A dataset with ``take`` (arrays, subsets and windows of them) is asked for whole batches, which
    costs what indexing costs. Others are asked item by item, best in threads: ``num_workers``.

    The order of a pass is a pure function of the seed and its number. ``state_dict()`` says how
    many batches of which pass the loop has received; a loader that loads it goes on with the next.

    Args:
        dataset: a `Dataset`; or an array, a tuple or a dict of arrays.
        batch_size: items in a batch.
        shuffle: whether each pass has another random order.
        drop_last: leave out a last batch that is not full.
        seed: of the orders.
        sampler: another order than those: something with ``__len__`` and ``indices(epoch)``, or an
            iterable of indices, which is iterated anew for each pass.
        collate_fn: makes a batch of a list of items; `collate` by default.
        num_workers: threads that make batches ahead; 0 makes each when it is asked for.
        prefetch_factor: batches that are made ahead, for each thread.
        tensors: whether batches hold tensors. Otherwise they hold NumPy arrays.

    Raises:
        DataError: if arguments contradict each other.

    Example:
        >>> loader = ad.data.DataLoader((np.arange(5.0), np.arange(5)), batch_size=2, shuffle=True)
        >>> len(loader)
        3
        >>> for x, y in loader:
        ...     print(x, y)
        tensor([0., 2.], dtype=float64) tensor([0, 2])
        tensor([1., 4.], dtype=float64) tensor([1, 4])
        tensor([3.], dtype=float64) tensor([3])
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        drop_last: bool = False,
        seed: int = 0,
        *,
        sampler: Any = None,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        num_workers: int = 0,
        prefetch_factor: int = 2,
        tensors: bool = True,
    ) -> None:
        if isinstance(dataset, np.ndarray | ad.Tensor | tuple | dict):
            dataset = ArrayDataset(dataset)
        for name, number in (("batch_size", batch_size), ("prefetch_factor", prefetch_factor)):
            if operator.index(number) < 1:
                raise DataError(f"DataLoader: {name} must be at least 1, got {number}")
        if operator.index(num_workers) < 0:
            raise DataError(f"DataLoader: num_workers must not be negative, got {num_workers}")
        if sampler is not None and shuffle:
            raise DataError("DataLoader: give shuffle=True or a sampler, which has its own order")
        if sampler is None:
            rows = len(dataset)
            sampler = RandomSampler(rows, seed) if shuffle else SequentialSampler(rows)
        self.dataset, self.sampler = dataset, sampler
        self.batch_size, self.shuffle, self.drop_last = int(batch_size), shuffle, drop_last
        self.num_workers, self.prefetch_factor = num_workers, prefetch_factor
        self.collate_fn, self.tensors = collate_fn, tensors
        self._epoch = 0
        self._seen = 0  # batches of this pass that the loop has received
        self._stay = True  # whether the next iteration belongs to this pass
        self._current = object()  # the iteration that the state speaks of

    @property
    def epoch(self) -> int:
        """The number of the pass that runs, or that comes next; the first is 0."""
        return self._epoch

    @property
    def seed(self) -> int | None:
        """The seed of the order, if it has one."""
        return getattr(self.sampler, "seed", None)

    def __len__(self) -> int:
        return self._count(len(self.sampler))

    def _count(self, items: int) -> int:
        return items // self.batch_size if self.drop_last else -(-items // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        if self._seen and not self._stay:  # the last pass was left before its end
            self._epoch, self._seen = self._epoch + 1, 0
        self._stay = False
        self._current = object()
        inner = getattr(self.dataset, "set_epoch", None)
        if inner is not None:
            inner(self._epoch)
        return self._run(self._epoch, self._seen, self._current)

    def _run(self, epoch: int, start: int, me: object) -> Generator[Any]:
        make, count = self._maker(epoch)
        keys = range(start, count)
        if self.num_workers:
            depth = self.num_workers * self.prefetch_factor
            batches = ahead(make, keys, self.num_workers, depth)
        else:
            batches = (make(k) for k in keys)
        with closing(batches):
            for k in keys:
                yield self._delivered(batches, k + 1, me)
        if self._current is me:
            self._epoch, self._seen = epoch + 1, 0

    def _delivered(self, batches: Iterator[Any], number: int, me: object) -> Any:
        """The next batch. No name holds it here once it is delivered, so it can be freed."""
        batch = next(batches)
        if self._current is me:
            self._seen = number
        return to_tensors(batch) if self.tensors else batch

    def _maker(self, epoch: int) -> tuple[Callable[[int], Any], int]:
        """A function that makes batch k of a pass, and how many there are."""
        dataset, size = self.dataset, self.batch_size
        batched = self.collate_fn is None and hasattr(dataset, "take")
        if (
            batched
            and isinstance(dataset, ArrayDataset)
            and isinstance(self.sampler, SequentialSampler)
        ):
            rows = len(self.sampler)

            def slices(k: int) -> Any:
                batch = dataset.take(slice(k * size, min(k * size + size, rows)))
                # nobody can write to a tensor, so it may be a view; an array must be a copy
                return batch if self.tensors else map_leaves(np.ndarray.copy, batch)

            return slices, len(self)
        sampler = self.sampler
        found = sampler.indices(epoch) if hasattr(sampler, "indices") else list(sampler)
        order = np.asarray(found, np.intp)
        join = self.collate_fn or collate

        def batch(k: int) -> Any:
            picked = order[k * size : k * size + size]
            return dataset.take(picked) if batched else join([dataset[i] for i in picked.tolist()])

        return batch, self._count(len(order))

    def set_epoch(self, epoch: int) -> None:
        """Let the next iteration be the whole of pass number `epoch`."""
        self._epoch, self._seen, self._stay = operator.index(epoch), 0, True
        self._current = object()

    def state_dict(self) -> dict[str, Any]:
        """Where the loop stands: what it has received, whatever was made ahead; fits into JSON."""
        return {"epoch": self._epoch, "batch": self._seen, "seed": self.seed, **self._fixed()}

    def _fixed(self) -> dict[str, Any]:
        items = len(self.dataset)
        return dict(
            zip(_FIXED, (self.batch_size, self.drop_last, self.shuffle, items), strict=True)
        )

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where a state was taken: the next iteration begins with the batch after it.

        A state that was taken behind the last batch of a pass gives an iteration without batches,
        so that a loop does what it does at the end of a pass.

        Raises:
            DataError: if this loader would make other batches than the one that was saved.
        """
        try:
            was = {name: state[name] for name in _FIXED}
            epoch, seen, seed = int(state["epoch"]), int(state["batch"]), state["seed"]
        except (KeyError, TypeError, ValueError):
            raise DataError(f"DataLoader: {state!r} is not the state of a loader") from None
        now = self._fixed()
        for name in _FIXED:
            if was[name] != now[name]:
                raise DataError(
                    f"DataLoader: {_WORDS.get(name, name)} was {was[name]} when the state was "
                    f"saved, and is {now[name]}; the rest of the pass would differ.\n"
                    f"  Try: the same data and {name}, or set_epoch({epoch + 1}) for a fresh pass."
                )
        if seed is not None and hasattr(self.sampler, "seed"):
            self.sampler.seed = seed
        self._epoch, self._seen, self._stay = epoch, seen, True
        self._current = object()
