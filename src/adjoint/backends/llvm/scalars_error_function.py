"""The error function, its complement and its inverse.

In float64, erf(x) is ``x P(x**2)`` near 0 and one minus the complement elsewhere. The complement is
``exp(-x**2) H(t) / (1 + 2 x)``, where H is smooth in ``t = (x - 7/2) / (x + 7/2)`` (Shepherd and
Laframboise, Mathematics of Computation 36, 1981). The inverse is x times a polynomial of
``-log(1 - x**2)``, or of its root, in ranges (Giles, GPU Computing Gems 2, 2012). The
polynomials are Chebyshev interpolations made for this file.
"""

from __future__ import annotations

import math
from typing import Final

from adjoint.backends.llvm.scalars_exponential import exp, falling
from adjoint.backends.llvm.scalars_logarithm import log, natural_pair, reduced
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

# erf(x) = x + x P(x**2) for |x| < 0.9, and the logarithm of 1 - erf(x) from there to 4
ERF_SINGLE: Final = (
    0.12837916612625122,
    -0.37612634897232056,
    0.11283718049526215,
    -0.026860665529966354,
    0.0052042268216609955,
    -0.0008179632131941617,
    8.529401384294033e-05,
)
TAIL_SINGLE: Final = (
    0.0003159178595524281,
    -1.1302216053009033,
    -0.6318381428718567,
    -0.1100754588842392,
    0.026421844959259033,
    -0.00476085813716054,
    0.0005972599610686302,
    -4.6130629925755784e-05,
    1.6416252037743106e-06,
)
# erf(x) = 2 / sqrt(pi) x + x**3 P(x**2) for |x| <= 3/4
SMALL: Final = 0.75
SLOPE: Final = 1.1283791670955126
SLOPE_LOW: Final = 1.533545961316588e-17
ERF: Final = (
    -0.37612638903183754,
    0.11283791670955126,
    -0.026866170645131224,
    0.005223977625441262,
    -0.00085483270232917,
    0.0001205533296564953,
    -1.4925649319697897e-05,
    1.6462070293796427e-06,
    -1.6364594157391539e-07,
    1.478365393786114e-08,
    -1.2007134812344127e-09,
    7.420130126131617e-11,
)
# (1 + 2 x) exp(x**2) erfc(x) as a polynomial of t
CENTRE: Final = 3.5
TAIL: Final = (
    1.2423492448711544,
    -0.1400091801376191,
    -0.010555596332215388,
    0.09751909515322427,
    -0.11508959816037237,
    0.08798315382595605,
    -0.04882332582346936,
    0.019099330926593987,
    -0.004215019964167353,
    -0.000302267752240146,
    0.0005643848387023119,
    -0.0001215130122124965,
    -4.278419820572738e-05,
    2.426266454756548e-05,
    2.3342170595424934e-06,
    -3.81756066434533e-06,
    -5.562864832008523e-08,
    6.036872410481301e-07,
    5.68840048178906e-09,
    -9.51833981627752e-08,
    -8.616162997700067e-09,
    1.0955659762624851e-08,
    2.675013225977292e-09,
)
# the same to ten digits for x up to 10.5
TAIL_SHORT: Final = (
    1.2423492448655549,
    -0.14000918012230046,
    -0.010555595138053216,
    0.09751908954191311,
    -0.11508964039457946,
    0.08798330683077968,
    -0.04882269392172065,
    0.019098049593839733,
    -0.004219862186080811,
    -0.0002991555627462012,
    0.0005824640624987669,
    -0.00011604271219145484,
    -6.784977064684611e-05,
)
# erfinv(x) / x as polynomials of w, w - 4, sqrt(w) - 3.25 and sqrt(w) - 5; w = -log(1 - x**2)
NEAR: Final = (
    0.886226925452758,
    0.2320136665346547,
    0.011549342038261853,
    -0.0023351016414585347,
    -0.0001280432956081331,
    4.66114476421095e-05,
    2.0199632933014085e-06,
    -1.0124919645387258e-06,
    -3.740432683782673e-08,
    2.293275738980961e-08,
    6.234785688271147e-10,
    -4.33641996261543e-10,
    -6.176317535231534e-11,
    2.8310500807773302e-11,
    -3.3007577074848e-12,
    1.3524911163029698e-13,
)
MIDDLE: Final = (
    1.8587791124269735,
    0.22835468533769024,
    -0.007221059951837719,
    -0.00020397201750314286,
    0.00011887778912711044,
    -1.5515141178257537e-05,
    4.865424435213732e-07,
    1.7724372114081128e-07,
    -3.343646075855302e-08,
    1.8500561928429295e-09,
    2.909957235927059e-10,
    -7.176639925029756e-11,
    5.241861732286028e-12,
    4.670495899408124e-13,
    -1.5397955500605866e-13,
    1.3529995974945761e-14,
    7.331655699685931e-16,
    -3.0101654927165127e-16,
    2.405222839497667e-17,
)
FAR: Final = (
    3.0838856104922208,
    1.0052589676941592,
    0.0053709145535581985,
    -0.0037512085075638536,
    0.0024914420976198813,
    -0.0016882755561681802,
    0.0009532893521118177,
    -0.00035503751863069763,
    2.4031363245440546e-05,
    6.828484052292924e-05,
    -4.731952918337189e-05,
    1.2475343474376931e-05,
    2.9273722115986924e-06,
    -4.013946398190292e-06,
    1.4958263152984917e-06,
    1.832399988132858e-08,
    -2.6860975725571463e-07,
    9.071950571029922e-08,
    -3.831039946072411e-10,
)
LAST: Final = (
    4.849906401408584,
    1.0103004648645448,
    -0.0001387193183797196,
    -0.0002150301197990304,
    7.599527808342753e-05,
    -1.9681771199151526e-05,
    4.5260526888646505e-06,
    -9.930254676779616e-07,
    2.290518038393062e-07,
    -6.757285371957478e-08,
    2.902230541443624e-08,
    -1.5213385713980835e-08,
    7.813329926574652e-09,
    -3.5345344358677255e-09,
    1.3272282026037264e-09,
    -3.804499618471294e-10,
    6.007493107687482e-11,
    1.4579529036946496e-11,
    -1.592207732949647e-11,
    5.911037481033322e-12,
    -8.977601536307839e-13,
)
# the same to eight digits, of w - 3.125 and sqrt(w) - 3.25
NEAR_SHORT: Final = (
    1.6536545626831027,
    0.24015817844735166,
    -0.006033671032285515,
    -0.0007406910325430195,
    0.00018673466051691629,
    -1.389214124592301e-05,
    -1.3658217507589212e-06,
    4.2698513895053384e-07,
    -2.895896037948332e-08,
    -4.752745619151995e-09,
    1.0363882341451174e-09,
    5.688216479117087e-12,
    -1.2570814414523687e-11,
)
FAR_SHORT: Final = (
    3.08388560477079,
    1.0052589441188362,
    0.005371397240886825,
    -0.003750640732143609,
    0.0024848661430791927,
    -0.0016916706443860664,
    0.000985013545457787,
    -0.0003492884421406981,
    -3.968124690740732e-05,
    7.152777263225719e-05,
)


