"""Eigenvalues and eigenvectors, of Hermitian and of general matrices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple, final

import numpy as np

from adjoint.core.bind import lift
from adjoint.core.errors import ArgumentError
from adjoint.core.primitive import Sample
from adjoint.core.types import Type, complex_of, real_of
from adjoint.ops.diagonal import Triangle
from adjoint.ops.families import conj, scale
from adjoint.ops.linalg.matrix import (
    LAPACK,
    AbstractMatrixFunction,
    columns,
    diagonal_of,
    eye,
    hermitian_part,
    mH,
    mm,
    off_diagonal,
    on_diagonal,
    real,
    rows,
    square_size,
    stack_type,
    stacked,
)
from adjoint.ops.linalg.solve import SOLVE
from adjoint.ops.shape import refusal

__all__ = ["EigResult", "EighResult", "eig", "eigh", "eigvals", "eigvalsh"]


class EighResult(NamedTuple):
    """Eigenvalues and eigenvectors of Hermitian matrices."""

    eigenvalues: Any
    eigenvectors: Any


class EigResult(NamedTuple):
    """Eigenvalues and eigenvectors of general matrices."""

    eigenvalues: Any
    eigenvectors: Any


def divided(x: Any, values: Any) -> Any:
    """``x_ij / (values_j - values_i)`` off the diagonal, zero on it.

    Zeros of `x` stay zero where two values are equal, so that what does not depend on the vectors
    has a finite gradient there.
    """
    n = values.shape[-1]
    gap = rows(values) - columns(values) + eye(n)
    return scale(x * off_diagonal(n), 1 / gap)


@final
class Eigh(AbstractMatrixFunction):
    """Eigenvalues, rising, and orthonormal eigenvectors of the Hermitian part of each matrix."""

    def value(self, x: Any) -> Any:
        return tuple(LAPACK.eigh(hermitian_part(x)))

    def out_type(self, x: Any) -> tuple[Type, Type]:
        n = square_size(x)
        return Type((*x.shape[:-2], n), real_of(x.dtype)), stack_type(x, n, n)

    def vjp(self, ct: Any, out: Any, x: Any) -> tuple[Any]:
        ct_w, ct_v = ct
        w, v = out
        inner = divided(mm(mH(v), ct_v), w) + on_diagonal(ct_w)
        return (hermitian_part(mm(mm(v, inner), mH(v))),)

    def cost(self, x: Any) -> int:
        return stacked(x, 9 * x.shape[-1] ** 3)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(), [spread(rng, 3)]
        yield cls(), [np.stack([spread(rng, 3), spread(rng, 3)])]


def spread(rng: Any, n: int) -> Any:
    """A random symmetric matrix with eigenvalues near 1, 2, ..., n."""
    q = LAPACK.qr(rng.normal(size=(n, n)))[0]
    return (q * np.arange(1.0, n + 1)) @ q.T


@final
class EigenvaluesHermitian(AbstractMatrixFunction):
    """Eigenvalues of the Hermitian part; the vectors are computed only if a gradient is."""

    name = "eigvalsh"

    def value(self, x: Any) -> Any:
        return LAPACK.eigvalsh(hermitian_part(x))

    def out_type(self, x: Any) -> Type:
        return EIGH.out_type(x)[0]

    def vjp(self, ct: Any, out: Any, x: Any) -> tuple[Any]:
        _, v = EIGH(x)
        return (mm(v * rows(ct), mH(v)),)

    def cost(self, x: Any) -> int:
        return stacked(x, 4 * x.shape[-1] ** 3 / 3)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(), [spread(rng, 3)]
        x = spread(rng, 3) + 0j
        x[0, 1], x[1, 0] = x[0, 1] + 0.5j, x[1, 0] - 0.5j
        yield cls(), [x]


@final
class Eig(AbstractMatrixFunction):
    """Eigenvalues and eigenvectors of length 1 of each matrix, complex."""

    def value(self, x: Any) -> Any:
        w, v = LAPACK.eig(x)
        dtype = complex_of(x.dtype)
        return w.astype(dtype, copy=False), v.astype(dtype, copy=False)

    def out_type(self, x: Any) -> tuple[Type, Type]:
        n = square_size(x)
        dtype = complex_of(x.dtype)
        return Type((*x.shape[:-2], n), dtype), Type((*x.shape[:-2], n, n), dtype)

    def vjp(self, ct: Any, out: Any, x: Any) -> tuple[Any]:
        # Boeddeker et al., On the computation of complex-valued gradients (2017), equation 4.77
        ct_w, ct_v = ct
        w, v = out
        back = mH(v)
        turn = mm(back, ct_v)
        turn = turn - mm(back, v * rows(real(diagonal_of(turn))))
        inner = divided(turn, conj(w)) + on_diagonal(ct_w)
        return (SOLVE(back, mm(inner, back)),)

    def cost(self, x: Any) -> int:
        return stacked(x, 25 * x.shape[-1] ** 3)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(), [np.diag([1.0, 2.0, 4.0]) + 0.2 * rng.normal(size=(3, 3))]
        yield cls(), [np.diag([1.0, 3.0]) + 0.2 * rng.normal(size=(2, 2, 2))]


EIGH: Final = Eigh()
EIGENVALUES_HERMITIAN: Final = EigenvaluesHermitian()
EIG: Final = Eig()


def chosen_triangle(op: str, x: Any, part: str | None) -> Any:
    """The matrices that the user means: all of `x`, or one triangle of it and its mirror image."""
    if part is None:
        return x
    if part.upper() not in ("L", "U"):
        fact = f'UPLO must be "L", "U" or None, got {part!r}'
        raise refusal(op, ArgumentError(fact), ("x", x))
    upper = part.upper() == "U"
    beyond = Triangle(1 if upper else -1, not upper)(x)
    return beyond + mH(beyond) + on_diagonal(real(diagonal_of(x)))


def eigh(x: Any, /, *, UPLO: str | None = None) -> EighResult:  # NumPy's name
    """Eigenvalues, rising, and orthonormal eigenvectors of each Hermitian matrix.

    Args:
        x: Hermitian matrices, (..., n, n). Of others the Hermitian part ``(x + x.mH) / 2`` is
            taken, where NumPy would read the lower triangle.
        UPLO: read this triangle only, ``"L"`` or ``"U"``.

    Returns:
        A named tuple ``(eigenvalues, eigenvectors)``: real numbers (..., n), and matrices
        (..., n, n) whose columns are the vectors.

    Raises:
        ShapeError: if the last two sizes differ.

    Example:
        >>> ad.linalg.eigh(ad.tensor([[2.0, 1.0], [1.0, 2.0]])).eigenvalues
        tensor([1., 3.])

    **Gradient:** Hermitian. Through the eigenvalues it exists where they repeat as well, for what
    does not depend on their order. Through the vectors it is infinite or NaN where two
    eigenvalues are equal, and it means something only if the loss does not depend on the signs
    or phases of the vectors.
    """
    return EighResult(*EIGH(chosen_triangle("eigh", lift(x), UPLO)))


def eigvalsh(x: Any, /, *, UPLO: str | None = None) -> Any:  # NumPy's name
    """Eigenvalues of each Hermitian matrix, rising.

    Args:
        x: Hermitian matrices, (..., n, n). Of others the Hermitian part is taken.
        UPLO: read this triangle only, ``"L"`` or ``"U"``.

    Returns:
        Real numbers, (..., n).

    Raises:
        ShapeError: if the last two sizes differ.

    Example:
        >>> ad.linalg.eigvalsh(ad.tensor([[2.0, 1.0], [1.0, 2.0]]))
        tensor([1., 3.])

    **Gradient:** ``V diag(ct) V^H``, at repeated eigenvalues too.
    """
    return EIGENVALUES_HERMITIAN(chosen_triangle("eigvalsh", lift(x), UPLO))


def eig(x: Any, /) -> EigResult:
    """Eigenvalues and eigenvectors of each square matrix, in no particular order.

    Args:
        x: matrices, (..., n, n).

    Returns:
        A named tuple ``(eigenvalues, eigenvectors)``, complex also for real matrices: (..., n),
        and (..., n, n) whose columns are vectors of length 1.

    Raises:
        ShapeError: if the last two sizes differ.

    Example:
        >>> ad.linalg.eig(ad.tensor([[0.0, -1.0], [1.0, 0.0]])).eigenvalues
        tensor([0.+1.j, 0.-1.j], dtype=complex64)

    **Gradient:** exists where the matrix has n independent eigenvectors; through the vectors it
    is infinite or NaN where two eigenvalues are equal, and it means something only if the loss
    does not depend on the phases of the vectors.
    """
    return EigResult(*EIG(lift(x)))


def eigvals(x: Any, /) -> Any:
    """Eigenvalues of each square matrix, complex, in no particular order.

    Args:
        x: matrices, (..., n, n).

    Returns:
        Complex numbers, (..., n).

    Raises:
        ShapeError: if the last two sizes differ.

    Example:
        >>> ad.linalg.eigvals(ad.tensor([[0.0, -1.0], [1.0, 0.0]]))
        tensor([0.+1.j, 0.-1.j], dtype=complex64)

    **Gradient:** ``V^-H diag(ct) V^H``, where the matrix has n independent eigenvectors.
    """
    return EIG(lift(x))[0]  # LAPACK may order them otherwise when it computes them alone
