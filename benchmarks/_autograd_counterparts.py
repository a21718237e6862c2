"""What stands for the names of HIPS autograd when its example scripts run on this library.

`COUNTERPARTS` lists them; names that are not in it have none. The docstrings say which of ours is
the nearest, and what is different about it.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

import adjoint as ad

F = Callable[..., Any]


def scalar(f: F) -> F:
    """The function with a result of one element as a number: ours insist on the shape ()."""
    return lambda *args, **kwargs: np.reshape(f(*args, **kwargs), ())


def grad(f: F, argnum: Any = 0) -> F:
    """``ad.grad``, whose argument is called `argnums`."""
    return ad.grad(scalar(f), argnum)


def value_and_grad(f: F, argnum: Any = 0) -> F:
    """``ad.value_and_grad``, whose argument is called `argnums`."""
    return ad.value_and_grad(scalar(f), argnum)


def jacobian(f: F, argnum: Any = 0) -> F:
    """``ad.jacobian``, whose argument is called `argnums`."""
    return ad.jacobian(f, argnum)


def elementwise_grad(f: F, argnum: Any = 0) -> F:
    """The gradient of the sum of the results."""
    return ad.grad(lambda *args, **kwargs: np.sum(f(*args, **kwargs)), argnum)


def hessian_vector_product(f: F, argnum: int = 0) -> F:
    """``ad.hvp`` at the arguments but the last, which is the vector."""

    def product(*args: Any) -> Any:
        *xs, v = args
        return ad.hvp(lambda x: scalar(f)(*xs[:argnum], x, *xs[argnum + 1 :]), (xs[argnum],), (v,))

    return product


class Primitive:
    """A function with rules from `defvjp`: ``ad.custom_gradient``, which takes both at once."""

    def __init__(self, f: F) -> None:
        functools.update_wrapper(self, f)
        self.f = f
        self.rules: tuple[F, ...] = ()

    def __call__(self, *args: Any) -> Any:
        @ad.custom_gradient
        def with_rules(*xs: Any) -> Any:
            out = self.f(*xs)
            pulls = [rule(out, *xs) for rule in self.rules]
            return out, lambda ct: tuple(pull(ct) for pull in pulls)

        return with_rules(*args)


def defvjp(f: Primitive, *rules: F) -> None:
    """Give a primitive its rules: ``rule(ans, *args)`` returns the pullback of one argument."""
    f.rules = rules


def check_grads(f: F, modes: Any = ("fwd", "rev"), order: int = 2) -> F:
    """``ad.testing.check_grads``, which takes the arguments as well."""
    names = {"fwd": "forward", "rev": "reverse"}
    return lambda *args: ad.testing.check_grads(f, args, order, [names[m] for m in modes])


def flatten(tree: Any) -> tuple[Any, F]:
    """A tree as one vector, and the way back; keys of dicts in sorted order."""
    if isinstance(tree, dict):
        keys = sorted(tree)
        vector, back = flatten([tree[k] for k in keys])
        return vector, lambda v: dict(zip(keys, back(v), strict=True))
    if isinstance(tree, list | tuple):
        parts = [flatten(x) for x in tree]
        ends = np.cumsum([0, *(len(p) for p, _ in parts)])
        backs = [back for _, back in parts]

        def build(v: Any) -> Any:
            pieces = (v[i:j] for i, j in itertools.pairwise(ends))
            return type(tree)(b(p) for b, p in zip(backs, pieces, strict=True))

        return np.concatenate([p for p, _ in parts]), build
    return np.ravel(tree), lambda v: np.reshape(v, np.shape(tree))


def flatten_func(f: F, example: Any) -> tuple[F, F, Any]:
    """A function of a tree as a function of the vector."""
    vector, back = flatten(example)
    return lambda v, *args: flatten(f(back(v), *args))[0], back, vector


def fixed_point(f: F, a: Any, x0: Any, distance: F, tol: float) -> Any:
    """The loop on constants, for numbers; two steps of Newton's method carry the derivatives.

    The first makes the first derivative right, the second all up to the third.
    """
    step = f(ad.stop_gradient(a))
    x, before = step(x0), x0
    while distance(x, before) > tol:
        x, before = step(x), x
    for _ in range(2):
        x = x + (f(a)(x) - x) / (1.0 - ad.grad(f(a))(x))
    return x


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """``ad.logsumexp``, whose options are keywords."""
    return ad.logsumexp(x, axis=axis, keepdims=keepdims)


def norm_logpdf(x: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
    """Logarithm of the normal density."""
    return -0.5 * ((x - loc) / scale) ** 2 - np.log(scale) - 0.5 * math.log(2 * math.pi)


def norm_pdf(x: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
    """The normal density."""
    return np.exp(norm_logpdf(x, loc, scale))


def norm_cdf(x: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
    """The normal distribution function."""
    return 0.5 * (1.0 + ad.erf((x - loc) / (scale * math.sqrt(2))))


def t_logpdf(x: Any, df: float, loc: Any = 0.0, scale: Any = 1.0) -> Any:
    """Logarithm of Student's density."""
    whole = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - 0.5 * math.log(df * math.pi)
    return whole - (df + 1) / 2 * np.log1p(((x - loc) / scale) ** 2 / df) - np.log(scale)


def mvn_logpdf(x: Any, mean: Any, cov: Any) -> Any:
    """Logarithm of the density of a normal vector."""
    gap = x - mean
    solved = np.linalg.solve(cov, gap[..., None])[..., 0]
    logdet = np.linalg.slogdet(cov)[1]
    return -0.5 * (np.sum(gap * solved, axis=-1) + logdet + len(cov) * math.log(2 * math.pi))


def mvn_pdf(x: Any, mean: Any, cov: Any) -> Any:
    """The density of a normal vector."""
    return np.exp(mvn_logpdf(x, mean, cov))


def convolve(x: Any, y: Any, axes: Any, dot_axes: Any, mode: str) -> Any:
    """``ad.conv2d`` of images with filters, which it slides without turning them around."""
    if (axes, dot_axes, mode) != (([2, 3], [2, 3]), ([1], [0]), "valid"):
        raise NotImplementedError("only the convolution of images with filters has a counterpart")
    return ad.conv2d(x, np.transpose(y, (1, 0, 2, 3))[:, :, ::-1, ::-1])


COUNTERPARTS: dict[str, dict[str, Any]] = {
    "autograd": {
        "grad": grad,
        "value_and_grad": value_and_grad,
        "jacobian": jacobian,
        "elementwise_grad": elementwise_grad,
        "hessian_vector_product": hessian_vector_product,
        "checkpoint": ad.checkpoint,
    },
    "autograd.extend": {"primitive": Primitive, "defvjp": defvjp},
    "autograd.test_util": {"check_grads": check_grads},
    "autograd.misc": {"flatten": flatten},
    "autograd.misc.flatten": {"flatten": flatten, "flatten_func": flatten_func},
    "autograd.misc.fixed_points": {"fixed_point": fixed_point},
    "autograd.scipy.special": {"logsumexp": logsumexp, "gammaln": ad.lgamma, "expit": ad.sigmoid},
    "autograd.scipy.signal": {"convolve": convolve},
    "autograd.scipy.stats.norm": {"logpdf": norm_logpdf, "pdf": norm_pdf, "cdf": norm_cdf},
    "autograd.scipy.stats.t": {"logpdf": t_logpdf},
    "autograd.scipy.stats.multivariate_normal": {"logpdf": mvn_logpdf, "pdf": mvn_pdf},
}
