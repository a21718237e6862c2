"""Whatever the graph, it computes after the passes what it computed before, to the bit."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import adjoint as ad
from adjoint.core.bind import SCALARS, lift, staged_leaf
from adjoint.core.program import Graph, extract
from adjoint.core.types import Type
from adjoint.passes.broadcast import broadcast
from adjoint.passes.contract import contract
from adjoint.passes.cse import cse
from adjoint.passes.dce import dce
from adjoint.passes.fold import fold
from adjoint.passes.pads import pads
from adjoint.passes.pipeline import optimise
from adjoint.passes.simplify import simplify
from adjoint.passes.views import views
from adjoint.transforms.reverse import grad
from tests.cards import Case, all_cases
from tests.passes.random_graphs import arguments, random_graph, run, same_bits
from tests.strategies import SIDE, Program, programs

PASSES: dict[str, Callable[[Graph], Graph]] = {
    f.__name__: f for f in (fold, simplify, views, broadcast, contract, pads, cse, dce, optimise)
}
SEEDS = st.integers(0, 2**32 - 1)
STEPS = st.integers(1, 40)


def agree(before: Graph, after: Graph, args: list[Any]) -> None:
    after.verify()
    assert after.in_types == before.in_types
    assert after.out_types == before.out_types
    for a, b in zip(run(before, args), run(after, args), strict=True):
        assert same_bits(a, b), f"{before}\n{after}\n{a}\n{b}"


@pytest.mark.parametrize("name", PASSES)
@given(SEEDS, STEPS)
def test_odd_numbers_come_out_to_the_bit(name: str, seed: int, steps: int) -> None:
    graph = random_graph(seed, steps)
    text = str(graph)
    agree(graph, PASSES[name](graph), arguments(graph, seed))
    assert str(graph) == text


@given(SEEDS, STEPS)
def test_products_agree_to_rounding(seed: int, steps: int) -> None:
    graph = random_graph(seed, steps, products=True)
    after = optimise(graph, check=True)
    args = arguments(graph, seed, odd=False)
    for a, b in zip(run(graph, args), run(after, args), strict=True):
        assert a.dtype == b.dtype
        if np.isfinite(a).all():
            np.testing.assert_allclose(b, a, rtol=1e-3, atol=1e-3 * np.abs(a).max(initial=1e-30))


@given(SEEDS, STEPS)
def test_a_second_time_changes_nothing(seed: int, steps: int) -> None:
    graph = random_graph(seed, steps, products=True)
    once = optimise(graph)
    assert optimise(once) is once
    assert str(optimise(graph)) == str(once)


@given(programs(), st.integers(0, 2**16))
def test_programs_with_their_gradients(program: Program, seed: int) -> None:
    matrix = Type((SIDE, SIDE), np.dtype(np.float64))
    leaves = [staged_leaf(matrix), staged_leaf(matrix)]
    gradient = grad(lambda x, y: ad.sum(program(x, y)), argnums=(0, 1))
    graph = extract(leaves, [program(*leaves), *gradient(*leaves)], leaves[0].node.seq)
    after = optimise(graph, check=True)
    args = arguments(graph, seed, odd=False)
    for a, b in zip(run(graph, args), run(after, args), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-9, atol=1e-9 * np.abs(a).max(initial=1.0))


@pytest.mark.parametrize("case", all_cases()[0], ids=str)
def test_every_card(case: Case) -> None:
    """Each alone on unknown operands, and on known ones, which are folded if they may be."""
    types = case.types
    leaves = [staged_leaf(t) for t in types if t.__class__ not in SCALARS]
    it = iter(leaves)
    xs = [x if x.__class__ in SCALARS else next(it) for x in case.xs]
    if not leaves:
        return
    outs = case.op(*xs)
    graph = extract(leaves, outs if isinstance(outs, tuple) else (outs,), leaves[0].node.seq)
    args = [x for x in case.xs if x.__class__ not in SCALARS]
    close(graph, optimise(graph, check=True), args)
    known = [lift(x) for x in args]
    fixed = Graph(
        (),
        graph.nodes,
        graph.outputs,
        graph.constants | dict(zip(graph.inputs, known, strict=True)),
    )
    close(fixed, optimise(fixed, check=True), [])


def close(before: Graph, after: Graph, args: list[Any]) -> None:
    for a, b in zip(run(before, args), run(after, args), strict=True):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        if a.dtype.kind in "fc":
            np.testing.assert_allclose(b, a, rtol=1e-13, atol=1e-13)
        else:
            np.testing.assert_array_equal(a, b)
