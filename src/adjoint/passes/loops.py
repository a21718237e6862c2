"""Loops do in a step only what depends on the step before.

A `Scan` is rewritten to one with a smaller step:

- Outputs that nobody uses go, and what only they needed; a carry that never changes is no carry.
- What is the same in every step is computed before the loop.
- Products of what the loop walks along (the inputs of all steps with the weights) become one
  product of all steps before the loop.
- Gradients of weights and biases that add up step by step become one product, or one sum, of all
  steps after the loop; so do products that a step only puts out.

The first two are exact. The last two sum the same products in another order: results agree to
rounding. They keep one value per step where the loop kept one: the product, or its operand.
"""

from __future__ import annotations

import functools
from typing import Any, Final

import numpy as np

from adjoint.core.graph import Node, Pick
from adjoint.core.program import Graph
from adjoint.core.types import Type
from adjoint.ops.arithmetic import ADD, Add
from adjoint.ops.bilinear import LETTERS, split, with_batch
from adjoint.ops.contract import Contract, contraction
from adjoint.ops.shape import Sum
from adjoint.passes.rewrite import Builder, Rules, Xs, rewrite
from adjoint.passes.simplify import made_by, uniform
from adjoint.transforms.control_graph import blank
from adjoint.transforms.control_scan import Scan

LOOPS: Final = Rules()
_NOTHING: Final = Type((), np.dtype(np.float32))


class Carry:
    """What is handed from step to step.

    Attributes:
        x: the input of the step.
        start: the operand that it is at first.
        new: the output of the step.
        last: the result of the scan that is its last value; None if nobody asks.
        kept: the result that has its value before each step; None if nobody asks.
    """

    def __init__(self, x: Node, start: Node, new: Node, last: int | None, kept: int | None) -> None:
        self.x = x
        self.start = start
        self.new = new
        self.last = last
        self.kept = kept


class Late:
    """A result that is computed after the loop, from values of each step.

    Attributes:
        terms: the products or sums that a step computes; several are added.
        at: the result of the scan.
        start: what the terms of all steps are added to; None if the result has one for each step.
    """

    def __init__(self, terms: list[Node], at: int, start: Node | None) -> None:
        self.terms = terms
        self.at = at
        self.start = start

    def put(self, build: Builder, stacked: dict[Node, Any], same: dict[Node, Any]) -> Node:
        """The result, from the values of all steps and from what is the same in all of them."""
        if self.start is None:
            op, inputs = self.terms[0].op, self.terms[0].inputs
            xs = [stacked[x] if x in stacked else same[x] for x in inputs]
            on = inputs[0] in stacked, inputs[1] in stacked
            return build(Contract(with_batch(op.spec, on), op.strong), *xs)
        totals = [_summed(build, term, stacked) for term in self.terms]
        if uniform(build, self.start) != 0:
            totals.append(self.start)
        return functools.reduce(lambda x, y: build(ADD, x, y), totals)


def _summed(build: Builder, term: Node, stacked: dict[Node, Any]) -> Node:
    """A product or a sum, summed over all steps."""
    op = term.op
    xs = [stacked[x] for x in term.inputs]
    if op.__class__ is Sum:
        return build(Sum((0, *[a + 1 for a in op.axes])), *xs)
    a, b, out = split(op.spec)
    step = next(letter for letter in LETTERS if letter not in op.spec)
    return build(contraction(step + a, step + b, out, op.strong), *xs)


