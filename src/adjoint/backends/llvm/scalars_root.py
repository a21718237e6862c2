"""Roots and lengths, in float64 except where they are exact."""

from __future__ import annotations

import math
from typing import Final

from adjoint.backends.llvm.scalars_value import (
    DOUBLE,
    Value,
    copysign,
    fabs,
    fma,
    horner,
    select,
    sqrt,
    two_product,
)

# (1 + r)**(-1/3) for |r| <= 0.1
CBRT: Final = (
    0.9999999999953973,
    -0.3333333334820235,
    0.22222223852975426,
    -0.17283935336700487,
    0.14402382117808962,
    -0.12486447508785818,
    0.11259492669779493,
    -0.09863971345230438,
)
THIRD_BIAS: Final = 715094163


def rsqrt(x: Value) -> Value:
    """One divided by the square root."""
    return 1.0 / sqrt(x)


def cbrt(x: Value) -> Value:
    """The cube root in float64: a third of the exponent, a polynomial, and a step of Newton's.

    The first guess is that of Kahan and of FreeBSD's cbrt: a third of the upper half of the bits.
    """
    size = fabs(x)
    tiny = size < 2.0**-900
    scaled = select(tiny, size * 2.0**120, size)
    third = ((scaled.bits() >> 32) * 0xAAAAAAAB) >> 33
    guess = ((third + THIRD_BIAS) << 32).as_float(DOUBLE)
    inverse = 1.0 / scaled
    r = fma(guess * guess * inverse, guess, -1.0)
    y = guess * horner(r, CBRT)
    square, error = two_product(y, y)
    rest = fma(-square, y, scaled) - error * y
    y = y + rest * (inverse * (1.0 / 3.0)) * y
    y = select(tiny, y * 2.0**-40, y)
    whole = size.eq(0.0) | size.eq(math.inf) | x.isnan()
    return select(whole, x, copysign(y, x))


def hypot(x: Value, y: Value) -> Value:
    """The length of (x, y) in float64, the root corrected by its residual.

    Source: Borges, An Improved Algorithm for hypot(a,b) (2019).
    """
    x, y = fabs(x), fabs(y)
    infinite = x.eq(math.inf) | y.eq(math.inf)
    swapped = y > x
    x, y = select(swapped, y, x), select(swapped, x, y)
    big, tiny = x > 2.0**500, x < 2.0**-450
    factor = select(big, x.const(2.0**-600), select(tiny, x.const(2.0**600), 1.0))
    back = select(big, x.const(2.0**600), select(tiny, x.const(2.0**-600), 1.0))
    x, y = x * factor, y * factor
    h = sqrt(fma(x, x, y * y))
    h2, x2 = h * h, x * x
    gap = fma(-y, y, h2 - x2) + fma(h, h, -h2) - fma(x, x, -x2)
    out = (h - gap / select(h.eq(0.0), 1.0, h + h)) * back
    return select(infinite, math.inf, out)
