"""Powers and roots, elementwise, of real and complex numbers."""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterator
from typing import Any, Final, final

import numpy as np

from adjoint.core.bind import SCALARS, bind_one
from adjoint.core.errors import ArgumentError
from adjoint.core.primitive import Sample
from adjoint.core.types import Type
from adjoint.ops.arithmetic import AbstractAnalyticMap, binary
from adjoint.ops.compare import EQUAL, IS_FINITE, LOGICAL_AND
from adjoint.ops.exponential import LOG
from adjoint.ops.families import AbstractMap
from adjoint.ops.select import WHERE

__all__ = ["cbrt", "pow", "power", "reciprocal", "rsqrt", "sqrt", "square"]


@final
class Power(AbstractMap):
    """x to the power of y.

    An exponent that is a Python number is part of the program: ``x ** 2`` is a product, and its
    derivative ``2 * x``. The rules read the same operands for such an exponent as for a tensor.
    """

    llvm = "pow"
    bools = False
    flops = 20
    domain = ((0.3, 3.0), (-2.0, 3.0))

    def value(self, x: Any, y: Any) -> Any:
        if y.__class__ in SCALARS:
            if y == 2:
                return np.multiply(x, x)
            if y == 3:
                return np.multiply(np.multiply(x, x), x)
            if y != 0.5:
                return np.power(x, y)
        return _no_square_root(np.power(x, y), x, y)

    def out_type(self, *types: Any) -> Type:
        out = super().out_type(*types)
        y = types[1]
        if out.dtype.kind in "iu" and y.__class__ in SCALARS and y < 0:
            raise ArgumentError(f"an integer to the power {y} is no integer")
        return out

    def hint(self, *xs: Any) -> str:
        return "x.astype('float32') ** y" if xs[0].__class__ not in SCALARS else ""

    def partial(self, i: int, out: Any, x: Any, y: Any) -> Any:
        return _slope_in_exponent(out, x) if i else _slope_in_base(x, y)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield from super().samples(rng)
        yield cls(), [rng.uniform(0.5, 2, 4) + 1j * rng.normal(size=4), rng.normal(size=4) + 0.5j]
        for y in (2, 3, -1, 0.5, 0, 1):
            yield cls(), [rng.uniform(0.3, 3, size=(2, 3)), y]
        yield cls(), [rng.uniform(-3, -0.3, size=4), -3]
        yield cls(), [2, rng.uniform(-3, 3, size=4)]


def _no_square_root(out: Any, x: Any, y: Any) -> Any:
    """``x ** y`` where NumPy has taken the square root of x instead, because y is 0.5 throughout.

    The two differ at -0.0, whose power is 0.0, and at -inf, whose power is inf.
    """
    if out.dtype.kind != "f":
        return out
    half = np.equal(y, 0.5)
    if not half.any():
        return out
    out = np.where(half, np.abs(out), out)
    low = half & np.equal(x, -math.inf)
    return np.where(low, math.inf, out) if low.any() else out


def _slope_in_base(x: Any, y: Any) -> Any:
    """``y x**(y-1)``, and 0 for the constant ``x**0`` even at x = 0."""
    if y.__class__ in SCALARS:
        if y == 0:
            return POWER(x, 0) * 0
        return x * 2 if y == 2 else POWER(x, y - 1) * y
    return WHERE(EQUAL(y, 0), 0, POWER(x, y - 1) * y)


def _slope_in_exponent(out: Any, x: Any) -> Any:
    """``x**y log(x)``, and 0 at x = 0 where ``0**y`` is finite, which it is for y >= 0."""
    if x.__class__ in SCALARS:
        if x == 0:
            return WHERE(IS_FINITE(out), 0, -out)
        if x.__class__ is complex or out.dtype.kind == "c":
            return out * cmath.log(x)
        return out * (math.log(x) if x > 0 else math.nan)
    at_zero = LOGICAL_AND(EQUAL(x, 0), IS_FINITE(out))
    return out * LOG(WHERE(at_zero, 1, x))


@final
class Square(AbstractMap):
    """The value times itself."""

    llvm = "square"
    value = np.square
    bools = False

    def partial(self, i: int, out: Any, x: Any) -> Any:
        return x * 2


