"""jvp and linearize: forward mode over the recorded graph.

The function is recorded once; then tangents are pushed from its inputs to its outputs, node by
node. Maps scale tangents by their partials, linear operations apply themselves. Any other card
states only a pullback; that is linear in the cotangent, so its transpose is the pushforward, and
transposing is what the reverse sweep does. So forward mode exists wherever reverse mode does.

Source: Radul, Paszke, Frostig, Johnson, Maclaurin, You Only Linearize Once (2022), read backwards.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from adjoint.backward import as_tensors, placed, recalled, sweep, tracked_ancestors
from adjoint.core.bind import lift, make, setting, staged_leaf, state
from adjoint.core.errors import ArgumentError, NotDifferentiable, ShapeError, explain
from adjoint.core.graph import Node, Pick, leaf
from adjoint.core.site import here
from adjoint.ops.families import CAST, ZERO
from adjoint.ops.shape import Expand, unbroadcast
from adjoint.transforms.leaves import tensors, zeros_like
from adjoint.transforms.reverse import Differentiated, Recorded

__all__ = ["jvp", "linearize"]


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """The value of a function, and its derivative along tangents of its arguments.

    Args:
        f: a function of the primals; arguments and result are any nesting of containers.
        primals: a sequence of arguments.
        tangents: a sequence of the same structure and shapes.

    Returns:
        ``(out, dot)``, both shaped like the result of `f`.

    Example:
        >>> ad.jvp(lambda x: x**3, (2.0,), (1.0,))
        (tensor(8.), tensor(12.))
    """
    for what, given in (("primals", primals), ("tangents", tangents)):
        if not isinstance(given, tuple | list):
            raise ArgumentError(
                f"jvp: {what} must be a tuple with one entry per argument of the function, "
                f"got {type(given).__name__}"
            )
    out, push = linearize(f, *primals)
    return out, push(*tangents)


def linearize(f: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """The value of a function, and its derivative there as a linear function of tangents.

    Returns:
        ``(out, push)``: ``push(*tangents)`` may be called any number of times; the function itself
        is evaluated once.

    Example:
        >>> out, push = ad.linearize(lambda x: x**3, 2.0)
        >>> push(1.0), push(2.0)
        (tensor(12.), tensor(24.))
    """
    recorded = Recorded(f, primals, "jvp")
    return recorded.result(), functools.partial(push, recorded)


def push(recorded: Recorded, *tangents: Any) -> Any:
    """The tangent of the result of a recorded call, for tangents of its arguments."""
    dots = _tangents(recorded.chosen, tangents)
    on = state.recording and (recorded.again or any(d.node.tracked for d in dots))
    starts = dict(zip([x.node for x in recorded.chosen.xs], dots, strict=True))
    with setting(recording=on):
        pushed = pushforward(recorded.outs, starts)
    return recorded.structure.rebuild(
        [zeros_like(o) if d is None else d for o, d in zip(recorded.outs, pushed, strict=True)]
    )


def _tangents(chosen: Differentiated, tangents: Sequence[Any]) -> list[Any]:
    if len(tangents) != len(chosen.parts):
        raise ArgumentError(f"jvp: {len(chosen.parts)} primals but {len(tangents)} tangents")
    dots: list[Any] = []
    for (n, structure), tree in zip(chosen.parts, tangents, strict=True):
        leaves, given = tensors(tree, "jvp: tangent")
        if len(leaves) != n or given != structure:
            raise ArgumentError(f"jvp: tangent has the structure {given}, the primal {structure}")
        dots += leaves
    for i, (x, dot) in enumerate(zip(chosen.xs, dots, strict=True)):
        if x.shape != dot.shape:
            raise ShapeError(
                explain(
                    f"the tangent has shape {dot.shape}, the primal {x.shape}",
                    "jvp",
                    [("primal", x), ("tangent", dot)],
                    here(),
                )
            )
        if dot.dtype != x.dtype:
            dots[i] = CAST[x.dtype](dot)
    return dots


def pushforward(outs: Sequence[Any], dots: dict[Node, Any]) -> list[Any]:
    """Tangents of `outs` for tangents of some nodes; None where nothing flows."""
    env = dict(dots)
    for node in tracked_ancestors([o.node for o in outs]):
        if node in env or node.op is None:
            continue
        incoming: tuple[Any, ...] = tuple(
            env.get(x) if x.__class__ is Node else None for x in node.inputs
        )
        if all(dot is None for dot in incoming):
            continue
        if node.op.__class__ is Pick:
            dot = incoming[0][node.op.index]
        else:
            with setting(site=node.site):
                dot = push_node(node, incoming)
        if dot is not None:
            env[node] = dot
    return [env.get(o.node) for o in outs]


def push_node(node: Node, dots: tuple[Any, ...]) -> Any:
    """The tangent of one node's output (a tuple for several outputs)."""
    op = node.op
    if op.no_derivative:
        raise placed(NotDifferentiable(op.no_derivative), node)
    recalled(node)
    out, xs = as_tensors(node)
    dot = op.push(dots, out, xs)
    if dot is NotImplemented:
        return _transposed(node, dots, xs)
    if dot is None or dot is ZERO:
        return None
    if isinstance(dot, tuple):
        return tuple(None if d is None or d is ZERO else lift(d) for d in dot)
    dot = lift(dot)
    if dot.dtype != node.dtype:
        dot = CAST[node.dtype](dot)
    if dot.shape != node.shape:
        lead = tuple(range(len(node.shape) - dot.ndim))
        kept = dot.shape
        axes = lead + tuple(
            a + len(lead) for a, n in enumerate(kept) if n == 1 and node.shape[a + len(lead)] != 1
        )
        squeezed = dot.reshape(tuple(n for a, n in enumerate(kept) if a + len(lead) not in axes))
        dot = Expand(tuple(node.shape), axes)(squeezed)
    return dot


def _transposed(node: Node, dots: tuple[Any, ...], xs: tuple[Any, ...]) -> Any:
    """The pushforward as the transpose of the pullback, which is linear in its cotangent."""
    several = node.dtype is None
    types = node.shape if several else (node.type,)
    with setting(recording=True):
        us = tuple(staged_leaf(t, tracked=True) for t in types)
        out, _ = as_tensors(node)
        mask = sum(1 << i for i, dot in enumerate(dots) if dot is not None)
        results = node.op.pull(us if several else us[0], out, xs, mask)
        # broadcasting is undone here too, as in the sweep, so that its transpose broadcasts
        results = [
            g if dot is None or g is None or g is ZERO else unbroadcast(g, dot.shape)
            for g, dot in zip(results, dots, strict=True)
        ]
    seeds: list[tuple[Node, Any]] = []
    for g, dot in zip(results, dots, strict=True):
        if dot is None or g is None or g is ZERO:
            continue
        if g.dtype != dot.dtype:
            dot = CAST[g.dtype](dot)
        seeds.append((g.node, dot))
    found = sweep(seeds, [u.node for u in us], on_tensors=True)
    outs = tuple(
        found[u.node] if u.node in found else make(np.zeros(t.shape, t.dtype), leaf(t))
        for u, t in zip(us, types, strict=True)
    )
    return outs if several else outs[0]
