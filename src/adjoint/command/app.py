"""The command's options, exit codes and messages."""

from __future__ import annotations

import json
import math
import signal
from collections.abc import Generator
from contextlib import contextmanager
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from adjoint import errors
from adjoint.command.refusal import BAD_INPUT, FAILED, STOPPED, Refused

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode="rich")
EXIT_CODES = "Exit codes: 0 done, 1 failed on the way, 2 input that cannot be used, 130 Ctrl-C."

Data = Annotated[str, typer.Argument(help="A file, a folder of images, or 'digits'.")]
Run = Annotated[Path, typer.Argument(help="The folder of a run, as `adjoint train` named it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")]


class Model(StrEnum):
    """The models that can be trained."""

    mlp = "mlp"
    cnn = "cnn"
    resnet = "resnet"
    gpt = "gpt"
    lstm = "lstm"


class Task(StrEnum):
    """What a target can be."""

    classification = "classification"
    regression = "regression"


class Tokens(StrEnum):
    """What text is made of."""

    char = "char"
    byte = "byte"


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


@contextmanager
def _refusals(title: str) -> Generator[None]:
    """Say what is wrong on one screen, and leave with the code that says which kind it was."""
    try:
        yield
    except KeyboardInterrupt as stop:
        text = str(stop) or "Stopped."
        Console(stderr=True, highlight=False).print(Text(text, style="yellow"), soft_wrap=True)
        raise typer.Exit(STOPPED) from None
    except Exception as error:
        code = _code(error)
        if code is None:
            raise
        panel = Panel(Text(str(error)), title=title, title_align="left", border_style="red")
        Console(stderr=True, highlight=False).print(panel)
        raise typer.Exit(code) from None


def _code(error: Exception) -> int | None:
    from adjoint.data import DataError, MissingExtra  # noqa: PLC0415  # late: `--help` is quick
    from adjoint.storage import SaveError  # noqa: PLC0415
    from adjoint.train import CheckpointError, TrainingError  # noqa: PLC0415

    if isinstance(error, Refused | DataError | MissingExtra | CheckpointError):
        return BAD_INPUT
    if isinstance(error, SaveError | TrainingError):
        return FAILED
    return BAD_INPUT if isinstance(error, errors.AdjointError) else None


@app.command(
    epilog=EXIT_CODES,
    help="Train a model, and say what it achieves.\n\n"
    "DATA is a table (.csv, .parquet), arrays x and y (.npz), a folder with a folder of images for "
    "each class, a text (.txt), or 'digits', which needs no file.\n\n"
    "Of the rows, 70 % train, 15 % choose the best epoch and 15 % test. A target of text, or of "
    "few whole numbers that repeat, is a class; any other is a quantity.",
)
def train(
    data: Annotated[str | None, typer.Argument(help="What to learn from.")] = None,
    target: Annotated[
        str | None, typer.Option(help="The column to predict.", metavar="COLUMN")
    ] = None,
    task: Annotated[
        Task | None, typer.Option(help="What the target is.", show_default="by its values")
    ] = None,
    model: Annotated[
        Model | None, typer.Option(help="What to train.", show_default="by the data")
    ] = None,
    hidden: Annotated[
        str | None, typer.Option(help="mlp: units of its layers, 128 or 64,32; 0 for none.")
    ] = None,
    width: Annotated[int | None, typer.Option(min=1, help="Width of the layers.")] = None,
    layers: Annotated[int | None, typer.Option(min=1, help="Number of layers.")] = None,
    heads: Annotated[int | None, typer.Option(min=1, help="gpt: heads of each attention.")] = None,
    dropout: Annotated[float | None, typer.Option(min=0, max=0.95, help="Share dropped.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Most passes over the data.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Rows for each step.")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate.")] = None,
    weight_decay: Annotated[float | None, typer.Option(min=0, help="Decay of the weights.")] = None,
    patience: Annotated[
        int | None, typer.Option(min=1, help="Epochs without improvement before it stops.")
    ] = None,
    validation: Annotated[float, typer.Option(help="Share of the rows that validates.")] = 0.15,
    test: Annotated[str, typer.Option(help="Share of the rows that tests, or a file.")] = "0.15",
    skip_missing: Annotated[
        bool, typer.Option("--skip-missing", help="Leave out rows whose target is missing.")
    ] = False,
    size: Annotated[int, typer.Option(min=4, help="Images: height and width.")] = 32,
    grayscale: Annotated[
        bool, typer.Option("--grayscale", help="Images: without colours.")
    ] = False,
    tokens: Annotated[Tokens, typer.Option(help="Text: what it is made of.")] = Tokens.char,
    block_size: Annotated[int, typer.Option(min=2, help="Text: tokens seen at once.")] = 128,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same run.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the run.", show_default="runs/NAME")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with the run in this folder.", metavar="RUN")
    ] = None,
    checkpoint_every: Annotated[
        int | None, typer.Option(min=1, help="Steps between checkpoints, beside each epoch.")
    ] = None,
    compile: Annotated[bool, typer.Option(help="Compile the steps.")] = True,
    as_json: AsJson = False,
) -> None:
    """Train a model, and say what it achieves."""
    with _refusals("Cannot train"):
        from adjoint.command.problem import Asked  # noqa: PLC0415  # late: `--help` is quick
        from adjoint.command.train import Training  # noqa: PLC0415

        asked = None
        if resume is None:
            if data is None:
                raise Refused(
                    "What to learn from?\nTry: adjoint train DATA, or adjoint train digits"
                )
            asked = Asked(
                data,
                target,
                None if task is None else task.value,
                validation,
                test,
                _seed(seed),
                size,
                grayscale,
                tokens.value,
                block_size,
                skip_missing,
                None if model is None else model.value,
            )
        sizes = {
            "hidden": None if hidden is None else _layers(hidden),
            "width": width,
            "layers": layers,
            "heads": heads,
            "dropout": dropout,
        }
        given = {
            "epochs": epochs,
            "batch_size": batch_size,
            "lr": None if lr is None else _positive(lr),
            "weight_decay": weight_decay,
            "patience": patience,
            "seed": seed,
            "compile": compile,
        }
        given["checkpoint_every"] = checkpoint_every
        training = Training(asked, sizes, given, out, resume)
        _train(training, as_json)


