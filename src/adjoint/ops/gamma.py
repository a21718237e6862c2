"""The logarithm of the gamma function and its derivatives of all orders, elementwise.

Everything is computed from Bernoulli numbers: Stirling's series for large arguments, and around 2
Taylor's series, whose coefficients are values of the zeta function.

Sources: NIST Digital Library of Mathematical Functions (DLMF) 5.5.1-5.5.4 (recurrence and
reflection), 5.7.3 and 5.7.4 (series), 5.11.1 and 5.11.2 (Stirling), 5.15.1 and 25.11.43
(polygamma and zeta functions).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from adjoint.core.bind import bind_one, lift
from adjoint.core.errors import ArgumentError
from adjoint.core.primitive import Sample
from adjoint.ops.arithmetic import AbstractAnalyticMap
from adjoint.ops.kernel import horner, in_float64, where

if TYPE_CHECKING:
    from fractions import Fraction

__all__ = ["digamma", "lgamma", "polygamma"]

EULER: Final = 0.57721566490153286061
LARGE: Final = 10.0
"""From here on eight terms of Stirling's series are exact in float64."""
TERMS: Final = 28


@cache
def bernoulli(count: int) -> tuple[Fraction, ...]:
    """The Bernoulli numbers with the indices 2, 4, 6, ..."""
    from fractions import Fraction  # noqa: PLC0415  # late: it takes a tenth of the import time

    known = [Fraction(1)]
    for m in range(1, 2 * count + 1):
        known.append(-sum(math.comb(m + 1, k) * known[k] for k in range(m)) / Fraction(m + 1))
    return tuple(known[2::2])


def zeta(s: int, a: Any) -> Any:
    """Hurwitz's zeta function, the sum of ``(a + k)**-s`` over k >= 0, for a > 0 and s >= 2.

    The first terms are summed up, the rest is the Euler-Maclaurin formula.
    """
    total = np.zeros_like(a)
    far = LARGE + s
    for _ in range(int(far)):
        near = a < far
        total += where(near, np.power(a, -float(s)), 0.0)
        a = a + near
    rest = np.power(a, 1.0 - s) / (s - 1) + 0.5 * np.power(a, -float(s))
    factor = np.power(a, -s - 1.0) * s
    for k, b in enumerate(bernoulli(10), 1):
        rest += factor * float(b / math.factorial(2 * k))
        factor = factor * ((s + 2 * k - 1) * (s + 2 * k)) / (a * a)
    return total + rest


@cache
def taylor() -> tuple[float, ...]:
    """Coefficients of ``digamma(2 + s)`` in powers of s: ``(-1)**k (zeta(k) - 1)`` from k = 2."""
    ones = np.array([2.0])
    return (1 - EULER, *(float((-1) ** k * zeta(k, ones)[0]) for k in range(2, TERMS)))


@cache
def taylor_lgamma() -> tuple[float, ...]:
    """Coefficients of ``lgamma(2 + s) / s``: the integral of the above."""
    return tuple(c / k for k, c in enumerate(taylor(), 1))


@cache
def stirling() -> tuple[float, ...]:
    """Coefficients of Stirling's series for lgamma, in powers of ``1 / x**2``, after ``1 / x``."""
    return tuple(float(b / (2 * k * (2 * k - 1))) for k, b in enumerate(bernoulli(8), 1))


def lgamma_of(x: Any) -> Any:
    """log |gamma(x)| of a flat float64 array."""
    out = _lgamma_positive(np.abs(x))
    negative = x < 0
    if negative.any():
        sine = np.sin(math.pi * (x - np.rint(x)))
        out = where(negative, np.log(math.pi / np.abs(x * sine)) - out, out)
    return where(np.isinf(x), np.inf, out)


def _lgamma_positive(x: Any) -> Any:
    return np.piecewise(x, [x < LARGE], [_lgamma_small, _lgamma_large])


def _lgamma_large(x: Any) -> Any:
    r = 1 / x
    rest = 0.5 * (math.log(2 * math.pi) - 1) + r * horner(r * r, stirling())
    return where(np.isinf(x), x, (x - 0.5) * (np.log(x) - 1) + rest)


def _lgamma_small(x: Any) -> Any:
    """By the recurrence from around 2, so that the zeros at 1 and 2 are relatively accurate."""
    x, product = _towards_two(x)
    at = np.rint(x)
    s = x - at
    out = s * horner(s, taylor_lgamma()) + np.log(product)
    out -= where(at < 2, np.log1p(s), 0.0)
    return out - where(at < 1, np.log(s), 0.0)


def _towards_two(x: Any) -> tuple[Any, Any]:
    """x lowered by an integer to below 2.5, and the product of the numbers passed on the way."""
    product = np.ones_like(x)
    for _ in range(int(LARGE) - 2):
        high = x >= 2.5
        x = x - high
        product = where(high, product * x, product)
    return x, product


