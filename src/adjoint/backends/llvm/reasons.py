"""Reasons: why a group is left to the interpreter."""

from __future__ import annotations

from adjoint.backends.llvm.groups import Group
from adjoint.backends.llvm.kinds import KINDS
from adjoint.backends.llvm.nest import ll
from adjoint.core.graph import Node


def why_interpreted(group: Group) -> str:
    """A sentence for a group that NumPy computes; empty for one that machine code computes."""
    if group.kind == "loop" or group.plan is not None:
        return ""
    node = next(iter(group.members))
    name = node.op.name
    types = [x.dtype for x in (node, *node.inputs) if isinstance(x, Node) and x.dtype is not None]
    foreign = [t for t in types if ll(t) is None]
    if foreign:
        return f"{name}: there is no machine code for {foreign[0]}"
    if node.op.kind == "map":
        return f"{name}: it has no scalar body in machine code for {types[0]}"
    if type(node.op) in KINDS:
        return f"{name}: its kernel does not take operands of these shapes and strides"
    return f"{name}: there is no kernel for this kind of operation ({node.op.kind or 'call'})"
