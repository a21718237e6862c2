"""Convolutions against plain loops and NumPy; with `-m peers` against PyTorch as well."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, strategies as st

import adjoint as ad
from adjoint.core.errors import ArgumentError, ShapeError
from adjoint.ops.convolution import Convolve
from adjoint.ops.windows import dilated, overlap

SPECS = ("ab,cb->ac", "abc,bdc->abd", "ab,b->ab", "ab,->ab", ",->", "ab,ac->bc")


def by_loops(card: Convolve, x: Any, y: Any) -> Any:
    """The relation of the module's docstring, one pair of elements after the other."""
    letters = card.spec.split("->")[0].split(",")
    image, kernel = x.shape[len(letters[0]) :], y.shape[len(letters[1]) :]
    out = np.zeros(card.out_type(x, y).shape, np.result_type(x, y))
    windows = out.shape[len(out.shape) - len(image) :]
    for i in np.ndindex(*image):
        for k in np.ndindex(*kernel):
            p = []
            for axis, (at, step) in enumerate(zip(i, card.input_dilation, strict=True)):
                size, (low, _) = kernel[axis], card.padding[axis]
                k_ = size - 1 - k[axis] if card.flip else k[axis]
                place = at * step + low - k_ * card.kernel_dilation[axis]
                if place % card.stride[axis]:
                    break
                p.append(place // card.stride[axis])
            if len(p) == len(image) and all(0 <= a < n for a, n in zip(p, windows, strict=True)):
                out[(..., *p)] += np.einsum(card.spec, x[(..., *i)], y[(..., *k)])
    return out


@st.composite
def geometries(draw: Any) -> tuple[Convolve, Any, Any]:
    """A convolution in one or two dimensions with operands that it accepts."""
    n = draw(st.integers(1, 2))
    spec = draw(st.sampled_from(SPECS))
    a, b = spec.split("->")[0].split(",")
    sizes = {c: draw(st.integers(1, 3)) for c in (*a, *b)}
    small = st.integers(1, 3)
    image = [draw(st.integers(1, 6)) for _ in range(n)]
    kernel = [draw(st.integers(1, 4)) for _ in range(n)]
    padding = tuple((draw(st.integers(-1, 3)), draw(st.integers(-1, 3))) for _ in range(n))
    stride, spread, step = (tuple(draw(small) for _ in range(n)) for _ in range(3))
    card = Convolve(spec, stride, padding, spread, step, draw(st.booleans()))
    for size, e, (low, high), k, d in zip(image, spread, padding, kernel, step, strict=True):
        assume(dilated(size, e) + low + high >= dilated(k, d))
    rng = np.random.default_rng(sum(image))
    x = rng.normal(size=[sizes[c] for c in a] + image)
    return card, x, rng.normal(size=[sizes[c] for c in b] + kernel)


@given(geometries())
@example(
    (
        Convolve("ab,cb->ac", (2,), ((3, 2),), (3,), (2,), True),
        np.arange(12.0).reshape(2, 2, 3),
        np.arange(20.0).reshape(2, 2, 5),
    )
)
def test_value_and_gradients_equal_loops(case: Any) -> None:
    card, x, y = case
    wanted = by_loops(card, x, y)
    np.testing.assert_allclose(card.value(x, y), wanted, atol=1e-12)
    rng = np.random.default_rng(0)
    ct, dx, dy = (rng.normal(size=z.shape) for z in (wanted, x, y))
    gx, gy = card.pull(ct, wanted, (x, y), 3)
    assert (gx.shape, gy.shape) == (x.shape, y.shape)
    assert np.vdot(gx, dx) == pytest.approx(np.vdot(ct, by_loops(card, dx, y)), abs=1e-10)
    assert np.vdot(gy, dy) == pytest.approx(np.vdot(ct, by_loops(card, x, dy)), abs=1e-10)


@given(geometries())
def test_transposes_of_transposes_are_convolutions(case: Any) -> None:
    card, x, y = case
    rng = np.random.default_rng(0)
    x_, y_ = (ad.tensor(z, requires_grad=True) for z in (x, y))
    out = card(x_, y_)
    ct, dx, dy = (rng.normal(size=z.shape) for z in (out, x, y))
    out.backward(ad.tensor(ct), create_graph=True)
    gx, gy = x_.grad, y_.grad
    # the form is linear in x and in y: a second derivative is a first one at another point
    y_.grad = None
    gx.backward(ad.tensor(dx), retain_graph=True)
    np.testing.assert_allclose(y_.grad.value, card.pull(ct, None, (dx, y), 2)[1], atol=1e-10)
    x_.grad = None
    gy.backward(ad.tensor(dy))
    np.testing.assert_allclose(x_.grad.value, card.pull(ct, None, (x, dy), 1)[0], atol=1e-10)


@pytest.mark.parametrize(
    "case", [*Convolve.samples(np.random.default_rng(0))], ids=lambda c: c[0].spec
)
def test_work_in_parts_gives_the_same(case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    card, (x, y) = case
    whole = card.value(x, y)
    ct = np.random.default_rng(0).normal(size=whole.shape)
    grads = card.pull(ct, whole, (x, y), 3)
    for size in (1, 50):
        monkeypatch.setattr("adjoint.ops.columns.CHUNK", size)
        np.testing.assert_allclose(card.value(x, y), whole, atol=1e-12)
        for found, wanted in zip(card.pull(ct, whole, (x, y), 3), grads, strict=True):
            np.testing.assert_allclose(found, wanted, atol=1e-12)


@given(st.integers(0, 6), st.integers(1, 4), st.integers(-9, 9), st.integers(0, 12))
def test_overlap_finds_the_positions_inside(n: int, stride: int, start: int, size: int) -> None:
    positions, places = overlap(n, stride, start, size)
    wanted = [p for p in range(n) if 0 <= p * stride + start < size]
    assert list(range(n)[positions]) == wanted
    assert list(range(size)[places]) == [p * stride + start for p in wanted]


def test_masked_examples_with_nan_leave_the_gradient_of_the_filters_finite() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(3, 2, 5, 5)), rng.normal(size=(4, 2, 3, 3))
    x[1, 0, 2, 2] = np.nan
    ct = rng.normal(size=(3, 4, 3, 3))
    ct[1] = 0
    card = Convolve("ab,cb->ac", (1, 1), ((0, 0), (0, 0)), (1, 1), (1, 1))
    _, gw = card.pull(ct, None, (x, w), 3)
    _, wanted = card.pull(ct[[0, 2]], None, (x[[0, 2]], w), 3)
    np.testing.assert_allclose(gw, wanted, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_lower_precision_keeps_its_dtype(dtype: str) -> None:
    x, w = ad.ones((1, 2, 4, 4), dtype=dtype), ad.ones((3, 2, 3, 3), dtype=dtype)
    w.requires_grad = True
    out = ad.conv2d(x, w, padding=1)
    assert out.dtype == x.dtype
    out.backward(ad.ones(out.shape, dtype=dtype))
    assert w.grad.dtype == x.dtype


# -- the public functions --------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize(("m", "n"), list(itertools.product((1, 2, 5, 6), repeat=2)))
def test_sequences_as_in_numpy(m: int, n: int, mode: Any) -> None:
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=k) + 1j * rng.normal(size=k) for k in (m, n))
    for name in ("convolve", "correlate"):
        found = getattr(ad, name)(x, y, mode)
        np.testing.assert_allclose(found.value, getattr(np, name)(x, y, mode), atol=1e-12)


