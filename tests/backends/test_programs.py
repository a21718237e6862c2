"""Machine code against the cards' own meaning: every card, and random programs."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import adjoint as ad
from adjoint.backends.interpreter import Interpreter
from adjoint.backends.llvm.program import Program
from adjoint.core.bind import lift, setting, staged_leaf
from adjoint.core.program import Graph, extract
from adjoint.core.types import Type
from adjoint.passes.pipeline import optimise
from adjoint.transforms.reverse import grad
from tests.cards import Case, all_cases
from tests.strategies import SIDE, Program as RandomProgram, programs

CASES = all_cases()[0]
# in units of the last place of the largest element: sums in another order, functions within two
ULPS = {"f": 64, "d": 64, "F": 64, "D": 64, "e": 4, "E": 4}


def staged(f: Any, *types: Type) -> Graph:
    leaves = [staged_leaf(t) for t in types]
    with setting(staging=True):
        outs = f(*leaves)
        outs = outs if isinstance(outs, tuple) else (outs,)
    return extract(leaves, outs, leaves[0].node.seq if leaves else 0)


def run(graph: Graph, xs: Any, native: bool) -> list[Any]:
    outs = [np.zeros(t.shape, t.dtype) for t in graph.out_types]
    executor = Program(graph) if native else Interpreter(graph)
    assert executor([*(np.asarray(x, order="C") for x in xs), *outs])
    return outs


def agree(found: Any, wanted: Any, ulps: float | None = None) -> None:
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype
    if wanted.dtype.kind in "biu":
        np.testing.assert_array_equal(found, wanted)
        return
    eps = np.finfo(wanted.real.dtype).eps if wanted.dtype.char in "fdFD" else 2.0**-8
    atol = eps * (ulps or ULPS[wanted.dtype.char])
    finite = np.abs(wanted[np.isfinite(wanted)]).max(initial=0.0)
    np.testing.assert_allclose(found, wanted, rtol=atol, atol=atol * float(finite))


def single(x: Any) -> Any:
    return x.astype(np.float32) if getattr(x, "dtype", None) == np.float64 else x


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_card_means_the_same_in_machine_code(case: Case) -> None:
    arrays = [x for x in case.xs if hasattr(x, "dtype")]

    def f(*tensors: Any) -> Any:
        given_ = iter(tensors)
        return case.op(*[next(given_) if hasattr(x, "dtype") else x for x in case.xs])

    graph = staged(f, *map(Type.of, arrays))
    for found, wanted in zip(run(graph, arrays, True), run(graph, arrays, False), strict=True):
        agree(found, wanted)


@pytest.mark.parametrize("case", [c for c in CASES if c.card.kind != "control"], ids=str)
def test_a_card_means_the_same_in_single_precision(case: Case) -> None:
    arrays = [single(x) for x in case.xs if hasattr(x, "dtype")]
    if not any(getattr(x, "dtype", None) == np.float64 for x in case.xs):
        return  # a card of integers has no other precision

    def f(*tensors: Any) -> Any:
        given_ = iter(tensors)
        return case.op(*[next(given_) if hasattr(x, "dtype") else x for x in case.xs])

    graph = staged(f, *map(Type.of, arrays))
    for found, wanted in zip(run(graph, arrays, True), run(graph, arrays, False), strict=True):
        agree(found, wanted)


MATRIX = Type((SIDE, SIDE), np.dtype(np.float64))


@given(programs(), st.integers(0, 2**16))
def test_a_random_program_and_its_gradient_mean_the_same(program: RandomProgram, seed: int) -> None:
    rng = np.random.default_rng(seed)
    xs = [rng.uniform(-1, 1, (SIDE, SIDE)) for _ in range(2)]
    gradient = grad(lambda x, y: ad.sum(program(x, y)), argnums=(0, 1))
    graph = optimise(staged(lambda x, y: (program(x, y), *gradient(x, y)), MATRIX, MATRIX))
    for found, wanted in zip(run(graph, xs, True), run(graph, xs, False), strict=True):
        # where a function saturates, what is left is small beside what it is the difference of
        scale = max(1.0, float(np.abs(wanted).max(initial=0.0)))
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-10 * scale)


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0, 2), (5,), (2, 3, 4), (1, 7, 1)])
def test_every_shape_can_be_mapped_and_reduced(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).normal(size=shape)
    graph = staged(lambda t: (ad.exp(t) * t + 1.0, (t * 2.0).sum(), t.T.copy() - t.T), Type.of(x))
    for found, wanted in zip(run(graph, [x], True), run(graph, [x], False), strict=True):
        agree(found, wanted)


@pytest.mark.parametrize("axes", [0, 1, 2, (0, 1), (1, 2), (0, 2), (0, 1, 2)])
def test_rows_of_any_axes_flow_back_into_the_loop(axes: Any) -> None:
    x = np.random.default_rng(0).normal(size=(70, 9, 67)).astype(np.float32)

    def normalised(t: Any) -> Any:
        centred = t - t.mean(axes, keepdims=True)
        return centred / ad.sqrt((centred * centred).mean(axes, keepdims=True) + 1e-5)

    graph = staged(lambda t: (normalised(t), ad.softmax(t, axis=-1)), Type.of(x))
    for found, wanted in zip(run(graph, [x], True), run(graph, [x], False), strict=True):
        agree(found, wanted)


def test_equal_inputs_give_equal_bits() -> None:
    rng = np.random.default_rng(0)
    x, w = (rng.normal(size=(300, 300)).astype(np.float32) for _ in range(2))
    graph = staged(
        lambda x, w: (ad.softmax(x @ w, axis=-1), (x @ w).sum(0)), Type.of(x), Type.of(w)
    )
    program = Program(graph)
    results = []
    for _ in range(3):
        outs = [np.zeros(t.shape, t.dtype) for t in graph.out_types]
        program([x, w, *outs])
        results.append([o.tobytes() for o in outs])
    assert results[0] == results[1] == results[2]


def test_operands_that_are_operand_literals_are_found() -> None:
    graph = staged(lambda t: 2.0 ** (1 - t) + ad.where(t > 0, 1.0, t), Type.of(np.ones(3)))
    x = np.array([-1.0, 0.0, 2.0])
    agree(
        run(graph, [x], True)[0], (2.0 ** (1 - lift(x)) + ad.where(lift(x) > 0, 1.0, lift(x))).value
    )


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((400, 300), 0),
        ((40, 3, 700), (0, 1)),
        ((40, 2, 900), (0, 2)),
        ((70000,), 0),
        ((9, 7000), (0, 1)),
        ((3, 20000), 1),
        ((17, 2, 33, 70), (0, 2)),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_long_sums_are_cut_into_parts(shape: Any, axes: Any, dtype: Any) -> None:
    x = np.random.default_rng(0).normal(size=shape).astype(dtype)

    def f(t: Any) -> Any:
        y = ad.tanh(t)
        total = y.sum(axes)
        return y, total, t.max(axes), total * 2.0 + 1.0, (t > 5.0).any(axes)

    graph = staged(f, Type.of(x))
    for found, wanted in zip(run(graph, [x], True), run(graph, [x], False), strict=True):
        agree(found, wanted, 2000)


def test_a_long_chain_of_maps_is_no_deep_recursion() -> None:
    def f(t: Any) -> Any:
        for k in range(2000):
            t = t * 1.001 + float(k % 7)
        return t

    x = np.ones(5)
    graph = staged(f, Type.of(x))
    agree(run(graph, [x], True)[0], run(graph, [x], False)[0], 1000)
