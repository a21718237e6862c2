"""Arithmetic, elementwise: sums, products, quotients, powers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, final

import numpy as np

from adjoint.core.bind import lift
from adjoint.core.primitive import Sample
from adjoint.core.types import INT, DType, default_dtype, dtype_kind
from adjoint.ops.families import ZERO, AbstractLinearMap, AbstractMap


__all__ = ["add", "divide", "multiply", "negative", "subtract"]


@final
class Add(AbstractLinearMap):
    """Sum of two values, elementwise."""

    llvm = "add"
    value = np.add

    def transpose(self, i: int, ct: Any, x: Any, y: Any) -> Any:
        return ct


@final
class Subtract(AbstractLinearMap):
    """Difference of two values, elementwise."""

    llvm = "sub"
    value = np.subtract

    def transpose(self, i: int, ct: Any, x: Any, y: Any) -> Any:
        return -ct if i else ct


@final
class Multiply(AbstractMap):
    """Product of two values, elementwise."""

    llvm = "mul"
    value = np.multiply

    def partial(self, i: int, out: Any, x: Any, y: Any) -> Any:
        return x if i else y


@final
class Divide(AbstractMap):
    """Quotient of two values, elementwise."""

    llvm = "div"
    value = np.divide
    floating = True
    domain = ((-3.0, 3.0), (0.5, 3.0))

    def partial(self, i: int, out: Any, x: Any, y: Any) -> Any:
        return -out / y if i else 1 / y


@final
class Negative(AbstractLinearMap):
    """The value with its sign changed."""

    llvm = "neg"
    value = np.negative

    def transpose(self, i: int, ct: Any, x: Any) -> Any:
        return -ct


ADD: Final = Add()
SUBTRACT: Final = Subtract()
MULTIPLY: Final = Multiply()
DIVIDE: Final = Divide()
NEGATIVE: Final = Negative()


def add(x: Any, y: Any, /) -> Any:
    """Sum of two tensors, elementwise: ``x + y``.

    Args:
        x: any shape.
        y: a shape that broadcasts with it.

    Returns:
        The broadcast shape, in the promoted dtype.

    Raises:
        ShapeError: if the shapes do not broadcast.

    Example:
        >>> ad.add(ad.tensor([1.0, 2.0]), 1)
        tensor([2., 3.])

    **Gradient:** 1 for both.
    """
    return ADD(lift(x), y)


def subtract(x: Any, y: Any, /) -> Any:
    """Difference of two tensors, elementwise: ``x - y``.

    Example:
        >>> ad.subtract(ad.tensor([1.0, 2.0]), 1)
        tensor([0., 1.])

    **Gradient:** 1 for `x`, -1 for `y`.
    """
    return SUBTRACT(lift(x), y)


def multiply(x: Any, y: Any, /) -> Any:
    """Product of two tensors, elementwise: ``x * y``.

    Example:
        >>> ad.multiply(ad.tensor([1.0, 2.0]), 3)
        tensor([3., 6.])

    **Gradient:** `y` for `x`, `x` for `y`.
    """
    return MULTIPLY(lift(x), y)


def divide(x: Any, y: Any, /) -> Any:
    """Quotient of two tensors, elementwise: ``x / y``. Integers give the default float dtype.

    Example:
        >>> ad.divide(ad.tensor([1.0, 2.0]), 2)
        tensor([0.5, 1. ])

    **Gradient:** ``1 / y`` for `x`, ``-x / y**2`` for `y`.
    """
    return DIVIDE(lift(x), y)


def negative(x: Any, /) -> Any:
    """The tensor with its sign changed, elementwise: ``-x``.

    Example:
        >>> ad.negative(ad.tensor([1.0, -2.0]))
        tensor([-1.,  2.])

    **Gradient:** -1.
    """
    return NEGATIVE(lift(x))
