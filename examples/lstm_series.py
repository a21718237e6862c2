"""An LSTM forecasts a series that swings, never twice in the same way, and is noisy.

Cycles like those of sunspots: eleven years or so, each of another height and length, faster up than
down, with noise that grows with the signal. A formula makes them, so the script needs no file.

The network walks along the past by `ad.scan`, which runs the same cell at every place; its gradient
is backpropagation through time. Then it walks on, fed with its own predictions. Its state must hold
what matters for that: where in the cycle we are, and how strong this cycle is. What it is to beat:
"it stays as it is", and "it will be as it was a cycle ago".

The idea: Hochreiter and Schmidhuber, Long short-term memory, Neural Computation 9 (1997). Run it
with ``python lstm_series.py``.
"""

import numpy as np

import adjoint as ad
from adjoint import nn

CYCLE, PAST, AHEAD = 44, 66, 12  # in quarters of a year


def make_series(cycles, rng):
    """One cycle after the other: up in a third of its time, down in the rest."""
    pieces = []
    for height in rng.uniform(0.6, 1.6, cycles):
        t = np.linspace(0, 1, CYCLE + rng.integers(-4, 5), endpoint=False) / 0.35
        pieces.append(height * t**2 * np.exp(2 - 2 * t))
    series = np.concatenate(pieces)
    noise = rng.normal(0, 0.05, series.size) * (0.3 + series)
    return (series + noise).astype(np.float32)


def windows(series):
    """All stretches of past and future, one row for each beginning."""
    rows = np.lib.stride_tricks.sliding_window_view(series, PAST + AHEAD)
    return ad.data.ArrayDataset(rows[:, :PAST], rows[:, PAST:])


class Forecaster(nn.Module):
    """An LSTM, and a linear reader that says by how much the series will change next."""

    def __init__(self, width=32):
        self.lstm = nn.LSTM(1, width, batch_first=True)
        self.read = nn.Linear(width, 1)

    def next(self, series, state=None):
        """What follows each value of (N, L) series, and the state after the last."""
        hidden, state = self.lstm(series[..., None], state)
        return series + self.read(hidden)[..., 0], state

    def forward(self, past):
        """The `AHEAD` values that follow (N, L) series, by feeding back what was predicted."""
        values, state = self.next(past)

        def step(carry, _):
            value, state = carry
            return self.next(value, state), value[:, 0]

        _, future = ad.scan(step, (values[:, -1:], state), length=AHEAD)
        return future.T


def main(steps=800, seed=0):
    """Train, print errors of forecasts three years ahead, and return them."""
    ad.random.seed(seed)
    rng = np.random.default_rng(seed)
    train, test = windows(make_series(80, rng)), windows(make_series(20, rng))
    batches = ad.data.DataLoader(train, batch_size=32, shuffle=True, drop_last=True, seed=seed)

    model = Forecaster()
    optimizer = ad.optim.Adam(model.parameters(), lr=5e-3)
    schedule = ad.optim.schedule.CosineAnnealingLR(optimizer, T_max=steps)

    @ad.compile
    def step(past, future):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(past), future)
        loss.backward()
        ad.optim.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    done = 0
    while done < steps:
        for past, future in batches:
            loss = step(past, future)
            schedule.step()
            done += 1
            if done % max(steps // 4, 1) == 0:
                print(f"step {done:4d}   loss {loss.item():.4f}")
            if done == steps:
                break

    past, future = test.take(np.arange(len(test)))
    with ad.no_grad():
        forecast = model(ad.tensor(past)).numpy()
    rivals = {
        "LSTM": forecast,
        "a cycle ago": past[:, PAST - CYCLE :][:, :AHEAD],
        "as it is": past[:, -1:],
    }
    errors = {k: float(np.sqrt(np.mean((v - future) ** 2))) for k, v in rivals.items()}
    print(f"error of forecasts up to {AHEAD // 4} years ahead")
    for name, error in errors.items():
        print(f"{name:12} {error:.3f} {'▇' * round(80 * error)}")
    return errors


if __name__ == "__main__":
    main()
