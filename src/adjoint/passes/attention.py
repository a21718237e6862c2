"""Attention as one operation each way: its composition is recognised, and no scores are stored.

Looked for is a softmax over the last axis of products of queries and keys, scaled, masked, whose
weights mix values; and what differentiation makes of it: the same weights under a cotangent, the
derivative of the softmax, and three products. Where nothing else reads any of the arrays of the
scores' size in between, `AttentionForward` and `AttentionBackward` stand for all of it.

To rounding: sums are taken in another order. A mask that is a constant triangle of -inf also keeps
infinities and NaNs among later keys and values from the rows that do not see them.
"""

from __future__ import annotations

from typing import Any, Final

from adjoint.core.graph import Node, Pick
from adjoint.core.program import Graph
from adjoint.ops.attention import AttentionBackward, AttentionForward
from adjoint.ops.shape import Permute
from adjoint.passes.attention_finder import Finder, Found
from adjoint.passes.dce import dce
from adjoint.passes.rewrite import NO_RULES, Builder, Xs


class Attending(Builder):
    """The graph with cards for what was found."""

    def __init__(self, graph: Graph, found: list[Found]) -> None:
        super().__init__(graph, NO_RULES, attention)
        self.fronts = {it.out: it for it in found}
        apart = [it for it in found if it.join is None]
        self.ends = {node: (it, name) for it in apart for name, node in it.ends.items()}
        self.joins = {it.join: it for it in found if it.join is not None}
        self.made: dict[Found, tuple[Node, Node]] = {}
        self.gradients: dict[Found, Node] = {}
        self.now: dict[Node, Node] = {}

    def _entered(self) -> dict[Node, Node]:
        self.now = super()._entered()
        return self.now

    def _renewed(self, node: Node, xs: Xs) -> Node:
        if node in self.fronts:
            self.at, self._code, self._offset = node, node.code, node.offset
            return self._front(self.fronts[node])
        if node in self.ends:
            self.at, self._code, self._offset = node, node.code, node.offset
            return self._end(*self.ends[node])
        if node in self.joins:
            self.at, self._code, self._offset = node, node.code, node.offset
            it = self.joins[node]
            order, letters = it.joined
            return self._back(it, letters, joined=order)
        return super()._renewed(node, xs)

    def _operands(self, *xs: Any) -> tuple[Any, ...]:
        return tuple([self.now.get(x, x) for x in xs if x is not None])

    def _front(self, it: Found) -> Node:
        letters = written(it.of["out"], "e")
        left = ",".join(it.of[name] for name in ("q", "k", "v"))
        op = AttentionForward(spec=f"{left}->{letters},{it.batch}tr", **it.fields)
        card = self.put(op, self._operands(it.q, it.k, it.v, it.mask))
        out = self.put(Pick(0), (card,))
        self.made[it] = out, self.put(Pick(1), (card,))
        return self._ordered(out, letters, it.of["out"])

    def _end(self, it: Found, name: str) -> Node:
        of = {"dq": it.batch + "td", "dk": it.batch + "sd", "dv": it.batch + "se"} | it.of
        wanted = {n: written(of[n], last) for n, last in LAST}
        if it not in self.gradients:
            self.gradients[it] = self._back(it, ",".join(wanted[n] for n, _ in LAST))
        index = [n for n, _ in LAST].index(name)
        out = self.put(Pick(index), (self.gradients[it],))
        return self._ordered(out, wanted[name], of[name])

    def _back(self, it: Found, results: str, **more: Any) -> Node:
        """The card of the gradients, with these letters."""
        of = it.of
        known = (of["q"], of["k"], of["v"], written(of["out"], "e"), it.batch + "tr", of["ct"])
        op = AttentionBackward(spec=f"{','.join(known)}->{results}", **it.fields, **more)
        (q, k, v, ct, *mask) = self._operands(it.q, it.k, it.v, it.ct, it.mask)
        return self.put(op, (q, k, v, *self.made[it], ct, *mask))

    def _ordered(self, x: Node, letters: str, want: str) -> Node:
        if letters == want:
            return x
        return self.put(Permute(tuple(letters.index(c) for c in want)), (x,))


LAST: Final = (("dq", "d"), ("dk", "d"), ("dv", "e"))
"""The gradients, and the axis that lies innermost in each."""


def written(letters: str, last: str) -> str:
    """The order in which a result is written: its own, with an axis moved behind the others."""
    return letters.replace(last, "") + last


def attention(graph: Graph) -> Graph:
    """The graph with attention as one operation each way. To rounding, see this file."""
    inner = any(node.op.__class__ is not Pick and node.op.kind == "control" for node in graph.nodes)
    found = Finder(graph).all()
    if not found and not inner:
        return graph
    return dce(Attending(graph, found).run())
