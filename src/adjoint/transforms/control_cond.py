"""cond and switch: one of several functions, chosen by a number that need not be known yet.

The derivative of a choice is the choice of a derivative: `Cond` is pulled back, pushed forward and
batched branch by branch. Only a batch of indices runs all branches and selects among the results.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, final

import numpy as np

from adjoint.core.bind import SCALARS, lift, staged_leaf, state
from adjoint.core.errors import ArgumentError, DTypeError, ShapeError, explain
from adjoint.core.primitive import Sample
from adjoint.core.program import Graph, evaluate, extract
from adjoint.core.site import here
from adjoint.core.tree import Structure, flatten
from adjoint.core.types import BOOL, FLOAT, Type, dtype_kind, is_inexact, promote
from adjoint.ops.compare import GREATER_EQUAL
from adjoint.ops.families import CAST, ZERO
from adjoint.ops.select import WHERE
from adjoint.transforms.batch import Batched, apply_batched
from adjoint.transforms.control import AbstractControl, check_types, close, interned, staged
from adjoint.transforms.control_graph import (
    Run,
    batched_graph,
    blank,
    expanded,
    pulled,
    pushed,
    runner,
    used_in,
    zeros,
)
from adjoint.transforms.leaves import tensors

__all__ = ["cond", "switch"]


class Chosen:
    """A choice made of another one: between the pullbacks, or the pushforwards, of its branches.

    Attributes:
        card: the choice.
        held: the arrays that are its first operands.
        used: which of the other's operands, and cotangents or tangents after them, follow.
        places: which of its outputs belongs to an operand (or, forward, an output) of the other.
    """

    __slots__ = ("card", "held", "places", "used")

    def __init__(self, found: Sequence[tuple[Graph, dict[int, int]]]) -> None:
        there = sorted({i for _, at in found for i in at})
        self.places = {i: p for p, i in enumerate(there)}
        types = {i: graph.outputs[p].type for graph, at in found for i, p in at.items()}
        graphs, held = close([graph for graph, _ in found])
        n = len(held)
        # a branch without a derivative that others have gives zeros, which come in as operands
        absent = [i for i in there if any(i not in at for _, at in found)]
        blanks = [{i: blank(types[i]) for i in absent} for _ in graphs]
        self.held: list[Any] = [*held, *(zeros(types[i]) for i in absent)]
        outputs = [
            [graph.outputs[at[i]] if i in at else zero[i] for i in there]
            for graph, zero, (_, at) in zip(graphs, blanks, found, strict=True)
        ]
        needed = [used_in(g.nodes, outs) for g, outs in zip(graphs, outputs, strict=True)]
        self.used = [
            j
            for j in range(len(graphs[0].inputs) - n)
            if any(g.inputs[n + j] in nodes for g, nodes in zip(graphs, needed, strict=True))
        ]
        self.card = Cond(
            tuple(
                Graph(
                    (*g.inputs[:n], *zero.values(), *(g.inputs[n + j] for j in self.used)),
                    g.nodes,
                    tuple(outs),
                    {},
                )
                for g, zero, outs in zip(graphs, blanks, outputs, strict=True)
            )
        )

    def apply(self, index: Any, operands: Sequence[Any]) -> Any:
        """The results, for the operands of the other choice and what is given besides."""
        return self.card(index, *self.held, *(operands[j] for j in self.used))


@final
class Cond(AbstractControl):
    """The results of one of several functions: of the one with number `index`, counted from 0.

    An index out of range takes the nearest. A bool counts as 0 or 1.
    """

    branches: tuple[Graph, ...]
    operands = ("index", "operand")
    llvm = "cond"

    @functools.cached_property
    def runs(self) -> list[Run]:
        """The branches on arrays."""
        return [runner(graph) for graph in self.branches]

    def operand_names(self, n: int) -> tuple[str, ...]:
        return ("index", *(f"operands[{i}]" for i in range(n - 1)))

    def value(self, index: Any, *xs: Any) -> Any:
        chosen = min(max(int(index), 0), len(self.branches) - 1)
        return tuple(map(np.asarray, self.runs[chosen](xs)))

    def out_type(self, index: Any, *types: Any) -> Any:
        if index.shape or dtype_kind(index.dtype) >= FLOAT:
            raise ShapeError(f"the index must be one integer or bool, got {Type.of(index)}")
        wanted = self.branches[0].in_types
        check_types(types, wanted, self.operand_names(len(wanted) + 1)[1:])
        return self.branches[0].out_types

    def cost(self, *types: Any) -> int:
        return max(graph.flops() for graph in self.branches)

    def vjp(self, ct: Any, out: Any, index: Any, *xs: Any, mask: int = -1) -> Any:
        types = self.branches[0].in_types
        wanted = [i for i, t in enumerate(types) if mask >> i + 1 & 1 and is_inexact(t.dtype)]
        outs = self.branches[0].out_types
        seeded = [j for j, t in enumerate(outs) if ct[j] is not ZERO and is_inexact(t.dtype)]
        key = ("pulled", tuple(wanted), tuple(seeded))
        if key not in self.made:
            self.made[key] = Chosen([pulled(g, wanted, seeded) for g in self.branches])
        back = self.made[key]
        grads: list[Any] = [None] * len(types)
        for i in wanted:
            grads[i] = ZERO
        if back.places:
            found = back.apply(index, [*xs, *(ct[j] for j in seeded)])
            for i, p in back.places.items():
                grads[i] = found[p]
        return (None, *grads)

    def push(self, dots: tuple[Any, ...], out: Any, xs: tuple[Any, ...]) -> Any:
        index, operands = xs[0], xs[1:]
        given = [i for i, dot in enumerate(dots[1:]) if dot is not None]
        wanted = [j for j, t in enumerate(self.branches[0].out_types) if is_inexact(t.dtype)]
        key = ("pushed", tuple(given))
        if key not in self.made:
            self.made[key] = Chosen([pushed(g, given, wanted) for g in self.branches])
        ahead = self.made[key]
        if not ahead.places:
            return None
        found = ahead.apply(index, [*operands, *(dots[i + 1] for i in given)])
        places = ahead.places
        n = len(self.branches[0].outputs)
        return tuple(found[places[j]] if j in places else None for j in range(n))

    def batch(self, size: int, batched: tuple[bool, ...], index: Any, *xs: Any) -> Any:
        if batched[0]:
            return self._select(size, batched[1:], index, xs)
        flags = batched[1:]
        forced = [True] * len(self.branches[0].outputs)
        key = ("batch", size, flags)
        if key not in self.made:
            graphs = [batched_graph(g, size, flags, forced)[0] for g in self.branches]
            branches, held = close(graphs)
            self.made[key] = Cond(tuple(branches)), held
        card, held = self.made[key]
        return card(index, *held, *xs)

    def _select(self, size: int, flags: Sequence[bool], index: Any, xs: Sequence[Any]) -> Any:
        """All branches on the whole batch, and for each example the results of the chosen one.

        The cotangent of a result that was not chosen is an exact zero, and stays one in the branch.
        """
        operands = [Batched(x) if on else x for x, on in zip(xs, flags, strict=True)]
        apply = functools.partial(apply_batched, size)
        outs: list[Any] = []
        for i, branch in enumerate(self.branches):
            found = [
                o.x if isinstance(o, Batched) else expanded(size, o)
                for o in evaluate(branch, operands, apply)
            ]
            if i == 0:
                outs = found
                continue
            chosen = index if dtype_kind(index.dtype) == BOOL else GREATER_EQUAL(index, i)
            outs = [
                WHERE(chosen.reshape((size, *(1,) * (o.ndim - 1))), o, before)
                for o, before in zip(found, outs, strict=True)
            ]
        return tuple(outs)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        t = Type((3,), np.dtype(np.float64))
        x, y = (staged_leaf(t) for _ in range(2))
        results = ([x * y, x], [y * y * y, y], [x, x + y])
        branches, _ = close([extract([x, y], outs, x.node.seq) for outs in results])
        xs = [rng.normal(size=3), rng.normal(size=3)]
        yield cls(tuple(branches[:2])), [np.array(True), *xs]
        yield cls(tuple(branches[:2])), [np.array(False), *xs]
        yield cls(tuple(branches)), [np.array(2), *xs]


# -- public functions ------------------------------------------------------------------------------


def cond(
    pred: Any,
    true_fn: Callable[..., Any],
    false_fn: Callable[..., Any],
    *operands: Any,
) -> Any:
    """What one of two functions returns: `true_fn` where the predicate holds, else `false_fn`.

    Where the predicate is known, the chosen function is simply called. Inside a function that is
    being staged (by `vmap`, `trace`, `scan`, ...) both are staged, must return the same structure
    and types, and one is run; only for a batch of predicates both are, and the results selected.

    Args:
        pred: a scalar. Numbers count as true unless they are zero.
        true_fn: a function of the operands.
        false_fn: a function of the operands. Both may use tensors from outside.
        operands: any nesting of containers.

    Raises:
        ShapeError: if `pred` is not a scalar, or the results of the functions differ in shape.
        DTypeError: if the results differ in dtype.
        ArgumentError: if the results differ in structure.

    Example:
        >>> ad.cond(ad.tensor(True), lambda x: 2 * x, lambda x: x, ad.tensor([1.0, 2.0]))
        tensor([2., 4.])

    **Gradient:** that of the chosen function; exactly zero through the other, even where that one
    would give infinity or NaN.
    """
    chosen = _index(pred, "cond", "pred", "ad.where(pred, x, y) chooses for each element.")
    if dtype_kind(chosen.dtype) != BOOL:
        chosen = CAST[np.dtype(np.bool_)](chosen)
    return _choose("cond", chosen, [false_fn, true_fn], ["false_fn", "true_fn"], operands)


def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """What one of several functions returns: the one with number `index`, counted from 0.

    An index out of range takes the nearest. Everything else is as for `cond`.

    Args:
        index: an integer scalar.
        branches: functions of the operands.
        operands: any nesting of containers.

    Raises:
        ArgumentError: if there are no branches.
        ShapeError: if `index` is not a scalar.
        DTypeError: if `index` is not an integer.

    Example:
        >>> ad.switch(2, [lambda x: x, lambda x: x * x, lambda x: x * x * x], ad.tensor(3.0))
        tensor(27.)

    **Gradient:** that of the chosen function.
    """
    fns = list(branches)
    if not fns:
        raise ArgumentError(explain("there are no branches to choose from", "switch", [], here()))
    chosen = _index(index, "switch", "index")
    if dtype_kind(chosen.dtype) >= FLOAT:
        fact = f"the index must be an integer, got {Type.of(chosen)}"
        raise DTypeError(explain(fact, "switch", [("index", chosen)], here()))
    return _choose("switch", chosen, fns, [f"branch {i}" for i in range(len(fns))], operands)


def _index(x: Any, name: str, what: str, hint: str = "") -> Any:
    """A scalar operand as a tensor."""
    x = lift(x)
    if x.ndim:
        fact = f"{what} must be a scalar, got the shape {x.shape}"
        raise ShapeError(explain(fact, name, [(what, x)], here(), hint))
    return x


def _choose(
    name: str,
    index: Any,
    fns: Sequence[Callable[..., Any]],
    labels: Sequence[str],
    operands: tuple[Any, ...],
) -> Any:
    """Call the chosen function, or stage them all."""
    if index.known and not state.staging:
        result = fns[min(max(int(index.value), 0), len(fns) - 1)](*operands)
        leaves, structure = tensors(result, f"{name}: the result")
        return structure.rebuild(leaves)
    xs, structure = tensors(operands, f"{name}: operand")
    types = [Type.of(x) for x in xs]
    found = [staged(functools.partial(_call, name, f, structure), types, here()) for f in fns]
    graphs = [graph for graph, _ in found]
    trees = [tree for _, (tree, _) in found]
    for label, tree in zip(labels, trees, strict=True):
        if tree != trees[0]:
            fact = f"{labels[0]} returns {trees[0]}, {label} returns {tree}"
            raise ArgumentError(explain(fact, name, [], here()))
    _follow(graphs, [numbers for _, (_, numbers) in found])
    _agree(name, labels, graphs, trees[0].paths())
    branches, held = close(graphs, user=True)
    outs = interned(Cond(tuple(branches)))(index, *held, *xs) if branches[0].outputs else ()
    return trees[0].rebuild(list(outs))


def _call(
    name: str, f: Callable[..., Any], structure: Structure, leaves: list[Any]
) -> tuple[list[Any], Any]:
    """The results of a branch: tensors, and their structure with the Python numbers among them."""
    result = f(*structure.rebuild(leaves))
    outs, tree = tensors(result, f"{name}: the result")
    return outs, (tree, [x if x.__class__ in SCALARS else None for x in flatten(result)[0]])


def _follow(graphs: Sequence[Graph], numbers: Sequence[Sequence[Any]]) -> None:
    """Give Python numbers that a branch returns the dtype that the other branches return."""
    for j in range(len(numbers[0])):
        firm = {
            g.outputs[j].dtype for g, given in zip(graphs, numbers, strict=True) if given[j] is None
        }
        weak = [given[j] for given in numbers if given[j] is not None]
        if not weak or len(firm) > 1:
            continue
        dtype = promote(*firm, *weak)
        for graph, given in zip(graphs, numbers, strict=True):
            if given[j] is not None and graph.outputs[j].dtype != dtype:
                x = lift(np.asarray(given[j], dtype))
                graph.constants[x.node] = x
                graph.outputs = (*graph.outputs[:j], x.node, *graph.outputs[j + 1 :])


def _agree(name: str, labels: Sequence[str], graphs: Sequence[Graph], paths: Sequence[str]) -> None:
    """Refuse branches whose results differ in type."""
    for label, graph in zip(labels, graphs, strict=True):
        for first, other, path in zip(graphs[0].out_types, graph.out_types, paths, strict=True):
            if first != other:
                where = f"the result {path!r}" if path else "the result"
                fact = f"{where} of {labels[0]} is {first}, of {label} {other}"
                error = ShapeError if first.shape != other.shape else DTypeError
                raise error(explain(fact, name, [], here()))
