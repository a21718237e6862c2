"""Layers with 16-bit parameters, and with batches of nothing."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import adjoint as ad

nn = ad.nn
IMAGE, SEQUENCE, ROWS = (2, 3, 6, 6), (2, 6, 4), (8, 4)

LAYERS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "Conv2d": (lambda: nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), IMAGE),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(3, 4, 3, stride=2), IMAGE),
    "MaxPool2d": (lambda: nn.MaxPool2d(2), IMAGE),
    "AvgPool2d": (lambda: nn.AvgPool2d(2, padding=1, count_include_pad=False), IMAGE),
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d(4), IMAGE),
    "LPPool2d": (lambda: nn.LPPool2d(2, 2), IMAGE),
    "Upsample": (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), IMAGE),
    "ReflectionPad2d": (lambda: nn.ReflectionPad2d(1), IMAGE),
    "PixelUnshuffle": (lambda: nn.PixelUnshuffle(2), IMAGE),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(3), IMAGE),
    "InstanceNorm2d": (lambda: nn.InstanceNorm2d(3, affine=True), IMAGE),
    "GroupNorm": (lambda: nn.GroupNorm(3, 3), IMAGE),
    "LayerNorm": (lambda: nn.LayerNorm(6), IMAGE),
    "RMSNorm": (lambda: nn.RMSNorm(6), IMAGE),
    "LocalResponseNorm": (lambda: nn.LocalResponseNorm(2), IMAGE),
    "LSTM": (lambda: nn.LSTM(4, 5, 2, bidirectional=True, batch_first=True), SEQUENCE),
    "GRU": (lambda: nn.GRU(4, 5, batch_first=True), SEQUENCE),
    "encoder": (lambda: nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), SEQUENCE),
    "mixture": (lambda: nn.MixtureOfExperts(4, 6, 3), ROWS),
    "capacity": (lambda: nn.MixtureOfExperts(4, 6, 3, capacity_factor=1.0), ROWS),
    "RotaryPositions": (lambda: nn.RotaryPositions(6), IMAGE),
}


def first(out: Any) -> Any:
    return out[0] if isinstance(out, tuple) else out


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", LAYERS)
def test_sixteen_bits_stay_sixteen_bits(name: str, dtype: str) -> None:
    make, shape = LAYERS[name]
    layer = make().to(dtype)
    x = ad.tensor(np.random.default_rng(0).normal(size=shape)).astype(dtype).detach()
    x.requires_grad = True
    out = first(layer(x))
    assert str(out.dtype) == dtype
    (out * out).sum().backward()
    assert x.grad.dtype == x.dtype
    assert all(p.grad.dtype == p.dtype for p in layer.parameters())


@pytest.mark.parametrize("name", LAYERS)
def test_a_batch_of_nothing(name: str) -> None:
    make, (n, *rest) = LAYERS[name]
    layer = make().eval()
    expected = first(layer(ad.ones((n, *rest)))).shape
    assert first(layer(ad.ones((0, *rest)))).shape == (0, *expected[1:])
