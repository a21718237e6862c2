"""Comparisons, logic and bits: values, mixed kinds, and that nothing flows through them."""

import operator
from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint.core.errors import DTypeError

ORDER = {
    "equal": operator.eq,
    "not_equal": operator.ne,
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
}
LOGIC = ["logical_and", "logical_or", "logical_xor"]
BITS = ["bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_left_shift", "bitwise_right_shift"]
VALUES = np.array([-np.inf, -1.0, -0.0, 0.0, 1.0, np.inf, np.nan])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("name", [*ORDER, *LOGIC])
def test_pairs(name: str, dtype: str) -> None:
    x, y = VALUES[:, None], VALUES[None, :]
    found = getattr(ad, name)(ad.tensor(x, dtype=dtype), ad.tensor(y, dtype=dtype))
    assert found.dtype == np.bool_
    np.testing.assert_array_equal(found.numpy(), getattr(np, name)(x, y))


@pytest.mark.parametrize("name", ["isnan", "isinf", "isfinite", "logical_not", "signbit"])
def test_questions_about_one_value(name: str) -> None:
    np.testing.assert_array_equal(getattr(ad, name)(VALUES).numpy(), getattr(np, name)(VALUES))
    integers = np.array([0, 1, 2])
    np.testing.assert_array_equal(getattr(ad, name)(integers).numpy(), getattr(np, name)(integers))
    if name != "signbit":
        z = np.array([0j, complex(0, np.nan), complex(np.inf, 0), 1j])
        np.testing.assert_array_equal(getattr(ad, name)(z).numpy(), getattr(np, name)(z))


def test_integers_are_not_rounded_before_they_are_compared() -> None:
    x = ad.tensor([2**24 + 1])
    assert ad.equal(x, np.float32([2**24])).tolist() == [False]
    assert ad.greater(x, 2.0**24).tolist() == [True]
    assert ad.less(0.5, ad.tensor([1])).tolist() == [True]


def test_complex_numbers_have_no_order() -> None:
    z = ad.tensor([1j, 2 + 0j])
    assert ad.equal(z, 2).tolist() == [False, True]
    for name in ("less", "less_equal", "greater", "greater_equal"):
        with pytest.raises(DTypeError, match=rf"{name}: not defined for complex numbers"):
            getattr(ad, name)(z, z)


def test_nothing_flows_through_a_comparison() -> None:
    x = ad.tensor([1.0, -1.0], requires_grad=True)
    for name in ORDER:
        assert not getattr(ad, name)(x, 0).requires_grad
    assert not ad.isnan(x).requires_grad


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int64"])
@pytest.mark.parametrize("name", BITS)
def test_bits(name: str, dtype: str) -> None:
    x, y = np.array([6, 12, 0, 5], dtype), np.array([3, 1, 2, 2], dtype)
    found = getattr(ad, name)(x, y)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found.numpy(), getattr(np, name)(x, y))
    assert getattr(ad, name)(ad.tensor(x), 2).dtype == dtype
    np.testing.assert_array_equal(ad.bitwise_invert(x).numpy(), ~x)


@pytest.mark.parametrize("name", BITS[:3])
def test_bits_of_bools_are_logic(name: str) -> None:
    x, y = np.array([True, True, False]), np.array([True, False, False])
    np.testing.assert_array_equal(getattr(ad, name)(x, y).numpy(), getattr(np, name)(x, y))
    assert ad.bitwise_invert(x).tolist() == [False, False, True]


def test_bits_of_floats_and_shifts_of_bools_are_refused() -> None:
    floats: Any = ad.tensor([1.0])
    for name in BITS:
        with pytest.raises(DTypeError, match="defined for integers and bools, got float32"):
            getattr(ad, name)(floats, 1)
    for name in BITS[3:]:
        with pytest.raises(DTypeError, match="not defined for bools"):
            getattr(ad, name)(ad.tensor([True]), ad.tensor([True]))
