"""Values in generated code with Python's operators, so that scalar bodies read like formulas.

A `Value` is an LLVM value and the builder that continues the function it is in. Python numbers
beside one become constants of its type. Nothing here branches, loads or calls: every operation is
one instruction, or an intrinsic that has a vector form, so loops over scalar bodies vectorise.
"""

# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from typing import Any, Final, NamedTuple

from llvmlite import ir

I1: Final = ir.IntType(1)
I8: Final = ir.IntType(8)
I16: Final = ir.IntType(16)
I32: Final = ir.IntType(32)
I64: Final = ir.IntType(64)
HALF: Final = ir.HalfType()
FLOAT: Final = ir.FloatType()
DOUBLE: Final = ir.DoubleType()
FLOATS: Final = (HALF, FLOAT, DOUBLE)

SUFFIX: Final[dict[Any, str]] = {HALF: "f16", FLOAT: "f32", DOUBLE: "f64"}


class Format(NamedTuple):
    """The layout of a binary floating-point format (IEEE 754)."""

    integer: Any
    """The integer type of the same width."""
    fraction: int
    """Bits of the significand that are stored."""
    bias: int
    """What is added to the exponent."""

    @property
    def one(self) -> int:
        """The bits of 1.0."""
        return self.bias << self.fraction

    @property
    def infinity(self) -> int:
        """The bits of infinity."""
        return (2 * self.bias + 1) << self.fraction

    @property
    def sign(self) -> int:
        """The sign bit."""
        return 1 << (self.integer.width - 1)

    @property
    def shifter(self) -> float:
        """Added to a small number, it leaves the nearest integer in the lowest bits."""
        return 1.5 * 2.0**self.fraction


FORMATS: Final[dict[Any, Format]] = {
    HALF: Format(I16, 10, 15),
    FLOAT: Format(I32, 23, 127),
    DOUBLE: Format(I64, 52, 1023),
}


class Value:
    """A scalar in a function under construction.

    Args:
        b: the builder.
        v: the LLVM value.
    """

    __slots__ = ("b", "v")

    def __init__(self, b: Any, v: Any) -> None:
        self.b = b
        self.v = v

    @property
    def type(self) -> Any:
        """The LLVM type."""
        return self.v.type

    @property
    def is_float(self) -> bool:
        """Whether it is a floating-point number."""
        return self.v.type in FLOATS

    @property
    def format(self) -> Format:
        """The layout of a floating-point number."""
        return FORMATS[self.v.type]

    def like(self, x: Any) -> Any:
        """The LLVM value of an operand; a Python number becomes a constant of this type."""
        return x.v if isinstance(x, Value) else ir.Constant(self.v.type, x)

    def const(self, x: Any) -> Value:
        """A constant of this type."""
        return Value(self.b, self.like(x))

    def _binary(self, floating: str, integral: str, x: Any, y: Any) -> Value:
        op = getattr(self.b, floating if self.is_float else integral)
        return Value(self.b, op(self.like(x), self.like(y)))

    def __add__(self, y: Any) -> Value:
        return self._binary("fadd", "add", self, y)

    def __radd__(self, x: Any) -> Value:
        return self._binary("fadd", "add", x, self)

    def __sub__(self, y: Any) -> Value:
        return self._binary("fsub", "sub", self, y)

    def __rsub__(self, x: Any) -> Value:
        return self._binary("fsub", "sub", x, self)

    def __mul__(self, y: Any) -> Value:
        return self._binary("fmul", "mul", self, y)

    def __rmul__(self, x: Any) -> Value:
        return self._binary("fmul", "mul", x, self)

    def __truediv__(self, y: Any) -> Value:
        return Value(self.b, self.b.fdiv(self.v, self.like(y)))

    def __rtruediv__(self, x: Any) -> Value:
        return Value(self.b, self.b.fdiv(self.like(x), self.v))

    def __neg__(self) -> Value:
        return Value(self.b, self.b.fneg(self.v) if self.is_float else self.b.neg(self.v))

    def __and__(self, y: Any) -> Value:
        return Value(self.b, self.b.and_(self.v, self.like(y)))

    def __or__(self, y: Any) -> Value:
        return Value(self.b, self.b.or_(self.v, self.like(y)))

    def __xor__(self, y: Any) -> Value:
        return Value(self.b, self.b.xor(self.v, self.like(y)))

    def __invert__(self) -> Value:
        return self ^ (1 if self.type == I1 else -1)

    def __lshift__(self, y: Any) -> Value:
        return Value(self.b, self.b.shl(self.v, self.like(y)))

    def __rshift__(self, y: Any) -> Value:
        """Bits moved down, zeros filled in."""
        return Value(self.b, self.b.lshr(self.v, self.like(y)))

    def shift_signed(self, y: Any) -> Value:
        """Bits moved down, the sign kept."""
        return Value(self.b, self.b.ashr(self.v, self.like(y)))

    def compare(self, how: str, y: Any, signed: bool = True) -> Value:
        """A comparison; false for NaN, except that "!=" is true."""
        y = self.like(y)
        if self.is_float:
            op = self.b.fcmp_unordered if how == "!=" else self.b.fcmp_ordered
        else:
            op = self.b.icmp_signed if signed else self.b.icmp_unsigned
        return Value(self.b, op(how, self.v, y))

    def __lt__(self, y: Any) -> Value:
        return self.compare("<", y)

    def __le__(self, y: Any) -> Value:
        return self.compare("<=", y)

    def __gt__(self, y: Any) -> Value:
        return self.compare(">", y)

    def __ge__(self, y: Any) -> Value:
        return self.compare(">=", y)

    def eq(self, y: Any) -> Value:
        """Whether it equals another; NaN equals nothing."""
        return self.compare("==", y)

    def ne(self, y: Any) -> Value:
        """Whether it differs from another; NaN differs from everything."""
        return self.compare("!=", y)

    def isnan(self) -> Value:
        """Whether it is not a number."""
        return Value(self.b, self.b.fcmp_unordered("uno", self.v, self.v))

    def bits(self) -> Value:
        """A floating-point number as an integer of the same width."""
        return Value(self.b, self.b.bitcast(self.v, self.format.integer))

    def as_float(self, kind: Any) -> Value:
        """An integer's bits as a floating-point number of this type."""
        return Value(self.b, self.b.bitcast(self.v, kind))

    def to(self, kind: Any) -> Value:
        """Converted from one floating-point type to another."""
        if kind == self.type:
            return self
        wider = FLOATS.index(kind) > FLOATS.index(self.type)
        return Value(self.b, (self.b.fpext if wider else self.b.fptrunc)(self.v, kind))

    def intrinsic(self, name: str, *more: Any) -> Value:
        """The intrinsic ``llvm.name`` of this type, applied to this value and others."""
        args = [self.v, *(self.like(x) for x in more)]
        function: Any = self.b.module.declare_intrinsic(
            f"llvm.{name}", (self.type,), ir.FunctionType(self.type, [self.type] * len(args))
        )
        return Value(self.b, self.b.call(function, args))


