"""Sums of padded parts that do not overlap: the parts, joined.

This is what the gradients of slices add up to (of the gates of an LSTM, of queries, keys and
values). Instead of a full-sized array for each part and a sum of them there is one array, of which
each part is written once.

Exact: each element is one element of a part plus zeros, and ``x + 0.0`` is x but for -0.0, which
becomes 0.0; so 0.0 is added to the parts.
"""

from __future__ import annotations

from typing import Any, Final

from adjoint.core.graph import Node
from adjoint.core.program import Graph
from adjoint.ops.arithmetic import ADD, Add
from adjoint.ops.join import Concat
from adjoint.ops.slice import Pad
from adjoint.passes.rewrite import Builder, Rules, Xs, rewrite
from adjoint.passes.simplify import made_by

PADS: Final = Rules()
MOST: Final = 64
"""The largest number of parts: a longer sum is looked at from the start too often."""


@PADS.on(Add)
def _joined(build: Builder, op: Any, xs: Xs) -> Node | None:
    """Parts along one axis that fill it, joined in their order."""
    parts = _parts(build, xs)
    if parts is None:
        return None
    axis = _axis(parts)
    if axis is None:
        return None
    parts.sort(key=lambda part: part.op.low[axis])
    end = 0
    for part in parts:
        if part.op.low[axis] != end:
            return None
        end += part.inputs[0].shape[axis]
    if end != parts[0].shape[axis]:
        return None
    sources = [part.inputs[0] for part in parts]
    if sources[0].dtype.kind in "fc":
        sources = [build(ADD, x, 0.0) for x in sources]
    return build(Concat(axis), *sources)


def _parts(build: Builder, xs: Xs) -> list[Node] | None:
    """The padded parts of a sum; None if there is anything else in it."""
    found: list[Node] = []
    stack = list(xs)
    while stack:
        x = stack.pop()
        if made_by(x, Pad) and not any(x.op.interior) and x.dtype.kind in "fiu":
            found.append(x)
        elif made_by(x, Add) and len(found) < MOST and build.uses.get(x, 1) == 1:
            stack += x.inputs
        else:
            return None
    same = all(x.shape == found[0].shape and x.dtype == found[0].dtype for x in found)
    return found if same else None


def _axis(parts: list[Node]) -> int | None:
    """The one axis along which all parts are padded."""
    axes = {
        a
        for part in parts
        for a, (low, high) in enumerate(zip(part.op.low, part.op.high, strict=True))
        if low or high
    }
    return axes.pop() if len(axes) == 1 else None


def pads(graph: Graph) -> Graph:
    """The graph with sums of padded parts joined. Exact, see this file."""
    return rewrite(graph, PADS)
