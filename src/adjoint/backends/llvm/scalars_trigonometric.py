"""Sine, cosine and tangent and their inverses, in float64; float32 is computed in it.

The argument is reduced by multiples of pi/2 as Payne and Hanek do (Radian Reduction for
Trigonometric Functions, 1983): only those digits of 2/pi are multiplied that are neither too high
to leave anything but whole turns nor too low to matter. The digits are doubles of few bits, so all
products are exact, and whole turns are subtracted from them exactly; that is right for all numbers
without a case for the large ones.
"""

from __future__ import annotations

import math
from typing import Any, Final

from adjoint.backends.llvm.scalars_value import (
    DOUBLE,
    Value,
    copysign,
    fabs,
    fast_two_sum,
    fma,
    horner,
    nearest,
    quotient,
    select,
    sqrt,
    two_product,
    two_sum,
)

HALF_PI: Final = 1.5707963267948966
HALF_PI_LOW: Final = 6.123233995736766e-17
QUARTER: Final = 0.785

# 2/pi in digits of 29 bits, each with its weight: enough for float32
DIGITS_29: Final = (
    0.636619770899415,
    1.4681663246252086e-09,
    2.2760100671971816e-18,
    5.8812147387730434e-27,
    1.0346868700836215e-35,
    3.783256351091319e-45,
    3.720474878517739e-53,
)
# 2/pi in digits of 48 bits, as integers
DIGITS_48: Final = (
    0xA2F9836E4E44,
    0x1529FC2757D1,
    0xF534DDC0DB62,
    0x95993C439041,
    0xFE5163ABDEBB,
    0xC561B7246E3A,
    0x424DD2E00649,
    0x2EEA09D1921C,
    0xFE1DEB1CB129,
    0xA73EE88235F5,
    0x2EBB4484E99C,
    0x7026B45F7E41,
    0x3991D6398353,
    0x39F49C845F8B,
    0xBDF9283B1FF8,
    0x97FFDE05980F,
    0xEF2F118B5A0A,
    0x6D1F6D367ECF,
    0x27CB09B74F46,
    0x3F669E5FEA2D,
    0x7527BAC7EBE5,
    0xF17B3D0739F7,
    0x8A5292EA6BFB,
    0x5FB11F8D5D08,
    0x56033046FC7B,
)
DIGIT: Final = 48
USED: Final = 5
"""Digits that matter for one number: 103 bits above the point, 137 below."""

# (sin(x) - x) / x**3 and (cos(x) - 1 + x**2 / 2) / x**4 as polynomials of x**2, |x| <= pi/4
SIN: Final = (
    -0.16666666666666666,
    0.008333333333333331,
    -0.00019841269841265017,
    2.7557319219301936e-06,
    -2.5052106219528367e-08,
    1.6058529573291737e-10,
    -7.586576648405261e-13,
)
COS: Final = (
    0.041666666666666664,
    -0.0013888888888888887,
    2.4801587301584618e-05,
    -2.7557319221382125e-07,
    2.0876755783897636e-09,
    -1.1470459750244853e-11,
    4.74580492324984e-14,
)
# the same to ten digits
SIN_SHORT: Final = (
    -0.16666666663832777,
    0.008333331865963797,
    -0.00019840082015127998,
    2.72493143604168e-06,
)
COS_SHORT: Final = (
    0.04166666666430242,
    -0.0013888887664717277,
    2.4800596437593728e-05,
    -2.73004488746506e-07,
)
# (atan(x) - x) / x**3 as a polynomial of x**2, |x| <= tan(pi/8)
ATAN: Final = (
    -0.3333333333333333,
    0.19999999999999993,
    -0.14285714285711515,
    0.11111111110754406,
    -0.0909090906699066,
    0.07692306735321475,
    -0.06666642004996545,
    0.05881925033877732,
    -0.052580394289794816,
    0.04719381457895137,
    -0.04104381417807643,
    0.03063443323901452,
    -0.013916943217800841,
)
EIGHTH: Final = 0.41421356237309503
# (asin(x) - x) / x**3 as a polynomial of x**2, |x| <= 1/2
ASIN: Final = (
    0.16666666666666666,
    0.07500000000000119,
    0.04464285714255019,
    0.030381944475693704,
    0.022372157435623815,
    0.017352816768546473,
    0.013963775787848137,
    0.011566511821890942,
    0.00962140274734483,
    0.009322101501082774,
    0.0030350071727267623,
    0.019579201619744684,
    -0.019277545928584557,
    0.02963502626354855,
)


