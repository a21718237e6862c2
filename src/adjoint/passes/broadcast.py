"""Elementwise operations on the smallest operands that say the same.

Three things, all exact, because an elementwise operation does the same with every element, however
its operands got there:

- A constant that is one number throughout becomes that Python number.
- Views that all operands share are taken after the operation instead of before it. So they meet
  the views that undo them, and what lies between is one chain of maps on one shape.
- What is repeated by NumPy's rule anyway need not be repeated before. Where all operands are
  repeated along an axis, the operation is done once, and its result repeated.
"""

from __future__ import annotations

from typing import Any, Final

from adjoint.core.graph import Node
from adjoint.core.program import Graph
from adjoint.core.types import Shape, broadcast_shapes
from adjoint.ops.arithmetic import Add, Divide, Multiply, Subtract
from adjoint.ops.compare import Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual
from adjoint.ops.families import AbstractMap, Scale
from adjoint.ops.select import Clip, Fmax, Fmin, Maximum, Minimum, Where
from adjoint.ops.shape import Expand, Permute, Reshape
from adjoint.passes.rewrite import Builder, Rules, Xs, rewrite
from adjoint.passes.simplify import uniform
from adjoint.passes.views import reshaped

BROADCAST: Final = Rules()

# For each card, the operands that may be Python numbers with the same result to the bit. Power is
# none: NumPy has shortcuts for some exponents that are numbers.
WEAK: Final[dict[type, tuple[int, ...]]] = {
    **dict.fromkeys((Add, Subtract, Multiply, Divide, Maximum, Minimum, Fmax, Fmin), (0, 1)),
    **dict.fromkeys((Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual), (0, 1)),
    Clip: (1, 2),
    Scale: (1,),
    Where: (1, 2),
}
VIEW: Final = (Expand, Reshape)


@BROADCAST.on(*WEAK)
def _numbers(build: Builder, op: Any, xs: Xs) -> Node | None:
    """Constants that are one number throughout, as Python numbers."""
    found: Node | None = None
    for i in WEAK[op.__class__]:
        x = xs[i]
        if x.__class__ is not Node or (x.op is not None and x.op.__class__ not in VIEW):
            continue
        number = uniform(build, x)
        if number is None or not _decided(op, xs, i):
            continue
        new = (*xs[:i], number, *xs[i + 1 :])
        if _type(op, new) == _type(op, xs):
            xs = new
            found = x
    return None if found is None else build(op, *xs)


def _decided(op: Any, xs: Xs, i: int) -> bool:
    """Whether the dtype of the result follows from another operand than this one."""
    first = 1 if op.__class__ is Where else 0
    return any(
        x.__class__ is Node and x.dtype == xs[i].dtype
        for k, x in enumerate(xs)
        if k != i and k >= first
    )


def _type(op: Any, xs: Xs) -> Any:
    return op.out_type(*[x.type if x.__class__ is Node else x for x in xs])


@BROADCAST.on(AbstractMap)
def _after(build: Builder, op: Any, xs: Xs) -> Node | None:
    """A reshape or permutation of all operands alike is taken of the result."""
    view: Any = None
    shape: Any = ()
    for x in xs:
        if x.__class__ is not Node or not x.shape:
            continue
        if view is None:
            if x.op.__class__ not in (Reshape, Permute) or not x.inputs[0].shape:
                return None
            view, shape = x.op, x.inputs[0].shape
        elif x.op != view or x.inputs[0].shape != shape:
            return None
    if view is None:
        return None
    new = [x.inputs[0] if x.__class__ is Node and x.shape else x for x in xs]
    return build(view, build(op, *new))


@BROADCAST.on(AbstractMap)
def _implied(build: Builder, op: Any, xs: Xs) -> Node | None:
    """Repeats that broadcasting does anyway, or that can be done after the operation."""
    if not any(x.__class__ is Node and x.op.__class__ in VIEW for x in xs):
        return None
    shapes = [x.shape for x in xs if x.__class__ is Node]
    out = broadcast_shapes(*shapes)
    if 0 in out:
        return None
    vary = [_varying(x, out) if x.__class__ is Node else () for x in xs]
    along = {a for axes in vary for a in axes}
    idle = tuple([a for a, n in enumerate(out) if n != 1 and a not in along])
    kept = [a for a in range(len(out)) if a not in idle]
    lean = [
        _without_lead([out[a] if a in axes else 1 for a in kept])
        if x.__class__ is Node and (idle or x.op.__class__ in VIEW)
        else getattr(x, "shape", ())
        for x, axes in zip(xs, vary, strict=True)
    ]
    if not idle and (
        lean == [getattr(x, "shape", ()) for x in xs] or broadcast_shapes(*lean) != out
    ):
        return None
    new = [
        reshaped(build, x.inputs[0] if x.op.__class__ is Expand else x, shape)
        if x.__class__ is Node and x.shape != shape
        else x
        for x, shape in zip(xs, lean, strict=True)
    ]
    result = build(op, *new)
    if not idle:
        return result
    return build(Expand(out, idle), reshaped(build, result, tuple([out[a] for a in kept])))


def _varying(x: Node, out: Shape) -> tuple[int, ...]:
    """The axes of the result along which the elements of an operand differ."""
    lead = len(out) - x.ndim
    repeats = x.op.axes if x.op.__class__ is Expand else ()
    return tuple([a + lead for a, n in enumerate(x.shape) if n != 1 and a not in repeats])


def _without_lead(sizes: list[int]) -> Shape:
    """A shape without axes of size 1 in front: broadcasting puts them there."""
    at = 0
    while at < len(sizes) and sizes[at] == 1:
        at += 1
    return tuple(sizes[at:])


def broadcast(graph: Graph) -> Graph:
    """The graph with maps on the smallest operands that say the same. Exact, see this file."""
    return rewrite(graph, BROADCAST)
