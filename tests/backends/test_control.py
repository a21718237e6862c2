"""Loops and branches in machine code against the interpreter."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint.backends.interpreter import Interpreter
from adjoint.backends.llvm import threads
from adjoint.backends.llvm.control import Loop, rows_of
from adjoint.backends.llvm.control_products import tiles
from adjoint.backends.llvm.control_rows import parted
from adjoint.backends.llvm.program import Program
from adjoint.passes.pipeline import optimise
from adjoint.transforms.control_scan import Scan

rng = np.random.default_rng(0)


def numbers(*shape: int, dtype: Any = np.float32) -> Any:
    return (rng.normal(size=shape) * 0.3).astype(dtype)


def run(program: Any, graph: Any, xs: Any) -> list[Any]:
    outs = [np.full(t.shape, 7, t.dtype) for t in graph.out_types]
    assert program([*xs, *outs])
    return outs


def same(f: Callable[..., Any], *xs: Any, native: bool = True) -> list[Program]:
    """Check a function and its graph as optimised; returns the programs."""
    staged = ad.trace(f, *map(ad.tensor, xs))
    programs: list[Program] = []
    for graph in (staged, optimise(staged)):
        programs.append(Program(graph))
        assert programs[-1].native == native
        wanted = run(Interpreter(graph), graph, xs)
        for x, y in zip(run(programs[-1], graph, xs), wanted, strict=True):
            assert x.dtype == y.dtype
            if x.dtype.kind in "biu":
                np.testing.assert_array_equal(x, y)
                continue
            scale = 200 * np.finfo(x.dtype).eps
            largest = float(np.abs(y).max(initial=1.0))
            np.testing.assert_allclose(x, y, rtol=scale, atol=scale * largest)
    return programs


def loops(program: Program) -> list[Loop]:
    return [g.plan for g in program.grouping.groups if isinstance(g.plan, Loop)]


def both(f: Callable[..., Any], *xs: Any, wrt: Any = None) -> None:
    """Check a function and the gradient of a sum of all its results."""
    same(f, *xs)

    def total(*args: Any) -> Any:
        found = f(*args)
        parts = found if isinstance(found, tuple) else (found,)
        floats = [p for p in parts if p.dtype.kind == "f"]
        return sum(((p * p).sum() for p in floats), 0.0 * args[0].sum())

    places = tuple(range(len(xs))) if wrt is None else wrt
    same(ad.grad(total, argnums=places), *xs)


def lstm(w: Any, b: Any, xs: Any, h: Any, c: Any) -> Any:
    n = h.shape[1]

    def cell(carry: Any, x: Any) -> Any:
        h, c = carry
        g = x + h @ w + b
        i, f, u, o = (g[:, k * n : (k + 1) * n] for k in range(4))
        c = ad.sigmoid(f) * c + ad.sigmoid(i) * ad.tanh(u)
        h = ad.sigmoid(o) * ad.tanh(c)
        return (h, c), h

    (h, c), hs = ad.scan(cell, (h, c), xs)
    return h, c, hs


def lstm_inputs(rows: int, n: int, steps: int, dtype: Any = np.float32) -> list[Any]:
    shapes = (n, 4 * n), (4 * n,), (steps, rows, 4 * n), (rows, n), (rows, n)
    return [numbers(*shape, dtype=dtype) for shape in shapes]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("rows", "n"), [(32, 24), (8, 13), (1, 40), (3, 33)])
def test_lstm_with_its_gradients(rows: int, n: int, dtype: Any) -> None:
    both(lstm, *lstm_inputs(rows, n, 5, dtype))


def test_a_batch_is_cut_into_parts_whose_products_take_a_packed_matrix() -> None:
    program = same(lstm, *lstm_inputs(32, 24, 5))[1]
    (loop,) = loops(program)
    assert loop.parts == 2
    assert [p.plan.m for p in loop.packed.values()] == [16]


@pytest.mark.parametrize("length", [0, 1, 2, 3])
@pytest.mark.parametrize("reverse", [False, True])
def test_short_loops(length: int, reverse: bool) -> None:
    def f(c: Any, x: Any) -> Any:
        return ad.scan(lambda c, x: (c * x + 1.0, c - x), c, x, reverse=reverse)

    both(f, numbers(3), numbers(length, 3))


def test_without_xs_and_without_ys() -> None:
    def f(c: Any, w: Any) -> Any:
        return ad.scan(lambda c, _: (ad.sin(c) * w, None), c, length=6)[0]

    both(f, numbers(4, 3), numbers(3))


def test_without_carry() -> None:
    def f(x: Any, w: Any) -> Any:
        return ad.scan(lambda c, x: (c, ad.cumsum(x * w)), (), x)[1]

    same(f, numbers(5, 4), numbers(4), native=False)
    same(lambda x, w: ad.scan(lambda c, x: (c, x * w), (), x)[1], numbers(5, 4), numbers(4))


def test_carries_of_several_dtypes() -> None:
    def step(carry: Any, x: Any) -> Any:
        n, flag, total, wide = carry
        return (n + 2, ad.logical_not(flag), total + x.sum() * n, wide + x), (n, flag, total)

    def f(x: Any, wide: Any) -> Any:
        start = (ad.tensor(3), ad.tensor(True), ad.tensor(0.0, dtype=x.dtype), wide)
        (n, flag, total, wide), (ns, flags, totals) = ad.scan(step, start, x)
        return n, flag, total, wide, ns, flags, totals

    both(f, numbers(5, 4), numbers(4))
    both(f, numbers(5, 4, dtype=np.float64), numbers(4, dtype=np.float64))


def test_outputs_that_are_not_computed() -> None:
    """What goes in comes out: a carry as it was, an x, something from outside, one value twice."""

    def f(c: Any, x: Any, w: Any) -> Any:
        def step(c: Any, x: Any) -> Any:
            a, b = c
            return (b, a), (a, x, w, x, x * 2.0, a)

        (a, b), ys = ad.scan(step, (c, c + 1.0), x)
        return a, b, *ys

    both(f, numbers(3), numbers(5, 3), numbers(2))


def test_operands_that_do_not_lie_in_order() -> None:
    def f(c: Any, x: Any, w: Any) -> Any:
        x = x.permute(2, 0, 1)[1:]
        return ad.scan(lambda c, x: (ad.tanh(c @ w.T + x), c[:, ::2]), c.T, x)

    both(f, numbers(20, 32), numbers(32, 20, 6), numbers(20, 20))


def test_a_matrix_that_is_part_of_another() -> None:
    def f(c: Any, w: Any) -> Any:
        return ad.scan(lambda c, _: (ad.tanh(c @ w[2:, 1:]), None), c, length=4)[0]

    both(f, numbers(6, 30), numbers(32, 31))


def test_nested_loops() -> None:
    def f(c: Any, x: Any, w: Any) -> Any:
        def inner(c: Any, x: Any) -> Any:
            return ad.tanh(c * w + x), c

        def outer(c: Any, xs: Any) -> Any:
            c, ys = ad.scan(inner, c, xs)
            return c, ys.sum(0)

        return ad.scan(outer, c, x)

    both(f, numbers(4), numbers(3, 5, 4), numbers(4))


def test_examples_that_meet_stay_together() -> None:
    def f(c: Any, x: Any) -> Any:
        return ad.scan(lambda c, x: (c - c.mean(0) + x, c), c, x)

    both(f, numbers(32, 3), numbers(4, 32, 3))
    assert [loop.parts for loop in loops(same(f, numbers(32, 3), numbers(4, 32, 3))[1])] == [1]


def test_steps_with_views_and_reductions_in_parts() -> None:
    def f(c: Any, x: Any, w: Any, scale: Any) -> Any:
        def step(c: Any, x: Any) -> Any:
            y = ad.concat([c, x], axis=1).reshape(c.shape[0], 2, -1)
            y = ad.softmax(y @ w, axis=-1) * scale
            return y.sum(1) - y.mean((1, 2)).reshape(-1, 1), y.permute(0, 2, 1)

        return ad.scan(step, c, x)

    xs = numbers(32, 6), numbers(4, 32, 6), numbers(6, 6), numbers(32, 1, 1)
    both(f, *xs)
    assert [loop.parts for loop in loops(same(f, *xs)[1])] == [2]


def test_an_index_out_of_range_is_found_before_anything_runs() -> None:
    def f(table: Any, index: Any) -> Any:
        def step(c: Any, i: Any) -> Any:
            return c + ad.take(table, i, axis=0), c.sum()

        return ad.scan(step, ad.zeros((3, 2), dtype=table.dtype), index)

    table, index = numbers(6, 2), rng.integers(-6, 6, size=(4, 3))
    (_, program) = same(f, table, index)
    outs = [np.zeros(t.shape, t.dtype) for t in program.graph.out_types]
    index[2, 1] = 6
    assert not program([table, index, *outs])


@pytest.mark.parametrize("p", [True, False])
def test_cond_with_its_gradients(p: bool) -> None:
    def f(p: Any, x: Any, w: Any) -> Any:
        def yes(x: Any) -> Any:
            return x @ w, x.sum(), x

        def no(x: Any) -> Any:
            return x.sum(0) * ad.ones((8, 8), dtype=x.dtype), x.mean(), w

        return ad.cond(p, yes, no, x)

    def total(*args: Any) -> Any:
        return sum((y * y).sum() for y in f(*args))

    xs = np.array(p), numbers(8, 8), numbers(8, 8)
    same(f, *xs)
    same(ad.grad(total, argnums=(1, 2)), *xs)


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.uint8])
def test_switch_takes_the_nearest_branch(dtype: Any) -> None:
    branches = [lambda x: x, lambda x: x * x, ad.sin]
    for i in (0, 1, 2, 7, 127, -1, -128):
        if i >= 0 or np.dtype(dtype).kind == "i":
            same(lambda i, x: ad.switch(i, branches, x), np.array(i, dtype), numbers(5))


@pytest.mark.parametrize("n", [0, 1, 2, 5, 40])
def test_while_loop(n: int) -> None:
    def f(x: Any, n: Any) -> Any:
        def going(carry: Any) -> Any:
            return ad.logical_and(carry[1] < n, ad.sum(carry[0] ** 2) < 1e4)

        return ad.while_loop(going, lambda c: (c[0] * 1.5 + x, c[1] + 1), (x, ad.tensor(0)))

    same(f, numbers(3, 4), np.array(n))


def test_while_loop_over_a_batch_is_left_to_the_interpreter() -> None:
    def f(x: Any) -> Any:
        return ad.while_loop(lambda x: x < 3.0, lambda x: x + 1.0, x)

    same(ad.vmap(f), numbers(5), native=False)


def test_branches_within_loops() -> None:
    def f(c: Any, x: Any, w: Any) -> Any:
        def step(c: Any, x: Any) -> Any:
            c = ad.cond(c.sum() > 0, lambda c: ad.tanh(c * w), lambda c: c + 1.0, c)
            return c + x, c

        return ad.scan(step, c, x)

    both(f, numbers(4), numbers(6, 4), numbers(4))


def test_the_same_bits_on_one_and_on_two_threads() -> None:
    xs = lstm_inputs(32, 64, 8)
    graph = optimise(
        ad.trace(
            ad.grad(lambda *a: sum((y * y).sum() for y in lstm(*a)), argnums=(0, 1, 2, 3, 4)),
            *map(ad.tensor, xs),
        )
    )
    program = Program(graph)
    before = threads.count()
    found: list[Any] = []
    try:
        for count in (1, 2, 1, 2):
            threads.set_threads(count)
            found.append(run(program, graph, xs))
    finally:
        threads.set_threads(before)
    for other in found[1:]:
        for x, y in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(x, y)


def test_a_training_step_is_one_native_call() -> None:
    arrays = lstm_inputs(4, 8, 6)

    def losses(compiled: bool) -> list[float]:
        w, b = (ad.tensor(x, requires_grad=True) for x in arrays[:2])
        xs, h, c = (ad.tensor(x) for x in arrays[2:])
        m = ad.zeros(w.shape, dtype=w.dtype)

        def step(xs: Any) -> Any:
            w.grad = b.grad = None
            loss = (lstm(w, b, xs, h, c)[2] ** 2).mean()
            loss.backward()
            with ad.no_grad():
                m.assign(0.9 * m + w.grad)
                w.assign(w - 0.5 * m)
                b.assign(b - 0.5 * b.grad)
            return loss

        f = ad.compile(step, backend="llvm") if compiled else step
        return [float(f(xs * (1.0 + k))) for k in range(5)]

    np.testing.assert_allclose(losses(True), losses(False), rtol=1e-5)


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 16, 17, 95])
@pytest.mark.parametrize("most", [1, 4, 6])
def test_tiles_cover_all_rows(rows: int, most: int) -> None:
    covered = [
        first + i * height + r
        for first, count, height in tiles(rows, most)
        for i in range(count)
        for r in range(height)
    ]
    assert covered == list(range(rows))
    assert max(height for _, _, height in tiles(rows, most)) <= most


def test_rows_of_a_part_divide_the_batch() -> None:
    assert [rows_of(n) for n in (1, 7, 8, 32, 24, 64, 20, 37)] == [1, 7, 8, 16, 12, 16, 10, 37]


def test_a_step_for_fewer_examples_is_the_same_function() -> None:
    graph = ad.trace(lstm, *map(ad.tensor, lstm_inputs(8, 3, 2)))
    card = next(node.op for node in graph.nodes if isinstance(node.op, Scan))
    carries = card.body.inputs[card.n_consts : card.first_x]
    part = parted(card.body, 8, 2, dict.fromkeys(carries, 0))
    assert part is not None
    xs = [numbers(*t.shape) for t in card.body.in_types]
    wanted = run(Interpreter(card.body), card.body, xs)
    cut = [x if a is None else np.take(x, range(2), a) for x, a in zip(xs, part.axes, strict=True)]
    for x, y in zip(run(Interpreter(part.graph), part.graph, cut), wanted, strict=True):
        np.testing.assert_allclose(x, y[:2], rtol=1e-6)
