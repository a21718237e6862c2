"""The Array API standard 2025.12: its names, what the namespace says of itself, its promotion.

The standard's own suite checks behaviour (docs/build/array-api.md); this keeps the surface from
losing a name between its runs.
"""

import itertools
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint.core.errors import ArgumentError, DTypeError

CONSTANTS = ["e", "inf", "nan", "newaxis", "pi"]
DTYPES = {
    "bool": ["bool"],
    "signed integer": ["int8", "int16", "int32", "int64"],
    "unsigned integer": ["uint8", "uint16", "uint32", "uint64"],
    "real floating": ["float32", "float64"],
    "complex floating": ["complex64", "complex128"],
}
FUNCTIONS = """
__array_namespace_info__

arange asarray empty empty_like eye from_dlpack full full_like linspace meshgrid ones ones_like tril
triu zeros zeros_like

astype can_cast finfo iinfo isdtype result_type

abs acos acosh add asin asinh atan atan2 atanh bitwise_and bitwise_left_shift bitwise_invert
bitwise_or bitwise_right_shift bitwise_xor ceil clip conj copysign cos cosh divide equal exp expm1
floor floor_divide greater greater_equal hypot imag isfinite isinf isnan less less_equal log log1p
log2 log10 logaddexp logical_and logical_not logical_or logical_xor maximum minimum multiply
negative nextafter not_equal positive pow real reciprocal remainder round sign signbit sin sinh
square sqrt subtract tan tanh trunc

take take_along_axis

matmul matrix_transpose tensordot vecdot

broadcast_arrays broadcast_shapes broadcast_to concat expand_dims flip moveaxis permute_dims repeat
reshape roll squeeze stack tile unstack

argmax argmin count_nonzero nonzero searchsorted where

isin unique_all unique_counts unique_inverse unique_values

argsort sort

cumulative_sum cumulative_prod max mean min prod std sum var

all any diff
""".split()
LINALG = """
cholesky cross det diagonal eig eigh eigvals eigvalsh inv matmul matrix_norm matrix_power
matrix_rank matrix_transpose outer pinv qr slogdet solve svd svdvals tensordot trace vecdot
vector_norm
""".split()
FFT = """
fft ifft fftn ifftn rfft irfft rfftn irfftn hfft ihfft fftfreq rfftfreq fftshift ifftshift
""".split()
ATTRIBUTES = "dtype device mT ndim shape size T".split()
UNARY_METHODS = "abs array_namespace dlpack dlpack_device invert neg pos".split()
SCALAR_METHODS = "bool complex float index int".split()
COMPARISONS = "eq ge gt le lt ne".split()
ARITHMETIC = "add and floordiv lshift matmul mod mul or pow rshift sub truediv xor".split()
METHODS = [
    *(f"__{name}__" for name in UNARY_METHODS + SCALAR_METHODS + COMPARISONS),
    *(f"__{way}{name}__" for way in ("", "r", "i") for name in ARITHMETIC),
    *("__getitem__", "__setitem__", "to_device"),
]


@pytest.mark.parametrize(
    ("namespace", "names", "count"),
    [(ad, FUNCTIONS, 136), (ad.linalg, LINALG, 25), (ad.fft, FFT, 14)],
    ids=["functions", "linalg", "fft"],
)
def test_every_function_of_the_standard_exists(
    namespace: ModuleType, names: list[str], count: int
) -> None:
    assert len(set(names)) == len(names) == count
    missing = [name for name in names if not callable(getattr(namespace, name, None))]
    assert not missing
    assert not set(names) - {*namespace.__all__}


def test_every_constant_and_dtype_of_the_standard_exists() -> None:
    assert (ad.e, ad.pi, ad.inf) == (np.e, np.pi, np.inf)
    assert np.isnan(ad.nan)
    assert ad.newaxis is None
    for name in itertools.chain(*DTYPES.values()):
        assert getattr(ad, name) == np.dtype(name)
    assert set(CONSTANTS).union(*DTYPES.values()) <= {*ad.__all__}


