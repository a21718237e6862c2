"""The reverse sweep: from cotangents of some nodes to gradients of others.

Creation order is a topological order: a node is younger than everything it was computed from. So
the sweep keeps the nodes that a cotangent has reached in a heap and takes out the youngest; by then
its cotangent is complete, because whoever contributes to it is younger still. Each node is visited
once. Adding contributions is done here and nowhere else.

Two ways through the same rules: on plain arrays, when nobody will differentiate the gradients
again, and on tensors, when somebody may (or when the function is only being staged). On arrays the
saved values are released as the sweep passes, unless the graph is retained.

Source: Griewank and Walther, Evaluating Derivatives (2008), chapter 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from heapq import heappop, heappush
from typing import Any, Final

import numpy as np

from adjoint.core.bind import (
    FP_IGNORE,
    constant,
    fp_reset,
    fp_set,
    lift,
    make,
    setting,
    state,
)
from adjoint.core.errors import NoGraph, NotDifferentiable, ShapeError, explain
from adjoint.core.graph import Deferred, Handle, Node, Pick, by_age, next_seq
from adjoint.core.site import here
from adjoint.ops.families import CAST, ZERO
from adjoint.ops.shape import unbroadcast

Cotangents = dict[Node, Any]
_NOTHING: Final = nullcontext()


# One loop without calls of its own: it runs once for every node of every backward pass.
def sweep(  # noqa: C901, PLR0915
    seeds: Sequence[tuple[Node, Any]],
    wanted: Iterable[Node] | None = None,
    *,
    on_tensors: bool = False,
    retain_graph: bool = False,
) -> Cotangents:
    """Gradients of ``sum(<ct, node>)`` over the seeds.

    Args:
        seeds: pairs of node and cotangent (arrays, or tensors with `on_tensors`).
        wanted: the nodes whose gradients are asked for; None asks for leaves and for nodes with a
            slot. Nodes that do not lead to one are not visited.
        on_tensors: run the rules on tensors, so that gradients can be differentiated again.
        retain_graph: keep the saved values for another sweep.

    Returns:
        The gradient of each wanted node that a seed depends on.

    Raises:
        NotDifferentiable: if the gradient reaches an operation without a derivative.
        NoGraph: if the saved values have been released.
    """
    goal = None if wanted is None else set(wanted)
    useful = None if goal is None else _leading([node for node, _ in seeds], goal)
    cts: Cotangents = {}
    heap: list[tuple[int, Node]] = []
    owned: set[Node] = set()
    found: Cotangents = {}
    for node, ct in seeds:
        if node.tracked if useful is None else node in useful:
            if node in cts:
                _add(cts, owned, node, ct)
            else:
                cts[node] = ct
                if node.op is not None:
                    heappush(heap, (-node.seq, node))
    node: Any = None
    begin = next_seq() if on_tensors and state.capture is not None else 0
    # what the rules record belongs to the user's lines of the forward nodes
    with setting(site=state.site) if on_tensors else _NOTHING:
        token = fp_set(FP_IGNORE)
        try:
            while heap:
                node = heappop(heap)[1]
                ct = cts.pop(node)
                if node.slot is not None or goal is not None:
                    ct = _shown(node, ct, on_tensors)
                    if goal is None or node in goal:
                        found[node] = ct
                op = node.op
                if op.__class__ is Pick:
                    _add_part(cts, heap, node.inputs[0], op.index, ct)
                    continue
                mask = node.mask if useful is None else _useful_mask(node, useful)
                if on_tensors:
                    state.site = node.site
                saved = node.saved
                if on_tensors or not mask or node.dtype is None or saved.__class__ is not tuple:
                    results = pullback(node, ct, mask, on_tensors)
                else:
                    out = saved[0]
                    results = op.pull(ct, node if out is None else out, saved[1:], mask)
                for x, g in zip(node.inputs, results):  # noqa: B905  # `strict` costs 0.2 us
                    if mask & 1 and g is not None and g is not ZERO:
                        if g.shape != x.shape:
                            g = unbroadcast(g, x.shape)
                        if g.dtype is not x.dtype and g.dtype != x.dtype:
                            g = CAST[x.dtype](g)
                        if x in cts:
                            _add(cts, owned, x, g)
                        else:
                            cts[x] = g
                            if x.op is not None:
                                heappush(heap, (-x.seq, x))
                    mask >>= 1
                results = g = None  # the terms of a sum must not outlive it
                if not retain_graph and not on_tensors:
                    node.saved = None
            for node, ct in cts.items():  # leaves, which lead nowhere, have waited
                found[node] = ct if node.slot is None else _shown(node, ct, on_tensors)
        except NotDifferentiable as error:
            raise placed(error, node) from None
        finally:
            fp_reset(token)
    if begin and state.capture is not None:
        state.capture.sweeps.append((begin, next_seq()))
    return found


def accumulate(
    x: Handle, gradient: Any = None, retain_graph: bool = False, create_graph: bool = False
) -> None:
    """Add the gradient of a tensor to the slots of all that it depends on: ``x.backward()``."""
    if not x.node.tracked:
        raise NoGraph(
            explain(
                "nothing that requires a gradient leads to this tensor",
                "backward",
                [("self", x)],
                here(),
                "ad.tensor(..., requires_grad=True) for what you want gradients of, "
                "and no ad.no_grad() or .detach() on the way.",
            )
        )
    ct = _seed(x, gradient)
    on_tensors = create_graph or not x.known
    capture = state.capture
    begin = 0 if capture is None else next_seq()
    if on_tensors:
        keep = retain_graph or create_graph
        with setting(recording=create_graph):
            found = sweep([(x.node, ct)], on_tensors=True, retain_graph=keep)
    else:
        # a NumPy number where it is one, as rules make them: arithmetic with it is cheaper
        found = sweep([(x.node, ct.value[()])], retain_graph=retain_graph)
    for node, g in found.items():
        slot = node.slot
        if slot is None:
            continue
        if not on_tensors:
            g = constant(np.asarray(g))
        before = slot.grad if capture is None else capture.read_gradient(slot, make)
        if before is not None:
            with setting(recording=create_graph):
                g = before + g
        if capture is not None:
            capture.write_gradient(slot)
        slot.grad = g
    if capture is not None:
        capture.sweeps.append((begin, next_seq()))


def _seed(x: Handle, gradient: Any) -> Any:
    """The cotangent that a backward pass starts from."""
    if gradient is None:
        if x.size != 1:
            raise ShapeError(
                explain(
                    "only a scalar has a gradient without a cotangent",
                    "backward",
                    [("self", x)],
                    here(),
                    "loss.sum().backward(), or pass gradient= of the shape of the tensor.",
                )
            )
        return constant(np.array(1, x.dtype, ndmin=x.ndim))
    # a copy: the gradient of a leaf may be the cotangent itself, and the array is the caller's
    gradient = lift(np.array(gradient) if isinstance(gradient, np.ndarray) else gradient)
    if gradient.shape != x.shape:
        raise ShapeError(
            explain(
                f"the gradient has shape {gradient.shape}, the tensor {x.shape}",
                "backward",
                [("self", x), ("gradient", gradient)],
                here(),
            )
        )
    return gradient


def placed(error: NotDifferentiable, node: Node) -> NotDifferentiable:
    """The error with the forward line of the node whose rule raised it."""
    if "while differentiating" in str(error):
        return error
    return NotDifferentiable(
        explain(str(error), node.op.name, [], node.site, while_doing="while differentiating")
    )


def tracked_ancestors(roots: Iterable[Node]) -> list[Node]:
    """`ancestors` along which gradients flow: the same walk, as the sweep's inner loop."""
    stack = [node for node in roots if node.tracked]
    seen = set(stack)
    while stack:
        for x in stack.pop().inputs:
            if x.__class__ is Node and x.tracked and x not in seen:
                seen.add(x)
                stack.append(x)
    return sorted(seen, key=by_age)


