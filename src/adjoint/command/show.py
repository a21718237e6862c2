"""What the command shows: the opening, the verdict, tables of results."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from rich import box
from rich.console import Group
from rich.table import Table as Grid
from rich.text import Text

from adjoint.command.problem import Problem

INTERESTING = "bold cyan"
MOST_ROWS = 12


def grid(rows: list[tuple[str, Any]]) -> Grid:
    """Facts, one on each line, their names dim."""
    out = Grid.grid(padding=(0, 2))
    out.add_column(style="dim")
    out.add_column()
    for name, value in rows:
        out.add_row(name, value)
    return out


def opening(
    problem: Problem, about: dict[str, Any], settings: dict[str, Any], size: int, note: str
) -> Grid:
    """What is learned, from how many examples, with what."""
    train, validation, test = map(len, problem.parts)
    lr, batch, epochs, seed = (settings[k] for k in ("lr", "batch_size", "epochs", "seed"))
    words = (
        "windows" if problem.kind == "text" else "rows" if problem.kind == "table" else "examples"
    )
    divided = f"{train:,} {words} to train"
    divided += f", {validation:,} to validate" if validation else ""
    divided += f", {test:,} to test" if test else ""
    rows = [*problem.facts]
    if problem.target is not None:
        rows.append(("target", target_line(problem)))
    rows += [
        ("divided", divided),
        ("model", f"{network(about)}, {size:,} parameters"),
        (
            "method",
            f"AdamW, learning rate {lr:g} along a cosine, batches of {batch}, "
            f"at most {epochs} epochs, seed {seed}",
        ),
    ]
    return grid([*rows, *([("note", Text(note, style="yellow"))] if note else [])])


def target_line(problem: Problem) -> str:
    """What is predicted, and why it was taken for that."""
    target = problem.target
    kinds = ", ".join(target.labels[:10]) + (", …" if len(target.labels) > 10 else "")
    what = f"a class: {kinds}" if target.labels else "a quantity"
    return f"{target.name}, {what}" + (f" (because {target.reason})" if target.reason else "")


def network(about: dict[str, Any]) -> str:
    """The model in a few words."""
    if about["model"] == "mlp":
        sizes = [math.prod(about["inputs"]), *about["hidden"], about["outputs"]]
        return "mlp " + " → ".join(map(str, sizes))
    words = f"{about['model']}, {about['layers']} layers of width {about['width']}"
    return words + (f", {about['heads']} heads" if about["heads"] else "")


def verdict(task: str, found: dict[str, float], rows: int, part: str, target: Any) -> Text:
    """What was achieved, in a line."""
    line = Text()
    if task == "classification":
        right = round(found["accuracy"] * rows)
        line.append(f"{part} accuracy {found['accuracy']:.1%}", style=INTERESTING)
        line.append(f", {right:,} of {rows:,} right")
    elif task == "regression":
        line.append(f"{part} R² {found['R²']:.3f}", style=INTERESTING)
        error = found["mean absolute error"]
        line.append(f", {target.name} is off by {error:.4g} on average")
    else:
        line.append(f"{part} loss {found['loss']:.4f}", style=INTERESTING)
        line.append(f", perplexity {found['perplexity']:.2f}")
    return line


def classes(labels: tuple[str, ...], truth: Any, guess: Any) -> Grid | Group:
    """Precision and recall of each class, and with what the worst are confused."""
    out = Grid(box=box.SIMPLE_HEAD, pad_edge=False)
    out.add_column("class")
    for name in ("examples", "found", "right of those guessed"):
        out.add_column(name, justify="right")
    out.add_column("mostly taken for", style="dim")
    count = len(labels)
    table = np.zeros((count, count), np.int64)
    np.add.at(table, (truth, guess), 1)
    rows = table.sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall, precision = np.diag(table) / rows, np.diag(table) / table.sum(0)
    worst = np.argsort(np.where(rows > 0, recall, 2.0), kind="stable")[:MOST_ROWS]
    for k in sorted(worst.tolist()):
        wrong = table[k].copy()
        wrong[k] = 0
        other = labels[int(wrong.argmax())] if wrong.any() else ""
        out.add_row(labels[k], f"{rows[k]:,}", _share(recall[k]), _share(precision[k]), other)
    if count <= MOST_ROWS:
        return out
    return Group(out, Text(f"the {MOST_ROWS} of {count} classes that are found least", style="dim"))


def _share(x: float) -> str:
    return "none" if math.isnan(x) else f"{x:.0%}"


def duration(seconds: float) -> str:
    """A time in the unit that suits it."""
    if seconds >= 60:
        return f"{int(seconds // 60)} min {round(seconds % 60)} s"
    for factor, unit in ((1e6, "µs"), (1e3, "ms")):
        if seconds * factor < 1000:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds:.3g} s"


def amount(n: float) -> str:
    """A large number with its unit's prefix: ``1.3 M``."""
    for prefix in ("", "k", "M", "G"):
        if n < 999.5:
            return f"{n:.3g} {prefix}"
        n /= 1000
    return f"{n:.3g} T"
