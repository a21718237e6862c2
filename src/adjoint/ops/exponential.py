"""Exponentials and logarithms, elementwise, of real and complex numbers."""

from __future__ import annotations

import math
from typing import Any, Final, final

import numpy as np

from adjoint.core.bind import bind_one
from adjoint.ops.arithmetic import AbstractAnalyticMap, binary
from adjoint.ops.compare import EQUAL, IS_INF, LOGICAL_AND
from adjoint.ops.select import WHERE

__all__ = ["exp", "exp2", "expm1", "log", "log1p", "log2", "log10", "logaddexp"]

POSITIVE_SPAN: Final = ((0.2, 3.0),)


@final
class Exp(AbstractAnalyticMap):
    """e to the power of the value."""

    llvm = "exp"
    value = np.exp

    def partial(self, i: int, out: Any, x: Any) -> Any:
        return out


@final
class Expm1(AbstractAnalyticMap):
    """exp(x) - 1 without the cancellation near 0."""

    llvm = "expm1"

    def value(self, x: Any) -> Any:
        out = np.expm1(x)
        if out.dtype.kind != "c":
            return out
        # NumPy multiplies infinities with zeros; its exp has the limits that C99 states, and far
        # from 0 nothing cancels
        finite = np.isfinite(out)
        out = np.asarray(out) if finite.all() else np.where(finite, out, np.exp(x) - 1)
        np.real(out)[...] += 0  # of exp(x) = 1 the standard wants 0.0 left, never -0.0
        return out

    def partial(self, i: int, out: Any, x: Any) -> Any:
        return EXP(x)  # and not out + 1, which cancels for negative x


@final
class Exp2(AbstractAnalyticMap):
    """2 to the power of the value."""

    llvm = "exp2"
    value = np.exp2
    complex_ok = False

    def partial(self, i: int, out: Any, x: Any) -> Any:
        return out * math.log(2)


@final
class Log(AbstractAnalyticMap):
    """The natural logarithm."""

    llvm = "log"
    value = np.log
    domain = POSITIVE_SPAN

    def partial(self, i: int, out: Any, x: Any) -> Any:
        return 1 / x


@final
class Log1p(AbstractAnalyticMap):
    """log(1 + x) without the loss of digits near 0."""

    llvm = "log1p"
    value = np.log1p
    domain = ((-0.8, 3.0),)

    def partial(self, i: int, out: Any, x: Any) -> Any:
        return 1 / (1 + x)


@final
class Log2(AbstractAnalyticMap):
    """The logarithm to base 2."""

    llvm = "log2"
    value = np.log2
    domain = POSITIVE_SPAN

    def partial(self, i: int, out: Any, x: Any) -> Any:
        return 1 / (x * math.log(2))


@final
class Log10(AbstractAnalyticMap):
    """The logarithm to base 10."""

    llvm = "log10"
    value = np.log10
    domain = POSITIVE_SPAN

    def partial(self, i: int, out: Any, x: Any) -> Any:
        return 1 / (x * math.log(10))


@final
class Logaddexp(AbstractAnalyticMap):
    """log(exp(x) + exp(y)) without overflow. **Gradient:** halves where both are infinite alike."""

    llvm = "logaddexp"
    value = np.logaddexp
    complex_ok = False

    def partial(self, i: int, out: Any, x: Any, y: Any) -> Any:
        lead = x - y if i else y - x
        tie = LOGICAL_AND(EQUAL(x, y), IS_INF(x))  # where the difference is NaN
        return 1 / (1 + EXP(WHERE(tie, 0, lead)))


EXP: Final = Exp()
EXPM1: Final = Expm1()
EXP2: Final = Exp2()
LOG: Final = Log()
LOG1P: Final = Log1p()
LOG2: Final = Log2()
LOG10: Final = Log10()
LOGADDEXP: Final = Logaddexp()


def exp(x: Any, /) -> Any:
    """e to the power of each element.

    Args:
        x: any shape; integers give the default float dtype.

    Returns:
        The same shape.

    Example:
        >>> ad.exp(ad.tensor([0.0, 1.0]))
        tensor([1.      , 2.718282])

    **Gradient:** ``exp(x)``.
    """
    return bind_one(EXP, x)


def expm1(x: Any, /) -> Any:
    """``exp(x) - 1`` of each element, accurate near 0.

    Example:
        >>> ad.expm1(ad.tensor([0.0, 1e-8]))
        tensor([0.e+00, 1.e-08])

    **Gradient:** ``exp(x)``.
    """
    return bind_one(EXPM1, x)


def exp2(x: Any, /) -> Any:
    """2 to the power of each element.

    Example:
        >>> ad.exp2(ad.tensor([0.0, 3.0]))
        tensor([1., 8.])

    **Gradient:** ``exp2(x) * log(2)``.
    """
    return bind_one(EXP2, x)


def log(x: Any, /) -> Any:
    """The natural logarithm of each element: -inf at 0, NaN for negative real numbers.

    Example:
        >>> ad.log(ad.tensor([1.0, 2.0]))
        tensor([0.       , 0.6931472])

    **Gradient:** ``1 / x``, infinite at 0.
    """
    return bind_one(LOG, x)


def log1p(x: Any, /) -> Any:
    """``log(1 + x)`` of each element, accurate near 0.

    Example:
        >>> ad.log1p(ad.tensor([0.0, 1e-8]))
        tensor([0.e+00, 1.e-08])

    **Gradient:** ``1 / (1 + x)``.
    """
    return bind_one(LOG1P, x)


def log2(x: Any, /) -> Any:
    """The logarithm to base 2 of each element.

    Example:
        >>> ad.log2(ad.tensor([1.0, 8.0]))
        tensor([0., 3.])

    **Gradient:** ``1 / (x log(2))``.
    """
    return bind_one(LOG2, x)


def log10(x: Any, /) -> Any:
    """The logarithm to base 10 of each element.

    Example:
        >>> ad.log10(ad.tensor([1.0, 1000.0]))
        tensor([0., 3.])

    **Gradient:** ``1 / (x log(10))``.
    """
    return bind_one(LOG10, x)


def logaddexp(x: Any, y: Any, /) -> Any:
    """``log(exp(x) + exp(y))``, elementwise, without overflow.

    Args:
        x: any shape of real numbers.
        y: a shape that broadcasts with it.

    Example:
        >>> ad.logaddexp(ad.tensor([0.0, 1000.0]), 0.0)
        tensor([6.931472e-01, 1.000000e+03])

    **Gradient:** ``sigmoid(x - y)`` for `x` and ``sigmoid(y - x)`` for `y`; a half for each where
    both are the same infinity.
    """
    return binary(LOGADDEXP, x, y)
