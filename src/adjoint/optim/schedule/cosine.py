"""Schedules along a cosine."""

from __future__ import annotations

import math

from adjoint.optim.optimizer import Optimizer
from adjoint.optim.schedule.base import Schedule, whole


class CosineAnnealingLR(Schedule):
    """Falls from the first learning rate to `eta_min` in `T_max` steps, along half a cosine.

    Beyond `T_max` it rises again, as in PyTorch.

    Args:
        optimizer: whose learning rates are set, or None.
        T_max: steps until the least learning rate.
        eta_min: that learning rate.
        last_epoch: see `Schedule`.

    Example:
        >>> schedule = ad.optim.schedule.CosineAnnealingLR(None, T_max=4)
        >>> [round(schedule.at(t), 3) for t in range(5)]
        [1.0, 0.854, 0.5, 0.146, 0.0]

    Source: Loshchilov and Hutter, SGDR, arXiv:1608.03983.
    """

    def __init__(
        self, optimizer: Optimizer | None, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self.T_max = whole("T_max", T_max, "CosineAnnealingLR")
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def at(self, step: int, base_lr: float = 1.0) -> float:
        """The learning rate at a step, from 0, if it begins as `base_lr`."""
        return _between(self.eta_min, base_lr, step / self.T_max)


class CosineAnnealingWarmRestarts(Schedule):
    """Falls along half a cosine, then starts again from the top.

    Args:
        optimizer: whose learning rates are set, or None.
        T_0: steps of the first fall.
        T_mult: factor by which each fall is longer than the one before.
        eta_min: the least learning rate.
        last_epoch: see `Schedule`.

    Example:
        >>> schedule = ad.optim.schedule.CosineAnnealingWarmRestarts(None, T_0=2, T_mult=2)
        >>> [round(schedule.at(t), 3) for t in range(7)]
        [1.0, 0.5, 1.0, 0.854, 0.5, 0.146, 1.0]

    Source: Loshchilov and Hutter, SGDR, arXiv:1608.03983.
    """

    def __init__(
        self,
        optimizer: Optimizer | None,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        self.T_0 = whole("T_0", T_0, "CosineAnnealingWarmRestarts")
        self.T_mult = whole("T_mult", T_mult, "CosineAnnealingWarmRestarts")
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def at(self, step: int, base_lr: float = 1.0) -> float:
        """The learning rate at a step, from 0, if it begins as `base_lr`."""
        length = self.T_0
        if self.T_mult == 1:
            step %= length
        while step >= length:
            step -= length
            length *= self.T_mult
        return _between(self.eta_min, base_lr, step / length)


def _between(low: float, high: float, share: float) -> float:
    return low + (high - low) * (1.0 + math.cos(math.pi * share)) / 2.0
