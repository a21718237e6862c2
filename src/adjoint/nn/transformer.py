"""Encoder, decoder and the transformer that they make."""

from __future__ import annotations

import copy
from typing import Any

import adjoint as ad
from adjoint.nn import init
from adjoint.nn.containers import ModuleList
from adjoint.nn.module import Module
from adjoint.nn.normalization import LayerNorm
from adjoint.nn.transformer_layers import (
    Activation,
    TransformerDecoderLayer,
    TransformerEncoderLayer,
)

__all__ = ["Transformer", "TransformerDecoder", "TransformerEncoder"]

Generator = ad.random.Generator


class TransformerEncoder(Module):
    """Copies of an encoder layer, one after the other.

    Args:
        encoder_layer: a layer; the copies begin with its weights.
        num_layers: number of copies.
        norm: a module that normalises the result, or None.
        enable_nested_tensor: accepted as PyTorch's; it changes nothing here.
        mask_check: accepted as PyTorch's; it changes nothing here.

    Example:
        >>> layer = ad.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        >>> ad.nn.TransformerEncoder(layer, 2)(ad.ones((3, 5, 8))).shape
        (3, 5, 8)
    """

    norm: Module | None

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        self.layers = ModuleList([copy.deepcopy(encoder_layer) for _ in range(num_layers)])
        self.num_layers = num_layers
        self.register_module("norm", norm)

    def forward(
        self,
        src: Any,
        mask: Any = None,
        src_key_padding_mask: Any = None,
        is_causal: bool = False,
    ) -> Any:
        """What the last layer gives, shaped as `src`; arguments as `TransformerEncoderLayer`."""
        for layer in self.layers:
            src = layer(src, mask, src_key_padding_mask, is_causal)
        return src if self.norm is None else self.norm(src)


class TransformerDecoder(Module):
    """Copies of a decoder layer, one after the other.

    Args:
        decoder_layer: a layer; the copies begin with its weights.
        num_layers: number of copies.
        norm: a module that normalises the result, or None.

    Example:
        >>> layer = ad.nn.TransformerDecoderLayer(8, 2, 16, batch_first=True)
        >>> ad.nn.TransformerDecoder(layer, 2)(ad.ones((3, 5, 8)), ad.ones((3, 7, 8))).shape
        (3, 5, 8)
    """

    norm: Module | None

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        self.layers = ModuleList([copy.deepcopy(decoder_layer) for _ in range(num_layers)])
        self.num_layers = num_layers
        self.register_module("norm", norm)

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
        """What the last layer gives, shaped as `tgt`; arguments as `TransformerDecoderLayer`."""
        for layer in self.layers:
            tgt = layer(
                tgt,
                memory,
                tgt_mask,
                memory_mask,
                tgt_key_padding_mask,
                memory_key_padding_mask,
                tgt_is_causal,
                memory_is_causal,
            )
        return tgt if self.norm is None else self.norm(tgt)


class Transformer(Module):
    """An encoder of a source, and a decoder that attends to it while it makes a target.

    Args:
        d_model: size E of what stands at a position.
        nhead: number of heads; it divides E.
        num_encoder_layers: number of layers of the encoder.
        num_decoder_layers: number of layers of the decoder.
        dim_feedforward: size of the hidden layer of the network at each position.
        dropout: probability of dropout.
        activation: ``"relu"``, ``"gelu"`` or a function.
        custom_encoder: a module instead of the encoder.
        custom_decoder: a module instead of the decoder.
        layer_norm_eps: added to the variances.
        batch_first: whether inputs have shape (N, L, E) rather than (L, N, E).
        norm_first: whether each part normalises its input, rather than the sum behind it.
        bias: whether projections and normalisations have biases.
        dtype: of the parameters; by default the default dtype.
        generator: where their first values come from.

    Example:
        >>> model = ad.nn.Transformer(8, 2, 1, 1, 16, batch_first=True)
        >>> model(ad.ones((3, 5, 8)), ad.ones((3, 4, 8)), tgt_is_causal=True).shape
        (3, 4, 8)

    Source: Vaswani et al., Attention is all you need (2017), arXiv:1706.03762.
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        custom_encoder: Module | None = None,
        custom_decoder: Module | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first

        def stack(layer: Any, together: Any, layers: int) -> Module:
            one = layer(
                d_model,
                nhead,
                dim_feedforward,
                dropout,
                activation,
                layer_norm_eps,
                batch_first,
                norm_first,
                bias,
                dtype=dtype,
                generator=generator,
            )
            norm = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, dtype=dtype)
            return together(one, layers, norm)

        self.encoder = custom_encoder or stack(
            TransformerEncoderLayer, TransformerEncoder, num_encoder_layers
        )
        self.decoder = custom_decoder or stack(
            TransformerDecoderLayer, TransformerDecoder, num_decoder_layers
        )
        self.reset_parameters(generator)

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw all matrices anew, each layer's its own."""
        for parameter in self.parameters():
            if parameter.ndim > 1:
                init.xavier_uniform_(parameter, generator=generator)

    def forward(
        self,
        src: Any,
        tgt: Any,
        src_mask: Any = None,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        src_key_padding_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        src_is_causal: bool = False,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Any:
        """What the decoder makes of `tgt` in view of the encoded `src`, shaped as `tgt`.

        Args:
            src: shape (S, N, E), (N, S, E) with `batch_first`, or (S, E).
            tgt: shape (T, N, E), laid out alike.
            src_mask: what a position of `src` must not see of it.
            tgt_mask: what a position of `tgt` must not see of it.
            memory_mask: what a position of `tgt` must not see of the encoded `src`.
            src_key_padding_mask: which positions of `src` are padding.
            tgt_key_padding_mask: which positions of `tgt` are padding.
            memory_key_padding_mask: which positions of the encoded `src` are padding.
            src_is_causal: whether a position of `src` sees only those before it, and itself.
            tgt_is_causal: the same of `tgt`.
            memory_is_causal: the same of the encoded `src`.
        """
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        return self.decoder(
            tgt,
            memory,
            tgt_mask,
            memory_mask,
            tgt_key_padding_mask,
            memory_key_padding_mask,
            tgt_is_causal,
            memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(size: int, dtype: Any = None) -> Any:
        """A mask that lets no position see those behind it: -inf above the diagonal, else 0.

        Example:
            >>> ad.nn.Transformer.generate_square_subsequent_mask(2)
            tensor([[  0., -inf],
                    [  0.,   0.]])
        """
        seen = ad.tril(ad.ones((size, size), dtype=ad.bool))
        return ad.where(seen, ad.zeros((), dtype=dtype), -ad.inf)
