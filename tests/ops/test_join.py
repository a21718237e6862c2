"""Joining, splitting, repeating, rotating, padding and flipping, against NumPy."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import adjoint as ad
from adjoint.core.errors import ArgumentError, AxisError, ShapeError
from adjoint.testing import check_grads
from tests.strategies import arrays, axes_of

X = np.arange(24.0).reshape(2, 3, 4)


def same(found: Any, wanted: Any) -> None:
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found.numpy(), wanted)


def all_same(found: Any, wanted: Any) -> None:
    assert len(found) == len(wanted)
    for x, y in zip(found, wanted, strict=True):
        same(x, y)


# -- joining and splitting -------------------------------------------------------------------------


@given(arrays(), st.data())
def test_concat_and_stack(x: Any, data: Any) -> None:
    axis = data.draw(st.integers(-x.ndim - 1, x.ndim))
    same(ad.stack([x, x + 1], axis=axis), np.stack([x, x + 1], axis))
    same(ad.concat([x, x], axis=None), np.concatenate([x, x], None))
    if x.ndim:
        axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
        wide = np.repeat(x, 2, axis)
        same(ad.concat([x, wide, x], axis=axis), np.concatenate([x, wide, x], axis))
        all_same(ad.unstack(x, axis=axis), list(np.moveaxis(x, axis, 0)))
    for name in ("hstack", "vstack", "dstack"):
        same(getattr(ad, name)([x, x]), getattr(np, name)([x, x]))
    if x.ndim in (1, 2):
        same(ad.column_stack([x, x]), np.column_stack([x, x]))


def test_dtypes_of_what_is_joined() -> None:
    xs = [np.ones(2, np.int32), np.ones(1, np.float32)]
    assert ad.concat(xs).dtype == np.float32
    assert ad.concat(xs, dtype=np.float64).dtype == np.float64
    assert ad.stack([np.array(True), np.array(2, np.int8)]).dtype == np.int8
    same(ad.concatenate(xs[:1]), xs[0])
    same(ad.cat([X, X], dim=1), np.concatenate([X, X], 1))


@given(st.integers(0, 7), st.one_of(st.integers(1, 5), st.lists(st.integers(-9, 9), max_size=3)))
def test_array_split(n: int, cuts: Any) -> None:
    x = np.arange(2.0 * n).reshape(n, 2)
    all_same(ad.array_split(x, cuts), np.array_split(x, cuts))
    all_same(ad.array_split(x.T, cuts, 1), np.array_split(x.T, cuts, 1))


def test_equal_splits() -> None:
    all_same(ad.split(X, 2, axis=2), np.split(X, 2, 2))
    all_same(ad.hsplit(X, 3), np.hsplit(X, 3))
    all_same(ad.vsplit(X, 2), np.vsplit(X, 2))
    all_same(ad.dsplit(X, [1, 3]), np.dsplit(X, [1, 3]))
    with pytest.raises(ShapeError, match=r"axis 1 of size 3 has no 2 equal parts"):
        ad.split(X, 2, axis=1)


def test_bad_joins_are_explained() -> None:
    with pytest.raises(ShapeError, match=r"shapes \(2, 3\) and \(2, 2\) differ beside axis 0"):
        ad.concat([np.ones((2, 3)), np.ones((2, 2))])
    with pytest.raises(ShapeError, match=r"shapes differ: \(2,\), \(3,\)"):
        ad.stack([np.ones(2), np.ones(3)])
    with pytest.raises(AxisError, match="axis 1 is out of range"):
        ad.concat([np.ones(2), np.ones(3)], axis=1)
    with pytest.raises(ArgumentError, match="at least one array"):
        ad.concat([])
    with pytest.raises(ShapeError, match="0-d tensors"):
        ad.concat([1.0, 2.0])


def test_each_part_gets_its_cotangent() -> None:
    xs = [ad.tensor(np.ones(n), requires_grad=True) for n in (1, 0, 2)]
    (ad.concat(xs) * np.arange(3.0)).backward(np.ones(3))
    assert [x.grad.tolist() for x in xs] == [[0], [], [1, 2]]
    t = ad.tensor(X, requires_grad=True)
    first, second = ad.unstack(t)
    (second * 2).backward(np.ones((3, 4)))
    np.testing.assert_array_equal(t.grad.numpy(), np.stack([X[0] * 0, X[0] * 0 + 2]))
    assert first.shape == (3, 4)


# -- repeating and turning -------------------------------------------------------------------------


@given(arrays(), st.data())
def test_flip_roll_and_rotate(x: Any, data: Any) -> None:
    axes = data.draw(axes_of(x.ndim))
    same(ad.flip(x, axis=axes), np.flip(x, axes))
    shift = data.draw(st.integers(-9, 9))
    same(ad.roll(x, shift), np.roll(x, shift))
    if axes:
        same(ad.roll(x, shift, axis=axes), np.roll(x, shift, axes))
        shifts = tuple(range(shift, shift + len(axes)))
        same(ad.roll(x, shifts, axis=axes), np.roll(x, shifts, axes))
    if x.ndim > 1:
        same(ad.rot90(x, shift), np.rot90(x, shift))
        same(ad.rot90(x, shift, (1, 0)), np.rot90(x, shift, (1, 0)))
        same(ad.fliplr(x), np.fliplr(x))
        same(ad.flipud(x), np.flipud(x))


@given(arrays(), st.data())
def test_repeat_and_tile(x: Any, data: Any) -> None:
    times = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=4))
    same(ad.tile(x, times), np.tile(x, times))
    same(ad.repeat(x, times[0]), np.repeat(x, times[0]))
    for axis in range(x.ndim):
        same(ad.repeat(x, times[0], axis=axis), np.repeat(x, times[0], axis))
        each = data.draw(
            st.lists(st.integers(0, 3), min_size=x.shape[axis], max_size=x.shape[axis])
        )
        if each:
            same(ad.repeat(x, each, axis=axis), np.repeat(x, each, axis))


# -- padding ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric", "wrap"])
@given(arrays(shape=(2, 3)), st.integers(0, 5), st.integers(0, 5), st.integers(0, 5))
def test_pad(mode: str, x: Any, a: int, b: int, c: int) -> None:
    for width in (a, (a, b), ((a, b), (c, 0))):
        same(ad.pad(x, width, mode=mode), np.pad(x, width, mode=mode))


def test_pad_with_numbers() -> None:
    same(ad.pad(X, 1, constant_values=2), np.pad(X, 1, constant_values=2))
    ends = ((1, 2), (3, 4), (5, 6))
    same(ad.pad(X, 2, constant_values=ends), np.pad(X, 2, constant_values=ends))
    same(ad.pad(X, 1, constant_values=np.inf), np.pad(X, 1, constant_values=np.inf))
    c = ad.tensor(np.array(3.0), requires_grad=True)
    ad.pad(X[0, 0], (1, 2), constant_values=c).backward(np.ones(7))
    assert c.grad.item() == 3
    same(ad.pad(X > 3, 1, constant_values=True), np.pad(X > 3, 1, constant_values=True))


def test_bad_padding_is_explained() -> None:
    for width in (-1, 0.5, (1, 2, 3)):
        with pytest.raises(ArgumentError, match="pad_width"):
            ad.pad(X, width)
    with pytest.raises(ArgumentError, match="mode 'mirror' is none of"):
        ad.pad(X, 1, mode="mirror")
    with pytest.raises(ShapeError, match="axis 0 has size 0"):
        ad.pad(np.ones((0, 2)), ((1, 0), (0, 0)), mode="edge")


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric", "wrap"])
def test_second_derivatives_of_padding(mode: str) -> None:
    check_grads(lambda x: ad.pad(x, (2, 5), mode=mode) ** 3, [X[0, :2, :3]], order=2)


def test_second_derivatives() -> None:
    check_grads(lambda x: ad.roll(x, 2) ** 3, [X[0]], order=2)
    check_grads(lambda x: ad.repeat(x, [2, 0, 1], axis=0) ** 3, [X[0]], order=2)
    check_grads(lambda x, y: ad.concat([x, y, x], axis=1) ** 3, [X[0], X[1, :, :2]], order=2)
    check_grads(lambda x: ad.array_split(x, 2, axis=1)[1] ** 3, [X[0]], order=2)
