"""Operations and bytes of a recorded computation, against counts by hand."""

from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint.core.errors import NoGraph
from adjoint.cost import Cost, count


def leaf(*shape: int, dtype: Any = np.float64) -> Any:
    return ad.tensor(np.ones(shape, dtype), requires_grad=True)


def test_a_layer_counted_by_hand() -> None:
    x, w, b = np.ones((8, 3)), leaf(3, 5), leaf(5)
    cost = count(ad.sum(ad.relu(ad.matmul(x, w) + b)))
    #            product        sum of bias  relu   loss
    assert cost.forward == 2 * 8 * 3 * 5 + 8 * 5 + 8 * 5 + 8 * 5
    #             relu's mask  times ct   bias's sum  weight's product; the data wants no gradient
    assert cost.backward == 8 * 5 + 8 * 5 + 8 * 5 + 2 * 3 * 8 * 5
    # relu's output; the data is a leaf
    assert cost.saved_bytes == 8 * 5 * 8
    assert cost.gradient_bytes == (3 * 5 + 5) * 8
    assert cost.finite_differences(20) == 21 * cost.forward


def test_two_products_in_a_row_cost_twice_as_much_backward() -> None:
    a, b, c = leaf(16, 16), leaf(16, 16), leaf(16, 16)
    cost = count(ad.sum(a @ b @ c))
    assert cost.forward == 2 * (2 * 16**3) + 16**2
    assert cost.backward == 4 * (2 * 16**3)


def test_a_value_that_is_used_twice_is_kept_once_and_its_gradients_are_added() -> None:
    x = leaf(10)
    y = ad.exp(x)
    cost = count(ad.sum(y * y))
    assert cost.saved_bytes == 80  # exp and the product read the same array
    once = count(ad.sum(ad.exp(x)))
    assert cost.backward == once.backward + 3 * 10  # two products, one sum


def test_views_take_no_memory() -> None:
    x = leaf(10, 10)
    assert count(ad.sum(ad.exp(x.T.reshape((100,))[5:]))).saved_bytes == 95 * 8


def test_nothing_is_computed_or_released() -> None:
    x = leaf(3)
    loss = ad.sum(x * x * x)
    first = count(loss)
    assert count(loss) == first
    loss.backward()
    np.testing.assert_allclose(x.grad.numpy(), 3.0)


def test_an_operation_with_several_outputs() -> None:
    x = leaf(4, 4)
    values, vectors = ad.linalg.eigh(x + x.T)
    cost = count(ad.sum(values) + ad.sum(vectors))
    assert cost.forward > 0
    assert cost.backward > 0


def test_what_was_not_recorded_is_refused() -> None:
    with pytest.raises(NoGraph, match="nothing that requires a gradient"):
        count(ad.tensor(1.0))


def test_it_is_a_plain_record() -> None:
    assert Cost(1, 2, 3, 4, 5) == Cost(1, 2, 3, 4, 5)
