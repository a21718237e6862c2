"""Watching objects from machine code: whether all is as the last call left it.

A step updates tensors where they lie, so before it runs it must know that each tensor still stands
for the memory that the last step wrote, and that nobody else holds that memory. In Python this
takes a tenth of a microsecond for each tensor; machine code compares words of memory, a nanosecond
each: the pointer in a tensor's slot, the reference count of an array, the type of an argument.

Where objects are laid out otherwise than CPython and NumPy document (`PyArrayObject_fields`), which
is tried out on real objects, `usable` is False, and programs check in Python.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from llvmlite import ir

from adjoint.backends.llvm.nest import I1, I8, I64, PTR, Nest, index
from adjoint.core.graph import Handle, Slot
from adjoint.core.types import Type

HEADER: Final = object.__basicsize__
DATA, NDIM, DIMS, DESCR, FLAGS = (HEADER + k for k in (0, 8, 16, 40, 48))
"""Where the fields of an array lie in its object."""
GOOD: Final = 0x1 | 0x100
"""NumPy's flags for C order and aligned."""
CHANGED: Final = 2
"""What a program returns that found something changed before it did anything."""


def word(address: int) -> int:
    """Eight bytes of memory."""
    return ctypes.c_int64.from_address(address).value


@functools.cache
def usable() -> bool:
    """Whether objects are laid out as this file assumes."""
    if sys.implementation.name != "cpython" or not getattr(sys, "_is_gil_enabled", lambda: True)():
        return False
    a = np.zeros((2, 3), np.float32)
    at = id(a)
    dims = word(at + DIMS)
    as_assumed = (
        word(at + DATA) == a.ctypes.data
        and ctypes.c_int32.from_address(at + NDIM).value == 2
        and (word(dims), word(dims + 8)) == (2, 3)
        and word(at + DESCR) == id(a.dtype)
        and ctypes.c_int32.from_address(at + FLAGS).value & GOOD == GOOD
    )
    before = word(at)
    other = a
    counted = word(at) == before + 1
    del other
    found = (value_offset(), node_offset(), grad_offset())
    return as_assumed and counted and all(found)


def _offset(cls: Any, name: str) -> int:
    """Where a slot of a class lies in its objects; 0 if it is not found."""
    x, mark = cls.__new__(cls), object()
    setattr(x, name, mark)
    found = [at for at in range(HEADER, cls.__basicsize__, 8) if word(id(x) + at) == id(mark)]
    return found[0] if len(found) == 1 else 0


@functools.cache
def value_offset() -> int:
    """Where a tensor keeps its array."""
    return _offset(Handle, "value")


@functools.cache
def node_offset() -> int:
    """Where a tensor keeps its node."""
    return _offset(Handle, "node")


@functools.cache
def grad_offset() -> int:
    """Where a slot keeps its gradient."""
    return _offset(Slot, "grad")


def checks(module: Any) -> Any:
    """A function of a table of (address, word): whether each word is there."""
    function: Any = ir.Function(module, ir.FunctionType(I1, [PTR, I64]), "unchanged")
    function.linkage = "internal"
    table, count = function.args
    nest = Nest(function)
    found = nest.local(I1, 1)
    nest.inner.store(I1(1), found)
    i = nest.open(index(0), count)
    b = nest.inner
    row = b.gep(table, [b.mul(i, index(2))], source_etype=I64)
    expected = b.load(b.gep(row, [index(1)], source_etype=I64), typ=I64)
    same = b.icmp_signed("==", b.load(b.load(row, typ=PTR), typ=I64), expected)
    b.store(b.and_(b.load(found, typ=I1), same), found)
    nest.close()
    nest.inner.ret(nest.inner.load(found, typ=I1))
    return function


def is_argument(b: Any, array: Any, t: Type, descr: Any) -> Any:
    """Whether an array object has this type and lies in C order."""

    def field(at: int, typ: Any) -> Any:
        return b.load(b.gep(array, [index(at)], source_etype=I8), typ=typ)

    i32 = ir.IntType(32)
    good = b.icmp_signed("==", field(DESCR, I64), descr)
    good = b.and_(good, b.icmp_signed("==", field(NDIM, i32), i32(len(t.shape))))
    flags = b.and_(field(FLAGS, i32), i32(GOOD))
    good = b.and_(good, b.icmp_signed("==", flags, i32(GOOD)))
    with b.if_then(b.not_(good), likely=False):
        b.ret(index(CHANGED))
    dims = field(DIMS, PTR)
    same: Any = I1(1)
    for a, n in enumerate(t.shape):
        size = b.load(b.gep(dims, [index(a)], source_etype=I64), typ=I64)
        same = b.and_(same, b.icmp_signed("==", size, index(n)))
    return same


def counts(objects: Sequence[Any]) -> list[tuple[int, int]]:
    """Rows of the table that say how often each object is referred to now."""
    at = [id(x) for x in objects]  # no reference to an object lives while they are counted
    return [(address, word(address)) for address in at]
