"""Pseudo-inverses and least squares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple, final

import numpy as np

from adjoint.core.bind import lift
from adjoint.core.errors import ShapeError
from adjoint.core.primitive import Sample
from adjoint.core.types import Type, broadcast_shapes, real_of
from adjoint.ops.families import CAST, conj
from adjoint.ops.linalg.matrix import (
    LAPACK,
    AbstractMatrixFunction,
    columns,
    lift_inexact,
    matrix_shape,
    mH,
    mm,
    real,
    sizes_for,
    stacked,
)
from adjoint.ops.linalg.norms import matrix_rank
from adjoint.ops.linalg.svd import svdvals
from adjoint.ops.shape import Reshape, Sum, refusal
from adjoint.ops.slice import part

__all__ = ["LstsqResult", "lstsq", "pinv"]


class LstsqResult(NamedTuple):
    """A least-squares solution and what is known about it."""

    solution: Any
    residuals: Any
    rank: Any
    singular_values: Any


@final
class PseudoInverse(AbstractMatrixFunction):
    """Moore-Penrose inverse; singular values up to ``rtol`` times the largest count as zero."""

    name = "pinv"
    operands = ("x", "rtol")

    def value(self, x: Any, rtol: Any) -> Any:
        self.out_type(x, rtol)
        if x.size == 0:
            return np.zeros((*x.shape[:-2], x.shape[-1], x.shape[-2]), x.dtype)
        u, s, vh = LAPACK.svd(x, full_matrices=False)
        keep = s > np.real(rtol)[..., 0] * s.max(-1, keepdims=True)
        inverse = np.where(keep, 1 / np.where(keep, s, 1), 0).astype(s.dtype)
        return mH(vh) @ (inverse[..., None] * mH(u))

    def out_type(self, x: Any, rtol: Any) -> Type:
        m, n = matrix_shape(x)
        if tuple(rtol.shape[-2:]) != (1, 1):
            raise ShapeError(f"rtol must have shape (..., 1, 1) here, got {tuple(rtol.shape)}")
        stack = broadcast_shapes(tuple(x.shape[:-2]), tuple(rtol.shape[:-2]))
        return Type((*stack, n, m), x.dtype)

    def vjp(self, ct: Any, out: Any, x: Any, rtol: Any) -> tuple[Any, None]:
        # Golub and Pereyra, The differentiation of pseudo-inverses (1973), equation 4.12
        back, g = mH(out), mH(ct)
        ct_x = -mm(mm(back, ct), back)
        gp = mm(mm(g, out), back)
        ct_x = ct_x + gp - mm(x, mm(out, gp))
        pg = mm(mm(back, out), g)
        return ct_x + pg - mm(mm(pg, out), x), None

    def cost(self, x: Any, rtol: Any) -> int:
        m, n = x.shape[-2:]
        k = min(m, n)
        return stacked(x, 14 * m * n * k + 8 * k**3 + 2 * m * n * k)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        rtol = np.full((1, 1), 1e-13)
        yield cls(), [rng.normal(size=(4, 3)), rtol]
        yield cls(), [rng.normal(size=(2, 2, 3)), rtol]
        yield cls(), [rng.normal(size=(3, 2)) + 1j * rng.normal(size=(3, 2)), rtol + 0j]


PSEUDO_INVERSE: Final = PseudoInverse()


def pinv(x: Any, /, *, rtol: Any = None) -> Any:
    """Moore-Penrose pseudo-inverse of each matrix.

    Args:
        x: matrices, (..., m, n).
        rtol: singular values up to this share of the largest count as zero; a number or an array
            of the shape of the stack. By default ``max(m, n)`` times the machine epsilon.

    Returns:
        The pseudo-inverses, (..., n, m).

    Raises:
        ShapeError: if `x` has fewer than two axes.

    Example:
        >>> ad.linalg.pinv(ad.tensor([[2.0, 0.0], [0.0, 0.0]]))
        tensor([[0.5, 0. ],
                [0. , 0. ]])

    **Gradient:** that of a neighbourhood in which the rank does not change; where a small step
    changes the rank, the pseudo-inverse is not continuous and has no gradient.
    """
    x = lift_inexact(x)
    m, n = sizes_for("pinv", x)
    if rtol is None:
        rtol = max(m, n) * float(np.finfo(real_of(x.dtype)).eps)
    share = CAST[x.dtype](lift(rtol))
    return PSEUDO_INVERSE(x, columns(columns(share)))


def lstsq(x1: Any, x2: Any, /, rcond: float | None = None) -> Any:
    """Solution of ``x1 @ out = x2`` with the least squared error, and among those the shortest.

    Args:
        x1: matrices, (..., m, n).
        x2: one vector (m,), or matrices (..., m, k).
        rcond: singular values up to this share of the largest count as zero; by default
            ``max(m, n)`` times the machine epsilon.

    Returns:
        A named tuple ``(solution, residuals, rank, singular_values)``. The residuals are the
        squared errors of each column where m > n, and empty otherwise.

    Raises:
        ShapeError: if the sizes do not fit.

    Example:
        >>> a = ad.tensor([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
        >>> ad.linalg.lstsq(a, ad.tensor([1.0, 3.0, 5.0])).solution
        tensor([1., 2.])

    **Gradient:** through the solution and the residuals, that of `pinv`; through the singular
    values, that of `svdvals`.
    """
    x1, x2 = lift_inexact(x1), lift_inexact(x2)
    m, n = sizes_for("lstsq", x1)
    vector = x2.ndim == 1
    right = columns(x2) if vector else x2
    if right.shape[-2] != m:
        fact = f"x1 has {m} rows, x2 has {right.shape[-2]}"
        raise refusal("lstsq", ShapeError(fact), ("x1", x1), ("x2", x2))
    out = mm(pinv(x1, rtol=rcond), right)
    values = svdvals(x1)
    error = right - mm(x1, out)
    squares = Sum((out.ndim - 2,))(real(error * conj(error)))
    if m <= n:
        squares = part(squares, squares.ndim - 1, 0, 0)
    if vector:
        out = Reshape(out.shape[:-1])(out)
    return LstsqResult(out, squares, matrix_rank(x1, rtol=rcond), values)
