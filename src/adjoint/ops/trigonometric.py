"""Trigonometric functions and their inverses, elementwise, of real and complex numbers.

Derivatives are written so that they neither overflow nor cancel before the function itself does:
``(1 - x)(1 + x)`` instead of ``1 - x**2``, and quotients by `hypot` instead of by its square.
"""

from __future__ import annotations

import math
from typing import Any, Final, final

import numpy as np

from adjoint.core.bind import bind_one, lift
from adjoint.ops.arithmetic import AbstractAnalyticMap, binary
from adjoint.ops.bessel import SphericalBessel
from adjoint.ops.compare import EQUAL
from adjoint.ops.power import RSQRT
from adjoint.ops.select import WHERE

__all__ = [
    "acos",
    "asin",
    "atan",
    "atan2",
    "cos",
    "degrees",
    "hypot",
    "radians",
    "sin",
    "sinc",
    "tan",
]


@final
class Sin(AbstractAnalyticMap):
    """The sine."""

    llvm = "sin"
    value = np.sin

    def partial(self, i: int, out: Any, x: Any) -> Any:
        return COS(x)


@final
class Cos(AbstractAnalyticMap):
    """The cosine."""

    llvm = "cos"
    value = np.cos

    def partial(self, i: int, out: Any, x: Any) -> Any:
        return -SIN(x)


@final
class Tan(AbstractAnalyticMap):
    """The tangent."""

    llvm = "tan"
    domain = ((-1.2, 1.2),)

    def value(self, x: Any) -> Any:
        out = np.tan(x)
        if out.dtype.kind == "c" and np.isinf(x.imag).any():
            # as -1j * tanh(x * 1j), which `Tanh` describes
            out = np.asarray(out)
            part = np.real(out)
            part[...] = np.where(np.isinf(x.imag), np.copysign(0, x.real), part)
        return out

    def partial(self, i: int, out: Any, x: Any) -> Any:
        return 1 + out * out


@final
class Asin(AbstractAnalyticMap):
    """The angle with this sine."""

    llvm = "asin"
    value = np.arcsin
    domain = ((-0.9, 0.9),)

    def partial(self, i: int, out: Any, x: Any) -> Any:
        return RSQRT((1 - x) * (1 + x))


@final
class Acos(AbstractAnalyticMap):
    """The angle with this cosine."""

    llvm = "acos"
    value = np.arccos
    domain = ((-0.9, 0.9),)

    def partial(self, i: int, out: Any, x: Any) -> Any:
        return -RSQRT((1 - x) * (1 + x))


@final
class Atan(AbstractAnalyticMap):
    """The angle with this tangent."""

    llvm = "atan"
    value = np.arctan

    def partial(self, i: int, out: Any, x: Any) -> Any:
        return 1 / (1 + x * x)


@final
class Atan2(AbstractAnalyticMap):
    """The angle of the point with ordinate y and abscissa x. **Gradient:** 0 at the origin."""

    operands = ("y", "x")
    llvm = "atan2"
    value = np.arctan2
    complex_ok = False

    def partial(self, i: int, out: Any, y: Any, x: Any) -> Any:
        r = HYPOT(y, x)
        d = -y / r / r if i else x / r / r
        return WHERE(EQUAL(r, 0), 0, d)


@final
class Hypot(AbstractAnalyticMap):
    """The length of the vector (x, y). **Gradient:** 0 at the origin."""

    llvm = "hypot"
    value = np.hypot
    complex_ok = False

    def partial(self, i: int, out: Any, x: Any, y: Any) -> Any:
        return WHERE(EQUAL(out, 0), 0, (y if i else x) / out)


@final
class Sinc(AbstractAnalyticMap):
    """sin(pi x) / (pi x), and 1 at 0.

    The derivative is a spherical Bessel function, whose own derivatives are again such functions:
    so all orders are exact at 0, where the derivative of the quotient would divide by zero.
    """

    llvm = "sinc"
    complex_ok = False

    def value(self, x: Any) -> Any:
        return np.sinc(x).astype(x.dtype, copy=False)

    def partial(self, i: int, out: Any, x: Any) -> Any:
        return SphericalBessel(1)(x * math.pi) * -math.pi


SIN: Final = Sin()
COS: Final = Cos()
TAN: Final = Tan()
ASIN: Final = Asin()
ACOS: Final = Acos()
ATAN: Final = Atan()
ATAN2: Final = Atan2()
HYPOT: Final = Hypot()
SINC: Final = Sinc()


