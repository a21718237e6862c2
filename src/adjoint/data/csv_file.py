"""CSV files, read with line numbers in every complaint, and written."""

from __future__ import annotations

import csv
import difflib
import io
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from adjoint.data.column import MISSING, Column
from adjoint.data.errors import DataError
from adjoint.data.frames import csv_by_polars
from adjoint.data.table import Table

Array = np.ndarray[Any, Any]
SEPARATORS: Final = ",;\t|"
LARGE: Final = 20_000  # characters: below, any way is fast
_BYTE_ORDER_MARKS: Final = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}


def read_csv(
    path: str | os.PathLike[str],
    *,
    header: bool | None = None,
    separator: str | None = None,
    encoding: str | None = None,
    kinds: Mapping[str, str] | None = None,
    missing: frozenset[str] = MISSING,
    engine: str = "csv",
) -> Table:
    r"""The table in a CSV file.

    Fields may be quoted, blank lines are left out, and a byte order mark is understood.

    Args:
        path: the file.
        header: whether the first line names the columns. By default it does unless it holds a
            number and the lines below are no different; then columns are ``column 1``, …
        separator: by default the one of comma, semicolon, tab and bar that the first line has
            most of, outside of quotes.
        encoding: by default what the byte order mark says, else UTF-8.
        kinds: the kinds of some columns (see `Column`), where they shall not be found out.
        missing: words that stand for a missing value, in small letters.
        engine: ``"csv"``, or ``"polars"``, which is faster for large files and needs the extra
            ``parquet``; line numbers are then those of rows.

    Raises:
        DataError: saying what is wrong, and on which line.

    Example:
        >>> import tempfile, os
        >>> path = os.path.join(tempfile.mkdtemp(), "houses.csv")
        >>> with open(path, "w") as file:
        ...     _ = file.write("area;heating;price\n52;gas;100\n;gas;120\n70;oil;\n")
        >>> table = ad.data.read_csv(path)
        >>> table
        Table(3 rows: area number, heating category, price number)
        >>> table["area"].values
        array([52., nan, 70.])
    """
    place = Path(path)
    if engine not in ("csv", "polars"):
        raise DataError(f"read_csv: engine must be 'csv' or 'polars', got {engine!r}")
    text = _text(place, encoding)
    first = next((line for line in text.splitlines() if line.strip()), "")
    found = separator or max(SEPARATORS, key=re.sub(r'"[^"]*"', "", first).count)
    if len(found) != 1:
        raise DataError(f"read_csv: separator must be one character, got {separator!r}")
    kinds = dict(kinds or {})
    if engine == "polars":
        names, cells, lines = csv_by_polars(text, place, found, header is not False)
    else:
        plain = missing is MISSING and not kinds
        numeric = _all_numbers(text, found, header) if plain else None
        names, cells, lines = numeric or _by_rows(text, found, header, place)
    _check_names(names, place)
    unknown = [name for name in kinds if name not in names]
    if unknown:
        raise DataError(f"{place} has no column {unknown[0]!r}, of which a kind is given.")
    columns = [
        Column.of(name, column, kind=kinds.get(name), missing=missing)
        for name, column in zip(names, cells, strict=True)
    ]
    return Table(columns, str(place), lines)


def _text(path: Path, encoding: str | None) -> str:
    """The whole text of a file."""
    data = read_bytes(path, ".csv")
    if encoding is None:
        marks = [name for mark, name in _BYTE_ORDER_MARKS.items() if data.startswith(mark)]
        encoding = marks[0] if marks else "utf-8"
    try:
        return data.decode(encoding)
    except LookupError:
        raise DataError(f"read_csv: there is no encoding {encoding!r}") from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}, line {line}: byte {data[error.start]:#04x} is no {encoding.upper()}.\n"
            "  Try: encoding='cp1252' (Windows) or encoding='latin-1', or save the file as UTF-8."
        ) from None