def modulo_4(x: Value) -> Value:
    """x without multiples of 4, from -2 to 2; exact."""
    return fma(nearest(x * 0.25), -4.0, x)


def reduce_single(x: Value) -> tuple[Value, Value]:
    """Quarter turns and the remaining angle of a float64 number that a float32 holds."""
    parts = [x * digit for digit in DIGITS_29]
    # |x| < 2**128: the later products are small
    parts = [modulo_4(part) if 29 * i < 128 else part for i, part in enumerate(parts)]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    n = nearest(total)
    rest = parts[0] - n
    for part in parts[1:]:
        rest = rest + part
    return n, select(fabs(x) < QUARTER, x, rest * HALF_PI)


def _digits(size: Value) -> tuple[list[Value], Value]:
    """The digits of 2/pi that matter, and by how many of them the number is to be shifted."""
    lowest = (size.bits() >> 52) - (1075 + 2)
    lowest = select(lowest < 0, 0, lowest)
    skipped = (lowest * 1366) >> 16  # a division by 48
    digits: list[Any] = [float(d) for d in DIGITS_48]
    for step in (16, 8, 4, 2, 1):
        far = (skipped & step).ne(0)
        count = USED + step - 1
        padded = [*digits, *[0.0] * step * 2]
        digits = [_choose(far, size, padded[i + step], padded[i]) for i in range(count)]
    return digits, skipped


def _choose(far: Value, like: Value, x: Any, y: Any) -> Value:
    return select(far, x if isinstance(x, Value) else like.const(x), y)


def reduce_double(x: Value) -> tuple[Value, Value, Value]:
    """Quarter turns and the remaining angle of a float64 number, in two parts."""
    digits, skipped = _digits(fabs(x))
    shift = ((skipped * -DIGIT + 1023) << 52).as_float(DOUBLE)
    moved = x * shift
    high: list[Value] = []
    low: list[Value] = []
    for j, digit in enumerate(digits):
        h, e = two_product(moved * 2.0 ** (-DIGIT * (j + 1)), digit)
        high.append(modulo_4(h) if j < 3 else h)
        low.append(modulo_4(e) if j < 1 else e)
    # multiples of 2**-40, whose sum is exact, and the rest of each number
    coarse: Any = 0.0
    fine: list[Value] = []
    for part in (high[0], high[1], low[0], high[2], low[1]):
        shifter = 1.5 * 2.0**12
        head = (part + shifter) - shifter
        coarse = head + coarse
        fine.append(part - head)
    total, errors = fine[0], low[3] + high[4]
    for part in (*fine[1:], high[3], low[2]):
        total, error = two_sum(total, part)
        errors = errors + error
    n = nearest(coarse)
    f, error = two_sum(coarse - n, total)
    f, f_low = fast_two_sum(f, error + errors)
    r, error = two_product(f, HALF_PI)
    r_low = fma(f, HALF_PI_LOW, fma(f_low, HALF_PI, error))
    small = fabs(x) < QUARTER
    return (
        select(small, 0.0, n),
        select(small, x, r),
        select(small, 0.0, r_low),
    )


def _sin_rest(r: Value, low: Any) -> Value:
    """sin(r + low) - r."""
    u = r * r
    if not isinstance(low, Value):
        return r * u * horner(u, SIN_SHORT)
    return fma(r * u, horner(u, SIN), low - low * u * 0.5)


