"""The trainer: what it computes, what it reports, and when it stops."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import adjoint as ad

rng = np.random.default_rng(0)
X = rng.normal(size=(90, 5)).astype(np.float32)
LABEL = (X[:, 0] + X[:, 1] > 0).astype(np.int64)
VALUE = (X @ np.arange(5.0, dtype=np.float32) + 1.0).astype(np.float32)


def linear(outputs: int = 2) -> Any:
    ad.random.seed(1)
    return ad.nn.Linear(5, outputs)


def weights(model: Any) -> list[Any]:
    return [p.detach().numpy() for p in model.parameters()]


def assert_close(a: Any, b: Any, rtol: float = 1e-5) -> None:
    for x, y in zip(weights(a), weights(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=rtol, atol=1e-6)


def by_hand(epochs: int, batch: int, clip: float | None = None) -> Any:
    model = linear()
    opt = ad.optim.AdamW(model, lr=0.05)
    for _ in range(epochs):
        for k in range(0, 90, batch):
            opt.zero_grad()
            x, y = ad.asarray(X[k : k + batch]), ad.asarray(LABEL[k : k + batch])
            ad.nn.functional.cross_entropy(model(x), y).backward()
            if clip is not None:
                ad.optim.clip_grad_norm_(model, clip)
            opt.step()
    return model


@pytest.mark.parametrize("compiled", [True, False])
def test_it_is_the_loop_that_one_would_write(compiled: bool) -> None:
    model = linear()
    result = ad.train.fit(
        model, (X, LABEL), lr=0.05, epochs=3, batch_size=40, shuffle=False, compile=compiled
    )
    assert not result.trainer.notes
    assert result.steps == 9
    assert_close(model, by_hand(3, 40))


def test_clipping() -> None:
    model = linear()
    ad.train.fit(model, (X, LABEL), lr=0.05, epochs=2, batch_size=45, shuffle=False, clip_norm=0.01)
    assert_close(model, by_hand(2, 45, clip=0.01))


@pytest.mark.parametrize("compiled", [True, False])
def test_parts_of_a_batch_add_up_to_the_batch(compiled: bool) -> None:
    model = linear()
    result = ad.train.fit(
        model,
        (X, LABEL),
        lr=0.05,
        epochs=3,
        batch_size=20,  # 20, 20, 20, 20, 10: a last part of 30
        accumulate=3,
        shuffle=False,
        compile=compiled,
    )
    assert not result.trainer.notes
    assert result.steps == 6
    assert_close(model, by_hand(3, 60))


def test_losses_are_means_over_examples() -> None:
    model = linear()
    trainer = ad.train.Trainer(model, optimizer=lambda m: ad.optim.SGD(m, lr=0.0))
    result = trainer.fit((X, LABEL), (X[:70], LABEL[:70]), epochs=1, batch_size=40)
    with ad.no_grad():
        whole = ad.nn.functional.cross_entropy(model(ad.asarray(X)), ad.asarray(LABEL)).item()
    assert result.epochs[0]["loss"] == pytest.approx(whole, rel=1e-6)
    expected = trainer.evaluate((X[:70], LABEL[:70]), batch_size=33)["loss"]
    assert result.epochs[0]["validation loss"] == pytest.approx(expected, rel=1e-6)
    assert trainer.predict(X, batch_size=32).shape == (90, 2)


@pytest.mark.parametrize(
    "loss", [None, "mse", "huber", ad.nn.MSELoss(), ad.nn.functional.mse_loss, "own"]
)
def test_losses_of_all_kinds(loss: Any) -> None:
    if loss == "own":

        def loss(output: Any, target: Any) -> Any:
            return ad.mean((output - target) ** 2)

    y = VALUE[:, None] if callable(loss) else VALUE
    model = linear(1)
    trainer = ad.train.Trainer(model, loss, lr=0.1, metrics=["r2", "mae"], schedule="cosine")
    trainer.fit((X, y), epochs=40, batch_size=30)
    assert trainer.evaluate((X, y))["R²"] > 0.95


def test_an_objective_for_what_is_no_pair() -> None:
    decoder = ad.nn.Sequential(ad.nn.Linear(5, 2), ad.nn.Linear(2, 5))

    def reconstruction(model: Any, x: Any) -> Any:
        return ad.mean((model(x) - x) ** 2)

    result = ad.train.fit(decoder, X, X[:20], objective=reconstruction, epochs=5, lr=0.01)
    assert result.epochs[-1]["loss"] < result.epochs[0]["loss"]
    assert "validation loss" in result.epochs[-1]


def test_early_stopping_keeps_the_best_weights() -> None:
    seen: list[Any] = []

    class Watch(ad.train.Callback):
        def on_epoch(self, trainer: Any, logs: dict[str, Any]) -> None:
            seen.append((logs["validation loss"], weights(trainer.model)))

    noise = np.random.default_rng(2).integers(0, 2, 90)
    model = ad.nn.Sequential(ad.nn.Linear(5, 32), ad.nn.ReLU(), ad.nn.Linear(32, 2))
    result = ad.train.fit(
        model,
        (X[:60], noise[:60]),
        (X[60:], noise[60:]),
        lr=0.02,
        epochs=200,
        early_stopping=5,
        callbacks=[Watch()],
        compile=False,
    )
    assert "has not improved for 5 epochs" in result.reason
    best = min(range(len(seen)), key=lambda k: seen[k][0])
    assert len(seen) == best + 6
    assert result.best["epoch"] == best + 1
    for a, b in zip(weights(model), seen[best][1], strict=True):
        np.testing.assert_array_equal(a, b)


def test_averaged_weights_are_what_is_evaluated_and_kept() -> None:
    model = linear()
    trainer = ad.train.Trainer(model, lr=0.05, ema=0.5)
    result = trainer.fit((X, LABEL), (X, LABEL), epochs=2, batch_size=30)
    found = trainer.evaluate((X, LABEL))["loss"]
    assert result.epochs[-1]["validation loss"] == pytest.approx(found, rel=1e-6)


@pytest.mark.parametrize("name", ["cosine", "linear", "one-cycle", "constant"])
def test_schedules_by_name(name: str) -> None:
    trainer = ad.train.Trainer(linear(), lr=0.1, schedule=name)
    trainer.fit((X, LABEL), steps=20)
    assert trainer.optimizer.lr == (0.1 if name == "constant" else pytest.approx(0.0, abs=1e-4))


def test_a_plateau_lowers_the_learning_rate() -> None:
    model = linear()
    opt = ad.optim.SGD(model, lr=1e-12)
    plateau = ad.optim.schedule.ReduceLROnPlateau(opt, patience=1, factor=0.5, eps=0.0)
    ad.train.fit(model, (X, LABEL), optimizer=opt, schedule=plateau, epochs=6)
    assert opt.lr < 1e-12


def test_a_callback_can_stop() -> None:
    class Stop(ad.train.Callback):
        def on_step(self, trainer: Any, logs: dict[str, Any]) -> None:
            if logs["step"] == 4:
                trainer.stop("enough")

    result = ad.train.fit(linear(), (X, LABEL), epochs=9, batch_size=45, callbacks=[Stop()])
    assert (result.steps, result.reason) == (4, "enough")


def test_what_cannot_be_compiled_runs_anyway_and_says_so() -> None:
    class Peeks(ad.nn.Module):
        def __init__(self) -> None:
            self.inner = linear()

        def forward(self, x: Any) -> Any:
            return self.inner(x) * (2.0 if ad.sum(x).item() > 0 else 1.0)

    trainer = ad.train.Trainer(Peeks(), lr=0.05)
    trainer.fit((X, LABEL), epochs=2)
    assert len(trainer.notes) == 1
    assert trainer.notes[0].startswith("The step runs without being compiled: TracerLeak: ")


def test_without_a_compiler_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    trainer = ad.train.Trainer(linear())
    assert trainer.notes == [
        "Steps are not compiled, because llvmlite is not installed. Each operation runs on its own."
    ]
    assert trainer.fit((X, LABEL), epochs=1).steps == 3


def test_a_fault_of_the_user_is_shown_as_it_is() -> None:
    with pytest.raises(ad.errors.ShapeError, match="linear"):
        ad.train.fit(linear(), (X[:, :4], LABEL), epochs=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer": "adamm"}, "There is no optimizer 'adamm'; there are adam"),
        ({"loss": "entropy"}, "There is no loss 'entropy'"),
        ({"schedule": "cos"}, "There is no schedule 'cos'"),
        ({"on_nonfinite": "ignore"}, "on_nonfinite is one of raise, skip, rollback"),
        ({"spike": 0.5}, "spike is a factor above 1"),
        ({"early_stopping": 3}, "give validation_data"),
        ({"resume": True}, "needs the folder of the run"),
        ({"epochs": 1, "steps": 1}, "Give epochs or steps"),
        ({"accumulate": 0}, "accumulate must be at least 1"),
        ({"batch_size": 100, "drop_last": True}, "fewer than one batch"),
    ],
)
def test_contradictions_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ad.train.TrainingError, match=message):
        ad.train.fit(linear(), (X, LABEL), **options)


def test_the_progress_is_shown_in_a_terminal_only(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    ad.train.fit(linear(), (X, LABEL), (X, LABEL), epochs=2, metrics=["accuracy"])
    assert capsys.readouterr() == ("", "")
    console = Console(force_terminal=True, width=100, record=True)
    ad.train.fit(linear(), (X, LABEL), (X, LABEL), epochs=2, metrics=["accuracy"], progress=console)
    text = capsys.readouterr().out
    assert "epoch 2/2" in text
    assert "accuracy" in text
    assert "val. loss" in text


def test_the_log_and_the_weights(tmp_path: Path) -> None:
    run = tmp_path / "run"
    model = linear()
    ad.train.fit(
        model,
        (X, LABEL),
        (X, LABEL),
        epochs=3,
        batch_size=30,
        out=run,
        keep=2,
        log_every=2,
        checkpoint_seconds=0.0,
    )
    lines = ad.train.read_lines(run / "log.jsonl")
    assert [line["event"] for line in lines].count("epoch") == 3
    assert [line["step"] for line in lines if line["event"] == "train"] == [2, 4, 6, 8]
    names = [p.name for p in ad.train.Checkpoints(run).paths()]
    assert names == ["step-000000006.safetensors", "step-000000009.safetensors"]
    assert set(ad.load(run / "best.safetensors")) == {"weight", "bias"}


@pytest.mark.peers
def test_tensorboard_shows_a_run(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    ad.train.fit(linear(), (X, LABEL), (X, LABEL), epochs=3, out=tmp_path / "run", log_every=1)
    found = accumulator.EventAccumulator(str(tmp_path / "run" / "events")).Reload()
    assert {"train/loss", "train/lr", "epoch/validation loss"} <= set(found.Tags()["scalars"])
    assert len(found.Scalars("train/loss")) == 9


def test_validation_sees_the_weights_of_its_epoch() -> None:
    found: list[Any] = []
    for compiled in (True, False):
        model = linear(1)
        result = ad.train.fit(
            model,
            (X[:60], VALUE[:60]),
            (X[60:], VALUE[60:]),
            lr=0.05,
            epochs=6,
            batch_size=20,
            metrics=["r2"],
            compile=compiled,
        )
        found.append([[line["validation loss"], line["R²"]] for line in result.epochs])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-4)
    assert found[0][0][0] > found[0][-1][0]
