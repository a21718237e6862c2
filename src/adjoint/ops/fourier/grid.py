"""The grids of a transform: its frequencies, and the order in which they stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from adjoint.core.bind import lift
from adjoint.core.errors import ArgumentError
from adjoint.core.types import as_dtype
from adjoint.ops.repeat import roll
from adjoint.ops.shape import axes_of, refusal
from adjoint.ops.source import check_device

__all__ = ["fftfreq", "fftshift", "ifftshift", "rfftfreq"]


def fftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: Any = None) -> Any:
    """Frequencies of the elements of an `fft`, in cycles per unit: ``0, 1, ..., -2, -1`` over n d.

    Args:
        n: number of points.
        d: distance of the points.
        dtype: the default float dtype unless given.
        device: ``"cpu"``.

    Example:
        >>> ad.fft.fftfreq(4)
        tensor([ 0.  ,  0.25, -0.5 , -0.25])
    """
    return frequencies("fftfreq", np.fft.fftfreq, n, d, dtype, device)


def rfftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: Any = None) -> Any:
    """Frequencies of the elements of an `rfft` of n values. Arguments are those of `fftfreq`.

    Example:
        >>> ad.fft.rfftfreq(4)
        tensor([0.  , 0.25, 0.5 ])
    """
    return frequencies("rfftfreq", np.fft.rfftfreq, n, d, dtype, device)


def frequencies(op: str, grid: Any, n: int, d: float, dtype: Any, device: Any) -> Any:
    """A grid as a tensor of this dtype."""
    check_device(device)
    if n < 1:
        raise refusal(op, ArgumentError(f"n must be positive, got {n}"))
    return lift(grid(n, d).astype(as_dtype(dtype)))


def fftshift(x: Any, /, *, axes: int | Sequence[int] | None = None) -> Any:
    """The tensor with the zero frequency moved to the middle of each axis.

    Args:
        x: any shape, in the order of `fft`.
        axes: the axes; all unless given.

    Raises:
        AxisError: if there is no such axis.

    Example:
        >>> ad.fft.fftshift(ad.fft.fftfreq(4))
        tensor([-0.5 , -0.25,  0.  ,  0.25])

    **Gradient:** the cotangent moved back.
    """
    x = lift(x)
    at = axes_of("fftshift", x, axes)
    return roll(x, [x.shape[a] // 2 for a in at], axis=at) if at else x


def ifftshift(x: Any, /, *, axes: int | Sequence[int] | None = None) -> Any:
    """The tensor with the zero frequency moved back to the front: undoes `fftshift`.

    Example:
        >>> ad.fft.ifftshift(ad.fft.fftshift(ad.fft.fftfreq(5)))
        tensor([ 0. ,  0.2,  0.4, -0.4, -0.2])
    """
    x = lift(x)
    at = axes_of("ifftshift", x, axes)
    return roll(x, [-(x.shape[a] // 2) for a in at], axis=at) if at else x
