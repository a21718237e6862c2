"""Cards as scalar bodies: which the back end knows, and how their fields reach the body."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adjoint.backends.llvm import scalars
from adjoint.backends.llvm.nest import I64, constant, index, ll

FIELDS: dict[str, dict[str, Any]] = {
    "rint": {"decimals": 0},
    "floordiv": {"paired": False},
    "strong_mul": {},
    "cast": {},
}
"""Cards with fields whose body is known, and the value that the body is for."""


def known(op: Any, dtype: Any, out: Any) -> bool:
    """Whether a card has a scalar body for operands of a dtype."""
    if ll(dtype) is None or ll(out) is None:
        return False
    if op.llvm in ("cast", "wrap_index"):
        return True
    fields = FIELDS.get(op.llvm)
    if op.fields and (fields is None or any(getattr(op, k) != v for k, v in fields.items())):
        return False
    return scalars.supports(op.llvm, dtype)


def body(b: Any, op: Any, dtype: Any, out: Any, xs: Sequence[Any]) -> Any:
    """The result of a card for scalar operands of one dtype."""
    if op.llvm == "cast":
        return scalars.emit_cast(b, xs[0], dtype, out)
    if op.llvm == "wrap_index":
        return wrap(b, xs[0], dtype, index(op.size))
    if op.llvm == "strong_mul":
        found = scalars.emit(b, "strong_mul", dtype, list(xs))
        if not op.both:
            return found
        zero = constant(0, dtype)
        is_zero = scalars.emit(b, "eq", dtype, [xs[1], zero])
        return scalars.emit(b, "select", dtype, [is_zero, zero, found])
    return scalars.emit(b, op.llvm, dtype, list(xs))


def wrap(b: Any, i: Any, dtype: Any, size: Any) -> Any:
    """An index as a place: negative ones count from the end; what is out of range is brought in."""
    if dtype.itemsize < 8:
        i = b.sext(i, I64) if dtype.kind == "i" else b.zext(i, I64)
    zero = index(0)
    i = b.select(b.icmp_signed("<", i, zero), b.add(i, size), i)
    i = b.select(b.icmp_signed("<", i, zero), zero, i)
    last = b.sub(size, index(1))
    return b.select(b.icmp_signed(">", i, last), last, i)
