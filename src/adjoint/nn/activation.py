"""Activations as layers: the smooth ones."""

from __future__ import annotations

from typing import Any, ClassVar

import adjoint as ad
from adjoint.nn import activation_functions as f
from adjoint.nn.module import Module

__all__ = [
    "GELU",
    "LogSigmoid",
    "Mish",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Softsign",
    "Tanh",
    "Tanhshrink",
]


class AbstractActivation(Module):
    """A layer without parameters that applies a function."""

    shown: ClassVar[tuple[str, ...]] = ()
    """The arguments that `repr` shows."""

    def extra_repr(self) -> str:
        """The arguments."""
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in self.shown)


class GELU(AbstractActivation):
    """``x Φ(x)``, where Φ is the normal distribution function.

    Args:
        approximate: ``"none"``, or ``"tanh"`` for the approximation by a hyperbolic tangent.

    Example:
        >>> ad.nn.GELU()(ad.tensor([-1.0, 1.0]))
        tensor([-0.15865526,  0.8413447 ])
    """

    shown = ("approximate",)

    def __init__(self, approximate: str = "none") -> None:
        self.approximate = approximate

    def forward(self, x: Any) -> Any:
        """Each element, transformed."""
        return f.gelu(x, self.approximate)


class SiLU(AbstractActivation):
    """``x sigmoid(x)`` of each element, also called swish.

    Args:
        inplace: accepted as PyTorch's; nothing is aliased here, so it changes nothing.

    Example:
        >>> ad.nn.SiLU()(ad.tensor([-1.0, 1.0]))
        tensor([-0.2689414,  0.7310586])
    """

    def __init__(self, inplace: bool = False) -> None: ...

    def forward(self, x: Any) -> Any:
        """Each element, transformed."""
        return f.silu(x)


class Mish(AbstractActivation):
    """``x tanh(softplus(x))`` of each element.

    Args:
        inplace: accepted as PyTorch's; nothing is aliased here, so it changes nothing.

    Example:
        >>> ad.nn.Mish()(ad.tensor([-1.0, 1.0]))
        tensor([-0.30340147,  0.8650984 ])
    """

    def __init__(self, inplace: bool = False) -> None: ...

    def forward(self, x: Any) -> Any:
        """Each element, transformed."""
        return f.mish(x)


class Softplus(AbstractActivation):
    """``log(1 + exp(beta x)) / beta`` of each element.

    Args:
        beta: how sharp the bend at 0 is.
        threshold: above it, ``beta x`` is returned as `x` itself.

    Example:
        >>> ad.nn.Softplus()(ad.tensor([0.0, 30.0]))
        tensor([ 0.6931472, 30.       ])
    """

    shown = (
        "beta",
        "threshold",
    )

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        self.beta = beta
        self.threshold = threshold

    def forward(self, x: Any) -> Any:
        """Each element, transformed."""
        return f.softplus(x, self.beta, self.threshold)


class Softsign(AbstractActivation):
    """``x / (1 + |x|)`` of each element.

    Example:
        >>> ad.nn.Softsign()(ad.tensor([-1.0, 3.0]))
        tensor([-0.5 ,  0.75])
    """

    def forward(self, x: Any) -> Any:
        """Each element, transformed."""
        return f.softsign(x)


class Sigmoid(AbstractActivation):
    """``1 / (1 + exp(-x))`` of each element.

    Example:
        >>> ad.nn.Sigmoid()(ad.tensor([0.0, 1000.0]))
        tensor([0.5, 1. ])
    """

    def forward(self, x: Any) -> Any:
        """Each element, transformed."""
        return ad.sigmoid(x)


class LogSigmoid(AbstractActivation):
    """The logarithm of the sigmoid of each element.

    Example:
        >>> ad.nn.LogSigmoid()(ad.tensor([-1000.0, 0.0]))
        tensor([-1.000000e+03, -6.931472e-01])
    """

    def forward(self, x: Any) -> Any:
        """Each element, transformed."""
        return f.logsigmoid(x)


class Tanh(AbstractActivation):
    """The hyperbolic tangent of each element.

    Example:
        >>> ad.nn.Tanh()(ad.tensor([0.0, 1.0]))
        tensor([0.       , 0.7615942])
    """

    def forward(self, x: Any) -> Any:
        """Each element, transformed."""
        return ad.tanh(x)


class Tanhshrink(AbstractActivation):
    """``x - tanh(x)`` of each element.

    Example:
        >>> ad.nn.Tanhshrink()(ad.tensor([0.0, 1.0]))
        tensor([0.       , 0.2384058])
    """

    def forward(self, x: Any) -> Any:
        """Each element, transformed."""
        return f.tanhshrink(x)
