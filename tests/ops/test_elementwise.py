"""Elementwise functions against NumPy: values, dtypes and special values."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import adjoint as ad
from adjoint.core.errors import DTypeError, ShapeError
from adjoint.core.types import set_default_dtype

BF16 = np.dtype(ml_dtypes.bfloat16)
FLOATS = [np.dtype(d) for d in ("float64", "float32", "float16")] + [BF16]
# a few units in the last place: NumPy computes half precision through single
ULPS = 4

# name -> NumPy's name, where the operands are taken from, and whether complex numbers are allowed
UNARY: dict[str, tuple[str, tuple[float, float], bool]] = {
    "exp": ("exp", (-3, 3), True),
    "expm1": ("expm1", (-3, 3), True),
    "exp2": ("exp2", (-3, 3), False),
    "log": ("log", (0.1, 9), True),
    "log1p": ("log1p", (-0.9, 9), True),
    "log2": ("log2", (0.1, 9), True),
    "log10": ("log10", (0.1, 9), True),
    "sqrt": ("sqrt", (0, 9), True),
    "cbrt": ("cbrt", (-9, 9), False),
    "square": ("square", (-3, 3), True),
    "reciprocal": ("reciprocal", (0.5, 3), True),
    "sin": ("sin", (-9, 9), True),
    "cos": ("cos", (-9, 9), True),
    "tan": ("tan", (-1, 1), True),
    "asin": ("arcsin", (-1, 1), True),
    "acos": ("arccos", (-1, 1), True),
    "atan": ("arctan", (-9, 9), True),
    "sinh": ("sinh", (-3, 3), True),
    "cosh": ("cosh", (-3, 3), True),
    "tanh": ("tanh", (-3, 3), True),
    "asinh": ("arcsinh", (-9, 9), True),
    "acosh": ("arccosh", (1, 9), True),
    "atanh": ("arctanh", (-0.9, 0.9), True),
    "degrees": ("degrees", (-3, 3), False),
    "radians": ("radians", (-180, 180), False),
    "sinc": ("sinc", (-3, 3), False),
    "floor": ("floor", (-9, 9), False),
    "ceil": ("ceil", (-9, 9), False),
    "trunc": ("trunc", (-9, 9), False),
    "round": ("round", (-9, 9), True),
    "abs": ("abs", (-9, 9), True),
    "sign": ("sign", (-9, 9), True),
    "negative": ("negative", (-9, 9), True),
    "positive": ("positive", (-9, 9), True),
    "conj": ("conj", (-9, 9), True),
    "angle": ("angle", (-9, 9), True),
    "nan_to_num": ("nan_to_num", (-9, 9), True),
    "i0": ("i0", (-9, 9), False),
}
BINARY: dict[str, tuple[str, tuple[float, float]]] = {
    "add": ("add", (-9, 9)),
    "subtract": ("subtract", (-9, 9)),
    "multiply": ("multiply", (-9, 9)),
    "divide": ("divide", (1, 9)),
    "power": ("power", (0.5, 3)),
    "atan2": ("arctan2", (-9, 9)),
    "hypot": ("hypot", (-9, 9)),
    "logaddexp": ("logaddexp", (-9, 9)),
    "maximum": ("maximum", (-9, 9)),
    "minimum": ("minimum", (-9, 9)),
    "fmax": ("fmax", (-9, 9)),
    "fmin": ("fmin", (-9, 9)),
    "copysign": ("copysign", (-9, 9)),
    "heaviside": ("heaviside", (-9, 9)),
    "floor_divide": ("floor_divide", (1, 9)),
    "remainder": ("remainder", (1, 9)),
    "fmod": ("fmod", (1, 9)),
    "nextafter": ("nextafter", (-9, 9)),
}
# what integers stay in these; elsewhere they become floats
KEEP_INTEGERS = {
    *("square", "floor", "ceil", "trunc", "round", "abs", "sign", "negative", "positive", "conj"),
    *("nan_to_num", "add", "subtract", "multiply", "power", "maximum", "minimum", "fmax", "fmin"),
    *("floor_divide", "remainder", "fmod"),
}
SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, np.inf, -np.inf, np.nan])


def eps(dtype: np.dtype[Any]) -> float:
    return 2.0**-7 if dtype == BF16 else float(np.finfo(dtype).eps)


def close(found: Any, wanted: Any, dtype: np.dtype[Any]) -> None:
    wide = np.complex128 if wanted.dtype.kind == "c" else np.float64
    tol = ULPS * eps(dtype)
    np.testing.assert_allclose(found.numpy().astype(wide), wanted, rtol=tol, atol=tol)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", UNARY)
def test_unary_values(name: str, dtype: np.dtype[Any], rng: np.random.Generator) -> None:
    numpy_name, span, _ = UNARY[name]
    x = rng.uniform(*span, size=(3, 4)).astype(dtype)
    out = getattr(ad, name)(x)
    assert out.dtype == dtype
    with np.errstate(all="ignore"):
        wanted = getattr(np, numpy_name)(x.astype(np.float64))
    if name in ("sinc", "tan", "exp", "degrees"):
        return close(out, wanted.astype(dtype).astype(np.float64), np.dtype(dtype))
    return close(out, wanted, dtype)


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
@pytest.mark.parametrize("name", [n for n, (_, _, takes) in UNARY.items() if takes])
def test_complex_values(name: str, dtype: Any, rng: np.random.Generator) -> None:
    numpy_name, span, _ = UNARY[name]
    x = (rng.uniform(*span, size=5) + 1j * rng.uniform(-1, 1, size=5)).astype(dtype)
    out = getattr(ad, name)(x)
    wanted = getattr(np, numpy_name)(x.astype(np.complex128))
    assert out.dtype == getattr(np, numpy_name)(x).dtype
    close(out, wanted, np.dtype(dtype))


@pytest.mark.parametrize("name", [n for n, (_, _, takes) in UNARY.items() if not takes])
def test_functions_that_are_real_refuse_complex_numbers(name: str) -> None:
    if name in ("degrees", "radians"):
        return  # a product, which is defined
    with pytest.raises(DTypeError, match=r"not defined for complex numbers(.|\n)*complex"):
        getattr(ad, name)(np.array([1j]))


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", BINARY)
def test_binary_values(name: str, dtype: np.dtype[Any], rng: np.random.Generator) -> None:
    numpy_name, span = BINARY[name]
    x = rng.uniform(*span, size=(3, 1)).astype(dtype)
    y = rng.uniform(*span, size=4).astype(dtype)
    out = getattr(ad, name)(x, y)
    assert out.dtype == dtype
    assert out.shape == (3, 4)
    if name == "nextafter":
        np.testing.assert_array_equal(out.numpy(), np.nextafter(x, y))
        return
    close(out, getattr(np, numpy_name)(x.astype(np.float64), y.astype(np.float64)), dtype)


@pytest.mark.parametrize("name", [*UNARY, *BINARY])
def test_integers_become_the_default_float_or_stay(name: str) -> None:
    takes_two = name in BINARY
    x = ad.tensor([1, 2], dtype="int16")
    out = getattr(ad, name)(x, x) if takes_two else getattr(ad, name)(x)
    assert out.dtype == (np.int16 if name in KEEP_INTEGERS else np.float32)
    set_default_dtype("float64")
    try:
        out = getattr(ad, name)(x, x) if takes_two else getattr(ad, name)(x)
        assert out.dtype == (np.int16 if name in KEEP_INTEGERS else np.float64)
    finally:
        set_default_dtype("float32")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", sorted(set(UNARY) - {"i0", "sinc", "angle", "nan_to_num"}))
def test_unary_special_values(name: str, dtype: Any) -> None:
    x = SPECIAL.astype(dtype)
    with np.errstate(all="ignore"):
        wanted = getattr(np, UNARY[name][0])(x)
    out = getattr(ad, name)(x).numpy()
    np.testing.assert_allclose(out, wanted, rtol=eps(np.dtype(dtype)) if name == "degrees" else 0)
    zero = wanted == 0
    np.testing.assert_array_equal(np.signbit(out[zero]), np.signbit(wanted[zero]))


@pytest.mark.parametrize("name", sorted(set(BINARY) - {"floor_divide"}))
def test_binary_special_values(name: str) -> None:
    x, y = SPECIAL[:, None], SPECIAL[None, :]
    with np.errstate(all="ignore"):
        wanted = getattr(np, BINARY[name][0])(x, y)
    np.testing.assert_array_equal(getattr(ad, name)(x, y).numpy(), wanted)


@pytest.mark.parametrize("name", BINARY)
def test_python_scalars_are_weak_on_both_sides(name: str) -> None:
    f = getattr(ad, name)
    for dtype in FLOATS:
        x = ad.tensor(np.array([1.0, 2.0], dtype))
        assert f(x, 2).dtype == f(2, x).dtype == f(x, 2.0).dtype == f(2.0, x).dtype == dtype
    wide = np.array([1.0, 2.0])
    assert f(2.0, wide).dtype == f(wide, 2.0).dtype == np.float64


@pytest.mark.parametrize(
    "name", ["subtract", "negative", "sign", "power", "floor_divide", "square"]
)
def test_bools_are_no_numbers(name: str) -> None:
    x = ad.tensor([True, False])
    with pytest.raises(DTypeError, match="not defined for bools"):
        getattr(ad, name)(*[x, x] if name in BINARY else [x])


def test_operands_that_do_not_fit_are_named() -> None:
    x, y = ad.tensor([1.0, 2.0]), ad.tensor([1.0, 2.0, 3.0])
    with pytest.raises(ShapeError, match=r"hypot: (.|\n)*x: f32\[2\](.|\n)*y: f32\[3\]"):
        ad.hypot(x, y)


def test_round_to_decimals() -> None:
    x = np.array([1.25, -2.345, 1234.5])
    for decimals in (1, 2, -2):
        np.testing.assert_array_equal(ad.round(x, decimals).numpy(), np.round(x, decimals))
    assert ad.round(np.array([15, 25]), -1).tolist() == [20, 20]


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_floor_division_is_that_of_numpy_unless_an_operand_is_infinite(dtype: Any) -> None:
    x, y = SPECIAL.astype(dtype)[:, None], SPECIAL.astype(dtype)[None, :]
    out = ad.floor_divide(x, y).numpy()
    assert out.dtype == dtype
    with np.errstate(all="ignore"):
        floored = np.floor(SPECIAL[:, None] / SPECIAL[None, :])
        wanted = np.where(np.isinf(x) | np.isinf(y), floored, np.floor_divide(x, y))
    np.testing.assert_array_equal(out.astype(np.float64), wanted)
    # the standard wants the sign of the quotient on zeros as well
    zero = wanted == 0
    np.testing.assert_array_equal(np.signbit(out[zero]), np.signbit(floored[zero]))


def test_divmod_is_quotient_and_remainder() -> None:
    q, r = ad.divmod(np.array([7, -7]), np.array([3, 3]))
    assert (q.tolist(), r.tolist()) == ([2, -3], [1, 2])
    x, y = SPECIAL[:, None], SPECIAL[None, :]
    with np.errstate(all="ignore"):
        wanted = np.divmod(x, y)
    np.testing.assert_array_equal(ad.divmod(x, y)[0].numpy(), wanted[0])
    np.testing.assert_array_equal(ad.divmod(x, y)[1].numpy(), wanted[1])


def test_gradient_of_a_remainder_by_infinity() -> None:
    # -5 % inf is inf: it follows y, as -5 % y does for every y that is larger than 5
    slopes = ad.grad(lambda y: ad.sum(ad.remainder(np.array([-5.0, 5.0]), y)))
    assert slopes(np.array([np.inf, np.inf])).tolist() == slopes(np.array([9.0, 9.0])).tolist()
    assert slopes(np.array([9.0, 9.0])).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_the_power_one_half_is_no_square_root_at_minus_zero_and_minus_infinity(dtype: Any) -> None:
    ends = [-0.0, 0.0, -np.inf, np.inf, 4.0]
    x = ad.tensor(np.array(ends, dtype))
    half = ad.tensor(np.array(0.5, dtype))
    results = [x**0.5, x**half, ad.power(x, ad.broadcast_to(half, (5,))), ad.power(x, half[None])]
    for out in results:
        assert out.dtype == dtype
        assert out.tolist() == [0.0, 0.0, np.inf, np.inf, 2.0]
        assert not np.signbit(out.numpy()).any()
    for end, wanted in zip(ends, results[0].tolist(), strict=True):
        assert ad.power(end, half).item() == wanted
    mixed = ad.power(x, ad.tensor(np.array([3, 0.5, 0.5, 3, 3], dtype))).numpy()
    assert np.signbit(mixed).tolist() == [True, False, False, False, False]


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_complex_tangents_at_infinity_vanish_with_the_sign_of_the_other_part(dtype: Any) -> None:
    # 2 * 15 has a negative sine, which gives the zero its sign in C99
    ends = [complex(a, b) for a in (np.inf, -np.inf) for b in (15.0, -15.0, 0.0, -0.0)]
    out = ad.tanh(np.array([*ends, 0.5 + 15j], dtype)).numpy()
    np.testing.assert_array_equal(out[:-1], [1] * 4 + [-1] * 4)
    assert np.signbit(out.imag[:-1]).tolist() == [False, True] * 4
    np.testing.assert_array_equal(out[-1], np.tanh(np.array([0.5 + 15j], dtype))[0])
    turned = ad.tan(np.array([complex(z.imag, z.real) for z in ends], dtype)).numpy()
    np.testing.assert_array_equal(turned, [1j] * 4 + [-1j] * 4)
    assert np.signbit(turned.real).tolist() == [False, True] * 4


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_complex_expm1_where_numbers_end(dtype: Any) -> None:
    # the limits of exp(x) - 1: C99 states those of exp
    inf, nan = np.inf, np.nan
    limits = {
        complex(inf, 0.0): (inf, 0.0),
        complex(inf, 1.0): (inf, inf),
        complex(inf, 2.0): (-inf, inf),
        complex(inf, inf): (inf, nan),
        complex(inf, nan): (inf, nan),
        complex(-inf, 1.0): (-1.0, 0.0),
        complex(-inf, inf): (-1.0, 0.0),
        complex(-inf, nan): (-1.0, 0.0),
        complex(1.0, inf): (nan, nan),
        complex(nan, 0.0): (nan, 0.0),
        complex(nan, 1.0): (nan, nan),
        complex(1000.0, 0.0): (inf, 0.0),
    }
    out = ad.expm1(np.array(list(limits), dtype)).numpy()
    assert out.dtype == dtype
    np.testing.assert_array_equal(np.stack([out.real, out.imag], 1), list(limits.values()))
    zeros = ad.expm1(np.array([complex(-0.0, 0.0), complex(-0.0, -0.0)], dtype)).numpy()
    assert not np.signbit(zeros.real).any()
    assert np.signbit(zeros.imag).tolist() == [False, True]
    # finite values beside them keep their digits
    small = ad.expm1(np.array([complex(inf, 0.0), 1e-12 + 1e-12j], dtype)).numpy()[1]
    np.testing.assert_allclose(small, 1e-12 + 1e-12j, rtol=1e-6)


def test_isclose() -> None:
    x = np.array([1.0, 1.0 + 1e-7, 2.0, np.inf, np.inf, np.nan])
    y = np.array([1.0, 1.0, 2.1, np.inf, -np.inf, np.nan])
    for equal_nan in (False, True):
        found = ad.isclose(x, y, equal_nan=equal_nan).numpy()
        np.testing.assert_array_equal(found, np.isclose(x, y, equal_nan=equal_nan))
    assert ad.isclose(np.array([3], np.uint8), np.array([4], np.uint8), atol=1).tolist() == [True]
    assert ad.isclose(np.array([1 + 1j]), np.array([1 + 1.0000001j])).tolist() == [True]


def test_nan_to_num_replaces_as_numpy_does() -> None:
    x = np.array([np.nan, np.inf, -np.inf, 1.5])
    for dtype in (np.float16, np.float32, np.float64):
        found = ad.nan_to_num(x.astype(dtype)).numpy()
        np.testing.assert_array_equal(found, np.nan_to_num(x.astype(dtype)))
    z = np.array([complex(re, im) for re in x for im in x])
    found = ad.nan_to_num(z, nan=1.0, posinf=2.0, neginf=3.0).numpy()
    np.testing.assert_array_equal(found, np.nan_to_num(z, nan=1.0, posinf=2.0, neginf=3.0))
    assert ad.nan_to_num(ad.tensor([1, 2])).dtype == np.int64
    assert np.isfinite(ad.nan_to_num(x.astype(BF16)).numpy().astype(np.float32)).all()
