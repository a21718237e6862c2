"""PyTorch: eager, eager with fused optimizers, `torch.compile`, sparse gradients.

* ``torch``: eager, with the optimizers of `torch.optim` as they come
* ``torch-fused``: eager, optimizers with ``fused=True`` (one kernel for a tensor)
* ``torch-compile``: model and loss under `torch.compile` in its default mode, fused optimizer
* ``torch-sparse``: eager, ``sparse=True`` gradients of the embedding (logreg-million only)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from peers.interface import Peer as AbstractPeer
from peers.workloads import Workload, resnet_blocks


def version() -> str:
    """The library's version."""
    return torch.__version__


def _t(a):
    return torch.from_numpy(a.copy())


_LOADED: list[tuple[Any, Any, bool]] = []  # first weight, parameter, transposed: for `export`


def _set(param, a, transpose=False):
    with torch.no_grad():
        param.copy_(torch.from_numpy(a.T if transpose else a))
    _LOADED.append((a, param, transpose))


def _linear(w, b=None):
    m = nn.Linear(w.shape[0], w.shape[1], bias=b is not None)
    _set(m.weight, w, transpose=True)
    if b is not None:
        _set(m.bias, b)
    return m


def _conv(w, b=None, **kw):
    m = nn.Conv2d(w.shape[1], w.shape[0], w.shape[2], bias=b is not None, **kw)
    _set(m.weight, w)
    if b is not None:
        _set(m.bias, b)
    return m


def _mlp(wl):
    p, layers = wl.params, []
    last = len(wl.config["sizes"]) - 2
    for i in range(last + 1):
        layers.append(_linear(p[f"w{i}"], p[f"b{i}"]))
        if i < last:
            layers.append(
                nn.ReLU() if wl.config.get("act", "relu") == "relu" else nn.GELU(approximate="tanh")
            )
    if wl.config["family"] == "tiny":
        layers.append(nn.Sigmoid())
    return nn.Sequential(*layers)


def _cnn(wl):
    p = wl.params
    return nn.Sequential(
        _conv(p["c0"], p["cb0"]),
        nn.ReLU(),
        nn.MaxPool2d(2),
        _conv(p["c1"], p["cb1"]),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        _linear(p["w0"], p["b0"]),
        nn.ReLU(),
        _linear(p["w1"], p["b1"]),
    )


def _norm(wl, key):
    """A BatchNorm2d, or a LayerNorm where the workload has no running statistics."""
    g, b, c = wl.params[key + ".g"], wl.params[key + ".b"], wl.config
    m = (
        nn.BatchNorm2d(g.size, eps=c["bn_eps"], momentum=c["bn_momentum"])
        if key + ".mean" in wl.buffers
        else nn.LayerNorm(g.size, eps=c["ln_eps"])
    )
    _set(m.weight, g)
    _set(m.bias, b)
    return m


class _Block(nn.Module):
    def __init__(self, wl, key, c_in, c_out, stride):
        super().__init__()
        p = wl.params
        self.c1 = _conv(p[f"{key}.c1"], stride=stride, padding=1)
        self.bn1 = _norm(wl, f"{key}.bn1")
        self.c2 = _conv(p[f"{key}.c2"], padding=1)
        self.bn2 = _norm(wl, f"{key}.bn2")
        self.short = nn.Identity()
        if f"{key}.sc" in p:
            self.short = nn.Sequential(
                _conv(p[f"{key}.sc"], stride=stride), _norm(wl, f"{key}.bns")
            )

    def forward(self, x):
        y = F.relu(self.bn1(self.c1(x)))
        return F.relu(self.bn2(self.c2(y)) + self.short(x))


def _resnet(wl):
    p = wl.params
    layers = [_conv(p["stem"], padding=1), _norm(wl, "stem.bn"), nn.ReLU()]
    layers += [_Block(wl, k, ci, co, s) for k, ci, co, s, _ in resnet_blocks()]
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), _linear(p["w"], p["b"])]
    return nn.Sequential(*layers)


