"""Recurrent layers: beside a loop over cells, and sequences of different lengths."""

from typing import Any

import numpy as np
import pytest

import adjoint as ad

nn = ad.nn


def values(*shape: int) -> Any:
    return ad.tensor(np.random.default_rng(0).normal(size=shape))


def test_a_layer_is_a_loop_over_its_cell() -> None:
    x = values(5, 2, 3)
    for name in ("RNN", "LSTM", "GRU"):
        layer = getattr(nn, name)(3, 4, dtype="float64")
        cell = getattr(nn, f"{name}Cell")(3, 4, dtype="float64")
        state = layer.state_dict().items()
        cell.load_state_dict({n.removesuffix("_l0"): x for n, x in state})
        hx, outs = None, []
        for t in range(5):
            hx = cell(x[t], hx)
            outs.append(hx[0] if name == "LSTM" else hx)
        ys, last = layer(x)
        np.testing.assert_allclose(ys.detach(), ad.stack(outs).detach(), rtol=1e-12)
        parts = zip(last, hx, strict=True) if name == "LSTM" else [(last, hx)]
        for a, b in parts:
            np.testing.assert_allclose(a[0].detach(), b.detach(), rtol=1e-12)


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_a_sequence_does_not_notice_what_it_is_filled_up_with(name: str) -> None:
    lengths = [4, 1, 3]
    layer = getattr(nn, name)(3, 4, 2, bidirectional=True, dtype="float64")
    x = values(4, 3, 3)
    ys, last = layer(x, lengths=lengths)
    h = last[0] if name == "LSTM" else last
    for i, length in enumerate(lengths):
        alone, end = layer(x[:length, i])
        np.testing.assert_allclose(ys[:length, i].detach(), alone.detach(), rtol=1e-12)
        np.testing.assert_array_equal(ys[length:, i].detach(), 0)
        end = end[0] if name == "LSTM" else end
        np.testing.assert_allclose(h[:, i].detach(), end.detach(), rtol=1e-12)


def test_no_gradient_reaches_what_a_sequence_is_filled_up_with() -> None:
    layer = nn.GRU(3, 4, batch_first=True, dtype="float64")
    x = values(2, 5, 3)
    x.requires_grad = True
    layer(x, lengths=[5, 2])[0].sum().backward()
    assert np.abs(x.grad.numpy()[1, :2]).min() > 0
    np.testing.assert_array_equal(x.grad.numpy()[1, 2:], 0)


def test_lengths_may_be_a_tensor() -> None:
    layer = nn.RNN(3, 4, dtype="float64")
    x = values(4, 2, 3)
    a, b = layer(x, lengths=[4, 2])[0], layer(x, lengths=ad.tensor([4, 2]))[0]
    np.testing.assert_array_equal(a.detach(), b.detach())
    graph = ad.trace(lambda n: layer(x, lengths=n)[0], ad.tensor([4, 2]))
    assert "scan" in str(graph)


def test_dropout_stands_between_layers_in_training_only() -> None:
    layer = nn.LSTM(3, 4, 2, dropout=1.0, dtype="float64")
    x = values(5, 2, 3)
    a, b = layer(x)[0].detach(), layer(x * 2.0)[0].detach()
    np.testing.assert_array_equal(a, b)  # the second layer sees nothing
    layer.eval()
    assert np.abs(layer(x)[0].detach() - layer(x * 2.0)[0].detach()).max() > 1e-6


def test_names_of_the_weights() -> None:
    layer = nn.LSTM(3, 4, 2, bidirectional=True, proj_size=2)
    names = ["weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"]
    suffixes = ["_l0", "_l0_reverse", "_l1", "_l1_reverse"]
    assert list(layer.state_dict()) == [n + s for s in suffixes for n in names]


def test_derivatives() -> None:
    x = values(2, 1, 1)
    for name in ("RNN", "LSTM", "GRU"):
        layer = getattr(nn, name)(1, 2, dtype="float64")
        ad.testing.check_grads(
            lambda m, x: m(x, lengths=[1])[0], (layer, x), order=1, elementwise=8
        )


def test_what_is_refused() -> None:
    layer = nn.GRU(3, 4)
    with pytest.raises(ad.errors.ShapeError, match="last of size 3"):
        layer(ad.ones((5, 2, 2)))
    with pytest.raises(ad.errors.ShapeError, match=r"\(1, 2, 4\)"):
        layer(ad.ones((5, 2, 3)), ad.ones((1, 3, 4)))
    with pytest.raises(ad.errors.ShapeError, match="lengths"):
        layer(ad.ones((5, 2, 3)), lengths=[5, 4, 3])
    with pytest.raises(ad.errors.ArgumentError, match="proj_size"):
        nn.LSTM(3, 4, proj_size=4)
    with pytest.raises(ad.errors.ArgumentError, match="nonlinearity"):
        nn.RNN(3, 4, nonlinearity="sin")(ad.ones((5, 2, 3)))
