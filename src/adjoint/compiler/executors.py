"""Executors: which back end runs a graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from adjoint.backends.interpreter import Interpreter
from adjoint.core.errors import ArgumentError
from adjoint.core.program import Graph

Executor = Callable[[Sequence[Any]], bool]


def executor(
    backend: str,
    graph: Graph,
    donated: dict[int, int],
    arguments: int,
    watched: Sequence[int] = (),
) -> Executor:
    """What runs a graph on the arrays of all inputs and outputs.

    Args:
        backend: ``"auto"``, ``"llvm"`` or ``"numpy"``.
        graph: what to compute.
        donated: for an input, the output that may take its place in memory.
        arguments: how many inputs are other arrays in each call.
        watched: outputs that are looked at before anything changes: whether they are finite.

    Raises:
        ArgumentError: if there is no such back end.
    """
    if backend not in ("auto", "llvm", "numpy"):
        raise ArgumentError(f"compile: backend must be 'auto', 'llvm' or 'numpy', got {backend!r}")
    if backend == "numpy":
        return Interpreter(graph, watched)
    from adjoint.backends.llvm.program import Program  # noqa: PLC0415  # late: it loads llvmlite

    return Program(graph, donated, arguments, watched=watched)
