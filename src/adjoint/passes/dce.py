"""Dead code: what no output needs goes, with the constants that only it used."""

from __future__ import annotations

from typing import Any

from adjoint.core.graph import Node, Pick
from adjoint.core.program import Graph
from adjoint.passes.rewrite import NO_RULES, Builder


def dce(graph: Graph) -> Graph:
    """The graph without operations that no output depends on, also inside of loops and branches.

    Exact: no operation has an effect besides its results. Inputs stay, used or not.
    """
    needed = set(graph.outputs)
    for node in reversed(graph.nodes):
        if node in needed:
            needed.update([x for x in node.inputs if x.__class__ is Node])
    nodes = tuple([node for node in graph.nodes if node in needed])
    constants: dict[Node, Any] = {n: x for n, x in graph.constants.items() if n in needed}
    if len(nodes) < len(graph.nodes) or len(constants) < len(graph.constants):
        graph = Graph(graph.inputs, nodes, graph.outputs, constants)
    if any(node.op.__class__ is not Pick and node.op.kind == "control" for node in nodes):
        return Builder(graph, NO_RULES, dce).run()
    return graph
