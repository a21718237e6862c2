"""NumPy's reductions that leave NaN out: an element that is NaN has no gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

import adjoint as ad
from adjoint.core.bind import lift
from adjoint.numpy_protocol.functions import implements


def _keep(keepdims: Any) -> bool:
    return keepdims is True


def _filled(a: Any, value: Any) -> tuple[Any, Any]:
    """The tensor with NaN replaced, and where it was not NaN."""
    x = lift(a)
    there = ~ad.isnan(x)
    return ad.where(there, x, value), there


@implements(np.nansum)
def _nansum(a: Any, axis: Any = None, dtype: Any = None, keepdims: Any = False) -> Any:
    return ad.sum(_filled(a, 0)[0], axis=axis, dtype=dtype, keepdims=_keep(keepdims))


@implements(np.nanprod)
def _nanprod(a: Any, axis: Any = None, dtype: Any = None, keepdims: Any = False) -> Any:
    return ad.prod(_filled(a, 1)[0], axis=axis, dtype=dtype, keepdims=_keep(keepdims))


@implements(np.nancumsum)
def _nancumsum(a: Any, axis: Any = None, dtype: Any = None) -> Any:
    return ad.cumsum(_filled(a, 0)[0], axis=axis, dtype=dtype)


@implements(np.nancumprod)
def _nancumprod(a: Any, axis: Any = None, dtype: Any = None) -> Any:
    return ad.cumprod(_filled(a, 1)[0], axis=axis, dtype=dtype)


@implements(np.nanmean)
def _nanmean(a: Any, axis: Any = None, dtype: Any = None, keepdims: Any = False) -> Any:
    x, there = _filled(a, 0)
    count = ad.sum(there, axis=axis, keepdims=_keep(keepdims))
    return ad.sum(x, axis=axis, dtype=dtype, keepdims=_keep(keepdims)) / count.astype(x.dtype)


@implements(np.nanvar)
def _nanvar(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
) -> Any:
    x, there = _filled(a, 0)
    mean = _nanmean(a, axis, dtype, True)
    gap = ad.where(there, x - mean, 0)
    count = ad.sum(there, axis=axis, keepdims=_keep(keepdims)).astype(x.dtype)
    square = ad.real(gap * ad.conj(gap))
    return ad.sum(square, axis=axis, keepdims=_keep(keepdims)) / (count - ddof)


@implements(np.nanstd)
def _nanstd(*args: Any, **kwargs: Any) -> Any:
    variance = _nanvar(*args, **kwargs)
    flat = variance == 0
    return ad.where(flat, 0, ad.sqrt(ad.where(flat, 1, variance)))


def _extreme(a: Any, axis: Any, keepdims: Any, low: bool) -> Any:
    x, there = _filled(a, -np.inf if low else np.inf)
    best = (ad.max if low else ad.min)(x, axis=axis, keepdims=_keep(keepdims))
    return ad.where(ad.any(there, axis=axis, keepdims=_keep(keepdims)), best, np.nan)


@implements(np.nanmax)
def _nanmax(a: Any, axis: Any = None, keepdims: Any = False) -> Any:
    return _extreme(a, axis, keepdims, True)


@implements(np.nanmin)
def _nanmin(a: Any, axis: Any = None, keepdims: Any = False) -> Any:
    return _extreme(a, axis, keepdims, False)
