"""custom_gradient: the stated rule is used in every mode, order and composition."""

from typing import Any

import numpy as np
import pytest

import adjoint as ad


@ad.custom_gradient
def sine(x: Any) -> Any:
    """The sine, with twice its derivative, so that it shows where the rule is used."""
    return ad.sin(x), lambda ct: 2.0 * ct * ad.cos(x)


X = np.array([0.3, -1.2, 2.0])


def test_the_value_is_that_of_the_function() -> None:
    np.testing.assert_array_equal(sine(X).numpy(), np.sin(X))
    assert not sine(X).requires_grad
    with ad.no_grad():
        assert not sine(ad.tensor(X, requires_grad=True)).requires_grad


MODES = {
    "backward": lambda x: backward(sine, x),
    "grad": ad.grad(lambda x: ad.sum(sine(x))),
    "jvp": lambda x: ad.jvp(sine, (x,), (np.ones(3),))[1],
    "vmap of grad": ad.vmap(ad.grad(sine)),
    "grad of vmap": ad.grad(lambda x: ad.sum(ad.vmap(sine)(x))),
    "jvp of vmap": lambda x: ad.jvp(ad.vmap(sine), (x,), (np.ones(3),))[1],
    "jacrev": lambda x: ad.sum(ad.jacrev(sine)(x), axis=0),
    "jacfwd": lambda x: ad.sum(ad.jacfwd(sine)(x), axis=0),
    "checkpoint": ad.grad(lambda x: ad.sum(ad.checkpoint(sine)(x))),
    "vmap in vmap": lambda x: ad.vmap(ad.vmap(ad.grad(sine)))(x[None])[0],
}


def backward(f: Any, value: Any) -> ad.Tensor:
    x = ad.tensor(value, requires_grad=True)
    ad.sum(f(x)).backward()
    return x.grad


@pytest.mark.parametrize("mode", MODES)
def test_the_rule_is_used_in_every_mode(mode: str) -> None:
    np.testing.assert_allclose(MODES[mode](X).numpy(), 2 * np.cos(X), rtol=1e-13)


def test_the_rule_is_differentiated_for_second_derivatives() -> None:
    second = ad.vmap(ad.grad(ad.grad(sine)))(X)
    np.testing.assert_allclose(second.numpy(), -2 * np.sin(X), rtol=1e-13)
    hessian = ad.hessian(lambda x: ad.sum(sine(x)))(X)
    np.testing.assert_allclose(hessian.numpy(), np.diag(-2 * np.sin(X)), rtol=1e-13)
    third = ad.grad(ad.grad(ad.grad(sine)))(X[0])
    assert third.item() == pytest.approx(-2 * np.cos(X[0]), rel=1e-13)


def test_what_the_pullback_keeps_from_the_forward_pass_may_be_anything() -> None:
    calls = []

    @ad.custom_gradient
    def logistic(x: Any) -> Any:
        calls.append(1)
        out = 1.0 / (1.0 + ad.exp(-x))
        return out, lambda ct: ct * out * (1.0 - out)

    out = 1 / (1 + np.exp(-X))
    found = ad.grad(lambda x: ad.sum(logistic(x)))(X)
    np.testing.assert_allclose(found.numpy(), out * (1 - out), rtol=1e-13)
    assert len(calls) == 1
    second = ad.vmap(ad.grad(ad.grad(logistic)))(X).numpy()
    np.testing.assert_allclose(second, out * (1 - out) * (1 - 2 * out), rtol=1e-12)


def test_several_arguments_and_results() -> None:
    @ad.custom_gradient
    def polar(r: Any, a: Any) -> Any:
        x, y = r * ad.cos(a), r * ad.sin(a)

        def pullback(ct: Any) -> Any:
            cx, cy = ct["x"], ct["y"]
            return 10.0 * (cx * ad.cos(a) + cy * ad.sin(a)), -cx * y + cy * x

        return {"x": x, "y": y}, pullback

    r, a = 2.0, 0.7
    dr, da = ad.grad(lambda r, a: polar(r, a)["x"], (0, 1))(np.array(r), np.array(a))
    assert dr.item() == pytest.approx(10 * np.cos(a))
    assert da.item() == pytest.approx(-r * np.sin(a))
    dot = ad.jvp(polar, (np.array(r), np.array(a)), (np.array(1.0), np.array(0.0)))[1]
    assert dot["y"].item() == pytest.approx(10 * np.sin(a))


@pytest.mark.parametrize("gradients", [lambda ct: (ct * 7.0, None), lambda ct: [ct * 7.0, None]])
def test_none_says_that_there_is_no_gradient(gradients: Any) -> None:
    f = ad.custom_gradient(lambda x, y: (x * y, gradients))
    dx, dy = ad.grad(f, (0, 1))(2.0, 3.0)
    assert (dx.item(), dy.item()) == (7.0, 0.0)
    assert ad.grad(f)(2.0, 3).item() == 7.0  # an integer has none anyway


def test_a_quantity_that_only_scales_gradients() -> None:
    reverse = ad.custom_gradient(lambda x: (x, lambda ct: -ct))  # gradient reversal, Ganin (2015)
    assert ad.grad(lambda x: reverse(x * 3.0) * 2.0)(1.0).item() == -6.0


def test_a_straight_through_estimator() -> None:
    rounded = ad.custom_gradient(lambda x: (ad.round(x), lambda ct: ct))
    assert ad.grad(lambda x: ad.sum(rounded(x) * x))(np.array([1.4])).tolist() == [1.0 + 1.4]


def test_keyword_arguments_are_options() -> None:
    @ad.custom_gradient
    def clipped(x: Any, *, limit: float) -> Any:
        return x, lambda ct: ad.clip(ct, -limit, limit)

    assert ad.grad(lambda x: 5.0 * clipped(x, limit=2.0))(1.0).item() == 2.0


def test_the_printed_graph_holds_the_pullback() -> None:
    graph = ad.trace(sine, X)
    graph.verify()
    text = str(graph)
    assert "override(" in text
    assert "pullback=graph(%0: f64[3]" in text


def test_it_keeps_name_and_docstring() -> None:
    assert sine.__name__ == "sine"
    assert sine.__doc__.startswith("The sine, with twice")
