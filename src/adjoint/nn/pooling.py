"""Pooling layers: windows reduced to their largest element, mean or norm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import adjoint as ad
from adjoint.nn.module import Module
from adjoint.nn.pools import lp_pool1d, lp_pool2d

__all__ = [
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "LPPool1d",
    "LPPool2d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
]

OneOrMore = int | Sequence[int]


class AbstractMaxPool(Module):
    """A maximum over windows; each class says over how many axes."""

    function: ClassVar[Any]

    def __init__(
        self,
        kernel_size: OneOrMore,
        stride: OneOrMore | None = None,
        padding: OneOrMore = 0,
        dilation: OneOrMore = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, x: Any) -> Any:
        """The largest element of each window of `x`; with `return_indices` also its place."""
        return type(self).function(
            x,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
        )

    def extra_repr(self) -> str:
        """The windows."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(AbstractMaxPool):
    """Largest element of each window of sequences. See `MaxPool2d`.

    Example:
        >>> ad.nn.MaxPool1d(2)(ad.tensor([[1.0, 3.0, 2.0, 0.0]]))
        tensor([[3., 2.]])
    """

    function = ad.max_pool1d


class MaxPool2d(AbstractMaxPool):
    """Largest element of each window of images; see `ad.max_pool2d`.

    Args:
        kernel_size: size of a window.
        stride: distance of the windows; by default their size.
        padding: elements on both sides of each axis, which never win.
        dilation: distance of the elements of a window.
        return_indices: whether to return as well where each largest element is.
        ceil_mode: whether windows that reach beyond the end count.

    Example:
        >>> ad.nn.MaxPool2d(2)(ad.ones((1, 3, 6, 6))).shape
        (1, 3, 3, 3)

    **Gradient:** all of it goes to the largest element; of several equal ones to the first.
    """

    function = ad.max_pool2d


class MaxPool3d(AbstractMaxPool):
    """Largest element of each window of volumes. See `MaxPool2d`.

    Example:
        >>> ad.nn.MaxPool3d(2)(ad.ones((1, 1, 4, 4, 4))).shape
        (1, 1, 2, 2, 2)
    """

    function = ad.max_pool3d


class AvgPool1d(Module):
    """Mean of each window of sequences. See `AvgPool2d`.

    Example:
        >>> ad.nn.AvgPool1d(2)(ad.tensor([[1.0, 3.0, 2.0, 0.0]]))
        tensor([[2., 1.]])
    """

    function: ClassVar[Any] = ad.avg_pool1d

    def __init__(
        self,
        kernel_size: OneOrMore,
        stride: OneOrMore | None = None,
        padding: OneOrMore = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, x: Any) -> Any:
        """The mean of each window of `x`."""
        return type(self).function(
            x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        )

    def extra_repr(self) -> str:
        """The windows."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(AvgPool1d):
    """Mean of each window of images; see `ad.avg_pool2d`.

    Args:
        kernel_size: size of a window.
        stride: distance of the windows; by default their size.
        padding: zeros on both sides of each axis.
        ceil_mode: whether windows that reach beyond the end count.
        count_include_pad: whether the zeros of the padding count in the mean.
        divisor_override: what to divide each sum by, instead of the number of elements.

    Example:
        >>> ad.nn.AvgPool2d(2)(ad.ones((1, 3, 6, 6))).shape
        (1, 3, 3, 3)
    """

    function: ClassVar[Any] = ad.avg_pool2d

    def __init__(
        self,
        kernel_size: OneOrMore,
        stride: OneOrMore | None = None,
        padding: OneOrMore = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)
        self.divisor_override = divisor_override

    def forward(self, x: Any) -> Any:
        """The mean of each window of `x`."""
        return type(self).function(
            x,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )


class AvgPool3d(AvgPool2d):
    """Mean of each window of volumes. See `AvgPool2d`.

    Example:
        >>> ad.nn.AvgPool3d(2)(ad.ones((1, 1, 4, 4, 4))).shape
        (1, 1, 2, 2, 2)
    """

    function: ClassVar[Any] = ad.avg_pool3d


class LPPool1d(Module):
    """The p-norm of each window of sequences. See `LPPool2d`.

    Example:
        >>> ad.nn.LPPool1d(2, 2)(ad.tensor([[3.0, 4.0]]))
        tensor([[5.]])
    """

    function: ClassVar[Any] = lp_pool1d

    def __init__(
        self,
        norm_type: float,
        kernel_size: OneOrMore,
        stride: OneOrMore | None = None,
        ceil_mode: bool = False,
    ) -> None:
        self.norm_type, self.kernel_size = norm_type, kernel_size
        self.stride, self.ceil_mode = stride, ceil_mode

    def forward(self, x: Any) -> Any:
        """The norm of each window of `x`."""
        return type(self).function(x, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self) -> str:
        """The norm and the windows."""
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool2d(LPPool1d):
    """The p-norm of each window of images.

    Args:
        norm_type: p.
        kernel_size: size of a window.
        stride: distance of the windows; by default their size.
        ceil_mode: whether windows that reach beyond the end count.

    Example:
        >>> ad.nn.LPPool2d(2, 2)(ad.tensor([[[3.0, 0.0], [0.0, 4.0]]]))
        tensor([[[5.]]])
    """

    function: ClassVar[Any] = lp_pool2d
