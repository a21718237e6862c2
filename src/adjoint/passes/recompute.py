"""Recomputation: values that the backward pass computes again instead of finding them kept.

What a node of the backward pass reads of the forward pass must be kept until then, unless it is
computed once more right before: from what is kept anyway, from arguments and from parameters. That
takes time instead of memory. Exact: the same operations on the same operands.

Source: Chen et al., Training deep nets with sublinear memory cost (2016); which values go is chosen
by bytes for each operation, as Jain et al., Checkmate (2020), discuss.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from adjoint.core.capture import FORWARD, RECOMPUTED
from adjoint.core.graph import Node, Pick
from adjoint.core.program import Graph

Dropped = Callable[[Node], bool]


def repeatable(node: Node) -> bool:
    """Whether a node may be computed again: loops and operations with several results are kept."""
    if node.op is None or node.op.__class__ is Pick or node.dtype is None:
        return False
    return node.op.kind not in ("control", "linalg", "fft", "sort")


def chain(node: Node, stops: Collection[Node]) -> list[Node]:
    """What is computed again in order to have a node again, oldest first.

    Args:
        node: of the forward pass.
        stops: what is there: inputs, constants, values that are kept.
    """
    seen: set[Node] = set()
    stack = [node]
    while stack:
        x = stack.pop()
        if x in seen or (x in stops and x is not node) or not repeatable(x):
            continue
        seen.add(x)
        stack += [y for y in x.inputs if y.__class__ is Node]
    return sorted(seen, key=lambda x: x.seq)


def recompute(
    graph: Graph, phase: Callable[[Node], int], dropped: Dropped, there: Dropped
) -> Graph:
    """The graph in which the backward pass computes dropped values again.

    Args:
        graph: a training step.
        phase: the part of the step that a node belongs to.
        dropped: whether a value is not kept.
        there: whether a value can be read in the backward pass: it is an input, or kept.
    """
    nodes: list[Node] = []
    again: dict[Node, Node] = {}
    for node in graph.nodes:
        if phase(node) == FORWARD:
            nodes.append(node)
            continue
        for x in node.inputs:
            if _gone(x, dropped):
                _repeat(x, again, there, nodes)
        if any(x in again for x in node.inputs):
            nodes.append(again.setdefault(node, _with(node, again, node)))
        else:
            nodes.append(node)
    outputs = tuple(again.get(x, x) if phase(x) != FORWARD else x for x in graph.outputs)
    return Graph(graph.inputs, tuple(nodes), outputs, graph.constants)


def _gone(x: Any, dropped: Dropped) -> bool:
    return x.__class__ is Node and x.op is not None and dropped(x)


def _repeat(root: Node, again: dict[Node, Node], there: Dropped, nodes: list[Node]) -> None:
    """Append what computes a value once more, operands first."""
    stack = [root]
    while stack:
        x = stack[-1]
        if x in again or not repeatable(x) or (there(x) and x is not root):
            stack.pop()
            continue
        missing = [
            y
            for y in x.inputs
            if y.__class__ is Node and y not in again and repeatable(y) and not there(y)
        ]
        if missing:
            stack += missing
            continue
        again[x] = new = _with(x, again, x)
        new.phase = RECOMPUTED
        nodes.append(new)
        stack.pop()


def _with(node: Node, again: dict[Node, Node], like: Node) -> Node:
    """The operation on operands that are computed again, as far as they are."""
    xs = tuple(again.get(x, x) if x.__class__ is Node else x for x in node.inputs)
    shape: Any = node.shape
    new = Node(node.op, xs, node.saved, node.mask, shape, node.dtype, like.code, like.offset)
    if hasattr(like, "phase"):
        new.phase = like.phase
    return new


def total(nodes: Iterable[Node]) -> int:
    """Floating-point operations of nodes."""
    out = 0
    for node in nodes:
        if node.op is not None and node.op.__class__ is not Pick:
            out += int(node.op.cost(*[x.type if x.__class__ is Node else x for x in node.inputs]))
    return out
