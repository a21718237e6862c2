"""Initialisers: shapes, seeds, and that a parameter stays the same parameter."""

from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint import nn
from adjoint.nn import init

DRAWN = [
    init.uniform_,
    init.normal_,
    init.trunc_normal_,
    init.xavier_uniform_,
    init.xavier_normal_,
    init.kaiming_uniform_,
    init.kaiming_normal_,
    init.orthogonal_,
    lambda t, **options: init.sparse_(t, 0.5, **options),
]


@pytest.mark.parametrize("fill", DRAWN)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_seed_decides_the_values(fill: Any, dtype: str) -> None:
    p = nn.Parameter(np.zeros((4, 3), dtype))
    assert fill(p, generator=ad.random.Generator(5)) is p
    assert p.requires_grad
    assert p.dtype == dtype
    first = p.tolist()
    fill(p, generator=ad.random.Generator(5))
    assert p.tolist() == first
    fill(p, generator=ad.random.Generator(6))
    assert p.tolist() != first


def test_the_default_generator_serves_where_none_is_given() -> None:
    ad.random.seed(3)
    first = nn.Linear(4, 4).weight.tolist()
    ad.random.seed(3)
    assert nn.Linear(4, 4).weight.tolist() == first
    ad.random.seed(0)


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 4), (4, 2, 3)])
def test_orthogonal_rows_or_columns(shape: tuple[int, ...]) -> None:
    w = init.orthogonal_(ad.zeros(shape, dtype=ad.float64), gain=2.0).numpy()
    w = w.reshape(shape[0], -1)
    product = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    assert np.allclose(product, 4 * np.eye(len(product)), atol=1e-12)


def test_gain_keeps_the_size_of_a_signal_through_layers() -> None:
    x = ad.random.normal(size=(200, 300), generator=ad.random.Generator(0))
    for k in range(10):
        weight = ad.empty((300, 300))
        init.kaiming_normal_(weight, nonlinearity="relu", generator=ad.random.Generator(k))
        x = ad.relu(x @ weight.T)
    assert 0.3 < float(ad.mean(x * x)) < 3


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: init.xavier_uniform_(ad.zeros(3)), ad.errors.ShapeError),
        (lambda: init.eye_(ad.zeros(3)), ad.errors.ShapeError),
        (lambda: init.dirac_(ad.zeros((2, 2))), ad.errors.ShapeError),
        (lambda: init.dirac_(ad.zeros((3, 2, 1)), groups=2), ad.errors.ShapeError),
        (lambda: init.sparse_(ad.zeros(3), 0.1), ad.errors.ShapeError),
        (lambda: init.calculate_gain("swish"), ad.errors.ArgumentError),
        (lambda: init.kaiming_normal_(ad.zeros((2, 2)), mode="fan"), ad.errors.ArgumentError),
    ],
)
def test_what_cannot_be_initialised_is_refused(call: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        call()
