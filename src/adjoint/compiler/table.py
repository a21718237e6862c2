"""Tables, quantities and small plots as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

BARS: Final = " ▁▂▃▄▅▆▇█"
PREFIXES: Final = ("", "k", "M", "G", "T", "P", "E")
BINARY: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def table(head: Sequence[str], rows: Iterable[Sequence[str]], left: Iterable[int] = ()) -> str:
    """Rows under a head, columns aligned to the right but for those in `left`."""
    cells = [list(head), *(list(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    to_left = set(left)

    def line(row: Sequence[str]) -> str:
        parts = [
            cell.ljust(w) if k in to_left else cell.rjust(w)
            for k, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(parts).rstrip()

    rule = "  ".join("─" * w for w in widths)
    return "\n".join([line(cells[0]), rule, *map(line, cells[1:])])


def count(n: float, unit: str = "") -> str:
    """A number with three digits: ``1.23 GFLOP``."""
    n = float(n)
    k = 0
    while abs(n) >= 999.5 and k < len(PREFIXES) - 1:
        n /= 1000
        k += 1
    return f"{_three(n, k == 0)} {PREFIXES[k]}{unit}".rstrip()


def size(n: float) -> str:
    """A number of bytes: ``1.5 MiB``."""
    n = float(n)
    k = 0
    while abs(n) >= 1023.5 and k < len(BINARY) - 1:
        n /= 1024
        k += 1
    return f"{_three(n, k == 0)} {BINARY[k]}"


def duration(seconds: float) -> str:
    """A time: ``12.3 µs``."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{_three(seconds / scale, False)} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def share(part: float, whole: float) -> str:
    """A part in percent."""
    return f"{100 * part / whole:.1f} %" if whole else ""


def _three(n: float, whole: bool) -> str:
    if whole and n == int(n):
        return f"{n:.0f}"
    return f"{n:.0f}" if abs(n) >= 99.95 else f"{n:.1f}" if abs(n) >= 9.995 else f"{n:.2f}"


def plot(values: Sequence[float], width: int = 64, height: int = 4) -> list[str]:
    """A curve as lines of bars, from zero to the largest value."""
    top = max(values, default=0)
    if not top:
        return []
    n = len(values)
    columns = min(width, n)
    # of the values that share a column, the largest
    shown = [
        max(values[k * n // columns : max((k + 1) * n // columns, k * n // columns + 1)])
        for k in range(columns)
    ]
    levels = [round(8 * height * v / top) for v in shown]
    return [
        "".join(BARS[min(max(level - 8 * row, 0), 8)] for level in levels)
        for row in reversed(range(height))
    ]


def clipped(text: str, width: int) -> str:
    """The text, cut to a width."""
    return text if len(text) <= width else text[: width - 1] + "…"
