"""The QR decomposition."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple, final

from adjoint.core.bind import lift
from adjoint.core.errors import ArgumentError, ShapeError
from adjoint.core.primitive import Sample
from adjoint.core.types import Type
from adjoint.ops.join import Concat
from adjoint.ops.linalg.matrix import (
    LAPACK,
    AbstractMatrixFunction,
    half_triangle,
    matrix_shape,
    mH,
    mm,
    sizes_for,
    stack_type,
    stacked,
)
from adjoint.ops.linalg.triangular import BACK
from adjoint.ops.shape import refusal
from adjoint.ops.slice import part

__all__ = ["QRResult", "qr"]


class QRResult(NamedTuple):
    """Factors of a QR decomposition."""

    Q: Any
    R: Any


def qr_cost(x: Any, q_columns: int) -> int:
    """Householder reflections for R, and their product with the first columns of the identity."""
    m, n = x.shape[-2:]
    k = min(m, n)
    reduce = 2 * m * n * k - (m + n) * k * k + 2 * k**3 / 3
    return stacked(x, reduce + 4 * m * q_columns * k - 2 * (m + q_columns) * k * k + 4 * k**3 / 3)


@final
class QR(AbstractMatrixFunction):
    """Orthonormal columns and an upper triangle whose product is `x`, with m >= n."""

    name = "qr"

    def value(self, x: Any) -> Any:
        return tuple(LAPACK.qr(x, "reduced"))

    def out_type(self, x: Any) -> tuple[Type, Type]:
        m, n = matrix_shape(x)
        if m < n:
            raise ShapeError(f"needs at least as many rows as columns, got {m} and {n}")
        return stack_type(x, m, n), stack_type(x, n, n)

    def vjp(self, ct: Any, out: Any, x: Any) -> tuple[Any]:
        # Roberts and Roberts, QR and LQ decomposition matrix backpropagation algorithms (2020),
        # equation 5; the diagonal of R is real, as LAPACK makes it
        ct_q, ct_r = ct
        q, r = out
        inner = mm(ct_r, mH(r)) - mm(mH(q), ct_q)
        inner = inner * half_triangle(r.shape[-1], True, r.dtype)
        inner = inner + mH(inner)
        return (mH(BACK(r, mH(ct_q + mm(q, inner)))),)

    def cost(self, x: Any) -> int:
        return qr_cost(x, min(x.shape[-2:]))

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(), [rng.normal(size=(4, 3))]
        yield cls(), [rng.normal(size=(2, 3, 3))]
        yield cls(), [rng.normal(size=(4, 3)) + 1j * rng.normal(size=(4, 3))]


@final
class CompleteQR(AbstractMatrixFunction):
    """The decomposition of a tall matrix with a full basis as the first factor."""

    name = "qr"
    no_derivative = (
        "the added columns of a complete basis are not determined by a matrix with more rows "
        'than columns; use mode="reduced"'
    )

    def value(self, x: Any) -> Any:
        return tuple(LAPACK.qr(x, "complete"))

    def out_type(self, x: Any) -> tuple[Type, Type]:
        m, n = matrix_shape(x)
        return stack_type(x, m, m), stack_type(x, m, n)

    def cost(self, x: Any) -> int:
        return qr_cost(x, x.shape[-2])

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(), [rng.normal(size=(4, 3))]


QR_REDUCED: Final = QR()
QR_COMPLETE: Final = CompleteQR()


def qr(x: Any, /, *, mode: str = "reduced") -> Any:
    """Factors `Q`, with orthonormal columns, and `R`, upper triangular, of each matrix.

    Args:
        x: matrices, (..., m, n).
        mode: ``"reduced"`` for Q (..., m, k) and R (..., k, n) with k = min(m, n); ``"complete"``
            for Q (..., m, m) and R (..., m, n); ``"r"`` for the reduced R alone.

    Returns:
        A named tuple ``(Q, R)``; for mode ``"r"`` the tensor R.

    Raises:
        ShapeError: if `x` has fewer than two axes.

    Example:
        >>> q, r = ad.linalg.qr(ad.tensor([[0.0, 2.0], [1.0, 3.0]]))
        >>> np.allclose((q @ r).numpy(), [[0, 2], [1, 3]])
        True

    **Gradient:** exists where the first k columns are independent. In complete mode a matrix with
    more rows than columns has none: `NotDifferentiable` is raised.
    """
    x = lift(x)
    if mode not in ("reduced", "complete", "r"):
        fact = f'mode must be "reduced", "complete" or "r", got {mode!r}'
        raise refusal("qr", ArgumentError(fact), ("x", x))
    m, n = sizes_for("qr", x)
    if m < n:
        out = wide_qr(x)
    else:
        out = QRResult(*(QR_COMPLETE if mode == "complete" and m > n else QR_REDUCED)(x))
    return out.R if mode == "r" else out


def wide_qr(x: Any) -> QRResult:
    """The decomposition of a matrix with fewer rows than columns, from that of its first ones."""
    m, n = x.shape[-2:]
    last = x.ndim - 1
    q, r = QR_REDUCED(part(x, last, 0, m))
    return QRResult(q, Concat(last)(r, mm(mH(q), part(x, last, m, n - m))))
