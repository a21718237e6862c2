"""All passes, in one walk that is repeated until nothing changes."""

from __future__ import annotations

from typing import Final

from adjoint.core.program import Graph
from adjoint.core.verify import verify
from adjoint.passes.attention import attention
from adjoint.passes.broadcast import BROADCAST
from adjoint.passes.contract import CONTRACT
from adjoint.passes.cse import Pool
from adjoint.passes.dce import dce
from adjoint.passes.fold import FOLD
from adjoint.passes.loops import loops
from adjoint.passes.pads import PADS
from adjoint.passes.remember import remember
from adjoint.passes.rewrite import Rules, rewrite
from adjoint.passes.simplify import SIMPLIFY
from adjoint.passes.sparse import SPARSE
from adjoint.passes.views import VIEWS

RULES: Final = Rules(FOLD, SIMPLIFY, VIEWS, CONTRACT, PADS, BROADCAST, SPARSE)
ROUNDS: Final = 8
"""The most walks. Two are usual: the second finds that there is nothing left to do."""


def optimise(graph: Graph, check: bool = False, recompute: bool = False) -> Graph:
    """The same function as a shorter graph: what code is generated from.

    Each walk applies all rules to an operation before it comes to those that use it, and makes
    equal operations one; then what no output needs goes. It ends when a walk changes nothing.

    Args:
        graph: any graph; it is left as it is. What may change from call to call must be an input of
            it: constants are taken for the numbers that they are.
        check: whether to verify the graph after each walk.
        recompute: whether loops that walk back compute the values of each step again, as `scan`
            says, instead of reading what the loop in front has kept: less memory, more time.

    Returns:
        A graph of the same inputs, in the same order the same outputs, and the same numbers; those
        of products agree to rounding.

    Example:
        >>> from adjoint.passes.pipeline import optimise
        >>> print(optimise(ad.trace(ad.grad(lambda x: ad.sum(x * x)), ad.tensor([1.0, 2.0]))))
        graph(%0: f32[2]) {
          %1: f32[2] = add(%0, %0)
        } -> (%1)
    """
    graph = _settled(dce(graph), check)
    for _ in range(ROUNDS):
        before = graph
        graph = loops(graph if recompute else remember(graph))
        if graph is before:
            break
        graph = _settled(dce(graph), check)
    graph = attention(graph)
    if check:
        verify(graph)
    return graph


def _settled(graph: Graph, check: bool) -> Graph:
    """The graph after as many walks as change it."""
    for _ in range(ROUNDS):
        before = graph
        graph = dce(rewrite(graph, RULES, Pool))
        if check:
            verify(graph)
        if graph is before:
            break
    return graph