class _GPTBlock(nn.Module):
    def __init__(self, wl, i):
        super().__init__()
        c, p, k = wl.config, wl.params, f"h{i}."
        self.heads = c["heads"]
        self.ln1, self.ln2 = _norm(wl, k + "ln1"), _norm(wl, k + "ln2")
        self.qkv = _linear(p[k + "qkv.w"], p[k + "qkv.b"])
        self.proj = _linear(p[k + "proj.w"], p[k + "proj.b"])
        self.fc = _linear(p[k + "fc.w"], p[k + "fc.b"])
        self.out = _linear(p[k + "out.w"], p[k + "out.b"])

    def forward(self, x):
        n, t, d = x.shape
        q, k, v = self.qkv(self.ln1(x)).split(d, dim=2)
        q, k, v = (u.view(n, t, self.heads, d // self.heads).transpose(1, 2) for u in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.proj(y.transpose(1, 2).reshape(n, t, d))
        return x + self.out(F.gelu(self.fc(self.ln2(x)), approximate="tanh"))


class _GPT(nn.Module):
    def __init__(self, wl):
        super().__init__()
        c, p = wl.config, wl.params
        self.wte = nn.Embedding(c["vocab"], c["d"])
        self.wpe = nn.Parameter(torch.empty(c["t"], c["d"]))
        _set(self.wte.weight, p["wte"])
        _set(self.wpe, p["wpe"])
        self.blocks = nn.ModuleList(_GPTBlock(wl, i) for i in range(c["layers"]))
        self.lnf = _norm(wl, "lnf")
        self.head = _linear(p["head.w"])

    def forward(self, x):
        h = self.wte(x) + self.wpe
        for b in self.blocks:
            h = b(h)
        return self.head(self.lnf(h))


class _LSTM(nn.Module):
    def __init__(self, wl):
        super().__init__()
        c, p = wl.config, wl.params
        self.emb = nn.Embedding(c["vocab"], c["h"])
        _set(self.emb.weight, p["emb"])
        self.lstm = nn.LSTM(c["h"], c["h"], batch_first=True)
        _set(self.lstm.weight_ih_l0, p["wx"], transpose=True)
        _set(self.lstm.weight_hh_l0, p["wh"], transpose=True)
        _set(self.lstm.bias_ih_l0, p["bx"])
        _set(self.lstm.bias_hh_l0, p["bh"])
        self.out = _linear(p["w"], p["b"])

    def forward(self, x):
        return self.out(self.lstm(self.emb(x))[0])


class _Bag(nn.Module):
    def __init__(self, wl, sparse):
        super().__init__()
        p = wl.params
        self.emb = nn.EmbeddingBag.from_pretrained(
            torch.empty(p["emb"].shape), freeze=False, mode="mean", sparse=sparse
        )
        _set(self.emb.weight, p["emb"])
        self.out = _linear(p["w"], p["b"])

    def forward(self, x):
        return self.out(self.emb(x))


_FAMILY = {
    "tiny": _mlp,
    "mlp": _mlp,
    "cnn": _cnn,
    "resnet": _resnet,
    "gpt": _GPT,
    "lstm": _LSTM,
}


def _model(wl, sparse):
    family = wl.config["family"]
    return _Bag(wl, sparse) if family == "bag" else _FAMILY[family](wl)


def _optimizer(wl, params, fused):
    o = wl.optimizer
    kw = {"fused": True} if fused else {}
    if o["kind"] == "sgd":
        return torch.optim.SGD(params, lr=o["lr"], momentum=o["momentum"], **kw)
    cls = torch.optim.AdamW if o["kind"] == "adamw" else torch.optim.Adam
    return cls(
        params,
        lr=o["lr"],
        betas=(o["b1"], o["b2"]),
        eps=o["eps"],
        weight_decay=o["weight_decay"],
        **kw,
    )


class Peer(AbstractPeer):
    """Layers and an optimizer; the step as PyTorch's tutorials write it."""

    def __init__(self, system: str, wl: Workload, threads: int) -> None:
        torch.set_num_threads(threads)
        _LOADED.clear()
        self.model = _model(wl, sparse=system == "torch-sparse")
        names = {id(a): k for k, a in wl.params.items()}
        self.named = [(names[id(a)], p, tr) for a, p, tr in _LOADED]
        self.batches = []
        for x, y in wl.batches:
            x, y = _t(x), _t(y)
            if wl.loss == "xent":
                y = y.long().flatten()
            self.batches.append((x.long() if x.dtype == torch.int32 else x, y))
        model, xent = self.model, wl.loss == "xent"

        def loss_fn(x, y):
            out = model(x)
            return F.cross_entropy(out.flatten(0, -2), y) if xent else F.mse_loss(out, y)

        self.loss_fn = loss_fn
        self.opt = _optimizer(wl, model.parameters(), system in ("torch-fused", "torch-compile"))
        if system == "torch-compile":
            self.loss_fn = torch.compile(loss_fn)

    def step(self, i):
        x, y = self.batches[i % len(self.batches)]
        self.opt.zero_grad()
        loss = self.loss_fn(x, y)
        loss.backward()
        self.opt.step()
        return loss.detach()

    def export(self):
        return {k: (p.detach().T if tr else p.detach()).numpy().copy() for k, p, tr in self.named}


def gemm(n: int, threads: int) -> Callable[[], Any]:
    """A product of square matrices, to be timed."""
    torch.set_num_threads(threads)
    a, b, out = torch.rand(n, n), torch.rand(n, n), torch.empty(n, n)
    return lambda: torch.mm(a, b, out=out)
