"""Scalar bodies: what each elementwise card does to one element, as straight-line LLVM code.

A body has no branches, tables or calls, so that LLVM's loop vectoriser makes full-width SIMD code
of a loop over it. Only the remainders of floats are calls, because their quotients may be huge.

Bodies of more than a few instructions are functions of the module that are always inlined; so the
text of a module stays short, and Python writes each body once.
"""

# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from llvmlite import ir

from adjoint.backends.llvm import (
    scalars_arithmetic as exact,
    scalars_error_function as error_function,
    scalars_exponential as exponential,
    scalars_integer as integer,
    scalars_logarithm as logarithm,
    scalars_root as root,
    scalars_trigonometric as trigonometric,
)
from adjoint.backends.llvm.scalars_cast import (
    DType,
    condition,
    emit_cast,
    is_floating,
    narrow,
    storage_type,
    truth,
    widen,
)
from adjoint.backends.llvm.scalars_value import (
    DOUBLE,
    FORMATS,
    I16,
    Format,
    Value,
    copysign,
    fabs,
    nearest,
    select,
    sqrt,
)

__all__ = ["BOUNDS", "SCALARS", "emit", "emit_cast", "result_dtype", "storage_type", "supports"]

BOOL: Final = np.dtype(np.bool_)
FLOAT_NAMES: Final = ("float16", "bfloat16", "float32", "float64")
SIGNED_NAMES: Final = ("int8", "int16", "int32", "int64")
UNSIGNED_NAMES: Final = ("uint8", "uint16", "uint32", "uint64")
BFLOAT16: Final = Format(I16, 7, 127)

BOUNDS: Final[dict[str, tuple[float, float]]] = {
    "exp": (1.0, 1.0),
    "exp2": (1.0, 1.0),
    "expm1": (1.0, 1.5),
    "log": (1.0, 1.0),
    "log2": (1.0, 1.0),
    "log10": (1.0, 1.0),
    "log1p": (1.0, 1.0),
    "logaddexp": (1.0, 1.5),
    "xlogy": (1.5, 1.5),
    "pow": (1.0, 1.0),
    "sqrt": (0.5, 0.5),
    "rsqrt": (1.5, 1.5),
    "reciprocal": (0.5, 0.5),
    "cbrt": (1.0, 1.0),
    "hypot": (1.0, 1.0),
    "sin": (1.0, 1.0),
    "cos": (1.0, 1.0),
    "tan": (1.0, 1.0),
    "sinc": (1.0, 1.0),
    "asin": (1.0, 1.0),
    "acos": (1.0, 1.0),
    "atan": (1.0, 1.0),
    "atan2": (1.0, 1.0),
    "sinh": (1.0, 1.0),
    "cosh": (1.0, 1.0),
    "tanh": (1.5, 1.0),
    "asinh": (1.0, 2.0),
    "acosh": (1.0, 1.0),
    "atanh": (1.0, 1.0),
    "sigmoid": (1.0, 1.0),
    "softplus": (1.5, 1.5),
    "log_sigmoid": (1.5, 1.5),
    "erf": (1.5, 1.0),
    "erfc": (1.0, 1.5),
    "erfinv": (1.0, 2.0),
}
"""Largest errors in float32 and float64, in units in the last place of the exact result.

They hold over the whole range, with subnormal numbers. Of `logaddexp` the unit is that of the
larger operand where that is larger than the result. Operations that are not here are exact, as
NumPy's are. float16 and bfloat16 add half a unit of their own for rounding the float32 result.
"""


class Body(NamedTuple):
    """What an operation does, by the kind of its operands; None where it has no meaning."""

    floats: Callable[..., Value] | None = None
    integers: Callable[..., Value] | None = None
    """Takes `signed` as its last argument."""
    bools: Callable[..., Value] | None = None
    """Takes conditions and returns one."""
    predicate: bool = False
    """Whether the result is a bool for all operands."""
    shared: bool = False
    """Whether it is long enough to be a function of its own."""


def same(x: Value, *_: Any) -> Value:
    """The operand."""
    return x


def nought(x: Value, *_: Any) -> Value:
    """Zero."""
    return x.const(0.0 if x.is_float else 0)


def square(x: Value) -> Value:
    """The value times itself."""
    return x * x


def reciprocal(x: Value) -> Value:
    """One divided by the value."""
    return 1.0 / x


def bounded(x: Value, low: Value, high: Value) -> Value:
    """A condition that is at least `low`, then at most `high`."""
    return (x | low) & high


def yes(x: Value, *_: Any) -> Value:
    """True."""
    return x.eq(x)


def no(x: Value, *_: Any) -> Value:
    """False, of integers."""
    return x.ne(x)


def _plain(function: Callable[..., Value]) -> Callable[..., Value]:
    """An operation on integers for which signs make no difference."""

    def body(*args: Any) -> Value:
        return function(*args[:-1])

    return body


