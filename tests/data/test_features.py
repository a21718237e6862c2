"""Tables as numbers: learned from the training rows, stored with the model, used on new rows."""

import json
from typing import Any

import numpy as np
import pytest

from adjoint.data import Column, DataError, FeatureEncoder, Table, TargetEncoder


def table(**columns: Any) -> Table:
    return Table.of(columns)


HOUSES = table(
    area=[40.0, 60.0, None, 80.0],
    lift=[True, False, None, True],
    heating=["gas", "oil", "gas", None],
    built=["1970-01-01", "1970-01-03", "1970-01-01", "1970-01-03"],
    note=["a", "b", "c", "d"],
)


def test_every_kind_of_column() -> None:
    encoder = FeatureEncoder.fit(HOUSES)
    assert encoder.names == (
        "area",
        "area is missing",
        "lift",
        "lift is missing",
        "built",
        "heating = gas",
        "heating = oil",
        "heating is missing",
    )
    assert encoder.skipped == ("note",)
    x = encoder.transform(HOUSES)
    assert x.dtype == np.float32
    s = 1.5**0.5
    t = 0.5**0.5
    expected = [
        [-s, 0, t, 0, -1, 1, 0, 0],
        [0, 0, -2 * t, 0, 1, 0, 1, 0],
        [0, 1, 0, 1, -1, 1, 0, 0],
        [s, 0, t, 0, 1, 0, 0, 1],
    ]
    np.testing.assert_allclose(x, expected, atol=1e-6)


def test_new_rows_are_scaled_by_what_was_learned() -> None:
    encoder = FeatureEncoder.fit(table(x=[0.0, 2.0], c=["a", "b"]))
    x = encoder.transform(table(x=[4.0, None, 1.0], c=["b", "new", None]))
    np.testing.assert_array_equal(x, [[3, 0, 1], [0, 0, 0], [0, 0, 0]])


@pytest.mark.parametrize("categories", ["one-hot", "ordinal"])
def test_the_state_is_json_and_makes_the_same_encoder(categories: str) -> None:
    encoder = FeatureEncoder.fit(HOUSES, categories=categories)
    again = FeatureEncoder.from_state_dict(json.loads(json.dumps(encoder.state_dict())))
    for x, y in zip(encoder.transform(HOUSES), again.transform(HOUSES), strict=True):
        np.testing.assert_array_equal(x, y)
    assert (again.names, again.skipped) == (encoder.names, encoder.skipped)
    with pytest.raises(DataError, match="not the state"):
        FeatureEncoder.from_state_dict({})


def test_ordinal_categories_count_from_one() -> None:
    encoder = FeatureEncoder.fit(table(x=[1.0, 2.0, 3.0], c=["b", "a", "b"]), categories="ordinal")
    assert encoder.cardinalities == (3,)
    numbers, codes = encoder.transform(table(x=[2.0, 2.0, 2.0, 2.0], c=["a", "b", "z", None]))
    assert numbers.shape == (4, 1)
    assert codes.tolist() == [[1], [2], [0], [0]]


def test_rare_categories_share_a_column_with_unknown_ones() -> None:
    words = ["a"] * 4 + ["b"] * 3 + ["c", "d"]
    encoder = FeatureEncoder.fit(table(c=words), max_categories=2)
    assert encoder.names == ("c = a", "c = b", "c is another")
    x = encoder.transform(table(c=["a", "c", "new", "new"]))
    assert x.tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 1], [0, 0, 1]]


def test_a_shared_scale_keeps_proportions() -> None:
    pixels = table(p=[0.0, 16.0], q=[8.0, 8.0])
    x = FeatureEncoder.fit(pixels, scale="shared").transform(pixels)
    assert x.tolist() == pytest.approx(np.array([[-1, 0], [1, 0]]) * 2**0.5)
    x = FeatureEncoder.fit(HOUSES.select(["area"]), scale="none").transform(HOUSES)
    assert x.tolist() == [[40, 0], [60, 0], [60, 1], [80, 0]]


def test_a_constant_column_is_zero() -> None:
    x = FeatureEncoder.fit(table(x=[0.1] * 7, y=[1.0] * 7)).transform(table(x=[0.1, 1.1], y=[1, 1]))
    np.testing.assert_allclose(x, [[0, 0], [1, 0]], atol=1e-6)


def test_kinds_that_differ_between_training_and_use() -> None:
    encoder = FeatureEncoder.fit(table(c=["1", "x", "1", "x"], n=[1.0, 2.0, 3.0, 4.0]))
    x = encoder.transform(table(c=[1.0, 1.0], n=["3", "2"]))
    assert x[:, 1:].tolist() == [[1, 0], [1, 0]]
    with pytest.raises(DataError, match=r"table, row 2, column 'n': 'two' is not a number"):
        encoder.transform(table(c=["1", "1", "1"], n=["1", "two", "1"]))
    with pytest.raises(DataError, match=r"no column 'c'.\nDid you mean 'C'"):
        encoder.transform(table(C=["1"], n=[1.0]))


@pytest.mark.parametrize("value", [np.inf, 1e200])
def test_numbers_that_cannot_be_computed_with(value: float) -> None:
    with pytest.raises(DataError, match=r"row 2, column 'x': (inf is not a finite|1e\+200 is too)"):
        FeatureEncoder.fit(table(x=[1.0, value]))


