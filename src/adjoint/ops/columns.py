"""How NumPy computes a convolution: matrix products over columns of windows.

Chellapilla, Puri and Simard, High Performance Convolutional Neural Networks (2006). Where the
relation between input, kernel and output (see `convolution`) gives few outputs from many inputs,
windows of the input are gathered to columns and multiplied; where it gives many outputs, products
are computed first and added to the windows of the output. A batch is worked on in parts, so that
the columns stay small.
"""

from __future__ import annotations

from math import prod
from typing import Any, Final, NamedTuple

import numpy as np

from adjoint.core.types import Shape
from adjoint.ops.bilinear import LETTERS, Roles, roles, split
from adjoint.ops.windows import dilated, offsets, overlap, overlaps, sliding

__all__: list[str] = []

Ints = tuple[int, ...]

CHUNK: Final = 1 << 20
"""Elements of the columns that are made at a time: a few megabytes, so they stay in cache."""
MANY: Final = 64
"""Above so many kernel elements one matrix product beats a loop over them."""


class Geometry(NamedTuple):
    """The numbers of the relation between input, kernel and output, for each spatial axis."""

    stride: Ints
    low: Ints
    input_dilation: Ints
    kernel_dilation: Ints


def convolve_arrays(
    spec: str, geometry: Geometry, flip: bool, x: Any, y: Any, windows: Shape
) -> Any:
    """The convolution of two arrays."""
    a, b, o = split(spec)
    sizes = dict(zip(a + b, x.shape[: len(a)] + y.shape[: len(b)], strict=True))
    out = np.zeros((*[sizes[c] for c in o], *windows), np.result_type(x, y))
    if out.size and x.size and y.size:
        # without the letters of size 1 it shows how much there is to sum
        spec = ",".join("".join(c for c in part if sizes[c] > 1) for part in (a, b))
        spec += "->" + "".join(c for c in o if sizes[c] > 1)
        operands = (dropped(z, part, sizes) for z, part in ((x, a), (y, b), (out, o)))
        in_parts(spec, geometry, flip, *operands)
    return out


def dropped(x: Any, letters: str, sizes: dict[str, int]) -> Any:
    """A view without the axes of size 1."""
    return x[tuple(slice(None) if sizes[c] > 1 else 0 for c in letters)]


