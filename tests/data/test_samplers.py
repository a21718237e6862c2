"""Orders and splits: fair, exact, and the same for the same seed."""

from itertools import chain

import numpy as np
import pytest
from hypothesis import given, strategies as st

from adjoint.data import (
    DataError,
    RandomSampler,
    SequentialSampler,
    WeightedSampler,
    random_split,
    stratified_split,
)


@given(st.integers(0, 300), st.integers(-3, 2**70), st.integers(0, 5))
def test_a_random_order_has_each_item_once(count: int, seed: int, epoch: int) -> None:
    order = RandomSampler(count, seed).indices(epoch)
    assert sorted(order.tolist()) == list(range(count))
    assert order.dtype == np.intp


def test_the_orders_are_pinned() -> None:
    # a change here changes what a resumed run sees: it needs a new version of the loader's state
    assert RandomSampler(8, seed=7).indices(0).tolist() == [4, 1, 6, 3, 2, 7, 5, 0]
    assert RandomSampler(8, seed=7).indices(1).tolist() == [3, 1, 6, 2, 5, 4, 0, 7]
    assert SequentialSampler(3).indices(9).tolist() == [0, 1, 2]


def test_random_orders_are_fair() -> None:
    orders = np.array([RandomSampler(5, seed).indices(0) for seed in range(4000)])
    for position in range(5):
        counts = np.bincount(orders[:, position], minlength=5)
        assert abs(counts - 800).max() < 120  # 4.7 standard deviations


def test_weights_are_proportions() -> None:
    sampler = WeightedSampler([1, 0, 3, 4], 8000, seed=1)
    counts = np.bincount(sampler.indices(0), minlength=4)
    assert counts[1] == 0
    np.testing.assert_allclose(counts / 8000, [1 / 8, 0, 3 / 8, 1 / 2], atol=0.02)
    assert sampler.indices(0).tolist() == sampler.indices(0).tolist()
    assert sampler.indices(0).tolist() != sampler.indices(1).tolist()


def test_without_replacement_each_item_comes_once() -> None:
    firsts = np.zeros(3)
    for seed in range(2000):
        draws = WeightedSampler([1, 2, 5, 0], 3, replacement=False, seed=seed).indices(0)
        assert sorted(draws.tolist()) == [0, 1, 2]
        firsts[draws[0]] += 1
    np.testing.assert_allclose(firsts / 2000, [1 / 8, 2 / 8, 5 / 8], atol=0.05)


@pytest.mark.parametrize(
    ("weights", "count", "replacement"),
    [([-1.0, 2], 1, True), ([0.0], 1, True), ([1, 0], 2, False), ([np.nan], 1, True)],
)
def test_weights_that_cannot_be(weights: list[float], count: int, replacement: bool) -> None:
    with pytest.raises(DataError, match="WeightedSampler"):
        WeightedSampler(weights, count, replacement=replacement)


@given(
    st.integers(0, 200),
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.integers(0, 9),
)
def test_a_split_is_a_partition(rows: int, weights: list[int], seed: int) -> None:
    parts = random_split(range(rows), [w / sum(weights) for w in weights], seed)
    assert sorted(chain(*parts)) == list(range(rows))
    for part, w in zip(parts, weights, strict=True):
        assert abs(len(part) - rows * w / sum(weights)) <= 1


@given(
    st.lists(st.integers(0, 5), max_size=120),
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.integers(0, 9),
)
def test_a_stratified_split_keeps_the_shares(
    labels: list[int], weights: list[int], seed: int
) -> None:
    fractions = [w / sum(weights) for w in weights]
    parts = stratified_split(range(len(labels)), fractions, labels, seed)
    assert sorted(chain(*parts)) == list(range(len(labels)))
    for part, fraction in zip(parts, fractions, strict=True):
        assert abs(len(part) - len(labels) * fraction) <= 2
        for label in set(labels):
            share = sum(labels[k] == label for k in part)
            assert abs(share - labels.count(label) * fraction) <= 2


def test_a_stratified_part_is_not_sorted_by_class() -> None:
    labels = [0] * 50 + [1] * 50
    part, _ = stratified_split(range(100), [0.5, 0.5], labels)
    found = [labels[k] for k in part]
    assert found != sorted(found)


def test_lengths() -> None:
    assert [len(p) for p in random_split(range(10), [7, 3])] == [7, 3]
    assert [len(p) for p in random_split(range(10), [1])] == [10]


@pytest.mark.parametrize("parts", [[7, 4], [0.5, 0.4], [], [1.5, -0.5]])
def test_parts_that_do_not_add_up(parts: list[float]) -> None:
    with pytest.raises(DataError, match="split"):
        random_split(range(10), parts)


def test_labels_must_fit() -> None:
    with pytest.raises(DataError, match="labels for 3 items"):
        stratified_split(range(3), [1.0], [1, 2])
