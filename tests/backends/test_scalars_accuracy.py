"""Errors of the inexact scalar bodies, in units in the last place, and that they vectorise."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from scipy import special

from adjoint.backends.llvm import scalars
from tests.backends import scalar_loops
from tests.backends.test_scalars import CARDS

LONG = np.finfo(np.longdouble).nmant >= 63
SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)
ARITIES = tuple((name, CARDS[name].arity()) for name in scalars.BOUNDS)
UNARY = [name for name, count in ARITIES if count == 1]
BINARY = [name for name, count in ARITIES if count == 2]
# NumPy and SciPy have them in float64 only, whose own error is about that of ours
UP_TO_DOUBLE = {"erf", "erfc", "erfinv"}


def log1p_exp(x: Any) -> Any:
    return np.log1p(np.exp(-np.abs(x)))


def sigmoid(x: Any) -> Any:
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def sinc(x: Any) -> Any:
    """With the angle reduced before it is multiplied by a rounded pi."""
    pi = x.dtype.type(np.arctan2(x.dtype.type(0), x.dtype.type(-1)))
    turn = x - 2 * np.rint(x / 2)
    n = np.rint(2 * turn)
    f = (turn - n / 2) * pi
    odd, flip = n % 2 == 1, (n % 4) >= 2
    sine = np.where(odd, np.cos(f), np.sin(f)) * np.where(flip, -1, 1)
    return np.where(x == 0, 1, sine / (pi * np.where(x == 0, 1, x)))


REFERENCES: dict[str, Callable[..., Any]] = {
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "logaddexp": np.logaddexp,
    "xlogy": lambda x, y: np.where((x == 0) & ~np.isnan(y), 0, x * np.log(y)),
    "pow": np.power,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "reciprocal": lambda x: 1 / x,
    "cbrt": np.cbrt,
    "hypot": np.hypot,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "sinc": sinc,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "atan2": np.arctan2,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "sigmoid": sigmoid,
    "softplus": lambda x: np.maximum(x, 0) + log1p_exp(x),
    "log_sigmoid": lambda x: np.minimum(x, 0) - log1p_exp(x),
    "erf": special.erf,
    "erfc": special.erfc,
    "erfinv": special.erfinv,
}
POINTS = [0.0, -0.0, 1, -1, 0.5, -0.5, 2, -2, 3, -3, np.inf, -np.inf, np.nan, np.pi, 1e22]


def operands(dtype: Any, count: int) -> list[Any]:
    """Bit patterns of the whole range, numbers near 1 and in between, and special points."""
    rng = np.random.default_rng(8)
    kind = f"u{dtype.itemsize}"
    if count == 1 and dtype == SINGLE:
        wild = np.arange(0, 2**32, 2**16 + 7, dtype=np.uint64).astype(np.uint32).view(dtype)
    else:
        wild = rng.integers(0, np.iinfo(kind).max, (count, 15000), dtype=kind).view(dtype)
    spans = [rng.uniform(-s, s, (count, 4000)) for s in (0.01, 1, 3, 30, 800, 1e5)]
    near = [rng.uniform(0.5, 2, (count, 4000)), rng.uniform(0.9, 1.1, (count, 4000))]
    if count == 1:
        tiny = np.array([np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max, 1e30], dtype)
        special_points = np.concatenate([np.array(POINTS, dtype), tiny, -tiny])
    else:
        special_points = np.stack([x.ravel() for x in np.meshgrid(POINTS, POINTS)]).astype(dtype)
    rest = np.concatenate([*spans, *near], axis=1).astype(dtype)
    wild = wild.reshape(count, -1)
    return list(np.concatenate([wild, rest, special_points.reshape(count, -1)], axis=1))


def errors(got: Any, want: Any, unit_of: Any) -> Any:
    """Distances from what is wanted, known to more digits, in units in the last place."""
    limits = np.finfo(got.dtype)
    rounded = want.astype(got.dtype)
    size = np.where(np.isfinite(unit_of) & (unit_of != 0), np.abs(unit_of), 1)
    exponent = np.maximum(np.floor(np.log2(size.astype(np.longdouble))), limits.minexp)
    unit = np.exp2(exponent - limits.nmant)
    wide = want.astype(np.longdouble)
    distance = np.abs(got.astype(np.longdouble) - wide) / unit
    same = (got == rounded) | (np.isnan(got) & np.isnan(rounded))
    # the largest number beside infinity, for results that are between them
    edge = np.isinf(got) & (np.abs(rounded) == limits.max)
    edge |= np.isinf(rounded) & (np.abs(got) == limits.max)
    return np.where(same | edge, 0, np.where(np.isnan(distance), np.inf, distance))


def check(name: str, dtype: Any, wide: Any, slack: float = 0.0) -> None:
    count = dict(ARITIES)[name]
    xs = operands(dtype, count)
    with np.errstate(all="ignore"):
        got = scalar_loops.bodies(dtype, ARITIES).run(name, dtype, *xs)
        larger = [x.astype(wide) for x in xs]
        want = np.asarray(REFERENCES[name](*larger))
        unit_of = want
        if name == "logaddexp":
            unit_of = np.maximum(np.abs(want), np.abs(np.maximum(*larger)))
        error = errors(got, want, unit_of)
    worst = int(np.argmax(error))
    bound = scalars.BOUNDS[name][dtype == DOUBLE] + slack
    assert error[worst] <= bound, (name, [x[worst] for x in xs], got[worst], want[worst])


@pytest.mark.parametrize("name", scalars.BOUNDS)
def test_float32_is_within_its_bound(name: str) -> None:
    check(name, SINGLE, np.float64)


@pytest.mark.skipif(not LONG, reason="needs a longer float than float64 as the reference")
@pytest.mark.parametrize("name", [n for n in scalars.BOUNDS if n not in UP_TO_DOUBLE])
def test_float64_is_within_its_bound(name: str) -> None:
    check(name, DOUBLE, np.longdouble)


@pytest.mark.parametrize("name", ["erf", "erfinv"])
def test_float64_is_close_to_scipy(name: str) -> None:
    check(name, DOUBLE, np.float64, slack=6.0)


def test_float64_error_functions_at_known_points() -> None:
    # computed with 40 digits
    known = [
        ("erf", 0.5, 0.5204998778130465),
        ("erf", 0.74, 0.7046780778547458),
        ("erf", 1.0, 0.8427007929497149),
        ("erf", 2.5, 0.999593047982555),
        ("erfc", -3.0, 1.9999779095030015),
        ("erfc", 0.3, 0.6713732405408726),
        ("erfc", 0.6, 0.3961439091520741),
        ("erfc", 1.0, 0.15729920705028513),
        ("erfc", 2.0, 0.004677734981047266),
        ("erfc", 4.5, 1.9661604415428876e-10),
        ("erfc", 10.0, 2.088487583762545e-45),
        ("erfc", 20.0, 5.395865611607901e-176),
        ("erfc", 26.0, 5.663192408856143e-296),
        ("erfinv", 0.5, 0.4769362762044699),
        ("erfinv", 0.9, 1.1630871536766743),
        ("erfinv", 0.999, 2.3267537655135246),
        ("erfinv", 0.9999999990686774, 4.328028275800946),
    ]
    for name, x, want in known:
        got = scalar_loops.bodies(DOUBLE, ARITIES).run(name, DOUBLE, np.array([x]))
        assert abs(got[0] - want) <= scalars.BOUNDS[name][1] * np.spacing(want)


@pytest.mark.parametrize("name", ["sin", "cos", "tan", "tanh", "erf", "asinh", "cbrt", "expm1"])
@pytest.mark.parametrize("dtype", [SINGLE, DOUBLE], ids=str)
def test_odd_functions_keep_the_sign_of_zero(name: str, dtype: Any) -> None:
    x = np.array([0.0, -0.0], dtype)
    got = scalar_loops.bodies(dtype, ARITIES).run(name, dtype, x)
    assert np.signbit(got).tolist() == ([False, False] if name == "cos" else [False, True])


def test_sine_of_the_worst_float64_is_right() -> None:
    # the float64 that is closest to a multiple of pi/2 (Muller, Elementary Functions, 2006)
    x = np.array([6381956970095103.0 * 2.0**797])
    got = scalar_loops.bodies(DOUBLE, ARITIES).run("cos", DOUBLE, x)
    assert abs(got[0] - -4.6871659242546276e-19) < 1e-34


@pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64"), reason="reads an x86 listing"
)
@pytest.mark.parametrize("dtype", [SINGLE, DOUBLE], ids=str)
@pytest.mark.parametrize("name", scalars.BOUNDS)
def test_loops_are_vectorised(name: str, dtype: Any) -> None:
    listing = scalar_loops.bodies(dtype, ARITIES).listing(name)
    assert "call" not in listing
    if "avx2" not in scalar_loops.machine_features():
        pytest.skip("needs AVX2")
    assert re.search(r"(mul|fn?m(add|sub)\d*|div|sqrt)p[sd]\s.*%[yz]mm", listing)
