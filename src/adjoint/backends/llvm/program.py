"""Programs: a graph as one native function over a block of addresses.

The block holds the address of the arena, of the constants, and the identity of the array object of
each input and output; the function reads the arrays' data pointers itself. What the back end cannot
compute is left to the interpreter, between two native stretches.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from adjoint.backends.llvm import blas, build, watch
from adjoint.backends.llvm.arrangement import FIRST, Arrangement, Place
from adjoint.backends.llvm.groups import Group, Grouping
from adjoint.backends.llvm.indices import indices, out_of_range
from adjoint.backends.llvm.kinds import KINDS
from adjoint.backends.llvm.layout import View
from adjoint.backends.llvm.loops import LoopKernel
from adjoint.backends.llvm.nest import I8, I64, PTR, index, ll
from adjoint.core.graph import Handle, Node, Pick, Slot
from adjoint.core.program import Graph

PARALLEL = 1 << 15
"""Operations from which on a loop is shared among the workers."""
GRAIN = 1 << 13
"""Operations that a worker takes at least."""
NATIVE = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)
"""The class of native stretches."""


def signature(group: Group, grouping: Grouping, parameters: dict[Node, int]) -> Any:
    """What a kernel depends on: groups with the same signature share one function."""
    number = {node: k for k, node in enumerate(group.members)}
    members: list[Any] = []
    for node in group.members:
        operands: list[Any] = []
        for x in grouping.operands(node):
            if not isinstance(x, View):
                operands.append((type(x), repr(x)))
            elif x.base in number:
                operands.append((number[x.base], x.shape, x.strides))
            else:
                known = grouping.literal(x)
                where = parameters.get(x.base) if known is None else repr(known)
                operands.append((where, x.base.dtype, x.shape, x.strides, x.offset))
        members.append((node.op, node.shape, node.dtype, tuple(operands)))
    stored = tuple((number[node], parameters[node]) for node in group.stored)
    return group.domain, group.reduced, tuple(members), stored


class Program(Arrangement):
    """Machine code for a graph.

    Args:
        graph: what to compute.
        donated: for an input, the output that may take its place in memory.
        arguments: how many inputs are other arrays in each call.
        separate: each group as a call of its own, so that it can be timed.
    """

    def __init__(
        self,
        graph: Graph,
        donated: dict[int, int] | None = None,
        arguments: int = 0,
        separate: bool = False,
    ) -> None:
        blas.install()
        self.separate = separate
        super().__init__(graph, donated)
        constants = self.used_constants
        self.constants = [np.asarray(self.grouping.constants[n], order="C") for n in constants]
        self.arena = np.empty(self.arena_size + 64, np.uint8)
        self.arguments = arguments if watch.usable() else 0
        end = self.first_output + len(graph.outputs)
        self.block = (ctypes.c_int64 * (end + self.arguments))()
        for k in range(self.arguments):
            self.block[end + k] = id(graph.inputs[k].dtype)
        self.watch([])
        address = self.arena.ctypes.data
        self.shift = -address % 64
        self.block[0] = address + self.shift
        for k, array in enumerate(self.constants):
            self.block[FIRST + k] = array.ctypes.data
        self._build()

    # -- code ----------------------------------------------------------------------------------

    def _build(self) -> None:
        self.module = ir.Module("step")
        self.declared: dict[str, Any] = {}
        self.kernels = 0
        self.loops: dict[Any, LoopKernel] = {}
        self.wrappers: dict[Any, Any] = {}
        self.checked: set[tuple[View, int]] = set()
        self.stretches: list[Any] = []
        self._main: Any = None
        for group in self.grouping.groups:
            self._check(group)
            if group.kind == "loop":
                self._loop(group)
            elif group.plan is not None:
                KINDS[type(next(iter(group.members)).op)].emit(self, group)
            else:
                self._interpret(group)
            if self.separate:
                self._finish()
        for source, target, size in self.moves:
            b = self.builder()
            copy = self.external("llvm.memcpy.p0.p0.i64", [PTR, PTR, I64, ir.IntType(1)])
            pointers = self.pointer(target), self.pointer(source)
            b.call(copy, [*pointers, index(size), ir.Constant(ir.IntType(1), 0)])
        self._finish()
        self.library = build.library(str(self.module))
        self.run = [
            self.library.function(s, ctypes.c_int64, ctypes.c_void_p) if isinstance(s, str) else s
            for s in self.stretches
        ]

    def name(self) -> str:
        """A name for the next kernel."""
        self.kernels += 1
        return f"kernel{self.kernels}"

    @property
    def native(self) -> bool:
        """Whether the whole program is one native call, which sees for itself what has changed."""
        return watch.usable() and len(self.run) == 1 and self.run[0].__class__ is NATIVE

    def external(self, name: str, types: Sequence[Any]) -> Any:
        """A function that is defined elsewhere."""
        if name not in self.declared:
            kind = ir.FunctionType(ir.VoidType(), list(types))
            self.declared[name] = ir.Function(self.module, kind, name)
        return self.declared[name]

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
        """From now on, calls check that these tensors, gradients and objects are as they are now."""
        node, grad = watch.node_offset(), watch.grad_offset()
        table = [(id(x) + node, id(x.node)) for x in tensors]
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

    def scratch(self, group: Group) -> Any:
        """The address of the memory that a group's plan asked for."""
        return self.pointer(self.scratches[group])

    def address(self, view: View) -> Any:
        """The address of the first element of a view."""
        b = self.builder()
        pointer = self.pointer(self.places[view.base])
        if view.offset:
            t = ll(view.base.dtype)  # type: ignore[arg-type]
            pointer = b.gep(pointer, [index(view.offset)], source_etype=t)
        return pointer

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

    def _loop(self, group: Group) -> None:
        bases: dict[Node, None] = {}
        for member in group.members:
            for view in self._views(member):
                if view.base not in group.members and self.grouping.literal(view) is None:
                    bases[view.base] = None
        bases |= group.stored
        places: dict[Place, int] = {}
        for base in bases:
            places.setdefault(self.places[base], len(places))
        parameters = {base: places[self.places[base]] for base in bases}
        key = signature(group, self.grouping, parameters)
        kernel = self.loops.get(key)
        if kernel is None:
            kernel = LoopKernel(self.module, self.name(), group, self.grouping, parameters)
            self.loops[key] = kernel
        pointers = [self.pointer(place) for place in places]
        self.launch(kernel.function, pointers, kernel.units, kernel.work)

    def launch(self, function: Any, pointers: Sequence[Any], units: int, work: int) -> None:
        """Run a kernel over its units: here, or shared among the workers."""
        b = self.builder()
        if units * work < PARALLEL or units < 2:
            b.call(function, [*pointers, index(0), index(units)])
            return
        wrapper = self._wrapper(function, len(pointers))
        with b.goto_entry_block():
            block = b.alloca(PTR, len(pointers))
        for k, pointer in enumerate(pointers):
            b.store(pointer, b.gep(block, [index(k)], source_etype=PTR))
        parallel = self.external("adjoint_parallel", [PTR, PTR, I64, I64])
        grain = max(1, -(-GRAIN // work))
        if work < 64:
            grain = -(-grain // 16) * 16
        b.call(parallel, [wrapper, block, index(units), index(grain)])

    def _wrapper(self, function: Any, count: int) -> Any:
        """The function with its pointers in a block, as workers call it."""
        if function in self.wrappers:
            return self.wrappers[function]
        kind = ir.FunctionType(ir.VoidType(), [PTR, I64, I64])
        wrapper = ir.Function(self.module, kind, f"{function.name}.chunk")
        wrapper.linkage = "internal"
        b = ir.IRBuilder(wrapper.append_basic_block("entry"))
        block, begin, end = wrapper.args
        pointers = [
            b.load(b.gep(block, [index(k)], source_etype=PTR), typ=PTR) for k in range(count)
        ]
        b.call(function, [*pointers, begin, end])
        b.ret_void()
        self.wrappers[function] = wrapper
        return wrapper

    # -- what the interpreter does -------------------------------------------------------------

    def _interpret(self, group: Group) -> None:
        self._finish()
        node = next(iter(group.members))
        reads = [
            self._reader(x) if isinstance(x, View) else (lambda arrays, x=x: x)
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
            Whether it came to the end; if not, an index is out of range, and nothing has changed.
        """
        block = self.block
        self.watch([])
        for k, array in enumerate(arrays):
            block[self.first_input + k] = id(array)
        for part in self.run:
            if part.__class__ is NATIVE:
                if part(block):
                    return False
            else:
                part(arrays)
        return True
