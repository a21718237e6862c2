"""MLX on the CPU: the whole step under `mx.compile`, `mlx.optimizers`, channels last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mlx.core as mx
import mlx.optimizers as optim
import numpy as np
from mlx import nn

from peers.interface import Peer as AbstractPeer
from peers.workloads import Workload, resnet_blocks

mx.set_default_device(mx.cpu)


def version() -> str:
    """The library's version."""
    return mx.__version__


def _mlp(wl, p, s, x):
    last = len(wl.config["sizes"]) - 2
    for i in range(last + 1):
        x = mx.addmm(p[f"b{i}"], x, p[f"w{i}"])
        if i < last:
            x = nn.gelu_approx(x) if wl.config.get("act") == "gelu" else nn.relu(x)
    return mx.sigmoid(x) if wl.config["family"] == "tiny" else x


_pool = nn.MaxPool2d(2, 2)


def _cnn(wl, p, s, x):
    x = _pool(nn.relu(mx.conv2d(x, p["c0"]) + p["cb0"]))
    x = _pool(nn.relu(mx.conv2d(x, p["c1"]) + p["cb1"]))
    x = nn.relu(mx.addmm(p["b0"], x.reshape(x.shape[0], -1), p["w0"]))
    return mx.addmm(p["b1"], x, p["w1"])


def _resnet(wl, p, s, x):
    eps, mom = wl.config["bn_eps"], wl.config["bn_momentum"]

    def bn(x, k):
        mean, var = s[k + ".mean"], s[k + ".var"]
        n = x.size // x.shape[-1]
        m, v = mx.mean(x, (0, 1, 2)), mx.var(x, (0, 1, 2))
        s[k + ".mean"] = (1 - mom) * mean + mom * mx.stop_gradient(m)
        s[k + ".var"] = (1 - mom) * var + mom * mx.stop_gradient(v) * (n / (n - 1))
        return (x - m) * (mx.rsqrt(v + eps) * p[k + ".g"]) + p[k + ".b"]

    x = nn.relu(bn(mx.conv2d(x, p["stem"], 1, 1), "stem.bn"))
    for k, _, _, stride, _ in resnet_blocks():
        y = nn.relu(bn(mx.conv2d(x, p[k + ".c1"], stride, 1), k + ".bn1"))
        y = bn(mx.conv2d(y, p[k + ".c2"], 1, 1), k + ".bn2")
        if k + ".sc" in p:
            x = bn(mx.conv2d(x, p[k + ".sc"], stride, 0), k + ".bns")
        x = nn.relu(x + y)
    return mx.addmm(p["b"], mx.mean(x, (1, 2)), p["w"])


