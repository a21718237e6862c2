"""The guard: which losses are taken for a fault, and what is said of it."""

from __future__ import annotations

import math
from collections import deque
from typing import Any, Final

import numpy as np

from adjoint.train.errors import TrainingError

POLICIES: Final = ("raise", "skip", "rollback")
WINDOW: Final = 50
FEWEST: Final = 10  # losses before the median says anything
MOST_IN_A_ROW: Final = 10


def _indented(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.splitlines())


class Guard:
    """Sees losses that are no numbers, and spikes: more than `spike` times the recent median.

    An update whose loss is faulty never reaches the weights: the step itself leaves them as they
    were. What happens then is the policy: stop, go on with the next batch, or go back to the last
    checkpoint and go on from there with the next batch.

    Args:
        policy: ``"raise"``, ``"skip"`` or ``"rollback"``.
        spike: the factor, or None.

    Attributes:
        limit: the largest loss that passes.
        faults: how many there were.
    """

    def __init__(self, policy: str, spike: float | None) -> None:
        if policy not in POLICIES:
            raise TrainingError(f"on_nonfinite is one of {', '.join(POLICIES)}; got {policy!r}.")
        if spike is not None and not spike > 1:
            raise TrainingError(f"spike is a factor above 1; got {spike!r}.")
        self.policy, self.spike = policy, spike
        self.recent: deque[float] = deque(maxlen=WINDOW)
        self.limit = math.inf
        self.faults = 0
        self.in_a_row = 0

    def passed(self, loss: float) -> None:
        """Note a loss that was no fault."""
        self.in_a_row = 0
        if self.spike is not None:
            self.recent.append(loss)
            if len(self.recent) >= FEWEST:
                self.limit = self.spike * abs(float(np.median(self.recent)))

    def failed(self, loss: float, step: int, origin: str = "") -> str:
        """Note a fault, and say what happened.

        Args:
            loss: of the step.
            step: its number.
            origin: where the first number that is not finite came from, if it is known.

        Raises:
            TrainingError: if the policy is to stop, or faults do not end.
        """
        self.faults += 1
        self.in_a_row += 1
        if not math.isfinite(loss):
            what = f"the loss of step {step:,} is {loss}"
        elif loss > self.limit:
            median = self.limit / (self.spike or 1.0)
            what = f"the loss of step {step:,} is {loss:.4g}, the recent median {median:.4g}"
        else:
            what = f"a gradient of step {step:,} is not a finite number (the loss is {loss:.4g})"
        if self.policy == "raise" or self.in_a_row > MOST_IN_A_ROW:
            again = "" if self.policy == "raise" else f", the {self.in_a_row}th time in a row"
            raise TrainingError(
                f"Stopped: {what}{again}. The weights are those before that step.\n"
                f"{_indented(origin)}"
                "  Try: a smaller learning rate; clip_norm=1.0; on_nonfinite='skip' or 'rollback', "
                "if it is a rare batch."
            )
        return what

    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on."""
        return {
            "recent": list(self.recent),
            "limit": self.limit,
            "faults": self.faults,
            "in_a_row": self.in_a_row,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.recent = deque(state["recent"], maxlen=WINDOW)
        self.limit, self.faults = state["limit"], state["faults"]
        self.in_a_row = state["in_a_row"]
