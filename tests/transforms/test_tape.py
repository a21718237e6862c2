"""Transforms and the tape: tensors that want gradients around, inside of and between transforms."""

from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint.core.graph import ancestors


def tracked(*values: Any) -> list[ad.Tensor]:
    return [ad.tensor(np.asarray(v, np.float64), requires_grad=True) for v in values]


def test_a_gradient_of_known_numbers_records_nothing() -> None:
    gradient = ad.grad(lambda x: ad.sum(x * x))(np.ones(3))
    assert not gradient.requires_grad
    assert gradient.node.op is None
    value, gradient = ad.value_and_grad(lambda x: ad.sum(x * x))(np.ones(3))
    assert value.node.inputs == gradient.node.inputs == ()


def test_grad_does_not_touch_the_grad_of_tensors() -> None:
    (w,) = tracked(2.0)
    ad.grad(lambda x: x * w)(3.0)
    ad.grad(lambda w: w * w)(w)
    assert w.grad is None


@pytest.mark.parametrize("how", ["grad", "vjp", "jvp", "jacobian"])
def test_backward_goes_through_a_derivative_to_what_it_closes_over(how: str) -> None:
    (w,) = tracked(2.0)

    def f(x: Any) -> Any:
        return w * w * x * x

    slope = {
        "grad": lambda: ad.grad(f)(3.0),
        "vjp": lambda: ad.vjp(f, 3.0)[1](1.0)[0],
        "jvp": lambda: ad.jvp(f, (3.0,), (1.0,))[1],
        "jacobian": lambda: ad.jacobian(f)(3.0),
    }[how]()
    assert slope.item() == 2 * 4 * 3
    assert slope.requires_grad
    slope.backward()
    assert w.grad.item() == 2 * 2 * 2 * 3


def test_gradient_penalty_of_a_critic() -> None:
    # Gulrajani et al., Improved Training of Wasserstein GANs (2017): the norm of an input gradient
    rng = np.random.default_rng(0)
    w1, w2 = (ad.tensor(rng.normal(size=s), requires_grad=True) for s in ((3, 5), (5,)))
    x = rng.normal(size=(4, 3))

    def critic(x: Any, w1: Any, w2: Any) -> Any:
        return ad.tanh(x @ w1) @ w2

    def penalty(w1: Any, w2: Any) -> Any:
        slopes = ad.grad(lambda x: ad.sum(critic(x, w1, w2)))(x)
        norms = ad.sqrt(ad.sum(slopes * slopes, axis=1))
        return ad.mean((norms - 1.0) ** 2)

    loss = penalty(w1, w2)
    loss.backward()

    def numeric(a: np.ndarray, b: np.ndarray) -> float:
        h = np.tanh(x @ a)
        slopes = ((1 - h * h) * b) @ a.T
        return float(((np.sqrt((slopes**2).sum(1)) - 1) ** 2).mean())

    a, b = w1.numpy(), w2.numpy()
    assert loss.item() == pytest.approx(numeric(a, b), rel=1e-12)
    da, db = rng.normal(size=a.shape), rng.normal(size=b.shape)
    eps = 1e-6
    slope = (numeric(a + eps * da, b + eps * db) - numeric(a - eps * da, b - eps * db)) / (2 * eps)
    along = float((w1.grad.numpy() * da).sum() + (w2.grad.numpy() * db).sum())
    assert along == pytest.approx(slope, rel=1e-7)


def test_an_argument_that_is_tracked_stays_linked() -> None:
    (w,) = tracked(3.0)
    ad.grad(lambda x: x * x * x)(w * 1.0).backward()
    assert w.grad.item() == 18.0


def test_several_gradients_of_one_tape() -> None:
    (w,) = tracked(2.0)
    h = w * w
    first = ad.grad(lambda x: x * h)(3.0)
    second = ad.grad(lambda x: x * h * h)(3.0)
    (first + second).backward()
    assert w.grad.item() == 2 * 2 + 4 * 8


def test_backward_inside_of_a_differentiated_function() -> None:
    def f(x: ad.Tensor) -> ad.Tensor:
        w = ad.tensor(2.0, requires_grad=True)
        (w * w * x).backward(create_graph=True)
        return w.grad * x  # 2 w x * x

    assert ad.grad(f)(3.0).item() == 24.0


def test_no_grad_around_a_transform_leaves_its_result_right_and_unrecorded() -> None:
    (w,) = tracked(2.0)
    with ad.no_grad():
        results = [
            ad.grad(lambda x: x * x * w)(3.0),
            ad.vjp(lambda x: x * x * w, 3.0)[1](1.0)[0],
            ad.jvp(lambda x: x * x * w, (3.0,), (1.0,))[1],
            ad.jacobian(lambda x: x * x * w)(3.0),
            ad.vmap(ad.grad(lambda x: x * x * w))(np.array([3.0]))[0],
            ad.grad(ad.grad(lambda x: x * x * x * w))(1.0),
            ad.grad(ad.checkpoint(lambda x: x * x * w))(3.0),
        ]
    assert [x.item() for x in results] == [12.0] * 7
    assert not any(x.requires_grad for x in results)


