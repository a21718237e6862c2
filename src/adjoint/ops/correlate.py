"""Convolution and correlation of two sequences, as NumPy has them."""

from __future__ import annotations

from typing import Any, Literal

from adjoint.core.bind import lift
from adjoint.core.errors import AdjointError, ArgumentError, ShapeError
from adjoint.ops.convolution import Convolve
from adjoint.ops.families import conj
from adjoint.ops.shape import refusal

__all__ = ["convolve", "correlate"]


def convolve(x: Any, y: Any, /, mode: Literal["full", "same", "valid"] = "full") -> Any:
    """Convolution of two sequences, as in NumPy: ``out[n] = sum over k of x[n - k] * y[k]``.

    Args:
        x: shape (M,).
        y: shape (N,).
        mode: "full" for all M + N - 1 overlaps, "same" for the middle max(M, N) of them, "valid"
            for those where one sequence lies within the other.

    Raises:
        ShapeError: if an operand has not one axis, or is empty.
        ArgumentError: if the mode is none of these.

    Example:
        >>> ad.convolve(ad.tensor([1.0, 2.0, 3.0]), ad.tensor([0.0, 1.0, 0.5]))
        tensor([0. , 1. , 2.5, 4. , 1.5])
    """
    return _sequence("convolve", x, y, mode, flip=True)


def correlate(x: Any, y: Any, /, mode: Literal["full", "same", "valid"] = "valid") -> Any:
    """Correlation of two sequences, as in NumPy: ``out[k] = sum over n of x[n + k] * conj(y[n])``.

    Args:
        x: shape (M,).
        y: shape (N,).
        mode: which shifts k, as in `convolve`.

    Raises:
        ShapeError: if an operand has not one axis, or is empty.
        ArgumentError: if the mode is none of these.

    Example:
        >>> ad.correlate(ad.tensor([1.0, 2.0, 3.0]), ad.tensor([0.0, 1.0, 0.5]))
        tensor([3.5])
    """
    return _sequence("correlate", x, conj(lift(y)), mode, flip=False)


def _sequence(op: str, x: Any, y: Any, mode: str, flip: bool) -> Any:
    x, y = lift(x), lift(y)
    try:
        if x.ndim != 1 or y.ndim != 1 or not x.size or not y.size:
            raise ShapeError(f"needs sequences with one axis, got shapes {x.shape} and {y.shape}")
        first, size = part_of_full(mode, x.size, y.size, flip)
    except AdjointError as error:
        raise refusal(op, error, ("x", x), ("y", y)) from None
    low = y.size - 1 - first
    pad = ((low, size + y.size - 1 - low - x.size),)
    return Convolve(",->", (1,), pad, (1,), (1,), flip)(x, y)


def part_of_full(mode: str, m: int, n: int, flip: bool) -> tuple[int, int]:
    """Where a mode's part of all m + n - 1 overlaps begins, and its size."""
    small, large = min(m, n), max(m, n)
    if mode == "full":
        return 0, m + n - 1
    if mode == "valid":
        return small - 1, large - small + 1
    if mode == "same":
        # NumPy exchanges the operands where the first is the shorter, which moves the middle of a
        # correlation when the number left out is odd
        return (small // 2 if m < n and not flip else (small - 1) - small // 2), large
    raise ArgumentError(f'mode must be "full", "same" or "valid", got {mode!r}')