def _cos_parts(r: Value, low: Any) -> tuple[Value, Value]:
    """cos(r + low) as a leading part and a rest."""
    u = r * r
    half = u * 0.5
    head = 1.0 - half
    if not isinstance(low, Value):
        return head, u * u * horner(u, COS_SHORT)
    return head, ((1.0 - head) - half) + (u * u * horner(u, COS) - r * low)


def _wave(n: Value, r: Value, low: Any, ahead: int) -> Value:
    """sin(r + low + (n + ahead) pi/2)."""
    head, rest = _cos_parts(r, low)
    turns = (n + (ahead + n.format.shifter)).bits()
    out = select((turns & 1).ne(0), head + rest, r + _sin_rest(r, low))
    return (out.bits() ^ ((turns & 2) << 62)).as_float(DOUBLE)


def sin(x: Value) -> Value:
    """The sine."""
    if x.type == DOUBLE:
        return select(fabs(x) < 2.0**-27, x, _wave(*reduce_double(x), ahead=0))
    wide = x.to(DOUBLE)
    return select(fabs(x) < 2.0**-13, x, _wave(*reduce_single(wide), 0.0, ahead=0).to(x.type))


def cos(x: Value) -> Value:
    """The cosine."""
    if x.type == DOUBLE:
        return _wave(*reduce_double(x), ahead=1)
    return _wave(*reduce_single(x.to(DOUBLE)), 0.0, ahead=1).to(x.type)


def tan(x: Value) -> Value:
    """The tangent: the sine by the cosine, or the cosine by the sine for odd quarter turns."""
    wide = x.to(DOUBLE)
    low: Any = 0.0
    if x.type == DOUBLE:
        n, r, low = reduce_double(x)
    else:
        n, r = reduce_single(wide)
    above, above_low = fast_two_sum(r, _sin_rest(r, low))
    below, below_low = fast_two_sum(*_cos_parts(r, low))
    odd = ((n + n.format.shifter).bits() & 1).ne(0)
    q, rest = quotient(
        select(odd, -below, above),
        select(odd, -below_low, above_low),
        select(odd, above, below),
        select(odd, above_low, below_low),
    )
    tiny = 2.0**-27 if x.type == DOUBLE else 2.0**-13
    return select(fabs(x) < tiny, x, (q + rest).to(x.type))


def sinc(x: Value) -> Value:
    """sin(pi x) / (pi x) in float64, with exact zeros at the integers."""
    turn = fma(nearest(x * 0.5), -2.0, x)
    n = nearest(turn * 2.0)
    f = fma(n, -0.5, turn)
    r, error = two_product(f, 2.0 * HALF_PI)
    low = fma(f, 2.0 * HALF_PI_LOW, error)
    head, rest = _cos_parts(r, low)
    sine, sine_rest = fast_two_sum(r, _sin_rest(r, low))
    turns = (n + n.format.shifter).bits()
    odd = (turns & 1).ne(0)
    above, above_low = select(odd, head, sine), select(odd, rest, sine_rest)
    flip = (turns & 2).ne(0)
    above, above_low = select(flip, -above, above), select(flip, -above_low, above_low)
    # the largest numbers are even; their product with pi would be infinite
    x = select(x > 1e300, 1e300, select(x < -1e300, -1e300, x))
    below, error = two_product(x, 2.0 * HALF_PI)
    q, rest = quotient(above, above_low, below, fma(x, 2.0 * HALF_PI_LOW, error))
    return select(fabs(x) < 1e-9, 1.0, q + rest)


def _asin_parts(size: Value) -> tuple[Value, Value, Value]:
    """Whether size > 1/2, and an angle in two parts: asin(size), or asin(sqrt((1 - size) / 2))."""
    far = size > 0.5
    u = select(far, (1.0 - size) * 0.5, size * size)
    root = sqrt(u)
    rest = fma(-root, root, u) / (root + select(root.eq(0.0), 1.0, root))
    angle = select(far, root, size)
    return far, angle, fma(angle * u, horner(u, ASIN), select(far, rest, 0.0))


