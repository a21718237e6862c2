"""Functions of NumPy made of others here: statistics, integration, interpolation, polynomials."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import adjoint as ad
from adjoint.core.bind import lift
from adjoint.core.errors import ArgumentError
from adjoint.core.types import is_inexact, normalize_axis
from adjoint.numpy_protocol.functions import implements


@implements(np.average)
def _average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: Any = False
) -> Any:
    keep = keepdims is True
    x = lift(a)
    if weights is None:
        mean = ad.mean(x, axis=axis, keepdims=keep)
        return (mean, lift(x.size / mean.size)) if returned else mean
    w = lift(weights)
    if w.shape != x.shape:
        if not isinstance(axis, int) or w.ndim != 1:
            raise ArgumentError("np.average: weights of another shape need one axis and one rank")
        at = normalize_axis(axis, x.ndim)
        w = w.reshape((1,) * at + (-1,) + (1,) * (x.ndim - at - 1))
        w = ad.broadcast_to(w, x.shape)
    total = ad.sum(w, axis=axis, keepdims=keep)
    mean = ad.sum(x * w, axis=axis, keepdims=keep) / total
    return (mean, total) if returned else mean


@implements(np.ptp)
def _ptp(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    keep = keepdims is True
    return ad.max(a, axis=axis, keepdims=keep) - ad.min(a, axis=axis, keepdims=keep)


@implements(np.cov)
def _cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    x = _variables(m, rowvar)
    if y is not None:
        x = ad.concat([x, _variables(y, rowvar)], axis=0)
    if dtype is not None:
        x = x.astype(dtype)
    w = _weights(fweights, aweights)
    correction = (0 if bias else 1) if ddof is None else ddof
    n: Any = x.shape[1] if w is None else ad.sum(w)
    mean = ad.mean(x, axis=1) if w is None else ad.sum(x * w, axis=1) / n
    x = x - ad.expand_dims(mean, 1)
    factor = n - correction
    if aweights is not None and correction:
        factor = n - correction * ad.sum(w * lift(aweights)) / n
    c = (x if w is None else x * w) @ ad.conj(x.T) / factor
    return ad.squeeze(c)


def _variables(m: Any, rowvar: bool) -> Any:
    x = ad.atleast_2d(m)
    return x if rowvar or lift(m).ndim < 2 else x.T


def _weights(fweights: Any, aweights: Any) -> Any:
    given = [lift(w) for w in (fweights, aweights) if w is not None]
    if not given:
        return None
    return given[0] if len(given) == 1 else given[0] * given[1]


@implements(np.corrcoef)
def _corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    c = _cov(x, y, rowvar, dtype=dtype)
    if c.ndim == 0:
        return c / c
    s = ad.sqrt(ad.real(ad.linalg.diagonal(c)))
    return c / (ad.expand_dims(s, 1) * ad.expand_dims(s, 0))


@implements(np.interp)
def _interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> Any:
    """Piecewise linear; gradients flow to all three, at a knot to the segment on its right."""
    x, xp, fp = lift(x), lift(xp), lift(fp)
    if period is not None:
        x, xp = ad.remainder(x, abs(period)), ad.remainder(xp, abs(period))
        order = ad.argsort(ad.stop_gradient(xp))
        xp, fp = xp[order], fp[order]
        xp = ad.concat([xp[-1:] - abs(period), xp, xp[:1] + abs(period)])
        fp = ad.concat([fp[-1:], fp, fp[:1]])
    n = xp.shape[0]
    if n == 1:
        inner = ad.broadcast_to(fp[0], x.shape)
    else:
        at = ad.clip(ad.searchsorted(xp, x, side="right") - 1, 0, n - 2)
        slope = (fp[at + 1] - fp[at]) / (xp[at + 1] - xp[at])
        inner = fp[at] + slope * (x - xp[at])
    low = fp[0] if left is None else left
    high = fp[-1] if right is None else right
    return ad.where(x < xp[0], low, ad.where(x > xp[-1], high, inner))


@implements(np.trapezoid)
def _trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    y = ad.moveaxis(lift(y), axis, -1)
    if x is not None:
        x = lift(x)
        dx = ad.diff(x) if x.ndim == 1 else ad.diff(ad.moveaxis(x, axis, -1))
    return ad.sum((y[..., 1:] + y[..., :-1]) * 0.5 * dx, axis=-1)


@implements(np.gradient)
def _gradient(f: Any, *spacing: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Central differences, for evenly spaced samples and for coordinates."""
    f = lift(f)
    axes = tuple(range(f.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    steps = spacing if len(spacing) == len(axes) else (spacing or (1.0,)) * len(axes)
    if len(steps) != len(axes) or edge_order not in (1, 2):
        raise ArgumentError(
            "np.gradient: give one spacing, or one for each axis; edge_order is 1 or 2"
        )
    out = tuple(
        _gradient_along(f, h, normalize_axis(a, f.ndim), edge_order)
        for h, a in zip(steps, axes, strict=True)
    )
    return out[0] if len(out) == 1 else out


def _gradient_along(f: Any, h: Any, axis: int, edge_order: int) -> Any:
    f = ad.moveaxis(f, axis, -1)
    n = f.shape[-1]
    if n < edge_order + 1:
        raise ArgumentError(f"np.gradient: axis {axis} has {n} samples, not {edge_order + 1}")
    kind = f.dtype if is_inexact(f.dtype) else None
    h = ad.asarray(h, dtype=kind) if isinstance(h, int | float) else lift(h)
    d = ad.broadcast_to(h, (n - 1,)) if h.ndim == 0 else ad.diff(h)
    slope = ad.diff(f) / d
    left, right = d[:-1], d[1:]
    inner = (slope[..., :-1] * right + slope[..., 1:] * left) / (left + right)
    first, last = slope[..., :1], slope[..., -1:]
    if edge_order == 2:
        first = first - (slope[..., 1:2] - first) * d[0] / (d[0] + d[1])
        last = last + (last - slope[..., -2:-1]) * d[-1] / (d[-1] + d[-2])
    return ad.moveaxis(ad.concat([first, inner, last], axis=-1), -1, axis)


@implements(np.polyval)
def _polyval(p: Any, x: Any) -> Any:
    p = lift(p)
    out: Any = 0.0 * lift(x)
    for k in range(p.shape[0]):
        out = out * x + p[k]
    return out


@implements(np.polyadd)
def _polyadd(a1: Any, a2: Any) -> Any:
    x, y = ad.atleast_1d(a1), ad.atleast_1d(a2)
    n = max(x.shape[0], y.shape[0])
    return ad.pad(x, (n - x.shape[0], 0)) + ad.pad(y, (n - y.shape[0], 0))


@implements(np.polysub)
def _polysub(a1: Any, a2: Any) -> Any:
    return _polyadd(a1, -lift(a2))


@implements(np.polymul)
def _polymul(a1: Any, a2: Any) -> Any:
    return ad.convolve(ad.atleast_1d(a1), ad.atleast_1d(a2))


@implements(np.polyder)
def _polyder(p: Any, m: int = 1) -> Any:
    p = lift(p)
    for _ in range(m):
        n = p.shape[0] - 1
        p = p[:-1] * ad.arange(n, 0, -1, dtype=p.dtype if is_inexact(p.dtype) else None)
    return p


@implements(np.polyint)
def _polyint(p: Any, m: int = 1, k: Any = 0.0) -> Any:
    p = lift(p)
    constants = ad.broadcast_to(lift(0.0 if k is None else k), (m,))
    for i in range(m):
        n = p.shape[0]
        p = ad.concat([p / ad.arange(n, 0, -1, dtype=p.dtype), constants[i : i + 1]])
    return p


@implements(np.vander)
def _vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    x = lift(x)
    n = x.shape[0] if N is None else N
    powers = [ad.ones_like(x)]
    for _ in range(n - 1):
        powers.append(powers[-1] * x)
    return ad.stack(powers if increasing else powers[::-1], axis=1)


@implements(np.unwrap)
def _unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: float = 2 * np.pi) -> Any:
    """The shifts are constant almost everywhere, so the gradient passes unchanged."""
    x = lift(p)
    value = ad.stop_gradient(x)
    step = ad.diff(value, axis=axis)
    half = period / 2
    wrapped = ad.remainder(step + half, period) - half
    wrapped = ad.where((wrapped == -half) & (step > 0), half, wrapped)
    limit = half if discont is None else max(discont, half)
    shift = ad.where(ad.abs(step) < limit, 0.0, wrapped - step)
    zero = ad.zeros_like(ad.take(value, ad.arange(1), axis=axis))
    return x + ad.concat([zero, ad.cumsum(shift, axis=axis)], axis=axis)


@implements(np.apply_along_axis)
def _apply_along_axis(
    func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **kwargs: Any
) -> Any:
    x = ad.moveaxis(lift(arr), axis, -1)
    lead = x.shape[:-1]
    rows = [lift(func1d(row, *args, **kwargs)) for row in x.reshape((-1, x.shape[-1]))]
    out = ad.stack(rows)
    out = out.reshape((*lead, *out.shape[1:]))
    extra = out.ndim - len(lead)
    at = normalize_axis(axis, x.ndim)
    for k in range(extra):
        out = ad.moveaxis(out, len(lead) + k, at + k)
    return out


@implements(np.apply_over_axes)
def _apply_over_axes(func: Callable[..., Any], a: Any, axes: Any) -> Any:
    x = lift(a)
    for axis in axes if isinstance(axes, Sequence) else (axes,):
        out = func(x, axis)
        x = out if out.ndim == x.ndim else ad.expand_dims(out, axis)
    return x


@implements(np.geomspace)
def _geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True) -> Any:
    start, stop = lift(start), lift(stop)
    t = ad.linspace(0.0, 1.0, num, endpoint=endpoint, dtype=start.dtype)
    return start * (stop / start) ** t


