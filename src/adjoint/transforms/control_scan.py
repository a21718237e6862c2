"""scan: a loop of known length with a carry, as one operation.

What the derivative needs of a step is computed again in the backward pass from the carry that went
into the step; of all steps, only the carries that the derivative reads are kept. That is
checkpointing with one checkpoint per step: memory for the carries alone, one more evaluation of
the steps. The backward pass is itself a scan, in the other direction, over the pullback of a step;
cotangents of what the step used from outside add up in its carry. So it can be differentiated
again, batched, staged and printed.

Source: Griewank and Walther, Evaluating Derivatives (2008), chapter 12.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator
from typing import Any, final

import numpy as np

from adjoint.core.bind import bind, lift, staged_leaf, state
from adjoint.core.errors import ArgumentError, NotDifferentiable, ShapeError, explain
from adjoint.core.graph import Handle
from adjoint.core.primitive import Primitive, Sample
from adjoint.core.program import Graph, extract
from adjoint.core.site import here
from adjoint.core.types import Type, is_inexact
from adjoint.ops.families import ZERO
from adjoint.ops.shape import Permute
from adjoint.transforms.control import AbstractControl, check_types, close, interned, staged
from adjoint.transforms.control_carry import Carry
from adjoint.transforms.control_derived import Derived, backward_of, forward_of
from adjoint.transforms.control_graph import (
    Flags,
    Run,
    batched_graph,
    expanded,
    runner,
    settled,
)
from adjoint.transforms.leaves import tensors

__all__ = ["scan"]


@final
class Scan(AbstractControl):
    """A step applied `length` times: its first outputs, the carry, are its next first inputs.

    Operands are what the step uses from outside, the carry, and the sequences that it walks along;
    outputs are the last carry, what the steps put out, stacked, and the carries before each step
    that `keep` names, stacked, for the derivative.
    """

    body: Graph
    n_consts: int
    n_carry: int
    length: int
    reverse: bool = False
    keep: tuple[int, ...] = ()
    llvm = "scan"

    # -- its parts -----------------------------------------------------------------------------

    @property
    def n_out(self) -> int:
        """Number of outputs without those kept for the derivative."""
        return len(self.body.outputs)

    @property
    def first_x(self) -> int:
        """Position of the first sequence among the operands."""
        return self.n_consts + self.n_carry

    @functools.cached_property
    def run(self) -> Run:
        """One step on arrays."""
        return runner(self.body)

    def operand_names(self, n: int) -> tuple[str, ...]:
        k, c = self.n_consts, self.n_carry
        names = [f"captured[{i}]" for i in range(k)] + [f"carry[{i}]" for i in range(c)]
        return (*names, *(f"xs[{i}]" for i in range(n - k - c)))

    def stacked(self, t: Type) -> Type:
        """The type of one value per step."""
        return Type((self.length, *t.shape), t.dtype)

    def keeping(self, keep: tuple[int, ...]) -> Scan:
        """The same scan that also puts out these carries of every step."""
        if keep == self.keep:
            return self
        if ("keeping", keep) not in self.made:
            card = Scan(self.body, self.n_consts, self.n_carry, self.length, self.reverse, keep)
            card.__dict__["made"] = self.made
            self.made["keeping", keep] = card
        return self.made["keeping", keep]

    def lean(self, used: set[int]) -> Primitive:
        return self.keeping(()) if self.keep and max(used, default=0) < self.n_out else self

    def __call__(self, *xs: Any) -> Any:
        """Apply it; where gradients may flow, keep the carries that the derivative reads."""
        wanted = tuple(isinstance(x, Handle) and x.node.tracked for x in xs)
        if self.keep or not any(wanted) or not state.recording:
            return bind(self, *xs)
        try:
            back = self.backward(wanted, (True,) * self.n_out)
        except NotDifferentiable:  # to be raised where a gradient is asked for
            back = None
        keep = back.stacks if back is not None else ()
        return bind(self.keeping(keep), *xs)[: self.n_out] if keep else bind(self, *xs)

    # -- what a card says ----------------------------------------------------------------------

    def value(self, *xs: Any) -> Any:
        k, at = self.n_consts, self.first_x
        consts, carry, along = xs[:k], list(xs[k:at]), xs[at:]
        stacks = [np.empty(t.shape, t.dtype) for t in self._stacked_types()]
        ys = stacks[: len(stacks) - len(self.keep)]
        kept = stacks[len(ys) :]
        steps = range(self.length)
        for t in reversed(steps) if self.reverse else steps:
            for i, stack in zip(self.keep, kept, strict=True):
                stack[t] = carry[i]
            outs = self.run([*consts, *carry, *[x[t, ...] for x in along]])
            carry = outs[: self.n_carry]
            for y, stack in zip(outs[self.n_carry :], ys, strict=True):
                stack[t] = y
        return (*map(np.asarray, carry), *stacks)

    def _stacked_types(self) -> list[Type]:
        """Types of the outputs after the carry."""
        kept = (self.body.inputs[self.n_consts + i].type for i in self.keep)
        return [self.stacked(t) for t in (*self.body.out_types[self.n_carry :], *kept)]

    def out_type(self, *types: Any) -> Any:
        at = self.first_x
        wanted = self.body.in_types
        steps = [*wanted[:at], *map(self.stacked, wanted[at:])]
        check_types(types, steps, self.operand_names(len(steps)))
        return (*self.body.out_types[: self.n_carry], *self._stacked_types())

    def cost(self, *types: Any) -> int:
        return self.length * self.body.flops()

    def batch(self, size: int, batched: tuple[bool, ...], *xs: Any) -> Any:
        k, at, c = self.n_consts, self.first_x, self.n_carry
        flags = settled(self.body, k, c, batched)
        key = ("batch", size, flags)
        if key not in self.made:
            graph, out_flags = batched_graph(self.body, size, flags, flags[k:at])
            (body,), held = close([graph])
            card = Scan(body, len(held) + k, c, self.length, self.reverse)
            self.made[key] = card, held, out_flags
        card, held, out_flags = self.made[key]
        operands: list[Any] = list(xs[:k])
        for x, flag, has in zip(xs[k:at], flags[k:at], batched[k:at], strict=True):
            operands.append(expanded(size, x) if flag and not has else x)
        for x, has in zip(xs[at:], batched[at:], strict=True):
            operands.append(_swapped(x) if has else x)
        outs = card.keeping(self.keep)(*held, *operands)
        on = (*out_flags, *(flags[k + i] for i in self.keep))
        return tuple(
            expanded(size, o) if not flag else o if j < c else _swapped(o)
            for j, (o, flag) in enumerate(zip(outs, on, strict=True))
        )

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        t, scalar = (Type(shape, np.dtype(np.float64)) for shape in ((3,), ()))
        w, c, n, x = (staged_leaf(s) for s in (t, t, Type((), np.dtype(np.int64)), t))
        new = c * w + x * c
        graph = extract([w, c, n, x], [new, n + 1, new * x], w.node.seq)
        (body,), _ = close([graph])
        xs = [rng.normal(size=3), rng.normal(size=3), np.array(0), rng.normal(size=(4, 3))]
        yield cls(body, 1, 2, 4), xs
        yield cls(body, 1, 2, 4, True, (0,)), xs
        yield cls(body, 1, 2, 0), [*xs[:3], np.zeros((0, 3))]
        c, x = (staged_leaf(scalar) for _ in range(2))
        (body,), _ = close([extract([c, x], [c * x], c.node.seq)])
        yield cls(body, 0, 1, 3), [np.array(1.5), rng.uniform(0.5, 2.0, size=3)]

    # -- the derivative ------------------------------------------------------------------------

    def vjp(self, ct: Any, out: Any, *xs: Any, mask: int = -1) -> Any:
        types = self.body.in_types
        wanted = tuple(bool(mask >> i & 1) and is_inexact(t.dtype) for i, t in enumerate(types))
        back = self.backward(wanted, tuple(c is not ZERO for c in ct))
        grads: list[Any] = [ZERO if on else None for on in wanted]
        if back is not None:
            outs = back.apply(self, ct, out, xs)
            for i, j in back.places.items():
                if wanted[i]:
                    grads[i] = outs[j]
        return grads

    def push(self, dots: tuple[Any, ...], out: Any, xs: tuple[Any, ...]) -> Any:
        ahead = self.forward(tuple(dot is not None for dot in dots))
        if ahead is None:
            return None
        outs = ahead.apply(self, dots, out, xs)
        n = self.n_out + len(self.keep)
        return tuple(outs[ahead.places[j]] if j in ahead.places else None for j in range(n))

    def backward(self, wanted: Flags, given: Flags) -> Derived | None:
        """The scan that pulls back the `given` cotangents to the `wanted` operands."""
        key = ("backward", wanted, given, self.keep)
        if key not in self.made:
            self.made[key] = backward_of(self, wanted, given)
        return self.made[key]

    def forward(self, given: Flags) -> Derived | None:
        """The scan that pushes forward tangents of the `given` operands."""
        key = ("forward", given, self.keep)
        if key not in self.made:
            self.made[key] = forward_of(self, given)
        return self.made[key]


def _swapped(x: Any) -> Any:
    """The value with its first two axes exchanged."""
    return Permute((1, 0, *range(2, x.ndim)))(x)


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    carry: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """The last carry, and what the steps put out, of a loop along the first axis of `xs`.

    The same as this Python loop, as one operation whose step is staged once::

        ys = []
        for x in xs:
            carry, y = f(carry, x)
            ys.append(y)
        return carry, ad.stack(ys)

    Args:
        f: a step ``f(carry, x) -> (carry, y)``. The carry keeps its structure, shapes and dtypes.
            It is called once, with tensors of which only the type is known, so it may not branch
            in Python on their numbers (`cond` does). Tensors that it uses from outside get
            gradients too.
        carry: what the loop starts with, any nesting of containers.
        xs: what it walks along, any nesting of containers; every leaf has the steps in axis 0.
        length: number of steps; needed only where `xs` has no leaves.
        reverse: whether to walk from the last x to the first; ``ys[t]`` still belongs to ``xs[t]``.

    Returns:
        The last carry, and the `y` of all steps, stacked along a new axis 0.

    Raises:
        ShapeError: if the lengths of `xs` differ, or a step changes the shape of the carry.
        DTypeError: if a step changes the dtype of the carry.
        ArgumentError: if there is no length, or a step returns something else than a pair.

    Example:
        >>> ad.scan(lambda total, x: (total + x, total), 0.0, ad.tensor([1.0, 2.0, 3.0]))
        (tensor(6.), tensor([0., 1., 3.]))

    **Gradient:** of all orders and in both modes. Kept for the backward pass are the carries before
    each step, as far as the derivative reads them; what happens within a step is computed again.
    """
    return loop("scan", f, carry, xs, length, reverse)


def loop(
    name: str,
    f: Callable[[Any, Any], Any],
    carry: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """`scan` under the name that messages shall have."""
    site = here()
    start = Carry(name, carry)
    along, x_structure = tensors(xs, f"{name}: xs")
    steps = _length(along, x_structure.paths(), length)
    n = len(start.xs)

    def call(leaves: list[Any]) -> tuple[list[Any], Any]:
        result = f(start.structure.rebuild(leaves[:n]), x_structure.rebuild(leaves[n:]))
        if not isinstance(result, tuple | list) or len(result) != 2:
            raise _refused(ArgumentError, f"a step must return (carry, y), it returned {result!r}")
        ys, y_structure = tensors(result[1], "scan: y")
        return [*start.received(result[0]), *ys], y_structure

    each = [Type(x.shape[1:], x.dtype) for x in along]
    graph, y_structure = staged(call, [*start.types, *each], site)
    while start.grown([node.type for node in graph.outputs[:n]]):
        graph, y_structure = staged(call, [*start.types, *each], site)
    (body,), held = close([graph], user=True)
    outs: list[Any] = []
    if body.outputs:
        card = interned(Scan(body, len(held), n, steps, bool(reverse)))
        outs = [lift(o) for o in card(*held, *start.xs, *along)]
    return start.structure.rebuild(outs[:n]), y_structure.rebuild(outs[n:])


def _length(xs: list[Any], paths: list[str], length: int | None) -> int:
    """The number of steps."""
    named = [f"xs {path!r}" if path else "xs" for path in paths]
    for x, name in zip(xs, named, strict=True):
        if not x.ndim:
            raise _refused(
                ShapeError, f"{name} is a scalar, it needs an axis to walk along", (name, x)
            )
    lengths = {x.shape[0]: (name, x) for x, name in zip(xs, named, strict=True)}
    if length is not None:
        steps = operator.index(length)
        if steps < 0:
            raise _refused(ArgumentError, f"length must not be negative, got {length}")
        wrong = [(n, *pair) for n, pair in lengths.items() if n != steps]
        if wrong:
            n, name, x = wrong[0]
            raise _refused(ShapeError, f"length is {steps}, but {name} has {n} steps", (name, x))
        return steps
    if not lengths:
        raise _refused(ArgumentError, "without xs, length must say how many steps to take")
    if len(lengths) > 1:
        (n, one), (m, other) = list(lengths.items())[:2]
        fact = f"xs differ in length: {one[0]} has {n} steps, {other[0]} has {m}"
        raise _refused(ShapeError, fact, one, other)
    return next(iter(lengths))


def _refused(error: type[Exception], fact: str, *operands: tuple[str, Any]) -> Exception:
    return error(explain(fact, "scan", operands, here()))