def _comparison(how: str) -> Body:
    def compare(x: Value, y: Value, signed: bool = False) -> Value:
        return x.compare(how, y, signed)

    return Body(compare, compare, compare, predicate=True)


def _long(function: Callable[..., Value]) -> Body:
    return Body(function, shared=True)


def _in_double(function: Callable[..., Value]) -> Body:
    """A function of floats that is written for float64 only."""

    def body(*args: Value) -> Value:
        return function(*(x.to(DOUBLE) for x in args)).to(args[0].type)

    return Body(body, shared=True)


def _both(function: Callable[..., Value], bools: Callable[..., Value] | None = None) -> Body:
    """The same operators for floats and integers."""
    return Body(function, _plain(function), bools)


def _logical(name: str, bools: Callable[..., Value]) -> Body:
    return Body(getattr(exact, name), _plain(getattr(integer, name)), bools, predicate=True)


def _bitwise(function: Callable[..., Value]) -> Body:
    return Body(None, _plain(function), function)


def _rounding(name: str) -> Body:
    def body(x: Value) -> Value:
        return x.intrinsic(name)

    return Body(body, same, same)


BODIES: Final[dict[str, Body]] = {
    "add": _both(operator.add, operator.or_),
    "sub": _both(operator.sub),
    "mul": _both(operator.mul, operator.and_),
    "div": Body(operator.truediv),
    "neg": _both(Value.__neg__),
    "pos": _both(same),
    "copy": _both(same, same),
    "real": _both(same, same),
    "conj": _both(same),
    "imag": Body(nought, nought, nought),
    "abs": Body(fabs, integer.absolute, same),
    "sign": Body(exact.sign, integer.sign),
    "square": _both(square),
    "reciprocal": Body(reciprocal),
    "strong_mul": Body(exact.strong_mul, _plain(operator.mul), operator.and_),
    "strong_mul_both": Body(exact.strong_mul_both, _plain(operator.mul), operator.and_),
    "floor": _rounding("floor"),
    "ceil": _rounding("ceil"),
    "trunc": _rounding("trunc"),
    "rint": Body(nearest, same),
    "floordiv": Body(exact.floordiv, integer.floordiv, shared=True),
    "floordiv_paired": Body(exact.floordiv_paired, integer.floordiv, shared=True),
    "remainder": Body(exact.remainder, integer.remainder, shared=True),
    "fmod": Body(exact.fmod, integer.fmod, shared=True),
    "copysign": Body(copysign),
    "heaviside": Body(exact.heaviside),
    "max": Body(exact.maximum, integer.maximum, operator.or_),
    "min": Body(exact.minimum, integer.minimum, operator.and_),
    "fmax": Body(exact.fmax, integer.maximum, operator.or_),
    "fmin": Body(exact.fmin, integer.minimum, operator.and_),
    "clip": Body(exact.clip, integer.clip, bounded),
    "relu": Body(exact.relu, integer.relu),
    "eq": _comparison("=="),
    "ne": _comparison("!="),
    "lt": _comparison("<"),
    "le": _comparison("<="),
    "gt": _comparison(">"),
    "ge": _comparison(">="),
    "isnan": Body(Value.isnan, no, no, predicate=True),
    "isinf": Body(exact.isinf, no, no, predicate=True),
    "isfinite": Body(exact.isfinite, yes, yes, predicate=True),
    "signbit": Body(exact.signbit, predicate=True),
    "logical_and": _logical("logical_and", operator.and_),
    "logical_or": _logical("logical_or", operator.or_),
    "logical_xor": _logical("logical_xor", operator.xor),
    "logical_not": _logical("logical_not", Value.__invert__),
    "and": _bitwise(operator.and_),
    "or": _bitwise(operator.or_),
    "xor": _bitwise(operator.xor),
    "invert": _bitwise(Value.__invert__),
    "shl": Body(None, integer.shl),
    "shr": Body(None, integer.shr),
    "sqrt": Body(sqrt),
    "rsqrt": Body(root.rsqrt),
    "cbrt": _in_double(root.cbrt),
    "hypot": _in_double(root.hypot),
    "exp": _long(exponential.exp),
    "exp2": _long(exponential.exp2),
    "expm1": _long(exponential.expm1),
    "sigmoid": _long(exponential.sigmoid),
    "tanh": _long(exponential.tanh),
    "sinh": _in_double(exponential.sinh),
    "cosh": _in_double(exponential.cosh),
    "log": _long(logarithm.log),
    "log2": _long(logarithm.log2),
    "log10": _long(logarithm.log10),
    "log1p": _long(logarithm.log1p),
    "softplus": _long(logarithm.softplus),
    "log_sigmoid": _long(logarithm.log_sigmoid),
    "logaddexp": _in_double(logarithm.logaddexp),
    "xlogy": _long(logarithm.xlogy),
    "pow": _long(logarithm.power),
    "asinh": _in_double(logarithm.asinh),
    "acosh": _in_double(logarithm.acosh),
    "atanh": _in_double(logarithm.atanh),
    "sin": _long(trigonometric.sin),
    "cos": _long(trigonometric.cos),
    "tan": _long(trigonometric.tan),
    "sinc": _in_double(trigonometric.sinc),
    "asin": _in_double(trigonometric.asin),
    "acos": _in_double(trigonometric.acos),
    "atan": _in_double(trigonometric.atan),
    "atan2": _in_double(trigonometric.atan2),
    "erf": _long(error_function.erf),
    "erfc": _long(error_function.erfc),
    "erfinv": _long(error_function.erfinv),
}


