"""Numbers that are not finite, and numbers that are close: `nan_to_num` and `isclose`."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.core.bind import lift
from adjoint.core.types import DType, is_inexact
from adjoint.ops.compare import (
    EQUAL,
    IS_FINITE,
    IS_NAN,
    LESS_EQUAL,
    LOGICAL_AND,
    LOGICAL_OR,
)
from adjoint.ops.complex_parts import COMPLEX, IMAG, REAL, magnitude
from adjoint.ops.families import CAST
from adjoint.ops.select import WHERE

__all__ = ["isclose", "nan_to_num"]


def nan_to_num(
    x: Any, /, *, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Any:
    """The tensor with numbers in the places of NaN and of the infinities.

    Args:
        x: any shape; the parts of complex numbers are replaced apart.
        nan: what a NaN becomes.
        posinf: what infinity becomes; by default the largest number of the dtype.
        neginf: what minus infinity becomes; by default the smallest.

    Example:
        >>> ad.nan_to_num(ad.tensor([1.0, float("nan"), float("inf")]), posinf=9.0)
        tensor([1., 0., 9.])

    **Gradient:** 1 where the element is finite, 0 where it was replaced.
    """
    x = lift(x)
    if x.dtype.kind == "c":
        re = nan_to_num(REAL(x), nan=nan, posinf=posinf, neginf=neginf)
        return COMPLEX(re, nan_to_num(IMAG(x), nan=nan, posinf=posinf, neginf=neginf))
    if not is_inexact(x.dtype):
        return x
    largest = _largest(x.dtype)
    high = largest if posinf is None else posinf
    low = -largest if neginf is None else neginf
    out = WHERE(IS_NAN(x), nan, x)
    out = WHERE(EQUAL(x, np.inf), high, out)
    return WHERE(EQUAL(x, -np.inf), low, out)


def _largest(dtype: DType) -> float:
    if dtype.kind == "V":  # bfloat16, which NumPy knows nothing of
        return float.fromhex("0x1.fep127")
    return float(np.finfo(dtype).max)


def isclose(
    x: Any, y: Any, /, *, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Any:
    """Whether ``abs(x - y) <= atol + rtol * abs(y)``, elementwise; equal infinities are close.

    Args:
        x: any shape.
        y: a shape that broadcasts with it: the reference, to which `rtol` is relative.
        rtol: relative tolerance.
        atol: absolute tolerance.
        equal_nan: whether two NaN are close.

    Example:
        >>> ad.isclose(ad.tensor([1.0, 2.0]), ad.tensor([1.000001, 2.1]))
        tensor([ True, False])
    """
    x, y = _inexact(lift(x)), _inexact(lift(y))
    near = LESS_EQUAL(magnitude(x - y), magnitude(y) * rtol + atol)
    out = LOGICAL_OR(LOGICAL_AND(near, IS_FINITE(y)), EQUAL(x, y))
    return LOGICAL_OR(out, LOGICAL_AND(IS_NAN(x), IS_NAN(y))) if equal_nan else out


def _inexact(x: Any) -> Any:
    return x if is_inexact(x.dtype) else CAST[np.dtype(np.float64)](x)
