"""Common subexpressions: the same operation on the same operands is computed once.

Two operations are the same if their cards are equal, their operands are the same nodes, and their
Python numbers are equal in type and to the sign of zero: ``x * 1``, ``x * 1.0`` and ``x * True``
differ. Sums and products may have their operands in either order. Constants are one if their bytes
are. All cards are functions of their operands: random numbers are computed from a state that is an
operand, so equal draws are equal numbers, too.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from adjoint.core.graph import Node
from adjoint.core.program import Graph
from adjoint.core.text import checksum
from adjoint.core.types import Type
from adjoint.ops.arithmetic import Add, Multiply
from adjoint.passes.rewrite import NO_RULES, rewrite

COMMUTE: Final = (Add, Multiply)
"""Cards whose operands may be exchanged: to the bit, but for which of two NaNs comes out."""
SAMPLED: Final = 4096
"""Elements of a constant that its checksum is taken of; candidates are compared in full."""


class Pool:
    """The operations and constants of a graph in the making, by what makes them equal."""

    def __init__(self) -> None:
        self.made: dict[Any, Node] = {}
        self.cards: dict[int, tuple[Any, Any]] = {}
        self.distinct: dict[Any, Any] = {}
        self.constants: dict[Any, list[tuple[Node, Any]]] = {}

    def find(self, op: Any, xs: tuple[Any, ...]) -> Node | None:
        """The node that was made of an equal operation on these operands."""
        return self.made.get(self._key(op, xs))

    def add(self, op: Any, xs: tuple[Any, ...], node: Node) -> None:
        """Remember a node."""
        self.made[self._key(op, xs)] = node

    def _key(self, op: Any, xs: tuple[Any, ...]) -> tuple[Any, ...]:
        parts = [_operand(x) for x in xs]
        if op.__class__ in COMMUTE and hash(parts[0]) > hash(parts[1]):
            parts.reverse()
        return (self._card(op), *parts)

    def _card(self, op: Any) -> Any:
        """A number for equal cards. Comparing graphs is dear: a loop is equal to itself alone."""
        known = self.cards.get(id(op))
        if known is None:
            one = op
            if getattr(op, "kind", "") != "control":
                try:
                    one = self.distinct.setdefault(op, op)
                except TypeError:  # a field has no hash
                    one = op
            # the card is kept, so that no other gets its number
            known = self.cards[id(op)] = op, id(one)
        return known[1]

    def constant(self, node: Node, array: Any) -> Node:
        """The first constant with the same bytes, or this one."""
        if array.__class__ is Type:
            return node
        key = array.shape, array.dtype, _sample(array)
        alike = self.constants.setdefault(key, [])
        for other, there in alike:
            if (
                there is array
                or array.size <= SAMPLED
                or np.array_equal(_bytes(there), _bytes(array))
            ):
                return other
        alike.append((node, array))
        return node


def _operand(x: Any) -> Any:
    return x if x.__class__ is Node else (x.__class__, repr(x))


def _sample(array: Any) -> Any:
    if array.size <= SAMPLED:
        return array.tobytes()
    flat = array.reshape(-1)
    return checksum(flat[:: flat.size // SAMPLED])


def _bytes(array: Any) -> Any:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def cse(graph: Graph) -> Graph:
    """The graph without repeated operations and constants.

    Exact: the node that stays computes the very numbers of those that go. It keeps its own line of
    the user's program, which is the first of theirs.
    """
    return rewrite(graph, NO_RULES, Pool)
