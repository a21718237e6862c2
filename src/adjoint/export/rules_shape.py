"""How operations that only move elements are written."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from adjoint.core.graph import Node
from adjoint.core.primitive import registry
from adjoint.export.refusal import unsupported
from adjoint.export.sizes import Multiple, NotFree
from adjoint.export.writer import Writer, rule

__all__: list[str] = []

END: Final = -(2**62)
"""Before the first element: where a walk backwards over all of an axis ends."""


@rule(registry["Reshape"])
def reshape(w: Writer, node: Node) -> str:
    """Reshape."""
    return w.reshape(w.name(node.inputs[0]), w.sizes.field(node, "shape"))


@rule(registry["Permute"])
def permute(w: Writer, node: Node) -> str:
    """Transpose."""
    op: Any = node.op
    return w.permute(w.name(node.inputs[0]), op.order)


@rule(registry["Expand"])
def expand(w: Writer, node: Node) -> str:
    """New axes of size 1, expanded."""
    op: Any = node.op
    x = w.name(node.inputs[0])
    if op.axes:
        x = w.op("Unsqueeze", x, w.ints(op.axes))
    return w.op("Expand", x, w.shape(w.sizes.field(node, "shape")))


@rule(registry["Slice"])
def cut(w: Writer, node: Node) -> str:
    """Slice along the axes that are not taken whole, and drop axes."""
    op: Any = node.op
    x, dims = w.name(node.inputs[0]), w.dims(node.inputs[0])
    found: list[tuple[int, int, int, int]] = []  # axis, start, end, step
    for a, (dim, size) in enumerate(zip(dims, w.sizes.field(node, "sizes"), strict=True)):
        start, step = op.starts[a], op.steps[a]
        if size == dim and step > 0:
            continue
        if isinstance(size, Multiple) or isinstance(dim, Multiple):
            if size != dim or step != -1:
                raise NotFree(f"a part of the batch is taken, at {node.site}")
            found.append((a, -1, END, -1))
            continue
        end = start + size * step
        found.append((a, start, END if end < 0 else end, step))
    if found:
        axes, starts, ends, steps = (list(column) for column in zip(*found, strict=True))
        x = w.op("Slice", x, w.ints(starts), w.ints(ends), w.ints(axes), w.ints(steps))
    return w.op("Squeeze", x, w.ints(op.drop)) if op.drop else x


@rule(registry["Pad"])
def pad(w: Writer, node: Node) -> str:
    """Pad with zeros around; negative widths crop."""
    op: Any = node.op
    if any(op.interior):
        raise unsupported(node, "ONNX does not pad between elements")
    if not any((*op.low, *op.high)):
        return w.name(node.inputs[0])
    zero = w.constant(np.zeros((), node.dtype))
    return w.op("Pad", w.name(node.inputs[0]), w.ints([*op.low, *op.high]), zero)


@rule(registry["Concat"])
def concat(w: Writer, node: Node) -> str:
    """Concat."""
    op: Any = node.op
    parts = [w.operand(x, node.dtype) for x in node.inputs]
    return parts[0] if len(parts) == 1 else w.op("Concat", *parts, axis=op.axis)


@rule(registry["Split"])
def split(w: Writer, node: Node) -> list[str]:
    """Split."""
    op: Any = node.op
    x = w.name(node.inputs[0])
    if len(op.sizes) == 1:
        return [x]
    return w.several("Split", len(op.sizes), x, w.ints(op.sizes), axis=op.axis)


@rule(registry["Triangle"])
def triangle(w: Writer, node: Node) -> str:
    """Trilu."""
    op: Any = node.op
    k = w.constant(np.int64(op.offset))
    return w.op("Trilu", w.name(node.inputs[0]), k, upper=int(not op.lower))


@rule(registry["Windows"])
def windows(w: Writer, node: Node) -> str:
    """Gather along each axis that is slid over: the windows, then the places in them."""
    op: Any = node.op
    n, n_all = len(op.kernel), node.inputs[0].ndim
    x, lead = w.name(node.inputs[0]), n_all - len(op.kernel)
    for k in range(n):
        count = node.shape[lead + k]
        at = np.arange(count)[:, None] * op.stride[k] + np.arange(op.kernel[k]) * op.dilation[k]
        x = w.op("Gather", x, w.constant(at.astype(np.int64)), axis=lead + 2 * k)
    slid = [lead + 2 * k for k in range(n)]
    return w.permute(x, [*range(lead), *slid, *(a + 1 for a in slid)])


@rule(registry["Fold"])
def fold(w: Writer, node: Node) -> str:
    """Col2Im, which adds windows up where they were taken from."""
    op: Any = node.op
    x, dims = w.name(node.inputs[0]), w.dims(node.inputs[0])
    n = len(op.sizes)
    lead = len(dims) - 2 * n
    x = w.permute(x, [*range(lead), *range(lead + n, lead + 2 * n), *range(lead, lead + n)])
    moved = (*dims[:lead], *dims[lead + n :], *dims[lead : lead + n])
    x = w.grouped(x, moved, [lead, n, n])
    x = w.op(
        "Col2Im", x, w.ints(op.sizes), w.ints([d for d in dims[lead + n :] if isinstance(d, int)]),
        dilations=list(op.dilation), strides=list(op.stride), pads=[0] * 2 * n,
    )  # fmt: skip
    return w.reshape(x, w.dims(node))


@rule(registry["Gather"])
def gather(w: Writer, node: Node) -> str:
    """Gather."""
    op: Any = node.op
    x, index = node.inputs
    return w.op("Gather", w.name(x), w.operand(index, np.int64), axis=op.axis)


@rule(registry["TakeAlong"])
def take_along(w: Writer, node: Node) -> str:
    """GatherElements."""
    op: Any = node.op
    x, index = node.inputs
    return w.op("GatherElements", w.name(x), w.operand(index, np.int64), axis=op.axis)


@rule(registry["Sort"], registry["ArgSort"])
def ordered(w: Writer, node: Node) -> str:
    """TopK of all elements: values, or their places."""
    op: Any = node.op
    x = node.inputs[0]
    count = w.size(w.dims(x)[op.axis])
    found = w.several("TopK", 2, w.name(x), count, axis=op.axis, largest=int(op.descending))
    return found[type(node.op).__name__ == "ArgSort"]


@rule(registry["Override"])
def override(w: Writer, node: Node) -> list[str]:
    """The outputs; the pullback that a user has stated plays no part."""
    op: Any = node.op
    return [w.name(x) for x in node.inputs[: op.n_out]]
