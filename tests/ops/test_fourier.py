"""Fourier transforms against NumPy, and their gradients against differences of values."""

from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint import fft
from adjoint.core.errors import ArgumentError, AxisError, DTypeError, ShapeError
from adjoint.testing import check_grads

RNG = np.random.default_rng(3)
REAL = RNG.normal(size=(3, 4, 5))
COMPLEX = REAL + 1j * RNG.normal(size=(3, 4, 5))
NORMS = ["backward", "ortho", "forward"]
ONE_AXIS = [
    ("fft", COMPLEX),
    ("fft", REAL),
    ("ifft", COMPLEX),
    ("ifft", REAL),
    ("rfft", REAL),
    ("irfft", COMPLEX),
    ("irfft", REAL),
    ("hfft", COMPLEX),
    ("ihfft", REAL),
]
MANY_AXES = [
    ("fftn", COMPLEX),
    ("ifftn", REAL),
    ("rfftn", REAL),
    ("irfftn", COMPLEX),
    ("fft2", REAL),
    ("ifft2", COMPLEX),
    ("rfft2", REAL),
    ("irfft2", COMPLEX),
]
TOLERANCE = {"float64": 1e-12, "float32": 1e-5}


def compare(name: str, x: Any, **options: Any) -> None:
    """The value beside NumPy's and, for small operands, both orders of derivative."""
    f, twin = getattr(fft, name), getattr(np.fft, name)
    found, wanted = f(ad.asarray(x), **options), twin(x, **options)
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype
    size = TOLERANCE[x.real.dtype.name]
    np.testing.assert_allclose(found.numpy(), wanted, rtol=size, atol=size)
    check_grads(lambda t: f(t, **options), (x,), order=2, elementwise=0, atol=1e-7)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("name", "x"), ONE_AXIS)
def test_one_axis(name: str, x: Any, norm: str) -> None:
    for axis in (-1, 0):
        compare(name, x, axis=axis, norm=norm)


@pytest.mark.parametrize("n", [1, 2, 3, 6, 9])
@pytest.mark.parametrize(("name", "x"), ONE_AXIS)
def test_number_of_points(name: str, x: Any, n: int) -> None:
    compare(name, x[0], n=n, axis=0)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("name", "x"), MANY_AXES)
def test_several_axes(name: str, x: Any, norm: str) -> None:
    compare(name, x, norm=norm)
    compare(name, x, s=(3, 6), axes=(2, 0), norm=norm)


@pytest.mark.parametrize(("name", "x"), MANY_AXES)
def test_sizes_without_axes_belong_to_the_last(name: str, x: Any) -> None:
    f, twin = getattr(fft, name), getattr(np.fft, name)
    options = {"s": (2, 7)}
    wanted = twin(x, **options, axes=(-2, -1))
    np.testing.assert_allclose(f(ad.asarray(x), **options).numpy(), wanted, atol=1e-12)


@pytest.mark.parametrize(("name", "x"), ONE_AXIS)
def test_single_precision_stays_single(name: str, x: Any) -> None:
    single = x.astype(np.complex64 if x.dtype.kind == "c" else np.float32)
    out = getattr(fft, name)(ad.asarray(single))
    assert out.dtype in (np.float32, np.complex64)


def test_integers_and_half_precision_are_converted() -> None:
    for dtype in (np.int64, np.float16):
        assert fft.fft(ad.tensor(np.arange(4).astype(dtype))).dtype == np.complex64
        assert fft.irfft(ad.tensor(np.arange(4).astype(dtype))).dtype == np.float32


@pytest.mark.parametrize(("there", "back"), [("fftn", "ifftn"), ("rfftn", "irfftn")])
@pytest.mark.parametrize("norm", NORMS)
def test_there_and_back(there: str, back: str, norm: str) -> None:
    x = ad.asarray(REAL)
    y = getattr(fft, back)(
        getattr(fft, there)(x, norm=norm), s=REAL.shape, axes=(0, 1, 2), norm=norm
    )
    np.testing.assert_allclose(y.numpy().real, REAL, atol=1e-14)


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_grids(n: int) -> None:
    for name in ("fftfreq", "rfftfreq"):
        found = getattr(fft, name)(n, d=0.5, dtype="float64")
        np.testing.assert_array_equal(found.numpy(), getattr(np.fft, name)(n, 0.5))
        assert getattr(fft, name)(n).dtype == np.float32


@pytest.mark.parametrize("axes", [None, 0, (1, 2)])
@pytest.mark.parametrize("name", ["fftshift", "ifftshift"])
def test_shifts(name: str, axes: Any) -> None:
    f, twin = getattr(fft, name), getattr(np.fft, name)
    np.testing.assert_array_equal(f(ad.asarray(REAL), axes=axes).numpy(), twin(REAL, axes=axes))
    check_grads(lambda t: f(t, axes=axes), (REAL,), order=1, elementwise=0)


def test_imaginary_parts_that_are_not_read_have_no_gradient() -> None:
    x = ad.tensor(COMPLEX[0, 0, :3], requires_grad=True)
    fft.irfft(x).backward(np.arange(4.0))
    assert x.grad.numpy().imag[[0, 2]].tolist() == [0, 0]
    assert x.grad.numpy().imag[1] != 0


def test_refusals() -> None:
    x = ad.asarray(REAL)
    with pytest.raises(ArgumentError, match="norm must be one of"):
        fft.fft(x, norm="backwards")
    with pytest.raises(ArgumentError, match="2 sizes were given for 1 axes"):
        fft.fftn(x, s=(2, 2), axes=(0,))
    with pytest.raises(AxisError, match="axis 3 is out of range"):
        fft.fft(x, axis=3)
    with pytest.raises(ShapeError, match="must be positive, got 0"):
        fft.fft(x, n=0)
    with pytest.raises(ShapeError, match="1 frequencies along axis 0 stand for 0 values"):
        fft.irfft(ad.tensor(np.ones(1)))
    with pytest.raises(ShapeError, match="nothing to transform"):
        fft.fft(ad.tensor(np.ones(0)))
    with pytest.raises(DTypeError, match="defined for real values, got complex128"):
        fft.rfft(ad.asarray(COMPLEX))
