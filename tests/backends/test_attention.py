"""Attention in machine code: against the composition, with masks, layouts and threads."""

from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint.backends.interpreter import Interpreter
from adjoint.backends.llvm import threads
from adjoint.backends.llvm.program import Program
from adjoint.core.program import Graph
from adjoint.ops.attention import AttentionForward
from adjoint.passes.pipeline import optimise

sdpa = ad.nn.functional.scaled_dot_product_attention
TIGHT = {"float32": 2e-5, "float64": 1e-12}


def run(program: Any, graph: Graph, xs: Any) -> list[Any]:
    outs = [np.zeros(t.shape, t.dtype) for t in graph.out_types]
    assert program([*(np.asarray(x, order="C") for x in xs), *outs])
    return outs


def data(n: int, h: int, t: int, s: int, d: int, e: int, dtype: str = "float32") -> list[Any]:
    rng = np.random.default_rng(0)
    shapes = ((t, e), (t, d), (s, d), (s, e))
    return [rng.normal(size=(n, h, *shape)).astype(dtype) for shape in shapes]


def step(f: Any) -> Any:
    def both(ct: Any, *xs: Any) -> Any:
        value, pull = ad.vjp(lambda q, k, v: f(q, k, v, *xs[3:]), *xs[:3])
        return (value, *pull(ct))

    return both


def compiled(f: Any, xs: Any) -> tuple[Program, Graph, Graph]:
    """Machine code of a function with attention, all of it native; its graph before and after."""
    plain = ad.trace(f, *map(ad.tensor, xs))
    graph = optimise(plain)
    assert any(isinstance(n.op, AttentionForward) for n in graph.nodes)
    program = Program(graph)
    assert len(program.run) == 1
    return program, graph, plain


def agree(f: Any, xs: Any, tight: float | None = None) -> list[Any]:
    program, graph, plain = compiled(f, xs)
    found = run(program, graph, xs)
    dtype = found[0].dtype.name
    for x, right in zip(found, run(Interpreter(plain), plain, xs), strict=True):
        np.testing.assert_allclose(x, right, rtol=0, atol=(tight or TIGHT[dtype]) * scale_of(right))
    return found


def scale_of(x: Any) -> float:
    return float(np.abs(x[np.isfinite(x)]).max(initial=1e-3))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    ("t", "s", "d", "e"), [(33, 33, 8, 8), (70, 45, 16, 24), (20, 97, 64, 64), (64, 64, 32, 32)]
)
def test_it_is_the_composition(t: int, s: int, d: int, e: int, causal: bool, dtype: str) -> None:
    agree(step(lambda q, k, v: sdpa(q, k, v, is_causal=causal)), data(2, 3, t, s, d, e, dtype))


@pytest.mark.parametrize("reach", [-3, 0, 5])
def test_triangles(reach: int) -> None:
    keep = np.tril(np.ones((40, 50), np.bool_), reach)
    agree(step(lambda q, k, v: sdpa(q, k, v, keep)), data(1, 2, 40, 50, 8, 8))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(33, 40), (2, 1, 1, 40), (2, 3, 33, 40), (40,), (33, 1)])
def test_masks(shape: Any, dtype: str) -> None:
    rng = np.random.default_rng(1)
    keep = rng.normal(size=shape) > 0
    if shape[0] == 2:
        keep[0] = False
    xs = data(2, 3, 33, 40, 8, 16, dtype)
    found = agree(step(sdpa), [*xs, keep])
    if shape[0] == 2:
        assert all((x[0] == 0).all() for x in found)
    added = np.where(keep, rng.normal(size=shape), -np.inf).astype(dtype)
    agree(step(sdpa), [*xs, added])
    both = np.tril(np.ones((33, 40), np.bool_))

    def f(q: Any, k: Any, v: Any, m: Any) -> Any:
        return sdpa(q, k, v, ad.where(ad.tensor(both), m, -np.inf))

    agree(step(f), [*xs, np.broadcast_to(added, (2, 3, 33, 40)).copy()])


def softmax_alone(q: Any, k: Any, v: Any, keep: Any) -> Any:
    return ad.softmax(ad.where(keep, q @ k.mT, -np.inf)) @ v


def test_rows_that_see_nothing_are_nan_as_softmax_has_them() -> None:
    keep = np.ones((2, 1, 20, 30), np.bool_)
    keep[1, :, 3] = False
    ct, *xs = data(2, 2, 20, 30, 8, 8)
    found = agree(step(softmax_alone), [ct, *xs, keep])
    assert np.isnan(found[0][1, :, 3]).all()
    assert np.isfinite(np.delete(found[0], 3, axis=2)).all()


