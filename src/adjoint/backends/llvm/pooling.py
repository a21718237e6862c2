"""Pooling: the largest element of windows, where it is, and what moves numbers there and back.

All cards go over the windows' elements in row-major order, as their NumPy code does. Where no
window reaches into padding, and they are small, a window's elements are written out and its record
stays in a register. Otherwise a row of windows is kept in memory, and each element of the kernel
passes over those windows of the row for which it lies in the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from llvmlite import ir

from adjoint.backends.llvm.convolution_tile import at, clear, flat, plus, times
from adjoint.backends.llvm.layout import Ints, View, whole
from adjoint.backends.llvm.nest import I64, PTR, Nest, constant, index, ll
from adjoint.core.graph import Node
from adjoint.core.types import DType
from adjoint.ops.maxima import MaxPlace, MaxPool, PutInWindow, TakeFromWindow
from adjoint.ops.windows import dilated, overlap

SMALL = 16
"""Elements of a window that is written out."""


@dataclass(frozen=True, slots=True)
class Walk:
    """Strides of a value along the axes in front, and in space."""

    lead: Ints
    space: Ints


@dataclass(frozen=True, slots=True)
class Windows:
    """The windows of one axis: sizes of image, windows and kernel, and how they lie."""

    image: int
    windows: int
    kernel: int
    stride: int
    dilation: int
    low: int

    @property
    def whole(self) -> bool:
        """Whether all windows lie in the image."""
        last = (self.windows - 1) * self.stride + dilated(self.kernel, self.dilation)
        return self.low == 0 and last <= self.image

    @property
    def apart(self) -> bool:
        """Whether no element of the image is in two windows."""
        return dilated(self.kernel, self.dilation) <= self.stride

    def start(self, k: int) -> int:
        """Where the first window has its element k."""
        return k * self.dilation - self.low


@dataclass(frozen=True, slots=True)
class Pooling:
    """What a kernel depends on.

    Attributes:
        card: ``MaxPool``, ``MaxPlace``, ``TakeFromWindow`` or ``PutInWindow``.
        dtype: of the numbers.
        lead: sizes of the axes in front.
        axes: the windows of each axis.
        values: how the operand lies: images, or for ``PutInWindow`` windows.
        places: how the places lie, if they are an operand.
        out: how the result lies.
    """

    card: str
    dtype: DType
    lead: Ints
    axes: tuple[Windows, ...]
    values: Walk
    places: Walk
    out: Walk

    @property
    def written_out(self) -> bool:
        """Whether windows are written out, element by element."""
        return all(a.whole for a in self.axes) and prod(a.kernel for a in self.axes) <= SMALL


@dataclass(frozen=True, slots=True)
class Plan:
    """A kernel and its operands: values, places or nothing, result."""

    kernel: Pooling
    operands: tuple[View, ...]
    out: View
    scratch: int = 0


def plan(node: Node, xs: Sequence[Any]) -> Plan | None:
    """The plan of a card of pooling; None for dtypes that have no machine type."""
    op: Any = node.op
    x = xs[0]
    dtype = x.base.dtype
    if ll(dtype) is None or not node.size or not x.size:
        return None
    if isinstance(op, (TakeFromWindow, PutInWindow)) and dtype.kind == "b":
        return None
    out = whole(node)
    n = len(op.kernel)
    lead = len(node.shape) - n
    put = isinstance(op, PutInWindow)
    image, windows = (out, x) if put else (x, out)
    axes = tuple(
        Windows(i, w, k, s, d, low)
        for i, w, k, s, d, (low, _) in zip(
            image.shape[lead:],
            windows.shape[lead:],
            op.kernel,
            op.stride,
            op.dilation,
            op.padding,
            strict=True,
        )
    )
    walks = [Walk(v.strides[:lead], v.strides[lead:]) for v in (*xs, out)]
    places = walks[1] if len(xs) > 1 else walks[-1]
    card = type(op).__name__
    kernel = Pooling(card, dtype, node.shape[:lead], axes, walks[0], places, walks[-1])
    return Plan(kernel, tuple(xs), out)


def emit(program: Any, group: Any) -> None:
    """Launch the kernel over the axes in front; equal ones share it."""
    it: Plan = group.plan
    kernels = program.shared.kernels
    if it.kernel not in kernels:
        kernels[it.kernel] = _Writer(program, it.kernel).function
    pointers = [program.address(v) for v in (*it.operands, it.out)]
    work = prod(a.windows * a.kernel for a in it.kernel.axes)
    program.launch(kernels[it.kernel], pointers, prod(it.kernel.lead), work)


class _Writer:
    """Writes a kernel; a unit is an image."""

    def __init__(self, program: Any, it: Pooling) -> None:
        self.it, self.program = it, program
        self.t = ll(it.dtype)
        two = it.card in ("TakeFromWindow", "PutInWindow")
        count = 3 if two else 2
        kind = ir.FunctionType(ir.VoidType(), [PTR] * count + [I64, I64])
        self.function: Any = ir.Function(program.module, kind, program.name())
        self.function.linkage = "internal"
        for pointer in self.function.args[:count]:
            pointer.add_attribute("noalias")
        self.result = I64 if it.card == "MaxPlace" else self.t
        nest = self.nest = Nest(self.function)
        width = it.axes[-1].windows
        self.row = nest.local(self.t, width) if it.card == "MaxPlace" else None
        unit = nest.open(*self.function.args[count:])
        b = nest.inner
        shift = [flat(b, unit, self._dims(w)) for w in (it.values, it.places, it.out)]
        self.values = at(b, self.function.args[0], shift[0], self.t)
        self.places = at(b, self.function.args[1], shift[1], I64) if two else None
        self.out = at(b, self.function.args[count - 1], shift[2], self.result)
        if it.card == "PutInWindow":
            self._clear()
        self._windows()
        while nest.depth:
            nest.close()
        nest.inner.ret_void()

    def _dims(self, walk: Walk) -> Any:
        return tuple(zip(self.it.lead, walk.lead, strict=True))

    def _clear(self) -> None:
        """Zeros in the image, unless every element is written anyhow."""
        exact = all(
            a.apart and a.whole and a.dilation == 1 and a.kernel == a.stride
            and a.windows * a.stride == a.image
            for a in self.it.axes
        )  # fmt: skip
        if not (exact and self.it.written_out):
            size = prod(a.image for a in self.it.axes) * self.it.dtype.itemsize
            clear(self.program, self.nest.inner, self.out, size)

    # -- windows that lie in the image -----------------------------------------------------------

    def _windows(self) -> None:
        it, nest = self.it, self.nest
        put = it.card == "PutInWindow"
        if not it.written_out or (put and not all(a.apart for a in it.axes)):
            self._rows()
            return
        at_image, at_windows, at_places = index(0), index(0), index(0)
        image = it.out if put else it.values
        windows = it.values if put else it.out
        for a, axis in enumerate(it.axes):
            p = nest.open(index(0), index(axis.windows))
            b = nest.inner
            at_image = plus(b, at_image, times(b, p, axis.stride * image.space[a]))
            at_windows = plus(b, at_windows, times(b, p, windows.space[a]))
            at_places = plus(b, at_places, times(b, p, it.places.space[a]))
        shifts = [
            sum(
                k * axis.dilation * s
                for k, axis, s in zip(which, it.axes, image.space, strict=True)
            )
            for which in np.ndindex(*(axis.kernel for axis in it.axes))
        ]
        if put:
            self._put(at_image, at_windows, at_places, shifts)
        else:
            self._take(at_image, at_windows, at_places, shifts)

    def _put(self, at_image: Any, at_windows: Any, at_places: Any, shifts: Sequence[int]) -> None:
        """The element of a window to its place, zero to all others."""
        b, t = self.nest.inner, self.t
        value = b.load(at(b, self.values, at_windows, t), typ=t)
        place = b.load(at(b, self.places, at_places, I64), typ=I64)
        zero = constant(0, self.it.dtype)
        image = at(b, self.out, at_image, t)
        for k, shift in enumerate(shifts):
            here = b.icmp_signed("==", place, index(k))
            b.store(b.select(here, value, zero), at(b, image, shift, t))

    def _take(self, at_image: Any, at_windows: Any, at_places: Any, shifts: Sequence[int]) -> None:
        """The largest element of a window, its place, or the one at a place."""
        b, t, card = self.nest.inner, self.t, self.it.card
        image = at(b, self.values, at_image, t)
        xs = [b.load(at(b, image, shift, t), typ=t) for shift in shifts]
        if card == "TakeFromWindow":
            place = b.load(at(b, self.places, at_places, I64), typ=I64)
            found = constant(0, self.it.dtype)
            for k, x in enumerate(xs):
                found = b.select(b.icmp_signed("==", place, index(k)), x, found)
        else:
            record, number = xs[0], self._number(0)
            for k, x in enumerate(xs[1:], 1):
                better = self._better(b, x, record)
                record = b.select(better, x, record)
                number = b.select(better, self._number(k), number)
            found = self._widened(b, number) if card == "MaxPlace" else record
        b.store(found, at(b, self.out, at_windows, self.result))

    def _number(self, k: int) -> Any:
        """The number of an element, in an integer as wide as the values."""
        return ir.Constant(ir.IntType(8 * self.it.dtype.itemsize), k)

    @staticmethod
    def _widened(b: Any, number: Any) -> Any:
        return number if number.type == I64 else b.sext(number, I64)

    def _better(self, b: Any, value: Any, record: Any) -> Any:
        """Whether a value takes the record: it is larger, or the first NaN."""
        kind = self.it.dtype.kind
        if kind == "f":
            return b.and_(
                b.fcmp_unordered(">", value, record), b.fcmp_ordered("ord", record, record)
            )
        return (b.icmp_signed if kind == "i" else b.icmp_unsigned)(">", value, record)

    # -- windows that reach into padding ---------------------------------------------------------

    def _rows(self) -> None:
        """Rows of windows, each passed over by the elements of the kernel."""
        it, nest = self.it, self.nest
        put = it.card == "PutInWindow"
        image, windows = (it.out, it.values) if put else (it.values, it.out)
        at_windows, at_places = index(0), index(0)
        begins: list[Any] = []
        for a, axis in enumerate(it.axes[:-1]):
            p = nest.open(index(0), index(axis.windows))
            b = nest.inner
            begins.append(b.sub(times(b, p, axis.stride), index(axis.low)))
            at_windows = plus(b, at_windows, times(b, p, windows.space[a]))
            at_places = plus(b, at_places, times(b, p, it.places.space[a]))
        b = nest.inner
        row = at(b, self.values if put else self.out, at_windows, self.t if put else self.result)
        places = at(b, self.places, at_places, I64) if self.places is not None else row
        self._begin_row(row)
        number, at_image = index(0), index(0)
        depth = nest.depth
        for a, axis in enumerate(it.axes[:-1]):
            b = nest.inner
            first, last = self._inside(b, axis, begins[a])
            k = nest.open(first, last)
            b = nest.inner
            element = plus(b, begins[a], times(b, k, axis.dilation))
            at_image = plus(b, at_image, times(b, element, image.space[a]))
            number = plus(b, times(b, number, axis.kernel), k)
        axis = it.axes[-1]
        for k in range(axis.kernel):
            count, _ = overlap(axis.windows, axis.stride, axis.start(k), axis.image)
            if count.stop > count.start:
                here = plus(nest.inner, times(nest.inner, number, axis.kernel), index(k))
                self._element(row, places, at_image, here, count, axis.start(k))
        while nest.depth > depth:
            nest.close()

    @staticmethod
    def _inside(b: Any, axis: Windows, begin: Any) -> tuple[Any, Any]:
        """Which elements of the kernel lie in the image, for a window that begins there."""
        if axis.whole:
            return index(0), index(axis.kernel)
        d = index(axis.dilation)
        zero, size = index(0), index(axis.kernel)
        before = b.sdiv(b.sub(b.sub(d, index(1)), begin), d)  # rounded up: it is used above zero
        first = b.select(b.icmp_signed("<", begin, zero), before, zero)
        room = b.sub(index(axis.image + axis.dilation - 1), begin)
        last = b.select(b.icmp_signed("<", room, zero), zero, b.sdiv(room, d))
        return first, b.select(b.icmp_signed("<", last, size), last, size)

    def _begin_row(self, row: Any) -> None:
        """A row of windows before any element was seen."""
        if self.it.card == "PutInWindow":
            return
        nest = self.nest
        q = nest.open(index(0), index(self.it.axes[-1].windows))
        b = nest.inner
        dtype = self.it.dtype
        worst: Any = constant(0, dtype)
        if self.it.card != "TakeFromWindow":
            low = -np.inf if dtype.kind == "f" else 0 if dtype.kind == "b" else np.iinfo(dtype).min
            worst = constant(low, dtype)
        place = at(b, row, q, self.result)
        if self.row is None:
            b.store(worst, place)
        else:
            b.store(worst, at(b, self.row, q, self.t))
            b.store(index(-1), place)
        nest.close()

    def _element(
        self, row: Any, places: Any, at_image: Any, number: Any, windows: slice, start: int
    ) -> None:
        """One element of the kernel, for the windows of a row that have it in the image."""
        it, nest, t = self.it, self.nest, self.t
        axis = it.axes[-1]
        put = it.card == "PutInWindow"
        step = (it.out if put else it.values).space[-1]
        q = nest.open(index(windows.start), index(windows.stop))
        b = nest.inner
        where = plus(b, at_image, times(b, q, axis.stride * step), index(start * step))
        target = at(b, self.out if put else self.values, where, t)
        along = times(b, q, (it.values if put else it.out).space[-1])
        here = at(b, row, along, self.result)
        if self.places is not None:
            place = b.load(at(b, places, times(b, q, it.places.space[-1]), I64), typ=I64)
            chosen = b.icmp_signed("==", place, number)
            value = b.load(here if put else target, typ=t)
            old = b.load(target if put else here, typ=t)
            if put:
                zero = constant(0, it.dtype)
                add = b.fadd if it.dtype.kind == "f" else b.add
                b.store(add(old, b.select(chosen, value, zero)), target)
            else:
                b.store(b.select(chosen, value, old), here)
        elif self.row is None:
            x, record = b.load(target, typ=t), b.load(here, typ=t)
            b.store(b.select(self._better(b, x, record), x, record), here)
        else:
            best = at(b, self.row, q, t)
            x, record, place = b.load(target, typ=t), b.load(best, typ=t), b.load(here, typ=I64)
            better = b.or_(self._better(b, x, record), b.icmp_signed("<", place, index(0)))
            b.store(b.select(better, x, record), best)
            b.store(b.select(better, number, place), here)
        nest.close()


CARDS = (MaxPool, MaxPlace, TakeFromWindow, PutInWindow)
