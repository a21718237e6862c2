"""The error that a layer raises when the shapes of what it is given do not fit."""

from __future__ import annotations

from typing import Any

import adjoint as ad

__all__ = ["misfit"]


def misfit(op: str, fact: str, hint: str = "", **operands: Any) -> ad.errors.ShapeError:
    """An error that states the fact, and names each operand with its type and where it was made."""
    return ad.errors.ShapeError(ad.errors.explain(fact, op, operands.items(), hint=hint))
