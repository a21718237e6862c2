"""Indices: checked before anything is read through them."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from adjoint.backends.llvm.groups import GATHERS, Group, Grouping
from adjoint.backends.llvm.layout import View
from adjoint.backends.llvm.nest import I1, PTR, Nest, constant, index, ll
from adjoint.ops.add_rows import AddRows
from adjoint.ops.along import AddAlong
from adjoint.ops.gather import ScatterAdd, ScatterSet, WrapIndex


def indices(group: Group, grouping: Grouping) -> list[tuple[View, int]]:
    """The indices that a group reads through, each with the size of the axis that it counts on."""
    out: list[tuple[View, int]] = []
    if group.kind == "control" and group.plan is not None:
        return group.plan.checked
    if group.kind not in ("loop", "gather", "scatter") or (
        group.kind != "loop" and group.plan is None
    ):
        return out
    for node in group.members:
        op = node.op
        if isinstance(op, WrapIndex):
            out.append((grouping.reads(node)[0], op.size))
        elif isinstance(op, (*GATHERS, AddRows, ScatterSet)):
            x, i, *_ = grouping.reads(node)
            out.append((i, x.shape[op.axis]))
        elif isinstance(op, ScatterAdd | AddAlong):
            out.append((grouping.reads(node)[1], op.size))
    return [(view, size) for view, size in out if view.size]


def out_of_range(module: Any, name: str, view: View, size: int) -> Any:
    """A function that says whether any index of a view is out of range for an axis."""
    function: Any = ir.Function(module, ir.FunctionType(I1, [PTR]), name)
    function.linkage = "internal"
    nest = Nest(function)
    dtype = view.base.dtype
    assert dtype is not None
    t = ll(dtype)
    found = nest.local(I1, 1)
    nest.inner.store(I1(0), found)
    pointer = function.args[0]
    for n, s in zip(view.shape, view.strides, strict=True):
        if n == 1:
            continue
        i = nest.open(index(0), index(n))
        b = nest.inner
        pointer = b.gep(pointer, [b.mul(i, index(s), flags=("nsw",))], source_etype=t)
    b = nest.inner
    i = b.load(pointer, typ=t)
    b.store(b.or_(b.load(found, typ=I1), outside(b, i, dtype, size)), found)
    while nest.depth:
        nest.close()
    nest.inner.ret(nest.inner.load(found, typ=I1))
    return function


def outside(b: Any, i: Any, dtype: Any, size: int) -> Any:
    """Whether an index is below ``-size`` or not below `size`."""
    compare = b.icmp_signed if dtype.kind == "i" else b.icmp_unsigned
    bits = 8 * dtype.itemsize - (dtype.kind == "i")
    high = compare(">=", i, constant(size, dtype)) if size < 1 << bits else I1(0)
    low = I1(0)
    if dtype.kind == "i" and size <= 1 << bits:
        low = compare("<", i, constant(-size, dtype))
    return b.or_(low, high)
