"""Comparisons and logic, elementwise: the results are bools and have no gradient.

Operands of different kinds are compared in a dtype that holds both, so that an int64 is not
rounded to float32 before it is compared with one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, final

import numpy as np

from adjoint.core.bind import SCALARS, bind_one
from adjoint.core.primitive import Sample
from adjoint.core.types import FLOAT, INT, DType, dtype_kind, promote
from adjoint.ops.arithmetic import binary
from adjoint.ops.families import AbstractMap

__all__ = [
    "equal",
    "greater",
    "greater_equal",
    "isfinite",
    "isinf",
    "isnan",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "not_equal",
]

BOOL_DTYPE: Final = np.dtype(np.bool_)
WIDE: Final = np.dtype(np.float64)


class AbstractPredicate(AbstractMap):
    """An elementwise question; the answer is a bool for each element."""

    no_derivative = "a bool has no gradient"

    def out_dtype(self, dtype: DType) -> DType:
        return BOOL_DTYPE

    def common_dtype(self, xs: Sequence[Any]) -> DType:
        dtype = promote(*[x if x.__class__ in SCALARS else x.dtype for x in xs])
        if dtype_kind(dtype) != FLOAT:
            return dtype
        kinds = {dtype_kind(x.dtype) for x in xs if x.__class__ not in SCALARS}
        # an integer would lose digits in a narrower float, and a bool would not
        return WIDE if INT in kinds else dtype


class AbstractComparison(AbstractPredicate):
    """A question about two operands; some elements of the samples are equal."""

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield from super().samples(rng)
        yield cls(), [rng.integers(0, 3, size=(2, 3)), rng.integers(0, 3, size=3)]


@final
class Equal(AbstractComparison):
    """Whether two values are equal; NaN equals nothing."""

    llvm = "eq"
    value = np.equal


@final
class NotEqual(AbstractComparison):
    """Whether two values differ; NaN differs from everything."""

    llvm = "ne"
    value = np.not_equal


@final
class Less(AbstractComparison):
    """Whether x is less than y."""

    llvm = "lt"
    value = np.less
    complex_ok = False


@final
class LessEqual(AbstractComparison):
    """Whether x is less than y or equal to it."""

    llvm = "le"
    value = np.less_equal
    complex_ok = False


@final
class Greater(AbstractComparison):
    """Whether x is greater than y."""

    llvm = "gt"
    value = np.greater
    complex_ok = False


@final
class GreaterEqual(AbstractComparison):
    """Whether x is greater than y or equal to it."""

    llvm = "ge"
    value = np.greater_equal
    complex_ok = False


@final
class IsNan(AbstractPredicate):
    """Whether the value is not a number, in either part if it is complex."""

    name = "isnan"
    llvm = "isnan"
    value = np.isnan


@final
class IsInf(AbstractPredicate):
    """Whether the value is infinite, in either part if it is complex."""

    name = "isinf"
    llvm = "isinf"
    value = np.isinf


@final
class IsFinite(AbstractPredicate):
    """Whether the value is neither infinite nor NaN."""

    name = "isfinite"
    llvm = "isfinite"
    value = np.isfinite


@final
class LogicalAnd(AbstractComparison):
    """Whether both values are true, which means not zero."""

    llvm = "logical_and"
    value = np.logical_and


@final
class LogicalOr(AbstractComparison):
    """Whether at least one of two values is true."""

    llvm = "logical_or"
    value = np.logical_or


@final
class LogicalXor(AbstractComparison):
    """Whether exactly one of two values is true."""

    llvm = "logical_xor"
    value = np.logical_xor


@final
class LogicalNot(AbstractPredicate):
    """Whether the value is false, which means zero."""

    llvm = "logical_not"
    value = np.logical_not


EQUAL: Final = Equal()
NOT_EQUAL: Final = NotEqual()
LESS: Final = Less()
LESS_EQUAL: Final = LessEqual()
GREATER: Final = Greater()
GREATER_EQUAL: Final = GreaterEqual()
IS_NAN: Final = IsNan()
IS_INF: Final = IsInf()
IS_FINITE: Final = IsFinite()
LOGICAL_AND: Final = LogicalAnd()
LOGICAL_OR: Final = LogicalOr()
LOGICAL_XOR: Final = LogicalXor()
LOGICAL_NOT: Final = LogicalNot()


def equal(x: Any, y: Any, /) -> Any:
    """Whether the elements of two tensors are equal: ``x == y``. NaN equals nothing.

    Args:
        x: any shape.
        y: a shape that broadcasts with it.

    Returns:
        Bools of the broadcast shape.

    Raises:
        ShapeError: if the shapes do not broadcast.

    Example:
        >>> ad.equal(ad.tensor([1.0, 2.0]), 2)
        tensor([False,  True])
    """
    return binary(EQUAL, x, y)


def not_equal(x: Any, y: Any, /) -> Any:
    """Whether the elements of two tensors differ: ``x != y``. NaN differs from everything.

    Example:
        >>> ad.not_equal(ad.tensor([1.0, 2.0]), 2)
        tensor([ True, False])
    """
    return binary(NOT_EQUAL, x, y)


def less(x: Any, y: Any, /) -> Any:
    """Whether elements of `x` are less than those of `y`: ``x < y``. Not for complex numbers.

    Example:
        >>> ad.less(ad.tensor([1.0, 2.0]), 2)
        tensor([ True, False])
    """
    return binary(LESS, x, y)


def less_equal(x: Any, y: Any, /) -> Any:
    """Whether elements of `x` are at most those of `y`: ``x <= y``. Not for complex numbers.

    Example:
        >>> ad.less_equal(ad.tensor([1.0, 2.0, 3.0]), 2)
        tensor([ True,  True, False])
    """
    return binary(LESS_EQUAL, x, y)


def greater(x: Any, y: Any, /) -> Any:
    """Whether elements of `x` are greater than those of `y`: ``x > y``. Not for complex numbers.

    Example:
        >>> ad.greater(ad.tensor([1.0, 2.0, 3.0]), 2)
        tensor([False, False,  True])
    """
    return binary(GREATER, x, y)


def greater_equal(x: Any, y: Any, /) -> Any:
    """Whether elements of `x` are at least those of `y`: ``x >= y``. Not for complex numbers.

    Example:
        >>> ad.greater_equal(ad.tensor([1.0, 2.0]), 2)
        tensor([False,  True])
    """
    return binary(GREATER_EQUAL, x, y)


def isnan(x: Any, /) -> Any:
    """Whether each element is not a number; a complex one if either part is.

    Example:
        >>> ad.isnan(ad.tensor([1.0, float("nan")]))
        tensor([False,  True])
    """
    return bind_one(IS_NAN, x)


def isinf(x: Any, /) -> Any:
    """Whether each element is infinite; a complex one if either part is.

    Example:
        >>> ad.isinf(ad.tensor([1.0, float("-inf")]))
        tensor([False,  True])
    """
    return bind_one(IS_INF, x)


def isfinite(x: Any, /) -> Any:
    """Whether each element is neither infinite nor NaN.

    Example:
        >>> ad.isfinite(ad.tensor([1.0, float("inf"), float("nan")]))
        tensor([ True, False, False])
    """
    return bind_one(IS_FINITE, x)


def logical_and(x: Any, y: Any, /) -> Any:
    """Whether elements of both tensors are true. Numbers are true if they are not zero.

    Example:
        >>> ad.logical_and(ad.tensor([True, True]), ad.tensor([True, False]))
        tensor([ True, False])
    """
    return binary(LOGICAL_AND, x, y)


def logical_or(x: Any, y: Any, /) -> Any:
    """Whether an element of at least one of two tensors is true.

    Example:
        >>> ad.logical_or(ad.tensor([True, False]), ad.tensor([False, False]))
        tensor([ True, False])
    """
    return binary(LOGICAL_OR, x, y)


def logical_xor(x: Any, y: Any, /) -> Any:
    """Whether elements of exactly one of two tensors are true.

    Example:
        >>> ad.logical_xor(ad.tensor([True, True]), ad.tensor([True, False]))
        tensor([False,  True])
    """
    return binary(LOGICAL_XOR, x, y)


def logical_not(x: Any, /) -> Any:
    """Whether each element is false. Numbers are false if they are zero.

    Example:
        >>> ad.logical_not(ad.tensor([True, False]))
        tensor([False,  True])
    """
    return bind_one(LOGICAL_NOT, x)
