"""Graph: a part of the tape with a beginning and an end; taken out, evaluated, printed.

A graph is what staging a function yields. It is made of the same nodes as the tape: inputs are
leaves, constants are tensors whose numbers were known when the function was staged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from adjoint.core.bind import make, setting
from adjoint.core.graph import Handle, Node, Pick
from adjoint.core.text import large_constants, print_graph, skeleton
from adjoint.core.types import Type
from adjoint.core.verify import verify


class Graph:
    """A staged function: nodes in the order in which they are computed.

    Attributes:
        inputs: the leaves that stand for the arguments.
        nodes: every operation, oldest first.
        outputs: the nodes of the results.
        constants: the known tensors that the nodes use, by node.
    """

    __slots__ = ("constants", "inputs", "nodes", "outputs")

    def __init__(
        self,
        inputs: tuple[Node, ...],
        nodes: tuple[Node, ...],
        outputs: tuple[Node, ...],
        constants: dict[Node, Any],
    ) -> None:
        self.inputs = inputs
        self.nodes = nodes
        self.outputs = outputs
        self.constants = constants

    @property
    def in_types(self) -> tuple[Type, ...]:
        """Types of the inputs."""
        return tuple(node.type for node in self.inputs)

    @property
    def out_types(self) -> tuple[Type, ...]:
        """Types of the outputs."""
        return tuple(node.type for node in self.outputs)

    def __len__(self) -> int:
        return len(self.nodes)

    def text(self, sites: bool = False) -> str:
        """One operation a line; `parse` reads it back.

        Args:
            sites: whether each line ends with the user's line as a comment.
        """
        return print_graph(self, sites)

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        """The same operations, wiring and constants; places and names make no difference."""
        if self is other or not isinstance(other, Graph):
            return self is other
        if skeleton(self) != skeleton(other):
            return False
        # a checksum is not enough where other constants could have the same
        mine, theirs = (list(large_constants(g).values()) for g in (self, other))
        return all(x is y or x.tobytes() == y.tobytes() for x, y in zip(mine, theirs, strict=True))

    def __hash__(self) -> int:
        return hash(skeleton(self))

    def verify(self) -> None:
        """Check order, wiring and types; raises GraphError."""
        verify(self)

    def svg(self) -> str:
        """A drawing of the graph: one self-contained SVG element."""
        from adjoint.core.draw import draw  # noqa: PLC0415  # late: few programs draw

        return draw(self)

    def _repr_svg_(self) -> str | None:
        from adjoint.core.draw import LARGEST, draw  # noqa: PLC0415

        return draw(self) if len(self.nodes) <= LARGEST else None  # notebooks then show the text

    def flops(self) -> int:
        """Floating-point operations of one evaluation, as the cards count them."""
        total = 0
        for node in self.nodes:
            if node.op.__class__ is not Pick:
                types = [x.type if x.__class__ is Node else x for x in node.inputs]
                total += node.op.cost(*types)
        return total

    def users(self) -> dict[Node, list[Node]]:
        """For each node, the nodes that use it: the graph walked in the other direction."""
        out: dict[Node, list[Node]] = {node: [] for node in (*self.inputs, *self.nodes)}
        for node in self.nodes:
            for x in node.inputs:
                if x.__class__ is Node:
                    out.setdefault(x, []).append(node)
        return out


def extract(inputs: Sequence[Handle], outputs: Sequence[Handle], since: int = -1) -> Graph:
    """The graph that computes `outputs` from `inputs`.

    The walk is iterative. It ends at inputs, at tensors whose numbers are known and at nodes that
    are older than `since` (they belong to a function around this one); those become constants.
    """
    begin = {x.node for x in inputs}
    constants: dict[Node, Any] = {}
    seen: set[Node] = set()
    stack: list[Node] = []
    for out in outputs:
        if out.node in begin:
            continue
        if out.known or _older(out.node, since):
            constants[out.node] = out
        else:
            stack.append(out.node)
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        for i, x in enumerate(node.inputs):
            if x.__class__ is not Node or x in begin or x in seen:
                continue
            value = node.saved[i + 1] if isinstance(node.saved, tuple) else None
            known = value is not None and value.__class__ not in (Type, tuple, Node)
            if known or x.op is None or _older(x, since):
                constants[x] = make(value if known else x.type, x)
            else:
                stack.append(x)
    nodes = tuple(sorted(seen, key=lambda node: node.seq))
    return Graph(tuple(x.node for x in inputs), nodes, tuple(o.node for o in outputs), constants)


def _older(node: Node, since: int) -> bool:
    """Whether a node belongs to a function around; a pick belongs where it picks from."""
    return (node.inputs[0] if node.op.__class__ is Pick and node.inputs else node).seq < since


def evaluate(
    graph: Graph,
    args: Sequence[Any],
    apply: Callable[[Node, list[Any]], Any] | None = None,
    constant: Callable[[Any], Any] | None = None,
) -> list[Any]:
    """The outputs of a graph for these arguments: the reference interpreter.

    Args:
        graph: what to evaluate.
        args: a value for each input: tensors, or plain arrays for a computation without a tape.
        apply: computes one node from the values of its inputs; applying its operation by default.
        constant: converts the graph's constants, such as to plain arrays.
    """
    env: dict[Node, Any] = dict(zip(graph.inputs, args, strict=True))
    for node, tensor in graph.constants.items():
        env[node] = tensor if constant is None else constant(tensor)
    for node in graph.nodes:
        if node.op.__class__ is Pick:
            env[node] = env[node.inputs[0]][node.op.index]
            continue
        xs = [env[x] if x.__class__ is Node else x for x in node.inputs]
        if apply is not None:
            env[node] = apply(node, xs)
        else:
            with setting(site=node.site):
                env[node] = node.op(*xs)
    return [env[node] for node in graph.outputs]
