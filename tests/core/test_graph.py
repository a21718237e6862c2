"""Nodes and the walk over them."""

from typing import Any

import numpy as np

import adjoint as ad
from adjoint.core.graph import Node, ancestors, leaf
from adjoint.core.types import Type


def everything(_: Node) -> bool:
    return True


def test_a_node_says_what_it_is() -> None:
    x = ad.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    assert x.node.op is None
    assert repr(x.node) == "<Node leaf: f32[2]>"
    assert repr(y.node) == "<Node Multiply(): f32[2]>"
    assert y.node.inputs == (x.node, x.node)
    assert (y.node.ndim, y.node.size, y.node.type) == (1, 2, Type((2,), np.dtype("f4")))


def test_an_untracked_result_keeps_nothing_alive() -> None:
    y = ad.tensor([1.0]) * ad.tensor([2.0])
    assert y.node.inputs == ()
    assert y.node.saved is None


def test_creation_order_is_a_topological_order() -> None:
    x = ad.tensor(1.0, requires_grad=True)
    y = x * x
    z = (y + x) * (y - x)
    found = ancestors([z.node], everything)
    place = {node: i for i, node in enumerate(found)}
    assert found[0] is x.node
    assert found[-1] is z.node
    assert len(found) == 5
    for node in found:
        assert all(place[i] < place[node] for i in node.inputs)


def test_the_walk_stops_where_it_is_told_to() -> None:
    x = ad.tensor(1.0, requires_grad=True)
    y = x * x
    z = y * y
    assert ancestors([z.node], lambda n: n is not y.node) == [z.node]
    assert ancestors([z.node], lambda n: False) == []


def test_the_walk_of_a_long_chain_does_not_recurse() -> None:
    node = leaf(np.ones(()), tracked=True)
    for _ in range(100_000):
        node = Node("op", (node,), None, True, (), node.dtype, None, 0)
    assert len(ancestors([node], everything)) == 100_001


def test_a_shared_node_is_visited_once() -> None:
    calls: list[Any] = []

    def look(node: Node) -> bool:
        calls.append(node)
        return True

    node = leaf(np.ones(()), tracked=True)
    for _ in range(2_000):
        node = Node("op", (node, node), None, True, (), node.dtype, None, 0)
    assert len(ancestors([node], look)) == 2_001
    assert len(calls) <= 2 * 2_000 + 1


def test_slices_and_scalars_among_inputs_are_no_nodes() -> None:
    x = ad.tensor(2.0, requires_grad=True)
    y = x * 3.0
    assert y.node.inputs == (x.node, 3.0)
    assert ancestors([y.node], everything) == [x.node, y.node]
