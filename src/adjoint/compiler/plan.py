"""Plans: memory, operations and bytes of a function, without running it or allocating anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from adjoint.compiler.budget import within_budget
from adjoint.compiler.compiled import Compiled
from adjoint.compiler.imagined import Imagined, imagine
from adjoint.compiler.kept import Kept, kept_values
from adjoint.compiler.nonfinite import watched
from adjoint.compiler.phases import phases
from adjoint.compiler.table import clipped, count, plot, share, size, table
from adjoint.core.bind import lift
from adjoint.core.capture import RECOMPUTED
from adjoint.core.graph import Handle, Node, Pick
from adjoint.core.tree import flatten
from adjoint.core.types import Type, as_dtype
from adjoint.passes.pipeline import optimise

__all__ = ["Part", "Plan", "plan"]

SHOWN = 20


PARTS = ("forward", "backward", "update")


@dataclass(frozen=True)
class Part:
    """What one part of a step does.

    Attributes:
        flops: floating-point operations, a multiply-add being two.
        bytes_read: bytes of the values that its kernels read.
        bytes_written: bytes of the values that they store.
        kernels: how many there are.
    """

    flops: int
    bytes_read: int
    bytes_written: int
    kernels: int


@dataclass(frozen=True)
class Plan:
    """What a function will need: memory, operations, bytes moved.

    Attributes:
        name: of the function.
        parameters: number of elements of the inputs that want a gradient.
        parameter_bytes: their bytes.
        state_bytes: bytes of other inputs that are changed in place, such as optimizer state.
        argument_bytes: bytes of the arguments.
        input_bytes: bytes of all inputs: arguments and tensors from outside.
        gradient_bytes: bytes of the gradients that are set.
        result_bytes: bytes of the results, and of assigned tensors that do not replace an input.
        arena_bytes: bytes for values that live within a call.
        kept: what is kept from the forward for the backward pass, by layer and line.
        forward: the forward pass.
        backward: the backward pass.
        update: what comes after the last backward pass.
        recomputed_flops: operations of the backward pass that repeat the forward pass, to keep a
            memory budget.
        live: bytes that are alive in the arena, by kernel.
        interpreted: what the interpreter will compute, and why, with its number of operations.
    """

    name: str
    parameters: int
    parameter_bytes: int
    state_bytes: int
    argument_bytes: int
    input_bytes: int
    gradient_bytes: int
    result_bytes: int
    arena_bytes: int
    kept: tuple[Kept, ...]
    forward: Part
    backward: Part
    update: Part
    recomputed_flops: int
    live: tuple[int, ...]
    interpreted: dict[str, int]

    @property
    def peak_bytes(self) -> int:
        """All memory of a call: inputs, outputs that need new memory, and the arena."""
        return self.input_bytes + self.gradient_bytes + self.result_bytes + self.arena_bytes

    @property
    def kept_bytes(self) -> int:
        """Bytes that are kept from the forward pass for the backward pass."""
        return sum(k.bytes for k in self.kept)

    @property
    def flops(self) -> int:
        """Floating-point operations of the whole function."""
        return self.forward.flops + self.backward.flops + self.update.flops

    def to_dict(self) -> dict[str, Any]:
        """All of it as dicts, lists, numbers and text, for JSON."""
        parts = {name: vars(getattr(self, name)) for name in PARTS}
        rest = {k: v for k, v in vars(self).items() if k not in (*PARTS, "kept", "live")}
        return {
            **rest,
            "peak_bytes": self.peak_bytes,
            "kept_bytes": self.kept_bytes,
            "kept": [vars(k) for k in self.kept],
            "live": list(self.live),
            **parts,
        }

    def __str__(self) -> str:
        parts = [self._head(), self._parts(), self._memory(), self._kept(), self._interpreted()]
        return "\n\n".join(part for part in parts if part)

    __repr__ = __str__

    # -- the parts of the text -----------------------------------------------------------------

    def _head(self) -> str:
        said = f", {count(self.parameters)} parameters" if self.parameters else ""
        return f"plan of {self.name}: {size(self.peak_bytes)} at the peak{said}"

    def _parts(self) -> str:
        rows: list[tuple[str, ...]] = []
        for name in PARTS:
            part: Part = getattr(self, name)
            if part.kernels:
                moved = part.bytes_read + part.bytes_written
                rows.append(
                    (
                        name,
                        count(part.flops, "FLOP"),
                        share(part.flops, self.flops),
                        size(part.bytes_read),
                        size(part.bytes_written),
                        count(part.flops / moved) if moved else "",
                        str(part.kernels),
                    )
                )
        head = ("part", "operations", "", "reads", "writes", "FLOP/B", "kernels")
        return table(head, rows, left=(0,))

    def _memory(self) -> str:
        other = self.input_bytes - self.parameter_bytes - self.state_bytes - self.argument_bytes
        rows = [
            ("parameters", self.parameter_bytes),
            ("state that changes", self.state_bytes),
            ("arguments", self.argument_bytes),
            ("other inputs", other),
            ("gradients", self.gradient_bytes),
            ("results", self.result_bytes),
            ("arena", self.arena_bytes),
        ]
        shown = [(name, size(n), share(n, self.peak_bytes)) for name, n in rows if n]
        text = table(("memory", "", ""), [*shown, ("peak", size(self.peak_bytes), "")], left=(0,))
        bars = [f"  ┤{bar.rstrip()}" for bar in plot(self.live)]
        if bars:
            last = len(self.live) - 1
            bars = [
                f"\narena over the call, up to {size(max(self.live))}:",
                *bars,
                f"  └ kernel 0 to {last}",
            ]
        return "\n".join([text, *bars])

    def _kept(self) -> str:
        if not self.kept:
            return ""
        layers: dict[tuple[str, str], list[Kept]] = {}
        for k in self.kept:
            layers.setdefault((k.layer, k.line), []).append(k)
        order = sorted(layers, key=lambda key: -sum(k.bytes for k in layers[key]))
        rows: list[tuple[str, ...]] = []
        for key in order[:SHOWN]:
            total = sum(k.bytes for k in layers[key])
            what = ", ".join(f"{k.operation} {k.type}" for k in layers[key])
            rows.append(
                (size(total), share(total, self.kept_bytes), key[0], key[1], clipped(what, 60))
            )
        text = table(("kept", "", "layer", "line", "values"), rows, left=(2, 3, 4))
        text = f"kept from the forward for the backward pass: {size(self.kept_bytes)}\n\n{text}"
        rest = order[SHOWN:]
        if rest:
            total = sum(k.bytes for key in rest for k in layers[key])
            text += f"\n… and {len(rest)} more, {size(total)} together"
        return text

    def _interpreted(self) -> str:
        if not self.interpreted:
            return ""
        lines = [f"  {n} × {why}" for why, n in self.interpreted.items()]
        return "\n".join(["what the interpreter computes, in NumPy:", *lines])


def plan(f: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Plan:
    """What a function will need, found out without running it and without allocating anything.

    The function is staged as `ad.compile` stages it, goes through the same passes, and its memory
    is arranged as the compiled program's: the peak is exact. It may be a whole training step, and
    may make its model itself: while a plan is made, large tensors that `ad.zeros`, `ad.ones`,
    `ad.full`, `ad.random` and the layers of `ad.nn` make have no numbers, so models that fit no
    machine can be planned. What such a function makes before its forward pass counts as input.

    Args:
        f: the function, or a compiled one.
        args: its arguments: tensors, arrays, or anything with a shape and a dtype.
        kwargs: keyword arguments, likewise.

    Raises:
        TracerLeak: if the function asks for the number behind a tensor.

    Example:
        >>> w = ad.tensor(np.ones((1000, 100), np.float32), requires_grad=True)
        >>> def step(x):
        ...     loss = (ad.tanh(x @ w) ** 2).mean()
        ...     loss.backward()
        ...     return loss
        >>> found = ad.plan(step, ad.zeros((32, 1000)))
        >>> found.parameters, found.parameter_bytes, found.gradient_bytes
        (100000, 400000, 400000)
        >>> round(found.backward.flops / found.forward.flops, 1)
        1.0
    """
    inner: Any = f.f if isinstance(f, Compiled) else f
    leaves, structure = flatten((args, kwargs))
    given = [_typed(x) for x in leaves]
    types = [t for t in given if isinstance(t, Type)]
    tracked = [
        isinstance(x, Handle) and x.node.tracked
        for x, t in zip(leaves, given, strict=True)
        if isinstance(t, Type)
    ]
    staged = imagine(inner, _Filled(structure, given), types, tracked)
    memory = f.memory if isinstance(f, Compiled) else None
    return planned(staged, getattr(inner, "__name__", type(inner).__name__), memory)


def flops_of(node: Node) -> int:
    """Floating-point operations of a node."""
    if node.op is None or node.op.__class__ is Pick:
        return 0
    return int(node.op.cost(*[x.type if x.__class__ is Node else x for x in node.inputs]))


class _Filled:
    """A structure into which tensors are put where types stand."""

    def __init__(self, structure: Any, given: list[Any]) -> None:
        self.structure, self.given = structure, given

    def rebuild(self, tensors: Any) -> Any:
        """The tree of the arguments."""
        left = iter(tensors)
        return self.structure.rebuild(
            [next(left) if isinstance(x, Type) else x for x in self.given]
        )


def _typed(x: Any) -> Any:
    """The type of what a compiled function takes as a tensor; anything else as it is."""
    if isinstance(x, Type):
        return x
    if x.__class__ is float:
        x = lift(x)
    if hasattr(x, "dtype") and hasattr(x, "shape"):
        return Type(tuple(x.shape), as_dtype(x.dtype))
    return x


def planned(staged: Imagined, name: str, memory: Any = None) -> Plan:
    """The plan of a call that has been staged, within a memory budget if there is one."""
    from adjoint.backends.llvm.kernels import Arrangement  # noqa: PLC0415  # it loads llvmlite
    from adjoint.backends.llvm.reasons import why_interpreted  # noqa: PLC0415

    graph = optimise(staged.graph)
    seen = watched(graph.out_types, staged.results, staged.gradients, staged.swept)
    graph = within_budget(staged.graph, graph, staged.donated, seen, memory)
    where = Arrangement(graph, staged.donated, watched=seen)
    phase = phases(graph, where.grouping)
    parts = [[0, 0, 0, 0] for _ in range(3)]
    part_of = (0, 1, 2, 1)  # what is computed again belongs to the backward pass
    for node in graph.nodes:
        parts[part_of[phase.of_node(node)]][0] += flops_of(node)
    recomputed = sum(flops_of(n) for n in graph.nodes if phase.of_node(n) == RECOMPUTED)
    interpreted: dict[str, int] = {}
    for group in where.grouping.groups:
        part = parts[part_of[phase.of_group(group)]]
        reads, writes = where.traffic(group)
        part[1] += reads
        part[2] += writes
        part[3] += 1
        why = why_interpreted(group)
        if why:
            interpreted[why] = interpreted.get(why, 0) + 1
    inputs = graph.inputs
    parameters = [n for n in inputs if n.tracked]
    changed = {graph.inputs[i] for i in staged.donated}
    outs = graph.out_types
    new = set(range(len(outs))) - set(staged.donated.values())
    graded = set(range(len(outs) - staged.gradients, len(outs)))
    return Plan(
        name=name,
        parameters=sum(n.size for n in parameters),
        parameter_bytes=sum(n.type.nbytes for n in parameters),
        state_bytes=sum(n.type.nbytes for n in changed if not n.tracked),
        argument_bytes=sum(n.type.nbytes for n in inputs[: staged.arguments] if not n.tracked),
        input_bytes=sum(n.type.nbytes for n in inputs),
        gradient_bytes=sum(outs[k].nbytes for k in graded),
        result_bytes=sum(outs[k].nbytes for k in new - graded),
        arena_bytes=where.arena_size,
        kept=kept_values(graph, where, phase),
        forward=Part(*parts[0]),
        backward=Part(*parts[1]),
        update=Part(*parts[2]),
        recomputed_flops=recomputed,
        live=tuple(where.alive()),
        interpreted=interpreted,
    )
