"""What the cards of linear algebra share: operands that are stacks of matrices, and masks.

All of them work on the last two axes and broadcast over the others, so a batch is one more axis
in front, and LAPACK runs once per matrix. They compute in float32, float64 and the complex types;
integers are converted to the default float dtype first.

Products count as they stand in textbooks (Golub and Van Loan, Matrix Computations, 2013), in
operations of the matrices' own arithmetic.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from adjoint.core.bind import failure, lift
from adjoint.core.errors import DTypeError, ShapeError
from adjoint.core.graph import Handle
from adjoint.core.types import Type, default_dtype, is_inexact, promote, real_of
from adjoint.ops.contract import matmul_plan
from adjoint.ops.diagonal import Diagonal, EmbedDiagonal
from adjoint.ops.families import CAST, AbstractGeneral, conj
from adjoint.ops.shape import Permute, Reshape, refusal

LAPACK: Any = np.linalg
"""NumPy's decompositions, which type checkers cannot follow through operands of any type."""


class AbstractMatrixFunction(AbstractGeneral):
    """A function of stacks of matrices that LAPACK computes, with the rule for its cotangent."""

    kind = "linalg"
    takes = "fdFD"
    operands: ClassVar[tuple[str, ...]] = ("x",)

    def coerce(self, xs: tuple[Any, ...]) -> tuple[Any, ...]:
        lifted = tuple(map(lift, xs))
        dtype = promote(*[x.dtype for x in lifted])
        if not is_inexact(dtype):
            dtype = default_dtype()
        if dtype.char not in self.takes:
            fact = f"not defined for {dtype}: LAPACK computes in float32, float64 and their complex"
            raise failure(self, lifted, DTypeError(fact)) from None
        if all(x is given and x.dtype == dtype for x, given in zip(lifted, xs, strict=True)):
            return xs
        return tuple(x if x.dtype == dtype else CAST[dtype](x) for x in lifted)

    def hint(self, *xs: Any) -> str:
        if any(isinstance(x, Handle) and x.dtype.char not in "fdFD" for x in xs):
            return 'x.astype("float32")'
        return ""

    def batch(self, size: int, batched: tuple[bool, ...], *xs: Any) -> Any:
        ranks = [x.ndim - b for x, b in zip(xs, batched, strict=True)]
        rank = max(ranks)
        return self(
            *[
                Reshape((size, *(1,) * (rank - n), *x.shape[1:]))(x) if b and n < rank else x
                for x, b, n in zip(xs, batched, ranks, strict=True)
            ]
        )


def lift_inexact(x: Any) -> Any:
    """A tensor of floats or complex numbers; integers become the default float dtype."""
    x = lift(x)
    return x if is_inexact(x.dtype) else CAST[default_dtype()](x)


def matrix_shape(x: Any, what: str = "x") -> tuple[int, int]:
    """Rows and columns of a stack of matrices.

    Raises:
        ShapeError: if there are fewer than two axes.
    """
    if len(x.shape) < 2:
        raise ShapeError(f"{what} must have at least two axes, got shape {tuple(x.shape)}")
    return x.shape[-2], x.shape[-1]


def sizes_for(op: str, x: Any) -> tuple[int, int]:
    """Rows and columns of what the user passed to `op`."""
    try:
        return matrix_shape(x)
    except ShapeError as error:
        raise refusal(op, error, ("x", x)) from None


def square_size(x: Any, what: str = "x") -> int:
    """Rows of a stack of square matrices.

    Raises:
        ShapeError: if the last two sizes differ.
    """
    m, n = matrix_shape(x, what)
    if m != n:
        raise ShapeError(f"the matrices must be square, got {m} rows and {n} columns")
    return n


def stacked(x: Any, flops: float) -> int:
    """The operations for a stack whose single matrix takes this many."""
    count = 1
    for n in x.shape[:-2]:
        count *= n
    return round(count * flops)


def mm(x: Any, y: Any) -> Any:
    """Matrix product of stacks that broadcast; arrays give an array, as rules need it."""
    x_shape, y_shape, card = matmul_plan(tuple(x.shape), tuple(y.shape))
    if x_shape != x.shape:
        x = Reshape(x_shape)(x)
    return card(x, y if y_shape == y.shape else Reshape(y_shape)(y))


def mT(x: Any) -> Any:
    """Rows and columns of each matrix exchanged."""
    n = x.ndim
    return Permute((*range(n - 2), n - 1, n - 2))(x)


def mH(x: Any) -> Any:
    """Conjugate transpose of each matrix."""
    return conj(mT(x))


def real(x: Any) -> Any:
    """Real part; real values are returned untouched."""
    return CAST[real_of(x.dtype)](x) if x.dtype.kind == "c" else x


def imag(x: Any) -> Any:
    """Imaginary part of complex values."""
    return real(x * -1j)


def rows(x: Any) -> Any:
    """A vector as a row, to be repeated down a matrix: it scales the columns."""
    return Reshape((*x.shape[:-1], 1, x.shape[-1]))(x)


def columns(x: Any) -> Any:
    """A vector as a column, to be repeated across a matrix: it scales the rows."""
    return Reshape((*x.shape, 1))(x)


def scalars(x: Any) -> Any:
    """A number for each matrix, to scale all of it."""
    return Reshape((*x.shape, 1, 1))(x)


def diagonal_of(x: Any) -> Any:
    """Main diagonal of each square matrix."""
    return Diagonal(0)(x)


def on_diagonal(x: Any) -> Any:
    """Square matrices with these diagonals."""
    return EmbedDiagonal(0, x.shape[-1], x.shape[-1])(x)


def hermitian_part(x: Any) -> Any:
    """The Hermitian matrix nearest to `x`, which is `x` itself if it is one."""
    return (x + mH(x)) * 0.5


def _frozen(mask: Any) -> Any:
    mask.flags.writeable = False
    return mask


@lru_cache(maxsize=64)
def eye(n: int) -> Any:
    """Mask of the main diagonal."""
    return _frozen(np.eye(n, dtype=bool))


@lru_cache(maxsize=64)
def off_diagonal(n: int) -> Any:
    """Mask of everything but the main diagonal."""
    return _frozen(~np.eye(n, dtype=bool))


@lru_cache(maxsize=64)
def half_triangle(n: int, upper: bool, dtype: Any) -> Any:
    """Weights 1 in the triangle and 1/2 on the diagonal: ``X * w + (X * w).mH`` mirrors `X`."""
    weights = np.tri(n, dtype=real_of(dtype))
    weights = weights.T.copy() if upper else weights
    weights[np.diag_indices(n)] = 0.5
    return _frozen(weights)


def stack_type(x: Any, *core: int) -> Type:
    """The type of a stack with other core sizes, in the same dtype."""
    return Type((*x.shape[:-2], *core), x.dtype)
