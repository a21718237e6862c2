"""What goes wrong: disks, files, losses, Ctrl-C. Nothing is lost; messages say what to do."""

import errno
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import adjoint as ad

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)
KEPT = ["step-000000002.safetensors", "step-000000004.safetensors"]


def model_of(seed: int = 1) -> Any:
    ad.random.seed(seed)
    return ad.nn.Linear(4, 2)


def train(model: Any, x: Any = X, **options: Any) -> Any:
    given: dict[str, Any] = {"lr": 0.05, "batch_size": 30, "epochs": 2, "compile": False}
    given["checkpoint_seconds"] = 0.0
    return ad.train.fit(model, (x, Y), **(given | options))


def names(run: Path) -> list[str]:
    return sorted(p.name for p in (run / "checkpoints").iterdir())


def weights(model: Any) -> Any:
    return np.concatenate([p.detach().numpy().reshape(-1) for p in model.parameters()])


# -- disks and files -------------------------------------------------------------------------------


def test_a_full_disk_keeps_the_earlier_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    train(model_of(), out=run)
    fsync = os.fsync

    def full(number: int) -> None:
        if "checkpoints" in os.readlink(f"/proc/self/fd/{number}"):
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(number)

    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ad.storage.SaveError, match="free some space") as caught:
        train(model_of(), out=run, epochs=4, resume=True)
    assert caught.value.errno == errno.ENOSPC
    assert names(run) == KEPT
    monkeypatch.undo()
    model, whole = model_of(), model_of()
    assert train(model, out=run, epochs=4, resume=True).steps == 8
    train(whole, epochs=4)
    np.testing.assert_array_equal(weights(model), weights(whole))


def test_a_folder_that_cannot_be_written_is_named_before_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ad.train.TrainingError, match="cannot be made: Not a directory"):
        train(model_of(), out=tmp_path / "file" / "run")
    monkeypatch.setattr(os, "access", lambda *_: False)  # who is root may write anywhere
    with pytest.raises(ad.train.TrainingError, match="cannot be written to"):
        train(model_of(), out=tmp_path / "run")


