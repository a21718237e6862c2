"""When a training has gone on for long enough."""

from __future__ import annotations

from typing import Any

import adjoint as ad

__all__ = ["Best"]


class Best:
    """The best pass so far.

    Args:
        network: whose weights are kept.
        tol: by how much a pass must be better to count as better.
        patience: passes in a row that may be no better.
    """

    def __init__(self, network: ad.nn.Module, tol: float, patience: int) -> None:
        self.network, self.tol, self.patience = network, tol, patience
        self.merit = -float("inf")
        self.waited = 0
        self.weights: dict[str, Any] | None = None
        self.best = -float("inf")

    def is_enough(self, merit: float, keep: bool = False) -> bool:
        """Note a pass; whether the last ones were no better than those before.

        Args:
            merit: how good it was.
            keep: whether to keep the weights of the best pass.
        """
        if keep and merit > self.best:
            self.best = merit
            self.weights = {name: x.copy() for name, x in self.network.state_dict().items()}
        better = merit > self.merit + self.tol
        self.waited = 0 if better else self.waited + 1
        self.merit = max(self.merit, merit)
        return self.waited >= self.patience

    def restore(self) -> None:
        """Give the network the weights that were kept."""
        if self.weights is not None:
            self.network.load_state_dict(self.weights)
