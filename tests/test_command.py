"""The command: what it trains, what it says, and how it refuses what it cannot use."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import adjoint as ad
from adjoint.command import app
from adjoint.command.defaults import even

SOURCE = Path(__file__).resolve().parent.parent / "src"
runner = CliRunner()


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "dumb")


def call(*args: str) -> tuple[int, str, str]:
    result = runner.invoke(app, list(args))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def train(*args: str) -> tuple[int, str, str]:
    return call("train", *args, "--no-compile")


def result_of(*args: str) -> dict[str, Any]:
    code, out, err = train(*args, "--json")
    assert code == 0, err
    return json.loads(out)


def houses(n: int = 300) -> list[str]:
    rng = np.random.default_rng(0)
    size, age = rng.uniform(20, 200, n), rng.uniform(0, 80, n)
    heating = np.array(["gas", "oil", ""])[rng.integers(0, 3, n)]
    price = 3 * size - 2 * age + 100 * (heating == "oil") + rng.normal(0, 5, n)
    rows = zip(size, age, heating, price, strict=True)
    return [
        f"{s:.2f},{'' if k % 9 == 4 else round(a, 1)},{h},{p:.3f}"
        for k, (s, a, h, p) in enumerate(rows)
    ]


def write(rows: list[str], header: str = "size,age,heating,price", name: str = "houses.csv") -> str:
    Path(name).write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return name


# ---- what it achieves ----------------------------------------------------------------------------


def test_the_defaults_learn_the_digits() -> None:
    code, out, err = call("train", "digits", "--epochs", "15")
    assert code == 0, err
    assert float(out.split("Test accuracy ")[1].split("%")[0]) >= 96
    for said in (
        "1,258 examples to train, 269 to validate, 270 to test",
        "mlp 64 → 128 → 10, 9,610 parameters",
        "by finite differences the gradient would take 9,611 forward passes",
        "The run is in runs/digits",
        "Next: adjoint predict runs/digits NEW.npz",
    ):
        assert said in out
    assert "compiled" not in out


def test_a_table_with_categories_and_missing_values() -> None:
    found = result_of(write(houses()), "--target", "price", "--epochs", "40")
    assert found["task"] == "regression"
    assert found["test"]["R²"] > 0.95
    assert found["test"]["mean absolute error"] < 40
    assert found["rows"] == {"train": 210, "validation": 45, "test": 45}
    # the run is enough to predict: from rows without the price
    rows = [row.rpartition(",")[0] for row in houses(30)]
    write(rows, "size,age,heating", "new.csv")
    code, out, err = call("predict", "runs/houses", "new.csv", "--out", "out.csv", "--json")
    assert code == 0, err
    guess = np.array(json.loads(out)["price"])
    truth = np.array([float(row.rpartition(",")[2]) for row in houses(30)])
    assert np.corrcoef(guess, truth)[0, 1] > 0.95
    written = ad.data.read_csv("out.csv")
    assert written.names == ("size", "age", "heating", "predicted price")
    np.testing.assert_allclose(written["predicted price"].values, guess)


def test_a_file_of_test_rows_and_eval_agree() -> None:
    rows = houses()
    write(rows[:200])
    write(rows[200:], name="later.csv")
    found = result_of("houses.csv", "--target", "price", "--test", "later.csv", "--epochs", "5")
    assert found["rows"]["test"] == 100
    code, out, _ = call("eval", "runs/houses", "later.csv", "--json")
    assert code == 0
    assert json.loads(out)["R²"] == pytest.approx(found["test"]["R²"], rel=1e-6)
    code, out, _ = call("eval", "runs/houses", "later.csv")
    assert "Its R² " in out


def test_classes_are_told_by_their_names() -> None:
    rows = [
        f"{r.rpartition(',')[0]},{'dear' if float(r.rpartition(',')[2]) > 300 else 'cheap'}"
        for r in houses()
    ]
    code, out, err = train(write(rows), "--target", "price", "--hidden", "16,8", "--epochs", "30")
    assert code == 0, err
    assert "a class: cheap, dear (because it is text)" in out
    assert float(out.split("Test accuracy ")[1].split("%")[0]) > 80
    code, out, _ = call("predict", "runs/houses", "houses.csv")
    assert code == 0
    assert "probability" in out
    assert "The first 10 of 300 rows" in out


def test_arrays_with_a_quantity() -> None:
    x = np.random.default_rng(0).normal(size=(120, 3))
    np.savez("line.npz", x=x, y=x @ [1.0, -2.0, 0.5])
    found = result_of("line.npz", "--epochs", "40", "--hidden", "0", "--lr", "0.05")
    assert found["parameters"] == 4
    assert found["test"]["R²"] > 0.98
    code, out, err = call("eval", "runs/line", "line.npz", "--json")
    assert code == 0, err
    assert json.loads(out)["R²"] > 0.98


@pytest.mark.parametrize("model", ["mlp", "cnn", "resnet"])
def test_images_of_all_models(model: str) -> None:
    images = np.random.default_rng(0).normal(size=(40, 1, 8, 8)).astype(np.float32)
    np.savez("images.npz", x=images, y=np.arange(40) % 2)
    sizes = () if model == "mlp" else ("--width", "2", "--layers", "2")
    found = result_of("images.npz", "--model", model, *sizes, "--epochs", "1")
    assert found["model"]["model"] == model
    assert call("predict", "runs/images", "images.npz")[0] == 0


def test_sequences() -> None:
    x = np.random.default_rng(0).normal(size=(40, 5, 2)).astype(np.float32)
    np.savez("series.npz", x=x, y=(x[:, -1, 0] > 0).astype(np.int64))
    found = result_of("series.npz", "--epochs", "1", "--width", "4")
    assert found["model"]["model"] == "lstm"


def test_a_folder_of_images() -> None:
    image = pytest.importorskip("PIL.Image")
    for k in range(40):
        folder = Path("shades") / ("dark", "light")[k % 2]
        folder.mkdir(parents=True, exist_ok=True)
        values = np.full((6, 6), 30 + k if k % 2 == 0 else 220 - k, np.uint8)
        image.fromarray(values).save(folder / f"{k}.png")
    found = result_of("shades", "--size", "8", "--width", "2", "--epochs", "1", "--grayscale")
    assert found["labels"] == ["dark", "light"]
    code, out, err = call("predict", "runs/shades", "shades/dark/0.png", "--json")
    assert code == 0, err
    assert json.loads(out)["folder"][0] in ("dark", "light")


@pytest.mark.parametrize("options", [("--heads", "2"), ("--model", "lstm", "--tokens", "byte")])
def test_text_that_can_be_sampled(options: tuple[str, ...]) -> None:
    Path("song.txt").write_text("row, row, row your boat, gently down the stream. " * 40)
    small = ("--width", "16", "--layers", "1", "--block-size", "16", "--epochs", "4")
    found = result_of("song.txt", *small, *options)
    assert found["task"] == "text"
    assert found["validation"]["perplexity"] < 255
    texts = [call("sample", "runs/song", "--prompt", "row", "--length", "20") for _ in range(2)]
    assert texts[0] == texts[1]
    assert texts[0][1].startswith("row")
    code, out, _ = call("eval", "runs/song", "song.txt", "--json")
    assert code == 0
    assert json.loads(out)["perplexity"] > 1


def test_two_runs_are_equal_and_another_seed_is_another_run() -> None:
    write(houses(60))
    first, again, other = (
        result_of("houses.csv", "--target", "price", "--epochs", "2", "--seed", seed)
        for seed in ("1", "1", "2")
    )
    assert first["epochs"] == again["epochs"] != other["epochs"]
    assert (first["run"], again["run"]) == ("runs/houses", "runs/houses-2")
    weights = [Path(run["weights"]) for run in (first, again)]
    loaded = [ad.load(path) for path in weights]
    for name, value in loaded[0].items():
        np.testing.assert_array_equal(value.numpy(), loaded[1][name].numpy())


def test_training_rows_alone_say_how_to_scale() -> None:
    result_of(write(houses()), "--target", "price", "--epochs", "1")
    about = json.loads(Path("runs/houses/run.json").read_text())["data"]
    size = next(c for c in about["features"]["columns"] if c["name"] == "size")
    every = ad.data.read_csv("houses.csv")["size"].values
    assert size["mean"] == pytest.approx(every.mean(), rel=0.1)
    assert size["mean"] != pytest.approx(every.mean(), rel=1e-9)


def test_batches_are_equal() -> None:
    assert even(100, 32) == 25
    assert even(105, 32) == 26
    assert even(7, 32) == 7


# ---- what it refuses -----------------------------------------------------------------------------


def spoiled(line: str) -> list[str]:
    rows = houses(40)
    rows[17] = line
    return rows


REFUSED = {
    "infinity": (spoiled("12.5,-inf,gas,3"), "line 19, column 'age': -inf is not a finite number."),
    "an enormous value": (spoiled("1e200,3,gas,3"), "line 19, column 'size': 1e+200 is too large."),
    "a missing target": (
        spoiled("12.5,3,gas,"),
        "line 19, column 'price': the value to predict is missing.",
    ),
    "a short row": (spoiled("12.5,3"), "line 19: 2 values"),
    "one class": (["1,2,gas,7"] * 40, "every row of 'price' is 7, so there is nothing to learn."),
    "names as target": (
        [f"1,2,gas,n{k}" for k in range(40)],
        "the column is no set of classes either.",
    ),
    "too few rows": (houses(7), "has 7 rows of data; at least 20 are needed"),
    "no rows": ([], "names columns, and has no rows below them."),
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
    assert not Path("runs").exists()


def test_rows_without_a_target_can_be_left_out() -> None:
    write(spoiled("12.5,3,gas,"))
    code, _, err = train("houses.csv", "--target", "price")
    assert code == 2
    assert "Try: fill it in, or --skip-missing." in err
    options = ("--target", "price", "--skip-missing", "--epochs", "1")
    assert sum(result_of("houses.csv", *options)["rows"].values()) == 39


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "What to learn from?"),
        (["nothing.csv", "--target", "x"], "There is no file nothing.csv."),
        (["house.csv", "--target", "x"], "Did you mean houses.csv?"),
        (["digit"], "Did you mean: adjoint train digits?"),
        (["empty.csv", "--target", "x"], "empty.csv is empty."),
        (["latin.csv", "--target", "x"], "latin.csv, line 1: byte 0xf6 is no UTF-8."),
        (["twice.csv", "--target", "x"], "has more than one column named 'x'."),
        (["alone.csv", "--target", "x"], "has no column beside 'x' to predict it from."),
        (["houses.csv"], "Try: --target COLUMN, with one of: size, age, heating, price"),
        (["houses.csv", "--target", "Price"], "Did you mean 'price'?"),
        (
            ["houses.csv", "--target", "price", "--test", "no.csv"],
            "For --test there is no file no.csv.",
        ),
        (["houses.csv", "--target", "price", "--test", "1.5"], "--test is a share of the rows"),
        (["houses.csv", "--target", "price", "--validation", "0.9"], "leave no rows to train"),
        (["houses.csv", "--target", "price", "--model", "gpt"], "Try: --model mlp"),
        (["houses.csv", "--target", "price", "--heads", "2"], "--heads is no size of a mlp"),
        (["digits", "--target", "x"], "--target is for files."),
        (["digits", "--hidden", "many"], "--hidden must be sizes of layers"),
        (["digits", "--lr", "-1"], "--lr must be a positive number, got -1."),
        (["digits", "--seed", str(2**64)], "--seed must be below 2**63"),
        (["digits", "--out", "houses.csv"], "is a file; name a folder for the run."),
        (["digits", "--out", "houses.csv/run"], "cannot be written: Not a directory"),
        (["digits", "--epochs", "0"], "Invalid value for '--epochs'"),
        (["short.txt"], "Try: --block-size"),
        (["words.npz"], "words.npz holds Python objects"),
        (["odd.npz"], "Expected: inputs as 'x' and the target as 'y'"),
        (["--resume", "runs/none"], "runs/none holds no run"),
    ],
)
def test_bad_arguments_are_refused(args: list[str], message: str) -> None:
    write(houses(30))
    Path("empty.csv").touch()
    Path("latin.csv").write_bytes("größe,x\n1,2\n".encode("latin1"))
    write(["1,2"] * 30, "x,x", "twice.csv")
    write(["1"] * 30, "x", "alone.csv")
    Path("short.txt").write_text("To be, or not to be, that is the question.")
    np.savez("odd.npz", a=np.ones(3), b=np.ones(3), c=np.ones(3))
    np.savez("words.npz", x=np.array(["a", None], object), y=np.ones(2))
    code, _, err = train(*args)
    assert code == 2
    assert message in err.replace("\n", " ").replace("│", "") or message in err
    assert "Traceback" not in err


def test_a_run_is_not_used_for_what_it_cannot_do() -> None:
    result_of(write(houses(60)), "--target", "price", "--epochs", "1", "--out", "run")
    assert "run holds a run already" in train("digits", "--out", "run")[2]
    assert "is no model of text" in call("sample", "run")[2]
    assert "has no column 'age'" in call("predict", "run", write(["1"], "size", "x.csv"))[2]
    Path("run/model.safetensors").write_bytes(b"no weights")
    code, _, err = call("predict", "run", "houses.csv")
    assert code == 2
    assert "is not a whole safetensors file" in err
    Path("run/run.json").write_text("{")
    assert "is damaged" in call("predict", "run", "houses.csv")[2]


def test_a_loss_that_is_no_number_fails_with_a_code_of_its_own() -> None:
    write(houses(60))
    code, _, err = train("houses.csv", "--target", "price", "--lr", "1e30")
    assert code == 1
    assert "Try: a smaller learning rate" in err


def test_a_missing_scikit_learn_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    code, _, err = train("digits")
    assert code == 2
    assert "python -m pip install 'adjoint[digits]'" in err


# ---- how it stops and goes on --------------------------------------------------------------------


def command(*args: str) -> list[str]:
    return [sys.executable, "-c", "from adjoint.command import main; main()", *args]


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(SOURCE)}


@pytest.mark.skipif(sys.platform == "win32", reason="signals to one process are sent differently")
def test_ctrl_c_saves_and_the_run_goes_on() -> None:
    write(houses(60))
    options = ("--target", "price", "--epochs", "30", "--patience", "99", "--no-compile")
    whole = result_of("houses.csv", *options[:-1], "--out", "whole")
    press = (
        "import os, signal, adjoint.train.loop as loop\n"
        "after = loop.Loop._after\n"
        "def pressed(self, *args):\n"
        "    after(self, *args)\n"
        "    if self.trainer.step == 20: os.kill(os.getpid(), signal.SIGINT)\n"
        "loop.Loop._after = pressed\n"
        "from adjoint.command import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", press, "train", "houses.csv", *options, "--out", "run"],
        env=environment(),
        capture_output=True,
        text=True,
        # where the tests themselves run in the background, the signal is inherited as ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        check=False,
    )
    assert done.returncode == 130, done.stderr
    assert "Stopped after step 20 of 60; saved in run" in done.stderr
    assert "To go on: adjoint train --resume run" in done.stderr
    assert "Traceback" not in done.stderr
    code, out, err = call("train", "--resume", "run", "--json")
    assert code == 0, err
    assert json.loads(out)["test"] == whole["test"]
    a, b = (ad.load(Path(folder) / "model.safetensors") for folder in ("whole", "run"))
    for name, value in a.items():
        np.testing.assert_array_equal(value.numpy(), b[name].numpy())


def test_a_run_does_not_go_on_with_other_data() -> None:
    result_of(write(houses(60)), "--target", "price", "--epochs", "1")
    write(houses(80))
    code, _, err = call("train", "--resume", "runs/houses")
    assert code == 2
    assert "houses.csv has changed since the run in runs/houses began." in err
