"""Adaptive pooling layers: a given number of windows, whatever the size of what comes in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import adjoint as ad
from adjoint.nn.module import Module

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
]

Sizes = int | None | Sequence[int | None]


class AbstractAdaptivePool(Module):
    """A reduction of a given number of windows; each class says which, over how many axes."""

    function: ClassVar[Any]

    def __init__(self, output_size: Sizes) -> None:
        self.output_size = output_size

    def forward(self, x: Any) -> Any:
        """One element for each window of `x`, shape (N, C, ...) or (C, ...)."""
        return type(self).function(x, self.output_size)

    def extra_repr(self) -> str:
        """The number of windows."""
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(AbstractAdaptivePool):
    """Means of a given number of windows of sequences. See `AdaptiveAvgPool2d`.

    Example:
        >>> ad.nn.AdaptiveAvgPool1d(2)(ad.tensor([[1.0, 3.0, 2.0]]))
        tensor([[2. , 2.5]])
    """

    function = ad.adaptive_avg_pool1d


class AdaptiveAvgPool2d(AbstractAdaptivePool):
    """Means of a given number of windows of images; see `ad.adaptive_avg_pool2d`.

    Args:
        output_size: number of windows along each axis; an int holds for all, None keeps the size.

    Example:
        >>> ad.nn.AdaptiveAvgPool2d((2, None))(ad.ones((1, 3, 7, 5))).shape
        (1, 3, 2, 5)
    """

    function = ad.adaptive_avg_pool2d


class AdaptiveAvgPool3d(AbstractAdaptivePool):
    """Means of a given number of windows of volumes. See `AdaptiveAvgPool2d`.

    Example:
        >>> ad.nn.AdaptiveAvgPool3d(1)(ad.ones((1, 2, 4, 4, 4))).shape
        (1, 2, 1, 1, 1)
    """

    function = ad.adaptive_avg_pool3d


class AdaptiveMaxPool1d(AbstractAdaptivePool):
    """Maxima of a given number of windows of sequences. See `AdaptiveAvgPool2d`.

    Example:
        >>> ad.nn.AdaptiveMaxPool1d(2)(ad.tensor([[1.0, 3.0, 2.0]]))
        tensor([[3., 3.]])
    """

    function = ad.adaptive_max_pool1d


class AdaptiveMaxPool2d(AbstractAdaptivePool):
    """Maxima of a given number of windows of images. See `AdaptiveAvgPool2d`.

    Example:
        >>> ad.nn.AdaptiveMaxPool2d(3)(ad.ones((1, 3, 7, 5))).shape
        (1, 3, 3, 3)
    """

    function = ad.adaptive_max_pool2d


class AdaptiveMaxPool3d(AbstractAdaptivePool):
    """Maxima of a given number of windows of volumes. See `AdaptiveAvgPool2d`.

    Example:
        >>> ad.nn.AdaptiveMaxPool3d(2)(ad.ones((1, 2, 4, 4, 4))).shape
        (1, 2, 2, 2, 2)
    """

    function = ad.adaptive_max_pool3d
