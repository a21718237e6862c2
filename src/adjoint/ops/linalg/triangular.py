"""Triangular systems and the Cholesky factor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, final

import numpy as np

from adjoint.core.bind import lift
from adjoint.core.errors import ShapeError
from adjoint.core.primitive import Sample
from adjoint.core.types import Type, broadcast_shapes
from adjoint.ops.diagonal import Triangle
from adjoint.ops.linalg.matrix import (
    LAPACK,
    AbstractMatrixFunction,
    columns,
    half_triangle,
    hermitian_part,
    matrix_shape,
    mH,
    mm,
    square_size,
    stack_type,
    stacked,
)
from adjoint.ops.shape import Reshape

__all__ = ["cholesky", "triangular_solve"]

BLOCK: Final = 64
"""Rows that are solved at once; what remains is matrix products."""


@final
class TriangularSolve(AbstractMatrixFunction):
    """``X`` with ``A @ X = B``, where only one triangle of `A` is read."""

    upper: bool
    unit: bool
    operands = ("x1", "x2")

    def value(self, a: Any, b: Any) -> Any:
        self.out_type(a, b)
        n = a.shape[-1]
        a = np.triu(a) if self.upper else np.tril(a)
        if self.unit:
            a[..., range(n), range(n)] = 1
        if not self.upper:  # read backwards, a lower triangle is an upper one
            a, b = a[..., ::-1, ::-1], b[..., ::-1, :]
        x = back_substitution(a, b)
        return x if self.upper else np.ascontiguousarray(x[..., ::-1, :])

    def out_type(self, a: Any, b: Any) -> Type:
        return solution_type(a, b)

    def vjp(self, ct: Any, out: Any, a: Any, b: Any) -> tuple[Any, Any]:
        ct_b = TriangularSolve(not self.upper, self.unit)(mH(a), ct)
        offset = 0 if not self.unit else 1 if self.upper else -1
        return Triangle(offset, not self.upper)(-mm(ct_b, mH(out))), ct_b

    def cost(self, a: Any, b: Any) -> int:
        out = self.out_type(a, b)
        return stacked(out, out.shape[-2] ** 2 * out.shape[-1])

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        a = rng.normal(size=(2, 3, 3)) + 3 * np.eye(3)
        yield cls(False, False), [a[0], rng.normal(size=(3, 2))]
        yield cls(True, True), [a, rng.normal(size=(3, 2))]
        yield cls(True, False), [a[0] + 1j * a[1], rng.normal(size=(2, 3, 1)) + 0j]


def back_substitution(a: Any, b: Any) -> Any:
    """The solution of upper triangular systems, from the last rows to the first.

    LU with pivoting leaves an upper triangle as it is, so `np.linalg.solve` on the blocks of the
    diagonal is back substitution; above them stand matrix products.
    """
    n = a.shape[-1]
    shape = solution_type(a, b).shape
    x = np.empty(shape, np.result_type(a, b))
    for stop in range(n, 0, -BLOCK):
        rows = slice(max(stop - BLOCK, 0), stop)
        rest = b[..., rows, :]
        if stop < n:
            rest = rest - a[..., rows, stop:] @ x[..., stop:, :]
        x[..., rows, :] = LAPACK.solve(a[..., rows, rows], rest)
    return x


def solution_type(a: Any, b: Any) -> Type:
    """The type of ``A^-1 B`` for stacks that broadcast.

    Raises:
        ShapeError: if `a` is not square or the rows of `b` are not as many as its own.
    """
    n = square_size(a, "x1")
    m, k = matrix_shape(b, "x2")
    if m != n:
        raise ShapeError(f"x1 has {n} rows, x2 has {m}")
    return Type((*broadcast_shapes(tuple(a.shape[:-2]), tuple(b.shape[:-2])), n, k), a.dtype)


@final
class Cholesky(AbstractMatrixFunction):
    """Lower triangular factor of the Hermitian part of each matrix."""

    def value(self, x: Any) -> Any:
        # the Hermitian part, so that value and derivative belong to one function
        return LAPACK.cholesky(hermitian_part(x))

    def out_type(self, x: Any) -> Type:
        n = square_size(x)
        return stack_type(x, n, n)

    def vjp(self, ct: Any, out: Any, x: Any) -> tuple[Any]:
        # Murray, Differentiation of the Cholesky decomposition (2016), equation 10
        upper = mH(out)
        inner = mm(upper, ct) * half_triangle(x.shape[-1], False, x.dtype)
        inner = inner + mH(inner)
        half = mH(BACK(upper, inner))
        return (BACK(upper, half) * 0.5,)

    def cost(self, x: Any) -> int:
        return stacked(x, x.shape[-1] ** 3 / 3)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        a = rng.normal(size=(2, 3, 3))
        yield cls(), [a[0] @ a[0].T + np.eye(3)]
        yield cls(), [a @ np.swapaxes(a, -1, -2) + np.eye(3)]
        c = a[0] + 1j * a[1]
        yield cls(), [c @ c.conj().T + np.eye(3)]


BACK: Final = TriangularSolve(True, False)
CHOLESKY: Final = Cholesky()


def cholesky(x: Any, /, *, upper: bool = False) -> Any:
    """Triangular factor of each positive definite matrix: ``L @ L.mH = x``.

    Args:
        x: Hermitian matrices, (..., n, n). Of others the Hermitian part ``(x + x.mH) / 2`` is
            taken, where NumPy would read the lower triangle.
        upper: return the upper triangular ``L.mH`` instead.

    Returns:
        The factors, (..., n, n).

    Raises:
        ShapeError: if the last two sizes differ.
        LinAlgError: if a matrix is not positive definite.

    Example:
        >>> ad.linalg.cholesky(ad.tensor([[4.0, 2.0], [2.0, 5.0]]))
        tensor([[2., 0.],
                [1., 2.]])

    **Gradient:** Hermitian, ``L^-H (P + P^H) L^-1 / 2`` where P is the lower triangle of
    ``L^H ct`` with its diagonal halved.
    """
    out = CHOLESKY(lift(x))
    return mH(out) if upper else out


def triangular_solve(
    x1: Any, x2: Any, /, *, upper: bool = False, unitriangular: bool = False
) -> Any:
    """Solution of each triangular system ``x1 @ out = x2``, by substitution.

    Args:
        x1: matrices, (..., n, n), of which one triangle is read.
        x2: right sides, (..., n, k), or a single vector (n,).
        upper: whether the upper triangle is read, else the lower one.
        unitriangular: take the diagonal of `x1` to be ones and do not read it.

    Returns:
        The solutions, (..., n, k) or (..., n).

    Raises:
        ShapeError: if `x1` is not square, or the sizes do not fit.
        LinAlgError: if a diagonal has a zero.

    Example:
        >>> a = ad.tensor([[2.0, 0.0], [1.0, 4.0]])
        >>> ad.linalg.triangular_solve(a, ad.tensor([2.0, 9.0]))
        tensor([1., 2.])

    **Gradient:** for `x2` the system with ``x1.mH`` is solved; for `x1` it has entries in the
    triangle that is read only.
    """
    x1, x2 = lift(x1), lift(x2)
    op = TriangularSolve(upper, unitriangular)
    if x2.ndim != 1:
        return op(x1, x2)
    out = op(x1, columns(x2))
    return Reshape(out.shape[:-1])(out)
