"""Columns of a table: what kind each is, found out from its cells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from adjoint.data.errors import DataError

Array = np.ndarray[Any, Any]
KINDS: Final = ("number", "bool", "category", "date", "text")
MISSING: Final = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})
"""What a cell says, in any case and with spaces around, when it has no value."""
MAX_CATEGORIES = 1000  # more different words than this are text
_BOOLS: Final = {"true": 1.0, "false": 0.0}
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?)?Z?")


@dataclass(frozen=True, eq=False)
class Column:
    """One column of a `Table`.

    Attributes:
        name: of the column.
        kind: ``number``, ``bool``, ``category``, ``date`` or ``text``.
        values: numbers and bools as float64 with NaN where a value is missing; categories as
            positions in `categories`, -1 where missing; dates (ISO 8601) and text as strings, None
            where missing.
        categories: the different words of a category column, sorted.

    Example:
        >>> ad.data.Column.of("size", ["small", "large", "", "small"]).values
        array([ 1,  0, -1,  1])
    """

    name: str
    kind: str
    values: Array
    categories: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, name: str, cells: Any, *, kind: str | None = None, missing: frozenset[str] = MISSING
    ) -> Column:
        """The column with these cells: strings, as a file has them, or Python or NumPy values.

        Args:
            name: of the column.
            cells: one for each row; None, NaN and the words in `missing` stand for a missing value.
            kind: what the column is; by default the first kind that all its cells fit.
            missing: words that stand for a missing value, in small letters.

        Raises:
            DataError: if a cell does not fit the kind that was asked for.
        """
        if isinstance(cells, np.ndarray) and cells.dtype.kind in "biuf" and kind is None:
            if cells.ndim != 1:
                raise DataError(f"column {name!r}: needs one axis, got shape {cells.shape}")
            return cls(name, "bool" if cells.dtype.kind == "b" else "number", cells.astype(float))
        if kind in (None, "number") and missing is MISSING:
            values = _all_numbers(cells)
            if values is not None:
                return cls(name, "number", values)
        texts = _texts(cells, missing)
        if kind is None:
            return _guessed(name, texts)
        values = _PARSERS[kind](texts) if kind in _PARSERS else None
        if values is None:
            bad = [t for t in texts if t is not None and _PARSERS.get(kind, _reject)([t]) is None]
            known = "" if kind in KINDS else f"; kinds are {', '.join(KINDS)}"
            raise DataError(f"column {name!r}: {bad[:1]} is no {kind}{known}")
        return _with(name, kind, values)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def missing(self) -> Array:
        """Where a value is missing, as bools."""
        if self.kind == "category":
            return self.values < 0
        if self.kind in ("number", "bool"):
            return np.isnan(self.values)
        return np.array([x is None for x in self.values.tolist()], bool)

    def take(self, indices: Any) -> Column:
        """The same column with these rows only."""
        return Column(self.name, self.kind, self.values[indices], self.categories)

    def texts(self) -> list[str | None]:
        """The cells as a file would have them, None where a value is missing."""
        if self.kind == "category":
            words = (*self.categories, None)  # position -1 is the last
            return [words[k] for k in self.values.tolist()]
        if self.kind in ("date", "text"):
            return self.values.tolist()
        if self.kind == "bool":
            return [None if x != x else "true" if x else "false" for x in self.values.tolist()]
        return [None if x != x else number_text(x) for x in self.values.tolist()]


def number_text(x: float) -> str:
    """A number as short as can be, such that it reads back as it was: ``3`` for 3.0."""
    whole = x.is_integer() and abs(x) < 2.0**53 and str(x) != "-0.0"
    return str(int(x)) if whole else repr(x)


def _all_numbers(cells: Any) -> Array | None:
    """Strings as numbers if each is one: most columns of most files, in a third of the time."""
    if not len(cells) or not isinstance(cells[0], str):
        return None
    try:
        values = np.array(list(map(float, cells)))
        return None if "_" in "".join(cells) else values  # which Python's numbers may have
    except (ValueError, TypeError):
        return None


def _texts(cells: Any, missing: frozenset[str]) -> list[str | None]:
    """Cells as strings without spaces around, None where a value is missing."""
    out: list[str | None] = []
    for cell in cells.tolist() if isinstance(cells, np.ndarray) else cells:
        if cell.__class__ is not str:
            if cell is None or cell != cell:
                out.append(None)
                continue
            cell = str(cell).lower() if isinstance(cell, bool) else str(cell)
        text = cell.strip()
        # the longest of the words has few letters, so most cells need no lower-casing
        out.append(None if len(text) < 8 and text.lower() in missing else text)
    return out


def _guessed(name: str, texts: list[str | None]) -> Column:
    """The column, as the first kind that all its cells fit."""
    if any(text is not None for text in texts):
        for kind in ("number", "bool", "date", "category"):
            values = _PARSERS[kind](texts)
            if values is not None:
                return _with(name, kind, values)
        return Column(name, "text", _strings(texts))
    return Column(name, "number", np.full(len(texts), np.nan))


def _with(name: str, kind: str, values: Any) -> Column:
    return Column(name, kind, *values) if kind == "category" else Column(name, kind, values)


def _numbers(texts: list[str | None]) -> Array | None:
    """The cells as numbers; underscores, which Python would allow, make them no numbers."""
    try:
        out = np.array([np.nan if t is None else float(t) for t in texts])
    except ValueError:
        return None
    return None if any("_" in t for t in texts if t is not None) else out


def _bools(texts: list[str | None]) -> Array | None:
    found = [np.nan if t is None else _BOOLS.get(t.lower()) for t in texts]
    return None if None in found else np.array(found, np.float64)


def _dates(texts: list[str | None]) -> Array | None:
    for text in {t for t in texts if t is not None}:
        try:
            if not _DATE.fullmatch(text):
                return None
            np.datetime64(text.removesuffix("Z"))
        except ValueError:  # month 13
            return None
    return _strings(texts)


def _categories(texts: list[str | None]) -> tuple[Array, tuple[str, ...]] | None:
    """Words that repeat: at most half as many different ones as there are rows."""
    found = {t for t in texts if t is not None}
    if len(found) > min(MAX_CATEGORIES, max(2, len(texts) // 2)):
        return None
    return _coded(texts)


def _coded(texts: list[str | None]) -> tuple[Array, tuple[str, ...]]:
    words = tuple(sorted({t for t in texts if t is not None}))
    position: dict[str | None, int] = {word: k for k, word in enumerate(words)}
    position[None] = -1
    return np.array([position[t] for t in texts], np.int64), words


def _strings(texts: list[str | None]) -> Array:
    out = np.empty(len(texts), object)
    out[:] = texts
    return out


def _reject(texts: list[str | None]) -> None:
    """Nothing fits a kind that does not exist."""


_PARSERS: dict[str, Any] = {
    "number": _numbers,
    "bool": _bools,
    "date": _dates,
    "category": _categories,
    "text": _strings,
}


def as_category(column: Column) -> Column:
    """The same cells as a category column, however many different ones there are."""
    if column.kind == "category":
        return column
    values: Sequence[str | None] = column.texts()
    return Column(column.name, "category", *_coded(list(values)))
