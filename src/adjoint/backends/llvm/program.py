"""Programs: a graph as one native function over a block of addresses.

The block holds the address of the arena, of the constants, and the identity of the array object of
each input and output; the function reads the arrays' data pointers itself. What the back end cannot
compute is left to the interpreter, between two native stretches.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
from llvmlite import ir

from adjoint.backends.interpreter import NOT_FINITE
from adjoint.backends.llvm import blas, build, watch
from adjoint.backends.llvm.arrangement import FIRST, Place
from adjoint.backends.llvm.finite import checkable, not_finite, walks
from adjoint.backends.llvm.groups import Group
from adjoint.backends.llvm.indices import indices, out_of_range
from adjoint.backends.llvm.kernels import Arrangement
from adjoint.backends.llvm.layout import View
from adjoint.backends.llvm.lowering import Lowering, Shared
from adjoint.backends.llvm.nest import I1, I8, I64, PTR, index
from adjoint.core.graph import Handle, Pick, Slot
from adjoint.core.program import Graph

BRIEF = 1 << 22
"""Operations of a program whose loops are short enough to be unrolled."""
NATIVE = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)
"""The class of native stretches."""


class Program(Lowering, Arrangement):
    """Machine code for a graph.

    Args:
        graph: what to compute.
        donated: for an input, the output that may take its place in memory.
        arguments: how many inputs are other arrays in each call.
        separate: each group as a call of its own, so that it can be timed.
        watched: outputs that are looked at before anything changes; see `arm`.

    Attributes:
        seconds: what each stage of making it took.
        code: why the last call left early; `NOT_FINITE` if a watched output is not finite.
    """

    def __init__(
        self,
        graph: Graph,
        donated: dict[int, int] | None = None,
        arguments: int = 0,
        separate: bool = False,
        watched: Sequence[int] = (),
    ) -> None:
        blas.install()
        self.separate = separate
        begin = perf_counter()
        super().__init__(graph, donated, watched=watched)
        self.seconds = {"plan": perf_counter() - begin}
        constants = self.used_constants
        self.constants = [np.asarray(self.grouping.constants[n], order="C") for n in constants]
        self.arena = np.empty(self.arena_size + 64, np.uint8)
        self.arguments = arguments if watch.usable() else 0
        end = self.first_output + len(graph.outputs)
        self.block = (ctypes.c_int64 * (end + self.arguments + 1))()
        self.arm(True)
        for k in range(self.arguments):
            self.block[end + k] = id(graph.inputs[k].dtype)
        self.code = 0
        self.watch([])
        address = self.arena.ctypes.data
        self.shift = -address % 64
        self.block[0] = address + self.shift
        for k, array in enumerate(self.constants):
            self.block[FIRST + k] = array.ctypes.data
        self._build()

    # -- code ----------------------------------------------------------------------------------

    def _build(self) -> None:
        begin = perf_counter()
        self.owners: list[Group] = []  # of the stretches, where each group has its own
        self.shared = Shared()
        self.checked: set[tuple[View, int]] = set()
        self.looks: dict[Any, Any] = {}
        self.stretches: list[Any] = []
        self._main: Any = None
        first_change = self.first_change()
        for group in self.grouping.groups:
            if group.position == first_change:
                self._look(first_change)
            self._check(group)
            if group.kind == "loop" or group.plan is not None:
                self.lower(group)
            else:
                self._interpret(group)
            if self.separate:
                self._finish()
                self.owners += [group] * (len(self.stretches) - len(self.owners))
        if first_change == len(self.grouping.groups):
            self._look(first_change)
        for source, target, size in self.moves:
            self.copy(self.pointer(target), self.pointer(source), size)
        self._finish()
        text = str(self.module)
        self.seconds["code"] = perf_counter() - begin
        begin = perf_counter()
        effort = 3 if self.graph.flops() < BRIEF else 2
        self.library = build.library(text, effort=effort)
        self.seconds["LLVM"] = perf_counter() - begin
        self.run = [
            self.library.function(s, ctypes.c_int64, ctypes.c_void_p) if isinstance(s, str) else s
            for s in self.stretches
        ]

    @property
    def native(self) -> bool:
        """Whether the whole program is one native call, which sees for itself what has changed."""
        return watch.usable() and len(self.run) == 1 and self.run[0].__class__ is NATIVE

    def builder(self) -> Any:
        """The builder of the current native stretch, begun if there is none."""
        if self._main is None:
            name = f"stretch{len(self.stretches)}"
            function = ir.Function(self.module, ir.FunctionType(I64, [PTR]), name)
            self.stretches.append(name)
            self._main = ir.IRBuilder(function.append_basic_block("entry"))
            self._slot_pointers: dict[int, Any] = {}
            if len(self.stretches) == 1:
                self._guard(self._main)
        return self._main

    def _guard(self, b: Any) -> None:
        """Leave at once if an argument is of another type, or what is watched has changed."""

        def slot(k: int, typ: Any) -> Any:
            return b.load(b.gep(b.function.args[0], [index(k)], source_etype=I64), typ=typ)

        good = b.call(watch.checks(self.module), [slot(1, PTR), slot(2, I64)])
        end = self.first_output + len(self.graph.outputs)
        for k in range(self.arguments):
            t = self.graph.inputs[k].type
            array, descr = slot(self.first_input + k, PTR), slot(end + k, I64)
            good = b.and_(good, watch.is_argument(b, array, t, descr))
        with b.if_then(b.not_(good), likely=False):
            b.ret(index(watch.CHANGED))

    def watch(self, table: Sequence[tuple[int, int]]) -> None:
        """From now on, calls check that these words of memory are what they should be."""
        self.table = np.array(table, np.int64).reshape(-1, 2)
        self.block[1] = self.table.ctypes.data
        self.block[2] = len(self.table)

    def remember(
        self,
        tensors: Sequence[Handle],
        gradients: Sequence[tuple[Slot, Any]],
        memory: Sequence[Sequence[Any]],
    ) -> None:
        """From now on, calls check that these tensors, gradients and objects are as they are."""
        value, node, grad = watch.value_offset(), watch.node_offset(), watch.grad_offset()
        table = [(id(x) + node, id(x.node)) for x in tensors]
        # another program that updates a tensor gives it memory of its own, under the same node
        table += [(id(x) + value, id(x.value)) for x in tensors]
        table += [(id(slot) + grad, id(g)) for slot, g in gradients]
        for objects in memory:
            table += watch.counts(objects)
        self.watch(table)

    def _finish(self) -> None:
        if self._main is not None:
            self._main.ret(index(0))
            self._main = None

    def pointer(self, place: Place) -> Any:
        """The address of a place, in the current stretch."""
        b = self.builder()
        if place.slot not in self._slot_pointers:
            at = b.gep(b.function.args[0], [index(place.slot)], source_etype=I64)
            pointer = b.load(at, typ=PTR)
            if place.slot >= self.first_input:
                pointer = b.load(b.gep(pointer, [index(watch.DATA)], source_etype=I8), typ=PTR)
            self._slot_pointers[place.slot] = pointer
        pointer = self._slot_pointers[place.slot]
        return b.gep(pointer, [index(place.offset)], source_etype=I8) if place.offset else pointer

    def _check(self, group: Group) -> None:
        """Leave the program, before it has changed anything, if an index is out of range."""
        for view, size in indices(group, self.grouping):
            if (view, size) in self.checked:
                continue
            self.checked.add((view, size))
            b = self.builder()
            bad = b.call(out_of_range(self.module, self.name(), view, size), [self.address(view)])
            with b.if_then(bad, likely=False):
                b.ret(index(1))

    def arm(self, on: bool) -> None:
        """Whether calls leave, before they have changed anything, where a result is not finite."""
        self.block[len(self.block) - 1] = int(on)

    def _look(self, position: int) -> None:
        """Leave before anything is changed if a result that is there already is not finite."""
        tests: list[tuple[Any, Any]] = []
        for k in self.watched:
            base = self.grouping.outputs[k]
            home = self.grouping.home.get(base)
            if home is None or home.position >= position or not checkable(base.dtype):
                continue
            for walk in walks(base.shape):
                key = (walk, base.dtype)
                if key not in self.looks:
                    assert base.dtype is not None
                    self.looks[key] = not_finite(self.module, self.name(), walk, base.dtype)
                tests.append((self.looks[key], self.pointer(self.places[base])))
        if not tests:
            return
        b = self.builder()
        at = b.gep(b.function.args[0], [index(len(self.block) - 1)], source_etype=I64)
        with b.if_then(b.icmp_signed("!=", b.load(at, typ=I64), index(0))):
            bad = I1(0)
            for test, pointer in tests:
                bad = b.or_(bad, b.call(test, [pointer]))
            with b.if_then(bad, likely=False):
                b.ret(index(NOT_FINITE))

    # -- what the interpreter does -------------------------------------------------------------

    def _interpret(self, group: Group) -> None:
        self._finish()
        node = next(iter(group.members))
        reads = [
            self._reader(x) if isinstance(x, View) else partial(_literal, x)
            for x in self.grouping.operands(node)
        ]
        outs = [m for m in group.stored if isinstance(m.op, Pick)] or [node]
        writes = [(self._reader(self.grouping.views[m]), m) for m in outs]
        many = node.dtype is None

        def step(arrays: Sequence[Any]) -> None:
            with np.errstate(all="ignore"):
                found = node.op.value(*[read(arrays) for read in reads])
            for write, m in writes:
                write(arrays)[...] = found[m.op.index] if many else found

        self.stretches.append(step)

    def _reader(self, view: View) -> Callable[[Sequence[Any]], Any]:
        """How the interpreter sees a view of a place."""
        base = view.base
        dtype = base.dtype
        assert dtype is not None
        place = self.places[base]
        strides = tuple(s * dtype.itemsize for s in view.strides)
        begin = view.offset * dtype.itemsize

        def read(arrays: Sequence[Any]) -> Any:
            if place.slot == 0:
                start = self.shift + place.offset + begin
                return np.ndarray(view.shape, dtype, self.arena, start, strides)
            if place.slot < self.first_input:
                source = self.constants[place.slot - FIRST]
            else:
                source = arrays[place.slot - self.first_input]
            flat = source.reshape(-1)  # it is contiguous
            return np.ndarray(view.shape, dtype, flat, begin, strides)

        return read

    # -- running -------------------------------------------------------------------------------

    def __call__(self, arrays: Sequence[Any]) -> bool:
        """Run on the arrays of all inputs and outputs, which are contiguous.

        Returns:
            Whether it came to the end; if not, nothing has changed: an index is out of range, or a
            watched result is not finite.
        """
        block = self.block
        self.watch([])
        for k, array in enumerate(arrays):
            block[self.first_input + k] = id(array)
        for part in self.run:
            if part.__class__ is NATIVE:
                self.code = part(block)
                if self.code:
                    return False
            else:
                part(arrays)
        return True


def _literal(x: Any, arrays: Sequence[Any]) -> Any:
    """A Python scalar, which reads no array."""
    del arrays
    return x
