"""NumPy keys read once: ``x[key]`` as a cut, a reshape, a gather along one axis and a move.

A key mixes integers, slices, None, Ellipsis, index arrays and bool masks. `read_key` turns it into
a `Plan` of cards that there are anyway:

1. `Slice` for slices and integers, 2. `Reshape` that drops the axes of integers and makes those of
None, 3. if there are index arrays: their axes are brought together and made one, the arrays are
combined into one index for it, `Gather` takes, and the axes of the index move to where NumPy puts
them.

Reading, replacing and adding run the same plan forwards, or backwards with the transposes.
Masks become index arrays, so their numbers must be known.
"""

from __future__ import annotations

import math
import operator
from typing import Any, Final, NamedTuple

import numpy as np

from adjoint.core.bind import numbers, state
from adjoint.core.errors import ArgumentError, AxisError, ShapeError
from adjoint.core.graph import Handle
from adjoint.core.types import BOOL, INT, Shape, broadcast_shapes, dtype_kind
from adjoint.ops.families import CAST
from adjoint.ops.gather import WrapIndex

__all__: list[str] = []

Ints = tuple[int, ...]
INT64: Final = np.dtype(np.int64)


class Plan(NamedTuple):
    """How a key is carried out on values of one shape.

    Attributes:
        starts, sizes, steps: the part that slices and integers name, for each axis.
        whole: whether that part is everything.
        shape: the shape after integers dropped their axes and None made new ones.
        order: the order of axes that brings the indexed ones together; None if there are none.
        merged: the shape after they were made one.
        axis: where the merged axis stands.
        index: integers, of any shape.
        at: where the axes of the index begin in the result.
        result: shape of ``x[key]``.
    """

    starts: Ints
    sizes: Ints
    steps: Ints
    whole: bool
    shape: Shape
    order: Ints | None
    merged: Shape
    axis: int
    index: Any
    at: int
    result: Shape


class Cut(NamedTuple):
    """One axis of `x`: what slices and integers leave of it, and whether it stays an axis."""

    start: int
    size: int
    step: int
    kept: bool


class Indexed(NamedTuple):
    """An index array, the axis it is for after cutting and reshaping, and that axis of `x`."""

    axis: int
    array: Any
    source: int


class Layout:
    """What a key says, item by item: filled from left to right.

    Attributes:
        shape: shape of the value.
        cuts: one for each axis of the value that was named so far.
        axes: sizes of the axes after cutting and reshaping.
        indexed: the index arrays.
        state: 0 before the first index, 1 among them, 2 after them, 3 if they are apart.
        at: number of other axes before the first index: where NumPy puts the axes of the index.
    """

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.cuts: list[Cut] = []
        self.axes: list[int] = []
        self.indexed: list[Indexed] = []
        self.state = 0
        self.at = 0

    def add_slice(self, item: slice) -> None:
        n = self.shape[len(self.cuts)]
        try:
            start, stop, step = item.indices(n)
        except (TypeError, ValueError) as error:
            raise ArgumentError(f"{error}: {item}") from None
        size = len(range(start, stop, step))
        if size < 2:
            start, step = start if size else 0, 1
        self.cuts.append(Cut(start, size, step, True))
        self.axes.append(size)
        self.separate()

    def add_new(self) -> None:
        self.axes.append(1)
        self.separate()

    def add_int(self, i: int) -> None:
        axis = len(self.cuts)
        n = self.shape[axis]
        if not -n <= i < n:
            raise AxisError(f"index {i} is out of range for axis {axis} with size {n}")
        self._advanced()
        self.cuts.append(Cut(i % n, 1, 1, False))

    def add_index(self, index: Any) -> None:
        self._advanced()
        source = len(self.cuts)
        n = self.shape[source]
        self.indexed.append(Indexed(len(self.axes), index, source))
        self.cuts.append(Cut(0, n, 1, True))
        self.axes.append(n)

    def add_mask(self, mask: Any) -> None:
        if not mask.ndim:  # True is a new axis of size 1, False one of size 0
            self._advanced()
            zeros = np.zeros(int(mask), np.int64)
            self.indexed.append(Indexed(len(self.axes), zeros, len(self.cuts)))
            self.axes.append(1)
            return
        axis = len(self.cuts)
        found = self.shape[axis : axis + mask.ndim]
        if mask.shape != found:
            raise ShapeError(f"a mask of shape {mask.shape} on axes with the sizes {found}")
        for index in np.nonzero(mask):
            self.add_index(index)

    def separate(self) -> None:
        """Note something that is no index: what stands on both sides of it is apart."""
        if self.state == 1:
            self.state = 2

    def _advanced(self) -> None:
        if self.state == 0:
            self.at = len(self.axes)
            self.state = 1
        elif self.state == 2:
            self.state = 3


