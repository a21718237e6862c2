"""Callbacks: what happens along the way, and early stopping."""

from __future__ import annotations

import math
from typing import Any

from adjoint.train.errors import TrainingError


class Callback:
    """Is called along a training; each method does nothing unless a subclass says otherwise.

    What a callback remembers belongs into `state_dict`, so that a resumed run ends as one that was
    never interrupted. ``trainer.stop(reason)`` ends the training.

    Example:
        >>> class Printer(ad.train.Callback):
        ...     def on_epoch(self, trainer, logs):
        ...         print(f"epoch {logs['epoch']}")
        >>> x = np.ones((4, 1), np.float32)
        >>> _ = ad.train.fit(ad.nn.Linear(1, 1), (x, x), epochs=2, callbacks=[Printer()])
        epoch 1
        epoch 2
    """

    def on_start(self, trainer: Any) -> None:
        """Before the first step, or the first after a resumption."""

    def on_step(self, trainer: Any, logs: dict[str, Any]) -> None:
        """After each step; `logs` has its number and loss."""

    def on_epoch(self, trainer: Any, logs: dict[str, Any]) -> None:
        """After each epoch; `logs` has its number, losses and metrics."""

    def on_checkpoint(self, trainer: Any, path: Any) -> None:
        """After a checkpoint was written."""

    def on_end(self, trainer: Any, result: Any) -> None:
        """After the last step."""

    def state_dict(self) -> dict[str, Any]:
        """What must be remembered: numbers, strings, tensors and containers of them."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""


class Best:
    """The best value so far of something that is reported for each epoch.

    Args:
        name: what is looked at, such as ``"validation loss"`` or ``"accuracy"``.
        larger_is_better: whether it grows as the model improves.
        min_delta: the least change that counts as an improvement.
    """

    def __init__(self, name: str, larger_is_better: bool, min_delta: float = 0.0) -> None:
        self.name, self.larger, self.min_delta = name, larger_is_better, min_delta
        self.value = math.nan
        self.epoch = self.step = 0
        self.since = 0  # epochs without improvement

    def see(self, logs: dict[str, Any]) -> bool:
        """Whether this epoch is the best so far."""
        if self.name not in logs:
            known = ", ".join(name for name in logs if name not in ("epoch", "step"))
            raise TrainingError(f"Nothing named {self.name!r} is reported; there are {known}.")
        x = float(logs[self.name])
        sign = 1.0 if self.larger else -1.0
        first = math.isnan(self.value) and not math.isnan(x)
        if first or sign * x > sign * self.value + self.min_delta:
            self.value, self.epoch, self.step, self.since = x, logs["epoch"], logs["step"], 0
            return True
        self.since += 1
        return False

    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on."""
        return {n: getattr(self, n) for n in ("value", "epoch", "step", "since")}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        for name, value in state.items():
            setattr(self, name, value)


class EarlyStopping:
    """When to stop, and which weights to keep.

    Args:
        patience: epochs without improvement that are put up with.
        monitor: what shall improve: a name that is reported for each epoch. By default the loss on
            the validation data.
        larger_is_better: whether it grows as the model improves; by default what the metric says.
        min_delta: the least change that counts as an improvement.
        restore_best: whether the model has the best weights at the end.

    Example:
        >>> ad.train.EarlyStopping(5).monitor
        'validation loss'
    """

    def __init__(
        self,
        patience: int = 10,
        monitor: str = "validation loss",
        *,
        larger_is_better: bool | None = None,
        min_delta: float = 0.0,
        restore_best: bool = True,
    ) -> None:
        if patience < 1:
            raise TrainingError(f"patience must be at least 1, got {patience}.")
        self.patience, self.monitor, self.larger_is_better = patience, monitor, larger_is_better
        self.min_delta, self.restore_best = min_delta, restore_best
