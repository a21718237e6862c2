"""vmap and per-example gradients: axes in and out, what is shared, nesting, and single staging."""

from typing import Any

import numpy as np
import pytest

import adjoint as ad

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 3, 2))


def same(found: Any, wanted: Any) -> None:
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-13, atol=1e-13)


def f(x: Any) -> Any:
    """Not symmetric in its axes."""
    return ad.sin(x) @ np.array([[1.0], [2.0]][: x.shape[-1]]) if x.ndim == 2 else x


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
def test_the_batch_axis_may_be_any_axis(axis: int) -> None:
    found = ad.vmap(lambda x: ad.cumulative_sum(x, axis=0), axis)(X)
    same(found, np.stack([np.cumsum(x, 0) for x in np.moveaxis(X, axis, 0)]))


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2])
def test_and_come_out_anywhere(axis: int) -> None:
    found = ad.vmap(lambda x: x * 2.0, out_axes=axis)(X)
    same(found, np.moveaxis(X * 2, 0, axis))
    assert ad.vmap(lambda x: x * 2.0, 1, 1)(X).shape == X.shape


def test_pytorch_names_are_understood() -> None:
    same(ad.vmap(lambda x: x * 2.0, in_dims=1, out_dims=-1)(X), np.moveaxis(X * 2, 1, -1))


def test_an_axis_for_each_argument() -> None:
    a, b, c = RNG.normal(size=(4, 3)), RNG.normal(size=(3, 4)), RNG.normal(size=3)
    found = ad.vmap(lambda a, b, c: a * b - c, (0, 1, None))(a, b, c)
    same(found, a * b.T - c)
    same(ad.vmap(lambda a, b, c: a * b - c, [0, -1, None])(a, b, c), a * b.T - c)


def test_an_axis_for_each_result() -> None:
    def g(x: Any) -> Any:
        return {"a": x, "b": [ad.sum(x), 2.0]}

    found = ad.vmap(g, out_axes={"a": 1, "b": [0, None]})(X)
    same(found["a"], np.moveaxis(X, 0, 1))
    same(found["b"][0], X.sum((1, 2)))
    assert found["b"][1].shape == ()


def test_what_does_not_depend_on_the_batch_is_repeated() -> None:
    assert ad.vmap(lambda x: ad.ones(2))(X).tolist() == [[1.0, 1.0]] * 4
    w = ad.tensor([1.0, 2.0])
    assert ad.vmap(lambda x: w * w)(X).tolist() == [[1.0, 4.0]] * 4


def test_keyword_arguments_are_batched_along_their_first_axis() -> None:
    same(ad.vmap(lambda x, *, y: x + y)(X, y=X[:, 0, 0]), X + X[:, :1, :1])


def test_vmap_in_vmap() -> None:
    a, b = RNG.normal(size=(4, 2)), RNG.normal(size=(3, 2))
    outer = ad.vmap(lambda x: ad.vmap(lambda y: ad.sum(x * y))(b))
    same(outer(a), a @ b.T)
    pairs = ad.vmap(ad.vmap(lambda x, y: x * y, (None, 0)), (0, None))
    same(pairs(a[:, 0], b[:, 0]), np.outer(a[:, 0], b[:, 0]))
    thrice = ad.vmap(ad.vmap(ad.vmap(lambda x: x * x + 1.0, 0, 0), 1, 1), 2, 2)
    same(thrice(X), X * X + 1)


def test_the_function_is_called_once() -> None:
    calls = []

    def g(x: Any) -> Any:
        calls.append(x.shape)
        return x * 2.0

    ad.vmap(g)(X)
    assert calls == [(3, 2)]


@pytest.mark.parametrize("n", [0, 1])
def test_batches_of_none_and_one(n: int) -> None:
    assert ad.vmap(lambda x: ad.sum(x * 2.0))(X[:n]).tolist() == (X[:n] * 2).sum((1, 2)).tolist()
    assert ad.vmap(ad.grad(lambda x: ad.sum(x * x)))(X[:n]).shape == (n, 3, 2)


def test_broadcasting_within_an_example_is_not_confused_with_the_batch() -> None:
    batch = RNG.normal(size=(3, 3))  # as many examples as elements
    shared = RNG.normal(size=(3, 1))
    found = ad.vmap(lambda x, y: x + y, (0, None))(batch, shared)
    same(found, np.stack([x + shared for x in batch]))
    rows = ad.vmap(lambda x, s: x * s)(batch, batch[:, 0])
    same(rows, batch * batch[:, :1])


def test_operations_with_several_results() -> None:
    def g(x: Any) -> Any:
        a, b = ad.split(x, 2, axis=-1)
        return b, a

    b, a = ad.vmap(g)(X)
    same(a, X[..., :1])
    same(b, X[..., 1:])


def test_control_flow_by_selection() -> None:
    x = np.array([-2.0, 3.0])
    assert ad.vmap(lambda x: ad.where(x > 0, x, -x))(x).tolist() == [2.0, 3.0]


def test_gradients_through_vmap_are_sums_over_the_batch() -> None:
    w = RNG.normal(size=2)
    loss = lambda w: ad.sum(ad.vmap(lambda x: ad.sum(ad.sin(x @ w)))(X))  # noqa: E731
    wanted = np.einsum("bij,bi->j", X, np.cos(X @ w))
    same(ad.grad(loss)(w), wanted)


def test_random_numbers_are_drawn_once_for_all_examples() -> None:
    found = ad.vmap(lambda x: x + ad.random.uniform(size=()))(np.zeros(3)).tolist()
    assert len(set(found)) == 1


# -- per-example gradients -------------------------------------------------------------------------


def loss(w: Any, x: Any, y: Any) -> Any:
    return (ad.sum(w["a"] * x) + w["b"] - y) ** 2


def test_per_example_gradients_are_those_of_a_loop() -> None:
    w = {"a": RNG.normal(size=3), "b": np.array(0.5)}
    x, y = RNG.normal(size=(5, 3)), RNG.normal(size=5)
    found = ad.per_example_grad(loss)(w, x, y)
    each = [ad.grad(loss)(w, x[i], y[i]) for i in range(5)]
    same(found["a"], [g["a"].numpy() for g in each])
    same(found["b"], [g["b"].numpy() for g in each])
    total = ad.grad(lambda w: ad.sum(ad.vmap(loss, (None, 0, 0))(w, x, y)))(w)
    same(ad.sum(found["a"], axis=0), total["a"].numpy())


def test_per_example_gradients_of_several_arguments() -> None:
    x, y = RNG.normal(size=(5, 3)), RNG.normal(size=5)
    a, b = RNG.normal(size=3), np.array(0.5)

    def g(x: Any, a: Any, b: Any, y: Any) -> Any:
        return loss({"a": a, "b": b}, x, y)

    da, db = ad.per_example_grad(g, (1, 2))(x, a, b, y)
    residual = 2 * (x @ a + b - y)
    same(da, residual[:, None] * x)
    same(db, residual)


def test_the_batched_arguments_may_be_named() -> None:
    w, x, k = np.array(2.0), np.array([1.0, 2.0]), np.array([10.0, 20.0])
    found = ad.per_example_grad(lambda w, k, x: w * w * x * ad.sum(k), batch_argnums=[2])(w, k, x)
    assert found.tolist() == [120.0, 240.0]
