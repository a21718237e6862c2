"""Samplers: the distribution that their name says, gradients to their parameters, exact limits."""

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from scipy import stats

import adjoint as ad
from adjoint import random
from adjoint.core.errors import ArgumentError, DTypeError, NotDifferentiable, ShapeError

N = 20_000
Sampler = Callable[[random.Generator], Any]


def g(seed: int = 5) -> random.Generator:
    return random.Generator(seed)


def trapped(low: float, high: float) -> Any:
    return stats.truncnorm((low - 1) / 2, (high - 1) / 2, loc=1, scale=2)


CONTINUOUS: dict[str, tuple[Sampler, Any]] = {
    "uniform": (lambda r: random.uniform(size=N, generator=r), stats.uniform()),
    "uniform -1 3": (lambda r: random.uniform(-1, 3, N, generator=r), stats.uniform(-1, 4)),
    "normal": (lambda r: random.normal(size=N, generator=r), stats.norm()),
    "normal 2 3": (lambda r: random.normal(2.0, 3.0, N, generator=r), stats.norm(2, 3)),
    "truncated": (
        lambda r: random.truncated_normal(1.0, 2.0, -1.0, 6.0, N, generator=r),
        trapped(-1, 6),
    ),
    "exponential": (lambda r: random.exponential(2.0, N, generator=r), stats.expon(scale=2)),
    "gumbel": (lambda r: random.gumbel(1.0, 2.0, N, generator=r), stats.gumbel_r(1, 2)),
    "laplace": (lambda r: random.laplace(1.0, 2.0, N, generator=r), stats.laplace(1, 2)),
    "gamma 0.3": (lambda r: random.gamma(0.3, 2.0, N, generator=r), stats.gamma(0.3, scale=2)),
    "gamma 1": (lambda r: random.gamma(1.0, size=N, generator=r), stats.gamma(1)),
    "gamma 50": (lambda r: random.gamma(50.0, size=N, generator=r), stats.gamma(50)),
    "beta": (lambda r: random.beta(0.5, 2.0, N, generator=r), stats.beta(0.5, 2)),
    "dirichlet": (
        lambda r: random.dirichlet(np.array([0.5, 1.0, 2.0]), N, generator=r)[:, 0],
        stats.beta(0.5, 3),
    ),
}


@pytest.mark.parametrize("name", CONTINUOUS)
def test_the_distribution_is_right(name: str) -> None:
    sampler, distribution = CONTINUOUS[name]
    x = sampler(g()).numpy().astype(np.float64)
    assert x.shape == (N,)
    assert stats.kstest(x, distribution.cdf).pvalue > 0.01
    deviation = distribution.std() / np.sqrt(N)
    assert abs(x.mean() - distribution.mean()) < 4 * deviation
    assert abs(x.var() / distribution.var() - 1) < 0.1


def as_probabilities(counts: Any) -> Any:
    return np.bincount(counts, minlength=10)[:10]


@pytest.mark.parametrize(
    ("sampler", "p"),
    [
        (lambda r: random.integers(0, 6, N, generator=r), np.full(6, 1 / 6)),
        (lambda r: random.randint(6, size=N, generator=r), np.full(6, 1 / 6)),
        (lambda r: random.bernoulli(0.3, N, generator=r).astype(np.int64), [0.7, 0.3]),
        (lambda r: random.categorical(np.log([0.1, 0.2, 0.7]), N, generator=r), [0.1, 0.2, 0.7]),
        (lambda r: random.choice(3, N, p=[0.1, 0.2, 0.7], generator=r), [0.1, 0.2, 0.7]),
        (lambda r: random.poisson(0.7, N, generator=r), stats.poisson(0.7).pmf(np.arange(6))),
        (lambda r: random.poisson(12.0, N, generator=r), stats.poisson(12).pmf(np.arange(30))),
    ],
    ids=["integers", "randint", "bernoulli", "categorical", "choice", "poisson", "poisson 12"],
)
def test_the_frequencies_are_right(sampler: Sampler, p: Any) -> None:
    p = np.append(p, max(1 - np.sum(p), 0))
    counts = np.bincount(np.minimum(sampler(g()).numpy(), len(p) - 1), minlength=len(p))
    seen = p * N > 5
    assert counts[p == 0].sum() == 0
    expected = np.append(p[seen], p[~seen].sum()) * N
    found = np.append(counts[seen], counts[~seen].sum())
    used = expected > 0
    assert stats.chisquare(found[used], expected[used], sum_check=False).pvalue > 0.01


