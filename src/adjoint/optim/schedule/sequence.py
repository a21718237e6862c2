"""Schedules one after another."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import adjoint as ad
from adjoint.optim.optimizer import Optimizer
from adjoint.optim.schedule.base import Schedule, whole


class SequentialLR(Schedule):
    """Several schedules, each from its milestone on, where it begins at its own step 0.

    Args:
        optimizer: whose learning rates are set, or None.
        schedulers: the schedules; their optimizer is the same one, or None.
        milestones: the step at which each of them begins, without the first.
        last_epoch: see `Schedule`.

    Raises:
        ArgumentError: if the milestones are not one less than the schedules.

    Example:
        >>> schedule = ad.optim.schedule
        >>> parts = [schedule.ConstantLR(None, 0.5, 9), schedule.ExponentialLR(None, 0.5)]
        >>> whole = schedule.SequentialLR(None, parts, milestones=[2])
        >>> [whole.at(t) for t in range(5)]
        [0.5, 0.5, 1.0, 0.5, 0.25]
    """

    def __init__(
        self,
        optimizer: Optimizer | None,
        schedulers: Sequence[Schedule],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        if len(milestones) != len(schedulers) - 1:
            raise ad.errors.ArgumentError(
                f"SequentialLR: {len(schedulers)} schedules need {len(schedulers) - 1} milestones, "
                f"not {len(milestones)}"
            )
        for i, part in enumerate(schedulers):
            if not isinstance(part, Schedule):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise ad.errors.ArgumentError(
                    f"SequentialLR: part {i} is {type(part).__name__}, no function of the step"
                )
            if part.optimizer not in (None, optimizer):
                raise ad.errors.ArgumentError(f"SequentialLR: part {i} has another optimizer")
        self.schedulers, self.milestones = list(schedulers), list(milestones)
        super().__init__(optimizer, last_epoch)

    def at(self, step: int, base_lr: float = 1.0) -> float:
        """The learning rate at a step, from 0, if it begins as `base_lr`."""
        part, step = self._part(step)
        return part.at(step, base_lr)

    def lr_of(self, step: int, i: int, base_lr: float) -> float:
        part, step = self._part(step)
        return part.lr_of(step, i, part.base_of(i, base_lr))

    def momentum_of(self, step: int, i: int) -> float | None:
        part, step = self._part(step)
        return part.momentum_of(step, i)

    def _part(self, step: int) -> tuple[Schedule, int]:
        i = bisect_right(self.milestones, step)
        return self.schedulers[i], step - (self.milestones[i - 1] if i else 0)


class WarmUp(Schedule):
    """Rises in a straight line for some steps; then another schedule begins, or nothing changes.

    At step t of the `steps` the learning rate is multiplied by ``(t + 1)/(steps + 1)``.

    Args:
        optimizer: whose learning rates are set, or None.
        steps: how many.
        then: the schedule that follows, usually made with None for its optimizer.
        last_epoch: see `Schedule`.

    Example:
        >>> after = ad.optim.schedule.CosineAnnealingLR(None, T_max=4)
        >>> schedule = ad.optim.schedule.WarmUp(None, 3, after)
        >>> [round(schedule.at(t), 3) for t in range(8)]
        [0.25, 0.5, 0.75, 1.0, 0.854, 0.5, 0.146, 0.0]

    Source: Goyal et al., Accurate, large minibatch SGD, arXiv:1706.02677.
    """

    def __init__(
        self,
        optimizer: Optimizer | None,
        steps: int,
        then: Schedule | None = None,
        last_epoch: int = -1,
    ) -> None:
        self.steps = whole("steps", steps, "WarmUp", 0)
        self.then = then
        super().__init__(optimizer, last_epoch)

    def at(self, step: int, base_lr: float = 1.0) -> float:
        """The learning rate at a step, from 0, if it begins as `base_lr`."""
        return self.lr_of(step, 0, base_lr)

    def lr_of(self, step: int, i: int, base_lr: float) -> float:
        first = base_lr if self.then is None else self.then.lr_of(0, i, base_lr)
        if step < self.steps:
            return first * (step + 1) / (self.steps + 1)
        return base_lr if self.then is None else self.then.lr_of(step - self.steps, i, base_lr)

    def momentum_of(self, step: int, i: int) -> float | None:
        return None if self.then is None else self.then.momentum_of(max(0, step - self.steps), i)
