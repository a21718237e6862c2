"""What becomes of closed graphs: run on arrays, batched, pulled back and pushed forward."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from adjoint.backward import sweep
from adjoint.core.bind import lift, setting, staged_leaf
from adjoint.core.graph import Node, Pick, next_seq
from adjoint.core.program import Graph, evaluate, extract
from adjoint.core.types import Type, is_inexact
from adjoint.ops.arithmetic import ADD
from adjoint.ops.shape import Expand
from adjoint.transforms.batch import Batched, apply_batched
from adjoint.transforms.forward import pushforward

Flags = tuple[bool, ...]
Run = Callable[[Sequence[Any]], list[Any]]


def blank(t: Type) -> Node:
    """A new input of a graph."""
    return staged_leaf(t).node


def plus(x: Node, y: Node) -> Node:
    """A node for the sum of two of the same type."""
    return Node(ADD, (x, y), None, 1, x.shape, x.dtype, None, 0)


def used_in(nodes: Iterable[Node], outputs: Iterable[Node]) -> set[Node]:
    """The nodes that others of a graph, or its outputs, refer to."""
    return {x for node in nodes for x in node.inputs if x.__class__ is Node} | set(outputs)


def runner(graph: Graph) -> Run:
    """A function from arrays to arrays: the graph with its wiring resolved."""
    literals = [x for node in graph.nodes for x in node.inputs if x.__class__ is not Node]
    at: dict[Node, int] = {node: i for i, node in enumerate(graph.inputs)}
    first = len(at) + len(literals)
    at |= {node: first + i for i, node in enumerate(graph.nodes)}
    free = iter(range(len(graph.inputs), first))
    steps: list[tuple[Any, list[int]]] = []
    for node in graph.nodes:
        op = node.op
        f = operator.itemgetter(op.index) if op.__class__ is Pick else op.value
        steps.append((f, [at[x] if x.__class__ is Node else next(free) for x in node.inputs]))
    outputs = [at[node] for node in graph.outputs]

    def run(xs: Sequence[Any]) -> list[Any]:
        env = [*xs, *literals]
        for f, where in steps:
            env.append(f(*[env[i] for i in where]))
        return [env[i] for i in outputs]

    return run


def reached(graph: Graph, flags: Sequence[bool]) -> Flags:
    """For each output, whether it depends on a flagged input."""
    marked = {node for node, flag in zip(graph.inputs, flags, strict=True) if flag}
    for node in graph.nodes:
        if any(x in marked for x in node.inputs if x.__class__ is Node):
            marked.add(node)
    return tuple(node in marked for node in graph.outputs)


def settled(
    body: Graph, first: int, n_carry: int, flags: Sequence[bool], smooth: bool = False
) -> Flags:
    """The flags with every carry flagged that comes to depend on a flagged input in some step.

    Args:
        body: a step; carries are its inputs from position `first` on, and its first outputs.
        first: position of the first carry among the inputs.
        n_carry: number of carries.
        flags: for each input.
        smooth: whether only floats and complex numbers hand a flag on.
    """
    now = list(flags)
    types = body.in_types
    while True:
        outs = reached(body, now)
        before = sum(now)
        for i in range(n_carry):
            if outs[i] and (not smooth or is_inexact(types[first + i].dtype)):
                now[first + i] = True
        if sum(now) == before:
            return tuple(now)


def batched_graph(
    graph: Graph, size: int, flags: Sequence[bool], forced: Sequence[bool] = ()
) -> tuple[Graph, Flags]:
    """The graph for inputs of which some have a batch axis in front.

    Returns:
        The graph, not closed, and which of its outputs have the batch axis: those that depend on
        the batch, and the `forced` ones.
    """
    types = [
        Type((size, *t.shape), t.dtype) if flag else t
        for t, flag in zip(graph.in_types, flags, strict=True)
    ]
    with setting(staging=False, site=None):
        leaves = [staged_leaf(t) for t in types]
        xs = [Batched(x) if flag else x for x, flag in zip(leaves, flags, strict=True)]
        outs = evaluate(graph, xs, functools.partial(apply_batched, size))
        for j, on in enumerate(forced):
            if on and not isinstance(outs[j], Batched):
                outs[j] = Batched(expanded(size, lift(outs[j])))
    plain = [lift(o.x if isinstance(o, Batched) else o) for o in outs]
    since = leaves[0].node.seq if leaves else next_seq()
    return extract(leaves, plain, since), tuple(isinstance(o, Batched) for o in outs)


def expanded(size: int, x: Any) -> Any:
    """The value with a new first axis, along which it is repeated."""
    return Expand((size, *x.shape), (0,))(x)


def pulled(
    graph: Graph, wanted: Sequence[int], seeded: Sequence[int]
) -> tuple[Graph, dict[int, int]]:
    """The pullback of a closed graph, computed forward and backward in one graph.

    Args:
        graph: a closed graph.
        wanted: inputs to differentiate.
        seeded: outputs whose cotangents are given.

    Returns:
        A graph of the inputs and of those cotangents, and the position among its outputs of the
        gradient of each wanted input; an input that gets none is not listed.
    """
    with setting(recording=True, staging=False, site=None):
        xs = [staged_leaf(t, i in wanted) for i, t in enumerate(graph.in_types)]
        cts = [staged_leaf(graph.outputs[j].type) for j in seeded]
        outs = [lift(o) for o in evaluate(graph, xs)]
        seeds = [
            (outs[j].node, ct) for j, ct in zip(seeded, cts, strict=True) if outs[j].node.tracked
        ]
        found = sweep(seeds, [xs[i].node for i in wanted], on_tensors=True)
    return _between([*xs, *cts], {i: found.get(xs[i].node) for i in wanted})


def pushed(
    graph: Graph, moved: Sequence[int], wanted: Sequence[int], whole: bool = False
) -> tuple[Graph, dict[int, int]]:
    """The pushforward of a closed graph: a graph of its inputs and of tangents of some of them.

    Args:
        graph: a closed graph.
        moved: inputs whose tangents are given.
        wanted: outputs whose tangents are asked for.
        whole: whether it gives the outputs themselves as well, before all of the tangents.

    Returns:
        The graph, and the position among its outputs of each tangent that is not zero.
    """
    with setting(recording=True, staging=False, site=None):
        xs = [staged_leaf(t, i in moved) for i, t in enumerate(graph.in_types)]
        dots = [staged_leaf(graph.inputs[i].type) for i in moved]
        outs = [lift(o) for o in evaluate(graph, xs)]
        starts = {xs[i].node: dot for i, dot in zip(moved, dots, strict=True)}
        found = pushforward([outs[j] for j in wanted], starts)
    if not whole:
        return _between([*xs, *dots], dict(zip(wanted, found, strict=True)))
    for j, dot in zip(wanted, found, strict=True):
        outs.append(lift(zeros(outs[j].node.type)) if dot is None else dot)
    return _between([*xs, *dots], dict(enumerate(outs)))


def _between(inputs: Sequence[Any], results: dict[int, Any]) -> tuple[Graph, dict[int, int]]:
    """The graph from inputs to those results that are there, and their positions."""
    there = {i: x for i, x in results.items() if x is not None}
    since = inputs[0].node.seq if inputs else next_seq()
    graph = extract(inputs, list(there.values()), since)
    return graph, {i: k for k, i in enumerate(there)}


def zeros(t: Type) -> Any:
    """Zeros of a type, without the memory."""
    return np.broadcast_to(np.zeros((), t.dtype), t.shape)
