"""Errors of layers and losses, said as fully as those of operations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import adjoint as ad


def refusal(
    cls: type[Exception], fact: str, name: str, operands: Sequence[tuple[str, Any]], hint: str = ""
) -> Exception:
    """The error to raise: what failed, the operands, the user's line, and a way out.

    Args:
        cls: its class.
        fact: what failed.
        name: of the function, as the user spells it.
        operands: pairs of name and value.
        hint: a way out that is known to work, or nothing.
    """
    return cls(ad.errors.explain(fact, name, operands, ad.errors.user_line(), hint))
