"""Fourier transforms over one or more axes, of complex and of real tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adjoint.core.bind import lift
from adjoint.core.errors import AdjointError, ArgumentError, ShapeError
from adjoint.core.types import normalize_axis
from adjoint.ops.families import conj
from adjoint.ops.fourier.dft import DFT, SWAPPED, InverseRealDFT, RealDFT
from adjoint.ops.shape import refusal
from adjoint.ops.slice import pad_axis, part

__all__ = [
    "fft",
    "fft2",
    "fftn",
    "hfft",
    "ifft",
    "ifft2",
    "ifftn",
    "ihfft",
    "irfft",
    "irfft2",
    "irfftn",
    "rfft",
    "rfft2",
    "rfftn",
]

Sizes = Sequence[int] | None
Axes = Sequence[int] | None


# -- what the user gave, made tidy -----------------------------------------------------------------


def settled(op: str, x: Any, s: Sizes, axes: Axes, norm: str | None) -> tuple[Any, Any, Any, str]:
    """The operand, sizes along the axes (None for the operand's own), the axes, and the norm."""
    x = lift(x)
    try:
        norm = "backward" if norm is None else norm
        if norm not in SWAPPED:
            raise ArgumentError(
                f"norm must be one of {', '.join(map(repr, SWAPPED))}, got {norm!r}"
            )
        if axes is None:
            axes = range(-len(s), 0) if s is not None else range(x.ndim)
        at = tuple(normalize_axis(a, x.ndim) for a in axes)
        sizes = tuple(s) if s is not None else (None,) * len(at)
        if len(sizes) != len(at):
            raise ArgumentError(f"{len(sizes)} sizes were given for {len(at)} axes")
        for n in sizes:
            if n is not None and n != -1 and n < 1:
                raise ShapeError(f"the number of points must be positive, got {n}")
    except AdjointError as error:
        raise refusal(op, error, ("x", x)) from None
    return x, tuple(None if n == -1 else n for n in sizes), at, norm


def resized(x: Any, axis: int, n: int | None) -> Any:
    """The first `n` elements of an axis, with zeros where there are fewer."""
    have = x.shape[axis]
    if n is None or n == have:
        return x
    return part(x, axis, 0, n) if n < have else pad_axis(x, axis, 0, n - have)


def transform(op: str, x: Any, s: Sizes, axes: Axes, norm: str | None, inverse: bool) -> Any:
    """The complex transform over several axes, one after the other."""
    x, sizes, at, norm = settled(op, x, s, axes, norm)
    for axis, n in reversed(tuple(zip(at, sizes, strict=True))):
        x = DFT(axis, norm, inverse)(resized(x, axis, n))
    return x


def real_transform(op: str, x: Any, s: Sizes, axes: Axes, norm: str | None) -> Any:
    """The real transform over the last of the axes, then the complex one over the others."""
    x, sizes, at, norm = settled(op, x, s, axes, norm)
    if not at:
        raise refusal(op, ArgumentError("needs at least one axis"), ("x", x))
    x = RealDFT(at[-1], norm)(resized(x, at[-1], sizes[-1]))
    for axis, n in reversed(tuple(zip(at[:-1], sizes[:-1], strict=True))):
        x = DFT(axis, norm, False)(resized(x, axis, n))
    return x


def inverse_real_transform(op: str, x: Any, s: Sizes, axes: Axes, norm: str | None) -> Any:
    """The complex inverse over all axes but the last, then the real one over that."""
    x, sizes, at, norm = settled(op, x, s, axes, norm)
    if not at:
        raise refusal(op, ArgumentError("needs at least one axis"), ("x", x))
    for axis, n in zip(at[:-1], sizes[:-1], strict=True):
        x = DFT(axis, norm, True)(resized(x, axis, n))
    last = at[-1]
    n = 2 * (x.shape[last] - 1) if sizes[-1] is None else sizes[-1]
    if n < 1:
        fact = (
            f"{x.shape[last]} frequencies along axis {last} stand for {n} values; pass the number"
        )
        raise refusal(op, ShapeError(fact), ("x", x))
    return InverseRealDFT(last, norm, n)(resized(x, last, n // 2 + 1))


def one(n: int | None) -> Sizes:
    """Sizes for one axis."""
    return None if n is None else (n,)


# -- one axis --------------------------------------------------------------------------------------


def fft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str | None = "backward") -> Any:
    """Discrete Fourier transform along an axis: ``out[k] = sum_j x[j] exp(-2 pi i j k / n)``.

    Args:
        x: any shape, real or complex.
        n: number of points: the axis is cut or filled with zeros to it.
        axis: the axis.
        norm: which direction is divided by n: ``"backward"`` the inverse, ``"forward"`` this one,
            ``"ortho"`` both by the square root of n.

    Returns:
        A complex tensor: complex64 for float32, complex128 for float64.

    Raises:
        AxisError: if there is no such axis.
        ShapeError: if there are no points.
        ArgumentError: if `norm` is none of the three.

    Example:
        >>> ad.fft.fft(ad.tensor([1.0, 2.0]))
        tensor([ 3.+0.j, -1.+0.j], dtype=complex64)

    **Gradient:** the opposite transform of the cotangent, undivided.
    """
    return transform("fft", x, one(n), (axis,), norm, False)


def ifft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str | None = "backward") -> Any:
    """Inverse Fourier transform along an axis: ``out[j] = sum_k x[k] exp(2 pi i j k / n) / n``.

    Arguments are those of `fft`.

    Example:
        >>> ad.fft.ifft(ad.tensor([3.0, -1.0]))
        tensor([1.+0.j, 2.+0.j], dtype=complex64)
    """
    return transform("ifft", x, one(n), (axis,), norm, True)


def rfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str | None = "backward") -> Any:
    """Fourier transform of real values along an axis, at the frequencies 0 to n / 2.

    Arguments are those of `fft`.

    Returns:
        A complex tensor with ``n // 2 + 1`` elements along the axis.

    Example:
        >>> ad.fft.rfft(ad.tensor([1.0, 2.0, 3.0, 2.0]))
        tensor([ 8.+0.j, -2.+0.j,  0.+0.j], dtype=complex64)

    **Gradient:** that of `fft`, where each frequency in between stands for itself alone.
    """
    return real_transform("rfft", x, one(n), (axis,), norm)


def irfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str | None = "backward") -> Any:
    """Real values along an axis whose `rfft` is `x`.

    Args:
        x: frequencies 0 to n / 2. The imaginary parts of the first, and of the last for an even n,
            are not read.
        n: number of values; by default ``2 * (m - 1)`` for m frequencies.
        axis: the axis.
        norm: as in `fft`.

    Returns:
        A real tensor with n elements along the axis.

    Example:
        >>> ad.fft.irfft(ad.tensor([8 + 0j, -2 + 0j, 0j]))
        tensor([1., 2., 3., 2.])

    **Gradient:** zero for the imaginary parts that are not read; a frequency that stands for a pair
    counts twice.
    """
    return inverse_real_transform("irfft", x, one(n), (axis,), norm)


def hfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str | None = "backward") -> Any:
    """Fourier transform, which is real, of a Hermitian sequence of which `x` is the first half.

    Arguments are those of `irfft`.

    Example:
        >>> ad.fft.hfft(ad.tensor([1 + 0j, 2 + 0j, 3 + 0j]))
        tensor([ 8., -2.,  0., -2.])
    """
    opposite = SWAPPED.get(norm or "backward", str(norm))
    return inverse_real_transform("hfft", conj(lift(x)), one(n), (axis,), opposite)


def ihfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str | None = "backward") -> Any:
    """First half of the Hermitian sequence whose Fourier transform is `x`, which is real.

    Arguments are those of `fft`.

    Example:
        >>> ad.fft.ihfft(ad.tensor([8.0, -2.0, 0.0, -2.0])).real
        tensor([1., 2., 3.])
    """
    opposite = SWAPPED.get(norm or "backward", str(norm))
    return conj(real_transform("ihfft", x, one(n), (axis,), opposite))