def fma(x: Value, y: Any, z: Any) -> Value:
    """x * y + z, rounded once."""
    return x.intrinsic("fma", y, z)


def fabs(x: Value) -> Value:
    """The absolute value of a float."""
    return x.intrinsic("fabs")


def copysign(x: Value, y: Any) -> Value:
    """The size of one float with the sign of another."""
    return x.intrinsic("copysign", y)


def sqrt(x: Value) -> Value:
    """The square root, correctly rounded."""
    return x.intrinsic("sqrt")


def nearest(x: Value) -> Value:
    """The nearest integer, halves to the even one."""
    return x.intrinsic("roundeven")


def select(condition: Value, x: Any, y: Any) -> Value:
    """x where the condition holds, else y. At least one of the two is a `Value`."""
    kind = x if isinstance(x, Value) else y
    return Value(condition.b, condition.b.select(condition.v, kind.like(x), kind.like(y)))


def horner(x: Value, coefficients: Any) -> Value:
    """The polynomial with these coefficients, the constant one first."""
    total = x.const(coefficients[-1])
    for c in coefficients[-2::-1]:
        total = fma(total, x, c)
    return total


def fast_two_sum(x: Any, y: Value) -> tuple[Value, Value]:
    """x + y and its rounding error, for ``|x| >= |y|`` or x = 0 (Dekker 1971)."""
    total = x + y
    return total, y - (total - x)


def two_sum(x: Value, y: Value) -> tuple[Value, Value]:
    """x + y and its rounding error (Knuth)."""
    total = x + y
    part = total - x
    return total, (x - (total - part)) + (y - part)


def two_product(x: Value, y: Any) -> tuple[Value, Value]:
    """x * y and its rounding error."""
    product = x * y
    return product, fma(x, y, -product)


def quotient(x: Value, x_low: Any, y: Value, y_low: Any) -> tuple[Value, Value]:
    """(x + x_low) / (y + y_low) as a leading part and a correction: one division."""
    inverse = 1.0 / y
    q = x * inverse
    rest = fma(-q, y, x) + (x_low - q * y_low)
    return q, rest * inverse
