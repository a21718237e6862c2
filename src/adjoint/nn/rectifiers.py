"""Activations as layers: rectifiers and other functions with kinks."""

from __future__ import annotations

from typing import Any

import adjoint as ad
from adjoint.nn import activation_functions as f
from adjoint.nn.activation import AbstractActivation
from adjoint.nn.module import Module
from adjoint.nn.parameter import Parameter

__all__ = [
    "CELU",
    "ELU",
    "SELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "PReLU",
    "ReLU",
    "ReLU6",
    "Softshrink",
    "Threshold",
]


class ReLU(AbstractActivation):
    """The positive part of each element: ``max(x, 0)``.

    Args:
        inplace: accepted as PyTorch's; nothing is aliased here, so it changes nothing.

    Example:
        >>> ad.nn.ReLU()(ad.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """

    def __init__(self, inplace: bool = False) -> None: ...

    def forward(self, x: Any) -> Any:
        """Each element, transformed."""
        return ad.relu(x)


class ReLU6(AbstractActivation):
    """``min(max(x, 0), 6)`` of each element.

    Args:
        inplace: accepted as PyTorch's; nothing is aliased here, so it changes nothing.

    Example:
        >>> ad.nn.ReLU6()(ad.tensor([-1.0, 2.0, 8.0]))
        tensor([0., 2., 6.])
    """

    def __init__(self, inplace: bool = False) -> None: ...

    def forward(self, x: Any) -> Any:
        """Each element, transformed."""
        return f.relu6(x)


class LeakyReLU(AbstractActivation):
    """`x` where it is positive, else ``negative_slope * x``.

    Args:
        negative_slope: slope for negative elements.
        inplace: accepted as PyTorch's; nothing is aliased here, so it changes nothing.

    Example:
        >>> ad.nn.LeakyReLU(0.1)(ad.tensor([-1.0, 2.0]))
        tensor([-0.1,  2. ])
    """

    shown = ("negative_slope",)

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        self.negative_slope = negative_slope

    def forward(self, x: Any) -> Any:
        """Each element, transformed."""
        return f.leaky_relu(x, self.negative_slope)


class ELU(AbstractActivation):
    """`x` where it is positive, else ``alpha (exp(x) - 1)``.

    Args:
        alpha: minus the limit for very negative elements.
        inplace: accepted as PyTorch's; nothing is aliased here, so it changes nothing.

    Example:
        >>> ad.nn.ELU()(ad.tensor([-1.0, 2.0]))
        tensor([-0.63212055,  2.        ])
    """

    shown = ("alpha",)

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        self.alpha = alpha

    def forward(self, x: Any) -> Any:
        """Each element, transformed."""
        return f.elu(x, self.alpha)


class SELU(AbstractActivation):
    """The scaled `ELU` under which activations keep mean 0 and variance 1.

    Args:
        inplace: accepted as PyTorch's; nothing is aliased here, so it changes nothing.

    Example:
        >>> ad.nn.SELU()(ad.tensor([-1.0, 2.0]))
        tensor([-1.1113307,  2.101402 ])
    """

    def __init__(self, inplace: bool = False) -> None: ...

    def forward(self, x: Any) -> Any:
        """Each element, transformed."""
        return f.selu(x)


class CELU(AbstractActivation):
    """`x` where it is positive, else ``alpha (exp(x / alpha) - 1)``.

    Args:
        alpha: minus the limit for very negative elements.
        inplace: accepted as PyTorch's; nothing is aliased here, so it changes nothing.

    Example:
        >>> ad.nn.CELU(2.0)(ad.tensor([-1.0, 2.0]))
        tensor([-0.7869387,  2.       ])
    """

    shown = ("alpha",)

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        self.alpha = alpha

    def forward(self, x: Any) -> Any:
        """Each element, transformed."""
        return f.celu(x, self.alpha)


