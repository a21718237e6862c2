"""Types: promotion, broadcasting, axes, printing."""

import itertools

import numpy as np
import pytest
from hypothesis import given

from adjoint.core.errors import AxisError, DTypeError, ShapeError
from adjoint.core.types import (
    Type,
    as_dtype,
    broadcast_shapes,
    complex_of,
    default_dtype,
    dtype_kind,
    is_inexact,
    normalize_axes,
    normalize_axis,
    promote,
    real_of,
    set_default_dtype,
)
from tests.strategies import broadcastable, dtypes, shapes

# (operands, result): one line for each rule; a Python scalar is weak
PROMOTION = [
    (("int8", "int16"), "int16"),
    (("int8", "uint8"), "int16"),
    (("uint8", "uint16"), "uint16"),
    (("bool", "bool"), "bool"),
    (("bool", "int8"), "int8"),
    (("bool", "float32"), "float32"),
    (("int64", "float32"), "float32"),
    (("int64", "float16"), "float16"),
    (("int32", "bfloat16"), "bfloat16"),
    (("float32", "float64"), "float64"),
    (("float16", "float32"), "float32"),
    (("bfloat16", "float32"), "float32"),
    (("bfloat16", "float64"), "float64"),
    (("bfloat16", "float16"), "float32"),
    (("bfloat16", "float16", "float64"), "float64"),
    (("bfloat16", "float16", 1.0), "float32"),
    (("bfloat16", "complex64"), "complex64"),
    (("float32", "complex64"), "complex64"),
    (("float64", "complex64"), "complex128"),
    (("int64", "complex64"), "complex64"),
    (("complex64", "complex128"), "complex128"),
    (("float32", 1.0), "float32"),
    (("float32", 1), "float32"),
    (("float32", True), "float32"),
    (("float16", 2.5), "float16"),
    (("bfloat16", 2.5), "bfloat16"),
    (("int8", 300), "int8"),
    (("bool", 1), "int64"),
    (("int64", 1.0), "float32"),
    (("bool", 1.0), "float32"),
    (("float32", 1j), "complex64"),
    (("float64", 1j), "complex128"),
    (("int64", 1j), "complex64"),
    ((1, 2), "int64"),
    ((1, 2.0), "float32"),
    ((True, True), "bool"),
    ((1, 2j), "complex64"),
]


@pytest.mark.parametrize(("operands", "result"), PROMOTION)
def test_promotion(operands: tuple[object, ...], result: str) -> None:
    items = [as_dtype(x) if isinstance(x, str) else x for x in operands]
    for order in itertools.permutations(items):
        assert promote(*order) == as_dtype(result)


@given(dtypes(), dtypes(), dtypes())
def test_promotion_does_not_depend_on_grouping_within_a_kind(a, b, c) -> None:
    if len({dtype_kind(d) for d in (a, b, c)}) == 1:
        try:
            left = promote(promote(a, b), c)
        except TypeError:
            return  # NumPy has no common type, as for uint64 and int64 in some releases
        if left.kind == dtype_kind_letter(a):
            assert promote(a, promote(b, c)) == left


def dtype_kind_letter(dtype: np.dtype) -> str:
    return dtype.kind


@given(dtypes())
def test_a_dtype_promotes_with_itself_to_itself(dtype) -> None:
    assert promote(dtype) == promote(dtype, dtype) == dtype


def test_default_dtype_is_what_weak_floats_become() -> None:
    before = default_dtype()
    set_default_dtype("float64")
    try:
        assert promote(1.0) == promote(np.dtype("int32"), 1.0) == np.float64
        assert promote(1j) == np.complex128
        assert as_dtype(None) == np.float64
    finally:
        set_default_dtype(before)


@pytest.mark.parametrize("bad", ["int64", "complex64", "bool"])
def test_default_dtype_must_be_a_real_float(bad: str) -> None:
    with pytest.raises(DTypeError, match=f"expected a real floating dtype, got {bad}"):
        set_default_dtype(bad)


