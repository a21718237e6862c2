"""NumPy keys read once: ``x[key]`` as a cut, a reshape, a gather along one axis and a move.

A key mixes integers, slices, None, Ellipsis, index arrays and bool masks. `read_key` turns it into
a `Plan` of cards that there are anyway:

1. `Slice` for slices and integers, 2. `Reshape` that makes the axes of None, 3. if there are index
arrays: their axes are brought together and made one, the arrays are combined into one index for it,
`Gather` takes, and the axes of the index move to where NumPy puts them.

Reading, replacing and adding run the same plan forwards, or backwards with the transposes.
Masks become index arrays, so their numbers must be known. A plan depends on shapes alone, so it is
made once for all keys of one form.
"""

from __future__ import annotations

import math
import operator
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np

from adjoint.core.bind import numbers, state
from adjoint.core.errors import ArgumentError, AxisError, ShapeError
from adjoint.core.graph import Handle
from adjoint.core.types import BOOL, INT, Shape, broadcast_shapes, dtype_kind
from adjoint.ops.families import CAST
from adjoint.ops.gather import WrapIndex, wrapped
from adjoint.ops.slice import Slice

__all__: list[str] = []

Ints = tuple[int, ...]
INT64: Final = np.dtype(np.int64)
ARRAYS: Final[Any] = (Handle, np.ndarray)


class Indexed(NamedTuple):
    """An axis with an index array, after cutting and reshaping: which, which of `x`, its size."""

    axis: int
    source: int
    size: int


class Plan(NamedTuple):
    """How keys of one form are carried out on values of one shape.

    Attributes:
        cut: takes the part that slices and integers name.
        whole: whether that part is everything.
        shape: the shape after None made new axes.
        indexed: the axes with an index array.
        order: the order of axes that brings these together.
        merged: the shape after they were made one.
        axis: where the merged axis stands.
        at: where the axes of the index begin in the result.
        places: shape of the index.
        result: shape of ``x[key]``.
    """

    cut: Slice
    whole: bool
    shape: Shape
    indexed: tuple[Indexed, ...]
    order: Ints
    merged: Shape
    axis: int
    at: int
    places: Shape
    result: Shape


class Places(NamedTuple):
    """An index array in the form of a key: its shape."""

    shape: Shape


class Mask(NamedTuple):
    """A mask in the form of a key: its shape, and how many elements are true."""

    shape: Shape
    trues: int


class Cut(NamedTuple):
    """One axis of `x`: what slices and integers leave of it, and whether it stays an axis."""

    start: int
    size: int
    step: int
    kept: bool


class Layout:
    """What the form of a key says, item by item: filled from left to right.

    Attributes:
        shape: shape of the value.
        cuts: one for each axis of the value that was named so far.
        axes: sizes of the axes after cutting and reshaping.
        indexed: those of them with an index array.
        places: shapes of the index arrays.
        at: number of other axes before the first index: where NumPy puts the axes of the index.
    """

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.cuts: list[Cut] = []
        self.axes: list[int] = []
        self.indexed: list[Indexed] = []
        self.places: list[Shape] = []
        self.at = 0
        self.seen = "nothing"

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

    def add_index(self, places: Shape) -> None:
        self._advanced()
        source = len(self.cuts)
        n = self.shape[source]
        self.indexed.append(Indexed(len(self.axes), source, n))
        self.places.append(places)
        self.cuts.append(Cut(0, n, 1, True))
        self.axes.append(n)

    def add_mask(self, mask: Mask) -> None:
        if not mask.shape:  # True is a new axis of size 1, False one of size 0
            self._advanced()
            self.indexed.append(Indexed(len(self.axes), len(self.cuts), 1))
            self.places.append((mask.trues,))
            self.axes.append(1)
            return
        axis = len(self.cuts)
        found = self.shape[axis : axis + len(mask.shape)]
        if any(m not in (0, n) for m, n in zip(mask.shape, found, strict=True)):
            raise AxisError(f"a mask of shape {mask.shape} on axes with the sizes {found}")
        for _ in mask.shape:
            self.add_index((mask.trues,))

    def separate(self) -> None:
        """Note something that is no index: what stands on both sides of it is apart."""
        if self.seen == "index":
            self.seen = "more"

    def _advanced(self) -> None:
        if self.seen == "nothing":
            self.at = len(self.axes)
            self.seen = "index"
        elif self.seen == "more":
            self.at = 0  # NumPy puts the axes of index arrays that are apart in front
            self.seen = "apart"


# -- the items of a key --------------------------------------------------------------------------


def items_of(key: Any) -> list[Any]:
    """The items of a key, with everything that is like an array made one."""
    return [_item(k) for k in (key if key.__class__ is tuple else (key,))]


def _item(k: Any) -> Any:
    if k is None or k is Ellipsis or k.__class__ is slice:
        return k
    if isinstance(k, bool | np.bool_):
        return np.asarray(k)
    if k.__class__ is int:
        return k
    return _array(k if isinstance(k, ARRAYS) else _made_array(k))


def _made_array(k: Any) -> Any:
    if hasattr(k, "__index__"):
        return np.asarray(operator.index(k))
    if isinstance(k, str) or not hasattr(k, "__len__"):
        raise AxisError(f"{k!r} is no index: use integers, slices, None, ..., arrays or masks")
    return np.asarray(k, None if len(k) else INT64)


def _array(k: Any) -> Any:
    """An index array or mask; the number itself if it has no axes and is known."""
    if dtype_kind(k.dtype) > INT:
        raise AxisError(f"an index must be made of integers or bools, got {k.dtype}")
    if isinstance(k, Handle):
        if state.staging or not k.known:
            return k
        k = k.value  # arithmetic on a plain array costs least
    return k if k.ndim or k.dtype.kind == "b" else operator.index(k)


