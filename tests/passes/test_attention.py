"""Where attention is recognised, and where the graph is left as it is."""

from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint.backends.interpreter import Interpreter
from adjoint.core.graph import Pick
from adjoint.core.program import Graph
from adjoint.ops.attention import AttentionBackward, AttentionForward
from adjoint.ops.join import Concat
from adjoint.passes.attention import attention
from adjoint.passes.pipeline import optimise

N, H, T, S, D, E = 2, 3, 17, 19, 4, 5
rng = np.random.default_rng(0)
Q, K, V, CT = (
    rng.normal(size=(N, H, *shape)).astype(np.float32) for shape in ((T, D), (S, D), (S, E), (T, E))
)
LOWER = np.tril(np.ones((T, S), np.bool_))
sdpa = ad.nn.functional.scaled_dot_product_attention


def cards(graph: Graph) -> list[str]:
    known = (AttentionForward, AttentionBackward)
    return [type(n.op).__name__ for n in graph.nodes if isinstance(n.op, known)]


def run(graph: Graph, xs: Any) -> list[Any]:
    outs = [np.zeros(t.shape, t.dtype) for t in graph.out_types]
    assert Interpreter(graph)([*(np.asarray(x, order="C") for x in xs), *outs])
    return outs


def with_gradients(f: Any, argnums: Any = (0, 1, 2)) -> Any:
    def both(ct: Any, *xs: Any) -> Any:
        return ad.value_and_grad(lambda *xs: ad.sum(f(*xs) * ct), argnums=argnums)(*xs)

    return both


def agrees(f: Any, *xs: Any, wanted: Any = ("AttentionForward", "AttentionBackward")) -> Graph:
    """The pass finds what it should, leaves no array of the scores' size, and the meaning."""
    xs = tuple(ad.tensor(x) for x in xs)
    plain = ad.trace(f, *xs)
    graph = optimise(plain, check=True)
    assert cards(graph) == list(wanted)
    if wanted:
        nodes = [n for n in graph.nodes if n.dtype is not None and not isinstance(n.op, Pick)]
        assert not [n for n in nodes if n.shape == (N, H, T, S)]
    values = [x.numpy() for x in xs]
    for found, right in zip(run(graph, values), run(plain, values), strict=True):
        np.testing.assert_allclose(found, right, rtol=2e-5, atol=2e-6)
    return graph


def lower(q: Any, k: Any, v: Any) -> Any:
    scores = ad.where(ad.tensor(LOWER), (q @ k.mT) * 0.3, -np.inf)
    return ad.softmax(scores, axis=-1) @ v


WAYS: dict[str, Any] = {
    "plain": sdpa,
    "causal": lambda q, k, v: sdpa(q, k, v, is_causal=True),
    "a constant triangle": lower,
    "a triangle moved": lambda q, k, v: sdpa(q, k, v, np.tril(np.ones((T, S), np.bool_), 2)),
    "a factor in front": lambda q, k, v: ad.softmax(0.3 * (q @ k.mT)) @ v,
    "a divisor": lambda q, k, v: ad.softmax((q @ k.mT) / 1.7) @ v,
    "no factor": lambda q, k, v: ad.softmax(q @ k.mT) @ v,
    "a large negative number": lambda q, k, v: (
        ad.softmax(ad.where(ad.tensor(LOWER), q @ k.mT, -1e9)) @ v
    ),
    "letters": lambda q, k, v: ad.einsum(
        "bhts,bhse->bteh", ad.softmax(ad.einsum("bhtd,bhsd->bhts", q, k)), v
    ).permute(0, 3, 1, 2),
}


@pytest.mark.parametrize("way", WAYS)
def test_attention_is_recognised_with_its_gradients(way: str) -> None:
    agrees(with_gradients(WAYS[way]), CT, Q, K, V)


@pytest.mark.parametrize("way", WAYS)
def test_attention_is_recognised_without_gradients(way: str) -> None:
    agrees(WAYS[way], Q, K, V, wanted=["AttentionForward"])


@pytest.mark.parametrize("shape", [(T, S), (N, 1, 1, S), (N, H, T, S), (S,)])
def test_masks(shape: Any) -> None:
    keep = rng.normal(size=shape) > 0
    keep[..., :2] = keep[..., 2:4] = False
    keep[..., 1] = True
    if len(shape) == 4:
        keep[0] = False  # rows that see nothing are zero
    agrees(with_gradients(sdpa), CT, Q, K, V, keep)
    added = np.where(keep, rng.normal(size=shape), -np.inf).astype(np.float32)
    agrees(with_gradients(sdpa), CT, Q, K, V, added)


def test_the_reach_of_a_constant_triangle_is_known() -> None:
    graph = agrees(with_gradients(WAYS["a triangle moved"]), CT, Q, K, V)
    ops = [n.op for n in graph.nodes if isinstance(n.op, AttentionForward)]
    assert [(op.reach, op.mask, op.zero) for op in ops] == [(2, "", True)]


