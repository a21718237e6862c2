"""Products take their operands as they lie: transposes become letters of the product's spec.

Exact in what is computed: the same products, summed. As the library that sums them may go through
transposed operands in another order, results agree to rounding, not to the bit.
"""

from __future__ import annotations

from typing import Any, Final

from adjoint.core.graph import Node
from adjoint.core.program import Graph
from adjoint.ops.bilinear import split
from adjoint.ops.contract import Contract, contraction
from adjoint.ops.shape import Permute
from adjoint.passes.rewrite import Builder, Rules, Xs, rewrite
from adjoint.passes.simplify import made_by

CONTRACT: Final = Rules()


@CONTRACT.on(Contract)
def _operands(build: Builder, op: Any, xs: Xs) -> Node | None:
    """A permuted operand is the operand with its letters in another order."""
    if not made_by(xs[0], Permute) and not made_by(xs[1], Permute):
        return None
    a, b, out = split(op.spec)
    named: list[str] = []
    for x, letters in zip(xs, (a, b), strict=True):
        named.append(_behind(x, letters) if made_by(x, Permute) else letters)
    sources = [x.inputs[0] if made_by(x, Permute) else x for x in xs]
    return build(contraction(*named, out, op.strong), *sources)


def _behind(x: Node, letters: str) -> str:
    """The letters of what is permuted."""
    order = x.op.order
    return "".join([letters[order.index(a)] for a in range(len(order))])


@CONTRACT.on(Permute)
def _result(build: Builder, op: Any, xs: Xs) -> Node | None:
    """A permuted result is the result with its letters in another order, if only that is used."""
    (x,) = xs
    if not made_by(x, Contract) or build.uses.get(x) != 1:
        return None
    a, b, out = split(x.op.spec)
    return build(contraction(a, b, "".join([out[k] for k in op.order]), x.op.strong), *x.inputs)


def contract(graph: Graph) -> Graph:
    """The graph with transposes as letters of products. Results agree to rounding."""
    return rewrite(graph, CONTRACT)
