"""The geometry of a convolution: which elements of the image meet which of the kernel, and where.

Window p of an axis meets the image's element i with the kernel's element k where
``i * spread + low == p * stride + k * step``.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from adjoint.backends.llvm.layout import Ints, steps
from adjoint.core.types import DType


@dataclass(frozen=True, slots=True)
class Axis:
    """One spatial axis.

    Attributes:
        image: its size in the image.
        kernel: its size in the kernel.
        out: its size in the result.
        stride: distance of the windows.
        spread: distance of the image's elements.
        step: distance of the kernel's elements.
        low: zeros in front of the image.
    """

    image: int
    kernel: int
    out: int
    stride: int
    spread: int
    step: int
    low: int

    @property
    def met(self) -> int:
        """Elements from the first that a window meets to the last, of an image without gaps."""
        return (self.out - 1) * self.stride + (self.kernel - 1) * self.step + 1

    @property
    def padded(self) -> bool:
        """Whether windows meet elements outside of an image without gaps."""
        return self.low > 0 or self.met - self.low > self.image

    @property
    def inside(self) -> tuple[int, int]:
        """The first element of the image that is met, and how many are."""
        first = max(-self.low, 0)
        return first, max(min(self.met - self.low, self.image) - first, 0)

    @property
    def reached(self) -> tuple[int, int]:
        """The first window, and how many, if all that the image reaches is computed (stride 1).

        They hold those of the result; the first may be below zero.
        """
        first = min(self.low - (self.kernel - 1) * self.step, 0)
        last = max((self.image - 1) * self.spread + self.low, self.out - 1)
        return first, last - first + 1


@dataclass(frozen=True, slots=True)
class Problem:
    """Sizes of a convolution: images with inner channels become images with other channels.

    Attributes:
        dtype: of all numbers.
        images: how many there are.
        inner: their channels, which are summed over.
        channels: those of the result.
        axes: the spatial axes.
        flip: whether the kernel is read from its end.
    """

    dtype: DType
    images: int
    inner: int
    channels: int
    axes: tuple[Axis, ...]
    flip: bool

    @property
    def padded(self) -> bool:
        """Whether images must be copied between zeros first."""
        return any(axis.padded for axis in self.axes)

    @property
    def met(self) -> Ints:
        """The spatial sizes of a padded image."""
        return tuple(axis.met for axis in self.axes)

    @property
    def image(self) -> Ints:
        """The spatial sizes of an image."""
        return tuple(axis.image for axis in self.axes)

    @property
    def kernel(self) -> Ints:
        """The spatial sizes of the kernel."""
        return tuple(axis.kernel for axis in self.axes)

    @property
    def out(self) -> Ints:
        """The spatial sizes of the result."""
        return tuple(axis.out for axis in self.axes)

    @property
    def depth(self) -> int:
        """Multiply-adds for each pair of a point and an element of the kernel."""
        return self.images * self.inner * self.channels

    def padded_image(self, channels: int) -> tuple[int, Ints]:
        """The number of elements of a padded image, and its spatial strides."""
        return channels * prod(self.met), steps(self.met)


@dataclass(frozen=True, slots=True)
class Operand:
    """Strides of an operand: along its own letter, along the other one, in space."""

    own: int
    other: int
    space: Ints
