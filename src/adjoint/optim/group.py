"""A group of parameters and its options.

Numbers live in tensors, so that they may change under a compiled step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, NamedTuple

import numpy as np

import adjoint as ad


class Range(NamedTuple):
    """Where a hyperparameter may be: from `low`, included, to `high`, left out unless `closed`."""

    low: float
    high: float = math.inf
    pair: bool = False
    closed: bool = False

    def __contains__(self, value: object) -> bool:
        numbers = value if isinstance(value, tuple | list) else (value,)
        if len(numbers) != (2 if self.pair else 1):
            return False
        return all(
            isinstance(x, int | float | np.number)
            and (self.low <= x < self.high or (self.closed and x == self.high))
            for x in numbers
        )

    def __str__(self) -> str:
        noun = "two numbers" if self.pair else "a number"
        if self.high == math.inf:
            return f"{noun} of at least {self.low:g}" if self.low > -math.inf else f"finite {noun}"
        return f"{noun} in [{self.low:g}, {self.high:g}{']' if self.closed else ')'}"


Ranges = Mapping[str, Range]
"""The hyperparameters of an optimizer that are numbers."""
AT_LEAST_0 = Range(0.0)
UNIT_PAIR = Range(0.0, 1.0, pair=True)
ANY = Range(-math.inf)


class Scalars(dict[str, Any]):
    """Numbers by name, each a Python float or a tensor of rank 0 (or 1: one for each parameter)."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


class ParamGroup(MutableMapping[str, Any]):
    """Parameters that share options: a mapping, as PyTorch's dicts.

    ``group["lr"]`` is a float, and ``group["lr"] = x`` writes into the tensor that the update rule
    reads; a step that was compiled before goes on with the new number.

    Attributes:
        params: the tensors.
        names: their names.
        steps: how many updates each of them has had, float64 of shape (parameters,).
        running: other numbers that accompany each parameter, such as a product of momenta.
        used: hyperparameters that were ever other than zero. What multiplies by the others is left
            out of the update.
    """

    def __init__(
        self,
        owner: str,
        ranges: Mapping[str, Range],
        names: list[str],
        params: list[ad.Tensor],
        changed: Callable[[ParamGroup], None],
    ) -> None:
        self.owner = owner
        self.ranges = ranges
        self.names = names
        self.params = params
        self.steps = ad.zeros(len(params), dtype=ad.float64)
        self.running: dict[str, ad.Tensor] = {}
        self.used: set[str] = set()
        self._tensors: dict[str, tuple[ad.Tensor, ...]] = {}
        self._others: dict[str, Any] = {}
        self._changed = changed

    def tensor(self, name: str) -> ad.Tensor:
        """The tensor of rank 0 that holds a hyperparameter (of a pair: the first)."""
        return self._tensors[name][0]

    def scalars(self, known: bool) -> Scalars:
        """All hyperparameters as floats, or as tensors; those of a pair as `name1`, `name2`."""
        out = Scalars()
        for name, held in self._tensors.items():
            numbers = [t.item() for t in held] if known else held
            if len(held) == 1:
                out[name] = numbers[0]
            else:
                out |= {f"{name}{i}": x for i, x in enumerate(numbers, 1)}
        return out

    def __getitem__(self, name: str) -> Any:
        if name in self._tensors:
            numbers = tuple(t.item() for t in self._tensors[name])
            return numbers if self.ranges[name].pair else numbers[0]
        if name in ("params", "names"):
            return getattr(self, name)
        return self._others[name]

    def __setitem__(self, name: str, value: Any) -> None:
        if name in ("params", "names"):
            raise ad.errors.ArgumentError(
                f"{self.owner}: the {name} of a group do not change\n  Try: add_param_group"
            )
        if name not in self.ranges:
            self._others[name] = value
            return
        value = _plain(value)
        parts = value if isinstance(value, tuple | list) else (value,)
        if not any(isinstance(x, ad.Tensor) for x in parts):
            self._check(name, value)
        if name in self._tensors:
            for held, x in zip(self._tensors[name], parts, strict=True):
                held.assign(x)
        else:
            self._tensors[name] = tuple(ad.tensor(x, dtype=ad.float64) for x in parts)
        if name not in self.used and any(isinstance(x, ad.Tensor) or x != 0 for x in parts):
            self.used.add(name)
            self._changed(self)

    def _check(self, name: str, value: Any) -> None:
        if value not in self.ranges[name]:
            raise ad.errors.ArgumentError(
                f"{self.owner}: {name} must be {self.ranges[name]}, not {value!r}"
            )

    def __delitem__(self, name: str) -> None:
        del self._others[name]

    def __iter__(self) -> Iterator[str]:
        yield from ("params", "names", *self._tensors, *self._others)

    def __len__(self) -> int:
        return 2 + len(self._tensors) + len(self._others)

    def __eq__(self, other: object) -> bool:
        return self is other  # of two mappings, the parameters would be compared by element

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        options = (f"{k}={v!r}" for k, v in self.items() if k not in ("params", "names"))
        return f"{len(self.params)} parameters, {', '.join(options)}"


def _plain(value: Any) -> Any:
    """A number behind a tensor that is known, so that it can be checked."""
    if isinstance(value, tuple | list):
        return tuple(_plain(x) for x in value)
    return value.item() if isinstance(value, ad.Tensor) and value.known else value
