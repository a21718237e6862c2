"""Functions of NumPy that choose, move, add or drop elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import adjoint as ad
from adjoint.core.bind import lift, numbers
from adjoint.core.types import normalize_axis
from adjoint.numpy_protocol.functions import detached, implements


@implements(np.append)
def _append(arr: Any, values: Any, axis: int | None = None) -> Any:
    if axis is None:
        return ad.concat([ad.ravel(lift(arr)), ad.ravel(lift(values))])
    return ad.concat([lift(arr), lift(values)], axis=axis)


def _places(x: Any, axis: int | None) -> tuple[Any, int, np.ndarray[Any, Any]]:
    """The tensor, its axis, and the position of each of its elements along it."""
    if axis is None:
        x, axis = ad.ravel(x), 0
    axis = normalize_axis(axis, x.ndim)
    return x, axis, np.arange(x.shape[axis])


@implements(np.delete)
def _delete(arr: Any, obj: Any, axis: int | None = None) -> Any:
    x, axis, places = _places(lift(arr), axis)
    return ad.take(x, lift(np.delete(places, detached(obj))), axis=axis)


@implements(np.insert)
def _insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Any:
    x, axis, places = _places(lift(arr), axis)
    n = len(places)
    count = np.atleast_1d(np.asarray(detached(obj)))
    v = lift(values)
    single = np.ndim(detached(obj)) == 0
    many = v.shape[0 if single else -1] if v.ndim and axis == 0 and x.ndim == 1 else 1
    k = many if single else len(count)
    shape = (*x.shape[:axis], k, *x.shape[axis + 1 :])
    if v.ndim and single and x.ndim > 1:
        v = ad.expand_dims(v, axis) if v.ndim == x.ndim - 1 else v
        k = v.shape[axis] if v.ndim == x.ndim else 1
        shape = (*x.shape[:axis], k, *x.shape[axis + 1 :])
    both = ad.concat([x, ad.broadcast_to(v, shape).astype(x.dtype)], axis=axis)
    order = np.insert(places, detached(obj), n + np.arange(k))
    return ad.take(both, lift(order), axis=axis)


@implements(np.ediff1d)
def _ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    x = ad.ravel(lift(ary))
    parts = [to_begin, x[1:] - x[:-1], to_end]
    return ad.concat([ad.ravel(lift(p)) for p in parts if p is not None])


@implements(np.choose)
def _choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    index = np.asarray(numbers(lift(a), "np.choose"))
    options = list(choices)
    if mode == "raise" and index.size and (index.min() < 0 or index.max() >= len(options)):
        raise ValueError("np.choose: invalid entry in choice array")
    index = index % len(options) if mode == "wrap" else np.clip(index, 0, len(options) - 1)
    result = lift(options[0])
    for k, option in enumerate(options[1:], 1):
        result = ad.where(lift(index == k), option, result)
    return ad.broadcast_to(result, np.broadcast_shapes(index.shape, result.shape))


@implements(np.select)
def _select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    result: Any = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        result = ad.where(condition, choice, result)
    return result


@implements(np.piecewise)
def _piecewise(x: Any, condlist: Any, funclist: Sequence[Any], *args: Any, **kw: Any) -> Any:
    conditions = condlist if isinstance(condlist, list | tuple) else [condlist]
    values = [f(x, *args, **kw) if callable(f) else f for f in funclist]
    default: Any = values[len(conditions)] if len(values) > len(conditions) else 0
    result = default * ad.ones_like(x)
    for condition, value in zip(conditions, values, strict=False):
        result = ad.where(condition, value, result)
    return result


@implements(np.compress)
def _compress(condition: Any, a: Any, axis: int | None = None) -> Any:
    x, axis, places = _places(lift(a), axis)
    keep = np.asarray(detached(condition))
    return ad.take(x, lift(places[: len(keep)][keep.astype(bool)]), axis=axis)


@implements(np.extract)
def _extract(condition: Any, arr: Any) -> Any:
    keep = np.ravel(np.asarray(detached(condition))).astype(bool)
    return ad.take(ad.ravel(lift(arr)), lift(np.flatnonzero(keep)), axis=0)


@implements(np.resize)
def _resize(a: Any, new_shape: Any) -> Any:
    x = ad.ravel(lift(a))
    shape = new_shape if isinstance(new_shape, tuple) else (new_shape,)
    return ad.take(x, lift(np.resize(np.arange(x.size), shape)), axis=0)


@implements(np.rollaxis)
def _rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    x = lift(a)
    axis = normalize_axis(axis, x.ndim)
    start += x.ndim if start < 0 else 0
    return ad.moveaxis(x, axis, start - 1 if axis < start else start)


@implements(np.diagflat)
def _diagflat(v: Any, k: int = 0) -> Any:
    return ad.diag(ad.ravel(lift(v)), k)


@implements(np.trace)
def _trace(
    a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None
) -> Any:
    x = ad.moveaxis(lift(a), (axis1, axis2), (-2, -1))
    return ad.linalg.trace(x, offset=offset, dtype=dtype)


@implements(np.diagonal)
def _diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return ad.linalg.diagonal(ad.moveaxis(lift(a), (axis1, axis2), (-2, -1)), offset=offset)


@implements(np.copy)
def _copy(a: Any, order: str = "K", subok: bool = False) -> Any:
    return lift(a).copy()


@implements(np.trim_zeros)
def _trim_zeros(filt: Any, trim: str = "fb") -> Any:
    x = lift(filt)
    used = np.flatnonzero(numbers(x, "np.trim_zeros"))
    first = used[0] if used.size and "f" in trim.lower() else (0 if used.size else x.shape[0])
    last = used[-1] + 1 if used.size and "b" in trim.lower() else x.shape[0]
    return x[int(first) : int(last)]


@implements(np.put)
def _put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    if not isinstance(a, ad.Tensor):
        raise TypeError("np.put: a NumPy array cannot hold a recorded value; make it a tensor")
    index = np.ravel(np.asarray(detached(ind)))
    values = _resize(v, (len(index),))
    flat = ad.setitem(ad.ravel(a), lift(index), values)
    a.assign(flat.reshape(a.shape))


@implements(np.putmask, np.place)
def _putmask(a: Any, mask: Any, values: Any) -> None:
    if not isinstance(a, ad.Tensor):
        raise TypeError("np.putmask: a NumPy array cannot hold a recorded value; make it a tensor")
    a.assign(ad.where(mask, _resize(values, a.shape), a))


@implements(np.fill_diagonal)
def _fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    if not isinstance(a, ad.Tensor):
        raise TypeError("np.fill_diagonal: a NumPy array cannot hold a recorded value")
    n = min(a.shape)
    index = lift(np.arange(n))
    a.assign(ad.setitem(a, (index,) * a.ndim, val))


@implements(np.unique)
def _unique(
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    **options: Any,
) -> Any:
    """The gradient of a value that occurs several times goes to its first place."""
    x = lift(ar)
    found = np.unique(numbers(x, "np.unique"), True, True, True, axis=axis, **options)
    flat = ad.ravel(x) if axis is None else x
    values = ad.take(flat, lift(found[1]), axis=axis or 0)
    asked = (return_index, return_inverse, return_counts)
    extras = tuple(lift(v) for v, on in zip(found[1:], asked, strict=True) if on)
    return (values, *extras) if extras else values


@implements(np.block)
def _block(arrays: Any) -> Any:
    def depth(x: Any) -> int:
        return 1 + max(map(depth, x)) if isinstance(x, list) else 0

    levels = depth(arrays)

    def join(x: Any, level: int) -> Any:
        if not isinstance(x, list):
            return lift(x)
        parts = [join(part, level - 1) for part in x]
        rank = max(levels, *(p.ndim for p in parts))
        parts = [p.reshape((1,) * (rank - p.ndim) + p.shape) for p in parts]
        return ad.concat(parts, axis=-level)

    return join(arrays, levels)
