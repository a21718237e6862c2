"""The error of an export."""

from __future__ import annotations

from typing import Any

from adjoint.core.errors import AdjointError
from adjoint.core.graph import Node

__all__ = ["ExportError", "unsupported"]


class ExportError(AdjointError, NotImplementedError):
    """A model that cannot be written in the operators of another program; it says which part."""


def unsupported(node: Node, why: str = "") -> ExportError:
    """The error for an operation that has no counterpart, with the line that it came from."""
    op: Any = node.op
    reason = why or "ONNX has no operator for it that this export knows"
    lines = [f"export.onnx: {op.name} ({type(op).__name__}): {reason}"]
    if node.site is not None:
        lines.append(f"  at {node.site}: {node.site.text}")
    return ExportError("\n".join(lines))
