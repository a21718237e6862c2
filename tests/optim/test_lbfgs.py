"""L-BFGS: minima, the state, what it refuses."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint.optim.line_search import Point, Search, cubic_minimum, strong_wolfe


def rosenbrock(x: Any) -> Any:
    return ((1.0 - x[:-1]) ** 2 + 100.0 * (x[1:] - x[:-1] ** 2) ** 2).sum()


def closure_of(opt: Any, x: Any, loss_of: Callable[[Any], Any]) -> Callable[[], Any]:
    def closure() -> Any:
        opt.zero_grad()
        loss = loss_of(x)
        loss.backward()
        return loss

    return closure


def start(dtype: str = "float64") -> Any:
    return ad.tensor(np.linspace(-1.5, 1.5, 6), dtype=dtype, requires_grad=True)


def test_the_valley_of_rosenbrock() -> None:
    x = start()
    opt = ad.optim.LBFGS({"x": x}, line_search_fn="strong_wolfe", max_iter=100)
    first = opt.step(closure_of(opt, x, rosenbrock))
    assert first.item() > 100.0
    np.testing.assert_allclose(x.detach().numpy(), 1.0, atol=1e-5)


def test_a_quadratic() -> None:
    a = np.diag([1.0, 5.0, 20.0])
    x = ad.tensor(np.ones(3), requires_grad=True)
    opt = ad.optim.LBFGS([x], line_search_fn="strong_wolfe", max_iter=20, tolerance_change=0.0)
    opt.step(closure_of(opt, x, lambda x: x @ ad.tensor(a) @ x))
    np.testing.assert_allclose(x.detach().numpy(), 0.0, atol=1e-5)


@pytest.mark.parametrize("search", ["strong_wolfe", None])
def test_saved_and_continued_it_ends_with_the_same_bits(search: str | None) -> None:
    options = {"line_search_fn": search, "max_iter": 2, "history_size": 3, "lr": 0.002}
    x = start()
    opt = ad.optim.LBFGS([x], **options)
    for _ in range(4):
        opt.step(closure_of(opt, x, rosenbrock))
    saved, y = opt.state_dict(), ad.tensor(x.detach().numpy(), requires_grad=True)
    again = ad.optim.LBFGS([y], line_search_fn=search)
    again.load_state_dict(saved)
    for _ in range(4):
        opt.step(closure_of(opt, x, rosenbrock))
        again.step(closure_of(again, y, rosenbrock))
    assert x.detach().numpy().tobytes() == y.detach().numpy().tobytes()


def test_at_the_minimum_it_stays() -> None:
    x = ad.tensor(np.ones(4), requires_grad=True)
    opt = ad.optim.LBFGS([x])
    opt.step(closure_of(opt, x, rosenbrock))
    assert x.tolist() == [1.0] * 4


def test_float32_keeps_its_dtype() -> None:
    x = start("float32")
    opt = ad.optim.LBFGS([x], line_search_fn="strong_wolfe")
    opt.step(closure_of(opt, x, rosenbrock))
    assert x.dtype == np.float32


def test_refused() -> None:
    x = start()
    opt = ad.optim.LBFGS([x])
    with pytest.raises(ad.errors.ArgumentError, match="needs a closure"):
        opt.step()
    with pytest.raises(ad.errors.ArgumentError, match="needs the loss at several places"):
        opt.update([x], [x])
    with pytest.raises(ad.errors.TracerLeak, match="cannot be compiled"):
        ad.trace(lambda s: opt.step(lambda: s * 2.0), 1.0)


@pytest.mark.parametrize("t", [0.01, 1.0, 5.0, 100.0])
def test_the_line_search_meets_the_strong_wolfe_conditions(t: float) -> None:
    def at(t: float) -> Point:
        return Point(t, 0.1 * t - np.sin(t), None, 0.1 - np.cos(t))

    found, tries = strong_wolfe(Search(at, at(0.0), 1.0, 1e-9, 25), t)
    assert found.loss <= -1e-4 * found.t * 0.9
    assert abs(found.slope) <= 0.9 * 0.9
    assert tries <= 26


def test_the_minimum_of_a_cubic() -> None:
    def at(t: float) -> Point:  # t³ − 3t has its minimum at 1
        return Point(t, t**3 - 3 * t, None, 3 * t**2 - 3)

    assert cubic_minimum(at(0.0), at(3.0)) == pytest.approx(1.0)
    assert cubic_minimum(at(3.0), at(0.0)) == pytest.approx(1.0)
    assert cubic_minimum(at(0.0), at(3.0), (1.5, 2.0)) == 1.5
