"""Small programs whose printed graphs are kept: a function each, and arguments like those it takes.

Their lines show in the golden text as comments; the numbers of the lines do not.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

import adjoint as ad

Program = tuple[Callable[..., Any], tuple[Any, ...]]
PROGRAMS: dict[str, Program] = {}

X = np.zeros((5, 3))
V = np.zeros(3)
S = np.zeros(())


def program(*args: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Keep the graph of this function for arguments like these."""

    def register(f: Callable[..., Any]) -> Callable[..., Any]:
        PROGRAMS[f.__name__] = (f, args)
        return f

    return register


# -- functions -------------------------------------------------------------------------------------


@program(V)
def chain_of_maps(x: Any) -> Any:
    y = ad.exp(-x) * 2.0 + 1
    return 1.0 / y - x**2


@program(V, np.zeros((5, 1)), S)
def broadcasting(x: Any, y: Any, s: Any) -> Any:
    return (x + y) * s


@program(V, np.zeros(3, np.float32), np.zeros(3, np.int64))
def mixed_dtypes(x: Any, y: Any, n: Any) -> Any:
    return x * y, y * n, n / 2, n * 1.5


@program(X, np.zeros((3, 4)), np.zeros(4))
def dense_layer(x: Any, w: Any, b: Any) -> Any:
    return ad.tanh(x @ w + b)


@program(X)
def reductions(x: Any) -> Any:
    return ad.sum(x), ad.mean(x, axis=0), ad.max(x, axis=1), ad.sum(x, axis=-1, keepdims=True)


@program(X)
def reshaping(x: Any) -> Any:
    y = ad.reshape(x, (3, 5)).T
    return y[1:, ::2], ad.permute_dims(y, (1, 0)), ad.stack([y, y], axis=0)


@program(V)
def constants(x: Any) -> Any:
    small = x * np.array([0.1, -0.0, np.inf]) + ad.tensor([1, 2, 3])
    return small, ad.sum(x * np.linspace(0, 1, 9)[:, None])


@program(np.zeros(6))
def several_results(x: Any) -> Any:
    a, _, c = ad.split(x, 3)
    return a * c


@program({"w": V, "b": S}, V)
def containers(p: Any, x: Any) -> Any:
    return {"out": p["w"] * x + p["b"], "same": x}


# -- gradients -------------------------------------------------------------------------------------


def loss(w: Any, x: Any, y: Any) -> Any:
    h = ad.tanh(x @ w)
    return ad.mean((h - y) ** 2)


@program(V)
def gradient_of_a_square(x: Any) -> Any:
    return ad.grad(lambda x: ad.sum(x * x))(x)


@program(V, X, np.zeros(5))
def gradient_of_a_layer(w: Any, x: Any, y: Any) -> Any:
    return ad.grad(loss)(w, x, y)


@program(V, X, np.zeros(5))
def value_and_gradients(w: Any, x: Any, y: Any) -> Any:
    return ad.value_and_grad(loss, (0, 1))(w, x, y)


@program(S)
def second_derivative(x: Any) -> Any:
    return ad.grad(ad.grad(ad.sin))(x)


@program(V, S)
def gradient_with_broadcasting(x: Any, s: Any) -> Any:
    return ad.grad(lambda s: ad.sum(x * s + s))(s)


@program(X)
def gradient_through_a_mask(x: Any) -> Any:
    return ad.grad(lambda x: ad.sum(ad.where(x > 0, x, 0.0)))(x)


@program(V)
def gradient_with_a_constant(x: Any) -> Any:
    return ad.grad(lambda x: ad.sum(x * ad.stop_gradient(x)))(x)


# -- other transforms ------------------------------------------------------------------------------


@program(V, V)
def forward_mode(x: Any, dot: Any) -> Any:
    return ad.jvp(lambda x: ad.sin(x) * x, (x,), (dot,))


@program(V, V)
def hessian_vector_product(x: Any, dot: Any) -> Any:
    return ad.hvp(lambda x: ad.sum(x**3), x, dot)


@program(X, V)
def mapped_over_a_batch(x: Any, w: Any) -> Any:
    return ad.vmap(lambda x, w: ad.sum(x * w), (0, None))(x, w)


@program(V, X, np.zeros(5))
def per_example_gradients(w: Any, x: Any, y: Any) -> Any:
    return ad.per_example_grad(lambda w, x, y: (ad.sum(w * x) - y) ** 2)(w, x, y)


@program(V)
def jacobian_by_rows(x: Any) -> Any:
    return ad.jacrev(lambda x: x * x)(x)


@ad.custom_gradient
def clipped(x: Any) -> Any:
    return ad.sin(x), lambda ct: ad.clip(ct * ad.cos(x), -1.0, 1.0)


@program(V)
def stated_gradient(x: Any) -> Any:
    return clipped(x)


@program(V)
def gradient_of_a_stated_gradient(x: Any) -> Any:
    return ad.grad(lambda x: ad.sum(clipped(x)))(x)


# -- control flow ----------------------------------------------------------------------------------


def step(h: Any, x: Any) -> Any:
    h = ad.tanh(h * 0.5 + x)
    return h, ad.sum(h)


@program(np.zeros((7, 3)), V)
def scan(xs: Any, h: Any) -> Any:
    return ad.scan(step, h, xs)


@program(np.zeros((7, 3)), V)
def gradient_of_a_scan(xs: Any, h: Any) -> Any:
    return ad.grad(lambda h: ad.sum(ad.scan(step, h, xs)[1]))(h)


@program(V, S)
def choice(x: Any, s: Any) -> Any:
    return ad.cond(s > 0, lambda x: x * 2.0, lambda x: x - s, x)
