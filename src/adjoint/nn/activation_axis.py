"""Activations along an axis as layers."""

from __future__ import annotations

from typing import Any

import adjoint as ad
from adjoint.nn import activation_functions as f
from adjoint.nn.activation import AbstractActivation

__all__ = ["GLU", "LogSoftmax", "Softmax", "Softmin"]


class Softmax(AbstractActivation):
    """Exponentials along an axis, divided by their sum.

    Args:
        dim: the axis.

    Example:
        >>> ad.nn.Softmax()(ad.tensor([0.0, 0.0, -1000.0]))
        tensor([0.5, 0.5, 0. ])
    """

    shown = ("dim",)

    def __init__(self, dim: int = -1) -> None:
        self.dim = dim

    def forward(self, x: Any) -> Any:
        """The slices along the axis, transformed."""
        return ad.softmax(x, axis=self.dim)


class LogSoftmax(AbstractActivation):
    """The logarithm of the softmax along an axis.

    Args:
        dim: the axis.

    Example:
        >>> ad.nn.LogSoftmax()(ad.tensor([0.0, 0.0]))
        tensor([-0.6931472, -0.6931472])
    """

    shown = ("dim",)

    def __init__(self, dim: int = -1) -> None:
        self.dim = dim

    def forward(self, x: Any) -> Any:
        """The slices along the axis, transformed."""
        return ad.log_softmax(x, axis=self.dim)


class Softmin(AbstractActivation):
    """The softmax of ``-x`` along an axis.

    Args:
        dim: the axis.

    Example:
        >>> ad.nn.Softmin()(ad.tensor([0.0, 0.0, 1000.0]))
        tensor([0.5, 0.5, 0. ])
    """

    shown = ("dim",)

    def __init__(self, dim: int = -1) -> None:
        self.dim = dim

    def forward(self, x: Any) -> Any:
        """The slices along the axis, transformed."""
        return f.softmin(x, self.dim)


class GLU(AbstractActivation):
    """The first half along an axis, times the sigmoid of the second half.

    Args:
        dim: the axis.

    Example:
        >>> ad.nn.GLU()(ad.tensor([1.0, 2.0, 0.0, 1000.0]))
        tensor([0.5, 2. ])
    """

    shown = ("dim",)

    def __init__(self, dim: int = -1) -> None:
        self.dim = dim

    def forward(self, x: Any) -> Any:
        """The slices along the axis, transformed."""
        return f.glu(x, self.dim)
