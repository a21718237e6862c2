"""The interpreter: a graph computed node by node in NumPy. It is what the others are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from adjoint.core.program import Graph
from adjoint.transforms.control_graph import runner


class Interpreter:
    """A graph that is run by the cards' own meaning."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        constants = list(graph.constants)
        inputs = (*graph.inputs, *constants)
        self._constants = [graph.constants[node].value for node in constants]
        self._run = runner(Graph(inputs, graph.nodes, graph.outputs, {}))

    def __call__(self, arrays: Sequence[Any]) -> bool:
        """Run on the arrays of all inputs and outputs; it comes to the end, or raises."""
        n = len(self.graph.inputs)
        with np.errstate(all="ignore"):
            found = self._run([*arrays[:n], *self._constants])
        found = [np.array(value) for value in found]  # one may be a view of an input that changes
        for target, value in zip(arrays[n:], found, strict=True):
            target[...] = value
        return True
