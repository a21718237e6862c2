"""Learning: a step as it is written, compiled, and the passes over the rows that it makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

import adjoint as ad
from adjoint.sklearn.network import Perceptron

__all__ = ["Learner", "Rows", "outputs"]

Array = np.ndarray[Any, Any]
Loss = Callable[[Any, Any], Any]

WORTH: Final = 500
"""Steps from which native code pays for its compilation; fewer run on NumPy."""
AT_ONCE: Final = 8192
"""Rows that are evaluated together, so that what lies between the layers stays small."""


@dataclass(frozen=True)
class Rows:
    """What is learned from.

    Attributes:
        inputs: (rows, inputs).
        targets: (rows,) classes by number, or (rows, outputs).
        weights: (rows,): how much each counts; positive, and 1 in the mean.
    """

    inputs: Array
    targets: Array
    weights: Array

    def __len__(self) -> int:
        return len(self.inputs)

    def take(self, indices: Any) -> Rows:
        """Some of the rows."""
        weights = self.weights[indices]
        return Rows(self.inputs[indices], self.targets[indices], weights / weights.mean())


class Padded:
    """The order of `ad.data.RandomSampler`, filled up to whole batches with one more row.

    All batches then have one shape, and one program serves them all; the row does not count.
    """

    def __init__(self, count: int, batch: int, seed: int) -> None:
        self.order = ad.data.RandomSampler(count, seed)
        self.missing = np.full(-count % batch, count)

    def __len__(self) -> int:
        return len(self.order) + len(self.missing)

    def indices(self, epoch: int) -> Array:
        """The indices of a pass."""
        return np.concatenate([self.order.indices(epoch), self.missing])


class Learner:
    """A network with its optimizer, and how often both have been used.

    Args:
        network: what learns.
        loss: from outputs and targets the loss of each row.
        generator: where the network's random bits come from.
        seed: of the order of the rows.
        options: `learning_rate` and `weight_decay`.

    Attributes:
        epochs: passes so far.
        steps: updates so far.
    """

    def __init__(
        self,
        network: Perceptron,
        loss: Loss,
        generator: ad.random.Generator,
        seed: int,
        options: dict[str, float],
    ) -> None:
        self.network, self.loss, self.generator, self.seed = network, loss, generator, seed
        self.optimizer = ad.optim.AdamW(
            network, lr=options["learning_rate"], weight_decay=options["weight_decay"]
        )
        self.epochs = self.steps = 0
        self._backend = ""
        self._step: Any = None

    def set(self, learning_rate: float, weight_decay: float) -> None:
        """Set options of the optimizer."""
        for group in self.optimizer.param_groups:
            group["lr"], group["weight_decay"] = learning_rate, weight_decay

    def loader(self, rows: Rows, batch: int) -> ad.data.DataLoader:
        """Batches of these rows, in an order that goes on from pass to pass."""
        arrays = (rows.inputs, rows.targets, rows.weights)
        more = [np.concatenate([x, np.zeros_like(x[:1])]) for x in arrays]
        sampler = Padded(len(rows), batch, self.seed)
        loader = ad.data.DataLoader(tuple(more), batch, sampler=sampler)
        loader.set_epoch(self.epochs)
        return loader

    def prepare(self, steps: int) -> None:
        """Have the step ready for so many more: what it runs on depends on their number alone."""
        backend = "auto" if self.steps + steps >= WORTH else "numpy"
        if backend != self._backend:
            self._step, self._backend = ad.compile(self._as_written, backend=backend), backend

    def _as_written(self, x: Any, y: Any, w: Any) -> Any:
        self.optimizer.zero_grad()
        counted = (w > 0).astype(w.dtype).sum()
        loss = (w * self.loss(self.network(x), y)).sum() / counted
        loss.backward()
        self.optimizer.step()
        return loss

    def epoch(self, loader: ad.data.DataLoader) -> float:
        """One pass; the mean loss."""
        self.network.train()
        losses = [self._step(x, y, w) for x, y, w in loader]
        self.epochs, self.steps = self.epochs + 1, self.steps + len(losses)
        return float(np.mean([loss.item() for loss in losses]))

    # -- state, as plain containers of arrays ------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Where the learning stands, in arrays, numbers and strings."""
        return {
            "network": arrays_of(self.network.state_dict()),
            "optimizer": arrays_of(self.optimizer.state_dict()),
            "generator": arrays_of(self.generator.state_dict()),
            "sizes": self.network.sizes,
            "dtype": str(self.network.input_mean.dtype),
            "seed": self.seed,
            "epochs": self.epochs,
            "steps": self.steps,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.load_state_dict(state["generator"])
        self.epochs, self.steps = state["epochs"], state["steps"]


def arrays_of(tree: Any) -> Any:
    """A tree with NumPy arrays of its own in the place of tensors."""
    if isinstance(tree, ad.Tensor):
        return np.array(tree.detach().numpy())
    if isinstance(tree, dict):
        return {key: arrays_of(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(arrays_of(value) for value in tree)
    return tree


def outputs(network: Perceptron, inputs: Array) -> Array:
    """What the network makes of rows, evaluated and without a tape."""
    network.eval()
    with ad.no_grad():
        parts = [
            network(ad.asarray(inputs[k : k + AT_ONCE])).numpy()
            for k in range(0, len(inputs), AT_ONCE)
        ]
    return np.concatenate(parts)
