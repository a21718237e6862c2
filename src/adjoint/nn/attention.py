"""Multi-head attention: several small attentions side by side, on projections of what comes in."""

from __future__ import annotations

import math
from typing import Any

import adjoint as ad
from adjoint.nn import init
from adjoint.nn.attend import attention_weights, scaled_dot_product_attention
from adjoint.nn.drop import dropout as drop
from adjoint.nn.linear import Linear, linear
from adjoint.nn.masks import joined, merged_mask
from adjoint.nn.module import Module
from adjoint.nn.parameter import Parameter

__all__ = ["MultiHeadAttention", "MultiheadAttention"]

Generator = ad.random.Generator


class MultiHeadAttention(Module):
    """Each query mixes the values of the keys that answer to it, in several heads side by side.

    Queries, keys and values are projected and cut into heads; each head is a
    `functional.scaled_dot_product_attention`; what they give is joined and projected once more.
    Arguments, names and layout of the weights are those of PyTorch's ``MultiheadAttention``, which
    is another name of this class.

    Args:
        embed_dim: size E of the queries and of the result.
        num_heads: number of heads; it divides E.
        dropout: probability with which a weight is dropped in training.
        bias: whether the projections have biases.
        add_bias_kv: whether a learned key and value stand behind those that come in.
        add_zero_attn: whether a key and value of zeros stand behind them.
        kdim: size of the keys; by default E.
        vdim: size of the values; by default E.
        batch_first: whether inputs have shape (N, L, E) rather than (L, N, E).
        dtype: of the parameters; by default the default dtype.
        generator: where their first values come from.

    Attributes:
        in_proj_weight: shape (3 E, E): the projections of queries, keys and values; or None where
            keys or values have another size, and there are `q_proj_weight`, `k_proj_weight` and
            `v_proj_weight`.
        in_proj_bias: shape (3 E,), or None.
        out_proj: the last projection, a `Linear`.
        bias_k: shape (1, 1, E), or None.
        bias_v: shape (1, 1, E), or None.

    Raises:
        ArgumentError: if the heads do not divide E.

    Example:
        >>> layer = ad.nn.MultiHeadAttention(8, 2, batch_first=True)
        >>> x = ad.ones((3, 5, 8))
        >>> mixed, weights = layer(x, x, x, is_causal=True)
        >>> mixed.shape, weights.shape
        ((3, 5, 8), (3, 5, 5))

    Source: Vaswani et al., Attention is all you need (2017), arXiv:1706.03762, section 3.2.2.
    """

    in_proj_weight: Parameter | None
    in_proj_bias: Parameter | None
    q_proj_weight: Parameter | None
    k_proj_weight: Parameter | None
    v_proj_weight: Parameter | None
    bias_k: Parameter | None
    bias_v: Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        *,
        dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:
        if num_heads < 1 or embed_dim < 1 or embed_dim % num_heads:
            raise ad.errors.ArgumentError(
                f"MultiHeadAttention: {num_heads} heads do not divide embed_dim = {embed_dim}"
            )
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.dropout, self.batch_first, self.add_zero_attn = dropout, batch_first, add_zero_attn
        e, together = embed_dim, self.kdim == self.vdim == embed_dim
        shapes = {
            "in_proj_weight": (3 * e, e) if together else None,
            "q_proj_weight": None if together else (e, e),
            "k_proj_weight": None if together else (e, self.kdim),
            "v_proj_weight": None if together else (e, self.vdim),
            "in_proj_bias": (3 * e,) if bias else None,
            "bias_k": (1, 1, e) if add_bias_kv else None,
            "bias_v": (1, 1, e) if add_bias_kv else None,
        }
        for name, shape in shapes.items():
            made = None if shape is None else Parameter(ad.empty(shape, dtype=dtype))
            self.register_parameter(name, made)
        self.out_proj = Linear(e, e, bias=bias, dtype=dtype, generator=generator)
        self.reset_parameters(generator)

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw the projections anew, and set their biases to 0."""
        projections = (
            self.in_proj_weight,
            self.q_proj_weight,
            self.k_proj_weight,
            self.v_proj_weight,
        )
        for weight in projections:
            if weight is not None:
                init.xavier_uniform_(weight, generator=generator)
        for bias in (self.in_proj_bias, self.out_proj.bias):
            if bias is not None:
                init.zeros_(bias)
        for extra in (self.bias_k, self.bias_v):
            if extra is not None:
                # PyTorch's spread for a tensor with three axes of sizes 1, 1 and E
                init.normal_(extra, 0.0, math.sqrt(2 / (2 * self.embed_dim)), generator)

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Any, Any]:
        """The mixed values, and the weights that they were mixed with.

        Args:
            query: shape (L, N, E), (N, L, E) with `batch_first`, or (L, E) without a batch.
            key: shape (S, N, kdim), laid out alike.
            value: shape (S, N, vdim), laid out alike.
            key_padding_mask: shape (N, S), or (S,) without a batch: True for keys to be left out,
                or floats that are added to the scores.
            need_weights: whether the weights are returned; without, they are None.
            attn_mask: shape (L, S) or (N * heads, L, S): True where a query must not see a key, or
                floats that are added to the scores.
            average_attn_weights: whether the weights are averaged over the heads.
            is_causal: whether query i sees the keys up to i only.

        Returns:
            The result, shaped as `query`, and the weights, shape (N, L, S), or (N, heads, L, S) if
            they are not averaged; without N where there is no batch. A query that sees no key
            mixes zeros.

        Raises:
            ShapeError: if shapes do not fit.
        """
        query, key, value = ad.asarray(query), ad.asarray(key), ad.asarray(value)
        alone = query.ndim == 2
        q, k, v = self._projected(query, key, value)
        if alone:
            q, k, v = q[None], k[None], v[None]
        elif not self.batch_first:
            q, k, v = (ad.swapaxes(x, 0, 1) for x in (q, k, v))
        mask = merged_mask(attn_mask, key_padding_mask, q.shape, k.shape, self.num_heads, q.dtype)
        if self.bias_k is not None or self.add_zero_attn:
            k, v, mask = self._with_extra_keys(k, v, mask, is_causal, q.shape[1])
            is_causal = False
        mixed, weights = self._attend(q, k, v, mask, is_causal, need_weights)
        out = self.out_proj(mixed)
        if alone:
            out = out[0]
        elif not self.batch_first:
            out = ad.swapaxes(out, 0, 1)
        if weights is not None:
            weights = ad.mean(weights, axis=1) if average_attn_weights else weights
            weights = weights[0] if alone else weights
        return out, weights

    def _projected(self, query: Any, key: Any, value: Any) -> tuple[Any, Any, Any]:
        """Queries, keys and values, each projected to size E, in as few products as possible."""
        bias, e = self.in_proj_bias, self.embed_dim
        if self.in_proj_weight is not None:
            weight = self.in_proj_weight
            if query is key and key is value:
                q, k, v = ad.split(linear(query, weight, bias), 3, axis=-1)
                return q, k, v
            if key is value:
                first, rest = (None, None) if bias is None else (bias[:e], bias[e:])
                k, v = ad.split(linear(key, weight[e:], rest), 2, axis=-1)
                return linear(query, weight[:e], first), k, v
            parts = ad.split(weight, 3)
        else:
            parts = [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]
        biases = [None] * 3 if bias is None else ad.split(bias, 3)
        q, k, v = map(linear, (query, key, value), parts, biases)
        return q, k, v

    def _with_extra_keys(
        self, k: Any, v: Any, mask: Any, is_causal: bool, queries: int
    ) -> tuple[Any, Any, Any]:
        """Keys, values and mask with the learned ones and the zeros behind them, which all see."""
        n, keys, e = k.shape
        if is_causal:
            causal = ad.tril(ad.ones((queries, keys), dtype=ad.bool))
            mask = joined(causal, mask, k.dtype)
        extra = 0
        if self.bias_k is not None and self.bias_v is not None:
            k = ad.concat([k, ad.broadcast_to(self.bias_k, (n, 1, e))], axis=1)
            v = ad.concat([v, ad.broadcast_to(self.bias_v, (n, 1, e))], axis=1)
            extra += 1
        if self.add_zero_attn:
            none = ad.zeros((n, 1, e), dtype=k.dtype)
            k, v = ad.concat([k, none], axis=1), ad.concat([v, none], axis=1)
            extra += 1
        if mask is not None:
            widths = [(0, 0)] * (mask.ndim - 1) + [(0, extra)]
            seen = mask.dtype == ad.bool
            mask = ad.pad(mask, widths, constant_values=True if seen else 0.0)
        return k, v, mask

    def _attend(
        self, q: Any, k: Any, v: Any, mask: Any, is_causal: bool, need_weights: bool
    ) -> tuple[Any, Any]:
        """What the heads give, joined, and their weights if they are needed."""
        n, queries, _ = q.shape
        q, k, v = (self._in_heads(x) for x in (q, k, v))
        p = self.dropout if self.training else 0.0
        weights = None
        if need_weights or (is_causal and mask is not None):
            weights = drop(attention_weights(q, k, mask, is_causal), p)
            mixed = weights @ v
        else:
            mixed = scaled_dot_product_attention(q, k, v, mask, p, is_causal)
        mixed = ad.permute_dims(mixed, (0, 2, 1, 3)).reshape((n, queries, self.embed_dim))
        return mixed, weights if need_weights else None

    def _in_heads(self, x: Any) -> Any:
        """Shape (N, L, E) as (N, heads, L, E / heads)."""
        split = x.reshape((*x.shape[:2], self.num_heads, self.head_dim))
        return ad.permute_dims(split, (0, 2, 1, 3))

    def extra_repr(self) -> str:
        """The sizes."""
        return f"embed_dim={self.embed_dim}, num_heads={self.num_heads}"


MultiheadAttention = MultiHeadAttention