def is_index(item: Any) -> bool:
    """Whether an item of a key is an array or tensor of integers with axes of its own."""
    return isinstance(item, ARRAYS) and item.ndim > 0 and item.dtype.kind in "iu"


def is_mask(item: Any) -> bool:
    """Whether an item of a key is a bool array, a bool tensor or a bool."""
    return hasattr(item, "dtype") and dtype_kind(item.dtype) == BOOL


def read_key(shape: Shape, key: Any) -> tuple[Plan, Any]:
    """The plan for a key on values of this shape, and the index into the merged axis or None.

    Raises:
        AxisError: if an index is out of range, there are more of them than axes, or a mask or
            index arrays do not fit.
        TracerLeak: if the numbers of a mask are not known.
    """
    form = simple_form(key)
    if form is not None:
        return plan_for(shape, form), None
    found: list[Any] = []
    arrays: list[Any] = []
    for item in items_of(key):
        found.append(_form(item, arrays))
    plan = plan_for(shape, tuple(found))
    return plan, combined(plan, arrays) if arrays else None


def simple_form(key: Any) -> tuple[Any, ...] | None:
    """The form of a key of ints, slices, None and Ellipsis; None if there is anything else."""
    out: list[Any] = []
    for k in key if key.__class__ is tuple else (key,):
        if k.__class__ is int or k is None or k is Ellipsis:
            out.append(k)
        elif k.__class__ is slice:
            ends = (k.start, k.stop, k.step)
            if not all(e is None or e.__class__ is int for e in ends):
                return None
            out.append(ends)
        else:
            return None
    return tuple(out)


def _form(item: Any, arrays: list[Any]) -> Any:
    """What a plan needs to know of an item; its index arrays are added to `arrays`."""
    if item.__class__ is slice:
        ends = (item.start, item.stop, item.step)
        return tuple(None if e is None else operator.index(e) for e in ends)
    if is_mask(item):
        mask = numbers(item, "x[mask]") if isinstance(item, Handle) else item
        places = np.nonzero(mask) if mask.ndim else (np.zeros(int(mask), INT64),)
        arrays.extend(places)
        return Mask(mask.shape, len(places[0]))
    if isinstance(item, ARRAYS):
        arrays.append(item if item.dtype == INT64 else CAST[INT64](item))
        return Places(item.shape)
    return item


# -- the plan ------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def plan_for(shape: Shape, form: tuple[Any, ...]) -> Plan:
    """The plan for keys of this form on values of this shape."""
    named = sum(_axes_named(item) for item in form)
    if sum(item is Ellipsis for item in form) > 1:
        raise AxisError("a key can hold one Ellipsis only")
    if named > len(shape):
        raise AxisError(f"{named} indices for a value with {len(shape)} axes")
    layout = Layout(shape)
    for item in form if Ellipsis in form else (*form, Ellipsis):
        _read(layout, item, len(shape) - named)
    return _plan(layout)


def _axes_named(item: Any) -> int:
    if item is None or item is Ellipsis:
        return 0
    return len(item.shape) if isinstance(item, Mask) else 1


def _read(layout: Layout, item: Any, rest: int) -> None:
    """Add one item; an Ellipsis stands for `rest` whole axes."""
    if item is Ellipsis:
        layout.separate()
        for _ in range(rest):
            layout.add_slice(slice(None))
    elif item is None:
        layout.add_new()
    elif isinstance(item, Mask):
        layout.add_mask(item)
    elif isinstance(item, Places):
        layout.add_index(item.shape)
    elif isinstance(item, int):
        layout.add_int(item)
    else:
        layout.add_slice(slice(*item))


def _plan(layout: Layout) -> Plan:
    cuts = layout.cuts
    starts, sizes, steps = (tuple(c[i] for c in cuts) for i in range(3))
    drop = tuple(a for a, c in enumerate(cuts) if not c.kept)
    cut = Slice(starts, sizes, steps, drop)
    whole = not drop and sizes == layout.shape and steps == (1,) * len(steps)
    shape = tuple(layout.axes)
    indexed = tuple(layout.indexed)
    if not indexed:
        return Plan(cut, whole, shape, indexed, (), shape, 0, 0, (), shape)
    try:
        index = broadcast_shapes(*layout.places)
    except ShapeError as error:
        raise AxisError(f"index arrays: {error}") from None
    axes = tuple(i.axis for i in indexed)
    rest = tuple(a for a in range(len(shape)) if a not in axes)
    together = axes[-1] - axes[0] == len(axes) - 1
    axis = axes[0] if together else 0
    kept = tuple(shape[a] for a in rest)
    merged = (*kept[:axis], math.prod(shape[a] for a in axes), *kept[axis:])
    result = (*kept[: layout.at], *index, *kept[layout.at :])
    order = rest[:axis] + axes + rest[axis:]
    return Plan(cut, whole, shape, indexed, order, merged, axis, layout.at, index, result)


def combined(plan: Plan, arrays: list[Any]) -> Any:
    """Several index arrays as one index into their axes merged, row by row."""
    if len(arrays) == 1:
        return arrays[0]
    if 0 in plan.places:  # nothing is taken, so nothing is out of range
        return np.zeros(plan.places, INT64)
    out: Any = 0
    for (_, source, n), array in zip(plan.indexed, arrays, strict=True):
        plain = isinstance(array, np.ndarray)
        out = out * n + (wrapped(array, n, source) if plain else WrapIndex(n, source)(array))
    return out
