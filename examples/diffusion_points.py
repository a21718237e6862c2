"""Denoising diffusion in the plane: two moons made of noise.

Take points of two moons and add noise, a little more at each of 50 times, until nothing is left of
the moons. A network sees a noisy point and the time, and learns to say what noise was added: that
is all the training there is. Run backwards, from pure noise and taking away what the network finds,
the moons come back.

What is made is compared with new points of the moons by the energy distance, which is zero only if
two distributions are the same; beside it stands what two sets of real points have.

The idea: Ho, Jain and Abbeel, Denoising diffusion probabilistic models, arXiv:2006.11239; the
schedule: Nichol and Dhariwal, arXiv:2102.09672; the distance: Székely and Rizzo (2013). Run it with
``python diffusion_points.py``.
"""

import numpy as np

import adjoint as ad
from adjoint import nn

TIMES = 50
# how much of the point is left at each time, squared: from nearly all to nothing
LEFT = np.cos(np.linspace(0.05, 1, TIMES) * np.pi / 2).astype(np.float32) ** 2 + np.float32(1e-4)


def moons(count, rng):
    """Points of two half circles that reach into each other, scaled to a variance of about 1."""
    angle = rng.uniform(0, np.pi, count)
    upper = rng.random(count) < 0.5
    x = np.where(upper, np.cos(angle), 1 - np.cos(angle)) - 0.5
    y = np.where(upper, np.sin(angle), 0.5 - np.sin(angle)) - 0.25
    points = np.stack([x, y], axis=1) + rng.normal(0, 0.05, (count, 2))
    return (1.5 * points).astype(np.float32)


class Denoiser(nn.Module):
    """From a noisy point and its time to the noise."""

    def __init__(self, width=128):
        self.time = nn.Embedding(TIMES, width)
        self.place = nn.Linear(2, width)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.out = nn.Linear(width, 2)

    def forward(self, points, times):
        """The noise in points of shape (N, 2), at times of shape (N,)."""
        x = self.place(points) + self.time(times)
        for layer in self.layers:
            x = x + layer(nn.functional.silu(x))
        return self.out(nn.functional.silu(x))


def sample(model, count):
    """Points out of noise: at each time, take away the noise found, and add a little new."""
    model = ad.compile(model)
    before = np.append(np.float32(1), LEFT[:-1])
    points = ad.random.normal(size=(count, 2))
    for t in range(TIMES - 1, -1, -1):
        kept = float(LEFT[t] / before[t])  # from one time to the next
        noise = model(points, ad.full((count,), t, dtype=ad.int64))
        points = (points - (1 - kept) / float(1 - LEFT[t]) ** 0.5 * noise) / kept**0.5
        if t:
            spread = (1 - kept) * float((1 - before[t]) / (1 - LEFT[t]))
            points = points + spread**0.5 * ad.random.normal(size=(count, 2))
    return points.numpy()


def energy_distance(a, b):
    """How far two sets of points are from having the same distribution."""

    def mean_distance(a, b):
        return np.sqrt(((a[:, None] - b[None]) ** 2).sum(axis=-1)).mean()

    return float(2 * mean_distance(a, b) - mean_distance(a, a) - mean_distance(b, b))


def draw(points, columns=56, rows=15):
    """The points as text: how many lie in each cell."""
    counts, _, _ = np.histogram2d(
        points[:, 1], points[:, 0], bins=(rows, columns), range=((-1.7, 1.7), (-2.8, 2.8))
    )
    for line in counts[::-1]:
        print("".join(" .:+#"[int(min(n, 4))] for n in line).rstrip())


def main(steps=4000, seed=0):
    """Train, draw what the network makes, and return its distance from the moons."""
    ad.random.seed(seed)
    rng = np.random.default_rng(seed)
    data = ad.tensor(moons(20_000, rng))
    left = ad.tensor(LEFT)
    model = Denoiser()
    optimizer = ad.optim.Adam(model.parameters(), lr=2e-3)
    schedule = ad.optim.schedule.CosineAnnealingLR(optimizer, T_max=steps)

    @ad.compile
    def step():
        points = data[ad.random.integers(0, len(data), 256)]
        times = ad.random.integers(0, TIMES, 256)
        noise = ad.random.normal(size=points.shape)
        kept = left[times][:, None]
        optimizer.zero_grad()
        found = model(ad.sqrt(kept) * points + ad.sqrt(1 - kept) * noise, times)
        loss = ((found - noise) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    losses = []
    for number in range(1, steps + 1):
        losses.append(step())
        schedule.step()
        if number % max(steps // 4, 1) == 0:
            print(f"step {number:5d}   loss {np.mean([x.item() for x in losses[-200:]]):.3f}")

    with ad.no_grad():
        made = sample(model, 1000)
    draw(made)
    real = [moons(1000, rng) for _ in range(3)]
    distance = energy_distance(made, real[0])
    least = energy_distance(*real[1:])
    print(f"energy distance from the moons {distance:.4f}; of real points {least:.4f}")
    return distance


if __name__ == "__main__":
    main()
