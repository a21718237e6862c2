"""What the hand-written elementwise functions share: float64 inside, in pieces that stay in cache.

NumPy has no error function, gamma function or Bessel function of the first order. SciPy has, but
would multiply the size of the installation, so they are written here in vectorised NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

where: Final[Callable[..., Any]] = np.where
"""NumPy's, without the types that it cannot know of untyped operands."""

PIECE: Final = 8192
"""Elements worked on at a time: a dozen float64 temporaries of this size stay in the cache."""


def in_float64(kernel: Callable[..., Any], x: Any, *args: Any) -> Any:
    """Apply a function of flat float64 arrays to an array of any float dtype and shape.

    Args:
        kernel: maps a one-dimensional float64 array to another; further arguments are passed on.
        x: real floats.
        args: passed to `kernel`.
    """
    x = np.asarray(x)
    flat = x.reshape(-1)
    out = np.empty_like(flat)
    with np.errstate(all="ignore"):
        for start in range(0, flat.size, PIECE):
            piece = flat[start : start + PIECE].astype(np.float64)
            out[start : start + PIECE] = kernel(piece, *args)
    return out.reshape(x.shape)


def horner(x: Any, coefficients: Sequence[float]) -> Any:
    """The polynomial with these coefficients, the constant one first."""
    out = np.full_like(x, coefficients[-1])
    for c in coefficients[-2::-1]:
        out *= x
        out += c
    return out
