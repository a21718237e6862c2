"""Reductions: values and dtypes against NumPy, zeros, ties, empty axes."""

from typing import Any

import numpy as np
import pytest
import scipy.special
from hypothesis import given, strategies as st

import adjoint as ad
from adjoint.core.errors import AxisError, DTypeError, ShapeError
from adjoint.testing import check_grads
from tests.strategies import INTEGERS, arrays, axes_of

X = np.array([[1.5, -2.0, 0.5], [0.25, 3.0, -1.0]])


def same(found: Any, wanted: Any, rtol: float = 1e-13) -> None:
    wanted = np.asarray(wanted)
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype
    np.testing.assert_allclose(found.numpy(), wanted, rtol=rtol, atol=rtol)


# -- values ----------------------------------------------------------------------------------------


@given(arrays(), st.data())
def test_sums_and_means(x: Any, data: Any) -> None:
    axes, keep = data.draw(axes_of(x.ndim)), data.draw(st.booleans())
    for name in ("sum", "prod", "any", "all"):
        wanted = getattr(np, name)(x, axis=axes, keepdims=keep)
        same(getattr(ad, name)(x, axis=axes, keepdims=keep), wanted)
    wanted = np.count_nonzero(x, axis=axes, keepdims=keep)
    assert ad.count_nonzero(x, axis=axes, keepdims=keep).tolist() == np.asarray(wanted).tolist()
    counted = range(x.ndim) if axes is None else axes
    n = int(np.prod([x.shape[a] for a in counted]))
    if n:
        same(ad.mean(x, axis=axes, keepdims=keep), np.mean(x, axis=axes, keepdims=keep))
        for name in ("max", "min"):
            wanted = getattr(np, name)(x, axis=axes, keepdims=keep)
            same(getattr(ad, name)(x, axis=axes, keepdims=keep), wanted)
    if n > 1:
        for name in ("var", "std"):
            wanted = getattr(np, name)(x, axis=axes, keepdims=keep, correction=1)
            found = getattr(ad, name)(x, axis=axes, keepdims=keep, correction=1)
            same(found, wanted, rtol=1e-7 if name == "std" else 1e-13)


@given(arrays(), st.data())
def test_places(x: Any, data: Any) -> None:
    keep = data.draw(st.booleans())
    axis = data.draw(
        st.one_of(st.none(), st.integers(-x.ndim, x.ndim - 1)) if x.ndim else st.none()
    )
    for name in ("argmax", "argmin"):
        try:
            wanted = getattr(np, name)(x, axis=axis, keepdims=keep)
        except ValueError:
            with pytest.raises(ShapeError, match="no elements"):
                getattr(ad, name)(x, axis=axis, keepdims=keep)
        else:
            same(getattr(ad, name)(x, axis=axis, keepdims=keep), wanted)


@pytest.mark.parametrize("dtype", ["bool", *INTEGERS])
def test_integers_grow_as_the_standard_says(dtype: str) -> None:
    x = np.array([1, 1, 1]).astype(dtype)
    grown = np.uint64 if x.dtype.kind == "u" else np.int64
    for f in (ad.sum, ad.prod, ad.cumulative_sum, ad.cumulative_prod):
        assert f(x).dtype == grown
        assert f(x, dtype=np.int16).dtype == np.int16
        assert f(x, dtype="float32").dtype == np.float32
    assert ad.mean(x).dtype == np.float32
    assert ad.var(x).dtype == np.float32
    assert ad.max(x).dtype == dtype


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "complex64"])
def test_floats_stay(dtype: str) -> None:
    x = ad.tensor([1.0, 2.0, 4.0], dtype=dtype)
    for f in (ad.sum, ad.prod, ad.mean, ad.cumsum, ad.cumprod):
        assert f(x).dtype == x.dtype
    assert ad.var(x).dtype == (np.float32 if dtype == "complex64" else x.dtype)


def test_sums_of_short_floats_do_not_stick_or_overflow() -> None:
    ones = ad.tensor(np.ones(1000), dtype="bfloat16")
    assert float(ad.sum(ones).numpy()) == 1000
    assert float(ad.cumsum(ones).numpy()[-1]) == 1000
    assert float(ad.mean(ad.tensor(np.full(1000, 1000.0), dtype="float16")).numpy()) == 1000
    assert float(ad.std(ad.tensor([1000.0, -1000.0], dtype="float16")).numpy()) == 1000


def test_other_names_of_the_options() -> None:
    for f in (ad.sum, ad.prod, ad.mean, ad.var, ad.std, ad.max, ad.min, ad.any, ad.logsumexp):
        found = f(X, dim=1, keepdim=True)
        np.testing.assert_array_equal(found.numpy(), f(X, axis=1, keepdims=True).numpy())
        assert found.shape == (2, 1)
    same(ad.var(X, ddof=1), np.var(X, ddof=1))
    same(ad.std(X, unbiased=True), np.std(X, ddof=1))
    assert ad.argmax(X, dim=0).tolist() == [0, 1, 0]
    assert ad.softmax(X, dim=0).shape == X.shape


