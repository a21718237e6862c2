"""Reports: what a compiled function does, kernel by kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from adjoint.compiler.machine import Machine
from adjoint.compiler.table import clipped, count, duration, plot, share, size, table

__all__ = ["Kernel", "Report"]

SHOWN: Final = 24
"""Kernels that the printed table has; the dict has all."""
LINES: Final = 12


@dataclass(frozen=True)
class Kernel:
    """One kernel: operations that are computed in one walk, or by one call.

    Attributes:
        kind: ``"loop"``, or the kind of operation that is computed by itself.
        operations: names of the operations, in order.
        lines: the user's lines that they come from, as ``file:line``.
        phase: ``"forward"``, ``"backward"``, ``"update"``, or ``"recomputed"`` for what the
            backward pass computes again.
        seconds: what it takes.
        flops: floating-point operations, as the cards count them.
        bytes_read: bytes of the values that it reads.
        bytes_written: bytes of the values that it stores.
        interpreted: why the interpreter computes it, or an empty string.
    """

    kind: str
    operations: tuple[str, ...]
    lines: tuple[str, ...]
    phase: str
    seconds: float
    flops: int
    bytes_read: int
    bytes_written: int
    interpreted: str = ""

    @property
    def bytes(self) -> int:
        """Bytes that are read or written."""
        return self.bytes_read + self.bytes_written

    def of_peak(self, machine: Machine) -> float:
        """The least time that the machine would take, as a part of the time that it took."""
        return machine.seconds(self.flops, self.bytes) / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class Report:
    """What a compiled function does: its kernels, its memory, and what making it took.

    Attributes:
        name: of the function.
        backend: what runs it.
        kernels: in the order in which they run.
        machine: what this machine can do.
        source: text of each of the user's lines.
        arena: bytes for values that live within a call.
        live: bytes of those that are alive, by kernel.
        inputs: bytes of the arguments and of tensors from outside.
        outputs: bytes of results, assigned tensors and gradients.
        in_place: bytes of those outputs that lie where an input lay.
        compile_seconds: what each stage of compiling took.
        cached: whether the machine code came from the cache.
    """

    name: str
    backend: str
    kernels: tuple[Kernel, ...]
    machine: Machine
    source: dict[str, str]
    arena: int
    live: tuple[int, ...]
    inputs: int
    outputs: int
    in_place: int
    compile_seconds: dict[str, float] = field(default_factory=dict[str, float])
    cached: bool = False

    @property
    def seconds(self) -> float:
        """The sum over all kernels."""
        return sum(k.seconds for k in self.kernels)

    @property
    def flops(self) -> int:
        """Floating-point operations of a call."""
        return sum(k.flops for k in self.kernels)

    def to_dict(self) -> dict[str, Any]:
        """All of it as dicts, lists, numbers and text, for JSON."""
        return {
            "name": self.name,
            "backend": self.backend,
            "seconds": self.seconds,
            "flops": self.flops,
            "machine": {"flops": self.machine.flops, "bandwidth": self.machine.bandwidth},
            "kernels": [
                {
                    "kind": k.kind,
                    "operations": list(k.operations),
                    "lines": list(k.lines),
                    "phase": k.phase,
                    "seconds": k.seconds,
                    "flops": k.flops,
                    "bytes_read": k.bytes_read,
                    "bytes_written": k.bytes_written,
                    "of_peak": k.of_peak(self.machine),
                    "interpreted": k.interpreted,
                }
                for k in self.kernels
            ],
            "memory": {
                "arena": self.arena,
                "live": list(self.live),
                "inputs": self.inputs,
                "outputs": self.outputs,
                "in_place": self.in_place,
            },
            "compile": {"seconds": dict(self.compile_seconds), "cached": self.cached},
        }

    def __str__(self) -> str:
        parts = [self._head(), self._kernels(), self._lines(), self._interpreted(), self._memory()]
        return "\n\n".join(part for part in (*parts, self._compile()) if part)

    __repr__ = __str__

    # -- the parts of the text -----------------------------------------------------------------

    def _head(self) -> str:
        rate = count(self.flops / self.seconds, "FLOP/s") if self.seconds else "no time"
        fused = sum(len(k.operations) for k in self.kernels)
        return (
            f"{self.name}: {fused} operations in {len(self.kernels)} kernels, "
            f"{duration(self.seconds)} ({self.backend})\n"
            f"{count(self.flops, 'FLOP')} at {rate}; this machine: "
            f"{count(self.machine.flops, 'FLOP/s')}, {count(self.machine.bandwidth, 'B/s')}"
        )

    def _kernels(self) -> str:
        order = sorted(range(len(self.kernels)), key=lambda k: -self.kernels[k].seconds)
        shown = sorted(order[:SHOWN])
        rows = [self._row(k) for k in shown]
        head = ("", "part", "time", "", "FLOP/s", "B/s", "of peak", "lines", "operations")
        text = table(head, rows, left=(1, 7, 8))
        rest = order[SHOWN:]
        if rest:
            spent = sum(self.kernels[k].seconds for k in rest)
            text += f"\n… and {len(rest)} more, {duration(spent)} together"
        return text

    def _row(self, k: int) -> tuple[str, ...]:
        kernel = self.kernels[k]
        t = kernel.seconds
        return (
            str(k),
            kernel.phase + (" *" if kernel.interpreted else ""),
            duration(t),
            share(t, self.seconds),
            count(kernel.flops / t) if t and kernel.flops else "",
            count(kernel.bytes / t) if t else "",
            f"{100 * kernel.of_peak(self.machine):.0f} %" if t else "",
            clipped(", ".join(kernel.lines), 28),
            clipped(said(kernel.operations), 60),
        )

    def _lines(self) -> str:
        """Time by the user's line; a kernel of several lines counts for each in equal parts."""
        spent: dict[str, float] = {}
        for kernel in self.kernels:
            for line in kernel.lines:
                spent[line] = spent.get(line, 0.0) + kernel.seconds / len(kernel.lines)
        if not spent:
            return ""
        best = sorted(spent.items(), key=lambda item: -item[1])[:LINES]
        rows = [
            (share(t, self.seconds), line, clipped(self.source.get(line, ""), 72))
            for line, t in best
        ]
        return table(("time", "line", ""), rows, left=(1, 2))

    def _interpreted(self) -> str:
        why: dict[str, int] = {}
        for kernel in self.kernels:
            if kernel.interpreted:
                why[kernel.interpreted] = why.get(kernel.interpreted, 0) + 1
        if not why:
            return ""
        lines = [f"  {n} × {reason}" for reason, n in why.items()]
        return "\n".join(["* computed by the interpreter, in NumPy:", *lines])

    def _memory(self) -> str:
        total = self.inputs + self.outputs - self.in_place + self.arena
        lines = [
            f"memory: {size(total)} = {size(self.inputs)} read from outside"
            f" + {size(self.outputs - self.in_place)} new results"
            f" + {size(self.arena)} arena ({size(self.in_place)} change in place)"
        ]
        bars = plot(self.live)
        width = max((len(size(self.arena)), 6))
        for k, bar in enumerate(bars):
            label = size(max(self.live)) if k == 0 else ""
            lines.append(f"{label:>{width}} ┤{bar.rstrip()}")
        if bars:
            lines.append(f"{'':{width}} └ alive in the arena, kernel 0 to {len(self.live) - 1}")
        return "\n".join(lines)

    def _compile(self) -> str:
        if not self.compile_seconds:
            return ""
        parts = [f"{stage} {duration(t)}" for stage, t in self.compile_seconds.items()]
        total = sum(self.compile_seconds.values())
        where = " from the cache" if self.cached else ""
        return f"compiled in {duration(total)}: {', '.join(parts)}{where}"


def said(operations: Sequence[str]) -> str:
    """Names of operations, with repeated ones counted."""
    counted: dict[str, int] = {}
    for name in operations:
        counted[name] = counted.get(name, 0) + 1
    text = " ".join(f"{name}×{n}" if n > 1 else name for name, n in counted.items())
    return text if len(operations) < 3 else f"{len(operations)} fused: {text}"
