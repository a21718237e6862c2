"""The networks that the command trains, made from a description that fits into JSON."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, Final

import adjoint as ad
from adjoint import nn

MODELS: Final = ("mlp", "cnn", "resnet", "gpt", "lstm")
FITS: Final = {
    "table": ("mlp",),
    "images": ("mlp", "cnn", "resnet"),
    "sequences": ("lstm", "mlp"),
    "text": ("gpt", "lstm"),
}
"""Which models can be trained on what; the first is the default, but for images."""


class Perceptron(nn.Module):
    """Linear layers with rectified units between them, of the flattened input."""

    def __init__(self, inputs: int, hidden: list[int], outputs: int, dropout: float) -> None:
        sizes = [inputs, *hidden]
        layers: list[Any] = []
        for n, m in pairwise(sizes):
            layers += [nn.Linear(n, m), nn.ReLU(), *([nn.Dropout(dropout)] if dropout else [])]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))

    def forward(self, x: Any) -> Any:
        """Scores, shape (batch, outputs)."""
        return self.layers(x.reshape((x.shape[0], -1)))


def _unit(inputs: int, outputs: int, stride: int = 1) -> list[Any]:
    convolution = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(outputs)]


class Convolutions(nn.Module):
    """Stages of a convolution, batch normalisation and rectified units, each at half the size."""

    def __init__(self, channels: int, width: int, layers: int, outputs: int, size: int) -> None:
        parts: list[Any] = []
        for k in range(layers):
            wide = width * 2**k
            parts += [*_unit(channels, wide), nn.ReLU()]
            if size >= 4:
                parts.append(nn.MaxPool2d(2))
                size //= 2
            channels = wide
        self.stages = nn.Sequential(*parts)
        self.head = nn.Linear(channels, outputs)

    def forward(self, x: Any) -> Any:
        """Scores, shape (batch, outputs), of images (batch, channels, height, width)."""
        return self.head(ad.mean(self.stages(x), axis=(2, 3)))


class Residual(nn.Module):
    """Two convolutions whose result is added to what came in (He et al., 2015)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        self.body = nn.Sequential(
            *_unit(inputs, outputs, stride), nn.ReLU(), *_unit(outputs, outputs)
        )
        short: Any = nn.Identity()
        if stride != 1 or inputs != outputs:
            short = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)
        self.short = short

    def forward(self, x: Any) -> Any:
        """The sum, through rectified units."""
        return ad.relu(self.body(x) + self.short(x))


class ResidualNetwork(nn.Module):
    """A convolution and stages of residual blocks, each stage at half the size."""

    def __init__(self, channels: int, width: int, layers: int, outputs: int) -> None:
        blocks: list[Any] = [*_unit(channels, width), nn.ReLU()]
        wide = width
        for k in range(layers):
            blocks.append(Residual(wide, width * 2**k, 1 if k == 0 else 2))
            wide = width * 2**k
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(wide, outputs)

    def forward(self, x: Any) -> Any:
        """Scores, shape (batch, outputs), of images (batch, channels, height, width)."""
        return self.head(ad.mean(self.blocks(x), axis=(2, 3)))


class Recurrent(nn.Module):
    """An LSTM over a sequence, and a linear layer of its last output."""

    def __init__(self, features: int, width: int, layers: int, outputs: int) -> None:
        self.lstm = nn.LSTM(features, width, layers, batch_first=True)
        self.head = nn.Linear(width, outputs)

    def forward(self, x: Any) -> Any:
        """Scores, shape (batch, outputs), of sequences (batch, length, features)."""
        out, _ = self.lstm(x)
        return self.head(out[:, -1])


class RecurrentText(nn.Module):
    """A language model: an LSTM over tokens, with a score for each next token."""

    def __init__(self, vocabulary: int, width: int, layers: int) -> None:
        self.embedding = nn.Embedding(vocabulary, width)
        self.lstm = nn.LSTM(width, width, layers, batch_first=True)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, tokens: Any) -> Any:
        """Scores, shape (batch, length, vocabulary)."""
        out, _ = self.lstm(self.embedding(tokens))
        return self.head(out)


def build(about: dict[str, Any]) -> Any:
    """The network of a description, with fresh weights from the default generator."""
    shape, outputs = about["inputs"], about["outputs"]
    width, layers = about["width"], about["layers"]
    if about["model"] == "mlp":
        return Perceptron(math.prod(shape), about["hidden"], outputs, about["dropout"])
    if about["model"] == "cnn":
        return Convolutions(shape[0], width, layers, outputs, min(shape[1:]))
    if about["model"] == "resnet":
        return ResidualNetwork(shape[0], width, layers, outputs)
    if about["model"] == "gpt":
        return nn.GPT(
            vocab_size=outputs,
            block_size=about["block_size"],
            layers=layers,
            heads=about["heads"],
            width=width,
            dropout=about["dropout"],
        )
    if len(shape) == 2:
        return Recurrent(shape[1], width, layers, outputs)
    return RecurrentText(outputs, width, layers)
