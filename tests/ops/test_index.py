"""Reading and writing by NumPy keys, against NumPy."""

import operator
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, strategies as st
from hypothesis.extra import numpy as hnp

import adjoint as ad
from adjoint.core.errors import AxisError, DTypeError, ShapeError, TracerLeak
from adjoint.testing import check_grads
from tests.strategies import shapes

INDEX_SHAPES = [(2,), (3, 1), (1,), (2, 2), (), (0,)]


KINDS = ["int", "slice", "index", "mask", "new", "bool", "ellipsis"]


@st.composite
def shapes_and_keys(draw: Any) -> tuple[tuple[int, ...], Any]:
    """A shape, and a key of any mixture that is valid for it."""
    shape = draw(shapes())
    places = draw(st.sampled_from(INDEX_SHAPES))
    key: list[Any] = []
    axis = 0
    for kind in draw(st.lists(st.sampled_from(KINDS), max_size=6)):
        if kind == "ellipsis":
            if not any(k is Ellipsis for k in key):
                axis += draw(st.integers(0, len(shape) - axis))
                key.append(Ellipsis)
        elif kind in ("new", "bool"):
            key.append(None if kind == "new" else draw(st.booleans()))
        elif axis < len(shape):
            item, used = draw(_item(kind, shape[axis:], places))
            key.append(item)
            axis += used
    if any(k is Ellipsis for k in key):
        key += [slice(None)] * (len(shape) - axis)  # what follows it names the last axes
    found = key[0] if len(key) == 1 else tuple(key)
    assume(accepts(lambda: numbered(shape)[found]))  # masks and index arrays may not fit together
    return shape, found


def accepts(f: Any) -> bool:
    try:
        f()
    except (IndexError, TypeError, ValueError):
        return False
    return True


@st.composite
def _item(draw: Any, kind: str, shape: tuple[int, ...], places: tuple[int, ...]) -> Any:
    n = shape[0]
    if kind == "mask":
        used = draw(st.integers(1, min(2, len(shape))))
        return draw(hnp.arrays(bool, shape[:used])), used
    if kind == "slice" or not n:
        return draw(st.slices(n)), 1
    if kind == "int":
        return draw(st.integers(-n, n - 1)), 1
    return draw(hnp.arrays(np.int64, places, elements=st.integers(-n, n - 1))), 1


def numbered(shape: tuple[int, ...], start: float = 0.0) -> Any:
    return np.arange(start, start + np.prod(shape, dtype=int)).reshape(shape)


def leaf(x: Any) -> Any:
    return ad.tensor(x, requires_grad=True)


@given(shapes_and_keys())
@example(((3, 4, 2), ([0, 2], slice(None), [1, 0])))
@example(((3, 4, 2), (0, slice(None), [1, 0])))
@example(((3, 4, 2), (slice(None), None, [1, 0])))
@example(((3, 4), ([[0], [2]], [3, 1])))
@example(((3,), (slice(None, None, -2),)))
def test_reading_is_that_of_numpy_and_its_gradient_adds_up(case: Any) -> None:
    shape, key = case
    x = numbered(shape)
    wanted = x[key]
    t = leaf(x)
    found = ad.getitem(t, key)
    assert found.shape == wanted.shape
    np.testing.assert_array_equal(found.numpy(), wanted)
    ct = numbered(wanted.shape, 1.0)
    found.backward(ct)
    added = np.zeros(shape)
    np.add.at(added, key, ct)
    np.testing.assert_array_equal(t.grad.numpy(), added)


@given(shapes_and_keys())
@example(((3,), ([0, 0, 2],)))
@example(((3, 2), ([[0, -3], [2, 2]],)))
def test_writing_is_that_of_numpy_and_the_last_write_has_the_gradient(case: Any) -> None:
    shape, key = case
    x = numbered(shape, 1.0)
    v = -numbered(x[key].shape, 1.0)
    wanted, untouched, writer = x.copy(), np.ones(shape), np.zeros(shape)
    wanted[key], untouched[key], writer[key] = v, 0.0, v
    t, u = leaf(x), leaf(v)
    found = ad.setitem(t, key, u)
    np.testing.assert_array_equal(found.numpy(), wanted)
    ct = numbered(shape, 0.5)
    found.backward(ct)
    np.testing.assert_array_equal(t.grad.numpy(), ct * untouched)
    gradient = np.zeros(v.size)
    for name, c in zip(writer.ravel(), ct.ravel(), strict=True):
        if name:
            gradient[int(-name) - 1] += c  # v holds -1, -2, ...: each names itself
    np.testing.assert_array_equal(u.grad.numpy().ravel(), gradient)