def _leading(roots: Iterable[Node], goal: set[Node]) -> set[Node]:
    """The nodes on the way from the wanted nodes to the roots."""
    useful: set[Node] = set()
    for node in tracked_ancestors(roots):
        if node in goal:
            useful.add(node)
            continue
        for x in node.inputs:
            if x in useful:
                useful.add(node)
                break
    return useful


def _useful_mask(node: Node, useful: set[Node]) -> int:
    return sum(1 << i for i, x in enumerate(node.inputs) if node.mask >> i & 1 and x in useful)


def _shown(node: Node, ct: Any, on_tensors: bool) -> Any:
    """A complete cotangent as the node's hooks leave it."""
    if node.slot is not None and node.slot.hooks:
        return _run_hooks(node.slot.hooks, ct, node, on_tensors)
    return ct


def pullback(node: Node, ct: Any, mask: int, on_tensors: bool) -> Sequence[Any]:
    """The cotangents of a node's inputs, as its card states them."""
    if not mask:
        return (None,) * len(node.inputs)
    saved = recalled(node)
    if node.dtype is None:
        ct = _complete(node, ct, on_tensors)
    if on_tensors:
        out, xs = as_tensors(node)
        return node.op.pull(ct, out, xs, mask)
    out = saved[0]
    return node.op.pull(ct, node if out is None else out, saved[1:], mask)


