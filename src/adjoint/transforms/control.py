"""What the cards of control flow share: functions as closed graphs, and what is made of them.

A control card holds the graphs of the functions that it calls. They are closed: tensors that a
function used from outside are inputs of its graph and operands of the card, so gradients and batch
axes reach them, and the card itself holds no numbers. Everything else about the card follows from
its graphs: here they are staged, closed, run on arrays, batched, pulled back and pushed forward.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from adjoint.backward import sweep
from adjoint.core.bind import lift, setting, staged_leaf
from adjoint.core.errors import DTypeError, ShapeError
from adjoint.core.graph import Handle, Node, Pick, next_seq
from adjoint.core.primitive import Primitive
from adjoint.core.program import Graph, evaluate, extract
from adjoint.core.site import Site
from adjoint.core.types import Type, is_inexact
from adjoint.ops.arithmetic import ADD
from adjoint.ops.shape import Expand
from adjoint.transforms.batch import Batched, apply_batched
from adjoint.ops.stop import STOP
from adjoint.transforms.forward import pushforward

Flags = tuple[bool, ...]
Run = Callable[[Sequence[Any]], list[Any]]


class AbstractControl(Primitive):
    """An operation that calls functions: it holds their graphs, and its rules follow from theirs.

    ``vjp(ct, out, *xs, mask)`` is told which operands are differentiated; what it makes of the
    graphs is made once for each such choice, and kept in `made`.
    """

    kind = "control"
    takes = ""  # the graphs were staged for one dtype of each operand
    own_savers = True
    sparse_ct = True

    vjp: ClassVar[Any] = None

    @functools.cached_property
    def made(self) -> dict[Any, Any]:
        """Cards that were made of this one, by what they were made for."""
        return {}

    def lean(self, used: set[int]) -> Primitive:
        """The same operation without trailing outputs that nothing uses."""
        return self

    def pull(self, ct: Any, out: Any, xs: tuple[Any, ...], mask: int) -> Sequence[Any]:
        return self.vjp(ct, out, *xs, mask=mask)

    def coerce(self, xs: tuple[Any, ...]) -> tuple[Any, ...]:
        return xs if all(isinstance(x, Handle) for x in xs) else tuple(map(lift, xs))


def check_types(found: Sequence[Any], wanted: Sequence[Type], names: Sequence[str]) -> None:
    """Refuse operands of other types than those for which the graphs were staged."""
    if len(found) != len(wanted):
        raise ShapeError(f"takes {len(wanted)} operands, got {len(found)}")
    for x, t, name in zip(found, wanted, names, strict=True):
        if Type.of(x) != t:
            error = ShapeError if tuple(x.shape) != t.shape else DTypeError
            raise error(f"{name} must be {t}, got {Type.of(x)}")


# -- from functions to closed graphs -----------------------------------------------------------------


def staged(
    call: Callable[[list[Any]], tuple[list[Any], Any]], types: Iterable[Type], site: Site
) -> tuple[Graph, Any]:
    """The graph of a call on values of these types, and what else the call returned."""
    leaves = [staged_leaf(t, is_inexact(t.dtype), site) for t in types]
    since = leaves[0].node.seq if leaves else next_seq()
    with setting(recording=True):
        outs, rest = call(leaves)
    return extract(leaves, outs, since), rest


def close(graphs: Sequence[Graph], user: bool = False) -> tuple[list[Graph], list[Any]]:
    """Graphs whose first inputs are what they used from outside, the same for all, and that.

    The nodes are new ones: those that were staged hold on to the numbers that they met.

    Args:
        graphs: as they were staged.
        user: whether they come from functions of the user, in which `no_grad` may have been on:
            such results get a StopGradient, because graphs are differentiated when they are run.

    Returns:
        The graphs, and tensors (with their history) for `user`, else arrays, for their new inputs.
    """
    held: dict[Node, Any] = {}
    for graph in graphs:
        held |= graph.constants
    tensors = list(held.values())
    values = tensors if user else [np.asarray(x.value) for x in tensors]
    return [_closed(graph, list(held), user) for graph in graphs], values


def _closed(graph: Graph, held: Sequence[Node], user: bool) -> Graph:
    env: dict[Node, Node] = {node: blank(node.type) for node in (*held, *graph.inputs)}
    inputs = tuple(env.values())
    nodes: list[Node] = []
    picked: dict[Node, set[int]] = {}
    for node in graph.nodes:
        if node.op.__class__ is Pick:
            picked.setdefault(node.inputs[0], set()).add(node.op.index)
    hidden: set[Node] = set()
    for node in graph.nodes:
        op = node.op
        if isinstance(op, AbstractControl):
            op = op.lean(picked.get(node, set()))
        xs = tuple(env[x] if x.__class__ is Node else x for x in node.inputs)
        nodes.append(_applied(op, xs, node))
        env[node] = nodes[-1]
        if not user or node.tracked:
            continue
        if any(x in hidden or x.tracked for x in node.inputs if x.__class__ is Node):
            if node.dtype is None:
                hidden.add(node)
            elif is_inexact(node.dtype):
                nodes.append(_applied(STOP, (env[node],), node))
                env[node] = nodes[-1]
    return Graph(inputs, tuple(nodes), tuple(env[o] for o in graph.outputs), {})


def _applied(op: Any, xs: tuple[Any, ...], like: Node) -> Node:
    """A node that holds no values, of the type and from the place of another."""
    shape = like.shape
    if like.dtype is None and op is not like.op:
        shape = op.out_type(*[x.type if x.__class__ is Node else x for x in xs])
    return Node(op, xs, None, 0, shape, like.dtype, like.code, like.offset)


def blank(t: Type) -> Node:
    """A new input of a graph."""
    return staged_leaf(t).node


def plus(x: Node, y: Node) -> Node:
    """A node for the sum of two of the same type."""
    return Node(ADD, (x, y), None, 0, x.shape, x.dtype, None, 0)


def used_in(nodes: Iterable[Node], outputs: Iterable[Node]) -> set[Node]:
    """The nodes that others of a graph, or its outputs, refer to."""
    return {x for node in nodes for x in node.inputs if x.__class__ is Node} | set(outputs)


# -- what becomes of closed graphs -------------------------------------------------------------------


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
    while True:
        outs = reached(body, now)
        before = sum(now)
        for i in range(n_carry):
            if outs[i] and (not smooth or is_inexact(body.inputs[first + i].dtype)):  # type: ignore[arg-type]
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
    full = [lift(zeros(outs[j].node.type)) if d is None else d for j, d in zip(wanted, found, strict=True)]
    return _between([*xs, *dots], dict(enumerate([*outs, *full])))


def _between(inputs: Sequence[Any], results: dict[int, Any]) -> tuple[Graph, dict[int, int]]:
    """The graph from inputs to those results that are there, and their positions."""
    there = {i: x for i, x in results.items() if x is not None}
    since = inputs[0].node.seq if inputs else next_seq()
    graph = extract(inputs, list(there.values()), since)
    return graph, {i: k for k, i in enumerate(there)}


def zeros(t: Type) -> Any:
    """Zeros of a type, without the memory."""
    return np.broadcast_to(np.zeros((), t.dtype), t.shape)