def test_every_attribute_and_method_of_the_standard_exists() -> None:
    x = ad.tensor([[1.0, 2.0]])
    assert not [name for name in ATTRIBUTES + METHODS if not hasattr(x, name)]
    assert not [name for name in METHODS if not callable(getattr(x, name))]


# -- the namespace ---------------------------------------------------------------------------------


def test_a_tensor_knows_its_namespace() -> None:
    x = ad.tensor([1.0])
    assert x.__array_namespace__() is ad
    assert ad.__array_api_version__ == "2025.12"
    for version in ("2021.12", "2022.12", "2023.12", "2024.12", "2025.12"):
        assert x.__array_namespace__(api_version=version) is ad
    with pytest.raises(ArgumentError, match=r"'2019\.12' is not one of 2021\.12"):
        x.__array_namespace__(api_version="2019.12")


def test_the_namespace_says_what_it_can() -> None:
    info = ad.__array_namespace_info__()
    assert info.capabilities() == {
        "boolean indexing": True,
        "data-dependent shapes": True,
        "max dimensions": 64,
    }
    assert info.default_device() in info.devices()
    assert ad.zeros(1, device=info.default_device()).device == info.default_device()
    assert ad.zeros((1,) * 64).ndim == 64


def test_default_dtypes_are_what_python_numbers_become() -> None:
    found = ad.__array_namespace_info__().default_dtypes()
    assert found == {
        "real floating": ad.asarray(1.0).dtype,
        "complex floating": ad.asarray(1j).dtype,
        "integral": ad.asarray(1).dtype,
        "indexing": ad.argmax(ad.asarray([1.0, 2.0])).dtype,
    }
    ad.set_default_dtype("float64")
    try:
        found = ad.__array_namespace_info__().default_dtypes(device="cpu")
        assert found["real floating"] == ad.asarray(1.0).dtype == np.float64
        assert found["complex floating"] == ad.asarray(1j).dtype == np.complex128
    finally:
        ad.set_default_dtype("float32")


def test_dtypes_are_listed_by_kind() -> None:
    info = ad.__array_namespace_info__()
    integral = DTYPES["signed integer"] + DTYPES["unsigned integer"]
    numeric = integral + DTYPES["real floating"] + DTYPES["complex floating"]
    for kind, names in {**DTYPES, "integral": integral, "numeric": numeric}.items():
        assert info.dtypes(kind=kind) == {name: np.dtype(name) for name in names}
    assert list(info.dtypes()) == list(info.dtypes(device="cpu")) == ["bool", *numeric]
    pair = info.dtypes(kind=("bool", "complex floating"))
    assert list(pair) == ["bool", "complex64", "complex128"]


# -- data from elsewhere ---------------------------------------------------------------------------


class OnlyDLPack:
    def __init__(self, array: Any) -> None:
        self.array = array

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self.array.__dlpack__(**kwargs)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()


class OnlyArray:
    def __init__(self, array: Any) -> None:
        self.array = array

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array(self.array, dtype, copy=copy)


@pytest.mark.parametrize("made", [OnlyDLPack, OnlyArray, memoryview])
@pytest.mark.parametrize("dtype", ["float64", "float32", "int16", "complex128"])
def test_data_of_others_keep_their_dtype(made: Any, dtype: str) -> None:
    given = np.array([1, 2, 3], dtype)
    for f in (ad.asarray, ad.tensor):
        found = f(made(given))
        assert found.dtype == dtype
        assert found.tolist() == given.tolist()
    assert ad.asarray(made(given), dtype="complex64").dtype == np.complex64
    shared = ad.asarray(made(given), copy=False)
    copied = [ad.asarray(made(given), copy=True), ad.tensor(made(given))]
    given[0] = 7
    assert shared.tolist() == [7, 2, 3]
    assert all(x.tolist() == [1, 2, 3] for x in copied)


def test_a_copy_that_was_forbidden_is_an_error() -> None:
    given = np.array([1.0, 2.0])
    for data in (given, OnlyArray(given), memoryview(given), ad.tensor(given)):
        with pytest.raises(ValueError, match=r"copy"):
            ad.asarray(data, dtype="float32", copy=False)
    with pytest.raises(ValueError, match="copy=False, but a tensor owns its memory"):
        ad.from_dlpack(given, copy=False)


