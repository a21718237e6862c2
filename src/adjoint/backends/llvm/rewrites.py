"""Nodes in terms of others that fuse better: what the back end says of a card in other cards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.core.graph import Node, leaf
from adjoint.ops.along import AddAlong, TakeAlong
from adjoint.ops.compare import Equal
from adjoint.ops.gather import WrapIndex
from adjoint.ops.reduce import Sum
from adjoint.ops.select import Where
from adjoint.ops.shape import Reshape

Constants = dict[Node, Any]


def new_node(op: Any, *inputs: Any, like: Node) -> Node:
    """A node made by the back end, on the line of the node that it helps to compute."""
    types = [x.type if isinstance(x, Node) else x for x in inputs]
    t = op.out_type(*types)
    return Node(op, inputs, (t, *types), 0, t.shape, t.dtype, like.code, like.offset)


def chosen(node: Node, index: Node, size: int, constants: Constants) -> list[Node]:
    """Where along an axis an index points: for each place, whether it is the one."""
    axis = node.op.axis
    count = leaf(np.arange(size, dtype=np.int64))
    constants[count] = np.arange(size, dtype=np.int64)
    after = len(index.shape) - axis - 1
    along = new_node(Reshape((size,) + (1,) * after), count, like=node)
    place = new_node(WrapIndex(size, axis), index, like=node)
    return [along, place, new_node(Equal(), along, place, like=node)]


def take_one(node: Node, constants: Constants) -> list[Node] | None:
    """One element along an axis, as a sum over the axis in which all others are left out."""
    x, index = node.inputs
    axis = node.op.axis
    if index.shape[axis] != 1 or node.dtype is None or node.dtype.kind not in "fiu":
        return None
    *made, here = chosen(node, index, x.shape[axis], constants)
    zero = node.dtype.type(0).item()
    only = new_node(Where(), here, x, zero, like=node)
    total = new_node(Sum((axis,)), only, like=node)
    if total.dtype != node.dtype:
        return None
    return [*made, here, only, total, new_node(Reshape(node.shape), total, like=node)]


def add_one(node: Node, constants: Constants) -> list[Node] | None:
    """One element added along an axis of zeros: the element there, zero elsewhere."""
    x, index = node.inputs
    if index.shape[node.op.axis] != 1 or node.dtype is None or node.dtype.kind not in "fiu":
        return None
    *made, here = chosen(node, index, node.op.size, constants)
    zero = node.dtype.type(0).item()
    return [*made, here, new_node(Where(), here, x, zero, like=node)]


REWRITES: dict[type, Callable[[Node, Constants], list[Node] | None]] = {
    TakeAlong: take_one,
    AddAlong: add_one,
}
"""For a card, the nodes that compute the same, the last of which is the result; or None."""
