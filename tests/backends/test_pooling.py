"""Pooling in machine code: what the cards say, with ties, NaNs, infinities and padding."""

from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint.backends.llvm.pooling import Plan
from adjoint.backends.llvm.program import Program
from adjoint.core.types import Type
from adjoint.ops.maxima import MaxPlace, MaxPool, PutInWindow, TakeFromWindow
from tests.backends.test_programs import agree, run, staged

FIELDS = [  # kernel, stride, padding, dilation, image
    ((2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1), (8, 18)),
    ((2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1), (7, 9)),
    ((3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1), (9, 12)),
    ((3, 2), (1, 1), ((0, 0), (0, 0)), (1, 1), (6, 7)),
    ((2, 2), (3, 3), ((0, 0), (0, 0)), (1, 1), (8, 10)),
    ((3, 3), (1, 2), ((1, 1), (2, 2)), (1, 2), (6, 11)),
    ((5, 5), (2, 1), ((2, 2), (2, 2)), (1, 1), (5, 6)),
    ((3,), (2,), ((1, 1),), (2,), (23,)),
    ((2, 3, 2), (2, 1, 2), ((1, 1), (1, 1), (0, 0)), (1, 1, 1), (4, 5, 6)),
]


def same(card: Any, *xs: Any) -> None:
    graph = staged(card, *map(Type.of, xs))
    program = Program(graph)
    assert any(isinstance(group.plan, Plan) for group in program.grouping.groups)
    found, wanted = run(graph, list(xs), True)[0], run(graph, list(xs), False)[0]
    agree(found, wanted) if wanted.dtype.kind == "f" else np.testing.assert_array_equal(
        found, wanted
    )


def images(shape: Any, dtype: Any) -> Any:
    """Images with many ties; floats with NaNs and infinities as well."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 5, size=shape).astype(dtype)
    if np.dtype(dtype).kind == "f":
        special = rng.random(shape)
        x[special < 0.08] = np.nan
        x[(special > 0.08) & (special < 0.3)] = -np.inf
        x[special > 0.95] = np.inf
    return x


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16, np.uint8, np.bool_])
@pytest.mark.parametrize("fields", FIELDS, ids=str)
def test_the_largest_and_its_place(fields: Any, dtype: Any) -> None:
    *geometry, image = fields
    x = images((2, 3, *image), dtype)
    same(MaxPool(*geometry), x)
    same(MaxPlace(*geometry), x)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("fields", FIELDS, ids=str)
def test_numbers_there_and_back(fields: Any, dtype: Any) -> None:
    *geometry, image = fields
    rng = np.random.default_rng(1)
    x = rng.integers(-9, 9, size=(2, 3, *image)).astype(dtype)
    place = MaxPlace(*geometry).value(x)
    same(TakeFromWindow(*geometry), x, place)
    ct = rng.integers(-9, 9, size=place.shape).astype(dtype)
    same(PutInWindow(image, *geometry), ct, place)


def test_places_that_lie_in_padding() -> None:
    fields = ((3,), (2,), ((1, 1),), (1,))
    x, place = np.arange(1.0, 8.0), np.array([0, 2, 1, 2])
    same(TakeFromWindow(*fields), x, place)
    same(PutInWindow((7,), *fields), np.arange(1.0, 5.0), place)


@pytest.mark.parametrize("ceil_mode", [False, True])
def test_operands_may_be_views(ceil_mode: bool) -> None:
    x = np.random.default_rng(0).normal(size=(9, 11, 4, 6)).astype(np.float32)

    def f(t: Any) -> Any:
        turned = t.permute(3, 2, 1, 0)[1:, :, ::2]
        return ad.max_pool2d(turned, 2, ceil_mode=ceil_mode), ad.avg_pool2d(turned, 3, padding=1)

    graph = staged(f, Type.of(x))
    for found, wanted in zip(run(graph, [x], True), run(graph, [x], False), strict=True):
        agree(found, wanted)
