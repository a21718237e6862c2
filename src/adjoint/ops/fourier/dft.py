"""The discrete Fourier transform along one axis, as linear cards whose transposes are each other.

Lengths are those of the operands: public functions cut or fill with zeros beforehand. The real
inner product decides what a transpose is, so that of a real transform weighs the frequencies that
stand for a pair, which is all but the first and, for an even length, the last.

float32 gives complex64 and float64 complex128; 16-bit floats are converted to float32 first.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, ClassVar, Final, final

import numpy as np

from adjoint.core.bind import failure, lift
from adjoint.core.errors import DTypeError, ShapeError
from adjoint.core.primitive import Sample
from adjoint.core.types import Type, complex_of, default_dtype, is_inexact, real_of
from adjoint.ops.families import CAST, AbstractLinear

NUMPY: Any = np.fft
"""NumPy's transforms, which type checkers cannot follow through operands of any type."""
SWAPPED: Final = {"backward": "forward", "ortho": "ortho", "forward": "backward"}
"""The normalisation under which a transform is the transpose of the opposite one."""


class AbstractTransform(AbstractLinear):
    """A transform along one axis. Cards have the fields `axis` and `norm`."""

    axis: int
    norm: str
    kind = "fft"
    takes = "fdFD"
    operands: ClassVar[tuple[str, ...]] = ("x",)

    def coerce(self, xs: tuple[Any, ...]) -> tuple[Any, ...]:
        x = lift(xs[0])
        dtype = x.dtype if is_inexact(x.dtype) else default_dtype()
        if dtype.itemsize == 2:
            dtype = np.dtype(np.float32)
        if "f" not in self.takes:
            dtype = complex_of(dtype)
        elif dtype.char not in self.takes:
            fact = f"defined for real values, got {dtype}"
            raise failure(self, (x,), DTypeError(fact)) from None
        return xs if x is xs[0] and x.dtype == dtype else (CAST[dtype](x),)

    def along(self, x: Type, n: int) -> tuple[int, ...]:
        """The shape of `x` with another size along the axis.

        Raises:
            ShapeError: if there is nothing along it.
        """
        if x.shape[self.axis] < 1 or n < 1:
            raise ShapeError(
                f"nothing to transform: axis {self.axis} has size {x.shape[self.axis]}"
            )
        return (*x.shape[: self.axis], n, *x.shape[self.axis + 1 :])


def transform_cost(size: int, n: int) -> int:
    """Operations of radix 2, ``5 n log2(n)``, for each of ``size / n`` rows."""
    return round(5 * size * math.log2(max(n, 2)))


@final
class DFT(AbstractTransform):
    """Sum over j of ``x[j] exp(-2 pi i j k / n)`` for each k, or with plus if `inverse`."""

    inverse: bool
    name = "fft"

    def value(self, x: Any) -> Any:
        transform = NUMPY.ifft if self.inverse else NUMPY.fft
        return transform(x, axis=self.axis, norm=self.norm)

    def out_type(self, x: Any) -> Type:
        return Type(self.along(x, x.shape[self.axis]), complex_of(x.dtype))

    def transpose(self, i: int, ct: Any, x: Any) -> Any:
        return DFT(self.axis, SWAPPED[self.norm], not self.inverse)(ct)

    def batch(self, size: int, batched: tuple[bool, ...], x: Any) -> Any:
        return DFT(self.axis + 1, self.norm, self.inverse)(x)

    def cost(self, *types: Any) -> int:
        (x,) = types
        return transform_cost(x.size, x.shape[self.axis])

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        z = rng.normal(size=(3, 4)) + 1j * rng.normal(size=(3, 4))
        yield cls(1, "backward", False), [z]
        yield cls(0, "forward", True), [z]
        yield cls(0, "ortho", False), [z.real]


@final
class RealDFT(AbstractTransform):
    """The transform of real values at the frequencies 0 to n / 2; the others are conjugates."""

    name = "rfft"
    takes = "fd"

    def value(self, x: Any) -> Any:
        return NUMPY.rfft(x, axis=self.axis, norm=self.norm)

    def out_type(self, x: Any) -> Type:
        return Type(self.along(x, x.shape[self.axis] // 2 + 1), complex_of(x.dtype))

    def transpose(self, i: int, ct: Any, x: Any) -> Any:
        n = x.shape[self.axis]
        weights = pair_weights(n, 0.5, real_of(ct.dtype), ct.ndim - self.axis - 1)
        return InverseRealDFT(self.axis, SWAPPED[self.norm], n)(ct * weights)

    def batch(self, size: int, batched: tuple[bool, ...], x: Any) -> Any:
        return RealDFT(self.axis + 1, self.norm)(x)

    def cost(self, *types: Any) -> int:
        (x,) = types
        return transform_cost(x.size, x.shape[self.axis]) // 2

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(1, "backward"), [rng.normal(size=(2, 4))]
        yield cls(0, "ortho"), [rng.normal(size=(5, 2))]
        yield cls(0, "forward"), [rng.normal(size=(1,))]


@final
class InverseRealDFT(AbstractTransform):
    """The `n` real values whose transform has these first frequencies.

    The imaginary part of frequency 0, and of frequency n / 2 for an even n, is not read.
    """

    n: int
    name = "irfft"
    takes = "FD"

    def value(self, x: Any) -> Any:
        self.out_type(x)
        return NUMPY.irfft(x, self.n, axis=self.axis, norm=self.norm)

    def out_type(self, x: Any) -> Type:
        if x.shape[self.axis] != self.n // 2 + 1:
            raise ShapeError(
                f"{self.n} values have {self.n // 2 + 1} frequencies, got {x.shape[self.axis]}"
            )
        return Type(self.along(x, self.n), real_of(x.dtype))

    def transpose(self, i: int, ct: Any, x: Any) -> Any:
        weights = pair_weights(self.n, 2.0, real_of(ct.dtype), ct.ndim - self.axis - 1)
        return RealDFT(self.axis, SWAPPED[self.norm])(ct) * weights

    def batch(self, size: int, batched: tuple[bool, ...], x: Any) -> Any:
        return InverseRealDFT(self.axis + 1, self.norm, self.n)(x)

    def cost(self, *types: Any) -> int:
        (x,) = types
        return transform_cost(self.out_type(x).size, self.n) // 2

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        z = rng.normal(size=(2, 3)) + 1j * rng.normal(size=(2, 3))
        yield cls(1, "backward", 4), [z]
        yield cls(1, "forward", 5), [z]
        yield cls(0, "ortho", 2), [z]


@lru_cache(maxsize=64)
def pair_weights(n: int, pair: float, dtype: Any, after: int) -> Any:
    """1 for frequencies that stand alone, `pair` for the others; `after` axes stand behind."""
    weights = np.full(n // 2 + 1, pair, dtype)
    weights[0] = 1
    if n % 2 == 0:
        weights[-1] = 1
    weights.flags.writeable = False
    return weights.reshape((-1, *(1,) * after))
