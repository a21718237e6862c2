"""Schedules that multiply the first learning rate by a factor."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import Any

import adjoint as ad
from adjoint.optim.optimizer import Optimizer
from adjoint.optim.schedule.base import Schedule, per_group, whole


class StepLR(Schedule):
    """Multiplied by `gamma` every `step_size` steps.

    Args:
        optimizer: whose learning rates are set, or None.
        step_size: steps between two changes.
        gamma: the factor.
        last_epoch: see `Schedule`.

    Example:
        >>> schedule = ad.optim.schedule.StepLR(None, step_size=2)
        >>> [round(schedule.at(t, base_lr=1.0), 3) for t in range(6)]
        [1.0, 1.0, 0.1, 0.1, 0.01, 0.01]
    """

    def __init__(
        self, optimizer: Optimizer | None, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size = whole("step_size", step_size, "StepLR")
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def at(self, step: int, base_lr: float = 1.0) -> float:
        """The learning rate at a step, from 0, if it begins as `base_lr`."""
        return base_lr * self.gamma ** (step // self.step_size)


class MultiStepLR(Schedule):
    """Multiplied by `gamma` at each of the given steps.

    Args:
        optimizer: whose learning rates are set, or None.
        milestones: the steps; one that is named twice counts twice.
        gamma: the factor.
        last_epoch: see `Schedule`.

    Example:
        >>> schedule = ad.optim.schedule.MultiStepLR(None, milestones=[1, 4])
        >>> [round(schedule.at(t), 3) for t in range(6)]
        [1.0, 0.1, 0.1, 0.1, 0.01, 0.01]
    """

    def __init__(
        self,
        optimizer: Optimizer | None,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        self.milestones = sorted(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def at(self, step: int, base_lr: float = 1.0) -> float:
        """The learning rate at a step, from 0, if it begins as `base_lr`."""
        return base_lr * self.gamma ** bisect_right(self.milestones, step)


class ConstantLR(Schedule):
    """Multiplied by `factor` during the first `total_iters` steps.

    Args:
        optimizer: whose learning rates are set, or None.
        factor: the factor, in [0, 1].
        total_iters: how many steps.
        last_epoch: see `Schedule`.

    Example:
        >>> schedule = ad.optim.schedule.ConstantLR(None, factor=0.5, total_iters=2)
        >>> [schedule.at(t) for t in range(4)]
        [0.5, 0.5, 1.0, 1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer | None,
        factor: float = 1.0 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        self.factor = _factor("factor", factor, "ConstantLR")
        self.total_iters = whole("total_iters", total_iters, "ConstantLR", 0)
        super().__init__(optimizer, last_epoch)

    def at(self, step: int, base_lr: float = 1.0) -> float:
        """The learning rate at a step, from 0, if it begins as `base_lr`."""
        return base_lr * (self.factor if step < self.total_iters else 1.0)


class LinearLR(Schedule):
    """Multiplied by a factor that goes from `start_factor` to `end_factor` in a straight line.

    Args:
        optimizer: whose learning rates are set, or None.
        start_factor: factor at step 0, in (0, 1].
        end_factor: factor from step `total_iters` on, in [0, 1].
        total_iters: how many steps it takes.
        last_epoch: see `Schedule`.

    Example:
        >>> schedule = ad.optim.schedule.LinearLR(None, start_factor=0.2, total_iters=4)
        >>> [round(schedule.at(t), 3) for t in range(6)]
        [0.2, 0.4, 0.6, 0.8, 1.0, 1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer | None,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        self.start_factor = _factor("start_factor", start_factor, "LinearLR")
        self.end_factor = _factor("end_factor", end_factor, "LinearLR")
        self.total_iters = whole("total_iters", total_iters, "LinearLR")
        super().__init__(optimizer, last_epoch)

    def at(self, step: int, base_lr: float = 1.0) -> float:
        """The learning rate at a step, from 0, if it begins as `base_lr`."""
        share = min(step, self.total_iters) / self.total_iters
        return base_lr * (self.start_factor + (self.end_factor - self.start_factor) * share)


class ExponentialLR(Schedule):
    """Multiplied by `gamma` at every step.

    Args:
        optimizer: whose learning rates are set, or None.
        gamma: the factor.
        last_epoch: see `Schedule`.

    Example:
        >>> schedule = ad.optim.schedule.ExponentialLR(None, gamma=0.5)
        >>> [schedule.at(t) for t in range(4)]
        [1.0, 0.5, 0.25, 0.125]
    """

    def __init__(self, optimizer: Optimizer | None, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def at(self, step: int, base_lr: float = 1.0) -> float:
        """The learning rate at a step, from 0, if it begins as `base_lr`."""
        return base_lr * self.gamma**step


class PolynomialLR(Schedule):
    """Falls to zero as a power of the steps that are left.

    Args:
        optimizer: whose learning rates are set, or None.
        total_iters: steps until zero.
        power: the power; 1 is a straight line.
        last_epoch: see `Schedule`.

    Example:
        >>> schedule = ad.optim.schedule.PolynomialLR(None, total_iters=4, power=2.0)
        >>> [schedule.at(t) for t in range(6)]
        [1.0, 0.5625, 0.25, 0.0625, 0.0, 0.0]
    """

    def __init__(
        self,
        optimizer: Optimizer | None,
        total_iters: int = 5,
        power: float = 1.0,
        last_epoch: int = -1,
    ) -> None:
        self.total_iters = whole("total_iters", total_iters, "PolynomialLR")
        self.power = power
        super().__init__(optimizer, last_epoch)

    def at(self, step: int, base_lr: float = 1.0) -> float:
        """The learning rate at a step, from 0, if it begins as `base_lr`."""
        return base_lr * (1.0 - min(step, self.total_iters) / self.total_iters) ** self.power


class LambdaLR(Schedule):
    """Multiplied by a function of the step.

    Args:
        optimizer: whose learning rates are set, or None.
        lr_lambda: function from the step to the factor, or a list with one for each group. It is
            not part of `state_dict`.
        last_epoch: see `Schedule`.

    Example:
        >>> schedule = ad.optim.schedule.LambdaLR(None, lambda t: 1 / (1 + t))
        >>> [schedule.at(t) for t in range(4)]
        [1.0, 0.5, 0.3333333333333333, 0.25]
    """

    def __init__(
        self,
        optimizer: Optimizer | None,
        lr_lambda: Callable[[int], float] | list[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        self.lr_lambdas: list[Any] = per_group("lr_lambda", lr_lambda, optimizer, "LambdaLR")
        super().__init__(optimizer, last_epoch)

    def at(self, step: int, base_lr: float = 1.0) -> float:
        """The learning rate at a step, from 0, if it begins as `base_lr`; of the first function."""
        return base_lr * self.lr_lambdas[0](step)

    def lr_of(self, step: int, i: int, base_lr: float) -> float:
        return base_lr * self.lr_lambdas[i if len(self.lr_lambdas) > 1 else 0](step)


def _factor(name: str, value: float, owner: str) -> float:
    if not 0.0 <= value <= 1.0 or (name == "start_factor" and value == 0.0):
        low = "(0" if name == "start_factor" else "[0"
        raise ad.errors.ArgumentError(f"{owner}: {name} must be in {low}, 1], not {value!r}")
    return value
