"""The commands that use a run: predict, eval, sample."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import adjoint as ad
from adjoint.command import run as runs, show
from adjoint.command.problem import target_of
from adjoint.command.refusal import Refused
from adjoint.command.sources import encoded, existing
from adjoint.command.tables import read_table
from adjoint.command.texts import sampled, vocabulary_of
from adjoint.command.train import loss_of, metrics_of


def _trainer(model: Any, about: dict[str, Any]) -> Any:
    return ad.train.Trainer(
        model, loss_of(about["data"]), metrics=metrics_of(about["data"]), compile=False
    )


def predictions(folder: Path, data: str) -> tuple[dict[str, Any], Any]:
    """Predictions for data: columns by name, the first of which is the prediction."""
    model, about = runs.load(folder)
    if about["data"]["kind"] == "text":
        raise Refused(f"{folder} is a model of text.\nTry: adjoint sample {folder} --prompt TEXT")
    inputs, _ = encoded(data, about["data"], needs_target=False)
    target = target_of(about["data"])
    outputs = _trainer(model, about).predict(inputs)
    found: dict[str, Any] = {target.name: target.decode(outputs)}
    if target.task == "classification":
        scores = outputs - outputs.max(1, keepdims=True)
        shares = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
        found["probability"] = shares.max(1)
    return found, target


def evaluation(folder: Path, data: str) -> tuple[dict[str, Any], Any, Any]:
    """How good a model is on data: a dict of results, the problem's target, and the guesses."""
    model, about = runs.load(folder)
    trainer = _trainer(model, about)
    if about["data"]["kind"] == "text":
        text = ad.data.read_text(existing(data))
        tokens = vocabulary_of(about["data"]).encode(text)
        windows = ad.data.TextDataset(tokens, about["data"]["block_size"])
        found = trainer.evaluate(windows, batch_size=32)
        return {"task": "text", "rows": len(windows), **found}, None, None
    inputs, truth = encoded(data, about["data"], needs_target=True)
    target = target_of(about["data"])
    found = trainer.evaluate((inputs, truth))
    guess = None
    if target.task == "classification":
        guess = truth, trainer.predict(inputs).argmax(-1)
    return {"task": target.task, "rows": len(truth), **found}, target, guess


def sample(folder: Path, prompt: str, count: int, temperature: float, seed: int) -> str:
    """Text that a model goes on with behind a prompt."""
    model, about = runs.load(folder)
    if about["data"]["kind"] != "text":
        raise Refused(f"{folder} is no model of text.\nTry: adjoint predict {folder} DATA")
    if temperature < 0:
        raise Refused(f"--temperature must not be negative, got {temperature:g}.")
    return sampled(model, about["data"], prompt, count, temperature, seed)


def write_predictions(found: dict[str, Any], data: str, out: Path) -> None:
    """The rows of the data with their predictions, as CSV."""
    name = next(iter(found))
    columns: list[Any] = []
    if Path(data).suffix in (".csv", ".tsv", ".parquet", ".pq"):
        columns = list(read_table(Path(data)).columns)
    new = {
        ("predicted " + key if key == name else key): values.tolist()
        for key, values in found.items()
    }
    taken = {c.name for c in columns}
    extra = ad.data.Table.of({k: v for k, v in new.items() if k not in taken}, source="predictions")
    ad.data.write_csv(out, ad.data.Table([*columns, *extra.columns]))


def shown(found: dict[str, Any], most: int = 10) -> Any:
    """The first predictions, as a table."""
    names = list(found)
    grid = show.Grid(box=show.box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column("row", justify="right", style="dim")
    for name in names:
        grid.add_column(name, justify="right")
    for k in range(min(most, len(found[names[0]]))):
        cells = [x[k] for x in found.values()]
        texts = [f"{x:.4g}" if isinstance(x, float | np.floating) else str(x) for x in cells]
        grid.add_row(str(k + 1), *texts)
    return grid
