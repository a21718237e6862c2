"""Loops that walk back over a loop read what it computed instead of computing it again.

The backward pass of a scan computes each step again from the carry that went into it. Where that
is dear (products, exponentials and the like) the loop in front can put the values out, as far as
the other one needs them, for as much memory as they take for all steps.

Exact: what is read is what would be computed, by the same operations from the same operands.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from adjoint.core.graph import Node, Pick
from adjoint.core.program import Graph
from adjoint.passes.cse import Pool
from adjoint.passes.loops import Loop
from adjoint.passes.rewrite import Builder, Rules, Xs
from adjoint.transforms.control_scan import Scan

DEAR_KINDS: Final = frozenset({"contract", "conv", "linalg", "fft", "sort", "control", "scan"})
DEAR: Final = 5
"""Operations for one element from which a map is worth the memory for its result."""

Wanted = dict[Node, dict[Node, tuple[Node, Node]]]
"""For a scan: values of its step, each with the scan that computes it and the value there."""


def remember(graph: Graph) -> Graph:
    """The graph in which loops hand on what other loops would compute again. Exact."""
    wanted = _wanted(graph)
    if not wanted:
        return graph
    asked: dict[Node, list[Node]] = {}
    for found in wanted.values():
        for scan, value in found.values():
            asked.setdefault(scan, []).append(value)
    rules = Rules()
    there: dict[tuple[Node, Node], Node] = {}

    @rules.on(Scan)
    def replaced(build: Builder, op: Any, xs: Xs) -> Node | None:
        at = build.at
        if at is None or (at not in asked and at not in wanted):
            return None
        loop = Loop(op, xs, build.picked.get(at, set()))
        if at in wanted:
            known = {node: there[source] for node, source in wanted[at].items()}
            loop.enter([n for n in loop.nodes if n not in known], {}, known)
        values = list(dict.fromkeys(asked.get(at, ())))
        loop.ys += [(value, None) for value in values]
        whole = loop.put(build, [])
        for value in values:
            there[at, value] = loop.stacked[value]
        return whole

    # only the outermost graph: the loops that were found are there
    return Builder(graph, rules, lambda inner: inner).run()


def _wanted(graph: Graph) -> Wanted:
    """Which scans can read what, from which others."""
    wanted: Wanted = {}
    sources: set[Node] = set()
    for node in graph.nodes:
        if node.op.__class__ is not Scan or node in sources:
            continue
        for scan in dict.fromkeys(_walked(node)):
            if scan in wanted or scan.op.length != node.op.length:
                continue
            found = _read(node, scan)
            if found:
                wanted[node] = {x: (scan, value) for x, value in found.items()}
                sources.add(scan)
                break
    return wanted


def _walked(node: Node) -> Iterator[Node]:
    """The scans whose outputs of all steps a scan walks along."""
    for x in node.inputs[node.op.first_x :]:
        if x.op.__class__ is Pick and x.inputs[0].op.__class__ is Scan:
            scan = x.inputs[0]
            if x.op.index >= scan.op.n_carry:
                yield scan


def _read(node: Node, scan: Node) -> dict[Node, Node]:
    """The dear values of a step that a step of the other scan has, where they are needed."""
    same = _same_inputs(node, scan)
    pool = Pool()
    for x in scan.op.body.nodes:
        if x.dtype is not None and x.op.__class__ is not Pick:
            pool.add(x.op, x.inputs, x)
    for x in node.op.body.nodes:
        if x.dtype is None or x.op.__class__ is Pick:
            continue
        if all(y.__class__ is not Node or y in same for y in x.inputs):
            twin = pool.find(x.op, tuple([same.get(y, y) for y in x.inputs]))
            if twin is not None:
                same[x] = twin
    found: dict[Node, Node] = {}
    stack = list(node.op.body.outputs)
    seen: set[Node] = set()
    while stack:
        x = stack.pop()
        if x.__class__ is not Node or x in seen:
            continue
        seen.add(x)
        if x.op is not None and x in same and _dear(x):
            found[x] = same[x]
        else:
            stack += x.inputs
    return found


def _same_inputs(node: Node, scan: Node) -> dict[Node, Node]:
    """The inputs of a step that have the same value in the step of another scan."""
    body, other = node.op.body, scan.op
    theirs = other.body.inputs
    first, k = other.first_x, other.n_consts
    consts = dict(zip(scan.inputs[:k], theirs[:k], strict=True))
    along = dict(zip(scan.inputs[first:], theirs[first:], strict=True))
    same: dict[Node, Node] = {}
    for i, (x, operand) in enumerate(zip(body.inputs, node.inputs, strict=True)):
        if i < node.op.n_consts:
            twin = consts.get(operand)
        elif i < node.op.first_x:
            continue
        elif operand.op.__class__ is Pick and operand.inputs[0] is scan:
            twin = _stacked(other, operand.op.index)
        else:
            twin = along.get(operand)
        if twin is not None:
            same[x] = twin
    return same


def _stacked(op: Scan, index: int) -> Node | None:
    """The value of a step that an output of a scan stacks."""
    if index >= op.n_out:
        return op.body.inputs[op.n_consts + op.keep[index - op.n_out]]
    return op.body.outputs[index] if index >= op.n_carry else None


def _dear(x: Node) -> bool:
    return x.op.kind in DEAR_KINDS or getattr(x.op, "flops", 0) >= DEAR
