"""Reading and writing by NumPy keys: ``x[key]``, ``x[key] = v`` and ``x[key] += v``, as new values.

Nothing is changed in place: writing gives a new tensor, and the old one and its gradient stay.
How a key is read is told in `adjoint.ops.key`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.core.bind import SCALARS, lift
from adjoint.core.errors import AdjointError, DTypeError, ShapeError
from adjoint.core.types import dtype_kind
from adjoint.ops.families import CAST
from adjoint.ops.gather import Gather, ScatterAdd, ScatterSet
from adjoint.ops.key import Plan, is_index, is_mask, read_key
from adjoint.ops.select import WHERE
from adjoint.ops.shape import Permute, Reshape, broadcast_to, refusal
from adjoint.ops.slice import SetSlice

__all__ = ["add_at", "getitem", "setitem"]

Ints = tuple[int, ...]


def getitem(x: Any, key: Any, /) -> Any:
    """The part of a tensor that a NumPy key names: ``x[key]``.

    Args:
        x: any shape.
        key: integers, slices, None, Ellipsis, integer arrays and bool masks, alone or mixed in a
            tuple; arrays may be tensors. The result has the shape that NumPy gives it.

    Raises:
        AxisError: if an index is out of range (the message says which, and the size), is no
            integer, or there are too many of them; if a mask or index arrays do not fit. It is an
            ``IndexError``.
        TracerLeak: if a mask's numbers are not known; ``ad.where(mask, x, 0)`` needs none.

    Example:
        >>> x = ad.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
        >>> ad.getitem(x, (slice(None), [0, 2]))
        tensor([[1., 3.],
                [4., 6.]])

    **Gradient:** zero for what is not in the part; added up where an element is in it twice.
    """
    x = lift(x)
    if key.__class__ is not tuple and is_index(key) and x.ndim:
        return Gather(0)(x, key)
    plan, index = _read("getitem", x, key)
    return _take(plan, index, x)


def setitem(x: Any, key: Any, v: Any, /) -> Any:
    """A new tensor: `x` with the part that a NumPy key names replaced by `v`.

    Args:
        x: any shape.
        key: as in `getitem`. A mask alone, with a `v` of one element, needs no known numbers.
        v: broadcast to the shape of the part; converted to the dtype of `x`.

    Raises:
        AxisError: as in `getitem`.
        ShapeError: if `v` does not broadcast to the part.
        DTypeError: if the dtype of `x` cannot hold `v`: a float in integers, a complex in floats.

    Example:
        >>> ad.setitem(ad.tensor([1.0, 2.0, 3.0]), slice(1, None), 0.0)
        tensor([1., 0., 0.])

    **Gradient:** for `x` zero where it was replaced; for `v` that of the places it was written to.
    Where a key names a place twice the last write stays, and only its value has a gradient.
    """
    x = lift(x)
    v = _value("setitem", x, v)
    mask = _mask_alone(x, key)
    if mask is not None and v.size == 1 and v.ndim < 2:
        return WHERE(mask, Reshape(())(v), x)
    plan, index = _read("setitem", x, key)
    v = _fitted("setitem", x, v, plan)
    if index is None:
        return SetSlice(plan.cut.starts, plan.cut.steps)(x, Reshape(plan.cut.sizes)(v))
    y = _merge(plan, _cut(plan, x))
    y = ScatterSet(plan.axis)(y, index, _back(plan, v))
    y = _unmerge(plan, y)
    return y if plan.whole else SetSlice(plan.cut.starts, plan.cut.steps)(x, y)


def add_at(x: Any, key: Any, v: Any, /) -> Any:
    """A new tensor: `x` with `v` added at the part that a NumPy key names, each time it names it.

    It is what NumPy's ``np.add.at(x, key, v)`` makes of `x`; ``x[key] += v`` counts duplicates
    once.

    Args:
        x: any shape.
        key: as in `getitem`.
        v: broadcast to the shape of the part; converted to the dtype of `x`.

    Raises:
        AxisError: as in `getitem`.
        ShapeError: if `v` does not broadcast to the part.

    Example:
        >>> ad.add_at(ad.tensor([1.0, 2.0, 3.0]), [0, 0, 2], 1.0)
        tensor([3., 2., 4.])

    **Gradient:** 1 for `x`; for `v` that of the places it was added to.
    """
    x = lift(x)
    v = _value("add_at", x, v)
    plan, index = _read("add_at", x, key)
    v = _fitted("add_at", x, v, plan)
    if index is None:
        v = Reshape(plan.cut.sizes)(v)
    else:
        v = ScatterAdd(plan.axis, plan.merged[plan.axis])(_back(plan, v), index)
        v = _unmerge(plan, v)
    if not plan.whole:
        v = _spread(plan, v, x.shape)
    return x + v


# -- a plan, carried out -------------------------------------------------------------------------


def _read(op: str, x: Any, key: Any) -> tuple[Plan, Any]:
    try:
        return read_key(x.shape, key)
    except AdjointError as error:
        raise refusal(op, error, ("x", x)) from None


def _cut(plan: Plan, x: Any) -> Any:
    """The part that slices and integers name, with its axes as the key lays them out."""
    if not plan.whole:
        x = plan.cut(x)
    return x if x.shape == plan.shape else Reshape(plan.shape)(x)


def _merge(plan: Plan, x: Any) -> Any:
    """The indexed axes together, and made one."""
    if plan.order != tuple(range(x.ndim)):
        x = Permute(plan.order)(x)
    return x if x.shape == plan.merged else Reshape(plan.merged)(x)


def _unmerge(plan: Plan, x: Any) -> Any:
    """The inverse of `_merge` and of the reshape in `_cut`."""
    order = plan.order
    if order != tuple(range(len(order))):
        x = Reshape(tuple(plan.shape[a] for a in order))(x)
        x = Permute(tuple(order.index(a) for a in range(len(order))))(x)
    return x if x.shape == plan.cut.sizes else Reshape(plan.cut.sizes)(x)


def _take(plan: Plan, index: Any, x: Any) -> Any:
    if index is None:
        return Reshape(plan.shape)(x) if plan.whole else _cut(plan, x)
    y = Gather(plan.axis)(_merge(plan, _cut(plan, x)), index)
    return y if plan.at == plan.axis else Permute(_order(plan, y.ndim))(y)


def _order(plan: Plan, ndim: int) -> Ints:
    """The order of axes that moves those of the index from where `Gather` left them."""
    block = tuple(range(plan.axis, plan.axis + len(plan.places)))
    rest = tuple(a for a in range(ndim) if a not in block)
    return rest[: plan.at] + block + rest[plan.at :]


def _back(plan: Plan, v: Any) -> Any:
    """A value of the result's shape with the axes of the index where the scatter wants them."""
    if plan.at == plan.axis:
        return v
    order = _order(plan, v.ndim)
    return Permute(tuple(order.index(a) for a in range(v.ndim)))(v)


