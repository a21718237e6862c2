"""The command `adjoint`: what the library does, from a terminal."""

from __future__ import annotations

import difflib
import json
import os
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from adjoint.train.loop import Run, Settings, TrainingError, fit, prepare
from adjoint.train.save import save
from adjoint.train.summary import (
    as_dict,
    cost_table,
    opening,
    score_name,
    score_text,
    verdict,
)
from adjoint.train.table import Table, TableError, digits, read_csv

app = typer.Typer(add_completion=False, no_args_is_help=True)
BAD_INPUT, STOPPED = 2, 130


class Optimizer(StrEnum):
    """The methods by which weights are updated."""

    adam = "adam"
    sgd = "sgd"


LEARNING_RATES = {Optimizer.adam: 0.003, Optimizer.sgd: 0.01}


def main() -> None:
    """Run the command."""
    app(prog_name="adjoint")


def _show_version(wanted: bool) -> None:
    if wanted:
        try:
            typer.echo(f"adjoint {version('adjoint')}")
        except PackageNotFoundError:
            typer.echo("adjoint, from a source tree that is not installed")
        raise typer.Exit


@app.callback()
def adjoint(
    show: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Say which version."),
    ] = False,
) -> None:
    """Backpropagation that you can see through."""


@app.command(
    help="Train a small network, and say what it achieves and what it costs.\n\n"
    "Of the rows, 70 % train, 15 % choose the best epoch and 15 % test. A target of text, or of "
    "few whole numbers that repeat, is a class; any other is a quantity."
)
def train(
    data: Annotated[str, typer.Argument(help="A CSV file, or 'digits', which needs no file.")],
    target: Annotated[
        str | None, typer.Option(help="The column of the CSV file to predict.", metavar="COLUMN")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training rows.")] = 30,
    batch_size: Annotated[int, typer.Option(min=1, help="Rows for each update.")] = 32,
    lr: Annotated[
        float | None,
        typer.Option(help="Learning rate.", show_default="0.003, or 0.01 for sgd"),
    ] = None,
    hidden: Annotated[
        str, typer.Option(help="Units of the hidden layers: 128, or 64,32; 0 for none.")
    ] = "128",
    optimizer: Annotated[Optimizer, typer.Option(help="How weights are updated.")] = Optimizer.adam,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same run.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="File for the weights.", show_default="NAME.safetensors"),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON, and nothing else.")
    ] = False,
) -> None:
    """Train a small network, and say what it achieves and what it costs."""
    console = Console(stderr=as_json, highlight=False)
    try:
        rate = LEARNING_RATES[optimizer] if lr is None else _positive(lr)
        settings = Settings(epochs, batch_size, rate, _layers(hidden), optimizer.value, _seed(seed))
        table = _table(data, target)
        path = _writable(out or Path(f"{table.name}.safetensors"))
        run = prepare(table, settings)
        if not as_json:
            console.print(opening(run))
        _fit_with_progress(run, console)
    except (TableError, TrainingError) as error:
        _refuse(str(error))
    _finish(run, path, console, as_json)


def _table(data: str, target: str | None) -> Table:
    if data != "digits":
        if not Path(data).suffix and not Path(data).exists():
            near = difflib.get_close_matches(data, ["digits"], cutoff=0.5)
            if near:
                raise TableError(f"There is no file {data}.\nDid you mean: adjoint train digits?")
        return read_csv(data, target)
    if target is not None:
        raise TableError("The digits have one target, the digit; --target is for CSV files.")
    return digits()


def _positive(lr: float) -> float:
    if not 0 < lr < float("inf"):
        raise TableError(f"--lr must be a positive number, got {lr:g}.")
    return lr


def _seed(seed: int) -> int:
    if seed >= 2**64:
        raise TableError(f"--seed must be below 2**64, got {seed}.")
    return seed


def _layers(text: str) -> tuple[int, ...]:
    if text.strip() == "0":
        return ()
    try:
        sizes = tuple(int(part) for part in text.split(","))
    except ValueError:
        sizes = (0,)
    if min(sizes) < 1 or max(sizes) > 100_000:
        raise TableError(f"--hidden must be sizes of layers, such as 128 or 64,32; got {text!r}.")
    return sizes


def _writable(path: Path) -> Path:
    """The path, if a file can be written there: better known before the training than after."""
    folder = path.parent
    if path.is_dir():
        raise TableError(f"--out {path} is a folder; name a file in it.")
    if not folder.is_dir():
        raise TableError(f"There is no folder {folder} to write {path.name} to.")
    if not os.access(folder, os.W_OK):
        raise TableError(f"The folder {folder} cannot be written to.\nTry: --out FILE elsewhere")
    return path


def _fit_with_progress(run: Run, console: Console) -> None:
    columns = (
        TextColumn("epoch {task.completed}/{task.total}"),
        BarColumn(bar_width=24, complete_style="cyan", finished_style="cyan"),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
    )
    quiet = console.stderr or not console.is_terminal
    with Progress(*columns, console=console, disable=quiet, transient=False) as progress:
        bar = progress.add_task("", total=run.settings.epochs)

        def show(run: Run) -> None:
            last = run.epochs[-1]
            said = (
                f"loss {last.loss:.4f}  validation {score_name(run)} {score_text(run, last.score)}"
            )
            progress.update(bar, completed=last.number, description=said)

        fit(run, show)


def _finish(run: Run, path: Path, console: Console, as_json: bool) -> None:
    """Save, report, and leave with the code that says whether it was stopped."""
    saved = path if run.best is not None else None
    if saved is not None:
        try:
            save(run, saved)
        except OSError as error:
            _refuse(f"{saved} cannot be written: {error.strerror}.")
    if as_json:
        typer.echo(json.dumps(as_dict(run, saved), indent=2))
    else:
        _report(run, saved, console)
    if run.interrupted:
        raise typer.Exit(STOPPED)


def _report(run: Run, saved: Path | None, console: Console) -> None:
    if console.is_terminal:
        console.print()
    if run.interrupted:
        done, wanted = len(run.epochs), run.settings.epochs
        console.print(Text(f"Stopped after {done} of {wanted} epochs.", style="yellow"))
    if saved is None:
        console.print("No epoch was completed, so nothing was saved.")
        return
    console.print(verdict(run), cost_table(run))
    console.print(Text.assemble("\nWeights in ", (str(saved), "green")), soft_wrap=True)


def _refuse(message: str) -> NoReturn:
    """Say what is wrong on one screen, and leave."""
    console = Console(stderr=True, highlight=False)
    console.print(
        Panel(Text(message), title="Cannot train", title_align="left", border_style="red")
    )
    raise typer.Exit(BAD_INPUT)
