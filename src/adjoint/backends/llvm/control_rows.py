"""Steps of loops for a part of a batch: where examples do not meet, each part walks by itself.

An axis is followed through the graph of a step, from the carries to all outputs. If no operation
mixes what lies along it, the step is the same for fewer examples, and a worker can take its
examples through all steps without waiting for others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from adjoint.backends.llvm.groups import REDUCTIONS
from adjoint.core.graph import Node, Pick, leaf
from adjoint.core.program import Graph
from adjoint.core.types import Type
from adjoint.ops.bilinear import split
from adjoint.ops.contract import Contract
from adjoint.ops.join import Concat
from adjoint.ops.shape import Expand, Permute, Reshape
from adjoint.ops.slice import Pad, Slice
from adjoint.ops.stop import StopGradient
from adjoint.transforms.leaves import Alias

Axes = Sequence[int | None]


class Mixed(Exception):
    """The examples meet.

    Attributes:
        node: what would have to lie along the axis for them not to.
        axis: its axis.
    """

    def __init__(self, node: Node | None = None, axis: int = 0) -> None:
        super().__init__()
        self.node = node
        self.axis = axis


class Part:
    """A graph for `rows` of the `size` examples.

    Attributes:
        graph: the graph.
        axes: for each input, the axis along which examples lie; None where they share it.
    """

    def __init__(self, graph: Graph, size: int, rows: int, axes: dict[Node, int]) -> None:
        self.size, self.rows = size, rows
        self.forced = axes
        self.at: dict[Node, int | None] = {}
        self.new: dict[Node, Node] = {}
        for x in graph.inputs:
            self.at[x] = axes.get(x)
            self.new[x] = leaf(self._type(x))
        nodes: list[Node] = []
        for node in graph.nodes:
            op, self.at[node] = self._rule(node)
            xs = tuple([self.new[x] if isinstance(x, Node) else x for x in node.inputs])
            self.new[node] = applied(op, xs, node)
            wanted = self._type(node)
            if self.new[node].shape != wanted.shape:
                raise Mixed
            nodes.append(self.new[node])
        if any(self.at[o] != 0 for o in graph.outputs):
            raise Mixed
        inputs = tuple([self.new[x] for x in graph.inputs])
        self.graph = Graph(inputs, tuple(nodes), tuple([self.new[o] for o in graph.outputs]), {})
        self.axes = [self.at[x] for x in graph.inputs]

    def _type(self, node: Node) -> Type:
        """The type of a node in the part."""
        axis = self.at[node]
        shape = list(node.shape)
        if axis is not None:
            if axis >= len(shape) or shape[axis] != self.size:
                raise Mixed
            shape[axis] = self.rows
        dtype: Any = node.dtype
        return Type(tuple(shape), dtype)

    def _rule(self, node: Node) -> tuple[Any, int | None]:
        """The operation in the part, and the axis of its result."""
        if node.dtype is None or node.op.__class__ is Pick:
            raise Mixed
        xs = [x for x in node.inputs if isinstance(x, Node)]
        if all(self.at[x] is None for x in xs):
            if node not in self.forced:
                return node.op, None
            return self._spread(node, self.forced[node]), self.forced[node]
        if node.op.kind == "map":
            return node.op, self._map(node, xs)
        rule = _RULES.get(type(node.op))
        if rule is None:
            raise Mixed
        return rule(self, node, xs)

    def _spread(self, node: Node, axis: int) -> Any:
        """What is repeated for each example, repeated for fewer."""
        return Expand(self.changed(node.shape, axis), node.op.axes)

    def changed(self, shape: Sequence[int], axis: int) -> tuple[int, ...]:
        """A shape with so many rows along an axis."""
        return (*shape[:axis], self.rows, *shape[axis + 1 :])

    def _map(self, node: Node, xs: Sequence[Node]) -> int:
        axis = max(len(node.shape) - len(x.shape) + (self.at[x] or 0) for x in xs if self.lies(x))
        for x in xs:
            here = axis - len(node.shape) + len(x.shape)
            if self.lies(x) and self.at[x] == here:
                continue
            if self.lies(x):
                raise Mixed
            if here >= 0 and x.shape[here] != 1:
                raise Mixed(x, here)
        return axis

    def lies(self, x: Node) -> bool:
        """Whether a value lies along the axis of the examples."""
        return self.at[x] is not None


def parted(graph: Graph, size: int, rows: int, axes: dict[Node, int]) -> Part | None:
    """The graph for a part of the examples; None where they meet.

    Args:
        graph: a step.
        size: number of examples.
        rows: examples of a part.
        axes: the axis of those inputs that are known to have one.
    """
    known = dict(axes)
    for _ in range(len(graph.inputs) + len(graph.nodes)):
        try:
            return Part(graph, size, rows, known)
        except Mixed as mixed:
            node: Any = mixed.node
            if node is None or node in known:
                return None
            if node.op is not None and not (
                isinstance(node.op, Expand) and mixed.axis in node.op.axes
            ):
                return None
            known[node] = mixed.axis
    return None


def applied(op: Any, xs: tuple[Any, ...], like: Node) -> Node:
    """An operation on other operands than those of a node."""
    if op.__class__ is Pick:
        return Node(op, xs, None, 0, like.shape, like.dtype, like.code, like.offset)
    found = op.out_type(*[x.type if isinstance(x, Node) else x for x in xs])
    if isinstance(found, tuple):
        return Node(op, xs, None, 0, found, None, like.code, like.offset)
    return Node(op, xs, None, 0, found.shape, found.dtype, like.code, like.offset)


def copied(graph: Graph) -> Graph:
    """The same graph of new nodes, whose order is the order in which they were made."""
    new: dict[Node, Node] = {x: leaf(x.type) for x in graph.inputs}
    inputs = tuple(new.values())
    for node in graph.nodes:
        xs = tuple([new[x] if isinstance(x, Node) else x for x in node.inputs])
        new[node] = Node(node.op, xs, None, 0, node.shape, node.dtype, node.code, node.offset)
    nodes = tuple([new[node] for node in graph.nodes])
    return Graph(inputs, nodes, tuple([new[o] for o in graph.outputs]), {})


# -- operations that are not maps ------------------------------------------------------------------

Rule = Callable[[Part, Node, Sequence[Node]], tuple[Any, int | None]]


def _contract(part: Part, node: Node, xs: Sequence[Node]) -> tuple[Any, int | None]:
    *operands, out = split(node.op.spec)
    axes = zip(map(part.at.get, xs), operands, strict=True)
    letters = {spec[axis] for axis, spec in axes if axis is not None}
    (letter,) = letters if len(letters) == 1 else ("",)
    if not letter or letter not in out:
        raise Mixed
    for x, spec in zip(xs, operands, strict=True):
        if letter in spec and not part.lies(x):
            raise Mixed(x, spec.index(letter))
    return node.op, out.index(letter)


def _same(part: Part, node: Node, xs: Sequence[Node]) -> tuple[Any, int | None]:
    return node.op, part.at[xs[0]]


def _reduce(part: Part, node: Node, xs: Sequence[Node]) -> tuple[Any, int | None]:
    axis: Any = part.at[xs[0]]
    if axis in node.op.axes:
        raise Mixed
    return node.op, axis - sum(a < axis for a in node.op.axes)


def _slice(part: Part, node: Node, xs: Sequence[Node]) -> tuple[Any, int | None]:
    axis: Any = part.at[xs[0]]
    op = node.op
    if axis in op.drop or (op.starts[axis], op.sizes[axis], op.steps[axis]) != (0, part.size, 1):
        raise Mixed
    new = Slice(op.starts, part.changed(op.sizes, axis), op.steps, op.drop)
    return new, axis - sum(a < axis for a in op.drop)


def _permute(part: Part, node: Node, xs: Sequence[Node]) -> tuple[Any, int | None]:
    return node.op, node.op.order.index(part.at[xs[0]])


def _expand(part: Part, node: Node, xs: Sequence[Node]) -> tuple[Any, int | None]:
    kept = [a for a in range(len(node.op.shape)) if a not in node.op.axes]
    axis = kept[part.at[xs[0]] or 0]
    return Expand(part.changed(node.op.shape, axis), node.op.axes), axis


def _reshape(part: Part, node: Node, xs: Sequence[Node]) -> tuple[Any, int | None]:
    axis: Any = part.at[xs[0]]
    before = prod(xs[0].shape[:axis])
    for a, n in enumerate(node.shape):
        if n == part.size and prod(node.shape[:a]) == before:
            return Reshape(part.changed(node.shape, a)), a
    raise Mixed


def _concat(part: Part, node: Node, xs: Sequence[Node]) -> tuple[Any, int | None]:
    axis: Any = next(part.at[x] for x in xs if part.lies(x))
    for x in xs:
        if part.at[x] != axis or axis == node.op.axis:
            raise Mixed(None if part.lies(x) else x, axis)
    return node.op, axis


def _pad(part: Part, node: Node, xs: Sequence[Node]) -> tuple[Any, int | None]:
    axis: Any = part.at[xs[0]]
    if node.op.low[axis] or node.op.high[axis] or node.op.interior[axis]:
        raise Mixed
    return node.op, axis


_RULES: dict[type, Rule] = {
    Contract: _contract,
    Alias: _same,
    StopGradient: _same,
    Slice: _slice,
    Permute: _permute,
    Expand: _expand,
    Reshape: _reshape,
    Concat: _concat,
    Pad: _pad,
    **dict.fromkeys(REDUCTIONS, _reduce),
}
