"""Layers within a compiled training step: the same numbers as step by step, state included."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint.compiler.compiled import compile as staging

nn = ad.nn
IMAGE, SEQUENCE = (2, 3, 6, 6), (6, 2, 4)


def recurrent(name: str, **kwargs: Any) -> Any:
    layer = getattr(nn, name)(4, 5, **kwargs)
    layer.register_forward_hook(lambda module, args, out: out[0])
    return layer


LAYERS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "convolution": (lambda: nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), IMAGE),
    "transposed": (lambda: nn.ConvTranspose2d(3, 4, 3, stride=2), IMAGE),
    "pools": (lambda: nn.Sequential(nn.MaxPool2d(2), nn.AvgPool2d(3), nn.LayerNorm(1)), IMAGE),
    "upsample": (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), IMAGE),
    "batch": (lambda: nn.BatchNorm2d(3), IMAGE),
    "batch-mean": (lambda: nn.BatchNorm2d(3, momentum=None), IMAGE),
    "instance": (lambda: nn.InstanceNorm2d(3, track_running_stats=True), IMAGE),
    "group": (lambda: nn.GroupNorm(3, 3), IMAGE),
    "rms": (lambda: nn.RMSNorm(6), IMAGE),
    "gru": (lambda: recurrent("GRU", num_layers=2, dropout=0.3), SEQUENCE),
    "lstm": (lambda: recurrent("LSTM", bidirectional=True, proj_size=2), SEQUENCE),
    "encoder": (lambda: nn.TransformerEncoderLayer(4, 2, 8), SEQUENCE),
    "mixture": (lambda: nn.MixtureOfExperts(4, 6, 3, noise=True), (8, 4)),
    "capacity": (lambda: nn.MixtureOfExperts(4, 6, 3, capacity_factor=1.0), (8, 4)),
    "rotary": (lambda: nn.RotaryPositions(6), IMAGE),
}


def step(layer: Any, x: Any) -> Any:
    out = layer(x)
    loss = (out * out * out).sum()
    if any(True for _ in layer.parameters()):
        loss.backward()
    return loss


@pytest.mark.parametrize("name", LAYERS)
def test_a_compiled_step(name: str) -> None:
    make, shape = LAYERS[name]
    eager = make()
    staged = copy.deepcopy(eager)
    compiled = staging(lambda x: step(staged, x), backend="numpy")
    xs = [np.random.default_rng(i).normal(size=shape).astype(np.float32) for i in range(3)]
    losses: list[list[Any]] = []
    for run in (lambda x: step(eager, x), compiled):
        ad.random.seed(1)
        losses.append([run(ad.tensor(x)).item() for x in xs])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)
    for (path, p), q in zip(eager.named_parameters(), staged.parameters(), strict=True):
        np.testing.assert_allclose(q.grad, p.grad, rtol=1e-3, atol=1e-4, err_msg=path)
    for (path, p), q in zip(eager.named_buffers(), staged.buffers(), strict=True):
        np.testing.assert_allclose(q, p, rtol=1e-5, atol=1e-7, err_msg=path)


def test_a_compiled_gpt() -> None:
    eager = ad.nn.GPT(vocab_size=11, block_size=8, layers=1, heads=2, width=8, dropout=0.1)
    staged = copy.deepcopy(eager)
    compiled = staging(lambda x: step(staged, x), backend="numpy")
    x = ad.tensor(np.random.default_rng(0).integers(0, 11, (2, 8)))
    losses: list[Any] = []
    for run in (lambda x: step(eager, x), compiled):
        ad.random.seed(1)
        losses.append(run(x).item())
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    for p, q in zip(eager.parameters(), staged.parameters(), strict=True):
        np.testing.assert_allclose(q.grad, p.grad, rtol=1e-3, atol=1e-6)
