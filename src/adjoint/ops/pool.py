"""Pooling: maxima and means of windows, with PyTorch's arguments and defaults.

Means are convolutions with a kernel of ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from adjoint.core.bind import lift
from adjoint.core.errors import AdjointError, ArgumentError, ShapeError
from adjoint.core.types import default_dtype, is_inexact
from adjoint.ops.arithmetic import ADD, DIVIDE
from adjoint.ops.bilinear import LETTERS
from adjoint.ops.convolution import Convolve
from adjoint.ops.gather import Gather
from adjoint.ops.maxima import MaxPlace, MaxPool
from adjoint.ops.reduce import mean
from adjoint.ops.shape import refusal
from adjoint.ops.windows import Pairs, counts, dilated, per_axis

__all__ = [
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
]

Ints = tuple[int, ...]
OneOrMore = int | Sequence[int]


# -- maxima ----------------------------------------------------------------------------------------


def max_pool1d(
    x: Any,
    kernel_size: OneOrMore,
    stride: OneOrMore | None = None,
    padding: OneOrMore = 0,
    dilation: OneOrMore = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Largest element of each window of sequences. See `max_pool2d`.

    Example:
        >>> ad.max_pool1d(ad.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
        tensor([[3., 2.]])
    """
    return _max_pool(
        "max_pool1d", 1, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices
    )


