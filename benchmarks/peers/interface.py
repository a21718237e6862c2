"""What a library must do to take part."""

from __future__ import annotations

from typing import Any

from peers.workloads import Workload


class Peer:
    """A model, its optimizer and the batches of a workload, in one library.

    Args:
        system: the name without what follows a plus sign.
        wl: sizes, first weights, batches and the optimizer's settings.
        threads: how many the library may use.
    """

    def __init__(self, system: str, wl: Workload, threads: int) -> None:
        raise NotImplementedError

    def step(self, i: int) -> Any:
        """Train on batch i, in turn: the loss, when it and the new parameters are computed."""
        raise NotImplementedError

    def export(self) -> dict[str, Any]:
        """The parameters as arrays, in the layout of the workload."""
        raise NotImplementedError

    def rate(self) -> float:
        """GFLOP/s within the products and convolutions of a step, without what is between them."""
        raise NotImplementedError

    @staticmethod
    def value(loss: Any) -> float:
        """The number behind a loss."""
        return float(loss)
