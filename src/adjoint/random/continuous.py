"""Samplers with a density. Each is a formula in its parameters, so gradients reach those.

Every sampler takes, by keyword, `size` (by default the shape to which the parameters broadcast),
`dtype` (by default that of the parameters) and `generator` (by default the library's own).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from adjoint.core.bind import SCALARS, lift
from adjoint.core.errors import ArgumentError, DTypeError, ShapeError
from adjoint.core.graph import Handle
from adjoint.core.types import (
    FLOAT,
    DType,
    Shape,
    as_dtype,
    broadcast_shapes,
    default_dtype,
    dtype_kind,
    promote,
)
from adjoint.ops.bitwise import bitwise_right_shift
from adjoint.ops.complex_parts import sign
from adjoint.ops.error_function import erf, erfinv
from adjoint.ops.exponential import exp, log, log1p
from adjoint.ops.families import CAST
from adjoint.ops.random_rejection import RandomLogGamma
from adjoint.ops.select import maximum, minimum
from adjoint.ops.trigonometric import cos
from adjoint.random.generator import Generator, default_generator

Size = int | Shape | list[int] | None

__all__ = [
    "beta",
    "dirichlet",
    "dropout_mask",
    "exponential",
    "gamma",
    "gumbel",
    "laplace",
    "normal",
    "truncated_normal",
    "uniform",
]

# How many leading bits of a word (or of two) fill the significand.
_DIGITS = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}


def fraction(size: Shape, dtype: DType, generator: Generator | None, inside: bool = False) -> Any:
    """Multiples of a power of two in [0, 1), as many as the dtype tells apart.

    Args:
        size: shape of the result.
        dtype: a real floating dtype.
        generator: the generator, or None for the default one.
        inside: take the middles of half as many cells, so that neither 0 nor 1 occurs.
    """
    source = generator or default_generator()
    digits = _DIGITS[dtype.name] - inside
    high = source.bits(size)
    if digits <= 32:
        whole = CAST[dtype](bitwise_right_shift(high, 32 - digits))
    else:
        low = bitwise_right_shift(source.bits(size), 64 - digits - 5)
        whole = CAST[dtype](bitwise_right_shift(high, 5)) * 2.0 ** (digits - 27) + CAST[dtype](low)
    return (whole + 0.5 if inside else whole) * 2.0**-digits


def the_shape(size: Size, *parameters: Any) -> Shape:
    """The shape of a sample: `size`, or what the parameters broadcast to.

    Raises:
        ShapeError: if the parameters do not broadcast to `size`.
    """
    shapes = [getattr(p, "shape", ()) for p in parameters]
    if size is None:
        return broadcast_shapes((), *shapes)
    shape = (size,) if isinstance(size, int | np.integer) else tuple(size)
    if broadcast_shapes(shape, *shapes) != shape:
        raise ShapeError(f"parameters of shapes {shapes} do not broadcast to the size {shape}")
    return shape


def the_dtype(dtype: Any, *parameters: Any) -> DType:
    """The dtype of a sample: as asked, or that of the parameters, or the default."""
    if dtype is None:
        kinds = [p.dtype for p in parameters if p.__class__ not in SCALARS]
        found = promote(*kinds) if kinds else default_dtype()
        return found if dtype_kind(found) >= FLOAT else default_dtype()
    found = as_dtype(dtype)
    if found.name not in _DIGITS:
        raise DTypeError(f"random numbers with a density are real floats, not {found}")
    return found


def parameter(value: Any, name: str) -> Any:
    """A parameter as a Python scalar or a tensor of real numbers.

    Raises:
        ArgumentError: if it is a tuple or list, which is a size in the wrong place.
    """
    if isinstance(value, tuple):
        raise ArgumentError(f"{name} is the tuple {value}; if it is the shape, say size={value}")
    if value.__class__ in SCALARS or isinstance(value, Handle):
        return value
    return lift(value)


def fit(sample: Any, dtype: DType) -> Any:
    """The sample in the dtype that it shall have."""
    return sample if sample.dtype == dtype else CAST[dtype](sample)


def wide(dtype: DType) -> DType:
    """The dtype to compute in: half precision is for the result alone."""
    return dtype if dtype in (np.float32, np.float64) else np.dtype(np.float32)


def uniform(
    low: Any = 0.0,
    high: Any = 1.0,
    size: Size = None,
    *,
    dtype: Any = None,
    generator: Generator | None = None,
) -> Any:
    """Numbers that are equally likely anywhere from `low` to `high`, without `high`.

    With the standard limits the results are exact multiples of 2**-24 in float32 and of 2**-53 in
    float64. With others rounding may yield `high` itself.

    Args:
        low: lower limits.
        high: upper limits.
        size: shape of the result; by default that of the limits.
        dtype: dtype of the result.
        generator: where the bits come from.

    Example:
        >>> ad.random.uniform(size=3, generator=ad.random.Generator(7))
        tensor([0.9545971 , 0.7501522 , 0.11417735])

    **Gradient:** one minus the fraction for `low`, the fraction for `high`.
    """
    low, high = parameter(low, "low"), parameter(high, "high")
    shape, kind = the_shape(size, low, high), the_dtype(dtype, low, high)
    u = fraction(shape, kind, generator)
    if low.__class__ in SCALARS and high.__class__ in SCALARS and (low, high) == (0, 1):
        return u
    return fit(low + (high - low) * u, kind)


def normal(
    loc: Any = 0.0,
    scale: Any = 1.0,
    size: Size = None,
    *,
    dtype: Any = None,
    generator: Generator | None = None,
) -> Any:
    """Normally distributed numbers with mean `loc` and standard deviation `scale`.

    By the Box-Muller transform, one number for each pair of uniform ones.

    Args:
        loc: means.
        scale: standard deviations.
        size: shape of the result; by default that of the parameters.
        dtype: dtype of the result.
        generator: where the bits come from.

    Example:
        >>> ad.random.normal(10.0, 2.0, size=3, generator=ad.random.Generator(7))
        tensor([ 5.8522487, 10.935013 , 10.464666 ])

    **Gradient:** 1 for `loc`, the standardised number for `scale`.
    """
    loc, scale = parameter(loc, "loc"), parameter(scale, "scale")
    shape, kind = the_shape(size, loc, scale), the_dtype(dtype, loc, scale)
    return fit(_moved(_standard_normal(shape, wide(kind), generator), loc, scale), kind)


def _standard_normal(shape: Shape, dtype: DType, generator: Generator | None) -> Any:
    radius = (-2.0 * log(1.0 - fraction(shape, dtype, generator))) ** 0.5
    return radius * cos(2 * math.pi * fraction(shape, dtype, generator))


def _moved(standard: Any, loc: Any, scale: Any) -> Any:
    """``loc + scale * standard``, with nothing done for the standard parameters."""
    if scale.__class__ not in SCALARS or scale != 1:
        standard = standard * scale
    if loc.__class__ not in SCALARS or loc != 0:
        standard = standard + loc
    return standard


def truncated_normal(
    loc: Any = 0.0,
    scale: Any = 1.0,
    low: Any = -2.0,
    high: Any = 2.0,
    size: Size = None,
    *,
    dtype: Any = None,
    generator: Generator | None = None,
) -> Any:
    """Normally distributed numbers, given that they lie from `low` to `high`.

    By the inverse of the distribution function, which is flat far from the mean: limits that both
    lie beyond five standard deviations on one side leave few different numbers in float32.

    Args:
        loc: mean of the untruncated distribution.
        scale: its standard deviation.
        low: lower limits of the result, not counted in standard deviations.
        high: upper limits.
        size: shape of the result; by default that of the parameters.
        dtype: dtype of the result.
        generator: where the bits come from.

    Example:
        >>> x = ad.random.truncated_normal(size=1000)
        >>> float(abs(x).max()) <= 2.0
        True

    **Gradient:** that of the inverse distribution function, in all four parameters.
    """
    loc, scale = parameter(loc, "loc"), parameter(scale, "scale")
    low, high = parameter(low, "low"), parameter(high, "high")
    every = (loc, scale, low, high)
    shape, kind = the_shape(size, *every), the_dtype(dtype, *every)
    inner = wide(kind)
    a, b = (erf(_as(x - loc, inner) / (scale * math.sqrt(2))) for x in (low, high))
    u = fraction(shape, inner, generator, inside=True)
    standard = erfinv(a + (b - a) * u) * math.sqrt(2)
    # rounding may lead out of the limits, in the last digit or to infinity
    return fit(minimum(maximum(_moved(standard, loc, scale), low), high), kind)


def _as(x: Any, dtype: DType) -> Any:
    return fit(lift(x), dtype)


def exponential(
    scale: Any = 1.0,
    size: Size = None,
    *,
    dtype: Any = None,
    generator: Generator | None = None,
) -> Any:
    """Waiting times with mean `scale`: exponentially distributed numbers.

    Args:
        scale: means.
        size: shape of the result; by default that of `scale`.
        dtype: dtype of the result.
        generator: where the bits come from.

    Example:
        >>> x = ad.random.exponential(3.0, size=10000, generator=ad.random.Generator(0))
        >>> round(float(x.mean()), 1)
        3.0

    **Gradient:** the standard number for `scale`.
    """
    scale = parameter(scale, "scale")
    shape, kind = the_shape(size, scale), the_dtype(dtype, scale)
    standard = -log(1.0 - fraction(shape, wide(kind), generator))
    return fit(_moved(standard, 0.0, scale), kind)


def gumbel(
    loc: Any = 0.0,
    scale: Any = 1.0,
    size: Size = None,
    *,
    dtype: Any = None,
    generator: Generator | None = None,
) -> Any:
    """Gumbel-distributed numbers: what makes an argmax a draw from a softmax.

    Args:
        loc: modes.
        scale: scales.
        size: shape of the result; by default that of the parameters.
        dtype: dtype of the result.
        generator: where the bits come from.

    **Gradient:** 1 for `loc`, the standard number for `scale`.
    """
    loc, scale = parameter(loc, "loc"), parameter(scale, "scale")
    shape, kind = the_shape(size, loc, scale), the_dtype(dtype, loc, scale)
    standard = -log(-log(fraction(shape, wide(kind), generator, inside=True)))
    return fit(_moved(standard, loc, scale), kind)


def laplace(
    loc: Any = 0.0,
    scale: Any = 1.0,
    size: Size = None,
    *,
    dtype: Any = None,
    generator: Generator | None = None,
) -> Any:
    """Laplace-distributed numbers: an exponential fall on either side of `loc`.

    Args:
        loc: means.
        scale: mean distances from it.
        size: shape of the result; by default that of the parameters.
        dtype: dtype of the result.
        generator: where the bits come from.

    **Gradient:** 1 for `loc`, the standard number for `scale`.
    """
    loc, scale = parameter(loc, "loc"), parameter(scale, "scale")
    shape, kind = the_shape(size, loc, scale), the_dtype(dtype, loc, scale)
    v = 2.0 * fraction(shape, wide(kind), generator, inside=True) - 1.0
    return fit(_moved(-sign(v) * log1p(-abs(v)), loc, scale), kind)


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
    return fit(_moved(standard, 0.0, scale), kind)


def _log_gamma(alpha: Any, shape: Shape, dtype: DType, generator: Generator | None) -> Any:
    card = RandomLogGamma(shape)
    return card((generator or default_generator()).reserve(card.blocks), _as(alpha, dtype))


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


def dropout_mask(
    p: float,
    size: Size = (),
    *,
    dtype: Any = None,
    generator: Generator | None = None,
) -> Any:
    """Factors for dropout: 0 with probability `p`, else ``1 / (1 - p)``, so that the mean is 1.

    Args:
        p: probability that an element is dropped.
        size: shape of the result.
        dtype: dtype of the result.
        generator: where the bits come from.

    Raises:
        ArgumentError: if `p` is not a probability.

    Example:
        >>> ad.random.dropout_mask(0.5, size=6, generator=ad.random.Generator(0))
        tensor([0., 2., 2., 2., 2., 0.])
    """
    if not 0 <= p <= 1:
        raise ArgumentError(f"dropout_mask: p must be from 0 to 1, got {p}")
    kind = the_dtype(dtype)
    keep = fraction(the_shape(size), np.dtype(np.float32), generator) >= p
    return CAST[kind](keep) * (1 / (1 - p) if p < 1 else 0.0)
