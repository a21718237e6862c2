"""The command: what it trains, what it says, and how it refuses what it cannot use."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from adjoint.command import app
from adjoint.train import Settings, digits, fit, prepare, read_csv
from adjoint.train.loop import Run
from adjoint.train.network import forward

SOURCE = Path(__file__).resolve().parent.parent / "src"
runner = CliRunner()


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "dumb")


def train(*args: str) -> tuple[int, str, str]:
    result = runner.invoke(app, ["train", *args])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def houses(n: int = 300) -> list[str]:
    rng = np.random.default_rng(0)
    size, age = rng.uniform(20, 200, n), rng.uniform(0, 80, n)
    price = 3 * size - 2 * age + rng.normal(0, 5, n)
    return [f"{s:.2f},{a:.1f},{p:.3f}" for s, a, p in zip(size, age, price, strict=True)]


def write(rows: list[str], header: str = "size,age,price", name: str = "houses.csv") -> str:
    Path(name).write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return name


# ---- what it achieves -----------------------------------------------------------------------


def test_the_defaults_learn_the_digits_and_say_what_it_cost() -> None:
    code, out, err = train("digits")
    assert code == 0, err
    accuracy = float(out.split("Test accuracy ")[1].split("%")[0])
    assert accuracy >= 97
    for said in (
        "1,259 to train, 269 to validate, 269 to test",
        "64 → 128 → 10, 9,610 parameters",
        "kept for the backward pass",
        "9,611 forward passes by finite differences",
        "Weights in digits.safetensors",
    ):
        assert said in out
    assert Path("digits.safetensors").is_file()


def test_json_is_the_whole_output_and_two_runs_are_equal() -> None:
    runs = [json.loads(train("digits", "--epochs", "2", "--json")[1]) for _ in range(2)]
    for run in runs:
        assert run["cost"].pop("seconds")["backward"] > 0
    assert runs[0] == runs[1]
    assert runs[0]["parameters"] == 9610
    assert (
        runs[0]["cost"]["flops"]["finite_differences"] == 9611 * runs[0]["cost"]["flops"]["forward"]
    )


def test_another_seed_is_another_run() -> None:
    first, second = (
        json.loads(train("digits", "--epochs", "1", "--seed", seed, "--json")[1])
        for seed in ("1", "2")
    )
    assert first["epochs"] != second["epochs"]


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_quantity_is_predicted(optimizer: str) -> None:
    file = write(houses())
    code, out, err = train(file, "--target", "price", "--optimizer", optimizer)
    assert code == 0, err
    assert "a quantity, because it has numbers with fractions" in out
    assert float(out.split("Test R² ")[1].split(",")[0]) > 0.98
    assert "(MAE)" in out


def test_classes_are_told_by_their_names() -> None:
    rows = [
        f"{r.rsplit(',', 1)[0]},{'dear' if float(r.split(',')[2]) > 300 else 'cheap'}"
        for r in houses()
    ]
    code, out, err = train(write(rows), "--target", "price", "--hidden", "16,8", "--epochs", "40")
    assert code == 0, err
    assert "a class: cheap, dear, because it is text" in out
    assert float(out.split("Test accuracy ")[1].split("%")[0]) > 85


@pytest.mark.parametrize(
    ("target", "task"),
    [
        ([str(k % 3) for k in range(60)], "classification"),
        ([str(k % 30) for k in range(60)], "regression"),
        ([str(k % 3 + 0.5) for k in range(60)], "regression"),
        (["yes" if k % 2 else "no" for k in range(60)], "classification"),
    ],
    ids=["few whole numbers", "many whole numbers", "fractions", "text"],
)
def test_the_target_tells_classes_from_quantities(target: list[str], task: str) -> None:
    file = write([f"{k},{t}" for k, t in enumerate(target)], "x,y")
    assert read_csv(file, "y").task == task


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators_quotes_and_blank_lines(separator: str) -> None:
    rows = [separator.join((f'"{k}"', f"{k * 0.5}")) for k in range(30)]
    table = read_csv(write(["", *rows, ""], separator.join(("x", "y"))), "y")
    assert table.columns == ("x",)
    np.testing.assert_array_equal(table.inputs[:, 0], np.arange(30))


# ---- what it saves --------------------------------------------------------------------------


def test_the_weights_and_what_it_takes_to_use_them() -> None:
    from safetensors import safe_open
    from safetensors.numpy import load_file

    file = write(houses())
    assert train(file, "--target", "price", "--out", "w.safetensors", "--epochs", "3")[0] == 0
    assert sorted(p.name for p in Path().iterdir()) == ["houses.csv", "w.safetensors"]
    tensors = load_file("w.safetensors")
    with safe_open("w.safetensors", "numpy") as f:
        about = {key: json.loads(value) for key, value in f.metadata().items()}
    assert about["task"] == "regression"
    assert about["columns"] == ["size", "age"]
    assert about["layers"] == [2, 128, 1]
    # the file alone is enough to predict: as good as a line, which the data is
    x = np.array([[100.0, 10.0], [50.0, 40.0]])
    scaled = (x - about["scaling"]["input.mean"]) / about["scaling"]["input.std"]
    out = forward(tensors, scaled.astype(np.float32))
    out = np.asarray(out)[:, 0] * about["scaling"]["target.std"] + about["scaling"]["target.mean"]
    np.testing.assert_allclose(out, [280, 70], atol=25)


def test_a_failed_write_leaves_the_old_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("digits.safetensors").write_text("old")

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    code, _, err = train("digits", "--epochs", "1")
    assert code == 2
    assert "digits.safetensors cannot be written: No space left on device." in err
    assert Path("digits.safetensors").read_text() == "old"
    assert [p.name for p in Path().iterdir()] == ["digits.safetensors"]


# ---- what it refuses ------------------------------------------------------------------------


def spoiled(line: str) -> list[str]:
    rows = houses(40)
    rows[17] = line
    return rows


REFUSED = {
    "text among numbers": (
        spoiled("12.5,old,3"),
        "line 19, column 'age': \"old\" is not a number.",
    ),
    "a missing value": (spoiled("12.5,,3"), "line 19, column 'age': the value is missing."),
    "NaN": (spoiled("12.5,nan,3"), "line 19, column 'age': nan is not a finite number."),
    "infinity": (spoiled("12.5,-inf,3"), "line 19, column 'age': -inf is not a finite number."),
    "an enormous value": (spoiled("1e200,3,3"), "line 19, column 'size': 1e200 is too large."),
    "a missing target": (spoiled("12.5,3,"), "line 19, column 'price': the value is missing."),
    "a short row": (spoiled("12.5,3"), "line 19: 2 values, but the header names 3 columns."),
    "one class": (["1,2,7"] * 40, "every row of 'price' is 7, so there is nothing to learn."),
    "names as target": (
        [f"1,2,n{k}" for k in range(40)],
        "the column is no set of classes either.",
    ),
    "too few rows": (houses(7), "has 7 rows of data; at least 20 are needed"),
    "no rows": ([], "has 0 rows of data"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_table_is_refused_on_one_screen(case: str) -> None:
    rows, message = REFUSED[case]
    code, out, err = train(write(rows), "--target", "price")
    assert code == 2
    assert message in err
    assert "Traceback" not in err
    assert len(err.splitlines()) < 10
    assert not out
    assert not Path("houses.safetensors").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nothing.csv", "--target", "x"], "There is no file nothing.csv."),
        (["house.csv", "--target", "x"], "Did you mean houses.csv?"),
        (["digit"], "Did you mean: adjoint train digits?"),
        ([".", "--target", "x"], "is a folder, not a CSV file."),
        (["empty.csv", "--target", "x"], "empty.csv is empty."),
        (["latin.csv", "--target", "x"], "is not text in UTF-8 (byte 2 is 0xf6)."),
        (["twice.csv", "--target", "x"], "has more than one column named 'x'."),
        (["alone.csv", "--target", "x"], "has no column beside 'x' to predict it from."),
        (["bare.csv", "--target", "x"], "The first line of bare.csv must name its columns"),
        (["houses.csv"], "Try: --target COLUMN, with one of: size, age, price"),
        (["houses.csv", "--target", "Price"], "Did you mean 'price'?"),
        (["houses.csv", "--target", "zzz"], "Its columns are: size, age, price"),
        (["digits", "--target", "x"], "--target is for CSV files."),
        (["digits", "--hidden", "many"], "--hidden must be sizes of layers"),
        (["digits", "--lr", "-1"], "--lr must be a positive number, got -1."),
        (["digits", "--seed", str(2**64)], "--seed must be below 2**64"),
        (["digits", "--out", "nowhere/w.safetensors"], "There is no folder nowhere"),
        (["digits", "--out", "."], "is a folder; name a file in it."),
        (["digits", "--lr", "1e9", "--optimizer", "sgd"], "Try: --lr 1e+08 instead of 1e+09"),
        (["digits", "--epochs", "0"], "Invalid value for '--epochs'"),
    ],
)
def test_bad_arguments_are_refused(args: list[str], message: str) -> None:
    write(houses(30))
    Path("empty.csv").touch()
    Path("latin.csv").write_bytes("größe,x\n1,2\n".encode("latin1"))
    write(["1,2"] * 30, "x,x", "twice.csv")
    write(["1"] * 30, "x", "alone.csv")
    write(["1,2"] * 30, "1,2", "bare.csv")
    code, _, err = train(*args)
    assert code == 2
    assert message in err
    assert "Traceback" not in err


def test_a_missing_scikit_learn_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    code, _, err = train("digits")
    assert code == 2
    assert "python -m pip install 'adjoint[digits]'" in err


# ---- how it stops ---------------------------------------------------------------------------


def test_an_interrupted_run_keeps_its_best_weights() -> None:
    run = prepare(digits(), Settings(epochs=5))

    def stop(run: Run) -> None:
        if len(run.epochs) == 2:
            raise KeyboardInterrupt

    fit(run, stop)
    assert run.interrupted
    assert run.best in run.epochs
    assert run.test["accuracy"] > 0.9


def command(*args: str) -> list[str]:
    return [sys.executable, "-c", "from adjoint.command import main; main()", *args]


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(SOURCE)}


def test_the_command_as_a_process() -> None:
    write(houses(60))
    args = command("train", "houses.csv", "--target", "price", "--epochs", "2", "--json")
    done = subprocess.run(args, env=environment(), capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["weights"] == "houses.safetensors"
    assert not done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals to one process are sent differently")
def test_ctrl_c_stops_cleanly() -> None:
    args = command("train", "digits", "--epochs", "100000", "--hidden", "8", "--batch-size", "256")
    process = subprocess.Popen(
        args,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # where the tests themselves run in the background, the signal is inherited as ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline()  # the first line stands when the training begins
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert "Stopped after " in out
    assert "Weights in digits.safetensors" in out
    assert "Traceback" not in err
    assert Path("digits.safetensors").is_file()


# ---- the parts ------------------------------------------------------------------------------


def test_training_rows_alone_say_how_to_scale() -> None:
    table = read_csv(write(houses()), "price")
    run = prepare(table, Settings())
    train_rows, _, test_rows = run.splits
    np.testing.assert_allclose(train_rows.inputs.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(train_rows.inputs.std(0), 1, rtol=1e-5)
    assert np.abs(test_rows.inputs.mean(0)).max() > 1e-3
    assert sum(run.parts) == len(table) == 300


def test_a_column_that_does_not_vary_is_harmless() -> None:
    rows = [f"{row.split(',')[0]},5,{row.split(',')[2]}" for row in houses()]
    run = fit(prepare(read_csv(write(rows), "price"), Settings(epochs=2)))
    assert np.isfinite(run.epochs[-1].loss)


def test_a_network_without_hidden_layers_is_a_line() -> None:
    table = read_csv(write(houses()), "price")
    run = fit(prepare(table, Settings(hidden=(), lr=0.05, epochs=20)))
    assert run.size == 3
    assert run.test["r2"] > 0.98


def test_adam_is_what_its_paper_says() -> None:
    import adjoint as ad
    from adjoint.train.optimizer import adam

    weight, state = {"w": ad.tensor([1.0, -2.0])}, {}
    mean = square = np.zeros(2)
    expected = np.array([1.0, -2.0])
    update: Any = adam(lr=0.1)
    for t in range(1, 6):
        g = np.array([0.3 * t, -1.0])
        mean, square = 0.9 * mean + 0.1 * g, 0.999 * square + 0.001 * g * g
        corrected = mean / (1 - 0.9**t), square / (1 - 0.999**t)
        expected = expected - 0.1 * corrected[0] / (np.sqrt(corrected[1]) + 1e-8)
        weight, state = update(weight, {"w": ad.tensor(g.astype(np.float32))}, state)
    np.testing.assert_allclose(weight["w"].numpy(), expected, rtol=1e-5)
