"""Writer: the operators of a graph as they are written down, with names for their values.

Nothing here knows the `onnx` package; `files` makes its objects of what is written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from adjoint.core.graph import Node, Pick
from adjoint.core.primitive import Primitive
from adjoint.core.program import Graph
from adjoint.core.types import Type
from adjoint.export.refusal import unsupported
from adjoint.export.sizes import Dim, Dims, Multiple, Sizes, product, seed

__all__ = ["Body", "Rule", "Step", "Writer", "rule"]

Array = np.ndarray[Any, Any]
Rule = Callable[["Writer", Node], str | list[str]]
RULES: dict[type[Primitive], Rule] = {}


def rule(*cards: type[Primitive]) -> Callable[[Rule], Rule]:
    """Say how these cards are written."""

    def register(write: Rule) -> Rule:
        RULES.update(dict.fromkeys(cards, write))
        return write

    return register


@dataclass
class Step:
    """One operator: its name in the standard, names of values, attributes."""

    kind: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]


@dataclass
class Body:
    """Operators in order, between named inputs and outputs with their types.

    Attributes:
        inputs: name, dtype and sizes; None for sizes that need not be said.
        outputs: likewise.
    """

    inputs: list[tuple[str, Any, Dims | None]] = field(default_factory=list)
    outputs: list[tuple[str, Any, Dims | None]] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)


class Writer:
    """Writes graphs down, rule by rule.

    Args:
        sizes: of the graph.
        named: names of known tensors, by node.

    Attributes:
        constants: arrays by name.
        body: what is being written.
    """

    def __init__(self, sizes: Sizes, named: dict[Node, str]) -> None:
        self.sizes, self.named = sizes, named
        self.constants: dict[str, Array] = {}
        self.body = Body()
        self.batch = ""
        self._names: dict[Node, str | list[str]] = {}
        self._taken: set[str] = set(named.values())
        self._known: dict[Any, str] = {}

    # -- values --------------------------------------------------------------------------------

    def fresh(self, stem: str) -> str:
        """A name that nothing has."""
        name, k = stem, 1
        while name in self._taken:
            name, k = f"{stem}_{k}", k + 1
        self._taken.add(name)
        return name

    def give(self, node: Node, name: str | list[str]) -> None:
        """Say under which name a node's value is known."""
        self._names[node] = name

    def name(self, x: Node) -> str:
        """The name of a node's value."""
        found = self._names[x]
        assert isinstance(found, str)
        return found

    def names(self, x: Node) -> list[str]:
        """The names of the values of a node with several."""
        found = self._names[x]
        return [found] if isinstance(found, str) else found

    def operand(self, x: Any, dtype: Any) -> str:
        """The name of an operand in this dtype; Python scalars become constants."""
        if not isinstance(x, Node):
            return self.constant(np.asarray(x, dtype))
        name = self.name(x)
        return name if x.dtype == dtype else self.op("Cast", name, to=np.dtype(dtype))

    def constant(self, array: Any, stem: str = "constant") -> str:
        """The name of a known array; equal small ones share one."""
        array = np.asarray(array)
        small = array.size <= 64
        key = (array.dtype.name, array.shape, array.tobytes()) if small else None
        if key in self._known:
            return self._known[key]
        name = self.fresh(stem)
        self.constants[name] = array
        if small:
            self._known[key] = name
        return name

    def ints(self, values: Sequence[int]) -> str:
        """The name of a vector of whole numbers."""
        return self.constant(np.array(values, np.int64))

    def dims(self, x: Node) -> Dims:
        """The shape of a node's value."""
        return self.sizes.of(x)

    def shape(self, dims: Sequence[Dim]) -> str:
        """The name of a vector with these sizes."""
        if all(isinstance(d, int) for d in dims):
            return self.ints([d for d in dims if isinstance(d, int)])
        parts = [self.size(d) for d in dims]
        return parts[0] if len(parts) == 1 else self.op("Concat", *parts, axis=0)

    def size(self, dim: Dim) -> str:
        """The name of a vector with this one size."""
        if isinstance(dim, int):
            return self.ints([dim])
        if dim.factor == 1:
            return self.batch
        return self.op("Mul", self.batch, self.ints([dim.factor]))

    # -- operators -----------------------------------------------------------------------------

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Apply an operator with one result; its name."""
        return self.several(kind, 1, *inputs, **attributes)[0]

    def several(self, kind: str, count: int, *inputs: str, **attributes: Any) -> list[str]:
        """Apply an operator with so many results; their names."""
        outputs = [self.fresh(kind.lower()) for _ in range(count)]
        self.body.steps.append(Step(kind, list(inputs), outputs, attributes))
        return outputs

    def reshape(self, x: str, dims: Sequence[Dim]) -> str:
        """The value in another shape."""
        free = [a for a, d in enumerate(dims) if isinstance(d, Multiple)]
        if 0 in dims:
            return self.op("Reshape", x, self.shape(dims), allowzero=1)
        if len(free) == 1:
            return self.op("Reshape", x, self.ints([d if isinstance(d, int) else -1 for d in dims]))
        return self.op("Reshape", x, self.shape(dims))

    def permute(self, x: str, order: Sequence[int]) -> str:
        """The value with its axes in another order."""
        if list(order) == sorted(order):
            return x
        return self.op("Transpose", x, perm=list(order))

    def grouped(self, x: str, dims: Sequence[Dim], counts: Sequence[int]) -> str:
        """The value with so many axes each joined into one; `dims` are its sizes."""
        new: list[Dim] = []
        at = 0
        for count in counts:
            new.append(product(dims[at : at + count]))
            at += count
        new += dims[at:]
        return x if tuple(new) == tuple(dims) else self.reshape(x, new)

    # -- graphs --------------------------------------------------------------------------------

    def write(self, graph: Graph) -> None:
        """Write all operations of a graph whose inputs have names."""
        for node, tensor in graph.constants.items():
            if node not in self._names:
                self._names[node] = self._known_tensor(node, tensor)
        for node in graph.nodes:
            if node.op.__class__ is Pick:
                self._names[node] = self.names(node.inputs[0])[node.op.index]
                continue
            write = RULES.get(type(node.op))
            if write is None:
                raise unsupported(node)
            self._check_dtype(node)
            self._names[node] = write(self, node)

    def _known_tensor(self, node: Node, tensor: Any) -> str:
        array: Array = tensor.numpy()
        dims = self.dims(node) if self.sizes.free and node in self.sizes else array.shape
        if any(isinstance(d, Multiple) for d in dims):
            return self.op("Expand", self.constant(seed(array, dims)), self.shape(dims))
        if node in self.named:
            name = self.named[node]
            self.constants[name] = array
            return name
        return self.constant(array)

    def _check_dtype(self, node: Node) -> None:
        types: Any = node.type
        for t in types if isinstance(types, tuple) and not isinstance(types, Type) else [types]:
            if t.dtype.kind == "c":
                raise unsupported(node, f"ONNX has no operators for {t.dtype.name}")

    def inner(self, graph: Graph, given: Sequence[str], free: int) -> Body:
        """A graph inside an operator, such as the step of a loop.

        Args:
            graph: what is written.
            given: names, from outside, of its first inputs.
            free: how many inputs follow that are the body's own.
        """
        outer, self.body = self.body, Body()
        try:
            for node, name in zip(graph.inputs, given, strict=False):
                self._names[node] = name
            own = graph.inputs[len(given) :]
            assert len(own) == free
            for node in own:
                self._names[node] = self.fresh("inner")
                self.body.inputs.append((self.name(node), node.dtype, None))
            self.write(graph)
            for node in graph.outputs:
                name = self.op("Identity", self.name(node))
                self.body.outputs.append((name, node.dtype, None))
            return self.body
        finally:
            self.body = outer