@implements(np.linspace)
def _linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    start, stop = lift(start), lift(stop)
    kind = start.dtype if is_inexact(start.dtype) else stop.dtype
    t = ad.linspace(0.0, 1.0, num, endpoint=endpoint, dtype=kind if is_inexact(kind) else None)
    t = t.reshape((num,) + (1,) * max(start.ndim, stop.ndim))
    out = ad.moveaxis(start + (stop - start) * t, 0, axis)
    out = out if dtype is None else out.astype(dtype)
    return (out, (stop - start) / (num - bool(endpoint))) if retstep else out


@implements(np.angle)
def _angle(z: Any, deg: bool = False) -> Any:
    out = ad.angle(z)
    return ad.degrees(out) if deg else out


@implements(np.real_if_close)
def _real_if_close(a: Any, tol: float = 100) -> Any:
    x = lift(a)
    if x.dtype.kind != "c":
        return x
    limit = tol * ad.finfo(x.dtype).eps if tol > 1 else tol
    return ad.real(x) if bool(ad.all(ad.abs(ad.imag(x)) < limit)) else x


@implements(np.linalg.norm)
def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    return ad.linalg.norm(x, ord=ord, axis=axis, keepdims=keepdims)


@implements(np.linalg.svd)
def _svd(
    a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> Any:
    if not compute_uv:
        return ad.linalg.svdvals(a)
    return ad.linalg.svd(a, full_matrices=full_matrices)


@implements(np.cross)
def _cross(
    a: Any,
    b: Any,
    axisa: int = -1,
    axisb: int = -1,
    axisc: int = -1,
    axis: int | None = None,
) -> Any:
    if axis is not None:
        axisa = axisb = axisc = axis
    x, y = ad.moveaxis(lift(a), axisa, -1), ad.moveaxis(lift(b), axisb, -1)
    return ad.moveaxis(ad.linalg.cross(x, y, axis=-1), -1, axisc)


@implements(np.around, np.round)
def _around(a: Any, decimals: int = 0, out: Any = None) -> Any:
    return ad.round(a, decimals)


@implements(np.fix)
def _fix(x: Any, out: Any = None) -> Any:
    return ad.trunc(x)
