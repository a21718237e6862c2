"""Each update rule by hand, on a bowl, saved and continued, and staged."""

import copy
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint.optim.group import Scalars

G = np.array([[0.5, -2.0], [1e-3, 0.25]])
P = np.array([[1.0, -1.0], [0.5, 2.0]])
ALL: dict[str, dict[str, Any]] = {
    "SGD": {"lr": 0.1, "momentum": 0.5, "dampening": 0.2, "weight_decay": 0.1},
    "Adam": {"lr": 0.05, "amsgrad": True},
    "AdamW": {"lr": 0.05, "weight_decay": 0.01},
    "NAdam": {"lr": 0.05},
    "RAdam": {"lr": 0.05},
    "Adamax": {"lr": 0.05},
    "Adadelta": {"lr": 1.0, "eps": 1e-2},
    "Adagrad": {"lr": 0.5, "lr_decay": 1e-3},
    "RMSprop": {"lr": 0.01, "centered": True, "momentum": 0.5},
    "ASGD": {"lr": 0.1},
    "Rprop": {"lr": 0.05},
    "Lion": {"lr": 0.01, "weight_decay": 0.01},
    "Muon": {"lr": 0.02, "weight_decay": 0.01},
}
FIRST: dict[str, tuple[dict[str, Any], Callable[[], Any]]] = {
    "SGD": ({"lr": 0.1, "momentum": 0.9, "dampening": 0.5}, lambda: P - 0.1 * G),
    "Adam": ({"lr": 0.1, "weight_decay": 0.5}, lambda: P - 0.1 * along(G + 0.5 * P)),
    "AdamW": ({"lr": 0.1, "weight_decay": 0.5}, lambda: P * 0.95 - 0.1 * along(G)),
    "NAdam": (
        {"lr": 0.1, "momentum_decay": 0.0},
        lambda: P - 0.1 * (0.55 / 0.55 + 0.45 * 0.1 / (1 - 0.45**2)) * along(G),
    ),
    "RAdam": ({"lr": 0.1}, lambda: P - 0.1 * G),
    "Adamax": ({"lr": 0.1, "eps": 0.0}, lambda: P - 0.1 * np.sign(G)),
    "Adadelta": (
        {"rho": 0.75, "eps": 1e-2},
        lambda: P - G * 0.1 / np.sqrt(0.25 * G * G + 1e-2),
    ),
    "Adagrad": ({"lr": 0.1, "initial_accumulator_value": 1.0}, lambda: P - 0.1 * G / root1(G)),
    "RMSprop": ({"lr": 0.1, "alpha": 0.75, "eps": 0.0}, lambda: P - 0.2 * np.sign(G)),
    "ASGD": ({"lr": 0.1, "lambd": 0.5}, lambda: P * 0.95 - 0.1 * G),
    "Rprop": ({"lr": 0.1}, lambda: P - 0.1 * np.sign(G)),
    "Lion": ({"lr": 0.1, "weight_decay": 0.5}, lambda: P * 0.95 - 0.1 * np.sign(G)),
}


def along(g: Any) -> Any:
    return g / (np.abs(g) + 1e-8)


def root1(g: Any) -> Any:
    return np.sqrt(1.0 + g * g) + 1e-10


def make(name: str, params: Any, **options: Any) -> Any:
    return getattr(ad.optim, name)(params, **{**ALL[name], **options})


@pytest.mark.parametrize("name", FIRST)
def test_first_step_by_hand(name: str) -> None:
    options, expected = FIRST[name]
    p = ad.tensor(P, requires_grad=True)
    opt = getattr(ad.optim, name)({"p": p}, **options)
    p.grad = ad.tensor(G)
    opt.step()
    np.testing.assert_allclose(p.detach().numpy(), expected(), rtol=1e-9)


def test_muon_moves_along_an_orthogonal_matrix() -> None:
    p = ad.tensor(np.zeros((3, 2)), requires_grad=True)
    opt = ad.optim.Muon([p], lr=1.0, weight_decay=0.0, nesterov=False)
    p.grad = ad.tensor(np.array([[3.0, 0.0], [0.0, 0.01], [0.0, 0.0]]))
    opt.step()
    sizes = np.linalg.svd(p.detach().numpy() / np.sqrt(3 / 2), compute_uv=False)
    assert ((sizes > 0.2) & (sizes < 1.3)).all()  # though the gradient's are 300 times apart


def test_lion_for_ten_steps_beside_the_authors_code(rng: np.random.Generator) -> None:
    p = ad.tensor(P, requires_grad=True)
    opt = ad.optim.Lion([p], lr=0.01, betas=(0.8, 0.95), weight_decay=0.1)
    x, m = P.copy(), np.zeros_like(P)
    for _ in range(10):
        g = rng.normal(size=P.shape)
        p.grad = ad.tensor(g)
        opt.step()
        x = x * (1 - 0.01 * 0.1) - 0.01 * np.sign(m * 0.8 + g * (1 - 0.8))
        m = m * 0.95 + g * (1 - 0.95)
    np.testing.assert_allclose(p.detach().numpy(), x, rtol=1e-14)


