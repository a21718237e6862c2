"""``__array_ufunc__``: NumPy's universal functions on tensors, and their methods."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

import numpy as np

import adjoint as ad
from adjoint.core.bind import lift
from adjoint.core.errors import explain
from adjoint.core.graph import Handle
from adjoint.core.site import here
from adjoint.tensor import Tensor

SAME_NAME: Final = """
add subtract multiply divide power floor_divide remainder fmod negative positive divmod
exp exp2 expm1 log log2 log10 log1p logaddexp sqrt square cbrt reciprocal sin cos tan sinh
cosh tanh hypot degrees radians equal not_equal less less_equal greater greater_equal
isnan isinf isfinite logical_and logical_or logical_xor logical_not bitwise_and bitwise_or
bitwise_xor maximum minimum fmax fmin heaviside floor ceil trunc sign signbit copysign
nextafter matmul vecdot
""".split()

OTHER_NAME: Final = {
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
    "arctan2": "atan2",
    "arcsinh": "asinh",
    "arccosh": "acosh",
    "arctanh": "atanh",
    "absolute": "abs",
    "conjugate": "conj",
    "invert": "bitwise_invert",
    "left_shift": "bitwise_left_shift",
    "right_shift": "bitwise_right_shift",
    "deg2rad": "radians",
    "rad2deg": "degrees",
    "rint": "round",
    "float_power": "power",
}


def _logaddexp2(x: Any, y: Any) -> Any:
    scale = float(np.log(2.0))
    return ad.logaddexp(x * scale, y * scale) / scale


def _matvec(x: Any, y: Any) -> Any:
    return ad.squeeze(ad.matmul(x, ad.expand_dims(lift(y), -1)), -1)


def _vecmat(x: Any, y: Any) -> Any:
    return ad.squeeze(ad.matmul(ad.expand_dims(ad.conj(lift(x)), -2), y), -2)


def _modf(x: Any) -> tuple[Any, Any]:
    whole = ad.trunc(x)
    return x - whole, whole


@functools.cache
def table() -> dict[np.ufunc, Callable[..., Any]]:
    """What each universal function is on tensors; built when the first one arrives."""
    names = {name: name for name in SAME_NAME} | OTHER_NAME
    out = {getattr(np, theirs): getattr(ad, ours) for theirs, ours in names.items()}
    out |= {np.logaddexp2: _logaddexp2, np.modf: _modf, np.fabs: ad.abs}
    for name, f in (("matvec", _matvec), ("vecmat", _vecmat)):  # new in NumPy 2.2
        if hasattr(np, name):
            out[getattr(np, name)] = f
    return out


@functools.cache
def reductions() -> dict[np.ufunc, Callable[..., Any]]:
    """What ``ufunc.reduce`` is on tensors."""
    return {
        np.add: ad.sum,
        np.multiply: ad.prod,
        np.maximum: ad.max,
        np.minimum: ad.min,
        np.logical_and: ad.all,
        np.logical_or: ad.any,
        np.logaddexp: ad.logsumexp,
    }


def array_ufunc(self: Tensor, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """Answer NumPy's call of a universal function on tensors."""
    f = table().get(ufunc)
    if f is None:
        raise refused(ufunc.__name__, self, "this universal function has no counterpart")
    out = kwargs.pop("out", None)
    where = kwargs.pop("where", True)
    kwargs = {k: v for k, v in kwargs.items() if k not in ("subok", "casting", "order")}
    if method == "__call__":
        result = _call(f, inputs, kwargs)
    elif method == "reduce":
        result = _reduce(ufunc, self, inputs[0], kwargs, where)
        where = True
    elif method == "accumulate":
        result = _accumulate(ufunc, self, *inputs, **kwargs)
    elif method == "outer":
        x, y = (lift(v) for v in inputs)
        result = f(x.reshape((*x.shape, *(1,) * y.ndim)), y)
    elif method == "at":
        return _at(ufunc, self, *inputs)
    else:
        raise refused(f"{ufunc.__name__}.{method}", self, "this method has no counterpart")
    return store(ufunc.__name__, self, result, out, where)


def _call(f: Callable[..., Any], inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    dtype = kwargs.pop("dtype", None)
    if dtype is not None:
        inputs = tuple(lift(x).astype(dtype) for x in inputs)
    return f(*inputs, **kwargs)


def _reduce(ufunc: np.ufunc, x: Any, operand: Any, kwargs: dict[str, Any], where: Any) -> Any:
    f = reductions().get(ufunc)
    if f is None:
        raise refused(f"{ufunc.__name__}.reduce", x, "this reduction has no counterpart")
    axis = kwargs.pop("axis", 0)
    initial = kwargs.pop("initial", None)
    if where is not True:
        operand = ad.where(where, operand, ufunc.identity)
    given = {k: v for k, v in kwargs.items() if v is not None}
    result = f(operand, axis=axis, **given)
    return result if initial is None else table()[ufunc](result, initial)


def _accumulate(ufunc: np.ufunc, self: Any, x: Any, axis: int = 0, dtype: Any = None) -> Any:
    known: dict[np.ufunc, Any] = {np.add: ad.cumulative_sum, np.multiply: ad.cumulative_prod}
    if ufunc not in known:
        raise refused(f"{ufunc.__name__}.accumulate", self, "this scan has no counterpart")
    return known[ufunc](x, axis=axis, dtype=dtype)


def _at(ufunc: np.ufunc, self: Any, x: Any, key: Any, value: Any = None) -> None:
    """``ufunc.at``: unbuffered update of a tensor, whose name then stands for the result."""
    if not isinstance(x, Tensor):
        raise refused(f"{ufunc.__name__}.at", self, "a NumPy array cannot hold a recorded value")
    if ufunc is np.add:
        new = ad.add_at(x, key, value)
    elif ufunc is np.subtract:
        new = ad.add_at(x, key, -lift(value))
    else:
        raise refused(f"{ufunc.__name__}.at", self, "only add.at and subtract.at have one")
    x.assign(new)


def store(name: str, self: Any, result: Any, out: Any, where: Any) -> Any:
    """The result in `out`, where that was given, and only where `where` says so."""
    if isinstance(out, tuple):
        out = out[0] if len(out) == 1 else out
    if out is None:
        if where is not True:
            raise refused(name, self, "where= without out= leaves elements undefined", "ad.where")
        return result
    targets, values = (out, result) if isinstance(out, tuple) else ((out,), (result,))
    for target, value in zip(targets, map(lift, values), strict=True):
        if isinstance(target, np.ndarray) and value.known and not value.requires_grad:
            np.copyto(target, value.value, where=where)
            continue
        if not isinstance(target, Tensor):
            raise refused(
                name,
                self,
                "out= is a NumPy array, which cannot hold a recorded value",
                "use the result, or make out a tensor.",
            )
        target.assign(value if where is True else ad.where(where, value, target))
    return out


def refused(
    name: str, x: Any, fact: str, hint: str = "x.detach().numpy() to leave the graph."
) -> Exception:
    """The error for a function of NumPy that tensors do not answer."""
    operands = [("x", x)] if isinstance(x, Handle) else []
    return TypeError(explain(fact, f"np.{name}", operands, here(), hint))
