"""Positions as layers: waves, a learned table, and rotations."""

from __future__ import annotations

from typing import Any

import adjoint as ad
from adjoint.nn import init
from adjoint.nn.dropout import Dropout
from adjoint.nn.misfit import misfit
from adjoint.nn.module import Module
from adjoint.nn.parameter import Parameter
from adjoint.nn.rotate import rotary, rotary_angles, sinusoidal

__all__ = ["LearnedPositions", "RotaryPositions", "SinusoidalPositions"]


def rows(table: Any, length: int, start: int) -> Any:
    """The rows of a table for `length` positions from `start` on."""
    if start < 0 or start + length > table.shape[0]:
        raise misfit("positions", f"{start} to {start + length} of a table of {table.shape[0]}")
    return table[start : start + length]


def beside(table: Any, x: Any, batch_first: bool) -> Any:
    """Rows of a table, (L, E), shaped to be added to `x`."""
    return table if batch_first or x.ndim == 2 else table[:, None]


class SinusoidalPositions(Module):
    """A table of waves, added to what comes in; see `functional.sinusoidal`.

    Args:
        width: size E of what stands at a position.
        length: the most positions there are.
        dropout: probability of dropout behind the sum.
        base: the slowest wave has this period, times 2 pi.
        batch_first: whether inputs have shape (N, L, E) rather than (L, N, E).
        dtype: of the table; by default the default dtype.

    Example:
        >>> ad.nn.SinusoidalPositions(2)(ad.zeros((1, 2, 2)))
        tensor([[[0.        , 1.        ],
                 [0.84147096, 0.5403023 ]]])
    """

    table: Any

    def __init__(
        self,
        width: int,
        length: int = 5000,
        dropout: float = 0.0,
        base: float = 10000.0,
        batch_first: bool = True,
        *,
        dtype: Any = None,
    ) -> None:
        self.batch_first = batch_first
        table = sinusoidal(length, width, base, dtype)
        self.register_buffer("table", table, persistent=False)
        self.dropout = Dropout(dropout)

    def forward(self, x: Any, start: int = 0) -> Any:
        """`x` with the waves of positions from `start` on added; shape (N, L, E) or (L, E)."""
        length = x.shape[-2] if self.batch_first or x.ndim == 2 else x.shape[0]
        return self.dropout(x + beside(rows(self.table, length, start), x, self.batch_first))


class LearnedPositions(Module):
    """A table that is learned, added to what comes in.

    Args:
        length: the most positions there are.
        width: size E of what stands at a position.
        batch_first: whether inputs have shape (N, L, E) rather than (L, N, E).
        std: standard deviation of the first values.
        dtype: of the table; by default the default dtype.
        generator: where its first values come from.

    Attributes:
        weight: shape (length, width).

    Example:
        >>> ad.nn.LearnedPositions(16, 8)(ad.ones((2, 5, 8))).shape
        (2, 5, 8)
    """

    def __init__(
        self,
        length: int,
        width: int,
        batch_first: bool = True,
        std: float = 0.02,
        *,
        dtype: Any = None,
        generator: ad.random.Generator | None = None,
    ) -> None:
        self.batch_first = batch_first
        self.weight = Parameter(ad.empty((length, width), dtype=dtype))
        init.normal_(self.weight, 0.0, std, generator)

    def forward(self, x: Any, start: int = 0) -> Any:
        """`x` with the rows of positions from `start` on added; shape (N, L, E) or (L, E)."""
        length = x.shape[-2] if self.batch_first or x.ndim == 2 else x.shape[0]
        return x + beside(rows(self.weight, length, start), x, self.batch_first)


class RotaryPositions(Module):
    """Features of queries or keys turned by the angle of their position; see `functional.rotary`.

    Args:
        width: number of features that are turned, even: the size of a head, or less.
        length: the most positions there are.
        base: the slowest wave has this period, times 2 pi.
        interleaved: whether neighbouring features form a pair.
        dtype: of the table; by default the default dtype.

    Example:
        >>> turn = ad.nn.RotaryPositions(4)
        >>> q = turn(ad.ones((2, 8, 5, 4)))
        >>> q.shape
        (2, 8, 5, 4)
    """

    cos: Any
    sin: Any

    def __init__(
        self,
        width: int,
        length: int = 4096,
        base: float = 10000.0,
        interleaved: bool = False,
        *,
        dtype: Any = None,
    ) -> None:
        self.interleaved = interleaved
        cos, sin = rotary_angles(length, width, base, dtype)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, x: Any, start: int = 0) -> Any:
        """`x`, shape (..., L, E), turned for the positions from `start` on."""
        length = x.shape[-2]
        cos, sin = rows(self.cos, length, start), rows(self.sin, length, start)
        return rotary(x, cos, sin, self.interleaved)
