"""Softmax and its logarithm, found again in the operations that they are made of.

What the operators found need no more is dropped by `live`. They differ from it where a logit is
positive infinity: then ONNX makes all of the row NaN, as PyTorch does.
"""

from __future__ import annotations

from typing import Any

from adjoint.core.graph import Node
from adjoint.core.primitive import registry
from adjoint.export import rules_map
from adjoint.export.writer import RULES, Body, Step, Writer, rule

__all__ = ["live"]

FIRST = rules_map  # its rules are what remains where nothing is found
DIVIDE, SUBTRACT = RULES[registry["Divide"]], RULES[registry["Subtract"]]


def kind(x: Any) -> str:
    """The card of a node; nothing for a number or a leaf."""
    return type(x.op).__name__ if isinstance(x, Node) and x.op is not None else ""


def chain(x: Any, *kinds: str) -> Any:
    """Where a chain of these cards leads, from a node on along first operands; or None."""
    for wanted in kinds:
        if kind(x) != wanted:
            return None
        x = x.inputs[0]
    return x


def largest(shift: Any) -> tuple[Any, int] | None:
    """What the largest element was taken of, and along which axis, if that is a shift."""
    if kind(shift) != "Expand":
        return None
    inner = shift.inputs[0]
    if kind(inner) == "Where":  # no shift where the largest is infinite
        inner = inner.inputs[1]
    while kind(inner) == "StopGradient":
        inner = inner.inputs[0]
    if kind(inner) != "Max" or len(inner.op.axes) != 1 or inner.op.axes != shift.op.axes:
        return None
    return inner.inputs[0], inner.op.axes[0]


def shifted(x: Any) -> tuple[Any, int] | None:
    """The logits and the axis, if these are logits less the largest of them."""
    if kind(x) != "Subtract":
        return None
    found = largest(x.inputs[1])
    return found if found is not None and found[0] is x.inputs[0] else None


@rule(registry["Divide"])
def divide(w: Writer, node: Node) -> str | list[str]:
    """Softmax, where exponentials of shifted logits are divided by their sum."""
    top, bottom = node.inputs
    found = shifted(top.inputs[0]) if kind(top) == "Exp" else None
    if found is not None and chain(bottom, "Expand", "Sum") is top:
        logits, axis = found
        if bottom.op.axes == bottom.inputs[0].op.axes == (axis,):
            return w.op("Softmax", w.name(logits), axis=axis)
    return DIVIDE(w, node)


@rule(registry["Subtract"])
def subtract(w: Writer, node: Node) -> str | list[str]:
    """LogSoftmax, where the logarithm of the sum of exponentials is taken off shifted logits."""
    top, bottom = node.inputs
    found = shifted(top)
    if found is not None and chain(bottom, "Expand", "Log", "Sum", "Exp") is top:
        logits, axis = found
        if bottom.op.axes == bottom.inputs[0].inputs[0].op.axes == (axis,):
            return w.op("LogSoftmax", w.name(logits), axis=axis)
    return SUBTRACT(w, node)


def live(body: Body) -> set[str]:
    """Drop the operators that no output needs; the names that the others read."""
    needed = {name for name, _, _ in body.outputs}
    kept: list[Step] = []
    for step in reversed(body.steps):
        if needed.isdisjoint(step.outputs):
            continue
        kept.append(step)
        needed.update(step.inputs)
        for value in step.attributes.values():
            if isinstance(value, Body):
                needed |= live(value)
    body.steps = kept[::-1]
    return needed
