"""Node and Handle: the tape, the intermediate representation and what the user holds of them.

A `Node` is one application of an operation. Nodes never change: they point to the nodes they
were computed from, so creation order is a topological order. A node does not hold its value. The
`Handle` (the user's `Tensor`) does, and a node keeps only those values that its derivative rule
reads. So what is kept for the backward pass is exactly what the backward pass needs.

While a function is staged, values are not known yet: a `Type` stands in the place of the array,
and everything else is the same. That is why the tape and the IR are one graph.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterable
from types import CodeType
from typing import Any, Final

from adjoint.core.site import Site
from adjoint.core.types import DType, Shape, Type

next_seq: Final = itertools.count().__next__
by_age: Final = operator.attrgetter("seq")


class Slot:
    """What belongs to a tensor rather than to its value: its gradient, its hooks, its wish for one.

    It outlives the nodes that the tensor is bound to, so that ``x += 1`` keeps ``x.grad``.
    """

    __slots__ = ("__weakref__", "grad", "hooks", "leaf", "name")

    def __init__(self, leaf: bool) -> None:
        self.leaf = leaf
        self.grad: Any = None
        self.hooks: list[Callable[[Any], Any]] = []
        self.name = ""


class Node:
    """One application of an operation, or a leaf where a value enters the graph.

    Args:
        op: the operation; None for a leaf.
        inputs: the nodes it was applied to; Python scalars stand for themselves.
        saved: ``(out, *inputs)`` as far as the derivative reads them; elsewhere None for the output
            and the input's node for an input.
        mask: the inputs through which gradients flow, as bits; not zero for a leaf that wants one.
        shape: shape of the value; for an operation with several outputs, the tuple of their types.
        dtype: dtype of the value.
        code: code object of the user's line.
        offset: instruction offset in it.

    Attributes:
        phase: which part of a training step it belongs to, where a step was staged; else not set.
    """

    __slots__ = (
        "__weakref__",
        "code",
        "dtype",
        "inputs",
        "mask",
        "offset",
        "op",
        "phase",
        "saved",
        "seq",
        "shape",
        "slot",
        "tracked",
    )

    def __init__(
        self,
        op: Any,
        inputs: tuple[Any, ...],
        saved: tuple[Any, ...] | Deferred | None,
        mask: int,
        shape: Any,
        dtype: DType | None,
        code: CodeType | None,
        offset: int,
    ) -> None:
        self.op = op
        self.inputs = inputs
        self.saved = saved
        self.mask = mask
        self.tracked = mask != 0
        self.shape = shape
        self.dtype = dtype
        self.code = code
        self.offset = offset
        self.seq = next_seq()
        self.slot: Slot | None = None
        self.phase: int

    @property
    def ndim(self) -> int:
        """Number of axes of the value."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements of the value."""
        return self.type.size

    @property
    def type(self) -> Any:
        """Type of the value; a tuple of types for an operation with several outputs."""
        return self.shape if self.dtype is None else Type(self.shape, self.dtype)

    @property
    def name(self) -> str:
        """Path of the parameter in its module, or an empty string."""
        return "" if self.slot is None else self.slot.name

    @property
    def site(self) -> Site | None:
        """The user's line that made this node."""
        return None if self.code is None else Site(self.code, self.offset)

    def __repr__(self) -> str:
        what = "leaf" if self.op is None else repr(self.op)
        return f"<Node {what}: {self.type}>"


def leaf(value: Any, tracked: bool = False, site: Site | None = None) -> Node:
    """A node where a value enters the graph."""
    code, offset = (None, 0) if site is None else site
    return Node(None, (), None, int(tracked), value.shape, value.dtype, code, offset)


class Deferred:
    """Stands in a node's `saved` for values that will be computed again when they are needed."""

    __slots__ = ()

    def recall(self) -> tuple[Any, ...]:
        """The saved values of the node."""
        raise NotImplementedError


class Pick:
    """The node that stands for one output of an operation with several."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index

    def __repr__(self) -> str:
        return f"Pick({self.index})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pick) and self.index == other.index

    def __hash__(self) -> int:
        return hash((Pick, self.index))


class Handle:
    """A name for a node together with the value it has: what a `Tensor` is, without its operators.

    Attributes:
        value: the array, or its `Type` while a function is staged.
        node: the immutable node.
        slot: gradient and hooks, for tensors that want them.
    """

    __slots__ = ("__weakref__", "node", "slot", "value")

    value: Any
    node: Node
    slot: Slot | None

    @property
    def known(self) -> bool:
        """Whether the numbers are there: False while a function is staged."""
        return self.value.__class__ is not Type

    @property
    def shape(self) -> Shape:
        """Sizes of the axes."""
        return self.value.shape

    @property
    def dtype(self) -> DType:
        """The NumPy dtype of the elements."""
        return self.value.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.value.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.value.size


def ancestors(roots: Iterable[Node], keep: Callable[[Node], bool]) -> list[Node]:
    """All nodes that the roots were computed from and that `keep` accepts, oldest first.

    Iterative, and linear in the size of the graph: a chain of any length is walked without
    recursion, a shared node is visited once, and creation order sorts the result.
    """
    seen: set[Node] = set()
    stack = [node for node in roots if keep(node)]
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        for x in node.inputs:
            if x.__class__ is Node and x not in seen and keep(x):
                stack.append(x)
    return sorted(seen, key=by_age)
