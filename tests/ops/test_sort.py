"""Sorting, searching, sets and quantiles, against NumPy."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import adjoint as ad
from adjoint.core.errors import ArgumentError, ShapeError, TracerLeak
from adjoint.testing import check_grads
from tests.strategies import arrays, axes_of

X = np.array([[1.5, -2.0, 0.5, 4.0], [0.25, 3.0, -1.0, 2.0]])
SOME = st.lists(st.integers(-2, 2), max_size=6).map(lambda found: np.array(found, np.int64))


def same(found: Any, wanted: Any) -> None:
    wanted = np.asarray(wanted)
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-12, atol=1e-12)


def leaf(x: Any) -> Any:
    return ad.tensor(np.asarray(x), requires_grad=True)


# -- order -----------------------------------------------------------------------------------------


@given(arrays(), st.data())
def test_sort_and_argsort(x: Any, data: Any) -> None:
    same(ad.sort(x, axis=None), np.sort(x, axis=None))
    if not x.ndim:
        return
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    same(ad.sort(x, axis=axis), np.sort(x, axis=axis))
    same(ad.argsort(x, axis=axis), np.argsort(x, axis=axis, kind="stable"))
    same(ad.sort(x, axis=axis, descending=True), -np.sort(-x, axis=axis))
    same(ad.argsort(x, axis=axis, descending=True), np.argsort(-x, axis=axis, kind="stable"))
    k = data.draw(st.integers(0, x.shape[axis]))
    values, places = ad.topk(x, k, axis)
    same(values, np.take(-np.sort(-x, axis=axis), range(k), axis))
    same(ad.take_along_axis(x, places, axis=axis), values.numpy())


def test_ties_keep_their_order() -> None:
    for descending in (False, True):
        x = leaf([2.0, 1.0, 2.0])
        ad.sort(x, descending=descending).backward(np.array([1.0, 2.0, 3.0]))
        assert x.grad.tolist() == ([1, 3, 2] if descending else [2, 1, 3])


def test_nan_is_the_largest() -> None:
    x = np.array([1.0, np.nan, 0.0])
    assert ad.argsort(x).tolist() == [2, 0, 1]
    assert ad.argsort(x, descending=True).tolist() == [1, 0, 2]
    assert ad.topk(x, 1, largest=False)[0].tolist() == [0]


def test_bad_counts_are_explained() -> None:
    with pytest.raises(ArgumentError, match="k = 5 elements of axis 1, which has size 4"):
        ad.topk(X, 5)
    with pytest.raises(ArgumentError, match="kth = 4, axis 1 has size 4"):
        ad.partition(X, 4)
    same(ad.partition(X, 2), np.sort(X))
    same(ad.argpartition(X, (1, 2)), np.argsort(X))


def test_second_derivatives() -> None:
    check_grads(lambda x: ad.sort(x) ** 3, [X], order=2)
    check_grads(lambda x: ad.topk(x, 2)[0] ** 3, [X], order=2)
    check_grads(lambda x: ad.quantile(x, [0.1, 0.6], axis=1) ** 3, [X], order=2)


# -- quantiles -------------------------------------------------------------------------------------

METHODS = ["linear", "lower", "higher", "midpoint", "nearest", "hazen", "weibull"]
METHODS += ["median_unbiased", "normal_unbiased", "interpolated_inverted_cdf"]


@pytest.mark.parametrize("method", METHODS)
@given(arrays(shape=(2, 3, 5)), st.floats(0, 1), st.data())
def test_quantiles(method: str, x: Any, q: float, data: Any) -> None:
    axes, keep = data.draw(axes_of(3)), data.draw(st.booleans())
    options = {"axis": axes, "method": method, "keepdims": keep}
    for qs in (q, [[q, 0.0], [1.0, 0.5]]):
        same(ad.quantile(x, qs, **options), np.quantile(x, qs, **options))
    same(ad.percentile(x, 100 * q, **options), np.percentile(x, 100 * q, **options))
    if axes != ():
        same(ad.median(x, axis=axes, keepdims=keep), np.median(x, axis=axes, keepdims=keep))


def test_a_median_with_nan_is_nan() -> None:
    x = np.array([[1.0, np.nan, 2.0], [1.0, 5.0, 2.0]])
    np.testing.assert_array_equal(ad.median(x, axis=1).numpy(), [np.nan, 2])
    with pytest.raises(ShapeError, match="no median of no elements"):
        ad.median(np.ones(0))
    with pytest.raises(ArgumentError, match="between 0 and 100"):
        ad.percentile(x, 101)
    assert ad.median(np.array([1, 2])).dtype == np.float32


def test_half_to_each_of_the_two_in_the_middle() -> None:
    x = leaf([4.0, 1.0, 3.0, 2.0])
    ad.median(x).backward()
    assert x.grad.tolist() == [0, 0, 0.5, 0.5]


# -- searching -------------------------------------------------------------------------------------


@given(SOME, SOME, st.sampled_from(["left", "right"]))
def test_searchsorted(x: Any, v: Any, side: Any) -> None:
    ordered = np.sort(x)
    same(ad.searchsorted(ordered, v, side=side), np.searchsorted(ordered, v, side))
    order = np.argsort(x)
    same(ad.searchsorted(x, v, side=side, sorter=order), np.searchsorted(x, v, side, order))
    same(ad.searchsorted(ordered, v + 0.5), np.searchsorted(ordered, v + 0.5))
    same(ad.isin(x, v), np.isin(x, v))
    same(ad.isin(x, v, invert=True), np.isin(x, v, invert=True))


def test_large_integers_are_not_rounded() -> None:
    big = 2**25
    x = np.array([big, big + 1])
    assert ad.searchsorted(x, np.array([big + 1.0], np.float64)).tolist() == [1]
    assert ad.isin(x, np.array([float(big)], np.float32)).tolist() == [True, False]


@given(arrays())
def test_nonzero_and_unique(x: Any) -> None:
    same(ad.argwhere(x), np.argwhere(x))
    if x.ndim:
        for found, wanted in zip(ad.nonzero(x), np.nonzero(x), strict=True):
            same(found, wanted)
    same(ad.flatnonzero(x), np.flatnonzero(x))
    for name in ("unique_all", "unique_counts", "unique_inverse"):
        found, wanted = getattr(ad, name)(x), getattr(np, name)(x)
        assert found._fields == wanted._fields
        for y, z in zip(found, wanted, strict=True):
            same(y, z)
    same(ad.unique_values(x), np.unique(x))


def test_unique_values_give_their_gradient_to_the_first() -> None:
    x = leaf([3.0, 1.0, 3.0])
    ad.unique_values(x).backward(np.array([1.0, 5.0]))
    assert x.grad.tolist() == [5, 1, 0]
    assert ad.unique_values(np.array([np.nan, np.nan])).shape == (2,)


def test_shapes_that_depend_on_numbers_need_the_numbers() -> None:
    for f in (ad.nonzero, ad.unique_values, ad.argwhere):
        with pytest.raises(TracerLeak):
            ad.vmap(f)(X)


# -- taking and putting along an axis --------------------------------------------------------------


@given(arrays(shape=(3, 4)), st.data())
def test_take(x: Any, data: Any) -> None:
    axis = data.draw(st.integers(-2, 1))
    n = x.shape[axis]
    index = np.array(data.draw(st.lists(st.integers(-n, n - 1), max_size=5)), np.int64)
    same(ad.take(x, index, axis=axis), np.take(x, index, axis))
    same(ad.take(x, 2, axis=axis), np.take(x, 2, axis))
    same(ad.take(x, index), np.take(x, index))
    along = np.broadcast_to(index[:, None] if axis % 2 == 0 else index, _shape(x, axis, len(index)))
    same(ad.take_along_axis(x, along, axis=axis), np.take_along_axis(x, along, axis))
    wanted = x.copy()
    np.put_along_axis(wanted, along, 7.0, axis)
    same(ad.put_along_axis(x, along, 7.0, axis=axis), wanted)


def _shape(x: Any, axis: int, n: int) -> tuple[int, ...]:
    return (n, x.shape[1]) if axis % 2 == 0 else (x.shape[0], n)


def test_other_axes_are_repeated() -> None:
    index = np.array([[1], [0]])
    same(ad.take_along_axis(X[:1], index, axis=1), np.take_along_axis(X[:1], index, 1))
    same(ad.take_along_axis(X, np.array([3]), axis=None), np.array([X.ravel()[3]]))
    with pytest.raises(ShapeError, match="x has 2 axes, indices have 1"):
        ad.take_along_axis(X, np.array([1]))
    with pytest.raises(IndexError, match="index 4 is out of range for axis 1 with size 4"):
        ad.take_along_axis(X, np.array([[4], [0]]))
    with pytest.raises(TypeError, match="indices must be integers, got float64"):
        ad.take(X, np.array([1.0]))


def test_sums_of_duplicates_do_not_depend_on_the_path() -> None:
    rng = np.random.default_rng(0)
    for size, m, dtype in [
        (5, 40, "float32"),
        (500, 40, "float64"),
        (7, 40, "int64"),
        (9, 4, "c8"),
    ]:
        rows = rng.integers(-9, 9, size=(m, 3)).astype(dtype)
        index = rng.integers(-size, size, m)
        wanted = np.zeros((size, 3), dtype)
        np.add.at(wanted, index, rows)
        same(ad.add_at(np.zeros((size, 3), dtype), index, rows), wanted)


def test_second_derivatives_of_putting() -> None:
    index = np.array([[0, 0], [3, -1]])
    check_grads(lambda x: ad.take_along_axis(x, index, axis=1) ** 3, [X], order=2)
    check_grads(lambda x, v: ad.put_along_axis(x, index, v) ** 3, [X, X[:, :2]], order=2)
