"""Linear and bilinear maps, and layers that only reshape."""

from __future__ import annotations

import math
from typing import Any

import adjoint as ad
from adjoint.nn import init
from adjoint.nn.module import Module
from adjoint.nn.parameter import Parameter
from adjoint.nn.refusal import refusal

__all__ = ["Bilinear", "Flatten", "Identity", "Linear", "Unflatten", "bilinear", "linear"]

Generator = ad.random.Generator


def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """``x @ weight.T + bias`` over the last axis.

    Args:
        x: (..., in).
        weight: (out, in), or (in,) for a single output without an axis.
        bias: (out,), or None.

    Returns:
        (..., out).

    Raises:
        ShapeError: if the last axis of `x` is not that of the weight.

    Example:
        >>> weight, bias = ad.tensor([[3.0, 4.0]]), ad.tensor([1.0])
        >>> ad.nn.functional.linear(ad.tensor([1.0, 2.0]), weight, bias)
        tensor([12.])
    """
    if not isinstance(x, ad.Tensor):
        x = ad.asarray(x)
    if x.shape[-1:] != weight.shape[-1:]:
        size = x.shape[-1] if x.ndim else "no"
        fact = f"the last axis of x has {size} elements, weight takes {weight.shape[-1]}"
        raise refusal(ad.errors.ShapeError, fact, "linear", [("x", x), ("weight", weight)])
    out = ad.matmul(x, weight.mT if weight.ndim > 1 else weight)
    return out if bias is None else out + bias


def bilinear(x1: Any, x2: Any, weight: Any, bias: Any = None) -> Any:
    """``x1 @ weight[k] @ x2 + bias[k]`` for each output `k`.

    Args:
        x1: (..., in1).
        x2: (..., in2), with the same leading axes.
        weight: (out, in1, in2).
        bias: (out,), or None.

    Returns:
        (..., out).

    Example:
        >>> x1, x2 = ad.tensor([1.0, 2.0]), ad.tensor([3.0])
        >>> ad.nn.functional.bilinear(x1, x2, ad.ones((1, 2, 1)))
        tensor([9.])
    """
    x1, x2 = ad.asarray(x1), ad.asarray(x2)
    outputs, in1, in2 = weight.shape
    left = linear(x1, weight.permute(0, 2, 1).reshape(outputs * in2, in1))
    left = left.reshape(*x1.shape[:-1], outputs, in2)
    out = ad.matmul(left, x2[..., None])[..., 0]
    return out if bias is None else out + bias


class Linear(Module):
    """A linear map of the last axis: ``x @ weight.T + bias``.

    Weight and bias start uniform up to ``1 / sqrt(in_features)``, as PyTorch's.

    Args:
        in_features: size of the last axis of the input.
        out_features: size of the last axis of the result.
        bias: whether something is added.
        dtype: dtype of the parameters.
        generator: where their first values come from.

    Example:
        >>> layer = ad.nn.Linear(3, 2)
        >>> layer(ad.ones((5, 3))).shape
        (5, 2)
        >>> layer
        Linear(in_features=3, out_features=2)  # 8 parameters
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(ad.empty((out_features, in_features), dtype=dtype))
        self.bias = Parameter(ad.empty(out_features, dtype=dtype)) if bias else None
        self.reset_parameters(generator)

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw first values anew."""
        bound = 1 / math.sqrt(self.in_features) if self.in_features else 0.0
        init.uniform_(self.weight, -bound, bound, generator)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound, generator)

    def forward(self, x: Any) -> Any:
        """The map of ``x`` (..., in_features): (..., out_features)."""
        return linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """The arguments."""
        said = f"in_features={self.in_features}, out_features={self.out_features}"
        return said + ("" if self.bias is not None else ", bias=False")


class Bilinear(Module):
    """A map that is linear in each of two inputs: ``x1 @ weight[k] @ x2 + bias[k]``.

    Args:
        in1_features: size of the last axis of the first input.
        in2_features: that of the second.
        out_features: that of the result.
        bias: whether something is added.
        dtype: dtype of the parameters.
        generator: where their first values come from.

    Example:
        >>> ad.nn.Bilinear(2, 3, 4)(ad.ones((5, 2)), ad.ones((5, 3))).shape
        (5, 4)
    """

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        *,
        dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:
        self.in1_features = in1_features
        self.in2_features = in2_features
        self.out_features = out_features
        self.weight = Parameter(ad.empty((out_features, in1_features, in2_features), dtype=dtype))
        self.bias = Parameter(ad.empty(out_features, dtype=dtype)) if bias else None
        self.reset_parameters(generator)

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw first values anew."""
        bound = 1 / math.sqrt(self.in1_features)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound, generator)

    def forward(self, x1: Any, x2: Any) -> Any:
        """The map of ``x1`` (..., in1_features) and ``x2`` (..., in2_features)."""
        return bilinear(x1, x2, self.weight, self.bias)

    def extra_repr(self) -> str:
        """The arguments."""
        sizes = ("in1_features", "in2_features", "out_features")
        said = ", ".join(f"{name}={getattr(self, name)}" for name in sizes)
        return said + ("" if self.bias is not None else ", bias=False")


class Identity(Module):
    """Returns what it is given; arguments of the constructor are ignored.

    Example:
        >>> ad.nn.Identity()(3.0)
        3.0
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

    def forward(self, x: Any) -> Any:
        """The input itself."""
        return x


class Flatten(Module):
    """Joins the axes from `start_dim` to `end_dim`, by default all but the batch axis.

    Example:
        >>> ad.nn.Flatten()(ad.ones((2, 3, 4))).shape
        (2, 12)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, x: Any) -> Any:
        """The same elements with fewer axes."""
        x = ad.asarray(x)
        first, last = (d + x.ndim if d < 0 else d for d in (self.start_dim, self.end_dim))
        if not 0 <= first <= last < max(x.ndim, 1):
            raise ad.errors.AxisError(
                f"flatten: axes {self.start_dim} to {self.end_dim} do not exist "
                f"in the shape {x.shape}"
            )
        joined = math.prod(x.shape[first : last + 1])
        return x.reshape(*x.shape[:first], joined, *x.shape[last + 1 :])

    def extra_repr(self) -> str:
        """The arguments."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Splits an axis into several; one size may be -1, which is found out.

    Args:
        dim: the axis.
        unflattened_size: sizes of the new axes.

    Example:
        >>> ad.nn.Unflatten(1, (3, -1))(ad.ones((2, 12))).shape
        (2, 3, 4)
    """

    def __init__(self, dim: int, unflattened_size: tuple[int, ...]) -> None:
        self.dim = dim
        self.unflattened_size = tuple(unflattened_size)

    def forward(self, x: Any) -> Any:
        """The same elements with more axes."""
        x = ad.asarray(x)
        at = self.dim + x.ndim if self.dim < 0 else self.dim
        if not 0 <= at < x.ndim:
            raise ad.errors.AxisError(
                f"unflatten: axis {self.dim} does not exist in the shape {x.shape}"
            )
        sizes = self.unflattened_size
        if -1 in sizes:
            known = -math.prod(sizes)
            sizes = tuple(x.shape[at] // known if n == -1 else n for n in sizes)
        if math.prod(sizes) != x.shape[at]:
            raise ad.errors.ShapeError(
                f"unflatten: {x.shape[at]} elements do not fit the sizes {self.unflattened_size}"
            )
        return x.reshape(*x.shape[:at], *sizes, *x.shape[at + 1 :])

    def extra_repr(self) -> str:
        """The arguments."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
