"""The memory plan: a place in one arena for every value, decided before anything runs.

Values that live at the same time get places that do not overlap. The largest choose first, each the
lowest place that is free for its whole life; this comes within a few percent of the least possible
arena on the graphs of training steps.

Source: Pisarchyk and Lee, Efficient Memory Management for Deep Neural Net Inference (2020),
"greedy by size for offset calculation".
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

ALIGNMENT: Final = 64


@dataclass(slots=True)
class Life:
    """From which to which step of a program a value must stay where it is.

    Attributes:
        size: bytes.
        first: the step that writes it.
        last: the last step that reads it.
    """

    size: int
    first: int
    last: int


def aligned(size: int) -> int:
    """The size rounded up to what keeps every place aligned; never zero."""
    return max(ALIGNMENT, -(-size // ALIGNMENT) * ALIGNMENT)


def arrange(lives: Sequence[Life]) -> tuple[list[int], int]:
    """An offset for each value, and the size of the arena."""
    offsets = [0] * len(lives)
    placed: list[tuple[int, int, int, int]] = []  # (offset, end, first, last) by offset
    total = 0
    for k in sorted(range(len(lives)), key=lambda k: (-lives[k].size, lives[k].first)):
        size, first, last = aligned(lives[k].size), lives[k].first, lives[k].last
        at = 0
        for offset, end, other_first, other_last in placed:
            if other_last < first or other_first > last or end <= at:
                continue
            if offset - at >= size:
                break
            at = end
        offsets[k] = at
        total = max(total, at + size)
        insort(placed, (at, at + size, first, last))
    return offsets, total


def busiest(lives: Sequence[Life]) -> int:
    """Bytes that are alive at once in the busiest step: no plan can do with less."""
    steps = max((life.last for life in lives), default=-1) + 2
    change = [0] * steps
    for life in lives:
        change[life.first] += aligned(life.size)
        change[life.last + 1] -= aligned(life.size)
    most = now = 0
    for delta in change:
        now += delta
        most = max(most, now)
    return most
