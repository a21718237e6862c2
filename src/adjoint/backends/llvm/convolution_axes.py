"""What a convolution does along each of its axes: which elements of the image meet which of the kernel.

Window p of an axis meets the image's element i with the kernel's element k where
``i * input_dilation + low == p * stride + k * kernel_dilation``. Where the image is dilated, windows
fall into *phases*, which come round again: those of a phase all meet the same elements of the
kernel, so that a phase is a convolution of the image as it is with a part of the kernel.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from adjoint.backends.llvm.layout import Ints, steps
from adjoint.core.types import DType


@dataclass(frozen=True, slots=True)
class Phase:
    """Windows that meet the same elements of the kernel.

    Attributes:
        first: the first of these windows.
        apart: windows from one to the next.
        count: how many there are.
        begin: where in the image the first window begins.
        move: elements of the image from one of them to the next.
        taps: how many elements of the kernel they meet.
        inside: elements of the image from one of these to the next.
        kernel: the first of them in the kernel.
        way: elements of the kernel from one to the next.
    """

    first: int
    apart: int
    count: int
    begin: int
    move: int
    taps: int
    inside: int
    kernel: int
    way: int


@dataclass(frozen=True, slots=True)
class Axis:
    """One spatial axis.

    Attributes:
        image: its size in the image.
        kernel: its size in the kernel.
        out: its size in the result.
        low: the first element of the image that is met; below zero in padding.
        reach: elements from there to the last that is met.
        phases: the windows.
    """

    image: int
    kernel: int
    out: int
    low: int
    reach: int
    phases: tuple[Phase, ...]

    @property
    def padded(self) -> bool:
        """Whether elements outside of the image are met."""
        return self.low < 0 or self.low + self.reach > self.image

    @property
    def inside(self) -> tuple[int, int]:
        """The first element in the image that is met, and how many are."""
        first = max(self.low, 0)
        return first, min(self.low + self.reach, self.image) - first


@dataclass(frozen=True, slots=True)
class Problem:
    """Sizes of a convolution: images with inner channels become images with other channels."""

    dtype: DType
    images: int
    inner: int
    channels: int
    axes: tuple[Axis, ...]

    @property
    def padded(self) -> bool:
        """Whether images must be copied between zeros first."""
        return any(axis.padded for axis in self.axes)

    @property
    def region(self) -> Ints:
        """The spatial sizes of what is met of an image."""
        return tuple(axis.reach for axis in self.axes)

    @property
    def work(self) -> int:
        """Multiply-adds."""
        met = prod(sum(p.count * p.taps for p in axis.phases) for axis in self.axes)
        return self.images * self.inner * self.channels * met

    def spread(self, channels: int) -> tuple[int, Ints]:
        """The size of a padded image, and its spatial strides."""
        return channels * prod(self.region), steps(self.region)


@dataclass(frozen=True, slots=True)
class Operand:
    """Strides of an operand: along its own letter, along the other one, in space."""

    own: int
    other: int
    space: Ints
