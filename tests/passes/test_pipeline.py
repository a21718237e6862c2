"""The passes together: on training steps, on deep graphs, and what they leave alone."""

from functools import cache
from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint.core.bind import lift, staged_leaf
from adjoint.core.graph import Node, Pick
from adjoint.core.program import Graph
from adjoint.core.tree import flatten
from adjoint.core.types import Type
from adjoint.ops.arithmetic import ADD, NEGATIVE
from adjoint.ops.exponential import EXP
from adjoint.ops.shape import Permute, Reshape
from adjoint.passes.broadcast import broadcast
from adjoint.passes.cse import cse
from adjoint.passes.dce import dce
from adjoint.passes.fold import fold
from adjoint.passes.pipeline import optimise
from adjoint.passes.simplify import simplify
from adjoint.passes.views import views
from tests.passes.random_graphs import run
from tests.passes.steps import STEPS

# Operations before and after, loops with their steps and without the picks of results.
COUNTS = {"mlp": (144, 135), "cnn": (289, 254), "block": (525, 466), "lstm": (183, 154)}


def operations(graph: Graph) -> int:
    count = 0
    for node in graph.nodes:
        if node.op.__class__ is not Pick:
            body = getattr(node.op, "body", None)
            count += 1 + (0 if body is None else operations(body))
    return count


@pytest.mark.parametrize("name", STEPS)
def test_a_training_step_is_shorter_and_the_same(name: str) -> None:
    f, args = STEPS[name]()
    before = ad.trace(f, *args)
    after = optimise(before, check=True)
    assert (operations(before), operations(after)) == COUNTS[name]
    assert optimise(after) is after
    values = flatten(args)[0]
    for a, b in zip(run(before, values), run(after, values), strict=True):
        np.testing.assert_allclose(b, a, rtol=2e-5, atol=2e-6 * np.abs(a).max(initial=1e-30))
    for node in after.nodes:
        assert node.site is not None
        assert node.site.filename.endswith("steps.py")


def test_recomputing_is_a_choice() -> None:
    f, args = STEPS["lstm"]()
    graph = ad.trace(f, *args)
    longer = optimise(graph, check=True, recompute=True)
    assert operations(longer) > operations(optimise(graph))


@cache
def chain(n: int, *ops: Any) -> Graph:
    """One operation after the other; sums add the input."""
    t = Type((2, 3), np.dtype(np.float32))
    x = node = staged_leaf(t).node
    nodes: list[Node] = []
    for i in range(n):
        op = ops[i % len(ops)]
        xs = (node, x) if op is ADD else (node,)
        t = op.out_type(*[y.type for y in xs])
        node = Node(op, xs, None, 0, t.shape, t.dtype, None, 0)
        nodes.append(node)
    return Graph((x,), tuple(nodes), (node,), {})


DEEP = NEGATIVE, ADD, Reshape((3, 2)), Permute((1, 0)), EXP, ADD, Reshape((3, 2)), Reshape((2, 3))


@pytest.mark.parametrize("apply", [simplify, views, broadcast, fold, cse, dce])
def test_deep_graphs_are_walked(apply: Any) -> None:
    graph = chain(20_000, *DEEP)
    apply(graph)


def test_all_passes_on_a_deep_graph() -> None:
    assert len(optimise(chain(10_000, *DEEP))) < 7_500


def test_what_cancels_in_a_deep_graph_is_gone() -> None:
    graph = chain(20_000, NEGATIVE, Reshape((3, 2)), NEGATIVE, Reshape((2, 3)))
    after = optimise(graph)
    assert len(after) == 0
    assert after.outputs == after.inputs


def test_a_graph_to_which_nothing_applies_is_given_back() -> None:
    graph = ad.trace(lambda x: ad.exp(x) / x, np.zeros(3))
    for apply in (simplify, views, fold, cse, dce, optimise):
        assert apply(graph) is graph


def test_constants_with_equal_bytes_are_one() -> None:
    a, b = (ad.tensor(np.arange(5000.0)) for _ in range(2))
    c = ad.tensor(np.arange(5000.0) + (np.arange(5000) == 4999))
    graph = cse(ad.trace(lambda x: (x * a, x * b, x * c), np.zeros(5000)))
    assert len(dce(graph).constants) == 2
    assert graph.outputs[0] is graph.outputs[1]
    assert graph.outputs[0] is not graph.outputs[2]


def test_zeros_of_two_signs_and_ones_of_three_types_differ() -> None:
    def f(x: Any, n: Any) -> Any:
        return x / 0.0, x / -0.0, n * 1, n * 1.0, n * True

    graph = ad.trace(f, np.zeros(3), np.zeros(3, np.int64))
    assert len(set(cse(graph).outputs)) == 5


def test_random_draws_are_not_folded_and_stay_random() -> None:
    def f(x: Any) -> Any:
        generator = ad.random.Generator(3)
        return x + ad.random.normal(size=3, generator=generator), ad.random.normal(
            size=3, generator=generator
        )

    graph = ad.trace(f, np.zeros(3, np.float32))
    after = optimise(graph, check=True)
    assert "random_bits" in str(after)
    for a, b in zip(
        run(graph, [np.ones(3, np.float32)]), run(after, [np.ones(3, np.float32)]), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_stated_gradients_leave_no_trace() -> None:
    @ad.custom_gradient
    def clipped(x: Any) -> Any:
        return ad.sin(x), lambda ct: ad.clip(ct, -1.0, 1.0)

    graph = ad.trace(ad.value_and_grad(lambda x: ad.sum(clipped(x) * 3.0)), np.zeros(3))
    after = optimise(graph, check=True)
    assert "override" not in str(after)
    for a, b in zip(run(graph, [np.ones(3)]), run(after, [np.ones(3)]), strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_is_computed_outside_is_a_constant_like_others() -> None:
    """Constants that are results of operations elsewhere are not looked behind."""
    y = ad.tensor(np.arange(6.0).reshape(2, 3), requires_grad=True).T.T
    graph = ad.trace(lambda x: (x @ y.T, x + y), np.zeros((2, 3)))
    after = optimise(graph, check=True)
    for a, b in zip(run(graph, [np.ones((2, 3))]), run(after, [np.ones((2, 3))]), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_graph_that_was_given_is_as_it_was() -> None:
    f, args = STEPS["block"]()
    graph = ad.trace(f, *args)
    text, constants = str(graph), dict(graph.constants)
    optimise(graph)
    assert str(graph) == text
    assert graph.constants == constants
    assert lift(args[0][0]).shape == graph.in_types[0].shape
