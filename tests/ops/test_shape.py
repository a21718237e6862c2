"""Functions that change the shape or the order of axes, against NumPy."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import adjoint as ad
from adjoint.core.errors import AxisError, ShapeError
from adjoint.testing import check_grads
from tests.strategies import arrays, axes_of, broadcastable

X = np.arange(24.0).reshape(2, 3, 4)


def same(found: Any, wanted: Any) -> None:
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found.numpy(), wanted)


@given(arrays(), st.data())
def test_permutations(x: Any, data: Any) -> None:
    order = data.draw(st.permutations(range(x.ndim)))
    signed = [a - x.ndim for a in order]
    same(ad.permute_dims(x, signed), np.transpose(x, order))
    same(ad.transpose(x), np.transpose(x))
    source = order[: data.draw(st.integers(0, x.ndim))]
    target = data.draw(st.permutations(range(x.ndim)))[: len(source)]
    same(ad.moveaxis(x, source, target), np.moveaxis(x, source, target))
    if x.ndim > 1:
        same(ad.swapaxes(x, order[0], order[1]), np.swapaxes(x, order[0], order[1]))
        same(ad.matrix_transpose(x), np.matrix_transpose(x))


@given(arrays(), st.data())
def test_axes_of_size_one(x: Any, data: Any) -> None:
    axes = data.draw(axes_of(x.ndim + 2)) or (0,)
    if len(axes) == 2:
        same(ad.expand_dims(x, axis=axes), np.expand_dims(x, axes))
    wide = np.expand_dims(x, (0, x.ndim + 1))
    same(ad.squeeze(wide), np.squeeze(wide))
    same(ad.squeeze(wide, axis=(0, -1)), x)
    for name in ("atleast_1d", "atleast_2d", "atleast_3d", "ravel"):
        same(getattr(ad, name)(x), getattr(np, name)(x))


@given(broadcastable(2))
def test_broadcasting(pair: Any) -> None:
    x, y = (np.arange(np.prod(s, dtype=float)).reshape(s) for s in pair)
    shape = np.broadcast_shapes(*pair)
    assert ad.broadcast_shapes(*pair) == shape
    for found, wanted in zip(ad.broadcast_arrays(x, y), np.broadcast_arrays(x, y), strict=True):
        same(found, wanted)
    t = ad.tensor(x, requires_grad=True)
    ad.broadcast_to(t, shape).backward(np.ones(shape))
    repeats = np.prod(shape) / x.size if x.size else 0
    np.testing.assert_array_equal(t.grad.numpy(), np.full(x.shape, repeats))


def test_reshape_works_out_one_size() -> None:
    same(ad.reshape(X, (4, -1)), X.reshape(4, -1))
    same(ad.reshape(X, -1), X.reshape(-1))
    same(ad.reshape(2.0, (1, 1)), np.full((1, 1), 2, np.float32))
    same(ad.flatten(X), X.ravel())
    same(ad.flatten(X, 1), X.reshape(2, 12))
    same(ad.flatten(np.array(1.0)), np.ones(1))
    same(ad.reshape(np.zeros((0, 3)), (-1, 3)), np.zeros((0, 3)))


@pytest.mark.parametrize(
    ("call", "error", "fact"),
    [
        (lambda: ad.reshape(X, (5, -1)), ShapeError, r"24 elements do not fit .*\(5, -1\)"),
        (lambda: ad.reshape(X, (-1, -1)), ShapeError, "24 elements"),
        (lambda: ad.reshape(X, (5, 5)), ShapeError, r"24 elements do not fit .*\(5, 5\)"),
        (lambda: ad.permute_dims(X, (0, 0, 1)), AxisError, "each of the 3 axes once"),
        (lambda: ad.permute_dims(X, (0, 1)), AxisError, "each of the 3 axes once"),
        (lambda: ad.squeeze(X, axis=1), ShapeError, "axis 1 has size 3"),
        (lambda: ad.expand_dims(X, axis=5), AxisError, "axis 5 is out of range"),
        (lambda: ad.moveaxis(X, (0, 1), 0), AxisError, "must pair up"),
        (lambda: ad.broadcast_to(X, (2, 3, 5)), ShapeError, r"does not broadcast to \(2, 3, 5\)"),
        (lambda: ad.matrix_transpose(X[0, 0]), ShapeError, "at least two axes, got 1"),
        (lambda: ad.diagonal(X[0, 0]), ShapeError, "at least two axes, got 1"),
        (lambda: ad.tril(X[0, 0]), ShapeError, "at least two axes, got 1"),
        (lambda: ad.diag(X), ShapeError, "one or two axes, got 3"),
    ],
)
def test_what_does_not_fit_is_explained(call: Any, error: type[Exception], fact: str) -> None:
    with pytest.raises(error, match=fact) as caught:
        call()
    assert "x: f64[" in str(caught.value)


@pytest.mark.parametrize("k", [-4, -2, -1, 0, 1, 3, 5])
@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (4, 2), (2, 3, 4), (0, 3)])
def test_diagonals_and_triangles(shape: Any, k: int) -> None:
    x = np.arange(np.prod(shape, dtype=float)).reshape(shape)
    same(ad.tril(x, k=k), np.tril(x, k))
    same(ad.triu(x, k=k), np.triu(x, k))
    rows, columns = shape[:2]
    if -rows <= k <= columns:
        same(ad.diagonal(x, k), np.diagonal(x, k))
        same(ad.diagonal(x, k, axis1=-1, axis2=0), np.diagonal(x, k, axis1=-1, axis2=0))
    same(ad.diag(x.ravel(), k), np.diag(x.ravel(), k))


def test_a_triangle_of_nan_is_zero() -> None:
    x = ad.tensor(np.full((2, 2), np.nan), requires_grad=True)
    ad.tril(x, k=-2).backward(np.full((2, 2), np.inf))
    np.testing.assert_array_equal(x.grad.numpy(), 0)


def test_second_derivatives() -> None:
    check_grads(lambda x: ad.diagonal(x, 1) ** 3, [X[0]], order=2)
    check_grads(lambda x: ad.diag(x) ** 3, [X[0, 0]], order=2)
    check_grads(lambda x: ad.moveaxis(x, 0, -1) ** 3, [X], order=2)
