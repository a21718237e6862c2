"""What a run says about itself: at the start, at the end, what it cost; as text and as data."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table as Grid
from rich.text import Text

from adjoint.cost import Cost
from adjoint.train.loop import Run

INTERESTING = "bold cyan"


def opening(run: Run) -> Group:
    """What is learned, from how many rows, with what."""
    table, settings = run.table, run.settings
    kinds = ", ".join(table.labels[:10]) + (", …" if len(table.labels) > 10 else "")
    what = f"a class: {kinds}" if table.labels else f"a quantity, because {table.reason}"
    if table.labels and table.reason:
        what += f", because {table.reason}"
    train, validation, test = run.parts
    layers = " → ".join(map(str, run.sizes))
    grid = Grid.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column()
    grid.add_row("data", f"{table.name}, {len(table):,} rows of {len(table.columns)} columns")
    grid.add_row("target", f"{table.target_name}, {what}")
    grid.add_row("rows", f"{train:,} to train, {validation:,} to validate, {test:,} to test")
    grid.add_row("network", f"{layers}, {run.size:,} parameters")
    grid.add_row(
        "method",
        f"{settings.optimizer}, learning rate {settings.lr:g}, batches of {settings.batch_size}, "
        f"seed {settings.seed}",
    )
    return Group(grid, Text())


def score_name(run: Run) -> str:
    """What validation measures."""
    return "accuracy" if run.table.labels else "R²"


def score_text(run: Run, score: float) -> str:
    """A score as it is written."""
    return f"{score:.1%}" if run.table.labels else f"{score:.3f}"


def verdict(run: Run) -> Group:
    """What was achieved, on rows that had no part in it."""
    assert run.best is not None
    test = run.test
    line = Text()
    if run.table.labels:
        line.append(f"Test accuracy {test['accuracy']:.1%}", style=INTERESTING)
        line.append(f", {test['right']:,} of {test['rows']:,} rows right")
    else:
        line.append(f"Test R² {test['r2']:.3f}", style=INTERESTING)
        line.append(f", {run.table.target_name} is off by {test['mae']:.4g} on average (MAE)")
    chosen = (
        f"with the weights of epoch {run.best.number}, the best on the validation rows "
        f"({score_text(run, run.best.score)})"
    )
    return Group(line, Text(chosen, style="dim"))


def cost_table(run: Run) -> Group:
    """What a step takes in operations and time, and what it would without the chain rule."""
    cost, steps = run.cost, max(run.times.steps, 1)
    assert cost is not None
    times = run.times
    roles = [
        ("forward", cost.forward, times.forward / steps),
        ("backward", cost.backward, times.backward / steps),
        ("update", run.update_flops, times.update / steps),
    ]
    rows = min(run.settings.batch_size, run.parts[0])
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column(f"a step of {rows} rows", style="dim")
    for name in ("operations", "× forward", "time", "× forward"):
        grid.add_column(name, justify="right")
    for name, flops, seconds in [*roles, _sum(roles)]:
        grid.add_row(
            name,
            f"{amount(flops)}FLOP",
            f"{flops / cost.forward:.1f}",
            duration(seconds),
            f"{seconds / roles[0][2]:.1f}",
        )
    return Group(grid, _beside(run, cost, roles[0][2], roles[1][2]))


def _sum(roles: list[tuple[str, int, float]]) -> tuple[str, int, float]:
    return "together", sum(flops for _, flops, _ in roles), sum(s for _, _, s in roles)


def _beside(run: Run, cost: Cost, forward: float, backward: float) -> Grid:
    """Memory, and what the same gradient would take without the chain rule."""
    passes = run.size + 1
    times = passes * forward / (forward + backward)
    grid = Grid.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column()
    grid.add_row(
        "memory",
        f"{amount(cost.saved_bytes)}B kept for the backward pass, "
        f"gradients {amount(cost.gradient_bytes)}B, peak {amount(cost.peak_bytes)}B",
    )
    grid.add_row(
        "otherwise",
        f"{passes:,} forward passes by finite differences: "
        f"{amount(cost.finite_differences(run.size))}FLOP, {duration(passes * forward)},\n"
        f"{times:,.0f} times the time of forward and backward",
    )
    return grid


def amount(n: float) -> str:
    """A large number with its unit's prefix: ``1.3 M``."""
    for prefix in ("", "k", "M", "G", "T"):
        if n < 999.5 or prefix == "T":
            return f"{n:.3g} {prefix}"
        n /= 1000
    raise AssertionError


def duration(seconds: float) -> str:
    """A time in the unit that suits it."""
    for factor, unit in ((1e6, "µs"), (1e3, "ms"), (1.0, "s")):
        if seconds * factor < 1000 or unit == "s":
            return f"{seconds * factor:.3g} {unit}"
    raise AssertionError


def as_dict(run: Run, path: Path | None) -> dict[str, Any]:
    """The result as data. Seconds and operations are those of one step."""
    cost, steps = run.cost, max(run.times.steps, 1)
    assert cost is not None
    table, settings = run.table, run.settings
    return {
        "data": table.name,
        "task": table.task,
        "target": table.target_name,
        "labels": list(table.labels),
        "rows": dict(zip(("train", "validation", "test"), run.parts, strict=True)),
        "layers": list(run.sizes),
        "parameters": run.size,
        "settings": {
            "epochs": settings.epochs,
            "batch_size": settings.batch_size,
            "lr": settings.lr,
            "optimizer": settings.optimizer,
            "seed": settings.seed,
        },
        "interrupted": run.interrupted,
        "epochs": [vars(epoch) for epoch in run.epochs],
        "best_epoch": run.best.number if run.best else None,
        "test": {key: value for key, value in run.test.items() if math.isfinite(value)},
        "cost": {
            "flops": {
                "forward": cost.forward,
                "backward": cost.backward,
                "update": run.update_flops,
                "finite_differences": cost.finite_differences(run.size),
            },
            "seconds": {
                "forward": run.times.forward / steps,
                "backward": run.times.backward / steps,
                "update": run.times.update / steps,
            },
            "bytes": {
                "saved": cost.saved_bytes,
                "gradients": cost.gradient_bytes,
                "peak": cost.peak_bytes,
            },
        },
        "weights": None if path is None else str(path),
    }
