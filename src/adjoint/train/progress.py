"""Progress of a training in the terminal: the one place of the loop that imports rich."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn
from rich.text import Text

REFRESH_S = 0.1


class ProgressBar:
    """A line with epoch, bar, remaining time, loss, rate and metrics; silent without a terminal.

    Args:
        wanted: True, False, or a console of rich to write to.
        steps: how many there are.
        per_epoch: how many in an epoch.
        done: how many were done before.
    """

    def __init__(self, wanted: Any, steps: int, per_epoch: int, done: int) -> None:
        console: Any = wanted if isinstance(wanted, Console) else Console(stderr=True)
        self.shown = bool(wanted) and console.is_terminal
        self.console, self.steps, self.per_epoch = console, steps, max(per_epoch, 1)
        self.epochs = -(-steps // self.per_epoch)
        self.metrics = ""
        self._rows = 0
        self._rate = 0.0
        self._from = self._last = time.perf_counter()
        if self.shown:
            self._bar = Progress(
                TextColumn("{task.fields[epoch]}"),
                BarColumn(bar_width=20, complete_style="cyan", finished_style="green"),
                _Left(),
                TextColumn("{task.description}", style="none"),
                console=console,
                auto_refresh=False,
            )
            self._task = self._bar.add_task(
                "compiling", total=steps, completed=done, epoch="", ended=False
            )
            self._bar.start()
            self._draw(done, "compiling …")

    def step(self, number: int, loss: float, rows: int) -> None:
        """A step was done."""
        if not self.shown:
            return
        self._rows += rows
        now = time.perf_counter()
        if now - self._last >= REFRESH_S:
            rate = self._rows / (now - self._last)
            self._rate = rate if not self._rate else 0.7 * self._rate + 0.3 * rate
            self._rows, self._last = 0, now
            self._draw(number, f"loss {loss:.4g}{self.metrics}  [dim]{amount(self._rate)}rows/s")

    def epoch(self, number: int, loss: float, logs: list[tuple[str, float]]) -> None:
        """An epoch was done."""
        if not self.shown:
            return
        words = [f"  {name.replace('validation ', 'val. ')} {short(name, x)}" for name, x in logs]
        self.metrics = "".join(words)
        self._draw(number, f"loss {loss:.4g}{self.metrics}  [dim]{amount(self._rate)}rows/s")

    def say(self, text: str) -> None:
        """Write a line above the bar."""
        if self.shown:
            self._bar.console.print(Text(text, style="yellow"))

    def close(self) -> None:
        """Leave the line as it is."""
        if self.shown:
            self._bar.update(self._task, ended=True)
            self._bar.refresh()
            self._bar.stop()

    def _draw(self, step: int, text: str) -> None:
        epoch = min((step - 1) // self.per_epoch + 1 if step else 1, self.epochs)
        label = f"epoch {epoch}/{self.epochs}" if self.epochs > 1 else f"step {step}/{self.steps}"
        self._bar.update(self._task, completed=step, description=text, epoch=label)
        self._bar.refresh()


class _Left(ProgressColumn):
    """The time that remains."""

    def render(self, task: Any) -> Text:
        """As minutes and seconds."""
        if task.finished or task.fields["ended"]:
            return Text(clock(task.elapsed or 0.0), style="dim")
        left = task.time_remaining
        return Text("" if left is None else f"{clock(left)} left", style="dim")


def clock(seconds: float) -> str:
    """A time as hours, minutes and seconds."""
    whole = int(seconds)
    hours, rest = divmod(whole, 3600)
    text = f"{rest // 60}:{rest % 60:02d}"
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else text


def amount(n: float) -> str:
    """A large number with its unit's prefix: ``1.3 M``."""
    for prefix in ("", "k", "M", "G"):
        if n < 999.5:
            return f"{n:.3g} {prefix}"
        n /= 1000
    return f"{n:.3g} T"


def short(name: str, x: float) -> str:
    """A metric as it is written: shares in per cent."""
    return f"{x:.1%}" if name.endswith("accuracy") else f"{x:.4g}"
