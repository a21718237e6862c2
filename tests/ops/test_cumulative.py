"""Running sums, products and log-sums, differences."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import adjoint as ad
from adjoint.core.errors import AxisError
from adjoint.ops.recurrence import Recurrence
from adjoint.testing import check_grads
from tests.strategies import arrays

X = np.array([[1.5, -2.0, 0.5], [0.25, 3.0, -1.0]])


def same(found: Any, wanted: Any) -> None:
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-12, atol=1e-12)


@given(arrays(), st.data())
def test_values(x: Any, data: Any) -> None:
    same(ad.cumsum(x), np.cumsum(x))
    same(ad.cumprod(x), np.cumprod(x))
    if not x.ndim:
        return
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    for initial in (False, True):
        options = {"axis": axis, "include_initial": initial}
        same(ad.cumulative_sum(x, **options), np.cumulative_sum(x, **options))
        same(ad.cumulative_prod(x, **options), np.cumulative_prod(x, **options))
    same(ad.logcumsumexp(x, axis=axis), np.logaddexp.accumulate(x, axis=axis))
    n = data.draw(st.integers(0, 3))
    if x.shape[axis]:
        same(ad.diff(x, axis=axis, n=n), np.diff(x, n=n, axis=axis))
        same(ad.diff(x, axis=axis, prepend=0, append=x), np.diff(x, 1, axis, 0, x))


def test_an_axis_is_needed_where_there_are_several() -> None:
    for f in (ad.cumulative_sum, ad.cumulative_prod):
        with pytest.raises(AxisError, match="axis must be given for 2 axes"):
            f(X)
        assert f(X[0]).shape == (3,)


def test_differences_of_bools_are_changes() -> None:
    assert ad.diff(np.array([True, True, False])).tolist() == [False, True]


@pytest.mark.parametrize("f", [ad.cumsum, ad.cumprod, ad.logcumsumexp, ad.diff])
def test_second_derivatives(f: Any) -> None:
    check_grads(lambda x: f(x, axis=1) ** 2, [X], order=2)
    check_grads(lambda x: f(x, axis=0) ** 2, [np.where(X > 1, 0, X)], order=2)


def test_a_log_sum_over_a_wide_range() -> None:
    x = np.array([-1000.0, 0.0, 1000.0, 999.0])
    check_grads(ad.logcumsumexp, [x], order=2)
    t = ad.tensor([-np.inf, 0.0], requires_grad=True)
    ad.logcumsumexp(t).backward(np.ones(2, np.float32))
    assert t.grad.tolist() == [0, 1]


def test_a_recurrence_keeps_zeros() -> None:
    a, b = ad.tensor([np.nan, np.inf, 2.0]), ad.tensor([0.0, 1.0, 1.0])
    assert Recurrence(0)(a, b).tolist() == [0, 1, 3]
