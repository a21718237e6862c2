"""Transposed convolution layers, which enlarge what comes in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import adjoint as ad
from adjoint.nn.convolution import AbstractConvolution, for_axes

__all__ = ["ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]

OneOrMore = int | Sequence[int]
Generator = ad.random.Generator


class AbstractConvTranspose(AbstractConvolution):
    """A transposed convolution; each class says over how many axes."""

    function: ClassVar[Any]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: OneOrMore,
        stride: OneOrMore = 1,
        padding: OneOrMore = 0,
        output_padding: OneOrMore = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: OneOrMore = 1,
        padding_mode: str = "zeros",
        *,
        dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ad.errors.ArgumentError(
                f'padding_mode must be "zeros" here, got {padding_mode!r}'
            )
        self._set_up(in_channels, out_channels, kernel_size, stride, dilation, groups)
        self.padding = for_axes("padding", padding, self.axes)
        self.output_padding = for_axes("output_padding", output_padding, self.axes)
        self._make_parameters(in_channels, out_channels // groups, bias, dtype, generator)

    def forward(self, x: Any, output_size: Sequence[int] | None = None) -> Any:
        """The transposed convolution of `x`, shape (N, C, ...) or (C, ...), with the filters.

        Args:
            x: what comes in.
            output_size: the spatial sizes of the result, of which a stride allows several;
                instead of `output_padding`.
        """
        more = self.output_padding if output_size is None else self._more(x, output_size)
        return type(self).function(
            x, self.weight, self.bias, self.stride, self.padding, more, self.groups, self.dilation
        )

    def _more(self, x: Any, output_size: Sequence[int]) -> tuple[int, ...]:
        """What must be appended to each axis so that the result has these sizes."""
        wanted = tuple(output_size)[-self.axes :]
        image = x.shape[-self.axes :]
        least = tuple(
            (n - 1) * s - 2 * p + d * (k - 1) + 1
            for n, s, p, d, k in zip(
                image, self.stride, self.padding, self.dilation, self.kernel_size, strict=True
            )
        )
        more = tuple(m - n for m, n in zip(wanted, least, strict=True))
        if any(not 0 <= m < s for m, s in zip(more, self.stride, strict=True)):
            most = tuple(n + s - 1 for n, s in zip(least, self.stride, strict=True))
            raise ad.errors.ArgumentError(f"output_size {wanted} is not from {least} to {most}")
        return more

    def extra_repr(self) -> str:
        """The arguments that differ from the defaults."""
        none = (0,) * self.axes
        return self._described(self.padding, output_padding=(self.output_padding, none))


class ConvTranspose1d(AbstractConvTranspose):
    """Transposed convolution of sequences. See `ConvTranspose2d`.

    Example:
        >>> ad.nn.ConvTranspose1d(2, 5, 2, stride=2)(ad.ones((1, 2, 10))).shape
        (1, 5, 20)
    """

    axes = 1
    function = ad.conv_transpose1d


class ConvTranspose2d(AbstractConvTranspose):
    """Transposed convolution of images, the transpose of `Conv2d` with respect to its input.

    Args:
        in_channels: channels C of what comes in.
        out_channels: number of filters.
        kernel_size: size of a filter: an int, or one for each axis.
        stride: distance of the windows that are written to.
        padding: number of elements cut off on both sides of each axis.
        output_padding: elements appended to each axis.
        groups: number of groups that channels and filters are split into.
        bias: whether a number is added for each filter.
        dilation: distance of the elements of a filter.
        padding_mode: only ``"zeros"``.
        dtype: of the parameters; by default the default dtype.
        generator: where their first values come from.

    Attributes:
        weight: shape (C, filters / groups, height, width).
        bias: shape (filters,), or None.

    Example:
        >>> ad.nn.ConvTranspose2d(3, 8, 2, stride=2)(ad.ones((1, 3, 5, 5))).shape
        (1, 8, 10, 10)
    """

    axes = 2
    function = ad.conv_transpose2d


class ConvTranspose3d(AbstractConvTranspose):
    """Transposed convolution of volumes. See `ConvTranspose2d`.

    Example:
        >>> ad.nn.ConvTranspose3d(1, 2, 2, stride=2)(ad.ones((1, 1, 2, 2, 2))).shape
        (1, 2, 4, 4, 4)
    """

    axes = 3
    function = ad.conv_transpose3d
