"""Linear layers, activations, embeddings and dropout without another library to compare with."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint import nn
from adjoint.core.errors import ArgumentError, AxisError, DTypeError, ShapeError
from adjoint.core.program import evaluate
from adjoint.testing import check_grads

F = nn.functional
RNG = np.random.default_rng(3)
AWAY = np.array([-4.1, -2.2, -0.9, -0.2, 0.3, 0.8, 1.9, 4.4])
"""Far from every kink."""

SMOOTH: list[Callable[[Any], Any]] = [
    F.celu,
    F.elu,
    F.gelu,
    lambda x: F.gelu(x, "tanh"),
    F.glu,
    F.hardshrink,
    F.hardsigmoid,
    F.hardswish,
    F.hardtanh,
    F.leaky_relu,
    F.logsigmoid,
    F.mish,
    lambda x: F.prelu(x, ad.tensor([0.3]).astype(x.dtype)),
    F.relu6,
    F.selu,
    F.silu,
    F.softmin,
    F.softplus,
    F.softshrink,
    F.softsign,
    F.tanhshrink,
    lambda x: F.threshold(x, 0.5, 2.0),
]


@pytest.mark.parametrize("f", SMOOTH)
def test_activations_in_both_modes_and_of_second_order(f: Any) -> None:
    check_grads(f, (AWAY,))


@pytest.mark.parametrize("f", SMOOTH)
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_activations_keep_the_dtype_and_stay_finite(f: Any, dtype: str) -> None:
    x = ad.tensor(np.array([-1e4, -30, 0, 30, 1e4, 0], dtype), requires_grad=True)
    out = f(x)
    assert out.dtype == np.dtype(dtype)
    assert np.isfinite(out.detach().numpy()).all()
    out.sum().backward()
    assert np.isfinite(x.grad.numpy()).all()


def test_linear_and_bilinear() -> None:
    x, w, b = RNG.normal(size=(2, 3)), RNG.normal(size=(4, 3)), RNG.normal(size=4)
    assert np.allclose(F.linear(x, ad.tensor(w), ad.tensor(b)).numpy(), x @ w.T + b)
    assert F.linear(x, ad.tensor(w[0])).shape == (2,)
    y, t = RNG.normal(size=(2, 5)), RNG.normal(size=(4, 3, 5))
    wanted = np.einsum("bi,kij,bj->bk", x, t, y) + b
    assert np.allclose(F.bilinear(x, y, ad.tensor(t), ad.tensor(b)).numpy(), wanted)
    check_grads(F.linear, (x, w, b))
    check_grads(F.bilinear, (x, y, t, b))


def test_layers_draw_from_the_generator_that_they_get() -> None:
    for make in (
        lambda g: nn.Linear(3, 2, generator=g),
        lambda g: nn.Bilinear(3, 2, 2, generator=g),
        lambda g: nn.Embedding(3, 2, generator=g),
    ):
        a, b = make(ad.random.Generator(1)), make(ad.random.Generator(1))
        assert a.weight.tolist() == b.weight.tolist()
    layer = nn.Linear(16, 64, dtype="float64")
    assert layer.weight.dtype == layer.bias.dtype == np.float64
    assert 0.2 < float(abs(layer.weight).max()) <= 0.25


def test_reshaping_layers() -> None:
    x = ad.ones((2, 3, 4, 5))
    assert nn.Flatten()(x).shape == (2, 60)
    assert nn.Flatten(-2)(x).shape == (2, 3, 20)
    assert nn.Unflatten(-1, (5, 1))(x).shape == (2, 3, 4, 5, 1)
    assert nn.Identity("anything", at=1)(x) is x
    assert repr(nn.Unflatten(1, (3, -1))) == "Unflatten(dim=1, unflattened_size=(3, -1))"


def test_an_embedding_adds_up_the_gradients_of_a_row() -> None:
    table = nn.Embedding(4, 2, padding_idx=0, sparse=True)
    assert table.weight[0].tolist() == [0.0, 0.0]
    assert table.sparse
    table(ad.tensor([[1, 1, 3], [0, 0, 1]])).sum().backward()
    assert table.weight.grad.tolist() == [[0, 0], [3, 3], [0, 0], [1, 1]]
    assert repr(table) == "Embedding(4, 2, padding_idx=0, sparse=True)  # 8 parameters"


def test_a_pretrained_table_is_frozen_unless_said_otherwise() -> None:
    rows = np.arange(6.0).reshape(3, 2)
    table = nn.Embedding.from_pretrained(rows, padding_idx=-1)
    assert table.weight.tolist() == rows.tolist()
    assert table.padding_idx == 2
    assert not table.weight.requires_grad
    bag = nn.EmbeddingBag.from_pretrained(rows, freeze=False, mode="sum")
    assert bag.weight.requires_grad
    assert bag(ad.tensor([0, 1, 2]), ad.tensor([0, 2])).tolist() == [[2, 4], [4, 5]]
    assert repr(bag) == "EmbeddingBag(3, 2, mode='sum')  # 6 parameters"


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_bags_in_both_modes_and_empty(mode: str) -> None:
    table = RNG.normal(size=(5, 2))
    index, starts = ad.tensor([0, 3, 1, 3]), ad.tensor([0, 0, 3])
    check_grads(lambda w: F.embedding_bag(index, w, starts, mode), (table,))
    assert F.embedding_bag(index, ad.tensor(table), starts, mode)[0].tolist() == [0, 0]
    rows = [[], [0, 3, 1], [3]]
    f = {"sum": np.sum, "mean": np.mean, "max": np.max}[mode]
    wanted = [f(table[r], axis=0) if r else np.zeros(2) for r in rows]
    assert np.allclose(F.embedding_bag(index, ad.tensor(table), starts, mode).numpy(), wanted)


DROPOUTS: list[tuple[Any, tuple[int, ...]]] = [
    (nn.Dropout, (50, 40)),
    (nn.Dropout1d, (50, 40, 3)),
    (nn.Dropout2d, (50, 40, 3, 2)),
    (nn.Dropout3d, (50, 40, 2, 2, 2)),
]


@pytest.mark.parametrize(("cls", "shape"), DROPOUTS)
def test_dropout_drops_whole_channels_and_keeps_the_mean(cls: Any, shape: Any) -> None:
    layer = cls(0.25, generator=ad.random.Generator(0))
    x = ad.tensor(np.ones(shape, np.float32), requires_grad=True)
    out = layer(x)
    values = out.detach().numpy().reshape(50, 40, -1)
    assert (values == values[..., :1]).all()
    assert set(np.unique(values)) == {0.0, np.float32(1 / 0.75)}
    assert abs(values.mean() - 1) < 0.05
    out.sum().backward()
    assert (x.grad.numpy() == out.detach().numpy()).all()
    assert (layer(x).detach().numpy() != out.detach().numpy()).any()
    assert layer.eval()(x).tolist() == x.tolist()


def test_dropout_of_nothing_and_of_everything() -> None:
    x = ad.ones(5)
    for f in (F.dropout, F.alpha_dropout):
        assert f(x, 0.0).tolist() == [1] * 5
        assert f(x, 1.0).tolist() == [0] * 5
        assert f(x, 0.5, training=False).tolist() == [1] * 5


def test_alpha_dropout_keeps_mean_and_variance() -> None:
    x = ad.random.normal(size=40000, generator=ad.random.Generator(0))
    out = nn.AlphaDropout(0.3, generator=ad.random.Generator(1))(x).numpy()
    assert abs(out.mean()) < 0.02
    assert abs(out.std() - 1) < 0.02


def test_a_gumbel_softmax_is_one_hot_if_hard() -> None:
    logits = ad.tensor(RNG.normal(size=(4, 3)), requires_grad=True)
    hard = F.gumbel_softmax(logits, hard=True, generator=ad.random.Generator(2))
    soft = F.gumbel_softmax(logits, generator=ad.random.Generator(2))
    assert np.allclose(np.sort(hard.detach().numpy(), axis=1), [[0, 0, 1]] * 4)
    ct = RNG.normal(size=(4, 3))
    hard.backward(ct)
    first = logits.grad.numpy().copy()
    logits.grad = None
    soft.backward(ct)
    assert np.allclose(first, logits.grad.numpy())


def test_a_network_can_be_staged() -> None:
    model = nn.Sequential(
        nn.Embedding(7, 4, padding_idx=0),
        nn.Flatten(),
        nn.Linear(12, 8),
        nn.PReLU(8),
        nn.Dropout(0.5).eval(),
        nn.Linear(8, 3),
        nn.LogSoftmax(dim=1),
    )
    index = ad.tensor([[1, 0, 6], [2, 2, 5]])
    graph = ad.trace(lambda m, i: m(i), model, index)
    arrays = [*(p.detach().numpy() for p in model.parameters()), index.numpy()]
    (out,) = (np.asarray(x) for x in evaluate(graph, arrays))
    assert np.allclose(out, model(index).detach().numpy(), rtol=1e-6)


REFUSED: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: nn.Embedding(3, 2, max_norm=1.0), ArgumentError, "max_norm is not supported"),
    (lambda: nn.Embedding(3, 2, padding_idx=3), ArgumentError, "padding_idx 3 names no row"),
    (lambda: nn.Embedding(3, 2)(ad.tensor([3])), ArgumentError, "index 3 names no row"),
    (lambda: nn.Embedding(3, 2)(ad.tensor([-1])), ArgumentError, "index -1 names no row"),
    (lambda: nn.Embedding(3, 2)(ad.tensor([1.0])), DTypeError, "indices are integers"),
    (lambda: nn.EmbeddingBag(3, 2)(ad.tensor([1])), ArgumentError, "without offsets"),
    (lambda: nn.EmbeddingBag(3, 2, mode="min")(ad.tensor([[1]])), ArgumentError, "got 'min'"),
    (
        lambda: nn.EmbeddingBag(3, 2)(ad.tensor([[1]]), None, ad.ones((1, 1))),
        ArgumentError,
        "go with mode='sum', not with 'mean'",
    ),
    (lambda: nn.Dropout(1.5), ArgumentError, "Dropout: p must be from 0 to 1, got 1.5"),
    (lambda: nn.Dropout2d()(ad.ones((2, 2))), ShapeError, "needs 3 or 4 axes"),
    (lambda: nn.GELU("erf")(ad.ones(2)), ArgumentError, "'none' or 'tanh', got 'erf'"),
    (lambda: nn.GLU()(ad.ones(3)), ShapeError, "cannot be halved"),
    (lambda: nn.PReLU(3)(ad.ones((2, 4))), ShapeError, "3 slopes, but x of shape"),
    (lambda: nn.Softshrink(-1.0)(ad.ones(2)), ArgumentError, "must not be negative"),
    (lambda: nn.Flatten(2)(ad.ones((2, 3))), AxisError, "axes 2 to -1 do not exist"),
    (lambda: nn.Unflatten(3, (1,))(ad.ones((2, 3))), AxisError, "axis 3 does not exist"),
    (lambda: nn.Unflatten(1, (2, 2))(ad.ones((2, 3))), ShapeError, "3 elements do not fit"),
]


@pytest.mark.parametrize(("call", "error", "text"), REFUSED)
def test_what_does_not_fit_is_refused(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()
