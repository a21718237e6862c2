"""Losses of classification as layers."""

from __future__ import annotations

from typing import Any

from adjoint.nn import loss_class as f
from adjoint.nn.loss_layer import AbstractLoss

__all__ = ["CrossEntropyLoss", "KLDivLoss", "MultiMarginLoss", "NLLLoss"]


class CrossEntropyLoss(AbstractLoss):
    """The surprise at the target under the softmax of the logits.

    See `functional.cross_entropy`.

    Args:
        weight: (classes,): how much each class counts.
        ignore_index: a label that does not count.
        reduction: ``"mean"``, ``"sum"``, ``"none"`` or ``"parts"``: sum and count.
        label_smoothing: the share of the target that is spread evenly.

    Example:
        >>> loss = ad.nn.CrossEntropyLoss()
        >>> loss(ad.tensor([[0.0, 0.0], [1000.0, 0.0]]), ad.tensor([0, 0]))
        tensor(0.3465736)
    """

    weight: Any

    shown = (
        "ignore_index",
        "reduction",
        "label_smoothing",
    )

    def __init__(
        self,
        weight: Any = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Any, target: Any) -> Any:
        """The loss, reduced."""
        return f.cross_entropy(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class NLLLoss(AbstractLoss):
    """Minus the log-probability at the label.

    See `functional.nll_loss`.

    Args:
        weight: (classes,): how much each class counts.
        ignore_index: a label that does not count.
        reduction: ``"mean"``, ``"sum"``, ``"none"`` or ``"parts"``: sum and count.

    Example:
        >>> ad.nn.NLLLoss()(ad.log(ad.tensor([[0.25, 0.75]])), ad.tensor([0]))
        tensor(1.3862944)
    """

    weight: Any

    shown = (
        "ignore_index",
        "reduction",
    )

    def __init__(
        self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index

    def forward(self, input: Any, target: Any) -> Any:
        """The loss, reduced."""
        return f.nll_loss(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
        )


class KLDivLoss(AbstractLoss):
    """How far a distribution is from one given by logarithms.

    See `functional.kl_div`.

    Args:
        reduction: ``"mean"``, ``"sum"``, ``"none"`` or ``"parts"``: sum and count.
        log_target: whether the target is given by logarithms.

    Example:
        >>> loss = ad.nn.KLDivLoss("batchmean")
        >>> loss(ad.log(ad.tensor([[0.25, 0.75]])), ad.tensor([[0.5, 0.5]]))
        tensor(0.14384104)
    """

    shown = (
        "reduction",
        "log_target",
    )

    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction)
        self.log_target = log_target

    def forward(self, input: Any, target: Any) -> Any:
        """The loss, reduced."""
        return f.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class MultiMarginLoss(AbstractLoss):
    """How far other classes come within a margin of the label.

    See `functional.multi_margin_loss`.

    Args:
        p: the power, 1 or 2.
        margin: the margin.
        weight: (classes,): how much each class counts.
        reduction: ``"mean"``, ``"sum"``, ``"none"`` or ``"parts"``: sum and count.

    Example:
        >>> ad.nn.MultiMarginLoss()(ad.tensor([[0.5, 1.0]]), ad.tensor([0]))
        tensor(0.75)
    """

    weight: Any

    shown = (
        "p",
        "margin",
        "reduction",
    )

    def __init__(
        self, p: int = 1, margin: float = 1.0, weight: Any = None, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction)
        self.p = p
        self.margin = margin
        self.register_buffer("weight", weight)

    def forward(self, input: Any, target: Any) -> Any:
        """The loss, reduced."""
        return f.multi_margin_loss(
            input,
            target,
            p=self.p,
            margin=self.margin,
            weight=self.weight,
            reduction=self.reduction,
        )
