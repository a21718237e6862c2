"""Border layers: constant, mirrored, repeated and periodic borders around the last axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from adjoint.nn.convolution import for_axes
from adjoint.nn.module import Module
from adjoint.nn.resample import pad

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class AbstractPad(Module):
    """A border; each class says of what kind and around how many axes.

    Args:
        padding: elements before and after the last axis, then the last but one, and so on; one
            int holds for all.
    """

    axes: ClassVar[int]
    mode: ClassVar[str] = "constant"
    value: float = 0.0

    def __init__(self, padding: int | Sequence[int]) -> None:
        self.padding = for_axes("padding", padding, 2 * self.axes)

    def forward(self, x: Any) -> Any:
        """`x` with the border."""
        return pad(x, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        """The widths."""
        return f"{self.padding}"


class ConstantPad1d(AbstractPad):
    """A border of one value around the last axis. See `ConstantPad2d`.

    Example:
        >>> ad.nn.ConstantPad1d(1, 9.0)(ad.tensor([[1.0, 2.0]]))
        tensor([[9., 1., 2., 9.]])
    """

    axes = 1

    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def extra_repr(self) -> str:
        """The widths and the value."""
        return f"padding={self.padding}, value={self.value}"


class ConstantPad2d(ConstantPad1d):
    """A border of one value around images.

    Args:
        padding: elements left, right, above and below; one int holds for all.
        value: what the border is filled with.

    Example:
        >>> ad.nn.ConstantPad2d((1, 0, 0, 0), 9.0)(ad.tensor([[[1.0], [2.0]]]))
        tensor([[[9., 1.],
                 [9., 2.]]])
    """

    axes = 2


class ConstantPad3d(ConstantPad1d):
    """A border of one value around volumes. See `ConstantPad2d`.

    Example:
        >>> ad.nn.ConstantPad3d(1, 0.5)(ad.ones((1, 2, 2, 2))).shape
        (1, 4, 4, 4)
    """

    axes = 3


class ZeroPad1d(AbstractPad):
    """A border of zeros around the last axis.

    Example:
        >>> ad.nn.ZeroPad1d((0, 2))(ad.tensor([[1.0, 2.0]]))
        tensor([[1., 2., 0., 0.]])
    """

    axes = 1


class ZeroPad2d(AbstractPad):
    """A border of zeros around images; `padding` is left, right, above and below.

    Example:
        >>> ad.nn.ZeroPad2d(1)(ad.ones((1, 2, 2))).shape
        (1, 4, 4)
    """

    axes = 2


class ZeroPad3d(AbstractPad):
    """A border of zeros around volumes.

    Example:
        >>> ad.nn.ZeroPad3d(1)(ad.ones((1, 2, 2, 2))).shape
        (1, 4, 4, 4)
    """

    axes = 3


class ReflectionPad1d(AbstractPad):
    """A border that mirrors the last axis about its ends.

    Example:
        >>> ad.nn.ReflectionPad1d(2)(ad.tensor([[1.0, 2.0, 3.0]]))
        tensor([[3., 2., 1., 2., 3., 2., 1.]])
    """

    axes = 1
    mode = "reflect"


class ReflectionPad2d(AbstractPad):
    """A border that mirrors images about their edges.

    Example:
        >>> ad.nn.ReflectionPad2d(1)(ad.ones((1, 2, 2))).shape
        (1, 4, 4)
    """

    axes = 2
    mode = "reflect"


class ReflectionPad3d(AbstractPad):
    """A border that mirrors volumes about their faces.

    Example:
        >>> ad.nn.ReflectionPad3d(1)(ad.ones((1, 2, 2, 2))).shape
        (1, 4, 4, 4)
    """

    axes = 3
    mode = "reflect"


class ReplicationPad1d(AbstractPad):
    """A border that repeats the ends of the last axis.

    Example:
        >>> ad.nn.ReplicationPad1d((2, 1))(ad.tensor([[1.0, 2.0]]))
        tensor([[1., 1., 1., 2., 2.]])
    """

    axes = 1
    mode = "replicate"


class ReplicationPad2d(AbstractPad):
    """A border that repeats the edges of images.

    Example:
        >>> ad.nn.ReplicationPad2d(1)(ad.ones((1, 2, 2))).shape
        (1, 4, 4)
    """

    axes = 2
    mode = "replicate"


class ReplicationPad3d(AbstractPad):
    """A border that repeats the faces of volumes.

    Example:
        >>> ad.nn.ReplicationPad3d(1)(ad.ones((1, 2, 2, 2))).shape
        (1, 4, 4, 4)
    """

    axes = 3
    mode = "replicate"


class CircularPad1d(AbstractPad):
    """A border that continues the last axis periodically.

    Example:
        >>> ad.nn.CircularPad1d((2, 1))(ad.tensor([[1.0, 2.0, 3.0]]))
        tensor([[2., 3., 1., 2., 3., 1.]])
    """

    axes = 1
    mode = "circular"


class CircularPad2d(AbstractPad):
    """A border that continues images periodically.

    Example:
        >>> ad.nn.CircularPad2d(1)(ad.ones((1, 2, 2))).shape
        (1, 4, 4)
    """

    axes = 2
    mode = "circular"


class CircularPad3d(AbstractPad):
    """A border that continues volumes periodically.

    Example:
        >>> ad.nn.CircularPad3d(1)(ad.ones((1, 2, 2, 2))).shape
        (1, 4, 4, 4)
    """

    axes = 3
    mode = "circular"