def test_padding_in_words_and_pairs() -> None:
    x, w = ad.ones((1, 1, 6)), ad.ones((1, 1, 4))
    assert ad.conv1d(x, w, padding="same", dilation=1).shape == (1, 1, 6)
    assert ad.conv1d(x, w, padding="valid").shape == (1, 1, 3)
    assert ad.conv1d(x, w, padding=((2, 1),)).shape == (1, 1, 6)
    # an odd number of zeros: one more after
    assert ad.conv1d(x, w, padding="same").tolist()[0][0] == [3.0, 4.0, 4.0, 4.0, 3.0, 2.0]


def test_an_example_without_batch() -> None:
    rng = np.random.default_rng(0)
    x, w, b = rng.normal(size=(4, 6)), rng.normal(size=(6, 2, 3)), rng.normal(size=6)
    single = ad.conv1d(x, w, b, stride=2, padding=1, groups=2)
    batch = ad.conv1d(x[None], w, b, stride=2, padding=1, groups=2)
    np.testing.assert_allclose(single.value, batch.value[0], rtol=1e-12)
    assert ad.conv_transpose1d(x, rng.normal(size=(4, 2, 3)), groups=2).shape == (4, 8)


@pytest.mark.parametrize(
    ("call", "fact"),
    [
        (
            lambda x, w: ad.conv2d(x, w[:, :2]),
            "channels differ: x.shape[1] = 3, weight.shape[1] = 2",
        ),
        (lambda x, w: ad.conv2d(x, w, groups=3), "groups = 3 does not divide weight.shape[0] = 4"),
        (lambda x, w: ad.conv2d(x, w, groups=2), "weight.shape[1] = 3 in 2 groups"),
        (
            lambda x, w: ad.conv2d(x, w, dilation=4),
            "size 2 with dilation 4 does not fit into size 4",
        ),
        (lambda x, w: ad.conv2d(x, w, padding="same", stride=2), 'padding="same" needs stride 1'),
        (lambda x, w: ad.conv2d(x, w, padding="full"), 'ints, "same" or "valid"'),
        (lambda x, w: ad.conv2d(x, w, padding=-1), "padding must be at least 0"),
        (lambda x, w: ad.conv2d(x, w, stride=(1, 2, 3)), "stride has 3 entries for 2 axes"),
        (lambda x, w: ad.conv2d(x, w, stride=1.5), "stride must be an integer"),
        (lambda x, w: ad.conv2d(x, w, np.ones(3)), "bias has shape (3,), expected (4,)"),
        (ad.conv3d, "weight has 4 axes, expected 5"),
        (lambda x, w: ad.conv1d(x, w[0]), "x has 4 axes, expected 2 or 3"),
        (lambda x, w: ad.conv1d(x[0], w), "weight has 4 axes, expected 3"),
        (ad.conv_transpose2d, "x.shape[1] = 3, weight.shape[0] = 4"),
        (lambda x, w: ad.conv_transpose2d(x[:, :1], w[:1], output_padding=1), "output_padding = 1"),
        (ad.convolve, "sequences with one axis"),
        (lambda x, w: ad.convolve(np.ones(2), np.ones(2), "all"), "mode must be"),
    ],
)
def test_what_does_not_fit_is_explained(call: Any, fact: str) -> None:
    with pytest.raises((ShapeError, ArgumentError)) as caught:
        call(np.ones((2, 3, 4, 4)), np.ones((4, 3, 2, 2)))
    assert fact in str(caught.value).splitlines()[0]