def sin(x: Any, /) -> Any:
    """The sine of each element, an angle in radians.

    Args:
        x: any shape; integers give the default float dtype.

    Returns:
        The same shape.

    Example:
        >>> ad.sin(ad.tensor([0.0, 1.0]))
        tensor([0.       , 0.841471])

    **Gradient:** ``cos(x)``.
    """
    return bind_one(SIN, x)


def cos(x: Any, /) -> Any:
    """The cosine of each element, an angle in radians.

    Example:
        >>> ad.cos(ad.tensor([0.0, 1.0]))
        tensor([1.       , 0.5403023])

    **Gradient:** ``-sin(x)``.
    """
    return bind_one(COS, x)


def tan(x: Any, /) -> Any:
    """The tangent of each element, an angle in radians.

    Example:
        >>> ad.tan(ad.tensor([0.0, 1.0]))
        tensor([0.       , 1.5574077])

    **Gradient:** ``1 + tan(x)**2``.
    """
    return bind_one(TAN, x)


def asin(x: Any, /) -> Any:
    """The angle in radians, from -pi/2 to pi/2, whose sine each element is; NaN beyond -1 and 1.

    Example:
        >>> ad.asin(ad.tensor([0.0, 1.0]))
        tensor([0.       , 1.5707964])

    **Gradient:** ``1 / sqrt(1 - x**2)``, infinite at -1 and 1.
    """
    return bind_one(ASIN, x)


def acos(x: Any, /) -> Any:
    """The angle in radians, from 0 to pi, whose cosine each element is; NaN beyond -1 and 1.

    Example:
        >>> ad.acos(ad.tensor([0.0, 1.0]))
        tensor([1.5707964, 0.       ])

    **Gradient:** ``-1 / sqrt(1 - x**2)``, infinite at -1 and 1.
    """
    return bind_one(ACOS, x)


def atan(x: Any, /) -> Any:
    """The angle in radians, from -pi/2 to pi/2, whose tangent each element is.

    Example:
        >>> ad.atan(ad.tensor([0.0, 1.0]))
        tensor([0.       , 0.7853982])

    **Gradient:** ``1 / (1 + x**2)``.
    """
    return bind_one(ATAN, x)


def atan2(y: Any, x: Any, /) -> Any:
    """The angle in radians, from -pi to pi, of the points with these coordinates.

    Args:
        y: ordinates, any shape of real numbers.
        x: abscissas, a shape that broadcasts with it.

    Example:
        >>> ad.atan2(ad.tensor([1.0, 1.0]), ad.tensor([1.0, -1.0]))
        tensor([0.7853982, 2.3561945])

    **Gradient:** ``x / (x**2 + y**2)`` for `y` and ``-y / (x**2 + y**2)`` for `x`; 0 at the origin.
    """
    return binary(ATAN2, y, x)


def hypot(x: Any, y: Any, /) -> Any:
    """The length of the vectors with these coordinates: ``sqrt(x**2 + y**2)`` without overflow.

    Example:
        >>> ad.hypot(ad.tensor([3.0, 0.0]), ad.tensor([4.0, 0.0]))
        tensor([5., 0.])

    **Gradient:** ``x / hypot(x, y)`` and ``y / hypot(x, y)``, and 0 at the origin.
    """
    return binary(HYPOT, x, y)


def sinc(x: Any, /) -> Any:
    """``sin(pi x) / (pi x)`` of each element, and 1 at 0.

    Example:
        >>> ad.sinc(ad.tensor([0.0, 0.5]))
        tensor([1.       , 0.6366198])

    **Gradient:** exact at 0 too, in all orders.
    """
    return bind_one(SINC, x)


def degrees(x: Any, /) -> Any:
    """Angles in degrees for angles in radians: ``x * 180 / pi``.

    Example:
        >>> ad.degrees(ad.tensor([0.0, 3.1415927]))
        tensor([  0., 180.])

    **Gradient:** 180 / pi.
    """
    return lift(x) * (180 / math.pi)


def radians(x: Any, /) -> Any:
    """Angles in radians for angles in degrees: ``x * pi / 180``.

    Example:
        >>> ad.radians(ad.tensor([0.0, 180.0]))
        tensor([0.       , 3.1415927])

    **Gradient:** pi / 180.
    """
    return lift(x) * (math.pi / 180)
