"""Tables to learn from: rows of numbers with a target, from a CSV file or scikit-learn's digits."""

from __future__ import annotations

import csv
import difflib
import io
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
MAX_CLASSES = 20  # whole numbers with more distinct values are quantities
LARGEST = 1e100  # beyond, the square of a value is no number
MIN_ROWS = 20  # or one of the three parts is too small to mean anything


class TableError(ValueError):
    """A table that nothing can be learned from, and why."""


@dataclass(frozen=True)
class Table:
    """Inputs and target of each row.

    Attributes:
        name: what the table is called.
        columns: names of the inputs.
        inputs: float64, (rows, columns).
        target: class numbers (int64), or values (float64).
        labels: the classes in order; empty if the target is a quantity.
        target_name: name of the target.
        reason: why the target was taken for classes or for a quantity.
        one_scale: whether all columns are of one kind, as pixels are, and keep their proportions.
    """

    name: str
    columns: tuple[str, ...]
    inputs: Array
    target: Array
    labels: tuple[str, ...]
    target_name: str
    reason: str
    one_scale: bool = False

    @property
    def task(self) -> str:
        """Either ``classification`` or ``regression``."""
        return "classification" if self.labels else "regression"

    def __len__(self) -> int:
        return len(self.inputs)


def digits() -> Table:
    """The 1,797 handwritten digits of 8 x 8 pixels that come with scikit-learn.

    Raises:
        TableError: if scikit-learn is not installed.
    """
    try:
        # an extra, slow to import and without types
        from sklearn.datasets import load_digits  # noqa: PLC0415  # pyright: ignore[reportMissingTypeStubs]
    except ImportError:
        raise TableError(
            "The digits come with scikit-learn, which is not installed.\n"
            "Try: python -m pip install 'adjoint[digits]'"
        ) from None
    data: Any = load_digits()
    columns = tuple(f"pixel {row},{column}" for row in range(8) for column in range(8))
    labels = tuple(str(k) for k in range(10))
    inputs, target = data.data.astype(np.float64), data.target.astype(np.int64)
    return Table("digits", columns, inputs, target, labels, "digit", "", one_scale=True)


def read_csv(path: str | Path, target: str | None) -> Table:
    """A table from a CSV file with a header; every column but the target must be numbers.

    The separator is the one of ``, ; |`` and tab that the header has most of. A target is taken for
    classes if it is text, or whole numbers of at most 20 kinds that repeat; else for a quantity.

    Args:
        path: the file.
        target: name of the column to predict.

    Raises:
        TableError: saying what is wrong, and where.
    """
    path = Path(path)
    header, rows, lines = _read(path)
    at = _target_index(header, target, path)
    columns = tuple(name for i, name in enumerate(header) if i != at)
    if not columns:
        raise TableError(f"{path} has no column beside {header[at]!r} to predict it from.")
    if len(rows) < MIN_ROWS:
        raise TableError(
            f"{path} has {len(rows)} row{'s' * (len(rows) != 1)} of data; at least {MIN_ROWS} are "
            "needed to train, to validate and to test."
        )
    inputs = np.empty((len(rows), len(columns)))
    for k, i in enumerate(j for j in range(len(header)) if j != at):
        inputs[:, k] = _numbers([row[i] for row in rows], header[i], lines, path)
    texts = [row[at].strip() for row in rows]
    values, labels, reason = _target(texts, header[at], lines, path)
    return Table(path.stem, columns, inputs, values, labels, header[at], reason)


def _read(path: Path) -> tuple[list[str], list[list[str]], list[int]]:
    """Header, rows, and the line of the file on which each row ends."""
    text = _text(path)
    first = text.split("\n", 1)[0]
    separator = max(",;\t|", key=first.count)
    reader = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        for row in reader:
            if any(cell.strip() for cell in row):  # blank lines carry nothing
                rows.append(row)
                lines.append(reader.line_num)
    except csv.Error as error:
        raise TableError(f"{path}, line {reader.line_num}: {error}.") from None
    if not rows:
        raise TableError(f"{path} is empty.")
    header = [name.strip() for name in rows[0]]
    for row, line in zip(rows[1:], lines[1:], strict=True):
        if len(row) != len(header):
            raise TableError(
                f"{path}, line {line}: {len(row)} value{'s' * (len(row) != 1)}, "
                f"but the header names {len(header)} column{'s' * (len(header) != 1)}."
            )
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise TableError(f"{path} has more than one column named {twice[0]!r}.")
    return header, rows[1:], lines[1:]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        stems = {p.stem: p for p in _files_beside(path)}
        near = difflib.get_close_matches(path.stem, stems, n=1)
        hint = f"\nDid you mean {stems[near[0]]}?" if near else ""
        raise TableError(f"There is no file {path}.{hint}") from None
    except IsADirectoryError:
        raise TableError(f"{path} is a folder, not a CSV file.") from None
    except UnicodeDecodeError as error:
        raise TableError(
            f"{path} is not text in UTF-8 (byte {error.start} is {error.object[error.start]:#04x})."
        ) from None
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror}.") from None


