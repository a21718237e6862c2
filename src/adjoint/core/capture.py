"""Capture: which tensors from outside a staged function reads and changes.

A compiled function is written as if it ran: it reads parameters, adds to their gradients, assigns
to them. While it is staged, a tensor from outside becomes an input when it is first read, and an
output when it is assigned to; afterwards everything outside is as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final

from adjoint.core.errors import ArgumentError, explain
from adjoint.core.graph import Handle, Node, Slot, next_seq
from adjoint.core.types import Type

FORWARD: Final = 0
BACKWARD: Final = 1
UPDATE: Final = 2
RECOMPUTED: Final = 3
"""The parts of a training step; what comes after the last backward pass is the update."""


CHANGES = [0]
"""How often something has changed that compiled functions rely on."""


class Capture:
    """The tensors and gradients that a function being staged has touched.

    Args:
        reads: whether tensors from outside become inputs. If not, they stay the numbers that they
            are, and the capture only undoes assignments of what has no numbers.

    Attributes:
        inputs: tensors whose numbers are read, in the order of their first reading.
        gradients: slots whose gradient is read before it is set; the gradient is None or an input.
        assigned: tensors that are given another value.
        graded: slots whose gradient is set.
        relied: objects with the name and the value of an attribute that the program is made for.
        sweeps: which nodes backward passes have made: from which number to which.
    """

    imagines: ClassVar[bool] = False
    """Whether large tensors that are made meanwhile have no numbers."""

    def __init__(self, reads: bool = True) -> None:
        self.reads = reads
        self.since = next_seq()
        self.inputs: list[tuple[Handle, Node]] = []
        self.gradients: dict[Slot, Node | None] = {}
        self.assigned: dict[int, Handle] = {}
        self.graded: dict[Slot, None] = {}
        self.relied: dict[tuple[int, str], tuple[Any, str, Any]] = {}
        self.sweeps: list[tuple[int, int]] = []
        self._before: dict[int, tuple[Handle, Any, Node]] = {}
        self._gradient_before: dict[Slot, Any] = {}

    # -- tensors -------------------------------------------------------------------------------

    def outside(self, x: Handle) -> bool:
        """Whether a tensor was made before the staging began, and has not been seen yet."""
        return x.known and x.node.seq < self.since

    def read(self, x: Handle) -> None:
        """Make a tensor from outside an input: from now on only its type is known."""
        if not self.reads or not self.outside(x):
            return
        if x.node.tracked and x.node.op is not None:
            raise ArgumentError(
                explain(
                    "a tensor from outside has a history that the compiled function cannot see",
                    "compile",
                    [("x", x)],
                    x.node.site,
                    "compute it inside of the function, or pass x.detach().",
                )
            )
        self._keep(x)
        node = self._leaf(x.value, x.node)
        self.inputs.append((x, node))
        x.value, x.node = node.type, node

    def write(self, x: Handle) -> None:
        """Note that a tensor is about to stand for another value."""
        if id(x) in self.assigned or not (id(x) in self._before or self.outside(x)):
            return
        self._keep(x)
        self.assigned[id(x)] = x

    def _keep(self, x: Handle) -> None:
        self._before.setdefault(id(x), (x, x.value, x.node))

    @staticmethod
    def _leaf(value: Any, like: Node | None) -> Node:
        t = Type.of(value)
        tracked = 0 if like is None else int(like.tracked)
        code, offset = (None, 0) if like is None else (like.code, like.offset)
        node = Node(None, (), (t,), tracked, t.shape, t.dtype, code, offset)
        node.slot = None if like is None else like.slot
        return node

    def rely(self, owner: Any, name: str) -> None:
        """Note that the program holds as long as an attribute has the value that it has now."""
        self.relied[id(owner), name] = (owner, name, getattr(owner, name))

    # -- gradients -----------------------------------------------------------------------------

    def read_gradient(self, slot: Slot, lift: Callable[[Any, Node], Any]) -> Any:
        """The gradient in a slot: an input, unless this function has set it."""
        known = slot.grad
        if not self.reads or slot in self.graded or slot in self._gradient_before:
            return known
        if known is not None and not (known.known and known.node.seq < self.since):
            return known
        self._gradient_before[slot] = known
        node = None if known is None else self._leaf(known.value, None)
        self.gradients[slot] = node
        slot.grad = None if node is None else lift(node.type, node)
        return slot.grad

    def write_gradient(self, slot: Slot) -> None:
        """Note that the gradient in a slot is about to be set."""
        self._gradient_before.setdefault(slot, slot.grad)
        self.graded[slot] = None

    def phase(self, node: Node) -> int:
        """Whether a node belongs to the forward pass, to the backward pass, or to the update."""
        if any(begin < node.seq < end for begin, end in self.sweeps):
            return BACKWARD
        last = max((end for _, end in self.sweeps), default=None)
        return FORWARD if last is None or node.seq < last else UPDATE

    # -- the end -------------------------------------------------------------------------------

    def results(self) -> tuple[list[tuple[Handle, Any, Node]], list[tuple[Slot, Any]]]:
        """What assigned tensors and set gradients are at the end: ``(tensor, value, node)``."""
        tensors = [(x, x.value, x.node) for x in self.assigned.values()]
        return tensors, [(slot, slot.grad) for slot in self.graded]

    def restore(self) -> None:
        """Put everything outside back as it was before the staging."""
        for x, value, node in self._before.values():
            if self.reads or not x.known:
                x.value, x.node = value, node
        for slot, gradient in self._gradient_before.items():
            if self.reads or not (slot.grad is None or slot.grad.known):
                slot.grad = gradient
