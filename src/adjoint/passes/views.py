"""Views of views: reshape, permute, expand, slice and what they do under a reduction.

Exact, because no number changes: only where it is read from. The one exception says so.
"""

from __future__ import annotations

from typing import Any, Final

from adjoint.core.graph import Node
from adjoint.core.program import Graph
from adjoint.core.types import Shape
from adjoint.ops.arithmetic import ADD
from adjoint.ops.extreme import Max, Min
from adjoint.ops.join import Concat
from adjoint.ops.product import Prod
from adjoint.ops.shape import Expand, Permute, Reshape, Sum
from adjoint.ops.slice import Pad, Slice
from adjoint.passes.rewrite import Builder, Rules, Xs, rewrite
from adjoint.passes.simplify import made_by

VIEWS: Final = Rules()


def large(shape: Shape) -> Shape:
    """The sizes other than 1."""
    return tuple([n for n in shape if n != 1])


def same_but_ones(a: Shape, b: Shape) -> bool:
    """Whether two shapes differ in axes of size 1 only."""
    return large(a) == large(b)


def reshaped(build: Builder, x: Node, shape: Shape) -> Node:
    """`x` in a shape, without a node where it has it."""
    return x if x.shape == shape else build(Reshape(shape), x)


# -- reshape ---------------------------------------------------------------------------------------


@VIEWS.on(Reshape)
def _reshape(build: Builder, op: Any, xs: Xs) -> Node | None:
    """Only the last shape counts; axes of size 1 of what is repeated are repeats as well."""
    (x,) = xs
    if x.shape == op.shape:
        return x
    if made_by(x, Reshape):
        return reshaped(build, x.inputs[0], op.shape)
    if made_by(x, Expand) and same_but_ones(x.shape, op.shape) and x.size:
        repeats = iter([a in x.op.axes for a, n in enumerate(x.shape) if n != 1])
        axes = tuple([a for a, n in enumerate(op.shape) if n == 1 or next(repeats)])
        source = reshaped(build, x.inputs[0], large(x.inputs[0].shape))
        return build(Expand(op.shape, axes), source)
    return None


# -- permute ---------------------------------------------------------------------------------------


@VIEWS.on(Permute)
def _permute(build: Builder, op: Any, xs: Xs) -> Node | None:
    """Orders compose; an order that moves only axes of size 1 is a reshape."""
    (x,) = xs
    order = op.order
    if list(order) == list(range(len(order))):
        return x
    if made_by(x, Permute):
        return build(Permute(tuple([x.op.order[a] for a in order])), x.inputs[0])
    moved = [a for a in order if x.shape[a] != 1]
    if moved == sorted(moved):
        return build(Reshape(tuple([x.shape[a] for a in order])), x)
    if made_by(x, Expand):
        kept = [a for a in range(x.ndim) if a not in x.op.axes]
        inner = tuple([kept.index(a) for a in order if a not in x.op.axes])
        axes = tuple([k for k, a in enumerate(order) if a in x.op.axes])
        shape = tuple([x.shape[a] for a in order])
        return build(Expand(shape, axes), build(Permute(inner), x.inputs[0]))
    return None


# -- expand ----------------------------------------------------------------------------------------


@VIEWS.on(Expand)
def _expand(build: Builder, op: Any, xs: Xs) -> Node | None:
    """Repeats add up; a repeat along nothing but axes of size 1 is a reshape."""
    (x,) = xs
    shape, axes = op.shape, op.axes
    if all(shape[a] == 1 for a in axes):
        return reshaped(build, x, shape)
    if made_by(x, Expand):
        kept = [a for a in range(len(shape)) if a not in axes]
        more = tuple([kept[a] for a in x.op.axes])
        return build(Expand(shape, tuple(sorted(axes + more))), x.inputs[0])
    if made_by(x, Reshape) and x.inputs[0].shape == large(x.shape):
        ones = tuple([a for a, n in enumerate(shape) if n == 1 and a not in axes])
        return build(Expand(shape, tuple(sorted(axes + ones))), x.inputs[0])
    return None


# -- parts -----------------------------------------------------------------------------------------


@VIEWS.on(Slice)
def _slice(build: Builder, op: Any, xs: Xs) -> Node | None:
    """All of a value is the value; a part of a part is a part."""
    (x,) = xs
    if op.sizes == x.shape and all(
        s == 1 or n == 1 for s, n in zip(op.steps, x.shape, strict=True)
    ):
        return reshaped(build, x, tuple([n for a, n in enumerate(x.shape) if a not in op.drop]))
    if made_by(x, Slice):
        return build(_part_of_part(x.op, op), x.inputs[0])
    return None


def _part_of_part(first: Slice, then: Slice) -> Slice:
    """One part for two, one after the other."""
    starts, sizes, steps = list(first.starts), list(first.sizes), list(first.steps)
    left = [a for a in range(len(starts)) if a not in first.drop]
    for a, start, size, step in zip(left, then.starts, then.sizes, then.steps, strict=True):
        # no element is read of an empty part, wherever it starts
        starts[a] += start * steps[a] if size else 0
        sizes[a] = size
        steps[a] *= step
    drop = tuple(sorted((*first.drop, *(left[a] for a in then.drop))))
    return Slice(tuple(starts), tuple(sizes), tuple(steps), drop)


@VIEWS.on(Pad)
def _pad(build: Builder, op: Any, xs: Xs) -> Node | None:
    """Nothing around a value is the value."""
    return xs[0] if not any(op.low + op.high) and xs[0].shape == op.shape_for(xs[0].shape) else None


@VIEWS.on(Concat)
def _joined(build: Builder, op: Any, xs: Xs) -> Node | None:
    """One value alone is not joined to anything."""
    return xs[0] if len(xs) == 1 else None


# -- reductions ------------------------------------------------------------------------------------


@VIEWS.on(Sum, Prod, Max, Min)
def _reduced(build: Builder, op: Any, xs: Xs) -> Node | None:
    """Axes of size 1 need no reduction, and those that a reshape put in are not there.

    A sum starts with 0.0, so a sum of one -0.0 is 0.0: where nothing is left to sum, 0.0 is added.
    """
    (x,) = xs
    axes = tuple([a for a in op.axes if x.shape[a] != 1])
    shape = tuple([n for a, n in enumerate(x.shape) if a not in op.axes])
    if not axes:
        return _nothing_reduced(build, op, x, shape)
    if made_by(x, Reshape) and same_but_ones(x.inputs[0].shape, x.shape):
        source = x.inputs[0]
        places = iter([a for a, n in enumerate(source.shape) if n != 1])
        at = {a: next(places) for a, n in enumerate(x.shape) if n != 1}
        return reshaped(build, build(type(op)(tuple([at[a] for a in axes])), source), shape)
    if made_by(x, Permute):
        order = x.op.order
        kept = [order[a] for a in range(x.ndim) if a not in op.axes]
        inner = build(type(op)(tuple(sorted([order[a] for a in op.axes]))), x.inputs[0])
        rank = sorted(kept)
        return build(Permute(tuple([rank.index(a) for a in kept])), inner)
    return None


def _nothing_reduced(build: Builder, op: Any, x: Any, shape: Shape) -> Node | None:
    if op.__class__ is Sum and x.dtype.kind not in "iu":
        if x.dtype.kind != "f":
            return None
        x = build(ADD, x, 0.0)
    return reshaped(build, x, shape)


def views(graph: Graph) -> Graph:
    """The graph with views of views made one view. Exact: no number changes."""
    return rewrite(graph, VIEWS)
