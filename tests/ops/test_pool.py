"""Pooling against windows taken one at a time; with `-m peers` against PyTorch as well."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import adjoint as ad
from adjoint.core.errors import ArgumentError, DTypeError, ShapeError

ROWS = np.array([[1.0, 3.0, 2.0, 0.0], [5.0, 4.0, 7.0, 7.0]])


def gradient(f: Any, x: Any, ct: Any = None) -> Any:
    """Gradient of `f` at an array, for a cotangent of ones unless another is given."""
    leaf = ad.tensor(x, requires_grad=True)
    out = f(leaf)
    out.backward(ad.tensor(np.ones(out.shape) if ct is None else ct))
    return leaf.grad.value


# -- maxima ----------------------------------------------------------------------------------------


@given(
    st.integers(1, 9), st.integers(1, 4), st.integers(1, 4), st.integers(0, 2), st.integers(1, 3)
)
def test_max_pool_equals_windows_one_at_a_time(
    size: int, kernel: int, stride: int, padding: int, dilation: int
) -> None:
    reach = (kernel - 1) * dilation + 1
    if 2 * padding > reach or size + 2 * padding < reach:
        with pytest.raises((ArgumentError, ShapeError)):
            ad.max_pool1d(np.ones((2, size)), kernel, stride, padding, dilation)
        return
    x = np.random.default_rng(size).permutation(2.0 * np.arange(2 * size)).reshape(2, size)
    padded = np.pad(x, ((0, 0), (padding, padding)), constant_values=-np.inf)
    starts = range(0, size + 2 * padding - reach + 1, stride)
    wanted = np.stack([padded[:, i : i + reach : dilation].max(1) for i in starts], 1)
    found, index = ad.max_pool1d(x, kernel, stride, padding, dilation, return_indices=True)
    np.testing.assert_array_equal(found.value, wanted)
    # a dilated window can lie in the padding on both sides; then it has no place
    filled = np.isfinite(wanted)
    at = np.where(filled, index.value, 0)
    np.testing.assert_array_equal(np.take_along_axis(x, at, 1)[filled], wanted[filled])


def test_gradient_of_max_pool_goes_to_the_largest() -> None:
    got = gradient(lambda x: ad.max_pool1d(x, 2), ROWS, [[10.0, 20.0], [30.0, 40.0]])
    np.testing.assert_array_equal(got, [[0, 10, 20, 0], [30, 0, 40, 0]])
    overlapping = gradient(lambda x: ad.max_pool1d(x, 2, 1), ROWS)
    np.testing.assert_array_equal(overlapping, [[0, 2, 1, 0], [1, 0, 2, 0]])


def test_ties_give_the_gradient_to_the_first_row_by_row() -> None:
    flat = np.zeros((1, 4, 4))
    got = gradient(lambda x: ad.max_pool2d(x, 2), flat)
    np.testing.assert_array_equal(got[0], np.tile([[1, 0], [0, 0]], (2, 2)))
    got = gradient(lambda x: ad.max_pool2d(x, 3, 2, padding=1), flat)
    np.testing.assert_array_equal(got[0, :2, :2], [[1, 1], [1, 1]])


def test_all_elements_at_minus_infinity_still_have_a_place() -> None:
    x = np.full((1, 4), -np.inf)
    out, index = ad.max_pool1d(x, 2, padding=1, return_indices=True)
    assert out.tolist() == [[-np.inf] * 3]
    assert index.tolist() == [[0, 1, 3]]


def test_a_nan_is_the_largest() -> None:
    x = np.array([[1.0, np.nan, 3.0, 2.0]])
    np.testing.assert_array_equal(ad.max_pool1d(x, 3, 1).value, [[np.nan, np.nan]])
    np.testing.assert_array_equal(gradient(lambda x: ad.max_pool1d(x, 3, 1), x), [[0, 2, 0, 0]])


def test_a_masked_window_with_nan_has_no_gradient() -> None:
    got = gradient(lambda x: ad.max_pool1d(x, 2), [[np.nan, 1.0, 2.0, 3.0]], [[0.0, 1.0]])
    np.testing.assert_array_equal(got, [[0, 0, 0, 1]])


def test_second_derivative_through_the_places() -> None:
    x = ad.tensor(ROWS, requires_grad=True)
    out = ad.max_pool1d(x, 2)
    out.backward(out * out, create_graph=True)
    first = x.grad
    np.testing.assert_array_equal(first.value, [[0, 9, 4, 0], [25, 0, 49, 0]])
    x.grad = None
    first.backward(ad.tensor(np.ones(ROWS.shape)))
    np.testing.assert_array_equal(x.grad.value, [[0, 6, 4, 0], [10, 0, 14, 0]])


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "float16", "bfloat16", "float32"])
def test_max_pool_of_every_kind_of_number(dtype: str) -> None:
    x = ad.tensor(ROWS % 2 if dtype == "bool" else ROWS, dtype=dtype)
    out = ad.max_pool1d(x, 2)
    assert out.dtype == x.dtype
    assert (
        out.astype("float64").tolist()
        == (ROWS % 2 if dtype == "bool" else ROWS).reshape(2, 2, 2).max(2).tolist()
    )


def test_complex_numbers_have_no_largest() -> None:
    with pytest.raises(DTypeError, match="complex"):
        ad.max_pool1d(ROWS + 1j, 2)


# -- means -----------------------------------------------------------------------------------------


def test_mean_of_windows_and_its_gradient() -> None:
    assert ad.avg_pool1d(ROWS, 2).tolist() == [[2.0, 1.0], [4.5, 7.0]]
    np.testing.assert_array_equal(gradient(lambda x: ad.avg_pool1d(x, 2), ROWS), ROWS * 0 + 0.5)


def test_padding_counts_or_not() -> None:
    x = np.ones((1, 1, 3))
    assert ad.avg_pool1d(x, 2, padding=1).tolist() == [[[0.5, 1.0]]]
    assert ad.avg_pool1d(x, 2, padding=1, count_include_pad=False).tolist() == [[[1.0, 1.0]]]
    # the window beyond the padding is cut at its end
    assert ad.avg_pool1d(x, 3, 2, 1, ceil_mode=True)[0, 0].tolist() == pytest.approx([2 / 3, 2 / 3])
    assert ad.avg_pool2d(np.ones((1, 2, 2)), 2, divisor_override=8).tolist() == [[[0.5]]]


def test_mean_of_integers_is_a_float() -> None:
    assert ad.avg_pool1d(np.arange(4)[None], 2).dtype == ad.tensor(1.0).dtype


@pytest.mark.parametrize("name", ["avg", "max"])
@pytest.mark.parametrize(("size", "m"), [(7, 3), (6, 3), (5, 5), (3, 5), (8, 1)])
def test_adaptive_windows(name: str, size: int, m: int) -> None:
    x = np.random.default_rng(0).normal(size=(2, size))
    spans = [(i * size // m, -(-(i + 1) * size // m)) for i in range(m)]
    take = np.mean if name == "avg" else np.max
    wanted = np.stack([take(x[:, i:j], 1) for i, j in spans], 1)
    found = getattr(ad, f"adaptive_{name}_pool1d")(x, m)
    np.testing.assert_allclose(found.value, wanted, rtol=1e-12)


def test_adaptive_mean_is_not_spoiled_by_a_nan_of_another_window() -> None:
    x = np.array([[np.nan, 1.0, 2.0, 3.0, 4.0]])
    out = ad.adaptive_avg_pool1d(x, 3)
    np.testing.assert_array_equal(out.value, [[np.nan, 2.0, 3.5]])


@pytest.mark.parametrize(
    ("call", "fact"),
    [
        (lambda: ad.max_pool2d(ROWS, 2), "x has 2 axes, expected 3 or 4"),
        (lambda: ad.max_pool1d(ROWS, 2, padding=2), "padding = 2 is more than half a window of 2"),
        (lambda: ad.max_pool1d(ROWS, 5), "size 5 does not fit into size 4"),
        (lambda: ad.max_pool1d(ROWS, 0), "kernel_size must be at least 1"),
        (lambda: ad.avg_pool1d(ROWS, (2, 2)), "kernel_size has 2 entries for 1 axes"),
        (lambda: ad.avg_pool2d(ROWS[None], 2, divisor_override=0), "must not be 0"),
        (lambda: ad.adaptive_avg_pool2d(ROWS[None], (2, 2, 2)), "output_size has 3 entries"),
    ],
)
def test_what_does_not_fit_is_explained(call: Any, fact: str) -> None:
    with pytest.raises((ShapeError, ArgumentError)) as caught:
        call()
    assert fact in str(caught.value).splitlines()[0]


# -- PyTorch ---------------------------------------------------------------------------------------


def compare(
    torch: Any, name: str, shape: Any, *args: Any, ties: bool = False, **options: Any
) -> None:
    """Value and gradient in float64."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 3, size=shape).astype(float) if ties else rng.normal(size=shape)
    ours, theirs = ad.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    out = getattr(ad, name)(ours, *args, **options)
    wanted = getattr(torch.nn.functional, name)(theirs, *args, **options)
    if isinstance(out, tuple):
        np.testing.assert_array_equal(out[1].value, wanted[1].numpy())
        out, wanted = out[0], wanted[0]
    np.testing.assert_allclose(out.value, wanted.detach().numpy(), rtol=1e-10, atol=1e-10)
    ct = rng.normal(size=out.shape)
    out.backward(ad.tensor(ct))
    wanted.backward(torch.tensor(ct))
    np.testing.assert_allclose(ours.grad.value, theirs.grad.numpy(), rtol=1e-10, atol=1e-10)


