"""Layers that lay out elements anew: larger or smaller images, windows as columns and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import adjoint as ad
from adjoint.nn.module import Module
from adjoint.nn.resample import interpolate, pixel_shuffle, pixel_unshuffle

__all__ = [
    "Fold",
    "PixelShuffle",
    "PixelUnshuffle",
    "Unfold",
    "Upsample",
    "UpsamplingBilinear2d",
    "UpsamplingNearest2d",
]

OneOrMore = int | Sequence[int]


class Upsample(Module):
    """The value with its spatial axes made larger or smaller; see `functional.interpolate`.

    Args:
        size: the new sizes, one for all axes or one for each.
        scale_factor: what the sizes are multiplied by instead.
        mode: ``"nearest"``, ``"linear"``, ``"bilinear"`` or ``"trilinear"``.
        align_corners: in the linear modes, whether the first and last elements of both lie on each
            other.

    Example:
        >>> ad.nn.Upsample(scale_factor=2)(ad.tensor([[[1.0, 3.0]]]))
        tensor([[[1., 1., 3., 3.]]])
    """

    def __init__(
        self,
        size: OneOrMore | None = None,
        scale_factor: float | Sequence[float] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
    ) -> None:
        self.size, self.scale_factor = size, scale_factor
        self.mode, self.align_corners = mode, align_corners

    def forward(self, x: Any) -> Any:
        """`x`, shape (N, C, ...), with other spatial sizes."""
        return interpolate(x, self.size, self.scale_factor, self.mode, self.align_corners)

    def extra_repr(self) -> str:
        """The sizes and the mode."""
        by_factor = self.scale_factor is not None
        how = f"scale_factor={self.scale_factor}" if by_factor else f"size={self.size}"
        return f"{how}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """Images made larger by repeating the nearest element.

    Example:
        >>> ad.nn.UpsamplingNearest2d(scale_factor=2)(ad.ones((1, 3, 4, 4))).shape
        (1, 3, 8, 8)
    """

    def __init__(
        self,
        size: OneOrMore | None = None,
        scale_factor: float | Sequence[float] | None = None,
    ) -> None:
        super().__init__(size, scale_factor, "nearest")


class UpsamplingBilinear2d(Upsample):
    """Images made larger by mixing neighbours, whose corners stay in place.

    Example:
        >>> ad.nn.UpsamplingBilinear2d(size=(1, 3))(ad.tensor([[[[1.0, 3.0]]]]))
        tensor([[[[1., 2., 3.]]]])
    """

    def __init__(
        self,
        size: OneOrMore | None = None,
        scale_factor: float | Sequence[float] | None = None,
    ) -> None:
        super().__init__(size, scale_factor, "bilinear", align_corners=True)


class PixelShuffle(Module):
    """Channels laid out as finer pixels: (..., C r r, H, W) becomes (..., C, H r, W r).

    Args:
        upscale_factor: r.

    Example:
        >>> ad.nn.PixelShuffle(2)(ad.ones((1, 8, 3, 3))).shape
        (1, 2, 6, 6)
    """

    def __init__(self, upscale_factor: int) -> None:
        self.upscale_factor = upscale_factor

    def forward(self, x: Any) -> Any:
        """The finer image."""
        return pixel_shuffle(x, self.upscale_factor)

    def extra_repr(self) -> str:
        """The factor."""
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """The inverse of `PixelShuffle`: (..., C, H r, W r) becomes (..., C r r, H, W).

    Args:
        downscale_factor: r.

    Example:
        >>> ad.nn.PixelUnshuffle(2)(ad.ones((1, 2, 6, 6))).shape
        (1, 8, 3, 3)
    """

    def __init__(self, downscale_factor: int) -> None:
        self.downscale_factor = downscale_factor

    def forward(self, x: Any) -> Any:
        """The coarser image."""
        return pixel_unshuffle(x, self.downscale_factor)

    def extra_repr(self) -> str:
        """The factor."""
        return f"downscale_factor={self.downscale_factor}"


class Unfold(Module):
    """Sliding windows as columns; see `ad.unfold`.

    Args:
        kernel_size: sizes of a window.
        dilation: distance of the elements of a window.
        padding: zeros on both sides of each axis.
        stride: distance of the windows.

    Example:
        >>> ad.nn.Unfold(3)(ad.ones((1, 3, 5, 5))).shape
        (1, 27, 9)
    """

    def __init__(
        self,
        kernel_size: OneOrMore,
        dilation: OneOrMore = 1,
        padding: OneOrMore = 0,
        stride: OneOrMore = 1,
    ) -> None:
        self.kernel_size, self.dilation = kernel_size, dilation
        self.padding, self.stride = padding, stride

    def forward(self, x: Any) -> Any:
        """The columns, shape (N, C * elements of a window, number of windows)."""
        return ad.unfold(x, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        """The windows."""
        return (
            f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, "
            f"stride={self.stride}"
        )


class Fold(Unfold):
    """Columns of sliding windows added back where `Unfold` took them from; see `ad.fold`.

    Args:
        output_size: sizes of the result.
        kernel_size: sizes of a window.
        dilation: distance of the elements of a window.
        padding: elements on both sides of each axis that are left away.
        stride: distance of the windows.

    Example:
        >>> ad.nn.Fold(3, 2)(ad.ones((1, 4, 4))).shape
        (1, 1, 3, 3)
    """

    def __init__(
        self,
        output_size: OneOrMore,
        kernel_size: OneOrMore,
        dilation: OneOrMore = 1,
        padding: OneOrMore = 0,
        stride: OneOrMore = 1,
    ) -> None:
        super().__init__(kernel_size, dilation, padding, stride)
        self.output_size = output_size

    def forward(self, x: Any) -> Any:
        """The values, shape (N, C, *output_size)."""
        return ad.fold(
            x, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride
        )

    def extra_repr(self) -> str:
        """The result's sizes and the windows."""
        return f"output_size={self.output_size}, {super().extra_repr()}"
