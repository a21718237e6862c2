"""Diagonals and triangles of matrices, which stand on the last two axes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, final

import numpy as np

from adjoint.core.bind import lift
from adjoint.core.errors import ShapeError
from adjoint.core.primitive import Sample
from adjoint.core.types import Type
from adjoint.ops.axes import moveaxis
from adjoint.ops.families import AbstractLinear
from adjoint.ops.shape import refusal

__all__ = ["diag", "diag_embed", "diagonal", "tril", "triu"]


def check_matrix(x: Any) -> None:
    """Refuse what has fewer than two axes."""
    if len(x.shape) < 2:
        raise ShapeError(f"needs at least two axes, got {len(x.shape)}")


@final
class Diagonal(AbstractLinear):
    """The diagonal of each matrix, `offset` places to the right of the main one."""

    offset: int
    kind = "view"

    def value(self, x: Any) -> Any:
        return np.diagonal(x, self.offset, -2, -1)

    def out_type(self, x: Any) -> Type:
        check_matrix(x)
        rows, columns = x.shape[-2:]
        n = min(rows + min(self.offset, 0), columns - max(self.offset, 0))
        return Type((*x.shape[:-2], max(n, 0)), x.dtype)

    def transpose(self, i: int, ct: Any, x: Any) -> Any:
        return EmbedDiagonal(self.offset, x.shape[-2], x.shape[-1])(ct)

    def batch(self, size: int, batched: tuple[bool, ...], x: Any) -> Any:
        return self(x)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        for offset in (0, 1, -2, 5):
            yield cls(offset), [rng.normal(size=(2, 4, 3))]


@final
class EmbedDiagonal(AbstractLinear):
    """Matrices of zeros with the last axis of `x` on a diagonal."""

    offset: int
    rows: int
    columns: int
    kind = "view"
    name = "diag_embed"

    def value(self, x: Any) -> Any:
        out = np.zeros((*x.shape[:-1], self.rows, self.columns), x.dtype)
        n = x.shape[-1]
        first = max(-self.offset, 0) * self.columns + max(self.offset, 0)
        flat = out.reshape((*x.shape[:-1], self.rows * self.columns))
        flat[..., first : first + n * (self.columns + 1) : self.columns + 1][..., :n] = x
        return out

    def out_type(self, x: Any) -> Type:
        fits = Diagonal(self.offset).out_type(Type((self.rows, self.columns), x.dtype)).shape[0]
        if x.shape[-1:] != (fits,):
            raise ShapeError(
                f"diagonal {self.offset} of a matrix of shape {(self.rows, self.columns)} has "
                f"{fits} elements, x has shape {x.shape}"
            )
        return Type((*x.shape[:-1], self.rows, self.columns), x.dtype)

    def transpose(self, i: int, ct: Any, x: Any) -> Any:
        return Diagonal(self.offset)(ct)

    def batch(self, size: int, batched: tuple[bool, ...], x: Any) -> Any:
        return self(x)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(0, 3, 3), [rng.normal(size=(2, 3))]
        yield cls(1, 4, 3), [rng.normal(size=(2,))]
        yield cls(-2, 4, 3), [rng.normal(size=(2, 2))]
        yield cls(5, 2, 2), [rng.normal(size=(0,))]


@final
class Triangle(AbstractLinear):
    """Each matrix with zeros above (or below) a diagonal: its own transpose."""

    offset: int
    lower: bool
    kind = "view"

    def value(self, x: Any) -> Any:
        return np.tril(x, self.offset) if self.lower else np.triu(x, self.offset)

    def out_type(self, x: Any) -> Type:
        check_matrix(x)
        return Type(x.shape, x.dtype)

    def transpose(self, i: int, ct: Any, x: Any) -> Any:
        return self(ct)

    def batch(self, size: int, batched: tuple[bool, ...], x: Any) -> Any:
        return self(x)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(0, True), [rng.normal(size=(3, 4))]
        yield cls(-1, True), [rng.normal(size=(2, 3, 3))]
        yield cls(1, False), [rng.normal(size=(4, 3))]


def tril(x: Any, /, *, k: int = 0) -> Any:
    """Each matrix with zeros above its diagonal `k`.

    Raises:
        ShapeError: if there are fewer than two axes.

    Example:
        >>> ad.tril(ad.tensor([[1.0, 2.0], [3.0, 4.0]]))
        tensor([[1., 0.],
                [3., 4.]])

    **Gradient:** zero where the result is zero by definition, 1 elsewhere.
    """
    return Triangle(k, True)(_matrix("tril", x))


def triu(x: Any, /, *, k: int = 0) -> Any:
    """Each matrix with zeros below its diagonal `k`.

    Raises:
        ShapeError: if there are fewer than two axes.

    Example:
        >>> ad.triu(ad.tensor([[1.0, 2.0], [3.0, 4.0]]))
        tensor([[1., 2.],
                [0., 4.]])

    **Gradient:** zero where the result is zero by definition, 1 elsewhere.
    """
    return Triangle(k, False)(_matrix("triu", x))


def diagonal(x: Any, /, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The diagonal of the matrices that stand on two axes, as the last axis of the result.

    Args:
        x: at least two axes.
        offset: places to the right of the main diagonal.
        axis1: the axis of the rows. (`ad.linalg.diagonal` takes the last two axes.)
        axis2: the axis of the columns.

    Example:
        >>> ad.diagonal(ad.tensor([[1.0, 2.0], [3.0, 4.0]]))
        tensor([1., 4.])

    **Gradient:** the cotangent on the diagonal, zero elsewhere.
    """
    x = _matrix("diagonal", x)
    return Diagonal(offset)(moveaxis(x, (axis1, axis2), (-2, -1)))


def diag(x: Any, /, k: int = 0) -> Any:
    """The matrix with a vector on its diagonal `k`, or the diagonal `k` of a matrix.

    Raises:
        ShapeError: if there are neither one nor two axes.

    Example:
        >>> ad.diag(ad.tensor([1.0, 2.0]))
        tensor([[1., 0.],
                [0., 2.]])
    """
    x = lift(x)
    if x.ndim == 1:
        return diag_embed(x, k)
    if x.ndim == 2:
        return Diagonal(k)(x)
    raise refusal("diag", ShapeError(f"needs one or two axes, got {x.ndim}"), ("x", x))


def diag_embed(x: Any, /, k: int = 0) -> Any:
    """Square matrices of zeros with the last axis of `x` on their diagonal `k`.

    Example:
        >>> ad.diag_embed(ad.tensor([[1.0, 2.0]])).shape
        (1, 2, 2)
    """
    x = lift(x)
    if not x.ndim:
        raise refusal("diag_embed", ShapeError("needs at least one axis, got 0"), ("x", x))
    n = x.shape[-1] + abs(k)
    return EmbedDiagonal(k, n, n)(x)


def _matrix(op: str, x: Any) -> Any:
    x = lift(x)
    try:
        check_matrix(x)
    except ShapeError as error:
        raise refusal(op, error, ("x", x)) from None
    return x
