"""What the DATA of a command is: a table, arrays, a folder of images, text, the digits."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from adjoint.command import tables
from adjoint.command.images import (
    digits_problem,
    encode_arrays,
    folder_problem,
    npz_arrays,
    npz_problem,
    npz_table,
)
from adjoint.command.problem import Asked, Problem
from adjoint.command.refusal import Refused
from adjoint.command.texts import text_problem

TABLES = (".csv", ".tsv", ".parquet", ".pq")


def problem_of(asked: Asked) -> Problem:
    """What is to be learned from the data.

    Raises:
        Refused, DataError: if the data cannot be used; the message says why, and what to do.
    """
    if asked.data == "digits":
        return digits_problem(asked)
    path = existing(asked.data)
    if path.is_dir():
        return folder_problem(path, asked)
    if path.suffix == ".npz":
        return npz_problem(path, asked)
    if path.suffix in TABLES or asked.target is not None:
        return tables.table_problem(tables.read_table(path), asked)
    return text_problem(path, asked)


def encoded(data: str, about: dict[str, Any], needs_target: bool) -> tuple[Any, Any]:
    """The inputs in some data, and the target if wanted, for a model that was trained before."""
    if about["kind"] != "table":
        if data != "digits":
            existing(data)
        return encode_arrays(data, about, needs_target)
    path = existing(data)
    if path.suffix != ".npz":
        return tables.encode_table(path, about, needs_target)
    name = about["target"]["name"]
    x, y, _ = npz_arrays(path, name if needs_target else None, needs_target)
    table = npz_table(path, x, y if y is not None else x[:, 0], name)
    return tables.encode_rows(table, about, needs_target)


def existing(data: str) -> Path:
    """The path, if there is something.

    Raises:
        Refused: if not; the message says what may have been meant.
    """
    path = Path(data)
    if path.exists():
        return path
    if not path.suffix and difflib.get_close_matches(data, ["digits"], cutoff=0.5):
        raise Refused(f"There is no file {data}.\nDid you mean: adjoint train digits?")
    beside = {}
    if path.parent.is_dir():
        beside = {p.stem: p for p in sorted(path.parent.iterdir()) if p.suffix == path.suffix}
    near = difflib.get_close_matches(path.stem, beside, n=1)
    hint = f"\nDid you mean {beside[near[0]]}?" if near else ""
    raise Refused(f"There is no file {data}.{hint}")