def test_complex_variance_is_real() -> None:
    z = X + 1j * X[::-1]
    same(ad.var(z), np.var(z))
    same(ad.std(z, axis=0), np.std(z, axis=0))
    check_grads(ad.var, [z], order=2)


def test_variance_of_too_few_is_nan() -> None:
    assert np.isnan(ad.var(np.ones(1), correction=1).item())
    assert np.isnan(ad.mean(np.ones(0)).item())


# -- what is refused -------------------------------------------------------------------------------


def test_extremes_of_nothing_are_explained() -> None:
    x = np.ones((0, 3))
    with pytest.raises(ShapeError, match=r"no maximum of no elements: x has shape \(0, 3\)"):
        ad.max(x, axis=0)
    with pytest.raises(ShapeError, match="no minimum"):
        ad.min(x)
    assert ad.max(x, axis=1).shape == (0,)
    for f in (ad.max, ad.argmin, ad.sort, ad.median):
        with pytest.raises(DTypeError, match="no order"):
            f(np.array([1j]))


def test_bad_axes_are_explained() -> None:
    for f in (ad.sum, ad.max, ad.mean, ad.argmax, ad.cumsum, ad.softmax, ad.sort, ad.median):
        with pytest.raises(AxisError, match="axis 2 is out of range for a value with 2 axes") as e:
            f(X, axis=2)
        assert str(e.value).startswith(f"{f.__name__}: ")
        assert "x: f64[2,3]" in str(e.value)
    with pytest.raises(AxisError, match="names an axis twice"):
        ad.sum(X, axis=(0, -2))


# -- gradients -------------------------------------------------------------------------------------


@pytest.mark.parametrize("zeros", [(), (1,), (0, 3), (0, 1, 2, 3)])
def test_products_with_zeros_to_third_order(zeros: Any) -> None:
    x = np.array([1.5, -2.0, 0.5, 3.0])
    x[list(zeros)] = 0

    def third(x: Any) -> Any:
        return ad.grad(lambda x: ad.sum(ad.grad(ad.prod)(x) ** 2))(x)

    check_grads(ad.prod, [x], order=2)
    check_grads(third, [x], order=1)
    check_grads(ad.cumprod, [x], order=2)


def test_ties_share_in_each_row() -> None:
    x = ad.tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]], requires_grad=True)
    ad.max(x, axis=1).backward(np.array([1.0, 3.0], np.float32))
    assert x.grad.tolist() == [[0, 0.5, 0.5], [1, 1, 1]]


def test_constant_data_has_no_gradient_in_std() -> None:
    x = ad.tensor([[2.0, 2.0], [1.0, 3.0]], requires_grad=True)
    ad.sum(ad.std(x, axis=1)).backward()
    assert x.grad.tolist() == [[0, 0], [-0.5, 0.5]]
    hessian = ad.hessian(ad.std)(ad.tensor([2.0, 2.0]))
    assert np.isfinite(hessian.numpy()).all()


@pytest.mark.parametrize("f", [ad.var, ad.std, ad.max, ad.min, ad.mean])
@pytest.mark.parametrize("axis", [None, 0, (0, 1)])
def test_second_derivatives(f: Any, axis: Any) -> None:
    check_grads(lambda x: f(x, axis=axis, keepdims=True), [X], order=2)


# -- softmax and its relatives ---------------------------------------------------------------------


@given(arrays(shape=(3, 4), low=-50, high=50), st.sampled_from([None, 0, 1, (0, 1)]))
def test_softmax_family(x: Any, axis: Any) -> None:
    same(ad.logsumexp(x, axis=axis), scipy.special.logsumexp(x, axis=axis), 1e-12)
    same(ad.softmax(x, axis=axis), scipy.special.softmax(x, axis=axis), 1e-12)
    same(ad.log_softmax(x, axis=axis), scipy.special.log_softmax(x, axis=axis), 1e-12)


@pytest.mark.parametrize("f", [ad.logsumexp, ad.softmax, ad.log_softmax])
def test_second_derivatives_of_softmax(f: Any) -> None:
    check_grads(f, [X], order=2)
    check_grads(lambda x: f(x, axis=0), [X + 800], order=2)


def test_minus_infinity_masks() -> None:
    x = ad.tensor([[0.0, -np.inf], [-np.inf, -np.inf]], requires_grad=True)
    out = ad.logsumexp(x, axis=1)
    assert out.tolist() == [0, -np.inf]
    out.backward(np.ones(2, np.float32))
    assert x.grad.tolist() == [[1, 0], [0, 0]]
    y = ad.tensor([0.0, -np.inf, 1000.0], requires_grad=True)
    ad.softmax(y)[2].backward()
    assert y.grad.tolist() == [0, 0, 0]
    assert ad.logsumexp(np.array([np.inf, 1.0])).item() == np.inf
