"""Measuring: the kernels of a program, each timed by itself, for reports."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Iterable, Sequence
from time import perf_counter
from typing import Any, Final

import numpy as np

from adjoint.compiler.machine import machine
from adjoint.compiler.phases import PHASES
from adjoint.compiler.report import Kernel, Report
from adjoint.compiler.staged import Staged
from adjoint.core.capture import UPDATE
from adjoint.core.graph import Node, Pick
from adjoint.core.program import Graph
from adjoint.core.site import Site
from adjoint.core.types import Type, is_inexact

Arrays = list[Any]
LONG: Final = 0.4
"""Seconds that all runs of the measurement take, but for one run."""


def filled(t: Type, number: int) -> Any:
    """An array of a type for measurements: small floats, and integers that are good indices."""
    if not is_inexact(t.dtype):
        return np.zeros(t.shape, t.dtype)
    values = np.random.default_rng(number).normal(0, 0.5, t.shape)
    return np.asarray(values).astype(t.dtype)


def best_times(steps: Sequence[Callable[[], Any]], restore: Callable[[], None]) -> list[float]:
    """Seconds that the fastest run of each step takes; the steps run in turn.

    Args:
        steps: what is measured.
        restore: puts back what a round has changed.
    """
    best = [float("inf")] * len(steps)
    end = perf_counter() + LONG
    rounds = 0
    while not rounds or (perf_counter() < end and rounds < 200):
        restore()
        for k, step in enumerate(steps):
            begin = perf_counter()
            step()
            best[k] = min(best[k], perf_counter() - begin)
        rounds += 1
    return best


@functools.cache
def call_seconds() -> float:
    """What a call of machine code takes that does nothing."""
    nothing: Any = ctypes.pythonapi.PyThread_get_thread_ident
    call = ctypes.cast(nothing, ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p))
    block = (ctypes.c_int64 * 1)()
    best = float("inf")
    for _ in range(1000):
        begin = perf_counter()
        call(block)
        best = min(best, perf_counter() - begin)
    return best


def flops_of(nodes: Iterable[Node]) -> int:
    """Floating-point operations, as the cards count them."""
    total = 0
    for node in nodes:
        if node.op is not None and node.op.__class__ is not Pick:
            total += node.op.cost(*[x.type if x.__class__ is Node else x for x in node.inputs])
    return int(total)


def bytes_of(node: Node) -> int:
    """Bytes of a value, or of all values of an operation with several."""
    if node.dtype is None:
        return sum(t.nbytes for t in node.shape)
    return node.type.nbytes


def lines_of(nodes: Iterable[Node], source: dict[str, str]) -> tuple[str, ...]:
    """The user's lines of nodes, most frequent first; their text is noted in `source`."""
    found: dict[str, int] = {}
    places: dict[tuple[Any, int], str] = {}
    for node in nodes:
        if node.code is None:
            continue
        key = (node.code, node.offset)
        if key not in places:
            site = Site(*key)
            places[key] = str(site)
            source.setdefault(str(site), site.text)
        line = places[key]
        found[line] = found.get(line, 0) + 1
    return tuple(sorted(found, key=lambda line: -found[line]))


def phase_of(nodes: Iterable[Node]) -> int:
    """The part of a training step that the first of these nodes with a mark belongs to."""
    marks = [node.phase for node in nodes if hasattr(node, "phase")]
    return max(set(marks), key=marks.count) if marks else 0


def names_of(nodes: Iterable[Node]) -> tuple[str, ...]:
    """Names of the operations."""
    return tuple(n.op.name for n in nodes if n.op is not None and n.op.__class__ is not Pick)


def nodewise(graph: Graph, arrays: Arrays) -> list[tuple[Node, Callable[[], Any]]]:
    """Each operation of a graph with a call that computes it from these inputs, in NumPy."""
    env: dict[Node, Any] = dict(zip(graph.inputs, arrays, strict=True))
    env |= {node: tensor.value for node, tensor in graph.constants.items()}
    found: list[tuple[Node, Callable[[], Any]]] = []
    for node in graph.nodes:
        if node.op.__class__ is Pick:
            env[node] = env[node.inputs[0]][node.op.index]
            continue
        xs = [env[x] if x.__class__ is Node else x for x in node.inputs]
        with np.errstate(all="ignore"):
            env[node] = node.op.value(*xs)
        found.append((node, lambda op=node.op, xs=xs: op.value(*xs)))
    return found


