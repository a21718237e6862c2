"""Every card of the library with every sample it gives: what the generic tests iterate over."""

import importlib
import pkgutil
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from adjoint.core.bind import SCALARS, lift
from adjoint.core.primitive import Primitive, registry
from adjoint.core.types import Type, is_inexact
from adjoint.ops.families import ZERO

WITH_CARDS = ("adjoint.ops", "adjoint.transforms", "adjoint.control", "adjoint.random")


@dataclass
class Case:
    """One sample of one card."""

    card: type[Primitive]
    index: int
    op: Any
    xs: list[Any]
    _diff: tuple[int, ...] | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.card.__name__}-{self.index}"

    @property
    def types(self) -> list[Any]:
        return [x if x.__class__ in SCALARS else Type.of(x) for x in self.xs]

    @property
    def out_types(self) -> tuple[Type, ...]:
        return several(self.op.out_type(*self.types))

    @property
    def inexact(self) -> bool:
        """Whether an output has a tangent space."""
        return any(is_inexact(t.dtype) for t in self.out_types)

    @property
    def candidates(self) -> tuple[int, ...]:
        """Positions of float and complex operands that are no parameters."""
        parameters = getattr(self.op, "parameters", ())
        return tuple(
            i
            for i, x in enumerate(self.xs)
            if x.__class__ not in SCALARS and is_inexact(x.dtype) and i not in parameters
        )

    @property
    def differentiable(self) -> tuple[int, ...]:
        """Positions of operands that the rule gives a gradient (or ZERO) for."""
        if self.op.no_derivative or not self.inexact:
            return ()
        if self._diff is None:
            grads = self.pull(*self.sweep_inputs())
            self._diff = tuple(i for i in self.candidates if grads[i] is not None)
        return self._diff

    def sweep_inputs(self) -> tuple[Any, Any, list[Any]]:
        """A cotangent, the output and the operands, as arrays."""
        out = compute(self.op, self.xs)
        outs = several(out)
        rng = rng_for(self.card.__name__ + "ct")
        cts = tuple(like_random(rng, y) for y in outs)
        return (cts if isinstance(out, tuple) else cts[0]), out, self.xs

    def pull(self, ct: Any, out: Any, xs: Sequence[Any]) -> Sequence[Any]:
        mask = sum(1 << i for i in self.candidates)
        with np.errstate(all="ignore"):
            return self.op.pull(ct, out, tuple(xs), mask)

    def function(self, at: Sequence[int]) -> Any:
        """The card as a function of the operands at these positions."""

        def f(*given: Any) -> Any:
            xs = list(self.xs)
            for i, x in zip(at, given, strict=True):
                xs[i] = x
            return self.op(*map(operand, xs))

        return f


def operand(x: Any) -> Any:
    return x if x.__class__ in SCALARS else lift(x)


def several(out: Any) -> tuple[Any, ...]:
    return out if isinstance(out, tuple) else (out,)


def compute(op: Any, xs: Sequence[Any]) -> Any:
    """The value of a card for arrays, by its own line of NumPy."""
    with np.errstate(all="ignore"):
        out = op.value(*xs)
    return tuple(map(np.asarray, out)) if isinstance(out, tuple) else np.asarray(out)


def rng_for(name: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(name.encode()))


def like_random(rng: np.random.Generator, y: Any) -> Any:
    out = rng.normal(size=y.shape)
    if y.dtype.kind == "c":
        out = out + 1j * rng.normal(size=y.shape)
    return np.asarray(out, y.dtype) if is_inexact(y.dtype) else np.zeros(y.shape, y.dtype)


def is_zero(g: Any) -> bool:
    return g is ZERO


@cache
def import_everything() -> dict[str, str]:
    """Import every module that may define cards; of those that fail, why."""
    broken: dict[str, str] = {}
    names = list(WITH_CARDS)
    for name in names:
        try:
            module = importlib.import_module(name)
        except Exception as error:
            if not (isinstance(error, ModuleNotFoundError) and error.name == name):
                broken[name] = f"{type(error).__name__}: {error}"
            continue
        names += [m.name for m in pkgutil.iter_modules(getattr(module, "__path__", []), name + ".")]
    return broken


@cache
def cards() -> dict[str, type[Primitive]]:
    """Every card that is defined, except for those that tests define."""
    import_everything()
    return {n: c for n, c in sorted(registry.items()) if not c.__module__.startswith("tests.")}


def samples_of(card: type[Primitive]) -> Iterator[Case]:
    for index, (op, xs) in enumerate(card.samples(rng_for(card.__name__))):
        arrays = [x if x.__class__ in SCALARS else np.asarray(x) for x in xs]
        yield Case(card, index, op, arrays)


@cache
def all_cases() -> tuple[list[Case], dict[str, str]]:
    """Every sample, and for cards whose samples cannot be made, why."""
    found: list[Case] = []
    broken: dict[str, str] = {}
    for name, card in cards().items():
        try:
            found += samples_of(card)
        except Exception as error:
            broken[name] = f"{type(error).__name__}: {error}"
    return found, broken