@pytest.mark.parametrize("wrap", ["plain", "vmap", "checkpoint"])
def test_no_grad_inside_of_a_differentiated_function_makes_a_constant(wrap: str) -> None:
    def f(x: ad.Tensor) -> ad.Tensor:
        with ad.no_grad():
            y = x * x
        return y * x

    g = {"plain": f, "vmap": ad.vmap(f), "checkpoint": ad.checkpoint(f)}[wrap]
    x = np.array([1.0, 2.0, 3.0])
    assert ad.grad(lambda x: ad.sum(g(x)))(x).tolist() == [1.0, 4.0, 9.0]
    assert ad.jvp(g, (x,), (np.ones(3),))[1].tolist() == [1.0, 4.0, 9.0]


@pytest.mark.parametrize("constant", [ad.stop_gradient, lambda x: x.detach()])
@pytest.mark.parametrize("around", [lambda f: f, ad.vmap, ad.checkpoint])
def test_a_constant_in_every_mode(constant: Any, around: Any) -> None:
    g = around(lambda x: constant(x * x) * x)
    x = np.array([1.0, 2.0])
    assert ad.grad(lambda x: ad.sum(g(x)))(x).tolist() == [1.0, 4.0]
    assert ad.jvp(g, (x,), (np.ones(2),))[1].tolist() == [1.0, 4.0]
    assert ad.vmap(ad.grad(lambda x: constant(x * x) * x))(x).tolist() == [1.0, 4.0]
    assert ad.grad(ad.grad(lambda x: constant(x) * x * x))(3.0).item() == 6.0


def test_vmap_records_what_it_closes_over() -> None:
    (w,) = tracked(2.0)
    out = ad.vmap(lambda x: w * w * x)(np.array([1.0, 2.0]))
    ad.sum(out).backward()
    assert w.grad.item() == 12.0


def test_results_of_vmap_want_no_gradient_where_nobody_asked() -> None:
    w, xs = np.array(2.0), np.array([1.0, 2.0])
    results = [
        ad.vmap(lambda w, x: ad.grad(lambda w: w * w * x)(w), (None, 0))(w, xs),
        *ad.vmap(lambda w, x: ad.value_and_grad(lambda w: w * w * x)(w), (None, 0))(w, xs),
        *ad.vmap(lambda w, x: ad.jvp(lambda w: w * w * x, (w,), (w,)), (None, 0))(w, xs),
        ad.vmap(lambda w, x: ad.vjp(lambda w: w * w * x, w)[0], (None, 0))(w, xs),
    ]
    assert not any(x.requires_grad for x in results)


def test_aux_stays_linked_to_what_is_tracked_outside() -> None:
    (w,) = tracked(2.0)

    def f(x: ad.Tensor) -> Any:
        h = x * x
        return ad.sum(h), w * h  # the loss does not depend on w, aux does

    gradient, aux = ad.grad(f, has_aux=True)(np.array(3.0))
    assert gradient.item() == 6.0
    aux.backward()
    assert w.grad.item() == 9.0


def test_a_value_that_is_returned_with_its_gradient_stays_linked() -> None:
    (w,) = tracked(2.0)
    value, slope = ad.value_and_grad(lambda x: w * x * x)(np.array(3.0))
    (value + slope).backward()
    assert w.grad.item() == 9.0 + 6.0
    w.grad = None
    out, pullback = ad.vjp(lambda x: w * x * x, np.array(3.0))
    (out + pullback(1.0)[0]).backward()
    assert w.grad.item() == 9.0 + 6.0


def test_a_tangent_or_cotangent_may_be_what_is_differentiated() -> None:
    a, b = tracked(2.0, 5.0)
    _, dot = ad.jvp(lambda x: x * x * x, (np.array(2.0),), (a,))
    _, pullback = ad.vjp(lambda x: x * x * x, np.array(2.0))
    (dot + pullback(b)[0]).backward()
    assert (a.grad.item(), b.grad.item()) == (12.0, 12.0)


def test_a_gradient_pass_releases_what_it_kept() -> None:
    seen: list[ad.Tensor] = []

    def f(x: ad.Tensor) -> ad.Tensor:
        seen.append(ad.sin(x))
        return ad.sum(seen[0] * seen[0])

    ad.grad(f)(np.ones(3))
    nodes = ancestors([seen[0].node], lambda node: True)
    assert all(node.saved is None for node in nodes)


def test_a_pullback_and_a_pushforward_may_be_called_many_times() -> None:
    _, pullback = ad.vjp(ad.sin, np.array(0.5))
    _, push = ad.linearize(ad.sin, np.array(0.5))
    slopes = {pullback(1.0)[0].item() for _ in range(3)} | {push(1.0).item() for _ in range(3)}
    assert slopes == {np.cos(0.5)}