class Hardtanh(AbstractActivation):
    """`x` between two bounds, which replace what is beyond them.

    Args:
        min_val: the lower bound.
        max_val: the upper bound.
        inplace: accepted as PyTorch's; nothing is aliased here, so it changes nothing.

    Example:
        >>> ad.nn.Hardtanh()(ad.tensor([-2.0, 0.5, 2.0]))
        tensor([-1. ,  0.5,  1. ])
    """

    shown = (
        "min_val",
        "max_val",
    )

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        self.min_val = min_val
        self.max_val = max_val

    def forward(self, x: Any) -> Any:
        """Each element, transformed."""
        return f.hardtanh(x, self.min_val, self.max_val)


class Hardsigmoid(AbstractActivation):
    """``x / 6 + 1/2`` of each element, kept from 0 to 1.

    Args:
        inplace: accepted as PyTorch's; nothing is aliased here, so it changes nothing.

    Example:
        >>> ad.nn.Hardsigmoid()(ad.tensor([-4.0, 0.0, 3.0]))
        tensor([0. , 0.5, 1. ])
    """

    def __init__(self, inplace: bool = False) -> None: ...

    def forward(self, x: Any) -> Any:
        """Each element, transformed."""
        return f.hardsigmoid(x)


class Hardswish(AbstractActivation):
    """Each element times its hard sigmoid.

    Args:
        inplace: accepted as PyTorch's; nothing is aliased here, so it changes nothing.

    Example:
        >>> ad.nn.Hardswish()(ad.tensor([1.0, 4.0]))
        tensor([0.6666667, 4.       ])
    """

    def __init__(self, inplace: bool = False) -> None: ...

    def forward(self, x: Any) -> Any:
        """Each element, transformed."""
        return f.hardswish(x)


class Threshold(AbstractActivation):
    """`x` where it is above a threshold, else a fixed value.

    Args:
        threshold: the threshold.
        value: what replaces the elements up to it.
        inplace: accepted as PyTorch's; nothing is aliased here, so it changes nothing.

    Example:
        >>> ad.nn.Threshold(1.0, -5.0)(ad.tensor([0.0, 2.0]))
        tensor([-5.,  2.])
    """

    shown = (
        "threshold",
        "value",
    )

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        self.threshold = threshold
        self.value = value

    def forward(self, x: Any) -> Any:
        """Each element, transformed."""
        return f.threshold(x, self.threshold, self.value)


class Softshrink(AbstractActivation):
    """`x` moved towards zero by `lambd`, and zero where it is nearer.

    Args:
        lambd: how far.

    Example:
        >>> ad.nn.Softshrink()(ad.tensor([-2.0, 0.2, 1.0]))
        tensor([-1.5,  0. ,  0.5])
    """

    shown = ("lambd",)

    def __init__(self, lambd: float = 0.5) -> None:
        self.lambd = lambd

    def forward(self, x: Any) -> Any:
        """Each element, transformed."""
        return f.softshrink(x, self.lambd)


class Hardshrink(AbstractActivation):
    """`x` where it is further from zero than `lambd`, else zero.

    Args:
        lambd: how far.

    Example:
        >>> ad.nn.Hardshrink()(ad.tensor([-2.0, 0.2, 1.0]))
        tensor([-2.,  0.,  1.])
    """

    shown = ("lambd",)

    def __init__(self, lambd: float = 0.5) -> None:
        self.lambd = lambd

    def forward(self, x: Any) -> Any:
        """Each element, transformed."""
        return f.hardshrink(x, self.lambd)


class PReLU(Module):
    """`x` where it is positive, else `x` times a slope that is learned.

    Source: He, Zhang, Ren, Sun, Delving deep into rectifiers (2015).

    Args:
        num_parameters: 1, or the number of channels, which are axis 1, for a slope for each.
        init: the first value of the slopes.
        dtype: dtype of the slopes.

    Example:
        >>> ad.nn.PReLU()(ad.tensor([-1.0, 2.0])).detach()
        tensor([-0.25,  2.  ])
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25, *, dtype: Any = None) -> None:
        self.num_parameters = num_parameters
        self.weight = Parameter(ad.full(num_parameters, init, dtype=dtype or ad.default_dtype()))

    def forward(self, x: Any) -> Any:
        """Each element, transformed."""
        return f.prelu(x, self.weight)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"num_parameters={self.num_parameters}"
