"""Averages of the parameters over the course of a training."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

import adjoint as ad
from adjoint.optim.parameters import named, split_groups
from adjoint.optim.working import HALF


class ExponentialMovingAverage:
    r"""A second set of parameters, ``a ← d·a + (1 − d)·p``, which is steadier than the last.

    Args:
        parameters: a module, tensors, (name, tensor) pairs, or a tree of tensors.
        decay: d, the share that is kept in each update.
        warm_up: begin with a smaller decay, ``min(decay, (1 + t)/(10 + t))`` at update t, so that
            the first parameters are forgotten sooner.

    Raises:
        ArgumentError: if `decay` is not in [0, 1].

    Example:
        >>> w = ad.tensor([0.0], requires_grad=True)
        >>> average = ad.optim.ExponentialMovingAverage([w], decay=0.5)
        >>> with ad.no_grad():
        ...     w.assign([1.0])
        tensor([1.], requires_grad=True)
        >>> average.update()
        >>> with average.applied():
        ...     w.tolist()
        [0.5]
        >>> w.tolist()
        [1.0]

    Source: Polyak and Juditsky, 1992; decay that warms up: TensorFlow's moving averages.
    """

    def __init__(self, parameters: Any, decay: float = 0.999, *, warm_up: bool = False) -> None:
        if not 0.0 <= decay <= 1.0:
            raise ad.errors.ArgumentError(
                f"ExponentialMovingAverage: decay must be in [0, 1], not {decay!r}"
            )
        self.warm_up = warm_up
        (group,) = split_groups(parameters, "ExponentialMovingAverage")
        self._params = dict(named(group["params"], (), "ExponentialMovingAverage"))
        self._decay = ad.tensor(decay, dtype=ad.float64)
        self._steps = ad.zeros((), dtype=ad.float64)
        self.averages: dict[str, ad.Tensor] = {
            name: ad.tensor(p.detach().astype(ad.float32 if p.dtype.name in HALF else p.dtype))
            for name, p in self._params.items()
        }
        """The averages by name."""

    def update(self) -> None:
        """Take the parameters as they are now into the averages. Can be compiled."""
        with ad.no_grad():
            steps = self._steps + 1.0
            self._steps.assign(steps)
            decay = self._decay
            if self.warm_up:
                decay = ad.minimum(decay, (steps + 1.0) / (steps + 10.0))
            new = 1.0 - decay
            for name, p in self._params.items():
                a = self.averages[name]
                share = new.astype(a.real.dtype)
                a.assign(a + (p.astype(a.dtype) - a) * share)

    @contextmanager
    def applied(self) -> Generator[None]:
        """The averages are the parameters inside of the block."""
        before = {name: p.detach() for name, p in self._params.items()}
        with ad.no_grad():
            for name, p in self._params.items():
                p.assign(self.averages[name])
        try:
            yield
        finally:
            with ad.no_grad():
                for name, p in self._params.items():
                    p.assign(before[name])

    def state_dict(self) -> dict[str, Any]:
        """A copy of the averages by name, and how many updates they have had."""
        averages = {name: ad.tensor(a.numpy()) for name, a in self.averages.items()}
        return {"step": int(self._steps), "decay": float(self._decay), "averages": averages}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave.

        Raises:
            ArgumentError: if the names or shapes differ.
        """
        saved = state_dict["averages"]
        different = sorted(set(saved) ^ set(self.averages))
        different += [
            name
            for name in self.averages.keys() & set(saved)
            if tuple(saved[name].shape) != self.averages[name].shape
        ]
        if different:
            raise ad.errors.ArgumentError(
                "ExponentialMovingAverage.load_state_dict: names or shapes differ: "
                f"{', '.join(different)}"
            )
        for name, a in self.averages.items():
            a.assign(ad.tensor(saved[name]))
        self._steps.assign(float(state_dict["step"]))
        self._decay.assign(float(state_dict["decay"]))
