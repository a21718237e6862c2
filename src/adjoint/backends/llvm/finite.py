"""Whether what a step has computed is finite: looked at before anything is changed in place.

Small values are read in full. Of a large matrix the first row and some of the first column are: a
product carries what is not finite in a row or a column of its operands into all of the result's.
"""

from __future__ import annotations

from typing import Any, Final

from llvmlite import ir

from adjoint.backends.llvm.nest import I1, I64, PTR, Nest, index
from adjoint.core.types import DType, Shape

FULL: Final = 1 << 12
"""Elements up to which a value is read in full."""
SAMPLES: Final = 128
"""Elements that are read of the first column of a larger one."""
MASKS: Final = {4: (0x7FFFFFFF, 0x7F800000), 8: (0x7FFFFFFFFFFFFFFF, 0x7FF0000000000000)}
"""By width: the bits without the sign, and the least such bits of what is not finite."""

Walk = tuple[int, int]
"""How many elements, and how far apart."""


def checkable(dtype: DType | None) -> bool:
    """Whether there is a check for a dtype."""
    return dtype is not None and dtype.kind == "f" and dtype.itemsize in MASKS


def walks(shape: Shape) -> list[Walk]:
    """Which elements of a value are read."""
    size = 1
    for n in shape:
        size *= n
    if size <= FULL:
        return [(size, 1)] if size else []
    row = min(shape[-1], FULL)
    rows = size // shape[-1]
    every = max(1, rows // SAMPLES)
    return [(row, 1), (min(rows, SAMPLES), every * shape[-1])]


def not_finite(module: Any, name: str, walk: Walk, dtype: DType) -> Any:
    """A function that says whether any element of a walk is infinite or no number."""
    n, step = walk
    width = dtype.itemsize
    mask, least = MASKS[width]
    t = ir.IntType(8 * width)
    function: Any = ir.Function(module, ir.FunctionType(I1, [PTR]), name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    nest = Nest(function)
    most = nest.local(t, 1)
    nest.inner.store(t(0), most)
    i = nest.open(index(0), index(n))
    b = nest.inner
    at = b.gep(function.args[0], [b.mul(i, I64(step), flags=("nsw",))], source_etype=t)
    bits = b.and_(b.load(at, typ=t), t(mask))
    before = b.load(most, typ=t)
    b.store(b.select(b.icmp_unsigned(">", bits, before), bits, before), most)
    nest.close()
    b = nest.inner
    b.ret(b.icmp_unsigned(">=", b.load(most, typ=t), t(least)))
    return function
