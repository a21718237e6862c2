"""Schedules by name: how the learning rate goes over the steps of a run."""

from __future__ import annotations

from typing import Any, Final

import adjoint as ad
from adjoint.train.errors import TrainingError

NAMES: Final = ("constant", "cosine", "linear", "one-cycle")
WARM_UP: Final = 0.05


def as_schedule(given: Any, optimizer: Any, steps: int) -> Any:
    """The schedule of an optimizer over a number of steps.

    Args:
        given: None; a name; a schedule; or a function of the optimizer and the number of steps.
            ``"cosine"`` and ``"linear"`` rise over the first twentieth and fall to zero.
        optimizer: whose learning rate is set.
        steps: of the run.

    Raises:
        TrainingError: if there is no schedule of this name.
    """
    kinds = ad.optim.schedule
    if given is None or given == "constant":
        return None
    if isinstance(given, kinds.Schedule | kinds.ReduceLROnPlateau):
        if given.optimizer is not optimizer:
            raise TrainingError("The schedule is of another optimizer than the training.")
        return given
    if callable(given):
        return given(optimizer, steps)
    warm = max(1, round(WARM_UP * steps))
    rest = max(1, steps - warm)
    if given == "cosine":
        return kinds.WarmUp(optimizer, warm, then=kinds.CosineAnnealingLR(None, T_max=rest))
    if given == "linear":
        fall = kinds.LinearLR(None, start_factor=1.0, end_factor=0.0, total_iters=rest)
        return kinds.WarmUp(optimizer, warm, then=fall)
    if given == "one-cycle":
        return kinds.OneCycleLR(optimizer, max_lr=optimizer.lr, total_steps=max(steps, 2) + 1)
    raise TrainingError(f"There is no schedule {given!r}; there are {', '.join(NAMES)}.")
