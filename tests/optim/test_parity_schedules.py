"""Each schedule gives PyTorch's learning rates (and momenta) for 200 steps."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import adjoint as ad

pytestmark = pytest.mark.peers

STEPS = 200
Make = Callable[[Any, Any], Any]
CASES: dict[str, Make] = {
    "step": lambda s, o: s.StepLR(o, 30),
    "step-gamma": lambda s, o: s.StepLR(o, 7, gamma=0.8),
    "multi": lambda s, o: s.MultiStepLR(o, [20, 50, 50, 120], gamma=0.5),
    "constant": lambda s, o: s.ConstantLR(o, factor=0.25, total_iters=40),
    "linear": lambda s, o: s.LinearLR(o, start_factor=0.1, total_iters=60),
    "linear-down": lambda s, o: s.LinearLR(o, start_factor=1.0, end_factor=0.2, total_iters=150),
    "exponential": lambda s, o: s.ExponentialLR(o, 0.97),
    "cosine": lambda s, o: s.CosineAnnealingLR(o, 199),
    "cosine-beyond": lambda s, o: s.CosineAnnealingLR(o, 45, eta_min=0.001),
    "restarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 30),
    "restarts-longer": lambda s, o: s.CosineAnnealingWarmRestarts(o, 13, 2, eta_min=0.002),
    "polynomial": lambda s, o: s.PolynomialLR(o, 150, power=2.0),
    "polynomial-line": lambda s, o: s.PolynomialLR(o, 80),
    "lambda": lambda s, o: s.LambdaLR(o, lambda t: 1 / (1 + t)),
    "lambdas": lambda s, o: s.LambdaLR(o, [lambda t: 0.9**t, lambda t: 1 + t]),
    "one-cycle": lambda s, o: s.OneCycleLR(o, 0.3, total_steps=201),
    "one-cycle-groups": lambda s, o: s.OneCycleLR(o, [0.3, 0.5], epochs=20, steps_per_epoch=11),
    "one-cycle-three": lambda s, o: s.OneCycleLR(
        o, 0.3, total_steps=201, three_phase=True, anneal_strategy="linear", pct_start=0.25
    ),
    "one-cycle-fixed": lambda s, o: s.OneCycleLR(
        o, 0.3, total_steps=201, cycle_momentum=False, div_factor=10.0, final_div_factor=100.0
    ),
    "warm-up-cosine": lambda s, o: s.SequentialLR(
        o, [s.LinearLR(o, 0.1, total_iters=20), s.CosineAnnealingLR(o, 180)], [20]
    ),
    "three-in-a-row": lambda s, o: s.SequentialLR(
        o,
        [s.ConstantLR(o, 0.1, 200), s.ExponentialLR(o, 0.95), s.StepLR(o, 10, 0.5)],
        [30, 90],
    ),
    "sequence-restarts": lambda s, o: s.SequentialLR(
        o, [s.LinearLR(o, 0.2, total_iters=9), s.CosineAnnealingWarmRestarts(o, 17)], [9]
    ),
}


def optimizers(name: str) -> tuple[Any, Any]:
    """One of each library, with two groups."""
    torch = pytest.importorskip("torch")
    options = {"momentum": 0.9} if name == "SGD" else {}

    def groups(p: Callable[[], Any]) -> list[dict[str, Any]]:
        return [{"params": [p()]}, {"params": [p()], "lr": 0.02}]

    ours = getattr(ad.optim, name)(
        groups(lambda: ad.tensor(0.0, requires_grad=True)), lr=0.1, **options
    )
    theirs = getattr(torch.optim, name)(
        groups(lambda: torch.zeros((), requires_grad=True)), lr=0.1, **options
    )
    return ours, theirs


def numbers(optimizer: Any) -> list[float]:
    out: list[float] = []
    for group in optimizer.param_groups:
        out += [float(group["lr"])]
        out += [float(group["momentum"])] if "momentum" in group else list(group["betas"])
    return out


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.filterwarnings("ignore")
def test_schedule(name: str, optimizer: str, record_property: Any) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = optimizers(optimizer)
    schedule = CASES[name](ad.optim.schedule, ours)
    peer = CASES[name](torch.optim.lr_scheduler, theirs)
    worst = 0.0
    for t in range(STEPS + 1):
        a, b = np.array(numbers(ours)), np.array(numbers(theirs))
        worst = max(worst, float((np.abs(a - b) / np.maximum(np.abs(b), 1e-3)).max()))
        assert schedule.get_last_lr() == pytest.approx(peer.get_last_lr(), rel=1e-9, abs=1e-15)
        if t == STEPS:
            break
        theirs.step()
        schedule.step()
        peer.step()
    record_property("difference schedule", worst)
    assert worst < 1e-11


PLATEAUS: list[dict[str, Any]] = [
    {"patience": 3},
    {"patience": 2, "mode": "max", "factor": 0.5, "threshold": 0.05},
    {"patience": 1, "threshold_mode": "abs", "threshold": 0.2, "cooldown": 4, "min_lr": 1e-3},
    {"patience": 0, "mode": "max", "threshold_mode": "abs", "min_lr": [1e-2, 1e-4], "eps": 1e-3},
]


@pytest.mark.parametrize("options", PLATEAUS)
def test_plateau(options: dict[str, Any], rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = optimizers("SGD")
    schedule = ad.optim.schedule.ReduceLROnPlateau(ours, **options)
    peer = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, **options)
    for metric in rng.normal(size=STEPS) + np.linspace(3, 0, STEPS) ** 2 - 4:
        schedule.step(float(metric))
        peer.step(float(metric))
        assert numbers(ours) == pytest.approx(numbers(theirs), rel=1e-12)
        assert schedule.best == peer.best
