"""Staging with state: a call as a graph whose inputs and outputs are all that it touches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from adjoint.core.bind import make, setting, staged_leaf
from adjoint.core.capture import Capture
from adjoint.core.graph import Handle, Slot
from adjoint.core.program import Graph, extract
from adjoint.core.site import here
from adjoint.core.tree import Structure
from adjoint.core.types import Type
from adjoint.transforms.leaves import tensors


@dataclass(slots=True)
class Staged:
    """What one call of a function computes, reads and changes.

    The graph's inputs are the arguments, then the tensors that are read from outside, then the
    gradients that are read; its outputs the results, then the tensors assigned to, then the
    gradients set.

    Attributes:
        graph: the computation.
        arguments: how many inputs are arguments.
        read: the tensors from outside.
        gradients: slots whose gradient is read first; False for one that had none.
        structure: the shape of the result.
        results: how many outputs belong to the result.
        assigned: the tensors that are assigned to.
        graded: slots whose gradient is set; False for one that ends with none.
        swept: whether there was a backward pass.
        relied: attributes that the program is made for: owner, name, value.
    """

    graph: Graph
    arguments: int
    read: list[Handle]
    gradients: list[tuple[Slot, bool]]
    structure: Structure
    results: int
    assigned: list[Handle]
    graded: list[tuple[Slot, bool]]
    swept: bool
    relied: list[tuple[Any, str, Any]]


def stage_call(
    f: Callable[..., Any], structure: Any, types: list[Type], tracked: list[bool]
) -> Staged:
    """Stage one call.

    Args:
        f: the function.
        structure: of ``(args, kwargs)``.
        types: of the tensors among the arguments.
        tracked: whether each of them wants a gradient.

    Raises:
        TracerLeak: if the function asks for the number behind a tensor.
    """
    site = here()
    capture = Capture()
    arguments = [staged_leaf(t, on, site) for t, on in zip(types, tracked, strict=True)]
    try:
        with setting(staging=True, capture=capture):
            args, kwargs = structure.rebuild(arguments)
            outs, out_structure = tensors(f(*args, **kwargs), "compile: the result")
            assigned, graded = capture.results()
            final = [
                *outs,
                *(make(value, node) for _, value, node in assigned),
                *(g for _, g in graded if g is not None),
            ]
    finally:
        capture.restore()
    leaves = [node for _, node in capture.inputs]
    leaves += [node for node in capture.gradients.values() if node is not None]
    inputs = [*arguments, *(make(node.type, node) for node in leaves)]
    graph = extract(inputs, final, capture.since)
    for node in graph.nodes:
        node.phase = capture.phase(node)
    return Staged(
        graph,
        len(arguments),
        [x for x, _ in capture.inputs],
        [(slot, node is not None) for slot, node in capture.gradients.items()],
        out_structure,
        len(outs),
        [x for x, _, _ in assigned],
        [(slot, g is not None) for slot, g in graded],
        bool(capture.sweeps),
        list(capture.relied.values()),
    )
