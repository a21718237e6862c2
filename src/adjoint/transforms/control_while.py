"""while_loop and fori_loop: loops whose number of steps may depend on what they compute.

Where all numbers are known, a while loop is a Python loop: its steps are recorded like any others
and differentiate in both modes. Where they are not, it is the card `While`, which has forward
mode; reverse mode would need the values of a number of steps that nobody knows.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, final

import numpy as np

from adjoint.core.bind import bind, lift, staged_leaf, state
from adjoint.core.errors import DTypeError, NotDifferentiable, ShapeError, explain
from adjoint.core.graph import Handle
from adjoint.core.primitive import Sample
from adjoint.core.program import Graph, evaluate, extract
from adjoint.core.site import here
from adjoint.core.types import BOOL, INT, Type, dtype_kind
from adjoint.ops.compare import LESS
from adjoint.ops.families import CAST
from adjoint.ops.select import WHERE
from adjoint.transforms.control import AbstractControl, check_types, close, interned, staged
from adjoint.transforms.control_carry import Carry
from adjoint.transforms.control_graph import (
    Run,
    batched_graph,
    blank,
    expanded,
    pushed,
    reached,
    runner,
    settled,
    zeros,
)
from adjoint.transforms.control_scan import loop

__all__ = ["fori_loop", "while_loop"]

WHY = (
    "reverse mode needs the values of every step, and how many steps there are is not known while "
    "the function is staged"
)
WAY_OUT = "ad.scan with a fixed length, ad.fori_loop with Python ints as bounds, or forward mode."


@final
class While(AbstractControl):
    """A step applied to the carry for as long as a condition on the carry holds.

    Operands are what both use from outside, then the carry. A condition with axes is one for each
    example of a batch, whose axes are the first of every carry: the loop runs until none holds,
    and examples that are done stay as they are.
    """

    cond: Graph
    body: Graph
    n_consts: int
    name = "while_loop"
    llvm = "while"

    @functools.cached_property
    def runs(self) -> tuple[Run, Run]:
        """Condition and step on arrays."""
        return runner(self.cond), runner(self.body)

    def operand_names(self, n: int) -> tuple[str, ...]:
        k = self.n_consts
        return (*(f"captured[{i}]" for i in range(k)), *(f"carry[{i}]" for i in range(n - k)))

    def __call__(self, *xs: Any) -> Any:
        """Apply it; known values through which gradients may flow are recorded step by step."""
        handles = [x for x in xs if isinstance(x, Handle)]
        known = all(x.known for x in handles) and not state.staging
        if known and state.recording and any(x.node.tracked for x in handles):
            return self._recorded([lift(x) for x in xs])
        return bind(self, *xs)

    def _recorded(self, xs: list[Any]) -> Any:
        consts, carry = xs[: self.n_consts], list(xs[self.n_consts :])
        while True:
            (going,) = evaluate(self.cond, [*consts, *carry])
            if not np.any(going.value):
                return tuple(carry)
            new = [lift(x) for x in evaluate(self.body, [*consts, *carry])]
            if going.ndim:
                axes = [(*going.shape, *(1,) * (c.ndim - going.ndim)) for c in carry]
                new = [
                    WHERE(going.reshape(shape), after, before)
                    for shape, after, before in zip(axes, new, carry, strict=True)
                ]
            carry = new

    def value(self, *xs: Any) -> Any:
        going, step = self.runs
        consts = xs[: self.n_consts]
        carry: list[Any] = list(xs[self.n_consts :])
        while True:
            (on,) = going([*consts, *carry])
            if not np.any(on):
                return tuple(map(np.asarray, carry))
            new = step([*consts, *carry])
            if np.ndim(on) and not np.all(on):
                for i, (after, c) in enumerate(zip(new, carry, strict=True)):
                    each = np.reshape(on, (*on.shape, *(1,) * (np.ndim(c) - on.ndim)))
                    new[i] = np.where(each, after, c)
            carry = new

    def out_type(self, *types: Any) -> Any:
        wanted = self.body.in_types
        check_types(types, wanted, self.operand_names(len(wanted)))
        return self.body.out_types

    def cost(self, *types: Any) -> int:
        return self.cond.flops() + self.body.flops()  # of one step: nobody knows how many

    def vjp(self, ct: Any, out: Any, *xs: Any, mask: int = -1) -> Any:
        site = state.site or here()
        raise NotDifferentiable(explain(WHY, self.name, [], site, WAY_OUT, "while differentiating"))

    def push(self, dots: tuple[Any, ...], out: Any, xs: tuple[Any, ...]) -> Any:
        k, types = self.n_consts, self.body.in_types
        given = tuple(dot is not None for dot in dots)
        if ("pushed", given) not in self.made:
            self.made["pushed", given] = self._pushed(given)
        card, held, moved = self.made["pushed", given]
        start: dict[int, Any] = {i: zeros(types[i]) if dots[i] is None else dots[i] for i in moved}
        lead = [dot for i, dot in start.items() if i < k]
        found = iter(card(*held, *xs[:k], *lead, *xs[k:], *list(start.values())[len(lead) :]))
        n = len(types) - k
        ends = list(found)[n:]
        places = {i - k: p for p, i in enumerate(i for i in moved if i >= k)}
        return tuple(ends[places[j]] if j in places else None for j in range(n))

    def _pushed(self, given: tuple[bool, ...]) -> tuple[While, list[Any], list[int]]:
        """The loop that carries tangents along, its arrays, and which operands have a tangent."""
        k, types = self.n_consts, self.body.in_types
        n = len(types)
        flags = settled(self.body, k, n - k, given, smooth=True)
        moved = [i for i, on in enumerate(flags) if on]
        graph, _ = pushed(self.body, moved, [i - k for i in moved if i >= k], whole=True)
        (step,), held = close([graph])
        h, lead = len(held), sum(i < k for i in moved)

        def placed(inputs: Sequence[Any]) -> tuple[Any, ...]:
            own, dots = inputs[h : h + n], inputs[h + n :]
            return (*inputs[:h], *own[:k], *dots[:lead], *own[k:], *dots[lead:])

        body = Graph(placed(step.inputs), step.nodes, step.outputs, {})
        wide = [blank(node.type) for node in step.inputs]
        wide[h : h + n] = self.cond.inputs
        cond = Graph(placed(wide), self.cond.nodes, self.cond.outputs, {})
        return While(cond, body, h + k + lead), held, moved

    def batch(self, size: int, batched: tuple[bool, ...], *xs: Any) -> Any:
        k = self.n_consts
        flags = settled(self.body, k, len(xs) - k, batched)
        # a condition for each example needs every carry for each example
        each = reached(self.cond, flags)[0] or bool(self.cond.outputs[0].ndim)
        if each:
            flags = (*flags[:k], *[True] * (len(xs) - k))
        key = ("batch", size, flags)
        if key not in self.made:
            going, _ = batched_graph(self.cond, size, flags, [each])
            step, _ = batched_graph(self.body, size, flags, flags[k:])
            (cond, body), held = close([going, step])
            self.made[key] = While(cond, body, len(held) + k), held
        card, held = self.made[key]
        operands = [
            expanded(size, x) if flag and not has and i >= k else x
            for i, (x, flag, has) in enumerate(zip(xs, flags, batched, strict=True))
        ]
        outs = card(*held, *operands)
        return tuple(
            o if flag else expanded(size, o) for o, flag in zip(outs, flags[k:], strict=True)
        )

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        # integers: floats would be asked for a gradient in reverse mode, which it has not
        whole = Type((), np.dtype(np.int64))
        n, x, y = (staged_leaf(whole) for _ in range(3))
        results = ([LESS(x, n)], [x * x + 1, y + x])
        (cond, body), _ = close([extract([n, x, y], outs, n.node.seq) for outs in results])
        yield cls(cond, body, 1), [np.array(100), np.array(1), np.array(0)]
        yield cls(cond, body, 1), [np.array(0), np.array(3), np.array(5)]


def while_loop(cond_fn: Callable[[Any], Any], body_fn: Callable[[Any], Any], carry: Any) -> Any:
    """The carry after a loop that goes on for as long as a condition holds.

    The same as this Python loop::

        while cond_fn(carry):
            carry = body_fn(carry)
        return carry

    Where the numbers are known, it is that loop. Inside a function that is being staged (by `vmap`,
    `trace`, `scan`, ...) both functions are staged once; in a batch, examples that are done wait
    for the others.

    Args:
        cond_fn: from the carry to a scalar.
        body_fn: from the carry to the next; structure, shapes and dtypes stay the same.
        carry: any nesting of containers.

    Raises:
        ShapeError: if a step changes the shape of the carry, or the condition is not a scalar.
        DTypeError: if a step changes the dtype of the carry.
        ArgumentError: if a step changes the structure of the carry.

    Example:
        >>> ad.while_loop(lambda x: x < 100.0, lambda x: x * x, 3.0)
        tensor(6561.)

    **Gradient:** through the steps that were taken, in both modes. A staged loop has forward mode
    only, and raises NotDifferentiable in reverse mode, because its number of steps is not known.
    `scan` and `fori_loop` with Python ints as bounds have both.
    """
    start = Carry("while_loop", carry)
    xs = list(start.xs)

    def going(leaves: list[Any]) -> Any:
        out = lift(cond_fn(start.structure.rebuild(leaves)))
        if out.ndim:
            fact = f"the condition must be a scalar, it has the shape {out.shape}"
            raise ShapeError(explain(fact, "while_loop", [("condition", out)], here()))
        return out if dtype_kind(out.dtype) == BOOL else CAST[np.dtype(np.bool_)](out)

    def step(leaves: list[Any]) -> list[Any]:
        return start.received(body_fn(start.structure.rebuild(leaves)))

    while not state.staging and all(x.known for x in xs):
        on = going(xs)
        if not on.known:
            break
        if not on.value:
            return start.structure.rebuild(xs)
        xs = step(xs)
        if start.grown(xs):
            xs = list(start.xs)
    start.xs = xs
    return start.structure.rebuild(_stage(start, going, step))


def _stage(
    start: Carry, going: Callable[[list[Any]], Any], step: Callable[[list[Any]], list[Any]]
) -> list[Any]:
    """The results of a loop whose functions are staged."""
    site = here()
    body, _ = staged(lambda leaves: (step(leaves), None), start.types, site)
    while start.grown([node.type for node in body.outputs]):
        body, _ = staged(lambda leaves: (step(leaves), None), start.types, site)
    cond, _ = staged(lambda leaves: ([going(leaves)], None), start.types, site)
    (cond, body), held = close([cond, body], user=True)
    outs = interned(While(cond, body, len(held)))(*held, *start.xs)
    return [lift(o) for o in outs]


def fori_loop(lower: Any, upper: Any, body_fn: Callable[[Any, Any], Any], carry: Any) -> Any:
    """The carry after a loop over the integers from `lower` up to, but without, `upper`.

    The same as this Python loop::

        for i in range(lower, upper):
            carry = body_fn(i, carry)
        return carry

    Args:
        lower: the first integer.
        upper: the integer before which it ends.
        body_fn: from an integer (as a tensor) and the carry to the next carry.
        carry: any nesting of containers.

    Raises:
        DTypeError: if a bound is not an integer, or a step changes the dtype of the carry.
        ShapeError: if a bound is not a scalar, or a step changes the shape of the carry.

    Example:
        >>> ad.fori_loop(1, 5, lambda i, x: x * i, 1)
        tensor(24)

    **Gradient:** of all orders and in both modes if the bounds are known: it is a `scan`. Otherwise
    that of a staged `while_loop`: forward mode only.
    """
    first, last = (_bound(x, what) for x, what in ((lower, "lower"), (upper, "upper")))
    if isinstance(first, int) and isinstance(last, int):
        indices = np.arange(first, last, dtype=np.int64)
        return loop("fori_loop", lambda c, i: (body_fn(i, c), None), carry, indices)[0]
    out = while_loop(
        lambda c: LESS(lift(c[0]), c[1]),
        lambda c: (c[0] + 1, c[1], body_fn(c[0], c[2])),
        (CAST[np.dtype(np.int64)](lift(first)), CAST[np.dtype(np.int64)](lift(last)), carry),
    )
    return out[2]


def _bound(x: Any, what: str) -> Any:
    """A bound: a Python int where it is known, else a tensor."""
    if isinstance(x, int):
        return x
    x = lift(x)
    if x.ndim or dtype_kind(x.dtype) != INT:
        fact = f"{what} must be one integer, got {Type.of(x)}"
        error = ShapeError if x.ndim else DTypeError
        raise error(explain(fact, "fori_loop", [(what, x)], here()))
    return int(x.value) if x.known and not state.staging else x
