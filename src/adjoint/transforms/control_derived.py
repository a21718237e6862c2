"""The scans that a scan is differentiated by: of cotangents backward, of tangents forward.

Both walk over a derived graph of one step: its inputs are those of the step, then the cotangents
or tangents. What the graph does not read is no operand of the derived scan, so nothing keeps it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adjoint.core.bind import lift
from adjoint.core.graph import Handle, Node
from adjoint.core.program import Graph
from adjoint.core.types import Type, is_inexact
from adjoint.transforms.control import close
from adjoint.transforms.control_graph import (
    Flags,
    blank,
    plus,
    pulled,
    pushed,
    reached,
    settled,
    used_in,
    zeros,
)

Source = tuple[str, Any]
"""Where an operand comes from: an ``operand`` of the other scan, a ``given`` cotangent or tangent,
the ``stack`` of a carry as it was before each step, ``zeros`` of a type, or an array ``held``."""


class Derived:
    """A scan made of another one.

    Attributes:
        card: the scan.
        sources: where each of its operands comes from.
        places: which of its outputs belongs to an operand (or, forward, an output) of the other.
    """

    __slots__ = ("card", "places", "sources")

    def __init__(self, card: Any, sources: list[Source], places: dict[int, int]) -> None:
        self.card = card
        self.sources = sources
        self.places = places

    @property
    def stacks(self) -> tuple[int, ...]:
        """The carries of the other scan that are read, as they were before each step."""
        return tuple(what for kind, what in self.sources if kind == "stack")

    def apply(self, scan: Any, given: Sequence[Any], out: Any, xs: Sequence[Any]) -> Any:
        """The derived scan, applied to what its operands stand for."""
        n = scan.n_out
        stacks = {i: n + h for h, i in enumerate(scan.keep)}
        missing = tuple(i for i in self.stacks if i not in stacks)
        if missing:  # it was recorded without them: walk along once more
            out = (*(out if scan.keep else [None] * n), *scan.keeping(missing)(*xs)[n:])
            stacks |= {i: n + len(scan.keep) + h for h, i in enumerate(missing)}
        operands: list[Any] = []
        for kind, what in self.sources:
            if kind == "operand":
                operands.append(xs[what])
            elif kind == "given":
                operands.append(given[what])
            elif kind == "stack":
                operands.append(out[stacks[what]])
            else:
                operands.append(zeros(what) if kind == "zeros" else what)
        outs = self.card(*operands)
        return tuple(map(lift, outs)) if any(isinstance(g, Handle) for g in given) else outs


class Making:
    """A derived scan in the making.

    Attributes:
        given: the inputs that stand for cotangents or tangents.
        results: what the derived graph of a step gives, by what it is the derivative of.
    """

    def __init__(self, scan: Any, found: tuple[Graph, dict[int, int]]) -> None:
        (graph,), held = close([found[0]])
        first = len(held) + len(scan.body.inputs)
        mine = graph.inputs[len(held) : first]
        k, at = scan.n_consts, scan.first_x
        self.scan = scan
        self.given = graph.inputs[first:]
        self.results = {i: graph.outputs[p] for i, p in found[1].items()}
        self.nodes = list(graph.nodes)
        self.outputs: list[Node] = []
        self.places: dict[int, int] = {}
        self.carry: list[tuple[Node, Source]] = []
        self.lead: list[tuple[Node, Source]] = [
            *((x, ("held", array)) for x, array in zip(graph.inputs, held, strict=False)),
            *((mine[i], ("operand", i)) for i in range(k)),
        ]
        self.along: list[tuple[Node, Source]] = [
            *((mine[i], ("stack", i - k)) for i in range(k, at)),
            *((mine[i], ("operand", i)) for i in range(at, len(mine))),
        ]

    def zero(self, t: Type) -> Node:
        """A value of zeros."""
        out = blank(t)
        self.lead.append((out, ("zeros", t)))
        return out

    def sum(self, x: Node, y: Node) -> Node:
        """The sum of two values."""
        self.nodes.append(plus(x, y))
        return self.nodes[-1]

    def carries(self, x: Node, start: int | None, new: Node, place: int) -> None:
        """A carry `x` that starts with something given, or zeros, and becomes `new`."""
        self.carry.append((x, ("zeros", x.type) if start is None else ("given", start)))
        self.puts(new, place)

    def puts(self, result: Node, place: int) -> None:
        """An output, and what it belongs to."""
        self.places[place] = len(self.outputs)
        self.outputs.append(result)

    def finish(self, reverse: bool, keep: tuple[int, ...] = ()) -> Derived | None:
        """The scan, whose operands are those that are used; None if it has no output."""
        if not self.outputs:
            return None
        used = used_in(self.nodes, self.outputs)
        lead, along = ([p for p in pairs if p[0] in used] for pairs in (self.lead, self.along))
        pairs = [*lead, *self.carry, *along]
        inputs = tuple(x for x, _ in pairs)
        body = Graph(inputs, tuple(self.nodes), tuple(self.outputs), {})
        card = type(self.scan)(body, len(lead), len(self.carry), self.scan.length, reverse, keep)
        return Derived(card, [source for _, source in pairs], self.places)


def backward_of(scan: Any, wanted: Flags, given: Flags) -> Derived | None:
    """The scan that pulls cotangents back, or None where nothing flows.

    Args:
        scan: the scan to differentiate.
        wanted: for each of its operands, whether it is differentiated.
        given: for each of its outputs, whether it has a cotangent.
    """
    body, k, c, n = scan.body, scan.n_consts, scan.n_carry, scan.n_out
    moved = settled(body, k, c, wanted, smooth=True)
    flows = reached(body, moved)
    active = [i for i in range(c) if moved[k + i]]
    seeded = [j for j in range(c, n) if given[j] and flows[j] and is_inexact(body.outputs[j].dtype)]
    hidden = {i: n + h for h, i in enumerate(scan.keep) if given[n + h]}
    if not seeded and not any(given[i] or i in hidden for i in active):
        return None
    key = ("pulled", moved, tuple(seeded))
    if key not in scan.made:
        asked = [i for i, on in enumerate(moved) if on]
        scan.made[key] = pulled(body, asked, [*active, *seeded])
    new = Making(scan, scan.made[key])
    for i, x in zip(active, new.given, strict=False):
        g = new.results.get(k + i)
        g = new.zero(x.type) if g is None else g
        if i in hidden:
            h = blank(x.type)
            new.along.append((h, ("given", hidden[i])))
            g = new.sum(g, h)
        new.carries(x, i if given[i] else None, g, k + i)
    for x, j in zip(new.given[len(active) :], seeded, strict=True):
        new.along.append((x, ("given", j)))
    for i, g in new.results.items():
        if i < k:  # gradients of what is the same in all steps add up
            total = blank(g.type)
            new.carries(total, None, new.sum(total, g), i)
    for i, g in new.results.items():
        if i >= k + c:
            new.puts(g, i)
    return new.finish(not scan.reverse)


def forward_of(scan: Any, given: Flags) -> Derived | None:
    """The scan that pushes tangents of the `given` operands forward, or None for none."""
    body, k, c, n = scan.body, scan.n_consts, scan.n_carry, scan.n_out
    moved = settled(body, k, c, given, smooth=True)
    active = [i for i in range(c) if moved[k + i]]
    asked = [*active, *(j for j in range(c, n) if is_inexact(body.outputs[j].dtype))]
    tangents = [i for i, on in enumerate(moved) if on]
    new = Making(scan, pushed(body, tangents, asked))
    for i, x in zip(tangents, new.given, strict=True):
        if k <= i < k + c:
            dot = new.results.get(i - k)
            dot = new.zero(x.type) if dot is None else dot
            new.carries(x, i if given[i] else None, dot, i - k)
        else:
            (new.lead if i < k else new.along).append((x, ("given", i)))
    for j in asked[len(active) :]:
        if j in new.results:
            new.puts(new.results[j], j)
    kept = [i for i in scan.keep if i in active]
    for h, i in enumerate(kept):
        new.places[n + scan.keep.index(i)] = len(new.outputs) + h
    return new.finish(scan.reverse, tuple(active.index(i) for i in kept))
