"""What a recorded computation costs: operations forward and backward, bytes kept, and the peak.

Nothing is computed to find out. The forward pass is on the tape; the backward pass is staged: the
sweep's own steps run on types instead of arrays, and every operation that they apply is counted by
its card. So the numbers are those of the rules that will run, not of a table beside them.

What is counted, exactly:

- *Operations* are floating-point operations, a multiply-add being two. Forward, they are those of
  the nodes through which a gradient flows; work on constants alone is not on the tape.
- *Bytes* are those of arrays beyond the leaves: parameters and data are there anyway. A view takes
  none. Saved arrays are those that some node keeps for its derivative, each counted once.
- *The peak* takes a value to live until its last use on the tape, or as long as it is saved. So it
  holds for code that keeps no intermediate results in variables of its own. What NumPy allocates
  inside one operation and gives back before it returns is not seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from adjoint.backward import Cotangents, sweep, tracked_ancestors
from adjoint.core.bind import setting, staged_leaf
from adjoint.core.errors import NoGraph
from adjoint.core.graph import Deferred, Node, Pick, ancestors, next_seq
from adjoint.ops.families import Cast
from adjoint.ops.shape import Expand, Permute, Reshape
from adjoint.ops.slice import Slice

__all__ = ["Cost", "count", "flops"]

# The results of these share the memory of their operand, as a part of an output does.
VIEWS: Final = (Reshape, Permute, Expand, Slice, Pick)
FOREVER: Final = 1 << 62


@dataclass(frozen=True)
class Cost:
    """What one loss costs.

    Attributes:
        forward: floating-point operations of the forward pass.
        backward: those of the backward pass.
        saved_bytes: arrays that the graph keeps for the backward pass.
        gradient_bytes: gradients of the leaves.
        peak_bytes: the most that is alive at any time of the two passes, without the leaves.
    """

    forward: int
    backward: int
    saved_bytes: int
    gradient_bytes: int
    peak_bytes: int

    def finite_differences(self, n: int) -> int:
        """Operations for the gradient in `n` parameters by ``n + 1`` forward passes."""
        return (n + 1) * self.forward


def count(loss: Any) -> Cost:
    """What a loss has cost, and what its backward pass will.

    Args:
        loss: a tensor that depends on something that requires a gradient, before `backward`.

    Raises:
        NoGraph: if nothing was recorded, or `backward` has released it.

    Example:
        >>> from adjoint.cost import count
        >>> w = ad.tensor(np.ones((3, 2)), requires_grad=True)
        >>> cost = count(ad.sum(ad.matmul(np.ones((4, 3)), w)))
        >>> cost.forward, cost.backward, cost.saved_bytes, cost.gradient_bytes
        (56, 48, 0, 48)
    """
    if not loss.node.tracked:
        raise NoGraph("count: nothing that requires a gradient leads to this tensor")
    order = tracked_ancestors([loss.node])
    steps = list(_backward_steps(loss.node, order))
    lives = _Lives()
    lives.forward(order, loss.node)
    for step in steps:
        lives.backward(step)
    saved = {b for node in order for b in _held(node)}
    gradients = {_buffer(g) for step in steps if step.node.op is None for g in step.ct}
    return Cost(
        forward=flops(order),
        backward=sum(flops(step.created) for step in steps),
        saved_bytes=sum(map(_bytes, saved)),
        gradient_bytes=sum(map(_bytes, gradients)),
        peak_bytes=lives.peak(),
    )


def flops(nodes: Iterable[Node]) -> int:
    """Floating-point operations of these nodes, as their cards count them.

    Example:
        >>> from adjoint.cost import flops
        >>> x = ad.tensor([1.0, 2.0], requires_grad=True)
        >>> flops([(x * x).node])
        2
    """
    total = 0
    for node in nodes:
        if node.op is not None and node.op.__class__ is not Pick and not _is_mask(node):
            total += node.op.cost(*[x.type if x.__class__ is Node else x for x in node.inputs])
    return total


@dataclass(frozen=True)
class _Step:
    """One node's turn in the backward pass."""

    node: Node
    ct: list[Node]  # its cotangent; several for an operation with several outputs
    created: list[Node]  # the operations that its rule and the sums after it apply, in order
    stands_for: dict[Node, Node]  # the nodes that these refer to, and those that were meant


