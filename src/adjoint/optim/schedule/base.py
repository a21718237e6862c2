"""Schedule: a function of the step that is written into an optimizer's groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import adjoint as ad
from adjoint.optim.optimizer import Optimizer


class Schedule:
    """Base of the schedules: `at` says what the learning rate is at a step, `step` writes it.

    The learning rate follows from the number of the step alone, not from what it was before, so
    that nothing adds up and a resumed run goes on exactly. What is assigned to ``group["lr"]`` in
    between holds until the next step of the schedule.

    Args:
        optimizer: whose learning rates are set; None for a schedule that is only asked `at`, or is
            a part of another.
        last_epoch: number of the step to resume at, less one; the groups must then have an
            ``initial_lr``, as they have after the optimizer's state was loaded.

    Attributes:
        last_epoch: number of the present step; 0 once constructed.
        base_lrs: the learning rate that each group had at first.
    """

    def __init__(self, optimizer: Optimizer | None, last_epoch: int = -1) -> None:
        self.optimizer = optimizer
        self.last_epoch = last_epoch
        self.base_lrs: list[float] = []
        if optimizer is not None:
            if not isinstance(optimizer, Optimizer):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise ad.errors.ArgumentError(
                    f"{type(self).__name__}: {type(optimizer).__name__} is not an optimizer"
                )
            self._find_bases(optimizer)
            self.step()

    def at(self, step: int, base_lr: float = 1.0) -> float:
        """The learning rate at a step, from 0, if it begins as `base_lr`."""
        raise NotImplementedError

    def step(self) -> None:
        """Go to the next step, and set the learning rates. Call it after the optimizer's step."""
        self.last_epoch += 1
        self._write()

    def get_last_lr(self) -> list[float]:
        """The learning rates of the groups as they are now."""
        return (
            [] if self.optimizer is None else [group["lr"] for group in self.optimizer.param_groups]
        )

    def state_dict(self) -> dict[str, Any]:
        """Numbers from which `load_state_dict` goes on."""
        return {"last_epoch": self.last_epoch, "base_lrs": list(self.base_lrs)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave, and set the learning rates."""
        self.last_epoch = int(state_dict["last_epoch"])
        self.base_lrs = [float(x) for x in state_dict["base_lrs"]]
        if self.optimizer is not None:
            self._write()

    # -- for subclasses ------------------------------------------------------------------------

    def lr_of(self, step: int, i: int, base_lr: float) -> float:
        """The learning rate of group `i`; for schedules that treat groups differently."""
        del i
        return self.at(step, base_lr)

    def momentum_of(self, step: int, i: int) -> float | None:
        """The momentum of group `i`, if the schedule sets it."""
        del step, i
        return None

    def base_of(self, i: int, default: float) -> float:
        """What group `i` begins with; `default` where the schedule is a part of another."""
        return self.base_lrs[i] if i < len(self.base_lrs) else default

    def _find_bases(self, optimizer: Optimizer) -> None:
        for i, group in enumerate(optimizer.param_groups):
            if self.last_epoch != -1 and "initial_lr" not in group:
                raise ad.errors.ArgumentError(
                    f"{type(self).__name__}: last_epoch is {self.last_epoch}, but group {i} has no "
                    "initial_lr\n  Try: load the optimizer's state first."
                )
            self.base_lrs.append(group.setdefault("initial_lr", group["lr"]))

    def _write(self) -> None:
        assert self.optimizer is not None
        for i, group in enumerate(self.optimizer.param_groups):
            if i == len(self.base_lrs):  # a group that was added later
                self.base_lrs.append(group.setdefault("initial_lr", group["lr"]))
            group["lr"] = self.lr_of(self.last_epoch, i, self.base_lrs[i])
            momentum = self.momentum_of(self.last_epoch, i)
            if momentum is not None and "betas" in group:
                group["betas"] = (momentum, *group["betas"][1:])
            elif momentum is not None:
                group["momentum"] = momentum


def per_group(name: str, value: Any, optimizer: Optimizer | None, owner: str) -> list[Any]:
    """One value for each group, from one for all or a list."""
    n = 1 if optimizer is None else len(optimizer.param_groups)
    values = list(value) if isinstance(value, list | tuple) else [value] * n
    if optimizer is not None and len(values) != n:
        raise ad.errors.ArgumentError(
            f"{owner}: {len(values)} values for {name}, and {n} groups of parameters"
        )
    return values


def whole(name: str, value: Any, owner: str, least: int = 1) -> int:
    """A number of steps, checked."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ad.errors.ArgumentError(
            f"{owner}: {name} must be a whole number of at least {least}, not {value!r}"
        )
    return value
