"""Adjoint: layers, an optimizer, and the whole step as one compiled call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import adjoint as ad
from adjoint import nn
from peers.interface import Peer as AbstractPeer
from peers.workloads import Workload, resnet_blocks

F = nn.functional


class Loaded:
    """Layers with the weights of a workload, and which parameter got which."""

    def __init__(self, wl: Workload) -> None:
        self.wl = wl
        self.named: dict[str, tuple[Any, bool]] = {}

    def put(self, parameter: Any, name: str, transposed: bool = False) -> None:
        """Copy a weight into a parameter."""
        array = self.wl.params[name]
        with ad.no_grad():
            parameter.assign(ad.tensor((array.T if transposed else array).copy()))
        self.named[name] = parameter, transposed

    def linear(self, w: str, b: str | None = None) -> Any:
        """A dense layer."""
        layer = nn.Linear(*self.wl.params[w].shape, bias=b is not None)
        self.put(layer.weight, w, transposed=True)
        if b is not None:
            self.put(layer.bias, b)
        return layer

    def conv(self, w: str, b: str | None = None, **options: Any) -> Any:
        """A convolution."""
        out, c, size, _ = self.wl.params[w].shape
        layer = nn.Conv2d(c, out, size, bias=b is not None, **options)
        self.put(layer.weight, w)
        if b is not None:
            self.put(layer.bias, b)
        return layer

    def norm(self, key: str) -> Any:
        """A normalisation over the batch where there are running statistics, else over features."""
        size, c = self.wl.params[f"{key}.g"].size, self.wl.config
        layer = (
            nn.BatchNorm2d(size, eps=c["bn_eps"], momentum=c["bn_momentum"])
            if f"{key}.mean" in self.wl.buffers
            else nn.LayerNorm(size, eps=c["ln_eps"])
        )
        self.put(layer.weight, f"{key}.g")
        self.put(layer.bias, f"{key}.b")
        return layer


def _mlp(at: Loaded) -> Any:
    layers: list[Any] = []
    config = at.wl.config
    last = len(config["sizes"]) - 2
    for i in range(last + 1):
        layers.append(at.linear(f"w{i}", f"b{i}"))
        if i < last:
            layers.append(nn.GELU(approximate="tanh") if config.get("act") == "gelu" else nn.ReLU())
    if config["family"] == "tiny":
        layers.append(nn.Sigmoid())
    return nn.Sequential(*layers)


def _cnn(at: Loaded) -> Any:
    return nn.Sequential(
        at.conv("c0", "cb0"),
        nn.ReLU(),
        nn.MaxPool2d(2),
        at.conv("c1", "cb1"),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        at.linear("w0", "b0"),
        nn.ReLU(),
        at.linear("w1", "b1"),
    )


class _ResidualBlock(nn.Module):
    def __init__(self, at: Loaded, key: str, stride: int) -> None:
        self.c1 = at.conv(f"{key}.c1", stride=stride, padding=1)
        self.bn1 = at.norm(f"{key}.bn1")
        self.c2 = at.conv(f"{key}.c2", padding=1)
        self.bn2 = at.norm(f"{key}.bn2")
        self.short = nn.Identity()
        if f"{key}.sc" in at.wl.params:
            short = at.conv(f"{key}.sc", stride=stride)
            self.short = nn.Sequential(short, at.norm(f"{key}.bns"))

    def forward(self, x: Any) -> Any:
        y = F.relu(self.bn1(self.c1(x)))
        return F.relu(self.bn2(self.c2(y)) + self.short(x))


def _resnet(at: Loaded) -> Any:
    layers = [at.conv("stem", padding=1), at.norm("stem.bn"), nn.ReLU()]
    layers += [_ResidualBlock(at, key, stride) for key, _, _, stride, _ in resnet_blocks()]
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), at.linear("w", "b")]
    return nn.Sequential(*layers)


class _GPTBlock(nn.Module):
    def __init__(self, at: Loaded, i: int) -> None:
        k = f"h{i}."
        self.heads = at.wl.config["heads"]
        self.ln1, self.ln2 = at.norm(k + "ln1"), at.norm(k + "ln2")
        self.qkv = at.linear(k + "qkv.w", k + "qkv.b")
        self.proj = at.linear(k + "proj.w", k + "proj.b")
        self.fc = at.linear(k + "fc.w", k + "fc.b")
        self.out = at.linear(k + "out.w", k + "out.b")

    def forward(self, x: Any) -> Any:
        n, t, d = x.shape
        a = self.qkv(self.ln1(x)).reshape(n, t, 3, self.heads, d // self.heads)
        q, k, v = a.permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.proj(y.permute(0, 2, 1, 3).reshape(n, t, d))
        return x + self.out(F.gelu(self.fc(self.ln2(x)), approximate="tanh"))


class _GPT(nn.Module):
    def __init__(self, at: Loaded) -> None:
        c = at.wl.config
        self.wte = nn.Embedding(c["vocab"], c["d"])
        self.wpe = nn.Parameter(np.zeros((c["t"], c["d"]), np.float32))
        at.put(self.wte.weight, "wte")
        at.put(self.wpe, "wpe")
        self.blocks = nn.Sequential(*(_GPTBlock(at, i) for i in range(c["layers"])))
        self.lnf = at.norm("lnf")
        self.head = at.linear("head.w")

    def forward(self, x: Any) -> Any:
        return self.head(self.lnf(self.blocks(self.wte(x) + self.wpe)))


class _LSTM(nn.Module):
    def __init__(self, at: Loaded) -> None:
        c = at.wl.config
        self.emb = nn.Embedding(c["vocab"], c["h"])
        at.put(self.emb.weight, "emb")
        self.lstm = nn.LSTM(c["h"], c["h"])
        at.put(self.lstm.weight_ih_l0, "wx", transposed=True)
        at.put(self.lstm.weight_hh_l0, "wh", transposed=True)
        at.put(self.lstm.bias_ih_l0, "bx")
        at.put(self.lstm.bias_hh_l0, "bh")
        self.out = at.linear("w", "b")

    def forward(self, x: Any) -> Any:
        return self.out(self.lstm(self.emb(x.T))[0]).permute(1, 0, 2)


class _Bag(nn.Module):
    def __init__(self, at: Loaded) -> None:
        c = at.wl.config
        self.emb = nn.EmbeddingBag(c["rows"], c["d"], mode="mean", sparse=True)
        at.put(self.emb.weight, "emb")
        self.out = at.linear("w", "b")

    def forward(self, x: Any) -> Any:
        return self.out(self.emb(x))


_FAMILY: dict[str, Callable[[Loaded], Any]] = {
    "tiny": _mlp,
    "mlp": _mlp,
    "cnn": _cnn,
    "resnet": _resnet,
    "gpt": _GPT,
    "lstm": _LSTM,
    "bag": _Bag,
}


def _optimizer(o: dict[str, Any], model: Any) -> Any:
    if o["kind"] == "sgd":
        return ad.optim.SGD(model, lr=o["lr"], momentum=o["momentum"])
    rule = ad.optim.AdamW if o["kind"] == "adamw" else ad.optim.Adam
    return rule(
        model,
        lr=o["lr"],
        betas=(o["b1"], o["b2"]),
        eps=o["eps"],
        weight_decay=o["weight_decay"],
    )


class Peer(AbstractPeer):
    """The model as layers, its optimizer, and their compiled step."""

    def __init__(self, system: str, wl: Workload, threads: int) -> None:
        at = Loaded(wl)
        model = _FAMILY[wl.config["family"]](at)
        self.named = at.named
        opt = _optimizer(wl.optimizer, model)
        xent = wl.loss == "xent"
        self.batches = [
            (ad.tensor(x), ad.tensor(y.reshape(-1) if xent else y)) for x, y in wl.batches
        ]

        def step(x: Any, y: Any) -> Any:
            out = model(x)
            loss = (
                F.cross_entropy(out.reshape(-1, out.shape[-1]), y) if xent else F.mse_loss(out, y)
            )
            loss.backward()
            opt.step()
            opt.zero_grad()
            return loss

        self.eager = step
        self.compiled = ad.compile(step)

    def step(self, i: int) -> Any:
        return self.compiled(*self.batches[i % len(self.batches)])

    def rate(self) -> float:
        kernels = self.compiled.report(*self.batches[0]).kernels
        found = [k for k in kernels if k.kind in ("contract", "conv")]
        return sum(k.flops for k in found) / sum(k.seconds for k in found) / 1e9

    def export(self) -> dict[str, Any]:
        return {
            name: (p.numpy().T if transposed else p.numpy()).copy()
            for name, (p, transposed) in self.named.items()
        }


def version() -> str:
    """The library's version."""
    return ad.__version__


def gemm(n: int, threads: int) -> Callable[[], Any]:
    """A product of square matrices, to be timed."""
    rng = np.random.default_rng(0)
    a, b = (ad.tensor(rng.random((n, n), dtype=np.float32)) for _ in range(2))
    product = ad.compile(ad.matmul)
    return lambda: product(a, b)
