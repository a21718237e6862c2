"""Kinds: what is computed by kernels of its own, one entry a card.

An entry says how a node is planned (a plan has the attribute `scratch`: bytes of memory that the
kernel needs while it runs; None leaves the node to the interpreter) and how the kernel is emitted.

The table is filled by `kernels`, which stands above all that writes kernels: a loop over time is
lowered by what lowers everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from adjoint.backends.llvm.layout import View
from adjoint.core.graph import Node


class Kind(NamedTuple):
    """How a card is lowered.

    Attributes:
        plan: ``plan(node, operands)``: the plan, or None. Operands are views, or Python scalars.
        emit: ``emit(program, group)``: writes the kernel and its launch.
    """

    plan: Callable[[Node, Sequence[View]], Any]
    emit: Callable[[Any, Any], None]


KINDS: Final[dict[type, Kind]] = {}
