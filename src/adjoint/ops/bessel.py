"""Bessel functions of integer order, elementwise: the modified I and the spherical j.

Their derivatives are sums of the same functions of neighbouring orders, without a division by x,
so derivatives of any order are exact at 0. Sources: DLMF, chapter 10: 10.29.1 and 10.51.2 for the
derivatives, 10.29.1 and 10.51.1 for the recurrences, 10.53.1 for the series.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, final

import numpy as np

from adjoint.core.bind import lift
from adjoint.core.primitive import Sample
from adjoint.ops.arithmetic import AbstractAnalyticMap
from adjoint.ops.kernel import horner, in_float64, where

__all__ = ["i0", "i1"]

# beyond it exp, and so I, is infinite in float64
BIG = 714.0


@final
class BesselI(AbstractAnalyticMap):
    """The modified Bessel function of the first kind, of this order."""

    order: int
    complex_ok = False
    llvm = "bessel_i"
    flops = 100

    def value(self, x: Any) -> Any:
        return in_float64(bessel_i, x, self.order)

    def partial(self, i: int, out: Any, x: Any) -> Any:
        if self.order == 0:
            return BesselI(1)(x)
        return (BesselI(self.order - 1)(x) + BesselI(self.order + 1)(x)) * 0.5

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        for order in (0, 1, 2, 5):
            yield cls(order), [rng.uniform(-5, 5, size=(2, 3))]
        yield cls(1), [np.asarray(0.0)]


@final
class SphericalBessel(AbstractAnalyticMap):
    """The spherical Bessel function of the first kind, of this order; of order 0 it is sin(x)/x."""

    order: int
    complex_ok = False
    llvm = "spherical_bessel"
    flops = 50

    def value(self, x: Any) -> Any:
        return in_float64(spherical_bessel, x, self.order)

    def partial(self, i: int, out: Any, x: Any) -> Any:
        n = self.order
        if n == 0:
            return -SphericalBessel(1)(x)
        below, above = SphericalBessel(n - 1)(x), SphericalBessel(n + 1)(x)
        return below * (n / (2 * n + 1)) - above * ((n + 1) / (2 * n + 1))

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        for order in (0, 1, 2, 5):
            yield cls(order), [rng.uniform(-9, 9, size=(2, 3))]
        yield cls(1), [np.asarray(0.0)]


def bessel_i(x: Any, order: int) -> Any:
    """I of this order: that of order 0, which NumPy has, times ratios of neighbours.

    The ratios ``I[k] / I[k-1]`` come from the recurrence in the direction in which it is stable,
    downwards (Gautschi, SIAM Review 9, 1967). Started at k it has converged to float64 at
    ``k - 6 sqrt(x)``.
    """
    size = np.minimum(np.abs(x), BIG)
    ratio = np.zeros_like(size)
    out = np.i0(size)
    reach = np.max(size, initial=0.0, where=np.isfinite(size))
    for k in range(order + 20 + int(7 * math.sqrt(reach)), 0, -1):
        ratio = size / (2 * k + size * ratio)
        if k <= order:
            out = out * ratio
    return np.copysign(out, x) if order % 2 else out


def spherical_bessel(x: Any, order: int) -> Any:
    """j of this order: by its series near 0, by the upward recurrence where that is stable."""
    near = np.abs(x) <= order + 1
    return np.piecewise(x, [near], [_by_series, _by_recurrence], order)


def _by_series(x: Any, order: int) -> Any:
    coefficients = [1.0]
    for k in range(1, 20 + order):
        coefficients.append(coefficients[-1] / (k * (2 * order + 2 * k + 1)))
    lead = x**order / math.prod(range(1, 2 * order + 2, 2))
    return lead * horner(x * x * -0.5, coefficients)


def _by_recurrence(x: Any, order: int) -> Any:
    before, out = np.cos(x) / x, np.sin(x) / x
    for n in range(order):
        before, out = out, (2 * n + 1) / x * out - before
    return where(np.isinf(x), 0.0, out)


def i0(x: Any, /) -> Any:
    """The modified Bessel function of the first kind of order 0, of each element.

    Example:
        >>> ad.i0(ad.tensor([0.0, 1.0]))
        tensor([1.       , 1.2660658])

    **Gradient:** ``i1(x)``.
    """
    return BesselI(0)(lift(x))


def i1(x: Any, /) -> Any:
    """The modified Bessel function of the first kind of order 1, of each element.

    Example:
        >>> ad.i1(ad.tensor([0.0, 1.0]))
        tensor([0.       , 0.5651591])

    **Gradient:** ``(i0(x) + i2(x)) / 2``.
    """
    return BesselI(1)(lift(x))