def interpreted_kernels(
    graph: Graph, arrays: Arrays, why: str, source: dict[str, str]
) -> list[Kernel]:
    """A kernel for each operation, as the interpreter runs them."""
    found = nodewise(graph, arrays[: len(graph.inputs)])
    with np.errstate(all="ignore"):
        times = best_times([step for _, step in found], lambda: None)
    return [
        Kernel(
            kind=node.op.kind or "call",
            operations=(node.op.name,),
            lines=lines_of([node], source),
            phase=PHASES[phase_of([node])],
            seconds=t,
            flops=flops_of([node]),
            bytes_read=sum(bytes_of(x) for x in node.inputs if x.__class__ is Node),
            bytes_written=bytes_of(node),
            interpreted=why,
        )
        for (node, _), t in zip(found, times, strict=True)
    ]


def native_kernels(
    program: Any, arrays: Arrays, changed: Sequence[int], source: dict[str, str]
) -> list[Kernel]:
    """A kernel for each group of a program whose groups are calls of their own.

    Args:
        program: made with ``separate=True``.
        arrays: its inputs and outputs.
        changed: which inputs the program writes to.
        source: gets the text of the users' lines.
    """
    from adjoint.backends.llvm.reasons import why_interpreted  # noqa: PLC0415  # it loads llvmlite

    before = {k: np.array(arrays[k]) for k in changed}

    def restore() -> None:
        for k, array in before.items():
            np.copyto(arrays[k], array)

    program(arrays)
    native = [hasattr(part, "restype") for part in program.run]
    steps = [
        functools.partial(part, program.block if on else arrays)
        for part, on in zip(program.run, native, strict=True)
    ]
    with np.errstate(all="ignore"):
        times = best_times(steps, restore)
    empty = call_seconds()
    times = [max(t - empty, 1e-9) if on else t for t, on in zip(times, native, strict=True)]
    spent: dict[Any, float] = {}
    for group, t in zip(program.owners, times, strict=False):
        spent[group] = spent.get(group, 0.0) + t
    out: list[Kernel] = []
    for group in program.grouping.groups:
        reads, writes = program.traffic(group)
        out.append(
            Kernel(
                kind=group.kind,
                operations=names_of(group.members),
                lines=lines_of(group.members, source),
                phase=PHASES[phase_of(group.members)],
                seconds=spent.get(group, 0.0),
                flops=flops_of(group.members),
                bytes_read=reads,
                bytes_written=writes,
                interpreted=why_interpreted(group),
            )
        )
    moved = times[len(program.owners) :]
    if moved:
        total = sum(size for _, _, size in program.moves)
        out.append(Kernel("copy", ("copy",), (), PHASES[UPDATE], sum(moved), 0, total, total))
    return out


def measured(
    staged: Staged,
    graph: Graph,
    donated: dict[int, int],
    program: Any,
    arguments: Sequence[Any],
    *,
    name: str,
    backend: str,
    compiled: dict[str, float],
) -> Report:
    """The report on a program: it runs on copies, and changes nothing.

    Args:
        staged: the call.
        graph: what the program computes.
        donated: for an input, the output that takes its place in memory.
        program: what runs it in calls.
        arguments: arrays for the arguments.
        name: of the function.
        backend: that the function was compiled for.
        compiled: seconds of the stages of compiling.
    """
    gradients = [slot.grad.value for slot, had in staged.gradients if had]
    inputs = [*arguments, *(h.value for h in staged.read), *gradients]
    arrays = [np.array(x, order="C") for x in inputs]
    outs = [np.empty(t.shape, t.dtype) for t in graph.out_types]
    source: dict[str, str] = {}
    changed: list[int] = []
    for i, o in donated.items():
        outs[o] = arrays[i]
        changed.append(i)
    native = hasattr(program, "arena_size")
    if native:
        separate = type(program)(graph, donated, separate=True, watched=program.watched)
        separate.arm(False)
        kernels = native_kernels(separate, [*arrays, *outs], changed, source)
        live, arena = separate.alive(), program.arena_size
        cached = program.library.cached
        compiled = {**compiled, **program.seconds}
    else:
        kernels = interpreted_kernels(graph, arrays, f"backend={backend!r}", source)
        live, arena, cached = [], 0, False
    return Report(
        name=name,
        backend="llvm" if native else "numpy",
        kernels=tuple(kernels),
        machine=machine("llvm" if native else "numpy"),
        source=source,
        arena=arena,
        live=tuple(live),
        inputs=sum(x.nbytes for x in arrays),
        outputs=sum(t.nbytes for t in graph.out_types),
        in_place=sum(arrays[i].nbytes for i in changed),
        compile_seconds=compiled,
        cached=cached,
    )
