"""Arrangements: where every value of a graph will lie, decided without code and without an array.

A program is an arrangement with code; a plan needs nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from adjoint.backends.llvm.groups import Group, Grouping
from adjoint.backends.llvm.indices import indices
from adjoint.backends.llvm.layout import View
from adjoint.backends.llvm.loops import operand_dtype
from adjoint.backends.llvm.nest import ll
from adjoint.backends.llvm.scalar_cards import known
from adjoint.core.graph import Node
from adjoint.core.program import Graph
from adjoint.passes.memory import Life, arrange

FIRST = 3
"""Slots before those of values: the address of the arena, of the table of `watch`, its length."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value lies: a slot of the block, and bytes from its address."""

    slot: int
    offset: int = 0


def fits(node: Node) -> bool:
    """Whether the back end has a loop for a node."""
    if node.dtype is None or ll(node.dtype) is None:
        return False
    types = [x.dtype for x in node.inputs if isinstance(x, Node)]
    if any(t is None or ll(t) is None for t in types):
        return False
    if node.op.kind == "map":
        return known(node.op, operand_dtype(node), node.dtype)
    return True


class Arrangement:
    """Which groups compute a graph, and a place for every value.

    Args:
        graph: what to compute.
        donated: for an input, the output that may take its place in memory.

    Attributes:
        grouping: the groups.
        places: where each value that is stored lies; slot 0 is the arena.
        scratches: where the memory lies that a group needs while it runs.
        moves: copies at the end: from where, to where, bytes.
        kept: what lies in the arena: values, and groups for the memory that they need.
        lives: how large each of these is, and from which group to which it is needed.
        arena_size: bytes.
        risky: position of the last group that may fail.
    """

    def __init__(self, graph: Graph, donated: dict[int, int] | None = None) -> None:
        self.graph = graph
        self.grouping = Grouping(graph, fits)
        self.donated = donated or {}
        self.used_constants = [n for n in self.grouping.constants if n in self._bases()]
        self._slots: dict[Node, int] = {}
        for node in (*self.used_constants, *graph.inputs):
            self._slots[node] = FIRST + len(self._slots)
        self.first_input = FIRST + len(self.used_constants)
        self.first_output = self.first_input + len(graph.inputs)
        self.places: dict[Node, Place] = {n: Place(s) for n, s in self._slots.items()}
        self.scratches: dict[Group, Place] = {}
        self.moves: list[tuple[Place, Place, int]] = []
        self.lives: list[Life] = []
        self.arena_size = 0
        self._arrange()

    def _bases(self) -> set[Node]:
        views = [x for g in self.grouping.groups for m in g.members for x in self._views(m)]
        return {v.base for v in views}

    def _views(self, node: Node) -> list[View]:
        return [x for x in self.grouping.operands(node) if isinstance(x, View)]

    def _arrange(self) -> None:
        grouping = self.grouping
        last: dict[Node, int] = {}
        readers: dict[Node, list[Group]] = {}
        for group in grouping.groups:
            for member in group.members:
                for view in self._views(member):
                    last[view.base] = group.position
                    if group not in readers.setdefault(view.base, []):
                        readers[view.base].append(group)
        end = len(grouping.groups)
        # what may fail comes before everything that changes memory in place
        risky = [
            g.position
            for g in grouping.groups
            if (g.kind != "loop" and g.plan is None) or indices(g, grouping)
        ]
        self.risky = max(risky, default=-1)
        wanted = {out: inp for inp, out in self.donated.items()}
        for k, base in enumerate(grouping.outputs):
            target = Place(self.first_output + k)
            if k in wanted:
                old = self.graph.inputs[wanted[k]]
                if not self._may_replace(old, base, readers.get(old, [])):
                    self.moves.append((Place(-1), target, self._bytes(base)))
                    last[base] = end
                    self.places[base] = Place(-1 - len(self.moves))
                    continue
                self.places[base] = target = self.places[old]
                continue
            self.places[base] = target
        kept: list[Node | Group] = []
        lives = self.lives
        for group in grouping.groups:
            if group.plan is not None and group.plan.scratch:
                kept.append(group)
                lives.append(Life(group.plan.scratch, group.position, group.position))
            for node in group.stored:
                place = self.places.get(node)
                if place is None or place.slot < 0:
                    kept.append(node)
                    until = last.get(node, group.position)
                    lives.append(Life(self._bytes(node), group.position, until))
        self.kept = kept
        offsets, self.arena_size = arrange(lives)
        for node, offset in zip(kept, offsets, strict=True):
            if isinstance(node, Group):
                self.scratches[node] = Place(0, offset)
                continue
            before = self.places.get(node)
            self.places[node] = Place(0, offset)
            if before is not None:
                _, target, size = self.moves[-2 - before.slot]
                self.moves[-2 - before.slot] = (self.places[node], target, size)

    @staticmethod
    def _bytes(node: Node) -> int:
        assert node.dtype is not None
        return node.size * node.dtype.itemsize

    def _may_replace(self, old: Node, new: Node, readers: Sequence[Group]) -> bool:
        """Whether a value may be written over an input: nobody reads that afterwards."""
        home = self.grouping.home.get(new)
        if home is None or home.position < self.risky:
            return False
        if home is None or home.kind != "loop":
            return home is not None and all(g.position < home.position for g in readers)
        for group in readers:
            if group.position > home.position:
                return False
            if group is home and (home.reduced or not self._in_step(group, old)):
                return False
        return True

    def _in_step(self, group: Group, old: Node) -> bool:
        """Whether a group reads an input only where it stands."""
        return all(
            v.base is not old or (v.contiguous and v.size == old.size and v.shape == m.shape)
            for m in group.members
            for v in self._views(m)
        )
