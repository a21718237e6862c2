"""Layers of the encoder and the decoder of a transformer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import adjoint as ad
from adjoint.nn.activation_functions import gelu
from adjoint.nn.attention import MultiHeadAttention
from adjoint.nn.dropout import Dropout
from adjoint.nn.linear import Linear
from adjoint.nn.module import Module
from adjoint.nn.normalization import LayerNorm

__all__ = ["TransformerDecoderLayer", "TransformerEncoderLayer"]

Generator = ad.random.Generator
Activation = str | Callable[[Any], Any]


def activation_of(given: Activation) -> Callable[[Any], Any]:
    """The activation that a name stands for, or the function that was given."""
    if not isinstance(given, str):
        return given
    known: dict[str, Callable[[Any], Any]] = {"relu": ad.relu, "gelu": gelu}
    if given not in known:
        raise ad.errors.ArgumentError(f'activation must be "relu" or "gelu", got {given!r}')
    return known[given]


class AbstractTransformerLayer(Module):
    """What both kinds of layers share: attention to itself, and a network for each position."""

    def _set_up(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int,
        dropout: float,
        activation: Activation,
        layer_norm_eps: float,
        batch_first: bool,
        norm_first: bool,
        bias: bool,
        cross: bool,
        dtype: Any,
        generator: Generator | None,
    ) -> None:
        def attention() -> MultiHeadAttention:
            return MultiHeadAttention(
                d_model,
                nhead,
                dropout,
                bias,
                batch_first=batch_first,
                dtype=dtype,
                generator=generator,
            )

        self.self_attn = attention()
        if cross:
            self.multihead_attn = attention()
        self.linear1 = Linear(d_model, dim_feedforward, bias, dtype=dtype, generator=generator)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, dtype=dtype, generator=generator)
        self.norm_first = norm_first
        numbers = "123" if cross else "12"
        for i in numbers:
            norm = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, dtype=dtype)
            setattr(self, "norm" + i, norm)
        for i in numbers:
            setattr(self, "dropout" + i, Dropout(dropout))
        self.activation = activation_of(activation)

    def _around(self, x: Any, number: int, part: Callable[[Any], Any]) -> Any:
        """A residual connection around a part, normalised ahead of it or behind the sum."""
        norm, dropout = getattr(self, f"norm{number}"), getattr(self, f"dropout{number}")
        if self.norm_first:
            return x + dropout(part(norm(x)))
        return norm(x + dropout(part(x)))

    def _feed_forward(self, x: Any) -> Any:
        """The network that each position goes through."""
        return self.linear2(self.dropout(self.activation(self.linear1(x))))


class TransformerEncoderLayer(AbstractTransformerLayer):
    """A layer of an encoder: attention to itself, then a network for each position.

    Args:
        d_model: size E of what stands at a position.
        nhead: number of heads; it divides E.
        dim_feedforward: size of the hidden layer of the network.
        dropout: probability of dropout, in three places and in the weights of attention.
        activation: ``"relu"``, ``"gelu"`` or a function.
        layer_norm_eps: added to the variances.
        batch_first: whether inputs have shape (N, L, E) rather than (L, N, E).
        norm_first: whether each part normalises its input, rather than the sum behind it.
        bias: whether projections and normalisations have biases.
        dtype: of the parameters; by default the default dtype.
        generator: where their first values come from.

    Attributes:
        self_attn: the `MultiHeadAttention`.
        linear1: to the hidden layer.
        linear2: back.
        norm1: of the attention.
        norm2: of the network.

    Example:
        >>> layer = ad.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        >>> layer(ad.ones((3, 5, 8)), is_causal=True).shape
        (3, 5, 8)

    Source: Vaswani et al., Attention is all you need (2017), arXiv:1706.03762; `norm_first` as in
    Xiong et al., On layer normalization in the transformer architecture (2020), arXiv:2002.04745.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:
        self._set_up(
            d_model,
            nhead,
            dim_feedforward,
            dropout,
            activation,
            layer_norm_eps,
            batch_first,
            norm_first,
            bias,
            cross=False,
            dtype=dtype,
            generator=generator,
        )

    def forward(
        self,
        src: Any,
        src_mask: Any = None,
        src_key_padding_mask: Any = None,
        is_causal: bool = False,
    ) -> Any:
        """The layer's output, shaped as `src`.

        Args:
            src: shape (L, N, E), (N, L, E) with `batch_first`, or (L, E).
            src_mask: what a position must not see; `MultiHeadAttention` says how.
            src_key_padding_mask: which positions are padding, shape (N, L).
            is_causal: whether a position sees only those before it, and itself.
        """

        def attend(x: Any) -> Any:
            return self.self_attn(
                x, x, x, src_key_padding_mask, False, src_mask, is_causal=is_causal
            )[0]

        return self._around(self._around(src, 1, attend), 2, self._feed_forward)


class TransformerDecoderLayer(AbstractTransformerLayer):
    """A layer of a decoder: attention to itself, to what was encoded, and a network.

    Arguments are those of `TransformerEncoderLayer`.

    Args:
        d_model: size E of what stands at a position.
        nhead: number of heads; it divides E.
        dim_feedforward: size of the hidden layer of the network.
        dropout: probability of dropout.
        activation: ``"relu"``, ``"gelu"`` or a function.
        layer_norm_eps: added to the variances.
        batch_first: whether inputs have shape (N, L, E) rather than (L, N, E).
        norm_first: whether each part normalises its input, rather than the sum behind it.
        bias: whether projections and normalisations have biases.
        dtype: of the parameters; by default the default dtype.
        generator: where their first values come from.

    Attributes:
        self_attn: attention to itself.
        multihead_attn: attention to what was encoded.
        linear1: to the hidden layer.
        linear2: back.
        norm1: of the attention to itself.
        norm2: of the attention to what was encoded.
        norm3: of the network.

    Example:
        >>> layer = ad.nn.TransformerDecoderLayer(8, 2, 16, batch_first=True)
        >>> layer(ad.ones((3, 5, 8)), ad.ones((3, 7, 8)), tgt_is_causal=True).shape
        (3, 5, 8)
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:
        self._set_up(
            d_model,
            nhead,
            dim_feedforward,
            dropout,
            activation,
            layer_norm_eps,
            batch_first,
            norm_first,
            bias,
            cross=True,
            dtype=dtype,
            generator=generator,
        )

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Any:
        """The layer's output, shaped as `tgt`.

        Args:
            tgt: shape (L, N, E), (N, L, E) with `batch_first`, or (L, E).
            memory: what was encoded, shape (S, N, E), laid out alike.
            tgt_mask: what a position must not see of `tgt`.
            memory_mask: what a position must not see of `memory`.
            tgt_key_padding_mask: which positions of `tgt` are padding.
            memory_key_padding_mask: which positions of `memory` are padding.
            tgt_is_causal: whether a position sees only those before it, and itself.
            memory_is_causal: the same of `memory`.
        """

        def attend(x: Any) -> Any:
            return self.self_attn(
                x, x, x, tgt_key_padding_mask, False, tgt_mask, is_causal=tgt_is_causal
            )[0]

        def look(x: Any) -> Any:
            return self.multihead_attn(
                x,
                memory,
                memory,
                memory_key_padding_mask,
                False,
                memory_mask,
                is_causal=memory_is_causal,
            )[0]

        x = self._around(self._around(tgt, 1, attend), 2, look)
        return self._around(x, 3, self._feed_forward)