@final
class Reciprocal(AbstractAnalyticMap):
    """One divided by the value."""

    llvm = "reciprocal"
    value = np.reciprocal
    flops = 1
    domain = ((0.5, 3.0),)

    def partial(self, i: int, out: Any, x: Any) -> Any:
        return -(out * out)


@final
class Sqrt(AbstractAnalyticMap):
    """The square root. **Gradient:** infinite at 0, as it is."""

    llvm = "sqrt"
    value = np.sqrt
    flops = 1
    domain = ((0.2, 3.0),)

    def partial(self, i: int, out: Any, x: Any) -> Any:
        return 0.5 / out


@final
class Rsqrt(AbstractAnalyticMap):
    """One divided by the square root."""

    llvm = "rsqrt"
    flops = 2
    domain = ((0.2, 3.0),)

    def value(self, x: Any) -> Any:
        return np.reciprocal(np.sqrt(x))

    def partial(self, i: int, out: Any, x: Any) -> Any:
        return out * out * out * -0.5


@final
class Cbrt(AbstractAnalyticMap):
    """The real cube root; of a negative number it is negative. **Gradient:** infinite at 0."""

    llvm = "cbrt"
    value = np.cbrt
    complex_ok = False
    domain = ((0.2, 3.0), (-3.0, -0.2))

    def partial(self, i: int, out: Any, x: Any) -> Any:
        return 1 / (out * out * 3)


POWER: Final = Power()
SQUARE: Final = Square()
RECIPROCAL: Final = Reciprocal()
SQRT: Final = Sqrt()
RSQRT: Final = Rsqrt()
CBRT: Final = Cbrt()


def power(x: Any, y: Any, /) -> Any:
    """x to the power of y, elementwise: ``x ** y``.

    Args:
        x: any shape of numbers.
        y: a shape that broadcasts with it. Negative real numbers have powers with integral
            exponents only; the others are NaN.

    Returns:
        The broadcast shape, in the promoted dtype; integers to the power of integers are integers.

    Raises:
        ArgumentError: if an integer has a negative integer exponent.

    Example:
        >>> ad.power(ad.tensor([1.0, -2.0]), 3)
        tensor([ 1., -8.])

    **Gradient:** ``y * x**(y - 1)`` for `x`, which is 0 for ``y = 0`` everywhere; ``x**y * log(x)``
    for `y`, which is 0 at ``x = 0`` for ``y >= 0``, and NaN for negative `x`.
    """
    return binary(POWER, x, y)


def pow(x: Any, y: Any, /) -> Any:
    """x to the power of y, elementwise: ``x ** y``. The standard's name of `power`.

    Example:
        >>> ad.pow(ad.tensor([1.0, 2.0]), 3)
        tensor([1., 8.])

    **Gradient:** that of `power`.
    """
    return binary(POWER, x, y)


def square(x: Any, /) -> Any:
    """The square of each element, in its own dtype.

    Example:
        >>> ad.square(ad.tensor([1.0, -2.0]))
        tensor([1., 4.])

    **Gradient:** ``2 * x``.
    """
    return bind_one(SQUARE, x)


def reciprocal(x: Any, /) -> Any:
    """One divided by each element. Integers give the default float dtype.

    Example:
        >>> ad.reciprocal(ad.tensor([1, 2]))
        tensor([1. , 0.5])

    **Gradient:** ``-1 / x**2``.
    """
    return bind_one(RECIPROCAL, x)


def sqrt(x: Any, /) -> Any:
    """The square root of each element; NaN for negative real numbers.

    Example:
        >>> ad.sqrt(ad.tensor([1.0, 4.0]))
        tensor([1., 2.])

    **Gradient:** ``1 / (2 sqrt(x))``, infinite at 0; a 0 that does not reach the loss has none.
    """
    return bind_one(SQRT, x)


def rsqrt(x: Any, /) -> Any:
    """One divided by the square root of each element.

    Example:
        >>> ad.rsqrt(ad.tensor([1.0, 4.0]))
        tensor([1. , 0.5])

    **Gradient:** ``-1 / (2 x**1.5)``.
    """
    return bind_one(RSQRT, x)


def cbrt(x: Any, /) -> Any:
    """The real cube root of each element; negative for negative ones.

    Example:
        >>> ad.cbrt(ad.tensor([8.0, -27.0]))
        tensor([ 2., -3.])

    **Gradient:** ``1 / (3 x**(2/3))``, infinite at 0.
    """
    return bind_one(CBRT, x)
