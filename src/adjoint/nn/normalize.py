"""Normalisation as functions: values brought to mean 0 and variance 1 over some of their axes.

Statistics of 16-bit floats are taken in 32 bits, as in PyTorch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import adjoint as ad
from adjoint.nn.misfit import misfit

__all__ = [
    "group_norm",
    "layer_norm",
    "local_response_norm",
    "rms_norm",
]


def layer_norm(
    x: Any,
    normalized_shape: int | Sequence[int],
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
) -> Any:
    """The value normalised over its last axes: each example for itself.

    ``out = (x - mean) / sqrt(var + eps) * weight + bias``

    Args:
        x: shape (..., *normalized_shape).
        normalized_shape: sizes of the last axes; an int stands for one.
        weight: shape `normalized_shape`, or None for 1.
        bias: shape `normalized_shape`, or None for 0.
        eps: keeps the square root away from zero.

    Raises:
        ShapeError: if the last axes of `x` have other sizes.

    Example:
        >>> ad.nn.functional.layer_norm(ad.tensor([[1.0, 3.0], [10.0, 30.0]]), 2, eps=0.0)
        tensor([[-1.,  1.],
                [-1.,  1.]])

    **Gradient:** through mean and variance too; none is left along a row's own direction.

    Source: Ba, Kiros and Hinton, Layer normalization (2016), arXiv:1607.06450.
    """
    x = ad.asarray(x)
    axes = last_axes("layer_norm", x, normalized_shape)
    return affine(standardised(x, axes, eps), weight, bias)


def rms_norm(
    x: Any,
    normalized_shape: int | Sequence[int],
    weight: Any = None,
    eps: float | None = None,
) -> Any:
    """The value divided by its root mean square over its last axes.

    ``out = x / sqrt(mean(x**2) + eps) * weight``

    Args:
        x: shape (..., *normalized_shape).
        normalized_shape: sizes of the last axes; an int stands for one.
        weight: shape `normalized_shape`, or None for 1.
        eps: keeps the square root away from zero; by default the resolution of the dtype.

    Raises:
        ShapeError: if the last axes of `x` have other sizes.

    Example:
        >>> ad.nn.functional.rms_norm(ad.tensor([3.0, 4.0, 0.0, 0.0]), 4)
        tensor([1.2, 1.6, 0. , 0. ])

    Source: Zhang and Sennrich, Root mean square layer normalization (2019), arXiv:1910.07467.
    """
    x = ad.asarray(x)
    axes = last_axes("rms_norm", x, normalized_shape)
    if eps is None:
        eps = float(ad.finfo(x.dtype).eps)
    wide = widened(x)
    scale = ad.rsqrt(ad.mean(wide * wide, axis=axes, keepdims=True) + eps)
    return affine((wide * scale).astype(x.dtype), weight, None)


def group_norm(
    x: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    """The value normalised over groups of channels, each example for itself.

    Args:
        x: shape (N, C, ...).
        num_groups: number of groups; it divides C.
        weight: shape (C,), or None for 1.
        bias: shape (C,), or None for 0.
        eps: added to the variance.

    Raises:
        ArgumentError: if the groups do not divide the channels.

    Example:
        >>> ad.nn.functional.group_norm(ad.tensor([[1.0, 3.0, 10.0, 30.0]]), 2, eps=0.0)
        tensor([[-1.,  1., -1.,  1.]])

    Source: Wu and He, Group normalization (2018), arXiv:1803.08494.
    """
    x = ad.asarray(x)
    if x.ndim < 2:
        raise misfit("group_norm", f"needs shape (N, C, ...), got {x.shape}", x=x)
    channels = x.shape[1]
    if num_groups < 1 or channels % num_groups:
        raise ad.errors.ArgumentError(
            f"group_norm: {num_groups} groups do not divide {channels} channels"
        )
    size = channels // num_groups * math.prod(x.shape[2:])
    split = x.reshape((x.shape[0], num_groups, size))
    out = standardised(split, (2,), eps).reshape(x.shape)
    return affine(out, per_channel("group_norm", weight, x), per_channel("group_norm", bias, x))


def local_response_norm(
    x: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Any:
    """The value divided by a power of the mean square over neighbouring channels.

    ``out = x / (k + alpha * mean of x**2 over size channels) ** beta``, where channels beyond the
    first and last count as zeros.

    Args:
        x: shape (N, C, ...).
        size: number of neighbouring channels.
        alpha: factor of the mean square.
        beta: exponent.
        k: what is added to it.

    Example:
        >>> ad.nn.functional.local_response_norm(ad.tensor([[[2.0], [3.0]]]), 1, 1.0, 1.0)
        tensor([[[0.4],
                 [0.3]]])

    Source: Krizhevsky, Sutskever and Hinton, ImageNet classification (2012), section 3.3.
    """
    x = ad.asarray(x)
    if x.ndim < 3:
        raise misfit("local_response_norm", f"needs shape (N, C, places, ...), got {x.shape}", x=x)
    places = math.prod(x.shape[2:])
    squares = (x * x).reshape((x.shape[0], 1, x.shape[1], places))
    border = [(0, 0), (0, 0), (size // 2, (size - 1) // 2), (0, 0)]
    mean = ad.avg_pool2d(ad.pad(squares, border), (size, 1), stride=1).reshape(x.shape)
    return x / (mean * alpha + k) ** beta


# -- their parts -----------------------------------------------------------------------------------


def widened(x: Any) -> Any:
    """The value in 32 bits if it has 16: sums of many 16-bit floats lose too much."""
    return x.astype(ad.float32) if x.dtype.itemsize == 2 else x


def moments(x: Any, axes: tuple[int, ...]) -> tuple[Any, Any, Any]:
    """Mean, distance from the mean, and mean squared distance over axes, which stay with size 1."""
    mean = ad.mean(x, axis=axes, keepdims=True)
    centred = x - mean
    return mean, centred, ad.mean(centred * centred, axis=axes, keepdims=True)


def standardised(x: Any, axes: tuple[int, ...], eps: float) -> Any:
    """The value with mean 0 and variance 1 over axes."""
    _, centred, var = moments(widened(x), axes)
    return (centred * ad.rsqrt(var + eps)).astype(x.dtype)


def affine(x: Any, weight: Any, bias: Any) -> Any:
    """``x * weight + bias``, without the one that is None."""
    if weight is not None:
        x = x * weight
    return x if bias is None else x + bias


def last_axes(op: str, x: Any, normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    """The last axes, which must have these sizes."""
    one = isinstance(normalized_shape, int)
    shape = (normalized_shape,) if one else tuple(normalized_shape)
    if not shape or x.shape[-len(shape) :] != shape:
        raise misfit(op, f"the last axes of x must be {shape}, got {x.shape}", x=x)
    return tuple(range(-len(shape), 0))


def per_channel(op: str, values: Any, x: Any) -> Any:
    """One value for each channel, shaped to stand beside `x`; None stays None."""
    if values is None:
        return None
    if values.shape != (x.shape[1],):
        raise misfit(op, f"x has {x.shape[1]} channels, one value for each of {values.size}", x=x)
    return values.reshape((-1, *(1,) * (x.ndim - 2))) if x.ndim > 2 else values
