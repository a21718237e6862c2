"""HIPS autograd: NumPy with a tape.

Convolutions are left out: it has SciPy's alone, which nobody trains a network with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd import value_and_grad

from peers.interface import Peer as AbstractPeer
from peers.numpy_forward import Optimizer, forward
from peers.workloads import Workload


def version() -> str:
    """The library's version."""
    from importlib.metadata import version as v

    return v("autograd")


_C0, _C1 = np.float32(np.sqrt(2 / np.pi)), np.float32(0.044715)
_HALF, _ONE = np.float32(0.5), np.float32(1)


class F:
    """The names that `numpy_forward` asks for."""

    matmul, tanh, sqrt = anp.matmul, anp.tanh, anp.sqrt
    reshape, transpose = anp.reshape, anp.transpose

    @staticmethod
    def stack(items):
        return anp.stack(items)

    @staticmethod
    def relu(x):
        return anp.maximum(x, np.float32(0))

    @staticmethod
    def gelu(x):
        return _HALF * x * (_ONE + anp.tanh(_C0 * (x + _C1 * x * x * x)))

    @staticmethod
    def sigmoid(x):
        return _HALF * (anp.tanh(_HALF * x) + _ONE)

    @staticmethod
    def mean(x, axis, keepdims=True):
        return anp.mean(x, axis=axis, keepdims=keepdims)

    @staticmethod
    def softmax(x):
        e = anp.exp(x - anp.max(x, axis=-1, keepdims=True))
        return e / anp.sum(e, axis=-1, keepdims=True)

    @staticmethod
    def take(table, idx):
        return table[idx]

    @staticmethod
    def xent(logits, y):
        logits = anp.reshape(logits, (-1, logits.shape[-1]))
        z = logits - anp.max(logits, axis=1, keepdims=True)
        lse = anp.log(anp.sum(anp.exp(z), axis=1))
        return anp.mean(lse - z[np.arange(len(y)), y])


class Peer(AbstractPeer):
    """Arrays by name, updated in place by NumPy."""

    def __init__(self, system: str, wl: Workload, threads: int) -> None:
        self.wl = wl
        self.p = {k: v.copy() for k, v in wl.params.items()}
        self.batches = [(x, y.reshape(-1) if wl.loss == "xent" else y) for x, y in wl.batches]
        self.opt = Optimizer(wl.optimizer, self.p)

        def loss(p, x, y):
            out = forward(wl, F, p, x)
            return F.xent(out, y) if wl.loss == "xent" else anp.mean((out - y) ** 2)

        self.vag = value_and_grad(loss)

    def step(self, i):
        loss, grads = self.vag(self.p, *self.batches[i % len(self.batches)])
        self.opt.step(self.p, grads)
        return loss

    def export(self):
        return {k: v.copy() for k, v in self.p.items()}


def gemm(n: int, threads: int) -> Callable[[], Any]:
    """A product of square matrices, to be timed."""
    rng = np.random.default_rng(0)
    a, b = (rng.random((n, n), dtype=np.float32) for _ in range(2))
    out = np.empty((n, n), "f4")
    return lambda: np.dot(a, b, out=out)
