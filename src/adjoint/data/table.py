"""Tables: named columns of equal length, each of one kind."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from adjoint.data.column import Column
from adjoint.data.errors import DataError

Array = np.ndarray[Any, Any]


class Table:
    """Named columns of equal length, as a CSV or Parquet file has them.

    Args:
        columns: with different names and equal lengths.
        source: what messages call the table: the path of its file.
        lines: the line of the file on which each row ends, for messages.

    Raises:
        DataError: if names repeat or lengths differ.

    Example:
        >>> table = ad.data.Table.of({"size": [1.5, 2.0, None], "kind": ["a", "b", "a"]})
        >>> table
        Table(3 rows: size number, kind category)
        >>> table["size"].values
        array([1.5, 2. , nan])
    """

    def __init__(
        self, columns: Sequence[Column], source: str = "table", lines: Array | None = None
    ) -> None:
        self.columns = tuple(columns)
        self.source, self.lines = source, lines
        self.names = tuple(c.name for c in self.columns)
        twice = [name for k, name in enumerate(self.names) if name in self.names[:k]]
        if twice:
            raise DataError(f"{source} has more than one column named {twice[0]!r}.")
        lengths = {c.name: len(c) for c in self.columns}
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"{name!r} {n}" for name, n in lengths.items())
            raise DataError(f"{source}: columns have different lengths: {listed}")
        self._rows = next(iter(lengths.values()), 0)

    @classmethod
    def of(
        cls,
        columns: Any,
        *,
        kinds: Mapping[str, str] | None = None,
        source: str = "table",
    ) -> Table:
        """The table with these columns, each of the kind that its cells show.

        Args:
            columns: a dict from names to cells, or a frame of pandas or polars.
            kinds: the kinds of some columns, where they shall not be found out.
            source: what messages call the table.
        """
        names = [str(name) for name in (columns if isinstance(columns, dict) else columns.columns)]
        given = list(columns.values()) if isinstance(columns, dict) else _series(columns)
        kinds = kinds or {}
        made = [Column.of(n, x, kind=kinds.get(n)) for n, x in zip(names, given, strict=True)]
        return cls(made, source)

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, name: str) -> Column:
        return self.columns[self.index(name)]

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __repr__(self) -> str:
        listed = [f"{c.name} {c.kind}" for c in self.columns[:8]]
        rest = len(self.columns) - len(listed)
        if rest:
            listed.append(f"{rest} more")
        return f"Table({len(self):,} rows: {', '.join(listed)})"

    def index(self, name: str) -> int:
        """The position of a column.

        Raises:
            DataError: if there is none of this name; it says which are like it.
        """
        if name in self.names:
            return self.names.index(name)
        folded = {n.casefold(): n for n in self.names}
        near = difflib.get_close_matches(str(name).casefold(), folded, n=1, cutoff=0.5)
        hint = f"Did you mean {folded[near[0]]!r}? " if near else ""
        listed = ", ".join(self.names[:12]) + (", …" if len(self.names) > 12 else "")
        raise DataError(f"{self.source} has no column {name!r}.\n{hint}Its columns are: {listed}")

    def select(self, names: Sequence[str]) -> Table:
        """The table with these columns, in this order."""
        return Table([self[name] for name in names], self.source, self.lines)

    def drop(self, *names: str) -> Table:
        """The table without these columns."""
        at = {self.index(name) for name in names}
        kept = [c for k, c in enumerate(self.columns) if k not in at]
        return Table(kept, self.source, self.lines)

    def take(self, indices: Any) -> Table:
        """The table with these rows only: positions, a slice, or a bool for each row."""
        lines = None if self.lines is None else self.lines[indices]
        return Table([c.take(indices) for c in self.columns], self.source, lines)

    def drop_missing(self, *names: str) -> Table:
        """The table without the rows in which one of these columns (by default any) is missing."""
        columns = [self[name] for name in names] or self.columns
        whole = np.ones(len(self), bool)
        for column in columns:
            whole &= ~column.missing
        return self.take(whole)

    def where(self, row: int, column: str) -> str:
        """The place of a cell as messages say it: file, line and column."""
        line = f"row {row + 1}" if self.lines is None else f"line {self.lines[row]}"
        return f"{self.source}, {line}, column {column!r}"


def _series(frame: Any) -> list[Any]:
    """The columns of a frame of pandas or polars, as arrays of numbers or lists of values."""
    out: list[Any] = []
    for k in range(frame.shape[1]):
        series = frame.iloc[:, k] if hasattr(frame, "iloc") else frame[:, k]
        dtype = str(series.dtype).lower()
        plain = dtype.startswith(("int", "uint", "float")) and not _has_null(series)
        out.append(series.to_numpy() if plain else [_cell(x) for x in series.to_list()])
    return out


def _has_null(series: Any) -> bool:
    found = series.is_null() if hasattr(series, "is_null") else series.isna()
    return bool(found.any())


def _cell(x: Any) -> Any:
    """A value of a frame; dates in ISO 8601, without a time if it is midnight."""
    if x is None or type(x).__name__ in ("NAType", "NaTType"):
        return None
    if hasattr(x, "isoformat"):
        return x.isoformat().removesuffix("T00:00:00")
    return x
