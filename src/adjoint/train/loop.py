"""The loop: steps, epochs, validation, checkpoints, and what happens when something goes wrong."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
import warnings
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import adjoint as ad
from adjoint.train.callbacks import Best
from adjoint.train.checkpoint import Checkpoints
from adjoint.train.errors import CheckpointError, Interrupted, TrainingError
from adjoint.train.evaluation import evaluated
from adjoint.train.journal import Journal
from adjoint.train.progress import ProgressBar
from adjoint.train.schedules import as_schedule
from adjoint.train.state import (
    first_not_finite,
    restore,
    restore_generators,
    save_generators,
    snapshot,
)
from adjoint.train.step import Compilable, Steps

VERSION = 1


@dataclass(frozen=True)
class Plan:
    """What was asked of a run."""

    total: int
    per_epoch: int
    out: Any
    checkpoint_every: int | None
    checkpoint_seconds: float
    keep: int
    resume: Any
    log_every: int
    progress: Any


@dataclass
class Result:
    """What a training came to.

    Attributes:
        trainer: what trained; it can evaluate and predict.
        steps: how many updates were made, since the first start of the run.
        epochs: what was reported for each epoch since this start: a dict with ``epoch``, ``step``,
            ``loss``, ``validation loss``, metrics.
        best: what was reported for the best epoch.
        reason: why it ended.
        seconds: how long it took since this start.
        out: the folder of the run, or None.
    """

    trainer: Any
    steps: int = 0
    epochs: list[dict[str, Any]] = field(default_factory=list)
    best: dict[str, Any] = field(default_factory=dict)
    reason: str = "all steps were done"
    seconds: float = 0.0
    out: Path | None = None

    def __repr__(self) -> str:
        last = {k: float(f"{v:.4g}") for k, v in (self.epochs or [{}])[-1].items()}
        return f"<Result of {self.steps:,} steps: {self.reason}; last epoch {last}>"


class Loop:
    """One run of a trainer."""

    def __init__(self, trainer: Any, steps: Steps, loader: Any, valid: Any, plan: Plan) -> None:
        self.trainer, self.steps, self.loader, self.valid, self.plan = (
            trainer,
            steps,
            loader,
            valid,
            plan,
        )
        self.model = trainer.model
        self.schedule = as_schedule(trainer.schedule, trainer.optimizer, plan.total)
        self.plateau = isinstance(self.schedule, ad.optim.schedule.ReduceLROnPlateau)
        self.guard = trainer.guard
        stopping = trainer.early_stopping
        name = stopping.monitor if stopping else "validation loss" if valid else "loss"
        larger = {m.name: m.larger_is_better for m in trainer.metrics}.get(name, False)
        if stopping and stopping.larger_is_better is not None:
            larger = stopping.larger_is_better
        if stopping and valid is None and name == "validation loss":
            raise TrainingError(
                "early_stopping looks at the validation loss: give validation_data."
            )
        self.best = Best(name, larger, stopping.min_delta if stopping else 0.0)
        self.result = Result(trainer, out=None if plan.out is None else Path(plan.out))
        self.seen = self.sum = self.count = 0.0
        self.limit = math.inf
        self.limit_tensor = ad.asarray(np.float32(math.inf))
        self.safe: dict[str, Any] = {}  # what a rollback goes back to
        self.best_weights: dict[str, Any] | None = None
        self.best_about: dict[str, Any] | None = None  # of best weights that are not on disk yet
        self.saved_at = -1
        self.saved_time = time.monotonic()
        self.interrupted = False
        self.checkpoints: Checkpoints | None = None
        self.journal: Journal | None = None
        trainer.step, trainer.epoch, trainer.reason = 0, 1, ""

    # -- from start to end ---------------------------------------------------------------------

    def run(self) -> Result:
        """Train."""
        trainer, plan = self.trainer, self.plan
        begin = time.perf_counter()
        state = self._open()
        self._functions(compiled=trainer.compile and (state is None or state["compiled"]))
        if state is not None:
            self._load(state)
        if self.guard.policy == "rollback":
            self.safe = snapshot(self.model, trainer.optimizer, self._fixed(), trainer.ema)
        if self.checkpoints is not None:
            resumed = None if state is None else trainer.step
            lines = 0 if state is None else state["lines"]
            self.journal = Journal(self.checkpoints.run, resumed, lines)
        self.bar = ProgressBar(plan.progress, plan.total, plan.per_epoch, trainer.step)
        trainer._on_note = self._said
        for text in trainer.notes:
            self._said(text)
        self.model.train()
        try:
            with self._ctrl_c(), warnings.catch_warnings():
                # what the warning says comes with the error, or with the note
                warnings.simplefilter("ignore", ad.errors.NonFiniteWarning)
                for callback in trainer.callbacks:
                    callback.on_start(trainer)
                while trainer.step < plan.total and not trainer.reason:
                    self._epoch()
            return self._finish(begin)
        finally:
            trainer._on_note = None
            self.bar.close()
            if self.journal is not None:
                self.journal.close()

    def _open(self) -> dict[str, Any] | None:
        """The folder of the run, and the state in it to go on from."""
        plan = self.plan
        path = plan.resume if isinstance(plan.resume, str | os.PathLike) else None
        if plan.out is None:
            if plan.resume is True:
                raise TrainingError("resume=True needs the folder of the run: out=...")
            return None if path is None else Checkpoints(Path(path).parent).load(path)
        self.checkpoints = Checkpoints(plan.out, plan.keep)
        found = self.checkpoints.paths()
        if found and not plan.resume:
            raise TrainingError(
                f"{plan.out} holds a run already.\n"
                "  Try: resume=True to go on with it, or another folder."
            )
        return self.checkpoints.load(path) if path is not None or found else None

    def _functions(self, compiled: bool) -> None:
        steps, note = self.steps, self.trainer.note
        self.train = Compilable(steps.train, compiled, note)
        self.gather = Compilable(steps.gather, compiled, note)
        self.apply = Compilable(steps.apply, compiled, note)
        self.evaluate = Compilable(steps.evaluate, compiled, note)

    def _finish(self, begin: float) -> Result:
        trainer, result = self.trainer, self.result
        if trainer.reason:
            result.reason = trainer.reason
        if self.checkpoints is not None and self.saved_at != trainer.step:
            self._save()
        if self.journal is not None:
            self.journal.flush()
        stopping = trainer.early_stopping
        if stopping is not None and stopping.restore_best:
            self._restore_best()
        elif trainer.ema is not None:
            with ad.no_grad():
                for name, p in self.model.named_parameters():
                    p.assign(trainer.ema.averages[name].astype(p.dtype))
        result.steps = trainer.step
        result.seconds = time.perf_counter() - begin
        for callback in trainer.callbacks:
            callback.on_end(trainer, result)
        return result

    def _restore_best(self) -> None:
        on_disk = self.checkpoints is not None and self.checkpoints.best.exists()
        if self.best_weights is None and on_disk:
            assert self.checkpoints is not None
            self.best_weights = ad.load(self.checkpoints.best)
        if self.best_weights is not None:
            self.model.load_state_dict(self.best_weights)

    # -- epochs and steps ----------------------------------------------------------------------

    def _epoch(self) -> None:
        trainer, plan = self.trainer, self.plan
        self.batches = self.loader.state_dict()["batch"]
        last = len(self.loader)
        waiting: list[tuple[float, float]] = []
        for batch in self.loader:
            self.batches += 1
            items = batch if isinstance(batch, tuple) else (batch,)
            if trainer.accumulate == 1:
                total, count, ok = self.train(self.limit_tensor, *items)
                self._after(total.item(), count.item(), bool(ok.item()))
            else:
                total, count = self.gather(*items)
                waiting.append((total.item(), count.item()))
                if len(waiting) < trainer.accumulate and self.batches < last:
                    continue
                ok = self.apply(self.limit_tensor)
                sums = [sum(x) for x in zip(*waiting, strict=True)]
                waiting.clear()
                self._after(sums[0], sums[1], bool(ok.item()))
            if self.interrupted:
                self._interrupt()
            if trainer.step >= plan.total or trainer.reason:
                break
        self._end_of_epoch()

    def _after(self, total: float, count: float, ok: bool) -> None:
        """What follows an update: its loss is noted, or it was a fault."""
        trainer = self.trainer
        trainer.step += 1
        if self.schedule is not None and not self.plateau:
            self.schedule.step()
        loss = total / count if count else math.nan
        if ok:
            self.guard.passed(loss)
            self.sum += total
            self.count += count
        else:
            self._fault(loss)
        if self.guard.limit != self.limit:
            self.limit = self.guard.limit
            self.limit_tensor = ad.asarray(np.float32(self.limit))
        if self.journal is not None and trainer.step % self.plan.log_every == 0:
            self.journal.note("train", trainer.step, loss=loss, lr=trainer.optimizer.lr)
        self.bar.step(trainer.step, self.sum / self.count if self.count else loss, int(count))
        if trainer.callbacks:
            logs = {"epoch": trainer.epoch, "step": trainer.step, "loss": loss}
            for callback in trainer.callbacks:
                callback.on_step(trainer, logs)
        every = self.plan.checkpoint_every
        if every and trainer.step % every == 0:
            self._reached()

    def _fault(self, loss: float) -> None:
        trainer = self.trainer
        origin = self.train.origin() or self.gather.origin()
        what = self.guard.failed(loss, trainer.step, origin)
        done = "the batch was skipped"
        if self.guard.policy == "rollback":
            restore(self.safe, self.model, trainer.optimizer, self._fixed(), trainer.ema)
            done = "went back to the last checkpoint, and on with the next batch"
        text = f"{what[0].upper()}{what[1:]}; {done}."
        self._said(text)
        if self.journal is not None:
            self.journal.note("fault", trainer.step, text=text, origin=origin)

    def _fixed(self) -> Any:
        """The schedule, if a rollback shall move it back: one that follows the steps goes on."""
        return self.schedule if self.plateau else None

    def _end_of_epoch(self) -> None:
        trainer = self.trainer
        loss = self.sum / self.count if self.count else math.nan
        logs: dict[str, Any] = {"epoch": trainer.epoch, "step": trainer.step, "loss": loss}
        if self.valid is not None:
            with self._averaged():
                found = evaluated(self.model, self.evaluate, self.valid, trainer.metrics)
            logs |= {f"validation {n}" if n == "loss" else n: x for n, x in found.items()}
        if self.plateau:
            assert self.schedule is not None
            self.schedule.step(logs.get(self.best.name, loss))
        if self.best.see(logs):
            self.result.best = logs
            self._keep_best(logs)
        self.result.epochs.append(logs)
        if self.journal is not None:
            numbers = {k: v for k, v in logs.items() if k != "step"}
            self.journal.note("epoch", trainer.step, lr=trainer.optimizer.lr, **numbers)
        shown = [(k, v) for k, v in logs.items() if k not in ("epoch", "step", "loss")]
        self.bar.epoch(trainer.step, loss, shown)
        for callback in trainer.callbacks:
            callback.on_epoch(trainer, logs)
        stopping = trainer.early_stopping
        if stopping is not None and self.best.since >= stopping.patience:
            trainer.stop(
                f"{self.best.name} has not improved for {stopping.patience} epochs "
                f"(best {self.best.value:.4g} in epoch {self.best.epoch})"
            )
        if self.batches >= len(self.loader):
            trainer.epoch += 1
            self.sum = self.count = 0.0
        self._reached(self.plan.checkpoint_seconds)
        if self.interrupted:
            self._interrupt()

    def _averaged(self) -> Any:
        return nullcontext() if self.trainer.ema is None else self.trainer.ema.applied()

    def _keep_best(self, logs: dict[str, Any]) -> None:
        stopping = self.trainer.early_stopping
        if self.checkpoints is None and not (stopping is not None and stopping.restore_best):
            return
        with self._averaged():
            weights = self.model.state_dict()
            self.best_weights = {n: ad.tensor(x.detach()) for n, x in weights.items()}
        value = {self.best.name: self.best.value}
        self.best_about = {"epoch": logs["epoch"], "step": logs["step"], **value}

    # -- saving and going on -------------------------------------------------------------------

    def _reached(self, seconds: float = 0.0) -> None:
        """A place to come back to was reached: it is saved, unless that was done a moment ago."""
        trainer = self.trainer
        if self.guard.policy == "rollback":
            self.safe = snapshot(self.model, trainer.optimizer, self._fixed(), trainer.ema)
        if self.journal is not None:
            self.journal.flush()
        if self.checkpoints is not None and time.monotonic() - self.saved_time >= seconds:
            self._save()

    def _save(self) -> None:
        trainer = self.trainer
        assert self.checkpoints is not None
        name = first_not_finite(self.model)
        if name is not None:
            raise TrainingError(
                f"Stopped at step {trainer.step:,}: {name} holds numbers that are not finite, and "
                "was not saved. The earlier checkpoints are whole.\n"
                "  Try: on_nonfinite='rollback' and a smaller learning rate, with resume=True."
            )
        if self.journal is not None:
            self.journal.flush()
        if self.best_about is not None:  # before the state, which counts on it
            ad.save(self.checkpoints.best, self.best_weights, metadata={"best": self.best_about})
            self.best_about = None
        path = self.checkpoints.save(trainer.step, self.state())
        self.saved_at, self.saved_time = trainer.step, time.monotonic()
        for callback in trainer.callbacks:
            callback.on_checkpoint(trainer, path)

    def state(self) -> dict[str, Any]:
        """All that the rest of the run depends on."""
        trainer = self.trainer
        return {
            "version": VERSION,
            "step": trainer.step,
            "epoch": trainer.epoch,
            "reason": trainer.reason,
            "compiled": self.train.compiled and self.gather.compiled and self.apply.compiled,
            "lines": 0 if self.journal is None else self.journal.lines,
            "sum": self.sum,
            "count": self.count,
            "best": self.best.state_dict(),
            "best logs": self.result.best,
            "guard": self.guard.state_dict(),
            "callbacks": [callback.state_dict() for callback in trainer.callbacks],
            "loader": self.loader.state_dict(),
            "random": save_generators(self.model),
            **snapshot(self.model, trainer.optimizer, self.schedule, trainer.ema),
        }

    def _load(self, state: dict[str, Any]) -> None:
        trainer = self.trainer
        if state.get("version") != VERSION:
            raise CheckpointError("The checkpoint is of another release of Adjoint.")
        if len(state["callbacks"]) != len(trainer.callbacks):
            raise CheckpointError(
                f"The checkpoint is of a run with {len(state['callbacks'])} callbacks; "
                f"this one has {len(trainer.callbacks)}."
            )
        restore(state, self.model, trainer.optimizer, self.schedule, trainer.ema)
        restore_generators(state["random"], self.model)
        self.loader.load_state_dict(state["loader"])
        self.guard.load_state_dict(state["guard"])
        self.limit = self.guard.limit
        self.limit_tensor = ad.asarray(np.float32(self.limit))
        self.best.load_state_dict(state["best"])
        self.result.best = state["best logs"]
        for callback, saved in zip(trainer.callbacks, state["callbacks"], strict=True):
            callback.load_state_dict(saved)
        self.sum, self.count = state["sum"], state["count"]
        trainer.step, trainer.epoch, trainer.reason = state["step"], state["epoch"], state["reason"]
        self.saved_at = trainer.step

    def _said(self, text: str) -> None:
        self.bar.say(text)
        if text not in self.trainer.notes:
            self.trainer.notes.append(text)

    # -- Ctrl-C --------------------------------------------------------------------------------

    @contextmanager
    def _ctrl_c(self) -> Generator[None]:
        """The first Ctrl-C waits for the end of the step; the second is as ever."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.getsignal(signal.SIGINT)

        def wait(number: int, frame: Any) -> None:
            self.interrupted = True
            signal.signal(signal.SIGINT, before or signal.SIG_DFL)
            self.bar.say("Ctrl-C: the step is finished, then the run is saved …")

        if before in (signal.SIG_IGN, None):  # in the background, where nobody presses a key
            yield
            return
        signal.signal(signal.SIGINT, wait)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _interrupt(self) -> None:
        step = self.trainer.step
        if self.checkpoints is None:
            raise Interrupted(
                f"Stopped after step {step:,} of {self.plan.total:,}. Nothing was saved; the model "
                "has its weights.\n  Next time: out=FOLDER, and resume=True to go on."
            )
        if self.saved_at != step:
            self._save()
        raise Interrupted(
            f"Stopped after step {step:,} of {self.plan.total:,}; "
            f"saved in {self.checkpoints.run}.\n"
            "  To go on: the same call with resume=True."
        )
