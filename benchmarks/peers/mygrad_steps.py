"""MyGrad: tensors on NumPy, with its own layers.

The residual network is left out: there is no normalisation with running statistics.
"""

from __future__ import annotations

import mygrad as mg
import numpy as np
from mygrad.nnet import conv_nd, max_pool, relu, softmax, softmax_crossentropy

from peers.interface import Peer as AbstractPeer
from peers.numpy_forward import Optimizer, forward
from peers.workloads import Workload

mg.turn_memory_guarding_off()  # recommended by its documentation for speed


def version() -> str:
    """The library's version."""
    return mg.__version__


_C0, _C1 = np.float32(np.sqrt(2 / np.pi)), np.float32(0.044715)
_HALF, _ONE = np.float32(0.5), np.float32(1)


class F:
    """The names that `numpy_forward` asks for."""

    matmul, tanh, sqrt, reshape = mg.matmul, mg.tanh, mg.sqrt, mg.reshape
    relu = staticmethod(relu)

    @staticmethod
    def transpose(x, axes):
        return mg.transpose(x, *axes)

    @staticmethod
    def stack(items):
        return mg.stack(items)

    @staticmethod
    def gelu(x):
        return _HALF * x * (_ONE + mg.tanh(_C0 * (x + _C1 * x * x * x)))

    @staticmethod
    def sigmoid(x):
        return _HALF * (mg.tanh(_HALF * x) + _ONE)

    @staticmethod
    def mean(x, axis, keepdims=True):
        return mg.mean(x, axis=axis, keepdims=keepdims)

    @staticmethod
    def softmax(x):
        return softmax(x, axis=-1)

    @staticmethod
    def take(table, idx):
        return table[idx]

    @staticmethod
    def conv(x, w):
        return conv_nd(x, w, stride=1)

    @staticmethod
    def pool(x):
        return max_pool(x, (2, 2), 2)

    @staticmethod
    def xent(logits, y):
        return softmax_crossentropy(mg.reshape(logits, (-1, logits.shape[-1])), y)


class Peer(AbstractPeer):
    """Arrays by name, updated in place by NumPy."""

    def __init__(self, system: str, wl: Workload, threads: int) -> None:
        self.wl = wl
        self.p = {k: mg.tensor(v.copy()) for k, v in wl.params.items()}
        self.data = {k: t.data for k, t in self.p.items()}
        self.batches = [(x, y.reshape(-1) if wl.loss == "xent" else y) for x, y in wl.batches]
        self.opt = Optimizer(wl.optimizer, self.data)

    def step(self, i):
        x, y = self.batches[i % len(self.batches)]
        for t in self.p.values():
            t.null_grad()
        out = forward(self.wl, F, self.p, x)
        loss = F.xent(out, y) if self.wl.loss == "xent" else mg.mean((out - y) ** 2)
        loss.backward()
        self.opt.step(self.data, {k: t.grad for k, t in self.p.items()})
        return loss

    def export(self):
        return {k: v.copy() for k, v in self.data.items()}

    @staticmethod
    def value(loss):
        return float(loss.item())


gemm = None
