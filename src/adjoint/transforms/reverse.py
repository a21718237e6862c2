"""grad, value_and_grad, vjp: reverse mode as functions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from adjoint.backward import sweep, tracked_ancestors
from adjoint.core.bind import make, setting, state
from adjoint.core.errors import ArgumentError, DTypeError, ShapeError, explain
from adjoint.core.graph import Handle, Node, leaf
from adjoint.core.site import here
from adjoint.core.tree import Structure, flatten, tree_map
from adjoint.core.types import FLOAT, dtype_kind
from adjoint.ops.families import CAST
from adjoint.transforms.leaves import (
    ALIAS,
    alias,
    as_argnums,
    call_recorded,
    released,
    tensors,
    zeros_like,
)

__all__ = ["grad", "value_and_grad", "vjp"]


class Differentiated:
    """Chosen arguments of one call, replaced by fresh tensors that gradients are asked of."""

    def __init__(self, args: Sequence[Any], argnums: Sequence[int], name: str) -> None:
        self.args = list(args)
        self.xs: list[Any] = []
        self.parts: list[tuple[int, Structure]] = []
        for a in argnums:
            leaves, structure = tensors(args[a], f"{name}: argument {a}")
            paths = structure.paths()
            fresh = [
                alias(x, f"argument {a}" + (f" at {p!r}" if p else ""), name)
                for x, p in zip(leaves, paths, strict=True)
            ]
            self.args[a] = structure.rebuild(fresh)
            self.parts.append((len(fresh), structure))
            self.xs += fresh

    def rebuild(self, leaves: Sequence[Any]) -> list[Any]:
        """One tree for each chosen argument."""
        out: list[Any] = []
        at = 0
        for n, structure in self.parts:
            out.append(structure.rebuild(leaves[at : at + n]))
            at += n
        return out


def watched(roots: Sequence[Node], fresh: Sequence[Any]) -> bool:
    """Whether somebody around this transform may differentiate its result again.

    It is so if gradients flow from where someone else asks for them: a leaf that wants one, or an
    alias that another transform made (of a leaf that wants none, while a function is staged).
    """
    mine = {x.node for x in fresh}
    return any(
        node not in mine and (node.op is None or (node.op is ALIAS and not node.inputs[0].tracked))
        for node in tracked_ancestors(roots)
    )


def pull(
    outs: Sequence[Any], cts: Sequence[Any], xs: Sequence[Any], on_tensors: bool, retain: bool
) -> list[Any]:
    """Gradients of ``sum <ct, out>`` with respect to `xs`, as tensors; zeros where none flows."""
    seeds = [
        (out.node, ct if on_tensors else ct.value)
        for out, ct in zip(outs, cts, strict=True)
        if out.node.tracked
    ]
    found = sweep(seeds, [x.node for x in xs], on_tensors=on_tensors, retain_graph=retain)
    grads: list[Any] = []
    for x in xs:
        g = found.get(x.node)
        if g is None:
            grads.append(zeros_like(x))
        elif on_tensors:
            grads.append(g)
        else:
            g = np.asarray(g)
            grads.append(make(g, leaf(g, False, here())))
    return grads


def grad(
    f: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    argnames: Sequence[str] = (),
    has_aux: bool = False,
) -> Callable[..., Any]:
    """A function that computes the gradient of a scalar function.

    Args:
        f: a function whose result is a real scalar (with `has_aux`, a pair of it and anything).
        argnums: which positional arguments to differentiate, each any nesting of dict, list,
            tuple, dataclass and module. An int gives one gradient, a sequence a tuple.
        argnames: keyword arguments to differentiate; their gradients follow in a dict.
        has_aux: whether `f` returns ``(loss, aux)``.

    Returns:
        A function of the same arguments that returns the gradient, shaped like the argument
        (with `has_aux`, the pair of gradient and aux).

    Raises:
        ShapeError: if the result of `f` is not a scalar.
        DTypeError: if an argument or the result has no gradient.

    Example:
        >>> ad.grad(lambda x: x**3)(2.0)
        tensor(12.)
    """
    both = value_and_grad(f, argnums, argnames, has_aux)

    @functools.wraps(f, updated=())
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, g = both(*args, **kwargs)
        return (g, value[1]) if has_aux else g

    return gradient


def value_and_grad(
    f: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    argnames: Sequence[str] = (),
    has_aux: bool = False,
) -> Callable[..., Any]:
    """A function that computes a scalar function and its gradient in one forward and backward pass.

    Arguments are those of `grad`.

    Returns:
        A function that returns ``(value, gradient)``; with `has_aux`, ``((value, aux), gradient)``.

    Example:
        >>> ad.value_and_grad(lambda x: x**3)(2.0)
        (tensor(8.), tensor(12.))
    """
    names = (argnames,) if isinstance(argnames, str) else tuple(argnames)

    @functools.wraps(f, updated=())
    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        numbers = () if names and argnums == 0 and not args else argnums
        positions = as_argnums(numbers, len(args), "grad")
        missing = [name for name in names if name not in kwargs]
        if missing:
            raise ArgumentError(f"grad: argnames {missing} are not among the keyword arguments")
        everything = [*args, *(kwargs[name] for name in names)]
        chosen = Differentiated(
            everything, (*positions, *range(len(args), len(everything))), "grad"
        )
        outer = state.recording
        named = dict(zip(names, chosen.args[len(args) :], strict=True))
        result = call_recorded(f, chosen.args[: len(args)], kwargs | named)
        loss, aux = _split(result, has_aux)
        rest = [x for x in flatten(aux)[0] if isinstance(x, Handle)]
        seen = outer and watched([loss.node, *[x.node for x in rest]], chosen.xs)
        on_tensors = seen or not loss.known
        ct = _one(loss)
        with setting(recording=seen):
            grads = pull([loss], [ct], chosen.xs, on_tensors, retain=on_tensors)
        trees = chosen.rebuild(grads)
        shown = trees[0] if isinstance(numbers, int) else tuple(trees[: len(positions)])
        if names:
            by_name = dict(zip(names, trees[len(positions) :], strict=True))
            shown = by_name if numbers == () else (shown, by_name)
        if not seen:
            loss, aux = tree_map(functools.partial(released, fresh=chosen.xs), (loss, aux))
        return ((loss, aux) if has_aux else loss), shown

    return value_and_gradient


def _split(result: Any, has_aux: bool) -> tuple[Any, Any]:
    """Loss and aux of what the function returned, checked."""
    aux = None
    if has_aux:
        if not isinstance(result, tuple) or len(result) != 2:
            raise ArgumentError("grad: with has_aux=True the function must return (loss, aux)")
        result, aux = result
    if not hasattr(result, "shape") and not isinstance(result, int | float | complex):
        raise ArgumentError(
            f"grad: the function must return a scalar tensor, it returned {type(result).__name__}"
        )
    (loss,), _ = tensors(result, "grad: the result")
    if loss.size != 1 or loss.ndim:
        raise ShapeError(
            explain(
                f"the function must return a scalar, it returned shape {loss.shape}",
                "grad",
                [("result", loss)],
                here(),
                "ad.sum or ad.mean of it, or ad.vjp, ad.jacobian.",
            )
        )
    if dtype_kind(loss.dtype) != FLOAT:
        raise DTypeError(
            explain(
                f"the result must be a real float, it is {loss.dtype}",
                "grad",
                [("result", loss)],
                here(),
            )
        )
    return loss, aux


def _one(loss: Any) -> Any:
    value = np.ones(loss.shape, loss.dtype)
    return make(value, leaf(value))


def vjp(f: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """The value of a function, and its pullback: from a cotangent to gradients.

    Args:
        f: a function of the primals; argument and result are any nesting of containers.
        primals: where to evaluate it.

    Returns:
        ``(out, pullback)``: ``pullback(ct)`` takes a cotangent shaped like `out` and returns a
        tuple with a gradient for each primal. It may be called any number of times.

    Example:
        >>> out, pullback = ad.vjp(lambda x, y: x * y, 2.0, 3.0)
        >>> pullback(1.0)
        (tensor(3.), tensor(2.))
    """
    recorded = Recorded(f, primals, "vjp")
    return recorded.result(), recorded.pullback


class Recorded:
    """A call of a function that derivatives in either direction start from.

    Args:
        f: the function.
        primals: its arguments.
        name: of the transform, for errors.
    """

    def __init__(self, f: Callable[..., Any], primals: Sequence[Any], name: str) -> None:
        self.name = name
        self.chosen = Differentiated(primals, range(len(primals)), name)
        outer = state.recording
        result = call_recorded(f, self.chosen.args, {})
        self.outs, self.structure = tensors(result, f"{name}: the result")
        self.again = outer and watched([o.node for o in self.outs], self.chosen.xs)

    def result(self) -> Any:
        """What the function returned."""
        if self.again:
            return self.structure.rebuild(self.outs)
        return self.structure.rebuild([released(o, self.chosen.xs) for o in self.outs])

    def pullback(self, ct: Any) -> tuple[Any, ...]:
        """A gradient for each argument, for a cotangent like the result."""
        cts, given = tensors(ct, f"{self.name}: the cotangent")
        self._check(cts, given)
        recording = state.recording and (self.again or any(c.node.tracked for c in cts))
        known = all(h.known for h in (*self.outs, *cts))
        with setting(recording=recording):
            grads = pull(self.outs, cts, self.chosen.xs, recording or not known, retain=True)
        return tuple(self.chosen.rebuild(grads))

    def _check(self, cts: list[Any], given: Structure) -> None:
        """Refuse cotangents that do not look like the result; cast those of another dtype."""
        if len(self.outs) != len(cts) or self.structure != given:
            raise ArgumentError(
                f"{self.name}: the cotangent has the structure {given}, "
                f"the result of the function {self.structure}"
            )
        for i, (out, ct) in enumerate(zip(self.outs, cts, strict=True)):
            if out.shape != ct.shape:
                raise ShapeError(
                    explain(
                        f"the cotangent has shape {ct.shape}, "
                        f"the result of the function {out.shape}",
                        self.name,
                        [("result", out), ("ct", ct)],
                        here(),
                    )
                )
            if ct.dtype != out.dtype:
                cts[i] = CAST[out.dtype](ct)
