"""Samplers of integers, truth values and orders: what they draw has no gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.core.bind import lift
from adjoint.core.errors import ArgumentError, DTypeError
from adjoint.core.graph import Handle
from adjoint.core.types import INT, Shape, as_dtype, dtype_kind, normalize_axis
from adjoint.ops.arithmetic import ADD, MULTIPLY
from adjoint.ops.bitwise import bitwise_left_shift, bitwise_or, bitwise_right_shift
from adjoint.ops.cumulative import cumulative_sum
from adjoint.ops.exponential import log
from adjoint.ops.extreme import argmax
from adjoint.ops.families import CAST
from adjoint.ops.gather import take
from adjoint.ops.random_rejection import RandomPoisson
from adjoint.ops.search import searchsorted
from adjoint.ops.shape import permute_dims
from adjoint.ops.sort import argsort
from adjoint.random.continuous import gumbel
from adjoint.random.generator import Generator, default_generator
from adjoint.random.parameters import Size, fraction, parameter, the_dtype, the_shape

__all__ = [
    "bernoulli",
    "bits",
    "categorical",
    "choice",
    "dropout_mask",
    "integers",
    "permutation",
    "poisson",
    "randint",
    "shuffle",
]

UINT64 = np.dtype(np.uint64)
FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)


def bits(size: Size = None, *, generator: Generator | None = None) -> Any:
    """Uniform random 32-bit words, the raw material of all samplers.

    Args:
        size: shape of the result.
        generator: where they come from.

    Example:
        >>> ad.random.bits(2, generator=ad.random.Generator(0))
        tensor([1713891541, 3781805453], dtype=uint32)
    """
    return (generator or default_generator()).bits(the_shape(size))


def integers(
    low: int,
    high: int | None = None,
    size: Size = None,
    *,
    dtype: Any = np.int64,
    endpoint: bool = False,
    generator: Generator | None = None,
) -> Any:
    """Integers that are equally likely from `low` up to, but without, `high`.

    Args:
        low: the smallest; or, if `high` is not given, the limit, and 0 is the smallest.
        high: the limit.
        size: shape of the result.
        dtype: an integer dtype.
        endpoint: whether `high` itself is included.
        generator: where the bits come from.

    Returns:
        The numbers. Their probabilities are equal to within 2**-32 of themselves.

    Raises:
        ArgumentError: if there is no number to draw, more than 2**32 of them, or one that the
            dtype cannot hold.

    Example:
        >>> ad.random.integers(10, size=5, generator=ad.random.Generator(0))
        tensor([3, 8, 7, 6, 9])
    """
    first, last = (0, low) if high is None else (low, high)
    last = last - 1 + endpoint
    kind = as_dtype(dtype)
    if dtype_kind(kind) != INT:
        raise DTypeError(f"integers: expected an integer dtype, got {kind}")
    span = last - first + 1
    if not 1 <= span <= 2**32:
        raise ArgumentError(f"integers: from {first} to {last} there are {max(span, 0)} numbers")
    limits = np.iinfo(kind)
    if first < limits.min or last > limits.max:
        raise ArgumentError(f"integers: {kind} does not hold the numbers from {first} to {last}")
    shape = the_shape(size)
    high_word, low_word = (CAST[UINT64](bits(shape, generator=generator)) for _ in range(2))
    # the whole part of (a 64-bit fraction) * span
    carried = bitwise_right_shift(MULTIPLY(low_word, span), 32)
    found = bitwise_right_shift(ADD(MULTIPLY(high_word, span), carried), 32)
    return CAST[kind](ADD(CAST[np.dtype(np.int64)](found), first))


def randint(
    low: int,
    high: int | None = None,
    size: Size = None,
    *,
    dtype: Any = np.int64,
    generator: Generator | None = None,
) -> Any:
    """Integers that are equally likely from `low` up to, but without, `high`: as `integers`.

    Example:
        >>> ad.random.randint(1, 7, size=3, generator=ad.random.Generator(1))
        tensor([6, 6, 4])
    """
    return integers(low, high, size, dtype=dtype, generator=generator)


def bernoulli(p: Any = 0.5, size: Size = None, *, generator: Generator | None = None) -> Any:
    """Truth values that are True with probability `p`.

    Args:
        p: probabilities.
        size: shape of the result; by default that of `p`.
        generator: where the bits come from.

    Example:
        >>> ad.random.bernoulli(0.5, size=4, generator=ad.random.Generator(0))
        tensor([ True, False, False, False])
    """
    p = parameter(p, "p")
    dtype = FLOAT64 if getattr(p, "dtype", None) == FLOAT64 else FLOAT32
    return fraction(the_shape(size, p), dtype, generator) < p


def dropout_mask(
    p: float,
    size: Size = (),
    *,
    dtype: Any = None,
    generator: Generator | None = None,
) -> Any:
    """Factors for dropout: 0 with probability `p`, else ``1 / (1 - p)``, so that the mean is 1.

    Args:
        p: probability that an element is dropped.
        size: shape of the result.
        dtype: dtype of the result.
        generator: where the bits come from.

    Raises:
        ArgumentError: if `p` is not a probability.

    Example:
        >>> ad.random.dropout_mask(0.5, size=6, generator=ad.random.Generator(0))
        tensor([0., 2., 2., 2., 2., 0.])
    """
    if not 0 <= p <= 1:
        raise ArgumentError(f"dropout_mask: p must be from 0 to 1, got {p}")
    kind = the_dtype(dtype)
    keep = fraction(the_shape(size), FLOAT32, generator) >= p
    return CAST[kind](keep) * (1 / (1 - p) if p < 1 else 0.0)


def poisson(lam: Any = 1.0, size: Size = None, *, generator: Generator | None = None) -> Any:
    """Counts of independent events of which `lam` are expected: Poisson-distributed integers.

    Args:
        lam: means.
        size: shape of the result; by default that of `lam`.
        generator: where the bits come from.

    Raises:
        ArgumentError: if a mean is negative.

    Example:
        >>> x = ad.random.poisson(3.0, size=10000, generator=ad.random.Generator(0))
        >>> round(float(x.mean()), 1)
        3.0
    """
    lam = parameter(lam, "lam")
    card = RandomPoisson(the_shape(size, lam))
    mean = CAST[FLOAT64](lift(lam).detach())
    return card((generator or default_generator()).reserve(card.blocks), mean)


def categorical(
    logits: Any, size: Size = None, *, axis: int = -1, generator: Generator | None = None
) -> Any:
    """Indices along `axis`, drawn with the probabilities ``softmax(logits)``.

    By the Gumbel trick: the largest of the logits with Gumbel noise.

    Args:
        logits: logarithms of the probabilities, up to a constant.
        size: shape of the result; by default that of `logits` without `axis`.
        axis: the axis of the classes.
        generator: where the bits come from.

    Example:
        >>> logits = np.log([0.01, 0.98, 0.01])
        >>> ad.random.categorical(logits, size=6, generator=ad.random.Generator(0))
        tensor([1, 1, 1, 1, 1, 1])
    """
    logits = lift(logits).detach()
    at = normalize_axis(axis, logits.ndim)
    if at != logits.ndim - 1:
        order = [a for a in range(logits.ndim) if a != at]
        logits = permute_dims(logits, (*order, at))
    classes = logits.shape[-1]
    shape = logits.shape if size is None else (*the_shape(size), classes)
    return argmax(gumbel(logits, size=shape, generator=generator), axis=-1)


def permutation(x: Any, *, axis: int = 0, generator: Generator | None = None) -> Any:
    """The entries along `axis` in random order; for an integer `n`, the numbers below it.

    Args:
        x: a tensor, or an integer.
        axis: the axis to reorder.
        generator: where the bits come from.

    Example:
        >>> ad.random.permutation(5, generator=ad.random.Generator(0))
        tensor([0, 3, 2, 1, 4])

    **Gradient:** for a tensor, reordered back.
    """
    if isinstance(x, int | np.integer):
        return _order(int(x), generator)
    x = lift(x)
    return take(x, _order(x.shape[normalize_axis(axis, x.ndim)], generator), axis=axis)


def _order(n: int, generator: Generator | None) -> Any:
    # 64-bit keys: that two of a million are equal happens once in 10**7 draws
    high, low = (CAST[UINT64](bits(n, generator=generator)) for _ in range(2))
    return argsort(bitwise_or(bitwise_left_shift(high, 32), low))


def shuffle(x: Any, *, axis: int = 0, generator: Generator | None = None) -> None:
    """Nothing: `x` is bound to its own entries in random order.

    Args:
        x: a tensor. The name gets a new value, as with ``x += 1``; copies keep the old one.
        axis: the axis to reorder.
        generator: where the bits come from.

    Example:
        >>> x = ad.tensor([1, 2, 3, 4])
        >>> ad.random.shuffle(x, generator=ad.random.Generator(0))
        >>> x
        tensor([1, 4, 3, 2])
    """
    if not isinstance(x, Handle):
        raise ArgumentError("shuffle: x must be a tensor; permutation(x) reorders anything else")
    tensor: Any = x
    tensor.assign(permutation(x, axis=axis, generator=generator))


def choice(
    a: Any,
    size: Size = None,
    replace: bool = True,
    p: Any = None,
    *,
    axis: int = 0,
    generator: Generator | None = None,
) -> Any:
    """Entries of `a` along `axis`, drawn at random; for an integer `a`, numbers below it.

    Args:
        a: a tensor, or an integer.
        size: how many; None draws a single entry.
        replace: whether an entry may be drawn twice.
        p: probabilities, one for each entry; equal by default.
        axis: the axis to draw along.
        generator: where the bits come from.

    Raises:
        ArgumentError: if more entries are asked for than there are, or `p` does not fit.

    Example:
        >>> ad.random.choice(5, size=3, replace=False, generator=ad.random.Generator(0))
        tensor([0, 3, 2])
    """
    whole = isinstance(a, int | np.integer)
    a = a if whole else lift(a)
    n = int(a) if whole else a.shape[normalize_axis(axis, a.ndim)]
    shape = the_shape(size)
    index = _with(n, shape, p, generator) if replace else _without(n, shape, p, generator)
    return index if whole else take(a, index, axis=axis)


def _with(n: int, shape: Shape, p: Any, generator: Generator | None) -> Any:
    if p is None:
        return integers(n, size=shape, generator=generator)
    edges = cumulative_sum(_probabilities(p, n))
    u = fraction(shape, FLOAT64, generator) * edges[-1]
    return searchsorted(edges, u, side="right")


def _without(n: int, shape: Shape, p: Any, generator: Generator | None) -> Any:
    count = int(np.prod(shape, dtype=np.int64))
    if count > n:
        raise ArgumentError(f"choice: {count} of {n} entries cannot differ; say replace=True")
    if p is None:
        return _order(n, generator)[:count].reshape(shape)
    keys = gumbel(log(_probabilities(p, n)), generator=generator)  # the largest keys are the draw
    return argsort(-keys)[:count].reshape(shape)


def _probabilities(p: Any, n: int) -> Any:
    p = CAST[FLOAT64](lift(p).detach())
    if p.shape != (n,):
        raise ArgumentError(f"choice: p has the shape {p.shape} for {n} entries")
    return p