def test_a_scale_of_the_queries_is_that_of_the_scores() -> None:
    graph = agrees(with_gradients(sdpa), CT, Q, K, V)
    assert [n.op.scale for n in graph.nodes if isinstance(n.op, AttentionForward)] == [0.5]
    assert not [
        n
        for n in graph.nodes
        if n.op is not None and n.shape == Q.shape and not isinstance(n.op, Pick)
    ]


@pytest.mark.parametrize("argnums", [(0,), (1,), (2,), (0, 1), (1, 2)])
def test_some_gradients(argnums: Any) -> None:
    agrees(with_gradients(sdpa, argnums), CT, Q, K, V)


def of_one_projection(x: Any, ct: Any) -> Any:
    """Queries, keys and values that lie beside each other, and the gradient of the whole."""

    def mixed(x: Any) -> Any:
        q, k, v = x.reshape(2, 18, 3, 4, 8).permute(2, 0, 3, 1, 4)
        return ad.sum(sdpa(q, k, v, is_causal=True).permute(0, 2, 1, 3).reshape(2, 18, 32) * ct)

    return ad.value_and_grad(mixed)(x)


def test_the_gradients_of_one_projection_are_one() -> None:
    xs = [rng.normal(size=(2, 18, n)).astype(np.float32) for n in (96, 32)]
    graph = agrees(of_one_projection, *xs)
    (op,) = [n.op for n in graph.nodes if isinstance(n.op, AttentionBackward)]
    assert (op.joined, op.letters[1]) == ("qkv", ["atjbd"])
    assert not [n for n in graph.nodes if isinstance(n.op, Concat)]


def test_layers() -> None:
    layer = ad.nn.MultiHeadAttention(16, 2)

    def step(x: Any) -> Any:
        mixed, _ = layer(x, x, x, need_weights=False)
        ad.sum(mixed * mixed).backward()
        return tuple(p.grad for p in layer.parameters())

    x = ad.tensor(rng.normal(size=(18, 3, 16)).astype(np.float32))
    plain = ad.trace(step, x)
    graph = optimise(plain, check=True)
    assert cards(graph) == ["AttentionForward", "AttentionBackward"]
    for found, right in zip(run(graph, [x.numpy()]), run(plain, [x.numpy()]), strict=True):
        np.testing.assert_allclose(found, right, rtol=2e-4, atol=2e-5)


def test_inside_of_a_loop() -> None:
    def f(q: Any, k: Any, v: Any) -> Any:
        return ad.scan(lambda carry, x: (sdpa(carry, k, v), ad.sum(carry)), q, length=3)

    xs = [ad.tensor(x) for x in (Q, K, np.concatenate([V, V], -1)[..., :D])]
    graph = optimise(ad.trace(lambda *xs: f(*xs)[0], *xs), check=True)
    bodies = [n.op for n in graph.nodes if n.op.__class__ is not Pick and n.op.kind == "control"]
    assert cards(bodies[0].body) == ["AttentionForward"]


def probabilities_too(q: Any, k: Any, v: Any) -> Any:
    p = ad.softmax(q @ k.mT)
    return p @ v, p


LEFT: dict[str, Any] = {
    "weights are returned": probabilities_too,
    "scores are used": lambda q, k, v: ad.softmax(x := q @ k.mT) @ v + ad.sum(x),
    "weights are changed": lambda q, k, v: (ad.softmax(q @ k.mT) * 2.0) @ v,
    "scores are bent": lambda q, k, v: ad.softmax(ad.tanh(q @ k.mT)) @ v,
    "another axis": lambda q, k, v: ad.softmax(q @ k.mT, axis=-2) @ v,
    "a column for each row": lambda q, k, v: ad.softmax((q @ k.mT) * q[..., :1]) @ v,
    "keys that are shared": lambda q, k, v: ad.softmax(q @ k[0, 0].mT) @ v,
}


@pytest.mark.parametrize("way", LEFT)
def test_what_is_no_attention_is_left_alone(way: str) -> None:
    xs = [ad.tensor(x) for x in (Q, K, V)]
    graph = optimise(ad.trace(LEFT[way], *xs), check=True)
    assert not cards(graph)
    assert attention(graph) is graph


def test_a_mask_that_learns_is_left_alone() -> None:
    f = with_gradients(sdpa, (0, 1, 2, 3))
    agrees(f, CT, Q, K, V, rng.normal(size=(T, S)).astype(np.float32), wanted=[])


def test_few_scores_are_left_alone() -> None:
    few = [ad.tensor(x[:, :, :8]) for x in (Q, K, V)]
    assert not cards(optimise(ad.trace(sdpa, *few)))
