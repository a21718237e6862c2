"""Contraction: products summed over shared axes, and `matmul`, its most frequent case.

One card is closed under its own transposes, so that derivatives of every order are contractions
again, and each runs as one call of `np.matmul` (which calls BLAS) with as few copies as the layout
allows. How that call is made is worked out once per spec.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from math import prod
from typing import Any, Final, final

import numpy as np

from adjoint.core.bind import bind_two, lift
from adjoint.core.errors import ShapeError
from adjoint.core.graph import Handle
from adjoint.core.primitive import Sample
from adjoint.core.types import Shape, Type, promote
from adjoint.ops.bilinear import LETTERS, AbstractBilinear, Roles, renamed, roles, split
from adjoint.ops.families import conj
from adjoint.ops.shape import Reshape, refusal

__all__ = ["matmul"]


@final
class Contract(AbstractBilinear):
    """Products of two operands, summed over the letters of `spec` that the result lacks.

    The letters within an operand differ, and each letter is in two of the three parts at least:
    diagonals and sums over one operand are taken before.

    Attributes:
        spec: letters of the axes, such as ``"ab,bc->ac"``.
        strong: position of the operand whose exact zeros annihilate infinities and NaNs; or -1.
    """

    spec: str
    strong: int = -1
    kind = "contract"
    name = "matmul"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.__dict__["plain"] = routine(self.spec)

    def out_type(self, x: Any, y: Any) -> Type:
        a, b, o = split(self.spec)
        for operand, letters, title in ((x, a, "x"), (y, b, "y")):
            if operand.ndim != len(letters):
                raise ShapeError(
                    f"{title} has {operand.ndim} axes, {self.spec} names {len(letters)}"
                )
        for i, c in enumerate(a):
            j = b.find(c)
            if j >= 0 and x.shape[i] != y.shape[j]:
                what = "batch" if c in o else "inner"
                raise ShapeError(mismatch(what, i, x.shape[i], j, y.shape[j]))
        sizes = self.sizes(x, y)
        return Type(tuple(sizes[c] for c in o), promote(x.dtype, y.dtype))

    def hint(self, *xs: Any) -> str:
        return transpose_hint(*xs) if self.spec == "ab,bc->ac" else ""

    def transpose(self, i: int, ct: Any, x: Any, y: Any) -> Any:
        card = transposed(self.spec, i)
        return card(conj(x), ct) if i else card(ct, conj(y))

    def cost(self, *types: Any) -> int:
        # each product is also added to something, unless nothing is summed
        per_product = 2 if roles(self.spec).inner else 1
        return per_product * prod(self.sizes(*types).values())

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        specs = (
            "ab,bc->ac",  # matrix product, and the two that its gradients need
            "ac,bc->ab",
            "ab,ac->bc",
            "abc,acd->abd",  # batches
            "dbca,ebd->bcae",
            "abc,dcb->ad",
            "ab,ab->a",
            "ab,a->b",
            "a,a->",
            "a,b->ba",
            "ab,ca->acb",
            ",a->a",
        )
        sizes = dict(zip("abcde", (2, 3, 4, 5, 2), strict=True))
        for spec in specs:
            a, b, _ = split(spec)
            yield cls(spec), [rng.normal(size=[sizes[c] for c in part]) for part in (a, b)]
        x, y = rng.normal(size=(2, 3, 2)), rng.normal(size=(2, 2, 4))
        yield cls("ab,bc->ac"), [x[0] + 1j * x[1], y[0] + 1j * y[1]]
        yield cls("ab,bc->ac", 0), [x[0], y[0]]
        yield cls("ab,bc->ac", 1), [x[0], y[0]]


def mismatch(what: str, i: int, m: int, j: int, n: int) -> str:
    """The fact that two sizes that should be one differ."""
    return f"{what} sizes differ: x.shape[{i}] = {m}, y.shape[{j}] = {n}"


def transpose_hint(x: Any, y: Any) -> str:
    """Which operand to transpose so that two matrices have a product, if that helps."""
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] == y.shape[0]:
        return ""
    dtype = promote(x.dtype, y.dtype)
    ways: list[str] = []
    if x.shape[1] == y.shape[1]:
        ways.append(f"x @ y.T, which gives {Type((x.shape[0], y.shape[0]), dtype)}")
    if x.shape[0] == y.shape[0]:
        ways.append(f"x.T @ y, which gives {Type((x.shape[1], y.shape[1]), dtype)}")
    return ", or ".join(ways) + "." if ways else ""


@lru_cache(maxsize=4096)
def transposed(spec: str, i: int) -> Contract:
    """The card that takes a cotangent and the other operand of `spec` to the cotangent of one."""
    a, b, o = split(spec)
    return contraction(a, o, b, strong=1) if i else contraction(o, b, a, strong=0)


@lru_cache(maxsize=4096)
def contraction(a: str, b: str, o: str, strong: int = -1) -> Contract:
    """The card for operands and a result with these letters, made once."""
    return Contract(renamed(a, b, o), strong)


# -- how NumPy computes it -------------------------------------------------------------------------


# Products of matrices, and those that their gradients are. The method calls the same BLAS as
# `np.matmul`, which takes a microsecond longer to do so.
MATRICES: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "ab,bc->ac": np.ndarray.dot,
    "ab,cb->ac": lambda x, y: x.dot(y.T),
    "ab,ac->bc": lambda x, y: x.T.dot(y),
}


@lru_cache(maxsize=4096)
def routine(spec: str) -> Callable[[Any, Any], Any]:
    """The function of two arrays that computes a spec."""
    if spec in MATRICES:
        return MATRICES[spec]
    part = roles(spec)
    if not part.inner:
        return Outer(spec)
    if part.batch and not part.left and not part.right:
        return partial(np.einsum, spec)  # many small inner products; BLAS has nothing for them
    return Product(spec)


def order_of(letters: str, source: str) -> tuple[int, ...] | None:
    """The permutation that brings axes named `source` to `letters`; None if nothing moves."""
    return None if letters == source else tuple(map(source.index, letters))


class Product:
    """A contraction as one product of matrices, or of stacks of them.

    The axes are permuted to (batch, left, inner) and (batch, inner, right). Groups of several
    letters are merged to one axis, which copies only where the memory layout demands it.
    """

    __slots__ = ("groups", "merge", "multiply", "out_order", "swap", "x_order", "y_order")

    def __init__(self, spec: str) -> None:
        a, b, o = split(spec)
        part = roles(spec)
        # the operand whose letters come first in the result is the left one: no transposed result
        self.swap = o.startswith(part.batch + part.right) and not o.startswith(
            part.batch + part.left
        )
        if self.swap:
            part = Roles(part.batch, part.right, part.left, part.inner)
            a, b = b, a
        self.x_order = order_of(part.batch + part.left + part.inner, a)
        self.y_order = order_of(part.batch + part.inner + part.right, b)
        self.out_order = order_of(o, part.batch + part.left + part.right)
        self.groups = len(part.batch), len(part.left), len(part.inner)
        vectors = not part.batch and len(part.left) <= 1 and len(part.right) <= 1
        matrices = len(part.left) == len(part.right) == 1
        self.merge = len(part.inner) != 1 or not (vectors or matrices)
        self.multiply: Callable[[Any, Any], Any] = np.matmul if part.batch else np.ndarray.dot

    def __call__(self, x: Any, y: Any) -> Any:
        if self.swap:
            x, y = y, x
        if self.x_order is not None:
            x = x.transpose(self.x_order)
        if self.y_order is not None:
            y = y.transpose(self.y_order)
        n_batch, n_left, n_inner = self.groups
        xs, ys = x.shape, y.shape
        batch, rest = xs[:n_batch], xs[n_batch:]
        if batch + rest[n_left:] != ys[: n_batch + n_inner]:
            raise ValueError("sizes differ")  # the card says which
        if self.merge:
            left, right, inner = rest[:n_left], ys[n_batch + n_inner :], prod(rest[n_left:])
            out = self.multiply(
                x.reshape((*batch, prod(left), inner)), y.reshape((*batch, inner, prod(right)))
            )
            out = out.reshape(batch + left + right)
        else:
            out = self.multiply(x, y)
        return out if self.out_order is None else out.transpose(self.out_order)


class Outer:
    """A contraction that sums nothing: an elementwise product of operands that are aligned."""

    __slots__ = ("shared", "x_at", "x_order", "y_at", "y_order")

    def __init__(self, spec: str) -> None:
        a, b, o = split(spec)
        self.x_order = order_of("".join(c for c in o if c in a), a)
        self.y_order = order_of("".join(c for c in o if c in b), b)
        self.x_at = tuple(slice(None) if c in a else None for c in o)
        self.y_at = tuple(slice(None) if c in b else None for c in o)
        self.shared = tuple((a.index(c), b.index(c)) for c in o if c in a and c in b)

    def __call__(self, x: Any, y: Any) -> Any:
        for i, j in self.shared:
            if x.shape[i] != y.shape[j]:
                raise ValueError("sizes differ")  # the card says which
        x, y = np.asarray(x), np.asarray(y)
        if self.x_order is not None:
            x = x.transpose(self.x_order)
        if self.y_order is not None:
            y = y.transpose(self.y_order)
        return np.multiply(x[self.x_at], y[self.y_at])


# -- matmul ----------------------------------------------------------------------------------------

MATMUL: Final = contraction("ab", "bc", "ac")


def matmul(x: Any, y: Any, /) -> Any:
    """Matrix product of two tensors: ``x @ y``.

    ``out[..., i, k] = sum over j of x[..., i, j] * y[..., j, k]``

    Args:
        x: shape (..., M, K), or (K,), which counts as a row.
        y: shape (..., K, N), or (K,), which counts as a column.

    Returns:
        Shape (..., M, N), in the promoted dtype; the leading axes broadcast. The axis that a
        one-dimensional operand lacks is missing in the result as well. 16-bit floats are summed in
        float32.

    Raises:
        ShapeError: if the inner sizes differ, the leading axes do not broadcast, or an operand has
            no axes.

    Example:
        >>> ad.matmul(ad.tensor([[1.0, 2.0], [3.0, 4.0]]), ad.tensor([1.0, 10.0]))
        tensor([21., 43.])

    **Gradient:** ``ct @ y.mH`` for `x`, ``x.mH @ ct`` for `y`. Where `ct` is exactly zero,
    infinities and NaNs of the other operand do not reach the gradient.
    """
    if isinstance(x, Handle) and isinstance(y, Handle) and x.value.ndim == 2 == y.value.ndim:
        return bind_two(MATMUL, x, y)
    x, y = lift(x), lift(y)
    xs, ys = x.shape, y.shape
    try:
        x_shape, y_shape, card = matmul_plan(xs, ys)
    except ShapeError as error:
        raise refusal("matmul", error, ("x", x), ("y", y)) from None
    return card(
        x if x_shape == xs else Reshape(x_shape)(x), y if y_shape == ys else Reshape(y_shape)(y)
    )


@lru_cache(maxsize=1024)
def matmul_plan(x: Shape, y: Shape) -> tuple[Shape, Shape, Contract]:
    """How operands of these shapes are reshaped and contracted for a matrix product.

    A leading axis of size 1 that meets a larger one is dropped, so nothing is repeated.
    """
    if not x or not y:
        which = "y" if x else "x"
        raise ShapeError(f"{which} has no axes; use x * y to multiply by a scalar")
    j = max(len(y) - 2, 0)
    if x[-1] != y[j]:
        raise ShapeError(mismatch("inner", len(x) - 1, x[-1], j, y[j]))
    row, inner, column, *names = LETTERS[: 3 + max(len(x), len(y))]
    batch_x, batch_y = x[:-2], y[:-2]
    n = max(len(batch_x), len(batch_y))
    keep_x, keep_y = shared_axes(batch_x, batch_y)
    a = "".join(c for c, keep in zip(names[:n], keep_x, strict=True) if keep)
    b = "".join(c for c, keep in zip(names[:n], keep_y, strict=True) if keep)
    core_x = row * (len(x) > 1)
    core_y = column * (len(y) > 1)
    card = contraction(a + core_x + inner, b + inner + core_y, "".join(names[:n]) + core_x + core_y)
    return kept(batch_x, keep_x) + x[-2:], kept(batch_y, keep_y) + y[-2:], card


def shared_axes(x: Shape, y: Shape) -> tuple[list[bool], list[bool]]:
    """For each axis of the broadcast result, whether each operand keeps one of its own for it."""
    n = max(len(x), len(y))
    keep_x, keep_y = [True] * n, [True] * n
    for i in range(n):
        ix, iy = i - (n - len(x)), i - (n - len(y))
        keep_x[i], keep_y[i] = ix >= 0, iy >= 0
        if ix < 0 or iy < 0 or x[ix] == y[iy]:
            continue
        if x[ix] != 1 and y[iy] != 1:
            raise ShapeError(mismatch("batch", ix, x[ix], iy, y[iy]))
        keep_x[i], keep_y[i] = x[ix] != 1, y[iy] != 1
    return keep_x, keep_y


def kept(shape: Shape, keep: list[bool]) -> Shape:
    """The sizes of the axes that an operand keeps."""
    own = keep[len(keep) - len(shape) :]
    return tuple(n for n, on in zip(shape, own, strict=True) if on)
