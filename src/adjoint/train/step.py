"""One training step and one evaluation, as functions that can be compiled as they are written."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from typing import Any

import adjoint as ad
from adjoint.train.losses import Parts, whole
from adjoint.train.metrics import Metric

Objective = Callable[[Any, Any], Any]


def compiler_missing() -> str | None:
    """Why nothing can be compiled here, in a sentence; None if it can."""
    for name in ("llvmlite", "scipy_openblas32"):
        if importlib.util.find_spec(name) is None:
            return f"Steps are not compiled, because {name} is not installed."
    return None


class Compilable:
    """A function that runs compiled, or as it is where that fails.

    Args:
        f: the function.
        wanted: whether to compile it.
        note: is told, in a sentence, why it is not compiled after all.

    Attributes:
        compiled: whether it is.
    """

    def __init__(self, f: Callable[..., Any], wanted: bool, note: Callable[[str], None]) -> None:
        self.f, self.note = f, note
        self.call: Callable[..., Any] = ad.compile(f) if wanted else f
        self.compiled = wanted

    def __call__(self, *args: Any) -> Any:
        """What the function returns."""
        if not self.compiled:
            return self.f(*args)
        try:
            return self.call(*args)
        except Exception as error:
            # if the fault is in the function, it comes again where it runs as it is
            out = self.f(*args)
            self.compiled = False
            first = (str(error).strip().splitlines() or [""])[0]
            self.note(f"The step runs without being compiled: {type(error).__name__}: {first}")
            return out

    def origin(self) -> str:
        """Where the NaN or the infinity of the last call came from, if the compiler saw it."""
        found = getattr(self.call, "nonfinite", None)
        if found is None:
            return ""
        self.call.nonfinite = None  # pyright: ignore[reportFunctionMemberAccess]  # look again
        return str(found)


class Steps:
    """The functions that a trainer runs.

    Args:
        model: the model.
        optimizer: its optimizer.
        parts: sum and count of the loss of a model's output, or None where `objective` is given.
        objective: the loss of the model on a batch, in place of `parts`.
        metrics: of the evaluation.
        clip_norm: largest norm of the gradients, or None.
        careful: whether gradients are looked at for numbers that are not finite.
        ema: averages of the parameters, or None.
        accumulate: batches for each update.
    """

    def __init__(
        self,
        model: Any,
        optimizer: Any,
        parts: Parts | None,
        objective: Objective | None,
        metrics: Sequence[Metric],
        *,
        clip_norm: float | None,
        careful: bool,
        ema: Any,
        accumulate: int,
    ) -> None:
        self.model, self.optimizer, self.parts, self.objective = model, optimizer, parts, objective
        self.metrics = metrics
        self.clip_norm, self.careful, self.ema = clip_norm, careful, ema
        self.total = ad.zeros((), dtype=ad.float64)
        self.count = ad.zeros((), dtype=ad.float64)
        self.accumulate = accumulate
        self.parameters = [p for g in optimizer.param_groups for p in g.params]

    def loss(self, batch: Any) -> tuple[Any, Any, Any]:
        """Sum and count of the losses of a batch, and the output if there is one."""
        if self.parts is None:
            assert self.objective is not None
            given = batch[0] if len(batch) == 1 else batch
            return (*whole(self.objective(self.model, given), batch), None)
        *inputs, target = batch
        output = self.model(*inputs)
        return (*self.parts(output, target), output)

    # -- training ------------------------------------------------------------------------------

    def guarded(self) -> list[Any]:
        """The tensors that a faulty step must leave as they were."""
        state = self.optimizer.state
        return [
            *self.parameters,
            *self.model.buffers(),
            *(t for name in state for t in state[name].values()),
            *(g.steps for g in self.optimizer.param_groups),
            *(t for g in self.optimizer.param_groups for t in g.running.values()),
        ]

    def train(self, limit: Any, *batch: Any) -> tuple[Any, Any, Any]:
        """Forward pass, backward pass, update: sum and count of the losses, and if all is well.

        Args:
            limit: the largest loss that is no fault.
            batch: of the data.
        """
        before = [(t, t.detach()) for t in self.guarded()]
        self.optimizer.zero_grad()
        total, count, _ = self.loss(batch)
        loss = total / count
        loss.backward()
        return total.detach(), count, self._update(loss.detach(), limit, before)

    def gather(self, *batch: Any) -> tuple[Any, Any]:
        """Add the gradients of a part of a batch; sum and count of its losses."""
        total, count, _ = self.loss(batch)
        total.backward()
        with ad.no_grad():
            self.total.assign(self.total + total.detach())
            self.count.assign(self.count + count)
        return total.detach(), count

    def apply(self, limit: Any) -> Any:
        """The update of the gradients that were gathered; whether all is well."""
        before = [(t, t.detach()) for t in self.guarded()]
        with ad.no_grad():
            loss = self.total / self.count
            for p in self.parameters:
                if p.grad is not None:
                    p.grad = (p.grad / self.count).astype(p.grad.dtype)
        ok = self._update(loss, limit, before)
        self.optimizer.zero_grad()
        self.total.assign(0.0)
        self.count.assign(0.0)
        return ok

    def _update(self, loss: Any, limit: Any, before: list[Any]) -> Any:
        with ad.no_grad():
            ok = ad.isfinite(loss) & (loss <= limit.astype(loss.dtype))
            if self.clip_norm is not None:
                norm = ad.optim.clip_grad_norm_(self.parameters, self.clip_norm)
                ok = ok & ad.isfinite(norm)
            elif self.careful:
                ok = ok & ad.isfinite(ad.optim.grad_norm(self.parameters))
            if ok.known:  # nothing is being compiled: the update need not be undone
                if bool(ok):
                    self.optimizer.step()
                else:
                    for t, old in before:
                        t.assign(old)
            else:
                self.optimizer.step()
                for t, old in before:
                    t.assign(ad.where(ok, t, old))
            if self.ema is not None:
                self.ema.update()
        return ok

    # -- evaluation ----------------------------------------------------------------------------

    def evaluate(self, *batch: Any) -> tuple[Any, ...]:
        """Sum and count of the losses of a batch, and the statistics of the metrics."""
        with ad.no_grad():
            total, count, output = self.loss(batch)
            target = batch[-1] if batch else None
            found = [metric.statistics(output, target) for metric in self.metrics]
        return (total, count, *found)

    def predict(self, *inputs: Any) -> Any:
        """The output of the model."""
        with ad.no_grad():
            return self.model(*inputs)
