"""The loop: each batch goes through forward pass, backward pass and update, and all are timed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np

import adjoint as ad
from adjoint.cost import Cost, count
from adjoint.train.network import (
    Parameters,
    cross_entropy,
    forward,
    initialise,
    squared_error,
)
from adjoint.train.optimizer import OPTIMIZERS, Update
from adjoint.train.table import Table

Array = np.ndarray[Any, Any]


class TrainingError(ValueError):
    """A training that cannot go on, and why."""


@dataclass(frozen=True)
class Settings:
    """What can be chosen about a run."""

    epochs: int = 30
    batch_size: int = 32
    lr: float = 0.003
    hidden: tuple[int, ...] = (128,)
    optimizer: str = "adam"
    seed: int = 0


@dataclass
class Split:
    """Rows of a table, scaled for the network."""

    inputs: Any
    target: Any

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass
class Epoch:
    """What one pass over the training rows came to."""

    number: int
    loss: float
    validation_loss: float
    score: float


@dataclass
class Times:
    """Seconds spent in the three roles, over all steps."""

    forward: float = 0.0
    backward: float = 0.0
    update: float = 0.0
    steps: int = 0


@dataclass
class Run:
    """A training: what was asked, what came of it, what it cost.

    Attributes:
        table: what was learned from.
        settings: what was chosen.
        sizes: numbers of units of the layers.
        scaling: what the inputs (and a quantity as target) were scaled by.
        splits: rows to train, to validate and to test.
        parameters: the weights of the best epoch so far.
        generator: where the run's random numbers come from.
        best: that epoch.
        epochs: all of them.
        test: what the best weights achieve on the test rows.
        cost: operations and bytes of one step.
        update_flops: operations of one update.
        times: measured seconds.
        interrupted: whether it was stopped before its end.
    """

    table: Table
    settings: Settings
    sizes: tuple[int, ...]
    scaling: dict[str, Array]
    splits: tuple[Split, Split, Split]
    parameters: Parameters
    generator: Any
    best: Epoch | None = None
    epochs: list[Epoch] = field(default_factory=list)
    test: dict[str, float] = field(default_factory=dict)
    cost: Cost | None = None
    update_flops: int = 0
    times: Times = field(default_factory=Times)
    interrupted: bool = False

    @property
    def parts(self) -> tuple[int, ...]:
        """How many rows train, validate and test."""
        return tuple(map(len, self.splits))

    @property
    def size(self) -> int:
        """Number of the network's parameters."""
        return sum(p.size for p in self.parameters.values())


def prepare(table: Table, settings: Settings) -> Run:
    """A run that is about to start: rows divided and scaled, weights at their first values.

    Everything random follows from the seed: the division, the weights, the order of the batches.
    """
    generator = ad.random.Generator(settings.seed)
    train, validation, test, scaling = _divide(table, generator)
    sizes = (table.inputs.shape[1], *settings.hidden, len(table.labels) or 1)
    weights = initialise(sizes, generator)
    return Run(table, settings, sizes, scaling, (train, validation, test), weights, generator)


def fit(run: Run, on_epoch: Callable[[Run], None] | None = None) -> Run:
    """Train; the weights of the epoch that validates best are kept.

    Args:
        run: what `prepare` gives.
        on_epoch: called after each epoch.

    Returns:
        The same run. If it was interrupted from the keyboard it says so, and has what was reached.

    Raises:
        TrainingError: if the loss stops being a number.
    """
    try:
        for epoch in _epochs(run):
            run.epochs.append(epoch)
            if on_epoch is not None:
                on_epoch(run)
    except KeyboardInterrupt:
        run.interrupted = True
    if run.best is not None:
        run.test = measure(run, run.splits[2])
    return run