class Loop:
    """A scan taken apart.

    Attributes:
        nodes: the operations of a step.
        consts: inputs of the step that are the same in all steps, with their operands.
        along: inputs that are walked along, with their operands.
        carries: what is handed on.
        ys: outputs that are stacked, with the results of the scan that they are.
        done: results that are known without the loop.
        stacked: the values of all steps, once the new scan is made.
    """

    def __init__(self, op: Scan, xs: Xs, used: set[int]) -> None:
        body, k, at = op.body, op.n_consts, op.first_x
        self.op = op
        self.nodes = list(body.nodes)
        self.consts: list[tuple[Node, Any]] = list(zip(body.inputs[:k], xs[:k], strict=True))
        self.along: list[tuple[Node, Any]] = list(zip(body.inputs[at:], xs[at:], strict=True))
        kept = {c: op.n_out + i for i, c in enumerate(op.keep) if op.n_out + i in used}
        self.carries = [
            Carry(x, start, new, i if i in used else None, kept.get(i))
            for i, (x, start, new) in enumerate(
                zip(body.inputs[k:at], xs[k:at], body.outputs, strict=False)
            )
        ]
        n = op.n_carry
        self.ys: list[tuple[Node, Any]] = [
            (y, n + j) for j, y in enumerate(body.outputs[n:]) if n + j in used
        ]
        self.done: dict[int, Node] = {}
        self.stacked: dict[Node, Any] = {}

    # -- what nobody needs ---------------------------------------------------------------------

    def prune(self) -> None:
        """Drop what no result needs."""
        by_input = {c.x: c for c in self.carries}
        live = {c.x for c in self.carries if c.last is not None or c.kept is not None}
        needed: set[Node] = set()
        roots = [y for y, _ in self.ys] + [by_input[x].new for x in live]
        while roots:
            for x in _behind(roots, needed):
                if x in by_input and x not in live:
                    live.add(x)
            roots = [by_input[x].new for x in live if by_input[x].new not in needed]
        self.carries = [c for c in self.carries if c.x in live]
        self.nodes = [n for n in self.nodes if n in needed]
        self.consts = [(x, operand) for x, operand in self.consts if x in needed]
        self.along = [(x, operand) for x, operand in self.along if x in needed]

    def settle(self) -> None:
        """What a step hands on as it is, is known: a carry, or what the loop walks along."""
        still = [c for c in self.carries if c.new is c.x and c.kept is None]
        for c in still:
            self.consts.append((c.x, c.start))
            if c.last is not None:
                self.done[c.last] = c.start
        self.carries = [c for c in self.carries if c not in still]
        walked = dict(self.along)
        self.done |= {at: walked[y] for y, at in self.ys if y in walked}
        self.ys = [(y, at) for y, at in self.ys if y not in walked]

    # -- before the loop -----------------------------------------------------------------------

    def hoist(self, build: Builder) -> None:
        """Compute before the loop what is the same in all steps, and products of all steps."""
        outer: dict[Node, Any] = dict(self.consts)
        walked: dict[Node, Any] = dict(self.along)
        left: list[Node] = []
        for node in self.nodes:
            xs = [x for x in node.inputs if x.__class__ is Node]
            if _plain(node) and xs and all(x in outer for x in xs):
                outer[node] = build(node.op, *[outer.get(x, x) for x in node.inputs])
            elif _walks(node, outer, walked):
                on = tuple([x in walked for x in node.inputs])
                spec = with_batch(node.op.spec, (on[0], on[1]))
                card = Contract(spec, node.op.strong)
                walked[node] = build(card, *[walked.get(x) or outer[x] for x in node.inputs])
            else:
                left.append(node)
        self.enter(left, outer, walked)

    def enter(self, left: list[Node], outer: dict[Node, Any], walked: dict[Node, Any]) -> None:
        """Let what is known before the loop come into the step as inputs.

        Args:
            left: the operations that stay in the step.
            outer: operands for values that are the same in all steps.
            walked: operands for values of all steps.
        """
        if len(left) == len(self.nodes):
            return
        swapped: dict[Node, Node] = {}
        stays = set(left)
        outs = [y for y, _ in self.ys] + [c.new for c in self.carries]
        for x in (*[x for n in left for x in n.inputs], *outs):
            if x.__class__ is not Node or x in swapped or x in stays or x.op is None:
                continue
            new = swapped[x] = blank(x.type)
            if x in outer:
                self.consts.append((new, outer[x]))
            else:
                self.along.append((new, walked[x]))
        self.nodes = []
        for node in left:
            if any(x in swapped for x in node.inputs):
                swapped[node] = node = _with(node, tuple([swapped.get(x, x) for x in node.inputs]))
            self.nodes.append(node)
        self.ys = [(swapped.get(y, y), at) for y, at in self.ys]
        for c in self.carries:
            c.new = swapped.get(c.new, c.new)

    # -- after the loop ------------------------------------------------------------------------

    def sink(self) -> list[Late]:
        """Take out the totals and products that can be computed after the loop."""
        uses = self._uses()
        known = {x for x, _ in self.along} | set(self.nodes)
        late: list[Late] = []
        for c in self.carries:
            terms = _terms(c, uses)
            read = {x for term in terms for x in term.inputs}
            if read and c.last is not None and read <= known:
                late.append(Late(terms, c.last, c.start))
        gone = {one.at for one in late}
        self.carries = [c for c in self.carries if c.last not in gone]
        same = {x for x, _ in self.consts}
        for y, at in self.ys:
            if at is None or y.op.__class__ is not Contract or uses[y] != 1:
                continue
            if all(x in known or x in same for x in y.inputs) and not set(y.inputs) <= same:
                late.append(Late([y], at, None))
        gone = {one.at for one in late}
        there = {x for x, _ in self.along} | same
        self.ys = [(y, at) for y, at in self.ys if at is None or at not in gone]
        there |= {y for y, _ in self.ys}
        terms = [term for one in late for term in one.terms]
        new = dict.fromkeys(x for term in terms for x in term.inputs if x not in there)
        self.ys += [(y, None) for y in new]
        return late

    def _uses(self) -> dict[Node, int]:
        """How often the step uses a value or puts it out."""
        uses: dict[Node, int] = {}
        outs = [y for y, _ in self.ys] + [c.new for c in self.carries]
        for x in (*[x for node in self.nodes for x in node.inputs], *outs):
            if x.__class__ is Node:
                uses[x] = uses.get(x, 0) + 1
        return uses

    @property
    def changed(self) -> bool:
        """Whether anything has gone from the step."""
        op = self.op
        kept = sum(c.kept is not None for c in self.carries)
        listed = self.consts, self.carries, self.along, self.ys, self.nodes
        n, k = op.n_carry, op.n_consts
        body = op.body
        before = k, n, len(body.inputs) - k - n, len(body.outputs) - n, len(body.nodes)
        return (*map(len, listed), kept) != (*before, len(op.keep))

    # -- together again ------------------------------------------------------------------------

    def put(self, build: Builder, late: list[Late]) -> Node:
        """The new scan, and what stands for the results of the old one."""
        stacked = self.stacked = dict(self.along)
        same = dict(self.consts)
        self.prune()
        lead = [*self.consts, *((c.x, c.start) for c in self.carries)]
        inputs = tuple([x for x, _ in (*lead, *self.along)])
        outputs = (*(c.new for c in self.carries), *(y for y, _ in self.ys))
        kept = [(i, c.kept) for i, c in enumerate(self.carries) if c.kept is not None]
        body = Graph(inputs, tuple(self.nodes), outputs, {})
        op, k, n = self.op, len(self.consts), len(self.carries)
        card = Scan(body, k, n, op.length, op.reverse, tuple([i for i, _ in kept]))
        # a loop that puts out nothing is not there; something must stand for its results
        whole = blank(_NOTHING)
        if outputs:
            whole = build.put(card, tuple([x for _, x in (*lead, *self.along)]))
        found = dict(self.done)
        for i, c in enumerate(self.carries):
            if c.last is not None:
                found[c.last] = build.put(Pick(i), (whole,))
        for j, (y, at) in enumerate(self.ys, n):
            stacked[y] = build.put(Pick(j), (whole,))
            if at is not None:
                found[at] = stacked[y]
        for j, (_, at) in enumerate(kept, len(outputs)):
            found[at] = build.put(Pick(j), (whole,))
        for one in late:
            found[one.at] = one.put(build, stacked, same)
        build.parts[whole] = found
        return whole


