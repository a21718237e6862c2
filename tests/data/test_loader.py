"""The loader: what it delivers, in which order, and how it goes on where it was."""

import gc
import json
import threading
import time
import traceback
import weakref
from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import adjoint as ad
from adjoint.data import (
    ArrayDataset,
    ConcatDataset,
    DataError,
    DataLoader,
    MapDataset,
    Subset,
    WeightedSampler,
)


def ids(loader: Any) -> list[list[int]]:
    """The items of a pass, by batch."""
    return [batch.tolist() for batch in loader]


def threads() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("adjoint-data")]


def wait_for_no_threads() -> None:
    until = time.monotonic() + 5
    while threads() and time.monotonic() < until:
        time.sleep(0.005)
    assert not threads()


class Items:
    """Numbers that come one by one, after a moment."""

    def __init__(self, count: int, fail_at: int = -1, delay: float = 0.0) -> None:
        self.count, self.fail_at, self.delay = count, fail_at, delay
        self.asked: list[int] = []

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> int:
        self.asked.append(index)
        time.sleep(self.delay)
        if index == self.fail_at:
            raise OSError(f"item {index} cannot be read")
        return index


# -- what is delivered ---------------------------------------------------------------------------


def test_batches_of_arrays_are_tensors() -> None:
    x, y = np.arange(10.0).reshape(5, 2), np.arange(5)
    for batch in DataLoader(ArrayDataset(x, y), 2):
        assert isinstance(batch, tuple)
        assert [type(t) for t in batch] == [ad.Tensor, ad.Tensor]
        assert [t.dtype for t in batch] == [x.dtype, y.dtype]
        np.testing.assert_array_equal(batch[0].numpy()[:, 0], 2 * batch[1].numpy())


def test_trees_keep_their_structure() -> None:
    data = {"x": np.arange(4), "more": [ad.arange(4), (np.arange(4),)]}
    (batch,) = DataLoader(data, 4)
    assert batch["more"][1][0].tolist() == [0, 1, 2, 3]
    assert isinstance(batch["more"], list)


@pytest.mark.parametrize("shuffle", [False, True])
def test_arrays_on_request_are_free_to_change(shuffle: bool) -> None:
    x = np.arange(6.0)
    for batch in DataLoader(x, 4, shuffle, tensors=False):
        assert type(batch) is np.ndarray
        batch += 100
    assert x.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("rows", "drop_last", "lengths"),
    [(7, False, [3, 3, 1]), (7, True, [3, 3]), (6, False, [3, 3]), (2, True, []), (0, False, [])],
)
@pytest.mark.parametrize("shuffle", [False, True])
def test_the_last_batch(rows: int, drop_last: bool, lengths: list[int], shuffle: bool) -> None:
    for data in (np.arange(rows), list(range(rows))):
        loader = DataLoader(data, 3, shuffle, drop_last)
        assert [len(batch) for batch in loader] == lengths
        assert len(loader) == len(lengths)


def test_items_are_stacked_and_words_listed() -> None:
    items = [{"x": np.full(2, k), "n": k, "name": str(k)} for k in range(3)]
    (batch,) = DataLoader(items, 3)
    assert batch["x"].shape == (3, 2)
    assert batch["n"].tolist() == [0, 1, 2]
    assert batch["name"] == ["0", "1", "2"]


def test_a_collate_function_gets_the_items() -> None:
    assert ids(DataLoader(range(4), 2, collate_fn=lambda xs: np.array(xs) * 10)) == [
        [0, 10],
        [20, 30],
    ]


def test_items_that_do_not_fit_together() -> None:
    with pytest.raises(DataError, match=r"different shapes cannot be stacked: \(2,\), \(3,\)"):
        list(DataLoader([np.ones(2), np.ones(3)], 2))
    with pytest.raises(DataError, match="differ in structure"):
        list(DataLoader([{"a": 1}, {"b": 1}], 2))
    with pytest.raises(DataError, match="differ in structure"):
        list(DataLoader([(1, 2), (1,)], 2))


def test_a_memory_map_is_read_batch_by_batch(tmp_path: Any) -> None:
    np.save(tmp_path / "x.npy", np.arange(100))
    loader = DataLoader(np.load(tmp_path / "x.npy", mmap_mode="r"), 7, shuffle=True)
    assert sorted(chain(*ids(loader))) == list(range(100))


def test_the_place_that_a_batch_comes_from_is_the_loop() -> None:
    for batch in DataLoader(np.ones(2), 2, num_workers=1):
        assert "test_loader.py" in str(batch.node.site)


# -- the order -----------------------------------------------------------------------------------