def test_nothing_to_predict_from() -> None:
    with pytest.raises(DataError, match="no column to predict from: t hold text"):
        FeatureEncoder.fit(table(t=["a", "b", "c"], y=[1.0, 2.0, 3.0]), exclude=["y"])
    with pytest.raises(DataError, match="no column to predict from"):
        FeatureEncoder.fit(table(y=[1.0]), exclude=["y"])


# -- the target ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "task", "labels", "reason"),
    [
        (["b", "a", "b"], "classification", ("a", "b"), "it is text"),
        ([True, False], "classification", ("false", "true"), "it is true or false"),
        ([1, 0, 1, 0], "classification", ("0", "1"), "it has 2 whole numbers that repeat"),
        ([10, 9, 10, 9], "classification", ("9", "10"), "it has 2 whole numbers that repeat"),
        ([1.5, 2, 2, 2], "regression", (), "it has numbers with fractions"),
        (list(range(50)), "regression", (), "it has many different numbers"),
        ([1, 2, 3], "regression", (), "it has many different numbers"),
    ],
)
def test_classes_are_told_from_quantities(cells: Any, task: str, labels: Any, reason: str) -> None:
    target = TargetEncoder.fit(table(y=cells), "y")
    assert (target.task, target.labels, target.reason) == (task, labels, reason)


def test_the_task_on_request() -> None:
    rating = table(y=[1, 2, 3, 1, 2, 3])
    target = TargetEncoder.fit(rating, "y", "regression")
    assert (target.task, target.reason) == ("regression", "it was asked for")
    assert TargetEncoder.fit(table(y=[1.5, 2.5]), "y", "classification").labels == ("1.5", "2.5")
    with pytest.raises(DataError, match="task is one of"):
        TargetEncoder.fit(rating, "y", "clustering")


@pytest.mark.parametrize("cells", [["b", "a", "b", "c", "a", "b"], [3.5, 1.0, 2.0, -4.0, 0.5]])
def test_predictions_come_back_in_their_own_terms(cells: Any) -> None:
    rows = table(y=cells)
    fitted = TargetEncoder.fit(rows, "y")
    target = TargetEncoder.from_state_dict(json.loads(json.dumps(fitted.state_dict())))
    y = target.transform(rows)
    if target.task == "classification":
        assert y.dtype == np.int64
        assert target.decode(y).tolist() == target.decode(np.eye(3)[y]).tolist() == cells
    else:
        assert y.dtype == np.float32
        assert abs(y.mean()) < 1e-6
        assert abs(y.std() - 1) < 1e-6
        np.testing.assert_allclose(target.decode(y[:, None]), cells, atol=1e-6)


def test_targets_that_nothing_can_be_learned_from() -> None:
    def fault(cells: Any, task: str | None = None) -> str:
        with pytest.raises(DataError) as caught:
            TargetEncoder.fit(table(y=cells), "y", task)
        return str(caught.value)

    assert "row 2, column 'y': the value to predict is missing (in 2 rows)" in fault(
        [1, None, None]
    )
    assert "every row of 'y' is a" in fault(["a", "a", "a"])
    assert "every row of 'y' is 2.5" in fault([2.5, 2.5])
    assert "'a' is not a number, and with 4 different values in 4 rows" in fault(
        ["1", "2", "3", "a"]
    )
    assert "inf is not a finite number" in fault([1.5, np.inf])
    assert "'a' is not a number" in fault(["a", "b", "a"], "regression")
    target = TargetEncoder.fit(table(y=["a", "b", "a"]), "y")
    with pytest.raises(DataError, match="'z' is not one of the classes that were learned: a, b"):
        target.transform(table(y=["a", "z"]))


# -- tables --------------------------------------------------------------------------------------


def test_tables_are_cut_and_joined_by_name() -> None:
    assert HOUSES.select(["note", "area"]).names == ("note", "area")
    assert HOUSES.drop("note", "area").names == ("lift", "heating", "built")
    assert len(HOUSES.drop_missing("area")) == 3
    assert len(HOUSES.drop_missing()) == 2
    assert HOUSES.take(slice(1, 3))["heating"].texts() == ["oil", "gas"]
    assert "area" in HOUSES
    assert repr(HOUSES).startswith("Table(4 rows: area number, lift bool")
    with pytest.raises(DataError, match="different lengths: 'a' 1, 'b' 2"):
        Table([Column.of("a", ["1"]), Column.of("b", ["1", "2"])])
    with pytest.raises(DataError, match="more than one column named 'a'"):
        Table([Column.of("a", ["1"]), Column.of("a", ["1"])])


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames(library: str) -> None:
    frames = pytest.importorskip(library)
    cells: dict[str, Any] = {
        "n": [1.5, None, 3.0],
        "i": [1, 2, 3],
        "w": ["a", None, "a"],
        "b": [True, False, True],
    }
    found = Table.of(frames.DataFrame(cells))
    assert [c.kind for c in found.columns] == ["number", "number", "category", "bool"]
    assert [c.texts() for c in found.columns] == [c.texts() for c in Table.of(cells).columns]
