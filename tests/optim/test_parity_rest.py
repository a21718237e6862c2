"""L-BFGS, clipping and averaging beside PyTorch's."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import adjoint as ad

pytestmark = pytest.mark.peers

SHAPES = {"weight": (4, 3), "bias": (4,), "scale": ()}


def starts(rng: np.random.Generator, dtype: str) -> dict[str, Any]:
    return {k: np.asarray(rng.normal(size=s), dtype) for k, s in SHAPES.items()}


def quartic(p: dict[str, Any], x: Any) -> Any:
    """A smooth loss with a minimum, in either library."""
    h = x @ p["weight"].T + p["bias"]
    return (
        (h * h * (1.0 + 0.1 * h * h)).mean() + ((p["scale"] - 1.0) ** 2) + (p["weight"] ** 4).sum()
    )


def rosenbrock(p: dict[str, Any], x: Any) -> Any:
    a, b = p["weight"][:, 0], p["weight"][:, 1]
    return ((1.0 - a) ** 2).sum() + 100.0 * ((b - a * a) ** 2).sum()


LBFGS: list[dict[str, Any]] = [
    {"line_search_fn": "strong_wolfe"},
    {"line_search_fn": "strong_wolfe", "max_iter": 3, "history_size": 2},
    {"lr": 0.1, "max_iter": 1},
    {"lr": 0.05, "max_iter": 4, "history_size": 5},
]


def path(make: Callable[[Any], Any], opt_of: Any, loss_of: Any, start: Any, x: Any) -> Any:
    """All parameters after each of 100 steps."""
    params = {k: make(v) for k, v in start.items()}
    opt = opt_of(params.values())

    def closure() -> Any:
        opt.zero_grad()
        loss = loss_of(params, x)
        loss.backward()
        return loss

    found: list[Any] = []
    for _ in range(100):
        opt.step(closure)
        found.append(np.concatenate([p.detach().numpy().ravel() for p in params.values()]))
    return np.array(found)


@pytest.mark.parametrize("options", LBFGS, ids=str)
@pytest.mark.parametrize("loss_of", [quartic, rosenbrock])
def test_lbfgs(
    options: dict[str, Any],
    loss_of: Callable[..., Any],
    rng: np.random.Generator,
    record_property: Any,
) -> None:
    if loss_of is rosenbrock and "line_search_fn" not in options:
        pytest.skip("steps of a fixed length leave the valley")
    torch = pytest.importorskip("torch")
    start, x = starts(rng, "float64"), rng.normal(size=(8, 3))

    def ours(v: Any) -> Any:
        return ad.tensor(v, requires_grad=True)

    def theirs(v: Any) -> Any:
        return torch.tensor(v, requires_grad=True)

    peer = path(theirs, lambda p: torch.optim.LBFGS(p, **options), loss_of, start, torch.tensor(x))
    mine = path(ours, lambda p: ad.optim.LBFGS(p, **options), loss_of, start, ad.tensor(x))
    gap = np.abs(mine - peer).max(1)
    # rounding grows along the way: PyTorch beside itself, started a few units in the last place off
    shaken = np.zeros(len(peer))
    for eps in (3e-16, -6e-16):
        other = {k: v * (1.0 + eps) for k, v in start.items()}
        also = path(
            theirs, lambda p: torch.optim.LBFGS(p, **options), loss_of, other, torch.tensor(x)
        )
        shaken = np.maximum(shaken, np.abs(also - peer).max(1))
    record_property("difference lbfgs, first ten steps", float(gap[:10].max()))
    assert gap[:10].max() < (1e-12 if loss_of is quartic else 1e-9)
    assert (gap <= 1e-10 + 100 * np.maximum.accumulate(shaken)).all()


@pytest.mark.parametrize("norm_type", [2.0, 1.0, 3.0, float("inf")])
@pytest.mark.parametrize("max_norm", [0.5, 1e3])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_clipping_by_norm(
    norm_type: float, max_norm: float, dtype: str, rng: np.random.Generator
) -> None:
    torch = pytest.importorskip("torch")
    grads = starts(rng, dtype)
    ours = [ad.tensor(np.zeros_like(g), requires_grad=True) for g in grads.values()]
    theirs = [
        torch.zeros(g.shape, dtype=getattr(torch, dtype), requires_grad=True)
        for g in grads.values()
    ]
    for p, q, g in zip(ours, theirs, grads.values(), strict=True):
        p.grad, q.grad = ad.tensor(g), torch.tensor(g)
    norm = ad.optim.clip_grad_norm_(ours, max_norm, norm_type)
    peer = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type)
    rel = 1e-6 if dtype == "float32" else 1e-13
    np.testing.assert_allclose(norm.numpy(), peer.numpy(), rtol=rel)
    for p, q in zip(ours, theirs, strict=True):
        assert p.grad.dtype == p.dtype
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=rel, atol=1e-30)


def test_clipping_by_value(rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    g = rng.normal(size=(5, 7)).astype("float32")
    p, q = ad.tensor(np.zeros_like(g), requires_grad=True), torch.zeros(5, 7, requires_grad=True)
    p.grad, q.grad = ad.tensor(g), torch.tensor(g)
    ad.optim.clip_grad_value_([p], 0.3)
    torch.nn.utils.clip_grad_value_([q], 0.3)
    np.testing.assert_array_equal(p.grad.numpy(), q.grad.numpy())


def test_moving_average(rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    from torch.optim import swa_utils

    model = torch.nn.Linear(3, 2).double()
    average = swa_utils.AveragedModel(model, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.9))
    average.update_parameters(model)
    ours = {
        k: ad.tensor(p.detach().numpy(), requires_grad=True) for k, p in model.named_parameters()
    }
    mine = ad.optim.ExponentialMovingAverage(ours, 0.9)
    for _ in range(100):
        for k, p in model.named_parameters():
            new = rng.normal(size=p.shape)
            p.data = torch.tensor(new)
            with ad.no_grad():
                ours[k].assign(new)
        average.update_parameters(model)
        mine.update()
    for k, p in average.module.named_parameters():
        np.testing.assert_allclose(mine.averages[k].numpy(), p.detach().numpy(), rtol=1e-12)
