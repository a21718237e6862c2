"""The singular value decomposition, singular values, and the rank that is read from them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple, final

import numpy as np

from adjoint.core.bind import lift
from adjoint.core.primitive import Sample
from adjoint.core.types import Type, real_of
from adjoint.ops.families import conj, scale
from adjoint.ops.join import Concat
from adjoint.ops.linalg.matrix import (
    LAPACK,
    AbstractMatrixFunction,
    columns,
    diagonal_of,
    eye,
    matrix_shape,
    mH,
    mm,
    off_diagonal,
    on_diagonal,
    rows,
    sizes_for,
    stack_type,
    stacked,
)

__all__ = ["SVDResult", "svd", "svdvals"]


class SVDResult(NamedTuple):
    """Factors of a singular value decomposition."""

    U: Any
    S: Any
    Vh: Any


@final
class SVD(AbstractMatrixFunction):
    """Thin decomposition ``x = U diag(S) Vh``, with S falling."""

    name = "svd"

    def value(self, x: Any) -> Any:
        return tuple(LAPACK.svd(x, full_matrices=False))

    def out_type(self, x: Any) -> tuple[Type, Type, Type]:
        m, n = matrix_shape(x)
        k = min(m, n)
        s = Type((*x.shape[:-2], k), real_of(x.dtype))
        return stack_type(x, m, k), s, stack_type(x, k, n)

    def vjp(self, ct: Any, out: Any, x: Any) -> tuple[Any]:
        # Townsend, Differentiating the singular value decomposition (2016); for the phases of
        # complex vectors Wan and Zhang, Automatic differentiation for complex valued SVD (2019)
        ct_u, _, ct_vh = ct
        u, s, vh = out
        m, n = x.shape[-2:]
        inner = core_rule(ct, out)
        if x.dtype.kind == "c":
            phase = diagonal_of(mm(mH(u), ct_u))
            inner = inner + on_diagonal(scale(phase - conj(phase), 0.5 / s))
        left, right = mm(u, inner), vh
        if m > s.shape[-1]:
            stretched = scale(ct_u, 1 / rows(s))
            left = left + stretched - mm(u, mm(mH(u), stretched))
        ct_x = mm(left, right)
        if n > s.shape[-1]:
            stretched = scale(ct_vh, 1 / columns(s))
            ct_x = ct_x + mm(u, stretched - mm(mm(stretched, mH(vh)), vh))
        return (ct_x,)

    def cost(self, x: Any) -> int:
        m, n = x.shape[-2:]
        k = min(m, n)
        return stacked(x, 14 * m * n * k + 8 * k**3)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        for shape in ((3, 3), (2, 4, 3), (2, 4)):
            yield cls(), [apart(rng, shape)]


def core_rule(ct: Any, out: Any) -> Any:
    """The part of the cotangent inside of both bases, as a matrix between them."""
    ct_u, ct_s, ct_vh = ct
    u, s, vh = out
    k = s.shape[-1]
    turn_u, turn_v = mm(mH(u), ct_u), mm(vh, mH(ct_vh))
    turn_u, turn_v = turn_u - mH(turn_u), turn_v - mH(turn_v)
    row, column = rows(s), columns(s)
    # 1 / (s_j^2 - s_i^2), with ones where i = j; what is masked out must not meet an infinity
    gap = (row - column) * (row + column) + eye(k)
    inner = scale((turn_u * row + column * turn_v) * off_diagonal(k), 1 / gap)
    return inner + on_diagonal(ct_s)


def apart(rng: Any, shape: tuple[int, ...]) -> Any:
    """A random stack of matrices whose singular values are well apart."""
    u, s, vh = LAPACK.svd(rng.normal(size=shape), full_matrices=False)
    return (u * np.arange(float(s.shape[-1]), 0.0, -1.0)) @ vh


@final
class SingularValues(AbstractMatrixFunction):
    """Singular values, falling; the vectors are computed only if a gradient is."""

    name = "svdvals"

    def value(self, x: Any) -> Any:
        return LAPACK.svd(x, compute_uv=False)

    def out_type(self, x: Any) -> Type:
        m, n = matrix_shape(x)
        return Type((*x.shape[:-2], min(m, n)), real_of(x.dtype))

    def vjp(self, ct: Any, out: Any, x: Any) -> tuple[Any]:
        u, _, vh = SVD_THIN(x)
        return (mm(u * rows(ct), vh),)

    def cost(self, x: Any) -> int:
        m, n = x.shape[-2:]
        k = min(m, n)
        return stacked(x, 4 * m * n * k - 4 * k**3 / 3)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(), [apart(rng, (3, 3))]
        yield cls(), [apart(rng, (2, 2, 4)) * np.exp(1j)]


@final
class Complement(AbstractMatrixFunction):
    """Orthonormal columns that complete those of `x` to a full basis."""

    no_derivative = (
        "the singular vectors that full_matrices=True adds are not determined by the matrix; "
        "use full_matrices=False"
    )

    def value(self, x: Any) -> Any:
        return LAPACK.qr(x, "complete")[0][..., x.shape[-1] :]

    def out_type(self, x: Any) -> Type:
        m, k = matrix_shape(x)
        return stack_type(x, m, m - k)

    def cost(self, x: Any) -> int:
        m, k = x.shape[-2:]
        return stacked(x, 2 * m * k * k + 4 * m * m * k)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(), [np.linalg.qr(rng.normal(size=(4, 2)))[0]]


SVD_THIN: Final = SVD()
SINGULAR_VALUES: Final = SingularValues()
COMPLEMENT: Final = Complement()


def svd(x: Any, /, *, full_matrices: bool = True) -> SVDResult:
    """Singular value decomposition ``U @ diag(S) @ Vh`` of each matrix, with S falling.

    Args:
        x: matrices, (..., m, n).
        full_matrices: whether U and Vh are completed to square matrices; else they have the
            k = min(m, n) columns and rows that belong to a singular value.

    Returns:
        A named tuple ``(U, S, Vh)``: U (..., m, m) or (..., m, k), S (..., k), real, and Vh
        (..., n, n) or (..., k, n).

    Raises:
        ShapeError: if `x` has fewer than two axes.

    Example:
        >>> u, s, vh = ad.linalg.svd(ad.tensor([[3.0, 0.0], [0.0, 4.0]]))
        >>> s
        tensor([4., 3.])

    **Gradient:** through S it exists everywhere but at zero singular values, where a subgradient
    is taken, and repeated values do no harm. Through U and Vh it is infinite or NaN where two
    singular values are equal (or one is zero and m != n), and it means something only if the
    loss does not depend on the signs or phases of the vectors. The vectors that
    ``full_matrices=True`` adds have none: `NotDifferentiable` is raised.
    """
    x = lift(x)
    m, n = sizes_for("svd", x)
    out = SVDResult(*SVD_THIN(x))
    if not full_matrices or m == n:
        return out
    if m > n:
        return out._replace(U=Concat(x.ndim - 1)(out.U, COMPLEMENT(out.U)))
    return out._replace(Vh=Concat(x.ndim - 2)(out.Vh, mH(COMPLEMENT(mH(out.Vh)))))


def svdvals(x: Any, /) -> Any:
    """Singular values of each matrix, falling.

    Args:
        x: matrices, (..., m, n).

    Returns:
        Real numbers, (..., min(m, n)).

    Raises:
        ShapeError: if `x` has fewer than two axes.

    Example:
        >>> ad.linalg.svdvals(ad.tensor([[3.0, 0.0], [0.0, 4.0]]))
        tensor([4., 3.])

    **Gradient:** ``U diag(ct) Vh``. At repeated values it is right for what does not depend on
    their order; at zero ones it is one subgradient of many.
    """
    return SINGULAR_VALUES(lift(x))