def test_uniform_numbers_are_below_one_and_fill_the_significand() -> None:
    x = random.uniform(size=N, generator=g()).numpy()
    assert x.dtype == np.float32
    assert ((x >= 0) & (x < 1)).all()
    np.testing.assert_array_equal(x * 2**24, np.round(x * 2**24))
    assert (x * 2**24 % 2 == 1).any()
    x = random.uniform(size=N, dtype=np.float64, generator=g()).numpy()
    np.testing.assert_array_equal(x * 2.0**53, np.round(x * 2.0**53))
    assert (x * 2.0**53 % 2 == 1).any()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision(dtype: str) -> None:
    kind = ml_dtypes.bfloat16 if dtype == "bfloat16" else np.float16
    for sampler in (random.uniform, random.normal, random.exponential, random.gumbel):
        x = sampler(size=2000, dtype=dtype, generator=g())
        assert x.dtype == kind
        assert np.isfinite(x.numpy().astype(np.float64)).all()
    x = random.uniform(size=5000, dtype=dtype, generator=g()).numpy().astype(np.float64)
    assert x.max() < 1
    assert abs(x.mean() - 0.5) < 0.02


def test_truncation_holds_exactly() -> None:
    x = random.truncated_normal(0.0, 1.0, 0.0, 0.5, N, generator=g()).numpy()
    assert (x >= 0).all()
    assert (x <= 0.5).all()
    far = random.truncated_normal(0.0, 1.0, 8.0, 9.0, 1000, generator=g()).numpy()
    assert (far >= 8).all()
    assert (far <= 9).all()


def test_tiny_shape_parameters_do_not_underflow() -> None:
    x = random.dirichlet(np.full(4, 1e-3), 500, generator=g()).numpy()
    np.testing.assert_allclose(x.sum(axis=-1), 1, rtol=1e-12)
    assert np.isfinite(random.beta(1e-3, 1e-3, 500, generator=g()).numpy()).all()


# ---- gradients ------------------------------------------------------------------------------

REPARAMETERISED: dict[str, tuple[Callable[..., Any], list[float]]] = {
    "uniform": (random.uniform, [-1.0, 3.0]),
    "normal": (random.normal, [1.0, 2.0]),
    "truncated": (random.truncated_normal, [1.0, 2.0, -1.5, 4.0]),
    "exponential": (random.exponential, [2.0]),
    "gumbel": (random.gumbel, [1.0, 2.0]),
    "laplace": (random.laplace, [1.0, 2.0]),
    "gamma": (random.gamma, [2.5, 2.0]),
    "gamma below 1": (random.gamma, [0.4, 2.0]),
}


@pytest.mark.parametrize("name", REPARAMETERISED)
def test_gradients_reach_the_parameters(name: str) -> None:
    sampler, values = REPARAMETERISED[name]
    parameters = [ad.tensor(np.float64(v), requires_grad=True) for v in values]
    sampler(*parameters, size=N, generator=g()).mean().backward()
    shape = name.startswith("gamma")
    for k, p in enumerate(parameters):
        high, low = (
            sampler(
                *[np.float64(v) + (i == k) * h for i, v in enumerate(values)], size=N, generator=g()
            )
            for h in (1e-5, -1e-5)
        )
        slope = (high - low).numpy() / 2e-5
        if shape and k == 0:
            # the accepted attempts may differ: compare with the mean, which is shape * scale
            assert p.grad.item() == pytest.approx(2.0, abs=0.06)
        else:
            assert p.grad.item() == pytest.approx(slope.mean(), rel=1e-6)


