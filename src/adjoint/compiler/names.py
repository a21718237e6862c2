"""What messages and tables call the inputs and outputs of a staged call."""

from __future__ import annotations

from typing import Any

from adjoint.compiler.staged import Staged
from adjoint.core.graph import Handle, Slot


def tensor_name(x: Handle) -> str:
    """A tensor by the path of the parameter, or by the line that made it."""
    if x.node.name:
        return x.node.name
    return "a tensor" if x.node.site is None else f"the tensor made at {x.node.site}"


def gradient_name(slot: Slot, staged: Staged) -> str:
    """The gradient in a slot by the name of its tensor."""
    if slot.name:
        return f"the gradient of {slot.name}"
    for x in (*staged.read, *staged.assigned):
        if x.slot is slot:
            return f"the gradient of {tensor_name(x)}"
    return "a gradient"


def output_names(staged: Staged) -> list[str]:
    """A name for each output of the graph."""
    return [
        *("the result" + _path(path) for path in staged.structure.paths()),
        *map(tensor_name, staged.assigned),
        *(gradient_name(slot, staged) for slot, on in staged.graded if on),
    ]


def input_names(staged: Staged, paths: list[str]) -> list[str]:
    """A name for each input of the graph.

    Args:
        staged: the call.
        paths: of the arguments that are tensors.
    """
    return [
        *(f"the argument {path}" for path in paths),
        *map(tensor_name, staged.read),
        *(gradient_name(slot, staged) for slot, had in staged.gradients if had),
    ]


def _path(path: str) -> Any:
    return f" {path}" if path else ""
