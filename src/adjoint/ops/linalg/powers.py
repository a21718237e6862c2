"""Powers and the exponential of square matrices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, final

import numpy as np

from adjoint.core.bind import lift
from adjoint.core.errors import ArgumentError
from adjoint.core.primitive import Sample
from adjoint.core.types import Type, broadcast_shapes
from adjoint.ops.join import Concat
from adjoint.ops.linalg.matrix import (
    LAPACK,
    AbstractMatrixFunction,
    mH,
    mm,
    sizes_for,
    square_size,
    stack_type,
    stacked,
)
from adjoint.ops.linalg.solve import INVERSE
from adjoint.ops.shape import Expand, refusal
from adjoint.ops.slice import pad_axis, part

__all__ = ["expm", "matrix_power"]

PADE: Final = (
    64764752532480000.0,
    32382376266240000.0,
    7771770303897600.0,
    1187353796428800.0,
    129060195264000.0,
    10559470521600.0,
    670442572800.0,
    33522128640.0,
    1323241920.0,
    40840800.0,
    960960.0,
    16380.0,
    182.0,
    1.0,
)
"""Coefficients of the numerator of the Padé approximant of degree 13."""
PADE_NORM: Final = 5.371920351148152
"""1-norm up to which the approximant is exact to double precision."""


@final
class Expm(AbstractMatrixFunction):
    """Exponential of each matrix."""

    def value(self, x: Any) -> Any:
        square_size(x)
        return exponential(x)

    def out_type(self, x: Any) -> Type:
        n = square_size(x)
        return stack_type(x, n, n)

    def vjp(self, ct: Any, out: Any, x: Any) -> tuple[Any]:
        return (EXPM_ALONG(mH(x), ct),)

    def cost(self, x: Any) -> int:
        return stacked(x, (6 * 2 + 2 / 3 + 2) * x.shape[-1] ** 3)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        x = rng.normal(size=(2, 3, 3))
        yield cls(), [x * np.array([1.0, 4.0])[:, None, None]]
        yield cls(), [x[0] + 1j * x[1]]


@final
class ExpmAlong(AbstractMatrixFunction):
    """Derivative of the exponential at `x` in the direction `e`; linear in `e`.

    It is the corner of the exponential of ``[[x, e], [0, x]]`` (Najfeld and Havel, Derivatives of
    the matrix exponential and their computation, 1995).
    """

    operands = ("x", "e")

    def value(self, x: Any, e: Any) -> Any:
        shape = self.out_type(x, e).shape
        n = shape[-1]
        # a direction as large as x, so that it adds no squarings
        size = np.abs(e).max((-2, -1), initial=0, keepdims=True)
        size = np.where((size > 0) & np.isfinite(size), size, 1).astype(x.real.dtype)
        block = np.zeros((*shape[:-2], 2 * n, 2 * n), x.dtype)
        block[..., :n, :n] = block[..., n:, n:] = x
        block[..., :n, n:] = e / size
        return exponential(block)[..., :n, n:] * size

    def out_type(self, x: Any, e: Any) -> Type:
        square_size(x)
        return Type(broadcast_shapes(tuple(x.shape), tuple(e.shape)), x.dtype)

    def vjp(self, ct: Any, out: Any, x: Any, e: Any) -> tuple[Any, Any]:
        n, last = x.shape[-1], ct.ndim - 1
        x = Expand(ct.shape, tuple(range(ct.ndim - x.ndim)))(x) if x.ndim < ct.ndim else x
        e = Expand(ct.shape, tuple(range(ct.ndim - e.ndim)))(e) if e.ndim < ct.ndim else e
        back = mH(x)
        # the same for the whole block, whose adjoint has the direction's below its diagonal
        upper = pad_axis(back, last, 0, n)
        block = Concat(last - 1)(upper, Concat(last)(mH(e), back))
        corner = pad_axis(pad_axis(ct, last, n, 0), last - 1, 0, n)
        whole = EXPM_ALONG(block, corner)
        top, bottom = part(whole, last - 1, 0, n), part(whole, last - 1, n, n)
        return part(top, last, 0, n) + part(bottom, last, n, n), EXPM_ALONG(back, ct)

    def cost(self, x: Any, e: Any) -> int:
        return 8 * EXPM.cost(self.out_type(x, e))

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        x = rng.normal(size=(2, 3, 3))
        yield cls(), [x, rng.normal(size=(2, 3, 3))]
        yield cls(), [x[0] + 1j * x[1], 3 * x[1] - 1j * x[0]]


def exponential(x: Any) -> Any:
    """Exponentials by scaling, a Padé approximant, and squaring.

    Source: Higham, The scaling and squaring method for the matrix exponential revisited (2005).
    """
    norm = np.abs(x).sum(-2).max(-1, initial=0)
    halvings = np.ceil(np.log2(np.maximum(norm / PADE_NORM, 1)))
    halvings = np.where(np.isfinite(halvings), halvings, 0).astype(np.int32)
    out: Any = pade(np.ldexp(np.ones((), x.real.dtype), -halvings)[..., None, None] * x)
    for k in range(int(halvings.max(initial=0))):
        more = halvings > k
        out[more] = out[more] @ out[more]
    return out


def pade(x: Any) -> Any:
    """The approximant of degree 13 to the exponential."""
    one = np.eye(x.shape[-1], dtype=x.dtype)
    c = [np.asarray(b, x.real.dtype) for b in PADE]
    x2 = x @ x
    x4 = x2 @ x2
    x6 = x4 @ x2
    high_odd = x6 @ (c[13] * x6 + c[11] * x4 + c[9] * x2)
    odd = x @ (high_odd + c[7] * x6 + c[5] * x4 + c[3] * x2 + c[1] * one)
    high_even = x6 @ (c[12] * x6 + c[10] * x4 + c[8] * x2)
    even = high_even + c[6] * x6 + c[4] * x4 + c[2] * x2 + c[0] * one
    return LAPACK.solve(even - odd, even + odd)


EXPM: Final = Expm()
EXPM_ALONG: Final = ExpmAlong()


def expm(x: Any, /) -> Any:
    """Exponential of each square matrix: ``1 + x + x @ x / 2 + ...``.

    Args:
        x: matrices, (..., n, n).

    Returns:
        The exponentials, (..., n, n).

    Raises:
        ShapeError: if the last two sizes differ.

    Computed by scaling and squaring with a Padé approximant (Higham, 2005).

    Example:
        >>> ad.linalg.expm(ad.tensor([[0.0, 1.0], [0.0, 0.0]]))
        tensor([[1., 1.],
                [0., 1.]])

    **Gradient:** the derivative of the exponential at ``x^H`` in the direction of the cotangent,
    from the exponential of a matrix of twice the size.
    """
    return EXPM(lift(x))


def matrix_power(x: Any, n: int, /) -> Any:
    """Each square matrix multiplied by itself `n` times.

    Args:
        x: matrices, (..., m, m).
        n: the exponent; for a negative one the inverse is multiplied, and 0 gives the identity.

    Returns:
        The powers, (..., m, m).

    Raises:
        ShapeError: if the last two sizes differ.
        LinAlgError: if `n` is negative and a matrix is singular.

    Example:
        >>> ad.linalg.matrix_power(ad.tensor([[1.0, 1.0], [0.0, 1.0]]), 3)
        tensor([[1., 3.],
                [0., 1.]])

    **Gradient:** that of the products, which are made by repeated squaring.
    """
    x = lift(x)
    rows, columns = sizes_for("matrix_power", x)
    if rows != columns or not hasattr(n, "__index__"):
        fact = f"needs square matrices and an integer exponent, got {rows} x {columns} and {n!r}"
        raise refusal("matrix_power", ArgumentError(fact), ("x", x))
    n = int(n)
    if n == 0:
        return lift(np.broadcast_to(np.eye(rows, dtype=x.dtype), x.shape))
    if n < 0:
        x, n = INVERSE(x), -n
    out: Any = None
    while n:
        if n & 1:
            out = x if out is None else mm(out, x)
        n >>= 1
        if n:
            x = mm(x, x)
    return out
