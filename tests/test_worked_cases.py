"""The worked cases: every release reproduces their numbers, here apart from the page about them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog

import adjoint as ad
from adjoint.core.graph import Node
from adjoint.cost import count

# -- prediction 0.80, target 1.00 -----------------------------------------------------------------


def test_which_weights_are_responsible() -> None:
    x = np.array([0.5, -0.2, 1.0])
    w = ad.tensor(np.array([0.6, 0.5, 0.6]), requires_grad=True)
    prediction = (w * x).sum()
    loss = (prediction - 1.0) ** 2
    loss.backward()
    assert prediction.item() == pytest.approx(0.80)
    assert loss.item() == pytest.approx(0.04)
    gradient = w.grad.numpy()
    np.testing.assert_allclose(gradient, [-0.2, 0.08, -0.4])
    np.testing.assert_allclose(abs(gradient) / abs(gradient).sum(), np.array([5, 2, 10]) / 17)
    after = (w.numpy() - 0.1 * gradient) @ x
    assert after == pytest.approx(0.80 + 0.1 * 0.4 * (x @ x))  # 0.8516: nearer to the target


# -- the chain rule -------------------------------------------------------------------------------


def two_weights(w1: Any, w2: Any) -> Any:
    """The squared error of y = w2 · h, h = w1 · x, for x = 3 and the target 1."""
    return (w2 * (w1 * 3.0) - 1.0) ** 2


def test_chain_rule_in_numbers() -> None:
    x, t = 2.0, 1.0
    w1, w2 = (ad.tensor(np.array(v), requires_grad=True) for v in (0.5, 0.8))
    h = w1 * x
    y = w2 * h
    for node in (h, y):
        node.retain_grad()
    ((y - t) ** 2).backward()
    found = [node.grad.item() for node in (y, h, w2, w1)]
    assert found == pytest.approx([-0.40, -0.32, -0.40, -0.64])


def factors(node: Any, names: dict[Node, str]) -> list[str]:
    """What a product is made of, in names; differences and other results stand for themselves."""
    if node in names:
        return [names[node]]
    if not isinstance(node, Node):
        return [f"{node:g}"]
    if node.op is None:
        return []  # the constant 1 that the sweep starts from: dL/dL
    name = node.op.name
    if name == "alias":
        return factors(node.inputs[0], names)
    if name in ("multiply", "scale"):
        return [f for x in node.inputs for f in factors(x, names)]
    return [name]


def test_chain_rule_in_symbols() -> None:
    graph = ad.trace(ad.grad(two_weights, (0, 1)), 0.5, 0.8)
    names = dict(zip(graph.inputs, ("w1", "w2"), strict=True))
    dw1, dw2 = graph.outputs
    # dL/dy = 2 (y - t); dL/dw1 = dL/dy · w2 · x; dL/dw2 = dL/dy · h, h = w1 · x
    assert Counter(factors(dw1, names)) == Counter(["2", "subtract", "w2", "3"])
    assert Counter(factors(dw2, names)) == Counter(["2", "subtract", "w1", "3"])


# -- the 2-2-1 network ----------------------------------------------------------------------------

INPUT = (1.0, 0.5)
W1 = ((0.5, -0.2), (0.3, 0.8))
B1 = (0.1, 0.0)
W2 = (0.8, -0.6)
B2 = math.log(0.3 / 0.7) + 0.02


class Tally:
    """A calculator that counts what it is asked: + − × max σ."""

    def __init__(self) -> None:
        self.n = 0

    def __call__(self, result: float) -> float:
        self.n += 1
        return result

    def dot(self, xs: Any, ys: Any) -> float:
        total = self(xs[0] * ys[0])
        for x, y in zip(xs[1:], ys[1:], strict=True):
            total = self(total + self(x * y))
        return total


def by_hand() -> tuple[int, int, float, float, list[Any]]:
    """Operations forward and backward, prediction, loss and gradients of the 2-2-1 network."""
    op = Tally()
    z = [op(op.dot(row, INPUT) + b) for row, b in zip(W1, B1, strict=True)]
    h = [op(max(v, 0.0)) for v in z]
    y = op(1 / (1 + math.exp(-op(op.dot(W2, h) + B2))))
    error = op(y - 1.0)
    loss = op(error * error)
    forward = op.n
    dy = op(2 * error)
    db2 = op(dy * op(y * op(1 - y)))
    dw2 = [op(db2 * v) for v in h]
    dh = [op(w * db2) for w in W2]
    db1 = [op(g * (v != 0)) for g, v in zip(dh, h, strict=True)]
    dw1 = [[op(g * x) for x in INPUT] for g in db1]
    return forward, op.n - forward, y, loss, [dw1, db1, dw2, db2]


def test_network_2_2_1() -> None:
    params = [ad.tensor(np.array(p), requires_grad=True) for p in (W1, B1, W2, B2)]
    w1, b1, w2, b2 = params
    prediction = ad.sigmoid(w2 @ ad.relu(w1 @ np.array(INPUT) + b1) + b2)
    prediction.retain_grad()
    loss = ad.square(prediction - 1.0)
    cost = count(loss)
    loss.backward()
    assert prediction.item() == pytest.approx(0.3)
    assert loss.item() == pytest.approx(0.49)
    assert prediction.grad.item() == pytest.approx(-1.4)

    forward, backward, y, error, gradients = by_hand()
    assert (forward, backward) == (17, 14)  # 31: about 30
    assert (y, error) == pytest.approx((0.3, 0.49))
    for p, g in zip(params, gradients, strict=True):
        np.testing.assert_allclose(p.grad.numpy(), g, rtol=1e-12)
    # σ as 10 (+9), three sums of n products as 2n (+3); dL/dL (+1) and two masks (+2)
    assert (cost.forward, cost.backward) == (forward + 12, backward + 3)


# -- XOR and symmetry -----------------------------------------------------------------------------

XOR = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
EXCLUSIVE = np.array([0.0, 1.0, 1.0, 0.0])
BITS = np.array([[i >> k & 1 for k in range(6)] for i in range(64)], dtype=float)
MIRRORED = (BITS[:, ::-1] == BITS).all(axis=1).astype(float)
PROBLEMS = [(XOR, EXCLUSIVE), (BITS, MIRRORED)]
NAMES = ["xor", "symmetry"]


@pytest.mark.parametrize(("inputs", "targets"), PROBLEMS, ids=NAMES)
def test_no_perceptron_can(inputs: np.ndarray, targets: np.ndarray) -> None:
    rows = np.column_stack([inputs, np.ones(len(inputs))]) * np.where(targets == 1, -1, 1)[:, None]
    # weights with sign · (w · x + b) >= 1 everywhere: there are none
    solution = linprog(np.zeros(rows.shape[1]), rows, -np.ones(len(rows)), bounds=(None, None))
    assert solution.status == 2, "the classes are separable by a line"

    w, best = np.zeros(rows.shape[1]), 0
    x = np.column_stack([inputs, np.ones(len(inputs))])
    for i in np.tile(np.arange(len(x)), 100):  # Rosenblatt's rule
        w = w + (targets[i] - float(w @ x[i] > 0)) * x[i]
        best = max(best, int(((x @ w > 0) == targets).sum()))
    assert best < len(targets)


def train(
    inputs: np.ndarray,
    targets: np.ndarray,
    starts: int,
    hidden: int,
    spread: float,
    rate: float,
    sweeps: int,
) -> tuple[np.ndarray, list[Any]]:
    """Outputs and weights of networks with one hidden layer, trained side by side."""
    rng = np.random.default_rng(7)
    n = inputs.shape[1]
    shapes = [(starts, n, hidden), (starts, 1, hidden), (starts, hidden, 1), (starts, 1, 1)]
    first = [rng.uniform(-spread, spread, s) if s[1] > 1 else np.zeros(s) for s in shapes]
    params = [ad.tensor(p, requires_grad=True) for p in first]  # biases begin at zero
    w1, b1, w2, b2 = params
    steps: list[Any] = [0.0] * 4
    outputs: Any = None
    for _ in range(sweeps):
        outputs = ad.sigmoid(ad.sigmoid(inputs @ w1 + b1) @ w2 + b2)
        (ad.sum(ad.square(outputs - targets[:, None])) / 2).backward()
        with ad.no_grad():
            for i, p in enumerate(params):
                steps[i] = 0.9 * steps[i] - rate * p.grad
                p += steps[i]
                p.grad = None
    return outputs.numpy()[..., 0], [p.numpy() for p in params]


def test_backpropagation_learns_xor_from_any_start() -> None:
    outputs, _ = train(XOR, EXCLUSIVE, starts=40, hidden=4, spread=1.0, rate=1.0, sweeps=500)
    assert abs(outputs - EXCLUSIVE).max() < 0.1


def test_backpropagation_learns_symmetry_from_any_start() -> None:
    outputs, params = train(BITS, MIRRORED, starts=12, hidden=2, spread=0.3, rate=0.05, sweeps=1500)
    assert MIRRORED.sum() == 8
    assert (abs(outputs - MIRRORED) < 0.3).all()
    left, right = params[0][:, :3], params[0][:, :2:-1]  # (starts, 3, hidden)
    np.testing.assert_allclose(left, -right, rtol=0.02)
    # what remains of a string that is not symmetric never cancels
    differences = np.array([d for d in np.ndindex(3, 3, 3) if d != (1, 1, 1)]) - 1
    sizes = np.sort(abs(left), axis=1)
    assert abs(differences @ (sizes / sizes[:, :1])).min() > 0.4
    powers_of_two = np.isclose(sizes / sizes[:, :1], [[1], [2], [4]], rtol=0.05).all((1, 2))
    assert powers_of_two.sum() > 6


# -- the vanishing gradient and its cures ---------------------------------------------------------


def normalise(z: Any) -> Any:
    z = z - ad.mean(z, axis=0)
    return z / ad.sqrt(ad.mean(ad.square(z), axis=0))


def gradient_norms(
    layer: Callable[[Any, Any], Any], gain: float, centre: float, depth: int = 30, width: int = 32
) -> np.ndarray:
    rng = np.random.default_rng(5)
    x, goal = rng.uniform(size=(2, 64, width))
    scale = gain / width**0.5
    weights = [
        ad.tensor(scale * rng.normal(size=(width, width)), requires_grad=True) for _ in range(depth)
    ]
    for w in weights:
        x = layer(x @ w - centre * w.numpy().sum(axis=0), x)
    ad.mean(ad.square(x - goal)).backward()
    return np.array([np.linalg.norm(w.grad.numpy()) for w in weights])


def test_gradient_vanishes_through_sigmoids() -> None:
    norms = gradient_norms(lambda z, x: ad.sigmoid(z), 1.0, 0.0)
    assert (norms > 0).all()  # it is exact, and tiny
    assert norms[0] < 1e-16 * norms[-1]
    assert norms[14] < 1e-6 * norms[-1]
    # at most 1/4 a layer, in the mean over the stack
    assert (norms[0] / norms[-1]) ** (1 / 29) < 0.25


@pytest.mark.parametrize(
    ("layer", "gain", "centre"),
    [
        pytest.param(lambda z, x: ad.sigmoid(z), 4.0, 0.5, id="initialisation"),
        pytest.param(lambda z, x: ad.relu(z), 2**0.5, 0.0, id="relu"),
        pytest.param(lambda z, x: ad.sigmoid(normalise(z)), 1.0, 0.0, id="normalisation"),
        pytest.param(lambda z, x: x + ad.sigmoid(z) - 0.5, 1.0, 0.0, id="residual"),
    ],
)
def test_each_cure_keeps_the_gradient(
    layer: Callable[[Any, Any], Any], gain: float, centre: float
) -> None:
    norms = gradient_norms(layer, gain, centre)
    assert norms.max() < 20 * norms.min()  # against 10^18 without a cure


def test_a_billion_weights_take_three_billion_multiply_adds_and_no_memory() -> None:
    size, depth = 3162, 100

    def step(x: Any) -> Any:
        layers = [ad.nn.Linear(size, size, bias=False) for _ in range(depth)]
        for layer in layers:
            x = ad.relu(layer(x))
        loss = ad.mean(ad.square(x))
        loss.backward()
        return loss

    plan = ad.plan(step, np.zeros((1, size), np.float32))
    assert plan.parameters == pytest.approx(1e9, rel=1e-3)
    assert (plan.forward.flops + plan.backward.flops) / 2 == pytest.approx(3e9, rel=5e-3)
    assert plan.backward.flops / plan.forward.flops == pytest.approx(2, rel=0.01)
    assert plan.gradient_bytes == plan.parameter_bytes == 4 * plan.parameters
