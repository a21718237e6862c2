"""What a run notes as it goes: a line of JSON for each event, and TensorBoard's files."""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path
from typing import IO, Any

import adjoint as ad
from adjoint.train.events import EventWriter


class Journal:
    """The log of a run: ``log.jsonl`` and the event files in ``events``.

    A run that is resumed leaves out what its log said of later steps, which come again.

    Args:
        run: the folder of the run.
        resume_step: the step at which it is resumed; None for a new run.
        lines: how many lines the log had when the state was saved that is resumed.

    Attributes:
        lines: how many lines were written.
    """

    def __init__(self, run: Path, resume_step: int | None = None, lines: int = 0) -> None:
        self.path = run / "log.jsonl"
        self.lines = 0
        if resume_step is None:
            self.path.unlink(missing_ok=True)
            for old in (run / "events").glob("events.out.tfevents.*"):
                old.unlink()
        else:
            self._shorten(lines)
        self._file: IO[str] = self.path.open("a", encoding="utf-8")
        self._events = EventWriter(run / "events", resume_step)

    def note(self, what: str, step: int, **values: Any) -> None:
        """Write one line, and the numbers in it as scalars by the name ``what/name``."""
        line = {"event": what, "step": step, "time": round(time.time(), 3), **values}
        self._file.write(json.dumps(_finite(line), ensure_ascii=False) + "\n")
        self.lines += 1
        scalars = {
            f"{what}/{name}": float(x)
            for name, x in values.items()
            if isinstance(x, int | float) and not isinstance(x, bool)
        }
        if scalars:
            self._events.scalars(step, scalars)

    def flush(self) -> None:
        """Hand what was written to the operating system."""
        self._file.flush()
        self._events.flush()

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        self._events.close()

    def _shorten(self, lines: int) -> None:
        """Leave out what comes again: the lines that were written after the state was saved."""
        found = read_lines(self.path)[:lines]
        kept = [json.dumps(line, ensure_ascii=False) + "\n" for line in found]
        self.lines = len(kept)
        text = "".join(kept).encode()
        ad.storage.write_atomically(self.path, lambda file: file.write(text))


def read_lines(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """The lines of a log; a last one that was cut off is left out.

    Example:
        >>> ad.train.read_lines("no such log.jsonl")
        []
    """
    out: list[dict[str, Any]] = []
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return out
    for line in text.splitlines():
        try:
            out.append(json.loads(line))
        except ValueError:
            continue
    return out


def _finite(x: Any) -> Any:
    """The tree with None in place of numbers that JSON does not have."""
    if isinstance(x, dict):
        return {key: _finite(value) for key, value in x.items()}
    return None if isinstance(x, float) and not math.isfinite(x) else x
