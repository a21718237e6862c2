"""Normalisation of each example for itself: layer, root-mean-square, group and local response."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import adjoint as ad
from adjoint.nn import init
from adjoint.nn.module import Module
from adjoint.nn.normalize import group_norm, layer_norm, local_response_norm, rms_norm
from adjoint.nn.parameter import Parameter

__all__ = ["GroupNorm", "LayerNorm", "LocalResponseNorm", "RMSNorm"]


def parameter_or_none(shape: Sequence[int], wanted: bool, dtype: Any) -> Parameter | None:
    """A parameter without initial values, or None where a layer has no such parameter."""
    return Parameter(ad.empty(tuple(shape), dtype=dtype)) if wanted else None


class AbstractScaling(Module):
    """What the normalisations share: a factor and a shift that are learned, or None."""

    weight: Parameter | None
    bias: Parameter | None

    def _register(self, shape: Sequence[int], weight: bool, bias: bool, dtype: Any) -> None:
        self.register_parameter("weight", parameter_or_none(shape, weight, dtype))
        self.register_parameter("bias", parameter_or_none(shape, bias, dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the factor to 1 and the shift to 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)


def as_shape(given: int | Sequence[int]) -> tuple[int, ...]:
    """Sizes of axes, from one int or a sequence of them."""
    return (given,) if isinstance(given, int) else tuple(given)


class LayerNorm(AbstractScaling):
    """Each example normalised over its last axes; see `functional.layer_norm`.

    Args:
        normalized_shape: sizes of the last axes; an int stands for one.
        eps: added to the variance.
        elementwise_affine: whether a factor and a shift are learned for each element.
        bias: whether there is a shift.
        dtype: of the parameters; by default the default dtype.

    Attributes:
        weight: shape `normalized_shape`, or None.
        bias: shape `normalized_shape`, or None.

    Example:
        >>> ad.nn.LayerNorm(2, eps=0.0)(ad.tensor([[1.0, 3.0]])).detach()
        tensor([[-1.,  1.]])
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: Any = None,
    ) -> None:
        self.normalized_shape = as_shape(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        affine = elementwise_affine
        self._register(self.normalized_shape, affine, affine and bias, dtype)

    def forward(self, x: Any) -> Any:
        """`x`, shape (..., *normalized_shape), normalised."""
        return layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The sizes and options."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )


class RMSNorm(AbstractScaling):
    """Each example divided by its root mean square over its last axes.

    Args:
        normalized_shape: sizes of the last axes; an int stands for one.
        eps: added to the mean square; by default the resolution of the dtype.
        elementwise_affine: whether a factor is learned for each element.
        dtype: of the parameters; by default the default dtype.

    Attributes:
        weight: shape `normalized_shape`, or None.

    Example:
        >>> ad.nn.RMSNorm(4)(ad.tensor([3.0, 4.0, 0.0, 0.0])).detach()
        tensor([1.2, 1.6, 0. , 0. ])
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        *,
        dtype: Any = None,
    ) -> None:
        self.normalized_shape = as_shape(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self._register(self.normalized_shape, elementwise_affine, False, dtype)

    def forward(self, x: Any) -> Any:
        """`x`, shape (..., *normalized_shape), normalised."""
        return rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """The sizes and options."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )


class GroupNorm(AbstractScaling):
    """Each example normalised over groups of channels; see `functional.group_norm`.

    Args:
        num_groups: number of groups; it divides the channels.
        num_channels: number of channels.
        eps: added to the variance.
        affine: whether a factor and a shift are learned for each channel.
        dtype: of the parameters; by default the default dtype.

    Attributes:
        weight: shape (channels,), or None.
        bias: shape (channels,), or None.

    Raises:
        ArgumentError: if the groups do not divide the channels.

    Example:
        >>> ad.nn.GroupNorm(2, 4, eps=0.0)(ad.tensor([[1.0, 3.0, 10.0, 30.0]])).detach()
        tensor([[-1.,  1., -1.,  1.]])
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        dtype: Any = None,
    ) -> None:
        if num_groups < 1 or num_channels % num_groups:
            raise ad.errors.ArgumentError(
                f"GroupNorm: {num_groups} groups do not divide {num_channels} channels"
            )
        self.num_groups, self.num_channels = num_groups, num_channels
        self.eps, self.affine = eps, affine
        self._register((num_channels,), affine, affine, dtype)

    def forward(self, x: Any) -> Any:
        """`x`, shape (N, C, ...), normalised."""
        return group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The groups and options."""
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}"


class LocalResponseNorm(Module):
    """The value divided by a power of the mean square over neighbouring channels.

    Args:
        size: number of neighbouring channels.
        alpha: factor of the mean square.
        beta: exponent.
        k: what is added to it.

    Example:
        >>> ad.nn.LocalResponseNorm(1, 1.0, 1.0)(ad.tensor([[[2.0], [3.0]]]))
        tensor([[[0.4],
                 [0.3]]])
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x: Any) -> Any:
        """`x`, shape (N, C, ...), normalised."""
        return local_response_norm(x, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        """The options."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
