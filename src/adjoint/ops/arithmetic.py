"""Arithmetic, elementwise: sums, products, quotients; and what elementwise functions share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, final

import numpy as np

from adjoint.core.bind import SCALARS, bind_one, lift
from adjoint.core.primitive import Primitive, Sample
from adjoint.ops.families import AbstractLinearMap, AbstractMap

__all__ = ["add", "divide", "multiply", "negative", "positive", "subtract"]


def binary(card: Primitive, x: Any, y: Any) -> Any:
    """Apply a card to two operands of any kind; a Python scalar beside a tensor stays weak."""
    if x.__class__ in SCALARS and y.__class__ not in SCALARS:
        return card(x, lift(y))
    return card(lift(x), y)


class AbstractAnalyticMap(AbstractMap):
    """An elementwise function of floats, and of complex numbers where it is analytic.

    Integers are first converted to the default float dtype. Because a complex derivative is the
    same formula as the real one, a card states it once.
    """

    floating = True
    flops = 10

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield from super().samples(rng)
        if cls.complex_ok:
            spans = [cls.domain[min(i, len(cls.domain) - 1)] for i in range(cls.arity())]
            yield (
                cls(),
                [rng.uniform(*span, size=5) + 1j * rng.uniform(-1, 1, size=5) for span in spans],
            )


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
    bools = False

    def transpose(self, i: int, ct: Any, x: Any, y: Any) -> Any:
        return -ct if i else ct


@final
class Multiply(AbstractMap):
    """Product of two values, elementwise."""

    llvm = "mul"
    value = np.multiply

    def partial(self, i: int, out: Any, x: Any, y: Any) -> Any:
        return x if i else y

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield from super().samples(rng)
        yield cls(), [rng.normal(size=(2, 3)) + 1j, 2 - 1j * rng.normal(size=3)]


@final
class Divide(AbstractAnalyticMap):
    """Quotient of two values, elementwise."""

    llvm = "div"
    value = np.divide
    flops = 1
    domain = ((-3.0, 3.0), (0.5, 3.0))

    def partial(self, i: int, out: Any, x: Any, y: Any) -> Any:
        return -out / y if i else 1 / y


@final
class Negative(AbstractLinearMap):
    """The value with its sign changed."""

    llvm = "neg"
    value = np.negative
    bools = False

    def transpose(self, i: int, ct: Any, x: Any) -> Any:
        return -ct


@final
class Positive(AbstractLinearMap):
    """The value as it is."""

    llvm = "pos"
    value = np.positive
    bools = False
    flops = 0

    def transpose(self, i: int, ct: Any, x: Any) -> Any:
        return ct


ADD: Final = Add()
SUBTRACT: Final = Subtract()
MULTIPLY: Final = Multiply()
DIVIDE: Final = Divide()
NEGATIVE: Final = Negative()
POSITIVE: Final = Positive()


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
    return binary(ADD, x, y)


def subtract(x: Any, y: Any, /) -> Any:
    """Difference of two tensors, elementwise: ``x - y``.

    Example:
        >>> ad.subtract(ad.tensor([1.0, 2.0]), 1)
        tensor([0., 1.])

    **Gradient:** 1 for `x`, -1 for `y`.
    """
    return binary(SUBTRACT, x, y)


def multiply(x: Any, y: Any, /) -> Any:
    """Product of two tensors, elementwise: ``x * y``.

    Example:
        >>> ad.multiply(ad.tensor([1.0, 2.0]), 3)
        tensor([3., 6.])

    **Gradient:** `y` for `x`, `x` for `y`.
    """
    return binary(MULTIPLY, x, y)


def divide(x: Any, y: Any, /) -> Any:
    """Quotient of two tensors, elementwise: ``x / y``. Integers give the default float dtype.

    Example:
        >>> ad.divide(ad.tensor([1.0, 2.0]), 2)
        tensor([0.5, 1. ])

    **Gradient:** ``1 / y`` for `x`, ``-x / y**2`` for `y`.
    """
    return binary(DIVIDE, x, y)


def negative(x: Any, /) -> Any:
    """The tensor with its sign changed, elementwise: ``-x``.

    Example:
        >>> ad.negative(ad.tensor([1.0, -2.0]))
        tensor([-1.,  2.])

    **Gradient:** -1.
    """
    return bind_one(NEGATIVE, x)


def positive(x: Any, /) -> Any:
    """The tensor as it is, as a tensor of its own: ``+x``.

    Example:
        >>> ad.positive(ad.tensor([1.0, -2.0]))
        tensor([ 1., -2.])

    **Gradient:** 1.
    """
    return bind_one(POSITIVE, x)