def _train(training: Any, as_json: bool) -> None:
    console = Console(stderr=as_json, highlight=False)
    training.begin()
    if not as_json:
        console.print(training.opening())
        console.print()
    try:
        training.fit(console if console.is_terminal and not as_json else False)
    except KeyboardInterrupt as stop:
        # a second Ctrl-C during the message would leave a traceback
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        first = str(stop).splitlines()[0] if str(stop) else "Stopped."
        text = f"{first}\nTo go on: adjoint train --resume {training.folder}"
        if as_json:
            typer.echo(json.dumps({"interrupted": True, "run": str(training.folder)}, indent=2))
        signal.signal(signal.SIGINT, before)
        raise KeyboardInterrupt(text) from None
    training.judge()
    if as_json:
        typer.echo(_json(training.as_dict()))
    else:
        training.report(console)


@app.command(
    "predict", epilog=EXIT_CODES, help="Predict with a run: for each row of DATA the target."
)
def predict(
    run: Run,
    data: Data,
    out: Annotated[
        Path | None, typer.Option(help="Write all to this CSV file, beside their inputs.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Predict with a run."""
    with _refusals("Cannot predict"):
        from adjoint.command import use  # noqa: PLC0415

        found, _ = use.predictions(run, data)
        rows = len(next(iter(found.values())))
        if out is not None:
            try:
                use.write_predictions(found, data, out)
            except OSError as error:
                raise Refused(f"{out} cannot be written: {error.strerror}.") from None
        if as_json:
            typer.echo(_json({name: values.tolist() for name, values in found.items()}))
            return
        console = Console(highlight=False)
        console.print(use.shown(found))
        if out is not None:
            console.print(Text.assemble(f"All {rows:,} rows are in ", (str(out), "green")))
        elif rows > 10:
            console.print(Text(f"The first 10 of {rows:,} rows; all of them: --out FILE.csv"))


@app.command("eval", epilog=EXIT_CODES, help="Say how good a run is on DATA, which has the target.")
def evaluate(run: Run, data: Data, as_json: AsJson = False) -> None:
    """Say how good a run is on data."""
    with _refusals("Cannot evaluate"):
        from adjoint.command import show, use  # noqa: PLC0415

        found, target, guess = use.evaluation(run, data)
        if as_json:
            typer.echo(_json(found))
            return
        console = Console(highlight=False)
        console.print(show.verdict(found["task"], found, found["rows"], "Its", target))
        if guess is not None:
            console.print(show.classes(target.labels, *guess))


@app.command("sample", epilog=EXIT_CODES, help="Let a model of text go on behind a prompt.")
def sample(
    run: Run,
    prompt: Annotated[str, typer.Option(help="What to go on from.")] = "",
    length: Annotated[int, typer.Option(min=1, help="Tokens to add.")] = 300,
    temperature: Annotated[
        float, typer.Option(help="Less is more certain; 0 takes the likeliest.")
    ] = 0.8,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same text.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Let a model of text go on behind a prompt."""
    with _refusals("Cannot sample"):
        from adjoint.command import use  # noqa: PLC0415

        text = use.sample(run, prompt, length, temperature, _seed(seed))
        typer.echo(_json({"text": text}) if as_json else text)


def _json(tree: Any) -> str:
    return json.dumps(_finite(tree), indent=2, ensure_ascii=False)


def _finite(x: Any) -> Any:
    """The tree with None in place of numbers that JSON does not have."""
    if isinstance(x, dict):
        return {key: _finite(value) for key, value in x.items()}
    if isinstance(x, list | tuple):
        return [_finite(value) for value in x]
    return None if isinstance(x, float) and not math.isfinite(x) else x


def _positive(lr: float) -> float:
    if not 0 < lr < math.inf:
        raise Refused(f"--lr must be a positive number, got {lr:g}.")
    return lr


def _seed(seed: int) -> int:
    if seed >= 2**63:
        raise Refused(f"--seed must be below 2**63, got {seed}.")
    return seed


def _layers(text: str) -> list[int]:
    if text.strip() == "0":
        return []
    try:
        sizes = [int(part) for part in text.split(",")]
    except ValueError:
        sizes = [0]
    if min(sizes) < 1 or max(sizes) > 100_000:
        raise Refused(f"--hidden must be sizes of layers, such as 128 or 64,32; got {text!r}.")
    return sizes