def _backward_steps(loss: Node, order: list[Node]) -> Iterator[_Step]:
    """The steps of the sweep, on types: what is computed is the graph of the backward pass.

    Each node's turn is a sweep of its own, over a copy of the node whose inputs are leaves.
    """
    cts: Cotangents = {loss: staged_leaf(loss.type)}
    for node in reversed(order):
        ct = cts.pop(node, None)
        if ct is None:
            continue
        since = next_seq()
        stands_for: dict[Node, Node] = {}
        touched: list[Any] = []
        if node.op is not None:
            copy = _copy(node, stands_for)
            with setting(staging=True, recording=False):
                for leaf, g in sweep([(copy, ct)], on_tensors=True).items():
                    x = stands_for[leaf]
                    cts[x] = _joined(cts[x], g) if x in cts else g
                    touched += _parts(cts[x])
        made = ancestors([h.node for h in touched], lambda node, since=since: node.seq > since)
        created = [node for node in made if node.op is not None and node not in stands_for]
        yield _Step(node, [h.node for h in _parts(ct)], created, stands_for)


def _copy(node: Node, stands_for: dict[Node, Node]) -> Node:
    leaves = {
        x: Node(None, (), None, int(x.tracked), x.shape, x.dtype, None, 0)
        for x in node.inputs
        if x.__class__ is Node
    }
    inputs = tuple(leaves[x] if x.__class__ is Node else x for x in node.inputs)
    saved = node.saved.recall() if isinstance(node.saved, Deferred) else node.saved
    copy = Node(node.op, inputs, saved, node.mask, node.shape, node.dtype, None, 0)
    stands_for.update({leaf: x for x, leaf in leaves.items()})
    stands_for[copy] = node
    return copy


def _joined(before: Any, g: Any) -> Any:
    """The sum of two cotangents; for an operation with several outputs, part by part."""
    if not isinstance(g, dict):
        return before + g
    both = {i: before[i] + g[i] for i in before.keys() & g.keys()}
    return before | g | both


def _parts(ct: Any) -> list[Any]:
    return list(ct.values()) if isinstance(ct, dict) else [ct]


def _buffer(node: Node) -> Node:
    """The node whose value owns the memory of this node's value."""
    while node.inputs and (isinstance(node.op, VIEWS) or _is_mask(node)):
        node = node.inputs[0]
    return node


def _is_mask(node: Node) -> bool:
    """Whether a node converts truth values to numbers, which NumPy does while it multiplies."""
    return node.op.__class__ is Cast and bool(node.inputs) and node.inputs[0].dtype == np.bool_


def _bytes(node: Node) -> int:
    """Bytes of a buffer; leaves take none, for they are there anyway."""
    if node.op is None:
        return 0
    return node.type.nbytes if node.dtype is not None else sum(t.nbytes for t in node.shape)


def _held(node: Node) -> set[Node]:
    """The buffers that a node keeps for its derivative."""
    saved = node.saved
    if saved is None or isinstance(saved, Deferred):
        return set()
    kept: list[Node] = [node] if isinstance(saved[0], np.ndarray | tuple) else []
    kept += [
        x
        for v, x in zip(saved[1:], node.inputs, strict=False)
        if x.__class__ is Node and isinstance(v, np.ndarray)
    ]
    return {_buffer(x) for x in kept}


class _Lives:
    """When each buffer is allocated and when it is last needed, on a clock of operations."""

    def __init__(self) -> None:
        self.now = 0
        self.born: dict[Node, int] = {}
        self.dies: dict[Node, int] = {}
        self.stands_for: dict[Node, Node] = {}

    def compute(self, node: Node) -> None:
        """One operation: its operands are needed while its result is made."""
        self.now += 1
        for x in (*node.inputs, node):
            if x.__class__ is Node:
                self.need(x, self.now)

    def need(self, node: Node, time: int) -> None:
        """A value is needed until this time."""
        owner = _buffer(self.stands_for.get(_buffer(node), node))
        self.born.setdefault(owner, self.now)
        self.dies[owner] = max(self.dies.get(owner, 0), time)

    def forward(self, order: list[Node], loss: Node) -> None:
        """The forward pass; the loss itself is kept."""
        for node in order:
            if node.op is not None:
                self.compute(node)
        self.need(loss, FOREVER)

    def backward(self, step: _Step) -> None:
        """One step of the sweep: the rule runs, then its cotangent and its saved values go."""
        if step.node.op is None:
            for gradient in step.ct:
                self.need(gradient, FOREVER)
            return
        self.stands_for = step.stands_for
        for node in step.created:
            self.compute(node)
        self.now += 1
        for node in (*step.ct, *_held(step.node)):
            self.need(node, self.now)

    def peak(self) -> int:
        """The most bytes that are alive at once."""
        begin: dict[int, int] = {}
        end: dict[int, int] = {}
        for node, time in self.born.items():
            begin[time] = begin.get(time, 0) + _bytes(node)
            end[self.dies[node]] = end.get(self.dies[node], 0) + _bytes(node)
        live = most = 0
        for time in range(self.now + 1):
            live += begin.get(time, 0)
            most = max(most, live)
            live -= end.get(time, 0)
        return most