def max_pool2d(
    x: Any,
    kernel_size: OneOrMore,
    stride: OneOrMore | None = None,
    padding: OneOrMore = 0,
    dilation: OneOrMore = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Largest element of each window of images.

    Args:
        x: shape (N, C, height, width) or (C, height, width).
        kernel_size: size of a window: an int, or one for each spatial axis.
        stride: distance of the windows; by default their size, so that they do not overlap.
        padding: elements on both sides of each axis, which never win; half a window at most.
        dilation: distance of the elements of a window.
        ceil_mode: whether windows that reach beyond the end count, as long as they begin before it.
        return_indices: whether to return as well where each largest element is in its image,
            counted row by row.

    Returns:
        Shape (N, C, windows down, windows across); with `return_indices` a pair of such tensors.

    Raises:
        ShapeError: if a window does not fit.
        ArgumentError: if an option has a wrong value.

    Example:
        >>> ad.max_pool2d(ad.tensor([[[1.0, 2.0], [4.0, 3.0]]]), 2)
        tensor([[[4.]]])

    **Gradient:** all of it goes to the largest element; of several equal ones to the first, row by
    row, as in PyTorch.
    """
    return _max_pool(
        "max_pool2d", 2, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices
    )


def max_pool3d(
    x: Any,
    kernel_size: OneOrMore,
    stride: OneOrMore | None = None,
    padding: OneOrMore = 0,
    dilation: OneOrMore = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Largest element of each window of volumes. See `max_pool2d`.

    Example:
        >>> ad.max_pool3d(ad.ones((1, 4, 4, 4)), 2).shape
        (1, 2, 2, 2)
    """
    return _max_pool(
        "max_pool3d", 3, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices
    )


def _max_pool(
    op: str,
    n: int,
    x: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    return_indices: bool,
) -> Any:
    x = lift(x)
    try:
        image = image_of(x, n)
        kernel = per_axis("kernel_size", kernel_size, n)
        step = kernel if stride is None else per_axis("stride", stride, n)
        spread = per_axis("dilation", dilation, n)
        around = half_at_most(per_axis("padding", padding, n, 0), kernel, spread)
        pad = padding_for(image, kernel, step, around, spread, ceil_mode)
        windows = counts(image, kernel, step, pad, spread)
    except AdjointError as error:
        raise refusal(op, error, ("x", x)) from None
    out = MaxPool(kernel, step, pad, spread)(x)
    if not return_indices:
        return out
    place = MaxPlace(kernel, step, pad, spread)(x)
    within = flat_positions(image, kernel, spread)
    begin = flat_positions(image, windows, step) - flat_positions(image, around)
    index = ADD(Gather(0)(lift(within.ravel()), place), lift(begin))
    return out, index


def flat_positions(image: Ints, at: Ints, step: Ints | None = None) -> Any:
    """Row-by-row numbers of the points ``i * step`` of a grid; or of the single point `at`."""
    rows = [prod(image[a + 1 :]) for a in range(len(image))]
    if step is None:
        return sum(i * row for i, row in zip(at, rows, strict=True))
    grid = np.indices(at, dtype=np.int64)
    return sum(i * (s * row) for i, s, row in zip(grid, step, rows, strict=True))


# -- means -----------------------------------------------------------------------------------------


def avg_pool1d(
    x: Any,
    kernel_size: OneOrMore,
    stride: OneOrMore | None = None,
    padding: OneOrMore = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """Mean of each window of sequences. See `avg_pool2d`.

    Example:
        >>> ad.avg_pool1d(ad.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
        tensor([[2., 1.]])
    """
    return mean_pool(
        "avg_pool1d", 1, x, kernel_size, stride, padding, ceil_mode, count_include_pad, None
    )


def avg_pool2d(
    x: Any,
    kernel_size: OneOrMore,
    stride: OneOrMore | None = None,
    padding: OneOrMore = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """Mean of each window of images.

    Args:
        x: shape (N, C, height, width) or (C, height, width).
        kernel_size: size of a window: an int, or one for each spatial axis.
        stride: distance of the windows; by default their size, so that they do not overlap.
        padding: zeros on both sides of each axis; half a window at most.
        ceil_mode: whether windows that reach beyond the end count, as long as they begin before it.
        count_include_pad: whether the zeros of the padding count in the mean.
        divisor_override: what to divide each sum by, instead of the number of elements.

    Returns:
        Shape (N, C, windows down, windows across).

    Raises:
        ShapeError: if a window does not fit.
        ArgumentError: if an option has a wrong value.

    Example:
        >>> ad.avg_pool2d(ad.tensor([[[1.0, 2.0], [4.0, 3.0]]]), 2)
        tensor([[[2.5]]])

    **Gradient:** shared equally among the elements of a window.
    """
    return mean_pool(
        "avg_pool2d",
        2,
        x,
        kernel_size,
        stride,
        padding,
        ceil_mode,
        count_include_pad,
        divisor_override,
    )


def avg_pool3d(
    x: Any,
    kernel_size: OneOrMore,
    stride: OneOrMore | None = None,
    padding: OneOrMore = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """Mean of each window of volumes. See `avg_pool2d`.

    Example:
        >>> ad.avg_pool3d(ad.ones((1, 4, 4, 4)), 2).shape
        (1, 2, 2, 2)
    """
    return mean_pool(
        "avg_pool3d",
        3,
        x,
        kernel_size,
        stride,
        padding,
        ceil_mode,
        count_include_pad,
        divisor_override,
    )


def mean_pool(
    op: str,
    n: int,
    x: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: int | None,
) -> Any:
    x = lift(x)
    try:
        image = image_of(x, n)
        kernel = per_axis("kernel_size", kernel_size, n)
        step = kernel if stride is None else per_axis("stride", stride, n)
        around = half_at_most(per_axis("padding", padding, n, 0), kernel, (1,) * n)
        pad = padding_for(image, kernel, step, around, (1,) * n, ceil_mode)
        windows = counts(image, kernel, step, pad, (1,) * n)
        if divisor == 0:
            raise ArgumentError("divisor_override must not be 0")
    except AdjointError as error:
        raise refusal(op, error, ("x", x)) from None
    dtype = x.dtype if is_inexact(x.dtype) else default_dtype()
    tiled = all(m * k == size for m, k, size in zip(windows, kernel, image, strict=True))
    if tiled and step == kernel and not np.any(pad) and divisor is None:
        return _mean_of_tiles(x, n, windows, kernel, dtype)
    letters = LETTERS[: x.ndim - n]
    total = Convolve(f"{letters},->{letters}", step, pad, (1,) * n, (1,) * n)(
        x, np.ones(kernel, dtype)
    )
    if divisor is not None:
        return DIVIDE(total, float(divisor))
    share = window_sizes(image, kernel, step, around, windows, count_include_pad)
    if (share == share.flat[0]).all():
        return DIVIDE(total, float(share.flat[0]))
    return DIVIDE(total, share.astype(dtype))


def _mean_of_tiles(x: Any, n: int, windows: Ints, kernel: Ints, dtype: Any) -> Any:
    """Means of windows that lie side by side: no convolution, whose gradient would be one too."""
    split = [size for pair in zip(windows, kernel, strict=True) for size in pair]
    axes = tuple(x.ndim - n + 2 * i + 1 for i in range(n))
    return mean(x.reshape((*x.shape[: x.ndim - n], *split)), axes, dtype=dtype)


@lru_cache(maxsize=256)
def window_sizes(
    image: Ints, kernel: Ints, stride: Ints, around: Ints, windows: Ints, with_padding: bool
) -> Any:
    """How many elements of each window count: those in the image, or in the padding as well."""
    out = np.ones(windows)
    for axis, (n, k, s, p, m) in enumerate(
        zip(image, kernel, stride, around, windows, strict=True)
    ):
        begin = np.arange(m) * s - p
        first, last = (-p, n + p) if with_padding else (0, n)
        inside = np.minimum(begin + k, last) - np.maximum(begin, first)
        out *= inside.reshape([m if a == axis else 1 for a in range(len(windows))])
    return out


# -- geometry --------------------------------------------------------------------------------------


def image_of(x: Any, n: int) -> Ints:
    """The sizes of the spatial axes."""
    if x.ndim not in (n + 1, n + 2):
        raise ShapeError(f"x has {x.ndim} axes, expected {n + 1} or {n + 2}")
    return x.shape[x.ndim - n :]


def half_at_most(padding: Ints, kernel: Ints, dilation: Ints) -> Ints:
    """The padding itself, unless a window could lie in it entirely."""
    for p, k, d in zip(padding, kernel, dilation, strict=True):
        if 2 * p > dilated(k, d):
            raise ArgumentError(f"padding = {p} is more than half a window of {dilated(k, d)}")
    return padding


def padding_for(
    image: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool
) -> Pairs:
    """Padding before and after, with what windows that reach beyond the end need more."""
    if not ceil_mode:
        return tuple((p, p) for p in padding)
    out: list[tuple[int, int]] = []
    for n, k, s, p, d in zip(image, kernel, stride, padding, dilation, strict=True):
        m = max(-((dilated(k, d) - n - 2 * p) // s), 0) + 1
        if (m - 1) * s >= n + p:
            m -= 1  # the last window must begin in the image or in the padding before it
        out.append((p, (m - 1) * s + dilated(k, d) - n - p))
    return tuple(out)
