"""The command ``adjoint train``: from data to a run in a folder."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.text import Text

import adjoint as ad
from adjoint.command import run as runs, show
from adjoint.command.defaults import model_for, settings_for
from adjoint.command.networks import build
from adjoint.command.problem import Asked, target_of
from adjoint.command.refusal import Refused
from adjoint.command.sources import problem_of
from adjoint.command.texts import sampled


def metrics_of(about: dict[str, Any]) -> list[Any]:
    """The metrics for a task."""
    if about["kind"] == "text":
        return ["perplexity"]
    target = target_of(about)
    if target.task == "classification":
        return ["accuracy"]
    return ["r2", ad.train.MeanAbsoluteError(target.scale)]


def loss_of(about: dict[str, Any]) -> str:
    """The loss for a task."""
    if about["kind"] == "text" or target_of(about).task == "classification":
        return "cross_entropy"
    return "mse"


class Training:
    """One call of ``adjoint train``.

    Args:
        asked: about the data.
        sizes: of the model, None where nothing is said.
        given: settings, None where nothing is said.
        folder: of the run; None for the next free one.
        resume: the folder of a run to go on with, in place of all the others.
    """

    def __init__(
        self,
        asked: Asked | None,
        sizes: dict[str, Any],
        given: dict[str, Any],
        folder: Path | None,
        resume: Path | None,
    ) -> None:
        if resume is not None:
            saved = runs.read(resume)
            self.folder = resume
            self.asked = Asked(**saved["asked"])
            self.problem = problem_of(self.asked)
            self.settings, self.model_about = saved["settings"], saved["model"]
            if json.loads(json.dumps(self.problem.about)) != saved["data"]:
                raise Refused(
                    f"{self.asked.data} has changed since the run in {resume} began.\n"
                    "Try: a new run, without --resume."
                )
        else:
            assert asked is not None
            self.asked = asked
            self.problem = problem_of(asked)
            self.model_about = model_for(self.problem, asked.model, sizes)
            self.settings = settings_for(self.problem, given)
            self.folder = runs.new_folder(folder, asked.data)
        self.resumed = resume is not None
        self.result: Any = None
        self.test: dict[str, float] = {}

    @property
    def part(self) -> int:
        """Which part tells how good the model is: the test rows if there are any."""
        return 2 if len(self.problem.parts[2]) else 1

    def begin(self) -> None:
        """Make the model, and write what the run is."""
        ad.random.seed(self.settings["seed"])
        self.model = build(self.model_about)
        self.size = sum(p.size for p in self.model.parameters())
        settings, problem = self.settings, self.problem
        valid = len(problem.parts[1]) > 0
        self.trainer = ad.train.Trainer(
            self.model,
            loss_of(problem.about),
            ad.optim.AdamW(self.model, lr=settings["lr"], weight_decay=settings["weight_decay"]),
            metrics=metrics_of(problem.about),
            schedule="cosine",
            clip_norm=1.0 if problem.kind in ("text", "sequences") else None,
            early_stopping=ad.train.EarlyStopping(settings["patience"]) if valid else None,
            compile=settings["compile"],
        )
        self.about = {
            "asked": asdict(self.asked),
            "data": problem.about,
            "model": self.model_about,
            "settings": settings,
        }
        if not self.resumed:
            try:
                runs.write(self.folder, self.about)
            except OSError as error:
                raise Refused(f"{self.folder} cannot be written: {error.strerror}.") from None

    def fit(self, progress: Any) -> None:
        """Train; the run is in its folder afterwards."""
        settings, parts = self.settings, self.problem.parts
        batch = settings["batch_size"]
        self.result = self.trainer.fit(
            parts[0],
            parts[1] if len(parts[1]) else None,
            epochs=settings["epochs"],
            batch_size=batch,
            drop_last=True,
            seed=settings["seed"],
            out=self.folder,
            keep=2,
            checkpoint_every=settings["checkpoint_every"],
            resume=True,
            progress=progress,
        )
        ad.save(self.folder / "model.safetensors", self.model, metadata={"run": self.about})

    def judge(self) -> None:
        """How good the model is on examples that had no part in it, or on those that validate."""
        part = self.problem.parts[self.part]
        self.test = self.trainer.evaluate(part) if len(part) else {}

    # -- what is shown -------------------------------------------------------------------------

    def opening(self) -> Any:
        """The facts, before the training."""
        note = " ".join(self.trainer.notes)
        return show.opening(self.problem, self.model_about, self.settings, self.size, note)

    def report(self, console: Console) -> None:
        """The verdict, and what to do next."""
        problem = self.problem
        part = "Test" if self.part == 2 else "Validation"
        console.print()
        if self.test:
            rows = len(problem.parts[self.part])
            console.print(show.verdict(problem.task, self.test, rows, part, problem.target))
            if problem.task == "classification" and len(problem.target.labels) >= 2:
                truth, guess = self._guesses()
                console.print(show.classes(problem.target.labels, truth, guess))
        if problem.kind == "text":
            text = sampled(self.model, problem.about, "", 200, 0.8, self.settings["seed"])
            console.print(Text(text.strip() or "…", style="italic"), soft_wrap=True)
            console.print()
        console.print(show.grid(self._facts()))
        for note in self.trainer.notes:
            console.print(Text(note, style="yellow"))
        console.print(
            Text.assemble("\nThe run is in ", (str(self.folder), "green")), soft_wrap=True
        )
        console.print(Text.assemble("Next: ", (self.next(), "bold")), soft_wrap=True)

    def next(self) -> str:
        """A command that one may want to type now."""
        folder, problem = self.folder, self.problem
        if problem.kind == "text":
            return f"adjoint sample {folder} --prompt TEXT"
        like = {"table": "NEW.csv", "images": "NEW", "sequences": "NEW.npz"}[problem.kind]
        if self.asked.data == "digits" or Path(self.asked.data).suffix == ".npz":
            like = "NEW.npz"
        return f"adjoint predict {folder} {like}"

    def _facts(self) -> list[tuple[str, Any]]:
        result = self.result
        best = result.best
        facts: list[tuple[str, Any]] = []
        if best and self.trainer.early_stopping is not None:
            shown = f"epoch {best['epoch']}, the best on the validation part"
            facts.append(("weights", f"{shown} (loss {best['validation loss']:.4g})"))
        if result.epochs:
            done = result.epochs[-1]
            text = (
                f"{done['epoch']} epochs, {result.steps:,} steps, {show.duration(result.seconds)}"
            )
            facts.append(("training", text + (f"\n{result.reason}" if self.trainer.reason else "")))
        cost = self.cost()
        if cost:
            facts.append(("a step", cost))
        return facts

    def cost(self) -> str:
        """What a step costs, and what its gradient would cost without the chain rule."""
        from adjoint.cost import count  # noqa: PLC0415  # late: only for the last lines

        batch = min(self.settings["batch_size"], len(self.problem.parts[0]))
        taken = self.problem.parts[0].take(np.arange(batch))
        loss = self.trainer.steps_for(None).loss(tuple(ad.asarray(x) for x in taken))[0]
        found = count(loss)
        return (
            f"forward {show.amount(found.forward)}FLOP, "
            f"backward {show.amount(found.backward)}FLOP;\n"
            f"by finite differences the gradient would take {self.size + 1:,} forward passes"
        )

    def _guesses(self) -> tuple[Any, Any]:
        inputs, truth = self.problem.parts[self.part].tree
        return truth, self.trainer.predict(inputs).argmax(-1)

    def as_dict(self) -> dict[str, Any]:
        """The result as data."""
        problem, result = self.problem, self.result
        target = problem.target
        rows = dict(zip(("train", "validation", "test"), map(len, problem.parts), strict=True))
        return {
            "data": self.asked.data,
            "task": problem.task,
            "target": None if target is None else target.name,
            "labels": [] if target is None else list(target.labels),
            "rows": rows,
            "model": self.model_about,
            "parameters": self.size,
            "settings": self.settings,
            "compiled": not any("compiled" in note for note in self.trainer.notes),
            "notes": self.trainer.notes,
            "steps": result.steps,
            "epochs": result.epochs,
            "best": result.best,
            "reason": result.reason,
            "test" if self.part == 2 else "validation": self.test,
            "seconds": result.seconds,
            "run": str(self.folder),
            "weights": str(self.folder / "model.safetensors"),
        }