def _tail(size: Value) -> tuple[Value, Value]:
    """The complement for size >= 0 in float64, in two parts."""
    size = select(size > 28.0, 28.0, size)
    square, error = two_product(size, -size)
    gauss, gauss_low = falling(square, error)
    h = horner((size - CENTRE) / (size + CENTRE), TAIL)
    below, below_low = two_sum(size * 2.0, size.const(1.0))
    q, q_low = quotient(h, 0.0, below, below_low)
    product, error = two_product(gauss, q)
    return product, fma(gauss, q_low, fma(gauss_low, q, error))


def _near(x: Value) -> Value:
    """The error function in float64 for ``|x| <= SMALL``."""
    u = x * x
    return fma(x, SLOPE, x * fma(u, horner(u, ERF), SLOPE_LOW))


def erf(x: Value) -> Value:
    """The error function."""
    size = fabs(x)
    if x.type == FLOAT:
        u = x * x
        near = fma(size, horner(u, ERF_SINGLE), size)
        size = select(size > 4.0, 4.0, size)
        far = 1.0 - exp(horner(size, TAIL_SINGLE))
        return copysign(select(size < 0.9, near, far), x)
    tail, rest = _tail(size)
    total, error = fast_two_sum(1.0, -tail)
    far = total + (error - rest)
    return copysign(select(size <= SMALL, _near(size), far), x)


def erfc(x: Value) -> Value:
    """One minus the error function."""
    if x.type == FLOAT:
        return _erfc_single(x.to(DOUBLE)).to(FLOAT)
    tail, rest = _tail(fabs(x))
    total, error = fast_two_sum(2.0, -tail)
    far = select(x < 0.0, total + (error - rest), tail + rest)
    return select(fabs(x) < 0.5, 1.0 - _near(x), far)


def _erfc_single(x: Value) -> Value:
    size = fabs(x)
    size = select(size > 10.5, 10.5, size)
    h = horner((size - CENTRE) / (size + CENTRE), TAIL_SHORT)
    tail = exp(-size * size) * h / (size * 2.0 + 1.0)
    return select(x < 0.0, 2.0 - tail, tail)


def erfinv(x: Value) -> Value:
    """The number whose error function it is; infinite at -1 and 1, NaN beyond."""
    wide = x.to(DOUBLE)
    size = fabs(wide)
    product, error = two_product(1.0 - size, 1.0 + size)
    if x.type == FLOAT:
        w = -log(product)
        first = w < 6.25
        v = select(first, w - 3.125, sqrt(w) - 3.25)
        ratio = _one_of(v, ((first, NEAR_SHORT),), FAR_SHORT)
    else:
        w, rest = natural_pair(reduced(product))
        w, rest = fast_two_sum(-w, -(rest + error / product))
        root = sqrt(w)
        root_rest = (fma(-root, root, w) + rest) * 0.5 / select(root.eq(0.0), 1.0, root)
        first, least, last = w < 6.25, w < 2.0, w >= 16.0
        v = select(first, select(least, w, w - 4.0), root - select(last, w.const(5.0), 3.25))
        v = v + select(first, rest, root_rest)
        ratio = _one_of(v, ((least, NEAR), (first, MIDDLE), (last, LAST)), FAR)
    y = select(size.eq(1.0), math.inf, ratio * size)
    return copysign(select(size <= 1.0, y, math.nan), wide).to(x.type)


def _one_of(
    v: Value, cases: tuple[tuple[Value, tuple[float, ...]], ...], other: tuple[float, ...]
) -> Value:
    """The polynomial of the first case that holds, or the other one."""
    total = v.const(0.0)
    for i in reversed(range(max(len(other), *(len(row) for _, row in cases)))):
        c = v.const(other[i] if i < len(other) else 0.0)
        for condition, row in reversed(cases):
            c = select(condition, row[i] if i < len(row) else 0.0, c)
        total = fma(total, v, c)
    return total
