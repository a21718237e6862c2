"""Selection, elementwise: one value or another, by a condition or by size.

A gradient goes through the branch that was taken and through no other; the other branch gets an
exact zero, and `scale` keeps that zero whatever the branch's own derivative is. So the gradient of
``where(x > 0, log(x), 0)`` is finite everywhere.

What happens at ties and kinks is a rule of the library: see docs/use/kinks.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, final

import numpy as np

from adjoint.core.bind import SCALARS, bind_one, lift
from adjoint.core.graph import Handle
from adjoint.core.primitive import Sample
from adjoint.core.types import DType, is_inexact, promote
from adjoint.ops import kernel
from adjoint.ops.arithmetic import binary
from adjoint.ops.compare import EQUAL, GREATER, LESS, LOGICAL_NOT, LOGICAL_OR, NOT_EQUAL
from adjoint.ops.families import CAST, ZERO, AbstractLinearMap, AbstractMap

__all__ = [
    "clip",
    "fmax",
    "fmin",
    "heaviside",
    "maximum",
    "minimum",
    "relu",
    "where",
]


@final
class Where(AbstractLinearMap):
    """x where the condition is true, y where it is false."""

    operands = ("condition", "x", "y")
    parameters = (0,)
    llvm = "select"

    def value(self, condition: Any, x: Any, y: Any) -> Any:
        return kernel.where(condition, x, y)

    def common_dtype(self, xs: Sequence[Any]) -> DType:
        return promote(*[x if x.__class__ in SCALARS else x.dtype for x in xs[-2:]])

    def coerce(self, xs: tuple[Any, ...]) -> tuple[Any, ...]:
        condition, x, y = xs
        if not isinstance(condition, Handle):
            condition = lift(condition)
        if condition.dtype.kind != "b":
            condition = CAST[np.dtype(np.bool_)](condition)
        x, y = super().coerce((x, y))
        if x.__class__ in SCALARS and y.__class__ in SCALARS:
            # NumPy would give two Python floats its own default dtype
            x = lift(np.asarray(x, self.common_dtype((x, y))))
        same = condition is xs[0] and x is xs[1] and y is xs[2]
        return xs if same else (condition, x, y)

    def transpose(self, i: int, ct: Any, condition: Any, x: Any, y: Any) -> Any:
        return WHERE(condition, ct, 0) if i == 1 else WHERE(condition, 0, ct)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(), [rng.random((3, 4)) < 0.5, rng.normal(size=(3, 4)), rng.normal(size=(3, 4))]
        yield cls(), [rng.random((3, 1)) < 0.5, rng.normal(size=4), rng.normal(size=())]
        yield cls(), [np.array(True), rng.normal(size=2), rng.normal(size=(3, 2))]
        yield cls(), [rng.random(3) < 0.5, rng.normal(size=3) + 1j, rng.normal(size=3) - 1j]


def share(taken: Any, tie: Any, dtype: DType) -> Any:
    """The derivative of a selection: 1 where an operand is taken, 1/2 at a tie, 0 elsewhere."""
    return WHERE(tie, 0.5, CAST[dtype](taken))


@final
class Maximum(AbstractMap):
    """The larger of two values, NaN if one is. **Gradient:** to the larger; halves at ties."""

    llvm = "max"
    value = np.maximum
    complex_ok = False

    def partial(self, i: int, out: Any, x: Any, y: Any) -> Any:
        # "not less", so that a NaN which went into the result is not hidden by a zero
        beaten = LESS(y, x) if i else LESS(x, y)
        return share(LOGICAL_NOT(beaten), EQUAL(x, y), out.dtype)


@final
class Minimum(AbstractMap):
    """The smaller of two values, NaN if one is. **Gradient:** to the smaller; halves at ties."""

    llvm = "min"
    value = np.minimum
    complex_ok = False

    def partial(self, i: int, out: Any, x: Any, y: Any) -> Any:
        beaten = GREATER(y, x) if i else GREATER(x, y)
        return share(LOGICAL_NOT(beaten), EQUAL(x, y), out.dtype)


@final
class Fmax(AbstractMap):
    """The larger of two values; a NaN loses. **Gradient:** to the larger; halves at ties."""

    llvm = "fmax"
    value = np.fmax
    complex_ok = False

    def partial(self, i: int, out: Any, x: Any, y: Any) -> Any:
        return share(EQUAL(out, y if i else x), EQUAL(x, y), out.dtype)


@final
class Fmin(AbstractMap):
    """The smaller of two values; a NaN loses. **Gradient:** to the smaller; halves at ties."""

    llvm = "fmin"
    value = np.fmin
    complex_ok = False

    def partial(self, i: int, out: Any, x: Any, y: Any) -> Any:
        return share(EQUAL(out, y if i else x), EQUAL(x, y), out.dtype)


@final
class Clip(AbstractMap):
    """The value, but at least `low` and at most `high`. **Gradient:** 1 at the bounds too."""

    operands = ("x", "low", "high")
    llvm = "clip"
    complex_ok = False
    flops = 2

    def value(self, x: Any, low: Any, high: Any) -> Any:
        return np.minimum(np.maximum(x, low), high)

    def partial(self, i: int, out: Any, x: Any, low: Any, high: Any) -> Any:
        below, above = LESS(x, low), GREATER(x, high)
        if i == 0:
            return LOGICAL_NOT(LOGICAL_OR(below, above))
        # where the bounds cross, the upper one wins
        crossed = GREATER(low, high)
        if i == 1:
            return LOGICAL_NOT(LOGICAL_OR(LOGICAL_NOT(below), crossed))
        return LOGICAL_OR(above, crossed)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(), [rng.normal(size=(3, 4)), np.asarray(-0.5), np.asarray(0.5)]
        yield cls(), [rng.normal(size=(3, 4)), rng.uniform(-2, 0, 4), rng.uniform(0, 2, (3, 1))]
        yield cls(), [rng.normal(size=5), np.full(5, 0.3), np.full(5, -0.3)]


@final
class Relu(AbstractMap):
    """The value if it is positive, else 0. **Gradient:** 0 at 0."""

    llvm = "relu"
    complex_ok = False

    def value(self, x: Any) -> Any:
        return np.maximum(x, 0)

    def partial(self, i: int, out: Any, x: Any) -> Any:
        # read off the output, which the next layer keeps anyway; a NaN differs from 0
        return NOT_EQUAL(out, 0)


@final
class Heaviside(AbstractMap):
    """0 below zero, 1 above, and y at zero. **Gradient:** 0 for x; to y where x is zero."""

    llvm = "heaviside"
    value = np.heaviside
    complex_ok = False
    floating = True

    def partial(self, i: int, out: Any, x: Any, y: Any) -> Any:
        return EQUAL(x, 0) if i else ZERO

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(), [rng.normal(size=(2, 3)), rng.normal(size=3)]


WHERE: Final = Where()
MAXIMUM: Final = Maximum()
MINIMUM: Final = Minimum()
FMAX: Final = Fmax()
FMIN: Final = Fmin()
CLIP: Final = Clip()
RELU: Final = Relu()
HEAVISIDE: Final = Heaviside()


def where(condition: Any, x: Any, y: Any, /) -> Any:
    """The elements of `x` where the condition is true, of `y` where it is false.

    Args:
        condition: bools; numbers count as true if they are not zero.
        x: a shape that broadcasts with the others.
        y: likewise.

    Returns:
        The broadcast shape, in the dtype that `x` and `y` promote to.

    Raises:
        ShapeError: if the shapes do not broadcast.

    Example:
        >>> x = ad.tensor([1.0, -2.0], requires_grad=True)
        >>> ad.where(ad.greater(x, 0), ad.log(x), 0)
        tensor([0., 0.], requires_grad=True)

    **Gradient:** 1 through the branch that was taken. Through the other it is exactly 0, even if
    that branch has an infinite or undefined derivative there, so no second `where` is needed.
    """
    if x.__class__ not in SCALARS:
        x = lift(x)
    if y.__class__ not in SCALARS:
        y = lift(y)
    return WHERE(lift(condition), x, y)


def maximum(x: Any, y: Any, /) -> Any:
    """The larger of two tensors, elementwise. NaN if either element is.

    Example:
        >>> ad.maximum(ad.tensor([1.0, -2.0]), 0)
        tensor([1., 0.])

    **Gradient:** 1 for the larger, 0 for the smaller; at ties it is shared equally.
    """
    return binary(MAXIMUM, x, y)


def minimum(x: Any, y: Any, /) -> Any:
    """The smaller of two tensors, elementwise. NaN if either element is.

    Example:
        >>> ad.minimum(ad.tensor([1.0, -2.0]), 0)
        tensor([ 0., -2.])

    **Gradient:** 1 for the smaller, 0 for the larger; at ties it is shared equally.
    """
    return binary(MINIMUM, x, y)


def fmax(x: Any, y: Any, /) -> Any:
    """The larger of two tensors, elementwise. A NaN loses to a number.

    Example:
        >>> ad.fmax(ad.tensor([1.0, float("nan")]), 0)
        tensor([1., 0.])

    **Gradient:** 1 for the larger, 0 for the smaller and for NaN; at ties it is shared equally.
    """
    return binary(FMAX, x, y)


def fmin(x: Any, y: Any, /) -> Any:
    """The smaller of two tensors, elementwise. A NaN loses to a number.

    Example:
        >>> ad.fmin(ad.tensor([1.0, float("nan")]), 0)
        tensor([0., 0.])

    **Gradient:** 1 for the smaller, 0 for the larger and for NaN; at ties it is shared equally.
    """
    return binary(FMIN, x, y)


def clip(x: Any, /, min: Any = None, max: Any = None) -> Any:
    """The tensor with elements below `min` raised to it and elements above `max` lowered to it.

    Args:
        x: any shape of real numbers.
        min: a number or a shape that broadcasts with `x`; None for no lower bound.
        max: likewise the upper bound. Where the bounds cross, this one wins.

    Example:
        >>> ad.clip(ad.tensor([-2.0, 0.5, 2.0]), -1, 1)
        tensor([-1. ,  0.5,  1. ])

    **Gradient:** 1 for `x` between the bounds and at them, 0 outside; there it goes to the bound.
    """
    x = lift(x)
    low, high = _limits(x.dtype)
    return CLIP(x, low if min is None else min, high if max is None else max)


def _limits(dtype: DType) -> tuple[Any, Any]:
    """Bounds that no value of this dtype is beyond."""
    if is_inexact(dtype):
        return -np.inf, np.inf
    if dtype.kind == "b":
        return False, True
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def relu(x: Any, /) -> Any:
    """The positive part of each element: ``max(x, 0)``.

    Example:
        >>> ad.relu(ad.tensor([-1.0, 0.0, 2.0]))
        tensor([0., 0., 2.])

    **Gradient:** 1 for positive elements, 0 for negative ones and at 0.
    """
    return bind_one(RELU, x)


def heaviside(x: Any, y: Any, /) -> Any:
    """0 where `x` is negative, 1 where it is positive, and `y` where it is zero.

    Example:
        >>> ad.heaviside(ad.tensor([-1.0, 0.0, 2.0]), 0.5)
        tensor([0. , 0.5, 1. ])

    **Gradient:** 0 for `x`; for `y` 1 where `x` is zero.
    """
    return binary(HEAVISIDE, x, y)
