"""What the cards of control flow share: they hold functions, as closed graphs.

A graph is closed if tensors that the function used from outside are inputs of it. They are operands
of the card, so gradients and batch axes reach them, and the card itself holds no numbers.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np

from adjoint.core.bind import lift, setting, staged_leaf
from adjoint.core.errors import DTypeError, ShapeError
from adjoint.core.graph import Handle, Node, Pick, next_seq
from adjoint.core.primitive import Primitive
from adjoint.core.program import Graph, extract
from adjoint.core.site import Site
from adjoint.core.types import Type, default_dtype, is_inexact
from adjoint.ops.stop import STOP
from adjoint.transforms.control_graph import blank


class AbstractControl(Primitive):
    """An operation that calls functions: it holds their graphs, and its rules follow from theirs.

    ``vjp(ct, out, *xs, mask)`` is told which operands are differentiated; what it makes of the
    graphs is made once for each such choice, and kept in `made`.
    """

    kind = "control"
    takes = ""  # the graphs were staged for one dtype of each operand
    own_savers = True
    sparse_ct = True

    @functools.cached_property
    def made(self) -> dict[Any, Any]:
        """Cards that were made of this one, by what they were made for."""
        return {}

    def lean(self, used: set[int]) -> Primitive:
        """The same operation without trailing outputs that nothing uses."""
        return self

    def pull(self, ct: Any, out: Any, xs: tuple[Any, ...], mask: int) -> Sequence[Any]:
        return self.vjp(ct, out, *xs, mask=mask)

    def coerce(self, xs: tuple[Any, ...]) -> tuple[Any, ...]:
        return xs if all(isinstance(x, Handle) for x in xs) else tuple(map(lift, xs))


def check_types(found: Sequence[Any], wanted: Sequence[Type], names: Sequence[str]) -> None:
    """Refuse operands of other types than those for which the graphs were staged."""
    if len(found) != len(wanted):
        raise ShapeError(f"takes {len(wanted)} operands, got {len(found)}")
    for x, t, name in zip(found, wanted, names, strict=True):
        if Type.of(x) != t:
            error = ShapeError if tuple(x.shape) != t.shape else DTypeError
            raise error(f"{name} must be {t}, got {Type.of(x)}")


# -- from functions to closed graphs ---------------------------------------------------------------


def staged(
    call: Callable[[list[Any]], tuple[list[Any], Any]], types: Iterable[Type], site: Site
) -> tuple[Graph, Any]:
    """The graph of a call on values of these types, and what else the call returned."""
    leaves = [staged_leaf(t, is_inexact(t.dtype), site) for t in types]
    since = leaves[0].node.seq if leaves else next_seq()
    with setting(recording=True):
        outs, rest = call(leaves)
    return extract(leaves, outs, since), rest


def close(graphs: Sequence[Graph], user: bool = False) -> tuple[list[Graph], list[Any]]:
    """Graphs whose first inputs are what they used from outside, the same for all, and that.

    The nodes are new ones: those that were staged hold on to the numbers that they met.

    Args:
        graphs: as they were staged.
        user: whether they come from functions of the user, in which `no_grad` may have been on:
            such results get a StopGradient, because graphs are differentiated when they are run.

    Returns:
        The graphs, and tensors (with their history) for `user`, else arrays, for their new inputs.
    """
    held: dict[Node, Any] = {}
    for graph in graphs:
        held |= graph.constants
    tensors = list(held.values())
    values = tensors if user else [np.asarray(x.value) for x in tensors]
    return [_closed(graph, list(held), user) for graph in graphs], values


def _closed(graph: Graph, held: Sequence[Node], user: bool) -> Graph:
    env: dict[Node, Node] = {node: blank(node.type) for node in (*held, *graph.inputs)}
    inputs = tuple(env.values())
    nodes: list[Node] = []
    picked: dict[Node, set[int]] = {}
    for node in graph.nodes:
        if node.op.__class__ is Pick:
            picked.setdefault(node.inputs[0], set()).add(node.op.index)
    hidden: set[Node] = set()
    for node in graph.nodes:
        op = node.op
        if isinstance(op, AbstractControl):
            op = op.lean(picked.get(node, set()))
        xs = tuple(env[x] if x.__class__ is Node else x for x in node.inputs)
        nodes.append(_applied(op, xs, node))
        env[node] = nodes[-1]
        if not user or node.tracked:
            continue
        if any(x in hidden or x.tracked for x in node.inputs if x.__class__ is Node):
            if node.dtype is None:
                hidden.add(node)
            elif is_inexact(node.dtype):
                nodes.append(_applied(STOP, (env[node],), node))
                env[node] = nodes[-1]
    return Graph(inputs, tuple(nodes), tuple(env[o] for o in graph.outputs), {})


def _applied(op: Any, xs: tuple[Any, ...], like: Node) -> Node:
    """A node that holds no values, of the type and from the place of another.

    It counts as recorded: where recording was off, a StopGradient says so.
    """
    shape = like.shape
    if like.dtype is None and op is not like.op:
        shape = op.out_type(*[x.type if x.__class__ is Node else x for x in xs])
    return Node(op, xs, None, 1, shape, like.dtype, like.code, like.offset)


# -- the same card for the same function -----------------------------------------------------------

Card = TypeVar("Card", bound=AbstractControl)


class CardKey:
    """What two cards must share to be exchangeable, with one of them."""

    __slots__ = ("card", "parts")

    def __init__(self, card: Any) -> None:
        self.card = card
        fields = [_parts(getattr(card, name)) for name in card.fields]
        self.parts: tuple[Any, ...] = (type(card), default_dtype(), *fields)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CardKey) and self.parts == other.parts

    def __hash__(self) -> int:
        return hash(self.parts)


def _parts(value: Any) -> Any:
    """A field; a graph by its operations, their wiring and their places in user code."""
    if not isinstance(value, Graph):
        return tuple(map(_parts, value)) if type(value) is tuple else value
    at: dict[Node, int] = {}
    lines: list[Any] = []
    for node in value.inputs:
        at[node] = len(at)
        lines.append((node.shape, node.dtype))
    for node in value.nodes:
        op = id(node.op) if isinstance(node.op, AbstractControl) else node.op
        wires = tuple(at[x] if x.__class__ is Node else repr(x) for x in node.inputs)
        lines.append((op, wires, id(node.code), node.offset))
        at[node] = len(at)
    return (*lines, *(at[node] for node in value.outputs))


@functools.lru_cache(maxsize=256)
def _first(key: CardKey) -> Any:
    return key.card


def interned(card: Card) -> Card:
    """The card that was made of the same functions before, or else this one.

    A training loop stages its functions anew in each step; what was derived from their graphs, such
    as pullbacks, is found again on the card of the first step.
    """
    try:
        return _first(CardKey(card))
    except TypeError:  # a field of some operation has no hash
        return card
