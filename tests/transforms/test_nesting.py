"""Transforms in one another, to depth three, against closed-form derivatives.

The functions are sums of ``a * sin(b * x + c)``: each transform takes such a function to another,
whose coefficients are known, so every composition has an exact value.
"""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint.core.program import evaluate

F = Callable[[Any], Any]
Waves = tuple[tuple[float, float, float], ...]
BASE: Waves = ((1.5, 1.0, 0.3), (-0.5, 2.0, 1.1))
X = 0.7


def function(waves: Waves) -> F:
    a, b, c = (np.array(column) for column in zip(*waves, strict=True))
    return lambda x: ad.sum(a * ad.sin(b * x + c))


def value(waves: Waves, x: float = X) -> float:
    return math.fsum(a * math.sin(b * x + c) for a, b, c in waves)


def derivative(waves: Waves) -> Waves:
    return tuple((a * b, b, c + math.pi / 2) for a, b, c in waves)


def unchanged(waves: Waves) -> Waves:
    return waves


def stretched(waves: Waves) -> Waves:
    return tuple((a, b * k, c) for k in (1.0, -0.5) for a, b, c in waves)


def mapped(f: F) -> F:
    return lambda x: ad.sum(ad.vmap(f)(x * np.array([1.0, -0.5])))


def mapped_over_parameters(f: F) -> F:
    """The argument is the same for every example; it is stretched inside."""
    scales = np.array([1.0, -0.5])
    return lambda x: ad.sum(ad.vmap(lambda x, k: f(x * k), (None, 0))(x, scales))


def own_gradient(f: F) -> F:
    @ad.custom_gradient
    def g(x: Any) -> Any:
        out, pullback = ad.vjp(f, x)
        return out, lambda ct: pullback(ct)[0]

    return g


def kept(f: F) -> F:
    return ad.checkpoint(f)


def by_vjp(f: F) -> F:
    return lambda x: ad.vjp(f, x)[1](np.array(1.0))[0]


def by_jvp(f: F) -> F:
    return lambda x: ad.jvp(f, (x,), (np.array(1.0),))[1]


def by_linearize(f: F) -> F:
    return lambda x: ad.linearize(f, x)[1](np.array(1.0))


def by_value_and_grad(f: F) -> F:
    return lambda x: ad.value_and_grad(lambda x: (f(x), x), has_aux=True)(x)[1]


TRANSFORMS: dict[str, tuple[Callable[[F], F], Callable[[Waves], Waves]]] = {
    "grad": (ad.grad, derivative),
    "jvp": (by_jvp, derivative),
    "vjp": (by_vjp, derivative),
    "vmap": (mapped, stretched),
    "vmap-shared": (mapped_over_parameters, stretched),
    "checkpoint": (kept, unchanged),
    "custom": (own_gradient, unchanged),
}
PAIRS = list(itertools.product(TRANSFORMS, repeat=2))
MORE = {
    "linearize": (by_linearize, derivative),
    "value_and_grad": (by_value_and_grad, derivative),
    "jacrev": (ad.jacrev, derivative),
    "jacfwd": (ad.jacfwd, derivative),
}


def composed(names: tuple[str, ...]) -> tuple[F, Waves]:
    """The function with the transforms applied, the last name first, and its coefficients."""
    f, waves = function(BASE), BASE
    for name in reversed(names):
        transform, known = (TRANSFORMS | MORE)[name]
        f, waves = transform(f), known(waves)
    return f, waves


@pytest.mark.parametrize("outer", PAIRS, ids="-".join)
def test_compositions_of_three(outer: tuple[str, str]) -> None:
    for innermost in TRANSFORMS:
        names = (*outer, innermost)
        f, waves = composed(names)
        found = f(np.array(X))
        assert found.dtype == np.float64, names
        assert not found.requires_grad, names
        assert found.item() == pytest.approx(value(waves), rel=1e-12, abs=1e-12), names


@pytest.mark.parametrize("name", MORE)
def test_the_other_transforms_within_and_around_each(name: str) -> None:
    for other in TRANSFORMS | MORE:
        for names in ((name, other), (other, name), (name, other, name)):
            f, waves = composed(names)
            assert f(np.array(X)).item() == pytest.approx(value(waves), rel=1e-12), names


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_a_composition_can_be_traced_and_the_graph_is_the_function(pair: tuple[str, str]) -> None:
    f, waves = composed(pair)
    graph = ad.trace(f, np.array(0.0))
    graph.verify()
    (found,) = evaluate(graph, [np.array(X)], constant=lambda tensor: tensor.value)
    assert float(found) == pytest.approx(value(waves), rel=1e-12)


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_a_composition_is_differentiated_by_backward(pair: tuple[str, str]) -> None:
    f, waves = composed(pair)
    x = ad.tensor(np.array(X), requires_grad=True)
    f(x).backward()
    assert x.grad.item() == pytest.approx(value(derivative(waves)), rel=1e-12)


@pytest.mark.parametrize("name", ["grad", "jvp", "vjp", "jacrev", "jacfwd"])
def test_the_fifth_derivative(name: str) -> None:
    f, waves = composed((name,) * 5)
    assert f(np.array(X)).item() == pytest.approx(value(waves), rel=1e-11)


# -- perturbation confusion: a derivative belongs to the transform that asked for it ---------------

DERIVATIVES = {"grad": ad.grad, "jvp": by_jvp, "vjp": by_vjp, "jacfwd": ad.jacfwd}
PAIRS_OF_DERIVATIVES = list(itertools.product(DERIVATIVES, repeat=2))


@pytest.mark.parametrize("pair", PAIRS_OF_DERIVATIVES, ids="-".join)
def test_an_inner_derivative_does_not_see_the_outer_one(pair: tuple[str, str]) -> None:
    outer, inner = (DERIVATIVES[name] for name in pair)
    # Siskind and Pearlmutter (2005): d/dx (x * d/dy (x + y)) is 1, not 2
    assert outer(lambda x: x * inner(lambda y: x + y)(1.0))(1.0).item() == 1.0
    # d/dx (x * d/dy (x * y)) = 2 x
    assert outer(lambda x: x * inner(lambda y: x * y)(2.0))(3.0).item() == 6.0
    # d/dx (d/dy (x * y * y) at y = x) = d/dx (2 x * x) = 4 x
    assert outer(lambda x: inner(lambda y: x * y * y)(x))(3.0).item() == 12.0


@pytest.mark.parametrize("pair", PAIRS_OF_DERIVATIVES, ids="-".join)
def test_and_neither_does_it_under_vmap(pair: tuple[str, str]) -> None:
    outer, inner = (DERIVATIVES[name] for name in pair)
    f = ad.vmap(outer(lambda x: inner(lambda y: x * y * y)(x) + x * inner(lambda y: x + y)(x)))
    assert f(ad.tensor([1.0, 2.0])).tolist() == [5.0, 9.0]


def test_functions_made_inside_of_others_keep_their_variables_apart() -> None:
    # Manzyuk et al. (2019): a derivative of a function that returns a function
    def shift(u: Any) -> Callable[[F], F]:
        return lambda f: lambda x: f(x + u)

    def d(f: Callable[[Any], Callable[[F], F]]) -> Callable[[F], F]:
        return lambda g: lambda x: ad.jvp(lambda u: f(u)(g)(x), (0.0,), (1.0,))[1]

    once = d(shift)
    assert once(once(ad.exp))(1.0).item() == pytest.approx(math.e, rel=1e-6)
