"""The blocks of a GPT, with the structure and names of GPT-2, and its sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import adjoint as ad
from adjoint.nn.activation_functions import gelu
from adjoint.nn.attend import scaled_dot_product_attention
from adjoint.nn.dropout import Dropout
from adjoint.nn.module import Module
from adjoint.nn.normalization import LayerNorm
from adjoint.nn.parameter import Parameter

__all__ = ["GPTBlock", "GPTConfig", "Seen"]


@dataclass(frozen=True)
class GPTConfig:
    """Sizes of a `GPT`; the defaults are those of GPT-2 with 124 million parameters.

    Attributes:
        vocab_size: number of different tokens.
        block_size: the most tokens that the model sees at once.
        layers: number of blocks.
        heads: number of heads of each attention; it divides `width`.
        width: size of what stands at a position.
        dropout: probability of dropout in training.
        bias: whether projections and normalisations have biases.
        tied: whether the scores of the next token are made with the table of the embeddings.

    Example:
        >>> ad.nn.GPTConfig(vocab_size=256, layers=2, heads=2, width=16).tied
        True
    """

    vocab_size: int = 50257
    block_size: int = 1024
    layers: int = 12
    heads: int = 12
    width: int = 768
    dropout: float = 0.1
    bias: bool = True
    tied: bool = True


class Seen:
    """Keys and values of the tokens that an attention has seen, so that they are made once."""

    def __init__(self) -> None:
        self.keys: Any = None
        self.values: Any = None

    def grow(self, k: Any, v: Any) -> tuple[Any, Any]:
        """All keys and values, with these appended."""
        if self.keys is not None:
            k, v = ad.concat([self.keys, k], axis=-2), ad.concat([self.values, v], axis=-2)
        self.keys, self.values = k, v
        return k, v


class GPTProjection(Module):
    """A linear map whose weight has shape (in, out), as GPT-2 stores it.

    Args:
        inputs: size of the last axis of the input.
        outputs: size of the last axis of the result.
        bias: whether something is added.

    Attributes:
        weight: shape (in, out).
        bias: shape (out,), or None.
    """

    bias: Parameter | None

    def __init__(self, inputs: int, outputs: int, bias: bool) -> None:
        self.weight = Parameter(ad.empty((inputs, outputs)))
        self.register_parameter("bias", Parameter(ad.zeros(outputs)) if bias else None)

    def forward(self, x: Any) -> Any:
        """``x @ weight + bias``."""
        out = x @ self.weight
        return out if self.bias is None else out + self.bias


class GPTAttention(Module):
    """Attention of each position to itself and those before it."""

    def __init__(self, config: GPTConfig) -> None:
        w = config.width
        if config.heads < 1 or w % config.heads:
            raise ad.errors.ArgumentError(f"GPT: {config.heads} heads do not divide width = {w}")
        self.heads, self.p = config.heads, config.dropout
        self.c_attn = GPTProjection(w, 3 * w, config.bias)
        self.c_proj = GPTProjection(w, w, config.bias)
        self.resid_dropout = Dropout(config.dropout)

    def forward(self, x: Any, seen: Seen | None = None) -> Any:
        """What each position of `x`, shape (N, L, E), takes from those before it."""
        n, length, width = x.shape
        split = self.c_attn(x).reshape((n, length, 3, self.heads, width // self.heads))
        q, k, v = ad.unstack(ad.permute_dims(split, (2, 0, 3, 1, 4)))
        first = seen is None or seen.keys is None
        if seen is not None:
            k, v = seen.grow(k, v)
        p = self.p if self.training else 0.0
        # behind what was seen comes one token at a time, which may see everything
        mixed = scaled_dot_product_attention(q, k, v, None, p, is_causal=first)
        joined = ad.permute_dims(mixed, (0, 2, 1, 3)).reshape((n, length, width))
        return self.resid_dropout(self.c_proj(joined))


class GPTNetwork(Module):
    """The network that each position goes through."""

    def __init__(self, config: GPTConfig) -> None:
        self.c_fc = GPTProjection(config.width, 4 * config.width, config.bias)
        self.c_proj = GPTProjection(4 * config.width, config.width, config.bias)
        self.dropout = Dropout(config.dropout)

    def forward(self, x: Any) -> Any:
        """``x`` through the hidden layer and back."""
        return self.dropout(self.c_proj(gelu(self.c_fc(x), approximate="tanh")))


class GPTBlock(Module):
    """Attention and network, each around normalised input and added to what came in."""

    def __init__(self, config: GPTConfig) -> None:
        self.ln_1 = LayerNorm(config.width, bias=config.bias)
        self.attn = GPTAttention(config)
        self.ln_2 = LayerNorm(config.width, bias=config.bias)
        self.mlp = GPTNetwork(config)

    def forward(self, x: Any, seen: Seen | None = None) -> Any:
        """The block's output, shaped as `x`."""
        x = x + self.attn(self.ln_1(x), seen)
        return x + self.mlp(self.ln_2(x))
