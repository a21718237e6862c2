"""check_grads: derivatives of a function against derivatives from its values alone.

What is checked, for every order and every combination of modes below it:

- forward mode: the tangent of every output, for each input element or a random direction;
- reverse mode: the gradient of a random combination of the outputs, likewise;
- the identity ``<ct, J v> = <J' ct, v>`` between the two modes, to rounding.

Order 2 checks order 1 of the functions ``x -> J(x) v`` and ``x -> J(x)' ct``, and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from adjoint.core.bind import lift
from adjoint.core.errors import ArgumentError
from adjoint.ops.families import CAST
from adjoint.testing.numeric import Arrays, Derivative, directional, inner, inner_size
from adjoint.testing.report import Comparison, GradientReport
from adjoint.testing.tolerances import coarsest, tolerance_for
from adjoint.testing.unpack import TensorFunction, Unpacked, on_arrays
from adjoint.transforms.forward import linearize
from adjoint.transforms.reverse import vjp

MODES: Final = ("forward", "reverse")


def check_grads(
    f: Callable[..., Any],
    args: Any,
    order: int = 2,
    modes: Sequence[str] = MODES,
    *,
    rtol: float | None = None,
    atol: float = 0.0,
    elementwise: int = 48,
    seed: int = 0,
) -> GradientReport:
    """What was compared, if all derivatives of `f` at `args` are right.

    Derivatives are compared with those found from values of `f` alone: by central differences with
    extrapolation, and by the complex step where `f` takes complex numbers and is holomorphic. The
    values are computed in double precision. A few numbers in the arguments are checked one by one;
    of many, a random direction is, and the worst element is searched when it fails.

    Args:
        f: a function whose result is any nesting of tensors. It must be deterministic.
        args: its arguments, a tuple or list; each any nesting of containers with tensors, arrays
            and numbers. What is not float or complex is held constant. Anything else is taken for
            the only argument.
        order: highest order of derivative.
        modes: the modes to check; at order 2 every combination of them.
        rtol: relative tolerance; by default it follows from the dtypes and the numeric method.
        atol: absolute tolerance on top.
        elementwise: how many numbers in the arguments are still checked one by one.
        seed: of the random directions.

    Returns:
        The number of comparisons and the one that came closest to its tolerance.

    Raises:
        GradientMismatch: naming the worst element: where, both values, error, order and mode.
        ArgumentError: if there is nothing to check, or `f` is not deterministic.

    Example:
        >>> report = ad.testing.check_grads(lambda x: x * x / 2, (np.array([1.0, 2.0]),))
        >>> report.worst_error < 1e-6
        True
    """
    for mode in modes:
        if mode not in MODES:
            raise ArgumentError(f"check_grads: no mode {mode!r}; there are {' and '.join(MODES)}")
    if order < 1:
        raise ArgumentError(f"check_grads: order must be at least 1, got {order}")
    unpacked = Unpacked(f, args if isinstance(args, tuple | list) else (args,))
    check = _Check(unpacked, tuple(modes), rtol, atol, elementwise, seed)
    check.refuse_randomness()
    check.run(unpacked, order, ())
    return check.report


@dataclass(frozen=True)
class Direction:
    """A direction in the space of the arguments, and what to call it."""

    where: str
    vs: Arrays


class _Check:
    """The state of one call of `check_grads`."""

    def __init__(
        self,
        unpacked: Unpacked,
        modes: tuple[str, ...],
        rtol: float | None,
        atol: float,
        elementwise: int,
        seed: int,
    ) -> None:
        self.xs = unpacked.xs
        self.wide = [x.astype(np.complex128 if _complex(x) else np.float64) for x in self.xs]
        self.names = unpacked.names
        self.unpacked = unpacked
        self.modes = modes
        self.rtol = rtol
        self.atol = atol
        self.elementwise = elementwise
        self.rng = np.random.default_rng(seed)
        self.report = GradientReport()
        self.components = list(_components(self.xs))

    def refuse_randomness(self) -> None:
        """Refuse a function that gives two results for the same arguments."""
        f = on_arrays(self.unpacked)
        first, second = f(self.wide), f(self.wide)
        same = len(first) == len(second) and all(
            np.array_equal(a, b, equal_nan=True) for a, b in zip(first, second, strict=True)
        )
        if not same:
            raise ArgumentError(
                "check_grads: two calls with the same arguments gave different results; "
                "seed the random numbers inside of the function"
            )

    def run(self, f: TensorFunction, order: int, outer: tuple[str, ...]) -> None:
        """Check first derivatives of `f`, then those of its derivatives."""
        outs = [np.asarray(t.value) for t in f(*map(lift, self.xs))]
        scalar = sum(y.size for y in outs) == 1  # its gradient is what the user knows
        cts = [np.ones(y.shape) if scalar else self._random(y) for y in outs]
        vs = [self._random(x) * np.maximum(1, np.abs(x)) for x in self.xs]
        one = _FirstOrder(self, f, outs, cts, outer)
        if len(self.components) <= self.elementwise:
            directions = [self.unit(*c) for c in self.components]
            one.compare(directions)
        else:
            one.compare_or_search(Direction("a random direction", vs), self.components)
        if len(self.modes) == 2:
            one.compare_modes(vs)
        if order == 1:
            return
        for mode in self.modes:
            g = _pushed(f, vs) if mode == "forward" else _pulled(f, cts)
            self.run(g, order - 1, (*outer, mode))

    def _random(self, x: Any) -> Any:
        """Numbers of size 1/2 to 1 and any sign or phase, like `x`."""
        size = self.rng.uniform(0.5, 1.0, x.shape)
        if _complex(x):
            return size * np.exp(2j * np.pi * self.rng.uniform(size=x.shape))
        return size * self.rng.choice([-1.0, 1.0], x.shape)

    def unit(self, i: int, index: tuple[int, ...], imaginary: bool) -> Direction:
        """The direction of one component."""
        vs = [np.zeros_like(x) for x in self.wide]
        vs[i][index] = 1j if imaginary else 1.0
        return Direction(self._where(i, index, imaginary), vs)

    def _where(self, i: int, index: tuple[int, ...], imaginary: bool) -> str:
        part = " (imaginary part)" if imaginary else ""
        return self.names[i] + _bracket(index) + part

    def block(self, vs: Arrays, part: Sequence[tuple[int, tuple[int, ...], bool]]) -> Arrays:
        """A direction restricted to some components."""
        out = [np.zeros_like(v) for v in vs]
        for i, index, imaginary in part:
            v = vs[i][index]
            out[i][index] += (1j * v.imag if imaginary else v.real) if _complex(vs[i]) else v
        return out


class _FirstOrder:
    """First derivatives of one function, analytic and numeric."""

    def __init__(
        self, check: _Check, f: TensorFunction, outs: Arrays, cts: Arrays, outer: tuple[str, ...]
    ) -> None:
        self.check = check
        self.values = on_arrays(f)
        self.cts = cts
        self.order = len(outer) + 1
        self.outer = outer
        self.out_names = list(check.unpacked.out_names) if not outer else []
        dtypes = [a.dtype for a in (*check.xs, *outs)]
        self.tolerance = tolerance_for(*dtypes)
        self.eps = coarsest(*dtypes)
        self.size = _largest(outs)
        self.push: Any = None
        self.grads: Arrays = []
        if "forward" in check.modes:
            _, self.push = linearize(f, *map(lift, check.xs))
        if "reverse" in check.modes:
            out, pullback = vjp(f, *map(lift, check.xs))
            like = [CAST[o.dtype](lift(ct)) for o, ct in zip(out, cts, strict=True)]
            self.grads = [np.asarray(g.value) for g in pullback(like)]

    def compare(self, directions: Sequence[Direction]) -> None:
        """Compare the derivative along each direction; report all, worst first."""
        numeric = [directional(self.values, self.check.wide, d.vs) for d in directions]
        found: list[Comparison] = []
        if self.push is not None:
            found += self._forward(directions, numeric)
        if self.grads:
            found += self._reverse(directions, numeric)
        for comparison in sorted(found, key=lambda c: -c.excess):
            self.check.report.add(comparison)

    def compare_or_search(self, d: Direction, components: Sequence[Any]) -> None:
        """Compare along one direction; if that fails, halve it until the elements can be listed."""
        if self._passes(d):
            self.compare([d])
            return
        part = list(components)
        while len(part) > max(self.check.elementwise, 16):
            middle = len(part) // 2
            halves = [part[:middle], part[middle:]]
            part = max(halves, key=lambda p: self._excess(self.check.block(d.vs, p)))
        self.compare([self.check.unit(*c) for c in part])
        self.compare([d])  # no single element is out of tolerance, but their sum is

    def _passes(self, d: Direction) -> bool:
        return self._excess(d.vs) <= 1

    def _excess(self, vs: Arrays) -> float:
        d = Direction("", vs)
        numeric = [directional(self.values, self.check.wide, vs)]
        found: list[Comparison] = []
        if self.push is not None:
            found += self._forward([d], numeric)
        if self.grads:
            found += self._reverse([d], numeric)
        return max((c.excess for c in found), default=0.0)

    def _forward(
        self, directions: Sequence[Direction], numeric: Sequence[Derivative]
    ) -> Iterator[Comparison]:
        """For each direction, the output element that agrees least."""
        pushed = [self._tangents(d.vs) for d in directions]
        size = max(_largest(n.values) for n in numeric) + self.size if numeric else 0.0
        for d, dots, n in zip(directions, pushed, numeric, strict=True):
            worst: Comparison | None = None
            for k, (a, b, noise) in enumerate(zip(dots, n.values, n.noise, strict=True)):
                for x, y, part in _parts(a, b):
                    index = _worst(x, y, noise)
                    if index is None:
                        continue
                    name = self.out_names[k] if self.out_names else "the derivative"
                    at = f"{name}{_bracket(index)}{part}" if self.out_names else ""
                    found = self._comparison(
                        d.where, at, "forward", (x[index], y[index]), size, noise[index], n
                    )
                    if worst is None or found.excess > worst.excess:
                        worst = found
            if worst is not None:
                yield worst

    def _reverse(
        self, directions: Sequence[Direction], numeric: Sequence[Derivative]
    ) -> Iterator[Comparison]:
        """For each direction, ``<J' ct, v>`` against ``<ct, J v>`` from values."""
        pairs = [
            (inner(self.grads, d.vs), inner(self.cts, n.values))
            for d, n in zip(directions, numeric, strict=True)
        ]
        size = max((abs(b) for _, b in pairs), default=0.0)
        for d, pair, n in zip(directions, pairs, numeric, strict=True):
            noise = inner_size(self.cts, n.noise)
            terms = max(inner_size(self.cts, n.values), inner_size(self.grads, d.vs)) + self.size
            of = "" if len(self.cts) == 1 and self.cts[0].size == 1 else "their random combination"
            yield self._comparison(d.where, of, "reverse", pair, max(size, terms), noise, n)

    def compare_modes(self, vs: Arrays) -> None:
        """The identity ``<ct, J v> = <J' ct, v>`` between the rules of the two modes."""
        dots = self._tangents(vs)
        a, b = inner(self.grads, vs), inner(self.cts, dots)
        terms = inner_size(self.grads, vs) + inner_size(self.cts, dots)
        rtol = self.tolerance.identity if self.check.rtol is None else self.check.rtol
        self.check.report.add(
            Comparison(
                "a random direction",
                "",
                a,
                b,
                rtol,
                # sums cancel: the error is relative to the terms
                rtol * terms + 64 * self.eps * self.size + self.check.atol,
                self.order,
                self._mode("reverse") + " against forward",
                "the identity <ct, J v> = <J' ct, v>",
            )
        )

    def _tangents(self, vs: Arrays) -> Arrays:
        dots = self.push(*[_like(v, x) for v, x in zip(vs, self.check.xs, strict=True)])
        return [np.asarray(t.value) for t in dots]

    def _mode(self, mode: str) -> str:
        return " over ".join((mode, *reversed(self.outer)))

    def _comparison(
        self,
        where: str,
        output: str,
        mode: str,
        pair: tuple[Any, Any],
        size: float,
        noise: float,
        n: Derivative,
    ) -> Comparison:
        exact = n.method != "differences"
        rtol = self.tolerance.exact if exact else self.tolerance.differences
        if self.check.rtol is not None:
            rtol = self.check.rtol
        a, b = float(pair[0]), float(pair[1])
        rounding = 64 * self.eps * size + float(noise)
        rounding = self.check.atol + (rounding if rounding < np.inf else 0.0)
        note = "" if n.settled else "The function bends sharply or jumps: is there a kink nearby?"
        return Comparison(
            where,
            output,
            a,
            b,
            rtol,
            rounding,
            self.order,
            self._mode(mode),
            n.method,
            note,
        )