def test_rows_whose_results_are_not_used_have_no_gradient() -> None:
    keep = np.ones((2, 1, 20, 30), np.bool_)
    keep[1, :, 3] = False
    ct, *xs = data(2, 2, 20, 30, 8, 8)
    ct[:, :, 3] = 0
    program, graph, plain = compiled(step(softmax_alone), [ct, *xs, keep])
    found = run(program, graph, [ct, *xs, keep])[1:]
    right = step(softmax_alone)(*map(ad.tensor, [ct, *xs, keep]))[1:]
    del plain
    for x, y in zip(found, right, strict=True):
        np.testing.assert_allclose(x, y.numpy(), rtol=0, atol=2e-5 * scale_of(y.numpy()))


def test_large_scores() -> None:
    ct, q, k, v = data(1, 2, 33, 33, 8, 8)
    agree(step(sdpa), [ct, q * 100, k, v], 1e-3)
    q[0, 0, 5] = np.nan
    q[0, 1, 6, 0] = np.inf
    agree(sdpa, [q, k, v])


def test_a_finite_fill_is_a_score_like_others() -> None:
    keep = np.zeros((20, 30), np.bool_)
    keep[1] = True

    def f(q: Any, k: Any, v: Any, keep: Any) -> Any:
        return ad.softmax(ad.where(keep, q @ k.mT, -1e4)) @ v

    agree(step(f), [*data(1, 2, 20, 30, 8, 8), keep])


LAYOUTS: dict[str, Any] = {
    "heads behind": lambda x: x.permute(0, 2, 1, 3),
    "keys in columns": lambda x: x.permute(0, 1, 3, 2),
    "every second": lambda x: ad.concatenate([x, x], axis=-1).reshape(*x.shape, 2),
}
BACK: dict[str, Any] = {
    "heads behind": lambda x: x.permute(0, 2, 1, 3),
    "keys in columns": lambda x: x.permute(0, 1, 3, 2),
    "every second": lambda x: x[..., 0],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_operands_as_they_lie(layout: str) -> None:
    there, back = LAYOUTS[layout], BACK[layout]

    def f(q: Any, k: Any, v: Any) -> Any:
        return there(sdpa(back(q), back(k), back(v), is_causal=True))

    xs = [np.asarray(there(ad.tensor(x)).numpy()) for x in data(2, 2, 40, 40, 8, 8)]
    agree(step(f), xs)


def test_one_array_of_queries_keys_and_values() -> None:
    def f(x: Any, ct: Any) -> Any:
        def mixed(x: Any) -> Any:
            q, k, v = x.reshape(2, 40, 3, 4, 8).permute(2, 0, 3, 1, 4)
            return ad.sum(sdpa(q, k, v, is_causal=True).permute(0, 2, 1, 3).reshape(2, 40, 32) * ct)

        return ad.value_and_grad(mixed)(x)

    rng = np.random.default_rng(0)
    xs = [rng.normal(size=(2, 40, n)).astype(np.float32) for n in (96, 32)]
    agree(f, xs)


def test_threads_change_no_bit() -> None:
    xs = data(3, 3, 100, 100, 32, 32)
    program, graph, _ = compiled(step(lambda q, k, v: sdpa(q, k, v, is_causal=True)), xs)
    before = threads.count()
    try:
        threads.set_threads(1)
        one = run(program, graph, xs)
        threads.set_threads(2)
        for _ in range(3):
            for x, y in zip(run(program, graph, xs), one, strict=True):
                assert x.tobytes() == y.tobytes()
    finally:
        threads.set_threads(before)


def test_memory_does_not_grow_with_the_square() -> None:
    def arena(t: int) -> int:
        xs = data(1, 2, t, t, 8, 8)
        return compiled(step(lambda q, k, v: sdpa(q, k, v, is_causal=True)), xs)[0].arena_size

    small, large = arena(128), arena(1024)
    assert large < 10 * small
    assert large < 1024 * 1024 * 4


def test_in_a_loop() -> None:
    def f(q: Any, k: Any, v: Any) -> Any:
        return ad.scan(lambda carry, x: (sdpa(carry, k, v), ad.sum(carry)), q, length=3)

    _, *xs = data(2, 2, 20, 20, 8, 8)
    plain = ad.trace(f, *map(ad.tensor, xs))
    graph = optimise(plain)
    found = run(Program(graph), graph, xs)
    for x, right in zip(found, run(Interpreter(plain), plain, xs), strict=True):
        np.testing.assert_allclose(x, right, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sizes", [(2, 300, 8, 8), (300, 2, 8, 8), (20, 20, 1, 1), (16, 16, 3, 5)])
def test_thin_operands(sizes: Any) -> None:
    agree(step(lambda q, k, v: sdpa(q, k, v, is_causal=True)), data(2, 1, *sizes))
    agree(step(sdpa), data(1, 2, *sizes))
