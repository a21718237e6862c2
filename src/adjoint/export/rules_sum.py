"""How reductions, contractions, convolutions and pools are written."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.core.graph import Node
from adjoint.core.primitive import registry
from adjoint.export.refusal import unsupported
from adjoint.export.sizes import Dim, product
from adjoint.export.writer import Writer, rule

__all__: list[str] = []

REDUCTIONS = {"Sum": "ReduceSum", "Max": "ReduceMax", "Min": "ReduceMin", "Prod": "ReduceProd"}


@rule(*(registry[card] for card in REDUCTIONS))
def reduced(w: Writer, node: Node) -> str:
    """ReduceSum and its kin."""
    op: Any = node.op
    x = w.operand(node.inputs[0], node.dtype)
    if not op.axes:
        return x
    return w.op(REDUCTIONS[type(node.op).__name__], x, w.ints(op.axes), keepdims=0)


@rule(registry["AllTrue"], registry["AnyTrue"])
def voted(w: Writer, node: Node) -> str:
    """The number of those for, or against, compared with 0."""
    op: Any = node.op
    x = w.operand(node.inputs[0], np.bool_)
    if not op.axes:
        return x
    for_all = type(node.op).__name__ == "AllTrue"
    votes = w.op("Cast", w.op("Not", x) if for_all else x, to=np.dtype(np.int32))
    count = w.op("ReduceSum", votes, w.ints(op.axes), keepdims=0)
    return w.op("Equal" if for_all else "Greater", count, w.constant(np.int32(0)))


@rule(registry["ArgMax"], registry["ArgMin"])
def place(w: Writer, node: Node) -> str:
    """ArgMax and ArgMin: the first of several equal elements, as here."""
    op: Any = node.op
    return w.op(type(node.op).__name__, w.name(node.inputs[0]), axis=op.axis, keepdims=0)


@rule(registry["CumSum"])
def summed_up(w: Writer, node: Node) -> str:
    """CumSum."""
    op: Any = node.op
    x = w.operand(node.inputs[0], node.dtype)
    return w.op("CumSum", x, w.constant(np.int64(op.axis)), reverse=int(op.reverse))


@rule(registry["Contract"])
def contract(w: Writer, node: Node) -> str:
    """MatMul where it is one, and otherwise Einsum."""
    op: Any = node.op
    x, y = (w.operand(x, node.dtype) for x in node.inputs)
    left, _, out = op.spec.partition("->")
    a, _, b = left.partition(",")
    shared = min(len(a), len(b)) - 2
    plain = len(a) >= 2 and len(b) >= 2 and a[-1] == b[-2] and out == a[:-1] + b[-1]
    if plain and len(b) in (2, len(a)) and (len(b) == 2 or a[:shared] == b[:shared]):
        return w.op("MatMul", x, y)
    return w.op("Einsum", x, y, equation=op.spec)


class Layout:
    """The letters of a convolution by what they do, and the operands brought into ONNX's layout.

    Letters of batches are in the input and the result, of channels in the input and the kernel, of
    filters in the kernel and the result, of groups in all three.
    """

    def __init__(self, node: Node) -> None:
        op: Any = node.op
        left, _, self.out = op.spec.partition("->")
        self.a, _, self.b = left.partition(",")
        a, b, o = set(self.a), set(self.b), set(self.out)
        self.groups = [c for c in self.a if c in b and c in o]
        self.batch = [c for c in self.a if c not in b]
        self.channels = [c for c in self.a if c in b and c not in o]
        self.filters = [c for c in self.b if c not in a]
        self.fits = set(self.batch) <= o and set(self.filters) <= o

    def arranged(self, w: Writer, x: Node, letters: str, parts: list[list[str]]) -> Any:
        """An operand with its letters in this order, and the sizes of the joined axes."""
        dims = w.dims(x)
        order = [letters.index(c) for part in parts for c in part]
        rest = range(len(letters), len(dims))
        name = w.permute(w.operand(x, x.dtype), [*order, *rest])
        moved = tuple(dims[k] for k in [*order, *rest])
        return w.grouped(name, moved, [len(part) for part in parts])

    def size(self, w: Writer, node: Node, letters: list[str]) -> Dim:
        """The product of the sizes of letters."""
        x, y = node.inputs
        known = dict(zip(self.b, w.dims(y), strict=False))
        known |= dict(zip(self.a, w.dims(x), strict=False))
        return product([known[c] for c in letters])


@rule(registry["Convolve"])
def convolve(w: Writer, node: Node) -> str:
    """Conv, or ConvTranspose where the input is dilated."""
    op: Any = node.op
    at = Layout(node)
    if not at.fits or (max(op.stride) > 1 < max(op.input_dilation)):
        raise unsupported(node, "ONNX has no convolution like this")
    x, y = node.inputs
    inputs = at.arranged(w, x, at.a, [at.batch, at.groups + at.channels])
    spread = max(op.input_dilation) > 1
    parts = [at.groups + at.channels, at.filters] if spread else [
        at.groups + at.filters, at.channels
    ]  # fmt: skip
    kernel = at.arranged(w, y, at.b, parts)
    space = len(op.stride)
    if op.flip is not spread:
        backwards = [w.ints([k] * space) for k in (-1, -(2**62))]
        axes, steps = w.ints(range(2, 2 + space)), w.ints([-1] * space)
        kernel = w.op("Slice", kernel, *backwards, axes, steps)
    group = at.size(w, node, at.groups)
    write = _conv_transpose if spread else _conv
    found = write(w, node, inputs, kernel, group)
    order = [*at.batch, *at.groups, *at.filters]
    known = dict(zip(at.out, w.dims(node), strict=False))
    windows = w.dims(node)[len(at.out) :]
    if len(at.batch) != 1 or len(at.groups) + len(at.filters) != 1:
        found = w.reshape(found, (*(known[c] for c in order), *windows))
    back = [order.index(c) for c in at.out]
    return w.permute(found, [*back, *range(len(order), len(order) + space)])


def _conv(w: Writer, node: Node, x: str, kernel: str, group: Any) -> str:
    op: Any = node.op
    low, high = ([pair[k] for pair in op.padding] for k in (0, 1))
    if min(*low, *high) < 0:
        widths = w.ints([0, 0, *low, 0, 0, *high])
        x = w.op("Pad", x, widths, w.constant(np.zeros((), node.dtype)))
        low = high = [0] * len(low)
    return w.op(
        "Conv", x, kernel,
        strides=list(op.stride), dilations=list(op.kernel_dilation), pads=[*low, *high],
        group=group,
    )  # fmt: skip


def _conv_transpose(w: Writer, node: Node, x: str, kernel: str, group: Any) -> str:
    op: Any = node.op
    sizes = node.inputs[1].shape[-len(op.stride) :]
    reach = [(k - 1) * d for k, d in zip(sizes, op.kernel_dilation, strict=True)]
    low = [r - pair[0] for r, pair in zip(reach, op.padding, strict=True)]
    high = [r - pair[1] for r, pair in zip(reach, op.padding, strict=True)]
    more = [max(0, -k) for k in high]
    if min(low) < 0:
        raise unsupported(node, "ONNX has no transposed convolution with so much padding")
    return w.op(
        "ConvTranspose", x, kernel,
        strides=list(op.input_dilation), dilations=list(op.kernel_dilation), group=group,
        pads=[*low, *(max(0, k) for k in high)], output_padding=more,
    )  # fmt: skip


@rule(registry["MaxPool"])
def max_pool(w: Writer, node: Node) -> str:
    """MaxPool, over two leading axes."""
    op: Any = node.op
    x, dims = w.name(node.inputs[0]), w.dims(node.inputs[0])
    n = len(op.kernel)
    lead = len(dims) - n
    if lead != 2:
        x = w.reshape(x, (product(dims[:lead]), 1, *dims[lead:]))
    found = w.op(
        "MaxPool", x,
        kernel_shape=list(op.kernel), strides=list(op.stride), dilations=list(op.dilation),
        pads=[pair[k] for k in (0, 1) for pair in op.padding],
    )  # fmt: skip
    return found if lead == 2 else w.reshape(found, w.dims(node))


@rule(registry["Scan"])
def scan(w: Writer, node: Node) -> list[str]:
    """Scan: what a step uses from outside is read there."""
    op: Any = node.op
    if op.keep:
        raise unsupported(node, "it keeps values for a derivative")
    given = [w.name(x) for x in node.inputs[: op.n_consts]]
    carry = [w.name(x) for x in node.inputs[op.n_consts : op.first_x]]
    along = [w.name(x) for x in node.inputs[op.first_x :]]
    body = w.inner(op.body, given, len(carry) + len(along))
    if not along:  # ONNX walks along something
        along = [w.constant(np.zeros(op.length, np.float32))]
        body.inputs.append((w.fresh("unused"), np.dtype(np.float32), None))
    outputs = op.n_out
    directions = {
        "scan_input_directions": [int(op.reverse)] * len(along),
        "scan_output_directions": [int(op.reverse)] * (outputs - op.n_carry),
    }
    return w.several(
        "Scan", outputs, *carry, *along, body=body, num_scan_inputs=len(along), **directions
    )