@pytest.mark.parametrize("bad", ["U5", "datetime64[s]", "O", "float128"])
def test_other_dtypes_are_refused(bad: str) -> None:
    try:
        np.dtype(bad)
    except TypeError:
        pytest.skip("this platform has no such dtype")
    with pytest.raises(DTypeError, match="is not supported"):
        as_dtype(bad)


def test_real_and_complex_dtypes_correspond() -> None:
    for real, cplx in [("float32", "complex64"), ("float64", "complex128")]:
        assert complex_of(np.dtype(real)) == cplx
        assert real_of(np.dtype(cplx)) == real
        assert real_of(np.dtype(real)) == real


@given(dtypes())
def test_inexact_means_float_or_complex(dtype) -> None:
    assert is_inexact(dtype) == (dtype_kind(dtype) >= 2)


# -- shapes ----------------------------------------------------------------------------------------


@given(broadcastable())
def test_broadcasting_is_that_of_numpy(given_shapes) -> None:
    assert broadcast_shapes(*given_shapes) == np.broadcast_shapes(*given_shapes)


@given(shapes(), shapes())
def test_shapes_broadcast_exactly_where_numpy_says_so(a, b) -> None:
    try:
        wanted = np.broadcast_shapes(a, b)
    except ValueError:
        with pytest.raises(ShapeError, match="do not broadcast"):
            broadcast_shapes(a, b)
    else:
        assert broadcast_shapes(a, b) == wanted


def test_a_failed_broadcast_names_sizes_and_axis() -> None:
    with pytest.raises(ShapeError, match=r"sizes 3 and 4 meet at axis -1"):
        broadcast_shapes((2, 3), (2, 4))


@pytest.mark.parametrize(("axis", "out"), [(0, 0), (2, 2), (-1, 2), (-3, 0), (np.int64(1), 1)])
def test_an_axis_is_counted_from_the_front(axis: int, out: int) -> None:
    assert normalize_axis(axis, 3) == out


@pytest.mark.parametrize("axis", [3, -4])
def test_a_missing_axis_is_named(axis: int) -> None:
    with pytest.raises(AxisError, match=f"axis {axis} is out of range for a value with 3 axes"):
        normalize_axis(axis, 3)


def test_an_axis_must_be_an_integer() -> None:
    with pytest.raises(AxisError, match=r"axis must be an integer, got 1\.5"):
        normalize_axis(1.5, 3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("axis", "out"), [(None, (0, 1, 2)), (1, (1,)), ((2, 0), (0, 2)), ([-1], (2,)), ((), ())]
)
def test_axes_are_sorted(axis, out: tuple[int, ...]) -> None:
    assert normalize_axes(axis, 3) == out


def test_an_axis_named_twice_is_refused() -> None:
    with pytest.raises(AxisError, match="names an axis twice"):
        normalize_axes((0, -3), 3)


# -- Type ------------------------------------------------------------------------------------------


@given(shapes(), dtypes())
def test_a_type_is_printed_and_parsed(shape, dtype) -> None:
    t = Type(shape, dtype)
    again = Type.parse(str(t))
    assert again == t
    assert hash(again) == hash(t)


@pytest.mark.parametrize("bad", ["f32", "f33[2]", "f32[2", "f32[a]"])
def test_what_is_no_type_is_not_parsed(bad: str) -> None:
    with pytest.raises(ValueError, match="not a type"):
        Type.parse(bad)


def test_type_counts() -> None:
    t = Type((2, 3, 4), np.dtype(np.float32))
    assert (t.ndim, t.size, t.nbytes) == (3, 24, 96)
    assert t.drop((0, 2)) == Type((3,), t.dtype)
    assert t.with_dtype("int8").shape == t.shape
    assert Type.of(1.0) == Type((), default_dtype())
    assert Type((), np.dtype("f8")).size == 1


def test_what_is_no_dtype_is_said() -> None:
    with pytest.raises(DTypeError, match="'floaty' is no dtype; Adjoint knows bool"):
        as_dtype("floaty")
