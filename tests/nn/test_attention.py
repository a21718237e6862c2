"""Attention, positions and transformers: what they must not depend on."""

import math
from typing import Any

import numpy as np
import pytest

import adjoint as ad

nn = ad.nn
F = ad.nn.functional
E, N, L = 8, 3, 5


def values(*shape: int, seed: int = 0) -> Any:
    return ad.tensor(np.random.default_rng(seed).normal(size=shape))


def attention(**kwargs: Any) -> Any:
    return nn.MultiHeadAttention(E, 2, batch_first=True, dtype="float64", **kwargs)


def test_attention_by_hand() -> None:
    q, k = ad.tensor([[1.0, 0.0]]), ad.tensor([[1.0, 0.0], [0.0, 1.0]])
    v = ad.tensor([[1.0], [5.0]])
    out = F.scaled_dot_product_attention(q, k, v, scale=math.log(3.0))
    np.testing.assert_allclose(out.numpy(), [[0.75 * 1 + 0.25 * 5]], rtol=1e-6)


def test_the_order_of_the_keys_does_not_matter() -> None:
    layer, x, order = attention(), values(N, L, E), [3, 0, 4, 2, 1]
    out = layer(x, x, x)[0].detach()
    permuted = layer(x, x[:, order], x[:, order])[0].detach()
    np.testing.assert_allclose(permuted, out, rtol=1e-12)


def test_the_past_does_not_see_the_future() -> None:
    layer, x, later = attention(), values(N, L, E), values(N, L, E, seed=1)
    y = ad.concat([x[:, :3], later[:, 3:]], axis=1)
    a, b = (layer(z, z, z, is_causal=True)[0].detach().numpy() for z in (x, y))
    np.testing.assert_array_equal(a[:, :3], b[:, :3])
    assert np.abs(a[:, 3:] - b[:, 3:]).min() > 0


def test_three_ways_to_say_causal() -> None:
    layer, x = attention(), values(N, L, E)
    later = np.triu(np.ones((L, L), bool), 1)
    masks = (
        {"is_causal": True},
        {"attn_mask": later},
        {"attn_mask": nn.Transformer.generate_square_subsequent_mask(L, "float64")},
        {"is_causal": True, "key_padding_mask": np.zeros((N, L), bool)},
        {"is_causal": True, "need_weights": False},
        {"is_causal": True, "need_weights": False, "attn_mask": np.zeros((L, L), bool)},
    )
    outs = [layer(x, x, x, **mask)[0].detach().numpy() for mask in masks]
    for out in outs[1:]:
        np.testing.assert_allclose(out, outs[0], rtol=1e-12)


def test_extra_keys_are_seen_by_all() -> None:
    layer, x = attention(add_bias_kv=True, add_zero_attn=True), values(N, L, E)
    later = np.triu(np.ones((L, L), bool), 1)
    a, b = layer(x, x, x, is_causal=True), layer(x, x, x, attn_mask=later)
    np.testing.assert_allclose(a[0].detach(), b[0].detach(), rtol=1e-12)
    assert a[1].shape == (N, L, L + 2)
    assert (a[1].detach().numpy()[..., L:] > 0).all()


def test_first_values_are_in_pytorchs_range() -> None:
    layer = nn.MultiHeadAttention(64, 2, add_bias_kv=True, generator=ad.random.Generator(0))
    bound = math.sqrt(6 / (64 + 3 * 64))
    assert 0.95 * bound < np.abs(layer.in_proj_weight.detach().numpy()).max() <= bound
    assert not layer.in_proj_bias.detach().numpy().any()
    assert not layer.out_proj.bias.detach().numpy().any()
    np.testing.assert_allclose(layer.bias_k.detach().numpy().std(), 1 / 8, rtol=0.3)


def test_padding_is_not_seen() -> None:
    layer, x = attention(), values(N, L, E)
    padding = np.zeros((N, L), bool)
    padding[:, 3:] = True
    full = layer(x, x, x, key_padding_mask=padding)[0].detach()
    short = layer(x[:, :3], x[:, :3], x[:, :3])[0].detach()
    np.testing.assert_allclose(full[:, :3], short, rtol=1e-12)


def test_a_query_that_sees_nothing_mixes_zeros() -> None:
    q = values(2, 4)
    q.requires_grad = True
    hidden = np.array([[True, True], [False, False]])
    out = F.scaled_dot_product_attention(q, q, q, hidden)
    np.testing.assert_array_equal(out.detach()[1], 0)
    out.sum().backward()
    assert np.isfinite(q.grad.numpy()).all()
    minus = np.where(hidden, 0.0, -np.inf)
    np.testing.assert_array_equal(
        F.scaled_dot_product_attention(q, q, q, minus).detach(), out.detach()
    )


def test_weights_add_up_to_one() -> None:
    layer, x = attention(), values(N, L, E)
    _, weights = layer(x, x, x, average_attn_weights=False)
    assert weights.shape == (N, 2, L, L)
    np.testing.assert_allclose(weights.detach().sum(axis=-1), 1.0, rtol=1e-12)
    assert layer(x, x, x, need_weights=False)[1] is None


def test_one_product_or_three_are_the_same() -> None:
    layer, x = attention(), values(N, L, E)
    together = layer(x, x, x)[0].detach()
    apart = layer(x, x + 0.0, x * 1.0)[0].detach()
    np.testing.assert_allclose(apart, together, rtol=1e-12)


