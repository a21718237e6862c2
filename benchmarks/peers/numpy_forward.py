"""Networks and optimizers for libraries whose arrays are NumPy's, or nearly.

Each brings a namespace of its functions: matmul, relu, gelu, sigmoid, tanh, sqrt, mean, reshape,
transpose, softmax, stack, take, conv, pool.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from peers.workloads import Workload


def _mlp(wl, F, p, x):
    last = len(wl.config["sizes"]) - 2
    act = F.gelu if wl.config.get("act") == "gelu" else F.relu
    for i in range(last + 1):
        x = F.matmul(x, p[f"w{i}"]) + p[f"b{i}"]
        if i < last:
            x = act(x)
    return F.sigmoid(x) if wl.config["family"] == "tiny" else x


def _cnn(wl, F, p, x):
    x = F.pool(F.relu(F.conv(x, p["c0"]) + F.reshape(p["cb0"], (1, 32, 1, 1))))
    x = F.pool(F.relu(F.conv(x, p["c1"]) + F.reshape(p["cb1"], (1, 64, 1, 1))))
    x = F.relu(F.matmul(F.reshape(x, (x.shape[0], -1)), p["w0"]) + p["b0"])
    return F.matmul(x, p["w1"]) + p["b1"]


def _layernorm(F, x, g, b, eps):
    centred = x - F.mean(x, -1)
    return centred / F.sqrt(F.mean(centred * centred, -1) + eps) * g + b


def _gpt(wl, F, p, x):
    c = wl.config
    n, t, d, heads, eps = c["batch"], c["t"], c["d"], c["heads"], c["ln_eps"]
    dh = d // heads
    scale = np.float32(1 / np.sqrt(dh))
    eps = np.float32(eps)
    mask = np.triu(np.full((t, t), -1e9, np.float32), 1)
    h = F.take(p["wte"], x) + p["wpe"]
    for i in range(c["layers"]):
        k = f"h{i}."
        a = (
            F.matmul(_layernorm(F, h, p[k + "ln1.g"], p[k + "ln1.b"], eps), p[k + "qkv.w"])
            + p[k + "qkv.b"]
        )
        a = F.transpose(F.reshape(a, (n, t, 3, heads, dh)), (2, 0, 3, 1, 4))
        q, ks, v = a[0], a[1], a[2]
        s = F.softmax(F.matmul(q, F.transpose(ks, (0, 1, 3, 2))) * scale + mask)
        y = F.reshape(F.transpose(F.matmul(s, v), (0, 2, 1, 3)), (n, t, d))
        h = h + F.matmul(y, p[k + "proj.w"]) + p[k + "proj.b"]
        f = (
            F.matmul(_layernorm(F, h, p[k + "ln2.g"], p[k + "ln2.b"], eps), p[k + "fc.w"])
            + p[k + "fc.b"]
        )
        h = h + F.matmul(F.gelu(f), p[k + "out.w"]) + p[k + "out.b"]
    return F.matmul(_layernorm(F, h, p["lnf.g"], p["lnf.b"], eps), p["head.w"])


def _lstm(wl, F, p, x):
    c = wl.config
    hs, n = c["h"], c["batch"]
    gx = F.matmul(F.take(p["emb"], np.ascontiguousarray(x.T)), p["wx"]) + p["bx"]
    h = cs = np.zeros((n, hs), np.float32)
    out = []
    for t in range(c["t"]):
        g = gx[t] + F.matmul(h, p["wh"]) + p["bh"]
        i, f = F.sigmoid(g[:, :hs]), F.sigmoid(g[:, hs : 2 * hs])
        u, o = F.tanh(g[:, 2 * hs : 3 * hs]), F.sigmoid(g[:, 3 * hs :])
        cs = f * cs + i * u
        h = o * F.tanh(cs)
        out.append(h)
    y = F.transpose(F.stack(out), (1, 0, 2))
    return F.matmul(y, p["w"]) + p["b"]


def _bag(wl, F, p, x):
    pooled = F.mean(F.take(p["emb"], x), 1, keepdims=False)
    return F.matmul(pooled, p["w"]) + p["b"]


_FAMILY = {
    "tiny": _mlp,
    "mlp": _mlp,
    "cnn": _cnn,
    "gpt": _gpt,
    "lstm": _lstm,
    "bag": _bag,
}


def forward(wl: Workload, F: Any, p: dict[str, Any], x: Any) -> Any:
    """The network of a workload on a batch."""
    return _FAMILY[wl.config["family"]](wl, F, p, x)


class Optimizer:
    """Updates in place, the same rules for every library on NumPy."""

    def __init__(self, o, params):
        self.o, self.t = o, 0
        self.m = {k: np.zeros_like(v) for k, v in params.items()}
        self.v = {k: np.zeros_like(v) for k, v in params.items()} if o["kind"] != "sgd" else None

    def step(self, params, grads):
        o, f32 = self.o, np.float32
        self.t += 1
        for k, p in params.items():
            g = grads[k]
            if o["kind"] == "sgd":
                if o["momentum"]:
                    self.m[k] *= f32(o["momentum"])
                    self.m[k] += g
                    g = self.m[k]
                p -= f32(o["lr"]) * g
                continue
            m, v = self.m[k], self.v[k]
            m *= f32(o["b1"])
            m += f32(1 - o["b1"]) * g
            v *= f32(o["b2"])
            v += f32(1 - o["b2"]) * np.square(g)
            if o["weight_decay"]:
                p *= f32(1 - o["lr"] * o["weight_decay"])
            den = np.sqrt(v)
            den *= f32(1 / np.sqrt(1 - o["b2"] ** self.t))
            den += f32(o["eps"])
            np.divide(m, den, out=den)
            den *= f32(o["lr"] / (1 - o["b1"] ** self.t))
            p -= den
