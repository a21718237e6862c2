"""dtypes and what is asked of them, as the Array API standard names it; exchange by DLPack."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from adjoint.core.bind import SCALARS, lift
from adjoint.core.errors import ArgumentError, DTypeError
from adjoint.core.graph import Handle
from adjoint.core.types import (
    COMPLEX,
    FLOAT,
    INT,
    DType,
    as_dtype,
    complex_of,
    default_dtype,
    dtype_kind,
    promote,
)
from adjoint.ops.families import CAST
from adjoint.ops.source import CPU, check_device

__all__ = [
    "__array_namespace_info__",
    "astype",
    "bool",
    "can_cast",
    "complex64",
    "complex128",
    "e",
    "finfo",
    "float16",
    "float32",
    "float64",
    "from_dlpack",
    "iinfo",
    "inf",
    "int8",
    "int16",
    "int32",
    "int64",
    "isdtype",
    "nan",
    "newaxis",
    "pi",
    "result_type",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
]

bool: Final = np.dtype(np.bool_)
int8, int16, int32, int64 = (np.dtype(f"int{n}") for n in (8, 16, 32, 64))
uint8, uint16, uint32, uint64 = (np.dtype(f"uint{n}") for n in (8, 16, 32, 64))
float16, float32, float64 = (np.dtype(f"float{n}") for n in (16, 32, 64))
complex64, complex128 = np.dtype(np.complex64), np.dtype(np.complex128)

_PYTHON: Final = SCALARS | {list, tuple}
e, inf, nan, pi = np.e, np.inf, np.nan, np.pi
newaxis: Final = None

_KINDS: Final[dict[str, tuple[DType, ...]]] = {
    "bool": (bool,),
    "signed integer": (int8, int16, int32, int64),
    "unsigned integer": (uint8, uint16, uint32, uint64),
    "real floating": (float32, float64),
    "complex floating": (complex64, complex128),
}
_KINDS["integral"] = _KINDS["signed integer"] + _KINDS["unsigned integer"]
_KINDS["numeric"] = _KINDS["integral"] + _KINDS["real floating"] + _KINDS["complex floating"]


def astype(x: Any, dtype: Any, /, *, copy: Any = True, device: Any = None) -> Any:
    """The same values in another dtype.

    Args:
        x: any tensor.
        dtype: what to convert to.
        copy: without meaning here, because tensors never change.
        device: ``"cpu"``.

    Raises:
        DTypeError: for a complex tensor and a real dtype; take `real` or `abs` first.

    Example:
        >>> ad.astype(ad.tensor([1, 2]), ad.float32)
        tensor([1., 2.])

    **Gradient:** converted back; none through integers and bools.
    """
    check_device(device)
    x, to = lift(x), as_dtype(dtype)
    if dtype_kind(x.dtype) == COMPLEX and dtype_kind(to) != COMPLEX:
        raise DTypeError(
            f"astype: {x.dtype} to {to} would drop the imaginary part; use ad.real(x) or ad.abs(x)"
        )
    return x if x.dtype == to else CAST[to](x)


def _dtype_of(x: Any) -> Any:
    """dtype of a tensor or dtype; a Python scalar, which is weak, as it is."""
    if isinstance(x, Handle | np.ndarray | np.generic):
        return x.dtype
    return x if type(x) in SCALARS else as_dtype(x)


def result_type(*arrays_and_dtypes: Any) -> DType:
    """The dtype that these tensors, dtypes and Python scalars combine to.

    Example:
        >>> ad.result_type(ad.int32, ad.float32)
        dtype('float32')
    """
    if not arrays_and_dtypes:
        raise ArgumentError("result_type: at least one tensor or dtype is needed")
    return promote(*map(_dtype_of, arrays_and_dtypes))


def can_cast(from_: Any, to: Any, /) -> Any:
    """Whether promotion may turn the first dtype (or a tensor's) into the second.

    Example:
        >>> ad.can_cast(ad.int32, ad.int64), ad.can_cast(ad.int64, ad.int32)
        (True, False)
    """
    return np.can_cast(_dtype_of(from_), as_dtype(to))


def isdtype(dtype: Any, kind: Any) -> Any:
    """Whether a dtype is of a kind.

    Args:
        dtype: a dtype.
        kind: a dtype, one of ``"bool"``, ``"signed integer"``, ``"unsigned integer"``,
            ``"integral"``, ``"real floating"``, ``"complex floating"``, ``"numeric"``, or a tuple
            of such.

    Example:
        >>> ad.isdtype(ad.float32, "real floating")
        True
    """
    if isinstance(kind, tuple):
        return any(isdtype(dtype, k) for k in kind)
    found = as_dtype(dtype)
    if isinstance(kind, str):
        if kind not in _KINDS:
            raise ArgumentError(f"isdtype: kind must be one of {', '.join(_KINDS)}, got {kind!r}")
        half = found.kind in "fV" and kind in ("real floating", "numeric")
        return found in _KINDS[kind] or half
    return found == as_dtype(kind)


class FloatInfo(NamedTuple):
    """Limits of a floating dtype."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: DType


class IntInfo(NamedTuple):
    """Limits of an integer dtype."""

    bits: int
    max: int
    min: int
    dtype: DType


def finfo(type: Any, /) -> FloatInfo:
    """Limits of a floating dtype (of a complex dtype: those of its parts), or of a tensor's.

    Example:
        >>> ad.finfo(ad.float32).eps
        1.1920928955078125e-07
    """
    dtype = _dtype_of(type)
    if dtype_kind(dtype) < FLOAT:
        raise DTypeError(f"finfo: {dtype} is not a floating dtype")
    if dtype.kind == "V":
        import ml_dtypes  # noqa: PLC0415  # late: only bfloat16 needs it

        info: Any = ml_dtypes.finfo(dtype)
    else:
        info = np.finfo(dtype)
    limits = (info.eps, info.max, info.min, info.smallest_normal)
    return FloatInfo(info.bits, *map(float, limits), dtype=np.dtype(info.dtype))


def iinfo(type: Any, /) -> IntInfo:
    """Limits of an integer dtype, or of a tensor's.

    Example:
        >>> ad.iinfo(ad.int8).max
        127
    """
    dtype = _dtype_of(type)
    if dtype_kind(dtype) != INT:
        raise DTypeError(f"iinfo: {dtype} is not an integer dtype")
    info = np.iinfo(dtype)
    return IntInfo(info.bits, int(info.max), int(info.min), dtype)


def from_dlpack(x: Any, /, *, device: Any = None, copy: Any = None) -> Any:
    """A tensor with the data of another library's array, by DLPack.

    Args:
        x: anything with ``__dlpack__``.
        device: ``"cpu"``.
        copy: False is refused: tensors never share memory that others may change.

    Example:
        >>> ad.from_dlpack(np.array([1.0, 2.0]))
        tensor([1., 2.], dtype=float64)
    """
    check_device(device)
    if isinstance(x, Handle):
        return x
    if copy is False:
        raise ArgumentError("from_dlpack: copy=False, but a tensor owns its memory")
    return lift(np.from_dlpack(x))  # which copies: what others do to their memory stays theirs


def as_numpy(data: Any, copy: Any = None) -> Any:
    """What another library's array, or memory that it offers, is to NumPy; other data as it is.

    It keeps its dtype and, where it can, its memory. Python's numbers and lists are other data.
    """
    if data.__class__ in _PYTHON:
        return data
    allowed = False if copy is False else None
    if hasattr(data, "__array__"):
        return np.asarray(data, copy=allowed)
    if hasattr(data, "__dlpack__"):
        return np.from_dlpack(data, copy=allowed)
    try:
        memoryview(data)
    except TypeError:
        return data
    return np.asarray(data, copy=allowed)


class NamespaceInfo:
    """What the standard's namespace offers here: capabilities, devices, dtypes."""

    def capabilities(self) -> dict[str, Any]:
        """What is supported of what the standard leaves open."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> str:
        """The device of new tensors."""
        return CPU

    def default_dtypes(self, *, device: Any = None) -> dict[str, DType]:
        """The dtypes that Python numbers become."""
        check_device(device)
        real = default_dtype()
        return {
            "real floating": real,
            "complex floating": complex_of(real),
            "integral": int64,
            "indexing": int64,
        }

    def devices(self) -> tuple[str, ...]:
        """All devices."""
        return (CPU,)

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, DType]:
        """The standard's dtypes by name, all or those of a kind."""
        check_device(device)
        known = (*_KINDS["bool"], *_KINDS["numeric"])
        return {d.name: d for d in known if kind is None or isdtype(d, kind)}


def __array_namespace_info__() -> NamespaceInfo:  # the standard's name
    """What the standard's namespace offers here.

    Example:
        >>> ad.__array_namespace_info__().default_dtypes()["real floating"]
        dtype('float32')
    """
    return NamespaceInfo()
