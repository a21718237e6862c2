"""logsumexp, softmax and log_softmax, composed so that nothing overflows.

The largest element is subtracted first. The result does not depend on what is subtracted, so the
shift is a constant to the derivative.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from adjoint.core.bind import lift
from adjoint.core.errors import DTypeError
from adjoint.core.types import default_dtype, is_inexact
from adjoint.ops.compare import EQUAL, IS_FINITE
from adjoint.ops.exponential import EXP, LOG
from adjoint.ops.extreme import Max
from adjoint.ops.families import CAST
from adjoint.ops.select import WHERE
from adjoint.ops.shape import Expand, Sum, axes_of, refusal, with_axes
from adjoint.ops.stop import STOP

__all__ = ["log_softmax", "logsumexp", "softmax"]

Axis = int | Sequence[int] | None


def _operand(op: str, x: Any) -> Any:
    x = lift(x)
    if x.dtype.kind == "c":
        fact = DTypeError(f"not defined for complex numbers, got {x.dtype}")
        raise refusal(op, fact, ("x", x), hint="ad.real(x)")
    return x if is_inexact(x.dtype) else CAST[default_dtype()](x)


def _peak(x: Any, axes: tuple[int, ...]) -> Any:
    """The largest element over axes as a constant; 0 instead of an infinity or NaN."""
    top = STOP(Max(axes)(x))
    # an infinite shift would turn a whole row of infinities into NaN
    return WHERE(IS_FINITE(top), top, 0)


def logsumexp(
    x: Any,
    /,
    axis: Axis = None,
    *,
    keepdims: bool = False,
    dim: Axis = None,
    keepdim: bool | None = None,
) -> Any:
    """The logarithm of the sum of exponentials over axes, without overflow.

    Args:
        x: any shape, real.
        axis: one axis, several, or None for all.
        keepdims: leave the reduced axes with size 1.
        dim: another name of `axis`.
        keepdim: another name of `keepdims`.

    Raises:
        ShapeError: if there are no elements.

    Example:
        >>> ad.logsumexp(ad.tensor([1000.0, 1000.0]))
        tensor(1000.6932)

    **Gradient:** the softmax; zero where every element is -inf.
    """
    x = _operand("logsumexp", x)
    axes = axes_of("logsumexp", x, dim if axis is None else axis)
    peak = _peak(x, axes)
    total = Sum(axes)(EXP(x - Expand(x.shape, axes)(peak)))
    none = EQUAL(total, 0)  # all were -inf: the derivative of the logarithm would be infinite
    out = WHERE(none, np.asarray(-np.inf, x.dtype), LOG(WHERE(none, 1, total)) + peak)
    return with_axes(out, x, axes, keepdims or keepdim)


def softmax(x: Any, /, axis: Axis = -1, *, dim: Axis = None) -> Any:
    """Exponentials divided by their sum over axes: positive, and adding up to 1.

    Args:
        x: any shape, real.
        axis: one axis, several, or None for all.
        dim: another name of `axis`.

    Raises:
        ShapeError: if there are no elements along the axis.

    Example:
        >>> ad.softmax(ad.tensor([0.0, 0.0, -1000.0]))
        tensor([0.5, 0.5, 0. ])

    **Gradient:** ``out * (ct - sum(ct * out))``.
    """
    x = _operand("softmax", x)
    axes = axes_of("softmax", x, axis if dim is None else dim)
    e = EXP(x - Expand(x.shape, axes)(_peak(x, axes)))
    return e / Expand(x.shape, axes)(Sum(axes)(e))


def log_softmax(x: Any, /, axis: Axis = -1, *, dim: Axis = None) -> Any:
    """The logarithm of `softmax`, exact also where the softmax is too small for a float.

    Args:
        x: any shape, real.
        axis: one axis, several, or None for all.
        dim: another name of `axis`.

    Raises:
        ShapeError: if there are no elements along the axis.

    Example:
        >>> ad.log_softmax(ad.tensor([0.0, 0.0, -1000.0]))
        tensor([-6.931472e-01, -6.931472e-01, -1.000693e+03])

    **Gradient:** ``ct - softmax(x) * sum(ct)``.
    """
    x = _operand("log_softmax", x)
    axes = axes_of("log_softmax", x, axis if dim is None else dim)
    x = x - Expand(x.shape, axes)(_peak(x, axes))
    return x - Expand(x.shape, axes)(LOG(Sum(axes)(EXP(x))))
