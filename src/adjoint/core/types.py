"""Types of values: shapes, dtypes, broadcasting and promotion.

A value's type is its shape and its dtype. Promotion follows the Array API standard within a
kind (bool, integer, float, complex); across kinds the higher kind wins and keeps its own
precision, so that ``int64 * float32`` stays float32. Python scalars are weak: they take the
dtype of the array beside them and change its kind only when they must.
"""

from __future__ import annotations

import math
import re
from typing import Any, Final, Self

import numpy as np

from adjoint.core.errors import AxisError, DTypeError, ShapeError

Shape = tuple[int, ...]
DType = np.dtype[Any]

_SHORT: Final = {
    "bool": "bool",
    "int8": "i8",
    "int16": "i16",
    "int32": "i32",
    "int64": "i64",
    "uint8": "u8",
    "uint16": "u16",
    "uint32": "u32",
    "uint64": "u64",
    "bfloat16": "bf16",
    "float16": "f16",
    "float32": "f32",
    "float64": "f64",
    "complex64": "c64",
    "complex128": "c128",
}
_LONG: Final = {short: name for name, short in _SHORT.items()}

BOOL, INT, FLOAT, COMPLEX = range(4)
_SCALAR_KIND: Final[dict[type, int]] = {bool: BOOL, int: INT, float: FLOAT, complex: COMPLEX}
_default: Final[list[DType]] = [np.dtype(np.float32)]
# Each dtype has a class of its own; its name takes NumPy 4 us to find.
_KNOWN: Final = frozenset({type(np.dtype(name)) for name in _SHORT if name != "bfloat16"})
_WIDE: Final = (np.dtype(np.float64), np.dtype(np.complex128))


def as_dtype(dtype: Any) -> DType:
    """The NumPy dtype that a name, scalar type or dtype stands for."""
    if dtype is None:
        return _default[0]
    if dtype.__class__ in _KNOWN:
        return dtype
    if dtype == "bfloat16":
        import ml_dtypes  # noqa: PLC0415  # late: only bfloat16 needs it

        return np.dtype(ml_dtypes.bfloat16)
    try:
        found = np.dtype(dtype)
    except TypeError:
        raise DTypeError(f"{dtype!r} is no dtype; Adjoint knows {', '.join(_SHORT)}") from None
    if found.name not in _SHORT:
        raise DTypeError(
            f"dtype {found} is not supported; Adjoint computes with {', '.join(_SHORT)}"
        )
    return found


def dtype_kind(dtype: DType) -> int:
    """Whether a dtype is bool, integer, float or complex, as a number that grows in this order."""
    kind = dtype.kind
    if kind == "f":
        return FLOAT
    if kind == "c":
        return COMPLEX
    if kind == "b":
        return BOOL
    if kind in "iu":
        return INT
    return FLOAT  # ml_dtypes.bfloat16 says "V"


def is_inexact(dtype: DType) -> bool:
    """Whether values of this dtype have a tangent space: floats and complex numbers do."""
    return dtype.kind in "fcV"


def default_dtype() -> DType:
    """The dtype that Python floats become: float32 unless `set_default_dtype` changed it.

    Example:
        >>> ad.default_dtype()
        dtype('float32')
    """
    return _default[0]


def set_default_dtype(dtype: Any) -> None:
    """Set the dtype that Python floats and new float arrays get.

    Args:
        dtype: a floating dtype or its name, such as ``"float64"``.

    Raises:
        DTypeError: if it is not a real floating dtype.

    Example:
        >>> ad.set_default_dtype("float64")
        >>> ad.tensor(0.5).dtype
        dtype('float64')
        >>> ad.set_default_dtype("float32")
    """
    found = as_dtype(dtype)
    if dtype_kind(found) != FLOAT:
        raise DTypeError(f"set_default_dtype: expected a real floating dtype, got {found}")
    _default[0] = found


def default_for(kind: int) -> DType:
    """The dtype that a Python scalar of this kind becomes when nothing stands beside it."""
    if kind == BOOL:
        return np.dtype(np.bool_)
    if kind == INT:
        return np.dtype(np.int64)
    if kind == FLOAT:
        return _default[0]
    return complex_of(_default[0])


def complex_of(dtype: DType) -> DType:
    """The complex dtype of a real one: float64 gives complex128, all others complex64."""
    return np.dtype(np.complex128 if dtype in _WIDE else np.complex64)


def real_of(dtype: DType) -> DType:
    """The dtype of the parts of a complex number; a real dtype is returned as it is."""
    if dtype.kind == "c":
        return np.dtype(np.float64 if dtype == np.complex128 else np.float32)
    return dtype


def promote_pair(x: DType, y: DType) -> DType:
    """The dtype that two dtypes of one kind combine to."""
    if "V" in (x.kind, y.kind) and x.itemsize == y.itemsize and x != y:
        return np.dtype(np.float32)  # bfloat16 and float16: neither holds the other's numbers
    return np.promote_types(x, y)


