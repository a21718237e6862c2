"""Rounding and remainders, elementwise: functions that are constant or straight in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, final

import numpy as np

from adjoint.core.bind import bind_one, lift
from adjoint.core.primitive import Sample
from adjoint.core.types import DType, is_inexact
from adjoint.ops.arithmetic import binary
from adjoint.ops.complex_parts import SIGN
from adjoint.ops.families import ZERO, AbstractMap

__all__ = [
    "ceil",
    "copysign",
    "divmod",
    "floor",
    "floor_divide",
    "fmod",
    "nextafter",
    "remainder",
    "round",
    "signbit",
    "trunc",
]


class AbstractStep(AbstractMap):
    """An elementwise function that is constant in pieces: its derivative is 0, at the steps too."""

    complex_ok = False

    def partial(self, i: int, out: Any, *xs: Any) -> Any:
        return ZERO


@final
class Floor(AbstractStep):
    """The largest integer that is not larger. **Gradient:** 0."""

    llvm = "floor"
    value = np.floor


@final
class Ceil(AbstractStep):
    """The smallest integer that is not smaller. **Gradient:** 0."""

    llvm = "ceil"
    value = np.ceil


@final
class Trunc(AbstractStep):
    """The integer part, towards zero. **Gradient:** 0."""

    llvm = "trunc"
    value = np.trunc


@final
class Round(AbstractStep):
    """The nearest multiple of a power of ten, halves to even. **Gradient:** 0."""

    decimals: int = 0
    complex_ok = True
    bools = False
    llvm = "rint"

    def value(self, x: Any) -> Any:
        if self.decimals == 0 and is_inexact(x.dtype):
            return np.rint(x)
        return x.round(self.decimals)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(), [rng.uniform(-3, 3, size=(3, 4))]
        yield cls(2), [rng.uniform(-3, 3, size=())]
        yield cls(), [rng.normal(size=4) + 1j * rng.normal(size=4)]


@final
class Signbit(AbstractMap):
    """Whether the sign bit is set: true for negative numbers, and for -0.0."""

    llvm = "signbit"
    value = np.signbit
    floating = True
    complex_ok = False
    no_derivative = "a bool has no gradient"

    def out_dtype(self, dtype: DType) -> DType:
        return np.dtype(np.bool_)


@final
class Copysign(AbstractMap):
    """x with the sign of y. **Gradient:** 0 for y, and for x at 0, as that of ``abs``."""

    llvm = "copysign"
    value = np.copysign
    floating = True
    complex_ok = False

    def partial(self, i: int, out: Any, x: Any, y: Any) -> Any:
        return ZERO if i else SIGN(x) * SIGN(out)


@final
class Nextafter(AbstractMap):
    """The next float after x on the way to y. **Gradient:** 1 for x, 0 for y."""

    llvm = "nextafter"
    value = np.nextafter
    floating = True
    complex_ok = False

    def partial(self, i: int, out: Any, x: Any, y: Any) -> Any:
        return ZERO if i else 1


@final
class FloorDivide(AbstractStep):
    """The quotient rounded down to an integer. **Gradient:** 0.

    Where an operand is infinite, it is ``floor(x / y)``, as the Array API standard prefers. With
    `paired` it is there what goes with the remainder, as in Python: ``-5 // inf`` is -1, because
    ``-5 % inf`` is inf, and ``inf // 5`` is NaN.
    """

    paired: bool = False
    llvm = "floordiv"
    bools = False
    domain = ((-9.0, 9.0), (0.5, 3.0))

    def value(self, x: Any, y: Any) -> Any:
        out = np.floor_divide(x, y)
        if self.paired or not is_inexact(out.dtype):
            return out
        infinite = np.isinf(x) | np.isinf(y)
        return np.where(infinite, np.floor(np.divide(x, y)), out) if infinite.any() else out

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield from super().samples(rng)
        yield cls(paired=True), [rng.uniform(-9, 9, size=(2, 3)), rng.uniform(0.5, 3, size=3)]


@final
class Remainder(AbstractMap):
    """What is left of x after the rounded-down division by y; it has the sign of y."""

    llvm = "remainder"
    value = np.remainder
    complex_ok = False
    bools = False
    flops = 3
    domain = ((-9.0, 9.0), (0.5, 3.0))

    def partial(self, i: int, out: Any, x: Any, y: Any) -> Any:
        return -QUOTIENT(x, y) if i else 1


@final
class Fmod(AbstractMap):
    """What is left of x after the division by y rounded to zero; it has the sign of x."""

    llvm = "fmod"
    value = np.fmod
    complex_ok = False
    bools = False
    flops = 3
    domain = ((-9.0, 9.0), (0.5, 3.0))

    def partial(self, i: int, out: Any, x: Any, y: Any) -> Any:
        # the whole quotient, which x / y may have rounded up to
        return ROUND((out - x) / y) if i else 1


FLOOR: Final = Floor()
CEIL: Final = Ceil()
TRUNC: Final = Trunc()
ROUND: Final = Round()
SIGNBIT: Final = Signbit()
COPYSIGN: Final = Copysign()
NEXTAFTER: Final = Nextafter()
FLOOR_DIVIDE: Final = FloorDivide()
QUOTIENT: Final = FloorDivide(paired=True)
REMAINDER: Final = Remainder()
FMOD: Final = Fmod()


def floor(x: Any, /) -> Any:
    """The largest integers that are not larger than the elements; integers stay as they are.

    Example:
        >>> ad.floor(ad.tensor([1.5, -1.5]))
        tensor([ 1., -2.])

    **Gradient:** 0.
    """
    return bind_one(FLOOR, x)


def ceil(x: Any, /) -> Any:
    """The smallest integers that are not smaller than the elements; integers stay as they are.

    Example:
        >>> ad.ceil(ad.tensor([1.5, -1.5]))
        tensor([ 2., -1.])

    **Gradient:** 0.
    """
    return bind_one(CEIL, x)


def trunc(x: Any, /) -> Any:
    """The integer parts of the elements, rounded towards zero; integers stay as they are.

    Example:
        >>> ad.trunc(ad.tensor([1.5, -1.5]))
        tensor([ 1., -1.])

    **Gradient:** 0.
    """
    return bind_one(TRUNC, x)


def round(x: Any, /, decimals: int = 0) -> Any:
    """The elements rounded to the nearest multiple of ``10**-decimals``, halves to the even one.

    Args:
        x: any shape; the parts of complex numbers are rounded apart.
        decimals: how many decimals to keep; negative ones round to tens, hundreds, ...

    Example:
        >>> ad.round(ad.tensor([0.5, 1.5, 2.25]))
        tensor([0., 2., 2.])

    **Gradient:** 0.
    """
    return (Round(decimals) if decimals else ROUND)(lift(x))


def signbit(x: Any, /) -> Any:
    """Whether the sign bit of each element is set: for negative numbers, and for -0.0.

    Example:
        >>> ad.signbit(ad.tensor([-2.0, -0.0, 0.0]))
        tensor([ True,  True, False])
    """
    return bind_one(SIGNBIT, x)


def copysign(x: Any, y: Any, /) -> Any:
    """The size of `x` with the sign of `y`, elementwise.

    Example:
        >>> ad.copysign(ad.tensor([1.0, -2.0]), -1)
        tensor([-1., -2.])

    **Gradient:** for `x` 1 or -1, and 0 at 0; for `y` 0.
    """
    return binary(COPYSIGN, x, y)


def nextafter(x: Any, y: Any, /) -> Any:
    """The next float after `x` on the way to `y`, elementwise.

    Example:
        >>> ad.nextafter(ad.tensor(1.0), 2) - 1
        tensor(1.1920929e-07)

    **Gradient:** 1 for `x`, 0 for `y`.
    """
    return binary(NEXTAFTER, x, y)


def floor_divide(x: Any, y: Any, /) -> Any:
    """The quotient rounded down to an integer, elementwise: ``x // y``.

    Where an operand is infinite, it is ``floor(x / y)``, as the Array API standard prefers;
    `divmod` gives there what Python and NumPy give.

    Example:
        >>> ad.floor_divide(ad.tensor([7, -7]), 2)
        tensor([ 3, -4])

    **Gradient:** 0.
    """
    return binary(FLOOR_DIVIDE, x, y)


def remainder(x: Any, y: Any, /) -> Any:
    """What is left of `x` after the rounded-down division by `y`: ``x % y``, with y's sign.

    Example:
        >>> ad.remainder(ad.tensor([7, -7]), 3)
        tensor([1, 2])

    **Gradient:** 1 for `x`, ``-(x // y)`` for `y`; nothing at the jumps.
    """
    return binary(REMAINDER, x, y)


def fmod(x: Any, y: Any, /) -> Any:
    """What is left of `x` after the division by `y` rounded towards zero; it has the sign of `x`.

    Example:
        >>> ad.fmod(ad.tensor([7, -7]), 3)
        tensor([ 1, -1])

    **Gradient:** 1 for `x`, ``-trunc(x / y)`` for `y`; nothing at the jumps.
    """
    return binary(FMOD, x, y)


def divmod(x: Any, y: Any, /) -> tuple[Any, Any]:
    """The rounded-down quotient and what it leaves: ``(x // y, x % y)``.

    The two go together where `y` is infinite, too: ``divmod(-5.0, inf)`` is ``(-1.0, inf)``.

    Example:
        >>> ad.divmod(ad.tensor([7, -7]), 3)
        (tensor([ 2, -3]), tensor([1, 2]))

    **Gradient:** that of `floor_divide` and that of `remainder`.
    """
    return binary(QUOTIENT, x, y), binary(REMAINDER, x, y)