IMAGES = {1: (9,), 2: (8, 7), 3: (6, 5, 7)}
GRID = list(itertools.product((1, 2, 3), (2, 3), (None, 1, 2, 4), (0, 1), (False, True)))


@pytest.mark.peers
@pytest.mark.parametrize(("n", "kernel", "stride", "padding", "ceil_mode"), GRID)
def test_pooling_equals_pytorch(
    n: int, kernel: int, stride: int | None, padding: int, ceil_mode: bool
) -> None:
    torch = pytest.importorskip("torch")
    shape = (2, 3, *IMAGES[n])
    for dilation, ties in itertools.product((1, 2), (False, True)):
        compare(
            torch, f"max_pool{n}d", shape, kernel, stride, padding, dilation, ceil_mode, ties=ties,
            return_indices=ties,
        )  # fmt: skip
    for with_padding in (False, True):
        compare(torch, f"avg_pool{n}d", shape, kernel, stride, padding, ceil_mode, with_padding)
    if n > 1:
        compare(
            torch, f"avg_pool{n}d", shape, kernel, stride, padding, ceil_mode, divisor_override=3
        )


@pytest.mark.peers
@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("name", ["avg", "max"])
def test_adaptive_pooling_equals_pytorch(name: str, n: int, size: int) -> None:
    torch = pytest.importorskip("torch")
    for ties in (False, True):
        compare(torch, f"adaptive_{name}_pool{n}d", (2, 3, *IMAGES[n]), size, ties=ties)
