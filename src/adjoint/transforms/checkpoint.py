"""checkpoint: keep a function's inputs for the backward pass and compute the rest again.

The nodes stay as they were recorded; only what they keep is given up. When the reverse sweep
reaches the first of them, the function runs once more and every node gets its values back. So
gradients of any order, hooks and forward mode work as ever.

Source: Griewank and Walther, Algorithm 799: Revolve (2000); Chen et al., Training Deep Nets with
Sublinear Memory Cost, arXiv:1604.06174.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from adjoint.core.bind import setting, state
from adjoint.core.errors import MutatedInput
from adjoint.core.graph import Deferred, Handle, Node, ancestors, next_seq
from adjoint.core.types import Type
from adjoint.transforms.leaves import tensors

__all__ = ["checkpoint"]


class Recall(Deferred):
    """The values of one node of a checkpointed call."""

    __slots__ = ("index", "rerun")

    def __init__(self, rerun: Rerun, index: int) -> None:
        self.rerun = rerun
        self.index = index

    def recall(self) -> tuple[Any, ...]:
        return self.rerun.recall(self.index)


class Rerun:
    """The values of a checkpointed call, computed again when the first of them is asked for."""

    __slots__ = ("args", "f", "kwargs", "ops", "values")

    def __init__(
        self, f: Callable[..., Any], args: Any, kwargs: Any, nodes: Sequence[Node]
    ) -> None:
        self.f = f
        self.args = args
        self.kwargs = kwargs
        self.ops = [node.op for node in nodes]
        self.values: dict[int, Any] | None = None

    def recall(self, index: int) -> Any:
        """The saved values of the node with this index, handed out once."""
        if self.values is None:
            with setting(recording=True, site=None):
                nodes = _recorded(self.f, self.args, self.kwargs)[1]
            if [node.op for node in nodes] != self.ops:
                raise MutatedInput(
                    "checkpoint: the function did something else when it ran again "
                    f"({len(nodes)} recorded operations instead of {len(self.ops)}); it must be "
                    "deterministic and must not depend on values that change in between"
                )
            self.values = {i: node.saved for i, node in enumerate(nodes)}
        found = self.values.pop(index, None)
        if found is None:  # a second sweep over a retained graph
            self.values = None
            return self.recall(index)
        if not self.values:
            self.values = None
        return found


def _recorded(f: Callable[..., Any], args: Any, kwargs: Any) -> tuple[Any, list[Node]]:
    """The result of a call, and the nodes that it recorded, in order."""
    since = next_seq()
    result = f(*args, **kwargs)
    outs = [x for x in tensors(result, "checkpoint: the result")[0] if isinstance(x, Handle)]
    nodes = ancestors([o.node for o in outs], lambda node: node.seq > since and node.tracked)
    return result, [node for node in nodes if node.op is not None]


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, which keeps only its arguments for the backward pass.

    What its operations would have kept is computed again when gradients are asked for: memory for
    time. Wrap parts of a deep network, such as each block.

    Args:
        f: a deterministic function; its result is any nesting of tensors.

    Returns:
        A function with the same values and gradients.

    Raises:
        MutatedInput: in the backward pass, if the function does something else on its second run.

    Example:
        >>> x = ad.tensor([1.0, 2.0], requires_grad=True)
        >>> ad.checkpoint(lambda x: (x * x * x).sum())(x).backward()
        >>> x.grad
        tensor([ 3., 12.])
    """

    @functools.wraps(f, updated=())
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if not state.recording:
            return f(*args, **kwargs)
        result, nodes = _recorded(f, args, kwargs)
        if nodes and all(node.saved is not None for node in nodes) and _known(nodes):
            rerun = Rerun(f, args, kwargs, nodes)
            for i, node in enumerate(nodes):
                node.saved = Recall(rerun, i)
        return result

    return wrapped


def _known(nodes: Sequence[Node]) -> bool:
    """Whether the nodes were computed rather than staged; staged graphs keep nothing anyway."""
    return not any(
        v.__class__ is Type
        for node in nodes
        if node.saved.__class__ is tuple  # a checkpoint inside of this one keeps nothing either
        for v in node.saved or ()
    )
