"""Named products of two or more tensors: tensordot, vecdot, dot, inner, outer, kron and chains.

Each works out letters for its axes and is then one contraction.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any

from adjoint.core.bind import lift
from adjoint.core.errors import AdjointError, ArgumentError, ShapeError
from adjoint.core.types import Shape, normalize_axis
from adjoint.ops.arithmetic import MULTIPLY
from adjoint.ops.bilinear import LETTERS
from adjoint.ops.contract import Contract, contraction, kept, matmul, mismatch, shared_axes
from adjoint.ops.families import conj
from adjoint.ops.shape import Reshape, refusal
from adjoint.ops.windows import as_tuple

__all__ = ["dot", "inner", "kron", "multi_dot", "outer", "tensordot", "vdot", "vecdot"]


def tensordot(
    x: Any, y: Any, /, *, axes: int | tuple[int | Sequence[int], int | Sequence[int]] = 2
) -> Any:
    """Products of two tensors, summed over the axes that are named for each.

    Args:
        x: any shape.
        y: any shape.
        axes: a number n, which pairs the last n axes of `x` with the first n of `y`; or two
            sequences of axes, which are paired in order.

    Returns:
        The other axes of `x`, then the other axes of `y`.

    Raises:
        ShapeError: if the sizes of paired axes differ.
        AxisError: if an axis does not exist or is named twice.

    Example:
        >>> ad.tensordot(ad.ones((2, 3, 4)), ad.ones((4, 3, 5)), axes=((1, 2), (1, 0))).shape
        (2, 5)
    """
    x, y = lift(x), lift(y)
    try:
        pairs = paired_axes(axes, x.ndim, y.ndim)
        for i, j in pairs:
            if x.shape[i] != y.shape[j]:
                raise ShapeError(mismatch("paired", i, x.shape[i], j, y.shape[j]))
    except AdjointError as error:
        raise refusal("tensordot", error, ("x", x), ("y", y)) from None
    return tensordot_card(x.ndim, y.ndim, pairs)(x, y)


def paired_axes(axes: Any, nx: int, ny: int) -> tuple[tuple[int, int], ...]:
    """The pairs of axes that `tensordot` sums over."""
    both = as_tuple(axes)
    if len(both) == 1:
        n = both[0].__index__()
        if not 0 <= n <= min(nx, ny):
            raise ArgumentError(f"axes = {n}, but x has {nx} axes and y has {ny}")
        return tuple((nx - n + i, i) for i in range(n))
    if len(both) != 2:
        raise ArgumentError(f"axes must be a number or two sequences, got {axes!r}")
    left, right = map(as_tuple, both)
    if len(left) != len(right):
        raise ArgumentError(f"axes pairs {len(left)} axes of x with {len(right)} of y")
    pairs = tuple(
        (normalize_axis(i, nx), normalize_axis(j, ny)) for i, j in zip(left, right, strict=True)
    )
    for which, named in zip("xy", zip(*pairs, strict=True), strict=False):
        if len(set(named)) != len(named):
            raise ArgumentError(f"axes names an axis of {which} twice: {named}")
    return pairs


@lru_cache(maxsize=1024)
def tensordot_card(nx: int, ny: int, pairs: tuple[tuple[int, int], ...]) -> Contract:
    """The contraction of operands with so many axes over these pairs."""
    a, b = list(LETTERS[:nx]), list(LETTERS[nx : nx + ny])
    for i, j in pairs:
        b[j] = a[i]
    left = "".join(c for c in a if c not in b)
    right = "".join(c for c in b if c not in a)
    return contraction("".join(a), "".join(b), left + right)


def vecdot(x: Any, y: Any, /, *, axis: int = -1) -> Any:
    """Inner products of the vectors along an axis; the first operand is conjugated.

    Args:
        x: any shape.
        y: a shape whose other axes broadcast with those of `x`.
        axis: the axis of the vectors, in each operand.

    Raises:
        ShapeError: if the vectors differ in size, or the other axes do not broadcast.
        AxisError: if there is no such axis.

    Example:
        >>> ad.vecdot(ad.tensor([[1.0, 2.0], [3.0, 4.0]]), ad.tensor([1.0, 10.0]))
        tensor([21., 43.])

    **Gradient:** ``conj(ct) * y`` for `x`, ``ct * x`` for `y`.
    """
    x, y = lift(x), lift(y)
    try:
        i, j = normalize_axis(axis, x.ndim), normalize_axis(axis, y.ndim)
        x_shape, y_shape, card = vecdot_plan(x.shape, y.shape, i, j)
    except AdjointError as error:
        raise refusal("vecdot", error, ("x", x), ("y", y)) from None
    x = conj(x)
    return card(
        x if x_shape == x.shape else Reshape(x_shape)(x),
        y if y_shape == y.shape else Reshape(y_shape)(y),
    )


@lru_cache(maxsize=1024)
def vecdot_plan(x: Shape, y: Shape, i: int, j: int) -> tuple[Shape, Shape, Contract]:
    """How operands of these shapes are reshaped and contracted over axis `i` and axis `j`."""
    if x[i] != y[j]:
        raise ShapeError(mismatch("vector", i, x[i], j, y[j]))
    rest_x, rest_y = x[:i] + x[i + 1 :], y[:j] + y[j + 1 :]
    keep_x, keep_y = shared_axes(rest_x, rest_y)
    names = LETTERS[1 : 1 + len(keep_x)]
    a, at_x = _letters(names, keep_x, len(rest_x), i)
    b, at_y = _letters(names, keep_y, len(rest_y), j)
    card = contraction(a, b, names)
    left, right = kept(rest_x, keep_x), kept(rest_y, keep_y)
    return (*left[:at_x], x[i], *left[at_x:]), (*right[:at_y], y[j], *right[at_y:]), card


def _letters(names: str, keep: list[bool], own: int, at: int) -> tuple[str, int]:
    """Letters of an operand that keeps these axes, with "a" where its vectors lie; and where."""
    mine = list(zip(names, keep, strict=True))[len(keep) - own :]
    before = "".join(c for c, on in mine[:at] if on)
    return before + LETTERS[0] + "".join(c for c, on in mine[at:] if on), len(before)


def vdot(x: Any, y: Any, /) -> Any:
    """Inner product of all elements of two tensors; the first operand is conjugated.

    Example:
        >>> ad.vdot(ad.tensor([[1.0, 2.0]]), ad.tensor([[3.0], [4.0]]))
        tensor(11.)
    """
    x, y = lift(x), lift(y)
    if x.size != y.size:
        fact = ShapeError(f"x has {x.size} elements, y has {y.size}")
        raise refusal("vdot", fact, ("x", x), ("y", y))
    return vecdot(Reshape((x.size,))(x), Reshape((y.size,))(y))


def dot(x: Any, y: Any, /) -> Any:
    """Products summed over the last axis of `x` and the last but one of `y`, as in NumPy.

    With a scalar it multiplies; with matrices it is `matmul`; with more axes every row of `x` meets
    every column of `y`: shape (..., M, K) and (***, K, N) give (..., M, ***, N).

    Example:
        >>> ad.dot(ad.tensor([1.0, 2.0]), ad.tensor([3.0, 4.0]))
        tensor(11.)
    """
    x, y = lift(x), lift(y)
    if not x.ndim or not y.ndim:
        return MULTIPLY(x, y)
    if x.ndim <= 2 and y.ndim <= 2:
        return matmul(x, y)
    i, j = x.ndim - 1, max(y.ndim - 2, 0)
    if x.shape[i] != y.shape[j]:
        fact = ShapeError(mismatch("inner", i, x.shape[i], j, y.shape[j]))
        raise refusal("dot", fact, ("x", x), ("y", y))
    return tensordot(x, y, axes=((i,), (j,)))


def inner(x: Any, y: Any, /) -> Any:
    """Products summed over the last axis of both tensors, as in NumPy; nothing is conjugated.

    Returns:
        The other axes of `x`, then the other axes of `y`. With a scalar it multiplies.

    Example:
        >>> ad.inner(ad.tensor([[1.0, 2.0], [3.0, 4.0]]), ad.tensor([1.0, 10.0]))
        tensor([21., 43.])
    """
    x, y = lift(x), lift(y)
    if not x.ndim or not y.ndim:
        return MULTIPLY(x, y)
    if x.shape[-1] != y.shape[-1]:
        fact = ShapeError(mismatch("last", x.ndim - 1, x.shape[-1], y.ndim - 1, y.shape[-1]))
        raise refusal("inner", fact, ("x", x), ("y", y))
    return tensordot(x, y, axes=((x.ndim - 1,), (y.ndim - 1,)))


def outer(x: Any, y: Any, /) -> Any:
    """Every element of `x` times every element of `y`; both are flattened first, as in NumPy.

    Returns:
        Shape (size of x, size of y).

    Example:
        >>> ad.outer(ad.tensor([1.0, 2.0]), ad.tensor([3.0, 4.0]))
        tensor([[3., 4.],
                [6., 8.]])
    """
    x, y = lift(x), lift(y)
    return contraction("a", "b", "ab")(Reshape((x.size,))(x), Reshape((y.size,))(y))


def kron(x: Any, y: Any, /) -> Any:
    """Kronecker product: each element of `x` replaced by itself times the whole of `y`.

    Returns:
        A tensor whose sizes are the products of the operands' sizes, axis by axis; the operand with
        fewer axes gets axes of size 1 in front.

    Example:
        >>> ad.kron(ad.tensor([1.0, 10.0]), ad.tensor([1.0, 2.0, 3.0]))
        tensor([ 1.,  2.,  3., 10., 20., 30.])
    """
    x, y = lift(x), lift(y)
    n = max(x.ndim, y.ndim)
    x, y = (Reshape((1,) * (n - z.ndim) + z.shape)(z) if z.ndim < n else z for z in (x, y))
    a, b = LETTERS[:n], LETTERS[n : 2 * n]
    both = "".join(c + d for c, d in zip(a, b, strict=True))
    shape = tuple(p * q for p, q in zip(x.shape, y.shape, strict=True))
    return Reshape(shape)(contraction(a, b, both)(x, y))


def multi_dot(arrays: Sequence[Any], /) -> Any:
    """Matrix product of two or more tensors in the order that costs least.

    Args:
        arrays: matrices; the first may be a row and the last a column, with one axis.

    Raises:
        ArgumentError: if there are fewer than two, or one in between is no matrix.
        ShapeError: if neighbouring sizes differ.

    The order is found by dynamic programming (Cormen et al., Introduction to Algorithms, 15.2).

    Example:
        >>> ad.multi_dot([ad.ones((2, 3)), ad.ones((3, 4)), ad.ones(4)])
        tensor([12., 12.])
    """
    xs = [lift(x) for x in arrays]
    if len(xs) < 2:
        raise ArgumentError(f"multi_dot: needs at least two tensors, got {len(xs)}")
    for i, x in enumerate(xs):
        ends = i in (0, len(xs) - 1)
        if x.ndim != 2 and not (ends and x.ndim == 1):
            raise refusal("multi_dot", ShapeError(f"x[{i}] is no matrix"), (f"x[{i}]", x))
    first = (1,) if xs[0].ndim == 1 else (xs[0].shape[0],)
    last = (1,) if xs[-1].ndim == 1 else (xs[-1].shape[1],)
    sizes = (*first, *[x.shape[0] for x in xs[1:]], *last)
    cut = cheapest_cuts(sizes)

    def product(i: int, j: int) -> Any:
        if i == j:
            return xs[i]
        k = cut[i, j]
        return matmul(product(i, k), product(k + 1, j))

    return product(0, len(xs) - 1)


def cheapest_cuts(sizes: Sequence[int]) -> dict[tuple[int, int], int]:
    """For the product of matrices i to j, after which one to split it."""
    n = len(sizes) - 1
    best = {(i, i): 0 for i in range(n)}
    cut: dict[tuple[int, int], int] = {}
    for span in range(1, n):
        for i in range(n - span):
            j = i + span
            costs = [
                (best[i, k] + best[k + 1, j] + prod((sizes[i], sizes[k + 1], sizes[j + 1])), k)
                for k in range(i, j)
            ]
            best[i, j], cut[i, j] = min(costs)
    return cut
