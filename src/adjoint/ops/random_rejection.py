"""Random numbers that no formula gives from a fixed number of bits: gamma and Poisson.

They are drawn by rejection. Attempt `r` for element `i` owns the blocks of the stream with the
numbers ``(r * n + i) * 2`` and the next, so the result does not depend on which elements still
wait, and what a draw consumes is known before it: room for `ATTEMPTS`, of which few are computed.

Sources: Marsaglia and Tsang, A simple method for generating gamma variables (TOMS 2000);
Hörmann, The transformed rejection method for generating Poisson random variables (1993);
Figurnov, Mohamed and Mnih, Implicit reparameterization gradients (NeurIPS 2018).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, Final, final

import numpy as np

from adjoint.core.errors import ArgumentError
from adjoint.core.primitive import Sample
from adjoint.core.types import Shape, Type, broadcast_shapes
from adjoint.ops.families import AbstractGeneral, AbstractMap, scale
from adjoint.ops.random_bits import (
    AbstractRandomSource,
    check_state,
    key_of,
    position,
    words_at,
)

__all__: list[str] = []

ATTEMPTS: Final = 16
"""Each succeeds with a probability above 0.88, so all fail once in 10**14 draws or less."""
BLOCKS: Final = 2  # of four words, for one attempt: four uniform numbers of 53 bits


class AbstractRejection(AbstractRandomSource):
    """A draw for each element of `shape`, whose parameter broadcasts with it."""

    shape: Shape

    @property
    def blocks(self) -> int:
        """How many blocks of the stream a draw takes, used or not."""
        return ATTEMPTS * BLOCKS * math.prod(self.shape)

    def out_shape(self, state: Any, x: Any) -> Shape:
        """The streams, then `shape`; a mapped parameter brings leading axes of its own."""
        check_state(state)
        return broadcast_shapes((*state.shape[:-1], *self.shape), x.shape)

    def coerce(self, xs: tuple[Any, ...]) -> tuple[Any, ...]:
        return xs

    def batch(self, size: int, batched: tuple[bool, ...], *xs: Any) -> Any:
        state, x = xs
        rank = len(self.shape)
        own = x.ndim - batched[1]
        if batched[1] and own < rank:
            x = x.reshape((size, *(1,) * (rank - own), *x.shape[1:]))
        if batched[0] and own > rank:  # the parameter was mapped before, with one stream for all
            state = state.reshape((size, *(1,) * (own - rank), *state.shape[1:]))
        return self(state, x)

    def draw(self, state: Any, x: Any, attempt: Callable[[Any, Any, int], tuple[Any, Any]]) -> Any:
        """Repeat `attempt` for the elements that wait.

        Args:
            state: the state.
            x: the parameter.
            attempt: from uniform numbers (m, 4), the indices (m,) of the elements and the number
                of the attempt to the results and whether each is accepted.

        Returns:
            float64, of `out_shape`.
        """
        shape = self.out_shape(state, x)
        n = math.prod(self.shape)
        states = state.reshape(-1, 4)
        cells = np.arange(len(states) * n).reshape((*state.shape[:-1], *self.shape))
        cells = np.broadcast_to(cells, shape).ravel()
        waiting = np.arange(cells.size)
        out = np.full(cells.size, np.nan)
        for r in range(ATTEMPTS):
            if not waiting.size:
                break
            stream, lane = np.divmod(cells[waiting], max(n, 1))
            u = _uniforms(states[stream], BLOCKS * (r * n + lane))
            found, accepted = attempt(u, waiting, r)
            out[waiting[accepted]] = found[accepted]
            waiting = waiting[~accepted]
        return out.reshape(shape)


def _uniforms(states: Any, offset: Any) -> Any:
    """Four uniform numbers in [0, 1) of 53 bits for each state (m, 4) and block offset (m,)."""
    key = np.ascontiguousarray(key_of(states)[..., 0].T)
    count = position(states)[:, 0] + offset.astype(np.uint64)
    words = [words_at(key, count + np.uint64(b)) for b in range(BLOCKS)]
    high = np.concatenate([w[:, 0::2] for w in words], axis=1) >> np.uint32(5)
    low = np.concatenate([w[:, 1::2] for w in words], axis=1) >> np.uint32(6)
    return (high * 2.0**26 + low) * 2.0**-53


@final
class RandomLogGamma(AbstractRejection, AbstractGeneral):
    """Logarithm of a gamma-distributed number with shape parameter `x` and scale 1.

    The logarithm, because for a small parameter the number itself is often below the smallest
    float. **Gradient:** implicit: what keeps the distribution function at the sample constant.
    """

    def value(self, state: Any, x: Any) -> Any:
        if not np.all(x > 0):
            raise ArgumentError("the shape parameter of a gamma distribution must be positive")
        a = np.broadcast_to(x, self.out_shape(state, x)).astype(np.float64).ravel()
        d = np.where(a < 1, a + 1, a) - 1 / 3
        c = 1 / np.sqrt(9 * d)
        boost = np.zeros_like(a)

        def attempt(u: Any, at: Any, r: int) -> tuple[Any, Any]:
            if r == 0:  # below 1: the draw for a + 1, times u ** (1 / a)
                boost[:] = np.where(a < 1, np.log1p(-u[:, 3]) / a, 0.0)
            z = np.sqrt(-2 * np.log1p(-u[:, 0])) * np.cos(2 * np.pi * u[:, 1])
            v = (1 + c[at] * z) ** 3
            log_v = np.log(np.where(v > 0, v, 1.0))
            bound = 0.5 * z * z + d[at] * (1 - v + log_v)
            return np.log(d[at]) + log_v, (v > 0) & (np.log1p(-u[:, 2]) < bound)

        out: Any = self.draw(state, x, attempt)
        return (out + boost.reshape(out.shape)).astype(x.dtype)

    def out_type(self, state: Any, x: Any) -> Type:
        return Type(self.out_shape(state, x), x.dtype)

    def vjp(self, ct: Any, out: Any, state: Any, x: Any) -> tuple[Any, ...]:
        return None, scale(ct, LOG_GAMMA_SLOPE(out, x))

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        state = np.array([1, 2, 0xFFFFFFFE, 4], np.uint32)
        yield cls((2, 3)), [state, rng.uniform(0.5, 4.0, size=(2, 3))]
        yield cls((2, 3)), [state, rng.uniform(0.5, 4.0, size=(3,))]
        yield cls(()), [state, rng.uniform(0.5, 4.0, size=())]


@final
class LogGammaSlope(AbstractMap):
    """Derivative of the logarithm `x` of a gamma sample with respect to the shape parameter `y`.

    With ``t`` the sample and ``p`` its density, implicit differentiation of the distribution
    function gives ``-(1 / (t p(t))) * integral of (log s - digamma(y)) p(s) over s < t``, which is
    also plus the integral over ``s > t``. The side is taken on which the density falls away from
    the sample, so that nothing cancels; ``s = t exp(-+v)`` makes the integrand smooth and the
    double-exponential rule integrates it to ten digits.
    """

    complex_ok = False
    floating = True
    flops = 1600
    no_derivative = (
        "the second derivative of gamma-distributed samples in their shape parameter is not known"
    )
    llvm = "log_gamma_slope"

    def value(self, x: Any, y: Any) -> Any:
        log_t, a = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(y, np.float64))
        t = np.exp(log_t)
        lower = t <= a
        sign = np.where(lower, -1.0, 1.0)
        width: Any = np.where(lower, _width_below(a, t), _width_above(a, t))
        mean = log_t - digamma(a)
        total: Any = np.zeros_like(t)
        for node, weight in zip(NODES, WEIGHTS, strict=True):
            v = sign * (width * node)
            total += weight * (mean + v) * np.exp(a * v - t * np.expm1(v))
        return (sign * width * total).astype(np.result_type(x, y))

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(), [rng.normal(size=(2, 3)), rng.uniform(0.5, 4.0, size=(2, 3))]


def _width_below(a: Any, t: Any) -> Any:
    """Over which `v` the density of ``t exp(-v)`` falls, for ``t <= a``."""
    rate: Any = np.maximum(a - t, np.minimum(a, np.sqrt(a)))
    return 1 / rate


def _width_above(a: Any, t: Any) -> Any:
    """Over which `v` the density of ``t exp(v)`` falls, for ``t >= a``."""
    near: Any = 1 / np.maximum(t - a, np.sqrt(np.maximum(t, 1.0)))
    return np.where(t > 1, near, np.log1p(1 / np.maximum(t, 1e-300)))


# v = exp(u - exp(-u)) for u in steps: fine near zero, and far enough for exp(-v)
_STEPS: Final = np.arange(-3.4, 3.9, 0.075)
NODES: Final = np.exp(_STEPS - np.exp(-_STEPS))
WEIGHTS: Final = 0.075 * NODES * (1 + np.exp(-_STEPS))
LOG_GAMMA_SLOPE: Final = LogGammaSlope()


def digamma(x: Any) -> Any:
    """Derivative of the logarithm of the gamma function, for positive `x`: to 14 digits."""
    shifted = np.array(x, np.float64)
    out = np.zeros_like(shifted)
    for _ in range(10):  # psi(x) = psi(x + 1) - 1 / x, until the asymptotic series is exact
        small = shifted < 10
        out -= np.where(small, 1 / np.where(small, shifted, 1.0), 0.0)
        shifted += small
    z = 1 / (shifted * shifted)
    series = z * (1 / 12 - z * (1 / 120 - z * (1 / 252 - z * (1 / 240 - z * (1 / 132)))))
    return out + np.log(shifted) - 0.5 / shifted - series


@final
class RandomPoisson(AbstractRejection):
    """A Poisson-distributed integer with mean `x`: discrete, so without a gradient."""

    no_derivative = "a Poisson-distributed integer does not depend smoothly on its mean"

    def value(self, state: Any, x: Any) -> Any:
        if not np.all((x >= 0) & (x < 2.0**53)):
            raise ArgumentError("the mean of a Poisson distribution must be from 0 to 2**53")
        mean = np.broadcast_to(x, self.out_shape(state, x)).astype(np.float64).ravel()

        def attempt(u: Any, at: Any, r: int) -> tuple[Any, Any]:
            small = mean[at] < 10
            found, accepted = _transformed_rejection(u, np.maximum(mean[at], 10.0))
            found[small] = _poisson_by_inversion(u[small, 0], mean[at[small]])
            return found, accepted | small

        return self.draw(state, x, attempt).astype(np.int64)

    def out_type(self, state: Any, x: Any) -> Type:
        return Type(self.out_shape(state, x), np.dtype(np.int64))

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        state = np.array([1, 2, 0xFFFFFFFE, 4], np.uint32)
        yield cls((2, 3)), [state, rng.uniform(0.5, 40.0, size=(2, 3))]
        yield cls((2, 3)), [state, rng.uniform(0.5, 40.0, size=(3,))]


def _poisson_by_inversion(u: Any, mean: Any) -> Any:
    """The smallest count whose distribution function exceeds `u`."""
    out = np.zeros_like(mean)
    p = np.exp(-mean)
    reached = p.copy()
    for k in range(1, 64):  # beyond, less than 2**-53 is left for a mean up to 10
        more = u >= reached
        if not more.any():
            break
        out += more
        p *= mean / k
        reached += p
    return out


def _transformed_rejection(u: Any, mean: Any) -> tuple[Any, Any]:
    """Hörmann's algorithm PTRS, for means from 10: a candidate and whether it is accepted."""
    b = 0.931 + 2.53 * np.sqrt(mean)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    x, y = u[:, 0] - 0.5, 1 - u[:, 1]
    edge = np.maximum(0.5 - np.abs(x), 2.0**-54)
    k = np.floor((2 * a / edge + b) * x + mean + 0.43)
    at_once = (edge >= 0.07) & (y <= 0.9277 - 3.6224 / (b - 2))
    refused = (k < 0) | ((edge < 0.013) & (y > edge))
    left = np.log(y * inverse_alpha / (a / (edge * edge) + b))
    right = k * np.log(mean) - mean - log_factorial(np.maximum(k, 0))
    return k, at_once | (~refused & (left <= right))


def log_factorial(k: Any) -> Any:
    """Logarithm of k! for k >= 0, by Stirling's series from 10 on."""
    n = np.maximum(k, 10.0) + 1
    z = 1 / (n * n)
    tail = (1 / 12 - z * (1 / 360 - z * (1 / 1260 - z / 1680))) / n
    large = (n - 0.5) * np.log(n) - n + 0.5 * math.log(2 * math.pi) + tail
    return np.where(k < 10, SMALL_FACTORIALS[np.minimum(k, 9).astype(np.int64)], large)


SMALL_FACTORIALS: Final = np.array([math.lgamma(k + 1) for k in range(10)])