@pytest.mark.parametrize("name", ALL)
def test_it_finds_the_bottom_of_a_bowl(name: str) -> None:
    p = ad.tensor(P.astype(np.float32), requires_grad=True)
    opt = make(name, [p], **({"weight_decay": 0.0} if "weight_decay" in ALL[name] else {}))

    def loss() -> Any:
        return ((p - 0.3) ** 2 * ad.tensor([1.0, 3.0])).sum()

    start = loss().item()
    for _ in range(150):
        opt.zero_grad()
        loss().backward()
        opt.step()
    assert loss().item() < 0.02 * start


def train(opt: Any, p: Any, steps: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        for q in p:
            q.grad = ad.tensor(rng.normal(size=q.shape).astype(q.dtype))
        opt.step()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ALL)
def test_saved_and_continued_it_ends_with_the_same_bits(name: str, dtype: str) -> None:
    def params() -> list[Any]:
        return [ad.tensor(x, dtype=dtype, requires_grad=True) for x in (P, 2.0 * P)]

    p = params()
    opt = make(name, p, lr=0.03)
    train(opt, p, 5, seed=1)
    opt.lr = 0.02
    saved = opt.state_dict()
    weights = [q.numpy().copy() for q in map(ad.Tensor.detach, p)]
    train(opt, p, 5, seed=2)

    q = params()
    again = make(name, q)
    with ad.no_grad():
        for tensor, value in zip(q, weights, strict=True):
            tensor.assign(value)
    again.load_state_dict(through_files(saved))
    train(again, q, 5, seed=2)
    assert again.lr == 0.02
    for a, b in zip(p, q, strict=True):
        assert a.detach().numpy().tobytes() == b.detach().numpy().tobytes()


def through_files(saved: Any) -> Any:
    """The same state with all that is no tensor written as JSON and read again."""
    if isinstance(saved, dict):
        return {k: through_files(v) for k, v in saved.items()}
    return saved if isinstance(saved, ad.Tensor) else json.loads(json.dumps(saved))


@pytest.mark.parametrize("name", ALL)
def test_numbers_of_a_staged_step_are_those_of_an_eager_one(name: str) -> None:
    """`coefficients` gives the same for floats, and for tensors with one entry per parameter."""
    opt = make(name, [ad.tensor(P, requires_grad=True)])
    group = opt.param_groups[0]
    counts = [1.0, 2.0, 7.0, 400.0]
    r = {k: ad.full(len(counts), 0.75, dtype=ad.float64) for k in group.running}
    after = Scalars(r)
    h = group.scalars(known=False)
    staged = opt.coefficients(h, ad.tensor(counts, dtype=ad.float64), after, group)
    for i, t in enumerate(counts):
        mine = Scalars(dict.fromkeys(r, 0.75))
        eager = opt.coefficients(group.scalars(known=True), t, mine, group)
        assert eager.keys() == staged.keys()
        for key, x in staged.items():
            got = x.numpy()[i] if x.ndim else x.item()
            assert got == pytest.approx(eager[key], rel=1e-14), key
        for key in r:
            got = after[key].numpy()
            assert (got[i] if got.ndim else got) == pytest.approx(mine[key], rel=1e-14)


@pytest.mark.parametrize("name", ALL)
def test_it_stages(name: str) -> None:
    """A step whose numbers are unknown asks for none of them."""
    p = ad.tensor(P, requires_grad=True)
    opt = make(name, {"p": p})
    state = [*opt.state["p"].values(), opt.param_groups[0].steps]
    state += opt.param_groups[0].running.values()
    before = [x.copy() for x in state]

    def step(g: Any) -> Any:
        opt.update({"p": p}, {"p": g})
        out = p.copy()
        p.assign(P)  # nothing that is staged may stay behind
        for x, old in zip(state, before, strict=True):
            x.assign(old)
        return out

    graph = ad.trace(step, ad.tensor(G))
    assert graph.out_types[0].shape == (2, 2)
    names = {node.op.name for node in graph.nodes}
    assert names <= ELEMENTWISE or name == "Muon", names - ELEMENTWISE


ELEMENTWISE = set(
    "add subtract multiply divide negative power square sqrt maximum minimum abs sign where "
    "greater less equal cast index slice reshape broadcast_to stop_gradient".split()
)


@pytest.mark.parametrize("name", ALL)
def test_maximize_goes_the_other_way(name: str) -> None:
    if "maximize" not in make(name, [ad.tensor(P)]).defaults:
        pytest.skip("as in PyTorch, it has no such option")
    found: list[Any] = []
    for sign, maximize in ((1.0, False), (-1.0, True)):
        p = ad.tensor(P, requires_grad=True)
        opt = make(name, [p], maximize=maximize)
        for _ in range(3):
            p.grad = ad.tensor(sign * G)
            opt.step()
        found.append(p.detach().numpy())
    np.testing.assert_array_equal(*found)


def test_a_copy_of_the_options_is_no_surprise() -> None:
    options = {"params": [ad.tensor(P)], "lr": 0.5}
    before = copy.copy(options)
    ad.optim.SGD([options])
    assert options == before
