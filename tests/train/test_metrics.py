"""Metrics are exact over batches of unequal sizes."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint.train.metrics import as_metric
from sklearn import metrics as sk

CUTS = [0, 1, 8, 9, 40, 57]


def over_batches(metric: Any, output: Any, target: Any) -> float:
    found = [
        metric.statistics(ad.asarray(output[a:b]), ad.asarray(target[a:b])).numpy()
        for a, b in pairwise(CUTS)
    ]
    total = found[0]
    for part in found[1:]:
        total = metric.merge(total, part)
    return metric.value(total)


@pytest.fixture
def classes() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(57, 7)), rng.integers(0, 7, 57)


def test_accuracy_and_top_k(classes: tuple[Any, Any]) -> None:
    scores, labels = classes
    accuracy = sk.accuracy_score(labels, scores.argmax(1))
    assert over_batches(ad.train.Accuracy(), scores, labels) == accuracy
    assert over_batches(ad.train.TopK(1), scores, labels) == accuracy
    expected = sk.top_k_accuracy_score(labels, scores, k=3)
    assert over_batches(ad.train.TopK(3), scores, labels) == pytest.approx(expected)


def test_ties_go_to_the_first_class() -> None:
    scores, labels = np.zeros((57, 3)), np.arange(57) % 3
    assert over_batches(ad.train.Accuracy(), scores, labels) == 19 / 57
    assert over_batches(ad.train.TopK(2), scores, labels) == 38 / 57


def test_one_score_for_two_classes() -> None:
    scores, labels = np.linspace(-1, 1, 57)[:, None], np.arange(57) > 30
    expected = float(np.mean((scores[:, 0] > 0) == labels))
    assert over_batches(ad.train.Accuracy(), scores, labels.astype(np.int64)) == expected


def test_ignored_labels_do_not_count(classes: tuple[Any, Any]) -> None:
    scores, labels = classes
    used = np.arange(57) % 3 > 0
    expected = sk.accuracy_score(labels[used], scores[used].argmax(1))
    given = np.where(used, labels, -100)
    assert over_batches(ad.train.Accuracy(), scores, given) == pytest.approx(expected)
    assert over_batches(ad.train.TopK(1), scores, given) == pytest.approx(expected)


@pytest.mark.parametrize("shift", [0.0, 1e8])
def test_r2_does_not_cancel(shift: float) -> None:
    rng = np.random.default_rng(1)
    y = rng.normal(size=(57, 2)) + shift
    found = y + 0.3 * rng.normal(size=y.shape)
    expected = sk.r2_score(y, found)
    assert over_batches(ad.train.R2(), found, y) == pytest.approx(expected, rel=1e-6)


def test_r2_of_a_constant_target_is_not_a_number() -> None:
    assert np.isnan(over_batches(ad.train.R2(), np.ones(57), np.ones(57)))


def test_mean_absolute_error_in_the_unit_of_the_target() -> None:
    y = np.arange(57.0)
    found = y[:, None] + np.where(y % 2, 1.0, -3.0)[:, None]
    expected = 10 * sk.mean_absolute_error(y, found[:, 0])
    metric = ad.train.MeanAbsoluteError(scale=10.0)
    assert over_batches(metric, found, y) == pytest.approx(expected)


def test_perplexity(classes: tuple[Any, Any]) -> None:
    scores, labels = classes
    p = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    expected = np.exp(sk.log_loss(labels, p, labels=range(7)))
    assert over_batches(ad.train.Perplexity(), scores, labels) == pytest.approx(expected)


def test_a_function_is_a_metric() -> None:
    def bias(output: Any, target: Any) -> Any:
        return output - target

    y = np.arange(57.0)
    metric = as_metric(bias)
    assert metric.name == "bias"
    assert over_batches(metric, y + 2, y) == pytest.approx(2.0)
    whole = ad.train.Mean(lambda output, target: ad.mean(output - target), "whole")
    assert over_batches(whole, y + 2, y) == pytest.approx(2.0)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ad.train.TrainingError, match="There is no metric 'acc'; there are accur"):
        as_metric("acc")
