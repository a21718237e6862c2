"""The interpreter: a graph computed node by node in NumPy, which the others are compared with."""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Sequence
from itertools import repeat
from typing import Any

import numpy as np

from adjoint.core.program import Graph
from adjoint.transforms.control_graph import runner

NOT_FINITE = 3
"""The code of a call that has left because a result is not finite."""


class Interpreter:
    """A graph that is run by the cards' own meaning.

    Args:
        graph: what to compute.
        watched: outputs that are looked at before anything changes.

    Attributes:
        armed: whether they are looked at.
        code: why the last call left early.
    """

    def __init__(self, graph: Graph, watched: Sequence[int] = ()) -> None:
        self.graph = graph
        self.watched = watched
        self.code = 0
        self.armed = True
        constants = list(graph.constants)
        inputs = (*graph.inputs, *constants)
        self._constants = [graph.constants[node].value for node in constants]
        self._run = runner(Graph(inputs, graph.nodes, graph.outputs, {}))

    def arm(self, on: bool) -> None:
        """Whether calls leave, before they have changed anything, where a result is not finite."""
        self.armed = on

    def __call__(self, arrays: Sequence[Any]) -> bool:
        """Run on the arrays of all inputs and outputs; it raises what the operations raise.

        Returns:
            Whether it came to the end; if not, a watched output is not finite, and nothing has
            changed.
        """
        n = len(self.graph.inputs)
        with np.errstate(all="ignore"):
            found = self._run([*arrays[:n], *self._constants])
        found = [np.array(value) for value in found]  # one may be a view of an input that changes
        if self.armed and not all(np.isfinite(found[k]).all() for k in self.watched):
            self.code = NOT_FINITE
            return False
        set_all(arrays[n:], found)
        return True


def set_all(targets: Sequence[Any], values: Sequence[Any]) -> None:
    """Write all values to their arrays, without a line of Python in between.

    So a signal, such as Ctrl-C, comes before the first or after the last.
    """
    deque(map(operator.setitem, targets, repeat(...), values), maxlen=0)