def read_bytes(path: Path, ending: str) -> bytes:
    """The content of a file, or an error that says which file beside it may have been meant."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        beside = path.parent.glob(f"*{ending}") if path.parent.is_dir() else []
        stems = {p.stem: p for p in sorted(beside)}
        near = difflib.get_close_matches(path.stem, stems, n=1)
        hint = f"\nDid you mean {stems[near[0]]}?" if near else ""
        raise DataError(f"There is no file {path}.{hint}") from None
    except IsADirectoryError:
        raise DataError(f"{path} is a folder, not a file.") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None


def _by_rows(
    text: str, separator: str, header: bool | None, path: Path
) -> tuple[list[str], list[Any], Array]:
    """Names, cells of each column, and line of each row."""
    rows, lines = _rows(text, path, separator)
    names, rows, lines = _named(rows, lines, header, path)
    return names, list(zip(*rows, strict=True)), np.array(lines, np.int64)


def _all_numbers(
    text: str, separator: str, header: bool | None
) -> tuple[list[str], list[Any], Array] | None:
    """The same for a large file of nothing but numbers, by NumPy's reader, which is faster.

    None if there is anything else in it: then the other way finds out what, and where.
    """
    if len(text) < LARGE or '"' in text:
        return None
    top = list(csv.reader(text[:LARGE].splitlines()[:-1], delimiter=separator))
    if len(top) < 2 or any(len(row) != len(top[0]) for row in top):
        return None
    named = _looks_like_names(top) if header is None else header
    if not all(_is_number(cell) for row in top[named:] for cell in row):
        return None
    stream = io.StringIO(text, newline=None)
    try:
        found = np.loadtxt(stream, delimiter=separator, comments=None, skiprows=int(named), ndmin=2)
    except ValueError:
        return None
    lines = np.arange(named + 1, text.count("\n") + (text[-1] != "\n") + 1)
    if len(lines) != len(found):  # blank lines, or ends of lines of another kind
        return None
    return _names(top[0], named), list(found.T), lines


def _names(first: list[str], header: bool) -> list[str]:
    return [(header and cell.strip()) or f"column {k}" for k, cell in enumerate(first, 1)]


def _rows(text: str, path: Path, separator: str) -> tuple[list[list[str]], list[int]]:
    """The rows that are not blank, all of one length, and the line on which each ends."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    done = 0
    try:
        for row in reader:
            if len(row) > 1 or (row and row[0].strip()):
                rows.append(row)
                lines.append(reader.line_num)
            done = reader.line_num
    except csv.Error as error:
        raise DataError(_csv_fault(error, path, done + 1)) from None
    if not rows:
        raise DataError(f"{path} is empty.")
    width = len(rows[0])
    for row, line in zip(rows, lines, strict=True):
        if len(row) != width:
            raise DataError(
                f"{path}, line {line}: {len(row)} value{'s' * (len(row) != 1)}, but the first line "
                f"has {width}.\n  Try: separator=, if it is not {separator!r}; quotes around "
                "values that hold it."
            )
    return rows, lines


def _csv_fault(error: csv.Error, path: Path, line: int) -> str:
    fact = str(error)
    if "unexpected end of data" in fact:
        return f"{path}, line {line}: a quote that opens here is never closed."
    if "field larger than" in fact:
        return (
            f"{path}, line {line}: a value of more than {csv.field_size_limit():,} characters.\n"
            "  Try: close the quote that may be open there, or raise csv.field_size_limit."
        )
    return f"{path}, line {line}: {fact}."


def _named(
    rows: list[list[str]], lines: list[int], header: bool | None, path: Path
) -> tuple[list[str], list[list[str]], list[int]]:
    """Names of the columns, and the rows below the header."""
    if header is None:
        header = _looks_like_names(rows)
    names = _names(rows[0], header)
    if header:
        rows, lines = rows[1:], lines[1:]
    if not rows:
        raise DataError(f"{path} names columns, and has no rows below them.")
    return names, rows, lines


def _looks_like_names(rows: list[list[str]]) -> bool:
    """Whether the first row is a header: it has no number, or stands over numbers as a word."""
    if not any(_is_number(cell) for cell in rows[0]):
        return True
    below = rows[1:100]
    for k, cell in enumerate(rows[0]):
        cells = [row[k] for row in below if row[k].strip().lower() not in MISSING]
        word = not _is_number(cell) and cell.strip().lower() not in MISSING
        if word and cells and all(map(_is_number, cells)):
            return True
    return False


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _check_names(names: list[str], path: Path) -> None:
    twice = [name for k, name in enumerate(names) if name in names[:k]]
    if twice:
        raise DataError(f"{path} has more than one column named {twice[0]!r}.")


def write_csv(path: str | os.PathLike[str], table: Table, *, separator: str = ",") -> None:
    """Write a table as CSV with a header, in UTF-8; `read_csv` reads it back as it is.

    Args:
        path: the file.
        table: what to write; missing values are written as nothing.
        separator: between values.

    Example:
        >>> import tempfile, os
        >>> path = os.path.join(tempfile.mkdtemp(), "out.csv")
        >>> ad.data.write_csv(path, ad.data.Table.of({"x": [1.0, 2.5], "y": ["a", "a"]}))
        >>> ad.data.read_csv(path)
        Table(2 rows: x number, y category)
    """
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=separator, lineterminator="\n")
        writer.writerow(table.names)
        cells: list[Any] = [["" if x is None else x for x in c.texts()] for c in table.columns]
        writer.writerows(zip(*cells, strict=True))
