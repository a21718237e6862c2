"""Lowering: the groups of an arrangement as kernels and their launches, in one module.

Where launches are written, and the addresses of slots, is left to those who derive from it: a
program, whose values lie in the arena and in arrays, and the bodies of loops and branches.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from llvmlite import ir

from adjoint.backends.llvm.arrangement import Place
from adjoint.backends.llvm.extent import Extent, extent_of
from adjoint.backends.llvm.groups import GATHERS, Group, Grouping
from adjoint.backends.llvm.kinds import KINDS
from adjoint.backends.llvm.layout import View
from adjoint.backends.llvm.loops import LoopKernel
from adjoint.backends.llvm.nest import I1, I64, PTR, index, ll
from adjoint.core.graph import Node

PARALLEL = 1 << 15
"""Operations from which on a loop is shared among the workers."""
GRAIN = 1 << 13
"""Operations that a worker takes at least."""


@dataclass(slots=True)
class Shared:
    """What all who write into a module share.

    Attributes:
        module: where functions go.
        declared: functions that are defined elsewhere.
        loops: kernels by their signature.
        kernels: functions of other kinds, by what they depend on.
        wrappers: kernels as workers call them.
        numbers: of kernels, for their names.
    """

    module: Any = field(default_factory=lambda: ir.Module("step"))
    declared: dict[str, Any] = field(default_factory=dict[str, Any])
    loops: dict[Any, LoopKernel] = field(default_factory=dict[Any, LoopKernel])
    kernels: dict[Any, Any] = field(default_factory=dict[Any, Any])
    wrappers: dict[Any, Any] = field(default_factory=dict[Any, Any])
    numbers: Any = field(default_factory=lambda: itertools.count(1))


class Lowering:
    """What writes kernels and launches them.

    Attributes:
        grouping: the groups.
        places: where values lie.
        scratches: where groups have memory of their own while they run.
        shared: the module, and what is in it.
        parallel: whether launches may go to the workers.
    """

    grouping: Grouping
    places: dict[Node, Place]
    scratches: dict[Group, Place]
    shared: Shared
    parallel: bool = True

    def builder(self) -> Any:
        """Where code is written now."""
        raise NotImplementedError

    def pointer(self, place: Place) -> Any:
        """The address of a place."""
        raise NotImplementedError

    def local(self, kind: Any, count: int) -> Any:
        """Memory on the stack."""
        b = self.builder()
        with b.goto_entry_block():
            return b.alloca(kind, count)

    @property
    def module(self) -> Any:
        """Where functions go."""
        return self.shared.module

    def name(self) -> str:
        """A name for the next kernel."""
        return f"kernel{next(self.shared.numbers)}"

    def external(self, name: str, types: Sequence[Any]) -> Any:
        """A function that is defined elsewhere."""
        declared = self.shared.declared
        if name not in declared:
            kind = ir.FunctionType(ir.VoidType(), list(types))
            declared[name] = ir.Function(self.module, kind, name)
        return declared[name]

    def scratch(self, group: Group) -> Any:
        """The address of the memory that a group's plan asked for."""
        return self.pointer(self.scratches[group])

    def address(self, view: View) -> Any:
        """The address of the first element of a view."""
        b = self.builder()
        pointer = self.pointer(self.places[view.base])
        if view.offset:
            dtype: Any = view.base.dtype
            pointer = b.gep(pointer, [index(view.offset)], source_etype=ll(dtype))
        return pointer

    def copy(self, target: Any, source: Any, size: int) -> None:
        """Copy so many bytes."""
        function = self.external("llvm.memcpy.p0.p0.i64", [PTR, PTR, I64, I1])
        self.builder().call(function, [target, source, index(size), I1(0)])

    def lower(self, group: Group) -> None:
        """Write the kernel of a group, and its launch."""
        if group.kind == "loop":
            self._loop(group)
        else:
            KINDS[type(next(iter(group.members)).op)].emit(self, group)

    def _loop(self, group: Group) -> None:
        bases: dict[Node, None] = {}
        for member in group.members:
            for view in self.grouping.reads(member):
                if view.base not in group.members and self.grouping.literal(view) is None:
                    bases[view.base] = None
        bases |= group.stored
        places: dict[Place, int] = {}
        for base in bases:
            places.setdefault(self.places[base], len(places))
        parameters = {base: places[self.places[base]] for base in bases}
        extent = extent_of(group, self.grouping)
        key = signature(extent, parameters)
        loops = self.shared.loops
        kernel = loops.get(key)
        if kernel is None:
            kernel = LoopKernel(self.module, self.name(), extent, parameters)
            loops[key] = kernel
        pointers = [self.pointer(place) for place in places]
        if kernel.finish is not None:
            pointers.append(self.scratch(group))
        self.launch(kernel.function, pointers, extent.units, extent.work)
        if kernel.finish is not None:
            rows = extent.units // extent.parts
            self.builder().call(kernel.finish, [*pointers, index(0), index(rows)])

    def launch(self, function: Any, pointers: Sequence[Any], units: int, work: int) -> None:
        """Run a kernel over its units: here, or shared among the workers."""
        b = self.builder()
        if not self.parallel or units * work < PARALLEL or units < 2:
            b.call(function, [*pointers, index(0), index(units)])
            return
        wrapper = self._wrapper(function, len(pointers))
        block = self.local(PTR, len(pointers))
        for k, pointer in enumerate(pointers):
            b.store(pointer, b.gep(block, [index(k)], source_etype=PTR))
        parallel = self.external("adjoint_parallel", [PTR, PTR, I64, I64])
        grain = max(1, -(-GRAIN // work))
        if work < 64:
            grain = -(-grain // 16) * 16
        b.call(parallel, [wrapper, block, index(units), index(grain)])

    def _wrapper(self, function: Any, count: int) -> Any:
        """The function with its pointers in a block, as workers call it."""
        wrappers = self.shared.wrappers
        if function in wrappers:
            return wrappers[function]
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
        wrappers[function] = wrapper
        return wrapper


def signature(extent: Extent, parameters: dict[Node, int]) -> Any:
    """What a kernel depends on: groups with the same signature share one function.

    Along a single axis of which nothing is reduced it does not depend on the size.
    """
    group, grouping = extent.group, extent.grouping
    number = {node: k for k, node in enumerate(group.members)}
    members: list[Any] = []
    for node in group.members:
        walks = iter(extent.walks(node))
        operands: list[Any] = []
        for x in grouping.operands(node):
            if not isinstance(x, View):
                operands.append((type(x), repr(x)))
                continue
            walk = extent.collapsed(next(walks))
            if x.base in number:
                operands.append((number[x.base], walk))
            elif (known := grouping.literal(x)) is not None:
                operands.append(("literal", x.base.dtype, repr(known)))
            else:
                operands.append((parameters[x.base], x.base.dtype, walk, x.offset, x.shape))
                if extent.flat and not isinstance(node.op, GATHERS):
                    operands[-1] = operands[-1][:-1]
        shape = () if extent.flat else node.shape
        members.append((node.op, shape, node.dtype, tuple(operands)))
    stored = tuple((number[node], parameters[node]) for node in group.stored)
    sizes = None if extent.flat else (group.domain, group.reduced, extent.sizes)
    return sizes, tuple(members), stored
