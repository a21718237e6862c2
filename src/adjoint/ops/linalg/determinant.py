"""Determinants, and the adjugates that their derivatives are made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple, final

import numpy as np

from adjoint.core.bind import lift
from adjoint.core.primitive import Sample
from adjoint.core.types import Type, real_of
from adjoint.ops.families import conj, scale
from adjoint.ops.linalg.matrix import (
    LAPACK,
    AbstractMatrixFunction,
    columns,
    diagonal_of,
    imag,
    mH,
    mm,
    off_diagonal,
    on_diagonal,
    rows,
    scalars,
    square_size,
    stack_type,
    stacked,
)
from adjoint.ops.linalg.solve import INVERSE_OR_NAN
from adjoint.ops.linalg.svd import SVD_THIN, apart
from adjoint.ops.shape import Sum

__all__ = ["SlogdetResult", "det", "slogdet"]


class SlogdetResult(NamedTuple):
    """Sign and logarithm of a determinant."""

    sign: Any
    logabsdet: Any


@final
class Det(AbstractMatrixFunction):
    """Determinant of each square matrix."""

    def value(self, x: Any) -> Any:
        return LAPACK.det(x)

    def out_type(self, x: Any) -> Type:
        square_size(x)
        return stack_type(x)

    def vjp(self, ct: Any, out: Any, x: Any) -> tuple[Any]:
        return (scalars(ct) * mH(ADJUGATE(x)),)

    def cost(self, x: Any) -> int:
        return stacked(x, 2 * x.shape[-1] ** 3 / 3)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        x = rng.normal(size=(2, 3, 3))
        yield cls(), [x]
        yield cls(), [x[0] + 1j * x[1]]


@final
class Adjugate(AbstractMatrixFunction):
    """``det(x) x^-1`` of each matrix, which singular matrices have as well."""

    def value(self, x: Any) -> Any:
        try:
            inverse: Any = LAPACK.inv(x)
        except np.linalg.LinAlgError:
            return adjugate_by_svd(x)
        condition = np.abs(x).sum(-1).max(-1, initial=0) * np.abs(inverse).sum(-1).max(
            -1, initial=0
        )
        # an inverse loses as many digits as the condition has; so few may go
        if np.all(condition < np.finfo(x.dtype).eps ** -0.25):
            return LAPACK.det(x)[..., None, None] * inverse
        return adjugate_by_svd(x)

    def out_type(self, x: Any) -> Type:
        n = square_size(x)
        return stack_type(x, n, n)

    def vjp(self, ct: Any, out: Any, x: Any) -> tuple[Any]:
        # adj(U S V^H) = det(U V^H) V adj(S) U^H for every S, so that U and V may be held fast:
        # d adj(S)_ii = sum over k != i of p_ik dS_kk, and d adj(S)_ij = -p_ij dS_ij
        u, s, vh = SVD_THIN(x)
        factor = DET(u) * DET(vh)
        inner = mm(mm(vh, ct), u) * scalars(conj(factor))
        pairs = OTHERS(s)
        main = Sum((x.ndim - 1,))(pairs * rows(diagonal_of(inner)))
        inner = on_diagonal(main) - pairs * inner
        return (mm(mm(u, inner), vh),)

    def cost(self, x: Any) -> int:
        return stacked(x, 24 * x.shape[-1] ** 3)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(), [apart(rng, (2, 3, 3))]
        yield cls(), [apart(rng, (2, 2)) * np.exp(0.5j)]


def adjugate_by_svd(x: Any) -> Any:
    """Adjugates of matrices that may be singular: their factors are products of singular values."""
    n = x.shape[-1]
    u, s, vh = LAPACK.svd(x)
    others = np.where(off_diagonal(n), s[..., None, :], np.ones((), s.dtype)).prod(-1)
    factor = LAPACK.det(u) * LAPACK.det(vh)
    return factor[..., None, None] * (mH(vh) * others[..., None, :]) @ mH(u)


@final
class ProductOfOthers(AbstractMatrixFunction):
    """For a vector, the matrix of the products of all elements but two; 0 for an element twice."""

    name = "product_of_others"

    def value(self, s: Any) -> Any:
        n = s.shape[-1]
        out = np.ones((*s.shape, n), s.dtype)
        for k in range(n):
            without = off_diagonal(n)[k]
            out *= np.where(without[:, None] & without, s[..., k, None, None], np.ones((), s.dtype))
        return out * off_diagonal(n)

    def out_type(self, s: Any) -> Type:
        return Type((*s.shape, s.shape[-1]), s.dtype)

    def cost(self, s: Any) -> int:
        return s.size * s.shape[-1] ** 2

    def vjp(self, ct: Any, out: Any, s: Any) -> tuple[Any]:
        # each product over its factors; two that are zero leave no third order to speak of
        terms = ct * out
        beside = Sum((terms.ndim - 1,))(terms) + Sum((terms.ndim - 2,))(terms)
        return ((columns(Sum((s.ndim - 1,))(beside * 0.5)) - beside) / s,)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(), [rng.uniform(0.5, 2.0, size=(2, 4))]
        yield cls(), [rng.uniform(0.5, 2.0, size=(2,))]


class AbstractSlogdet(AbstractMatrixFunction):
    """Sign (of modulus 1, or 0) and logarithm of the modulus of each determinant.

    A card for real and one for complex matrices, because only the latter reads the sign again.
    """

    def value(self, x: Any) -> Any:
        return tuple(LAPACK.slogdet(x))

    def out_type(self, x: Any) -> tuple[Type, Type]:
        square_size(x)
        return stack_type(x), Type(tuple(x.shape[:-2]), real_of(x.dtype))

    def cost(self, x: Any) -> int:
        return stacked(x, 2 * x.shape[-1] ** 3 / 3)


@final
class SlogdetReal(AbstractSlogdet):
    """Sign and logarithm of the determinant of each real matrix."""

    name = "slogdet"

    def vjp(self, ct: Any, out: Any, x: Any) -> tuple[Any]:
        return (scale(scalars(ct[1]), mH(INVERSE_OR_NAN(x))),)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(), [rng.normal(size=(2, 3, 3)) + 4 * np.eye(3)]


@final
class SlogdetComplex(AbstractSlogdet):
    """Sign, on the unit circle, and logarithm of the determinant of each complex matrix."""

    name = "slogdet"

    def vjp(self, ct: Any, out: Any, x: Any) -> tuple[Any]:
        ct_sign, ct_log = ct
        # the sign turns with the trace: d sign = i sign Im(tr(x^-1 dx))
        ct_both = ct_log - imag(conj(ct_sign) * out[0]) * 1j
        return (scale(scalars(ct_both), mH(INVERSE_OR_NAN(x))),)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(), [rng.normal(size=(2, 3, 3)) + 1j * rng.normal(size=(2, 3, 3))]


DET: Final = Det()
ADJUGATE: Final = Adjugate()
OTHERS: Final = ProductOfOthers()
SLOGDET_REAL: Final = SlogdetReal()
SLOGDET_COMPLEX: Final = SlogdetComplex()


def det(x: Any, /) -> Any:
    """Determinant of each square matrix.

    Args:
        x: matrices, (..., n, n).

    Returns:
        A number for each matrix, (...).

    Raises:
        ShapeError: if the last two sizes differ.

    Example:
        >>> ad.linalg.det(ad.tensor([[2.0, 1.0], [0.0, 3.0]]))
        tensor(6.)

    **Gradient:** the conjugate transpose of the adjugate, ``(det(x) x^-1)^H``, computed through
    singular values, so that it is right for singular matrices of any rank; the second derivative
    is as well. The third exists where the singular values are distinct and not zero.
    """
    return DET(lift(x))


def slogdet(x: Any, /) -> SlogdetResult:
    """Sign and logarithm of the modulus of each determinant, which do not overflow.

    Args:
        x: matrices, (..., n, n).

    Returns:
        A named tuple ``(sign, logabsdet)`` of shape (...): the determinant is
        ``sign * exp(logabsdet)``. For singular matrices they are 0 and -inf.

    Raises:
        ShapeError: if the last two sizes differ.

    Example:
        >>> ad.linalg.slogdet(ad.tensor([[2.0, 0.0], [0.0, -3.0]])).sign
        tensor(-1.)

    **Gradient:** ``x^-H`` for the logarithm; NaN for singular matrices, where it is infinite. For
    complex matrices the sign has one too.
    """
    x = lift(x)
    return SlogdetResult(*(SLOGDET_COMPLEX if x.dtype.kind == "c" else SLOGDET_REAL)(x))
