"""Arrangements: where every value of a graph will lie, decided without code and without an array.

A program is an arrangement with code; a plan needs nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from adjoint.backends.llvm.extent import extent_of
from adjoint.backends.llvm.groups import Group, Grouping
from adjoint.backends.llvm.indices import indices
from adjoint.backends.llvm.layout import View
from adjoint.backends.llvm.loops import operand_dtype
from adjoint.backends.llvm.nest import ll
from adjoint.backends.llvm.rewrites import REWRITES
from adjoint.backends.llvm.scalar_cards import known
from adjoint.core.graph import Node
from adjoint.core.program import Graph
from adjoint.passes.memory import Life, aligned, arrange

FIRST = 3
"""Slots before those of values: the address of the arena, of the table of `watch`, its length."""
COPIED = 1 << 20
"""Bytes up to which a value is copied at the end, rather than changed before results are seen."""


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
    if node.op.kind == "map" and type(node.op) not in REWRITES:
        return known(node.op, operand_dtype(node), node.dtype)
    return True


class Arrangement:
    """Which groups compute a graph, and a place for every value.

    Args:
        graph: what to compute.
        donated: for an input, the output that may take its place in memory.
        views: how inputs lie that are not in order.
        watched: outputs that are looked at before anything changes: small ones come before that.

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

    def __init__(
        self,
        graph: Graph,
        donated: dict[int, int] | None = None,
        views: Mapping[Node, View] | None = None,
        watched: Sequence[int] = (),
    ) -> None:
        self.graph = graph
        self.watched = watched
        self.grouping = Grouping(graph, fits, views)
        self.donated = donated or {}
        bases = self._bases()
        self.used_constants = [n for n in self.grouping.constants if n in bases]
        self._slots: dict[Node, int] = {}
        for node in (*self.used_constants, *graph.inputs):
            self._slots[node] = FIRST + len(self._slots)
        self.first_input = FIRST + len(self.used_constants)
        self.first_output = self.first_input + len(graph.inputs)
        self.places: dict[Node, Place] = {n: Place(s) for n, s in self._slots.items()}
        self.scratches: dict[Group, Place] = {}
        self.moves: list[tuple[Place, Place, int]] = []
        self.kept: list[Node | Group] = []
        self.lives: list[Life] = []
        self.arena_size = 0
        self._arrange()

    def _bases(self) -> set[Node]:
        views = [x for g in self.grouping.groups for m in g.members for x in self._views(m)]
        return {v.base for v in views}

    def _views(self, node: Node) -> list[View]:
        return [x for x in self.grouping.operands(node) if isinstance(x, View)]

    def _arrange(self) -> None:
        self.last: dict[Node, int] = {}
        self.readers: dict[Node, dict[Group, None]] = {}
        for group in self.grouping.groups:
            for member in group.members:
                for view in self._views(member):
                    self.last[view.base] = group.position
                    self.readers.setdefault(view.base, {})[group] = None
        # what may fail comes before everything that changes memory in place
        risky = [
            g.position
            for g in self.grouping.groups
            if (g.kind != "loop" and g.plan is None) or indices(g, self.grouping)
        ]
        self.risky = max(risky, default=-1)
        homes = self.grouping.home
        seen = [self.grouping.outputs[k] for k in self.watched]
        at = (homes[x].position for x in seen if x.size == 1 and x in homes)
        self.careful = max(at, default=-1)
        self._place_outputs()
        self._place_rest()

    def _place_outputs(self) -> None:
        """Give the outputs their own memory, or that of the input whose place they take."""
        end = len(self.grouping.groups)
        wanted = {out: inp for inp, out in self.donated.items()}
        for k, base in enumerate(self.grouping.outputs):
            target = Place(self.first_output + k)
            if k in wanted:
                old = self.graph.inputs[wanted[k]]
                if not self._may_replace(old, base, tuple(self.readers.get(old, ()))):
                    self.moves.append((Place(-1), target, self.bytes_of(base)))
                    self.last[base] = end
                    self.places[base] = Place(-1 - len(self.moves))
                    continue
                target = self.places[old]
            self.places[base] = target

    def _place_rest(self) -> None:
        """Give what is left a place in the arena."""
        for group in self.grouping.groups:
            scratch = self._scratch_of(group)
            if scratch:
                self.kept.append(group)
                self.lives.append(Life(scratch, group.position, group.position))
            for node in group.stored:
                place = self.places.get(node)
                if place is None or place.slot < 0:
                    self.kept.append(node)
                    until = self.last.get(node, group.position)
                    self.lives.append(Life(self.bytes_of(node), group.position, until))
        offsets, self.arena_size = arrange(self.lives)
        for node, offset in zip(self.kept, offsets, strict=True):
            if isinstance(node, Group):
                self.scratches[node] = Place(0, offset)
                continue
            before = self.places.get(node)
            self.places[node] = Place(0, offset)
            if before is not None:
                _, target, size = self.moves[-2 - before.slot]
                self.moves[-2 - before.slot] = (self.places[node], target, size)

    def alive(self) -> list[int]:
        """Bytes in the arena that are alive while each group runs."""
        change = [0] * (len(self.grouping.groups) + 2)
        for life in self.lives:
            change[life.first] += aligned(life.size)
            change[life.last + 1] -= aligned(life.size)
        return list(accumulate(change))[: len(self.grouping.groups)]

    def traffic(self, group: Group) -> tuple[int, int]:
        """Bytes of the values that a group reads from memory, and of those that it stores."""
        read: dict[Node, int] = {}
        for node in group.members:
            for view in self._views(node):
                if view.base not in group.members:
                    size = min(view.size, view.base.size)
                    read[view.base] = max(read.get(view.base, 0), size)
        items = ((n, base.dtype) for base, n in read.items())
        reads = sum(n * dtype.itemsize for n, dtype in items if dtype is not None)
        return reads, sum(map(self.bytes_of, group.stored))

    def _scratch_of(self, group: Group) -> int:
        """Bytes that a group needs while it runs."""
        if group.kind == "loop":
            return extent_of(group, self.grouping).partial_bytes
        return 0 if group.plan is None else group.plan.scratch

    @staticmethod
    def bytes_of(node: Node) -> int:
        """Bytes of a value."""
        assert node.dtype is not None
        return node.size * node.dtype.itemsize

    def _may_replace(self, old: Node, new: Node, readers: Sequence[Group]) -> bool:
        """Whether a value may be written over an input: nobody reads that afterwards."""
        home = self.grouping.home.get(new)
        if home is None or home.position < self.risky:
            return False
        if home.position <= self.careful and self.bytes_of(new) <= COPIED:
            return False
        if home.kind != "loop":
            view = getattr(home.plan, "replaces", None)
            own = view is not None and view.base is old
            return all(g.position < home.position or (g is home and own) for g in readers)
        for group in readers:
            if group.position > home.position:
                return False
            if group is home and (home.reduced or not self._in_step(group, old)):
                return False
        return True

    def first_change(self) -> int:
        """Position of the first group that changes an input in place; behind the last if none."""
        inputs = set(self._slots.values())
        homes = [
            self.grouping.home[base].position
            for k, base in enumerate(self.grouping.outputs)
            if k in self.donated.values() and self.places[base].slot in inputs
        ]
        return min(homes, default=len(self.grouping.groups))

    def _in_step(self, group: Group, old: Node) -> bool:
        """Whether a group reads an input only where it stands."""
        return all(
            v.base is not old or (v.contiguous and v.size == old.size and v.shape == m.shape)
            for m in group.members
            for v in self._views(m)
        )