def test_a_truncated_checkpoint_is_refused_and_an_earlier_one_named(tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(model_of(), out=run)
    last = run / "checkpoints" / KEPT[1]
    last.write_bytes(last.read_bytes()[:-10])
    with pytest.raises(ad.train.CheckpointError, match="cut off") as caught:
        train(model_of(), out=run, resume=True)
    earlier = str(run / "checkpoints" / KEPT[0])
    assert f"resume={earlier!r}" in str(caught.value)
    model, whole = model_of(), model_of()
    train(model, out=run, resume=earlier)
    train(whole)
    np.testing.assert_array_equal(weights(model), weights(whole))


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "weights.safetensors"
    ad.save(other, {"weight": ad.ones(2)})
    with pytest.raises(ad.train.CheckpointError, match="not the state of a training"):
        train(model_of(), out=tmp_path / "run", resume=other)
    other.write_text("hello, this is no checkpoint")
    with pytest.raises(ad.train.CheckpointError, match="not a whole safetensors file"):
        train(model_of(), out=tmp_path / "run", resume=other)
    with pytest.raises(ad.train.CheckpointError, match="there is no file"):
        train(model_of(), out=tmp_path / "run", resume=tmp_path / "nothing.safetensors")


def test_the_checkpoint_of_another_model_is_refused_with_the_difference(tmp_path: Path) -> None:
    train(model_of(), out=tmp_path / "run")
    wide = ad.nn.Sequential(ad.nn.Linear(4, 8), ad.nn.Linear(8, 2))
    before = weights(wide)
    with pytest.raises(ad.train.CheckpointError, match="unexpected: weight"):
        train(wide, out=tmp_path / "run", resume=True)
    np.testing.assert_array_equal(weights(wide), before)
    with pytest.raises(ad.train.CheckpointError, match="of a run without ema"):
        train(model_of(), out=tmp_path / "run", resume=True, ema=0.9)
    with pytest.raises(ad.train.CheckpointError, match="0 callbacks; this one has 1"):
        train(model_of(), out=tmp_path / "run", resume=True, callbacks=[ad.train.Callback()])
    with pytest.raises(ad.data.DataError, match="batch_size was 30"):
        train(model_of(), out=tmp_path / "run", resume=True, batch_size=10)


def test_a_run_is_not_overwritten_by_accident(tmp_path: Path) -> None:
    train(model_of(), out=tmp_path / "run")
    with pytest.raises(ad.train.TrainingError, match="holds a run already"):
        train(model_of(), out=tmp_path / "run")


def test_resuming_what_is_finished_changes_nothing(tmp_path: Path) -> None:
    model, again = model_of(), model_of(2)
    train(model, out=tmp_path / "run")
    assert train(again, out=tmp_path / "run", resume=True).steps == 4
    np.testing.assert_array_equal(weights(model), weights(again))


# -- losses ----------------------------------------------------------------------------------------


def spoilt(value: float) -> Any:
    x = X.copy()
    x[35] = value  # in the second of two batches
    return x


@pytest.mark.parametrize("compiled", [True, False])
def test_a_loss_that_is_no_number_stops_before_the_update(compiled: bool) -> None:
    model, good = model_of(), model_of()
    with pytest.raises(ad.train.TrainingError, match=r"the loss of step 2 is nan\.") as caught:
        train(model, spoilt(np.nan), shuffle=False, compile=compiled)
    assert "Try: a smaller learning rate" in str(caught.value)
    if compiled:
        assert "NaN" in str(caught.value).splitlines()[1]
    train(good, steps=1, epochs=None, shuffle=False, compile=compiled)
    np.testing.assert_array_equal(weights(model), weights(good))


@pytest.mark.parametrize("compiled", [True, False])
def test_a_bad_batch_is_skipped(compiled: bool) -> None:
    model, good = model_of(), model_of()
    result = train(
        model, spoilt(np.inf), shuffle=False, epochs=3, on_nonfinite="skip", compile=compiled
    )
    assert len(result.trainer.notes) == 3
    assert result.trainer.notes[0].endswith("the batch was skipped.")
    assert result.trainer.guard.faults == 3
    opt = ad.optim.AdamW(good, lr=0.05)
    for _ in range(3):
        opt.zero_grad()
        ad.nn.functional.cross_entropy(good(ad.asarray(X[:30])), ad.asarray(Y[:30])).backward()
        opt.step()
    np.testing.assert_allclose(weights(model), weights(good), rtol=1e-5)


def test_a_rollback_goes_to_the_last_checkpoint() -> None:
    model, start = model_of(), model_of()
    result = train(model, spoilt(np.nan), shuffle=False, epochs=1, on_nonfinite="rollback")
    assert "went back to the last checkpoint" in result.trainer.notes[0]
    np.testing.assert_array_equal(weights(model), weights(start))


def test_a_gradient_that_is_no_number_is_seen() -> None:
    class Trap(ad.nn.Module):
        def __init__(self) -> None:
            self.inner = model_of()
            self.scale = ad.nn.Parameter([0.0])

        def forward(self, x: Any) -> Any:
            return self.inner(x) + ad.sqrt(self.scale)

    with pytest.raises(ad.train.TrainingError, match=r"10th|11th"):
        train(Trap(), epochs=20, on_nonfinite="skip")
    result = train(Trap(), epochs=2, on_nonfinite="skip")
    assert "A gradient of step 1 is not a finite number" in result.trainer.notes[0]


def test_a_spike_is_a_fault() -> None:
    x = np.tile(X, (4, 1))
    y = np.tile(Y, 4)
    x[225] = 1e4
    y[225] = 1 - y[225]
    with pytest.raises(ad.train.TrainingError, match=r"recent median") as caught:
        ad.train.fit(model_of(), (x, y), spike=5.0, lr=0.01, batch_size=15, epochs=1, shuffle=False)
    assert "the loss of step 16" in str(caught.value)


def test_weights_that_are_no_numbers_are_not_saved(tmp_path: Path) -> None:
    class Spoil(ad.train.Callback):
        def on_epoch(self, trainer: Any, logs: dict[str, Any]) -> None:
            if logs["epoch"] == 2:
                with ad.no_grad():
                    trainer.model.bias.assign([np.nan, 0.0])

    with pytest.raises(ad.train.TrainingError, match="bias holds numbers that are not finite"):
        train(model_of(), out=tmp_path / "run", callbacks=[Spoil()])
    assert names(tmp_path / "run") == KEPT[:1]


# -- Ctrl-C ----------------------------------------------------------------------------------------


class Press(ad.train.Callback):
    """Ctrl-C in the middle of an epoch."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, trainer: Any, logs: dict[str, Any]) -> None:
        if logs["step"] == self.step:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def _with_ctrl_c() -> Any:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_with_ctrl_c")
@pytest.mark.parametrize("step", [1, 2, 3])
def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path: Path, step: int) -> None:
    run = tmp_path / "run"
    with pytest.raises(ad.train.Interrupted, match="resume=True") as caught:
        train(model_of(), out=run, callbacks=[Press(step)])
    assert isinstance(caught.value, KeyboardInterrupt)
    assert f"Stopped after step {step} of 4; saved in {run}" in str(caught.value)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    model, whole = model_of(), model_of()
    train(model, out=run, callbacks=[Press(0)], resume=True)
    train(whole)
    np.testing.assert_array_equal(weights(model), weights(whole))


@pytest.mark.usefixtures("_with_ctrl_c")
def test_ctrl_c_without_a_folder_says_that_nothing_was_saved() -> None:
    with pytest.raises(ad.train.Interrupted, match="Nothing was saved"):
        train(model_of(), callbacks=[Press(3)])
