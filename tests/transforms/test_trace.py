"""trace: the graph of a function, closed over what it uses, walked in both directions."""

from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint.core.program import Graph, evaluate
from adjoint.core.types import Type


def test_nothing_is_computed() -> None:
    big = Type((10**6, 10**6), np.dtype(np.float32))
    x = ad.trace(lambda x: x, np.zeros(1))  # the function may be anything of tensors
    assert len(x) == 0

    def f(x: Any) -> Any:
        huge = ad.broadcast_to(x, big.shape)
        return ad.sum(huge * huge)

    graph = ad.trace(f, 1.0)
    assert graph.out_types == (Type((), np.dtype(np.float32)),)
    assert graph.nodes[0].type == big
    assert graph.flops() >= 10**12


def test_arguments_give_only_their_types() -> None:
    graph = ad.trace(lambda p, *, k: p["a"] * k, {"a": np.zeros((2, 3)), "b": 1}, k=2.0)
    assert [str(t) for t in graph.in_types] == ["f64[2,3]", "i64[]", "f32[]"]
    assert [str(t) for t in graph.out_types] == ["f64[2,3]"]


def test_tensors_from_outside_are_constants() -> None:
    w = ad.tensor([1.0, 2.0], requires_grad=True)
    graph = ad.trace(lambda x: x * w + np.array([0.5, 0.5], np.float32), ad.zeros(2))
    assert w in [c for c in graph.constants.values() if c is w] or len(graph.constants) == 2
    assert w.node in graph.constants
    (out,) = evaluate(graph, [ad.tensor([3.0, 3.0])])
    assert out.tolist() == [3.5, 6.5]
    ad.sum(out).backward()
    assert w.grad.tolist() == [3.0, 3.0]


def test_what_is_known_is_staged_too() -> None:
    w = ad.tensor([1.0, 2.0])
    graph = ad.trace(lambda x: x + ad.exp(w), ad.zeros(2))
    assert [node.op.name for node in graph.nodes] == ["exp", "add"]


def test_what_does_not_lead_to_a_result_is_left_out() -> None:
    def f(x: Any) -> Any:
        ad.exp(x)
        return x * 2.0

    assert [node.op.name for node in ad.trace(f, 1.0).nodes] == ["multiply"]


def test_nodes_come_in_the_order_in_which_they_are_computed_and_know_their_users() -> None:
    graph = ad.trace(lambda x: (x * 2.0 + x) * x, 1.0)
    users = graph.users()
    (x,) = graph.inputs
    double, total, product = graph.nodes
    assert users[x] == [double, total, product]
    assert users[double] == [total]
    assert users[product] == []


def test_the_graph_of_a_gradient_computes_it() -> None:
    rng = np.random.default_rng(0)
    w, x = rng.normal(size=(3, 2)), rng.normal(size=(5, 3))

    def loss(w: Any, x: Any) -> Any:
        return ad.mean(ad.tanh(x @ w) ** 2)

    graph = ad.trace(ad.grad(loss), w, x)
    graph.verify()
    (found,) = evaluate(graph, [w, x], constant=lambda tensor: tensor.value)
    h = np.tanh(x @ w)
    np.testing.assert_allclose(found, x.T @ (2 * h * (1 - h * h)) / h.size, rtol=1e-12)
    found = evaluate(graph, [ad.tensor(w), ad.tensor(x)])[0]
    np.testing.assert_allclose(found.numpy(), ad.grad(loss)(w, x).numpy(), rtol=1e-12)


def test_a_trace_in_a_trace_and_in_a_transform() -> None:
    graphs: list[Graph] = []

    def f(x: Any) -> Any:
        graphs.append(ad.trace(lambda y: y * 2.0, x))
        return x * 3.0

    assert ad.grad(f)(1.0).item() == 3.0
    ad.trace(f, 1.0)
    ad.vmap(f)(np.ones(2, np.float32))
    assert graphs[0] == graphs[1] == graphs[2]


def test_results_may_be_numbers_arrays_and_nothing() -> None:
    graph = ad.trace(lambda x: {"a": 1.0, "b": np.ones(2), "c": None, "x": x}, 2.0)
    values = evaluate(graph, [ad.tensor(2.0)])
    assert [v.tolist() for v in values] == [1.0, [1.0, 1.0], 2.0]
    assert ad.trace(lambda x: None, 1.0).outputs == ()


def test_the_places_are_the_users_lines_also_in_a_gradient() -> None:
    def loss(x: Any) -> Any:
        h = ad.exp(x)
        return ad.sum(h * x)

    first = loss.__code__.co_firstlineno
    graph = ad.trace(ad.grad(loss), ad.zeros(3))
    lines = {node.site.line for node in graph.nodes if node.site.function == "loss"}
    assert lines == {first + 1, first + 2}
    ours = {node.site.filename for node in graph.nodes}
    assert ours == {__file__}


def test_a_failure_in_the_function_is_that_of_the_function() -> None:
    with pytest.raises(ZeroDivisionError):
        ad.trace(lambda x: 1 / 0, 1.0)
    from adjoint.core.bind import state

    assert not state.staging
