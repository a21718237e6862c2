"""Less when nothing gets better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import adjoint as ad
from adjoint.optim.optimizer import Optimizer
from adjoint.optim.schedule.base import per_group

STATE = ("best", "num_bad_epochs", "cooldown_counter", "last_epoch")


class ReduceLROnPlateau:
    """Multiplied by `factor` when a metric has not improved for `patience` steps.

    Args:
        optimizer: whose learning rates are set.
        mode: ``"min"`` if less is better, or ``"max"``.
        factor: the factor, below 1.
        patience: steps without improvement that are put up with.
        threshold: least improvement that counts.
        threshold_mode: whether that is a share of the best (``"rel"``) or a difference (``"abs"``).
        cooldown: steps after a change that do not count.
        min_lr: least learning rate, or a list with one for each group.
        eps: changes that are smaller are left out.

    Raises:
        ArgumentError: if a number is out of range.

    Example:
        >>> opt = ad.optim.SGD([ad.tensor(0.0, requires_grad=True)], lr=1.0)
        >>> schedule = ad.optim.schedule.ReduceLROnPlateau(opt, patience=1)
        >>> for loss in (3.0, 2.0, 2.0, 2.0):
        ...     schedule.step(loss)
        ...     print(opt.lr)
        1.0
        1.0
        1.0
        0.1
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | list[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        if not factor < 1.0:
            raise ad.errors.ArgumentError(
                f"ReduceLROnPlateau: factor must be below 1, not {factor!r}"
            )
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise ad.errors.ArgumentError(
                f"ReduceLROnPlateau: mode {mode!r}, threshold_mode {threshold_mode!r}; "
                "there are 'min' and 'max', 'rel' and 'abs'"
            )
        self.optimizer = optimizer
        self.mode, self.threshold_mode = mode, threshold_mode
        self.factor, self.patience, self.threshold = factor, patience, threshold
        self.cooldown, self.eps = cooldown, eps
        self.min_lrs: list[float] = per_group("min_lr", min_lr, optimizer, "ReduceLROnPlateau")
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = 0
        self.cooldown_counter = 0
        self.last_epoch = 0

    def step(self, metrics: Any) -> None:
        """Look at the metric of an epoch: a number, or a tensor whose number is known."""
        current = float(metrics)
        self.last_epoch += 1
        if self._is_better(current):
            self.best = current
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0

    def get_last_lr(self) -> list[float]:
        """The learning rates of the groups as they are now."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Numbers from which `load_state_dict` goes on; `best` is None as long as there is none."""
        out = {name: getattr(self, name) for name in STATE}
        return out | {"best": self.best if math.isfinite(self.best) else None}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        for name in STATE:
            setattr(self, name, state_dict[name])
        if self.best is None:  # pyright: ignore[reportUnnecessaryComparison]  # setattr above
            self.best = math.inf if self.mode == "min" else -math.inf

    def _is_better(self, x: float) -> bool:
        sign = 1.0 if self.mode == "min" else -1.0
        if self.threshold_mode == "abs":
            return sign * x < sign * self.best - self.threshold
        return sign * x < sign * self.best * (1.0 - sign * self.threshold)

    def _reduce(self) -> None:
        for i, group in enumerate(self.optimizer.param_groups):
            lr = max(group["lr"] * self.factor, self.min_lrs[min(i, len(self.min_lrs) - 1)])
            if group["lr"] - lr > self.eps:
                group["lr"] = lr
