"""Sliding windows: their geometry, the card that shows them as a view, and its transpose.

Window `p` along an axis reads the elements ``p * stride + k * dilation - low`` for k below the
kernel's size, where `low` elements of padding stand in front. Convolution, pooling, `unfold` and
diagonals are all made of this one relation.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from math import prod
from typing import Any, final

import numpy as np
from numpy.lib.stride_tricks import as_strided

from adjoint.core.bind import lift
from adjoint.core.errors import AdjointError, ArgumentError, ShapeError
from adjoint.core.primitive import Sample
from adjoint.core.types import Shape, Type
from adjoint.ops.families import AbstractLinear
from adjoint.ops.shape import Permute, Reshape, refusal
from adjoint.ops.slice import Pad, Slice

__all__ = ["fold", "unfold"]

Pairs = tuple[tuple[int, int], ...]


# -- geometry --------------------------------------------------------------------------------------


def dilated(n: int, step: int) -> int:
    """Length of `n` elements that stand `step` apart."""
    return (n - 1) * step + 1 if n > 0 else 0


def count(length: int, kernel: int, stride: int, dilation: int) -> int:
    """Number of windows that fit into an axis of this length (with its padding); 0 if none does."""
    return max((length - dilated(kernel, dilation)) // stride + 1, 0)


def counts(
    sizes: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[tuple[int, int]],
    dilation: Sequence[int],
) -> Shape:
    """Number of windows along each axis.

    Raises:
        ShapeError: if no window fits.
    """
    out: list[int] = []
    for n, k, s, (low, high), d in zip(sizes, kernel, stride, padding, dilation, strict=True):
        found = count(n + low + high, k, s, d)
        if found == 0:
            padded = f" with padding {(low, high)}" if low or high else ""
            spread = f" with dilation {d}" if d != 1 else ""
            raise ShapeError(f"a kernel of size {k}{spread} does not fit into size {n}{padded}")
        out.append(found)
    return tuple(out)


def overlap(n: int, stride: int, start: int, size: int) -> tuple[slice, slice]:
    """Those of `n` positions ``p * stride + start`` that lie in ``range(size)``.

    Returns:
        The slice of p, and the slice of the positions; both may be empty.
    """
    first = max(-(start // stride), 0)
    last = min((size - 1 - start) // stride, n - 1)
    if last < first:
        return slice(0, 0), slice(0, 0)
    begin = first * stride + start
    return slice(first, last + 1), slice(begin, last * stride + start + 1, stride)


def overlaps(
    n: Sequence[int],
    stride: Sequence[int],
    start: Sequence[Sequence[int]],
    size: Sequence[int],
) -> Iterator[tuple[tuple[int, ...], tuple[Any, ...], tuple[Any, ...]]]:
    """`overlap` along several axes, for every combination of the starts of each axis.

    Yields:
        Which start of each axis, the index into the positions' numbers, the index into the axes;
        both begin with an Ellipsis. Combinations without any position are left out.
    """
    table = [
        [overlap(m, s, at, limit) for at in starts]
        for m, s, starts, limit in zip(n, stride, start, size, strict=True)
    ]
    for which in itertools.product(*[range(len(row)) for row in table]):
        pairs = [row[k] for row, k in zip(table, which, strict=True)]
        if all(p.stop > p.start for p, _ in pairs):
            yield which, (..., *[p for p, _ in pairs]), (..., *[q for _, q in pairs])


def offsets(kernel: Sequence[int], dilation: Sequence[int], low: Sequence[int]) -> list[list[int]]:
    """Where each element of a kernel reads, relative to its window, along each axis."""
    return [[k * d - at for k in range(n)] for n, d, at in zip(kernel, dilation, low, strict=True)]


def sliding(x: Any, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Any:
    """The windows over the last axes of an array, as a read-only view.

    Returns:
        Shape (..., *windows, *kernel).
    """
    n = len(kernel)
    lead = x.ndim - n
    along = x.strides[lead:]
    windows = tuple(map(count, x.shape[lead:], kernel, stride, dilation))
    return as_strided(
        x,
        (*x.shape[:lead], *windows, *kernel),
        (
            *x.strides[:lead],
            *[a * s for a, s in zip(along, stride, strict=True)],
            *[a * d for a, d in zip(along, dilation, strict=True)],
        ),
        writeable=False,
    )


# -- arguments of the public functions -------------------------------------------------------------


def as_tuple(given: Any) -> tuple[Any, ...]:
    """A sequence as a tuple, anything else as a tuple of one."""
    several = hasattr(given, "__iter__") and not isinstance(given, str)
    return tuple(given) if several else (given,)


def per_axis(what: str, given: Any, n: int, least: int = 1) -> tuple[int, ...]:
    """One int for each of `n` axes, from one for all or a sequence of them.

    Raises:
        ArgumentError: if there is another number of them, or one is below `least`.
    """
    values = as_tuple(given)
    if len(values) == 1:
        values *= n
    if len(values) != n:
        raise ArgumentError(f"{what} has {len(values)} entries for {n} axes: {given!r}")
    out: list[int] = []
    for value in values:
        try:
            out.append(value.__index__())
        except (AttributeError, TypeError):
            raise ArgumentError(f"{what} must be an integer, got {value!r}") from None
    if min(out) < least:
        raise ArgumentError(f"{what} must be at least {least}, got {given!r}")
    return tuple(out)


def both_sides(given: Any, n: int) -> Pairs:
    """Padding (low, high) for each of `n` axes, from ints, which hold for both sides, or pairs."""
    entries = as_tuple(given)
    if any(isinstance(p, Sequence) for p in entries):
        pairs = [per_axis("padding", p, 2, 0) for p in entries] * (n if len(entries) == 1 else 1)
        if len(pairs) != n:
            raise ArgumentError(f"padding has {len(pairs)} entries for {n} axes: {given!r}")
        return tuple((low, high) for low, high in pairs)
    return tuple((p, p) for p in per_axis("padding", given, n, 0))


# -- cards -----------------------------------------------------------------------------------------


@final
class Windows(AbstractLinear):
    """Sliding windows over the last axes: shape (..., *sizes) becomes (..., *windows, *kernel)."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    kind = "view"
    operands = ("x",)

    def value(self, x: Any) -> Any:
        self.out_type(x)  # as_strided checks nothing
        return sliding(np.asarray(x), self.kernel, self.stride, self.dilation)

    def out_type(self, x: Any) -> Type:
        n = len(self.kernel)
        if x.ndim < n:
            raise ShapeError(f"windows over {n} axes of a value with {x.ndim}")
        lead, sizes = x.shape[: x.ndim - n], x.shape[x.ndim - n :]
        found = counts(sizes, self.kernel, self.stride, ((0, 0),) * n, self.dilation)
        return Type((*lead, *found, *self.kernel), x.dtype)

    def transpose(self, i: int, ct: Any, x: Any) -> Any:
        return Fold(x.shape[x.ndim - len(self.kernel) :], self.stride, self.dilation)(ct)

    def batch(self, size: int, batched: tuple[bool, ...], x: Any) -> Any:
        return self(x)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls((3,), (1,), (1,)), [rng.normal(size=(2, 7))]
        yield cls((2, 3), (2, 1), (1, 2)), [rng.normal(size=(2, 5, 6))]
        yield cls((1,), (4,), (1,)), [rng.normal(size=(9,))]


