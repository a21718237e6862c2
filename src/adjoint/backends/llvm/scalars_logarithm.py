"""Logarithms and powers, in float32 and float64.

``x = 2**n m`` with m between the square roots of 1/2 and 2, and ``f = m - 1`` exactly. For float64
``log(1 + f)`` is taken as in Sun's fdlibm: with ``s = f / (2 + f)`` it is
``f - (f**2/2 - s (f**2/2 + R))``, where ``R = 2 atanh(s) / s - 2`` is a polynomial of ``s**2``; so
the leading term is exact. In float32 the rest is a polynomial of f itself, which saves a division.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

from adjoint.backends.llvm.scalars_exponential import (
    CONSTANTS as EXP_CONSTANTS,
    clamp,
    exp,
    exp_parts,
    falling,
    scaled_exp,
)
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
    sqrt,
    two_product,
    two_sum,
)

# 2 atanh(s) = 2 s + s**3 P(s**2)
ATANH: Final = (
    0.6666666666666666,
    0.4000000000000088,
    0.28571428570801954,
    0.22222222392089008,
    0.18181795600060793,
    0.15386241881938595,
    0.13268714792348096,
    0.1308723619665962,
)
# the same without its first term, for powers
ATANH_MORE: Final = (
    0.4,
    0.2857142857142937,
    0.22222222221654733,
    0.1818181833565416,
    0.15384594934597917,
    0.13334806212100603,
    0.11706195689881364,
    0.11723603622905411,
)
TWO_THIRDS_LOW: Final = 3.700743415417188e-17
# log(1 + f) = f - f**2 / 2 + f**3 P(f)
LOG_32: Final = (
    0.3333333134651184,
    -0.2499999701976776,
    0.20000715553760529,
    -0.1666780263185501,
    0.14249058067798615,
    -0.12425687164068222,
    0.11685419827699661,
    -0.11479733884334564,
    0.06971611827611923,
)


class Base(NamedTuple):
    """Constants of a logarithm: n log(2) and log(m) / log(base) in two parts each."""

    two_high: float
    two_low: float
    e_high: float
    e_low: float


LN2: Final = {
    FLOAT: (0.693145751953125, 1.4286068203094172e-06),
    DOUBLE: (0.6931471805598903, 5.497923018708371e-14),
}
BASE_2: Final = {
    FLOAT: Base(1.0, 0.0, 1.4426950216293335, 1.9259629911266175e-08),
    DOUBLE: Base(1.0, 0.0, 1.4426950408889634, 2.0355273740931033e-17),
}
BASE_10: Final = {
    FLOAT: Base(0.301025390625, 4.605038981195214e-06, 0.4342944920063019, -1.0103050052231683e-08),
    DOUBLE: Base(
        0.30102999566395283, 2.8363394551044964e-14, 0.4342944819032518, 1.098319650216765e-17
    ),
}
ROOT_HALF_BITS: Final = {FLOAT: 0x3F3504F3, DOUBLE: 0x3FE6A09E667F3BCD}


class Reduced(NamedTuple):
    """``log(x) = n log(2) + f - rest``."""

    n: Value
    f: Value
    rest: Value


def split(x: Value) -> tuple[Value, Value, Value]:
    """n and f with ``x = 2**n (1 + f)`` for normal positive x, and the biased n as an integer."""
    kind, fmt = x.type, x.format
    root = ROOT_HALF_BITS[kind]
    moved = x.bits() + (fmt.one - root)
    biased = moved >> fmt.fraction
    magic = 2.0**fmt.fraction
    magic_bits = (fmt.bias + fmt.fraction) << fmt.fraction
    n = (biased | magic_bits).as_float(kind) - (magic + fmt.bias)
    m = ((moved & ((1 << fmt.fraction) - 1)) + root).as_float(kind)
    return n, m - 1.0, biased


def split_any(x: Value) -> tuple[Value, Value]:
    """n and f with ``x = 2**n (1 + f)`` for any positive x, subnormal or not."""
    fmt = x.format
    small = x < 2.0 ** (1 - fmt.bias)
    up = fmt.fraction + 2
    n, f, _ = split(select(small, x * 2.0**up, x))
    return select(small, n - float(up), n), f


def series(f: Value) -> Value:
    """f - log(1 + f)."""
    half_square = f * f * 0.5
    if f.type == FLOAT:
        return half_square - f * f * f * horner(f, LOG_32)
    s = f / (f + 2.0)
    u = s * s
    return half_square - s * fma(u, horner(u, ATANH), half_square)


def reduced(x: Value) -> Reduced:
    """The parts of log(x) for positive x."""
    n, f = split_any(x)
    return Reduced(n, f, series(f))


def reduced_sum(x: Value, low: Value) -> Reduced:
    """The parts of log(x + low) for normal positive x, `low` at most its last bit."""
    fmt = x.format
    n, f, biased = split(x)
    down = (biased.const(2 * fmt.bias) - biased) << fmt.fraction
    # 2**-n; at the very top, where it would not be normal, there is nothing to add
    down = select(biased > 2 * fmt.bias, 0, down).as_float(x.type)
    f, error = fast_two_sum(f, low * down)
    return Reduced(n, f, series(f) - (error - error * f))


def natural_pair(parts: Reduced) -> tuple[Value, Value]:
    """The natural logarithm as a leading part and a small rest."""
    high, low = LN2[parts.f.type]
    total, error = fast_two_sum(parts.n * high, parts.f)
    return total, error - fma(parts.n, -low, parts.rest)


def natural(parts: Reduced) -> Value:
    """The natural logarithm."""
    total, rest = natural_pair(parts)
    return total + rest


def with_base(parts: Reduced, base: Base) -> Value:
    """The logarithm to another base."""
    high, low = fast_two_sum(parts.f, -parts.rest)
    product, error = two_product(high, base.e_high)
    error = fma(high, base.e_low, fma(low, base.e_high, error))
    total, rest = fast_two_sum(parts.n * base.two_high, product)
    return total + (rest + fma(parts.n, base.two_low, error))


def ends(x: Value, y: Value, zero: float = 0.0) -> Value:
    """The logarithm y of x with the values at the ends of its domain: at `zero` and at infinity."""
    low = select(x.eq(zero), y.const(-math.inf), math.nan)
    return select(x > zero, select(x.eq(math.inf), math.inf, y), low)


def log(x: Value) -> Value:
    """The natural logarithm."""
    return ends(x, natural(reduced(x)))


def log2(x: Value) -> Value:
    """The logarithm to base 2."""
    return ends(x, with_base(reduced(x), BASE_2[x.type]))


def log10(x: Value) -> Value:
    """The logarithm to base 10."""
    return ends(x, with_base(reduced(x), BASE_10[x.type]))


def log1p_of(x: Value, low: Any = 0.0) -> Value:
    """log(1 + x + low) for x > -1 and not infinite."""
    total, error = two_sum(x.const(1.0), x)
    return natural(reduced_sum(total, error + low))


def log1p(x: Value) -> Value:
    """log(1 + x) without cancellation."""
    y = select(fabs(x) < EXP_CONSTANTS[x.type].tiny, x, log1p_of(x))
    return ends(x, y, -1.0)


def log1p_exp_pair(x: Value, low: Any = 0.0) -> tuple[Value, Value]:
    """log(1 + exp(x + low)) for x <= 0 as a leading part and a small rest."""
    if x.type == FLOAT:
        e = exp(x, low)
        rest = e.const(0.0)
    else:
        e, rest = falling(x, low)
    total, error = two_sum(e.const(1.0), e)
    high, more = natural_pair(reduced_sum(total, error + rest))
    tiny = e < EXP_CONSTANTS[x.type].tiny
    return select(tiny, e, high), select(tiny, rest, more)


def log1p_exp(x: Value) -> Value:
    """log(1 + exp(x)) for x <= 0."""
    total, rest = log1p_exp_pair(x)
    return total + rest


def softplus(x: Value) -> Value:
    """log(1 + exp(x)) without overflow."""
    return select(x < 0.0, 0.0, x) + log1p_exp(-fabs(x))


def log_sigmoid(x: Value) -> Value:
    """The logarithm of the logistic function."""
    return select(x < 0.0, x, 0.0) - log1p_exp(-fabs(x))


def logaddexp(x: Value, y: Value) -> Value:
    """log(exp(x) + exp(y)) without overflow, in float64."""
    low, high = select(x > y, y, x), select(x > y, x, y)
    gap, error = two_sum(low, -high)
    # the error of a wide or infinite gap may be anything
    error = select(gap > EXP_CONSTANTS[DOUBLE].bottom, error, 0.0)
    more, rest = log1p_exp_pair(gap, error)
    total, error = two_sum(high, more)
    out = select(fabs(gap).eq(math.inf), high, total + (error + rest))
    return select(x.eq(y), x + (LN2[DOUBLE][0] + LN2[DOUBLE][1]), out)


def xlogy(x: Value, y: Value) -> Value:
    """x log(y), and 0 where x is 0 and y is a number."""
    zero = x.eq(0.0) & ~y.isnan()
    return select(zero, 0.0, x * log(y))


def asinh(x: Value) -> Value:
    """The inverse of the hyperbolic sine, in float64: log1p(w + w**2 / (1 + sqrt(1 + w**2)))."""
    size = fabs(x)
    big = size > 2.0**30
    w = select(big, 1.0, size)
    square = w * w
    grown = w + square / (1.0 + sqrt(square + 1.0))
    total, error = two_sum(grown.const(1.0), grown)
    parts = reduced_sum(
        select(big, select(size.eq(math.inf), 1.0, size), total), select(big, 0.0, error)
    )
    y = natural(Reduced(select(big, parts.n + 1.0, parts.n), parts.f, parts.rest))
    y = select(size.eq(math.inf), math.inf, y)
    return select(size < 2.0**-28, x, copysign(y, x))


def acosh(x: Value) -> Value:
    """The inverse of the hyperbolic cosine, in float64: log1p(t + sqrt(t (t + 2))), t = x - 1."""
    big = x > 2.0**30
    t = select(big, 1.0, x - 1.0)
    wide, wide_low = two_sum(t, t.const(2.0))
    square, square_low = two_product(t, wide)
    root = sqrt(square)
    rest = fma(-root, root, square) + fma(t, wide_low, square_low)
    grown, low = two_sum(t, root)
    low = low + rest * 0.5 / select(root.eq(0.0), 1.0, root)
    total, error = two_sum(grown.const(1.0), grown)
    low = select(big, 0.0, error + low)
    parts = reduced_sum(select(big, select(x.eq(math.inf), 1.0, x), total), low)
    y = natural(Reduced(select(big, parts.n + 1.0, parts.n), parts.f, parts.rest))
    y = select(x.eq(math.inf), math.inf, y)
    return select(x >= 1.0, y, math.nan)


def atanh(x: Value) -> Value:
    """The inverse of the hyperbolic tangent, in float64: log1p(2 w / (1 - w)) / 2."""
    size = fabs(x)
    inside = size < 1.0
    below, below_low = fast_two_sum(1.0, -size)
    q, rest = quotient(size * 2.0, 0.0, select(inside, below, 1.0), below_low)
    y = select(inside, log1p_of(q, rest) * 0.5, math.inf)
    y = select(size <= 1.0, y, math.nan)
    return select(size < 2.0**-28, x, copysign(y, x))


def _log_pair(x: Value) -> tuple[Value, Value]:
    """log(x) for positive float64 x as a leading part and a rest, to about 2**-68."""
    n, f = split_any(x)
    below, below_low = two_sum(f.const(2.0), f)
    s, s_low = quotient(f, 0.0, below, below_low)
    s, s_low = fast_two_sum(s, s_low)
    u, u_low = two_product(s, s)
    u_low = fma(s * 2.0, s_low, u_low)
    # P = 2/3 + tail
    p, p_low = fast_two_sum(ATANH[0], u * horner(u, ATANH_MORE))
    p_low = p_low + TWO_THIRDS_LOW
    cube, cube_low = two_product(u, s)
    cube_low = cube_low + fma(u, s_low, u_low * s)
    term, term_low = two_product(cube, p)
    term_low = term_low + fma(cube, p_low, cube_low * p)
    high, low = LN2[DOUBLE]
    a, a_low = fast_two_sum(n * high, s * 2.0)
    b, b_low = fast_two_sum(a, term)
    return fast_two_sum(b, b_low + (a_low + fma(s_low, 2.0, fma(n, low, term_low))))


def power_size(x: Value, y: Value) -> Value:
    """x**y for x >= 0, in float64."""
    log_x, rest = _log_pair(x)
    log_x = ends(x, log_x)
    z, z_low = two_product(log_x, y)
    z_low = fma(rest, y, z_low)
    # beyond the range of exp the rest does not matter, and may be NaN
    z_low = select(fabs(z) < 750.0, z_low, 0.0)
    c = EXP_CONSTANTS[DOUBLE]
    return scaled_exp(exp_parts(clamp(z, c.bottom, c.top), z_low))


def _power_32(x: Value, y: Value) -> Value:
    """x**y for x >= 0 of float32 numbers in float64, where a plain product is accurate enough."""
    return exp(log(x) * y)


def power(x: Value, y: Value) -> Value:
    """x to the power of y, with the special cases of C99."""
    kind = x.type
    x, y = x.to(DOUBLE), y.to(DOUBLE)
    size = fabs(x)
    out = power_size(size, y) if kind == DOUBLE else _power_32(size, y)
    whole = y.intrinsic("trunc").eq(y)
    half = y * 0.5
    odd = whole & half.intrinsic("trunc").ne(half)
    negative = x.bits() < 0
    out = select(negative & odd, -out, out)
    # negative and finite to a broken power
    out = select((x < 0.0) & ~whole & x.ne(-math.inf), math.nan, out)
    one = y.eq(0.0) | x.eq(1.0) | (x.eq(-1.0) & fabs(y).eq(math.inf))
    return select(one, 1.0, out).to(kind)
