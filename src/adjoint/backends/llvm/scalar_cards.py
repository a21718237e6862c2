"""Cards as scalar bodies: which the back end knows, and how their fields reach the body."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adjoint.backends.llvm import scalars
from adjoint.backends.llvm.nest import constant, ll
from adjoint.core.types import DType

FIELDS: dict[str, dict[str, Any]] = {
    "rint": {"decimals": 0},
    "floordiv": {"paired": False},
    "strong_mul": {},
    "cast": {},
}
"""Cards with fields whose body is known, and the value that the body is for."""


def known(op: Any, dtype: DType, out: DType) -> bool:
    """Whether a card has a scalar body for operands of a dtype."""
    if ll(dtype) is None or ll(out) is None:
        return False
    if op.llvm == "cast":
        return True
    fields = FIELDS.get(op.llvm)
    if op.fields and (fields is None or any(getattr(op, k) != v for k, v in fields.items())):
        return False
    return scalars.supports(op.llvm, dtype)


def body(b: Any, op: Any, dtype: DType, out: DType, xs: Sequence[Any]) -> Any:
    """The result of a card for scalar operands of one dtype."""
    if op.llvm == "cast":
        return scalars.emit_cast(b, xs[0], dtype, out)
    if op.llvm == "strong_mul":
        found = scalars.emit(b, "strong_mul", dtype, list(xs))
        if not op.both:
            return found
        zero = constant(0, dtype)
        is_zero = scalars.emit(b, "eq", dtype, [xs[1], zero])
        return scalars.emit(b, "select", dtype, [is_zero, zero, found])
    return scalars.emit(b, op.llvm, dtype, list(xs))