def _names(body: Body) -> tuple[str, ...]:
    names: tuple[str, ...] = FLOAT_NAMES if body.floats else ()
    if body.integers:
        names += SIGNED_NAMES + UNSIGNED_NAMES
    return (*names, "bool") if body.bools else names


SCALARS: Final[dict[str, tuple[str, ...]]] = {
    **{name: _names(body) for name, body in BODIES.items()},
    "select": (*FLOAT_NAMES, *SIGNED_NAMES, *UNSIGNED_NAMES, "bool"),
    "nextafter": FLOAT_NAMES,
}
"""The names of the dtypes that each scalar body takes."""


def supports(name: str, dtype: DType) -> bool:
    """Whether there is a body of this name for operands of a dtype."""
    return dtype.name in SCALARS.get(name, ())


def result_dtype(name: str, dtype: DType) -> DType:
    """The dtype of what a body returns: bool for questions, else that of the operands."""
    body = BODIES.get(name)
    return BOOL if body is not None and body.predicate else dtype


def emit(b: Any, name: str, dtype: DType, args: Sequence[Any]) -> Any:
    """What a scalar body makes of stored values, as a stored value of `result_dtype`.

    Args:
        b: the builder.
        name: the `llvm` attribute of a card.
        dtype: that of the operands; for "select" that of the last two, the first being a bool.
        args: values in the storage type of their dtype.
    """
    if name == "select":
        return b.select(condition(b, args[0]).v, args[1], args[2])
    if name == "nextafter":
        return _nextafter(b, dtype, args)
    body = BODIES[name]
    if name == "pow":
        short = _short_power(b, dtype, args)
        if short is not None:
            return short
    if not body.shared:
        return _inline(b, body, dtype, args)
    symbol = f"adjoint.{name}.{dtype.name}"
    function = b.module.globals.get(symbol) or _define(b.module, symbol, body, dtype, len(args))
    return b.call(function, args)


def _inline(b: Any, body: Body, dtype: DType, args: Sequence[Any]) -> Any:
    if dtype.kind == "b":
        assert body.bools is not None
        return truth(b, body.bools(*(condition(b, x) for x in args)))
    if is_floating(dtype):
        assert body.floats is not None
        out = body.floats(*(widen(b, x, dtype) for x in args))
        return truth(b, out) if body.predicate else narrow(out, dtype)
    assert body.integers is not None
    out = body.integers(*(Value(b, x) for x in args), dtype.kind == "i")
    return truth(b, out) if body.predicate else out.v


def _define(module: Any, symbol: str, body: Body, dtype: DType, count: int) -> Any:
    kind = storage_type(dtype)
    result = storage_type(BOOL) if body.predicate else kind
    function: Any = ir.Function(module, ir.FunctionType(result, [kind] * count), symbol)
    function.linkage = "internal"
    function.attributes.add("alwaysinline")
    function.attributes.add("nounwind")
    b: Any = ir.IRBuilder(function.append_basic_block())
    b.ret(_inline(b, body, dtype, function.args))
    return function


def _short_power(b: Any, dtype: DType, args: Sequence[Any]) -> Any:
    """A power whose exponent is a constant of the program and needs no logarithm, or None."""
    exponent = getattr(args[1], "constant", None)
    x = widen(b, args[0], dtype)
    if not isinstance(exponent, int | float) or dtype.name not in ("float32", "float64"):
        return None
    if exponent in (1, 2, 3):
        return (x if exponent == 1 else x * x if exponent == 2 else x * x * x).v
    if exponent == 0.5:
        return select(x.eq(-np.inf), np.inf, fabs(sqrt(x))).v
    if exponent == -1:
        return (1.0 / x).v
    return None


def _nextafter(b: Any, dtype: DType, args: Sequence[Any]) -> Any:
    stored = storage_type(dtype)
    fmt = BFLOAT16 if dtype.name == "bfloat16" else FORMATS[stored]
    x, y = (Value(b, b.bitcast(arg, fmt.integer)) for arg in args)
    # of equal zeros NumPy returns the first one in float16, and C the second one
    tie = x if dtype.name == "float16" else y
    out = exact.nextafter(x, y, tie, fmt.sign, fmt.infinity)
    return b.bitcast(out.v, stored)
