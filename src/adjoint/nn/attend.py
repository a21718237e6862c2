"""Attention as a function: a mean of values, weighted by how well keys answer to queries."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

import adjoint as ad
from adjoint.nn.misfit import misfit

__all__ = ["attention_weights", "scaled_dot_product_attention"]


def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    *,
    generator: Any = None,
) -> Any:
    """Values mixed with the weights ``softmax(query @ key.mT * scale + mask)``.

    Args:
        query: shape (..., L, E).
        key: shape (..., S, E); its axes in front broadcast against those of `query`.
        value: shape (..., S, V).
        attn_mask: broadcasts to (..., L, S). Booleans say which keys take part (True does); floats
            are added to the scores.
        dropout_p: probability with which a weight is dropped; 0 outside of training.
        is_causal: whether query i sees the keys up to i only.
        scale: factor of the scores; by default ``1 / sqrt(E)``.
        enable_gqa: whether several heads of the query share one of the keys and values: axis -3 of
            `query` is a multiple of theirs.
        generator: where the bits of dropout come from.

    Returns:
        Shape (..., L, V). A query that sees no key at all gets zeros.

    Raises:
        ArgumentError: if a mask is given beside `is_causal`, as in PyTorch.
        ShapeError: if sizes do not fit.

    Example:
        >>> q, k, v = (ad.ones((1, 2, 3, 4)) for _ in range(3))
        >>> ad.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True).shape
        (1, 2, 3, 4)

    Source: Vaswani et al., Attention is all you need (2017), arXiv:1706.03762, section 3.2.1.
    """
    query, key, value = ad.asarray(query), ad.asarray(key), ad.asarray(value)
    if attn_mask is not None and is_causal:
        raise ad.errors.ArgumentError(
            "scaled_dot_product_attention: give attn_mask or is_causal, not both"
        )
    if enable_gqa:
        key, value = shared_heads(query, key), shared_heads(query, value)
    weights = attention_weights(query, key, attn_mask, is_causal, scale)
    if dropout_p > 0:
        weights = weights * ad.random.dropout_mask(
            dropout_p, weights.shape, dtype=weights.dtype, generator=generator
        )
    return weights @ value


def attention_weights(
    query: Any,
    key: Any,
    attn_mask: Any = None,
    is_causal: bool = False,
    scale: float | None = None,
) -> Any:
    """How much each query takes of each key: rows of nonnegative weights that add up to 1.

    Args:
        query: shape (..., L, E).
        key: shape (..., S, E).
        attn_mask: as in `scaled_dot_product_attention`; here it goes together with `is_causal`.
        is_causal: whether query i sees the keys up to i only.
        scale: factor of the scores; by default ``1 / sqrt(E)``.

    Returns:
        Shape (..., L, S). The row of a query that sees no key is zero.

    Example:
        >>> q = ad.zeros((2, 4))
        >>> ad.nn.functional.attention_weights(q, q, is_causal=True)
        tensor([[1. , 0. ],
                [0.5, 0.5]])
    """
    query, key = ad.asarray(query), ad.asarray(key)
    if query.ndim < 2 or key.ndim < 2 or query.shape[-1] != key.shape[-1]:
        raise misfit("attention", "query and key need the same last axis", query=query, key=key)
    if scale is None:
        scale = 1 / math.sqrt(max(query.shape[-1], 1))
    scores = (query * scale) @ key.mT
    if is_causal:
        scores = ad.where(causal(*scores.shape[-2:]), scores, -math.inf)
    if attn_mask is None:
        return ad.softmax(scores, axis=-1)
    return masked_softmax(scores, ad.asarray(attn_mask))


def masked_softmax(scores: Any, mask: Any) -> Any:
    """The softmax over the last axis of what a mask leaves; zero where it leaves nothing.

    A boolean mask says what is left, a mask of floats is added.
    """
    if mask.dtype == ad.bool:
        scores = ad.where(mask, scores, -math.inf)
    else:
        scores = scores + mask.astype(scores.dtype)
    # a row of nothing but -inf has no softmax: it is computed of zeros instead, and dropped
    seen = ad.any(scores.detach() > -math.inf, axis=-1, keepdims=True)
    return ad.where(seen, ad.softmax(ad.where(seen, scores, 0.0), axis=-1), 0.0)


@lru_cache(maxsize=64)
def causal(queries: int, keys: int) -> Any:
    """Which keys each query sees if none sees beyond its own place."""
    out = np.tril(np.ones((queries, keys), np.bool_))
    out.flags.writeable = False
    return out


def shared_heads(query: Any, x: Any) -> Any:
    """Keys or values with each head repeated for the heads of the query that share it."""
    heads, own = query.shape[-3], x.shape[-3]
    if own < 1 or heads % own:
        raise misfit(
            "attention", f"{heads} heads of the query do not share {own}", query=query, shared=x
        )
    return x if heads == own else ad.repeat(x, heads // own, axis=-3)