def asin(x: Value) -> Value:
    """The angle with this sine: of numbers above 1/2, pi/2 less that of a smaller one, doubled."""
    far, angle, rest = _asin_parts(fabs(x))
    total, error = fast_two_sum(HALF_PI, angle * -2.0)
    beyond = total + (error + (HALF_PI_LOW - rest * 2.0))
    return copysign(select(far, beyond, angle + rest), x)


def acos(x: Value) -> Value:
    """The angle with this cosine."""
    far, angle, rest = _asin_parts(fabs(x))
    angle = select(x < 0.0, -angle, angle)
    rest = select(x < 0.0, -rest, rest)
    # pi/2 - asin(x) within 1/2; beyond it, twice the angle, from 0 or from pi
    base = select(far, select(x < 0.0, angle.const(2.0 * HALF_PI), 0.0), HALF_PI)
    base_low = select(far, select(x < 0.0, angle.const(2.0 * HALF_PI_LOW), 0.0), HALF_PI_LOW)
    factor = select(far, angle.const(2.0), -1.0)
    total, error = fast_two_sum(base, angle * factor)
    return total + (error + fma(rest, factor, base_low))


def _atan_ratio(y: Value, x: Value) -> tuple[Value, Value]:
    """The angle of (x, y) with 0 <= y <= x, neither tiny nor huge, in two parts."""
    middle = y > x * EIGHTH
    above, above_low = two_sum(y, -x)
    below, below_low = two_sum(x, y)
    q, q_low = quotient(
        select(middle, above, y),
        select(middle, above_low, 0.0),
        select(middle, below, x),
        select(middle, below_low, 0.0),
    )
    u = q * q
    rest = fma(q * u, horner(u, ATAN), q_low)
    base = select(middle, q.const(0.5 * HALF_PI), 0.0)
    base_low = select(middle, q.const(0.5 * HALF_PI_LOW), 0.0)
    total, error = fast_two_sum(base, q)
    return fast_two_sum(total, error + (base_low + rest))


def atan2(y: Value, x: Value) -> Value:
    """The angle of the point (x, y), with the special cases of C99."""
    wide, tall = fabs(x), fabs(y)
    steep = tall > wide
    small, large = select(steep, wide, tall), select(steep, tall, wide)
    both = small.eq(math.inf)
    # of infinite and huge numbers only the ratio matters
    infinite = large.eq(math.inf)
    small = select(both, 1.0, select(infinite, 0.0, small))
    large = select(infinite | large.eq(0.0), 1.0, large)
    factor = select(large > 2.0**1000, large.const(2.0**-100), 1.0)
    factor = select(large < 2.0**-900, 2.0**100, factor)
    angle, rest = _atan_ratio(small * factor, large * factor)
    # the other angle of the triangle, then the other side of the axis
    angle, rest = _from(steep, HALF_PI, HALF_PI_LOW, angle, rest)
    behind = x.bits() < 0
    angle, rest = _from(behind, 2.0 * HALF_PI, 2.0 * HALF_PI_LOW, angle, rest)
    out = copysign(angle + rest, y)
    return select(x.isnan() | y.isnan(), math.nan, out)


def _from(
    condition: Value, base: float, base_low: float, angle: Value, rest: Value
) -> tuple[Value, Value]:
    """base - angle where the condition holds."""
    total, error = fast_two_sum(base, -angle)
    return (
        select(condition, total, angle),
        select(condition, error + (base_low - rest), rest),
    )


def atan(x: Value) -> Value:
    """The angle with this tangent."""
    size = fabs(x)
    size = select(size > 1e20, 1e20, size)
    steep = size > 1.0
    angle, rest = _atan_ratio(select(steep, 1.0, size), select(steep, size, 1.0))
    angle, rest = _from(steep, HALF_PI, HALF_PI_LOW, angle, rest)
    return select(fabs(x) < 2.0**-28, x, copysign(angle + rest, x))
