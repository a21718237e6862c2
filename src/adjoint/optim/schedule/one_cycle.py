"""One cycle: up, down, and further down, with the momentum the other way round."""

from __future__ import annotations

import math
from typing import Any

import adjoint as ad
from adjoint.optim.optimizer import Optimizer
from adjoint.optim.schedule.base import Schedule, per_group, whole


class OneCycleLR(Schedule):
    """Rises from ``max_lr/div_factor`` to `max_lr`, and falls to nearly nothing; momentum opposite.

    Args:
        optimizer: whose learning rates and momenta are set, or None.
        max_lr: the peak, or a list with one for each group.
        total_steps: length of the cycle; or say `epochs` and `steps_per_epoch`.
        epochs: passes over the data.
        steps_per_epoch: steps in each.
        pct_start: share of the steps in which the learning rate rises.
        anneal_strategy: ``"cos"`` or ``"linear"``.
        cycle_momentum: whether momentum (or the first of betas) goes from `max_momentum` to
            `base_momentum` and back.
        base_momentum: momentum at the peak.
        max_momentum: momentum at both ends.
        div_factor: peak over first learning rate.
        final_div_factor: first learning rate over last.
        three_phase: fall to the first learning rate as fast as it rose, and then to the last.
        last_epoch: see `Schedule`.

    Raises:
        ArgumentError: if the length is not given, or `step` is called beyond it.

    Example:
        >>> schedule = ad.optim.schedule.OneCycleLR(None, max_lr=1.0, total_steps=10)
        >>> [round(schedule.at(t), 2) for t in range(10)]
        [0.04, 0.52, 1.0, 0.95, 0.81, 0.61, 0.39, 0.19, 0.05, 0.0]

    Source: Smith and Topin, Super-convergence, arXiv:1708.07120; in the form of PyTorch.
    """

    def __init__(
        self,
        optimizer: Optimizer | None,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        owner = "OneCycleLR"
        self.total_steps = _length(total_steps, epochs, steps_per_epoch)
        if not 0.0 <= pct_start <= 1.0:
            raise ad.errors.ArgumentError(
                f"{owner}: pct_start must be in [0, 1], not {pct_start!r}"
            )
        if anneal_strategy not in ("cos", "linear"):
            raise ad.errors.ArgumentError(
                f"{owner}: anneal_strategy {anneal_strategy!r}; there are 'cos' and 'linear'"
            )
        self.anneal_strategy = anneal_strategy
        self.cycle_momentum = cycle_momentum and optimizer is not None
        if optimizer is not None and cycle_momentum and not _has_momentum(optimizer):
            raise ad.errors.ArgumentError(
                f"{owner}: {type(optimizer).__name__} has no momentum\n  Try: cycle_momentum=False"
            )
        self.peaks: list[float] = per_group("max_lr", max_lr, optimizer, owner)
        self.low_momenta: list[float] = per_group("base_momentum", base_momentum, optimizer, owner)
        self.high_momenta: list[float] = per_group("max_momentum", max_momentum, optimizer, owner)
        self.div_factor, self.final_div_factor = div_factor, final_div_factor
        # where each phase ends, and which of first (0), peak (1) and last (2) it leads to
        end = self.total_steps - 1.0
        rise = pct_start * self.total_steps - 1.0
        self.phases = [(0.0, 0), (rise, 1)]
        self.phases += [(2.0 * rise, 0), (end, 2)] if three_phase else [(end, 2)]
        if optimizer is not None and last_epoch == -1:
            for group, peak in zip(optimizer.param_groups, self.peaks, strict=True):
                group["initial_lr"] = peak / div_factor
        super().__init__(optimizer, last_epoch)

    def at(self, step: int, base_lr: float | None = None) -> float:
        """The learning rate at a step, from 0.

        Args:
            step: number of the step.
            base_lr: the peak, in place of `max_lr`.
        """
        high = self.peaks[0] if base_lr is None else base_lr
        first = high / self.div_factor
        return self._follow(step, (first, high, first / self.final_div_factor))

    def lr_of(self, step: int, i: int, base_lr: float) -> float:
        return self.at(step, self.peaks[min(i, len(self.peaks) - 1)])

    def momentum_of(self, step: int, i: int) -> float | None:
        if not self.cycle_momentum:
            return None
        low, high = (x[min(i, len(x) - 1)] for x in (self.low_momenta, self.high_momenta))
        return self._follow(step, (high, low, high))

    def _follow(self, step: int, values: tuple[float, float, float]) -> float:
        """The value at a step, between those of the two ends of its phase."""
        if step > self.total_steps:
            raise ad.errors.ArgumentError(
                f"OneCycleLR: step {step} of a cycle of {self.total_steps}\n"
                "  Try: total_steps as large as the number of updates."
            )
        n = len(self.phases) - 1
        i = next((i for i in range(1, n) if step <= self.phases[i][0]), n)
        (start, a), (end, b) = self.phases[i - 1], self.phases[i]
        share = min(1.0, (step - start) / (end - start))
        if self.anneal_strategy == "linear":
            return (values[b] - values[a]) * share + values[a]
        return values[b] + (values[a] - values[b]) / 2.0 * (math.cos(math.pi * share) + 1.0)


def _has_momentum(optimizer: Optimizer) -> bool:
    return bool({"momentum", "betas"} & set(optimizer.defaults))


def _length(total: Any, epochs: Any, steps_per_epoch: Any) -> int:
    if total is not None:
        return whole("total_steps", total, "OneCycleLR")
    if epochs is None or steps_per_epoch is None:
        raise ad.errors.ArgumentError(
            "OneCycleLR: how long is the cycle?\n"
            "  Try: total_steps=, or epochs= and steps_per_epoch="
        )
    per_epoch = whole("steps_per_epoch", steps_per_epoch, "OneCycleLR")
    return whole("epochs", epochs, "OneCycleLR") * per_epoch
