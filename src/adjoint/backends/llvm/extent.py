"""Extents: how far the loops of a group go, before any code is written.

Where few rows are left of many elements, the rows are cut into *parts*, whose sums are added up in
a second function: the parts are the same for any number of workers, and so are the bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from adjoint.backends.llvm.groups import (
    GATHERS,
    REDUCTIONS,
    Group,
    Grouping,
    gathered,
    is_copy,
    squeezed,
    walk,
)
from adjoint.backends.llvm.layout import Ints, View, steps
from adjoint.core.graph import Node
from adjoint.core.types import Shape

LANES = 512
"""Columns of a block, where the last axis is kept; their sums stay in the nearest cache."""
NARROW = 64
"""Columns of a block where there are no parts, so that there is more than one unit."""
PARTS = 8
"""Parts of a row."""
LARGE = 1 << 15
"""Elements from which on rows are cut into parts."""


class Extent:
    """The axes, phases and units of a group.

    Args:
        group: what to compute.
        grouping: the views of all nodes.

    Attributes:
        members: the nodes.
        rows: those that are known once a row.
        ready: the first phase in which each is known.
        sizes: of the axes, neighbours made one where that is possible.
        reduced: which of them are summed over.
        merged: for each axis, the axis of the domain whose stride it has.
        lane: the last axis, if it is kept while others are reduced; its blocks are walked inside.
        parts: how many parts the first reduced axis is cut into.
        width: columns of a block.
    """

    def __init__(self, group: Group, grouping: Grouping) -> None:
        self.group, self.grouping = group, grouping
        self.members = list(group.members)
        self.rows = {m for m in self.members if self._is_row(m)}
        self.ready = self._phases()
        self.sizes, self.reduced, self.merged = self._collapse()
        columns = bool(self.reduced) and len(self.sizes) - 1 not in self.reduced
        self.lane = len(self.sizes) - 1 if columns else None
        self.parts = self._parts()
        self.width = self._width()

    # -- what is where -------------------------------------------------------------------------

    def _is_row(self, node: Node) -> bool:
        if self.sums_up(node):
            return True
        shape = self._shape(node)
        return self.group.reduced is not None and squeezed(shape) != self.group.domain

    def sums_up(self, node: Node) -> bool:
        """Whether a member reduces anything: axes of size 1 need no loop."""
        if not isinstance(node.op, REDUCTIONS):
            return False
        shape = self.grouping.reads(node)[0].shape
        return any(shape[a] != 1 for a in node.op.axes)

    def _shape(self, node: Node) -> Shape:
        """The shape that the loop of a member walks over."""
        if isinstance(node.op, REDUCTIONS) or is_copy(node):
            return self.grouping.operands(node)[0].shape
        return node.shape

    def _phases(self) -> dict[Node, int]:
        """The first phase in which each member is known."""
        ready: dict[Node, int] = {}
        for node in self.members:
            at = 0
            for x in self.grouping.operands(node):
                if isinstance(x, View) and x.base in ready:
                    at = max(at, ready[x.base])
            ready[node] = at + (self.sums_up(node))
        return ready

    def strides(self, node: Node, view: View) -> Ints:
        """Strides of an operand along the axes of the group's domain."""
        return self._spread(node, walk(view, self.group.domain, self._shape(node)))

    def _spread(self, node: Node, strides: Ints) -> Ints:
        """Strides along the axes of a member's own loop as strides along the group's domain."""
        is_reduction = self.sums_up(node)
        if node not in self.rows or is_reduction:
            return strides
        kept = iter(strides)
        reduced = self.group.reduced or ()
        return tuple(0 if a in reduced else next(kept) for a in range(len(self.group.domain)))

    def gathered(self, node: Node) -> tuple[Ints, Ints, int]:
        """`gathered`, along the axes of the group's domain."""
        x, i = self.grouping.reads(node)
        *both, step = gathered(node, x, i)
        values, index_ = (
            self._spread(node, tuple(s for s, n in zip(w, node.shape, strict=True) if n != 1))
            for w in both
        )
        return values, index_, step

    def walks(self, node: Node) -> Iterator[Ints]:
        """How a member walks through its operands."""
        if isinstance(node.op, GATHERS):
            yield from self.gathered(node)[:2]
            return
        for x in self.grouping.reads(node):
            yield self.strides(node, x)

    def _collapse(self) -> tuple[Shape, Ints, list[int]]:
        """Neighbouring axes that every operand walks through as one are one."""
        domain, reduced = self.group.domain, self.group.reduced or ()
        walks = {steps(domain)}
        if reduced:
            kept = iter(steps(self.group.row))
            walks.add(tuple(0 if a in reduced else next(kept) for a in range(len(domain))))
        for node in self.members:
            walks.update(self.walks(node))
        sizes: list[int] = []
        last: list[int] = []  # for each new axis, the old axis whose stride it has
        for a, n in enumerate(domain):
            joins = (
                sizes
                and (a in reduced) == (last[-1] in reduced)
                and all(w[last[-1]] == w[a] * n for w in walks)
            )
            if joins:
                sizes[-1] *= n
                last[-1] = a
            else:
                sizes.append(n)
                last.append(a)
        return tuple(sizes), tuple(i for i, a in enumerate(last) if a in reduced), last

    def collapsed(self, strides: Ints) -> Ints:
        """Strides along the axes of the domain as strides along the merged axes."""
        return tuple(strides[a] for a in self.merged)

    # -- units ---------------------------------------------------------------------------------

    @property
    def outer(self) -> list[int]:
        """The axes that units count: all that are kept, but for the last where it is a loop."""
        kept = [a for a in range(len(self.sizes)) if a not in self.reduced]
        if self.reduced:
            return kept[:-1] if self.lane is not None else kept
        return kept[:-1]

    @property
    def units(self) -> int:
        """How many units the kernel has."""
        sizes = self.sizes
        if self.flat:
            return sizes[0]
        return prod(sizes[a] for a in self.outer) * self.blocks * self.parts

    @property
    def blocks(self) -> int:
        """How many blocks of columns there are."""
        return -(-self.sizes[-1] // self.width) if self.lane is not None else 1

    @property
    def sums(self) -> list[Node]:
        """The members that reduce something."""
        return [m for m in self.members if self.sums_up(m)]

    @property
    def partial_bytes(self) -> int:
        """Memory for the sums of the parts."""
        if self.parts == 1:
            return 0
        each = sum(m.size * m.dtype.itemsize for m in self.sums if m.dtype is not None)
        return each * self.parts

    def _parts(self) -> int:
        """Into how many parts rows are cut: one, where a row is needed again after its sum."""
        if not self.reduced or prod(self.sizes) < LARGE or self.sizes[self.reduced[0]] < PARTS:
            return 1
        stored = [m for m in self.group.stored if m not in self.rows]
        once = max(self.ready.values()) == 1 and all(self.ready[m] == 0 for m in stored)
        rows = prod(self.sizes[a] for a in self.outer)
        return PARTS if once and rows < PARTS else 1

    def _width(self) -> int:
        many = self.parts > 1 or prod(self.sizes[a] for a in self.outer) >= PARTS
        return LANES if many or prod(self.sizes) < LARGE else NARROW

    @property
    def flat(self) -> bool:
        """Whether the whole domain is one axis of which nothing is reduced."""
        return len(self.sizes) == 1 and not self.reduced

    @property
    def work(self) -> int:
        """Elements of a unit, weighted by what their scalars cost."""
        flops = sum(getattr(m.op, "flops", 1) for m in self.members)
        each = prod(self.sizes) // max(self.units, 1)
        return max(each, 1) * max(flops, 1)


def extent_of(group: Group, grouping: Grouping) -> Extent:
    """The extent of a loop group, made once."""
    if group.extent is None:
        group.extent = Extent(group, grouping)
    return group.extent