# -- several axes ----------------------------------------------------------------------------------


def fftn(x: Any, /, *, s: Sizes = None, axes: Axes = None, norm: str | None = "backward") -> Any:
    """Discrete Fourier transform over several axes.

    Args:
        x: any shape, real or complex.
        s: number of points along each axis: it is cut or filled with zeros to that; -1 leaves it.
        axes: the axes; by default all of them, or the last ``len(s)``.
        norm: as in `fft`.

    Returns:
        A complex tensor.

    Raises:
        AxisError: if there is no such axis.
        ArgumentError: if `s` and `axes` differ in length.

    Example:
        >>> ad.fft.fftn(ad.tensor([[1.0, 2.0], [3.0, 4.0]]))
        tensor([[10.+0.j, -2.+0.j],
                [-4.+0.j,  0.+0.j]], dtype=complex64)
    """
    return transform("fftn", x, s, axes, norm, False)


def ifftn(x: Any, /, *, s: Sizes = None, axes: Axes = None, norm: str | None = "backward") -> Any:
    """Inverse Fourier transform over several axes. Arguments are those of `fftn`.

    Example:
        >>> ad.fft.ifftn(ad.tensor([[10.0, -2.0], [-4.0, 0.0]]))
        tensor([[1.+0.j, 2.+0.j],
                [3.+0.j, 4.+0.j]], dtype=complex64)
    """
    return transform("ifftn", x, s, axes, norm, True)


def rfftn(x: Any, /, *, s: Sizes = None, axes: Axes = None, norm: str | None = "backward") -> Any:
    """Fourier transform of real values over several axes; the last of them has half a spectrum.

    Arguments are those of `fftn`.

    Example:
        >>> ad.fft.rfftn(ad.ones((2, 3))).shape
        (2, 2)
    """
    return real_transform("rfftn", x, s, axes, norm)


def irfftn(x: Any, /, *, s: Sizes = None, axes: Axes = None, norm: str | None = "backward") -> Any:
    """Real values whose `rfftn` is `x`.

    Arguments are those of `fftn`; the last size is by default ``2 * (m - 1)`` for m frequencies.

    Example:
        >>> ad.fft.irfftn(ad.fft.rfftn(ad.ones((2, 3))), s=(2, 3))
        tensor([[1., 1., 1.],
                [1., 1., 1.]])
    """
    return inverse_real_transform("irfftn", x, s, axes, norm)


def fft2(
    x: Any, /, *, s: Sizes = None, axes: Axes = (-2, -1), norm: str | None = "backward"
) -> Any:
    """Discrete Fourier transform over two axes. Arguments are those of `fftn`.

    Example:
        >>> ad.fft.fft2(ad.ones((5, 2, 3))).shape
        (5, 2, 3)
    """
    return transform("fft2", x, s, axes, norm, False)


def ifft2(
    x: Any, /, *, s: Sizes = None, axes: Axes = (-2, -1), norm: str | None = "backward"
) -> Any:
    """Inverse Fourier transform over two axes. Arguments are those of `fftn`.

    Example:
        >>> ad.fft.ifft2(ad.ones((5, 2, 3))).shape
        (5, 2, 3)
    """
    return transform("ifft2", x, s, axes, norm, True)


def rfft2(
    x: Any, /, *, s: Sizes = None, axes: Axes = (-2, -1), norm: str | None = "backward"
) -> Any:
    """Fourier transform of real values over two axes. Arguments are those of `fftn`.

    Example:
        >>> ad.fft.rfft2(ad.ones((5, 2, 4))).shape
        (5, 2, 3)
    """
    return real_transform("rfft2", x, s, axes, norm)


def irfft2(
    x: Any, /, *, s: Sizes = None, axes: Axes = (-2, -1), norm: str | None = "backward"
) -> Any:
    """Real values whose `rfft2` is `x`. Arguments are those of `irfftn`.

    Example:
        >>> ad.fft.irfft2(ad.fft.rfft2(ad.ones((5, 2, 4)))).shape
        (5, 2, 4)
    """
    return inverse_real_transform("irfft2", x, s, axes, norm)