def _epochs(run: Run) -> Iterator[Epoch]:
    settings, weights = run.settings, run.parameters
    train, validation, _ = run.splits
    update = OPTIMIZERS[settings.optimizer](settings.lr)
    state: dict[str, Any] = {}
    loss_of = _loss_function(run.table)
    for number in range(1, settings.epochs + 1):
        total = 0.0
        order = ad.random.permutation(len(train), generator=run.generator).numpy()
        for start in range(0, len(train), settings.batch_size):
            rows = order[start : start + settings.batch_size]
            batch = Split(train.inputs[rows], train.target[rows])
            loss, weights, state = _step(run, weights, state, batch, loss_of, update)
            total += loss * len(rows)
        with ad.no_grad():
            out = forward(weights, validation.inputs)
            validation_loss = loss_of(out, ad.asarray(validation.target)).item()
        score = _score(run, out.numpy(), validation.target)
        epoch = Epoch(number, total / len(train), validation_loss, score)
        if not math.isfinite(epoch.loss + validation_loss):
            raise TrainingError(
                f"The loss is no longer a number in epoch {number}.\n"
                f"Try: --lr {settings.lr / 10:g} instead of {settings.lr:g}"
            )
        best = run.best
        if best is None or (score, -validation_loss) > (best.score, -best.validation_loss):
            run.best, run.parameters = epoch, dict(weights)
        yield epoch


def _step(
    run: Run, weights: Parameters, state: Any, batch: Split, loss_of: Any, update: Update
) -> tuple[float, Parameters, Any]:
    """One batch: the loss, then the gradients, then the weights."""
    begin = perf_counter()
    loss = loss_of(forward(weights, batch.inputs), ad.asarray(batch.target))
    after_forward = perf_counter()
    if run.cost is None:
        run.cost = count(loss)
        after_forward, begin = perf_counter(), begin + (perf_counter() - after_forward)
    loss.backward()
    gradients = {name: weight.grad for name, weight in weights.items()}
    after_backward = perf_counter()
    with ad.no_grad():
        new_weights, new_state = update(weights, gradients, state)
    for weight in new_weights.values():
        weight.requires_grad = True
    after_update = perf_counter()
    times = run.times
    times.forward += after_forward - begin
    times.backward += after_backward - after_forward
    times.update += after_update - after_backward
    times.steps += 1
    if times.steps == 2:  # the state is complete after the first step
        run.update_flops = ad.trace(update, weights, gradients, state).flops()
    return loss.item(), new_weights, new_state


def _loss_function(table: Table) -> Callable[[Any, Any], Any]:
    return cross_entropy if table.labels else squared_error


def _divide(table: Table, generator: Any) -> tuple[Split, Split, Split, dict[str, Array]]:
    """Rows in random order: 70 % to train, 15 % to validate, 15 % to test; and the scaling.

    Only the training rows say how to scale, or the test would know what it must not.
    """
    order = ad.random.permutation(len(table), generator=generator).numpy()
    n = len(order)
    first, second = n - 2 * (n * 15 // 100), n - n * 15 // 100
    rows = order[:first], order[first:second], order[second:]
    seen = table.inputs[rows[0]]
    spread = np.full(seen.shape[1:], seen.std()) if table.one_scale else _std(seen)
    scaling = {"input.mean": seen.mean(0), "input.std": spread}
    inputs = (table.inputs - scaling["input.mean"]) / scaling["input.std"]
    target = table.target
    if not table.labels:
        seen = table.target[rows[0]]
        scaling |= {"target.mean": seen.mean(), "target.std": _std(seen)}
        target = ((target - scaling["target.mean"]) / scaling["target.std"]).astype(np.float32)
    train, validation, test = (Split(inputs[r].astype(np.float32), target[r]) for r in rows)
    return train, validation, test, scaling


def _std(x: Array) -> Array:
    """Standard deviations; 1 for what does not vary."""
    std = x.std(0)
    return np.where(std > 1e-12 * np.abs(x).max(0, initial=1.0), std, 1.0)


def _score(run: Run, out: Array, target: Array) -> float:
    """Accuracy, or the explained share of the variance (R²)."""
    if run.table.labels:
        return float((out.argmax(-1) == target).mean())
    error = float(((out[:, 0] - target) ** 2).sum())
    spread = float(((target - target.mean()) ** 2).sum())
    return 1.0 - error / spread if spread else 0.0


def measure(run: Run, part: Split) -> dict[str, float]:
    """What the kept weights achieve on some rows."""
    with ad.no_grad():
        out = forward(run.parameters, part.inputs).numpy()
    score = _score(run, out, part.target)
    if run.table.labels:
        right = int((out.argmax(-1) == part.target).sum())
        return {"accuracy": score, "right": right, "rows": len(part)}
    error = np.abs(out[:, 0] - part.target).mean() * run.scaling["target.std"]
    return {"r2": score, "mae": float(error), "rows": len(part)}
