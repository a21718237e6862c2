"""Gaussian error linear units, elementwise: cards of their own, because they keep only their input.

Source: Hendrycks and Gimpel, Gaussian Error Linear Units (2016).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, final

import numpy as np

from adjoint.core.bind import lift
from adjoint.core.errors import ArgumentError
from adjoint.ops.error_function import ERF
from adjoint.ops.exponential import EXP
from adjoint.ops.families import AbstractMap, scale
from adjoint.ops.hyperbolic import TANH
from adjoint.ops.shape import refusal

__all__ = ["gelu"]

SLOPE: Final = math.sqrt(2 / math.pi)
CUBIC: Final = 0.044715
HALF: Final = math.sqrt(0.5)
DENSITY: Final = 1 / math.sqrt(2 * math.pi)


def formula(x: Any) -> Any:
    """``x Φ(x)``, where Φ is the normal distribution function."""
    return 0.5 * x * (1.0 + ERF(x * HALF))


def tanh_formula(x: Any) -> Any:
    """``x/2 (1 + tanh(sqrt(2/π) (x + 0.044715 x³)))``."""
    return 0.5 * x * (1.0 + TANH(inner(x)))


def inner(x: Any) -> Any:
    """What the hyperbolic tangent is taken of."""
    return SLOPE * (x + CUBIC * (x * x * x))


def in_single(f: Callable[[Any], Any], x: Any) -> Any:
    """A formula of numbers of 16 bits, computed in float32."""
    if x.dtype.itemsize > 2:
        return f(x)
    return f(x.astype(np.float32)).astype(x.dtype)


@final
class Gelu(AbstractMap):
    """``x Φ(x)``, where Φ is the normal distribution function."""

    floating = True
    complex_ok = False
    flops = 20
    llvm = "gelu"

    def value(self, x: Any) -> Any:
        return in_single(formula, x)

    def partial(self, i: int, out: Any, x: Any) -> Any:
        return 0.5 * (1.0 + ERF(x * HALF)) + x * (DENSITY * EXP(-0.5 * (x * x)))


@final
class GeluTanh(AbstractMap):
    """``x/2 (1 + tanh(sqrt(2/π) (x + 0.044715 x³)))``, which is within 0.0005 of `Gelu`."""

    floating = True
    complex_ok = False
    flops = 20
    llvm = "gelu_tanh"

    def value(self, x: Any) -> Any:
        return in_single(tanh_formula, x)

    def partial(self, i: int, out: Any, x: Any) -> Any:
        t = TANH(inner(x))
        slope = (0.5 * SLOPE) * x * (1.0 + (3.0 * CUBIC) * (x * x))
        # far from zero the slope overflows in half precision, where nothing is left of the rest
        return 0.5 * (1.0 + t) + scale(1.0 - t * t, slope)


GELU: Final = Gelu()
GELU_TANH: Final = GeluTanh()


def gelu(x: Any, /, approximate: str = "none") -> Any:
    """``x Φ(x)``, where Φ is the normal distribution function: the Gaussian error linear unit.

    Args:
        x: any shape.
        approximate: ``"none"`` for the definition, ``"tanh"`` for
            ``x/2 (1 + tanh(sqrt(2/π) (x + 0.044715 x³)))``.

    Raises:
        ArgumentError: for another approximation.

    Example:
        >>> ad.gelu(ad.tensor([-1.0, 0.0, 1.0]))
        tensor([-0.15865526,  0.        ,  0.8413447 ])

    **Gradient:** ``Φ(x) + x φ(x)`` with the normal density φ; the formula's, if approximate.
    """
    if approximate not in ("none", "tanh"):
        fact = ArgumentError(f"approximate is 'none' or 'tanh', got {approximate!r}")
        raise refusal("gelu", fact)
    return (GELU if approximate == "none" else GELU_TANH)(lift(x))