def _pushed(f: TensorFunction, vs: Arrays) -> TensorFunction:
    """``x -> J(x) v``."""

    def tangent(*xs: Any) -> list[Any]:
        _, push = linearize(f, *xs)
        return push(*[_like(v, x) for v, x in zip(vs, xs, strict=True)])

    return tangent


def _pulled(f: TensorFunction, cts: Arrays) -> TensorFunction:
    """``x -> J(x)' ct``."""

    def gradient(*xs: Any) -> list[Any]:
        out, pullback = vjp(f, *xs)
        return list(pullback([_like(ct, o) for ct, o in zip(cts, out, strict=True)]))

    return gradient


def _like(v: Any, x: Any) -> Any:
    """A tensor with the numbers of `v` and the dtype of `x`."""
    return lift(np.asarray(v).astype(x.dtype, copy=False))


def _largest(xs: Arrays) -> float:
    return max((float(np.abs(x).max(initial=0.0)) for x in xs), default=0.0)


def _complex(x: Any) -> bool:
    return x.dtype.kind == "c"


def _components(xs: Arrays) -> Iterator[tuple[int, tuple[int, ...], bool]]:
    """Every real number in the arguments: argument, index, and whether it is an imaginary part."""
    for i, x in enumerate(xs):
        for index in np.ndindex(*x.shape):
            yield i, index, False
            if _complex(x):
                yield i, index, True


def _parts(a: Any, b: Any) -> Iterator[tuple[Any, Any, str]]:
    if _complex(a) or _complex(b):
        yield a.real, b.real, ""
        yield a.imag, b.imag, " (imaginary part)"
    else:
        yield a, b, ""


def _worst(a: Any, b: Any, noise: Any) -> tuple[int, ...] | None:
    """The index where two arrays differ most beyond noise."""
    if not a.size:
        return None
    gap = np.abs(np.asarray(a, np.float64) - np.asarray(b, np.float64))
    gap = np.where(np.isnan(gap), np.inf, gap) - noise
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(gap)), gap.shape))


def _bracket(index: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, index))}]" if index else ""
