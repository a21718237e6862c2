"""Connectionist temporal classification as a layer."""

from __future__ import annotations

from typing import Any

from adjoint.nn import loss_ctc as f
from adjoint.nn.loss_layer import AbstractLoss

__all__ = ["CTCLoss"]


class CTCLoss(AbstractLoss):
    """The surprise at a sequence of labels whose timing is not known.

    See `functional.ctc_loss`.

    Args:
        blank: the class that stands for no label.
        reduction: ``"mean"``, ``"sum"``, ``"none"`` or ``"parts"``: sum and count.
        zero_infinity: whether the infinite loss of a target that does not fit into its input is 0.

    Example:
        >>> log_p = ad.log(ad.full((2, 1, 2), 0.5))
        >>> round(float(ad.nn.CTCLoss()(log_p, [[1]], [2], [1])), 4)
        0.2877
    """

    shown = ("blank", "reduction", "zero_infinity")

    def __init__(
        self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False
    ) -> None:
        super().__init__(reduction)
        self.blank = blank
        self.zero_infinity = zero_infinity

    def forward(self, log_probs: Any, targets: Any, input_lengths: Any, target_lengths: Any) -> Any:
        """The loss, reduced."""
        return f.ctc_loss(
            log_probs,
            targets,
            input_lengths,
            target_lengths,
            self.blank,
            self.reduction,
            self.zero_infinity,
        )