def _files_beside(path: Path) -> list[Path]:
    return sorted(path.parent.glob("*.csv")) if path.parent.is_dir() else []


def _target_index(header: list[str], target: str | None, path: Path) -> int:
    listed = ", ".join(header[:12]) + (", …" if len(header) > 12 else "")
    if target is None:
        raise TableError(
            f"Which column of {path} is to be predicted?\n"
            f"Try: --target COLUMN, with one of: {listed}"
        )
    if target in header:
        return header.index(target)
    if all(_number(name) is not None for name in header):
        raise TableError(
            f"The first line of {path} must name its columns; it has numbers: {listed}"
        )
    folded = {name.casefold(): name for name in header}
    near = difflib.get_close_matches(target.casefold(), folded, n=1, cutoff=0.5)
    hint = f"Did you mean {folded[near[0]]!r}? " if near else ""
    raise TableError(f"{path} has no column {target!r}.\n{hint}Its columns are: {listed}")


def _numbers(texts: list[str], column: str, lines: list[int], path: Path) -> Array:
    """A column as finite numbers."""
    out = np.empty(len(texts))
    for k, (text, line) in enumerate(zip(texts, lines, strict=True)):
        value = _number(text)
        if value is None or not abs(value) <= LARGEST:
            raise TableError(_not_a_number(text.strip(), value, column, line, path))
        out[k] = value
    return out


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _not_a_number(text: str, value: float | None, column: str, line: int, path: Path) -> str:
    where = f"{path}, line {line}, column {column!r}: "
    if not text:
        return f"{where}the value is missing.\nTry: fill it in, or leave such rows out."
    if value is not None:
        what = "is too large" if math.isfinite(value) else "is not a finite number"
        return f"{where}{text} {what}.\nTry: leave such rows out."
    quoted = json.dumps(text, ensure_ascii=False)
    return f"{where}{quoted} is not a number.\nTry: write the column in numbers, or leave it out."


def _target(
    texts: list[str], column: str, lines: list[int], path: Path
) -> tuple[Array, tuple[str, ...], str]:
    """The target's values, its classes, and how it was told apart."""
    for text, line in zip(texts, lines, strict=True):
        if not text:
            raise TableError(_not_a_number("", None, column, line, path))
    numbers = [_number(text) for text in texts]
    if all(value is not None for value in numbers):
        values = _numbers(texts, column, lines, path)
        kinds = np.unique(values)
        whole = bool((kinds == np.round(kinds)).all())
        if not whole or len(kinds) > min(MAX_CLASSES, len(values) // 2):
            why = "it has many different numbers" if whole else "it has numbers with fractions"
            if len(kinds) == 1:
                raise TableError(_one_value(column, texts[0], path))
            return values, (), why
        labels = tuple(f"{kind:.0f}" for kind in kinds)
        index = np.searchsorted(kinds, values)
        reason = f"it has {len(kinds)} whole numbers that repeat"
    else:
        labels = tuple(sorted(set(texts)))
        index = np.array([labels.index(text) for text in texts])
        reason = "it is text"
        if len(labels) > len(texts) // 2:
            k = next(k for k, value in enumerate(numbers) if value is None)
            raise TableError(
                f"{path}, line {lines[k]}, column {column!r}: {texts[k]!r} is not a number, and "
                f"with {len(labels)} different values in {len(texts)} rows the column is no set of "
                "classes either."
            )
    if len(labels) == 1:
        raise TableError(_one_value(column, texts[0], path))
    return index.astype(np.int64), labels, reason


def _one_value(column: str, text: str, path: Path) -> str:
    return f"{path}: every row of {column!r} is {text}, so there is nothing to learn."