@pytest.mark.parametrize(
    ("padding", "dilation", "stride"), [(0, 1, 1), (2, 2, 2), ((1, 0), (1, 2), (3, 1))]
)
def test_fold_is_the_transpose_of_unfold(padding: Any, dilation: Any, stride: Any) -> None:
    rng = np.random.default_rng(0)
    options: dict[str, Any] = {"padding": padding, "dilation": dilation, "stride": stride}
    x = ad.tensor(rng.normal(size=(2, 3, 6, 7)), requires_grad=True)
    out = ad.unfold(x, (2, 3), **options)
    ct = rng.normal(size=out.shape)
    out.backward(ad.tensor(ct))
    np.testing.assert_allclose(
        x.grad.value, ad.fold(ct, (6, 7), (2, 3), **options).value, rtol=1e-12
    )
    w = rng.normal(size=(4, 3, 2, 3))
    product = ad.matmul(w.reshape(4, -1), out).value
    wanted = ad.conv2d(x, w, **options).value
    np.testing.assert_allclose(product.reshape(wanted.shape), wanted, atol=1e-12)


# -- PyTorch ---------------------------------------------------------------------------------------


def compare(torch: Any, name: str, shapes: Any, **options: Any) -> None:
    """Value and gradients of all operands, in float64."""
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=s) for s in shapes]
    ours = [ad.tensor(x, requires_grad=True) for x in arrays]
    theirs = [torch.tensor(x, requires_grad=True) for x in arrays]
    out = getattr(ad, name)(*ours, **options)
    wanted = getattr(torch.nn.functional, name)(*theirs, **options)
    np.testing.assert_allclose(out.value, wanted.detach().numpy(), rtol=1e-10, atol=1e-10)
    ct = rng.normal(size=out.shape)
    out.backward(ad.tensor(ct))
    wanted.backward(torch.tensor(ct))
    for x, y in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(x.grad.value, y.grad.numpy(), rtol=1e-10, atol=1e-10)


