"""Trainer: a model, its loss and its optimizer, and the loop that brings them together."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

import adjoint as ad
from adjoint.train.callbacks import Callback, EarlyStopping
from adjoint.train.errors import TrainingError
from adjoint.train.evaluation import evaluated
from adjoint.train.guard import Guard
from adjoint.train.loop import Loop, Plan, Result
from adjoint.train.losses import as_parts
from adjoint.train.metrics import Metric, as_metric
from adjoint.train.step import Compilable, Steps, compiler_missing

OPTIMIZERS = {
    "adam": (ad.optim.Adam, 1e-3),
    "adamw": (ad.optim.AdamW, 1e-3),
    "sgd": (ad.optim.SGD, 1e-2),
    "rmsprop": (ad.optim.RMSprop, 1e-3),
    "lion": (ad.optim.Lion, 1e-4),
}


class Trainer:
    """Trains a model, evaluates it, and predicts with it.

    Each step is compiled as a whole, forward pass, backward pass and update, where a compiler is
    there; otherwise it runs one operation at a time, and `notes` says why. The numbers of a run
    depend on its data, its settings and the seeds alone.

    Args:
        model: an `ad.nn.Module`. Of a batch ``(x, …, y)`` it gets all but the last.
        loss: of the model's output and the target: a name (``cross_entropy``, ``mse``, ``l1``,
            ``huber``, ``binary_cross_entropy``), a loss of `ad.nn` as function or layer, or any
            function. By default cross-entropy for targets of whole numbers, else the mean squared
            error. Means are taken over examples, also where batches differ in size.
        optimizer: an optimizer of the model's parameters, a function that makes one of the model,
            or a name: ``adamw``, ``adam``, ``sgd``, ``rmsprop``, ``lion``.
        lr: learning rate of an optimizer that is given by name.
        metrics: of the validation: names (``accuracy``, ``top-5``, ``r2``, ``mae``,
            ``perplexity``), `Metric` objects, or functions of output and target.
        schedule: of the learning rate: a schedule, a function of optimizer and number of steps, or
            a name: ``cosine``, ``linear``, ``one-cycle``, ``constant``.
        clip_norm: largest norm of the gradients of a step.
        accumulate: batches whose gradients make one update.
        ema: decay of an average of the parameters; validation and the best weights are the
            average's.
        early_stopping: when to stop: an `EarlyStopping`, or epochs without improvement.
        callbacks: what happens along the way.
        objective: the loss of ``(model, batch)``, in place of `loss`, for what is no pair of output
            and target. A mean, or a pair of sum and count.
        on_nonfinite: what to do about a loss or a gradient that is no finite number: ``"raise"``,
            ``"skip"`` the batch, or ``"rollback"`` to the last checkpoint. The weights are those
            before that step in any case. Only the latter two look at gradients.
        spike: a loss of more than so many times the recent median is such a fault too.
        compile: whether to compile the steps.

    Attributes:
        notes: what the user should know, in sentences.
        step: how many updates were made.
        epoch: number of the epoch that runs, from 1.

    Raises:
        TrainingError: if arguments contradict each other.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x = rng.normal(size=(64, 3)).astype(np.float32)
        >>> y = (x[:, 0] > 0).astype(np.int64)
        >>> trainer = ad.train.Trainer(ad.nn.Linear(3, 2), lr=0.1, metrics=["accuracy"])
        >>> result = trainer.fit((x, y), epochs=20, batch_size=16)
        >>> result.steps
        80
        >>> trainer.evaluate((x, y))["accuracy"] > 0.9
        True
    """

    def __init__(
        self,
        model: Any,
        loss: Any = None,
        optimizer: Any = "adamw",
        *,
        lr: float | None = None,
        metrics: Sequence[Any] = (),
        schedule: Any = None,
        clip_norm: float | None = None,
        accumulate: int = 1,
        ema: float | None = None,
        early_stopping: int | EarlyStopping | None = None,
        callbacks: Iterable[Callback] = (),
        objective: Callable[[Any, Any], Any] | None = None,
        on_nonfinite: str = "raise",
        spike: float | None = None,
        compile: bool = True,
    ) -> None:
        if loss is not None and objective is not None:
            raise TrainingError("Give a loss of output and target, or an objective; not both.")
        if accumulate < 1:
            raise TrainingError(f"accumulate must be at least 1, got {accumulate}.")
        self.model = model
        self.optimizer: Any = _optimizer(optimizer, model, lr)
        self.loss, self.objective = loss, objective
        self.metrics: list[Metric] = [as_metric(m) for m in metrics]
        self.schedule = schedule
        self.clip_norm, self.accumulate = clip_norm, accumulate
        self.ema = None if ema is None else ad.optim.ExponentialMovingAverage(model, ema)
        if isinstance(early_stopping, int):
            early_stopping = EarlyStopping(early_stopping)
        self.early_stopping = early_stopping
        self.callbacks = list(callbacks)
        self.guard = Guard(on_nonfinite, spike)
        self.notes: list[str] = []
        self.compile = compile
        self.step = 0
        self.epoch = 1
        self.reason = ""
        self._on_note: Callable[[str], None] | None = None
        if compile:
            missing = compiler_missing()
            if missing:
                self.compile = False
                self.note(f"{missing} Each operation runs on its own.")
        self._steps: Steps | None = None

    def note(self, text: str) -> None:
        """Tell the user something, once."""
        if text not in self.notes:
            self.notes.append(text)
            if self._on_note is not None:
                self._on_note(text)

    def stop(self, reason: str = "a callback asked for it") -> None:
        """End the training after this step."""
        self.reason = reason

    def fit(
        self,
        train_data: Any,
        validation_data: Any = None,
        *,
        epochs: int | None = None,
        steps: int | None = None,
        batch_size: int = 32,
        seed: int = 0,
        shuffle: bool = True,
        drop_last: bool = False,
        out: str | os.PathLike[str] | None = None,
        checkpoint_every: int | None = None,
        checkpoint_seconds: float = 10.0,
        keep: int = 3,
        resume: bool | str | os.PathLike[str] = False,
        log_every: int = 50,
        progress: Any = True,
    ) -> Result:
        """Train; the model has the trained weights afterwards.

        With `out`, a folder, the run is written there: ``log.jsonl``, ``events`` for TensorBoard,
        ``checkpoints`` and the best weights. A run that was killed, at any instant, and is resumed
        ends with the same bits as one that was not.

        Ctrl-C finishes the step, saves, and says how to resume; a second one stops at once.

        Args:
            train_data: a dataset, arrays ``(x, y)``, or a `DataLoader`.
            validation_data: likewise; evaluated after each epoch.
            epochs: passes over the training data; 10 if nothing is said.
            steps: updates, instead of epochs.
            batch_size: examples in a batch, where no loader is given.
            seed: of the order of the examples.
            shuffle: whether each epoch has another order.
            drop_last: whether a last batch that is not full is left out.
            out: folder of the run.
            checkpoint_every: updates between checkpoints, beside those after epochs.
            checkpoint_seconds: after an epoch there is a checkpoint, unless one is so young.
            keep: how many checkpoints are kept.
            resume: go on where the run in `out` stood, if there is one; or from a checkpoint.
            log_every: updates between lines of the log.
            progress: whether to show it, in a terminal; or a console of rich.

        Returns:
            What was reached.

        Raises:
            TrainingError: if the training cannot begin, or the loss is no number and it shall stop.
            CheckpointError: if a checkpoint cannot be used.
            Interrupted: after Ctrl-C.
        """
        loader = self._loader(train_data, batch_size, shuffle, drop_last, seed)
        valid = None
        if validation_data is not None:
            valid = self._loader(validation_data, max(batch_size, 256), False, False, 0)
        if not len(loader):
            raise TrainingError("There is no batch to train on: the data are fewer than one batch.")
        per_epoch = -(-len(loader) // self.accumulate)
        total = (10 if epochs is None else epochs) * per_epoch if steps is None else steps
        if total < 0 or (steps is not None and epochs is not None):
            raise TrainingError("Give epochs or steps, a number from 0 on.")
        plan = Plan(
            total,
            per_epoch,
            out,
            checkpoint_every,
            checkpoint_seconds,
            keep,
            resume,
            max(1, log_every),
            progress,
        )
        return Loop(self, self.steps_for(loader), loader, valid, plan).run()

    def evaluate(self, data: Any, batch_size: int = 256) -> dict[str, float]:
        """Loss and metrics of the model on data, exact however they are divided into batches.

        Args:
            data: a dataset, arrays ``(x, y)``, or a `DataLoader`.
            batch_size: examples that are computed at once.
        """
        loader = self._loader(data, batch_size, False, False, 0)
        steps = self.steps_for(loader)
        step = Compilable(steps.evaluate, self.compile, self.note)
        return evaluated(self.model, step, loader, self.metrics)

    def predict(self, inputs: Any, batch_size: int = 256) -> Any:
        """The outputs of the model, as one NumPy array.

        Args:
            inputs: a dataset or arrays of inputs alone; for several inputs a tuple.
            batch_size: examples that are computed at once.
        """
        loader = self._loader(inputs, batch_size, False, False, 0)
        step = Compilable(Steps.predict.__get__(self.steps_for(None)), self.compile, self.note)
        before = self.model.training
        self.model.eval()
        try:
            parts = [
                step(*(batch if isinstance(batch, tuple) else (batch,))).numpy() for batch in loader
            ]
        finally:
            self.model.train(before)
        return np.concatenate(parts)

    def steps_for(self, loader: Any) -> Steps:
        """The functions that are run on batches, made once."""
        if self._steps is None or (self._steps.parts is None and self.objective is None):
            parts = None
            if self.objective is None and loader is not None:
                loss = self.loss if self.loss is not None else _loss_for(loader.dataset)
                parts = as_parts(loss)
            self._steps = Steps(
                self.model,
                self.optimizer,
                parts,
                self.objective,
                self.metrics if self.objective is None else (),
                clip_norm=self.clip_norm,
                careful=self.guard.policy != "raise",
                ema=self.ema,
                accumulate=self.accumulate,
            )
        return self._steps

    @staticmethod
    def _loader(data: Any, batch_size: int, shuffle: bool, drop_last: bool, seed: int) -> Any:
        if isinstance(data, ad.data.DataLoader):
            return data
        return ad.data.DataLoader(data, batch_size, shuffle, drop_last, seed)


def _optimizer(given: Any, model: Any, lr: float | None) -> Any:
    if isinstance(given, ad.optim.Optimizer):
        if lr is not None:
            raise TrainingError("lr is for an optimizer that is given by name.")
        return given
    if callable(given):
        return given(model)
    if given not in OPTIMIZERS:
        raise TrainingError(f"There is no optimizer {given!r}; there are {', '.join(OPTIMIZERS)}.")
    kind, rate = OPTIMIZERS[given]
    options: dict[str, Any] = {"momentum": 0.9} if given == "sgd" else {}
    return kind(model, lr=rate if lr is None else lr, **options)


def _loss_for(dataset: Any) -> str:
    """Cross-entropy for a target of whole numbers, else the mean squared error."""
    item = dataset[0]
    if not isinstance(item, tuple | list) or len(item) < 2:
        raise TrainingError(
            "An item of the data is no pair of input and target.\n"
            "  Try: objective=, the loss of (model, batch)."
        )
    kind = np.asarray(item[-1]).dtype.kind
    return "cross_entropy" if kind in "iu" else "mse"


def fit(model: Any, train_data: Any, validation_data: Any = None, **options: Any) -> Result:
    """Train a model: what ``Trainer(model, …).fit(train_data, validation_data, …)`` does.

    Args:
        model: an `ad.nn.Module`.
        train_data: a dataset, arrays ``(x, y)``, or a `DataLoader`.
        validation_data: likewise; evaluated after each epoch.
        options: those of `Trainer` and of `Trainer.fit`.

    Returns:
        What was reached; its ``trainer`` can evaluate and predict.

    Example:
        >>> x = np.linspace(-1, 1, 64, dtype=np.float32).reshape(64, 1)
        >>> model = ad.nn.Linear(1, 1)
        >>> result = ad.train.fit(model, (x, 3 * x + 1), lr=0.1, epochs=40, progress=False)
        >>> model.weight.numpy().round(1), model.bias.numpy().round(1)
        (array([[3.]], dtype=float32), array([1.], dtype=float32))
    """
    mine = Trainer.fit.__kwdefaults__ or {}
    how = {name: value for name, value in options.items() if name not in mine}
    run = {name: value for name, value in options.items() if name in mine}
    return Trainer(model, **how).fit(train_data, validation_data, **run)
