"""What samplers share: shape, dtype and parameters of a sample, and uniform fractions."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from adjoint.core.bind import SCALARS, lift
from adjoint.core.errors import ArgumentError, DTypeError, ShapeError
from adjoint.core.graph import Handle
from adjoint.core.types import (
    FLOAT,
    DType,
    Shape,
    as_dtype,
    broadcast_shapes,
    default_dtype,
    dtype_kind,
    promote,
)
from adjoint.ops.bitwise import bitwise_right_shift
from adjoint.ops.families import CAST
from adjoint.random.generator import Generator, default_generator

Size = int | Shape | list[int] | None

COMPUTED: Final = (np.dtype(np.float32), np.dtype(np.float64))
"""The dtypes that samples are computed in."""

# How many leading bits of a word (or of two) fill the significand.
_DIGITS = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}


def fraction(size: Shape, dtype: DType, generator: Generator | None, inside: bool = False) -> Any:
    """Multiples of a power of two in [0, 1), as many as the dtype tells apart.

    Args:
        size: shape of the result.
        dtype: a real floating dtype.
        generator: the generator, or None for the default one.
        inside: take the middles of half as many cells, so that neither 0 nor 1 occurs.
    """
    source = generator or default_generator()
    digits = _DIGITS[dtype.name] - inside
    high = source.bits(size)
    if digits <= 32:
        whole = CAST[dtype](bitwise_right_shift(high, 32 - digits))
    else:
        low = bitwise_right_shift(source.bits(size), 64 - digits - 5)
        whole = CAST[dtype](bitwise_right_shift(high, 5)) * 2.0 ** (digits - 27) + CAST[dtype](low)
    return (whole + 0.5 if inside else whole) * 2.0**-digits


def the_shape(size: Size, *parameters: Any) -> Shape:
    """The shape of a sample: `size`, or what the parameters broadcast to.

    Raises:
        ShapeError: if the parameters do not broadcast to `size`.
    """
    shapes = [getattr(p, "shape", ()) for p in parameters]
    if size is None:
        return broadcast_shapes((), *shapes)
    shape = (size,) if isinstance(size, int | np.integer) else tuple(size)
    if broadcast_shapes(shape, *shapes) != shape:
        raise ShapeError(f"parameters of shapes {shapes} do not broadcast to the size {shape}")
    return shape


def the_dtype(dtype: Any, *parameters: Any) -> DType:
    """The dtype of a sample: as asked, or that of the parameters, or the default."""
    if dtype is None:
        kinds = [p.dtype for p in parameters if p.__class__ not in SCALARS]
        found = promote(*kinds) if kinds else default_dtype()
        return found if dtype_kind(found) >= FLOAT else default_dtype()
    found = as_dtype(dtype)
    if found.name not in _DIGITS:
        raise DTypeError(f"random numbers with a density are real floats, not {found}")
    return found


def parameter(value: Any, name: str) -> Any:
    """A parameter as a Python scalar or a tensor of real numbers.

    Raises:
        ArgumentError: if it is a tuple or list, which is a size in the wrong place.
    """
    if isinstance(value, tuple):
        raise ArgumentError(f"{name} is the tuple {value}; if it is the shape, say size={value}")
    if value.__class__ in SCALARS or isinstance(value, Handle):
        return value
    return lift(value)


def fit(sample: Any, dtype: DType) -> Any:
    """The sample in the dtype that it shall have."""
    return sample if sample.dtype == dtype else CAST[dtype](sample)


def wide(dtype: DType) -> DType:
    """The dtype to compute in: half precision is for the result alone."""
    return dtype if dtype in COMPUTED else np.dtype(np.float32)


def tensor_of(x: Any, dtype: DType) -> Any:
    """A parameter as a tensor of this dtype."""
    return fit(lift(x), dtype)


def moved(standard: Any, loc: Any, scale: Any) -> Any:
    """``loc + scale * standard``, with nothing done for the standard parameters."""
    if scale.__class__ not in SCALARS or scale != 1:
        standard = standard * scale
    if loc.__class__ not in SCALARS or loc != 0:
        standard = standard + loc
    return standard
