"""Exact elementwise operations on floats: what NumPy computes, bit for bit."""

from __future__ import annotations

import math

from adjoint.backends.llvm.scalars_value import (
    Value,
    copysign,
    fabs,
    select,
)


def sign(x: Value) -> Value:
    """-1, 0 or 1; NaN stays NaN."""
    return select(x > 0.0, 1.0, select(x < 0.0, -1.0, select(x.eq(0.0), 0.0, x)))


def maximum(x: Value, y: Value) -> Value:
    """The larger one, NaN if one is; of zeros the second one, as NumPy takes it on x86."""
    return select((x > y) | x.isnan(), x, y)


def minimum(x: Value, y: Value) -> Value:
    """The smaller one, NaN if one is."""
    return select((x < y) | x.isnan(), x, y)


def fmax(x: Value, y: Value) -> Value:
    """The larger one; NaN loses."""
    return select((x > y) | y.isnan(), x, y)


def fmin(x: Value, y: Value) -> Value:
    """The smaller one; NaN loses."""
    return select((x < y) | y.isnan(), x, y)


def clip(x: Value, low: Value, high: Value) -> Value:
    """At least `low`, then at most `high`."""
    return minimum(maximum(x, low), high)


def relu(x: Value) -> Value:
    """The positive part; NaN stays NaN."""
    return select(x <= 0.0, 0.0, x)


def heaviside(x: Value, y: Value) -> Value:
    """0 below zero, 1 above, and y at zero."""
    return select(x > 0.0, 1.0, select(x < 0.0, 0.0, select(x.eq(0.0), y, x)))


def strong_mul(ct: Value, d: Value) -> Value:
    """The product, but 0 where `ct` is 0, whatever `d` is: its bits are cleared before."""
    return ct * select(ct.eq(0.0), 0.0, d)


def strong_mul_both(ct: Value, d: Value) -> Value:
    """The same, and 0 wherever `d` is."""
    return select(d.eq(0.0), 0.0, strong_mul(ct, d))


def fmod(x: Value, y: Value) -> Value:
    """What the division rounded towards zero leaves: a call, for quotients may be huge."""
    return Value(x.b, x.b.frem(x.v, y.v))


def remainder(x: Value, y: Value) -> Value:
    """What is left of x after the rounded-down division; it has the sign of y."""
    rest = fmod(x, y)
    turned = (y < 0.0) ^ (rest < 0.0)
    moved = select(rest.eq(0.0), copysign(rest, y), select(turned, rest + y, rest))
    return select(y.eq(0.0), rest, moved)


def floordiv_paired(x: Value, y: Value) -> Value:
    """The rounded-down quotient that goes with the remainder."""
    rest = fmod(x, y)
    turned = ((y < 0.0) ^ (rest < 0.0)) & rest.ne(0.0)
    whole = (x - rest) / y
    whole = select(turned, whole - 1.0, whole)
    down = whole.intrinsic("floor")
    down = select((whole - down) > 0.5, down + 1.0, down)
    plain = x / y
    out = select(whole.eq(0.0), copysign(whole, plain), down)
    return select(y.eq(0.0), plain, out)


def floordiv(x: Value, y: Value) -> Value:
    """The rounded-down quotient; of infinite operands, the quotient rounded down."""
    infinite = fabs(x).eq(math.inf) | fabs(y).eq(math.inf)
    return select(infinite, (x / y).intrinsic("floor"), floordiv_paired(x, y))


def isinf(x: Value) -> Value:
    """Whether it is infinite."""
    return fabs(x).eq(math.inf)


def isfinite(x: Value) -> Value:
    """Whether it is neither infinite nor NaN."""
    return fabs(x) < math.inf


def signbit(x: Value) -> Value:
    """Whether the sign bit is set."""
    return x.bits() < 0


def logical_and(x: Value, y: Value) -> Value:
    """Whether neither is zero."""
    return x.ne(0.0) & y.ne(0.0)


def logical_or(x: Value, y: Value) -> Value:
    """Whether not both are zero."""
    return x.ne(0.0) | y.ne(0.0)


def logical_xor(x: Value, y: Value) -> Value:
    """Whether exactly one is zero."""
    return x.ne(0.0) ^ y.ne(0.0)


def logical_not(x: Value) -> Value:
    """Whether it is zero."""
    return x.eq(0.0)


def nextafter(x: Value, y: Value, tie: Value, sign_bit: int, infinity: int) -> Value:
    """The next float after x on the way to y, both given as the bits of any format.

    Floats are ordered as their bits are, read as a sign and a size. If they are equal it is `tie`.
    """
    x_size, y_size = x & (sign_bit - 1), y & (sign_bit - 1)
    start = select(x < 0, -x_size, x_size)
    goal = select(y < 0, -y_size, y_size)
    key = select(goal > start, start + 1, start - 1)
    moved = select(key < 0, -key | -sign_bit, key)
    out = select(start.eq(goal), tie, moved)
    out = select(y_size > infinity, y, out)
    return select(x_size > infinity, x, out)
