"""The mixture of experts: routing, capacity, and losses that keep experts busy."""

from typing import Any

import numpy as np
import pytest

import adjoint as ad

nn = ad.nn
F = ad.nn.functional


def values(*shape: int) -> Any:
    return ad.tensor(np.random.default_rng(0).normal(size=shape))


def mixture(**kwargs: Any) -> Any:
    generator = ad.random.Generator(0)
    return nn.MixtureOfExperts(4, 6, 3, dtype="float64", generator=generator, **kwargs)


def test_one_expert_is_a_network() -> None:
    layer = nn.MixtureOfExperts(4, 6, 1, top_k=1, dtype="float64")
    x = values(5, 4)
    w = {name: p.numpy() for name, p in layer.state_dict().items()}
    inner = F.gelu(x @ w["weight1"][0].T + w["bias1"][0])
    expected = inner @ w["weight2"][0].T + w["bias2"][0]
    np.testing.assert_allclose(layer(x).detach(), expected, rtol=1e-12)


def test_enough_room_changes_nothing() -> None:
    free, roomy = mixture(), mixture(capacity_factor=3.0)
    x = values(2, 5, 4)
    np.testing.assert_allclose(roomy(x).detach(), free(x).detach(), rtol=1e-10)


def test_what_finds_no_room_contributes_nothing() -> None:
    layer = mixture(capacity_factor=1.0, top_k=1, normalize=False)
    x = ad.broadcast_to(values(4), (6, 4))  # all want the same expert, which has room for two
    out = layer(x).detach().numpy()
    assert np.abs(out[:2]).max() > 0
    np.testing.assert_array_equal(out[2:], 0)


def test_noise_in_training_only() -> None:
    layer, x = mixture(noise=True), values(5, 4)
    a, b = layer(x).detach().numpy(), layer(x).detach().numpy()
    assert np.abs(a - b).max() > 0
    layer.eval()
    np.testing.assert_array_equal(layer(x).detach(), layer(x).detach())


def test_the_loss_is_least_where_all_are_equally_busy() -> None:
    even = ad.full((6, 3), 1 / 3)
    loss = F.load_balancing_loss(even, ad.arange(6)[:, None] % 3)
    np.testing.assert_allclose(loss.item(), 1.0, rtol=1e-6)
    certain = ad.tensor([[1.0, 0.0, 0.0]] * 6)
    assert F.load_balancing_loss(certain, ad.zeros((6, 1), dtype="int64")).item() == 3.0
    gates = ad.ones((6, 1))
    assert F.importance_loss(gates, ad.arange(6)[:, None] % 3, 3).item() == 0.0


def test_gates() -> None:
    logits = ad.tensor([[1.0, 3.0, 2.0]])
    gates, chosen = F.top_k_gates(logits, 2)
    np.testing.assert_array_equal(chosen.numpy(), [[1, 2]])
    np.testing.assert_allclose(gates.sum().item(), 1.0, rtol=1e-6)
    among_all, _ = F.top_k_gates(logits, 2, normalize=False)
    np.testing.assert_allclose(among_all.numpy(), np.sort(ad.softmax(logits).numpy())[:, :0:-1])


@pytest.mark.parametrize("factor", [None, 1.0])
def test_derivatives(factor: float | None) -> None:
    layer = nn.MixtureOfExperts(2, 2, 2, 1, normalize=False, capacity_factor=factor).to("float64")
    ad.testing.check_grads(
        lambda m, x: m(x, return_loss=True), (layer, values(3, 2)), order=1, elementwise=8
    )


def test_what_is_refused() -> None:
    with pytest.raises(ad.errors.ArgumentError, match="top_k"):
        nn.MixtureOfExperts(4, 6, 3, top_k=4)
