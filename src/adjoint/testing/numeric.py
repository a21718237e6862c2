"""Derivatives from values alone: central differences with extrapolation, and the complex step.

Neither looks at a derivative rule, which is what makes them a check of one. Differences work for
any function and lose some digits; the complex step loses none, but needs a function that is
holomorphic and made of operations that take complex numbers. It is trusted only where differences
agree with it, because a function may take complex numbers and not be holomorphic.

Sources: Ridders, Accurate computation of F'(x) and F'(x)F''(x) (1982); Squire and Trapp, Using
complex variables to estimate derivatives of real functions (1998).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np

from adjoint.testing.tolerances import coarsest

Arrays = list[np.ndarray[Any, Any]]
Function = Callable[[Arrays], Arrays]

LEVELS: Final = 3
"""Step sizes of one extrapolation: the error falls with the sixth power of the step."""
RATIO: Final = 1.6
"""Of one step size to the next; not 2, at which a staircase may look like a ramp."""
ATTEMPTS: Final = 5
SHRINK: Final = 2.0**-4
COMPLEX_STEP: Final = 1e-30


class Derivative(NamedTuple):
    """A directional derivative as found from values.

    Attributes:
        values: the derivative of each output.
        noise: for each output, how much of it may be rounding.
        method: ``differences`` or ``complex step``.
        settled: whether smaller steps change little; at a pole or a kink they change much.
    """

    values: Arrays
    noise: Arrays
    method: str
    settled: bool


def directional(f: Function, xs: Arrays, vs: Arrays) -> Derivative:
    """The derivative of `f` at `xs` along `vs`, by the most exact way that the function allows."""
    found = differences(f, xs, vs)
    exact = complex_step(f, xs, vs)
    if exact is None or not _agree(exact, found):
        return found
    noise = [np.full(np.shape(n), COMPLEX_STEP) for n in found.noise]
    return Derivative(exact, noise, "complex step", found.settled)


def differences(f: Function, xs: Arrays, vs: Arrays) -> Derivative:
    """Central differences, extrapolated to step zero; for each output the best of some first steps.

    The first step balances truncation, which falls as its sixth power, against rounding. Where
    halving it changes the result (a pole or a kink is near), smaller steps are tried.
    """
    base = f(xs)
    eps = coarsest(*[y.dtype for y in base])
    size = [np.abs(_wide(y)) for y in base]
    largest = max([1.0, *(y.max(initial=0.0) for y in size if np.isfinite(y).all())])
    h = 2.0 ** np.round(np.log2(eps ** (1 / (2 * LEVELS + 1))))
    best: Arrays = [np.full(y.shape, np.nan, _wide(y).dtype) for y in base]
    error: Arrays = [np.full(y.shape, np.inf) for y in base]
    noise: Arrays = [np.zeros(y.shape) for y in base]
    bent = False
    for _ in range(ATTEMPTS):
        rows = [_stencil(f, base, xs, vs, h / RATIO**k) for k in range(LEVELS)]
        tried = _extrapolate([slopes for slopes, _ in rows])
        bent = _bent(rows, h)
        for i, (value, spread) in enumerate(tried):
            rounding = 16 * eps * size[i] / h
            rounding += np.minimum(10 * np.nan_to_num(spread, nan=np.inf), eps ** (2 / 3) * largest)
            better = np.nan_to_num(spread, nan=np.inf) < error[i]
            best[i] = np.where(better, value, best[i])
            error[i] = np.where(better, spread, error[i])
            noise[i] = np.where(better, rounding, noise[i])
        if all(
            (e <= 1e-9 * np.abs(b) + n).all() for e, b, n in zip(error, best, noise, strict=True)
        ):
            break
        h *= SHRINK
    settled = not bent and all(
        (e <= 1e-4 * np.abs(b).max(initial=0.0) + 10 * n).all()
        for e, b, n in zip(error, best, noise, strict=True)
    )
    return Derivative(best, noise, "differences", settled)


def _stencil(f: Function, base: Arrays, xs: Arrays, vs: Arrays, h: float) -> tuple[Arrays, Arrays]:
    """Central differences, and how far the value is from the middle of its neighbours."""
    up = f([x + h * v for x, v in zip(xs, vs, strict=True)])
    down = f([x - h * v for x, v in zip(xs, vs, strict=True)])
    with np.errstate(all="ignore"):
        slopes = [(_wide(a) - _wide(b)) / (2 * h) for a, b in zip(up, down, strict=True)]
        bends = [
            np.abs(_wide(a) - 2 * _wide(y) + _wide(b))
            for a, y, b in zip(up, base, down, strict=True)
        ]
    return slopes, bends


def _bent(rows: Sequence[tuple[Arrays, Arrays]], h: float) -> bool:
    """Whether there is a kink: there the bend falls as the step, elsewhere as its square."""
    (slopes, wide), (_, narrow) = rows[0], rows[-1]
    return any(
        bool(((b > 1e-3 * h * np.abs(s).max()) & (RATIO**3 * n > b)).any())
        for s, b, n in zip(slopes, wide, narrow, strict=True)
        if s.size
    )


def _extrapolate(rows: Sequence[Arrays]) -> list[tuple[Any, Any]]:
    """For each output: the value at step zero, and how far the last refinement moved it."""
    out: list[tuple[Any, Any]] = []
    for column in zip(*rows, strict=True):
        table = list(column)
        before = table[-1]
        with np.errstate(all="ignore"):
            for order in range(1, len(table)):
                before = table[-1]
                gain = RATIO ** (2 * order)
                table = [(gain * fine - coarse) / (gain - 1) for coarse, fine in pairwise(table)]
            out.append((table[-1], np.abs(table[-1] - before)))
    return out


def complex_step(f: Function, xs: Arrays, vs: Arrays) -> Arrays | None:
    """``Im f(x + ihv) / h`` for a tiny `h`, or None where the function does not take it."""
    if not all(x.dtype == np.float64 for x in xs):
        return None
    stepped = [x + 1j * (COMPLEX_STEP * v) for x, v in zip(xs, vs, strict=True)]
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            out = f(stepped)
    except Exception:  # whatever it objects to, differences will do
        return None
    if not all(y.dtype == np.complex128 for y in out):
        return None
    return [y.imag / COMPLEX_STEP for y in out]


def _agree(exact: Arrays, found: Derivative) -> bool:
    if any(np.iscomplexobj(d) for d in found.values):
        return False  # real inputs, complex outputs: the step would mix the parts
    return all(
        e.shape == d.shape
        and bool((np.abs(e - d) <= 1e-5 * np.abs(d).max(initial=0.0) + 10 * n).all())
        for e, d, n in zip(exact, found.values, found.noise, strict=True)
    )


def _wide(y: Any) -> Any:
    """The same numbers in double precision."""
    return y.astype(np.complex128 if y.dtype.kind == "c" else np.float64, copy=False)


def inner(a: Sequence[Any], b: Sequence[Any]) -> float:
    """The real inner product ``Re sum conj(a) b``."""
    return float(sum(np.vdot(_wide(x), _wide(y)).real for x, y in zip(a, b, strict=True)))


def inner_size(a: Sequence[Any], b: Sequence[Any]) -> float:
    """The sum of the sizes of the terms of `inner`: what its rounding is relative to."""
    return float(sum(np.abs(_wide(x) * _wide(y)).sum() for x, y in zip(a, b, strict=True)))
