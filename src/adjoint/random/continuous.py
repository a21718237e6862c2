"""Samplers with a density. Each is a formula in its parameters, so gradients reach those.

Every sampler takes, by keyword, `size` (by default the shape to which the parameters broadcast),
`dtype` (by default that of the parameters) and `generator` (by default the library's own).
"""

from __future__ import annotations

import math
from typing import Any

from adjoint.core.bind import SCALARS
from adjoint.core.types import DType, Shape
from adjoint.ops.complex_parts import sign
from adjoint.ops.error_function import erf, erfinv
from adjoint.ops.exponential import log, log1p
from adjoint.ops.select import maximum, minimum
from adjoint.ops.trigonometric import cos
from adjoint.random.generator import Generator
from adjoint.random.parameters import (
    Size,
    fit,
    fraction,
    moved,
    parameter,
    tensor_of,
    the_dtype,
    the_shape,
    wide,
)

__all__ = ["exponential", "gumbel", "laplace", "normal", "truncated_normal", "uniform"]


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
    return fit(moved(_standard_normal(shape, wide(kind), generator), loc, scale), kind)


def _standard_normal(shape: Shape, dtype: DType, generator: Generator | None) -> Any:
    radius = (-2.0 * log(1.0 - fraction(shape, dtype, generator))) ** 0.5
    return radius * cos(2 * math.pi * fraction(shape, dtype, generator))


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
    a, b = (erf(tensor_of(x - loc, inner) / (scale * math.sqrt(2))) for x in (low, high))
    u = fraction(shape, inner, generator, inside=True)
    standard = erfinv(a + (b - a) * u) * math.sqrt(2)
    # rounding may lead out of the limits, in the last digit or to infinity
    return fit(minimum(maximum(moved(standard, loc, scale), low), high), kind)


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
    return fit(moved(standard, 0.0, scale), kind)


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

    Example:
        >>> x = ad.random.gumbel(size=10000, generator=ad.random.Generator(0))
        >>> round(float((x < 0.0).mean()), 2)  # exp(-1)
        0.37

    **Gradient:** 1 for `loc`, the standard number for `scale`.
    """
    loc, scale = parameter(loc, "loc"), parameter(scale, "scale")
    shape, kind = the_shape(size, loc, scale), the_dtype(dtype, loc, scale)
    standard = -log(-log(fraction(shape, wide(kind), generator, inside=True)))
    return fit(moved(standard, loc, scale), kind)


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

    Example:
        >>> x = ad.random.laplace(5.0, 2.0, size=10000, generator=ad.random.Generator(0))
        >>> round(float(abs(x - 5.0).mean()), 1)
        2.0

    **Gradient:** 1 for `loc`, the standard number for `scale`.
    """
    loc, scale = parameter(loc, "loc"), parameter(scale, "scale")
    shape, kind = the_shape(size, loc, scale), the_dtype(dtype, loc, scale)
    v = 2.0 * fraction(shape, wide(kind), generator, inside=True) - 1.0
    return fit(moved(-sign(v) * log1p(-abs(v)), loc, scale), kind)
