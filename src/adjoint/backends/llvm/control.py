"""Loops in machine code: a `Scan` is one function that walks along its steps.

The step is lowered once, as any graph is. What the loop walks along and what it puts out are read
and written where they lie; carries go from one of two places to the other. Where the examples of a
batch do not meet (`control_rows`), each part of them takes all steps on one worker, with nobody to
wait for. Matrices that are the same in all steps are put in order before the loop
(`control_products`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from adjoint.backends.llvm.layout import View
from adjoint.backends.llvm.nest import I8, I64, Nest, index, ll
from adjoint.core.graph import Node, leaf
from adjoint.core.program import Graph

if TYPE_CHECKING:
    from adjoint.backends.llvm.arrangement import Arrangement
    from adjoint.backends.llvm.control_products import Packed
    from adjoint.backends.llvm.groups import Group
    from adjoint.backends.llvm.lowering import Lowering
    from adjoint.transforms.control_scan import Scan

ROWS = 16
"""Examples that a part should have, so that products run at full speed."""
LINE = 64


@dataclass(frozen=True)
class Loop:
    """How a scan is computed.

    Attributes:
        card: the scan.
        operands: where they lie.
        step: one step for one part of the examples.
        start: what copies the first carries to their place.
        packed: products with a matrix that is the same in all steps.
        parts: how many parts the examples are in.
        moves: for each operand, elements from one part to the next.
        checked: operands that are indices, and the size of the axis that they count on.
        offsets: bytes from the beginning of a part's memory to both places of each carry, and then
            to what outputs are written to that nobody asked for.
        shared: bytes that all parts share.
        each: bytes of a part.
    """

    card: Scan
    operands: tuple[View, ...]
    step: Arrangement
    start: Arrangement
    packed: dict[Group, Packed]
    parts: int
    moves: tuple[int, ...]
    checked: list[tuple[View, int]]
    offsets: tuple[int, ...] = field(default=())
    shared: int = 0
    each: int = 0

    @property
    def scratch(self) -> int:
        """Bytes that the loop needs while it runs."""
        return self.shared + self.parts * self.each


def plan(node: Node, xs: Sequence[Any]) -> Loop | None:
    """How a scan is computed; None if its step holds something that the back end cannot do."""
    # late: a step is planned in the same way as the graph around it
    from adjoint.backends.llvm.control_body import arranged, checks, in_order  # noqa: PLC0415
    from adjoint.backends.llvm.control_products import packable  # noqa: PLC0415

    card: Scan = node.op
    if card.body.constants or not all(isinstance(x, View) for x in xs):
        return None
    graph, parts, axes = divided(card)
    views = {x: lying(card, i, x, xs[i]) for i, x in enumerate(graph.inputs)}
    carries = range(card.n_consts, card.first_x)
    step = arranged(
        Graph(
            graph.inputs,
            graph.nodes,
            (*graph.outputs, *(graph.inputs[card.n_consts + i] for i in card.keep)),
            {},
        ),
        {x: v for i, (x, v) in enumerate(views.items()) if i not in carries},
    )
    starts = [leaf(graph.inputs[i].type) for i in carries]
    lie = {x: View(x, x.shape, xs[i].strides) for x, i in zip(starts, carries, strict=True)}
    start = in_order(Graph(tuple(starts), (), (), {}), lie)
    if step is None or start is None:
        return None
    found = checks(step)
    if found is None:
        return None
    moves = tuple(
        0 if a is None else x.shape[a] * views[x].strides[a]
        for x, a in zip(graph.inputs, axes, strict=True)
    )
    packed = packable(step, card.n_consts, card.length)
    shared = sum(rounded(p.size) for p in packed.values())
    offsets: list[int] = []
    at = 0
    for base in step.grouping.outputs:
        offsets.append(at)
        carried = len(offsets) <= card.n_carry
        at += rounded(step.bytes_of(base)) * (2 if carried else 1)
    offsets.append(at)
    each = rounded(at + max(step.arena_size, start.arena_size))
    checked = [(xs[i], size) for i, size in found]
    return Loop(
        card, tuple(xs), step, start, packed, parts, moves, checked, tuple(offsets), shared, each
    )


def rounded(size: int) -> int:
    """Bytes rounded up to whole lines of the cache."""
    return -(-size // LINE) * LINE


def lying(card: Scan, i: int, x: Node, operand: View) -> View:
    """How an operand of a scan lies within a step."""
    strides = operand.strides[1:] if i >= card.first_x else operand.strides
    return View(x, x.shape, strides)


def divided(card: Scan) -> tuple[Graph, int, Sequence[int | None]]:
    """The graph of a step for a part of the examples, how many parts there are, and axes."""
    from adjoint.backends.llvm.control_rows import copied, parted  # noqa: PLC0415  # late: see plan

    body = card.body
    carries = body.inputs[card.n_consts : card.first_x]
    sizes = {x.shape[0] if x.shape else 1 for x in carries}
    whole = copied(body)
    none = [None] * len(body.inputs)
    if len(sizes) != 1:
        return whole, 1, none
    (size,) = sizes
    rows = rows_of(size)
    if rows == size:
        return whole, 1, none
    along = [x for x in body.inputs[card.first_x :] if x.shape and x.shape[0] == size]
    part = parted(body, size, rows, dict.fromkeys((*carries, *along), 0))
    if part is None:
        return whole, 1, none
    return part.graph, size // rows, part.axes


def rows_of(size: int) -> int:
    """Examples of a part: what divides their number and is next to `ROWS`."""
    found = [n for n in range(ROWS, min(size, 2 * ROWS)) if size % n == 0]
    found += [n for n in range(min(ROWS, size), 3, -1) if size % n == 0]
    return found[0] if found else size


# -- code ------------------------------------------------------------------------------------------


def emit(program: Any, group: Group) -> None:
    """Write the loop, and its launch."""
    from adjoint.backends.llvm.control_products import pack  # noqa: PLC0415  # late: see plan

    it: Loop = group.plan
    b = program.builder()
    inputs = [program.address(x) for x in it.operands]
    wanted = {m.op.index: program.pointer(program.places[m]) for m in group.stored}
    scratch = program.scratch(group) if it.scratch else inputs[0]
    for packed in it.packed.values():
        source, offset = inputs[packed.source], packed.plan.y.view.offset
        if offset:
            source = b.gep(source, [index(offset)], source_etype=packed.element)
        target = b.gep(scratch, [index(packed.offset)], source_etype=I8)
        pack(program, packed, source, target)
    function = Writer(program, it, list(wanted)).function
    work = max(1, it.card.cost() // it.parts)
    program.launch(function, [scratch, *inputs, *wanted.values()], it.parts, work)


class Writer:
    """Writes the function of a loop: ``void(scratch, operands..., outputs..., begin, end)``.

    Args:
        around: the lowering that calls it.
        it: how it is computed.
        wanted: the outputs of the scan that it gets addresses for.
    """

    def __init__(self, around: Lowering, it: Loop, wanted: Sequence[int]) -> None:
        from adjoint.backends.llvm.control_body import function_of  # noqa: PLC0415  # late: see plan

        self.around, self.it = around, it
        n = len(it.operands)
        self.function = function_of(around, 1 + n + len(wanted), [I64, I64])
        scratch, *pointers, begin, end = self.function.args
        self.scratch = scratch
        self.outputs = dict(zip(wanted, pointers[n:], strict=True))
        self.nest = nest = Nest(self.function)
        self.part = nest.open(begin, end)
        b = nest.inner
        size = b.mul(self.part, index(it.each), flags=("nsw",))
        own = b.add(size, index(it.shared), flags=("nsw",))
        self.own = b.gep(scratch, [own], source_etype=I8)
        self.operands = [
            self._further(p, self._type(i), b.mul(self.part, index(move))) if move else p
            for i, (p, move) in enumerate(zip(pointers[:n], it.moves, strict=True))
        ]
        self._start()
        t = nest.open(index(0), index(it.card.length))
        self._step(t)
        nest.close()
        self._end()
        nest.close()
        nest.inner.ret_void()

    def _type(self, i: int) -> Any:
        dtype: Any = self.it.operands[i].base.dtype
        return ll(dtype)

    def _further(self, pointer: Any, t: Any, by: Any) -> Any:
        return self.nest.inner.gep(pointer, [by], source_etype=t)

    def _bytes(self, pointer: Any, by: int) -> Any:
        return self.nest.inner.gep(pointer, [index(by)], source_etype=I8) if by else pointer

    def _arena(self) -> Any:
        return self._bytes(self.own, self.it.offsets[-1])

    def _write(self, body: Arrangement, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        from adjoint.backends.llvm.control_body import Body  # noqa: PLC0415  # late: see plan
        from adjoint.backends.llvm.control_products import multiply  # noqa: PLC0415

        alone = self.it.parts == 1
        arena = self._arena()
        writer = Body(self.around, body, self.nest, arena, inputs, outputs, alone)
        self.writer = writer
        for group in body.grouping.groups:
            packed = self.it.packed.get(group)
            if packed is None:
                writer.lower(group)
            else:
                multiply(writer, packed, self._bytes(self.scratch, packed.offset))

    def _start(self) -> None:
        """Put the first carries in their place."""
        card = self.it.card
        firsts = self.operands[card.n_consts : card.first_x]
        places = [self._bytes(self.own, at) for at in self.it.offsets[: card.n_carry]]
        self._write(self.it.start, firsts, places)

    def _step(self, t: Any) -> None:
        card, it, b = self.it.card, self.it, self.nest.inner
        odd = b.and_(t, index(1))
        time = b.sub(index(card.length - 1), t) if card.reverse else t
        now: list[Any] = []
        after: list[Any] = []
        bases = it.step.grouping.outputs
        for base, at in zip(bases[: card.n_carry], it.offsets, strict=False):
            size = rounded(it.step.bytes_of(base))
            now.append(self._place(at, b.mul(odd, index(size))))
            after.append(self._place(at, b.mul(b.xor(odd, index(1)), index(size))))
        along = [
            self._further(x, self._type(i), b.mul(time, index(it.operands[i].strides[0])))
            for i, x in enumerate(self.operands)
            if i >= card.first_x
        ]
        for j, base in enumerate(bases):
            if j >= card.n_carry:
                after.append(self._put(j, base, time))
        self._write(it.step, [*self.operands[: card.n_consts], *now, *along], after)

    def _place(self, at: int, further: Any) -> Any:
        return self._further(self._bytes(self.own, at), I8, further)

    def _put(self, j: int, base: Node, time: Any) -> Any:
        """Where an output of a step goes."""
        pointer = self.outputs.get(j)
        if pointer is None:
            return self._bytes(self.own, self.it.offsets[j])
        b, size = self.nest.inner, self.it.step.bytes_of(base)
        part = b.add(b.mul(time, index(self.it.parts)), self.part, flags=("nsw",))
        return self._further(pointer, I8, b.mul(part, index(size), flags=("nsw",)))

    def _end(self) -> None:
        """Copy the last carries to where they were asked for."""
        card, it = self.it.card, self.it
        for j, base in enumerate(it.step.grouping.outputs[: card.n_carry]):
            if j not in self.outputs:
                continue
            size = it.step.bytes_of(base)
            source = self._bytes(self.own, it.offsets[j] + (card.length & 1) * rounded(size))
            by = self.nest.inner.mul(self.part, index(size), flags=("nsw",))
            target = self._further(self.outputs[j], I8, by)
            self.writer.copy(target, source, size)