def _behind(roots: list[Node], seen: set[Node]) -> list[Node]:
    """The nodes that the roots need, as far as they are new; they are added to those seen."""
    found: list[Node] = []
    stack = list(roots)
    while stack:
        x = stack.pop()
        if x in seen:
            continue
        seen.add(x)
        found.append(x)
        stack += [y for y in x.inputs if y.__class__ is Node]
    return found


def _plain(node: Node) -> bool:
    """Whether an operation has one result and is worth computing before a loop."""
    return node.dtype is not None and node.op.__class__ is not Pick and node.op.kind != "view"


def _walks(node: Node, outer: dict[Node, Any], walked: dict[Node, Any]) -> bool:
    """Whether a node is a product that all steps can have at once."""
    if node.op.__class__ is not Contract or not any(x in walked for x in node.inputs):
        return False
    return all(x in walked or x in outer for x in node.inputs)


def _with(node: Node, xs: Xs) -> Node:
    """The same operation on other operands of the same types."""
    shape: Any = node.shape
    return Node(node.op, xs, node.saved, node.mask, shape, node.dtype, node.code, node.offset)


def _terms(c: Carry, uses: dict[Node, int]) -> list[Node]:
    """What a step adds to a carry that does nothing but add up products and sums; else nothing."""
    found: list[Node] = []
    totals = 0
    stack: list[Any] = [c.new] if c.kept is None and c.new is not c.x else []
    while stack:
        x = stack.pop()
        if x is c.x:
            totals += 1
        elif x.__class__ is not Node or x.type != c.x.type or uses[x] != 1 or x.dtype.kind != "f":
            return []
        elif made_by(x, Add):
            stack += x.inputs
        elif x.op.__class__ in (Contract, Sum):
            found.append(x)
        else:
            return []
    return found if totals == 1 and uses.get(c.x) == 1 else []


@LOOPS.on(Scan)
def _smaller(build: Builder, op: Any, xs: Xs) -> Node | None:
    """The scan with as little in its step as this file knows."""
    if op.length < 1 or build.at is None:
        return None
    loop = Loop(op, xs, build.picked.get(build.at, set()))
    loop.prune()
    loop.settle()
    late = loop.sink()
    if not late:  # else the next walk takes what is left out of the loop
        loop.hoist(build)
        loop.settle()
    return loop.put(build, late) if late or loop.changed else None


def loops(graph: Graph) -> Graph:
    """The graph with smaller steps in its loops. Totals and products agree to rounding."""
    return rewrite(graph, LOOPS)