@final
class Fold(AbstractLinear):
    """Windows added back where they were taken from: (..., *windows, *kernel) to (..., *sizes)."""

    sizes: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    kind = "scatter"
    operands = ("x",)

    def value(self, x: Any) -> Any:
        self.out_type(x)
        n = len(self.sizes)
        lead, windows, kernel = x.shape[: -2 * n], x.shape[-2 * n : -n], x.shape[-n:]
        out = np.zeros(lead + self.sizes, x.dtype)
        starts = offsets(kernel, self.dilation, (0,) * n)
        for k, _, at in overlaps(windows, self.stride, starts, self.sizes):
            out[at] += x[(..., *(slice(None),) * n, *k)]
        return out

    def out_type(self, x: Any) -> Type:
        n = len(self.sizes)
        if x.ndim < 2 * n:
            raise ShapeError(f"windows over {n} axes need {2 * n} axes at least, got {x.ndim}")
        windows, kernel = x.shape[-2 * n : -n], x.shape[-n:]
        fitting = counts(self.sizes, kernel, self.stride, ((0, 0),) * n, self.dilation)
        if windows != fitting:
            raise ShapeError(f"windows {windows} of size {kernel} do not cover sizes {self.sizes}")
        return Type(x.shape[: -2 * n] + self.sizes, x.dtype)

    def transpose(self, i: int, ct: Any, x: Any) -> Any:
        return Windows(x.shape[-len(self.sizes) :], self.stride, self.dilation)(ct)

    def batch(self, size: int, batched: tuple[bool, ...], x: Any) -> Any:
        return self(x)

    def cost(self, *types: Any) -> int:
        return types[0].size

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls((7,), (1,), (1,)), [rng.normal(size=(2, 5, 3))]
        yield cls((5, 6), (2, 1), (1, 2)), [rng.normal(size=(2, 2, 2, 2, 3))]


# -- unfold and fold -------------------------------------------------------------------------------


