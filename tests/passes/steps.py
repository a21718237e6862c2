"""Training steps written with plain tensors: what real graphs look like before the passes.

Each is a function of parameters, optimizer state and data that returns the loss and what is new,
with arguments of small sizes; all are smooth enough to be computed with random numbers.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

import adjoint as ad

Step = tuple[Callable[..., Any], tuple[Any, ...]]
F = np.float32


def adam(ps: list[Any], gs: list[Any], state: Any, lr: Any) -> tuple[list[Any], Any]:
    """The Adam update of Kingma and Ba, with a step count that is a tensor."""
    count, ms, vs = state
    count = count + 1.0
    one, two = 1.0 - 0.9**count, 1.0 - 0.999**count
    new, new_ms, new_vs = [], [], []
    for p, g, m, v in zip(ps, gs, ms, vs, strict=True):
        m = 0.9 * m + (1.0 - 0.9) * g
        v = 0.999 * v + (1.0 - 0.999) * g * g
        new.append(p - lr * (m / one) / (ad.sqrt(v / two) + 1e-8))
        new_ms.append(m)
        new_vs.append(v)
    return new, (count, new_ms, new_vs)


def step_of(loss: Callable[..., Any]) -> Callable[..., Any]:
    """The training step of a loss: value, gradients by `backward`, Adam."""

    def step(ps: list[Any], state: Any, lr: Any, *data: Any) -> Any:
        value, gs = ad.value_and_grad(loss)(ps, *data)
        return value, adam(ps, gs, state, lr)

    return step


def state_for(ps: list[Any]) -> Any:
    zeros = [np.zeros_like(p) for p in ps]
    return (np.ones((), F), zeros, [z + F(1) for z in zeros])


def cross_entropy(logits: Any, labels: Any) -> Any:
    logp = ad.log_softmax(logits, axis=-1)
    return -ad.mean(ad.take_along_axis(logp, ad.expand_dims(labels, axis=-1), axis=-1))


def _arrays(*shapes: tuple[int, ...]) -> list[Any]:
    rng = np.random.default_rng(0)
    return [(rng.normal(size=s) / 2).astype(F) for s in shapes]


def _step(loss: Any, shapes: Any, *data: Any) -> Step:
    ps = _arrays(*shapes)
    return step_of(loss), (ps, state_for(ps), np.asarray(1e-3, F), *data)


# -- workloads -------------------------------------------------------------------------------------


def mlp_loss(ps: list[Any], x: Any, labels: Any) -> Any:
    w1, b1, w2, b2, w3, b3 = ps
    h = ad.relu(x @ w1 + b1)
    h = ad.relu(h @ w2 + b2)
    return cross_entropy(h @ w3 + b3, labels)


def mlp() -> Step:
    shapes = (7, 8), (8,), (8, 6), (6,), (6, 5), (5,)
    return _step(mlp_loss, shapes, *_arrays((4, 7)), np.array([0, 3, 4, 1]))


def batch_norm(x: Any, gain: Any, shift: Any) -> Any:
    mean = ad.mean(x, axis=(0, 2, 3), keepdims=True)
    var = ad.var(x, axis=(0, 2, 3), keepdims=True)
    x = (x - mean) / ad.sqrt(var + 1e-5)
    return x * gain.reshape((1, -1, 1, 1)) + shift.reshape((1, -1, 1, 1))


def cnn_loss(ps: list[Any], x: Any, labels: Any) -> Any:
    k1, g1, s1, k2, g2, s2, w, b = ps
    x = ad.relu(batch_norm(ad.conv2d(x, k1, padding=1), g1, s1))
    x = ad.max_pool2d(x, 2)
    x = x + ad.relu(batch_norm(ad.conv2d(x, k2, padding=1), g2, s2))
    x = ad.mean(x, axis=(2, 3))
    return cross_entropy(x @ w + b, labels)


def cnn() -> Step:
    shapes = (4, 3, 3, 3), (4,), (4,), (4, 4, 3, 3), (4,), (4,), (4, 5), (5,)
    return _step(cnn_loss, shapes, *_arrays((2, 3, 8, 8)), np.array([2, 4]))


def layer_norm(x: Any, gain: Any, shift: Any) -> Any:
    mean = ad.mean(x, axis=-1, keepdims=True)
    var = ad.var(x, axis=-1, keepdims=True)
    return (x - mean) * ad.rsqrt(var + 1e-5) * gain + shift


def gelu(x: Any) -> Any:
    return 0.5 * x * (1.0 + ad.tanh(0.7978845608 * (x + 0.044715 * x**3)))


HEADS = 2


def block_loss(ps: list[Any], tokens: Any, labels: Any) -> Any:
    table, place, g1, s1, wqkv, bqkv, wo, bo, g2, s2, w1, b1, w2, b2, g3, s3 = ps
    x = ad.take(table, tokens, axis=0) + place
    n, t, d = x.shape
    h = layer_norm(x, g1, s1)
    qkv = (h @ wqkv + bqkv).reshape((n, t, 3, HEADS, d // HEADS))
    q, k, v = (ad.permute_dims(qkv[:, :, i], (0, 2, 1, 3)) for i in range(3))
    scores = q @ k.mT * (d // HEADS) ** -0.5
    mask = ad.tensor(np.tril(np.ones((t, t), bool)))
    weights = ad.softmax(ad.where(mask, scores, -np.inf), axis=-1)
    mixed = ad.permute_dims(weights @ v, (0, 2, 1, 3)).reshape((n, t, d))
    x = x + mixed @ wo + bo
    h = layer_norm(x, g2, s2)
    x = x + gelu(h @ w1 + b1) @ w2 + b2
    logits = layer_norm(x, g3, s3) @ table.T
    return cross_entropy(logits, labels)


def block() -> Step:
    d, t, words = 8, 6, 11
    shapes = (
        *((words, d), (t, d), (d,), (d,), (d, 3 * d), (3 * d,), (d, d), (d,)),
        *((d,), (d,), (d, 4 * d), (4 * d,), (4 * d, d), (d,), (d,), (d,)),
    )
    tokens = np.random.default_rng(1).integers(0, words, (2, t))
    return _step(block_loss, shapes, tokens, tokens[:, ::-1].copy())


def lstm_loss(ps: list[Any], xs: Any, labels: Any) -> Any:
    wx, wh, b, w, c = ps
    n, d = xs.shape[1], wh.shape[0]

    def cell(carry: Any, x: Any) -> Any:
        h, memory = carry
        gates = x @ wx + h @ wh + b
        i, f, g, o = (gates[:, k * d : (k + 1) * d] for k in range(4))
        memory = ad.sigmoid(f) * memory + ad.sigmoid(i) * ad.tanh(g)
        h = ad.sigmoid(o) * ad.tanh(memory)
        return (h, memory), h

    zero = ad.zeros((n, d), dtype=F)
    (h, _), _ = ad.scan(cell, (zero, zero), xs)
    return cross_entropy(h @ w + c, labels)


def lstm() -> Step:
    d = 5
    shapes = (3, 4 * d), (d, 4 * d), (4 * d,), (d, 4), (4,)
    return _step(lstm_loss, shapes, *_arrays((7, 2, 3)), np.array([2, 3]))


STEPS: dict[str, Callable[[], Step]] = {"mlp": mlp, "cnn": cnn, "block": block, "lstm": lstm}
