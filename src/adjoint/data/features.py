"""Columns of a table as numbers for a network, by what was learned from the training rows alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from adjoint.data.column import Column, number_text
from adjoint.data.errors import DataError
from adjoint.data.table import Table

Array = np.ndarray[Any, Any]
LARGEST: Final = 1e100  # beyond, the square of a value is no number
MAX_SLOTS: Final = 64
SCALES: Final = ("standard", "shared", "none")
_DAY_S: Final = 86400.0


class FeatureEncoder:
    """How the columns of a table become numbers; made by `FeatureEncoder.fit`.

    - A number (a bool is 0 or 1, a date its day) has its mean subtracted and is divided by its
      standard deviation. A missing one counts as the mean; a further column says with a 1 where
      values are missing, if some were in the rows that it was learned from.
    - A category has a column for each of its values (one-hot). Rare values beyond the most frequent
      share one, and so does a value that is not known. Without rare values an unknown one is zeros,
      and so is a missing one unless some were missing in the rows that it was learned from.
    - Text is left out: see `skipped`.

    With ``categories="ordinal"`` a category is a whole number instead, for an embedding: 0 is
    unknown or missing, the known values count from 1.

    Attributes:
        names: of the columns of the result.
        skipped: names of the columns of the table that are left out.
        cardinalities: for ordinal categories, how many numbers each has.

    Example:
        >>> table = ad.data.Table.of({"area": [40.0, 60.0, None], "heating": ["gas", "oil", "gas"]})
        >>> encoder = ad.data.FeatureEncoder.fit(table)
        >>> encoder.names
        ('area', 'area is missing', 'heating = gas', 'heating = oil')
        >>> new = ad.data.Table.of({"area": [60.0, 70.0], "heating": ["oil", "wood"]})
        >>> encoder.transform(new)
        array([[1., 0., 0., 1.],
               [2., 0., 0., 0.]], dtype=float32)
    """

    def __init__(self, plans: list[dict[str, Any]], categories: str = "one-hot") -> None:
        self._plans = plans
        self.categories = categories
        self.skipped = tuple(p["name"] for p in plans if p["kind"] == "text")
        used = [p for p in plans if p["kind"] != "text"]
        self._numbers = [p for p in used if p["kind"] != "category"]
        self._words = [p for p in used if p["kind"] == "category"]
        self.cardinalities = tuple(len(p["values"]) + 1 for p in self._words)
        self.names = tuple(name for p in self._numbers for name in _number_names(p))
        if categories == "one-hot":
            self.names += tuple(name for p in self._words for name in _slot_names(p))

    @classmethod
    def fit(
        cls,
        table: Table,
        *,
        exclude: Sequence[str] = (),
        scale: str = "standard",
        categories: str = "one-hot",
        max_categories: int = MAX_SLOTS,
    ) -> FeatureEncoder:
        """The encoder that is learned from these rows: give it the training rows only.

        Args:
            table: the rows.
            exclude: columns that are no inputs, such as the target.
            scale: ``"standard"``; ``"shared"`` for one mean and standard deviation for all numbers,
                which keeps the proportions of columns of one kind, such as pixels; or ``"none"``.
            categories: ``"one-hot"`` or ``"ordinal"``.
            max_categories: how many of the values of a category get a column of their own.

        Raises:
            DataError: if no column is left, or a number is too large to compute with.
        """
        if scale not in SCALES or categories not in ("one-hot", "ordinal"):
            raise DataError(
                f"FeatureEncoder: scale is one of {', '.join(SCALES)} and categories one-hot or "
                f"ordinal; got {scale!r} and {categories!r}"
            )
        inputs = table.drop(*exclude)
        plans = [_plan(inputs, column, max_categories) for column in inputs.columns]
        if all(p["kind"] == "text" for p in plans):
            listed = f": {', '.join(inputs.names[:12])} hold text" if plans else ""
            raise DataError(f"{table.source} has no column to predict from{listed}.")
        if scale == "none":
            for plan in plans:
                plan.update({"mean": 0.0, "scale": 1.0} if "mean" in plan else {})
        elif scale == "shared":
            _share(plans, inputs)
        return cls(plans, categories)

    def transform(self, table: Table) -> Any:
        """The columns as float32 numbers, of shape (rows, columns).

        With ordinal categories a pair: these numbers, and the int64 numbers of the categories.

        Raises:
            DataError: if a column is missing, or holds what it cannot; it says where.
        """
        parts: list[Array] = []
        for plan in self._numbers:
            values = _numbers(table, plan)
            lost = np.isnan(values)
            scaled = (np.where(lost, plan["filler"], values) - plan["mean"]) / plan["scale"]
            parts.append(scaled)
            if plan["flag"]:
                parts.append(lost)
        codes = [_codes(table[plan["name"]], plan) for plan in self._words]
        if self.categories == "one-hot":
            for plan, code in zip(self._words, codes, strict=True):
                parts += list(_slots(code, plan))
        numbers = np.empty((len(table), len(parts)), np.float32)
        for k, part in enumerate(parts):
            numbers[:, k] = part
        if self.categories == "one-hot":
            return numbers
        whole = np.zeros((len(table), len(codes)), np.int64)
        for k, code in enumerate(codes):
            whole[:, k] = np.maximum(code + 1, 0)
        return numbers, whole

    def state_dict(self) -> dict[str, Any]:
        """What makes the encoder again; fits into JSON, and so into the metadata of `ad.save`."""
        return {"version": 1, "categories": self.categories, "columns": self._plans}

    @classmethod
    def from_state_dict(cls, state: dict[str, Any]) -> FeatureEncoder:
        """The encoder with this state.

        Raises:
            DataError: if the state is none.
        """
        try:
            if state["version"] != 1:
                raise DataError("FeatureEncoder: the state is of a newer release of Adjoint")
            return cls([dict(plan) for plan in state["columns"]], state["categories"])
        except (KeyError, TypeError) as error:
            raise DataError(f"FeatureEncoder: not the state of an encoder ({error})") from None


def _plan(table: Table, column: Column, max_categories: int) -> dict[str, Any]:
    """What is learned from one column."""
    plan: dict[str, Any] = {"name": column.name, "kind": column.kind}
    if column.kind == "text":
        return plan
    lost = bool(column.missing.any())
    if column.kind == "category":
        counts = Counter(x for x in column.values.tolist() if x >= 0)
        frequent = sorted(counts, key=lambda k: (-counts[k], k))[:max_categories]
        values = [column.categories[k] for k in sorted(frequent)]
        return plan | {"values": values, "rest": len(counts) > len(values), "flag": lost}
    values = _numbers(table, plan)
    known = values[~np.isnan(values)]
    mean, scale = _moments(known)
    return plan | {"mean": mean, "scale": scale, "filler": mean, "flag": lost and known.size > 0}


def _moments(known: Array) -> tuple[float, float]:
    """Mean and standard deviation; 1 where nothing varies, of which the mean alone is taken."""
    if not known.size:
        return 0.0, 1.0
    mean = float(known.mean())
    deviation = float(known.std())
    # rounding leaves a constant column a deviation of some 1e-16 of its mean
    return mean, deviation if deviation > 1e-12 * abs(mean) else 1.0


def _share(plans: list[dict[str, Any]], table: Table) -> None:
    """One mean and one standard deviation for all numbers."""
    numbers = [p for p in plans if p["kind"] in ("number", "bool", "date")]
    if numbers:
        every = np.concatenate([_numbers(table, plan) for plan in numbers])
        mean, scale = _moments(every[~np.isnan(every)])
        for plan in numbers:
            plan.update({"mean": mean, "scale": scale})


def _numbers(table: Table, plan: dict[str, Any]) -> Array:
    """A column as float64, NaN where missing."""
    column = table[plan["name"]]
    if plan["kind"] == "date":
        return _days(table, column)
    if column.kind in ("number", "bool"):
        values = column.values
    else:
        values = np.array([_number(table, column.name, k, t) for k, t in enumerate(column.texts())])
    wild = ~(np.isnan(values) | (np.abs(values) <= LARGEST))
    if wild.any():
        row = int(np.argmax(wild))
        what = "is too large" if math.isfinite(values[row]) else "is not a finite number"
        raise DataError(
            f"{table.where(row, column.name)}: {number_text(float(values[row]))} {what}.\n"
            "Try: leave such rows out."
        )
    return values


def _number(table: Table, name: str, row: int, text: str | None) -> float:
    try:
        return math.nan if text is None else float(text)
    except ValueError:
        raise DataError(
            f"{table.where(row, name)}: {text!r} is not a number, and the column held numbers when "
            "the encoder was learned."
        ) from None


def _days(table: Table, column: Column) -> Array:
    """Dates as days since 1970."""
    out = np.full(len(column), np.nan)
    for row, text in enumerate(column.texts()):
        if text is None:
            continue
        try:
            out[row] = np.datetime64(text.removesuffix("Z"), "s").astype(np.int64) / _DAY_S
        except ValueError:
            raise DataError(f"{table.where(row, column.name)}: {text!r} is no date.") from None
    return out


def _codes(column: Column, plan: dict[str, Any]) -> Array:
    """The number of each value of a category: -1 for one that is not known, -2 where missing."""
    known: dict[str | None, int] = {word: k for k, word in enumerate(plan["values"])}
    known[None] = -2
    return np.array([known.get(text, -1) for text in column.texts()], np.int64)


def _slots(codes: Array, plan: dict[str, Any]) -> list[Array]:
    out = [codes == k for k in range(len(plan["values"]))]
    if plan["rest"]:
        out.append(codes == -1)
    if plan["flag"]:
        out.append(codes == -2)
    return out


def _slot_names(plan: dict[str, Any]) -> list[str]:
    out = [f"{plan['name']} = {word}" for word in plan["values"]]
    if plan["rest"]:
        out.append(f"{plan['name']} is another")
    return [*out, f"{plan['name']} is missing"] if plan["flag"] else out


def _number_names(plan: dict[str, Any]) -> list[str]:
    return [plan["name"], f"{plan['name']} is missing"] if plan["flag"] else [plan["name"]]
