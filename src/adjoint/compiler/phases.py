"""Phases: which nodes and kernels belong to the forward pass, the backward pass, the update."""

from __future__ import annotations

from typing import Any, Final

from adjoint.core.graph import Node
from adjoint.core.program import Graph

PHASES: Final = ("forward", "backward", "update", "recomputed")
"""The parts of a step. What the backward pass computes again is told apart."""


class Phases:
    """The part of a step that each node belongs to.

    Passes hand the mark on from the node that they replace. What has none nevertheless has that of
    what stands before it.
    """

    def __init__(self, marks: dict[Node, int]) -> None:
        self._marks = marks

    def of_node(self, node: Node) -> int:
        """The phase of a node."""
        known = self._marks.get(node)
        if known is not None:
            return known
        if hasattr(node, "phase"):
            return node.phase
        return max((self.of_node(x) for x in node.inputs if x in self._marks), default=0)

    def of_group(self, group: Any) -> int:
        """The phase that most operations of a kernel belong to."""
        marks = [self.of_node(node) for node in group.members]
        return max(set(marks), key=marks.count) if marks else 0


def phases(graph: Graph, grouping: Any = None) -> Phases:
    """The phases of a staged step, after its passes.

    Args:
        graph: the step.
        grouping: the kernels, which may have nodes of their own.
    """
    marks: dict[Node, int] = {}
    before = 0
    for node in graph.nodes:
        marks[node] = before = getattr(node, "phase", before)
    if grouping is not None:
        for group in grouping.groups:
            for node in group.members:
                if node not in marks:
                    known = [marks[x] for x in node.inputs if x in marks]
                    marks[node] = getattr(node, "phase", max(known, default=0))
    return Phases(marks)
