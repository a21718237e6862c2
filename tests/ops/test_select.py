"""Selections: values, dtypes, and what reaches the branch that was not taken."""

from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint.core.errors import ShapeError
from adjoint.testing import check_grads

X = np.array([-2.0, 0.0, 0.5])


def test_where_takes_its_dtype_from_the_branches() -> None:
    c = ad.tensor([True, False])
    x = ad.tensor(np.array([1.0, 2.0], np.float16))
    assert ad.where(c, x, 0).dtype == np.float16
    assert ad.where(c, 0.0, x).dtype == np.float16
    assert ad.where(c, 1.0, 0).dtype == np.float32
    assert ad.where(c, 1, 0).dtype == np.int64
    assert ad.where(c, x, np.array([1.0, 2.0])).dtype == np.float64
    assert ad.where(c, np.array([1, 2], np.int8), np.array([1, 2], np.int16)).dtype == np.int16
    assert ad.where(c, ad.tensor([1.0, 2.0], dtype="bfloat16"), 0.0).dtype.name == "bfloat16"


def test_where_broadcasts_over_all_three() -> None:
    c, x, y = np.array([[True], [False]]), np.arange(3.0), np.float64(-1)
    np.testing.assert_array_equal(ad.where(c, x, y).numpy(), np.where(c, x, y))
    t = ad.tensor(y, requires_grad=True)
    ad.where(c, x, t).backward(np.ones((2, 3)))
    assert t.grad.item() == 3
    with pytest.raises(ShapeError, match="condition"):
        ad.where(ad.tensor([True, False]), np.zeros(3), np.zeros(3))


def test_a_number_as_condition_is_true_unless_zero() -> None:
    assert ad.where(ad.tensor([0, 2]), 1, -1).tolist() == [-1, 1]
    assert ad.where(True, ad.tensor([1.0]), 0).tolist() == [1.0]


GUARDED = {
    "log": (lambda x: ad.where(ad.greater(x, 0), ad.log(x), 0), [0, 0, 2], [0, 0, -4]),
    "sqrt": (lambda x: ad.where(ad.greater(x, 0), ad.sqrt(x), 0), [0, 0, 0.5**0.5], None),
    "divide": (lambda x: ad.where(ad.equal(x, 0), 0, 1 / x), [-0.25, 0, -4], [-0.25, 0, 16]),
    "power": (lambda x: ad.where(ad.greater(x, 0), ad.power(x, 0.5), x), [1, 1, 0.5**0.5], None),
    "acos": (lambda x: ad.where(ad.less(x, -1), 0, ad.acos(x)), [0, -1, -2 / 3**0.5], None),
    "xlogx": (lambda x: ad.where(ad.greater(x, 0), x * ad.log(x), 0), None, [0, 0, 2]),
}


@pytest.mark.parametrize("name", GUARDED)
def test_the_branch_not_taken_has_no_gradient_to_second_order(name: str) -> None:
    f, first, second = GUARDED[name]
    g = ad.grad(lambda x: ad.sum(f(x)))
    if first is not None:
        np.testing.assert_allclose(g(X).numpy(), first, rtol=1e-12)
    assert np.isfinite(g(X).numpy()).all()
    h = ad.grad(lambda x: ad.sum(g(x)))(X).numpy()
    assert np.isfinite(h).all()
    if second is not None:
        np.testing.assert_allclose(h, second, rtol=1e-12)


@pytest.mark.parametrize("name", GUARDED)
def test_nor_in_forward_mode_nor_mixed(name: str) -> None:
    f, first, _ = GUARDED[name]
    _, dot = ad.jvp(f, (X,), (np.ones(3),))
    assert np.isfinite(dot.numpy()).all()
    if first is not None:
        np.testing.assert_allclose(dot.numpy(), first, rtol=1e-12)
    _, dot = ad.jvp(ad.grad(lambda x: ad.sum(f(x))), (X,), (np.ones(3),))
    assert np.isfinite(dot.numpy()).all()


def test_a_nan_that_flows_is_not_hidden() -> None:
    x = ad.tensor(X, requires_grad=True)
    ad.sum(ad.sqrt(x)).backward()
    assert np.isnan(x.grad.numpy()[0])
    assert np.isinf(x.grad.numpy()[1])
    x = ad.tensor(X, requires_grad=True)
    ad.sum(ad.where(ad.greater(x, -3), ad.sqrt(x), 0)).backward()
    assert np.isnan(x.grad.numpy()[0])
    x = ad.tensor(np.array([np.nan, 1.0]), requires_grad=True)
    ad.sum(ad.maximum(x, 0) * x).backward()
    assert np.isnan(x.grad.numpy()[0])


def test_extremes_keep_nan_and_fmax_does_not() -> None:
    x = np.array([np.nan, 1.0, np.inf])
    np.testing.assert_array_equal(ad.maximum(x, 2).numpy(), [np.nan, 2, np.inf])
    np.testing.assert_array_equal(ad.minimum(x, 2).numpy(), [np.nan, 1, 2])
    np.testing.assert_array_equal(ad.fmax(x, 2).numpy(), [2, 2, np.inf])
    np.testing.assert_array_equal(ad.relu(x).numpy(), [np.nan, 1, np.inf])


def test_clip_has_open_ends() -> None:
    x = np.array([-5.0, 0.0, 5.0])
    assert ad.clip(x, 1).tolist() == [1, 1, 5]
    assert ad.clip(x, max=1).tolist() == [-5, 0, 1]
    assert ad.clip(x).tolist() == [-5, 0, 5]
    assert ad.clip(x, min=-1, max=1).tolist() == [-1, 0, 1]
    assert np.isnan(ad.clip(np.array([np.nan]), 0, 1).item())


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "float16", "bfloat16", "float64"])
def test_clip_keeps_the_dtype(dtype: str) -> None:
    x = ad.tensor([0, 3, 9], dtype=dtype)
    for out in (ad.clip(x, 1, 5), ad.clip(x, 1), ad.clip(x, max=5), ad.clip(x)):
        assert out.dtype == x.dtype
    assert ad.clip(x, 1, 5).astype("float32").tolist() == [1, 3, 5]
    assert ad.clip(x, x, None).dtype == x.dtype


def test_clip_with_tensors_as_bounds(rng: np.random.Generator) -> None:
    x, low, high = rng.normal(size=(3, 4)), rng.normal(size=4), rng.normal(size=(3, 1))
    np.testing.assert_array_equal(ad.clip(x, low, high).numpy(), np.clip(x, low, high))
    check_grads(ad.clip, (x, low, high), order=1)


def test_gradients_of_a_selection_add_up() -> None:
    x = np.array([1.0, 2.0, 2.0, np.nan])
    y = np.array([2.0, 2.0, 1.0, np.nan])

    def total(f: Any) -> Any:
        a, b = ad.tensor(x, requires_grad=True), ad.tensor(y, requires_grad=True)
        f(a, b).backward(np.ones(4))
        return (a.grad + b.grad).numpy()

    for f in (ad.maximum, ad.minimum, ad.fmax, ad.fmin):
        np.testing.assert_array_equal(total(f)[:3], 1)
