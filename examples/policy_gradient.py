"""A pole balanced on a cart, by trial and error: the gradient of an expectation.

The cart is pushed left or right, 50 times a second; the pole on it must not fall, nor the cart
leave the track. Nobody says which push was right, and nobody differentiates the physics: we only
see how long an episode lasts. But the *probability* of what was done is differentiable, and

    gradient of E[return] = E[return × gradient of log probability]

so actions that went better than expected are made more likely, the others less. A second network
learns what to expect; it takes noise out of the estimate and no truth.

32 carts run beside each other. Their physics is NumPy; a step of training is one compiled call.

The idea: Williams, Simple statistical gradient-following algorithms, Machine Learning 8 (1992); the
task: Barto, Sutton and Anderson (1983), with the constants of Gym's CartPole-v1. Run it with
``python policy_gradient.py``.
"""

import numpy as np

import adjoint as ad
from adjoint import nn

CARTS, LONGEST, DISCOUNT = 32, 500, 0.99


class CartPoles:
    """Several carts with poles; one that fails begins anew."""

    def __init__(self, rng):
        self.rng = rng
        self.state = rng.uniform(-0.05, 0.05, (CARTS, 4))
        self.age = np.zeros(CARTS, int)
        self.lengths = []  # of the episodes that ended

    def step(self, right):
        """Push each cart, right where that is true; returns who failed and who ran out of time."""
        _, speed, angle, turn = self.state.T
        push = np.where(right, 10.0, -10.0)
        sin, cos = np.sin(angle), np.cos(angle)
        pull = (push + 0.05 * turn**2 * sin) / 1.1
        turning = (9.8 * sin - cos * pull) / (0.5 * (4 / 3 - 0.1 * cos**2 / 1.1))
        gaining = pull - 0.05 * turning * cos / 1.1
        self.state = self.state + 0.02 * np.stack([speed, gaining, turn, turning], axis=1)
        self.age += 1
        failed = (abs(self.state[:, 0]) > 2.4) | (abs(self.state[:, 2]) > 12 * np.pi / 180)
        late = ~failed & (self.age >= LONGEST)
        ended = failed | late
        self.lengths += self.age[ended].tolist()
        self.age[ended] = 0
        self.state[ended] = self.rng.uniform(-0.05, 0.05, (ended.sum(), 4))
        return failed, late


def network(outputs):
    """A small perceptron that looks at the four numbers of the state."""
    return nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, outputs))


def returns(failed, late, values, last):
    """What each step led to: 1 if the pole stays up for ever after, less the sooner it falls.

    What lies beyond the last step that was seen, or beyond an episode that ran out of time, is
    taken to be what the critic expects.
    """
    after, out = last, np.empty_like(values)
    for t in range(len(values) - 1, -1, -1):
        after = np.where(failed[t], 0.0, np.where(late[t], values[t], after))
        out[t] = after = (1 - DISCOUNT) + DISCOUNT * after
    return out.astype(np.float32)


def main(rounds=240, horizon=64, seed=0):
    """Train, print how long episodes last, and return the mean length of the last hundred."""
    ad.random.seed(seed)
    rng = np.random.default_rng(seed)
    carts = CartPoles(rng)
    policy, critic = network(2), network(1)
    optimizer = ad.optim.Adam([*policy.parameters(), *critic.parameters()], lr=5e-3)
    schedule = ad.optim.schedule.LinearLR(optimizer, 1.0, 0.1, total_iters=rounds)

    @ad.compile
    def look(states):
        return ad.softmax(policy(states), axis=-1)[:, 1], critic(states)[:, 0]

    @ad.compile
    def learn(states, actions, found):
        optimizer.zero_grad()
        expected = critic(states)[:, 0]
        better = (found - expected).detach()
        better = (better - better.mean()) / (ad.std(better) + 1e-6)
        log_p = ad.log_softmax(policy(states), axis=-1)
        chosen = ad.take_along_axis(log_p, actions[:, None], axis=1)[:, 0]
        surprise = -(ad.exp(log_p) * log_p).sum(axis=1).mean()
        loss = -(chosen * better).mean() - 0.01 * surprise
        (loss + ((found - expected) ** 2).mean()).backward()
        optimizer.step()
        return loss

    for number in range(1, rounds + 1):
        memory = []
        for _ in range(horizon):
            states = carts.state.astype(np.float32)
            p, value = (t.numpy() for t in look(ad.tensor(states)))
            actions = rng.random(CARTS) < p
            memory.append((states, actions.astype(np.int64), value, *carts.step(actions)))
        states, actions, values, failed, late = map(np.array, zip(*memory, strict=True))
        last = look(ad.tensor(carts.state.astype(np.float32)))[1].numpy()
        found = returns(failed, late, values, last).ravel()
        learn(*map(ad.tensor, (states.reshape(-1, 4), actions.ravel(), found)))
        schedule.step()
        if number % max(rounds // 6, 1) == 0:
            mean = np.mean(carts.lengths[-100:])
            print(f"round {number:3d}   episodes last {mean:3.0f} steps {'▇' * int(mean / 12)}")
    return float(np.mean(carts.lengths[-100:]))


if __name__ == "__main__":
    main()
