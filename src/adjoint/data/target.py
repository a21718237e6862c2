"""What is to be predicted: classes or a quantity, told apart by the values of the target."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from adjoint.data.column import Column, as_category, number_text
from adjoint.data.containers import as_array
from adjoint.data.errors import DataError
from adjoint.data.features import LARGEST
from adjoint.data.table import Table

Array = np.ndarray[Any, Any]
MAX_CLASSES: Final = 20  # whole numbers with more distinct values are quantities
TASKS: Final = ("classification", "regression")


class TargetEncoder:
    """How a target becomes numbers to learn, and outputs become predictions; made by `fit`.

    Classes are numbered in order. A quantity has its mean subtracted and is divided by its standard
    deviation, so that learning does not depend on its unit.

    Attributes:
        name: of the target.
        task: ``classification`` or ``regression``.
        labels: the classes in order; empty for a quantity.
        reason: why it was taken for classes or for a quantity.

    Example:
        >>> table = ad.data.Table.of({"size": [1.0, 2.0, 3.0, 4.0], "kind": ["b", "a", "b", "a"]})
        >>> target = ad.data.TargetEncoder.fit(table, "kind")
        >>> target.task, target.labels, target.reason
        ('classification', ('a', 'b'), 'it is text')
        >>> target.transform(table)
        array([1, 0, 1, 0])
        >>> target.decode(np.array([[2.0, -1.0], [0.1, 0.3]]))
        array(['a', 'b'], dtype='<U1')
    """

    def __init__(
        self,
        name: str,
        task: str,
        labels: tuple[str, ...] = (),
        *,
        mean: float = 0.0,
        scale: float = 1.0,
        reason: str = "",
    ) -> None:
        self.name, self.task, self.labels = name, task, tuple(labels)
        self.mean, self.scale, self.reason = mean, scale, reason

    @classmethod
    def fit(cls, table: Table, name: str, task: str | None = None) -> TargetEncoder:
        """The encoder for a column, learned from these rows: give it the training rows only.

        A target is taken for classes if it is text or true and false, or whole numbers of at most
        20 kinds that repeat; else for a quantity.

        Args:
            table: the rows.
            name: of the column to predict.
            task: ``classification`` or ``regression``, where the values shall not decide.

        Raises:
            DataError: if a value is missing or unusable, or all are the same; it says where.
        """
        if task not in (None, *TASKS):
            raise DataError(f"TargetEncoder: task is one of {', '.join(TASKS)}; got {task!r}")
        column = table[name]
        _refuse_missing(table, column)
        found, reason = _task_of(table, column)
        if task is not None and task != found:
            found, reason = task, "it was asked for"
        if found == "classification":
            labels = _labels(column)
            if len(labels) == 1:
                raise DataError(_one_value(table, name, labels[0]))
            return cls(name, found, labels, reason=reason)
        values = _quantity(table, column)
        scale = float(values.std())
        if scale <= 1e-12 * abs(float(values.mean())):
            raise DataError(_one_value(table, name, number_text(float(values[0]))))
        return cls(name, found, mean=float(values.mean()), scale=scale, reason=reason)

    def transform(self, table: Table) -> Array:
        """The target of these rows: class numbers (int64), or scaled values (float32).

        Raises:
            DataError: if a value is missing or unusable, or a class is not known; it says where.
        """
        column = table[self.name]
        _refuse_missing(table, column)
        if self.task == "regression":
            return ((_quantity(table, column) - self.mean) / self.scale).astype(np.float32)
        known = {label: k for k, label in enumerate(self.labels)}
        out = np.empty(len(column), np.int64)
        for row, text in enumerate(column.texts()):
            number = known.get(str(text))
            if number is None:
                listed = ", ".join(self.labels[:12]) + (", …" if len(self.labels) > 12 else "")
                raise DataError(
                    f"{table.where(row, self.name)}: {text!r} is not one of the classes that were "
                    f"learned: {listed}."
                )
            out[row] = number
        return out

    def decode(self, outputs: Any) -> Array:
        """Predictions for outputs of a network.

        Args:
            outputs: for classes the scores, of shape (rows, classes), or class numbers, of shape
                (rows,); for a quantity scaled values, of shape (rows,) or (rows, 1).

        Returns:
            The label of the class with the largest score, or the value in its own unit.
        """
        values = as_array(outputs)
        if self.task == "regression":
            return values.reshape(len(values)).astype(np.float64) * self.scale + self.mean
        numbers = values.argmax(-1) if values.ndim == 2 else values
        return np.array(self.labels)[numbers]

    def state_dict(self) -> dict[str, Any]:
        """What makes the encoder again; fits into JSON, and so into the metadata of `ad.save`."""
        return {
            "name": self.name,
            "task": self.task,
            "labels": list(self.labels),
            "mean": self.mean,
            "scale": self.scale,
            "reason": self.reason,
        }

    @classmethod
    def from_state_dict(cls, state: dict[str, Any]) -> TargetEncoder:
        """The encoder with this state.

        Raises:
            DataError: if the state is none.
        """
        try:
            rest = {key: state[key] for key in ("mean", "scale", "reason")}
            return cls(state["name"], state["task"], tuple(state["labels"]), **rest)
        except (KeyError, TypeError) as error:
            raise DataError(f"TargetEncoder: not the state of an encoder ({error})") from None


def _refuse_missing(table: Table, column: Column) -> None:
    missing = column.missing
    if missing.any():
        count = int(missing.sum())
        more = f" (in {count} rows)" if count > 1 else ""
        where = table.where(int(np.argmax(missing)), column.name)
        raise DataError(
            f"{where}: the value to predict is missing{more}.\n"
            f"Try: fill it in, or leave such rows out: table.drop_missing({column.name!r})."
        )
    if not len(column):
        raise DataError(f"{table.source} has no rows to learn {column.name!r} from.")


def _task_of(table: Table, column: Column) -> tuple[str, str]:
    """Classification or regression, and why."""
    rows = len(column)
    if column.kind == "bool":
        return "classification", "it is true or false"
    if column.kind != "number":
        kinds = len(set(column.texts()))
        if kinds > max(2, rows // 2):
            numbers = [_as_number(text) for text in column.texts()]
            row = next((k for k, x in enumerate(numbers) if x is None), 0)
            raise DataError(
                f"{table.where(row, column.name)}: {column.texts()[row]!r} is not a number, and "
                f"with {kinds} different values in {rows} rows the column is no set of classes "
                "either."
            )
        return "classification", "it is text"
    kinds = np.unique(column.values)
    if not (kinds == np.round(kinds)).all():
        return "regression", "it has numbers with fractions"
    if len(kinds) > min(MAX_CLASSES, max(rows // 2, 1)):
        return "regression", "it has many different numbers"
    return "classification", f"it has {len(kinds)} whole numbers that repeat"


def _as_number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None


def _labels(column: Column) -> tuple[str, ...]:
    """The classes in order: numbers by size, words by the alphabet."""
    if column.kind == "number":
        return tuple(number_text(x) for x in np.unique(column.values).tolist())
    category = as_category(column)
    return tuple(category.categories[k] for k in np.unique(category.values).tolist())


def _quantity(table: Table, column: Column) -> Array:
    if column.kind in ("number", "bool"):
        values = column.values
    else:
        found = [_as_number(text) for text in column.texts()]
        if None in found:
            row = found.index(None)
            text = column.texts()[row]
            raise DataError(f"{table.where(row, column.name)}: {text!r} is not a number.")
        values = np.array(found, np.float64)
    wild = ~(np.abs(values) <= LARGEST)
    if wild.any():
        row = int(np.argmax(wild))
        what = "is too large" if math.isfinite(values[row]) else "is not a finite number"
        value = number_text(float(values[row]))
        raise DataError(f"{table.where(row, column.name)}: {value} {what}.")
    return values


def _one_value(table: Table, name: str, text: str) -> str:
    return f"{table.source}: every row of {name!r} is {text}, so there is nothing to learn."
