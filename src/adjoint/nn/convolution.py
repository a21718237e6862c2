"""Convolution layers: filters that slide along the spatial axes of what comes in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import adjoint as ad
from adjoint.nn import init
from adjoint.nn.module import Module
from adjoint.nn.parameter import Parameter
from adjoint.nn.resample import BORDERS, pad

__all__ = ["Conv1d", "Conv2d", "Conv3d"]

OneOrMore = int | Sequence[int]
Generator = ad.random.Generator


def for_axes(name: str, given: Any, n: int) -> tuple[Any, ...]:
    """One entry for each of `n` axes, from one for all or a sequence of them."""
    entries = tuple(given) if isinstance(given, Sequence) else (given,) * n
    if len(entries) != n:
        raise ad.errors.ArgumentError(f"{name} has {len(entries)} entries for {n} axes: {given!r}")
    return entries


class AbstractConvolution(Module):
    """What all convolution layers share: filters, their initial values and their description.

    Attributes:
        axes: number of spatial axes.
        weight: the filters.
        bias: a number for each filter, or None.
    """

    axes: ClassVar[int]
    weight: Parameter
    bias: Parameter | None

    def _set_up(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: OneOrMore,
        stride: OneOrMore,
        dilation: OneOrMore,
        groups: int,
    ) -> None:
        name = type(self).__name__
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ad.errors.ArgumentError(
                f"{name}: {groups} groups do not divide {in_channels} channels and "
                f"{out_channels} filters"
            )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = for_axes("kernel_size", kernel_size, self.axes)
        self.stride = for_axes("stride", stride, self.axes)
        self.dilation = for_axes("dilation", dilation, self.axes)

    def _make_parameters(
        self, first: int, second: int, bias: bool, dtype: Any, generator: Generator | None
    ) -> None:
        shape = (first, second, *self.kernel_size)
        self.weight = Parameter(ad.empty(shape, dtype=dtype))
        self.register_parameter(
            "bias", Parameter(ad.empty(self.out_channels, dtype=dtype)) if bias else None
        )
        self.reset_parameters(generator)

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw the filters anew: uniform within ``1 / sqrt(inputs of a filter)``, as in PyTorch."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5), generator=generator)
        inputs = self.weight.size // self.weight.shape[0]
        if self.bias is not None and inputs:
            bound = 1 / math.sqrt(inputs)
            init.uniform_(self.bias, -bound, bound, generator=generator)

    def _described(self, padding: Any, **more: tuple[Any, Any]) -> str:
        """The arguments, those beyond the usual only where they differ from the default."""
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"
        text += f", stride={self.stride}"
        none = (0,) * self.axes
        optional = {
            "padding": (padding, none),
            "dilation": (self.dilation, (1,) * self.axes),
            "groups": (self.groups, 1),
            "bias": (self.bias is not None, True),
            **more,
        }
        return text + "".join(f", {k}={v!r}" for k, (v, usual) in optional.items() if v != usual)


class AbstractConv(AbstractConvolution):
    """A convolution; each class says over how many axes."""

    function: ClassVar[Any]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: OneOrMore,
        stride: OneOrMore = 1,
        padding: OneOrMore | str = 0,
        dilation: OneOrMore = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:
        self._set_up(in_channels, out_channels, kernel_size, stride, dilation, groups)
        if padding_mode != "zeros" and padding_mode not in BORDERS:
            known = ", ".join(("zeros", *BORDERS))
            raise ad.errors.ArgumentError(
                f"padding_mode must be one of {known}, got {padding_mode!r}"
            )
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ad.errors.ArgumentError(
                    f'padding must be ints, "same" or "valid", got {padding!r}'
                )
            if padding == "same" and any(s != 1 for s in self.stride):
                raise ad.errors.ArgumentError(f'padding="same" needs stride 1, got {self.stride}')
            self.padding: Any = padding
        else:
            self.padding = for_axes("padding", padding, self.axes)
        self.padding_mode = padding_mode
        self._make_parameters(out_channels, in_channels // groups, bias, dtype, generator)

    def forward(self, x: Any) -> Any:
        """The convolution of `x`, shape (N, C, ...) or (C, ...), with the filters."""
        padding = self.padding
        if self.padding_mode != "zeros":
            x = pad(x, self._border(), mode=self.padding_mode)
            padding = 0
        return type(self).function(
            x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )

    def _border(self) -> list[int]:
        """Elements before and after each axis, the last axis first, as `pad` wants them."""
        out: list[int] = []
        for i in reversed(range(self.axes)):
            if self.padding == "same":
                total = self.dilation[i] * (self.kernel_size[i] - 1)
                out += [total // 2, total - total // 2]
            else:
                out += [0, 0] if self.padding == "valid" else [self.padding[i]] * 2
        return out

    def extra_repr(self) -> str:
        """The arguments that differ from the defaults."""
        return self._described(self.padding, padding_mode=(self.padding_mode, "zeros"))


class Conv1d(AbstractConv):
    """Convolution of sequences: shape (N, C, length) becomes (N, filters, windows). See `Conv2d`.

    Example:
        >>> ad.nn.Conv1d(2, 5, 3)(ad.ones((1, 2, 10))).shape
        (1, 5, 8)
    """

    axes = 1
    function = ad.conv1d


class Conv2d(AbstractConv):
    """Convolution of images: shape (N, C, height, width) becomes (N, filters, windows...).

    Args:
        in_channels: channels C of what comes in.
        out_channels: number of filters.
        kernel_size: size of a filter: an int, or one for each axis.
        stride: distance of the windows.
        padding: zeros on both sides of each axis, ``"same"`` or ``"valid"``; see `ad.conv2d`.
        dilation: distance of the elements of a filter.
        groups: number of groups that channels and filters are split into.
        bias: whether a number is added for each filter.
        padding_mode: ``"zeros"``, ``"reflect"``, ``"replicate"`` or ``"circular"``.
        dtype: of the parameters; by default the default dtype.
        generator: where their first values come from.

    Attributes:
        weight: shape (filters, C / groups, height, width).
        bias: shape (filters,), or None.

    Raises:
        ArgumentError: if an option has a wrong value.

    Example:
        >>> layer = ad.nn.Conv2d(3, 8, 3, padding="same")
        >>> layer(ad.ones((1, 3, 5, 5))).shape
        (1, 8, 5, 5)
    """

    axes = 2
    function = ad.conv2d


class Conv3d(AbstractConv):
    """Convolution of volumes: shape (N, C, depth, height, width). See `Conv2d`.

    Example:
        >>> ad.nn.Conv3d(1, 2, 3, padding=1)(ad.ones((1, 1, 4, 4, 4))).shape
        (1, 2, 4, 4, 4)
    """

    axes = 3
    function = ad.conv3d
