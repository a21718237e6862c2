"""Losses of yes-or-no answers as layers."""

from __future__ import annotations

from typing import Any

from adjoint.nn import loss_binary as f
from adjoint.nn.loss_layer import AbstractLoss

__all__ = ["BCELoss", "BCEWithLogitsLoss", "HingeEmbeddingLoss", "SoftMarginLoss"]


class BCELoss(AbstractLoss):
    """Surprise at yes-or-no answers under probabilities.

    See `functional.binary_cross_entropy`.

    Args:
        weight: factors of the losses; they broadcast.
        reduction: ``"mean"``, ``"sum"``, ``"none"`` or ``"parts"``: sum and count.

    Example:
        >>> ad.nn.BCELoss()(ad.tensor([0.5]), ad.tensor([1.0]))
        tensor(0.6931472)
    """

    weight: Any

    def __init__(self, weight: Any = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)

    def forward(self, input: Any, target: Any) -> Any:
        """The loss, reduced."""
        return f.binary_cross_entropy(input, target, weight=self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(AbstractLoss):
    """Surprise at yes-or-no answers under the sigmoid of scores.

    See `functional.binary_cross_entropy_with_logits`.

    Args:
        weight: factors of the losses; they broadcast.
        reduction: ``"mean"``, ``"sum"``, ``"none"`` or ``"parts"``: sum and count.
        pos_weight: how much a yes counts beside a no; it broadcasts.

    Example:
        >>> ad.nn.BCEWithLogitsLoss()(ad.tensor([-1000.0]), ad.tensor([1.0]))
        tensor(1000.)
    """

    weight: Any
    pos_weight: Any

    def __init__(self, weight: Any = None, reduction: str = "mean", pos_weight: Any = None) -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Any, target: Any) -> Any:
        """The loss, reduced."""
        return f.binary_cross_entropy_with_logits(
            input, target, weight=self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


class SoftMarginLoss(AbstractLoss):
    """``log(1 + exp(-y x))`` for answers of 1 and -1.

    See `functional.soft_margin_loss`.

    Args:
        reduction: ``"mean"``, ``"sum"``, ``"none"`` or ``"parts"``: sum and count.

    Example:
        >>> ad.nn.SoftMarginLoss()(ad.tensor([0.0]), ad.tensor([1.0]))
        tensor(0.6931472)
    """

    def forward(self, input: Any, target: Any) -> Any:
        """The loss, reduced."""
        return f.soft_margin_loss(input, target, reduction=self.reduction)


class HingeEmbeddingLoss(AbstractLoss):
    """Distances of alike pairs, and how near unlike pairs are.

    See `functional.hinge_embedding_loss`.

    Args:
        margin: how far apart unlike pairs shall be.
        reduction: ``"mean"``, ``"sum"``, ``"none"`` or ``"parts"``: sum and count.

    Example:
        >>> ad.nn.HingeEmbeddingLoss()(ad.tensor([0.25]), ad.tensor([-1.0]))
        tensor(0.75)
    """

    shown = (
        "margin",
        "reduction",
    )

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input: Any, target: Any) -> Any:
        """The loss, reduced."""
        return f.hinge_embedding_loss(input, target, margin=self.margin, reduction=self.reduction)
