"""Losses of regression as layers."""

from __future__ import annotations

from typing import Any

from adjoint.nn import loss_value as f
from adjoint.nn.loss_layer import AbstractLoss

__all__ = ["GaussianNLLLoss", "HuberLoss", "L1Loss", "MSELoss", "PoissonNLLLoss", "SmoothL1Loss"]


class MSELoss(AbstractLoss):
    """The squared difference.

    See `functional.mse_loss`.

    Args:
        reduction: ``"mean"``, ``"sum"``, ``"none"`` or ``"parts"``: sum and count.

    Example:
        >>> ad.nn.MSELoss()(ad.tensor([1.0, 2.0]), ad.tensor([1.0, 4.0]))
        tensor(2.)
    """

    def forward(self, input: Any, target: Any) -> Any:
        """The loss, reduced."""
        return f.mse_loss(input, target, reduction=self.reduction)


class L1Loss(AbstractLoss):
    """The absolute difference.

    See `functional.l1_loss`.

    Args:
        reduction: ``"mean"``, ``"sum"``, ``"none"`` or ``"parts"``: sum and count.

    Example:
        >>> ad.nn.L1Loss()(ad.tensor([1.0, 2.0]), ad.tensor([1.0, 4.0]))
        tensor(1.)
    """

    def forward(self, input: Any, target: Any) -> Any:
        """The loss, reduced."""
        return f.l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(AbstractLoss):
    """The absolute difference with its tip rounded off.

    See `functional.smooth_l1_loss`.

    Args:
        reduction: ``"mean"``, ``"sum"``, ``"none"`` or ``"parts"``: sum and count.
        beta: up to which difference it is rounded.

    Example:
        >>> ad.nn.SmoothL1Loss()(ad.tensor([1.0, 2.0]), ad.tensor([1.0, 4.0]))
        tensor(0.75)
    """

    shown = (
        "reduction",
        "beta",
    )

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        self.beta = beta

    def forward(self, input: Any, target: Any) -> Any:
        """The loss, reduced."""
        return f.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(AbstractLoss):
    """Half the squared difference, beyond `delta` linear.

    See `functional.huber_loss`.

    Args:
        reduction: ``"mean"``, ``"sum"``, ``"none"`` or ``"parts"``: sum and count.
        delta: up to which difference it is squared.

    Example:
        >>> ad.nn.HuberLoss()(ad.tensor([1.0, 2.0]), ad.tensor([1.0, 4.0]))
        tensor(0.75)
    """

    shown = (
        "reduction",
        "delta",
    )

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        self.delta = delta

    def forward(self, input: Any, target: Any) -> Any:
        """The loss, reduced."""
        return f.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class GaussianNLLLoss(AbstractLoss):
    """Surprise under normal distributions.

    See `functional.gaussian_nll_loss`.

    Args:
        full: whether the constant ``log(2 π) / 2`` is added.
        eps: the least variance.
        reduction: ``"mean"``, ``"sum"``, ``"none"`` or ``"parts"``: sum and count.

    Example:
        >>> loss = ad.nn.GaussianNLLLoss()
        >>> loss(ad.tensor([1.0]), ad.tensor([3.0]), ad.tensor([4.0]))
        tensor(1.1931472)
    """

    shown = (
        "full",
        "eps",
        "reduction",
    )

    def __init__(self, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.full = full
        self.eps = eps

    def forward(self, input: Any, target: Any, var: Any) -> Any:
        """The loss, reduced."""
        return f.gaussian_nll_loss(
            input, target, var, full=self.full, eps=self.eps, reduction=self.reduction
        )


class PoissonNLLLoss(AbstractLoss):
    """Surprise at counts under Poisson distributions.

    See `functional.poisson_nll_loss`.

    Args:
        log_input: whether the input is logarithms of rates.
        full: whether Stirling's approximation of ``log(target!)`` is added.
        eps: added to rates before their logarithm is taken.
        reduction: ``"mean"``, ``"sum"``, ``"none"`` or ``"parts"``: sum and count.

    Example:
        >>> ad.nn.PoissonNLLLoss()(ad.tensor([0.0]), ad.tensor([3.0]))
        tensor(1.)
    """

    shown = (
        "log_input",
        "full",
        "eps",
        "reduction",
    )

    def __init__(
        self, log_input: bool = True, full: bool = False, eps: float = 1e-8, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction)
        self.log_input = log_input
        self.full = full
        self.eps = eps

    def forward(self, input: Any, target: Any) -> Any:
        """The loss, reduced."""
        return f.poisson_nll_loss(
            input,
            target,
            log_input=self.log_input,
            full=self.full,
            eps=self.eps,
            reduction=self.reduction,
        )
