"""Groups: which nodes share a loop nest.

A group walks once over a domain. Its members are maps over the domain, reductions of such maps over
one set of axes, and maps of the reduced values (*rows*), which may flow back into maps over the
domain: softmax, layer norm and cross-entropy with their derivatives are one group each, and every
row stays in the cache from its first loop to its last. What a group cannot hold (products,
convolutions, scatters) is a group of its own.

Groups stand in the order in which they run. A node joins the last group that computes one of its
operands if it fits there, or opens a new one at the end, so no group waits for a later one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

from adjoint.backends.llvm.kinds import KINDS
from adjoint.backends.llvm.layout import Ints, View, picked, steps, through, whole
from adjoint.backends.llvm.products import in_pieces
from adjoint.backends.llvm.rewrites import REWRITES
from adjoint.core.capture import FORWARD, RECOMPUTED
from adjoint.core.graph import Node, Pick, by_age
from adjoint.core.program import Graph
from adjoint.core.types import Shape
from adjoint.ops.along import TakeAlong
from adjoint.ops.contract import Contract
from adjoint.ops.extreme import Max, Min
from adjoint.ops.families import CAST
from adjoint.ops.gather import Gather, WrapIndex
from adjoint.ops.join import Split
from adjoint.ops.product import Prod
from adjoint.ops.reduce import Sum
from adjoint.ops.shape import Reshape
from adjoint.ops.truth import AllTrue, AnyTrue

GATHERS = (Gather, TakeAlong)
INDEXED = (*GATHERS, WrapIndex)
"""Maps that are checked before they run, so what they read must be in memory by then."""
REDUCTIONS = (Sum, Max, Min, Prod, AllTrue, AnyTrue)
LONGEST = 48
"""Maps that may wait for each other; a longer chain is more than one loop."""
LARGEST = 256
"""Members of a group: what compiling takes grows faster than they do."""
SERIAL = 1 << 14
"""A domain of more elements is not reduced to a single value by the group that computes it: one
group of rows is walked by one worker."""


Signature = tuple[Any, ...]


@dataclass(eq=False, slots=True)
class Group:
    """Nodes that one kernel computes.

    Attributes:
        kind: ``"loop"``, or the kind of the only member's card.
        position: place in the order of execution.
        domain: sizes of the axes that the loop walks over, without those of size 1.
        reduced: which of them are summed over; None while no member reduces.
        plan: for other kinds, how the node is computed.
        extent: for loops, how far they go; known when all groups are.
        members: the nodes, in an order in which they can be computed.
        stored: the members whose values others need.
    """

    kind: str
    position: int
    domain: Shape = ()
    reduced: Ints | None = None
    plan: Any = None
    extent: Any = None
    members: dict[Node, None] = field(default_factory=dict)
    stored: dict[Node, None] = field(default_factory=dict)

    @property
    def row(self) -> Shape:
        """Sizes of the axes that are not reduced."""
        return tuple(n for a, n in enumerate(self.domain) if a not in (self.reduced or ()))


def squeezed(shape: Shape) -> Shape:
    """The sizes other than 1."""
    return tuple(n for n in shape if n != 1)


def gathered(node: Node, x: View, index: View) -> tuple[Ints, Ints, int]:
    """Strides of both operands of a gather along the axes of its result.

    Returns:
        For the values (without the axis that the index chooses on), for the index, and the step of
        the values from one index to the next.
    """
    axis = node.op.axis
    step = x.strides[axis]
    if isinstance(node.op, TakeAlong):
        values = (*x.strides[:axis], 0, *x.strides[axis + 1 :])
        return values, index.strides, step
    n = len(index.shape)
    after = len(x.shape) - axis - 1
    values = (*x.strides[:axis], *(0,) * n, *x.strides[axis + 1 :])
    return values, (*(0,) * axis, *index.strides, *(0,) * after), step


def walk(view: View, domain: Shape, shape: Shape) -> Ints:
    """Strides of an operand along the axes of a domain.

    Args:
        view: the operand.
        domain: sizes of the loop.
        shape: the shape that the operand broadcasts to; the domain without its axes of size 1.
    """
    lead = len(shape) - len(view.shape)
    strides = (0,) * lead + tuple(
        0 if n == 1 else s for n, s in zip(view.shape, view.strides, strict=True)
    )
    return tuple(s for n, s in zip(shape, strides, strict=True) if n != 1)


class Grouping:
    """The groups of a graph.

    A map waits until something needs it, and joins the group of what needs it first.

    Args:
        graph: what to compute.
        fits: whether a node can be computed inside a loop (its scalar body exists).
        views: how inputs lie that are not in order.
    """

    def __init__(
        self,
        graph: Graph,
        fits: Callable[[Node], bool],
        views: Mapping[Node, View] | None = None,
    ) -> None:
        self.graph = graph
        self.fits = fits
        # what is computed with single numbers alone, such as the corrections of an optimizer, comes
        # first, so that it keeps nothing from joining the group that it belongs to
        self.numbers = Group("loop", 0)
        self.groups: list[Group] = [self.numbers]
        self.home: dict[Node, Group] = {}
        self.views: dict[Node, View] = {node: whole(node) for node in graph.inputs}
        self.views |= views or {}
        self.waiting: set[Node] = set()
        self.floors: dict[Node, int] = {}  # what is computed again must not join what came first
        self.constants = {node: tensor.value for node, tensor in graph.constants.items()}
        for node in graph.constants:
            self.views[node] = whole(node)
        for node in graph.nodes:
            self._see(node)
        self.outputs: list[Node] = []
        for node in graph.outputs:
            base = self._own(node)
            self._place(base)
            self.need(base)
            self.outputs.append(base)
        if not self.numbers.members:
            self.groups.remove(self.numbers)
            for position, group in enumerate(self.groups):
                group.position = position

    def _own(self, node: Node) -> Node:
        """What computes an output as a value of its own: its base, or a copy made for it."""
        view = self.views[node]
        base = view.base
        computed = base in self.home or base in self.waiting
        if view.contiguous and computed and base not in self.outputs:
            return base
        t = node.type
        copy = Node(CAST[t.dtype], (node,), (t, t), 0, t.shape, t.dtype, node.code, node.offset)
        self._compute(copy, [view])
        return copy

    # -- views ---------------------------------------------------------------------------------

    def operands(self, node: Node) -> list[Any]:
        """Views of the operands; Python scalars stand for themselves."""
        return [self.views[x] if isinstance(x, Node) else x for x in node.inputs]

    def reads(self, node: Node) -> list[View]:
        """Views of the operands that are tensors."""
        return [self.views[x] for x in node.inputs if isinstance(x, Node)]

    def literal(self, view: View) -> Any:
        """The number behind a view of a constant with one element; None for anything else."""
        if view.base not in self.constants or view.base.size != 1:
            return None
        return self.constants[view.base].reshape(-1)[0]

    def need(self, base: Node) -> None:
        """Note that a value is read outside of its group."""
        group = self.home.get(base)
        if group is not None:
            group.stored[base] = None

    def _see(self, node: Node) -> None:
        """Take up the next node: as a view, in other words, as a map that waits, or in a group."""
        if isinstance(node.op, Pick):
            self._pick(node)
            return
        xs = self.operands(node)
        if isinstance(node.op, Split):
            self.views[node] = xs[0]
            return
        if len(xs) == 1 and isinstance(xs[0], View):
            view = through(node.op, xs[0], node)
            if view is not None:
                self.views[node] = view
                return
        if not self._rewritten(node, xs):
            self._compute(node, xs)

    def _pick(self, node: Node) -> None:
        """A part of a split is a view; an output of anything else is a value of its own."""
        owner = node.inputs[0]
        view = picked(node, self.views[owner]) if owner in self.views else None
        if view is None:
            view = whole(node)
            self.home[node] = self.home[owner]
            self.home[owner].stored[node] = None
        self.views[node] = view

    def _rewritten(self, node: Node, xs: Sequence[Any]) -> bool:
        """Whether the node is computed by other nodes, which have been taken up instead."""
        if not self.fits(node):
            return False
        if isinstance(node.op, Contract):
            pieces = in_pieces(node, xs[0], xs[1], whole(node))
        else:
            rewrite = REWRITES.get(type(node.op))
            pieces = None if rewrite is None else rewrite(node, self.constants)
        if pieces is None:
            return False
        for base in self.constants.keys() - self.views.keys():
            self.views[base] = whole(base)
        for piece in pieces:
            self._see(piece)
        self.views[node] = self.views[pieces[-1]]
        return True

    def _compute(self, node: Node, xs: Sequence[Any]) -> None:
        if node.dtype is not None:
            self.views[node] = whole(node)
        if getattr(node, "phase", FORWARD) == RECOMPUTED:
            self.floors[node] = len(self.groups)
        if not (self.fits(node) and loops(node)):
            self._alone(node, xs)
            return
        if isinstance(node.op, INDEXED):  # whose operands are read at other points, or checked
            for view in self.reads(node):
                self._place(view.base)
        if node.shape == () and not isinstance(node.op, REDUCTIONS) and self._known_first(node):
            self._take(self.numbers, [node])
            return
        self.waiting.add(node)
        if isinstance(node.op, REDUCTIONS) or self._long(node):
            self._place(node)

    def _known_first(self, node: Node) -> bool:
        """Whether a node depends on nothing but inputs and numbers that are computed first."""
        return all(
            self.home.get(v.base) is self.numbers
            or (v.base not in self.home and v.base not in self.waiting)
            for v in self.reads(node)
        )

    def _long(self, node: Node) -> bool:
        """Whether so many maps wait for each other that they should not wait longer."""
        seen = {node}
        stack = [node]
        while stack and len(seen) <= LONGEST:
            for view in self.reads(stack.pop()):
                if view.base in self.waiting and view.base not in seen:
                    seen.add(view.base)
                    stack.append(view.base)
        return len(seen) > LONGEST

    # -- groups --------------------------------------------------------------------------------

    def _alone(self, node: Node, xs: Sequence[Any]) -> Group:
        for x in xs:
            if isinstance(x, View):
                self._place(x.base)
        group = Group(node.op.kind or "call", len(self.groups))
        kind = KINDS.get(type(node.op))
        group.plan = None if kind is None else kind.plan(node, xs)
        self.groups.append(group)
        group.members[node] = None
        if node.dtype is not None:
            group.stored[node] = None
        self.home[node] = group
        for x in xs:
            if isinstance(x, View):
                self.need(x.base)
        return group

    def _place(self, root: Node) -> None:
        """Put a waiting node into a group, with all that waits for nothing else than this."""
        stack = [root]
        while stack:
            node = stack[-1]
            if node not in self.waiting:
                stack.pop()
                continue
            tree = self._tree(node)
            if self._settle(tree):
                stack.pop()
                continue
            # something in the tree cannot be in one loop with the rest: it goes first
            first = [m for m in tree[:-1] if self._apart(m, node)]
            if not first:
                first = tree[:-1]
            if not first:
                raise AssertionError("a single node always fits a group of its own")
            stack.append(first[0])

    def _apart(self, node: Node, root: Node) -> bool:
        return squeezed(domain_of(node, self.reads(node))[0]) != squeezed(
            domain_of(root, self.reads(root))[0]
        )

    def _tree(self, root: Node) -> list[Node]:
        """A waiting node behind all waiting nodes that it depends on.

        Not by age: what a rewrite put in a node's place is younger than the nodes that use it.
        """
        done: dict[Node, None] = {}
        stack = [root]
        while stack:
            node = stack[-1]
            bases = {v.base for v in self.reads(node)} & self.waiting - done.keys()
            if bases:
                stack += sorted(bases, key=by_age, reverse=True)
                continue
            done[stack.pop()] = None
        return list(done)

    def _settle(self, tree: Sequence[Node]) -> bool:
        """Put all nodes of a tree into one group, if there is one that takes them."""
        inside = set(tree)
        views = [v for m in tree for v in self.reads(m) if v.base not in inside]
        last = max((self.home[v.base].position for v in views if v.base in self.home), default=-1)
        root = tree[-1]
        shape, reduced = domain_of(root, self.reads(root))
        shared = {v.base for v in views if prod(v.shape) > 1}
        floor = max(self.floors.get(m, 0) for m in tree)
        for group in self._candidates(last, squeezed(shape)):
            if group.position < floor:
                continue
            if (group.position == last or shared & self._read(group)) and self._take(group, tree):
                return True
        group = Group("loop", len(self.groups), squeezed(shape), reduced)
        self.groups.append(group)
        if self._take(group, tree):
            return True
        self.groups.pop()
        return False

    def _read(self, group: Group) -> set[Node]:
        return {v.base for m in group.members for v in self.reads(m)} | set(group.members)

    def _candidates(self, last: int, domain: Shape) -> list[Group]:
        """Groups that may take nodes whose operands are ready at position `last`."""
        out = [self.groups[last]] if last >= 0 else []
        # a later group that reads what this node reads: the values pass through the cache once
        out += self.groups[last + 1 :][-8:]
        return [g for g in out if g.kind == "loop" and (domain in (g.domain, g.row))]

    def _take(self, group: Group, tree: Sequence[Node]) -> bool:
        """Add the nodes to a group, all or none."""
        if group.members and len(group.members) + len(tree) > LARGEST:
            return False
        before = group.reduced
        added: list[Node] = []
        for node in tree:
            views = self.reads(node)
            shape, reduced = domain_of(node, views)
            if not self._fit(group, node, views, shape, reduced):
                for m in added:
                    del group.members[m], self.home[m]
                group.reduced = before
                return False
            if reduced is not None:
                group.reduced = reduced
            group.members[node] = None
            self.home[node] = group
            added.append(node)
        self.waiting.difference_update(tree)
        for node in tree:
            for view in self.reads(node):
                if self.home.get(view.base) is not group:
                    self.need(view.base)
        return True

    def _fit(
        self, group: Group, node: Node, views: Sequence[View], shape: Shape, reduced: Ints | None
    ) -> bool:
        """Whether a node can be computed in the loop of a group."""
        domain = squeezed(shape)
        if isinstance(node.op, INDEXED) and any(self.home.get(v.base) is group for v in views):
            return False
        if reduced is not None:
            if domain != group.domain or group.reduced not in (None, reduced):
                return False
            kept = prod(n for a, n in enumerate(domain) if a not in reduced)
            full = [m for m in group.members if squeezed(m.shape) == domain]
            if group.reduced is None and full and kept == 1 and prod(domain) > SERIAL:
                return False
        at_row = domain != group.domain
        if at_row and (group.reduced is None or domain != group.row):
            return False
        rows = group.reduced if reduced is None else reduced
        return all(
            aligned(view, shape, group, rows, at_row)
            for view in views
            if self.home.get(view.base) is group
        )


def loops(node: Node) -> bool:
    """Whether a node is a loop over scalars: a map, a reduction, a copy of a view."""
    return node.op.kind == "map" or isinstance(node.op, (*REDUCTIONS, *GATHERS)) or is_copy(node)


def is_copy(node: Node) -> bool:
    """Whether a node only moves elements."""
    return isinstance(node.op, Reshape)


def domain_of(node: Node, views: Sequence[View]) -> tuple[Shape, Ints | None]:
    """The shape that a node's loop walks over, and the squeezed axes that it reduces."""
    if isinstance(node.op, REDUCTIONS):
        shape = views[0].shape
        kept = [a for a, n in enumerate(shape) if n != 1]
        axes = tuple(kept.index(a) for a in sorted(node.op.axes) if shape[a] != 1)
        return shape, axes or None
    if is_copy(node):
        return views[0].shape, None
    return node.shape, None


def aligned(view: View, shape: Shape, group: Group, reduced: Ints | None, at_row: bool) -> bool:
    """Whether an operand that the same group computes is at the point where it is needed."""
    base = view.base
    domain = group.row if at_row else group.domain
    strides = walk(view, domain, shape)
    if view.offset:
        return False
    size = squeezed(base.shape)
    if size == domain and strides == steps(domain):
        return True
    if at_row or reduced is None:
        return False
    row = tuple(n for a, n in enumerate(group.domain) if a not in reduced)
    kept = iter(steps(row))
    return size == row and strides == tuple(
        0 if a in reduced else next(kept) for a in range(len(domain))
    )
