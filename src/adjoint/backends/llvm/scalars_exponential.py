"""Exponentials, in float32 and float64: exp, exp2, expm1, and what is made of them.

With n the integer nearest to ``x / ln 2`` and ``r = x - n ln 2``, ``exp(x) = 2**n exp(r)`` where
``|r| <= ln(2) / 2``. The reduction is that of Cody and Waite (Software Manual for the Elementary
Functions, 1980): ``n ln 2`` is subtracted in two parts, the first of them exact. The remainder is
``exp(r) = 1 + r + r**2 / 2 + r**3 q(r)`` with a Chebyshev interpolation polynomial q. Its terms are
kept apart as long as it matters, as double-length numbers (Dekker, Numerische Mathematik 18, 1971).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from adjoint.backends.llvm.scalars_value import (
    DOUBLE,
    FLOAT,
    Value,
    copysign,
    fabs,
    fast_two_sum,
    fma,
    horner,
    quotient,
    select,
    two_product,
    two_sum,
)

LN2: Final = 0.6931471805599453
LN2_REST: Final = 2.3190468138462996e-17
LOG2_E: Final = 1.4426950408889634


class Constants(NamedTuple):
    """What the reduction needs in one format."""

    polynomial: tuple[float, ...]
    """(exp(r) - 1 - r - r**2 / 2) / r**3."""
    high: float
    """ln 2 without the last bits, so that products with n are exact."""
    low: float
    """The rest of ln 2."""
    top: float
    """exp of it overflows."""
    bottom: float
    """exp of it is zero."""
    flat: float
    """exp of minus this is lost beside 1."""
    tiny: float
    """The square of numbers below it is lost beside them."""


CONSTANTS: Final[dict[Any, Constants]] = {
    FLOAT: Constants(
        (
            0.1666666716337204,
            0.04166646674275398,
            0.00833331048488617,
            0.0013933649752289057,
            0.00019890991097781807,
        ),
        0.693145751953125,
        1.4286068203094172e-06,
        88.73,
        -104.0,
        20.0,
        2.0**-25,
    ),
    DOUBLE: Constants(
        (
            0.16666666666666666,
            0.04166666666666668,
            0.008333333333333333,
            0.0013888888888879073,
            0.00019841269841263298,
            2.4801587336442236e-05,
            2.755731924721873e-06,
            2.75572632790885e-07,
            2.505207109429355e-08,
            2.0918137737642736e-09,
            1.608662795678037e-10,
        ),
        0.6931471805598903,
        5.497923018708371e-14,
        709.79,
        -746.0,
        40.0,
        2.0**-54,
    ),
}

# (sinh(x) - x) / x**3 as a polynomial of x**2, for |x| <= 1/2
SINH: Final = (
    0.16666666666666666,
    0.008333333333333333,
    0.00019841269841269893,
    2.755731922385946e-06,
    2.5052108529916113e-08,
    1.605895909905728e-10,
    7.671802234064814e-13,
)
SINH_SMALL: Final = 0.5
# (tanh(x) - x) / x**3 as a polynomial of x**2, for |x| <= 0.6
TANH_32: Final = (
    -0.3333333432674408,
    0.13333313167095184,
    -0.05396155267953873,
    0.021788321435451508,
    -0.008410071022808552,
    0.0023707656655460596,
)


class Parts(NamedTuple):
    """``2**n (1 + r + h + t)`` with ``h = r**2 / 2`` and t small; n is in the low bits of k."""

    r: Value
    h: Value
    t: Value
    k: Value

    def mantissa(self) -> Value:
        """1 + r + h + t, rounded once."""
        total, error = fast_two_sum(1.0, self.r)
        return total + (error + (self.h + self.t))

    def pair(self) -> tuple[Value, Value]:
        """1 + r + h + t as a leading part and a rest below its last bit."""
        total, error = fast_two_sum(1.0, self.r)
        return fast_two_sum(total, error + (self.h + self.t))

    def power(self, shift: int = 0) -> Value:
        """2**(n + shift), which must be a normal number."""
        kind, fmt = self.r.type, self.r.format
        return ((self.k + (fmt.bias + shift)) << fmt.fraction).as_float(kind)

    def powers(self) -> tuple[Value, Value]:
        """Two factors whose product is 2**n, however large or small that is."""
        kind, fmt = self.r.type, self.r.format
        first = self.k >> 1
        return tuple(
            ((k + fmt.bias) << fmt.fraction).as_float(kind) for k in (first, self.k - first)
        )  # pyright: ignore[reportReturnType]  # two of them


def clamp(x: Value, low: float, high: float) -> Value:
    """x between two bounds; NaN stays NaN."""
    x = select(x > high, high, x)
    return select(x < low, low, x)


def exp_parts(x: Value, low: Any = 0.0) -> Parts:
    """exp(x + low) for x within the clamps, `low` below the last bit of x."""
    c = CONSTANTS[x.type]
    shifter = x.format.shifter
    shifted = fma(x, LOG2_E, shifter)
    n = shifted - shifter
    r = fma(n, -c.high, x)
    return _parts(r, fma(n, -c.low, low), shifted)


def exp2_parts(x: Value) -> Parts:
    """2**x for x within the clamps."""
    shifter = x.format.shifter
    shifted = x + shifter
    f = x - (shifted - shifter)
    ln2, rest = (
        (LN2, LN2_REST) if x.type == DOUBLE else (0.6931471824645996, -1.9046542121259336e-09)
    )
    r = f * ln2
    return _parts(r, fma(f, ln2, -r) + f * rest, shifted)


def _parts(r: Value, low: Value, shifted: Value) -> Parts:
    r, low = fast_two_sum(r, low)
    h, h_low = two_product(r * 0.5, r)
    t = fma(r * (h + h), horner(r, CONSTANTS[r.type].polynomial), h_low + low)
    return Parts(r, h, t, shifted.bits())


def scaled_exp(parts: Parts) -> Value:
    """The number that the parts stand for, rounded."""
    first, second = parts.powers()
    return parts.mantissa() * first * second


def exp(x: Value, low: Any = 0.0) -> Value:
    """e to the power of x + low."""
    c = CONSTANTS[x.type]
    return scaled_exp(exp_parts(clamp(x, c.bottom, c.top), low))


def exp2(x: Value) -> Value:
    """2 to the power of x."""
    top = x.format.bias + 2.0
    return scaled_exp(exp2_parts(clamp(x, -(top + x.format.fraction), top)))


def expm1_pair(x: Value) -> tuple[Value, Value]:
    """Half of exp(x) - 1 as a leading part and a small rest."""
    c = CONSTANTS[x.type]
    parts = exp_parts(clamp(x, -c.flat, c.top))
    half = parts.power(-1)
    # the sum of powers is 0 for n = 0, else it is larger than what is added
    less, lost = fast_two_sum(half, half.const(-0.5))
    total, error = fast_two_sum(less, half * parts.r)
    total, more = two_sum(total, half * parts.h)
    return total, error + more + (lost + half * parts.t)


def expm1(x: Value) -> Value:
    """exp(x) - 1 without cancellation."""
    total, rest = expm1_pair(x)
    return select(fabs(x) < CONSTANTS[x.type].tiny, x, (total + rest) * 2.0)


def falling(x: Value, low: Any = 0.0) -> tuple[Value, Value]:
    """exp(x + low) for x <= 0 as a leading part and a small rest."""
    c = CONSTANTS[x.type]
    parts = exp_parts(select(x < c.bottom, c.bottom, x), low)
    total, rest = parts.pair()
    first, second = parts.powers()
    return total * first * second, rest * first * second


def sigmoid(x: Value) -> Value:
    """1 / (1 + exp(-x)), from the exponential that is at most 1."""
    negative = x < 0.0
    e, low = falling(-fabs(x))
    below, below_low = fast_two_sum(1.0, e)
    q, rest = quotient(select(negative, e, 1.0), select(negative, low, 0.0), below, below_low + low)
    return q + rest


def tanh(x: Value) -> Value:
    """The hyperbolic tangent."""
    size = fabs(x)
    if x.type == FLOAT:
        square = x * x
        near = fma(size * square, horner(square, TANH_32), size)
        e = exp(select(size > 10.0, 10.0, size) * 2.0)
        return copysign(select(size < 0.55, near, 1.0 - 2.0 / (e + 1.0)), x)
    # m / (m + 1) with m = (exp(2 |x|) - 1) / 2
    m, rest = expm1_pair(select(size > 20.0, 20.0, size) * 2.0)
    m, rest = fast_two_sum(m, rest)
    below, below_rest = two_sum(m, x.const(1.0))
    q, correction = quotient(m, rest, below, below_rest + rest)
    return select(size < 2.0**-28, x, copysign(q + correction, x))


def _exponentials(size: Value) -> tuple[Value, Value, Value, Value]:
    """exp(size) / 4 and exp(-size) / 4, each with a small rest, for float64."""
    parts = exp_parts(select(size > 711.0, 711.0, size))
    total, rest = parts.pair()
    first, second = parts._replace(k=parts.k - 2).powers()
    rise, rise_rest = total * first * second, rest * first * second
    fall, fall_rest = quotient(size.const(0.0625), 0.0, rise, rise_rest)
    return rise, rise_rest, fall, fall_rest


def cosh(x: Value) -> Value:
    """The hyperbolic cosine, in float64."""
    rise, rise_rest, fall, fall_rest = _exponentials(fabs(x))
    total, error = fast_two_sum(rise, fall)
    return (total + (error + (rise_rest + fall_rest))) * 2.0


def sinh(x: Value) -> Value:
    """The hyperbolic sine, in float64."""
    size = fabs(x)
    square = x * x
    near = fma(size * square, horner(square, SINH), size)
    rise, rise_rest, fall, fall_rest = _exponentials(size)
    total, error = fast_two_sum(rise, -fall)
    far = (total + (error + (rise_rest - fall_rest))) * 2.0
    return copysign(select(size < SINH_SMALL, near, far), x)
