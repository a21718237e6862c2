"""Linear systems and inverses."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final, final

import numpy as np

from adjoint.core.bind import lift
from adjoint.core.errors import ArgumentError
from adjoint.core.primitive import Sample
from adjoint.core.types import Type
from adjoint.ops.linalg.matrix import (
    LAPACK,
    AbstractMatrixFunction,
    columns,
    mH,
    mm,
    square_size,
    stack_type,
    stacked,
)
from adjoint.ops.linalg.triangular import solution_type
from adjoint.ops.shape import Permute, Reshape, axis_of, refusal

__all__ = ["inv", "solve", "tensorinv", "tensorsolve"]


@final
class Solve(AbstractMatrixFunction):
    """``X`` with ``A @ X = B``."""

    operands = ("x1", "x2")

    def value(self, a: Any, b: Any) -> Any:
        return LAPACK.solve(a, b)

    def out_type(self, a: Any, b: Any) -> Type:
        return solution_type(a, b)

    def vjp(self, ct: Any, out: Any, a: Any, b: Any) -> tuple[Any, Any]:
        ct_b = SOLVE(mH(a), ct)
        return -mm(ct_b, mH(out)), ct_b

    def cost(self, a: Any, b: Any) -> int:
        n, k = a.shape[-1], b.shape[-1]
        return stacked(self.out_type(a, b), 2 * n**3 / 3 + 2 * n * n * k)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        a, b = rng.normal(size=(2, 3, 3)) + 4 * np.eye(3), rng.normal(size=(2, 3, 2))
        yield cls(), [a[0], b[0]]
        yield cls(), [a, b[0]]
        yield cls(), [a[0], b[:, None]]
        yield cls(), [a[0] + 1j * a[1], b[0] + 1j * b[1]]


@final
class Inverse(AbstractMatrixFunction):
    """Inverse of each matrix. One that has none is an error, or NaN if not `strict`."""

    strict: bool
    name = "inv"

    def value(self, x: Any) -> Any:
        try:
            return LAPACK.inv(x)
        except np.linalg.LinAlgError:
            if self.strict or x.ndim < 2 or x.shape[-1] != x.shape[-2]:
                raise
            return each_inverse(x)

    def out_type(self, x: Any) -> Type:
        n = square_size(x)
        return stack_type(x, n, n)

    def vjp(self, ct: Any, out: Any, x: Any) -> tuple[Any]:
        back = mH(out)
        return (-mm(mm(back, ct), back),)

    def cost(self, x: Any) -> int:
        return stacked(x, 2 * x.shape[-1] ** 3)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        a = rng.normal(size=(2, 3, 3)) + 4 * np.eye(3)
        yield cls(True), [a]
        yield cls(False), [a[0] + 1j * a[1]]


def each_inverse(x: Any) -> Any:
    """The inverses one by one, NaN for singular matrices, so that one does not spoil the others."""
    flat = x.reshape(-1, *x.shape[-2:])
    out = np.full_like(flat, np.nan)
    for i, matrix in enumerate(flat):
        try:
            out[i] = LAPACK.inv(matrix)
        except np.linalg.LinAlgError:
            continue
    return out.reshape(x.shape)


SOLVE: Final = Solve()
INVERSE: Final = Inverse(True)
INVERSE_OR_NAN: Final = Inverse(False)


def solve(x1: Any, x2: Any, /) -> Any:
    """Solution of each linear system ``x1 @ out = x2``.

    Args:
        x1: square matrices, (..., n, n).
        x2: one vector (n,), or matrices (..., n, k).

    Returns:
        The solutions, (..., n) for a vector and (..., n, k) for matrices.

    Raises:
        ShapeError: if `x1` is not square, or the sizes do not fit.
        LinAlgError: if a matrix is singular.

    Example:
        >>> ad.linalg.solve(ad.tensor([[2.0, 0.0], [0.0, 4.0]]), ad.tensor([2.0, 2.0]))
        tensor([1. , 0.5])

    **Gradient:** ``x1^-H ct`` for `x2`, and minus that times ``out^H`` for `x1`.
    """
    x1, x2 = lift(x1), lift(x2)
    if x2.ndim != 1:
        return SOLVE(x1, x2)
    out = SOLVE(x1, columns(x2))
    return Reshape(out.shape[:-1])(out)


def inv(x: Any, /) -> Any:
    """Inverse of each square matrix.

    Args:
        x: matrices, (..., n, n).

    Returns:
        The inverses, (..., n, n).

    Raises:
        ShapeError: if the last two sizes differ.
        LinAlgError: if a matrix is singular.

    Example:
        >>> ad.linalg.inv(ad.tensor([[2.0, 0.0], [0.0, 4.0]]))
        tensor([[0.5 , 0.  ],
                [0.  , 0.25]])

    **Gradient:** ``-out^H ct out^H``.
    """
    return INVERSE(lift(x))


def tensorinv(a: Any, /, ind: int = 2) -> Any:
    """Inverse of `a` as a linear map from its last axes to its first `ind`.

    Args:
        a: a tensor whose first `ind` sizes have the same product as the others.
        ind: how many axes are the result's.

    Returns:
        The inverse, of shape ``a.shape[ind:] + a.shape[:ind]``.

    Raises:
        ShapeError: if the two products differ.

    Example:
        >>> ad.linalg.tensorinv(ad.tensor(2 * np.eye(4).reshape(2, 2, 2, 2))).shape
        (2, 2, 2, 2)
    """
    a = lift(a)
    if ind <= 0:
        raise refusal("tensorinv", ArgumentError(f"ind must be positive, got {ind}"), ("a", a))
    first, last = tuple(a.shape[:ind]), tuple(a.shape[ind:])
    n = math.prod(last)
    return Reshape((*last, *first))(INVERSE(Reshape((math.prod(first), n))(a)))


def tensorsolve(a: Any, b: Any, /, *, axes: tuple[int, ...] | None = None) -> Any:
    """The tensor `out` that `a` maps to `b`: ``tensordot(a, out, out.ndim) = b``.

    Args:
        a: a tensor of shape ``b.shape + out.shape``, with as many elements before as after.
        b: the right side.
        axes: axes of `a` to move to its end first.

    Returns:
        The solution, of the shape that `a` has beyond that of `b`.

    Raises:
        ShapeError: if the sizes do not fit.

    Example:
        >>> a = ad.tensor(2 * np.eye(4).reshape(2, 2, 2, 2))
        >>> ad.linalg.tensorsolve(a, ad.tensor(np.ones((2, 2))))
        tensor([[0.5, 0.5],
                [0.5, 0.5]], dtype=float64)
    """
    a, b = lift(a), lift(b)
    if axes is not None:
        moved = tuple(axis_of("tensorsolve", a, axis) for axis in axes)
        a = Permute((*(i for i in range(a.ndim) if i not in moved), *moved))(a)
    shape = tuple(a.shape[b.ndim :])
    out = SOLVE(Reshape((b.size, math.prod(shape)))(a), Reshape((b.size, 1))(b))
    return Reshape(shape)(out)
