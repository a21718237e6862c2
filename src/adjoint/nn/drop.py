"""Dropout: random elements or channels set to zero in training, the others scaled up."""

from __future__ import annotations

from typing import Any

import adjoint as ad

__all__ = ["alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d"]

Generator = ad.random.Generator

ALPHA_PRIME = -1.7580993408473766
"""What `selu` tends to for very negative elements."""


def check_probability(name: str, p: float) -> None:
    """Refuse what is no probability."""
    if not 0 <= p <= 1:
        raise ad.errors.ArgumentError(f"{name}: p must be from 0 to 1, got {p}")


def dropout(
    x: Any, p: float = 0.5, training: bool = True, *, generator: Generator | None = None
) -> Any:
    """Each element set to zero with probability `p`, else divided by ``1 - p``.

    Source: Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting
    (2014).

    Args:
        x: any shape.
        p: probability that an element is dropped.
        training: without it, `x` itself is returned.
        generator: where the bits come from.

    Raises:
        ArgumentError: if `p` is not a probability.

    Example:
        >>> ad.nn.functional.dropout(ad.ones(6), 0.5, generator=ad.random.Generator(0))
        tensor([0., 2., 2., 2., 2., 0.])

    **Gradient:** the factor that an element got.
    """
    check_probability("dropout", p)
    return _masked(x, p, training, None, generator)


def _masked(x: Any, p: float, training: bool, axes: int | None, generator: Generator | None) -> Any:
    """Factors for all elements, or for slices over the last `axes` axes."""
    x = ad.asarray(x)
    if not training or p == 0:
        return x
    size = x.shape if axes is None else (*x.shape[: x.ndim - axes], *(1,) * axes)
    return x * ad.random.dropout_mask(p, size, dtype=x.dtype, generator=generator)


def _channels(
    name: str, axes: int, x: Any, p: float, training: bool, generator: Generator | None
) -> Any:
    check_probability(name, p)
    x = ad.asarray(x)
    if x.ndim not in (axes + 1, axes + 2):
        raise ad.errors.ShapeError(
            f"{name}: needs {axes + 1} or {axes + 2} axes (batch, channels, and {axes} more), "
            f"got the shape {x.shape}"
        )
    return _masked(x, p, training, axes, generator)


def dropout1d(
    x: Any, p: float = 0.5, training: bool = True, *, generator: Generator | None = None
) -> Any:
    """Whole channels of (batch, channels, length) set to zero with probability `p`.

    Arguments are those of `dropout`.

    Example:
        >>> x = ad.ones((1, 3, 2))
        >>> ad.nn.functional.dropout1d(x, 0.5, generator=ad.random.Generator(0))
        tensor([[[0., 0.],
                 [2., 2.],
                 [2., 2.]]])
    """
    return _channels("dropout1d", 1, x, p, training, generator)


def dropout2d(
    x: Any, p: float = 0.5, training: bool = True, *, generator: Generator | None = None
) -> Any:
    """Whole channels of (batch, channels, height, width) set to zero with probability `p`.

    Source: Tompson et al., Efficient object localization using convolutional networks (2014).
    Arguments are those of `dropout`.

    Example:
        >>> out = ad.nn.functional.dropout2d(ad.ones((1, 3, 2, 2)), 0.5)
        >>> out.shape
        (1, 3, 2, 2)
    """
    return _channels("dropout2d", 2, x, p, training, generator)


def dropout3d(
    x: Any, p: float = 0.5, training: bool = True, *, generator: Generator | None = None
) -> Any:
    """Whole channels of (batch, channels, depth, height, width) set to zero with probability `p`.

    Arguments are those of `dropout`.

    Example:
        >>> ad.nn.functional.dropout3d(ad.ones((1, 3, 2, 2, 2)), 0.5).shape
        (1, 3, 2, 2, 2)
    """
    return _channels("dropout3d", 3, x, p, training, generator)


def alpha_dropout(
    x: Any, p: float = 0.5, training: bool = True, *, generator: Generator | None = None
) -> Any:
    """Dropout for `selu`: mean 0 and variance 1 are kept.

    Dropped elements become the limit of `selu`, then all are scaled and shifted.

    Source: Klambauer, Unterthiner, Mayr, Hochreiter, Self-normalizing neural networks (2017).
    Arguments are those of `dropout`.

    Example:
        >>> x = ad.random.normal(size=10000, generator=ad.random.Generator(0))
        >>> out = ad.nn.functional.alpha_dropout(x, 0.2, generator=ad.random.Generator(1))
        >>> abs(float(out.mean())) < 0.05, abs(float(out.std()) - 1) < 0.05
        (True, True)
    """
    check_probability("alpha_dropout", p)
    x = ad.asarray(x)
    if not training or p == 0:
        return x
    if p == 1:
        return x * 0.0
    keep = ad.random.uniform(size=x.shape, generator=generator) >= p
    a = ((1 - p) * (1 + p * ALPHA_PRIME**2)) ** -0.5
    return a * ad.where(keep, x, ALPHA_PRIME) - a * ALPHA_PRIME * p
