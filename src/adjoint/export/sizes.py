"""Which sizes of a graph follow the batch: found by tracing a model twice, with two batch sizes.

Where the two graphs differ, a size is a multiple of the batch; where they agree, it is fixed. A
difference of any other kind, such as a mean over the batch, means that the graph belongs to one
batch size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from adjoint.core.graph import Node, Pick
from adjoint.core.program import Graph

__all__ = ["BATCHES", "Dim", "Dims", "Multiple", "NotFree", "Sizes", "product", "seed"]

BATCHES: Final = (3, 5)
"""The two batch sizes. Neither is 1, which broadcasts."""
FOLLOWING: Final = {
    "Expand": ("shape",),
    "Reshape": ("shape",),
    "Scan": ("body",),
    "Slice": ("starts", "sizes"),
}
"""Fields that may differ, by card; the rules of these cards deal with it."""


@dataclass(frozen=True)
class Multiple:
    """A size that is so many times the batch."""

    factor: int


Array = np.ndarray[Any, Any]
Dim = int | Multiple
Dims = tuple[Dim, ...]


class NotFree(Exception):
    """Why a graph belongs to one batch size."""


def product(dims: Sequence[Dim]) -> Dim:
    """The number of elements of something of these sizes."""
    factor = math.prod(d.factor if isinstance(d, Multiple) else d for d in dims)
    free = sum(isinstance(d, Multiple) for d in dims)
    if free > 1:
        raise NotFree("the batch stands for two axes that are joined")
    return Multiple(factor) if free else factor


class Sizes:
    """The sizes of a graph: as they are, or as they follow the batch.

    Args:
        graph: the graph that is exported.
        twin: the same for the second batch size, or None if all sizes are fixed.

    Attributes:
        free: whether any size follows the batch.

    Raises:
        NotFree: if the graphs differ in more than sizes.
    """

    def __init__(self, graph: Graph, twin: Graph | None) -> None:
        self.free = twin is not None
        self._twins: dict[Node, Node] = {}
        if twin is not None:
            self._pair(graph, twin)

    def of(self, node: Node) -> Dims:
        """The shape of a node's value."""
        if not self.free:
            return node.shape
        return merged(node.shape, self._twins[node].shape)

    def __contains__(self, node: Node) -> bool:
        return node in self._twins

    def field(self, node: Node, name: str) -> Dims:
        """A field that is a tuple of sizes."""
        if not self.free:
            return getattr(node.op, name)
        return merged(getattr(node.op, name), getattr(self._twins[node].op, name))

    def _pair(self, graph: Graph, twin: Graph) -> None:
        if len(graph.nodes) != len(twin.nodes) or len(graph.outputs) != len(twin.outputs):
            raise NotFree("the operations depend on the batch size")
        self._twins.update(zip(graph.inputs, twin.inputs, strict=True))
        for node, other in zip(graph.nodes, twin.nodes, strict=True):
            self._twins[node] = other
            if len(node.inputs) != len(other.inputs):
                raise NotFree("the operations depend on the batch size")
            for x, y in zip(node.inputs, other.inputs, strict=True):
                self._pair_operands(graph, twin, x, y)
            if node.op.__class__ is not Pick:
                self._compare(node, other)
        for x, y in zip(graph.outputs, twin.outputs, strict=True):
            self._pair_operands(graph, twin, x, y)

    def _pair_operands(self, graph: Graph, twin: Graph, x: Any, y: Any) -> None:
        if x.__class__ is not Node:
            if x != y and not (x != x and y != y):  # two NaNs
                raise NotFree(f"a number depends on the batch size: {x}")
            return
        if x not in self._twins:
            if x not in graph.constants or y not in twin.constants:
                raise NotFree("the operations depend on the batch size")
            if x is not y:
                _compare_constants(graph.constants[x].numpy(), twin.constants[y].numpy())
            self._twins[x] = y
        elif self._twins[x] is not y:
            raise NotFree("the operations depend on the batch size")

    def _compare(self, node: Node, other: Node) -> None:
        one, two = node.op, other.op
        name = type(one).__name__
        if type(one) is not type(two):
            raise NotFree("the operations depend on the batch size")
        for field in one.fields:
            if field in FOLLOWING.get(name, ()):
                continue
            if getattr(one, field) != getattr(two, field):
                at = f", at {node.site}" if node.site is not None else ""
                raise NotFree(f"{field} of {one.name} depends on the batch size{at}")
        if name == "Scan":
            self._pair(one.body, two.body)


def seed(x: Array, dims: Dims) -> Array:
    """The part of an array that is repeated along the axes that follow the batch."""
    return x[tuple(slice(1) if isinstance(d, Multiple) else slice(None) for d in dims)]


def _compare_constants(x: Array, y: Array) -> None:
    dims = merged(x.shape, y.shape)
    parts = seed(x, dims), seed(y, dims)
    same = parts[0].tobytes() == parts[1].tobytes() and parts[0].dtype == parts[1].dtype
    if not same or any((a != part).any() for a, part in zip((x, y), parts, strict=True)):
        raise NotFree("an array in the model depends on the batch size")


def merged(one: Sequence[Any], two: Sequence[Any]) -> Dims:
    """Sizes for both batch sizes, as they follow the batch."""
    if len(one) != len(two):
        raise NotFree("the number of axes depends on the batch size")
    return tuple(_merged(int(a), int(b)) for a, b in zip(one, two, strict=True))


def _merged(a: int, b: int) -> Dim:
    if a == b:
        return a
    factor, rest = divmod(a, BATCHES[0])
    if rest or factor * BATCHES[1] != b:
        raise NotFree(f"a size is no multiple of the batch: {a} and {b} for {BATCHES}")
    return Multiple(factor)
