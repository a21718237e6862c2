"""Branches and loops without an end in sight, in machine code: `Cond` and `While`.

Each is one function. The branches of a choice share their memory, for only one of them runs; the
carries of a loop go from one of two places to the other, as in `control`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adjoint.backends.llvm.control import rounded
from adjoint.backends.llvm.layout import View
from adjoint.backends.llvm.nest import I8, I64, Nest, index, ll
from adjoint.core.graph import Node, leaf
from adjoint.core.program import Graph

if TYPE_CHECKING:
    from adjoint.backends.llvm.arrangement import Arrangement
    from adjoint.backends.llvm.groups import Group
    from adjoint.backends.llvm.lowering import Lowering

Checks = list[tuple[View, int]]


@dataclass(frozen=True)
class Choice:
    """How a `Cond` is computed; `spare` bytes are for results that nobody wants."""

    operands: tuple[View, ...]
    branches: tuple[Arrangement, ...]
    spare: int
    scratch: int
    checked: Checks


@dataclass(frozen=True)
class Endless:
    """How a `While` is computed.

    Attributes:
        operands: where they lie.
        consts: how many of them are the same in all steps.
        start: what copies the first carries to their place.
        going: the condition.
        step: one step.
        offsets: bytes to both places of each carry, to the condition, and to the memory of bodies.
        scratch: bytes of all.
    """

    operands: tuple[View, ...]
    consts: int
    start: Arrangement
    going: Arrangement
    step: Arrangement
    offsets: tuple[int, ...]
    scratch: int
    checked: Checks


def body_of(graph: Graph, xs: Sequence[View], given: int) -> Arrangement | None:
    """The arrangement of a body whose first inputs lie as the operands do; None if there is none.

    What is checked before a program runs would be checked even where it is not reached, so a body
    that reads through indices is not for machine code.
    """
    # late: a body is planned in the same way as the graph around it
    from adjoint.backends.llvm.control_body import arranged, checks  # noqa: PLC0415
    from adjoint.backends.llvm.control_rows import copied  # noqa: PLC0415

    if graph.constants:
        return None
    graph = copied(graph)
    lie = zip(graph.inputs[:given], xs, strict=False)
    found = arranged(graph, {n: View(n, n.shape, x.strides) for n, x in lie})
    return None if found is None or checks(found) != [] else found


def plan_cond(node: Node, xs: Sequence[Any]) -> Choice | None:
    """How a choice is computed; None if a branch holds something that the back end cannot do."""
    if not all(isinstance(x, View) for x in xs):
        return None
    found = [body_of(graph, xs[1:], len(xs)) for graph in node.op.branches]
    branches = [branch for branch in found if branch is not None]
    if len(branches) < len(found) or not branches:
        return None
    outputs = branches[0].grouping.outputs
    spare = sum(rounded(branches[0].bytes_of(base)) for base in outputs)
    memory = max(branch.arena_size for branch in branches)
    return Choice(tuple(xs), tuple(branches), spare, spare + memory, [])


def plan_while(node: Node, xs: Sequence[Any]) -> Endless | None:
    """How a loop is computed; None if a step holds something that the back end cannot do."""
    from adjoint.backends.llvm.control_body import in_order  # noqa: PLC0415  # late: see body_of

    op = node.op
    if not all(isinstance(x, View) for x in xs) or op.cond.outputs[0].shape:
        return None
    n = op.n_consts
    going, step = (body_of(graph, xs, n) for graph in (op.cond, op.body))
    starts = tuple([leaf(x.type) for x in op.body.inputs[n:]])
    lie = {x: View(x, x.shape, v.strides) for x, v in zip(starts, xs[n:], strict=True)}
    start = in_order(Graph(starts, (), (), {}), lie)
    if start is None or going is None or step is None:
        return None
    offsets = [0]
    for base in step.grouping.outputs:
        offsets.append(offsets[-1] + 2 * rounded(step.bytes_of(base)))
    offsets.append(offsets[-1] + rounded(1))
    memory = max(body.arena_size for body in (start, going, step))
    scratch = offsets[-1] + memory
    return Endless(tuple(xs), n, start, going, step, tuple(offsets), scratch, [])


# -- code ------------------------------------------------------------------------------------------


class Calls:
    """A function that is called by a lowering: ``void(scratch, operands..., outputs...)``.

    Args:
        around: the lowering.
        group: what is computed; its plan has `operands`.
    """

    def __init__(self, around: Lowering, group: Group) -> None:
        from adjoint.backends.llvm.control_body import function_of  # noqa: PLC0415  # late

        self.around = around
        views: Sequence[View] = group.plan.operands
        stored: Any = group.stored
        wanted = {m.op.index: m for m in stored}
        inputs = [around.address(x) for x in views]
        outputs = [around.pointer(around.places[m]) for m in wanted.values()]
        self.function = function_of(around, 1 + len(inputs) + len(outputs), [])
        scratch = around.scratch(group) if group.plan.scratch else inputs[0]
        around.builder().call(self.function, [scratch, *inputs, *outputs])
        self.scratch, *pointers = self.function.args
        self.inputs = pointers[: len(views)]
        self.outputs = dict(zip(wanted, pointers[len(views) :], strict=True))
        self.nest = Nest(self.function)

    @property
    def b(self) -> Any:
        """Where code is written now."""
        return self.nest.inner

    def at(self, offset: Any) -> Any:
        """An address in the memory of the function."""
        by = index(offset) if isinstance(offset, int) else offset
        return self.b.gep(self.scratch, [by], source_etype=I8)

    def write(
        self, body: Arrangement, memory: int, inputs: Sequence[Any], outputs: Sequence[Any]
    ) -> Lowering:
        """Write a body."""
        from adjoint.backends.llvm.control_body import Body  # noqa: PLC0415  # late: see body_of

        writer = Body(self.around, body, self.nest, self.at(memory), inputs, outputs, True)
        for group in body.grouping.groups:
            writer.lower(group)
        return writer


def emit_cond(program: Any, group: Group) -> None:
    """Write the branches, and the call."""
    it: Choice = group.plan
    calls = Calls(program, group)
    b = calls.b
    which = chosen(b, calls.inputs[0], it.operands[0].base.dtype, len(it.branches))
    blocks = [calls.function.append_basic_block("branch") for _ in it.branches]
    done = calls.function.append_basic_block("done")
    switch = b.switch(which, blocks[-1])
    for k, (block, branch) in enumerate(zip(blocks, it.branches, strict=True)):
        if k < len(blocks) - 1:
            switch.add_case(index(k), block)
        b.position_at_end(block)
        outputs: list[Any] = []
        spare = 0
        for j, base in enumerate(branch.grouping.outputs):
            outputs.append(calls.outputs[j] if j in calls.outputs else calls.at(spare))
            spare += rounded(branch.bytes_of(base))
        calls.write(branch, it.spare, calls.inputs[1:], outputs)
        b.branch(done)
    b.position_at_end(done)
    b.ret_void()


def chosen(b: Any, pointer: Any, dtype: Any, count: int) -> Any:
    """The number of the branch; an index out of range takes the nearest."""
    i = b.load(pointer, typ=ll(dtype))
    if dtype.itemsize < 8:
        i = b.sext(i, I64) if dtype.kind == "i" else b.zext(i, I64)
    compare = b.icmp_signed if dtype.kind == "i" else b.icmp_unsigned
    last, first = index(count - 1), index(0)
    i = b.select(compare(">", i, last), last, i)
    return b.select(b.icmp_signed("<", i, first), first, i)


def emit_while(program: Any, group: Group) -> None:
    """Write the loop, and the call."""
    it: Endless = group.plan
    calls = Calls(program, group)
    b, consts = calls.b, calls.inputs[: it.consts]
    *places, flag, memory = it.offsets
    bases = it.step.grouping.outputs
    sizes = [it.step.bytes_of(base) for base in bases]
    odd = calls.nest.local(I64, 1)
    b.store(index(0), odd)
    calls.write(it.start, memory, calls.inputs[it.consts :], [calls.at(p) for p in places])
    head, body, done = (calls.function.append_basic_block(x) for x in ("head", "body", "done"))
    b.branch(head)
    b.position_at_end(head)
    parity = b.load(odd, typ=I64)
    now, after = (
        [
            calls.at(b.add(index(p), b.mul(k, index(rounded(n)))))
            for p, n in zip(places, sizes, strict=True)
        ]
        for k in (parity, b.xor(parity, index(1)))
    )
    calls.write(it.going, memory, [*consts, *now], [calls.at(flag)])
    on = b.load(calls.at(flag), typ=I8)
    b.cbranch(b.icmp_unsigned("!=", on, I8(0)), body, done)
    b.position_at_end(body)
    writer = calls.write(it.step, memory, [*consts, *now], after)
    b.store(b.xor(parity, index(1)), odd)
    b.branch(head)
    b.position_at_end(done)
    for j, (place, size) in enumerate(zip(now, sizes, strict=True)):
        if j in calls.outputs:
            writer.copy(calls.outputs[j], place, size)
    b.ret_void()
