"""A differential equation solved by a network: Burgers' flow, which steepens into a shock.

The network is the solution: ``u(x, t)``. The loss says how far it is from obeying the equation

    u_t + u u_x = nu u_xx        with nu = 0.05, from u(x, 0) = -sin(pi x)

so it is made of derivatives of the network: two first ones and a second. `ad.grad` gives u_x and
u_t at a point, a derivative in forward mode through that gives u_xx, and `ad.vmap` does it at all
points. Training then differentiates a third time, with respect to the weights.

Beginning and borders hold by the form of the answer, so the equation is all that is left to learn.
L-BFGS finishes what Adam began. The exact solution, an integral by Hopf (1950) and Cole (1951), was
not shown to the network, and says how good it is.

The idea: Raissi, Perdikaris and Karniadakis, Physics-informed neural networks, Journal of
Computational Physics 378 (2019). Run it with ``python physics_informed.py``.
"""

import numpy as np

import adjoint as ad
from adjoint import nn

NU = 0.05


class Flow(nn.Module):
    """The velocity at a place from -1 to 1 and a time from 0 to 1."""

    def __init__(self, width=24):
        layers = [nn.Linear(2, width), nn.Tanh()]
        for _ in range(2):
            layers += [nn.Linear(width, width), nn.Tanh()]
        self.layers = nn.Sequential(*layers, nn.Linear(width, 1))

    def forward(self, x, t):
        """The velocity at one point; zero at the borders, and -sin(pi x) when t is 0."""
        correction = self.layers(ad.stack([x, 2 * t - 1]))[0]
        return -ad.sin(np.pi * x) + t * (1 - x**2) * correction


def residual(flow, x, t):
    """How far the flow is from obeying the equation at one point."""
    slopes = ad.grad(flow, argnums=(0, 1))
    (u_x, u_t), (u_xx, _) = ad.jvp(lambda x: slopes(x, t), (x,), (ad.ones_like(x),))
    return u_t + flow(x, t) * u_x - NU * u_xx


def exact(x, t):
    """The solution of Hopf and Cole: a weighted mean, with an integral over all places."""
    z, weights = np.polynomial.hermite.hermgauss(120)
    places = x[:, None] - np.sqrt(4 * NU * t)[:, None] * z
    kernel = weights * np.exp(-(1 + np.cos(np.pi * places)) / (2 * np.pi * NU))
    return -(np.sin(np.pi * places) * kernel).sum(axis=1) / kernel.sum(axis=1)


def main(steps=1500, finish=300, points=1000, seed=0):
    """Train, print the flow at the end beside the exact one, and return the largest error."""
    ad.random.seed(seed)
    flow = Flow().to(ad.float64)
    inside = ad.random.Generator(seed)

    def loss_of(x, t):
        return (ad.vmap(residual, in_axes=(None, 0, 0))(flow, x, t) ** 2).mean()

    def draw(low, high):
        return ad.random.uniform(low, high, points, dtype=ad.float64, generator=inside)

    adam = ad.optim.Adam(flow.parameters(), lr=5e-3)
    schedule = ad.optim.schedule.CosineAnnealingLR(adam, T_max=steps)

    @ad.compile
    def step():
        adam.zero_grad()
        loss = loss_of(draw(-1, 1), draw(0, 1))
        loss.backward()
        adam.step()
        return loss

    for _ in range(steps):
        loss = step()
        schedule.step()
    print(f"after {steps} steps of Adam     residual {loss.item():.1e}")

    x, t = draw(-1, 1), draw(0, 1)
    lbfgs = ad.optim.LBFGS(
        flow.parameters(), max_iter=finish, history_size=50, line_search_fn="strong_wolfe"
    )

    @ad.compile
    def closure():
        lbfgs.zero_grad()
        loss = loss_of(x, t)
        loss.backward()
        return loss

    lbfgs.step(closure)
    print(f"after {finish} steps of L-BFGS    residual {closure().item():.1e}")

    places, times = np.meshgrid(np.linspace(-1, 1, 81), np.linspace(0.02, 1, 50))
    places, times = places.ravel(), times.ravel()
    with ad.no_grad():
        found = ad.vmap(flow)(ad.tensor(places), ad.tensor(times)).numpy()
    truth = exact(places, times)
    print("at t = 1    x       found     exact")
    for k in range(len(places) - 81, len(places), 10):
        print(f"{places[k]:13.2f} {found[k]:11.5f} {truth[k]:9.5f}")
    error = float(np.abs(found - truth).max())
    print(f"largest error anywhere {error:.1e}")
    return error


if __name__ == "__main__":
    main()