# -- promotion -------------------------------------------------------------------------------------

SIGNED = [np.dtype(name) for name in DTYPES["signed integer"]]
UNSIGNED = [np.dtype(name) for name in DTYPES["unsigned integer"]]
MIXED = {  # the standard's table, row by row; uint64 with a signed integer is left open there
    "int8": ["int16", "int32", "int64"],
    "int16": ["int16", "int32", "int64"],
    "int32": ["int32", "int32", "int64"],
    "int64": ["int64", "int64", "int64"],
}
FLOATING = {
    "float32": ["float32", "float64", "complex64", "complex128"],
    "float64": ["float64", "float64", "complex128", "complex128"],
    "complex64": ["complex64", "complex128", "complex64", "complex128"],
    "complex128": ["complex128", "complex128", "complex128", "complex128"],
}


def sum_dtype(x: Any, y: Any) -> np.dtype[Any]:
    """dtype of the sum of an array and a 0-d array, the same in both orders and for result_type."""
    out = ad.add(ad.ones((2, 1), dtype=x), ad.ones((), dtype=y))
    assert out.dtype == (ad.ones((), dtype=y) + ad.ones(3, dtype=x)).dtype == ad.result_type(x, y)
    return out.dtype


@pytest.mark.parametrize("kind", [SIGNED, UNSIGNED], ids=["signed", "unsigned"])
def test_integers_of_one_kind_promote_to_the_wider(kind: list[np.dtype[Any]]) -> None:
    for x, y in itertools.product(kind, kind):
        assert sum_dtype(x, y) == max(x, y, key=lambda d: d.itemsize)


@pytest.mark.parametrize("x", MIXED)
def test_a_signed_and_an_unsigned_integer_promote_to_what_holds_both(x: str) -> None:
    for y, wanted in zip(("uint8", "uint16", "uint32"), MIXED[x], strict=True):
        assert sum_dtype(x, y) == sum_dtype(y, x) == wanted


@pytest.mark.parametrize("x", FLOATING)
def test_floats_and_complex_numbers_promote_by_the_table(x: str) -> None:
    for y, wanted in zip(FLOATING, FLOATING[x], strict=True):
        assert sum_dtype(x, y) == wanted


def test_promotion_decides_what_can_be_cast() -> None:
    for table, columns in ((MIXED, ("uint8", "uint16", "uint32")), (FLOATING, tuple(FLOATING))):
        for x, row in table.items():
            for y, wanted in zip(columns, row, strict=True):
                assert ad.can_cast(x, wanted)
                assert ad.can_cast(ad.ones(2, dtype=y), wanted)
    for x, y in itertools.product(DTYPES["complex floating"], DTYPES["real floating"]):
        assert not ad.can_cast(x, y)


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "maximum", "floor_divide"])
def test_python_numbers_take_the_dtype_of_the_array(name: str) -> None:
    f = getattr(ad, name)
    for dtype in ("int8", "uint8", "int64", "float32", "float64"):
        x = ad.ones(2, dtype=dtype)
        assert f(x, 3).dtype == f(3, x).dtype == dtype
    for dtype in ("float32", "float64"):
        x = ad.ones(2, dtype=dtype)
        assert f(x, 3.0).dtype == f(3.0, x).dtype == dtype


def test_a_complex_python_number_keeps_the_precision_of_the_array() -> None:
    assert (ad.ones(2, dtype="float32") * 1j).dtype == np.complex64
    assert (1j + ad.ones(2, dtype="float64")).dtype == np.complex128
    assert (ad.ones(2, dtype="complex64") ** 2.0).dtype == np.complex64


def test_what_the_standard_leaves_undefined_between_kinds_is_refused_where_it_would_lose() -> None:
    with pytest.raises(DTypeError, match="would drop the imaginary part"):
        ad.astype(ad.ones(2, dtype="complex64"), "float32")
    with pytest.raises(DTypeError, match="not defined for complex numbers"):
        ad.less(ad.ones(2, dtype="complex64"), ad.ones(2))
    with pytest.raises(DTypeError, match="defined for integers and bools"):
        ad.bitwise_and(ad.ones(2), ad.ones(2))
