"""Nodes in terms of others that fuse better: what the back end says of a card in other cards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.backends.llvm.convolution import native
from adjoint.core.bind import make, setting
from adjoint.core.graph import Node, ancestors, leaf
from adjoint.ops.along import AddAlong, TakeAlong
from adjoint.ops.bilinear import LETTERS, split
from adjoint.ops.compare import Equal
from adjoint.ops.contract import Contract
from adjoint.ops.convolution import Convolve
from adjoint.ops.gather import WrapIndex
from adjoint.ops.gelu import Gelu, GeluTanh, formula, tanh_formula
from adjoint.ops.reduce import Sum
from adjoint.ops.select import Where
from adjoint.ops.shape import Reshape
from adjoint.ops.slice import Pad, Slice
from adjoint.ops.windows import Windows

Constants = dict[Node, Any]


def new_node(op: Any, *inputs: Any, like: Node) -> Node:
    """A node made by the back end, on the line of the node that it helps to compute."""
    types = [x.type if isinstance(x, Node) else x for x in inputs]
    t = op.out_type(*types)
    node = Node(op, inputs, (t, *types), 0, t.shape, t.dtype, like.code, like.offset)
    if hasattr(like, "phase"):
        node.phase = like.phase
    return node


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


def convolution(node: Node, constants: Constants) -> list[Node] | None:
    """A convolution as a contraction of the windows of the padded input with the kernel."""
    del constants
    x, y = node.inputs
    op = node.op
    a, b, o = split(op.spec)
    n = len(op.stride)
    if node.dtype is None or node.dtype.char not in "fd" or x.dtype != y.dtype or not node.size:
        return None
    if native(node):
        return None
    made: list[Node] = []
    gaps = tuple(e - 1 for e in op.input_dilation)
    if any(gaps) or any(map(any, op.padding)):
        still = (0,) * len(a)
        low, high = zip(*op.padding, strict=True)
        made.append(new_node(Pad(still + low, still + high, still + gaps), x, like=node))
        x = made[-1]
    kernel = y.shape[len(b) :]
    made.append(new_node(Windows(kernel, op.stride, op.kernel_dilation), x, like=node))
    x = made[-1]
    if op.flip:
        still = len(b)
        starts = (0,) * still + tuple(k - 1 for k in kernel)
        back = Slice(starts, y.shape, (1,) * still + (-1,) * n)
        made.append(new_node(back, y, like=node))
        y = made[-1]
    free = [c for c in LETTERS if c not in a + b + o]
    slide, inside = "".join(free[:n]), "".join(free[n : 2 * n])
    spec = f"{a}{slide}{inside},{b}{inside}->{o}{slide}"
    return [*made, new_node(Contract(spec, op.strong), x, y, like=node)]


def staged(formula: Callable[[Any], Any]) -> Callable[[Node, Constants], list[Node] | None]:
    """The rule for a map of one operand that is a formula of other maps."""

    def pieces(node: Node, constants: Constants) -> list[Node]:
        del constants
        x = node.inputs[0]
        start = make(x.type, x)
        with setting(site=node.site, recording=False, capture=None):
            out = formula(start).node
        return ancestors([out], lambda n: n is not x and n not in x.inputs)

    return pieces


REWRITES: dict[type, Callable[[Node, Constants], list[Node] | None]] = {
    TakeAlong: take_one,
    AddAlong: add_one,
    Convolve: convolution,
    Gelu: staged(formula),
    GeluTanh: staged(tanh_formula),
}
"""For a card, the nodes that compute the same, the last of which is the result; or None."""
