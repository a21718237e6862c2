"""Parts of matrices: diagonals, their sums, and products of vectors in space."""

from __future__ import annotations

from typing import Any

from adjoint.core.bind import lift
from adjoint.core.errors import ShapeError
from adjoint.ops.diagonal import Diagonal
from adjoint.ops.linalg.matrix import sizes_for
from adjoint.ops.reduce import sum
from adjoint.ops.repeat import roll
from adjoint.ops.shape import axis_of, refusal

__all__ = ["cross", "diagonal", "trace"]


def diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """Diagonal of each matrix.

    Args:
        x: matrices, (..., m, n).
        offset: how far above the main diagonal; below it if negative.

    Returns:
        The elements, (..., k).

    Raises:
        ShapeError: if `x` has fewer than two axes.

    Example:
        >>> ad.linalg.diagonal(ad.tensor([[1.0, 2.0], [3.0, 4.0]]), offset=1)
        tensor([2.])
    """
    x = lift(x)
    sizes_for("diagonal", x)
    return Diagonal(offset)(x)


def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """Sum over a diagonal of each matrix.

    Args:
        x: matrices, (..., m, n).
        offset: how far above the main diagonal; below it if negative.
        dtype: dtype of the sum; by default that of `sum`.

    Returns:
        The sums, (...).

    Raises:
        ShapeError: if `x` has fewer than two axes.

    Example:
        >>> ad.linalg.trace(ad.tensor([[1.0, 2.0], [3.0, 4.0]]))
        tensor(5.)
    """
    x = lift(x)
    sizes_for("trace", x)
    return sum(diagonal(x, offset=offset), axis=-1, dtype=dtype)


def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """Cross product of vectors in space.

    Args:
        x1: any shape with three elements along the axis.
        x2: a shape that broadcasts with it, with three elements along the axis.
        axis: the axis of the vectors.

    Returns:
        The broadcast shape.

    Raises:
        ShapeError: if there are not three elements along the axis.

    Example:
        >>> ad.linalg.cross(ad.tensor([1.0, 0.0, 0.0]), ad.tensor([0.0, 1.0, 0.0]))
        tensor([0., 0., 1.])
    """
    x1, x2 = lift(x1), lift(x2)
    at1, at2 = (axis_of("cross", x, axis) for x in (x1, x2))
    if x1.shape[at1] != 3 or x2.shape[at2] != 3:
        fact = f"needs vectors of three elements, got {x1.shape[at1]} and {x2.shape[at2]}"
        raise refusal("cross", ShapeError(fact), ("x1", x1), ("x2", x2))
    back1, back2 = at1 - x1.ndim, at2 - x2.ndim
    if back1 != back2:
        fact = f"axis {axis} names different axes after broadcasting; count it from the end"
        raise refusal("cross", ShapeError(fact), ("x1", x1), ("x2", x2))
    left = roll(x1, -1, axis=axis) * roll(x2, -2, axis=axis)
    return left - roll(x1, -2, axis=axis) * roll(x2, -1, axis=axis)
