"""Hyperbolic functions and their inverses, elementwise, of real and complex numbers."""

from __future__ import annotations

from typing import Any, Final, final

import numpy as np

from adjoint.core.bind import bind_one
from adjoint.ops.arithmetic import AbstractAnalyticMap
from adjoint.ops.power import RSQRT
from adjoint.ops.trigonometric import HYPOT

__all__ = ["acosh", "asinh", "atanh", "cosh", "sinh", "tanh"]


@final
class Sinh(AbstractAnalyticMap):
    """The hyperbolic sine."""

    llvm = "sinh"
    value = np.sinh

    def partial(self, i: int, out: Any, x: Any) -> Any:
        return COSH(x)


@final
class Cosh(AbstractAnalyticMap):
    """The hyperbolic cosine."""

    llvm = "cosh"
    value = np.cosh

    def partial(self, i: int, out: Any, x: Any) -> Any:
        return SINH(x)


@final
class Tanh(AbstractAnalyticMap):
    """The hyperbolic tangent."""

    llvm = "tanh"

    def value(self, x: Any) -> Any:
        out = np.tanh(x)
        if out.dtype.kind == "c" and np.isinf(x.real).any():
            # C99 gives the vanishing part the sign of sin(2 x.imag), the Array API that of x.imag
            out = np.asarray(out)
            part = np.imag(out)
            part[...] = np.where(np.isinf(x.real), np.copysign(0, x.imag), part)
        return out

    def partial(self, i: int, out: Any, x: Any) -> Any:
        return 1 - out * out


@final
class Asinh(AbstractAnalyticMap):
    """The number with this hyperbolic sine."""

    llvm = "asinh"
    value = np.arcsinh

    def partial(self, i: int, out: Any, x: Any) -> Any:
        if out.dtype.kind == "c":
            return RSQRT(1 + x * x)
        return 1 / HYPOT(x, 1.0)  # the square would overflow


@final
class Acosh(AbstractAnalyticMap):
    """The number that is not negative with this hyperbolic cosine."""

    llvm = "acosh"
    value = np.arccosh
    domain = ((1.1, 3.0),)

    def partial(self, i: int, out: Any, x: Any) -> Any:
        # two roots: the root of the product has other branches among the complex numbers
        return RSQRT(x - 1) * RSQRT(x + 1)


@final
class Atanh(AbstractAnalyticMap):
    """The number with this hyperbolic tangent."""

    llvm = "atanh"
    value = np.arctanh
    domain = ((-0.9, 0.9),)

    def partial(self, i: int, out: Any, x: Any) -> Any:
        return 1 / ((1 - x) * (1 + x))


SINH: Final = Sinh()
COSH: Final = Cosh()
TANH: Final = Tanh()
ASINH: Final = Asinh()
ACOSH: Final = Acosh()
ATANH: Final = Atanh()


def sinh(x: Any, /) -> Any:
    """The hyperbolic sine of each element: ``(exp(x) - exp(-x)) / 2``.

    Example:
        >>> ad.sinh(ad.tensor([0.0, 1.0]))
        tensor([0.       , 1.1752012])

    **Gradient:** ``cosh(x)``.
    """
    return bind_one(SINH, x)


def cosh(x: Any, /) -> Any:
    """The hyperbolic cosine of each element: ``(exp(x) + exp(-x)) / 2``.

    Example:
        >>> ad.cosh(ad.tensor([0.0, 1.0]))
        tensor([1.       , 1.5430806])

    **Gradient:** ``sinh(x)``.
    """
    return bind_one(COSH, x)


def tanh(x: Any, /) -> Any:
    """The hyperbolic tangent of each element: ``sinh(x) / cosh(x)``.

    Example:
        >>> ad.tanh(ad.tensor([0.0, 1.0]))
        tensor([0.       , 0.7615942])

    **Gradient:** ``1 - tanh(x)**2``.
    """
    return bind_one(TANH, x)


def asinh(x: Any, /) -> Any:
    """The numbers whose hyperbolic sine the elements are.

    Example:
        >>> ad.asinh(ad.tensor([0.0, 1.0]))
        tensor([0.       , 0.8813736])

    **Gradient:** ``1 / sqrt(x**2 + 1)``.
    """
    return bind_one(ASINH, x)


def acosh(x: Any, /) -> Any:
    """The numbers, not negative, whose hyperbolic cosine the elements are; NaN below 1.

    Example:
        >>> ad.acosh(ad.tensor([1.0, 3.0]))
        tensor([0.       , 1.7627472])

    **Gradient:** ``1 / sqrt(x**2 - 1)``, infinite at 1.
    """
    return bind_one(ACOSH, x)


def atanh(x: Any, /) -> Any:
    """The numbers whose hyperbolic tangent the elements are; NaN beyond -1 and 1.

    Example:
        >>> ad.atanh(ad.tensor([0.0, 0.5]))
        tensor([0.       , 0.5493061])

    **Gradient:** ``1 / (1 - x**2)``, infinite at -1 and 1.
    """
    return bind_one(ATANH, x)
