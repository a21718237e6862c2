"""Elementwise operations on integers and bools: what NumPy computes, wrapped around on overflow."""

from __future__ import annotations

from adjoint.backends.llvm.scalars_value import Value, select


def absolute(x: Value, signed: bool) -> Value:
    """The absolute value; that of the lowest number is itself."""
    return select(x < 0, -x, x) if signed else x


def sign(x: Value, signed: bool) -> Value:
    """-1, 0 or 1."""
    positive = select(x.ne(0), x.const(1), 0)
    return select(x < 0, -1, positive) if signed else positive


def maximum(x: Value, y: Value, signed: bool) -> Value:
    """The larger one."""
    return select(x.compare(">", y, signed), x, y)


def minimum(x: Value, y: Value, signed: bool) -> Value:
    """The smaller one."""
    return select(x.compare("<", y, signed), x, y)


def clip(x: Value, low: Value, high: Value, signed: bool) -> Value:
    """At least `low`, then at most `high`."""
    return minimum(maximum(x, low, signed), high, signed)


def relu(x: Value, signed: bool) -> Value:
    """The positive part."""
    return maximum(x, x.const(0), signed)


def _quotient(x: Value, y: Value, signed: bool) -> Value:
    """x / y rounded towards zero, and some number where y is 0; -1 is a divisor like any other."""
    unfit = y.eq(0) | y.eq(-1) if signed else y.eq(0)
    safe = select(unfit, 1, y)
    divide = x.b.sdiv if signed else x.b.udiv
    q = Value(x.b, divide(x.v, safe.v))
    # the lowest number divided by -1 traps; negated it wraps around
    return select(y.eq(-1), -x, q) if signed else q


def floordiv(x: Value, y: Value, signed: bool) -> Value:
    """The quotient rounded down; 0 for division by 0."""
    q = _quotient(x, y, signed)
    if signed:
        rest = x - q * y
        q = select(rest.ne(0) & ((rest ^ y) < 0), q - 1, q)
    return select(y.eq(0), 0, q)


def remainder(x: Value, y: Value, signed: bool) -> Value:
    """What the rounded-down division leaves; 0 for division by 0."""
    rest = x - _quotient(x, y, signed) * y
    if signed:
        rest = select(rest.ne(0) & ((rest ^ y) < 0), rest + y, rest)
    return select(y.eq(0), 0, rest)


def fmod(x: Value, y: Value, signed: bool) -> Value:
    """What the division rounded towards zero leaves; 0 for division by 0."""
    return select(y.eq(0), 0, x - _quotient(x, y, signed) * y)


def shl(x: Value, y: Value, signed: bool) -> Value:
    """Bits moved up; none are left if they are moved by the width, or by a negative number."""
    width = x.type.width
    inside = y.compare("<", width, signed=False)
    return select(inside, x << select(inside, y, 0), 0)


def shr(x: Value, y: Value, signed: bool) -> Value:
    """Bits moved down, the sign kept; it is all that is left if they are moved by the width."""
    width = x.type.width
    inside = y.compare("<", width, signed=False)
    by = select(inside, y, width - 1 if signed else 0)
    return x.shift_signed(by) if signed else select(inside, x >> by, 0)


def logical_and(x: Value, y: Value) -> Value:
    """Whether neither is zero."""
    return x.ne(0) & y.ne(0)


def logical_or(x: Value, y: Value) -> Value:
    """Whether not both are zero."""
    return (x | y).ne(0)


def logical_xor(x: Value, y: Value) -> Value:
    """Whether exactly one is zero."""
    return x.ne(0) ^ y.ne(0)


def logical_not(x: Value) -> Value:
    """Whether it is zero."""
    return x.eq(0)