@given(
    rows=st.integers(0, 40),
    size=st.integers(1, 9),
    shuffle=st.booleans(),
    drop_last=st.booleans(),
    workers=st.integers(0, 2),
    seed=st.integers(0, 3),
    stop=st.integers(0, 60),
)
def test_resumed_is_uninterrupted(
    rows: int, size: int, shuffle: bool, drop_last: bool, workers: int, seed: int, stop: int
) -> None:
    def loader(seed: int = seed) -> DataLoader:
        return DataLoader(np.arange(rows), size, shuffle, drop_last, seed, num_workers=workers)

    def passes(of: DataLoader) -> Iterator[tuple[int, list[int]]]:
        while of.epoch < 4:
            epoch = of.epoch
            yield from ((epoch, batch.tolist()) for batch in of)

    whole = list(passes(loader()))
    first, seen = loader(), []
    running = passes(first)
    for _ in range(min(stop, len(whole))):
        seen.append(next(running))
    state = json.loads(json.dumps(first.state_dict()))
    second = loader(seed=99)
    second.load_state_dict(state)
    assert seen + list(passes(second)) == whole


@pytest.mark.parametrize("data", [np.arange(20), list(range(20))])
@pytest.mark.parametrize("workers", [1, 3])
def test_prefetched_is_not_prefetched(data: Any, workers: int) -> None:
    plain = DataLoader(data, 3, shuffle=True, seed=5)
    ahead = DataLoader(data, 3, shuffle=True, seed=5, num_workers=workers)
    for _ in range(3):
        assert ids(plain) == ids(ahead)
    assert plain.state_dict() == ahead.state_dict()


def test_the_state_counts_what_was_received_not_what_was_made() -> None:
    data = Items(20)
    loader = DataLoader(data, 2, num_workers=2, prefetch_factor=3)
    for _ in loader:
        time.sleep(0.05)
        break
    assert len(data.asked) > 2
    assert loader.state_dict()["batch"] == 1


def test_passes_differ_and_follow_from_seed_and_number() -> None:
    loader = DataLoader(np.arange(50), 50, shuffle=True, seed=1)
    first, second = ids(loader), ids(loader)
    assert first != second
    assert sorted(first[0]) == list(range(50))
    loader.set_epoch(0)
    assert ids(loader) == first
    loader.set_epoch(1)
    assert ids(loader) == second
    assert ids(DataLoader(np.arange(50), 50, shuffle=True, seed=2)) != first


def test_a_pass_that_was_left_is_over() -> None:
    loader = DataLoader(np.arange(6), 2, shuffle=True)
    next(iter(loader))
    assert (loader.epoch, loader.state_dict()["batch"]) == (0, 1)
    second = ids(loader)
    loader.set_epoch(1)
    assert ids(loader) == second


def test_a_state_behind_the_last_batch_ends_its_pass() -> None:
    loader = DataLoader(np.arange(4), 2)
    states = [loader.state_dict() for _ in loader]
    assert states[-1]["batch"] == 2
    loader.load_state_dict(states[-1])
    assert ids(loader) == []
    assert loader.epoch == 1
    assert len(ids(loader)) == 2


def test_an_older_iteration_does_not_disturb_the_state() -> None:
    loader = DataLoader(np.arange(8), 2)
    old = iter(loader)
    next(old)
    new = iter(loader)
    next(new)
    assert loader.state_dict()["epoch"] == 1
    list(old)
    assert (loader.state_dict()["epoch"], loader.state_dict()["batch"]) == (1, 1)


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ({"batch_size": 4}, "batch_size was 2 when the state was saved, and is 4"),
        ({"dataset": np.arange(9)}, "the number of items was 8 .* and is 9"),
        ({"shuffle": True}, "shuffle was False"),
        ({"drop_last": True}, "drop_last was False"),
    ],
)
def test_a_state_of_other_batches_is_refused(change: dict[str, Any], fact: str) -> None:
    state = DataLoader(np.arange(8), 2).state_dict()
    other = DataLoader(**({"dataset": np.arange(8), "batch_size": 2} | change))
    with pytest.raises(DataError, match=fact):
        other.load_state_dict(state)
    with pytest.raises(DataError, match="is not the state of a loader"):
        other.load_state_dict({})


def test_samplers_of_ones_own() -> None:
    assert ids(DataLoader(np.arange(9), 2, sampler=[5, 3, 1])) == [[5, 3], [1]]
    loader = DataLoader(np.arange(3), 4, sampler=WeightedSampler([0, 0, 1], 6, seed=3))
    assert ids(loader) == [[2, 2, 2, 2], [2, 2]]
    with pytest.raises(DataError, match="its own order"):
        DataLoader(np.arange(3), shuffle=True, sampler=[0])