def recalled(node: Node) -> tuple[Any, ...]:
    """The values that a node kept for its rule, or the error that says they are gone."""
    saved = node.saved
    while isinstance(saved, Deferred):  # a checkpoint may be inside of another
        node.saved = saved = saved.recall()
    if saved is None:
        raise NoGraph(
            explain(
                "the values that its derivative needs were released by an earlier backward pass",
                node.op.name,
                [],
                node.site,
                "backward(retain_graph=True) on the first pass, or compute the loss again.",
                "while differentiating",
            )
        )
    return saved


def as_tensors(node: Node) -> tuple[Any, tuple[Any, ...]]:
    """Output and inputs of a node as tensors; those that no rule reads have only their type."""
    saved = node.saved
    assert isinstance(saved, tuple)  # `recalled` has seen to it
    xs = tuple(
        x if x.__class__ is not Node else make(x.type if v.__class__ is Node else v, x)
        for v, x in zip(saved[1:], node.inputs, strict=True)
    )
    if node.dtype is not None:
        return make(node.type if saved[0] is None else saved[0], node), xs
    outs = node.type if saved[0] is None else saved[0]
    place = node.site or (None, 0)
    # each output as its own pick of this node, so that derivatives of the rule flow back into it
    picks = tuple(
        make(v, Node(Pick(i), (node,), (v, node.type), int(node.tracked), v.shape, v.dtype, *place))
        for i, v in enumerate(outs)
    )
    return picks, xs


def _complete(node: Node, parts: dict[int, Any], on_tensors: bool) -> tuple[Any, ...]:
    """Cotangents for all outputs of a node with several, zeros where none arrived."""
    out: list[Any] = []
    for i, t in enumerate(node.shape):
        part = parts.get(i)
        if part is None and node.op.sparse_ct:
            part = ZERO
        elif part is None:
            zeros = np.zeros(t.shape, t.dtype)
            part = constant(zeros) if on_tensors else zeros
        out.append(part)
    return tuple(out)


def _add(cts: Cotangents, owned: set[Node], node: Node, g: Any) -> None:
    """Add one contribution to a node's cotangent: the only adder of gradients.

    The first sum makes an array of our own; further contributions are added to it in place.
    """
    before = cts.get(node)
    if before is None:
        cts[node] = g
    elif node in owned:
        np.add(before, g, out=before)
    else:
        cts[node] = total = before + g
        if total.__class__ is np.ndarray:
            owned.add(node)


def _add_part(
    cts: Cotangents, heap: list[tuple[int, Node]], whole: Node, index: int, g: Any
) -> None:
    """Add a contribution to one output of a node with several: its cotangent is a dict by index."""
    if whole not in cts:
        cts[whole] = {}
        if whole.op is not None:
            heappush(heap, (-whole.seq, whole))
    parts = cts[whole]
    parts[index] = g if index not in parts else parts[index] + g


def _run_hooks(hooks: Sequence[Any], ct: Any, node: Node, on_tensors: bool) -> Any:
    """Show the gradient to the hooks; what one returns takes its place."""
    shown = ct if on_tensors else constant(np.asarray(ct))
    with setting(site=None):
        for hook in tuple(hooks):
            changed = hook(shown)
            if changed is not None:
                shown = changed
    return shown if on_tensors else shown.value
