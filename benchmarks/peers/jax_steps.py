"""JAX: one jitted step (`value_and_grad` and the update), donated buffers, channels last.

* ``jax``: max-pooling by `lax.reduce_window`, as the layer libraries on top of it do it
* ``jax-pool``: max-pooling by reshape and max, whose gradient is cheaper (cnn only)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from peers.interface import Peer as AbstractPeer
from peers.workloads import Workload, resnet_blocks

jax.config.update("jax_platforms", "cpu")


def version() -> str:
    """The library's version."""
    return jax.__version__


def _mlp(wl, p, s, x):
    last = len(wl.config["sizes"]) - 2
    act = jax.nn.gelu if wl.config.get("act") == "gelu" else jax.nn.relu
    for i in range(last + 1):
        x = x @ p[f"w{i}"] + p[f"b{i}"]
        if i < last:
            x = act(x)
    return (jax.nn.sigmoid(x) if wl.config["family"] == "tiny" else x), s


def _conv2d(x, w, stride=1, padding="VALID"):
    return lax.conv_general_dilated(
        x, w, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def _pool(x):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def _pool_reshape(x):
    n, h, w, c = x.shape
    return x.reshape(n, h // 2, 2, w // 2, 2, c).max((2, 4))


def _cnn(wl, p, s, x, pool=_pool):
    x = pool(jax.nn.relu(_conv2d(x, p["c0"]) + p["cb0"]))
    x = pool(jax.nn.relu(_conv2d(x, p["c1"]) + p["cb1"]))
    x = jax.nn.relu(x.reshape(x.shape[0], -1) @ p["w0"] + p["b0"])
    return x @ p["w1"] + p["b1"], s


def _resnet(wl, p, s, x):
    eps, mom = wl.config["bn_eps"], wl.config["bn_momentum"]
    new = {}
    pad = [(1, 1), (1, 1)]

    def bn(x, k):
        mean = x.mean((0, 1, 2))
        var = jnp.square(x).mean((0, 1, 2)) - jnp.square(mean)
        n = x.size // x.shape[-1]
        new[k + ".mean"] = (1 - mom) * s[k + ".mean"] + mom * mean
        new[k + ".var"] = (1 - mom) * s[k + ".var"] + mom * var * (n / (n - 1))
        return (x - mean) * (lax.rsqrt(var + eps) * p[k + ".g"]) + p[k + ".b"]

    x = jax.nn.relu(bn(_conv2d(x, p["stem"], 1, pad), "stem.bn"))
    for k, _, _, stride, _ in resnet_blocks():
        y = jax.nn.relu(bn(_conv2d(x, p[k + ".c1"], stride, pad), k + ".bn1"))
        y = bn(_conv2d(y, p[k + ".c2"], 1, pad), k + ".bn2")
        if k + ".sc" in p:
            x = bn(_conv2d(x, p[k + ".sc"], stride), k + ".bns")
        x = jax.nn.relu(x + y)
    return x.mean((1, 2)) @ p["w"] + p["b"], new


def _layernorm(x, g, b, eps):
    mean = x.mean(-1, keepdims=True)
    var = jnp.square(x - mean).mean(-1, keepdims=True)
    return (x - mean) * lax.rsqrt(var + eps) * g + b


def _gpt(wl, p, s, x):
    c = wl.config
    n, t, d, heads, eps = c["batch"], c["t"], c["d"], c["heads"], c["ln_eps"]
    h = p["wte"][x] + p["wpe"]
    for i in range(c["layers"]):
        k = f"h{i}."
        a = _layernorm(h, p[k + "ln1.g"], p[k + "ln1.b"], eps) @ p[k + "qkv.w"] + p[k + "qkv.b"]
        q, ks, v = (u.reshape(n, t, heads, d // heads) for u in jnp.split(a, 3, axis=-1))
        y = jax.nn.dot_product_attention(q, ks, v, is_causal=True)
        h = h + y.reshape(n, t, d) @ p[k + "proj.w"] + p[k + "proj.b"]
        f = _layernorm(h, p[k + "ln2.g"], p[k + "ln2.b"], eps) @ p[k + "fc.w"] + p[k + "fc.b"]
        h = h + jax.nn.gelu(f) @ p[k + "out.w"] + p[k + "out.b"]
    return _layernorm(h, p["lnf.g"], p["lnf.b"], eps) @ p["head.w"], s


def _lstm(wl, p, s, x):
    c = wl.config
    gx = p["emb"][x.T] @ p["wx"] + p["bx"]  # (t, n, 4h)
    zero = jnp.zeros((c["batch"], c["h"]), jnp.float32)

    def cell(carry, g):
        h, cs = carry
        i, f, g_, o = jnp.split(g + h @ p["wh"] + p["bh"], 4, axis=-1)
        cs = jax.nn.sigmoid(f) * cs + jax.nn.sigmoid(i) * jnp.tanh(g_)
        h = jax.nn.sigmoid(o) * jnp.tanh(cs)
        return (h, cs), h

    _, hs = lax.scan(cell, (zero, zero), gx)
    return (hs @ p["w"] + p["b"]).transpose(1, 0, 2), s


def _bag(wl, p, s, x):
    return p["emb"][x].mean(1) @ p["w"] + p["b"], s


_FAMILY = {
    "tiny": _mlp,
    "mlp": _mlp,
    "cnn": _cnn,
    "resnet": _resnet,
    "gpt": _gpt,
    "lstm": _lstm,
    "bag": _bag,
}


def _xent(logits, y):
    logits = logits.reshape(-1, logits.shape[-1])
    picked = jnp.take_along_axis(logits, y.reshape(-1, 1), axis=1)[:, 0]
    return (jax.nn.logsumexp(logits, axis=1) - picked).mean()


def _update(o, p, g, opt):
    tm = jax.tree_util.tree_map
    if o["kind"] == "sgd":
        if o["momentum"]:
            opt = tm(lambda b, g: o["momentum"] * b + g, opt, g)
            g = opt
        return tm(lambda p, g: p - o["lr"] * g, p, g), opt
    t = opt["t"] + 1
    b1, b2 = o["b1"], o["b2"]
    m = tm(lambda m, g: b1 * m + (1 - b1) * g, opt["m"], g)
    v = tm(lambda v, g: b2 * v + (1 - b2) * g * g, opt["v"], g)
    c1, c2 = o["lr"] / (1 - b1**t), lax.rsqrt(1 - b2**t)
    decay = 1 - o["lr"] * o["weight_decay"]
    p = tm(lambda p, m, v: p * decay - c1 * m / (jnp.sqrt(v) * c2 + o["eps"]), p, m, v)
    return p, {"m": m, "v": v, "t": t}


class Peer(AbstractPeer):
    """Functions of trees of arrays, jitted as a whole."""

    def __init__(self, system: str, wl: Workload, threads: int) -> None:
        # The thread pool is sized from the CPU affinity mask set by the runner.
        self.family = family = wl.config["family"]
        forward, o = _FAMILY[family], wl.optimizer
        if system == "jax-pool":
            forward = partial(_cnn, pool=_pool_reshape)
        params, batches = dict(wl.params), list(wl.batches)
        if family in ("cnn", "resnet"):
            params = {k: v.transpose(2, 3, 1, 0) if v.ndim == 4 else v for k, v in params.items()}
            batches = [(x.transpose(0, 2, 3, 1), y) for x, y in batches]
        if family == "cnn":  # flatten order: channels last
            params["w0"] = (
                params["w0"].reshape(64, 4, 4, 128).transpose(1, 2, 0, 3).reshape(1024, 128)
            )
        put = partial(jax.tree_util.tree_map, lambda a: jnp.array(a, copy=True))
        self.batches = put(batches)
        # copied on the device, so that every donated buffer is one XLA allocated
        self.p = jax.jit(partial(jax.tree_util.tree_map, jnp.copy))(put(params))
        self.s = put(wl.buffers)
        if o["kind"] == "sgd":
            self.opt = jax.tree_util.tree_map(jnp.zeros_like, self.p) if o["momentum"] else {}
        else:
            zeros = partial(jax.tree_util.tree_map, jnp.zeros_like)
            self.opt = {"m": zeros(self.p), "v": zeros(self.p), "t": jnp.zeros((), jnp.float32)}

        def loss_fn(p, s, x, y):
            out, s = forward(wl, p, s, x)
            return (_xent(out, y) if wl.loss == "xent" else jnp.square(out - y).mean()), s

        @partial(jax.jit, donate_argnums=(0, 1, 2))
        def step(p, s, opt, x, y):
            (loss, s), g = jax.value_and_grad(loss_fn, has_aux=True)(p, s, x, y)
            p, opt = _update(o, p, g, opt)
            return p, s, opt, loss

        self._step = step

    def step(self, i):
        x, y = self.batches[i % len(self.batches)]
        self.p, self.s, self.opt, loss = self._step(self.p, self.s, self.opt, x, y)
        return loss.block_until_ready()

    def export(self):
        p = {k: np.asarray(v) for k, v in self.p.items()}
        if self.family == "cnn":
            p["w0"] = p["w0"].reshape(4, 4, 64, 128).transpose(2, 0, 1, 3).reshape(1024, 128)
        return {k: v.transpose(3, 2, 0, 1) if v.ndim == 4 else v for k, v in p.items()}


def gemm(n: int, threads: int) -> Callable[[], Any]:
    """A product of square matrices, to be timed."""
    key = jax.random.PRNGKey(0)
    a, b = jax.random.uniform(key, (n, n)), jax.random.uniform(key, (n, n))
    f = jax.jit(jnp.dot)
    return lambda: f(a, b).block_until_ready()
