"""Operations on the bits of integers, elementwise; bools count as one bit."""

from __future__ import annotations

from typing import Any, ClassVar, Final, final

import numpy as np

from adjoint.core.bind import bind_one
from adjoint.ops.arithmetic import binary
from adjoint.ops.families import AbstractMap

__all__ = [
    "bitwise_and",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
]


class AbstractBitwise(AbstractMap):
    """An elementwise operation on bits."""

    integers = True
    no_derivative = "an integer has no gradient"
    domain: ClassVar[tuple[tuple[float, float], ...]] = ((0.0, 9.0),)


@final
class BitwiseAnd(AbstractBitwise):
    """The bits that both values have; for bools, whether both are true."""

    llvm = "and"
    value = np.bitwise_and


@final
class BitwiseOr(AbstractBitwise):
    """The bits that at least one of two values has; for bools, whether one is true."""

    llvm = "or"
    value = np.bitwise_or


@final
class BitwiseXor(AbstractBitwise):
    """The bits that exactly one of two values has; for bools, whether they differ."""

    llvm = "xor"
    value = np.bitwise_xor


@final
class BitwiseInvert(AbstractBitwise):
    """The bits that the value does not have; for bools, whether it is false."""

    llvm = "invert"
    value = np.bitwise_invert


@final
class BitwiseLeftShift(AbstractBitwise):
    """The bits of x moved up by y places, zeros filled in."""

    llvm = "shl"
    value = np.bitwise_left_shift
    bools = False


@final
class BitwiseRightShift(AbstractBitwise):
    """The bits of x moved down by y places, the sign kept."""

    llvm = "shr"
    value = np.bitwise_right_shift
    bools = False


BITWISE_AND: Final = BitwiseAnd()
BITWISE_OR: Final = BitwiseOr()
BITWISE_XOR: Final = BitwiseXor()
BITWISE_INVERT: Final = BitwiseInvert()
BITWISE_LEFT_SHIFT: Final = BitwiseLeftShift()
BITWISE_RIGHT_SHIFT: Final = BitwiseRightShift()


def bitwise_and(x: Any, y: Any, /) -> Any:
    """The bits that both integers have: ``x & y``. For bools, whether both are true.

    Args:
        x: integers or bools of any shape.
        y: integers or bools of a shape that broadcasts with it.

    Raises:
        DTypeError: if an operand is a float.

    Example:
        >>> ad.bitwise_and(ad.tensor([6, 12]), 10)
        tensor([2, 8])
    """
    return binary(BITWISE_AND, x, y)


def bitwise_or(x: Any, y: Any, /) -> Any:
    """The bits that at least one of two integers has: ``x | y``.

    Example:
        >>> ad.bitwise_or(ad.tensor([6, 12]), 10)
        tensor([14, 14])
    """
    return binary(BITWISE_OR, x, y)


def bitwise_xor(x: Any, y: Any, /) -> Any:
    """The bits that exactly one of two integers has: ``x ^ y``.

    Example:
        >>> ad.bitwise_xor(ad.tensor([6, 12]), 10)
        tensor([12,  6])
    """
    return binary(BITWISE_XOR, x, y)


def bitwise_invert(x: Any, /) -> Any:
    """The bits that each integer does not have: ``~x``. For bools, whether it is false.

    Example:
        >>> ad.bitwise_invert(ad.tensor([0, 5]))
        tensor([-1, -6])
    """
    return bind_one(BITWISE_INVERT, x)


def bitwise_left_shift(x: Any, y: Any, /) -> Any:
    """The bits of `x` moved up by `y` places: ``x << y``, which is ``x * 2**y``.

    Example:
        >>> ad.bitwise_left_shift(ad.tensor([1, 3]), 2)
        tensor([ 4, 12])
    """
    return binary(BITWISE_LEFT_SHIFT, x, y)


def bitwise_right_shift(x: Any, y: Any, /) -> Any:
    """The bits of `x` moved down by `y` places: ``x >> y``, which is ``x // 2**y``.

    Example:
        >>> ad.bitwise_right_shift(ad.tensor([4, -3]), 1)
        tensor([ 2, -2])
    """
    return binary(BITWISE_RIGHT_SHIFT, x, y)
