"""Schedules as functions of the step, on an optimizer, continued, and what they refuse."""

import json
import math
from typing import Any

import numpy as np
import pytest

import adjoint as ad

S = ad.optim.schedule
CASES: dict[str, Any] = {
    "step": lambda o: S.StepLR(o, 3, 0.5),
    "multi": lambda o: S.MultiStepLR(o, [2, 5]),
    "constant": lambda o: S.ConstantLR(o, 0.5, 4),
    "linear": lambda o: S.LinearLR(o, 0.1, total_iters=6),
    "exponential": lambda o: S.ExponentialLR(o, 0.9),
    "cosine": lambda o: S.CosineAnnealingLR(o, 10, 0.01),
    "restarts": lambda o: S.CosineAnnealingWarmRestarts(o, 3, 2),
    "polynomial": lambda o: S.PolynomialLR(o, 8, 2.0),
    "lambda": lambda o: S.LambdaLR(o, lambda t: 1.0 / (1 + t)),
    "sequence": lambda o: S.SequentialLR(o, [S.ConstantLR(None, 0.5, 9), S.StepLR(o, 2)], [3]),
    "warm-up": lambda o: S.WarmUp(o, 4, S.CosineAnnealingLR(None, 8)),
    "warm-up-alone": lambda o: S.WarmUp(o, 4),
    "warm-up-cycle": lambda o: S.WarmUp(o, 4, S.OneCycleLR(None, 0.5, total_steps=20)),
}


def optimizer(**options: Any) -> Any:
    groups = [
        {"params": [ad.tensor(0.0, requires_grad=True)]},
        {"params": [ad.tensor(0.0, requires_grad=True)], "lr": 0.02},
    ]
    return ad.optim.SGD(groups, lr=0.1, **options)


@pytest.mark.parametrize("name", CASES)
def test_a_schedule_writes_what_it_says(name: str) -> None:
    opt = optimizer()
    schedule, alone = CASES[name](opt), CASES[name](None)
    for t in range(12):
        assert schedule.get_last_lr() == [g["lr"] for g in opt.param_groups]
        if "cycle" not in name:
            assert opt.lr == pytest.approx(alone.at(t, 0.1))
            assert opt.param_groups[1]["lr"] == pytest.approx(alone.at(t, 0.02))
        schedule.step()


@pytest.mark.parametrize("name", CASES)
def test_saved_and_continued(name: str) -> None:
    opt = optimizer()
    schedule = CASES[name](opt)
    for _ in range(5):
        schedule.step()
    saved = json.loads(json.dumps(schedule.state_dict()))
    also = optimizer()
    again = CASES[name](also)
    again.load_state_dict(saved)
    for _ in range(5):
        assert again.get_last_lr() == schedule.get_last_lr()
        schedule.step()
        again.step()


def test_resumed_by_number() -> None:
    opt = optimizer()
    schedule = S.StepLR(opt, 3)
    for _ in range(4):
        schedule.step()
    resumed = S.StepLR(opt, 3, last_epoch=schedule.last_epoch - 1)
    assert resumed.get_last_lr() == schedule.get_last_lr()
    with pytest.raises(ad.errors.ArgumentError, match="group 0 has no initial_lr"):
        S.StepLR(optimizer(), 3, last_epoch=4)


def test_warm_up_rises_to_what_follows() -> None:
    opt = optimizer()
    schedule = S.WarmUp(opt, 4, S.StepLR(None, 2, 0.5))
    seen: list[float] = []
    for _ in range(8):
        seen.append(opt.lr)
        schedule.step()
    np.testing.assert_allclose(seen, [0.02, 0.04, 0.06, 0.08, 0.1, 0.1, 0.05, 0.05])


