"""Bodies: the graphs inside of loops and branches, as code within one function.

The values of a body lie where the function says: its inputs and outputs at addresses that may
differ from step to step, everything else in memory that is the same in all steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from adjoint.backends.llvm.arrangement import FIRST, Arrangement, Place
from adjoint.backends.llvm.indices import indices
from adjoint.backends.llvm.layout import View
from adjoint.backends.llvm.lowering import Lowering
from adjoint.backends.llvm.nest import I8, PTR, Nest, index, ll
from adjoint.core.graph import Node
from adjoint.core.program import Graph

Checks = list[tuple[int, int]]
"""Inputs of a body that are indices, each with the size of the axis that it counts on."""


def arranged(graph: Graph, views: Mapping[Node, View]) -> Arrangement | None:
    """The groups and places of a body; None if the back end cannot compute all of it.

    Args:
        graph: of the body; its outputs are values of their own.
        views: how inputs lie that are not in order.
    """
    types = [node.dtype for node in (*graph.inputs, *graph.outputs)]
    if any(t is None or ll(t) is None for t in types):
        return None
    found = Arrangement(graph, views=views)
    if any(g.kind != "loop" and g.plan is None for g in found.grouping.groups):
        return None
    return found


def checks(body: Arrangement) -> Checks | None:
    """The indices of a body, which are checked before anything runs; None if they cannot be."""
    at = {x: i for i, x in enumerate(body.graph.inputs)}
    out: Checks = []
    for group in body.grouping.groups:
        for view, size in indices(group, body.grouping):
            if view.base not in at or view.size != view.base.size or view.offset:
                return None
            out.append((at[view.base], size))
    return out


def in_order(graph: Graph, views: Mapping[Node, View]) -> Arrangement | None:
    """A body that copies inputs to outputs, where they lie one element after the other."""
    return arranged(Graph(graph.inputs, (), graph.inputs, {}), views)


class Body(Lowering):
    """Writes an arrangement into a function of another lowering.

    Args:
        around: the lowering.
        body: what to write.
        nest: the function, with its open loops.
        scratch: the address of the memory for what is computed on the way.
        inputs: addresses of the inputs.
        outputs: addresses of the outputs.
        parallel: whether kernels may go to the workers.
    """

    def __init__(
        self,
        around: Lowering,
        body: Arrangement,
        nest: Nest,
        scratch: Any,
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        parallel: bool,
    ) -> None:
        self.body = body
        self.grouping, self.places = body.grouping, body.places
        self.scratches, self.shared = body.scratches, around.shared
        self.parallel = parallel and around.parallel
        self.nest = nest
        constants = [self._constant(node) for node in body.used_constants]
        slots = dict(enumerate([*constants, *inputs, *outputs], FIRST))
        self.slots: dict[int, Any] = {0: scratch, **slots}

    def builder(self) -> Any:
        """Where code is written now."""
        return self.nest.inner

    def pointer(self, place: Place) -> Any:
        """The address of a place."""
        pointer = self.slots[place.slot]
        if not place.offset:
            return pointer
        return self.builder().gep(pointer, [index(place.offset)], source_etype=I8)

    def local(self, kind: Any, count: int) -> Any:
        """Memory on the stack."""
        return self.nest.local(kind, count)

    def _constant(self, node: Node) -> Any:
        """The address of numbers that are part of the module."""
        array = np.ascontiguousarray(self.grouping.constants[node])
        data = bytearray(array.tobytes())
        kind = ir.ArrayType(ir.IntType(8), len(data))
        held: Any = ir.GlobalVariable(self.module, kind, self.name())
        held.linkage, held.global_constant, held.align = "internal", True, 64
        held.initializer = ir.Constant(kind, data)
        return held


def function_of(lowering: Lowering, count: int, types: Sequence[Any]) -> Any:
    """A new function of so many pointers, and then of these types."""
    kind = ir.FunctionType(ir.VoidType(), [PTR] * count + list(types))
    function: Any = ir.Function(lowering.module, kind, lowering.name())
    function.linkage = "internal"
    return function