@given(shapes_and_keys())
def test_adding_counts_every_time(case: Any) -> None:
    shape, key = case
    x = numbered(shape)
    v = numbered(x[key].shape, 1.0)
    wanted = x.copy()
    np.add.at(wanted, key, v)
    t, u = leaf(x), leaf(v)
    found = ad.add_at(t, key, u)
    np.testing.assert_array_equal(found.numpy(), wanted)
    ct = numbered(shape)
    found.backward(ct)
    np.testing.assert_array_equal(t.grad.numpy(), ct)
    np.testing.assert_array_equal(u.grad.numpy(), ct[key])


@given(shapes_and_keys(), st.integers(0, 2))
def test_a_smaller_value_is_repeated(case: Any, ones: int) -> None:
    shape, key = case
    part = numbered(shape)[key]
    v = np.ones((1,) * ones + part.shape[part.ndim // 2 :])
    wanted = numbered(shape)
    assume(accepts(lambda: operator.setitem(wanted, key, v)))
    u = leaf(v)
    found = ad.setitem(ad.asarray(numbered(shape)), key, u)
    np.testing.assert_array_equal(found.numpy(), wanted)
    found.backward(np.ones(shape))
    assert u.grad.numpy().sum() == np.count_nonzero(_touched(shape, key))


def _touched(shape: tuple[int, ...], key: Any) -> Any:
    out = np.zeros(shape)
    out[key] = 1
    return out


def test_second_derivatives() -> None:
    x = np.array([[0.5, -1.0, 2.0], [1.5, 0.3, -0.2]])
    v = np.array([0.7, -0.4])
    i = np.array([2, 0])
    check_grads(lambda x: ad.getitem(x, (slice(None), i)) ** 3, [x], order=2)
    check_grads(lambda x, v: ad.setitem(x * x, (slice(None), 1), v) ** 2, [x, v], order=2)
    check_grads(lambda x, v: ad.setitem(x, ([0, 0], i), v) ** 3, [x, v], order=2)
    check_grads(lambda x, v: ad.add_at(x, ([1, 1], i), v) ** 3, [x, v], order=2)


def test_layouts() -> None:
    base = numbered((4, 6))
    for x in (base[::-1, ::2], base.T, np.broadcast_to(base[0], (4, 6))):
        for key in ([1, 0], (slice(None), [0, 2]), ([0, 1], [1, 2]), slice(None, None, -1)):
            np.testing.assert_array_equal(ad.getitem(x, key).numpy(), x[key])


def test_tensors_as_indices() -> None:
    x = ad.tensor([10.0, 20.0, 30.0])
    assert ad.getitem(x, ad.tensor(1)).item() == 20
    assert ad.getitem(x, ad.tensor([2, 0])).tolist() == [30, 10]
    assert ad.getitem(x, ad.tensor([2, 0], dtype="uint8")).tolist() == [30, 10]
    assert ad.getitem(x, slice(ad.tensor(1), None)).tolist() == [20, 30]
    assert ad.getitem(x, ad.tensor([True, False, True])).tolist() == [10, 30]
    assert ad.getitem(x, []).shape == (0,)
    assert ad.getitem(x, [True, False, True]).tolist() == [10, 30]


def test_the_old_tensor_stays() -> None:
    x = ad.tensor([1.0, 2.0])
    y = ad.setitem(x, 0, 5.0)
    z = ad.getitem(x, Ellipsis)
    assert (x.tolist(), y.tolist()) == ([1, 2], [5, 2])
    assert z is not x


# -- vmap ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mapped", [(0, None), (None, 0), (0, 0)])
@pytest.mark.parametrize(
    "key", [lambda i: i, lambda i: (slice(None), i), lambda i: (i, i), lambda i: (1, None, i)]
)
def test_vmap_over_values_and_indices(mapped: Any, key: Any) -> None:
    x = np.random.default_rng(0).normal(size=(3, 4, 4))
    i = np.array([[0, -1], [3, 3], [1, 0]])
    for f in (
        lambda x, i: ad.getitem(x, key(i)),
        lambda x, i: ad.setitem(x, key(i), 2.0),
        lambda x, i: ad.add_at(x, key(i), 2.0),
    ):
        args = [x if mapped[0] == 0 else x[0], i if mapped[1] == 0 else i[0]]
        found = ad.vmap(f, in_axes=mapped)(*map(ad.asarray, args))
        for b in range(3):
            one = [a[b] if m == 0 else a for a, m in zip(args, mapped, strict=True)]
            np.testing.assert_array_equal(found.numpy()[b], f(*one).numpy())


def test_an_index_that_is_not_known_yet() -> None:
    x = ad.tensor([[1.0, 2.0], [3.0, 4.0]])
    rows = ad.vmap(ad.getitem)(x, ad.tensor([1, 0]))
    assert rows.tolist() == [2, 3]


def test_a_mask_that_is_not_known_yet() -> None:
    x = ad.tensor([[1.0, -2.0], [-3.0, 4.0]])
    with pytest.raises(TracerLeak, match=r"ad\.where"):
        ad.vmap(lambda row: ad.getitem(row, ad.less(row, 0)))(x)
    found = ad.vmap(lambda row: ad.setitem(row, ad.less(row, 0), 0.0))(x)
    assert found.tolist() == [[1, 0], [0, 4]]


def test_a_mask_over_the_first_axes_takes_one_value() -> None:
    x, v = leaf(numbered((2, 3))), leaf(np.array(9.0))
    found = ad.setitem(x, np.array([True, False]), v)
    assert found.tolist() == [[9, 9, 9], [3, 4, 5]]
    found.backward(np.ones((2, 3)))
    assert v.grad.item() == 3


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 3), (0, 0)])
def test_a_mask_may_be_empty_along_an_axis_and_then_takes_nothing(shape: tuple[int, ...]) -> None:
    x, mask = numbered((2, 3)), np.zeros(shape, bool)
    found = ad.getitem(x, mask)
    assert found.shape == x[mask].shape
    assert ad.setitem(x, mask, 9.0).tolist() == x.tolist()
    given = leaf(x)
    ad.getitem(given, mask).sum().backward()
    assert given.grad.tolist() == np.zeros((2, 3)).tolist()


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "error", "fact"),
    [
        (5, AxisError, "index 5 is out of range for axis 0 with size 2"),
        ((0, -4), AxisError, "index -4 is out of range for axis 1 with size 3"),
        ([0, 7], AxisError, "index 7 is out of range for axis 0 with size 2"),
        ((slice(None), [1, -9]), AxisError, "index -9 is out of range for axis 1 with size 3"),
        (([0, 1], [0, 5]), AxisError, "index 5 is out of range for axis 1 with size 3"),
        ((0, 0, 0), AxisError, "3 indices for a value with 2 axes"),
        ((Ellipsis, Ellipsis), AxisError, "one Ellipsis only"),
        (1.0, AxisError, "is no index"),
        ("a", AxisError, "is no index"),
        ([1.0], AxisError, "integers or bools, got float64"),
        (np.array([True]), AxisError, r"a mask of shape \(1,\) on axes with the sizes \(2,\)"),
        (np.ones((2, 3, 1), bool), AxisError, "3 indices for a value with 2 axes"),
        (([0, 1], [0, 1, 1]), AxisError, "index arrays: .*do not broadcast"),
    ],
)
def test_a_bad_key_is_explained(key: Any, error: type[Exception], fact: str) -> None:
    x = ad.tensor(numbered((2, 3)))
    for f in (lambda: ad.getitem(x, key), lambda: ad.setitem(x, key, 0.0)):
        with pytest.raises(error, match=fact) as caught:
            f()
        assert "x: f64[2,3]" in str(caught.value)
    assert issubclass(AxisError, IndexError)


def test_a_value_must_fit() -> None:
    with pytest.raises(ShapeError, match=r"a value of shape \(4,\) does not fit the part \(2,\)"):
        ad.setitem(ad.tensor([1.0, 2.0, 3.0]), slice(2), np.ones(4))
    with pytest.raises(DTypeError, match=r"int64 cannot hold 1\.5"):
        ad.setitem(ad.tensor([1, 2]), 0, 1.5)
    with pytest.raises(DTypeError, match="float32 cannot hold complex128"):
        ad.setitem(ad.tensor([1.0]), 0, np.array(1j))
    assert ad.setitem(ad.tensor([1.0], dtype="float16"), 0, np.float64(2)).dtype == np.float16
