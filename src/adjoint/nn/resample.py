"""Images made larger or smaller, and borders around them, as functions in PyTorch's layout.

Every way of making an axis larger or smaller is linear, with weights known from the sizes alone:
nearest neighbours are a gather, everything else is one small matrix for each axis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

import adjoint as ad
from adjoint.nn.misfit import misfit

__all__ = ["interpolate", "pad", "pixel_shuffle", "pixel_unshuffle"]

BORDERS = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
LINEAR = {"linear": 1, "bilinear": 2, "trilinear": 3}


def pad(x: Any, pad: Sequence[int], mode: str = "constant", value: float = 0.0) -> Any:
    """The value with a border around its last axes.

    Args:
        x: any shape.
        pad: elements before and after the last axis, then the last but one, and so on; negative
            numbers cut off.
        mode: ``"constant"``, ``"reflect"``, ``"replicate"`` or ``"circular"``.
        value: what a constant border is filled with.

    Raises:
        ArgumentError: if the mode is none of these, or the numbers are not pairs for axes of `x`,
            or a border repeats more than there is.

    Example:
        >>> ad.nn.functional.pad(ad.tensor([[1.0, 2.0, 3.0]]), (1, 2), mode="reflect")
        tensor([[2., 1., 2., 3., 2., 1.]])

    **Gradient:** each element gets what arrives at it and at its repeats in the border.
    """
    x = ad.asarray(x)
    widths = tuple(int(p) for p in pad)
    if len(widths) % 2 or len(widths) > 2 * x.ndim:
        raise ad.errors.ArgumentError(
            f"pad: {widths} are not pairs for the axes of shape {x.shape}"
        )
    if mode != "constant" and mode not in BORDERS:
        known = ", ".join(("constant", *BORDERS))
        raise ad.errors.ArgumentError(f"pad: mode {mode!r} is none of {known}")
    pairs = [(0, 0)] * x.ndim
    for i in range(len(widths) // 2):
        pairs[x.ndim - 1 - i] = widths[2 * i], widths[2 * i + 1]
    if any(p < 0 for p in widths):
        sizes = zip(pairs, x.shape, strict=True)
        x = x[tuple(slice(max(-low, 0), n - max(-high, 0)) for (low, high), n in sizes)]
        pairs = [(max(low, 0), max(high, 0)) for low, high in pairs]
    if mode == "constant":
        return ad.pad(x, pairs, constant_values=value)
    for (low, high), n in zip(pairs, x.shape, strict=True):
        most = {"reflect": n - 1, "circular": n}.get(mode, max(low, high))
        if max(low, high) > max(most, 0):
            raise ad.errors.ArgumentError(
                f"pad: a {mode} border of {max(low, high)} on an axis of size {n}"
            )
    return ad.pad(x, pairs, mode=BORDERS[mode])


def interpolate(
    x: Any,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Any:
    """The value with its spatial axes made larger or smaller.

    Args:
        x: shape (N, C, ...), with one to three spatial axes.
        size: the new sizes, one for all axes or one for each.
        scale_factor: what the sizes are multiplied by instead; the result is rounded down.
        mode: ``"nearest"``; ``"linear"``, ``"bilinear"`` or ``"trilinear"`` for one, two or three
            axes; or ``"area"``, the adaptive mean.
        align_corners: in the linear modes, whether the first and last elements of both lie on each
            other, rather than the outer edges of the elements.

    Raises:
        ArgumentError: if not exactly one of `size` and `scale_factor` is given, or the mode does
            not fit the axes.

    Example:
        >>> x = ad.tensor([[[1.0, 3.0]]])
        >>> ad.nn.functional.interpolate(x, scale_factor=2, mode="linear")
        tensor([[[1. , 1.5, 2.5, 3. ]]])

    **Gradient:** shared among the elements with the weights that they were mixed with.
    """
    x = ad.asarray(x)
    n = x.ndim - 2
    if not 1 <= n <= 3:
        raise misfit("interpolate", f"needs shape (N, C, 1 to 3 axes), got {x.shape}", x=x)
    if (size is None) == (scale_factor is None):
        raise ad.errors.ArgumentError("interpolate: give either size or scale_factor")
    if mode not in ("nearest", "area", *LINEAR) or LINEAR.get(mode, n) != n:
        raise ad.errors.ArgumentError(f"interpolate: mode {mode!r} for {n} spatial axes")
    if align_corners is not None and mode not in LINEAR:
        raise ad.errors.ArgumentError(
            f"interpolate: align_corners has no meaning for mode {mode!r}"
        )
    sizes, steps = _sizes(x.shape[2:], size, scale_factor)
    if mode == "area":
        pools = (ad.adaptive_avg_pool1d, ad.adaptive_avg_pool2d, ad.adaptive_avg_pool3d)
        return pools[n - 1](x, sizes)
    for axis, (m, step) in enumerate(zip(sizes, steps, strict=True), start=2):
        if mode == "nearest":
            x = ad.take(x, _nearest(x.shape[axis], m, step), axis=axis)
        else:
            weights = _linear(x.shape[axis], m, step, bool(align_corners))
            # the axis goes to the end, is mixed there, and comes back
            mixed = ad.matmul(ad.moveaxis(x, axis, -1), weights.astype(x.dtype))
            x = ad.moveaxis(mixed, -1, axis)
    return x


def _sizes(
    image: tuple[int, ...], size: Any, scale_factor: Any
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """The new sizes, and how far apart new elements lie among the old ones."""
    n = len(image)
    given = scale_factor if size is None else size
    each = tuple(given) if isinstance(given, Sequence) else (given,) * n
    if len(each) != n:
        raise ad.errors.ArgumentError(f"interpolate: {each} for {n} spatial axes")
    if size is None:
        sizes = tuple(math.floor(m * f) for m, f in zip(image, each, strict=True))
        return sizes, tuple(1 / f for f in each)
    sizes = tuple(int(m) for m in each)
    return sizes, tuple(m / max(k, 1) for m, k in zip(image, sizes, strict=True))


@lru_cache(maxsize=256)
def _nearest(n: int, m: int, step: float) -> Any:
    """For each new element the old one that it repeats."""
    # single precision, as PyTorch computes it: where a product is nearly whole, that decides
    place = np.floor(np.arange(m, dtype=np.float32) * np.float32(step))
    return np.minimum(place.astype(np.int64), n - 1)


@lru_cache(maxsize=256)
def _linear(n: int, m: int, step: float, align_corners: bool) -> Any:
    """The matrix (old, new) whose columns mix the two old elements around each new one."""
    if align_corners:
        place = np.arange(m) * ((n - 1) / (m - 1) if m > 1 else 0.0)
    else:
        place = np.maximum((np.arange(m) + 0.5) * step - 0.5, 0.0)
    low = np.minimum(place.astype(np.int64), n - 1)
    high, part = np.minimum(low + 1, n - 1), place - low
    out = np.zeros((n, m))
    np.add.at(out, (low, np.arange(m)), 1 - part)
    np.add.at(out, (high, np.arange(m)), part)
    return out


def pixel_shuffle(x: Any, upscale_factor: int) -> Any:
    """Channels laid out as finer pixels: (..., C r r, H, W) becomes (..., C, H r, W r).

    Args:
        x: shape (..., C * r * r, H, W).
        upscale_factor: r.

    Raises:
        ShapeError: if r * r does not divide the channels.

    Example:
        >>> ad.nn.functional.pixel_shuffle(ad.tensor([[[1.0]], [[2.0]], [[3.0]], [[4.0]]]), 2)
        tensor([[[1., 2.],
                 [3., 4.]]])

    Source: Shi et al., Real-time single image and video super-resolution (2016), arXiv:1609.05158.
    """
    x = ad.asarray(x)
    r = upscale_factor
    if x.ndim < 3 or x.shape[-3] % (r * r):
        raise misfit("pixel_shuffle", f"{r} * {r} does not divide the channels", x=x)
    *lead, c, h, w = x.shape
    k = len(lead)
    split = x.reshape((*lead, c // (r * r), r, r, h, w))
    order = (*range(k), k, k + 3, k + 1, k + 4, k + 2)
    return ad.permute_dims(split, order).reshape((*lead, c // (r * r), h * r, w * r))


def pixel_unshuffle(x: Any, downscale_factor: int) -> Any:
    """The inverse of `pixel_shuffle`: (..., C, H r, W r) becomes (..., C r r, H, W).

    Args:
        x: shape (..., C, H * r, W * r).
        downscale_factor: r.

    Raises:
        ShapeError: if r does not divide the sizes.

    Example:
        >>> ad.nn.functional.pixel_unshuffle(ad.ones((1, 4, 6)), 2).shape
        (4, 2, 3)
    """
    x = ad.asarray(x)
    r = downscale_factor
    if x.ndim < 3 or x.shape[-1] % r or x.shape[-2] % r:
        raise misfit("pixel_unshuffle", f"{r} does not divide the sizes", x=x)
    *lead, c, h, w = x.shape
    k = len(lead)
    split = x.reshape((*lead, c, h // r, r, w // r, r))
    order = (*range(k), k, k + 2, k + 4, k + 1, k + 3)
    return ad.permute_dims(split, order).reshape((*lead, c * r * r, h // r, w // r))
