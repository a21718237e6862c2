"""verify: each way in which a graph can be broken is told, with operation and user's line."""

from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint.core.errors import AdjointError, GraphError
from adjoint.core.graph import Node, Pick
from adjoint.core.program import Graph
from adjoint.core.types import Type

F32 = np.dtype("f4")


def f(x: ad.Tensor) -> ad.Tensor:
    return (x * 2.0 + x) * x


def good() -> Graph:
    return ad.trace(f, ad.zeros(3))


def like(node: Node, **changes: Any) -> Node:
    """A node with some attributes changed."""
    names = ("op", "inputs", "saved", "mask", "shape", "dtype", "code", "offset")
    return Node(**{name: getattr(node, name) for name in names} | changes)


def changed(at: int, **changes: Any) -> Graph:
    """The good graph with one node changed; later nodes still use the old one."""
    graph = good()
    new = like(graph.nodes[at], **changes)
    env = {graph.nodes[at]: new}
    nodes = [*graph.nodes[:at], new]
    for node in graph.nodes[at + 1 :]:
        env[node] = like(node, inputs=tuple(env.get(x, x) for x in node.inputs))
        nodes.append(env[node])
    outputs = tuple(env.get(node, node) for node in graph.outputs)
    return Graph(graph.inputs, tuple(nodes), outputs, graph.constants)


def refused(graph: Graph) -> str:
    with pytest.raises(GraphError) as error:
        graph.verify()
    assert isinstance(error.value, AdjointError)
    return str(error.value)


def test_graphs_of_functions_and_gradients_hold_together() -> None:
    good().verify()
    ad.trace(ad.grad(lambda x: ad.sum(f(x))), ad.zeros(3)).verify()


def test_a_wrong_type_is_told_with_the_operation_and_the_line() -> None:
    line = f.__code__.co_firstlineno + 1
    assert refused(changed(1, shape=(4,))) == (
        "verify: the card infers f32[3], the graph says otherwise\n"
        "    %2: f32[4] = add(%1, %0)\n"
        f"  at test_verify.py:{line}   return (x * 2.0 + x) * x"
    )
    assert "infers f32[3]" in refused(changed(0, dtype=np.dtype("f8")))


def test_operands_that_do_not_fit_are_told() -> None:
    graph = good()
    other = Node(None, (), None, 0, (4,), F32, None, 0)
    bad = like(graph.nodes[1], inputs=(graph.nodes[0], other))
    told = refused(Graph((*graph.inputs, other), (graph.nodes[0], bad), (bad,), {}))
    assert "the operands do not fit: shapes (3,) and (4,) do not broadcast" in told


@pytest.mark.parametrize("n", [1, 3])
def test_a_wrong_number_of_operands_is_told(n: int) -> None:
    graph = good()
    bad = like(graph.nodes[0], inputs=graph.inputs * n)
    assert f"{n} operands for 2" in refused(Graph(graph.inputs, (bad,), (bad,), {}))


def test_use_before_computation_is_told() -> None:
    graph = good()
    a, b, c = graph.nodes
    for nodes in ((b, a, c), (b, c)):
        told = refused(Graph(graph.inputs, nodes, graph.outputs, {}))
        assert "operand 0 is used before it is computed" in told


def test_outputs_must_be_computed() -> None:
    graph = good()
    assert refused(Graph(graph.inputs, graph.nodes[:1], graph.outputs, {})) == (
        "verify: output 0 is not computed by the graph"
    )


def test_nothing_stands_twice() -> None:
    graph = good()
    twice = (graph.nodes[0], *graph.nodes)
    assert "stands in the graph twice" in refused(Graph(graph.inputs, twice, graph.outputs, {}))
    inputs = graph.inputs * 2
    assert "an input is listed twice" in refused(Graph(inputs, graph.nodes, graph.outputs, {}))


def test_leaves_and_arrays_are_not_operations_and_operands() -> None:
    graph = good()
    loose = Node(None, (), None, 0, (3,), F32, None, 0)
    assert "a leaf stands among the operations" in refused(
        Graph(graph.inputs, (loose, *graph.nodes), graph.outputs, {})
    )
    array = like(graph.nodes[0], inputs=(*graph.inputs, np.zeros(3, np.float32)))
    assert "operand 1 is ndarray, not a node or a number" in refused(
        Graph(graph.inputs, (array,), (array,), {})
    )


def test_constants_have_the_type_of_their_node() -> None:
    c = ad.tensor([1.0, 2.0])
    graph = ad.trace(lambda x: x + c, ad.zeros(2))
    (node,) = graph.constants
    graph.constants[node] = ad.zeros(3)
    assert refused(graph) == "verify: a constant has type f32[3], its node says f32[2]"


def test_picked_results_must_exist_and_have_their_type() -> None:
    graph = ad.trace(lambda x: ad.split(x, 2)[1], ad.zeros(4))
    whole, pick = graph.nodes

    def picked(**changes: Any) -> Graph:
        new = like(pick, **changes)
        return Graph(graph.inputs, (whole, new), (new,), {})

    graph.verify()
    assert "result 2 is picked of 2" in refused(picked(op=Pick(2)))
    assert "a picked result has type f32[3], it is f32[2]" in refused(picked(shape=(3,)))
    of_one = like(pick, inputs=graph.inputs)
    assert "of an operation that has only one" in refused(
        Graph(graph.inputs, (whole, of_one), (of_one,), {})
    )
    assert "several results, not one" in refused(Graph(graph.inputs, (whole,), (whole,), {}))
    one = like(whole, shape=(2,), dtype=F32)
    assert "the number of results" in refused(Graph(graph.inputs, (one,), (one,), {}))
    used = like(good().nodes[0], inputs=(whole, 2.0))
    assert "one must be picked" in refused(Graph(graph.inputs, (whole, used), (used,), {}))


def test_types_compare_by_shape_and_dtype() -> None:
    assert Type((3,), F32) == good().out_types[0]