def test_the_implicit_gradient_is_that_of_the_inverse_distribution_function() -> None:
    from scipy.special import gammaincinv

    from adjoint.ops.random_rejection import LOG_GAMMA_SLOPE

    q = np.array([1e-6, 0.01, 0.3, 0.5, 0.7, 0.99, 1 - 1e-6])
    for a in (0.05, 0.5, 1.0, 3.0, 30.0, 3000.0):
        h = 1e-4 * a
        logs = [np.log(gammaincinv(a + k * h, q)) for k in (-2, -1, 1, 2)]
        slope = (logs[0] - 8 * logs[1] + 8 * logs[2] - logs[3]) / (12 * h)
        found = LOG_GAMMA_SLOPE.value(np.log(gammaincinv(a, q)), np.asarray(a))
        np.testing.assert_allclose(found, slope, rtol=1e-8)


def test_gradients_of_proportions() -> None:
    alpha = ad.tensor(np.array([0.7, 1.5, 3.0]), requires_grad=True)
    random.dirichlet(alpha, size=N, generator=g())[:, 0].mean().backward()
    total = 5.2  # the mean is alpha[0] / total
    expected = [(total - 0.7) / total**2, -0.7 / total**2, -0.7 / total**2]
    np.testing.assert_allclose(alpha.grad.numpy(), expected, atol=0.003)
    a, b = (ad.tensor(np.float64(v), requires_grad=True) for v in (0.7, 4.5))
    random.beta(a, b, size=N, generator=g()).mean().backward()
    np.testing.assert_allclose([a.grad.item(), b.grad.item()], expected[:2], atol=0.003)


def test_the_second_derivative_of_gamma_says_why_it_has_none() -> None:
    def mean(a: Any) -> Any:
        return random.gamma(a, size=3, generator=g()).mean()

    with pytest.raises(NotDifferentiable, match="second derivative of gamma-distributed"):
        ad.grad(ad.grad(mean))(np.float64(2.0))


def test_integers_have_no_gradient() -> None:
    lam = ad.tensor(3.0, requires_grad=True)
    assert not random.poisson(lam, 4, generator=g()).requires_grad
    assert not random.bernoulli(ad.sigmoid(lam), 4, generator=g()).requires_grad


# ---- orders and choices ---------------------------------------------------------------------


def test_a_permutation_holds_everything_once() -> None:
    order = random.permutation(1000, generator=g()).numpy()
    assert sorted(order) == list(range(1000))
    x = np.arange(12.0).reshape(3, 4)
    moved = random.permutation(x, axis=1, generator=g()).numpy()
    assert sorted(moved[0]) == [0, 1, 2, 3]
    np.testing.assert_array_equal(moved[1] - moved[0], 4)


def test_all_orders_are_equally_likely() -> None:
    generator = g()
    orders = [tuple(random.permutation(3, generator=generator).tolist()) for _ in range(3000)]
    _, counts = np.unique(orders, axis=0, return_counts=True)
    assert len(counts) == 6
    assert stats.chisquare(counts).pvalue > 0.01


def test_shuffle_binds_the_name_to_a_new_value() -> None:
    x = ad.tensor(np.arange(50))
    before = x.numpy()
    random.shuffle(x, generator=g())
    assert sorted(x.tolist()) == list(range(50))
    assert x.tolist() != list(range(50))
    assert before.tolist() == list(range(50))
    with pytest.raises(ArgumentError, match="must be a tensor"):
        random.shuffle(np.arange(3))


def test_the_gradient_of_a_permutation_goes_back() -> None:
    x = ad.tensor(np.arange(4.0), requires_grad=True)
    y = random.permutation(x, generator=g())
    (y * np.array([1.0, 10.0, 100.0, 1000.0])).sum().backward()
    order = random.permutation(4, generator=g()).numpy()
    np.testing.assert_array_equal(x.grad.numpy()[order], [1, 10, 100, 1000])


def test_choices_without_replacement_differ() -> None:
    drawn = random.choice(20, 20, replace=False, generator=g()).numpy()
    assert sorted(drawn) == list(range(20))
    p = np.array([0.0, 0.5, 0.5, 0.0])
    for seed in range(20):
        drawn = random.choice(4, 2, replace=False, p=p, generator=g(seed)).numpy()
        assert sorted(drawn) == [1, 2]
    rows = random.choice(np.eye(3), size=(2, 5), generator=g())
    assert rows.shape == (2, 5, 3)


