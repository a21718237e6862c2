"""Sparse updates: what is added to a few rows of a table touches these rows alone.

The gradient of a gather is zero but for the rows that were gathered. Where it is only scaled by a
number and added to a value or subtracted from it, as plain gradient descent does, no array of the
table's size is made: the rows are scaled and added in place.

To rounding: rows that occur several times are scaled before they are added up.
"""

from __future__ import annotations

from typing import Any, Final

from adjoint.core.graph import Node
from adjoint.core.program import Graph
from adjoint.ops.add_rows import AddRows
from adjoint.ops.arithmetic import MULTIPLY, NEGATIVE, Add, Multiply, Negative, Subtract
from adjoint.ops.gather import ScatterAdd
from adjoint.passes.rewrite import Builder, Rules, Xs, rewrite
from adjoint.passes.simplify import made_by

SPARSE: Final = Rules()


def scattered(build: Builder, x: Any) -> bool:
    """Whether a value is rows among zeros, fewer numbers than zeros, that nobody else reads."""
    return made_by(x, ScatterAdd) and build.uses.get(x, 1) == 1 and x.inputs[0].size < x.size


def is_number(x: Any) -> bool:
    """Whether an operand scales everything alike."""
    return x.__class__ is not Node or x.shape == ()


@SPARSE.on(Multiply)
def _scaled(build: Builder, op: Any, xs: Xs) -> Node | None:
    """Rows that are scaled before they are put among zeros."""
    for x, c in (xs, xs[::-1]):
        if is_number(c) and scattered(build, x) and (c.__class__ is not Node or c.dtype == x.dtype):
            rows, index = x.inputs
            return build(x.op, build(MULTIPLY, rows, c), index)
    return None


@SPARSE.on(Negative)
def _negated(build: Builder, op: Any, xs: Xs) -> Node | None:
    """Rows that are negated before they are put among zeros."""
    if not scattered(build, xs[0]):
        return None
    rows, index = xs[0].inputs
    return build(xs[0].op, build(NEGATIVE, rows), index)


@SPARSE.on(Add, Subtract)
def _added(build: Builder, op: Any, xs: Xs) -> Node | None:
    """Rows added to a value at their places."""
    x, y = xs
    if isinstance(op, Add) and scattered(build, x):
        x, y = y, x
    if not scattered(build, y) or x.__class__ is not Node or x.type != y.type:
        return None
    rows, index = y.inputs
    if isinstance(op, Subtract):
        rows = build(NEGATIVE, rows)
    return build(AddRows(y.op.axis), x, index, rows)


def sparse(graph: Graph) -> Graph:
    """The graph with sparse updates. To rounding, see this file."""
    return rewrite(graph, SPARSE)
