"""The gamma distribution and what is made of it: beta and Dirichlet.

All three are computed from logarithms of gamma samples, because for small parameters the samples
themselves are often below the smallest float.
"""

from __future__ import annotations

from typing import Any

from adjoint.core.bind import lift
from adjoint.core.errors import ShapeError
from adjoint.core.types import DType, Shape
from adjoint.ops.exponential import exp
from adjoint.ops.random_rejection import RandomLogGamma
from adjoint.random.generator import Generator, default_generator
from adjoint.random.parameters import (
    Size,
    fit,
    moved,
    parameter,
    tensor_of,
    the_dtype,
    the_shape,
    wide,
)

__all__ = ["beta", "dirichlet", "gamma"]


def gamma(
    shape: Any,
    scale: Any = 1.0,
    size: Size = None,
    *,
    dtype: Any = None,
    generator: Generator | None = None,
) -> Any:
    """Gamma-distributed numbers with this shape parameter.

    Args:
        shape: shape parameters, positive.
        scale: scales.
        size: shape of the result; by default that of the parameters.
        dtype: dtype of the result.
        generator: where the bits come from.

    Raises:
        ArgumentError: if a shape parameter is not positive.

    Example:
        >>> x = ad.random.gamma(2.5, size=10000, generator=ad.random.Generator(0))
        >>> round(float(x.mean()), 1)
        2.5

    **Gradient:** exact in both parameters, implicitly for `shape`: what keeps the distribution
    function at the sample constant. A second derivative in `shape` is not known.
    """
    shape, scale = parameter(shape, "shape"), parameter(scale, "scale")
    kind = the_dtype(dtype, shape, scale)
    out_shape = the_shape(size, shape, scale)
    standard = exp(_log_gamma(shape, out_shape, wide(kind), generator))
    return fit(moved(standard, 0.0, scale), kind)


def _log_gamma(alpha: Any, shape: Shape, dtype: DType, generator: Generator | None) -> Any:
    card = RandomLogGamma(shape)
    return card((generator or default_generator()).reserve(card.blocks), tensor_of(alpha, dtype))


def beta(
    a: Any,
    b: Any,
    size: Size = None,
    *,
    dtype: Any = None,
    generator: Generator | None = None,
) -> Any:
    """Beta-distributed numbers, between 0 and 1, with mean ``a / (a + b)``.

    Args:
        a: first parameters, positive.
        b: second parameters, positive.
        size: shape of the result; by default that of the parameters.
        dtype: dtype of the result.
        generator: where the bits come from.

    Example:
        >>> x = ad.random.beta(2.0, 6.0, size=10000, generator=ad.random.Generator(0))
        >>> round(float(x.mean()), 2)
        0.25

    **Gradient:** exact in both parameters, as for `gamma`.
    """
    a, b = parameter(a, "a"), parameter(b, "b")
    shape, kind = the_shape(size, a, b), the_dtype(dtype, a, b)
    log_x, log_y = (_log_gamma(p, shape, wide(kind), generator) for p in (a, b))
    return fit(1.0 / (1.0 + exp(log_y - log_x)), kind)


def dirichlet(
    alpha: Any,
    size: Size = None,
    *,
    dtype: Any = None,
    generator: Generator | None = None,
) -> Any:
    """Random proportions: Dirichlet-distributed vectors along a last axis, which sum to 1.

    Args:
        alpha: parameters, positive, (..., k).
        size: shape of the result without its last axis; by default that of `alpha`.
        dtype: dtype of the result.
        generator: where the bits come from.

    Example:
        >>> x = ad.random.dirichlet(np.array([1.0, 2.0, 3.0]), size=4)
        >>> x.shape, np.allclose(x.sum(axis=-1), 1)
        ((4, 3), True)

    **Gradient:** exact, as for `gamma`.
    """
    alpha = lift(alpha)
    if not alpha.shape:
        raise ShapeError("dirichlet: alpha must have an axis, got a scalar")
    kind = the_dtype(dtype, alpha)
    shape = alpha.shape if size is None else (*the_shape(size), alpha.shape[-1])
    logs = _log_gamma(alpha, the_shape(shape, alpha), wide(kind), generator)
    parts = exp(logs - logs.detach().max(axis=-1, keepdims=True))
    return fit(parts / parts.sum(axis=-1, keepdims=True), kind)