def items_of(key: Any) -> list[Any]:
    """The items of a key, with everything that is like an array made one."""
    return [_item(k) for k in (key if isinstance(key, tuple) else (key,))]


def _item(k: Any) -> Any:
    if k is None or k is Ellipsis or isinstance(k, slice | bool | np.bool_):
        return np.bool_(k) if isinstance(k, bool) else k
    if isinstance(k, int | np.integer):
        return int(k)
    if not isinstance(k, Handle | np.ndarray):
        if hasattr(k, "__index__"):
            return operator.index(k)
        if isinstance(k, str) or not hasattr(k, "__len__"):
            raise AxisError(f"{k!r} is no index: use integers, slices, None, ..., arrays or masks")
        k = np.asarray(k, None if len(k) else np.int64)
    if dtype_kind(k.dtype) > INT:
        raise AxisError(f"an index must be made of integers or bools, got {k.dtype}")
    if isinstance(k, Handle) and k.known and not state.staging:
        k = k.value  # arithmetic on a plain array costs least
    return int(k) if isinstance(k, np.ndarray) and not k.ndim and k.dtype.kind in "iu" else k


def is_mask(item: Any) -> bool:
    """Whether an item of a key is a bool array, a bool tensor or a bool."""
    return hasattr(item, "dtype") and dtype_kind(item.dtype) == BOOL


def read_key(shape: Shape, key: Any) -> Plan:
    """The plan for a key on values of this shape.

    Raises:
        AxisError: if an index is out of range, or there are more of them than axes.
        ShapeError: if a mask or index arrays do not fit.
        TracerLeak: if the numbers of a mask are not known.
    """
    items = items_of(key)
    named = sum(_axes_named(item) for item in items)
    if sum(item is Ellipsis for item in items) > 1:
        raise AxisError("a key can hold one Ellipsis only")
    if named > len(shape):
        raise AxisError(f"{named} indices for a value with {len(shape)} axes")
    if not any(item is Ellipsis for item in items):
        items.append(Ellipsis)
    layout = Layout(shape)
    for item in items:
        _read(layout, item, len(shape) - named)
    return _plan(layout)


def _axes_named(item: Any) -> int:
    if item is None or item is Ellipsis:
        return 0
    return item.ndim if is_mask(item) else 1


def _read(layout: Layout, item: Any, rest: int) -> None:
    """Add one item; an Ellipsis stands for `rest` whole axes."""
    if item is Ellipsis:
        for _ in range(rest):
            layout.add_slice(slice(None))
        if not rest:
            layout.separate()
    elif item is None:
        layout.add_new()
    elif isinstance(item, slice):
        layout.add_slice(item)
    elif isinstance(item, int):
        layout.add_int(item)
    elif is_mask(item):
        layout.add_mask(numbers(item, "x[mask]") if isinstance(item, Handle) else item)
    else:
        layout.add_index(item if item.dtype == INT64 else CAST[INT64](item))


def _plan(layout: Layout) -> Plan:
    cuts = tuple(layout.cuts)
    whole = all(c.size == n and c.step == 1 for c, n in zip(cuts, layout.shape, strict=True))
    starts, sizes, steps = (tuple(c[i] for c in cuts) for i in range(3))
    shape = tuple(layout.axes)
    if not layout.indexed:
        return Plan(starts, sizes, steps, whole, shape, None, shape, 0, None, 0, shape)
    axes = tuple(index.axis for index in layout.indexed)
    rest = tuple(a for a in range(len(shape)) if a not in axes)
    together = axes[-1] - axes[0] == len(axes) - 1
    axis = axes[0] if together else 0
    order = rest[:axis] + axes + rest[axis:]
    n = math.prod(shape[a] for a in axes)
    merged = (*(shape[a] for a in rest[:axis]), n, *(shape[a] for a in rest[axis:]))
    index = _combined(layout, shape)
    at = 0 if layout.state == 3 else layout.at
    kept = tuple(shape[a] for a in rest)
    result = (*kept[:at], *index.shape, *kept[at:])
    return Plan(starts, sizes, steps, whole, shape, order, merged, axis, index, at, result)


def _combined(layout: Layout, shape: Shape) -> Any:
    """Several index arrays as one index into their axes merged, row by row."""
    if len(layout.indexed) == 1:
        return layout.indexed[0].array
    try:
        common = broadcast_shapes(*[index.array.shape for index in layout.indexed])
    except ShapeError as error:
        raise ShapeError(f"index arrays: {error}") from None
    if 0 in common:  # nothing is taken, so nothing is out of range
        return np.zeros(common, np.int64)
    out: Any = 0
    for axis, array, source in layout.indexed:
        n = shape[axis]
        out = out * n + WrapIndex(n, source)(array)
    return out
