"""Each optimizer, with each of its options, walks along PyTorch's path for 100 steps."""

from typing import Any

import numpy as np
import pytest

import adjoint as ad

pytestmark = pytest.mark.peers

STEPS = 100
TOLERANCE = {"float32": 1e-6, "float64": 1e-12}
HYPER: dict[str, list[dict[str, Any]]] = {
    "SGD": [
        {"lr": 0.05},
        {"lr": 0.05, "weight_decay": 0.1},
        {"lr": 0.02, "momentum": 0.9},
        {"lr": 0.02, "momentum": 0.9, "dampening": 0.3},
        {"lr": 0.02, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
        {"lr": 0.001, "maximize": True},
    ],
    "Adam": [
        {"lr": 0.01},
        {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-6},
        {"lr": 0.01, "weight_decay": 0.1},
        {"lr": 0.01, "amsgrad": True},
        {"lr": 0.01, "amsgrad": True, "weight_decay": 0.1, "maximize": True},
        {"lr": 0.01, "decoupled_weight_decay": True, "weight_decay": 0.1},
    ],
    "AdamW": [{"lr": 0.01}, {"lr": 0.01, "weight_decay": 0.3, "amsgrad": True}, {"maximize": True}],
    "NAdam": [
        {"lr": 0.01},
        {"lr": 0.01, "weight_decay": 0.1, "momentum_decay": 0.01},
        {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True},
    ],
    "RAdam": [
        {"lr": 0.01},
        {"lr": 0.01, "betas": (0.9, 0.5)},
        {"lr": 0.01, "weight_decay": 0.1},
        {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True},
    ],
    "Adamax": [{"lr": 0.01}, {"lr": 0.01, "weight_decay": 0.1}, {"lr": 0.01, "maximize": True}],
    "Adadelta": [{"lr": 0.5}, {"weight_decay": 0.1, "rho": 0.8}, {"maximize": True}],
    "Adagrad": [
        {"lr": 0.05},
        {"lr": 0.05, "lr_decay": 0.02, "weight_decay": 0.1},
        {"lr": 0.05, "initial_accumulator_value": 0.5, "maximize": True},
    ],
    "RMSprop": [
        {"lr": 0.01},
        {"lr": 0.005, "momentum": 0.9},
        {"lr": 0.01, "centered": True, "alpha": 0.9},
        {"lr": 0.005, "centered": True, "momentum": 0.5, "weight_decay": 0.1, "maximize": True},
    ],
    "ASGD": [
        {"lr": 0.05},
        {"lr": 0.05, "lambd": 0.01, "alpha": 0.5, "t0": 20, "weight_decay": 0.1},
        {"lr": 0.01, "maximize": True},
    ],
    "Rprop": [{"lr": 0.01}, {"lr": 0.1, "etas": (0.4, 1.5), "step_sizes": (1e-3, 0.3)}],
}
CASES = [(name, options) for name, sets in HYPER.items() for options in sets]
SHAPES = {"weight": (4, 3), "bias": (4,), "scale": ()}


def case_id(value: Any) -> str | None:
    return "-".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else None


class Pair:
    """The same parameters in both libraries, and the gradients that they get."""

    def __init__(self, dtype: str, seed: int = 7) -> None:
        torch = pytest.importorskip("torch")
        self.rng = np.random.default_rng(seed)
        start = {k: self.rng.normal(size=s) for k, s in SHAPES.items()}
        if dtype.startswith("complex"):
            start = {k: x + 1j * self.rng.normal(size=x.shape) for k, x in start.items()}
        self.dtype = dtype
        start = {k: np.asarray(x, dtype) for k, x in start.items()}
        self.centre = {k: self.noise(x.shape) for k, x in start.items()}
        self.ours = {k: ad.tensor(x, requires_grad=True) for k, x in start.items()}
        self.theirs = {k: torch.tensor(x, requires_grad=True) for k, x in start.items()}
        self.torch = torch

    def noise(self, shape: tuple[int, ...]) -> Any:
        x = self.rng.normal(size=shape)
        if self.dtype.startswith("complex"):
            x = x + 1j * self.rng.normal(size=shape)
        return np.asarray(x, self.dtype)

    def set_gradients(self, without: tuple[str, ...] = ()) -> None:
        """Towards a centre, with noise. Computed once: rounding shall come from the rules alone."""
        for k, p in self.theirs.items():
            if k in without:
                p.grad = self.ours[k].grad = None
                continue
            here = p.detach().numpy()
            g = np.asarray(0.3 * (here - self.centre[k]) + 0.5 * self.noise(here.shape), self.dtype)
            p.grad = self.torch.tensor(g)
            self.ours[k].grad = ad.tensor(g)

    def difference(self) -> float:
        """Largest difference, relative to the size of the parameters."""
        worst = 0.0
        for k, p in self.theirs.items():
            theirs = p.detach().numpy()
            gap = np.abs(self.ours[k].detach().numpy().astype(theirs.dtype) - theirs).max()
            worst = max(worst, float(gap / max(1.0, np.abs(theirs).max())))
        return worst


@pytest.fixture(params=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> Any:
    """PyTorch keeps products of momenta in its default dtype, which must not be the coarser one."""
    torch = pytest.importorskip("torch")
    torch.set_default_dtype(torch.float64)
    yield request.param
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(("name", "options"), CASES, ids=case_id)
def test_trajectory(name: str, options: dict[str, Any], dtype: str, record_property: Any) -> None:
    pair = Pair(dtype)
    ours = getattr(ad.optim, name)(pair.ours, **options)
    theirs = getattr(pair.torch.optim, name)(pair.theirs.values(), **options)
    worst = 0.0
    for _ in range(STEPS):
        pair.set_gradients()
        ours.step()
        theirs.step()
        worst = max(worst, pair.difference())
    record_property(f"difference {dtype}", worst)
    assert worst <= TOLERANCE[dtype]


def walk(pair: Pair, ours: Any, theirs: Any, steps: int = STEPS, **how: Any) -> float:
    """Largest difference on the way; `how` may leave gradients out or step schedules."""
    worst = 0.0
    for i in range(steps):
        pair.set_gradients(how["without"](i) if "without" in how else ())
        ours.step()
        theirs.step()
        for schedule in how.get("schedules", ()):
            schedule.step()
        worst = max(worst, pair.difference())
    return worst


@pytest.mark.parametrize("name", ["SGD", "Adam", "NAdam", "RAdam", "RMSprop"])
def test_groups_with_options_of_their_own(name: str, dtype: str) -> None:
    pair = Pair(dtype)

    def groups(p: dict[str, Any]) -> list[dict[str, Any]]:
        rest = [p["bias"], p["scale"]]
        return [{"params": [p["weight"]], "lr": 0.02, "weight_decay": 0.2}, {"params": rest}]

    ours = getattr(ad.optim, name)(groups(pair.ours), lr=0.01)
    theirs = getattr(pair.torch.optim, name)(groups(pair.theirs), lr=0.01)
    assert walk(pair, ours, theirs) <= TOLERANCE[dtype]


@pytest.mark.parametrize("name", ["SGD", "Adam", "NAdam", "RAdam", "Adagrad", "ASGD", "Rprop"])
def test_gradients_that_are_missing_now_and_then(name: str, dtype: str) -> None:
    pair = Pair(dtype)
    options = {"lr": 0.01} | ({"momentum": 0.9, "dampening": 0.5} if name == "SGD" else {})
    ours = getattr(ad.optim, name)(pair.ours, **options)
    theirs = getattr(pair.torch.optim, name)(pair.theirs.values(), **options)
    missing = {0: ("bias",), 1: ("bias", "scale"), 2: ("weight",)}
    worst = walk(pair, ours, theirs, without=lambda i: missing.get(i % 5, ()))
    assert worst <= TOLERANCE[dtype]


@pytest.mark.parametrize("name", [n for n in HYPER if n != "Rprop"] + ["Rprop"])
def test_complex_parameters(name: str) -> None:
    pair = Pair("complex128")
    pair.torch.set_default_dtype(pair.torch.float64)
    try:
        ours = getattr(ad.optim, name)(pair.ours, lr=0.01)
        theirs = getattr(pair.torch.optim, name)(pair.theirs.values(), lr=0.01)
        assert walk(pair, ours, theirs) <= 1e-12
    finally:
        pair.torch.set_default_dtype(pair.torch.float32)


@pytest.mark.parametrize("name", ["SGD", "AdamW", "ASGD", "Rprop"])
def test_a_schedule_is_attached(name: str, dtype: str) -> None:
    pair = Pair(dtype)
    ours = getattr(ad.optim, name)(pair.ours, lr=0.02)
    theirs = getattr(pair.torch.optim, name)(pair.theirs.values(), lr=0.02)
    peer = pair.torch.optim.lr_scheduler
    schedules = [
        ad.optim.schedule.LinearLR(ours, 0.1, total_iters=50),
        peer.LinearLR(theirs, 0.1, total_iters=50),
    ]
    assert walk(pair, ours, theirs, schedules=schedules) <= TOLERANCE[dtype]


@pytest.mark.parametrize("name", ["SGD", "AdamW"])
def test_one_cycle_moves_the_momentum(name: str, dtype: str) -> None:
    pair = Pair(dtype)
    options = {"momentum": 0.9} if name == "SGD" else {}
    ours = getattr(ad.optim, name)(pair.ours, lr=0.02, **options)
    theirs = getattr(pair.torch.optim, name)(pair.theirs.values(), lr=0.02, **options)
    schedules = [
        ad.optim.schedule.OneCycleLR(ours, 0.05, total_steps=STEPS + 1),
        pair.torch.optim.lr_scheduler.OneCycleLR(theirs, 0.05, total_steps=STEPS + 1),
    ]
    assert walk(pair, ours, theirs, schedules=schedules) <= TOLERANCE[dtype]


MUON: list[dict[str, Any]] = [
    {"lr": 0.02},
    {"lr": 0.02, "nesterov": False, "momentum": 0.8, "weight_decay": 0.0, "ns_steps": 3},
    {"lr": 0.02, "adjust_lr_fn": "match_rms_adamw"},
]


@pytest.mark.parametrize("options", MUON, ids=case_id)
def test_muon(options: dict[str, Any], dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = Pair(dtype)
    shapes = {"tall": (6, 3), "wide": (3, 5), "square": (4, 4)}
    monkeypatch.setattr("tests.optim.test_parity.SHAPES", shapes)
    pair = Pair(dtype)
    module = pytest.importorskip("torch.optim._muon")
    # PyTorch iterates in bfloat16; in the parameters' precision the two must be the same
    monkeypatch.setattr(pair.torch.Tensor, "bfloat16", lambda x: x.clone())
    assert "bfloat16" in module._zeropower_via_newtonschulz.__code__.co_names
    ours = ad.optim.Muon(pair.ours, **options)
    theirs = pair.torch.optim.Muon(pair.theirs.values(), **options)
    assert walk(pair, ours, theirs) <= TOLERANCE[dtype]


def test_muon_is_near_pytorchs_in_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.optim.test_parity.SHAPES", {"wide": (8, 16)})
    pair = Pair("float32")
    ours = ad.optim.Muon(pair.ours, lr=0.02)
    theirs = pair.torch.optim.Muon(pair.theirs.values(), lr=0.02)
    assert walk(pair, ours, theirs, steps=20) <= 0.02 * 20 * 0.02  # 2 % of the way
