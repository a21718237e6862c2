"""The work, in NumPy: sizes, seeds, first weights, batches, optimizer settings, counts of FLOPs.

Everything that a library needs to do the same work as the others. Nothing here imports one.

* Everything is float32; labels and tokens are int32.
* Dense weights are stored (in, out): ``y = x @ w + b``.
* Weights of convolutions are stored (out, in, kh, kw), images (n, c, h, w). A library that prefers
  channels last converts once, before anything is timed.
* The gates of the LSTM are i, f, g, o, with two biases, of the input and of the state.
* Each workload has four batches, used in turn.
* FLOPs are those of products and convolutions, 2 for a multiply-add: forward and both products of
  the backward pass, without the gradient of data, and without a discount for causal attention.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

N_BATCHES = 4


@dataclass
class Workload:
    """What is trained on what.

    Attributes:
        name: as on the command line.
        about: a line for people.
        config: sizes; ``family`` says which network.
        optimizer: ``kind`` and its settings.
        loss: ``"mse"`` or ``"xent"``.
        params: first weights by name.
        buffers: running statistics by name.
        batches: inputs and targets.
        flops: of a step.
        check_steps: how many steps are compared with the other libraries'.
        check_rtol: by how much their losses may differ.
    """

    name: str
    about: str
    config: dict[str, Any]
    optimizer: dict[str, Any]
    loss: str
    params: dict[str, np.ndarray] = field(default_factory=dict)
    buffers: dict[str, np.ndarray] = field(default_factory=dict)
    batches: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)
    flops: int = 0
    check_steps: int = 10
    check_rtol: float = 5e-3

    def gemm(self, m: int, n: int, k: int, input_grad: bool = True) -> None:
        """Count a product of (m, k) and (k, n) with its gradients."""
        self.flops += 2 * m * n * k * (3 if input_grad else 2)


def _sgd(lr, momentum=0.0):
    return {"kind": "sgd", "lr": lr, "momentum": momentum}


def _adam(lr=1e-3):
    return {"kind": "adam", "lr": lr, "b1": 0.9, "b2": 0.999, "eps": 1e-8, "weight_decay": 0.0}


def _adamw(lr=1e-3, weight_decay=0.01):
    return {
        "kind": "adamw",
        "lr": lr,
        "b1": 0.9,
        "b2": 0.999,
        "eps": 1e-8,
        "weight_decay": weight_decay,
    }


def _f32(a):
    return np.ascontiguousarray(a, dtype=np.float32)


def _dense(rng, n_in, n_out, gain=2.0):
    return _f32(rng.standard_normal((n_in, n_out)) * np.sqrt(gain / n_in))


def _conv(rng, c_out, c_in, k):
    return _f32(rng.standard_normal((c_out, c_in, k, k)) * np.sqrt(2.0 / (c_in * k * k)))


def _zeros(*shape):
    return np.zeros(shape, np.float32)


def _ones(*shape):
    return np.ones(shape, np.float32)


def _labels(rng, n, classes):
    return rng.integers(0, classes, size=n).astype(np.int32)


def _mlp(name, about, sizes, batch, act, optimizer, seed, **kw):
    rng = np.random.default_rng(seed)
    wl = Workload(
        name,
        about,
        {"family": "mlp", "sizes": sizes, "batch": batch, "act": act},
        optimizer,
        "xent",
        **kw,
    )
    for i, (a, b) in enumerate(itertools.pairwise(sizes)):
        wl.params[f"w{i}"] = _dense(rng, a, b)
        wl.params[f"b{i}"] = _zeros(b)
        wl.gemm(batch, b, a, input_grad=i > 0)
    for _ in range(N_BATCHES):
        wl.batches.append(
            (_f32(rng.standard_normal((batch, sizes[0]))), _labels(rng, batch, sizes[-1]))
        )
    return wl


def tiny() -> Workload:
    """The smallest network that learns exclusive or: a step is all overhead."""
    wl = Workload(
        "tiny",
        "2-2-1 ReLU/sigmoid, MSE, batch 1, SGD",
        {"family": "tiny", "sizes": (2, 2, 1), "batch": 1},
        _sgd(0.1),
        "mse",
    )
    wl.params = {
        "w0": _f32([[0.9, -0.6], [0.7, 0.8]]),
        "b0": _f32([0.1, 0.2]),
        "w1": _f32([[0.8], [-0.5]]),
        "b1": _f32([0.05]),
    }
    for x, y in (((0, 0), 0), ((0, 1), 1), ((1, 0), 1), ((1, 1), 0)):
        wl.batches.append((_f32([x]), _f32([[y]])))
    wl.gemm(1, 2, 2, input_grad=False)
    wl.gemm(1, 1, 2)
    return wl


def mlp_small() -> Workload:
    """A step of tens of microseconds."""
    return _mlp("mlp-small", "64-64-10 ReLU, batch 32, Adam", (64, 64, 10), 32, "relu", _adam(), 1)


def mlp() -> Workload:
    """The textbook network for handwritten digits."""
    return _mlp(
        "mlp", "784-512-256-10 ReLU, batch 128, Adam", (784, 512, 256, 10), 128, "relu", _adam(), 2
    )


def mlp_wide() -> Workload:
    """Products of matrices and little else."""
    return _mlp(
        "mlp-wide",
        "1024-2048-2048-2048-1000 GELU(tanh), batch 256, AdamW",
        (1024, 2048, 2048, 2048, 1000),
        256,
        "gelu",
        _adamw(1e-4),
        3,
        check_steps=4,
    )


def cnn() -> Workload:
    """Two convolutions with pooling, and two dense layers."""
    rng = np.random.default_rng(4)
    n = 64
    wl = Workload(
        "cnn",
        "LeNet-like 1x28x28: conv5-32, pool, conv5-64, pool, fc128, fc10; batch 64, Adam",
        {"family": "cnn", "batch": n},
        _adam(),
        "xent",
    )
    p = wl.params
    p["c0"], p["cb0"] = _conv(rng, 32, 1, 5), _zeros(32)
    p["c1"], p["cb1"] = _conv(rng, 64, 32, 5), _zeros(64)
    p["w0"], p["b0"] = _dense(rng, 64 * 4 * 4, 128), _zeros(128)
    p["w1"], p["b1"] = _dense(rng, 128, 10), _zeros(10)
    wl.gemm(n * 24 * 24, 32, 1 * 25, input_grad=False)
    wl.gemm(n * 8 * 8, 64, 32 * 25)
    wl.gemm(n, 128, 1024)
    wl.gemm(n, 10, 128)
    for _ in range(N_BATCHES):
        wl.batches.append((_f32(rng.standard_normal((n, 1, 28, 28))), _labels(rng, n, 10)))
    return wl


def resnet_blocks() -> list[tuple[str, int, int, int, int]]:
    """Name, channels in, channels out, stride and size of the output, by residual block."""
    blocks, c_in, size = [], 16, 32
    for s, c in enumerate((16, 32, 64)):
        for b in range(2):
            stride = 2 if (s > 0 and b == 0) else 1
            size //= stride
            blocks.append((f"s{s}b{b}", c_in, c, stride, size))
            c_in = c
    return blocks


def resnet() -> Workload:
    """Convolutions with batch normalisation and shortcuts."""
    rng = np.random.default_rng(5)
    n = 64
    wl = Workload(
        "resnet",
        "3x32x32, 3 stages (16,32,64) x 2 basic blocks, batchnorm, batch 64, SGD momentum",
        {"family": "resnet", "batch": n, "bn_eps": 1e-5, "bn_momentum": 0.1},
        _sgd(0.02, 0.9),
        "xent",
        check_steps=5,
        check_rtol=1e-2,
    )
    p = wl.params

    def bn(key, c):
        p[f"{key}.g"], p[f"{key}.b"] = _ones(c), _zeros(c)
        wl.buffers[f"{key}.mean"], wl.buffers[f"{key}.var"] = _zeros(c), _ones(c)

    p["stem"] = _conv(rng, 16, 3, 3)
    bn("stem.bn", 16)
    wl.gemm(n * 32 * 32, 16, 27, input_grad=False)
    for key, ci, co, stride, size in resnet_blocks():
        p[f"{key}.c1"] = _conv(rng, co, ci, 3)
        bn(f"{key}.bn1", co)
        p[f"{key}.c2"] = _conv(rng, co, co, 3)
        bn(f"{key}.bn2", co)
        wl.gemm(n * size * size, co, ci * 9)
        wl.gemm(n * size * size, co, co * 9)
        if stride != 1 or ci != co:
            p[f"{key}.sc"] = _conv(rng, co, ci, 1)
            bn(f"{key}.bns", co)
            wl.gemm(n * size * size, co, ci)
    p["w"], p["b"] = _dense(rng, 64, 10, 1.0), _zeros(10)
    wl.gemm(n, 10, 64)
    for _ in range(N_BATCHES):
        wl.batches.append((_f32(rng.standard_normal((n, 3, 32, 32))), _labels(rng, n, 10)))
    return wl


def gpt() -> Workload:
    """A small transformer on characters."""
    rng = np.random.default_rng(6)
    layers, d, heads, t, vocab, n = 4, 128, 4, 128, 96, 16
    wl = Workload(
        "gpt",
        "char-GPT: 4 layers, d=128, 4 heads, T=128, vocab 96, batch 16, AdamW",
        {
            "family": "gpt",
            "layers": layers,
            "d": d,
            "heads": heads,
            "t": t,
            "vocab": vocab,
            "batch": n,
            "ln_eps": 1e-5,
        },
        _adamw(3e-4),
        "xent",
        check_steps=5,
    )
    p = wl.params

    def normal(*shape, std=0.02):
        return _f32(rng.standard_normal(shape) * std)

    p["wte"], p["wpe"] = normal(vocab, d), normal(t, d)
    rows = n * t
    for i in range(layers):
        k = f"h{i}."
        p[k + "ln1.g"], p[k + "ln1.b"] = _ones(d), _zeros(d)
        p[k + "qkv.w"], p[k + "qkv.b"] = normal(d, 3 * d), _zeros(3 * d)
        p[k + "proj.w"], p[k + "proj.b"] = normal(d, d), _zeros(d)
        p[k + "ln2.g"], p[k + "ln2.b"] = _ones(d), _zeros(d)
        p[k + "fc.w"], p[k + "fc.b"] = normal(d, 4 * d), _zeros(4 * d)
        p[k + "out.w"], p[k + "out.b"] = normal(4 * d, d), _zeros(d)
        wl.gemm(rows, 3 * d, d)
        wl.gemm(rows, t, d)  # q k^T over all heads, no causal discount
        wl.gemm(rows, d, t)  # attention times v
        wl.gemm(rows, d, d)
        wl.gemm(rows, 4 * d, d)
        wl.gemm(rows, d, 4 * d)
    p["lnf.g"], p["lnf.b"] = _ones(d), _zeros(d)
    p["head.w"] = normal(d, vocab)
    wl.gemm(rows, vocab, d)
    for _ in range(N_BATCHES):
        seq = rng.integers(0, vocab, size=(n, t + 1)).astype(np.int32)
        wl.batches.append((np.ascontiguousarray(seq[:, :-1]), np.ascontiguousarray(seq[:, 1:])))
    return wl


def lstm() -> Workload:
    """A recurrent network on characters."""
    rng = np.random.default_rng(7)
    h, t, vocab, n = 128, 64, 96, 32
    wl = Workload(
        "lstm",
        "1-layer LSTM hidden 128, T=64, batch 32, vocab 96, Adam",
        {"family": "lstm", "h": h, "t": t, "vocab": vocab, "batch": n},
        _adam(),
        "xent",
    )
    p = wl.params
    std = 1.0 / np.sqrt(h)

    def uniform(*shape):
        return _f32(rng.uniform(-std, std, shape))

    p["emb"] = _f32(rng.standard_normal((vocab, h)))
    p["wx"], p["wh"] = uniform(h, 4 * h), uniform(h, 4 * h)
    p["bx"], p["bh"] = uniform(4 * h), uniform(4 * h)
    p["w"], p["b"] = uniform(h, vocab), uniform(vocab)
    wl.gemm(n * t, 4 * h, h)
    wl.gemm(n * t, 4 * h, h)
    wl.gemm(n * t, vocab, h)
    for _ in range(N_BATCHES):
        seq = rng.integers(0, vocab, size=(n, t + 1)).astype(np.int32)
        wl.batches.append((np.ascontiguousarray(seq[:, :-1]), np.ascontiguousarray(seq[:, 1:])))
    return wl


def logreg_million() -> Workload:
    """Few rows of a big table: a step that need not touch the rest."""
    rng = np.random.default_rng(8)
    rows, d, bag, n = 200_000, 64, 16, 1024
    wl = Workload(
        "logreg-million",
        "embedding bag 200k x 64, batch 1024 x 16 indices, mean, linear to 10, SGD",
        {"family": "bag", "rows": rows, "d": d, "bag": bag, "batch": n},
        _sgd(1.0),
        "xent",
    )
    p = wl.params
    p["emb"] = rng.standard_normal((rows, d), dtype=np.float32)
    p["w"], p["b"] = _dense(rng, d, 10, 1.0), _zeros(10)
    wl.gemm(n, 10, d)
    for _ in range(N_BATCHES):
        wl.batches.append(
            (rng.integers(0, rows, size=(n, bag)).astype(np.int32), _labels(rng, n, 10))
        )
    return wl


def dispatch(count: int) -> Workload:
    """Hardly any work: what a step costs by the number of parameters."""
    rng = np.random.default_rng(9)
    sizes = (4,) * (count // 2 + 1)
    wl = Workload(
        f"dispatch-{count}",
        f"{count // 2} dense layers of 4 units, ReLU, MSE, batch 1, SGD",
        {"family": "mlp", "sizes": sizes, "batch": 1, "act": "relu"},
        _sgd(0.01),
        "mse",
    )
    for i in range(count // 2):
        wl.params[f"w{i}"], wl.params[f"b{i}"] = _dense(rng, 4, 4), _f32(np.full(4, 0.1))
        wl.gemm(1, 4, 4, input_grad=i > 0)
    for _ in range(N_BATCHES):
        wl.batches.append((_f32(rng.standard_normal((1, 4))), _f32(rng.standard_normal((1, 4)))))
    return wl


WORKLOADS: dict[str, Callable[[], Workload]] = {
    "tiny": tiny,
    "mlp-small": mlp_small,
    "mlp": mlp,
    "mlp-wide": mlp_wide,
    "cnn": cnn,
    "resnet": resnet,
    "gpt": gpt,
    "lstm": lstm,
    "logreg-million": logreg_million,
}


def build(name: str) -> Workload:
    """The workload of this name; ``dispatch-N`` is one with N parameters."""
    if name.startswith("dispatch-"):
        return dispatch(int(name.removeprefix("dispatch-")))
    return WORKLOADS[name]()
