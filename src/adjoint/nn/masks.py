"""Masks of attention: PyTorch's two kinds made into one that says what takes part."""

from __future__ import annotations

import math
from typing import Any

import adjoint as ad
from adjoint.nn.misfit import misfit

__all__ = ["joined", "merged_mask"]


def merged_mask(
    attn_mask: Any, key_padding_mask: Any, q: Any, k: Any, heads: int, dtype: Any
) -> Any:
    """One mask for (N, heads, L, S) from PyTorch's two, or None.

    PyTorch's booleans say what is left out; here they say what takes part.
    """
    (n, queries, _), keys = q, k[1]
    mask = None
    if attn_mask is not None:
        mask = taking_part(ad.asarray(attn_mask))
        if mask.shape == (n * heads, queries, keys):
            mask = mask.reshape((n, heads, queries, keys))
        elif mask.shape not in ((queries, keys), (1, queries, keys)):
            fact = f"attn_mask needs shape {(queries, keys)} or {(n * heads, queries, keys)}"
            raise misfit("attention", fact, attn_mask=mask)
    if key_padding_mask is not None:
        padding = taking_part(ad.asarray(key_padding_mask))
        if padding.shape not in ((n, keys), (keys,)):
            fact = f"key_padding_mask needs shape {(n, keys)}"
            raise misfit("attention", fact, key_padding_mask=padding)
        padding = padding.reshape((-1, 1, 1, keys))
        mask = padding if mask is None else joined(mask, padding, dtype)
    return mask


def taking_part(mask: Any) -> Any:
    """Booleans that say what takes part, of those that say what is left out; floats as they are."""
    return ad.logical_not(mask) if mask.dtype == ad.bool else mask


def joined(one: Any, other: Any, dtype: Any) -> Any:
    """A mask that leaves only what both leave; None leaves everything."""
    if other is None:
        return one
    if one.dtype == ad.bool and other.dtype == ad.bool:
        return ad.logical_and(one, other)
    return added(one, dtype) + added(other, dtype)


def added(mask: Any, dtype: Any) -> Any:
    """A mask as floats to be added to scores."""
    if mask.dtype != ad.bool:
        return mask.astype(dtype)
    return ad.where(mask, ad.zeros((), dtype=dtype), -math.inf)
