"""Parts of complex numbers, their sizes and directions; for real numbers ``abs`` and ``sign``.

Taking a part is linear over the reals and not over the complex numbers, so each card states its
transpose under the real inner product ``<a, b> = Re(conj(a) b)``. Size and direction are composed
of the parts. They are no cards of their own, because no complex derivative describes them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final, final

import numpy as np

from adjoint.core.bind import lift
from adjoint.core.primitive import Sample
from adjoint.core.types import DType, complex_of, real_of
from adjoint.ops.arithmetic import binary
from adjoint.ops.compare import EQUAL, LESS
from adjoint.ops.families import CAST, ZERO, AbstractLinearMap, AbstractMap
from adjoint.ops.select import WHERE
from adjoint.ops.trigonometric import ATAN2, HYPOT

__all__ = ["abs", "angle", "complex", "conj", "imag", "real", "sign"]


def parts(rng: Any) -> Any:
    """Complex numbers for samples."""
    return rng.normal(size=(2, 3)) + 1j * rng.normal(size=(2, 3))


@final
class Real(AbstractLinearMap):
    """The real part of a complex value."""

    llvm = "real"
    flops = 0

    def value(self, x: Any) -> Any:
        return np.real(x)

    def out_dtype(self, dtype: DType) -> DType:
        return real_of(dtype)

    def transpose(self, i: int, ct: Any, x: Any) -> Any:
        return CAST[x.dtype](ct)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(), [parts(rng)]


@final
class Imag(AbstractLinearMap):
    """The imaginary part of a complex value."""

    llvm = "imag"
    flops = 0

    def value(self, x: Any) -> Any:
        return np.imag(x)

    def out_dtype(self, dtype: DType) -> DType:
        return real_of(dtype)

    def transpose(self, i: int, ct: Any, x: Any) -> Any:
        return COMPLEX(0.0, ct)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(), [parts(rng)]


@final
class Conj(AbstractLinearMap):
    """The complex conjugate: the imaginary part with its sign changed."""

    llvm = "conj"
    value = np.conjugate
    flops = 0

    def transpose(self, i: int, ct: Any, x: Any) -> Any:
        return CONJ(ct)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(), [parts(rng)]


@final
class Complex(AbstractLinearMap):
    """The complex number with these real and imaginary parts."""

    operands = ("real", "imag")
    llvm = "complex"
    complex_ok = False
    floating = True
    flops = 0

    def value(self, re: Any, im: Any) -> Any:
        dtype = complex_of(np.result_type(re, im))
        out = np.empty(np.broadcast_shapes(np.shape(re), np.shape(im)), dtype)
        out.real, out.imag = re, im
        return out

    def out_dtype(self, dtype: DType) -> DType:
        return complex_of(dtype)

    def transpose(self, i: int, ct: Any, re: Any, im: Any) -> Any:
        return IMAG(ct) if i else REAL(ct)


@final
class Abs(AbstractMap):
    """The size of a real value. **Gradient:** its sign, and 0 at 0."""

    llvm = "abs"
    value = np.absolute
    complex_ok = False

    def partial(self, i: int, out: Any, x: Any) -> Any:
        return SIGN(x)


@final
class Sign(AbstractMap):
    """-1, 0 or 1 by the sign of a real value; NaN stays NaN. **Gradient:** 0."""

    llvm = "sign"
    value = np.sign
    complex_ok = False
    bools = False

    def partial(self, i: int, out: Any, x: Any) -> Any:
        return ZERO


REAL: Final = Real()
IMAG: Final = Imag()
CONJ: Final = Conj()
COMPLEX: Final = Complex()
ABS: Final = Abs()
SIGN: Final = Sign()


def magnitude(x: Any) -> Any:
    """The absolute value of real or complex numbers, for rules: it does not make tensors."""
    return HYPOT(REAL(x), IMAG(x)) if x.dtype.kind == "c" else ABS(x)


def real(x: Any, /) -> Any:
    """The real parts of the elements; a real tensor is returned as it is.

    Example:
        >>> ad.real(ad.tensor([1 + 2j]))
        tensor([1.])

    **Gradient:** the cotangent, as a complex number.
    """
    x = lift(x)
    return REAL(x) if x.dtype.kind == "c" else x


def imag(x: Any, /) -> Any:
    """The imaginary parts of the elements; zeros for a real tensor.

    Example:
        >>> ad.imag(ad.tensor([1 + 2j]))
        tensor([2.])

    **Gradient:** the cotangent times i.
    """
    x = lift(x)
    return IMAG(x) if x.dtype.kind == "c" else x * 0


def conj(x: Any, /) -> Any:
    """The complex conjugates of the elements; a real tensor is returned as it is.

    Example:
        >>> ad.conj(ad.tensor([1 + 2j]))
        tensor([1.-2.j], dtype=complex64)

    **Gradient:** the conjugate of the cotangent.
    """
    x = lift(x)
    return CONJ(x) if x.dtype.kind == "c" else x


def complex(real: Any, imag: Any, /) -> Any:
    """The complex numbers with these real and imaginary parts.

    Args:
        real: any shape of real numbers.
        imag: a shape that broadcasts with it.

    Returns:
        complex128 if a part is float64, else complex64.

    Example:
        >>> ad.complex(ad.tensor([1.0, 2.0]), 3.0)
        tensor([1.+3.j, 2.+3.j], dtype=complex64)

    **Gradient:** the real part of the cotangent for `real`, the imaginary part for `imag`.
    """
    return binary(COMPLEX, real, imag)


def abs(x: Any, /) -> Any:
    """The absolute values of the elements: for complex ones ``hypot(real(x), imag(x))``.

    Example:
        >>> ad.abs(ad.tensor([-2.0, 3.0]))
        tensor([2., 3.])
        >>> ad.abs(ad.tensor([3 + 4j]))
        tensor([5.])

    **Gradient:** ``sign(x)``, and 0 at 0.
    """
    return magnitude(lift(x))


def angle(x: Any, /) -> Any:
    """The angles of complex numbers in the plane, in radians, between -pi and pi.

    Real numbers have the angle 0 or, if they are negative, pi.

    Example:
        >>> ad.angle(ad.tensor([1 + 1j, -1 + 0j]))
        tensor([0.7853982, 3.1415927])

    **Gradient:** that of ``atan2(imag(x), real(x))``, and 0 at 0.
    """
    x = lift(x)
    if x.dtype.kind == "c":
        return ATAN2(IMAG(x), REAL(x))
    return WHERE(LESS(x, 0), math.pi, x * 0.0)


def sign(x: Any, /) -> Any:
    """-1, 0 or 1 by the sign of each element; for complex ones ``x / abs(x)``, and 0 at 0.

    Example:
        >>> ad.sign(ad.tensor([-2.0, 0.0, 3.0]))
        tensor([-1.,  0.,  1.])

    **Gradient:** 0 for real numbers, everywhere; for complex ones that of the quotient, and 0 at 0.
    """
    x = lift(x)
    if x.dtype.kind != "c":
        return SIGN(x)
    size = magnitude(x)
    return WHERE(EQUAL(size, 0), 0, x / size)
