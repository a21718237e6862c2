"""Parts, sizes and directions of complex numbers, and the convention of their gradients."""

from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint.core.errors import DTypeError
from adjoint.testing import check_grads


@pytest.fixture
def z(rng: np.random.Generator) -> Any:
    return rng.normal(size=(2, 3)) + 1j * rng.normal(size=(2, 3))


def gradient(f: Any, z: Any) -> Any:
    leaf = ad.tensor(z, requires_grad=True)
    ad.sum(f(leaf)).backward()
    return leaf.grad.numpy()


def test_gradient_of_a_real_loss_points_uphill(z: Any) -> None:
    # the gradient g is such that loss(z + h g) grows by h |g|**2
    np.testing.assert_allclose(gradient(ad.real, z), np.ones_like(z))
    np.testing.assert_allclose(gradient(ad.imag, z), 1j * np.ones_like(z))
    np.testing.assert_allclose(gradient(ad.abs, z), z / np.abs(z))
    np.testing.assert_allclose(gradient(lambda z: ad.square(ad.abs(z)), z), 2 * z)
    np.testing.assert_allclose(gradient(ad.angle, z), 1j * z / np.abs(z) ** 2)
    np.testing.assert_allclose(
        gradient(lambda z: ad.real(ad.conj(z) * 1j), z), 1j * np.ones_like(z)
    )
    np.testing.assert_allclose(gradient(lambda z: ad.real(ad.exp(z)), z), np.conj(np.exp(z)))


@pytest.mark.parametrize("f", [ad.real, ad.imag, ad.conj, ad.abs, ad.angle, ad.sign, ad.nan_to_num])
def test_derivatives_agree_with_differences(f: Any, z: Any) -> None:
    check_grads(f, (z,), order=2)


def test_complex_from_parts(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(3, 1)), rng.normal(size=4)
    np.testing.assert_array_equal(ad.complex(x, y).numpy(), x + 1j * y)
    check_grads(ad.complex, (x, y), order=2)
    assert ad.complex(ad.tensor([1.0]), 2).dtype == np.complex64
    assert ad.complex(1.0, 2.0).dtype == np.complex64
    assert ad.complex(1, ad.tensor([2])).dtype == np.complex64
    assert ad.complex(ad.tensor([1.0], dtype="bfloat16"), 2.0).dtype == np.complex64
    with pytest.raises(DTypeError):
        ad.complex(1j, 1.0)


def test_a_real_operand_gets_a_real_gradient(z: Any) -> None:
    x = ad.tensor(np.array([1.0, 2.0, 3.0]), requires_grad=True)
    ad.sum(ad.real(x * z)).backward()
    assert x.grad.dtype == np.float64
    np.testing.assert_allclose(x.grad.numpy(), z.real.sum(0))


def test_real_tensors_have_parts_too() -> None:
    x = np.array([-2.0, 0.0, 3.0])
    for name in ("real", "imag", "conj", "angle", "abs", "sign"):
        np.testing.assert_array_equal(getattr(ad, name)(x).numpy(), getattr(np, name)(x))
    assert ad.abs(ad.tensor([-1, 2])).dtype == np.int64
    assert ad.sign(np.array([0, 3], np.uint8)).tolist() == [0, 1]


def test_size_of_complex_numbers_does_not_overflow() -> None:
    z = np.array([3e200 + 4e200j, 0j, complex(np.inf, np.nan)])
    np.testing.assert_allclose(ad.abs(z).numpy(), [5e200, 0, np.inf], rtol=1e-15)
    np.testing.assert_array_equal(ad.sign(np.array([0j, 3j])).numpy(), [0, 1j])
