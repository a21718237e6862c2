"""A compiled training step, with the update in it, is the eager one."""

from typing import Any

import numpy as np
import pytest

import adjoint as ad
from tests.optim.test_rules import ALL

compile_ = getattr(ad, "compile", None)
pytestmark = pytest.mark.skipif(compile_ is None, reason="no compiler in this build")


def run(name: str, compiled: bool, options: dict[str, Any]) -> list[Any]:
    rng = np.random.default_rng(3)
    w = ad.tensor(rng.normal(size=(4, 3)).astype(np.float32), requires_grad=True)
    v = ad.tensor(rng.normal(size=(1, 4)).astype(np.float32), requires_grad=True)
    x = ad.tensor(rng.normal(size=(8, 3)).astype(np.float32))
    opt = getattr(ad.optim, name)({"w": w, "v": v}, **options)
    average = ad.optim.ExponentialMovingAverage([w], 0.9, warm_up=True)

    def step(x: Any) -> Any:
        opt.zero_grad()
        loss = (ad.tanh(x @ w.T) @ v.T).mean() + (w * w).sum() * 0.1
        loss.backward()
        norm = ad.optim.clip_grad_norm_([w, v], 0.5)
        opt.step()
        average.update()
        return loss, norm

    call = compile_(step) if compiled and compile_ is not None else step
    seen: list[Any] = []
    for i in range(8):
        if i == 4:
            opt.lr = 0.5 * opt.lr  # under the compiled step
        seen += [x.item() for x in call(x)]
    if compiled:
        assert not call.recompilations
    return [seen, w.detach().numpy(), v.detach().numpy(), average.averages["0"].numpy()]


@pytest.mark.parametrize("name", ALL)
def test_a_compiled_step_is_the_eager_one(name: str) -> None:
    eager, compiled = (run(name, compiled, ALL[name]) for compiled in (False, True))
    for a, b in zip(eager, compiled, strict=True):
        np.testing.assert_allclose(b, a, rtol=2e-5, atol=1e-6)


def test_a_parameter_that_had_no_gradient_counts_its_own_steps() -> None:
    p, q = (ad.tensor(np.ones(2), requires_grad=True) for _ in range(2))
    opt = ad.optim.NAdam({"p": p, "q": q})
    assert compile_ is not None

    @compile_
    def only_p(g: Any) -> None:
        opt.update({"p": p}, {"p": g})

    @compile_
    def both(g: Any) -> None:
        opt.update({"p": p, "q": q}, {"p": g, "q": g})

    for f in (only_p, both, only_p, both):
        f(ad.tensor(np.ones(2)))
    saved = opt.state_dict()["state"]
    assert (saved["p"]["step"], saved["q"]["step"]) == (4, 2)
    assert saved["p"]["mu_product"] < saved["q"]["mu_product"] < 1.0
