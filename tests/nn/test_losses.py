"""Losses by hand: gradients, extreme scores, exact accumulation, and the graph of the gradient."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint import nn
from adjoint.core.errors import ArgumentError, DTypeError, ShapeError
from adjoint.core.program import evaluate
from adjoint.testing import check_grads

F = nn.functional
RNG = np.random.default_rng(2)


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape)


LABELS, IGNORING = np.array([0, 2, 1]), np.array([0, -100, 1])
YES, SIGNS = RNG.uniform(0.1, 0.9, (3, 4)), np.array([1.0, -1.0, 1.0])
X, Y, Z = normal(3, 4), normal(3, 4), normal(3, 4)
P = YES / YES.sum(1, keepdims=True)

Case = tuple[str, Callable[..., Any], tuple[Any, ...]]
CASES: list[Case] = [
    ("cross_entropy", lambda x, **r: F.cross_entropy(x, LABELS, **r), (X,)),
    ("cross_entropy ignoring", lambda x, **r: F.cross_entropy(x, IGNORING, **r), (X,)),
    (
        "cross_entropy smoothed",
        lambda x, **r: F.cross_entropy(x, LABELS, YES[0], label_smoothing=0.2, **r),
        (X,),
    ),
    ("cross_entropy of a distribution", F.cross_entropy, (X, P)),
    ("nll_loss", lambda x, **r: F.nll_loss(x, LABELS, YES[0], **r), (X,)),
    ("kl_div", F.kl_div, (X, P)),
    ("multi_margin_loss", lambda x, **r: F.multi_margin_loss(x, LABELS, p=2, **r), (X,)),
    ("mse_loss", F.mse_loss, (X, Y)),
    ("l1_loss", F.l1_loss, (X, Y)),
    ("smooth_l1_loss", lambda x, y, **r: F.smooth_l1_loss(x, y, beta=0.5, **r), (X, Y)),
    ("huber_loss", lambda x, y, **r: F.huber_loss(x, y, delta=0.5, **r), (X, Y)),
    ("gaussian_nll_loss", F.gaussian_nll_loss, (X, Y, YES)),
    ("poisson_nll_loss", lambda x, y, **r: F.poisson_nll_loss(x, y, full=True, **r), (X, YES * 9)),
    ("binary_cross_entropy", F.binary_cross_entropy, (YES, P)),
    ("binary_cross_entropy_with_logits", F.binary_cross_entropy_with_logits, (X, YES)),
    ("soft_margin_loss", lambda x, **r: F.soft_margin_loss(x, SIGNS, **r), (X[:, 0],)),
    ("hinge_embedding_loss", lambda x, **r: F.hinge_embedding_loss(x, SIGNS, **r), (YES[:, 0],)),
    (
        "cosine_embedding_loss",
        lambda x, y, **r: F.cosine_embedding_loss(x, y, SIGNS, **r),
        (X, Y),
    ),
    (
        "margin_ranking_loss",
        lambda x, y, **r: F.margin_ranking_loss(x, y, SIGNS, **r),
        (X[:, 0], Y[:, 0]),
    ),
    ("triplet_margin_loss", F.triplet_margin_loss, (X, Y, Z)),
]
NAMES = [name for name, _, _ in CASES]


@pytest.mark.parametrize(("name", "loss", "args"), CASES, ids=NAMES)
def test_gradients_in_both_modes_and_of_second_order(name: str, loss: Any, args: Any) -> None:
    check_grads(loss, args)


@pytest.mark.parametrize(("name", "loss", "args"), CASES, ids=NAMES)
def test_parts_are_the_mean(name: str, loss: Any, args: Any) -> None:
    total, count = loss(*args, reduction="parts")
    assert total.shape == count.shape == ()
    assert total.dtype == count.dtype == np.float64
    assert (total / count).item() == pytest.approx(loss(*args).item(), rel=1e-12)
    assert total.item() == loss(*args, reduction="sum").item()
    assert loss(*args, reduction="none").size >= 3


@pytest.mark.parametrize(("name", "loss", "args"), CASES, ids=NAMES)
def test_a_loss_can_be_staged(name: str, loss: Any, args: Any) -> None:
    tensors = [ad.tensor(x) for x in args]
    graph = ad.trace(ad.value_and_grad(loss), *tensors)
    value, gradient = (np.asarray(x) for x in evaluate(graph, [t.numpy() for t in tensors]))
    wanted, expected = ad.value_and_grad(loss)(*tensors)
    assert value == pytest.approx(wanted.item(), rel=1e-12)
    assert np.allclose(gradient, expected.numpy(), rtol=1e-12)


def test_parts_make_accumulation_over_unequal_batches_exact() -> None:
    x, y = normal(7, 4), np.array([0, 1, -100, 2, 3, -100, 1])
    weight = np.array([0.5, 1.0, 2.0, 3.0])
    whole = F.cross_entropy(x, y, weight)
    total, count = 0.0, 0.0
    for rows in (slice(0, 3), slice(3, 4), slice(4, 7)):
        part, n = F.cross_entropy(x[rows], y[rows], weight, reduction="parts")
        total, count = total + part, count + n
    assert (total / count).item() == pytest.approx(whole.item(), rel=1e-14)
    means = [F.cross_entropy(x[r], y[r], weight).item() for r in (slice(0, 3), slice(3, 7))]
    assert np.mean(means) != pytest.approx(whole.item(), rel=1e-3)


def test_the_gradient_of_cross_entropy_is_probability_minus_label() -> None:
    x, y = ad.tensor(normal(3, 4)), ad.tensor(LABELS)
    g = ad.grad(lambda x: F.cross_entropy(x, y, reduction="sum"))(x)
    wanted = ad.softmax(x, axis=1) - F.one_hot(y, 4)
    assert np.allclose(g.numpy(), wanted.numpy(), rtol=1e-14, atol=1e-16)


def test_the_gradient_of_cross_entropy_takes_no_logarithm_and_no_exponential_again() -> None:
    x, y = ad.tensor(normal(3, 4)), ad.tensor(LABELS)
    text = str(ad.trace(ad.value_and_grad(F.cross_entropy), x, y))
    assert text.count("= exp(") == 1
    assert text.count("= log(") == 1
    forward = str(ad.trace(F.cross_entropy, x, y))
    assert forward.count("= log(") == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1e4, 1e30])
def test_scores_of_any_size_are_finite(dtype: str, size: float) -> None:
    x = ad.tensor(np.array([[size, -size], [-size, size], [size, size]], dtype))
    y = ad.tensor([0, 0, 1])
    value, g = ad.value_and_grad(lambda x: F.cross_entropy(x, y, reduction="sum"))(x)
    assert value.item() == pytest.approx(2 * size + math.log(2), rel=1e-6)
    assert np.allclose(g.numpy(), [[0, 0], [-1, 1], [0.5, -0.5]])
    p = ad.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]).astype(dtype)
    assert np.isfinite(ad.grad(lambda x: F.cross_entropy(x, p))(x).numpy()).all()
    yes = ad.tensor([[1.0, 1.0], [1.0, 0.0], [0.5, 0.0]]).astype(dtype)
    for options in ({}, {"pos_weight": 3.0}):
        value, g = ad.value_and_grad(
            lambda x, options=options: F.binary_cross_entropy_with_logits(x, yes, **options)
        )(x)
        assert np.isfinite(value.item())
        assert np.isfinite(g.numpy()).all()


def test_certainties_cost_a_hundred() -> None:
    p, y = ad.tensor([0.0, 1.0, 0.0, 1.0]), ad.tensor([1.0, 0.0, 0.0, 1.0])
    assert F.binary_cross_entropy(p, y, reduction="none").tolist() == [100, 100, 0, 0]
    g = ad.grad(lambda p: F.binary_cross_entropy(p, y, reduction="sum"))(p)
    assert np.allclose(g.numpy(), [-1e12, 1e12, 1, -1])


def test_values_by_hand() -> None:
    x, y = ad.tensor([0.0, 3.0]), ad.tensor([1.0, 1.0])
    assert F.huber_loss(x, y, "none").tolist() == [0.5, 1.5]
    assert F.smooth_l1_loss(x, y, "none", beta=0.0).tolist() == [1.0, 2.0]
    assert F.mse_loss(x, y).item() == 2.5
    assert F.one_hot(ad.tensor([[1], [0]]), 2).tolist() == [[[0, 1]], [[1, 0]]]
    parallel = F.cosine_similarity(ad.tensor([[1.0, 2.0]]), ad.tensor([[2.0, 4.0]]))
    assert parallel.item() == pytest.approx(1, rel=1e-6)


def test_the_similarity_to_a_zero_vector_has_a_finite_gradient() -> None:
    x, y = ad.zeros((1, 3)), ad.ones((1, 3))
    assert np.isfinite(ad.grad(lambda x: F.cosine_similarity(x, y).sum())(x).numpy()).all()


def test_a_layer_holds_the_options() -> None:
    loss = nn.CrossEntropyLoss(ad.tensor([1.0, 3.0]), ignore_index=7, reduction="parts")
    total, count = loss(ad.zeros((3, 2)), ad.tensor([0, 7, 1]))
    assert count.item() == 4.0
    assert total.item() == pytest.approx(4 * math.log(2))
    assert repr(loss) == (
        "CrossEntropyLoss(ignore_index=7, reduction='parts', label_smoothing=0.0)"
    )
    assert repr(nn.MSELoss()) == "MSELoss(reduction='mean')"


REFUSED: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: F.mse_loss(X, Y[0]), ShapeError, r"input has shape \(3, 4\), target \(4,\)"),
    (lambda: F.mse_loss(X, Y, "avg"), ArgumentError, "reduction is one of 'mean', 'sum'"),
    (lambda: nn.MSELoss("avg"), ArgumentError, "MSELoss: reduction is one of"),
    (lambda: F.cross_entropy(X, LABELS[:2]), ShapeError, r"have shape \(3,\), got \(2,\)"),
    (lambda: F.cross_entropy(X, LABELS, YES[:, 0]), ShapeError, "but there are 4 classes"),
    (lambda: F.cross_entropy(X, LABELS, label_smoothing=2), ArgumentError, "from 0 to 1, got 2"),
    (lambda: F.cross_entropy(X, P[:, :2]), ShapeError, "target"),
    (lambda: F.cross_entropy(1.0, 0), ShapeError, "no axis of classes"),
    (lambda: F.nll_loss(X, P), DTypeError, "labels are integers, got float64"),
    (lambda: F.one_hot(LABELS, 2), ArgumentError, r"the label 2 at \[1\] is not from 0 to 1"),
    (lambda: F.huber_loss(X, Y, delta=0), ArgumentError, "delta must be positive"),
    (lambda: F.smooth_l1_loss(X, Y, beta=-1), ArgumentError, "beta must not be negative"),
    (lambda: F.gaussian_nll_loss(X, Y, YES[:2]), ShapeError, "var has shape"),
    (lambda: F.binary_cross_entropy(X, YES), ArgumentError, "with_logits"),
    (lambda: F.cosine_embedding_loss(X, Y, 1.0), ShapeError, r"it is \(3,\)"),
]


@pytest.mark.parametrize(("call", "error", "text"), REFUSED)
def test_what_does_not_fit_is_refused(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()