def promote(*items: Any) -> DType:
    """The dtype that arrays of these dtypes and these weak Python scalars combine to.

    Args:
        items: dtypes, or Python scalars, which are weak.
    """
    dtypes: list[DType] = [item for item in items if isinstance(item, np.dtype)]
    scalars = [_SCALAR_KIND[type(item)] for item in items if not isinstance(item, np.dtype)]
    if not dtypes:
        return default_for(max(scalars))
    kind = max(map(dtype_kind, dtypes))
    strongest = [d for d in dtypes if dtype_kind(d) == kind]
    out = strongest[0]
    for d in strongest[1:]:
        if d is not out:
            out = promote_pair(out, d)
    if kind == COMPLEX and any(d == np.float64 for d in dtypes):
        out = np.dtype(np.complex128)
    weak = max(scalars, default=kind)
    if weak > kind:
        if weak == COMPLEX:
            return complex_of(out) if kind == FLOAT else default_for(COMPLEX)
        return default_for(weak)
    return out


class Type:
    """Shape and dtype of a value; while a function is staged it stands where the array would.

    Args:
        shape: sizes of the axes.
        dtype: a NumPy dtype.
    """

    __slots__ = ("dtype", "shape")

    def __init__(self, shape: Shape, dtype: DType) -> None:
        self.shape = shape
        self.dtype = dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes that the elements take."""
        return self.size * self.dtype.itemsize

    @classmethod
    def of(cls, x: Any) -> Self:
        """The type of anything that has a shape and a dtype, or of a Python scalar."""
        shape = getattr(x, "shape", None)
        if shape is None:
            return cls((), default_for(_SCALAR_KIND[type(x)]))
        return cls(tuple(shape), x.dtype)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The type that prints as `text`, such as ``f32[2,3]``."""
        found = re.fullmatch(r"(\w+)\[([\d,]*)\]", text)
        if found is None or found[1] not in _LONG:
            raise ValueError(f"not a type: {text!r}")
        shape = tuple(int(n) for n in found[2].split(",") if n)
        return cls(shape, as_dtype(_LONG[found[1]]))

    def with_dtype(self, dtype: Any) -> Type:
        """The same shape in another dtype."""
        return Type(self.shape, np.dtype(dtype))

    def drop(self, axes: tuple[int, ...]) -> Type:
        """The type without these axes."""
        return Type(tuple(n for a, n in enumerate(self.shape) if a not in axes), self.dtype)

    def __str__(self) -> str:
        return f"{short_name(self.dtype)}[{','.join(map(str, self.shape))}]"

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Type) and self.shape == other.shape and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash((self.shape, self.dtype))


def short_name(dtype: DType) -> str:
    """A dtype as messages and the IR spell it: ``f32`` for float32."""
    return _SHORT.get(dtype.name, dtype.name)


def dtype_named(name: str) -> DType | None:
    """The dtype that `short_name` spells so, or None."""
    return as_dtype(_LONG[name]) if name in _LONG else None


def broadcast_shapes(*shapes: Shape) -> Shape:
    """The common shape of operands that broadcast by NumPy's rule.

    Raises:
        ShapeError: if two sizes differ and neither is 1.
    """
    first = shapes[0]
    if all(s == first for s in shapes):
        return first
    ndim = max(map(len, shapes))
    out = [1] * ndim
    for shape in shapes:
        for axis, n in enumerate(shape, ndim - len(shape)):
            if n == 1 or n == out[axis]:
                continue
            if out[axis] != 1:
                listed = " and ".join(map(str, shapes))
                raise ShapeError(
                    f"shapes {listed} do not broadcast: sizes {out[axis]} and {n} meet "
                    f"at axis {axis - ndim}"
                )
            out[axis] = n
    return tuple(out)


def normalize_axis(axis: int, ndim: int, what: str = "axis") -> int:
    """The same axis counted from the front.

    Raises:
        AxisError: if a value of `ndim` axes has no such axis.
    """
    try:
        index = axis.__index__()
    except AttributeError:
        raise AxisError(f"{what} must be an integer, got {axis!r}") from None
    if not -ndim <= index < ndim:
        raise AxisError(f"{what} {index} is out of range for a value with {ndim} axes")
    return index + ndim if index < 0 else index


def normalize_axes(axis: int | tuple[int, ...] | list[int] | None, ndim: int) -> tuple[int, ...]:
    """Sorted non-negative axes for whatever the user gave; None means all of them.

    Raises:
        AxisError: if an axis does not exist or is named twice.
    """
    if axis is None:
        return tuple(range(ndim))
    if not isinstance(axis, tuple | list):
        return (normalize_axis(axis, ndim),)
    axes = tuple(sorted(normalize_axis(a, ndim) for a in axis))
    if len(set(axes)) != len(axes):
        raise AxisError(f"axis {tuple(axis)} names an axis twice")
    return axes