def digamma_of(x: Any) -> Any:
    """The derivative of lgamma of a flat float64 array; NaN at the poles, infinite at 0."""
    left = x <= 0
    out = _digamma_positive(where(left, 1 - x, x))
    if left.any():
        r = x - np.rint(x)
        reflected = where(r == 0, np.nan, out - math.pi / np.tan(math.pi * r))
        out = where(left, reflected, out)
    return where(x == 0, -np.copysign(np.inf, x), out)


def _digamma_positive(x: Any) -> Any:
    return np.piecewise(x, [x < LARGE], [_digamma_small, _digamma_large])


def _digamma_large(x: Any) -> Any:
    r = 1 / x
    coefficients = [c * (2 * k - 1) for k, c in enumerate(stirling(), 1)]
    return np.log(x) - 0.5 * r - r * r * horner(r * r, coefficients)


def _digamma_small(x: Any) -> Any:
    total = np.zeros_like(x)
    for _ in range(int(LARGE) - 2):
        high = x >= 2.5
        x = x - high
        total += where(high, 1 / x, 0.0)
    at = np.rint(x)
    s = x - at
    out = total + horner(s, taylor())
    out -= where(at < 2, 1 / (1 + s), 0.0)
    return out - where(at < 1, 1 / s, 0.0)


def polygamma_of(x: Any, order: int) -> Any:
    """The derivative of digamma of this order, at least 1, of a flat float64 array."""
    left = x <= 0
    sign = (-1) ** (order + 1)
    out = float(sign * math.factorial(order)) * zeta(order + 1, where(left, 1 - x, x))
    if left.any():
        cotangent = 1 / np.tan(math.pi * (x - np.rint(x)))
        slope = math.pi ** (order + 1) * horner(cotangent, _cotangent_derivative(order))
        out = where(left, -sign * out - slope, out)
    return where(x == np.inf, 0.0, where(x == -np.inf, np.nan, out))


@cache
def _cotangent_derivative(order: int) -> tuple[float, ...]:
    """The derivative of cot of this order, a polynomial in cot because ``cot' = -1 - cot**2``."""
    p = [0, 1]
    for _ in range(order):
        slope = [k * c for k, c in enumerate(p)][1:]
        p = [-a - b for a, b in zip([*slope, 0, 0], [0, 0, *slope], strict=True)]
    return tuple(map(float, p))


@final
class Lgamma(AbstractAnalyticMap):
    """The logarithm of the absolute value of the gamma function."""

    llvm = "lgamma"
    complex_ok = False
    flops = 60
    domain = ((0.3, 5.0),)

    def value(self, x: Any) -> Any:
        return in_float64(lgamma_of, x)

    def partial(self, i: int, out: Any, x: Any) -> Any:
        return DIGAMMA(x)


@final
class Polygamma(AbstractAnalyticMap):
    """The derivative of the digamma function of this order; of order 0 the digamma function."""

    order: int
    llvm = "polygamma"
    complex_ok = False
    flops = 100

    def value(self, x: Any) -> Any:
        if self.order == 0:
            return in_float64(digamma_of, x)
        return in_float64(polygamma_of, x, self.order)

    def partial(self, i: int, out: Any, x: Any) -> Any:
        return Polygamma(self.order + 1)(x)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        for order in (0, 1, 3):
            yield cls(order), [rng.uniform(0.3, 5, size=(2, 3))]
            yield cls(order), [rng.uniform(-1.8, -1.2, size=())]


LGAMMA: Final = Lgamma()
DIGAMMA: Final = Polygamma(0)


def lgamma(x: Any, /) -> Any:
    """The logarithm of the absolute value of the gamma function of each element.

    It is ``log((x - 1)!)`` for positive integers, and infinite at 0 and the negative ones.
    The relative error is below 2e-15 in float64 for x > 0.

    Example:
        >>> ad.lgamma(ad.tensor([1.0, 5.0]))
        tensor([0.       , 3.1780539])

    **Gradient:** ``digamma(x)``.
    """
    return bind_one(LGAMMA, x)


def digamma(x: Any, /) -> Any:
    """The digamma function of each element: the derivative of `lgamma`.

    The error in float64 is below 2e-15, relative to the larger of 1 and the result.

    Example:
        >>> ad.digamma(ad.tensor([1.0, 5.0]))
        tensor([-0.5772157,  1.5061177])

    **Gradient:** ``polygamma(1, x)``.
    """
    return bind_one(DIGAMMA, x)


def polygamma(n: int, x: Any, /) -> Any:
    """The derivative of order `n` of the digamma function of each element.

    Args:
        n: the order, a Python int from 0; of order 0 it is the digamma function itself.
        x: any shape of real numbers.

    Raises:
        ArgumentError: if `n` is no int or is negative.

    Example:
        >>> ad.polygamma(1, ad.tensor([1.0, 5.0]))
        tensor([1.644934 , 0.2213230])

    **Gradient:** ``polygamma(n + 1, x)``.
    """
    if n.__class__ is not int or n < 0:
        raise ArgumentError(f"polygamma: the order must be an int that is not negative, got {n!r}")
    return Polygamma(n)(lift(x))
