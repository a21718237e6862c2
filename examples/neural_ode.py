"""A neural differential equation: from one noisy orbit to the law that moves it.

A network says which way the state moves at each place; Runge and Kutta follow it. Training asks
that the path it takes be the one observed, so the gradient has to pass through the solver: 20 steps
of `ad.scan`, whose backward pass is a scan the other way.

What was observed is a spiral that turns ever more slowly as it comes in, with noise on it. The
network never sees the law, ``dx/dt = A x³``. It is trained on stretches of one unit of time; the
test is the whole orbit, twenty units from the first point, where small errors add up.

The idea: Chen et al., Neural ordinary differential equations, arXiv:1806.07366, whose spiral this
is. Run it with ``python neural_ode.py``.
"""

import numpy as np

import adjoint as ad
from adjoint import nn

LAW = np.array([[-0.1, 2.0], [-2.0, -0.1]], np.float32)
STEP = 0.05


def solve(velocity, state, steps):
    """The states after 1, 2, ... steps of Runge and Kutta's method: shape (steps, N, 2)."""

    def step(x, _):
        a = velocity(x)
        b = velocity(x + STEP / 2 * a)
        c = velocity(x + STEP / 2 * b)
        d = velocity(x + STEP * c)
        x = x + STEP / 6 * (a + 2 * b + 2 * c + d)
        return x, x

    return ad.scan(step, state, length=steps)[1]


def law(x):
    """How the spiral moves: the truth."""
    return x**3 @ ad.tensor(LAW)


def main(steps=1500, length=20, seed=0):
    """Train, print how far the learned law goes astray, and return that."""
    ad.random.seed(seed)
    rng = np.random.default_rng(seed)
    begin = ad.tensor([[1.5, 0.0]])
    orbit = solve(law, begin, 400)[:, 0].numpy()
    seen = (orbit + rng.normal(0, 0.01, orbit.shape)).astype(np.float32)
    pieces = np.lib.stride_tricks.sliding_window_view(seen, length + 1, axis=0)
    pieces = pieces.transpose(0, 2, 1).copy()  # (beginnings, times, 2)

    velocity = nn.Sequential(
        nn.Linear(2, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 2)
    )
    optimizer = ad.optim.Adam(velocity.parameters(), lr=1e-2)
    schedule = ad.optim.schedule.CosineAnnealingLR(optimizer, T_max=steps)
    draws = ad.data.DataLoader(
        pieces, sampler=ad.data.RandomSampler(len(pieces), seed), batch_size=64, drop_last=True
    )

    @ad.compile
    def step(paths):
        optimizer.zero_grad()
        found = solve(velocity, paths[:, 0], length)
        loss = abs(found - ad.moveaxis(paths[:, 1:], 1, 0)).mean()
        loss.backward()
        optimizer.step()
        return loss

    done = 0
    while done < steps:
        for paths in draws:
            loss = step(paths)
            schedule.step()
            done += 1
            if done % max(steps // 4, 1) == 0:
                print(f"step {done:4d}   loss {loss.item():.4f}")
            if done == steps:
                break

    with ad.no_grad():
        whole = solve(velocity, begin, 400)[:, 0].numpy()
    error = float(np.abs(whole - orbit).mean())
    print("time        true place     found place")
    for k in (19, 99, 199, 299, 399):
        places = "   ".join(f"{x:6.2f} {y:6.2f}" for x, y in (orbit[k], whole[k]))
        print(f"{(k + 1) * STEP:4.0f}    {places}")
    print(f"mean error {error:.3f}")
    return error


if __name__ == "__main__":
    main()
