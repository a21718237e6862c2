"""What a commit must not break, in under five seconds: ``pytest tests/smoke.py -n 0``."""

import numpy as np
import pytest

import adjoint as ad
from adjoint.core.errors import ShapeError
from adjoint.ops.shape import Sum
from adjoint.testing import check_grads
from adjoint.transforms.batch import vmap
from adjoint.transforms.forward import jvp
from adjoint.transforms.reverse import grad


def loss(w, x, y):
    error = w * x - y
    return Sum((0,))(error * error)


W, X, Y = np.array([0.5, -1.0, 2.0]), np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.0, 5.0])
EXPECTED = 2 * (W * X - Y) * X


def test_the_tape():
    w = ad.tensor(W, requires_grad=True)
    loss(w, X, Y).backward()
    np.testing.assert_allclose(w.grad.numpy(), EXPECTED)


def test_the_transforms():
    np.testing.assert_allclose(grad(loss)(W, X, Y).numpy(), EXPECTED)
    _, dot = jvp(lambda w: loss(w, X, Y), (W,), (np.ones(3),))
    assert dot.item() == pytest.approx(EXPECTED.sum())
    rows = vmap(grad(loss), (0, None, None))(np.stack([W, 2 * W]), X, Y)
    np.testing.assert_allclose(rows.numpy()[0], EXPECTED)


def test_descent():
    w = ad.tensor(W, requires_grad=True)
    first = loss(w, X, Y).item()
    for _ in range(50):
        w.grad = None
        loss(w, X, Y).backward()
        w = ad.tensor(w.numpy() - 0.02 * w.grad.numpy(), requires_grad=True)
    assert loss(w, X, Y).item() < 1e-3 * first


def test_check_grads():
    assert check_grads(loss, (W, X, Y)).worst_error < 1e-6


def test_an_error_names_the_line():
    with pytest.raises(ShapeError, match=r"smoke\.py:\d+"):
        ad.tensor([1.0, 2.0]) + ad.tensor([1.0, 2.0, 3.0])
