"""What a kernel of attention depends on: sizes, and how its operands lie."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from adjoint.backends.llvm.layout import Ints
from adjoint.core.types import DType

BLOCK = 32
"""Rows of scores that are worked on at a time."""
LONG = 1024
"""Keys from which on it is half as many, so that a block stays in the cache of its core."""


@dataclass(frozen=True, slots=True)
class Walk:
    """Strides of an operand along batch axes, from row to row, from column to column."""

    batch: Ints
    row: int
    column: int


@dataclass(frozen=True, slots=True)
class Matrix:
    """An operand as BLAS takes it; `lead` is 0 if it must be copied first."""

    transposed: bool
    lead: int


@dataclass(frozen=True, slots=True)
class Kernel:
    """Sizes and layouts.

    Attributes:
        back: whether gradients are computed.
        dtype: of all numbers.
        lanes: numbers in a vector.
        batch: sizes of the batch axes.
        t: queries.
        s: keys.
        d: inner axis of the scores.
        e: axis of the values.
        walks: how operands, mask and results lie, in this order.
        scale: as in the card, as are `reach`, `fill` and `zero`.
        how: the kind of the mask.
    """

    back: bool
    dtype: DType
    lanes: int
    batch: Ints
    t: int
    s: int
    d: int
    e: int
    walks: tuple[Walk, ...]
    scale: float
    reach: int | None
    how: str
    fill: float
    zero: bool

    @property
    def rows(self) -> int:
        """Queries of a block."""
        return min(self.t, BLOCK if self.s < LONG else BLOCK // 2)

    @property
    def blocks(self) -> int:
        """Blocks of queries."""
        return -(-self.t // self.rows)

    @property
    def units(self) -> int:
        """What is computed apart: blocks; with gradients of keys, to which all add, heads."""
        return prod(self.batch) * (1 if self.back else self.blocks)

    @property
    def lead(self) -> int:
        """Numbers from a row of scores to the next.

        Rows a power of two apart would drive each other out of the cache.
        """
        lead = -(-self.s // self.lanes) * self.lanes
        line = 64 // self.dtype.itemsize
        return lead + line if lead % (4 * line) == 0 else lead

    @property
    def names(self) -> tuple[str, ...]:
        """The operands and results, in the order of `walks`."""
        mask = ("mask",) if self.how else ()
        if self.back:
            return ("q", "k", "v", "out", "rows", "ct", *mask, "dq", "dk", "dv")
        return ("q", "k", "v", *mask, "out", "rows")

    def walk(self, name: str) -> Walk:
        """How an operand or result lies."""
        return self.walks[self.names.index(name)]

    def shape(self, name: str) -> tuple[int, int]:
        """Rows and columns of an operand."""
        rows = self.s if name in ("k", "v") else self.t
        return rows, self.d if name in ("q", "k") else self.e

    def matrix(self, name: str) -> Matrix:
        """An operand as BLAS takes it."""
        w, (rows, columns) = self.walk(name), self.shape(name)
        if (w.column == 1 or columns == 1) and (w.row >= columns or rows == 1):
            return Matrix(False, max(w.row if rows > 1 else columns, columns))
        if (w.row == 1 or rows == 1) and (w.column >= rows or columns == 1):
            return Matrix(True, max(w.column if columns > 1 else rows, rows))
        return Matrix(False, 0)

    @property
    def copied(self) -> tuple[str, ...]:
        """Operands that are copied first."""
        names = ("q", "k", "v", "ct") if self.back else ("q", "k", "v")
        return tuple(name for name in names if not self.matrix(name).lead)

    def place(self, name: str) -> int:
        """Where the copy of an operand begins in a part's own memory, in numbers."""
        at = (2 if self.back else 1) * self.rows * self.lead
        for other in self.copied:
            if other == name:
                break
            at += prod(self.shape(other))
        return at

    @property
    def bytes(self) -> int:
        """Memory of a part."""
        return -(-self.place("") * self.dtype.itemsize // 64) * 64
