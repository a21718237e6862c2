"""Distances, and losses that compare them, as layers."""

from __future__ import annotations

from typing import Any

from adjoint.nn import loss_distance as f
from adjoint.nn.loss_layer import AbstractLoss
from adjoint.nn.module import Module

__all__ = [
    "CosineEmbeddingLoss",
    "CosineSimilarity",
    "MarginRankingLoss",
    "PairwiseDistance",
    "TripletMarginLoss",
]


class CosineEmbeddingLoss(AbstractLoss):
    """Whether vectors point the same way.

    See `functional.cosine_embedding_loss`.

    Args:
        margin: the cosine that unlike vectors may have.
        reduction: ``"mean"``, ``"sum"``, ``"none"`` or ``"parts"``: sum and count.

    Example:
        >>> loss = ad.nn.CosineEmbeddingLoss()
        >>> loss(ad.tensor([[3.0, 4.0]]), ad.tensor([[4.0, 3.0]]), ad.tensor([-1.0]))
        tensor(0.96)
    """

    shown = (
        "margin",
        "reduction",
    )

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input1: Any, input2: Any, target: Any) -> Any:
        """The loss, reduced."""
        return f.cosine_embedding_loss(
            input1, input2, target, margin=self.margin, reduction=self.reduction
        )


class MarginRankingLoss(AbstractLoss):
    """Whether the first of two scores ranks higher.

    See `functional.margin_ranking_loss`.

    Args:
        margin: how far apart the scores shall be.
        reduction: ``"mean"``, ``"sum"``, ``"none"`` or ``"parts"``: sum and count.

    Example:
        >>> ad.nn.MarginRankingLoss()(ad.tensor([1.0]), ad.tensor([3.0]), ad.tensor([1.0]))
        tensor(2.)
    """

    shown = (
        "margin",
        "reduction",
    )

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input1: Any, input2: Any, target: Any) -> Any:
        """The loss, reduced."""
        return f.margin_ranking_loss(
            input1, input2, target, margin=self.margin, reduction=self.reduction
        )


class TripletMarginLoss(AbstractLoss):
    """Whether a vector is nearer to one than to another.

    See `functional.triplet_margin_loss`.

    Args:
        margin: by how much.
        p: which norm.
        eps: added to the differences.
        swap: take the distance of positive and negative where it is smaller.
        reduction: ``"mean"``, ``"sum"``, ``"none"`` or ``"parts"``: sum and count.

    Example:
        >>> a, p, n = (ad.tensor([[x]]) for x in (0.0, 1.0, 1.5))
        >>> ad.nn.TripletMarginLoss()(a, p, n)
        tensor(0.5)
    """

    shown = (
        "margin",
        "p",
        "eps",
        "swap",
        "reduction",
    )

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction)
        self.margin = margin
        self.p = p
        self.eps = eps
        self.swap = swap

    def forward(self, anchor: Any, positive: Any, negative: Any) -> Any:
        """The loss, reduced."""
        return f.triplet_margin_loss(
            anchor,
            positive,
            negative,
            margin=self.margin,
            p=self.p,
            eps=self.eps,
            swap=self.swap,
            reduction=self.reduction,
        )


class CosineSimilarity(Module):
    """The cosine of the angle between vectors along an axis. See `functional.cosine_similarity`.

    Args:
        dim: the axis.
        eps: the least length of a vector.

    Example:
        >>> ad.nn.CosineSimilarity()(ad.tensor([[3.0, 4.0]]), ad.tensor([[4.0, 3.0]]))
        tensor([0.96])
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        self.dim = dim
        self.eps = eps

    def forward(self, x1: Any, x2: Any) -> Any:
        """The cosines."""
        return f.cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    """The p-norm of differences along the last axis. See `functional.pairwise_distance`.

    Args:
        p: which norm.
        eps: added to the differences.
        keepdim: whether the axis stays, with size 1.

    Example:
        >>> ad.nn.PairwiseDistance()(ad.tensor([[3.0, 4.0]]), ad.zeros((1, 2)))
        tensor([5.000001])
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        self.p = p
        self.eps = eps
        self.keepdim = keepdim

    def forward(self, x1: Any, x2: Any) -> Any:
        """The distances."""
        return f.pairwise_distance(x1, x2, self.p, self.eps, self.keepdim)
