"""Dropout as layers: active in training, the identity in evaluation."""

from __future__ import annotations

from typing import Any

import adjoint as ad
from adjoint.nn import drop
from adjoint.nn.module import Module

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d"]

Generator = ad.random.Generator


class AbstractDropout(Module):
    """A layer that drops something with probability `p` while it trains.

    Args:
        p: the probability.
        inplace: accepted as PyTorch's; nothing is aliased here, so it changes nothing.
        generator: where the bits come from.

    Raises:
        ArgumentError: if `p` is not a probability.
    """

    def __init__(
        self, p: float = 0.5, inplace: bool = False, *, generator: Generator | None = None
    ) -> None:
        drop.check_probability(type(self).__name__, p)
        self.p = p
        self.generator = generator

    def extra_repr(self) -> str:
        """The arguments."""
        return f"p={self.p}"


class Dropout(AbstractDropout):
    """Sets each element to zero with probability `p`, and divides the others by ``1 - p``.

    In evaluation it returns its input.

    Args:
        p: the probability.
        inplace: accepted as PyTorch's; nothing is aliased here, so it changes nothing.
        generator: where the bits come from; see `ad.random`.

    Example:
        >>> layer = ad.nn.Dropout(0.5, generator=ad.random.Generator(0))
        >>> layer(ad.ones(6))
        tensor([0., 2., 2., 2., 2., 0.])
        >>> layer.eval()(ad.ones(6))
        tensor([1., 1., 1., 1., 1., 1.])
    """

    def forward(self, x: Any) -> Any:
        """The input with elements dropped."""
        return drop.dropout(x, self.p, self.training, generator=self.generator)


class Dropout1d(AbstractDropout):
    """Sets whole channels of (batch, channels, length) to zero; arguments as of `Dropout`.

    Example:
        >>> ad.nn.Dropout1d(0.2)(ad.ones((2, 3, 4))).shape
        (2, 3, 4)
    """

    def forward(self, x: Any) -> Any:
        """The input with channels dropped."""
        return drop.dropout1d(x, self.p, self.training, generator=self.generator)


class Dropout2d(AbstractDropout):
    """Sets whole channels of (batch, channels, height, width) to zero; arguments as of `Dropout`.

    Example:
        >>> ad.nn.Dropout2d(0.2)(ad.ones((2, 3, 4, 4))).shape
        (2, 3, 4, 4)
    """

    def forward(self, x: Any) -> Any:
        """The input with channels dropped."""
        return drop.dropout2d(x, self.p, self.training, generator=self.generator)


class Dropout3d(AbstractDropout):
    """Sets whole channels of (batch, channels, depth, height, width) to zero; as `Dropout`.

    Example:
        >>> ad.nn.Dropout3d(0.2)(ad.ones((2, 3, 4, 4, 4))).shape
        (2, 3, 4, 4, 4)
    """

    def forward(self, x: Any) -> Any:
        """The input with channels dropped."""
        return drop.dropout3d(x, self.p, self.training, generator=self.generator)


class AlphaDropout(AbstractDropout):
    """Dropout that keeps mean 0 and variance 1, for networks of `SELU`; as `Dropout`.

    Example:
        >>> ad.nn.AlphaDropout(0.1)(ad.ones((2, 3))).shape
        (2, 3)
    """

    def forward(self, x: Any) -> Any:
        """The input with elements dropped."""
        return drop.alpha_dropout(x, self.p, self.training, generator=self.generator)
