"""Power-mean pooling as a function: between the mean and the maximum of windows."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import adjoint as ad

__all__ = ["lp_pool1d", "lp_pool2d"]

OneOrMore = int | Sequence[int]


def lp_pool1d(
    x: Any,
    norm_type: float,
    kernel_size: int,
    stride: int | None = None,
    ceil_mode: bool = False,
) -> Any:
    """The p-norm of each window of sequences. See `lp_pool2d`.

    Example:
        >>> ad.nn.functional.lp_pool1d(ad.tensor([[3.0, 4.0]]), 2, 2)
        tensor([[5.]])
    """
    mean = ad.avg_pool1d(ad.asarray(x) ** norm_type, kernel_size, stride, 0, ceil_mode)
    return _root(mean, kernel_size, norm_type)


def lp_pool2d(
    x: Any,
    norm_type: float,
    kernel_size: OneOrMore,
    stride: OneOrMore | None = None,
    ceil_mode: bool = False,
) -> Any:
    """The p-norm of each window of images: ``sum(x**p) ** (1/p)``.

    Args:
        x: shape (N, C, height, width) or (C, height, width).
        norm_type: p.
        kernel_size: size of a window.
        stride: distance of the windows; by default their size.
        ceil_mode: whether windows that reach beyond the end count.

    Returns:
        Shape (N, C, windows down, windows across). A negative sum gives 0.

    Example:
        >>> ad.nn.functional.lp_pool2d(ad.tensor([[[3.0, 0.0], [0.0, 4.0]]]), 2, 2)
        tensor([[[5.]]])

    **Gradient:** 0 where a sum is not above 0.
    """
    mean = ad.avg_pool2d(ad.asarray(x) ** norm_type, kernel_size, stride, 0, ceil_mode)
    size = kernel_size**2 if isinstance(kernel_size, int) else prod(kernel_size)
    return _root(mean, size, norm_type)


def _root(mean: Any, size: int, p: float) -> Any:
    total = mean * size
    some = total > 0
    # the root of 1 stands in where there is none, whose derivative would be infinite
    return ad.where(some, ad.where(some, total, 1.0) ** (1 / p), 0.0)
