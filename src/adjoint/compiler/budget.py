"""Memory budgets: as much is computed again as is needed for the arena to fit.

Values that are kept from the forward for the backward pass are given up in a fixed order: first
those that are large, long alive, and cheap to compute again. The first set of the order whose arena
fits is taken. The sets are nested, so a smaller budget never takes less time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from adjoint.compiler.kept import waiting
from adjoint.compiler.phases import phases
from adjoint.compiler.table import size
from adjoint.core.errors import ArgumentError, MemoryBudgetError
from adjoint.core.graph import Node
from adjoint.core.program import Graph
from adjoint.passes.pipeline import optimise
from adjoint.passes.recompute import chain, recompute, repeatable, total

UNITS: Final = {
    "": 1,
    "b": 1,
    **{f"{p}b": 1000**k for k, p in enumerate("kmgt", 1)},
    **{f"{p}ib": 1024**k for k, p in enumerate("kmgt", 1)},
}
STEPS: Final = 24
"""How many of the nested sets are tried."""
SLACK: Final = 64
"""Bytes by which an arena is allocated larger, to be aligned."""


def budget_bytes(said: Any) -> int | None:
    """The number of bytes that a budget says: a number, or text such as ``"256MiB"``.

    Raises:
        ArgumentError: if it says none.
    """
    if said is None:
        return None
    if isinstance(said, int | float) and said >= 0:
        return int(said)
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", str(said).lower())
    if found is None or found[2] not in UNITS:
        raise ArgumentError(
            f"compile: memory={said!r} is no number of bytes\n"
            "  Try: memory='256MiB', '1.5 GB' or 1 << 28"
        )
    return int(float(found[1]) * UNITS[found[2]])


def within_budget(
    staged: Graph,
    graph: Graph,
    donated: dict[int, int],
    watched: Sequence[int],
    budget: int | None,
) -> Graph:
    """The graph, or one that computes more again, whose arena fits into a budget.

    Args:
        staged: the call before the passes.
        graph: after the passes.
        donated: for an input, the output that may take its place in memory.
        watched: outputs that are looked at before anything changes.
        budget: bytes; None for as much as it takes.

    Raises:
        MemoryBudgetError: if nothing fits; it names the least budget that can be had.
    """
    if budget is None:
        return graph
    least = None
    # first without the sets that are too small to be of use; the others count for the message
    for enough in (budget, None):
        for candidate in ladder(staged, graph, donated, watched, enough):
            need = arrangement(candidate, donated, watched).arena_size + SLACK
            if need <= budget:
                return candidate
            least = need if least is None else min(least, need)
    raise MemoryBudgetError(
        f"compile: the step does not fit into memory={size(budget)}, whatever is computed again\n"
        f"    the least budget that was found: {least} bytes ({size(least or 0)})\n"
        "  Try: that budget, or a smaller batch."
    )


def arrangement(graph: Graph, donated: dict[int, int], watched: Sequence[int]) -> Any:
    """Where the values of a graph will lie."""
    from adjoint.backends.llvm.kernels import Arrangement  # noqa: PLC0415  # it loads llvmlite

    return Arrangement(graph, donated, watched=watched)


def ladder(
    staged: Graph,
    graph: Graph,
    donated: dict[int, int],
    watched: Sequence[int],
    budget: int | None = None,
) -> Iterator[Graph]:
    """Graphs that need less and less memory, and more and more time.

    With a budget, those are left out that give up too little for it.
    """
    yield graph
    yield from _rungs(graph, donated, watched, budget)
    if any(getattr(node.op, "kind", "") == "control" for node in graph.nodes):
        other = optimise(staged, recompute=True)
        yield other
        yield from _rungs(other, donated, watched, budget)


def _rungs(
    graph: Graph, donated: dict[int, int], watched: Sequence[int], budget: int | None
) -> Iterator[Graph]:
    where = arrangement(graph, donated, watched)
    phase = phases(graph, where.grouping)
    order = dropping_order(graph, where, phase)
    views = where.grouping.views
    before = set(graph.inputs) | set(graph.constants)

    def base(x: Node) -> Node:
        return views[x].base if x in views else x

    tried = sorted({-(-k * len(order) // STEPS) for k in range(1, STEPS + 1)}) if order else []
    kept = set(order)
    for n in tried:
        given_up = sum(where.bytes_of(x) for x in order[:n])
        if budget is not None and where.arena_size - given_up > budget:
            continue
        gone = set(order[:n])
        stay = (kept - gone) | before | _always(where, phase, kept)
        yield recompute(
            graph,
            phase.of_node,
            lambda x, gone=gone: base(x) in gone,
            lambda x, stay=stay: base(x) in stay,
        )


def _always(where: Any, phase: Any, kept: set[Node]) -> set[Node]:
    """Values that are kept and cannot be given up."""
    return {node for node in waiting(where, phase) if node not in kept}


def dropping_order(graph: Graph, where: Any, phase: Any) -> list[Node]:
    """The kept values, the best to be given up first: large, long alive, cheap to compute again."""
    views = where.grouping.views
    owners: dict[Node, list[Node]] = {}
    for node in graph.nodes:
        if node in views:
            owners.setdefault(views[node].base, []).append(node)
    life = dict(zip(where.kept, where.lives, strict=True))
    left = {b: owners[b][0] for b in waiting(where, phase) if b in owners}
    left = {b: x for b, x in left.items() if repeatable(x)}
    stops = set(graph.inputs) | set(graph.constants) | set(left.values())
    order: list[Node] = []
    cost = {b: total(chain(x, stops)) for b, x in left.items()}

    def worth(b: Node) -> float:
        span = life[b].last - life[b].first
        return life[b].size * span / (cost[b] + 1)

    while left:
        best = max(left, key=worth)
        x = left.pop(best)
        stops.discard(x)
        order.append(best)
        # those that were computed from it now take longer
        for b, y in left.items():
            if y.seq > x.seq:
                again = chain(y, stops)
                if x in again:
                    cost[b] = total(again)
    return order