def in_parts(
    spec: str, geometry: Geometry, flip: bool, x: Any, y: Any, out: Any, axis: int = 0
) -> None:
    """Add the convolution to `out`, a part of an axis of `x` at a time if the columns are large."""
    work = scatter_products if flip else gather_windows
    a, b, o = split(spec)
    size = column_size(spec, flip, x, y, out)
    if axis == len(a) or size <= CHUNK:
        work(spec, geometry, x, y, out)
        return
    n = x.shape[axis]
    step = max(CHUNK * n // size, 1)
    for start in range(0, n, step):
        part = slice(start, start + step)
        piece_x, piece_y, piece_out = (
            along(z, letters.find(a[axis]), part) for z, letters in ((x, a), (y, b), (out, o))
        )
        in_parts(spec, geometry, flip, piece_x, piece_y, piece_out, axis + 1)


def along(x: Any, axis: int, part: slice) -> Any:
    """A part of an array along one axis; all of it if it lacks the axis (-1)."""
    return x if axis < 0 else x[(slice(None),) * axis + (part,)]


def column_size(spec: str, flip: bool, x: Any, y: Any, out: Any) -> int:
    """How many elements the columns have: windows of the input, or products that are added."""
    a, b, o = split(spec)
    if flip:
        return prod(out.shape[: len(o)]) * prod(x.shape[len(a) :]) * prod(y.shape[len(b) :])
    return prod(x.shape[: len(a)]) * prod(out.shape[len(o) :]) * prod(y.shape[len(b) :])


def spread_out(x: Any, lead: int, geometry: Geometry, sizes: Ints) -> Any:
    """The input with its dilation and padding, as far as windows read it: `sizes` elements."""
    image = x.shape[lead:]
    plain = all(e == 1 for e in geometry.input_dilation) and not any(geometry.low)
    if plain and all(m <= n for m, n in zip(sizes, image, strict=True)):
        return x
    out = np.zeros(x.shape[:lead] + sizes, x.dtype)
    found = map(overlap, image, geometry.input_dilation, geometry.low, sizes)
    source, target = zip(*found, strict=True)
    out[(..., *target)] = x[(..., *source)]
    return out


def gather_windows(spec: str, geometry: Geometry, x: Any, y: Any, out: Any) -> None:
    """Add the products of windows of `x` with the kernel `y` to `out`."""
    a, b, o = split(spec)
    part = roles(spec)
    windows, kernel = out.shape[len(o) :], y.shape[len(b) :]
    stride, step = geometry.stride, geometry.kernel_dilation
    needed = tuple(
        dilated(p, s) + dilated(k, d) - 1
        for p, k, s, d in zip(windows, kernel, stride, step, strict=True)
    )
    x = spread_out(x, len(a), geometry, needed)
    if not part.inner and not part.right and prod(kernel) <= MANY:
        elementwise_windows(spec, geometry, x, y, out)
        return
    if not part.left and not part.right and prod(windows) <= MANY:
        few_windows(spec, geometry, x, y, out)
        return
    view = sliding(x, kernel, stride, step)
    view = view[(slice(None),) * len(a) + tuple(slice(p) for p in windows)]
    n = len(windows)
    slid, over = spatial(len(a), n), spatial(len(a) + n, n)
    left = (*axes_of(part.left, a), *slid)
    inner = (*axes_of(part.inner, a), *over)
    batch = axes_of(part.batch, a)
    # whichever runs over the longer rows of the image is innermost: its copies are contiguous
    rows_last = prod(windows) >= prod(kernel)
    order = (*batch, *inner, *left) if rows_last else (*batch, *left, *inner)
    groups = (
        (len(batch), len(inner), len(left)) if rows_last else (len(batch), len(left), len(inner))
    )
    columns = merged(view, order, groups)
    if not rows_last:
        columns = columns.swapaxes(-1, -2)
    order = (*axes_of(part.batch, b), *axes_of(part.right, b), *axes_of(part.inner, b))
    groups = (len(part.batch), len(part.right), len(part.inner) + n)
    found = np.matmul(merged(y, (*order, *spatial(len(b), n)), groups), columns)
    target = arranged(out, o, part)
    target += found.reshape(target.shape)


def scatter_products(spec: str, geometry: Geometry, x: Any, y: Any, out: Any) -> None:
    """Add the products of `x` and `y` to the windows of `out` that they belong to."""
    a, b, o = split(spec)
    n = len(geometry.stride)
    back = [
        (k - 1) * d - at
        for k, d, at in zip(y.shape[len(b) :], geometry.kernel_dilation, geometry.low, strict=True)
    ]
    step_x, step_y = geometry.input_dilation, geometry.kernel_dilation
    if prod(x.shape[len(a) :]) < prod(y.shape[len(b) :]):
        # the two operands are alike here; the loop goes over the smaller
        x, y, a, b, step_x, step_y = y, x, b, a, step_y, step_x
        spec = f"{a},{b}->{o}"
    part = roles(spec)
    image, kernel = x.shape[len(a) :], y.shape[len(b) :]
    full = out
    if any(s != 1 for s in geometry.stride):
        sizes = map(dilated, out.shape[len(o) :], geometry.stride)
        full = np.zeros((*out.shape[: len(o)], *sizes), out.dtype)
    target = arranged(full, o, part)
    where = overlaps(image, step_x, offsets(kernel, step_y, back), full.shape[len(o) :])
    if not part.inner and not part.right:
        xs, ys = aligned(x, a, o, n), aligned(y, b, o, n)
        for k, source, at in where:
            full[at] += xs[source] * ys[(..., *[slice(i, i + 1) for i in k])]
    else:
        rows = (*axes_of(part.batch, b), *axes_of(part.right, b), *spatial(len(b), n))
        rows += axes_of(part.inner, b)
        groups = (len(part.batch), len(part.right) + n, len(part.inner))
        order = (*axes_of(part.batch, a), *axes_of(part.inner, a), *axes_of(part.left, a))
        order += spatial(len(a), n)
        columns = merged(x, order, (len(part.batch), len(part.inner), len(part.left) + n))
        found = np.matmul(merged(y, rows, groups), columns)
        lead = len(part.batch) + len(part.right)
        sizes = target.shape[: len(o)]
        found = found.reshape((*sizes[:lead], *kernel, *sizes[lead:], *image))
        for k, source, at in where:
            target[at] += found[(slice(None),) * lead + k][source]
    if full is not out:
        out += full[(..., *[slice(None, None, s) for s in geometry.stride])]


def elementwise_windows(spec: str, geometry: Geometry, x: Any, y: Any, out: Any) -> None:
    """Windows of `x` times `y` where nothing but the window is summed: a loop over the kernel."""
    a, b, o = split(spec)
    n = len(geometry.stride)
    windows, kernel = out.shape[len(o) :], y.shape[len(b) :]
    xs, ys = aligned(x, a, o, n), aligned(y, b, o, n)
    starts = offsets(kernel, geometry.kernel_dilation, (0,) * n)
    for k, _, at in overlaps(windows, geometry.stride, starts, x.shape[len(a) :]):
        out += xs[at] * ys[(..., *[slice(i, i + 1) for i in k])]


def few_windows(spec: str, geometry: Geometry, x: Any, y: Any, out: Any) -> None:
    """Inner products of a few windows of `x` with `y`, one window at a time and without a copy."""
    a, b, o = split(spec)
    n = len(geometry.stride)
    names = [c for c in LETTERS if c not in spec][:n]
    inner = "".join(names)
    text = f"{a}{inner},{b}{inner}->{o}"
    windows, kernel = out.shape[len(o) :], y.shape[len(b) :]
    starts = offsets(windows, geometry.stride, (0,) * n)
    for p, _, at in overlaps(kernel, geometry.kernel_dilation, starts, x.shape[len(a) :]):
        out[(..., *p)] += np.einsum(text, x[at], y)


# -- axes ------------------------------------------------------------------------------------------


def axes_of(letters: str, source: str) -> Ints:
    """Where these letters are in an operand."""
    return tuple(map(source.index, letters))


def spatial(start: int, n: int) -> Ints:
    """The spatial axes, which begin at `start`."""
    return tuple(range(start, start + n))


def merged(x: Any, order: Ints, groups: tuple[int, int, int]) -> Any:
    """The array with its axes permuted, the first group kept and the other two merged."""
    x = x.transpose(order)
    batch, rows, _ = groups
    shape = x.shape
    return x.reshape(
        (*shape[:batch], prod(shape[batch : batch + rows]), prod(shape[batch + rows :]))
    )


def arranged(out: Any, o: str, part: Roles) -> Any:
    """A view of the result in the order in which a matrix product gives it."""
    order = axes_of(part.batch + part.right + part.left, o)
    return out.transpose((*order, *range(len(o), out.ndim)))


def aligned(x: Any, letters: str, out: str, n: int) -> Any:
    """A view of an operand with axes of size 1 for the result's letters that it lacks."""
    x = x.transpose(
        (*axes_of("".join(c for c in out if c in letters), letters), *spatial(len(letters), n))
    )
    return x[tuple(slice(None) if c in letters else None for c in out)]