def _gpt(wl, p, s, x):
    c = wl.config
    n, t, d, heads, eps = c["batch"], c["t"], c["d"], c["heads"], c["ln_eps"]

    def ln(x, k):
        return mx.fast.layer_norm(x, p[k + ".g"], p[k + ".b"], eps)

    h = p["wte"][x] + p["wpe"]
    for i in range(c["layers"]):
        k = f"h{i}."
        a = mx.addmm(p[k + "qkv.b"], ln(h, k + "ln1"), p[k + "qkv.w"])
        q, ks, v = (
            u.reshape(n, t, heads, d // heads).transpose(0, 2, 1, 3)
            for u in mx.split(a, 3, axis=-1)
        )
        y = mx.fast.scaled_dot_product_attention(
            q, ks, v, scale=(d // heads) ** -0.5, mask="causal"
        )
        y = y.transpose(0, 2, 1, 3).reshape(n, t, d)
        h = h + mx.addmm(p[k + "proj.b"], y, p[k + "proj.w"])
        f = nn.gelu_approx(mx.addmm(p[k + "fc.b"], ln(h, k + "ln2"), p[k + "fc.w"]))
        h = h + mx.addmm(p[k + "out.b"], f, p[k + "out.w"])
    return ln(h, "lnf") @ p["head.w"]


def _lstm(wl, p, s, x):
    c = wl.config
    gx = mx.addmm(p["bx"], p["emb"][x], p["wx"])
    h = cs = mx.zeros((c["batch"], c["h"]))
    out = []
    for t in range(c["t"]):
        i, f, u, o = mx.split(gx[:, t] + mx.addmm(p["bh"], h, p["wh"]), 4, axis=-1)
        cs = mx.sigmoid(f) * cs + mx.sigmoid(i) * mx.tanh(u)
        h = mx.sigmoid(o) * mx.tanh(cs)
        out.append(h)
    return mx.addmm(p["b"], mx.stack(out, axis=1), p["w"])


def _bag(wl, p, s, x):
    return mx.addmm(p["b"], mx.mean(p["emb"][x], axis=1), p["w"])


_FAMILY = {
    "tiny": _mlp,
    "mlp": _mlp,
    "cnn": _cnn,
    "resnet": _resnet,
    "gpt": _gpt,
    "lstm": _lstm,
    "bag": _bag,
}


class Peer(AbstractPeer):
    """Functions of dicts of arrays, compiled as a whole."""

    def __init__(self, system: str, wl: Workload, threads: int) -> None:
        # Threads are limited by the CPU affinity mask set by the runner.
        self.family = family = wl.config["family"]
        forward, o = _FAMILY[family], wl.optimizer
        params, batches = dict(wl.params), list(wl.batches)
        if family in ("cnn", "resnet"):
            params = {k: v.transpose(0, 2, 3, 1) if v.ndim == 4 else v for k, v in params.items()}
            batches = [(x.transpose(0, 2, 3, 1), y) for x, y in batches]
        if family == "cnn":  # flatten order: channels last
            params["w0"] = (
                params["w0"].reshape(64, 4, 4, 128).transpose(1, 2, 0, 3).reshape(1024, 128)
            )
        p = {k: mx.array(v.copy()) for k, v in params.items()}
        s = {k: mx.array(v.copy()) for k, v in wl.buffers.items()}
        self.batches = [(mx.array(x.copy()), mx.array(y.copy())) for x, y in batches]
        if o["kind"] == "sgd":
            opt = optim.SGD(o["lr"], momentum=o["momentum"])
        elif o["kind"] == "adam":
            opt = optim.Adam(o["lr"], betas=[o["b1"], o["b2"]], eps=o["eps"], bias_correction=True)
        else:
            opt = optim.AdamW(
                o["lr"],
                betas=[o["b1"], o["b2"]],
                eps=o["eps"],
                weight_decay=o["weight_decay"],
                bias_correction=True,
            )
        opt.init(p)
        self.p = p
        mx.eval(p, s, opt.state, self.batches)

        def loss_fn(p, x, y):
            out = forward(wl, p, s, x)
            if wl.loss == "mse":
                return mx.mean(mx.square(out - y))
            return nn.losses.cross_entropy(
                out.reshape(-1, out.shape[-1]), y.reshape(-1), reduction="mean"
            )

        grad = mx.value_and_grad(loss_fn)
        state = [p, s, opt.state]

        def step(x, y):
            loss, g = grad(p, x, y)
            new = opt.apply_gradients(g, p)
            p.update(new)
            return loss

        self._state = state
        self._step = mx.compile(step, inputs=state, outputs=state)

    def step(self, i):
        loss = self._step(*self.batches[i % len(self.batches)])
        mx.eval(loss, self._state)
        return loss

    def export(self):
        p = {k: np.asarray(v) for k, v in self.p.items()}
        if self.family == "cnn":
            p["w0"] = p["w0"].reshape(4, 4, 64, 128).transpose(2, 0, 1, 3).reshape(1024, 128)
        return {k: v.transpose(0, 3, 1, 2) if v.ndim == 4 else v for k, v in p.items()}

    @staticmethod
    def value(loss):
        return loss.item()


def gemm(n: int, threads: int) -> Callable[[], Any]:
    """A product of square matrices, to be timed."""
    a, b = mx.random.uniform(shape=(n, n)), mx.random.uniform(shape=(n, n))
    mx.eval(a, b)
    return lambda: mx.eval(a @ b)
