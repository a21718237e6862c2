"""Convolutions in machine code: results and both gradients against the interpreter."""

from functools import partial
from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint.backends.llvm import threads
from adjoint.backends.llvm.convolution import Convolution
from adjoint.backends.llvm.convolution_tile import tile_for
from adjoint.backends.llvm.program import Program
from adjoint.core.types import Type
from adjoint.ops.convolution import Convolve
from adjoint.passes.pipeline import optimise
from adjoint.transforms.reverse import grad
from tests.backends.test_programs import agree, run, staged

F4, F8 = np.dtype(np.float32), np.dtype(np.float64)

# images, channels, filters, image, kernel, stride, padding, dilation, dtype
SHAPES = [
    (2, 3, 16, (8, 8), (3, 3), 1, 1, 1, F4),
    (3, 16, 8, (9, 7), (3, 3), 1, 1, 1, F8),
    (3, 5, 7, (9, 8), (3, 3), 2, 1, 1, F4),
    (1, 1, 1, (5, 5), (2, 2), 1, 0, 1, F8),
    (5, 4, 40, (11, 13), (5, 5), 1, 2, 1, F4),
    (3, 16, 32, (8, 8), (1, 1), 2, 0, 1, F4),
    (2, 8, 8, (6, 6), (3, 2), (2, 3), (0, 1), 1, F4),
    (9, 3, 5, (7, 7), (4, 4), 3, 2, 1, F4),
    (2, 17, 24, (12, 12), (5, 5), 1, 0, 1, F4),
    (2, 3, 4, (9, 9), (3, 3), 1, 2, 2, F8),
    (2, 3, 4, (4, 5), (4, 5), 1, 0, 1, F4),
    (12, 2, 9, (40, 33), (3, 3), 1, 1, 1, F4),
    (4, 6, 10, (5,), (3,), 2, 1, 1, F4),
    (2, 3, 5, (3, 4, 5), (2, 2, 3), (1, 2, 1), 1, 1, F8),
]
CONV = {1: ad.conv1d, 2: ad.conv2d, 3: ad.conv3d}


def results(graph: Any, xs: Any, count: int, program: Program) -> list[Any]:
    threads.set_threads(count)
    outs = [np.full(t.shape, np.nan, t.dtype) for t in graph.out_types]
    assert program([*xs, *outs])
    return outs


def with_gradients(f: Any, *xs: Any) -> Any:
    """The graph of a function of two operands with both gradients, and what it is called with."""
    rng = np.random.default_rng(1)
    out = f(*map(ad.tensor, xs))
    ct = rng.normal(size=out.shape).astype(out.dtype)

    def loss(x: Any, w: Any, ct: Any) -> Any:
        return (f(x, w) * ct).sum()

    def all_of_it(x: Any, w: Any, ct: Any) -> Any:
        return f(x, w), *grad(loss, argnums=(0, 1))(x, w, ct)

    return optimise(staged(all_of_it, *map(Type.of, (*xs, ct)))), [*xs, ct]


def check(f: Any, *xs: Any) -> None:
    graph, given = with_gradients(f, *xs)
    program = Program(graph)
    kinds = [type(group.plan) for group in program.grouping.groups if group.kind == "conv"]
    assert kinds == [Convolution] * 3
    before = threads.count()
    try:
        two, one = (results(graph, given, count, program) for count in (2, 1))
    finally:
        threads.set_threads(before)
    for found, same, wanted in zip(two, one, run(graph, given, False), strict=True):
        agree(found, wanted)
        np.testing.assert_array_equal(found, same)


@pytest.mark.parametrize("case", SHAPES, ids=str)
def test_a_convolution_and_its_gradients(case: Any) -> None:
    n, channels, filters, image, kernel, stride, padding, dilation, dtype = case
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, channels, *image)).astype(dtype)
    w = rng.normal(size=(filters, channels, *kernel)).astype(dtype)
    conv: Any = CONV[len(image)]
    check(partial(conv, stride=stride, padding=padding, dilation=dilation), x, w)


@pytest.mark.parametrize(("stride", "padding", "more"), [(1, 0, 0), (2, 1, 1), (3, 2, 2)])
def test_a_transposed_convolution_and_its_gradients(stride: int, padding: int, more: int) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, 6, 5, 4)), rng.normal(size=(6, 10, 3, 3)).astype(F4)

    def f(x: Any, w: Any) -> Any:
        return ad.conv_transpose2d(x, w, stride=stride, padding=padding, output_padding=more)

    check(f, x.astype(F4), w)


def test_operands_may_be_views() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(9, 4, 10, 8)), rng.normal(size=(3, 3, 4, 6))

    def f(x: Any, w: Any) -> Any:
        return ad.conv2d(x.permute(3, 1, 2, 0)[1:, :, ::2], w.permute(3, 2, 0, 1), padding=1)

    graph = optimise(staged(f, Type.of(x), Type.of(w)))
    for found, wanted in zip(run(graph, [x, w], True), run(graph, [x, w], False), strict=True):
        agree(found, wanted)


def test_padding_may_cut_off() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, 3, 8, 9)), rng.normal(size=(4, 3, 2, 2))
    one = (1, 1)
    for low in (-2, 1):
        card = Convolve("ab,cb->ac", one, ((low, -1), (-1, low)), one, one)
        graph = staged(card, Type.of(x), Type.of(w))
        agree(run(graph, [x, w], True)[0], run(graph, [x, w], False)[0])


def test_what_has_no_kernel_is_a_contraction_of_windows() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, 4, 6, 6)), rng.normal(size=(8, 2, 3, 3))
    graph = staged(partial(ad.conv2d, groups=2), Type.of(x), Type.of(w))
    program = Program(graph)
    assert not any(isinstance(group.plan, Convolution) for group in program.grouping.groups)
    agree(run(graph, [x, w], True)[0], run(graph, [x, w], False)[0])


def test_equal_convolutions_share_their_functions() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, 8, 6, 6)), rng.normal(size=(8, 8, 3, 3))

    def f(x: Any, w: Any) -> Any:
        for _ in range(4):
            x = ad.conv2d(x, w, padding=1)
        return x

    assert len(Program(staged(f, Type.of(x), Type.of(w))).shared.kernels) == 1


@pytest.mark.parametrize("channels", [1, 3, 8, 16, 24, 64])
@pytest.mark.parametrize("points", [1, 9, 64, 1000])
def test_tiles_fit_into_the_registers(channels: int, points: int) -> None:
    for dtype in (F4, F8):
        tile = tile_for(dtype, channels, points)
        assert tile.vectors * tile.width + tile.vectors + 1 <= 32
        assert tile.lanes * dtype.itemsize <= 64