@pytest.mark.parametrize("arguments", [{"batch_size": 0}, {"num_workers": -1}])
def test_arguments_out_of_range(arguments: dict[str, int]) -> None:
    with pytest.raises(DataError, match=next(iter(arguments))):
        DataLoader(np.arange(3), **arguments)


def test_random_transforms_are_the_same_with_any_number_of_workers() -> None:
    def loader(workers: int) -> DataLoader:
        data = MapDataset(list(range(12)), lambda x, rng: x + rng.normal(), random=True, seed=4)
        return DataLoader(data, 3, shuffle=True, num_workers=workers)

    plain, ahead = loader(0), loader(2)
    first = ids(plain)
    assert ids(ahead) == first
    assert ids(plain) == ids(ahead) != first
    resumed = loader(2)
    resumed.set_epoch(1)
    plain.set_epoch(1)
    assert ids(resumed) == ids(plain)


# -- threads -------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 3])
def test_an_error_in_a_thread_arrives_with_its_traceback(workers: int) -> None:
    loader = DataLoader(Items(12, fail_at=5), 2, num_workers=workers)
    seen: list[list[int]] = []
    with pytest.raises(OSError, match="item 5 cannot be read") as caught:
        seen.extend(batch.tolist() for batch in loader)
    assert seen == [[0, 1], [2, 3]]
    assert "__getitem__" in [f.name for f in traceback.extract_tb(caught.value.__traceback__)]
    assert loader.state_dict()["batch"] == 2
    del caught
    wait_for_no_threads()


def test_not_more_is_made_than_was_asked_for() -> None:
    data = Items(100)
    batches = iter(DataLoader(data, 1, num_workers=2, prefetch_factor=2))
    next(batches)
    time.sleep(0.05)
    assert len(data.asked) <= 5
    del batches


def interrupted(loader: DataLoader) -> None:
    for _ in loader:
        raise KeyboardInterrupt


def test_threads_end_with_break_interrupt_and_garbage() -> None:
    loader = DataLoader(Items(100, delay=0.001), 1, num_workers=2)
    for _ in loader:
        break
    wait_for_no_threads()
    with pytest.raises(KeyboardInterrupt):
        interrupted(loader)
    wait_for_no_threads()
    batches = iter(loader)
    next(batches)
    assert threads()
    del batches
    gc.collect()
    wait_for_no_threads()


@pytest.mark.parametrize("workers", [0, 1])
def test_a_batch_does_not_outlive_its_use(workers: int) -> None:
    data = MapDataset(range(4), lambda k: np.full(10, k))
    batches = iter(DataLoader(data, 2, num_workers=workers, tensors=False))
    batch = next(batches)
    alive = weakref.ref(batch)
    del batch
    until = time.monotonic() + 5
    while alive() is not None and time.monotonic() < until:
        time.sleep(0.005)  # the thread that made it may still be about to let it go
    assert alive() is None
    assert len(next(batches)) == 2


# -- datasets ------------------------------------------------------------------------------------


def test_subsets_and_joined_sets_have_batches_if_their_parts_do() -> None:
    whole = ArrayDataset(np.arange(10), np.arange(10) * 2.0)
    joined = ConcatDataset([Subset(whole, [1, 3, 5]), whole, Subset(whole, [])])
    assert [joined[k][0] for k in (0, 2, 3, -1)] == [1, 5, 0, 9]
    x, y = joined.take(np.array([12, 0, 3, 2, 0]))
    assert x.tolist() == [9, 1, 0, 5, 1]
    assert y.tolist() == [18, 2, 0, 10, 2]
    assert not hasattr(Subset([1, 2], [0]), "take")
    assert not hasattr(ConcatDataset([whole, [1]]), "take")
    batches = [x.tolist() for x, _ in DataLoader(joined, 4, shuffle=True)]
    assert sorted(chain(*batches)) == sorted([1, 3, 5, *range(10)])


def test_faulty_datasets() -> None:
    with pytest.raises(DataError, match="different numbers of rows: 2, 3"):
        ArrayDataset(np.ones(2), np.ones(3))
    with pytest.raises(DataError, match="needs arrays"):
        ArrayDataset(np.ones(()))
    with pytest.raises(DataError, match="index 3 is out of range"):
        Subset([1, 2, 3], [3])
    with pytest.raises(DataError, match="at least one dataset"):
        ConcatDataset([])
    with pytest.raises(IndexError):
        ConcatDataset([[1]])[1]
