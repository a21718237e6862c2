"""Python's operators on tensors: which card each of them applies.

Each method is one line on purpose: a Python frame less is a tenth of the cost of recording.
"""

from __future__ import annotations

from typing import Any

from adjoint.core.bind import bind_one, bind_two
from adjoint.core.graph import Handle
from adjoint.ops import complex_parts, contract, power
from adjoint.ops.arithmetic import ADD, DIVIDE, MULTIPLY, NEGATIVE, POSITIVE, SUBTRACT
from adjoint.ops.bitwise import (
    BITWISE_AND,
    BITWISE_INVERT,
    BITWISE_LEFT_SHIFT,
    BITWISE_OR,
    BITWISE_RIGHT_SHIFT,
    BITWISE_XOR,
)
from adjoint.ops.compare import EQUAL, GREATER, GREATER_EQUAL, LESS, LESS_EQUAL, NOT_EQUAL
from adjoint.ops.rounding import FLOOR_DIVIDE, REMAINDER


class AbstractOperators(Handle):
    """A handle that can be calculated with."""

    __slots__ = ()

    def __add__(self, other: Any) -> Any:
        return bind_two(ADD, self, other)

    def __radd__(self, other: Any) -> Any:
        return bind_two(ADD, other, self)

    def __sub__(self, other: Any) -> Any:
        return bind_two(SUBTRACT, self, other)

    def __rsub__(self, other: Any) -> Any:
        return bind_two(SUBTRACT, other, self)

    def __mul__(self, other: Any) -> Any:
        return bind_two(MULTIPLY, self, other)

    def __rmul__(self, other: Any) -> Any:
        return bind_two(MULTIPLY, other, self)

    def __truediv__(self, other: Any) -> Any:
        return bind_two(DIVIDE, self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return bind_two(DIVIDE, other, self)

    def __floordiv__(self, other: Any) -> Any:
        return bind_two(FLOOR_DIVIDE, self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return bind_two(FLOOR_DIVIDE, other, self)

    def __mod__(self, other: Any) -> Any:
        return bind_two(REMAINDER, self, other)

    def __rmod__(self, other: Any) -> Any:
        return bind_two(REMAINDER, other, self)

    def __pow__(self, other: Any) -> Any:
        return power.power(self, other)

    def __rpow__(self, other: Any) -> Any:
        return power.power(other, self)

    def __matmul__(self, other: Any) -> Any:
        return contract.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return contract.matmul(other, self)

    def __neg__(self) -> Any:
        return bind_one(NEGATIVE, self)

    def __pos__(self) -> Any:
        return bind_one(POSITIVE, self)

    def __abs__(self) -> Any:
        return complex_parts.abs(self)

    def __invert__(self) -> Any:
        return bind_one(BITWISE_INVERT, self)

    def __and__(self, other: Any) -> Any:
        return bind_two(BITWISE_AND, self, other)

    def __rand__(self, other: Any) -> Any:
        return bind_two(BITWISE_AND, other, self)

    def __or__(self, other: Any) -> Any:
        return bind_two(BITWISE_OR, self, other)

    def __ror__(self, other: Any) -> Any:
        return bind_two(BITWISE_OR, other, self)

    def __xor__(self, other: Any) -> Any:
        return bind_two(BITWISE_XOR, self, other)

    def __rxor__(self, other: Any) -> Any:
        return bind_two(BITWISE_XOR, other, self)

    def __lshift__(self, other: Any) -> Any:
        return bind_two(BITWISE_LEFT_SHIFT, self, other)

    def __rlshift__(self, other: Any) -> Any:
        return bind_two(BITWISE_LEFT_SHIFT, other, self)

    def __rshift__(self, other: Any) -> Any:
        return bind_two(BITWISE_RIGHT_SHIFT, self, other)

    def __rrshift__(self, other: Any) -> Any:
        return bind_two(BITWISE_RIGHT_SHIFT, other, self)

    def __eq__(self, other: object) -> Any:
        if other is None or isinstance(other, str):
            return NotImplemented
        return bind_two(EQUAL, self, other)

    def __ne__(self, other: object) -> Any:
        if other is None or isinstance(other, str):
            return NotImplemented
        return bind_two(NOT_EQUAL, self, other)

    def __lt__(self, other: Any) -> Any:
        return bind_two(LESS, self, other)

    def __le__(self, other: Any) -> Any:
        return bind_two(LESS_EQUAL, self, other)

    def __gt__(self, other: Any) -> Any:
        return bind_two(GREATER, self, other)

    def __ge__(self, other: Any) -> Any:
        return bind_two(GREATER_EQUAL, self, other)

    # A tensor compares by value and is hashed by identity, as in PyTorch: it can be a dict's key.
    __hash__ = object.__hash__
