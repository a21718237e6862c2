"""NumPy's reductions with `where=` and `initial=`, and the plain ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import adjoint as ad
from adjoint.core.bind import lift
from adjoint.core.types import is_inexact
from adjoint.numpy_protocol.functions import NOT_GIVEN, implements

Reduction = Callable[..., Any]
Combine = Callable[[Any, Any], Any]


def _lowest(dtype: Any) -> Any:
    return -np.inf if is_inexact(dtype) else np.iinfo(dtype).min


def _highest(dtype: Any) -> Any:
    return np.inf if is_inexact(dtype) else np.iinfo(dtype).max


def _reduction(reduce: Reduction, neutral: Callable[[Any], Any], combine: Combine) -> Reduction:
    """NumPy's reduction: left-out elements count as the neutral one; `initial` takes part."""

    def call(
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        keepdims: Any = False,
        initial: Any = None,
        where: Any = True,
    ) -> Any:
        x = lift(a)
        if where is not True and where is not NOT_GIVEN:
            x = ad.where(where, x, neutral(x.dtype))
        options = {} if dtype is None else {"dtype": dtype}
        result = reduce(x, axis=axis, keepdims=keepdims is True, **options)
        if initial is not None and initial is not NOT_GIVEN:
            result = combine(result, initial)
        return result if out is None else out.assign(result)

    return call


_SUM = _reduction(ad.sum, lambda dtype: 0, ad.add)
_PROD = _reduction(ad.prod, lambda dtype: 1, ad.multiply)
_MAX = _reduction(ad.max, _lowest, ad.maximum)
_MIN = _reduction(ad.min, _highest, ad.minimum)
_ALL = _reduction(ad.all, lambda dtype: True, ad.logical_and)
_ANY = _reduction(ad.any, lambda dtype: False, ad.logical_or)

implements(np.sum)(_SUM)
implements(np.prod)(_PROD)


def _without_dtype(full: Reduction) -> Reduction:
    """For reductions whose third argument is `out`."""

    def call(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, **more: Any) -> Any:
        return full(a, axis, None, out, keepdims, **more)

    return call


implements(np.max, np.amax)(_without_dtype(_MAX))
implements(np.min, np.amin)(_without_dtype(_MIN))
implements(np.all)(_without_dtype(_ALL))
implements(np.any)(_without_dtype(_ANY))


@implements(np.mean)
def _mean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, **more: Any
) -> Any:
    where = more.get("where", True)
    x = lift(a) if dtype is None else lift(a).astype(dtype)
    keep = keepdims is True
    if where is True or where is NOT_GIVEN:
        result = ad.mean(x, axis=axis, keepdims=keep)
    else:
        there = ad.broadcast_to(lift(where), x.shape)
        count = ad.sum(there, axis=axis, keepdims=keep)
        result = _SUM(x, axis, None, None, keep, where=there) / count.astype(x.dtype)
    return result if out is None else out.assign(result)


def _var(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    where: Any = True,
    mean: Any = None,
    correction: Any = None,
) -> Any:
    x = lift(a) if dtype is None else lift(a).astype(dtype)
    keep = keepdims is True
    less = ddof if correction in (None, NOT_GIVEN) else correction
    plain = where is True or where is NOT_GIVEN
    if plain:
        result = ad.var(x, axis=axis, keepdims=keep, correction=less)
    else:
        there = ad.broadcast_to(lift(where), x.shape)
        gap = x - _mean(x, axis, keepdims=True, where=there)
        count = ad.sum(there, axis=axis, keepdims=keep).astype(gap.dtype) - less
        square = ad.real(gap * ad.conj(gap))
        result = _SUM(square, axis, None, None, keep, where=there) / count
    return result if out is None else out.assign(result)


@implements(np.std)
def _std(*args: Any, **kwargs: Any) -> Any:
    variance = _var(*args, **kwargs)
    flat = variance == 0
    return ad.where(flat, 0, ad.sqrt(ad.where(flat, 1, variance)))


implements(np.var)(_var)
