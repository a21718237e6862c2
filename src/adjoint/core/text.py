"""Graphs as text."""

from __future__ import annotations

from typing import Any


def print_graph(graph: Any) -> str:
    """The graph, one operation a line."""
    names: dict[Any, str] = {}
    for node in (*graph.inputs, *graph.constants, *graph.nodes):
        names[node] = f"%{len(names)}"
    lines = ["graph(" + ", ".join(f"{names[n]}: {n.type}" for n in graph.inputs) + ") {"]
    lines += [f"  {names[n]}: {n.type} = constant" for n in graph.constants]
    for node in graph.nodes:
        xs = " ".join(names.get(x, repr(x)) for x in node.inputs)
        lines.append(f"  {names[node]}: {node.type} = {node.op!r} {xs}")
    lines.append("} -> (" + ", ".join(names[n] for n in graph.outputs) + ")")
    return "\n".join(lines)
