"""Conversions between dtypes, and between how a number is stored and how it is computed with.

float16 and bfloat16 are storage: values are widened to float32, computed with and rounded back. A
bool is a byte that is 0 or 1.

Conversions follow NumPy's `astype`. A float that the integer dtype cannot hold has no defined
result in NumPy, whose answer depends on the processor. Here it is always the same: NaN gives 0;
for 32 and 64 bits a float that is too large gives the nearest integer there is; for fewer bits,
and for unsigned ones of negative floats, the integer is wrapped around, as NumPy does on x86.
"""

# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from typing import Any, Final

import numpy as np
from llvmlite import ir

from adjoint.backends.llvm.scalars_value import (
    DOUBLE,
    FLOAT,
    HALF,
    I8,
    I16,
    I32,
    I64,
    SUFFIX,
    Value,
    fabs,
    select,
)

DType = np.dtype[Any]

STORED: Final[dict[str, Any]] = {
    "bool": I8,
    "int8": I8,
    "int16": I16,
    "int32": I32,
    "int64": I64,
    "uint8": I8,
    "uint16": I16,
    "uint32": I32,
    "uint64": I64,
    "float16": HALF,
    "bfloat16": I16,
    "float32": FLOAT,
    "float64": DOUBLE,
}
"""The type in memory of each dtype that generated code knows."""


def storage_type(dtype: DType) -> Any:
    """The LLVM type in which values of a dtype lie in memory."""
    return STORED[dtype.name]


def is_floating(dtype: DType) -> bool:
    """Whether a dtype holds real floats."""
    return dtype.kind in "fV"


def bfloat16_to_float(bits: Value) -> Value:
    """The float32 that a bfloat16 is the upper half of."""
    wide = Value(bits.b, bits.b.zext(bits.v, I32))
    return (wide << 16).as_float(FLOAT)


def float_to_bfloat16(x: Value) -> Value:
    """float32 rounded to the nearest bfloat16, halves to even; NaN stays NaN."""
    bits = x.bits()
    rounded = (bits + (((bits >> 16) & 1) + 0x7FFF)) >> 16
    kept = select(x.isnan(), (bits >> 16) & 0x8000 | 0x7FC0, rounded)
    return Value(x.b, x.b.trunc(kept.v, I16))


def double_to_odd(x: Value) -> Value:
    """float64 as the float32 next to it whose last bit is odd, unless it is exact.

    Rounded again to a shorter format, that gives what one rounding would (Boldo and Melquiond,
    2008).
    """
    near = x.to(FLOAT)
    back = near.to(DOUBLE)
    bits = near.bits()
    beyond = fabs(back) > fabs(x)
    narrow = select(beyond, bits - 1, bits) | 1
    inexact = back.ne(x) & (fabs(x) < 3e38)
    return select(inexact, narrow, bits).as_float(FLOAT)


def widen(b: Any, value: Any, dtype: DType) -> Value:
    """A stored float as the float32 or float64 that is computed with."""
    x = Value(b, value)
    if dtype.name == "bfloat16":
        return bfloat16_to_float(x)
    return x.to(FLOAT) if dtype.name == "float16" else x


def narrow(x: Value, dtype: DType) -> Any:
    """What was computed with as a stored float."""
    if dtype.name == "bfloat16":
        return float_to_bfloat16(x.to(FLOAT)).v
    if dtype.name == "float16" and x.type == DOUBLE:
        x = double_to_odd(x)
    return x.to(storage_type(dtype)).v


def truth(b: Any, condition: Value) -> Any:
    """A condition as a stored bool."""
    return b.zext(condition.v, I8)


def condition(b: Any, stored: Any) -> Value:
    """A stored bool as a condition."""
    return Value(b, stored).ne(0)


def emit_cast(b: Any, value: Any, from_dtype: DType, to_dtype: DType) -> Any:
    """A stored value of one dtype as a stored value of another.

    Args:
        b: the builder.
        value: in the storage type of `from_dtype`.
        from_dtype: any dtype but a complex one.
        to_dtype: likewise.
    """
    if from_dtype == to_dtype:
        return value
    if is_floating(from_dtype):
        return _from_float(b, widen(b, value, from_dtype), to_dtype)
    if to_dtype.kind == "b":
        return truth(b, condition(b, value))
    if is_floating(to_dtype):
        return narrow(_integer_to_float(b, value, from_dtype, to_dtype), to_dtype)
    kind = storage_type(to_dtype)
    if kind.width <= value.type.width:
        return value if kind == value.type else b.trunc(value, kind)
    return (b.sext if from_dtype.kind == "i" else b.zext)(value, kind)


def _integer_to_float(b: Any, value: Any, from_dtype: DType, to_dtype: DType) -> Value:
    kind = DOUBLE if to_dtype.name == "float64" else FLOAT
    convert = b.sitofp if from_dtype.kind == "i" else b.uitofp
    return Value(b, convert(value, kind))


def _from_float(b: Any, x: Value, to_dtype: DType) -> Any:
    if to_dtype.kind == "b":
        return truth(b, x.ne(0.0))
    if is_floating(to_dtype):
        return narrow(x, to_dtype)
    kind = storage_type(to_dtype)
    if kind.width < 32:
        return b.trunc(saturated(x, I32, True).v, kind)
    if to_dtype.kind == "i":
        return saturated(x, kind, True).v
    negative = saturated(x, I64, True)
    if kind == I32:
        return b.trunc(negative.v, kind)
    return select(x < 0.0, negative, saturated(x, kind, False)).v


def saturated(x: Value, kind: Any, signed: bool) -> Value:
    """x without its fraction as the nearest integer of a type; NaN gives 0."""
    name = f"llvm.fpto{'s' if signed else 'u'}i.sat.i{kind.width}.{SUFFIX[x.type]}"
    module: Any = x.b.module
    function = module.globals.get(name)
    if function is None:
        function = ir.Function(module, ir.FunctionType(kind, [x.type]), name)
    return Value(x.b, x.b.call(function, [x.v]))