def unfold(
    x: Any,
    kernel_size: int | Sequence[int],
    dilation: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    stride: int | Sequence[int] = 1,
) -> Any:
    """Sliding windows as columns, as PyTorch's `unfold` gives them (also known as im2col).

    Args:
        x: shape (N, C, *sizes) or (C, *sizes).
        kernel_size: sizes of a window; one int stands for two axes of that size.
        dilation: distance of the elements of a window.
        padding: zeros on both sides of each axis.
        stride: distance of the windows.

    Returns:
        Shape (N, C * elements of a window, number of windows); N only if `x` has it.

    Raises:
        ShapeError: if `x` has too few axes or a window does not fit.

    Example:
        >>> ad.unfold(ad.ones((1, 3, 5, 5)), 3).shape
        (1, 27, 9)

    **Gradient:** the windows of the cotangent added back, see `fold`.
    """
    x = lift(x)
    try:
        n, kernel, step, spread, pad = _window_arguments(kernel_size, stride, dilation, padding)
        if x.ndim not in (n + 1, n + 2):
            raise ShapeError(f"x has {x.ndim} axes; windows over {n} axes need {n + 1} or {n + 2}")
        counts(x.shape[x.ndim - n :], kernel, step, both_sides(pad, n), spread)
    except AdjointError as error:
        raise refusal("unfold", error, ("x", x)) from None
    found = Windows(kernel, step, spread)(_padded(x, pad))
    lead = x.ndim - n
    order = (*range(lead), *range(lead + n, lead + 2 * n), *range(lead, lead + n))
    windows = found.shape[lead : lead + n]
    shape = (*x.shape[: lead - 1], x.shape[lead - 1] * prod(kernel), prod(windows))
    return Reshape(shape)(Permute(order)(found))


def fold(
    x: Any,
    output_size: int | Sequence[int],
    kernel_size: int | Sequence[int],
    dilation: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    stride: int | Sequence[int] = 1,
) -> Any:
    """Columns of sliding windows added back where `unfold` took them from (also known as col2im).

    Args:
        x: shape (N, C * elements of a window, number of windows), or without N.
        output_size: sizes of the result; one int stands for two axes of that size.
        kernel_size: sizes of a window.
        dilation: distance of the elements of a window.
        padding: elements on both sides of each axis that are left away.
        stride: distance of the windows.

    Returns:
        Shape (N, C, *output_size); N only if `x` has it.

    Raises:
        ShapeError: if the columns are not those of such windows.

    Example:
        >>> ad.fold(ad.ones((1, 4, 4)), 3, 2)
        tensor([[[[1., 2., 1.],
                  [2., 4., 2.],
                  [1., 2., 1.]]]])

    **Gradient:** the windows of the cotangent, see `unfold`.
    """
    x = lift(x)
    try:
        n, kernel, step, spread, pad = _window_arguments(kernel_size, stride, dilation, padding)
        sizes = per_axis("output_size", output_size, n)
        windows = counts(sizes, kernel, step, both_sides(pad, n), spread)
        if x.ndim not in (2, 3) or x.shape[-1] != prod(windows) or x.shape[-2] % prod(kernel):
            columns = f"(N, C * {prod(kernel)}, {prod(windows)})"
            raise ShapeError(f"shape {x.shape} is not {columns}: windows {windows} of {kernel}")
    except AdjointError as error:
        raise refusal("fold", error, ("x", x)) from None
    lead = (*x.shape[:-2], x.shape[-2] // prod(kernel))
    m = len(lead)
    split = Reshape((*lead, *kernel, *windows))(x)
    order = (*range(m), *range(m + n, m + 2 * n), *range(m, m + n))
    padded = tuple(size + 2 * p for size, p in zip(sizes, pad, strict=True))
    out = Fold(padded, step, spread)(Permute(order)(split))
    if not any(pad):
        return out
    return Slice((0,) * m + pad, lead + sizes, (1,) * (m + n))(out)


def _window_arguments(kernel: Any, stride: Any, dilation: Any, padding: Any) -> Any:
    """Number of axes, then kernel, stride, dilation and padding along each."""
    n = len(as_tuple(kernel)) if isinstance(kernel, Sequence) else 2
    return (
        n,
        per_axis("kernel_size", kernel, n),
        per_axis("stride", stride, n),
        per_axis("dilation", dilation, n),
        per_axis("padding", padding, n, 0),
    )


def _padded(x: Any, padding: tuple[int, ...]) -> Any:
    """The value with zeros around its last axes."""
    if not any(padding):
        return x
    around = (0,) * (x.ndim - len(padding)) + padding
    return Pad(around, around, (0,) * x.ndim)(x)
