"""verify: whether a graph holds together, told before anything is computed with it."""

from __future__ import annotations

from typing import Any

from adjoint.core.bind import SCALARS
from adjoint.core.errors import AdjointError, GraphError
from adjoint.core.graph import Node, Pick
from adjoint.core.text import Layout, place_text, step_text
from adjoint.core.types import Type


def verify(graph: Any) -> None:
    """Check a graph: order, wiring, arity, and every type against what its card infers.

    Graphs in the fields of control flow are checked as well.

    Raises:
        GraphError: naming the operation, the user's line that made it, and what is wrong.
    """
    defined = _given(graph)
    for node in graph.nodes:
        _check_wiring(graph, node, defined)
        if node.op.__class__ is Pick:
            _check_pick(graph, node)
        else:
            _check_types(graph, node)
            for name in node.op.fields:
                _check_inside(getattr(node.op, name))
        defined.add(node)
    for i, node in enumerate(graph.outputs):
        if node not in defined:
            raise GraphError(f"verify: output {i} is not computed by the graph")
        if node.dtype is None:
            raise GraphError(f"verify: output {i} is an operation with several results, not one")


def _given(graph: Any) -> set[Node]:
    """The inputs and constants, checked."""
    if len(set(graph.inputs)) != len(graph.inputs):
        raise GraphError("verify: an input is listed twice")
    for node, handle in graph.constants.items():
        found = Type.of(handle.value)
        if found != node.type:
            raise GraphError(f"verify: a constant has type {found}, its node says {node.type}")
    return {*graph.inputs, *graph.constants}


def _wrong(graph: Any, node: Node, fact: str) -> GraphError:
    """The error, with the line of the graph and the user's line."""
    layout = Layout(graph)
    shown = node.inputs[0] if node.op.__class__ is Pick and node.inputs else node
    lines = [f"verify: {fact}"]
    if shown in layout.names or shown in layout.parts:
        lines.append(f"    {step_text(shown, layout)}")
    place = place_text(node)
    return GraphError("\n".join([*lines, *([f"  at {place}"] if place else [])]))


def _check_wiring(graph: Any, node: Node, defined: set[Node]) -> None:
    if node in defined:
        raise _wrong(graph, node, "the operation stands in the graph twice")
    if node.op is None:
        raise _wrong(graph, node, "a leaf stands among the operations; list it as an input")
    for i, x in enumerate(node.inputs):
        if x.__class__ is Node:
            if x not in defined:
                raise _wrong(graph, node, f"operand {i} is used before it is computed")
            if x.dtype is None and node.op.__class__ is not Pick:
                raise _wrong(graph, node, f"operand {i} has several results; one must be picked")
        elif x.__class__ not in SCALARS:
            raise _wrong(graph, node, f"operand {i} is {type(x).__name__}, not a node or a number")


def _check_pick(graph: Any, node: Node) -> None:
    types: Any = node.inputs[0].type
    if types.__class__ is not tuple:
        raise _wrong(graph, node, "a result is picked of an operation that has only one")
    if not 0 <= node.op.index < len(types):
        raise _wrong(graph, node, f"result {node.op.index} is picked of {len(types)}")
    if node.type != types[node.op.index]:
        raise _wrong(
            graph, node, f"a picked result has type {node.type}, it is {types[node.op.index]}"
        )


def _check_types(graph: Any, node: Node) -> None:
    arity = getattr(node.op, "arity", None)
    if arity is not None and arity() != len(node.inputs):
        raise _wrong(graph, node, f"{len(node.inputs)} operands for {arity()}")
    types = [x.type if x.__class__ is Node else x for x in node.inputs]
    try:
        inferred = node.op.out_type(*types)
    except AdjointError as error:
        raise _wrong(graph, node, f"the operands do not fit: {error}") from None
    except TypeError:
        raise _wrong(graph, node, f"it does not take {len(types)} operands") from None
    several = inferred.__class__ is tuple
    if several != (node.dtype is None):
        raise _wrong(graph, node, "the number of results is not what the card infers")
    if inferred != node.type:
        said = ", ".join(map(str, inferred)) if several else inferred
        raise _wrong(graph, node, f"the card infers {said}, the graph says otherwise")


def _check_inside(value: Any) -> None:
    """Check graphs in a field."""
    if hasattr(value, "nodes") and hasattr(value, "constants"):
        verify(value)
    elif value.__class__ in (tuple, list):
        for part in value:
            _check_inside(part)
