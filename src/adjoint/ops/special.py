"""The logistic function and its relatives, and products with logarithms, elementwise.

All are computed from ``exp(-|x|)``, which is at most 1: nothing overflows, at x = 1000 either.
"""

from __future__ import annotations

from typing import Any, Final, final

import numpy as np

from adjoint.core.bind import bind_one, lift
from adjoint.ops.arithmetic import AbstractAnalyticMap, binary
from adjoint.ops.compare import EQUAL, LESS_EQUAL, LOGICAL_AND
from adjoint.ops.exponential import LOG, LOG1P
from adjoint.ops.kernel import where
from adjoint.ops.select import WHERE

__all__ = ["log_sigmoid", "logit", "sigmoid", "softplus", "xlogy"]


@final
class Sigmoid(AbstractAnalyticMap):
    """The logistic function, 1 / (1 + exp(-x))."""

    llvm = "sigmoid"
    complex_ok = False

    def value(self, x: Any) -> Any:
        e = np.exp(-np.abs(x))
        return where(np.less(x, 0), e, np.ones_like(e)) / (1 + e)

    def partial(self, i: int, out: Any, x: Any) -> Any:
        return out * (1 - out)


@final
class LogSigmoid(AbstractAnalyticMap):
    """The logarithm of the logistic function."""

    llvm = "log_sigmoid"
    complex_ok = False

    def value(self, x: Any) -> Any:
        return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))

    def partial(self, i: int, out: Any, x: Any) -> Any:
        return SIGMOID(-x)


@final
class Softplus(AbstractAnalyticMap):
    """log(1 + exp(x)), a smooth positive part."""

    llvm = "softplus"
    complex_ok = False

    def value(self, x: Any) -> Any:
        return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))

    def partial(self, i: int, out: Any, x: Any) -> Any:
        return SIGMOID(x)


@final
class Xlogy(AbstractAnalyticMap):
    """x log(y), and 0 where x is 0 and y is no NaN. **Gradient:** 0 where both are 0."""

    llvm = "xlogy"
    complex_ok = False
    domain = ((-2.0, 2.0), (0.2, 3.0))

    def value(self, x: Any, y: Any) -> Any:
        zero = np.equal(x, 0) & ~np.isnan(y)
        return where(zero, 0, x * np.log(where(zero, 1, y))).astype(np.result_type(x, y))

    def partial(self, i: int, out: Any, x: Any, y: Any) -> Any:
        if i == 0:
            outside = LOGICAL_AND(EQUAL(x, 0), LESS_EQUAL(y, 0))
            return LOG(WHERE(outside, 1, y))
        nowhere = LOGICAL_AND(EQUAL(x, 0), EQUAL(y, 0))
        return x / WHERE(nowhere, 1, y)


SIGMOID: Final = Sigmoid()
LOG_SIGMOID: Final = LogSigmoid()
SOFTPLUS: Final = Softplus()
XLOGY: Final = Xlogy()


def sigmoid(x: Any, /) -> Any:
    """The logistic function of each element: ``1 / (1 + exp(-x))``, without overflow.

    Args:
        x: any shape of real numbers; integers give the default float dtype.

    Example:
        >>> ad.sigmoid(ad.tensor([-1000.0, 0.0, 1000.0]))
        tensor([0. , 0.5, 1. ])

    **Gradient:** ``sigmoid(x) * (1 - sigmoid(x))``.
    """
    return bind_one(SIGMOID, x)


def log_sigmoid(x: Any, /) -> Any:
    """The logarithm of the logistic function of each element, without overflow.

    Example:
        >>> ad.log_sigmoid(ad.tensor([-1000.0, 0.0]))
        tensor([-1.000000e+03, -6.931472e-01])

    **Gradient:** ``sigmoid(-x)``.
    """
    return bind_one(LOG_SIGMOID, x)


def softplus(x: Any, /) -> Any:
    """``log(1 + exp(x))`` of each element, without overflow.

    Example:
        >>> ad.softplus(ad.tensor([0.0, 1000.0]))
        tensor([6.931472e-01, 1.000000e+03])

    **Gradient:** ``sigmoid(x)``.
    """
    return bind_one(SOFTPLUS, x)


def logit(x: Any, /) -> Any:
    """The logarithm of the odds ``x / (1 - x)`` of each element: the inverse of `sigmoid`.

    Example:
        >>> ad.logit(ad.tensor([0.5, 0.75]))
        tensor([0.       , 1.0986123])

    **Gradient:** ``1 / (x (1 - x))``, infinite at 0 and 1.
    """
    x = lift(x)
    return LOG(x) - LOG1P(-x)


def xlogy(x: Any, y: Any, /) -> Any:
    """``x * log(y)``, elementwise, and 0 where `x` is 0: a probability that is 0 costs nothing.

    Args:
        x: any shape of real numbers.
        y: a shape that broadcasts with it. A NaN here gives NaN even where `x` is 0.

    Example:
        >>> ad.xlogy(ad.tensor([0.0, 1.0]), ad.tensor([0.0, 2.0]))
        tensor([0.       , 0.6931472])

    **Gradient:** ``log(y)`` for `x` and ``x / y`` for `y`; both are 0 where `x` and `y` are 0.
    """
    return binary(XLOGY, x, y)
