"""A training that is killed and resumed, as a program: FOLDER of the run, and the file of the end.

It has everything whose state must survive: shuffled batches, dropout, running statistics, momenta,
a schedule, averaged weights, early stopping, the guard against spikes, a callback that counts.
"""

import sys
from typing import Any

import numpy as np

import adjoint as ad


class Counter(ad.train.Callback):
    def __init__(self) -> None:
        self.steps = 0

    def on_start(self, trainer: Any) -> None:
        print("started", flush=True)

    def on_step(self, trainer: Any, logs: dict[str, Any]) -> None:
        self.steps += 1

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps = state["steps"]


def main(folder: str, end: str, compiled: bool, accumulate: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(203, 8)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] > 0).astype(np.int64)
    ad.random.seed(5)
    nn = ad.nn
    model = nn.Sequential(
        nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 2)
    )
    counter = Counter()
    result = ad.train.fit(
        model,
        (x[:150], y[:150]),
        (x[150:], y[150:]),
        optimizer="adamw",
        lr=1e-2,
        schedule="cosine",
        metrics=["accuracy"],
        clip_norm=1.0,
        ema=0.9,
        accumulate=accumulate,
        early_stopping=ad.train.EarlyStopping(24, "accuracy"),
        on_nonfinite="rollback",
        spike=2.0,
        callbacks=[counter],
        compile=compiled,
        epochs=24,
        batch_size=16,
        seed=3,
        out=folder,
        checkpoint_every=7,
        keep=2,
        resume=True,
        log_every=1,
    )
    state = {name: t.detach() for name, t in model.state_dict().items()}
    about = {"steps": result.steps, "counted": counter.steps, "best": result.best}
    ad.save(end, state, metadata={"about": about})


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3] == "compiled", int(sys.argv[4]))
