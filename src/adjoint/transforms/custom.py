"""custom_gradient and stop_gradient: where the user states the derivative."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, final

import numpy as np

from adjoint.core.bind import lift, setting, staged_leaf, state
from adjoint.core.errors import ArgumentError, ShapeError
from adjoint.core.primitive import Sample
from adjoint.core.program import Graph, evaluate, extract
from adjoint.core.types import Type, is_inexact
from adjoint.ops.families import AbstractGeneral
from adjoint.ops.shape import Expand
from adjoint.ops.stop import STOP
from adjoint.transforms.batch import vmap
from adjoint.transforms.leaves import released, tensors

__all__ = ["custom_gradient", "stop_gradient"]


def stop_gradient(x: Any) -> Any:
    """The same value as a constant: gradients do not flow through it.

    Example:
        >>> ad.grad(lambda x: x * ad.stop_gradient(x))(3.0)
        tensor(3.)

    **Gradient:** none.
    """
    leaves, structure = tensors(x, "stop_gradient: argument")
    with setting(recording=False):
        return structure.rebuild([STOP(leaf) for leaf in leaves])


@final
class Override(AbstractGeneral):
    """Outputs of a function whose pullback the user has stated; that pullback is a graph.

    Operands are the outputs, then the arguments, then what the pullback uses besides cotangents.
    """

    pullback: Graph
    n_out: int
    n_args: int
    kind = "control"
    operands = ("out",)
    own_savers = True

    def value(self, *xs: Any) -> Any:
        return tuple(np.asarray(x) for x in xs[: self.n_out])

    def out_type(self, *types: Any) -> Any:
        return tuple(Type.of(t) for t in types[: self.n_out])

    def vjp(self, ct: Any, out: Any, *xs: Any) -> Any:
        residuals = xs[self.n_out + self.n_args :]
        grads = evaluate(self.pullback, [*ct, *residuals])
        return (*[None] * self.n_out, *grads, *[None] * len(residuals))

    def batch(self, size: int, batched: tuple[bool, ...], *xs: Any) -> Any:
        n = self.n_out
        axes = [0 if b else None for b in batched]
        res_axes = axes[n + self.n_args :]

        def pull_batch(*values: Any) -> Any:
            cts, residuals = values[:n], values[n:]
            mapped = vmap(lambda *v: tuple(evaluate(self.pullback, v)), (*[0] * n, *res_axes))
            return mapped(*cts, *residuals)

        full = [
            x if b else _expand(size, x)
            for x, b in zip(xs[: n + self.n_args], batched, strict=False)
        ]
        residuals = list(xs[n + self.n_args :])
        cts = [staged_leaf(Type.of(x)) for x in full[:n]]
        held = [staged_leaf(Type.of(r)) for r in residuals]
        with setting(staging=True):
            outs = [lift(o) for o in pull_batch(*cts, *held)]
        graph = extract([*cts, *held], outs, cts[0].node.seq)
        return Override(graph, n, self.n_args)(*full, *residuals)

    def cost(self, *types: Any) -> int:
        return 0

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        ct, x = (staged_leaf(Type((3,), np.dtype(np.float64))) for _ in range(2))
        graph = extract([ct, x], [ct * x], ct.node.seq)
        x0 = rng.normal(size=3)
        yield cls(graph, 1, 1), [x0 * x0 / 2, x0, x0]


def _expand(size: int, x: Any) -> Any:
    return Expand((size, *x.shape), (0,))(x)


def custom_gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function with a gradient that you state yourself.

    Args:
        f: a function of tensors (any nesting of them in positional arguments) that returns
            ``(out, pullback)``; ``pullback(ct)`` takes a cotangent shaped like `out` and returns a
            gradient shaped like each argument (a tuple for several; None for no gradient).

    Returns:
        A function that returns `out`. It composes with every transform: the pullback is staged
        once per call, so forward mode, batching and gradients of the gradient follow from it.

    Example:
        >>> @ad.custom_gradient
        ... def clipped(x):
        ...     return x, lambda ct: ad.clip(ct, -1.0, 1.0)
        >>> ad.grad(lambda x: 5.0 * clipped(x))(2.0)
        tensor(1.)
    """

    @functools.wraps(f, updated=())
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        xs, structure = tensors(args, "custom_gradient: argument")
        result = f(*structure.rebuild(xs), **kwargs)
        if not isinstance(result, tuple) or len(result) != 2 or not callable(result[1]):
            raise ArgumentError(
                f"custom_gradient: {getattr(f, '__name__', f)} must return (out, pullback), "
                f"it returned {type(result).__name__}"
            )
        outs, out_structure = tensors(result[0], "custom_gradient: out")
        if not state.recording:
            return result[0]
        if all(x.known and not x.node.tracked for x in xs):  # nobody can ask for a gradient
            return out_structure.rebuild([released(o, xs) for o in outs])
        graph, residuals = _stage_pullback(result[1], xs, outs, out_structure, len(args), structure)
        with setting(recording=True):
            shown = Override(graph, len(outs), len(xs))(*outs, *xs, *residuals)
        return out_structure.rebuild(shown)

    return wrapped


def _stage_pullback(
    pullback: Callable[[Any], Any],
    xs: Sequence[Any],
    outs: Sequence[Any],
    out_structure: Any,
    n_args: int,
    structure: Any,
) -> tuple[Graph, list[Any]]:
    """The pullback as a graph of cotangents and of what it uses besides, and those values."""
    cts = [staged_leaf(Type.of(o.value)) for o in outs]
    since = cts[0].node.seq
    grads = pullback(out_structure.rebuild(cts))
    leaves = _gradients(grads, xs, n_args, structure)
    graph = extract(cts, leaves, since)
    held = list(graph.constants.items())
    inputs = (*graph.inputs, *[node for node, _ in held])
    pure = Graph(inputs, graph.nodes, graph.outputs, {})
    return pure, [tensor for _, tensor in held]


def _gradients(grads: Any, xs: Sequence[Any], n_args: int, structure: Any) -> list[Any]:
    """What the pullback returned as one gradient for each leaf of the arguments, checked."""
    several = isinstance(grads, tuple | list) and n_args != 1
    alone = isinstance(grads, tuple) and len(grads) == 1
    given = tuple(grads) if several or alone else (grads,)
    if len(given) != n_args:
        raise ArgumentError(
            f"custom_gradient: the pullback returned {len(given)} gradients for {n_args} arguments"
        )
    if any(g is None for g in given):
        blank = structure.rebuild(xs)
        given = tuple(_zeros_tree(b) if g is None else g for b, g in zip(blank, given, strict=True))
    leaves, found = tensors(given, "custom_gradient: gradient")
    if found != structure:
        raise ArgumentError(
            f"custom_gradient: the pullback returned the structure {found} "
            f"for arguments of the structure {structure}"
        )
    for x, g in zip(xs, leaves, strict=True):
        if g.shape != x.shape and is_inexact(x.dtype):
            raise ShapeError(
                f"custom_gradient: the pullback returned shape {g.shape} "
                f"for an argument of shape {x.shape}"
            )
    return leaves


def _zeros_tree(tree: Any) -> Any:
    leaves, structure = tensors(tree)
    return structure.rebuild([lift(np.zeros(x.shape, x.dtype)) for x in leaves])
