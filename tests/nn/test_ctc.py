"""Connectionist temporal classification against the sum over all paths."""

import itertools
from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint import nn
from adjoint.core.errors import ArgumentError, ShapeError
from adjoint.testing import check_grads

F = nn.functional
RNG = np.random.default_rng(5)


def log_probabilities(*shape: int) -> Any:
    x = RNG.normal(size=shape)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def collapsed(path: tuple[int, ...], blank: int) -> list[int]:
    return [c for c, _ in itertools.groupby(path) if c != blank]


def by_enumeration(x: Any, target: list[int], blank: int) -> float:
    paths = itertools.product(range(x.shape[1]), repeat=len(x))
    fitting = [
        sum(x[t, c] for t, c in enumerate(p)) for p in paths if collapsed(p, blank) == target
    ]
    return -float(np.log(np.exp(fitting).sum())) if fitting else np.inf


@pytest.mark.parametrize("blank", [0, 2])
@pytest.mark.parametrize("target", [[], [1], [1, 1], [1, 3], [3, 1, 3], [1, 1, 1]])
def test_the_loss_is_that_of_all_paths(target: list[int], blank: int) -> None:
    x = log_probabilities(4, 4)
    labels = np.array([*target, 0], np.int64)  # one more than counts
    found = F.ctc_loss(x, labels[None], [4], [len(target)], blank, "sum")
    assert found.item() == pytest.approx(by_enumeration(x, target, blank), rel=1e-12)


def test_sequences_of_different_lengths() -> None:
    x = log_probabilities(5, 3, 4)
    targets, times, lengths = np.array([[1, 2], [3, 0], [1, 1]]), [5, 3, 4], [2, 1, 2]
    wanted = [
        by_enumeration(x[:t, i], list(targets[i, :n]), 0)
        for i, (t, n) in enumerate(zip(times, lengths, strict=True))
    ]
    each = F.ctc_loss(x, targets, times, lengths, reduction="none")
    assert np.allclose(each.numpy(), wanted, rtol=1e-12)
    total, count = F.ctc_loss(x, targets, times, lengths, reduction="parts")
    assert (total / count).item() == pytest.approx(np.mean(np.array(wanted) / lengths))
    joined = F.ctc_loss(x, [1, 2, 3, 1, 1], times, lengths, reduction="none")
    assert joined.tolist() == each.tolist()
    alone = F.ctc_loss(x[:, 0], targets[0], [5], [2], reduction="none")
    assert alone.item() == each[0].item()


def test_gradients() -> None:
    x = log_probabilities(4, 2, 3)
    check_grads(lambda x: F.ctc_loss(x, [[1, 2], [1, 1]], [4, 3], [2, 1]), (x,), order=1)


def test_a_target_that_does_not_fit_is_infinite_or_zero() -> None:
    x = ad.tensor(log_probabilities(2, 1, 3), requires_grad=True)
    assert F.ctc_loss(x, [[1, 1]], [2], [2]).item() == np.inf
    loss = nn.CTCLoss(zero_infinity=True)(x, [[1, 1]], [2], [2])
    assert loss.item() == 0
    loss.backward()
    assert (x.grad.numpy() == 0).all()


def test_what_does_not_fit_together_is_refused() -> None:
    x = log_probabilities(3, 2, 3)
    with pytest.raises(ArgumentError, match=r"the label 3 at \[0, 1\] is not from 0 to 2"):
        F.ctc_loss(x, [[1, 3], [1, 2]], [3, 3], [2, 2])
    with pytest.raises(ShapeError, match=r"targets have shape \(1, 2\) for a batch of 2"):
        F.ctc_loss(x, [[1, 2]], [3, 3], [2, 2])
    with pytest.raises(ShapeError, match="log_probs are"):
        F.ctc_loss(x[0, 0], [1], [3], [1])
