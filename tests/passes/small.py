"""Small programs for each pass, whose graphs before and after it are kept."""

from collections.abc import Callable
from typing import Any

import numpy as np

import adjoint as ad
from adjoint.core.program import Graph
from adjoint.passes.broadcast import broadcast
from adjoint.passes.contract import contract
from adjoint.passes.cse import cse
from adjoint.passes.dce import dce
from adjoint.passes.fold import fold
from adjoint.passes.pads import pads
from adjoint.passes.pipeline import optimise
from adjoint.passes.simplify import simplify
from adjoint.passes.views import views

F = np.float32
X = np.zeros((2, 3), F)
V = np.zeros(3, F)
S = np.zeros((), F)
ROW, COLUMN = np.zeros((1, 3), F), np.zeros((2, 1), F)

Small = tuple[Callable[[Graph], Graph], Callable[..., Any], tuple[Any, ...]]
SMALL: dict[str, Small] = {}


def shown(apply: Callable[[Graph], Graph], *args: Any) -> Any:
    """Keep the graph of the decorated function before and after a pass."""

    def register(f: Callable[..., Any]) -> Callable[..., Any]:
        SMALL[f.__name__] = (apply, f, args)
        return f

    return register


@shown(fold, V)
def known_numbers(x: Any) -> Any:
    table = ad.arange(3, dtype="float32")
    return x * (table * 2.0 + 1.0), ad.sum(table) * ad.sum(x)


@shown(simplify, V, V)
def signs_and_ones(x: Any, y: Any) -> Any:
    return ad.negative(-x), x + (-y), (-x) * (-y), (-x) * 2.0, x * 1.0 - 0.0, x / 4, x / 3


@shown(simplify, V)
def what_is_not_exact_stays(x: Any) -> Any:
    return x + 0.0, x * 0.0, ad.sum(-x), x**0.5, 0.0 - x


@shown(simplify, V)
def powers_and_conversions(x: Any) -> Any:
    wide = x.astype("float64")
    return x**2, x**3, wide.astype("float32"), wide.astype("int32").astype("float32")


@shown(simplify, V)
def gradients_have_been_taken(x: Any) -> Any:
    return ad.value_and_grad(lambda x: ad.sum(x * ad.stop_gradient(x)))(x)


@shown(simplify, V, V)
def known_choices(x: Any, y: Any) -> Any:
    yes = ad.tensor([True, True, True])
    return ad.where(yes, x, y), ad.where(x > y, y, y), ad.where(yes, 1.0, x)


@shown(views, X)
def views_of_views(x: Any) -> Any:
    flat = ad.reshape(ad.reshape(x, (3, 2)), (6,))
    wide = ad.broadcast_to(ad.broadcast_to(x, (4, 2, 3)), (5, 4, 2, 3))
    return flat, x.T.T, wide, x[1:][:, 1:][0], x[:, :]


@shown(views, X)
def reductions_of_views(x: Any) -> Any:
    tall = ad.reshape(x, (2, 1, 3))
    return (
        ad.sum(tall, axis=1),
        ad.max(tall, axis=1),
        ad.sum(tall, axis=(0, 1)),
        ad.sum(x.T, axis=0),
    )


@shown(broadcast, X, V, S)
def repeats(x: Any, v: Any, s: Any) -> Any:
    wide = ad.broadcast_to(v, (2, 3))
    return x + wide, ad.exp(wide) * 2.0, x * ad.broadcast_to(s, (2, 3))


@shown(broadcast, X)
def kept_axes(x: Any) -> Any:
    mean = ad.mean(x, axis=1, keepdims=True)
    return x / ad.sqrt(mean * mean + 1e-5)


@shown(broadcast, X)
def one_number_throughout(x: Any) -> Any:
    return x * ad.full((2, 3), 0.5), ad.where(x > ad.zeros((2, 3)), x, ad.zeros((2, 3)))


@shown(contract, X, X)
def transposed_products(x: Any, y: Any) -> Any:
    return x @ y.T, (x.T @ y).T


@shown(pads, X)
def gradients_of_parts(x: Any) -> Any:
    return ad.grad(lambda x: ad.sum(ad.tanh(x[:, :1]) * ad.exp(x[:, 1:])))(x)


@shown(cse, V)
def the_same_twice(x: Any) -> Any:
    return ad.exp(x * 2.0) + ad.exp(x * 2.0), x * 2, x * ad.tensor([1.0, 2.0, 3.0])


@shown(dce, V, V)
def what_nobody_needs(x: Any, y: Any) -> Any:
    """The second result is left out of the graph before."""
    h = ad.sin(x)
    return h * 2.0, ad.exp(h) * ad.tensor([1.0, 2.0, 3.0])


@shown(optimise, X, V, V)
def layer_norm(x: Any, gain: Any, shift: Any) -> Any:
    def loss(x: Any, gain: Any, shift: Any) -> Any:
        mean = ad.mean(x, axis=-1, keepdims=True)
        var = ad.var(x, axis=-1, keepdims=True)
        return ad.sum(ad.tanh((x - mean) * ad.rsqrt(var + 1e-5) * gain + shift))

    return ad.value_and_grad(loss, argnums=(0, 1, 2))(x, gain, shift)


@shown(optimise, X, np.zeros(2, np.int64))
def cross_entropy(logits: Any, labels: Any) -> Any:
    def loss(logits: Any) -> Any:
        logp = ad.log_softmax(logits)
        return -ad.mean(ad.take_along_axis(logp, ad.expand_dims(labels, axis=-1), axis=-1))

    return ad.value_and_grad(loss)(logits)


@shown(optimise, np.zeros((4, 3), F), V)
def a_loop(xs: Any, start: Any) -> Any:
    def step(h: Any, x: Any) -> Any:
        h = ad.tanh(ad.negative(-h) * 1.0 + ad.stop_gradient(x))
        return h, h / 2

    return ad.scan(step, start, xs)