def _spread(plan: Plan, v: Any, shape: Ints) -> Any:
    """Zeros of this shape with `v` in the part that slices and integers name."""
    zeros = np.broadcast_to(np.zeros((), v.dtype), shape)
    return SetSlice(plan.cut.starts, plan.cut.steps)(zeros, v)


def _mask_alone(x: Any, key: Any) -> Any:
    """The mask, aligned with `x`, if a key is one mask and nothing else; None otherwise."""
    if key.__class__ is tuple and len(key) == 1:
        key = key[0]
    mask: Any = np.asarray(key) if key.__class__ is list else key
    if not is_mask(mask):
        return None
    n = mask.ndim
    if not n or mask.shape != x.shape[:n]:
        return None
    return mask if n == x.ndim else Reshape(mask.shape + (1,) * (x.ndim - n))(mask)


def _value(op: str, x: Any, v: Any) -> Any:
    """The value to write as a tensor of the dtype of `x`."""
    dtype = x.dtype
    if v.__class__ in SCALARS:
        kind = (bool, int, float, complex).index(v.__class__)
    else:
        v = lift(v)
        kind = dtype_kind(v.dtype)
    if kind > dtype_kind(dtype):
        fact = DTypeError(f"{dtype} cannot hold {getattr(v, 'dtype', repr(v))}")
        raise refusal(op, fact, ("x", x), ("v", v), hint="x.astype(...) before writing.")
    if v.__class__ in SCALARS:
        return lift(np.asarray(v, dtype))
    return v if v.dtype == dtype else CAST[dtype](v)


def _fitted(op: str, x: Any, v: Any, plan: Plan) -> Any:
    """The value to write in the shape of the part."""
    extra = v.ndim - len(plan.result)
    if extra > 0 and v.shape[:extra] == (1,) * extra:  # NumPy drops these too
        v = Reshape(v.shape[extra:])(v)
    if v.shape == plan.result:
        return v
    try:
        return broadcast_to(v, plan.result)
    except ShapeError:
        fact = ShapeError(f"a value of shape {v.shape} does not fit the part {plan.result}")
        raise refusal(op, fact, ("x", x), ("v", v)) from None
