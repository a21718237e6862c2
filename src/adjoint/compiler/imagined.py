"""Staging for a plan: the model may be made inside of the function, and has no numbers then.

What exists when the forward pass begins is an input: arguments and tensors from outside, as when a
function is compiled, and also parameters and state that the function has made before. The forward
pass begins with the first operation on something that wants a gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from adjoint.core.bind import make, setting, staged_leaf
from adjoint.core.capture import Capture
from adjoint.core.graph import Handle, Node, ancestors
from adjoint.core.program import Graph, extract
from adjoint.core.site import here
from adjoint.core.types import Type
from adjoint.ops.stop import StopGradient
from adjoint.transforms.leaves import tensors


class Imagining(Capture):
    """A capture under which large new tensors have no numbers.

    Attributes:
        rebound: tensors made meanwhile that were assigned to, with the nodes that they stood for.
    """

    imagines: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self.rebound: dict[int, tuple[Handle, list[Node]]] = {}

    def write(self, x: Handle) -> None:
        """Note that a tensor is about to stand for another value."""
        if id(x) not in self._before and not self.outside(x):
            self.rebound.setdefault(id(x), (x, []))[1].append(x.node)
        super().write(x)


@dataclass(frozen=True)
class Imagined:
    """One call of a function for a plan.

    Attributes:
        graph: the computation. Inputs are arguments, tensors from outside, gradients that are read,
            what the function made before its forward pass; outputs are results, assigned tensors,
            gradients that are set.
        donated: for an input, the output that takes its place in memory.
        arguments: how many inputs are arguments.
        results: how many outputs belong to the result.
        gradients: how many outputs are gradients.
        swept: whether there was a backward pass.
    """

    graph: Graph
    donated: dict[int, int]
    arguments: int
    results: int
    gradients: int
    swept: bool


def imagine(
    f: Callable[..., Any], structure: Any, types: list[Type], tracked: list[bool]
) -> Imagined:
    """Stage one call without numbers.

    Args:
        f: the function.
        structure: puts tensors into ``(args, kwargs)``.
        types: of the tensors among the arguments.
        tracked: whether each of them wants a gradient.

    Raises:
        TracerLeak: if the function asks for the number behind a tensor.
    """
    site = here()
    capture = Imagining()
    arguments = [staged_leaf(t, on, site) for t, on in zip(types, tracked, strict=True)]
    try:
        with setting(staging=True, capture=capture):
            args, kwargs = structure.rebuild(arguments)
            outs, _ = tensors(f(*args, **kwargs), "plan: the result")
            assigned, graded = capture.results()
            gradients = [g for _, g in graded if g is not None]
            held = [make(value, node) for _, value, node in assigned]
            kept = {id(x): node for x, node in capture.inputs}
    finally:
        capture.restore()
    outside = [node for _, node in capture.inputs]
    outside += [node for node in capture.gradients.values() if node is not None]
    given = [x.node for x in arguments] + outside
    rebound = [(x.node, before) for x, before in capture.rebound.values()]
    roots = [h.node for h in (*outs, *held, *gradients)] + [node for node, _ in rebound]
    made = _made(roots, given, capture.since)
    state = [(_within(before, made), node) for node, before in rebound]
    state = [(old, node) for old, node in state if old is not None and node is not old]
    inputs = [*given, *made]
    new = [make(node.type, node) for _, node in state]
    graph = extract([make(n.type, n) for n in inputs], [*outs, *held, *new, *gradients])
    for node in graph.nodes:
        node.phase = capture.phase(node)
    position = {node: k for k, node in enumerate(inputs)}
    donated = {
        position[kept[id(x)]]: len(outs) + k
        for k, (x, _, _) in enumerate(assigned)
        if id(x) in kept
    }
    first = len(outs) + len(held)
    donated |= {position[old]: first + k for k, (old, _) in enumerate(state)}
    return Imagined(graph, donated, len(arguments), len(outs), len(gradients), bool(capture.sweeps))


def _made(roots: Iterable[Node], given: list[Node], since: int) -> list[Node]:
    """What was made inside before the forward pass began, as far as it is used from then on."""
    known = set(given)
    order = ancestors(roots, lambda node: node.seq >= since and node not in known)
    if not any(node.op is None and node.tracked for node in order):
        return []  # the model was made outside
    # what an argument or a tensor from outside leads to, but for random bits: they are first values
    fed: set[Node] = {node for node in given if node.dtype != np.uint32 or node.shape != (4,)}
    start = None
    for node in order:
        if node.op is not None:
            if any(x in fed for x in node.inputs):
                fed.add(node)
            if start is None and _begins(node):
                start = node.seq
    if start is None:
        return []
    before = {node for node in order if node.seq < start and node not in fed}
    used = [x for node in order if node not in before for x in node.inputs if x in before]
    used += [node for node in roots if node in before]
    return list(dict.fromkeys(used))


def _begins(node: Node) -> bool:
    """Whether a node computes something from what wants a gradient."""
    return node.op.__class__ is not StopGradient and any(
        x.__class__ is Node and x.tracked for x in node.inputs
    )


def _within(before: list[Node], made: list[Node]) -> Node | None:
    """The last of the nodes that a tensor stood for, among those made before the forward pass."""
    known = set(made)
    return next((node for node in reversed(before) if node in known), None)
