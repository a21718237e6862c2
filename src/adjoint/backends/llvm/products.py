"""Products: which contractions BLAS computes, on which matrices, and which become loops.

BLAS takes matrices whose rows or columns lie one behind the other: transposes and slices of this
kind are arguments of the call. An operand that lies otherwise is copied first. Products that are
too small for a call, sum nothing, or are of integers become a map and a sum, which fuse with what
is around them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any

from llvmlite import ir

from adjoint.backends.llvm.layout import Ints, View
from adjoint.backends.llvm.nest import I64, PTR, Nest, index, ll
from adjoint.backends.llvm.rewrites import new_node
from adjoint.core.graph import Node
from adjoint.ops.arithmetic import MULTIPLY
from adjoint.ops.bilinear import roles, split
from adjoint.ops.families import CAST, SCALE
from adjoint.ops.reduce import Sum
from adjoint.ops.shape import Expand, Permute, Reshape

SMALL = 1 << 13
"""Multiplications and additions below which a call costs more than a loop."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """An operand as BLAS sees it.

    Attributes:
        view: where it lies.
        transposed: whether its columns, not its rows, lie one behind the other.
        lead: elements from one row (or column) to the next.
        batch: strides along the batch axes.
    """

    view: View
    transposed: bool
    lead: int
    batch: Ints


@dataclass(frozen=True, slots=True)
class Product:
    """One call of `gemm` for each element of `batch`: ``out[m, n] = x[m, k] @ y[k, n]``."""

    x: Matrix
    y: Matrix
    out: Matrix
    m: int
    n: int
    k: int
    batch: Ints
    scratch: int = 0


def merged(letters: str, sizes: dict[str, int], strides: dict[str, int]) -> int | None:
    """The stride of several axes as one; None if they do not lie one behind the other."""
    axes = [(sizes[c], strides[c]) for c in letters if sizes[c] != 1]
    for (_, outer), (n, inner) in pairwise(axes):
        if outer != n * inner:
            return None
    return axes[-1][1] if axes else 1


def matrix(
    view: View, letters: str, rows: str, columns: str, batch: str, sizes: dict[str, int]
) -> Matrix | None:
    """An operand as a matrix for BLAS; None if it does not lie that way."""
    strides = dict(zip(letters, view.strides, strict=True))
    down, across = merged(rows, sizes, strides), merged(columns, sizes, strides)
    if down is None or across is None:
        return None
    m, n = (prod(sizes[c] for c in part) for part in (rows, columns))
    at = tuple(strides.get(c, 0) for c in batch)
    if (across == 1 or n == 1) and (down >= n or m == 1):
        return Matrix(view, False, max(down if m > 1 else n, n, 1), at)
    if (down == 1 or m == 1) and (across >= m or n == 1):
        return Matrix(view, True, max(across if n > 1 else m, m, 1), at)
    return None


def as_product(node: Node, x: View, y: View, out: View) -> Product | tuple[bool, bool] | None:
    """How BLAS computes a contraction.

    Returns:
        The call; or which of the operands must be copied first; or None where it is a loop.
    """
    spec = node.op.spec
    part = roles(spec)
    a, b, o = split(spec)
    sizes = dict(zip(a, x.shape, strict=True)) | dict(zip(b, y.shape, strict=True))
    if not part.inner or node.dtype is None or node.dtype.char not in "fd":
        return None
    work = 2 * prod(sizes.values())
    if work < SMALL or 0 in sizes.values() or not (part.left or part.right):
        return None
    left = "".join(c for c in o if c in part.left)
    right = "".join(c for c in o if c in part.right)
    batch = part.batch
    while (target := matrix(out, o, left, right, batch, sizes)) is None:
        # the first axis of the result goes through one call after the other
        first = next(c for c in o if c in left + right)
        left, right, batch = left.replace(first, ""), right.replace(first, ""), batch + first
    swapped = target.transposed
    if swapped:  # BLAS writes rows: compute the transposed product instead
        x, y, a, b, left, right = y, x, b, a, right, left
        target = matrix(out, o, left, right, batch, sizes)
        assert target is not None
    mx = matrix(x, a, left, part.inner, batch, sizes)
    my = matrix(y, b, part.inner, right, batch, sizes)
    if mx is None or my is None:
        return (my is None, mx is None) if swapped else (mx is None, my is None)
    m, n, k = (prod(sizes[c] for c in letters) for letters in (left, right, part.inner))
    return Product(mx, my, target, m, n, k, tuple(sizes[c] for c in batch))


def copied(node: Node, which: tuple[bool, bool], views: Sequence[View]) -> list[Node]:
    """The nodes that compute a contraction of operands that are first put in order.

    What lies one element after the other stays so: such a copy is many times as fast.
    """
    spec = node.op.spec
    part = roles(spec)
    letters = list(split(spec))
    made: list[Node] = []
    inputs = list(node.inputs)
    for i, side in enumerate((part.left, part.right)):
        if which[i]:
            outer = "".join(c for c in letters[2] if c in side)
            strides = dict(zip(letters[i], views[i].strides, strict=True))
            last = outer and strides[outer[-1]] == 1 and strides[part.inner[-1]] != 1
            want = part.batch + (part.inner + outer if last else outer + part.inner)
            order = tuple(letters[i].index(c) for c in want)
            made.append(new_node(Permute(order), inputs[i], like=node))
            made.append(new_node(CAST[made[-1].dtype], made[-1], like=node))
            inputs[i], letters[i] = made[-1], want
    op = type(node.op)(f"{letters[0]},{letters[1]}->{letters[2]}", node.op.strong)
    return [*made, new_node(op, *inputs, like=node)]


def in_pieces(node: Node, x: View, y: View, out: View) -> list[Node] | None:
    """The nodes that compute a contraction, where it is not a call of BLAS as it stands."""
    plan = as_product(node, x, y, out)
    if isinstance(plan, Product):
        return None
    return looped(node) if plan is None else copied(node, plan, (x, y))


def looped(node: Node) -> list[Node]:
    """The nodes that compute a contraction as a map and a sum."""
    a, b, o = split(node.op.spec)
    part = roles(node.op.spec)
    x, y = node.inputs
    sizes = dict(zip(a, x.shape, strict=True)) | dict(zip(b, y.shape, strict=True))
    domain = o + part.inner
    shape = tuple(sizes[c] for c in domain)
    made: list[Node] = []
    spread: list[Node] = []
    for operand, letters in ((x, a), (y, b)):
        want = "".join(c for c in domain if c in letters)
        made.append(new_node(Permute(tuple(letters.index(c) for c in want)), operand, like=node))
        axes = tuple(i for i, c in enumerate(domain) if c not in letters)
        made.append(new_node(Expand(shape, axes), made[-1], like=node))
        spread.append(made[-1])
    if node.op.strong >= 0:
        ct, other = spread if node.op.strong == 0 else reversed(spread)
        made.append(new_node(SCALE, ct, other, like=node))
    else:
        made.append(new_node(MULTIPLY, *spread, like=node))
    if part.inner:
        axes = tuple(range(len(o), len(domain)))
        made.append(new_node(Sum(axes), made[-1], like=node))
    elif node.dtype != made[-1].dtype:
        made.append(new_node(CAST[node.dtype], made[-1], like=node))
    if made[-1].shape != node.shape:
        made.append(new_node(Reshape(node.shape), made[-1], like=node))
    return made


def emit(program: Any, group: Any) -> None:
    """Call BLAS, once or for each element of a batch."""
    (node,) = group.members
    plan: Product = group.plan
    t = ll(node.dtype)
    letter = "f32" if node.dtype.char == "f" else "f64"
    pointers = [program.address(m.view) for m in (plan.x, plan.y, plan.out)]
    if not plan.batch:
        name = f"adjoint_{'p' if program.parallel else ''}gemm_{letter}"
        _call(program, program.builder(), name, plan, t, pointers)
        return
    kind = ir.FunctionType(ir.VoidType(), [PTR] * 3 + [I64, I64])
    function: Any = ir.Function(program.module, kind, program.name())
    function.linkage = "internal"
    nest = Nest(function)
    rest = nest.open(*function.args[-2:])
    b = nest.inner
    places: list[Any] = list(function.args[:3])
    for a in reversed(range(len(plan.batch))):
        n = index(plan.batch[a])
        i, rest = (b.urem(rest, n), b.udiv(rest, n)) if a else (rest, rest)
        for k, m in enumerate((plan.x, plan.y, plan.out)):
            if m.batch[a]:
                step = b.mul(i, index(m.batch[a]))
                places[k] = b.gep(places[k], [step], source_etype=t)
    _call(program, b, f"adjoint_gemm_{letter}", plan, t, places)
    nest.close()
    nest.inner.ret_void()
    program.launch(function, pointers, prod(plan.batch), 2 * plan.m * plan.n * plan.k)


def _call(program: Any, b: Any, name: str, plan: Product, t: Any, pointers: Sequence[Any]) -> None:
    kinds = [I64] * 5 + [t, PTR, I64, PTR, I64, t, PTR, I64]
    px, py, po = pointers
    flags = [index(int(plan.x.transposed)), index(int(plan.y.transposed))]
    sizes = [index(plan.m), index(plan.n), index(plan.k)]
    args = [*flags, *sizes, t(1.0), px, index(plan.x.lead), py, index(plan.y.lead), t(0.0), po]
    b.call(program.external(name, kinds), [*args, index(plan.out.lead)])
