"""Compiled functions: staging with state, the cache, the plan and the report."""

from __future__ import annotations

from typing import Any

from adjoint.core.bind import state
from adjoint.core.capture import CHANGES


def rely(owner: Any, name: str) -> None:
    """Tell a function that is being compiled that its program depends on an attribute.

    Python attributes are read once, while the function is staged. One that has been named here,
    such as a module's `training`, makes another program when it has another value; whoever sets it
    must call `changed`.

    Args:
        owner: the object.
        name: of the attribute.
    """
    if state.capture is not None:
        state.capture.rely(owner, name)


def changed() -> None:
    """Tell compiled functions that an attribute which they may rely on has been set."""
    CHANGES[0] += 1
