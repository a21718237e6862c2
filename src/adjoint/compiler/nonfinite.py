"""The origin of what is not finite: which operation, on which line, made the first NaN or infinity.

A compiled training step looks at its loss and its gradients before it changes anything, and leaves
if one of them is not finite. Then the step is computed once more by the interpreter, operation by
operation, from the same inputs. So the origin is found, and the call ends as it would have without
being watched. Infinities that harm nothing, such as those of masks, are never looked at: the way
goes back from the result that is not finite, through values that are not finite.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from adjoint.compiler.phases import PHASES
from adjoint.core.graph import Node, Pick
from adjoint.core.program import Graph
from adjoint.core.types import is_inexact

LARGEST_RESULT: Final = 64
"""Elements up to which a result is watched."""


@dataclass(frozen=True)
class Operand:
    """What the operation was applied to.

    Attributes:
        name: of a parameter or an argument, or the operation that computed it.
        type: shape and dtype.
        range: the smallest and the largest finite number, and what is not finite.
    """

    name: str
    type: str
    range: str

    def __str__(self) -> str:
        return f"{self.type} {self.range}   {self.name}"


@dataclass(frozen=True)
class NonFinite:
    """Where the first value arose that made a result NaN or infinite.

    Attributes:
        result: the result or the gradient that is not finite.
        found: ``"NaN"`` or ``"inf"``: what the result is.
        began: what arose first; a NaN may come of an infinity.
        operation: that made it of finite operands; empty where an input was not finite already.
        phase: ``"forward"``, ``"backward"`` or ``"update"``: the pass that it belongs to.
        line: the user's line, as ``file:line``.
        text: of the line.
        operands: what the operation was applied to; or the input that was not finite.
    """

    result: str
    found: str
    began: str
    operation: str
    phase: str
    line: str
    text: str
    operands: tuple[Operand, ...]

    def __str__(self) -> str:
        if not self.operation:
            lines = [f"{self.result} is {self.found}: it was not finite when the call began:"]
        else:
            way = {"forward": "in the forward pass", "backward": "in the backward pass"}
            where = way.get(self.phase, "in the update")
            head = f"{self.result} is {self.found}: the first {self.began} came from"
            lines = [f"{head} {self.operation} {where}"]
        lines += [f"    {operand}" for operand in self.operands]
        if self.line:
            lines.append(f"  at {self.line}" + (f":   {self.text}" if self.text else ""))
        return "\n".join(lines)


def watched(types: Sequence[Any], results: int, gradients: int, swept: bool) -> tuple[int, ...]:
    """Which outputs of a staged call are watched: of a training step, small results and gradients.

    Args:
        types: of the outputs: results, assigned tensors, gradients.
        results: how many are results.
        gradients: how many are gradients.
        swept: whether there was a backward pass.
    """
    if not swept:
        return ()
    first = len(types) - gradients
    small = [k for k in range(results) if types[k].size <= LARGEST_RESULT]
    return tuple(k for k in (*small, *range(first, len(types))) if is_inexact(types[k].dtype))


@dataclass(slots=True)
class Seen:
    """What is remembered of a value: whether it has NaN or infinities, and its range."""

    nan: bool
    inf: bool
    range: str


def look(value: Any) -> Seen:
    """What is worth remembering of a value."""
    array = np.asarray(value)
    if array.size == 0:
        return Seen(False, False, "empty")
    if array.dtype.kind in "biu":
        return Seen(False, False, f"[{array.min()}, {array.max()}]")
    wide = np.abs(array) if array.dtype.kind == "c" else array.astype(np.float64, copy=False)
    nans, infs = np.isnan(wide), np.isinf(wide)
    finite = wide[~(nans | infs)]
    text = f"[{finite.min():.4g}, {finite.max():.4g}]" if finite.size else "nothing finite"
    for what, mask in (("NaN", nans), ("inf", infs)):
        n = int(mask.sum())
        text += f", {n} × {what}" if n else ""
    return Seen(bool(nans.any()), bool(infs.any()), text)


class Replay:
    """One call computed operation by operation, with what was seen of every value.

    Args:
        graph: the call as it was staged.
        inputs: arrays for its inputs.

    Attributes:
        outputs: the arrays of the outputs.
    """

    def __init__(self, graph: Graph, inputs: Sequence[Any]) -> None:
        self.graph = graph
        self.seen: dict[Node, Seen] = {}
        last: dict[Node, int] = {}
        for k, node in enumerate(graph.nodes):
            last.update((x, k) for x in node.inputs if x.__class__ is Node)
        keep = set(graph.outputs)
        env: dict[Node, Any] = dict(zip(graph.inputs, inputs, strict=True))
        env |= {node: tensor.value for node, tensor in graph.constants.items()}
        for node in env:
            self.seen[node] = look(env[node])
        with np.errstate(all="ignore"):
            for k, node in enumerate(graph.nodes):
                xs = [env[x] if x.__class__ is Node else x for x in node.inputs]
                env[node] = (
                    xs[0][node.op.index] if node.op.__class__ is Pick else node.op.value(*xs)
                )
                if node.dtype is not None:
                    self.seen[node] = look(env[node])
                for x in set(node.inputs) if node.dtype is not None else ():
                    if last.get(x) == k and x not in keep and x.__class__ is Node:
                        env.pop(x, None)
        self.outputs = [np.array(env[node]) for node in graph.outputs]

    def origin(self, output: int, result: str, names: Sequence[str]) -> NonFinite:
        """Where what is not finite in an output came from.

        Args:
            output: which.
            result: its name.
            names: of the inputs.
        """
        root = self.graph.outputs[output]
        nan = self._bad(root, True)
        first = self._first([root], nan)
        found = began = "NaN" if nan else "inf"
        if nan and first.op is not None:
            # an infinity that an operation made is the cause; one that was given may be a mask
            infinite = [x for x in first.inputs if x.__class__ is Node and self._bad(x, False)]
            cause = self._first(infinite, False) if infinite else first
            if cause is not first and cause.op is not None:
                first, began = cause, "inf"
        return self._described(first, (result, found, began), names)

    def _first(self, roots: list[Node], nan: bool) -> Node:
        """The oldest of the values that are not finite, and that something finite leads to."""
        bad = set(roots)
        stack = list(roots)
        while stack:
            for x in stack.pop().inputs:
                if x.__class__ is Node and x not in bad and self._bad(x, nan):
                    bad.add(x)
                    stack.append(x)
        ends = [n for n in bad if not any(x in bad for x in n.inputs)]
        return min(ends, key=lambda node: -1 if node.op is None else node.seq)

    def _bad(self, node: Node, nan: bool) -> bool:
        seen = self.seen.get(node)
        if seen is None:  # an operation with several outputs: one of them is bad
            return any(
                self._bad(n, nan)
                for n in self.graph.nodes
                if n.op.__class__ is Pick and n.inputs[0] is node
            )
        return seen.nan if nan else seen.inf

    def _described(self, node: Node, said: tuple[str, str, str], names: Sequence[str]) -> NonFinite:
        called = dict(zip(self.graph.inputs, names, strict=True))
        site = node.site
        line, text = ("", "") if site is None else (str(site), site.text)
        given = node in called or node in self.graph.constants
        shown = [node] if given else [x for x in node.inputs if x.__class__ is Node]
        operands = tuple(
            Operand(called.get(x, _source(x)), str(x.type), self.seen[x].range)
            for x in shown
            if x in self.seen
        )
        operation = "" if given else getattr(node.op, "name", "part")
        phase = PHASES[0] if given else PHASES[getattr(node, "phase", 0)]
        return NonFinite(*said, operation, phase, line, text, operands)


def _source(node: Node) -> str:
    """What an operand is called that is no input."""
    if node.name:
        return node.name
    if node.op is None:
        return "a constant"
    name = getattr(node.op, "name", "a part")
    return f"from {name}" + ("" if node.site is None else f" at {node.site}")
