"""Kernels: the cards that are computed by kernels of their own, and by which.

Importing this fills the table of `kinds`; whoever makes programs or plans does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adjoint.backends.llvm import (
    attention,
    control,
    control_branches,
    convolution,
    moves,
    pooling,
    products,
    random_words,
    scatter,
)
from adjoint.backends.llvm.arrangement import Arrangement
from adjoint.backends.llvm.kinds import KINDS, Kind
from adjoint.backends.llvm.layout import View, whole
from adjoint.core.graph import Node
from adjoint.ops.add_rows import AddRows
from adjoint.ops.attention import AttentionBackward, AttentionForward
from adjoint.ops.contract import Contract
from adjoint.ops.convolution import Convolve
from adjoint.ops.gather import ScatterAdd
from adjoint.ops.join import Concat
from adjoint.ops.pad import Pad
from adjoint.ops.random_bits import RandomBits, SkipBlocks
from adjoint.transforms.control_cond import Cond
from adjoint.transforms.control_scan import Scan
from adjoint.transforms.control_while import While

__all__ = ["Arrangement"]


def _product(node: Node, xs: Sequence[View]) -> Any:
    plan = products.as_product(node, xs[0], xs[1], whole(node))
    return plan if isinstance(plan, products.Product) else None


KINDS.update(
    {
        AttentionBackward: Kind(attention.plan, attention.emit),
        AttentionForward: Kind(attention.plan, attention.emit),
        Contract: Kind(_product, products.emit),
        Convolve: Kind(convolution.plan, convolution.emit),
        Concat: Kind(moves.joined, moves.emit),
        Pad: Kind(moves.padded, moves.emit),
        AddRows: Kind(scatter.plan, scatter.emit),
        ScatterAdd: Kind(scatter.plan, scatter.emit),
        RandomBits: Kind(random_words.plan, random_words.emit),
        SkipBlocks: Kind(random_words.plan, random_words.emit),
        Scan: Kind(control.plan, control.emit),
        Cond: Kind(control_branches.plan_cond, control_branches.emit_cond),
        While: Kind(control_branches.plan_while, control_branches.emit_while),
        **dict.fromkeys(pooling.CARDS, Kind(pooling.plan, pooling.emit)),
    }
)