def test_dropout_of_weights_in_training_only() -> None:
    layer, x = attention(dropout=0.5), values(N, L, E)
    for need in (True, False):
        a, b = (layer.train()(x, x, x, need_weights=need)[0].detach() for _ in range(2))
        assert np.abs((a - b).numpy()).max() > 0
        a, b = (layer.eval()(x, x, x, need_weights=need)[0].detach() for _ in range(2))
        np.testing.assert_array_equal(a, b)


def test_derivatives() -> None:
    q, k, v = values(2, 3), values(3, 3, seed=1), values(3, 2, seed=2)
    mask = np.array([[True, False, True], [False, False, False]])
    ad.testing.check_grads(F.scaled_dot_product_attention, (q, k, v))
    ad.testing.check_grads(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, mask), (q, k, v))


def test_what_is_refused() -> None:
    with pytest.raises(ad.errors.ArgumentError, match="heads do not divide"):
        nn.MultiHeadAttention(8, 3)
    x = values(N, L, E)
    with pytest.raises(ad.errors.ShapeError, match="attn_mask"):
        attention()(x, x, x, attn_mask=np.zeros((L, L + 1), bool))
    with pytest.raises(ad.errors.ShapeError, match="key_padding_mask"):
        attention()(x, x, x, key_padding_mask=np.zeros((L, N), bool))
    with pytest.raises(ad.errors.ArgumentError, match="not both"):
        F.scaled_dot_product_attention(x, x, x, np.ones((L, L), bool), is_causal=True)


# -- positions -------------------------------------------------------------------------------------


@pytest.mark.parametrize("interleaved", [True, False])
def test_turned_products_depend_on_the_distance_alone(interleaved: bool) -> None:
    turn = nn.RotaryPositions(6, interleaved=interleaved, dtype="float64")
    q, k = ad.broadcast_to(values(8), (9, 8)), ad.broadcast_to(values(8, seed=1), (9, 8))
    products = (turn(q) @ turn(k).T).numpy()
    for distance in range(-8, 9):
        along = np.diagonal(products, distance)
        np.testing.assert_allclose(along, along[0], rtol=1e-9)
    np.testing.assert_allclose(turn(q[2:], start=2), turn(q)[2:], rtol=1e-12)
    np.testing.assert_array_equal(turn(q)[:, 6:], q[:, 6:])  # not turned


def test_waves_in_either_layout() -> None:
    first, last = nn.SinusoidalPositions(4), nn.SinusoidalPositions(4, batch_first=False)
    x = ad.ones((2, 7, 4))
    np.testing.assert_array_equal(first(x), ad.swapaxes(last(ad.swapaxes(x, 0, 1)), 0, 1))
    np.testing.assert_array_equal(first(x)[:, 3:], first(x[:, 3:], start=3))
    assert not first.state_dict()
    table = F.sinusoidal(3, 4).numpy()
    np.testing.assert_allclose(table[2], [math.sin(2), math.cos(2), math.sin(0.02), math.cos(0.02)])


def test_a_table_ends() -> None:
    layer = nn.LearnedPositions(4, 2)
    np.testing.assert_array_equal(layer(ad.zeros((4, 2))).detach(), layer.weight.detach())
    with pytest.raises(ad.errors.ShapeError, match="table of 4"):
        layer(ad.zeros((1, 3, 2)), start=2)
    with pytest.raises(ad.errors.ArgumentError, match="even"):
        nn.RotaryPositions(3)


# -- transformers ----------------------------------------------------------------------------------


def test_copies_of_a_layer_are_trained_apart() -> None:
    layer = nn.TransformerEncoderLayer(E, 2, 16, dropout=0.0, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 2)
    first, second = encoder.layers[0].linear1.weight, encoder.layers[1].linear1.weight
    assert first is not second
    np.testing.assert_array_equal(first.detach(), second.detach())
    encoder(ad.ones((1, 2, E))).sum().backward()
    assert layer.linear1.weight.grad is None
    assert first.grad is not None
    assert sum(1 for _ in encoder.parameters()) == 2 * sum(1 for _ in layer.parameters())


def test_a_decoder_that_is_causal() -> None:
    layer = nn.TransformerDecoderLayer(E, 2, 16, 0.0, batch_first=True, dtype="float64")
    x, memory, later = values(N, L, E), values(N, 4, E), values(N, L, E, seed=1)
    y = ad.concat([x[:, :2], later[:, 2:]], axis=1)
    a, b = (layer(z, memory, tgt_is_causal=True).detach().numpy() for z in (x, y))
    np.testing.assert_array_equal(a[:, :2], b[:, :2])


def test_an_activation_may_be_a_function() -> None:
    named = nn.TransformerEncoderLayer(E, 2, 16, 0.0, "relu")
    given = nn.TransformerEncoderLayer(E, 2, 16, 0.0, lambda x: ad.maximum(x, 0.0))
    given.load_state_dict(named.state_dict())
    x = values(L, N, E).astype("float32")
    np.testing.assert_array_equal(named(x).detach(), given(x).detach())
    with pytest.raises(ad.errors.ArgumentError, match="activation"):
        nn.TransformerEncoderLayer(E, 2, 16, activation="tanh")
