"""Tables: CSV, Parquet, and the arrays of an .npz with one row for each example."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, Final

import numpy as np

import adjoint as ad
from adjoint.command.problem import Asked, Problem, divided
from adjoint.command.refusal import Refused

FEWEST: Final = 20
ENDINGS: Final = (".csv", ".tsv", ".txt", ".parquet", ".pq")


def read_table(path: Path) -> Any:
    """The table in a file."""
    return (
        ad.data.read_parquet(path) if path.suffix in (".parquet", ".pq") else ad.data.read_csv(path)
    )


def table_problem(table: Any, asked: Asked) -> Problem:
    """What is to be learned from a table.

    Raises:
        Refused, DataError: if it cannot be; the message says where and what to do.
    """
    name = _target(table, asked.target)
    if asked.skip_missing:
        table = table.drop_missing(name)
    if len(table) < FEWEST:
        raise Refused(
            f"{table.source} has {len(table)} rows of data; at least {FEWEST} are needed."
        )
    if len(table.names) == 1:
        raise Refused(f"{table.source} has no column beside {name!r} to predict it from.")
    later = None if asked.test_file is None else read_table(asked.test_file)
    whole = _target_encoder(table, name, asked.task)
    labels = whole.transform(table) if whole.task == "classification" else None
    parts = divided(len(table), asked, labels)
    train = table.take(parts[0])
    features = ad.data.FeatureEncoder.fit(train, exclude=[name], scale=scale_of(train, name))
    target = whole
    if whole.task == "regression":
        target = ad.data.TargetEncoder.fit(train, name, "regression")
        target.reason = whole.reason
    tables = [table.take(rows) for rows in parts]
    if later is not None:
        tables[2] = _like(later, table)
    arrays = [_arrays(part, features, target) for part in tables]
    facts = [("data", f"{table.source}, {len(table):,} rows, {_kinds(table, name)}")]
    if features.skipped:
        facts.append(("left out", f"{', '.join(features.skipped)}: text is not used"))
    about = {
        "kind": "table",
        "features": features.state_dict(),
        "target": target.state_dict(),
    }
    return Problem(
        name=Path(table.source).stem,
        about=about,
        parts=[ad.data.ArrayDataset(*pair) for pair in arrays],
        inputs=[len(features.names)],
        outputs=len(target.labels) or 1,
        facts=facts,
    )


def scale_of(table: Any, target: str) -> str:
    """``shared`` for numbers that look alike, such as pixels or lengths in one unit.

    Their proportions tell something, which a scale for each column would take away. They look alike
    if no column spreads over more than four times what half of them do.
    """
    columns = [c for c in table.columns if c.name != target]
    if len(columns) < 2 or any(c.kind != "number" for c in columns):
        return "standard"
    spreads = np.array([_spread(c.values) for c in columns])
    return "shared" if 0 < spreads.max() <= 4 * np.median(spreads) else "standard"


def _spread(values: Any) -> float:
    known = values[np.isfinite(values)]
    return float(known.max() - known.min()) if known.size else 0.0


def encode_table(path: Path, about: dict[str, Any], needs_target: bool) -> tuple[Any, Any]:
    """The inputs in a file, and the target if there is one, as a trained model wants them."""
    return encode_rows(read_table(path), about, needs_target)


def encode_rows(table: Any, about: dict[str, Any], needs_target: bool) -> tuple[Any, Any]:
    """The same, of a table that was read."""
    features = ad.data.FeatureEncoder.from_state_dict(about["features"])
    target = ad.data.TargetEncoder.from_state_dict(about["target"])
    x = features.transform(table)
    return x, target.transform(table) if needs_target else None


def npz_table(path: Path, x: Any, y: Any, target: str) -> Any:
    """Arrays with two axes as a table."""
    columns = {f"{k}": x[:, k].astype(np.float64) for k in range(x.shape[1])}
    columns[target] = y if y.dtype.kind in "biuf" else [str(value) for value in y.tolist()]
    return ad.data.Table.of(columns, source=str(path))


def _target(table: Any, given: str | None) -> str:
    if given is None:
        raise Refused(
            f"Which column of {table.source} shall be predicted?\n"
            f"Try: --target COLUMN, with one of: {', '.join(table.names[:20])}"
        )
    table.index(given)
    return given


def _target_encoder(table: Any, name: str, task: str | None) -> Any:
    try:
        return ad.data.TargetEncoder.fit(table, name, task)
    except ad.data.DataError as error:
        text = str(error)
        if "the value to predict is missing" not in text:
            raise
        raise Refused(f"{text.splitlines()[0]}\nTry: fill it in, or --skip-missing.") from None


def _like(table: Any, first: Any) -> Any:
    """A table of test rows, checked for the columns of the table that was learned from."""
    for name in first.names:
        if name not in table.names:
            near = difflib.get_close_matches(name, table.names, n=1)
            hint = f" Did you mean {near[0]!r} there?" if near else ""
            raise Refused(f"{table.source} has no column {name!r}, which {first.source} has.{hint}")
    return table


def _arrays(table: Any, features: Any, target: Any) -> tuple[Any, Any]:
    if not len(table):
        return np.empty((0, len(features.names)), np.float32), np.empty(0, np.float32)
    return features.transform(table), target.transform(table)


def _kinds(table: Any, target: str) -> str:
    kinds = [c.kind for c in table.columns if c.name != target]
    words = {"number": "number", "bool": "yes/no", "category": "category", "date": "date"}
    counts = {word: kinds.count(kind) for kind, word in words.items() if kind in kinds}
    listed = [
        f"{n} {word}{'s' if n > 1 and word == 'number' else ''}" for word, n in counts.items()
    ]
    return "columns: " + ", ".join(listed) if listed else "no columns of numbers"