def test_integers_reach_both_ends_and_stay_inside() -> None:
    x = random.integers(-3, 3, size=1000, endpoint=True, dtype=np.int8, generator=g())
    assert x.dtype == np.int8
    assert sorted(np.unique(x.numpy())) == [-3, -2, -1, 0, 1, 2, 3]
    wide = random.integers(0, 2**32, size=1000, generator=g()).numpy()
    assert wide.min() >= 0
    assert wide.max() < 2**32
    assert wide.max() > 2**31


def test_a_dropout_mask_keeps_the_mean() -> None:
    mask = random.dropout_mask(0.25, (100, 200), generator=g()).numpy()
    assert set(np.unique(mask)) == {0.0, np.float32(4 / 3)}
    assert abs(mask.mean() - 1) < 0.02
    assert (random.dropout_mask(0.0, 10).numpy() == 1).all()
    assert (random.dropout_mask(1.0, 10).numpy() == 0).all()


def test_categories_lie_along_any_axis() -> None:
    logits = np.log(np.array([[0.98, 0.01], [0.01, 0.01], [0.01, 0.98]]))
    found = random.categorical(logits, axis=0, generator=g())
    assert found.tolist() == [0, 2]
    assert random.categorical(logits, size=(5, 3), generator=g()).shape == (5, 3)


# ---- shapes, dtypes, refusals ---------------------------------------------------------------


def test_sizes_and_dtypes_follow_the_parameters() -> None:
    assert random.normal().shape == ()
    assert random.normal(np.zeros((3, 1)), np.ones(4)).shape == (3, 4)
    assert random.normal(np.zeros((3, 1)), np.ones(4)).dtype == np.float64
    assert random.normal(np.zeros(4, np.float32)).dtype == np.float32
    assert random.normal(np.zeros(4, np.int64)).dtype == np.float32
    assert random.normal(size=[2, 3]).shape == (2, 3)
    assert random.normal(np.zeros(3), size=(2, 3)).shape == (2, 3)
    assert random.gamma(np.ones((3, 1)), np.ones(2)).shape == (3, 2)


REFUSED: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "a shape as mean": (lambda: random.normal((2, 3)), ArgumentError, r"say size=\(2, 3\)"),
    "parameters that do not fit": (
        lambda: random.normal(np.zeros(3), size=(3, 2)),
        ShapeError,
        "do not broadcast",
    ),
    "a parameter larger than the size": (
        lambda: random.normal(np.zeros((5, 3)), size=3),
        ShapeError,
        r"do not broadcast to the size \(3,\)",
    ),
    "integers with a density": (lambda: random.normal(dtype=int), DTypeError, "real floats"),
    "no integers": (lambda: random.integers(3, 3), ArgumentError, "there are 0 numbers"),
    "too many integers": (
        lambda: random.integers(0, 2**40),
        ArgumentError,
        "there are 1099511627776",
    ),
    "integers that do not fit": (
        lambda: random.integers(0, 300, dtype=np.uint8),
        ArgumentError,
        "uint8 does not hold the numbers from 0 to 299",
    ),
    "integers that are floats": (
        lambda: random.integers(3, dtype=np.float32),
        DTypeError,
        "integer dtype",
    ),
    "a negative shape parameter": (lambda: random.gamma(-1.0), ArgumentError, "must be positive"),
    "a negative mean": (lambda: random.poisson(-1.0), ArgumentError, "from 0 to"),
    "no probability": (lambda: random.dropout_mask(1.5), ArgumentError, "from 0 to 1, got 1.5"),
    "too many different ones": (
        lambda: random.choice(3, 4, replace=False),
        ArgumentError,
        "4 of 3 entries cannot differ",
    ),
    "probabilities that do not fit": (
        lambda: random.choice(3, p=[0.5, 0.5]),
        ArgumentError,
        r"p has the shape \(2,\) for 3 entries",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_drawn_is_refused(case: str) -> None:
    draw, error, message = REFUSED[case]
    with pytest.raises(error, match=message):
        draw()