def test_one_cycle_moves_the_momentum() -> None:
    opt = optimizer(momentum=0.5)
    schedule = S.OneCycleLR(opt, 1.0, total_steps=11, pct_start=0.5)
    first = opt.param_groups[0]["momentum"]
    lowest = min([(schedule.step(), opt.param_groups[0]["momentum"])[1] for _ in range(10)])
    assert (first, opt.param_groups[0]["momentum"]) == (0.95, pytest.approx(0.95))
    assert lowest == pytest.approx(0.85, abs=0.01)
    schedule.step()  # PyTorch allows one more
    with pytest.raises(ad.errors.ArgumentError, match="step 12 of a cycle of 11"):
        schedule.step()
    adam = ad.optim.Adam([ad.tensor(0.0, requires_grad=True)])
    S.OneCycleLR(adam, 1.0, total_steps=5)
    assert adam.param_groups[0]["betas"] == (0.95, 0.999)


def test_a_group_that_is_added_later() -> None:
    opt = optimizer()
    schedule = S.StepLR(opt, 1, 0.5)
    opt.add_param_group({"params": [ad.tensor(0.0, requires_grad=True)], "lr": 1.0})
    schedule.step()
    assert schedule.get_last_lr() == [0.05, 0.01, 0.5]


def test_plateau_saved_and_continued() -> None:
    opt = optimizer()
    schedule = S.ReduceLROnPlateau(opt, patience=1, mode="max", min_lr=[0.01, 0.0])
    assert schedule.state_dict()["best"] is None
    again = S.ReduceLROnPlateau(opt, patience=1, mode="max")
    again.load_state_dict(schedule.state_dict())
    assert again.best == -math.inf
    for metric in (1.0, 0.5, ad.tensor(0.5)):
        schedule.step(metric)
    assert schedule.get_last_lr() == pytest.approx([0.01, 0.002])
    again.load_state_dict(json.loads(json.dumps(schedule.state_dict())))
    assert (again.best, again.last_epoch) == (1.0, 3)


REFUSED: dict[str, tuple[Any, str]] = {
    "step_size": (
        lambda o: S.StepLR(o, 0),
        "step_size must be a whole number of at least 1, not 0",
    ),
    "T_max": (lambda o: S.CosineAnnealingLR(o, 2.5), "T_max must be a whole number"),
    "factor": (lambda o: S.ConstantLR(o, 2.0), r"factor must be in \[0, 1\], not 2.0"),
    "start": (lambda o: S.LinearLR(o, 0.0), r"start_factor must be in \(0, 1\], not 0.0"),
    "lambdas": (lambda o: S.LambdaLR(o, [abs] * 3), "3 values for lr_lambda, and 2 groups"),
    "milestones": (lambda o: S.SequentialLR(o, [S.WarmUp(o, 1)], [1]), "1 schedules need 0"),
    "part": (
        lambda o: S.SequentialLR(o, [S.ReduceLROnPlateau(o), S.WarmUp(o, 1)], [1]),
        "part 0 is ReduceLROnPlateau",
    ),
    "other": (
        lambda o: S.SequentialLR(o, [S.WarmUp(optimizer(), 1)], []),
        "part 0 has another optimizer",
    ),
    "length": (lambda o: S.OneCycleLR(o, 1.0), "how long is the cycle"),
    "strategy": (
        lambda o: S.OneCycleLR(o, 1.0, 9, anneal_strategy="sine"),
        "there are 'cos' and 'linear'",
    ),
    "momentum": (
        lambda o: S.OneCycleLR(ad.optim.Adagrad([ad.tensor(0.0, requires_grad=True)]), 1.0, 9),
        "Adagrad has no momentum",
    ),
    "share": (lambda o: S.OneCycleLR(o, 1.0, 9, pct_start=2.0), r"pct_start must be in \[0, 1\]"),
    "plateau": (lambda o: S.ReduceLROnPlateau(o, factor=1.0), "factor must be below 1"),
    "mode": (lambda o: S.ReduceLROnPlateau(o, mode="least"), "mode 'least'"),
    "optimizer": (lambda o: S.StepLR(3, 1), "int is not an optimizer"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what: str) -> None:
    make, message = REFUSED[what]
    with pytest.raises(ad.errors.ArgumentError, match=message):
        make(optimizer())
