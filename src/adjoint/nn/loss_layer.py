"""What losses as layers share: the reduction, and their text."""

from __future__ import annotations

from typing import ClassVar

import adjoint as ad
from adjoint.nn.module import Module
from adjoint.nn.reduction import REDUCTIONS


class AbstractLoss(Module):
    """A layer that compares predictions with targets.

    Args:
        reduction: ``"mean"``, ``"sum"``, ``"none"`` or ``"parts"``: sum and count.

    Raises:
        ArgumentError: for another reduction.
    """

    shown: ClassVar[tuple[str, ...]] = ("reduction",)
    """The arguments that `repr` shows."""

    def __init__(self, reduction: str = "mean") -> None:
        if reduction not in (*REDUCTIONS, "batchmean"):
            known = ", ".join(map(repr, REDUCTIONS))
            raise ad.errors.ArgumentError(
                f"{type(self).__name__}: reduction is one of {known}, got {reduction!r}"
            )
        self.reduction = reduction

    def extra_repr(self) -> str:
        """The arguments."""
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in self.shown)
