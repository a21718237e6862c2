"""Loop nests in LLVM: open loops, and where in them a value is computed.

A value is computed at the outermost level that knows the indices it depends on. So blocks stay open
at their end until the loop inside them is closed, and what is invariant is put in front of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from llvmlite import ir

I1: Final = ir.IntType(1)
I8: Final = ir.IntType(8)
I64: Final = ir.IntType(64)
PTR: Final = ir.PointerType()
_TYPES: Final = {"f4": ir.FloatType(), "f8": ir.DoubleType()}


def ll(dtype: Any) -> Any:
    """The LLVM type of an element in memory; None where there is none (complex, half)."""
    if dtype.kind in "biu":
        return ir.IntType(8 * dtype.itemsize)
    return _TYPES.get(f"{dtype.kind}{dtype.itemsize}")


def index(n: int) -> Any:
    """An index as a constant."""
    return ir.Constant(I64, n)


class Nest:
    """The open loops of a kernel.

    Attributes:
        builders: one for each level, at the end of what the level computes before its inner loop.
        caches: what each level has computed.
    """

    def __init__(self, function: Any) -> None:
        self.function = function
        self.entry: Any = function.append_basic_block("entry")
        self.builders: list[Any] = [ir.IRBuilder(self.entry)]
        self.caches: list[dict[Any, Any]] = [{}]
        self._open: list[tuple[Any, Any, Any]] = []

    @property
    def depth(self) -> int:
        """The innermost level."""
        return len(self.builders) - 1

    @property
    def inner(self) -> Any:
        """The builder of the innermost level."""
        return self.builders[-1]

    def open(self, start: Any, stop: Any, step: int = 1) -> Any:
        """Open a loop inside the innermost one; returns its index."""
        before = self.inner
        head = self.function.append_basic_block("head")
        body = self.function.append_basic_block("body")
        done = self.function.append_basic_block("done")
        b = ir.IRBuilder(head)
        i: Any = b.phi(I64)
        b.cbranch(b.icmp_signed("<", i, stop), body, done)
        self._open.append((i, head, done))
        self.builders.append(ir.IRBuilder(body))
        self.caches.append({})
        # the branch into the loop is written when it is closed: see the module's docstring
        i.start, i.step, i.before = start, step, before
        return i

    def close(self) -> None:
        """Close the innermost loop; its parent goes on behind it."""
        b = self.builders.pop()
        self.caches.pop()
        i, head, done = self._open.pop()
        i.add_incoming(b.add(i, index(i.step), flags=("nsw",)), b.block)
        b.branch(head)
        i.add_incoming(i.start, i.before.block)
        i.before.branch(head)
        i.before.position_at_end(done)

    def once(self, level: int, key: Any, make: Callable[[Any], Any]) -> Any:
        """What `make` gives with the builder of a level, computed once while the level is open."""
        cache = self.caches[level]
        if key not in cache:
            cache[key] = make(self.builders[level])
        return cache[key]

    def local(self, type_: Any, size: int, name: str = "") -> Any:
        """Memory on the stack."""
        with self.builders[0].goto_block(self.entry):
            b = ir.IRBuilder(self.entry)
            b.position_at_start(self.entry)
            return b.alloca(type_, size, name=name)


def constant(value: Any, dtype: Any) -> Any:
    """A scalar of a dtype as a constant."""
    t = ll(dtype)
    if dtype.kind == "f":
        return ir.Constant(t, float(np.asarray(value).astype(dtype)))
    return ir.Constant(t, int(np.asarray(value).astype(dtype)))
