"""Loops with smaller steps compute what they did, and so do their derivatives."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint.core.graph import Pick
from adjoint.core.program import Graph
from adjoint.core.tree import flatten
from adjoint.passes.pipeline import optimise
from adjoint.transforms.control_scan import Scan
from tests.passes.random_graphs import run

D = np.float64
RNG = np.random.default_rng(5)
XS, W, U, B, H = (RNG.normal(size=s) / 2 for s in ((6, 2, 3), (3, 4), (4, 4), (4,), (2, 4)))


def rnn(xs: Any, w: Any, u: Any, b: Any, h: Any) -> Any:
    def step(h: Any, x: Any) -> Any:
        h = ad.tanh(x @ w + h @ u + b * 2.0)
        return h, h * 3.0

    return ad.scan(step, h, xs)


def loss_of(f: Callable[..., Any], *more: Any, **options: Any) -> Callable[..., Any]:
    def loss(*args: Any) -> Any:
        last, ys = f(*args, *more, **options)
        return ad.sum(last * last) + ad.sum(ad.sin(ys))

    return ad.value_and_grad(loss, argnums=(0, 1, 2, 3, 4))


def scans(graph: Graph) -> list[Any]:
    return [n.op for n in graph.nodes if n.op.__class__ is not Pick and isinstance(n.op, Scan)]


def compared(f: Callable[..., Any], *args: Any) -> Graph:
    """The graph after the passes; that it computes the same is checked."""
    before = ad.trace(f, *args)
    after = optimise(before, check=True)
    values = flatten(args)[0]
    for a, b in zip(run(before, values), run(after, values), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-12, atol=1e-12 * np.abs(a).max(initial=1e-30))
    assert optimise(after) is after
    return after


def names(graph: Graph) -> list[str]:
    return [n.op.name for n in graph.nodes if n.op.__class__ is not Pick]


def test_products_of_the_inputs_are_one_product_before_the_loop() -> None:
    after = compared(rnn, XS, W, U, B, H)
    (scan,) = scans(after)
    assert names(scan.body).count("matmul") == 1
    assert names(after) == ["matmul", "multiply", "scan"]


def test_gradients_of_weights_are_one_product_after_the_loop() -> None:
    after = compared(loss_of(rnn), XS, W, U, B, H)
    forward, backward = scans(after)
    assert names(forward.body).count("matmul") == 1
    assert names(backward.body).count("matmul") == 1
    assert "tanh" not in names(backward.body), "it is remembered"


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [0, 1, 2])
def test_short_loops_and_both_directions(length: int, reverse: bool) -> None:
    def f(xs: Any, w: Any, u: Any, b: Any, h: Any) -> Any:
        return ad.scan(lambda h, x: (ad.tanh(x @ w + h @ u + b), h), h, xs, reverse=reverse)

    compared(loss_of(f), XS[:length], W, U, B, H)


def test_a_second_derivative() -> None:
    def inner(xs: Any, w: Any, u: Any, b: Any, h: Any) -> Any:
        return ad.sum(ad.grad(lambda w: ad.sum(rnn(xs, w, u, b, h)[0] ** 2))(w) ** 2)

    compared(ad.grad(inner, argnums=(1, 2)), XS, W, U, B, H)


def test_layers_of_loops_that_share_weights() -> None:
    def layer(w: Any, u: Any, b: Any) -> Any:
        return lambda c, x: (ad.tanh(x @ w + c @ u + b),) * 2

    def f(xs: Any, w: Any, u: Any, b: Any, h: Any) -> Any:
        _, ys = ad.scan(layer(w, u, b), h, xs)
        return ad.scan(layer(u, u, b), h, ys, reverse=True)

    after = compared(loss_of(f), XS, W, U, B, H)
    assert [names(scan.body).count("matmul") for scan in scans(after)] == [1, 1, 1, 1]


def test_indices_and_several_carries() -> None:
    places = np.array([0, 1, 2, 1, 0, 2])

    def f(xs: Any, w: Any, u: Any, b: Any, h: Any) -> Any:
        def step(carry: Any, pair: Any) -> Any:
            place, x = pair
            low, high = carry
            low = ad.tanh(ad.take(w, place, axis=0) + x @ w + low @ u + b)
            high = ad.sigmoid(low @ u + high @ u)
            return (low, high), (high @ u, low)

        (low, high), (a, b) = ad.scan(step, (h, h), (ad.tensor(places), xs))
        return low + high, a * b

    compared(loss_of(f), XS, W, U, B, H)


def test_what_nobody_asks_for_goes() -> None:
    def f(xs: Any) -> Any:
        def step(carry: Any, x: Any) -> Any:
            total, dead, still = carry
            return (total + x * still, dead * 2.0 + total, still), (total, ad.exp(dead))

        start = ad.zeros(3, dtype=D), ad.ones(3, dtype=D), ad.ones(3, dtype=D) * 2.0
        (total, _, still), (totals, _) = ad.scan(step, start, xs)
        return total, totals, still

    (scan,) = scans(compared(f, RNG.normal(size=(5, 3))))
    assert (scan.n_carry, len(scan.body.outputs), scan.n_consts) == (1, 2, 1)


def test_a_loop_that_does_nothing_is_not_there() -> None:
    def f(xs: Any, y: Any) -> Any:
        return ad.scan(lambda c, x: (c, x), y, xs)

    assert len(compared(f, RNG.normal(size=(5, 3)), RNG.normal(size=2))) == 0


def test_a_total_of_products_needs_no_loop() -> None:
    def f(xs: Any, ys: Any) -> Any:
        start = ad.ones((3, 4), dtype=D)
        return ad.scan(lambda t, p: (t + p[0].mT @ p[1], None), start, (xs, ys))[0]

    after = compared(f, RNG.normal(size=(6, 2, 3)), RNG.normal(size=(6, 2, 4)))
    assert names(after) == ["matmul", "add"]


def test_branches_and_loops_inside_of_loops() -> None:
    def f(xs: Any, w: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            inner, _ = ad.scan(lambda k, _: (ad.tanh(k * 1.0 + x @ w), None), h, length=3)
            h = ad.cond(ad.sum(inner) > 0, lambda h: ad.negative(-h), lambda h: h * 0.5, inner)
            return h, ad.sum(h)

        last, sums = ad.scan(step, ad.zeros(4, dtype=D), xs)
        return ad.sum(last * last) + ad.sum(sums)

    compared(ad.value_and_grad(f, argnums=(0, 1)), RNG.normal(size=(4, 3)), W)
