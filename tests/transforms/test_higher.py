"""jacobian, hessian, hvp: against closed forms, in each mode, with shapes of the convention."""

from typing import Any

import numpy as np
import pytest

import adjoint as ad

RNG = np.random.default_rng(1)
A = RNG.normal(size=(4, 3))
X = RNG.normal(size=3)
MODES = ["auto", "forward", "reverse"]


def same(found: Any, wanted: Any) -> None:
    assert found.shape == np.shape(wanted)
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("mode", MODES)
def test_the_jacobian_of_a_linear_map_is_its_matrix(mode: Any) -> None:
    same(ad.jacobian(lambda x: A @ x, mode=mode)(X), A)
    same(ad.jacobian(lambda x: x @ A.T, mode=mode)(X), A)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("in_shape", [(), (1,), (3,), (2, 3)])
@pytest.mark.parametrize("out_shape", [(), (2,), (2, 1)])
def test_shapes_are_those_of_the_result_then_of_the_argument(
    mode: Any, in_shape: tuple[int, ...], out_shape: tuple[int, ...]
) -> None:
    x, c = RNG.normal(size=in_shape), RNG.normal(size=out_shape)
    found = ad.jacobian(lambda x: c * ad.sum(ad.sin(x)), mode=mode)(x)
    same(found, np.multiply.outer(c, np.cos(x)))


@pytest.mark.parametrize("mode", MODES)
def test_several_arguments_and_results(mode: Any) -> None:
    def f(x: Any, y: Any) -> Any:
        return {"p": x * y, "s": ad.sum(x)}

    y = RNG.normal(size=3)
    found = ad.jacobian(f, (0, 1), mode=mode)(X, y)
    same(found["p"][0], np.diag(y))
    same(found["p"][1], np.diag(X))
    same(found["s"][0], np.ones(3))
    same(found["s"][1], np.zeros(3))


def test_auto_takes_the_cheaper_mode() -> None:
    calls = {"tall": 0, "wide": 0}

    def pulled(name: str) -> Any:
        def pullback(ct: Any) -> Any:
            calls[name] += 1
            return ct

        return ad.custom_gradient(lambda x: (x, pullback))

    ad.jacobian(lambda x: pulled("wide")(ad.sum(x) * 1.0))(X)
    ad.jacobian(lambda x: pulled("tall")(x[:1] * 1.0) * np.ones(5))(X[:1])
    assert calls == {"wide": 1, "tall": 1}  # a pullback is staged once, however often it is used


def quartic(x: Any) -> Any:
    return ad.sum(x * x) ** 2


def test_the_hessian_of_a_quartic() -> None:
    # d2/dx2 (x.x)^2 = 8 x x^T + 4 (x.x) I
    same(ad.hessian(quartic)(X), 8 * np.outer(X, X) + 4 * (X @ X) * np.eye(3))


@pytest.mark.parametrize(
    "twice",
    [
        lambda f: ad.jacfwd(ad.grad(f)),
        lambda f: ad.jacrev(ad.grad(f)),
        lambda f: ad.jacfwd(ad.jacrev(f)),
        lambda f: ad.jacrev(ad.jacfwd(f)),
        lambda f: ad.jacfwd(ad.jacfwd(f)),
        lambda f: ad.jacrev(ad.jacrev(f)),
        lambda f: ad.jacobian(ad.jacobian(f)),
    ],
    ids=["jf-grad", "jr-grad", "jf-jr", "jr-jf", "jf-jf", "jr-jr", "auto"],
)
def test_every_pair_of_modes_gives_the_hessian(twice: Any) -> None:
    same(twice(quartic)(X), 8 * np.outer(X, X) + 4 * (X @ X) * np.eye(3))


def test_the_hessian_in_several_arguments_has_blocks() -> None:
    def f(x: Any, y: Any) -> Any:
        return ad.sum(x * x * y)

    y = RNG.normal(size=3)
    (xx, xy), (yx, yy) = ad.hessian(f, (0, 1))(X, y)
    same(xx, 2 * np.diag(y))
    same(xy, 2 * np.diag(X))
    same(yx, 2 * np.diag(X))
    same(yy, np.zeros((3, 3)))


def test_hvp_is_the_hessian_times_the_vector() -> None:
    v = RNG.normal(size=3)
    wanted = (8 * np.outer(X, X) + 4 * (X @ X) * np.eye(3)) @ v
    same(ad.hvp(quartic, X, v), wanted)
    same(ad.hvp(quartic, (X,), (v,)), wanted)
    same(ad.hvp(quartic, [X], [v]), wanted)


def test_hvp_in_several_arguments() -> None:
    def f(x: Any, y: Any) -> Any:
        return ad.sum(x * x * y)

    y, u, v = RNG.normal(size=(3, 3))
    hx, hy = ad.hvp(f, (X, y), (u, v))
    same(hx, 2 * y * u + 2 * X * v)
    same(hy, 2 * X * u)


def test_jacobian_of_a_batch_by_vmap() -> None:
    batch = RNG.normal(size=(5, 3))
    found = ad.vmap(ad.jacobian(lambda x: ad.sin(x) * ad.sum(x)))(batch)
    wanted = [np.diag(np.cos(x) * x.sum()) + np.outer(np.sin(x), np.ones(3)) for x in batch]
    same(found, np.stack(wanted))


def test_empty_arguments_and_results() -> None:
    assert ad.jacobian(lambda x: x * 2.0)(np.zeros(0)).shape == (0, 0)
    assert ad.jacobian(lambda x: ad.sum(x))(np.zeros((2, 0))).shape == (2, 0)  # noqa: PLW0108
    assert ad.jacobian(lambda x: x[:0])(X).shape == (0, 3)
