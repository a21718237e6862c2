"""Norms of vectors and matrices, and what is judged by them: rank and condition.

All of them are made of elementwise operations, reductions and singular values, so they have
derivatives of any order. At the zero vector or matrix a norm has a kink; the gradient there is
zero, which is the shortest of its subgradients.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from adjoint.core.bind import lift
from adjoint.core.errors import ArgumentError
from adjoint.core.types import real_of
from adjoint.ops.complex_parts import magnitude
from adjoint.ops.extreme import Max, Min
from adjoint.ops.families import CAST, conj
from adjoint.ops.linalg.matrix import columns, lift_inexact, real, sizes_for
from adjoint.ops.linalg.solve import inv
from adjoint.ops.linalg.svd import svdvals
from adjoint.ops.power import SQRT
from adjoint.ops.select import WHERE
from adjoint.ops.shape import Permute, Reshape, Sum, axes_of, axis_of, refusal

__all__ = ["cond", "matrix_norm", "matrix_rank", "norm", "vector_norm"]

Axis = int | Sequence[int] | None


def vector_norm(x: Any, /, *, axis: Axis = None, keepdims: bool = False, ord: float = 2) -> Any:
    """Length of the vectors along an axis: ``sum(abs(x) ** ord) ** (1 / ord)``.

    Args:
        x: any shape.
        axis: one axis, or several that make up the vectors together; all unless given.
        keepdims: keep the axes with size 1.
        ord: the order, any real number; ``inf`` is the largest modulus, ``-inf`` the smallest, and
            0 counts the elements that are not zero.

    Returns:
        Real numbers; the shape of `x` without the axes.

    Raises:
        AxisError: if an axis does not exist or is named twice.

    Example:
        >>> ad.linalg.vector_norm(ad.tensor([3.0, -4.0]))
        tensor(5.)

    **Gradient:** zero for a vector of zeros, and for elements that are zero. For the orders
    ``inf`` and ``-inf`` the elements that tie share it equally; for order 0 it is zero.
    """
    x = lift_inexact(x)
    axes = axes_of("vector_norm", x, axis)
    out = length(x, axes, ord)
    return with_axes(out, x.shape, axes) if keepdims else out


def length(x: Any, axes: tuple[int, ...], ord: float) -> Any:
    """The norm of this order over these axes, which disappear."""
    if ord == 2:
        squares = Sum(axes)(real(x * conj(x)))
        zero = squares == 0
        return WHERE(zero, 0.0, SQRT(WHERE(zero, 1.0, squares)))
    if ord == 0:
        return Sum(axes)(CAST[real_of(x.dtype)](x != 0))
    size = magnitude(x)
    if ord in (math.inf, -math.inf):
        return (Max if ord > 0 else Min)(axes)(size)
    if ord == 1:
        return Sum(axes)(size)
    total = Sum(axes)(power_of(size, ord))
    return power_of(total, 1 / ord)


def power_of(x: Any, exponent: float) -> Any:
    """A power of what is not negative, with derivative zero at zero, where it may be infinite."""
    zero = x == 0
    return WHERE(zero, 0.0 if exponent > 0 else math.inf, WHERE(zero, 1.0, x) ** exponent)


def with_axes(x: Any, shape: tuple[int, ...], axes: tuple[int, ...]) -> Any:
    """The result of a reduction with its axes back, at size 1."""
    return Reshape(tuple(1 if a in axes else n for a, n in enumerate(shape)))(x)


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: float | str | None = "fro") -> Any:
    """Norm of each matrix.

    Args:
        x: matrices, (..., m, n).
        keepdims: keep the two axes with size 1.
        ord: ``"fro"`` the root of the sum of squares, ``"nuc"`` the sum of singular values, 2 and
            -2 the largest and the smallest singular value, 1 and -1 the largest and the smallest
            sum of moduli of a column, ``inf`` and ``-inf`` of a row.

    Returns:
        Real numbers, (...).

    Raises:
        ShapeError: if `x` has fewer than two axes.
        ArgumentError: if there is no such norm.

    Example:
        >>> ad.linalg.matrix_norm(ad.tensor([[3.0, 0.0], [4.0, 0.0]]))
        tensor(5.)

    **Gradient:** zero for a matrix of zeros; where several columns, rows or singular values tie,
    they share it equally.
    """
    x = lift_inexact(x)
    sizes_for("matrix_norm", x)
    last = (x.ndim - 2, x.ndim - 1)
    out = of_matrices(x, ord)
    return with_axes(out, x.shape, last) if keepdims else out


def of_matrices(x: Any, ord: Any) -> Any:
    """The norm of this order of each matrix."""
    if ord in ("fro", None):
        return length(x, (x.ndim - 2, x.ndim - 1), 2)
    if ord in (1, -1):
        sums = Sum((x.ndim - 2,))(magnitude(x))
    elif ord in (math.inf, -math.inf):
        sums = Sum((x.ndim - 1,))(magnitude(x))
    elif ord in ("nuc", 2, -2):
        # the modulus has derivative zero at zero, where singular vectors are arbitrary
        sums = magnitude(svdvals(x))
    else:
        fact = f'ord must be "fro", "nuc", 1, -1, 2, -2, inf or -inf, got {ord!r}'
        raise refusal("matrix_norm", ArgumentError(fact), ("x", x))
    reduce = Sum if ord == "nuc" else Max if ord > 0 else Min
    return reduce((sums.ndim - 1,))(sums)


def norm(
    x: Any, /, ord: float | str | None = None, axis: Axis = None, keepdims: bool = False
) -> Any:
    """Norm of vectors or of matrices, as NumPy chooses between them.

    Args:
        x: any shape.
        ord: the order, as in `vector_norm` or `matrix_norm`; by default the root of the sum of
            squares.
        axis: one axis for vectors, two for matrices. By default all of `x` is a vector if `ord`
            is not given; else `x` must have one or two axes.
        keepdims: keep the axes with size 1.

    Raises:
        ArgumentError: if there is no such norm, or it is not clear of what.

    Example:
        >>> ad.linalg.norm(ad.tensor([[3.0, 0.0], [4.0, 0.0]]), axis=0)
        tensor([5., 0.])

    **Gradient:** that of `vector_norm` or `matrix_norm`: zero at zero.
    """
    x = lift_inexact(x)
    if axis is None and ord is None:
        return vector_norm(x, keepdims=keepdims)
    axes = tuple(axis) if isinstance(axis, Sequence) else axis
    if axes is None:
        axes = tuple(range(x.ndim))
    elif not isinstance(axes, tuple):
        axes = (axes,)
    at = tuple(axis_of("norm", x, a) for a in axes)
    if len(at) == 1 and not isinstance(ord, str):
        return vector_norm(x, axis=at, keepdims=keepdims, ord=2 if ord is None else ord)
    if len(at) != 2 or at[0] == at[1]:
        fact = f"order {ord!r} needs one axis for vectors or two for matrices, got {axes}"
        raise refusal("norm", ArgumentError(fact), ("x", x))
    rest = tuple(a for a in range(x.ndim) if a not in at)
    out = matrix_norm(Permute((*rest, *at))(x), ord="fro" if ord is None else ord)
    return with_axes(out, x.shape, at) if keepdims else out


def cond(x: Any, /, p: float | str | None = None) -> Any:
    """Condition number of each matrix: the norm times the norm of the inverse.

    Args:
        x: matrices, (..., m, n); square unless `p` is None, 2 or -2.
        p: the order of the norm; by default 2, the ratio of the extreme singular values.

    Returns:
        Real numbers, (...).

    Raises:
        ShapeError: if the matrices must be square and are not.

    Example:
        >>> ad.linalg.cond(ad.tensor([[3.0, 0.0], [0.0, 1.0]]))
        tensor(3.)
    """
    x = lift_inexact(x)
    sizes_for("cond", x)
    if p in (None, 2, -2):
        s = svdvals(x)
        last = (s.ndim - 1,)
        return Min(last)(s) / Max(last)(s) if p == -2 else Max(last)(s) / Min(last)(s)
    return matrix_norm(x, ord=p) * matrix_norm(inv(x), ord=p)


def matrix_rank(x: Any, /, *, rtol: Any = None) -> Any:
    """Rank of each matrix: how many singular values are not small.

    Args:
        x: matrices, (..., m, n).
        rtol: singular values up to this share of the largest are small; a number or an array of
            the shape of the stack. By default ``max(m, n)`` times the machine epsilon.

    Returns:
        Integers, (...).

    Raises:
        ShapeError: if `x` has fewer than two axes.

    Example:
        >>> ad.linalg.matrix_rank(ad.tensor([[1.0, 2.0], [2.0, 4.0]]))
        tensor(1)

    **Gradient:** none; integers have no tangent space.
    """
    x = lift_inexact(x)
    m, n = sizes_for("matrix_rank", x)
    s = svdvals(x)
    if rtol is None:
        rtol = max(m, n) * float(np.finfo(s.dtype).eps)
    share = CAST[s.dtype](lift(rtol))
    last = (s.ndim - 1,)
    small = columns(Max(last)(s) * share)
    return Sum(last)(CAST[np.dtype(np.int64)](s > small))
