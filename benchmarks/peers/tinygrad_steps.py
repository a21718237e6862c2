"""tinygrad on its CPU back end: the whole step under `TinyJit`, no BEAM search.

Needs clang, or `CC`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

os.environ.setdefault("DEV", "CPU")  # read when it is imported

from tinygrad import Device, Tensor, TinyJit, nn
from tinygrad.helpers import Context

from peers.interface import Peer as AbstractPeer
from peers.workloads import Workload, resnet_blocks


def version() -> str:
    """The library's version."""
    from importlib.metadata import version as v

    return v("tinygrad")


def _t(a):
    return Tensor(a.copy(), device="CPU").contiguous().realize()


def _mlp(wl, p, bn, x):
    last = len(wl.config["sizes"]) - 2
    for i in range(last + 1):
        x = x @ p[f"w{i}"] + p[f"b{i}"]
        if i < last:
            x = x.gelu() if wl.config.get("act") == "gelu" else x.relu()
    return x.sigmoid() if wl.config["family"] == "tiny" else x


def _cnn(wl, p, bn, x):
    x = x.conv2d(p["c0"], p["cb0"]).relu().max_pool2d((2, 2))
    x = x.conv2d(p["c1"], p["cb1"]).relu().max_pool2d((2, 2))
    return (x.flatten(1) @ p["w0"] + p["b0"]).relu() @ p["w1"] + p["b1"]


def _resnet(wl, p, bn, x):
    x = bn["stem.bn"](x.conv2d(p["stem"], padding=1)).relu()
    for k, _, _, stride, _ in resnet_blocks():
        y = bn[k + ".bn1"](x.conv2d(p[k + ".c1"], stride=stride, padding=1)).relu()
        y = bn[k + ".bn2"](y.conv2d(p[k + ".c2"], padding=1))
        if k + ".sc" in p:
            x = bn[k + ".bns"](x.conv2d(p[k + ".sc"], stride=stride))
        x = (x + y).relu()
    return x.mean((2, 3)) @ p["w"] + p["b"]


def _gpt(wl, p, bn, x):
    c = wl.config
    n, t, d, heads, eps = c["batch"], c["t"], c["d"], c["heads"], c["ln_eps"]

    def ln(x, k):
        return x.layernorm(eps=eps) * p[k + ".g"] + p[k + ".b"]

    h = p["wte"][x] + p["wpe"]
    for i in range(c["layers"]):
        k = f"h{i}."
        a = ln(h, k + "ln1") @ p[k + "qkv.w"] + p[k + "qkv.b"]
        q, ks, v = (u.reshape(n, t, heads, d // heads).transpose(1, 2) for u in a.split(d, dim=2))
        y = q.scaled_dot_product_attention(ks, v, is_causal=True)
        h = h + y.transpose(1, 2).reshape(n, t, d) @ p[k + "proj.w"] + p[k + "proj.b"]
        f = ln(h, k + "ln2") @ p[k + "fc.w"] + p[k + "fc.b"]
        h = h + f.gelu() @ p[k + "out.w"] + p[k + "out.b"]
    return ln(h, "lnf") @ p["head.w"]


def _lstm(wl, p, bn, x):
    c = wl.config
    gx = p["emb"][x] @ p["wx"] + p["bx"]
    h = cs = Tensor.zeros(c["batch"], c["h"], device="CPU")
    out = []
    for t in range(c["t"]):
        i, f, u, o = (gx[:, t] + h @ p["wh"] + p["bh"]).chunk(4, dim=1)
        cs = f.sigmoid() * cs + i.sigmoid() * u.tanh()
        h = (o.sigmoid() * cs.tanh()).contiguous()
        out.append(h)
    return out[0].stack(*out[1:], dim=1) @ p["w"] + p["b"]


def _bag(wl, p, bn, x):
    return p["emb"][x].mean(1) @ p["w"] + p["b"]


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
    """Functions of dicts of tensors; its own optimizers."""

    def __init__(self, system: str, wl: Workload, threads: int) -> None:
        # Threads are limited by the CPU affinity mask set by the runner.
        forward, o = _FAMILY[wl.config["family"]], wl.optimizer
        p = self.p = {k: _t(v) for k, v in wl.params.items()}
        bn = {}
        for key in wl.buffers:
            if key.endswith(".mean"):
                name = key[:-5]
                m = bn[name] = nn.BatchNorm(
                    wl.buffers[key].size, eps=wl.config["bn_eps"], momentum=wl.config["bn_momentum"]
                )
                m.weight, m.bias = p[name + ".g"], p[name + ".b"]
        self.batches = [
            (_t(x), _t(y.reshape(-1) if wl.loss == "xent" else y)) for x, y in wl.batches
        ]
        params = list(p.values())
        stats = [t for m in bn.values() for t in (m.running_mean, m.running_var)]
        if o["kind"] == "sgd":
            opt = nn.optim.SGD(params + stats, lr=o["lr"], momentum=o["momentum"])
        elif o["kind"] == "adam":
            opt = nn.optim.Adam(params, lr=o["lr"], b1=o["b1"], b2=o["b2"], eps=o["eps"])
        else:
            opt = nn.optim.AdamW(
                params,
                lr=o["lr"],
                b1=o["b1"],
                b2=o["b2"],
                eps=o["eps"],
                weight_decay=o["weight_decay"],
            )

        @TinyJit
        def step(x, y):
            with Context(TRAINING=1):
                out = forward(wl, p, bn, x)
                if wl.loss == "xent":
                    loss = out.reshape(-1, out.shape[-1]).sparse_categorical_crossentropy(y)
                else:
                    loss = (out - y).square().mean()
                opt.zero_grad()
                loss.backward()
                return loss.realize(*opt.schedule_step())

        self._step = step
        self._sync = Device["CPU"].synchronize

    def step(self, i):
        loss = self._step(*self.batches[i % len(self.batches)])
        self._sync()
        return loss

    def export(self):
        return {k: v.numpy() for k, v in self.p.items()}

    @staticmethod
    def value(loss):
        return float(loss.item())


def gemm(n: int, threads: int) -> Callable[[], Any]:
    """A product of square matrices, to be timed."""
    a, b = Tensor.rand(n, n).realize(), Tensor.rand(n, n).realize()

    def run():
        (a @ b).realize()
        Device["CPU"].synchronize()

    return run
