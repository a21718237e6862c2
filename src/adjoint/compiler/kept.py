"""What is kept from the forward pass for the backward pass, by layer and line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from adjoint.compiler.phases import Phases
from adjoint.core.capture import FORWARD
from adjoint.core.graph import Node
from adjoint.core.program import Graph


@dataclass(frozen=True)
class Kept:
    """One value that waits in the arena for the backward pass.

    Attributes:
        layer: path of the module, as far as names of parameters tell it.
        line: the user's line that computes it.
        operation: its name.
        type: shape and dtype.
        bytes: its size.
    """

    layer: str
    line: str
    operation: str
    type: str
    bytes: int


def kept_values(graph: Graph, where: Any, phase: Phases) -> tuple[Kept, ...]:
    """The values that kernels of the forward pass store and those of the backward pass read.

    Args:
        graph: a step.
        where: its arrangement.
        phase: of its nodes.
    """
    layer = layers(graph)
    found: list[Kept] = []
    for node in waiting(where, phase):
        line = "" if node.site is None else str(node.site)
        name = node.op.name if hasattr(node.op, "name") else "part"
        size = where.bytes_of(node)
        found.append(Kept(layer.get(node, ""), line, name, str(node.type), size))
    return tuple(found)


def waiting(where: Any, phase: Phases) -> list[Node]:
    """The values in the arena that the forward pass stores and the backward pass reads."""
    in_arena = {node for node in where.kept if isinstance(node, Node)}
    late: set[Node] = set()
    for group in where.grouping.groups:
        for member in group.members:
            if phase.of_node(member) != FORWARD:
                for view in where.grouping.reads(member):
                    if view.base in in_arena and where.grouping.home.get(view.base) is not group:
                        late.add(view.base)
    return [node for node in where.kept if node in late and phase.of_node(node) == FORWARD]


def layers(graph: Graph) -> dict[Node, str]:
    """The module that each node seems to belong to.

    An operation on a parameter belongs to the module of that parameter; another one to the module
    of its youngest operand.
    """
    out: dict[Node, str] = {}
    weights: dict[Node, str] = {}
    age: dict[Node, int] = {}
    for node in graph.inputs:
        if node.name:
            weights[node] = node.name.rpartition(".")[0] or node.name
    for k, node in enumerate(graph.nodes):
        operands = [x for x in node.inputs if x.__class__ is Node]
        of_weights = [weights[x] for x in operands if x in weights]
        if operands and len(of_weights) == len(operands):
            weights[node] = of_weights[-1]
        elif of_weights:
            out[node] = of_weights[-1]
        else:
            known = [x for x in operands if x in out]
            if known:
                out[node] = out[max(known, key=lambda x: age[x])]
        age[node] = k
    return {**weights, **out}
