"""Adaptive pooling: a given number of windows, which differ in size if they do not divide the axis.

Means are a contraction with a matrix of weights for each axis; maxima are taken of windows that are
filled up with their own last element. Where all windows are alike it is ordinary pooling.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from adjoint.core.bind import lift
from adjoint.core.errors import AdjointError, ArgumentError
from adjoint.core.types import default_dtype, is_inexact
from adjoint.ops.bilinear import LETTERS
from adjoint.ops.contract import contraction
from adjoint.ops.gather import Gather
from adjoint.ops.maxima import MaxPool
from adjoint.ops.pool import image_of, mean_pool
from adjoint.ops.shape import refusal
from adjoint.ops.windows import as_tuple, per_axis

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
]

Ints = tuple[int, ...]
Sizes = int | None | Sequence[int | None]


def adaptive_avg_pool1d(x: Any, output_size: Sizes) -> Any:
    """Means of a given number of windows of sequences. See `adaptive_avg_pool2d`.

    Example:
        >>> ad.adaptive_avg_pool1d(ad.tensor([[1.0, 3.0, 2.0]]), 2)
        tensor([[2. , 2.5]])
    """
    return _adaptive_avg("adaptive_avg_pool1d", 1, x, output_size)


def adaptive_avg_pool2d(x: Any, output_size: Sizes) -> Any:
    """Means of a given number of windows of images.

    Window i of m over an axis of size n reaches from ``floor(i * n / m)`` to
    ``ceil((i + 1) * n / m)``.

    Args:
        x: shape (N, C, height, width) or (C, height, width).
        output_size: number of windows along each axis; an int holds for all, None keeps the size.

    Returns:
        Shape (N, C, *output_size).

    Raises:
        ShapeError: if `x` has another number of axes.
        ArgumentError: if a number of windows is wrong.

    Example:
        >>> ad.adaptive_avg_pool2d(ad.ones((1, 3, 7, 5)), (2, None)).shape
        (1, 3, 2, 5)
    """
    return _adaptive_avg("adaptive_avg_pool2d", 2, x, output_size)


def adaptive_avg_pool3d(x: Any, output_size: Sizes) -> Any:
    """Means of a given number of windows of volumes. See `adaptive_avg_pool2d`.

    Example:
        >>> ad.adaptive_avg_pool3d(ad.ones((1, 4, 4, 4)), 3).shape
        (1, 3, 3, 3)
    """
    return _adaptive_avg("adaptive_avg_pool3d", 3, x, output_size)


def adaptive_max_pool1d(x: Any, output_size: Sizes) -> Any:
    """Maxima of a given number of windows of sequences. See `adaptive_max_pool2d`.

    Example:
        >>> ad.adaptive_max_pool1d(ad.tensor([[1.0, 3.0, 2.0]]), 2)
        tensor([[3., 3.]])
    """
    return _adaptive_max("adaptive_max_pool1d", 1, x, output_size)


def adaptive_max_pool2d(x: Any, output_size: Sizes) -> Any:
    """Maxima of a given number of windows of images, which are those of `adaptive_avg_pool2d`.

    Args:
        x: shape (N, C, height, width) or (C, height, width).
        output_size: number of windows along each axis; an int holds for all, None keeps the size.

    Returns:
        Shape (N, C, *output_size).

    Example:
        >>> ad.adaptive_max_pool2d(ad.ones((1, 3, 7, 5)), (2, None)).shape
        (1, 3, 2, 5)

    **Gradient:** to the first of the largest elements of each window, as in `max_pool2d`.
    """
    return _adaptive_max("adaptive_max_pool2d", 2, x, output_size)


def adaptive_max_pool3d(x: Any, output_size: Sizes) -> Any:
    """Maxima of a given number of windows of volumes. See `adaptive_max_pool2d`.

    Example:
        >>> ad.adaptive_max_pool3d(ad.ones((1, 4, 4, 4)), 3).shape
        (1, 3, 3, 3)
    """
    return _adaptive_max("adaptive_max_pool3d", 3, x, output_size)


def _adaptive_avg(op: str, n: int, x: Any, output_size: Any) -> Any:
    x = lift(x)
    image, sizes = _adaptive_sizes(op, n, x, output_size)
    if all(size % m == 0 for size, m in zip(image, sizes, strict=True)):
        kernel = tuple(size // m for size, m in zip(image, sizes, strict=True))
        return mean_pool(op, n, x, kernel, None, 0, False, True, None)
    dtype = x.dtype if is_inexact(x.dtype) else default_dtype()
    letters, new = LETTERS[: x.ndim], LETTERS[x.ndim]
    for axis, size, m in zip(range(x.ndim - n, x.ndim), image, sizes, strict=True):
        if size != m:
            out = letters[:axis] + new + letters[axis + 1 :]
            # what is not in a window has weight zero and must not spoil its mean with a NaN
            card = contraction(letters, new + letters[axis], out, strong=1)
            x = card(x, mean_weights(size, m).astype(dtype))
    return x


def _adaptive_max(op: str, n: int, x: Any, output_size: Any) -> Any:
    x = lift(x)
    image, sizes = _adaptive_sizes(op, n, x, output_size)
    kernel: list[int] = []
    for axis, size, m in zip(range(x.ndim - n, x.ndim), image, sizes, strict=True):
        if size % m == 0:
            kernel.append(size // m)
            continue
        index = filled_windows(size, m)
        x = Gather(axis)(x, lift(index.ravel()))
        kernel.append(index.shape[1])
    return MaxPool(tuple(kernel), tuple(kernel), ((0, 0),) * n, (1,) * n)(x)


def _adaptive_sizes(op: str, n: int, x: Any, output_size: Any) -> tuple[Ints, Ints]:
    """Sizes of the image, and the numbers of windows."""
    try:
        image = image_of(x, n)
        given = as_tuple(output_size)
        given *= n if len(given) == 1 else 1
        if len(given) != n:
            raise ArgumentError(f"output_size has {len(given)} entries for {n} axes: {given}")
        wanted = [size if m is None else m for size, m in zip(image, given, strict=True)]
        return image, per_axis("output_size", wanted, n)
    except AdjointError as error:
        raise refusal(op, error, ("x", x)) from None


def adaptive_windows(size: int, m: int) -> list[tuple[int, int]]:
    """Begin and end of each of `m` windows over an axis."""
    return [(i * size // m, -(-(i + 1) * size // m)) for i in range(m)]


@lru_cache(maxsize=256)
def mean_weights(size: int, m: int) -> Any:
    """A matrix whose rows take the means of the windows of an axis."""
    out = np.zeros((m, size))
    for i, (begin, end) in enumerate(adaptive_windows(size, m)):
        out[i, begin:end] = 1 / (end - begin)
    return out


@lru_cache(maxsize=256)
def filled_windows(size: int, m: int) -> Any:
    """The elements of each window, filled up to the longest with its own last element."""
    spans = adaptive_windows(size, m)
    longest = max(end - begin for begin, end in spans)
    return np.array(
        [np.minimum(np.arange(begin, begin + longest), end - 1) for begin, end in spans]
    )
