"""Norms of gradients, clipping, accumulation, averaging."""

from typing import Any

import numpy as np
import pytest

import adjoint as ad


def with_gradients(*grads: Any) -> list[Any]:
    out: list[Any] = []
    for g in grads:
        g = np.asarray(g)
        p = ad.tensor(np.zeros_like(g), requires_grad=True)
        p.grad = ad.tensor(g)
        out.append(p)
    return out


def test_norms() -> None:
    p = with_gradients(np.array([3.0, 0.0]), np.array(4.0))
    without = ad.tensor([1.0], requires_grad=True)
    assert ad.optim.grad_norm([*p, without]).item() == 5.0
    assert ad.optim.grad_norm(p, 1.0).item() == 7.0
    assert ad.optim.grad_norm({"a": p[0], "b": [p[1]]}, np.inf).item() == 4.0
    assert ad.optim.grad_norm(p[0]).item() == 3.0
    assert ad.optim.grad_norm([without]).item() == 0.0
    assert ad.optim.grad_norm(with_gradients(np.array([3.0 + 4.0j]))).item() == 5.0
    (half,) = with_gradients(np.full(4, 300.0, np.float16))  # whose squares are out of its range
    assert ad.optim.grad_norm(half).item() == 600.0


def test_clipping_by_norm() -> None:
    p = with_gradients(np.array([3.0, 0.0], np.float32), np.array(4.0, np.float32))
    assert ad.optim.clip_grad_norm_(p, 1.0).item() == 5.0
    np.testing.assert_allclose(p[0].grad.numpy(), [0.6, 0.0], rtol=1e-6)
    assert p[0].grad.dtype == np.float32
    before = p[1].grad.numpy()
    ad.optim.clip_grad_norm_(iter(p), 10.0)
    np.testing.assert_array_equal(p[1].grad.numpy(), before)


def test_gradients_that_are_one_tensor_are_clipped_once_each() -> None:
    a, b = (ad.tensor(1.0, requires_grad=True) for _ in range(2))
    (a + b).backward()
    ad.optim.clip_grad_norm_([a, b], 0.1)
    assert a.grad.item() == b.grad.item() == pytest.approx(0.1 / np.sqrt(2), rel=1e-5)


def test_a_norm_that_is_not_finite() -> None:
    p = with_gradients(np.array([np.inf, 1.0]))
    with pytest.raises(ad.errors.ArgumentError, match="the norm of the gradients is inf"):
        ad.optim.clip_grad_norm_(p, 1.0, error_if_nonfinite=True)
    assert p[0].grad.tolist() == [np.inf, 1.0]
    assert ad.optim.clip_grad_norm_(p, 1.0).item() == np.inf


def test_clipping_by_value() -> None:
    (p,) = with_gradients(np.array([-3.0, 0.5, 2.0]))
    ad.optim.clip_grad_value_([p], 1.0)
    assert p.grad.tolist() == [-1.0, 0.5, 1.0]


# -- accumulation ------------------------------------------------------------------------------


def test_parts_of_any_size_give_the_gradients_of_the_whole(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(13, 3)), rng.normal(size=13)
    found: list[Any] = []
    for cuts in ([], [1, 4, 11]):
        w = ad.tensor(np.zeros(3), requires_grad=True)
        opt = ad.optim.SGD([w], lr=0.1, momentum=0.9)
        parts = ad.optim.Accumulation(opt, max_norm=0.5)
        for _ in range(3):
            for a, b in zip(np.split(x, cuts), np.split(y, cuts), strict=True):
                parts.backward(((ad.tensor(a) @ w - ad.tensor(b)) ** 2).sum(), len(b))
            loss = parts.step()
            assert w.grad is None
        found.append(np.append(w.detach().numpy(), loss.item()))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-6)
    np.testing.assert_allclose(found[1][:3], found[0][:3], rtol=1e-13)


# -- averages ----------------------------------------------------------------------------------


def test_averages_by_hand() -> None:
    w = ad.tensor([0.0, 1.0], requires_grad=True)
    average = ad.optim.ExponentialMovingAverage({"w": w}, decay=0.75)
    for value in (1.0, 2.0):
        with ad.no_grad():
            w.assign(ad.full(2, value))
        average.update()
    np.testing.assert_allclose(average.averages["w"].numpy(), [0.6875, 1.25])
    with average.applied():
        assert w.tolist() == [0.6875, 1.25]
        assert w.requires_grad
    with pytest.raises(ad.errors.ShapeError), average.applied():
        ad.ones(2) + ad.ones(3)
    assert w.tolist() == [2.0, 2.0]  # also after an error
    assert w.requires_grad


def test_averages_that_warm_up() -> None:
    w = ad.tensor(np.array(0.0), requires_grad=True)
    average = ad.optim.ExponentialMovingAverage([w], decay=0.5, warm_up=True)
    with ad.no_grad():
        w.assign(1.0)
    average.update()
    assert average.averages["0"].item() == pytest.approx(1 - 2 / 11)
    for _ in range(20):
        average.update()
    before = average.averages["0"].item()
    average.update()
    assert 1 - average.averages["0"].item() == pytest.approx(0.5 * (1 - before))


def test_averages_of_half_precision_are_finer() -> None:
    w = ad.tensor([1.0], dtype="bfloat16", requires_grad=True)
    average = ad.optim.ExponentialMovingAverage([w], decay=0.999)
    with ad.no_grad():
        w.assign(ad.tensor([2.0]))
    average.update()
    assert average.averages["0"].item() == pytest.approx(1.001)


def test_averages_saved_and_continued() -> None:
    w = ad.tensor([1.0, 2.0], requires_grad=True)
    average = ad.optim.ExponentialMovingAverage({"w": w}, decay=0.9)
    with ad.no_grad():
        w.assign([3.0, 4.0])
    average.update()
    other = ad.optim.ExponentialMovingAverage({"w": w}, decay=0.5)
    other.load_state_dict(average.state_dict())
    average.update()
    other.update()
    assert other.averages["w"].tolist() == average.averages["w"].tolist()
    with pytest.raises(ad.errors.ArgumentError, match="names or shapes differ: v, w"):
        ad.optim.ExponentialMovingAverage({"v": w}).load_state_dict(average.state_dict())
    with pytest.raises(ad.errors.ArgumentError, match=r"decay must be in \[0, 1\], not 1\.5"):
        ad.optim.ExponentialMovingAverage([w], 1.5)