GRID = list(itertools.product((1, 2, 3), (0, 1, 2), (1, 2), (1, 2, 4)))


@pytest.mark.peers
@pytest.mark.parametrize(("stride", "padding", "dilation", "groups"), GRID)
def test_convolutions_equal_pytorch(stride: int, padding: int, dilation: int, groups: int) -> None:
    torch = pytest.importorskip("torch")
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    for n, image, kernel in ((1, (9,), (3,)), (2, (8, 9), (3, 2)), (3, (6, 7, 5), (2, 3, 1))):
        shapes = [(2, 4, *image), (8, 4 // groups, *kernel), (8,)]
        compare(torch, f"conv{n}d", shapes, **options)
        shapes[1] = (4, 8 // groups, *kernel)
        for more in (0, 1):
            if more < max(stride, dilation):
                compare(torch, f"conv_transpose{n}d", shapes, output_padding=more, **options)


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore:Using padding='same'")  # it says that it copies
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_same_padding_equals_pytorch(size: int) -> None:
    torch = pytest.importorskip("torch")
    shapes = [(2, 3, 7, 6), (4, 3, size, 3), (4,)]
    compare(torch, "conv2d", shapes, padding="same", dilation=(1, 2))


@pytest.mark.peers
def test_unfold_and_fold_equal_pytorch() -> None:
    torch = pytest.importorskip("torch")
    options: dict[str, Any] = {"dilation": (1, 2), "padding": (1, 2), "stride": (2, 1)}
    compare(torch, "unfold", [(2, 3, 6, 7)], kernel_size=(2, 3), **options)
    columns = ad.unfold(ad.ones((2, 3, 6, 7)), (2, 3), **options).shape
    compare(torch, "fold", [columns], output_size=(6, 7), kernel_size=(2, 3), **options)


@pytest.mark.peers
def test_second_order_equals_pytorch() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=s) for s in ((2, 4, 7, 6), (6, 2, 3, 2))]
    options: dict[str, Any] = {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2), "groups": 2}

    ours = [ad.tensor(x, requires_grad=True) for x in arrays]
    out = ad.conv2d(*ours, **options)
    ad.vdot(out, out * out).backward(create_graph=True)
    first = [x.grad for x in ours]
    for x in ours:
        x.grad = None
    (ad.vdot(first[0], first[0]) + ad.vdot(first[1], first[1])).backward()

    theirs = [torch.tensor(x, requires_grad=True) for x in arrays]
    wanted = torch.nn.functional.conv2d(*theirs, **options)
    grads = torch.autograd.grad((wanted**3).sum(), theirs, create_graph=True)
    second = torch.autograd.grad(sum((g * g).sum() for g in grads), theirs)
    for x, g in zip(ours, second, strict=True):
        np.testing.assert_allclose(x.grad.value, g.numpy(), rtol=1e-10)
