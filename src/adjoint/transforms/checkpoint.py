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

from adjoint.core.bind import make, setting, state
from adjoint.core.errors import MutatedInput
from adjoint.core.graph import Deferred, Handle, Node, ancestors, next_seq
from adjoint.core.tree import flatten, tree_map
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

    __slots__ = ("call", "ops", "outside", "values")

    def __init__(self, call: Call, record: Record) -> None:
        self.call = call
        self.ops = [node.op for node in record.nodes]
        self.outside = record.outside
        self.values: dict[int, Any] | None = None

    def recall(self, index: int) -> Any:
        """The saved values of the node with this index, handed out once."""
        if self.values is None:
            again = self.call.again()
            if [node.op for node in again.nodes] != self.ops:
                raise MutatedInput(
                    "checkpoint: the function did something else when it ran again "
                    f"({len(again.nodes)} recorded operations instead of {len(self.ops)}); it "
                    "must be deterministic and must not depend on values that change in between"
                )
            if again.outside != self.outside:
                raise MutatedInput(
                    "checkpoint: a tensor that the function uses has been assigned to since the "
                    "forward pass; run the backward pass first"
                )
            self.values = {i: node.saved for i, node in enumerate(again.nodes)}
        found = self.values.pop(index, None)
        if found is None:  # a second sweep over a retained graph
            self.values = None
            return self.recall(index)
        if not self.values:
            self.values = None
        return found


class Call:
    """A call of a function that can be made again: arguments and random streams as they were."""

    __slots__ = ("args", "f", "kwargs", "streams")

    def __init__(self, f: Callable[..., Any], args: Any, kwargs: Any) -> None:
        self.f = f
        self.args, self.kwargs = copies((args, kwargs))
        # late: most programs that import the transforms draw no random numbers
        from adjoint.random.generator import Generator, default_generator  # noqa: PLC0415

        given = [x for x in flatten((args, kwargs))[0] if isinstance(x, Generator)]
        self.streams = [(g, g.state.copy()) for g in (default_generator(), *given)]

    def again(self) -> Record:
        """Make the call once more; what it records."""
        before = [(g, g.state.copy()) for g, _ in self.streams]
        args, kwargs = copies((self.args, self.kwargs))
        _put_back(self.streams)
        try:
            with setting(recording=True, staging=False, site=None):
                return recorded(self.f, args, kwargs)[1]
        finally:
            _put_back(before)


def copies(tree: Any) -> Any:
    """The same containers with a handle of its own for each tensor: assignments do not reach it."""
    return tree_map(_copy, tree)


def _copy(x: Any) -> Any:
    return make(x.value, x.node) if isinstance(x, Handle) else x


def _put_back(streams: Sequence[tuple[Any, Any]]) -> None:
    for generator, stream in streams:
        generator.state.assign(stream)


class Record:
    """What a call recorded.

    Attributes:
        nodes: the operations, oldest first.
        outside: the tracked nodes from outside that they use, in order of use.
    """

    def __init__(self, outs: Sequence[Handle], since: int) -> None:
        inside = ancestors([o.node for o in outs], lambda node: node.seq > since and node.tracked)
        known = set(inside)
        self.nodes = [node for node in inside if node.op is not None]
        self.outside = [
            x
            for node in self.nodes
            for x in node.inputs
            if x.__class__ is Node and x.tracked and x not in known
        ]


def recorded(f: Callable[..., Any], args: Any, kwargs: Any) -> tuple[Any, Record]:
    """The result of a call, and what it recorded."""
    since = next_seq()
    result = f(*args, **kwargs)
    outs = [x for x in tensors(result, "checkpoint: the result")[0] if isinstance(x, Handle)]
    return result, Record(outs, since)


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, which keeps only its arguments for the backward pass.

    What its operations would have kept is computed again when gradients are asked for: memory for
    time. Wrap parts of a deep network, such as each block.

    Args:
        f: a function that does the same when it is called again; its result is any nesting of
            tensors. Random numbers come out the same: the default generator, and generators among
            the arguments, are put back for the second run.

    Returns:
        A function with the same values and gradients.

    Raises:
        MutatedInput: in the backward pass, if the function does something else on its second run,
            or if a tensor that it uses has been assigned to in between.

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
        call = Call(f, args, kwargs)
        result, record = recorded(f, args, kwargs)
        if record.nodes and _known(record.nodes):
            rerun = Rerun(call, record)
            for i, node in enumerate(record.nodes):
                if node.saved is not None:  # released by a gradient that was taken inside
                    node.saved = Recall(rerun, i)
        return result

    return wrapped


def _known(nodes: Sequence[Node]) -> bool:
    """Whether the nodes were computed rather than staged; staged graphs keep nothing anyway."""
    return not any(
        v.__class__ is Type
        for node in nodes
        if isinstance(node.saved, tuple)  # a checkpoint inside of this one keeps nothing either
        for v in node.saved
    )
