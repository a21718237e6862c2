"""Powers: integers, literal exponents, negative and complex bases, and their derivatives."""

import itertools
from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint.core.errors import ArgumentError
from adjoint.core.types import Type
from adjoint.ops.power import POWER, Power
from adjoint.testing import check_grads


def slope(f: Any, *xs: Any) -> list[Any]:
    """Gradients of the sum of the results."""
    leaves = [ad.tensor(x, requires_grad=True) for x in xs]
    out = f(*leaves)
    out.backward(np.ones(out.shape, out.dtype))
    return [x.grad.numpy() for x in leaves]


X = np.array([-2.0, -0.5, -0.0, 0.0, 0.5, 1.0, 3.0])


@pytest.mark.parametrize("y", [0, 1, 2, 3, 4, -1, -2, 0.5, 2.0, -0.5])
def test_an_exponent_that_is_a_number_gives_what_a_tensor_gives(y: float) -> None:
    literal = ad.power(X, y)
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(literal.numpy(), np.power(X, float(y)), rtol=1e-15)
    x = X[X != 0]
    of_literal = slope(lambda t: ad.power(t, y), x)[0]
    of_tensor = slope(lambda t: ad.power(t, np.full(x.shape, float(y))), x)[0]
    np.testing.assert_allclose(of_literal, of_tensor, rtol=1e-14)


@pytest.mark.parametrize("order", list(itertools.permutations([0, 1, 2.0, "tensor"])))
def test_what_is_saved_does_not_depend_on_the_first_exponent(order: Any) -> None:
    Power.savers.clear()
    x = np.array([2.0, 3.0])
    wanted = {0: 0 * x, 1: x**0, 2.0: 2 * x, "tensor": 3 * x**2}
    for y in order:
        other = np.array([3.0, 3.0]) if y == "tensor" else y
        np.testing.assert_array_equal(slope(lambda t, y=other: ad.power(t, y), x)[0], wanted[y])
    for base in (2, np.array([2.0, 2.0]), 0.0):
        got = slope(lambda t, b=base: ad.power(b, t), x)[0]
        wanted_here = 0 * x if base.__class__ is float else np.log(2) * 2**x
        np.testing.assert_allclose(got, wanted_here)


def test_integers_stay_integers() -> None:
    x = ad.tensor([2, -3])
    assert ad.power(x, 3).tolist() == [8, -27]
    assert ad.power(x, ad.tensor([3, 2])).tolist() == [8, 9]
    assert ad.power(x, 2).dtype == np.int64
    assert ad.power(2, ad.tensor([0, 5])).tolist() == [1, 32]
    assert ad.power(x, 2.0).dtype == np.float32


def test_an_integer_to_a_negative_power_is_an_error() -> None:
    x = ad.tensor([2, 3])
    with pytest.raises(ArgumentError, match=r"an integer to the power -1 is no integer(.|\n)*Try:"):
        ad.power(x, -1)
    with pytest.raises(ArgumentError):
        POWER.out_type(Type((2,), np.dtype(np.int64)), -1)
    with pytest.raises(ValueError, match="power"):
        ad.power(x, ad.tensor([-1, 1]))


def test_negative_bases_have_integral_powers() -> None:
    x = np.array([-2.0, -3.0])
    assert slope(lambda t: ad.power(t, 3), x)[0].tolist() == [12.0, 27.0]
    assert slope(lambda t: ad.power(t, np.array([3.0, 2.0])), x)[0].tolist() == [12.0, -6.0]
    assert np.isnan(ad.power(x, 0.5).numpy()).all()


def test_higher_derivatives_at_zero() -> None:
    def derivatives(f: Any, n: int) -> list[float]:
        found = []
        for _ in range(n):
            f = ad.grad(f)
            found.append(float(f(np.float64(0.0))))
        return found

    assert derivatives(lambda x: ad.power(x, 2), 4) == [0, 2, 0, 0]
    assert derivatives(lambda x: ad.power(x, 3), 4) == [0, 0, 6, 0]
    assert derivatives(lambda x: ad.power(x, np.float64(2.0)), 4) == [0, 2, 0, 0]
    assert derivatives(lambda x: ad.power(x, np.float64(0.0)), 3) == [0, 0, 0]


def test_complex_powers_agree_with_differences(rng: np.random.Generator) -> None:
    x = rng.normal(size=4) + 1j * rng.normal(size=4)
    y = rng.normal(size=4) + 1j * rng.normal(size=4)
    for f in (lambda x: ad.power(x, 2), lambda x: ad.power(x, -1), lambda x: ad.power(1j, x)):
        check_grads(f, (x,), order=2)
    check_grads(ad.power, (x, y), order=2)


def test_complex_zero_to_a_power() -> None:
    zero = np.zeros(1, complex)
    assert slope(lambda z: ad.power(z, 2), zero)[0].tolist() == [0]
    assert slope(lambda z: ad.power(z, np.array([2 + 1j])), zero)[0].tolist() == [0]
    assert slope(lambda y: ad.power(zero, y), np.array([2 + 0j]))[0].tolist() == [0]


def test_a_square_keeps_only_its_operand() -> None:
    x = ad.tensor(np.array([1.0, 2.0]), requires_grad=True)
    y = ad.power(x, 2)
    assert y.node.saved[0] is None
    assert y.node.saved[1] is x.value
