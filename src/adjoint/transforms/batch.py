"""vmap: a function of one example becomes a function of a batch.

The function is staged once, for the type of one example. Then its graph is evaluated with a batch
axis in front of every value that depends on the batch: each card says what it does with it.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

from adjoint.core.bind import setting, staged_leaf, state
from adjoint.core.errors import ArgumentError, AxisError, ShapeError
from adjoint.core.graph import Node
from adjoint.core.program import evaluate, extract
from adjoint.core.site import here
from adjoint.core.tree import flatten
from adjoint.core.types import Type, normalize_axis
from adjoint.ops.shape import Expand, Permute, refusal
from adjoint.transforms.leaves import tensors, undone
from adjoint.transforms.reverse import grad

__all__ = ["per_example_grad", "vmap"]


class Batched:
    """A value with a batch axis in front."""

    __slots__ = ("x",)

    def __init__(self, x: Any) -> None:
        self.x = x


def vmap(
    f: Callable[..., Any],
    in_axes: Any = 0,
    out_axes: Any = 0,
    *,
    in_dims: Any = None,
    out_dims: Any = None,
) -> Callable[..., Any]:
    """A function that applies `f` to every example of a batch at once.

    Args:
        f: a function of one example. It is called once, with tensors of which only the type is
            known, so it may not branch in Python on their numbers.
        in_axes: the batch axis of each argument: an int for all, or a sequence with an int, None
            (the same for every example) or a matching tree for each.
        out_axes: where the batch axis comes out.
        in_dims: PyTorch's name for `in_axes`.
        out_dims: PyTorch's name for `out_axes`.

    Returns:
        A function of batched arguments.

    Raises:
        ShapeError: if batch axes differ in size.

    Example:
        >>> ad.vmap(lambda x: x.sum())(ad.tensor([[1.0, 2.0], [3.0, 4.0]]))
        tensor([3., 7.])
    """
    axes_in = in_axes if in_dims is None else in_dims
    axes_out = out_axes if out_dims is None else out_dims

    @functools.wraps(f, updated=())
    def mapped(*args: Any, **kwargs: Any) -> Any:
        xs, structure = tensors((args, kwargs), "vmap: argument")
        axes = _axes_for(axes_in, structure.rebuild(range(len(xs))), len(xs))
        names = [_argument(path) for path in structure.paths()]
        size = _batch_size(xs, axes, names)
        site = here()
        staged: list[Any] = []
        inner: list[Any] = []
        fronted: list[Any] = []
        for x, axis in zip(xs, axes, strict=True):
            if axis is None:
                inner.append(x)
                continue
            x = to_front(x, normalize_axis(axis, x.ndim, "in_axes"))
            fronted.append(Batched(x))
            one = staged_leaf(Type(x.shape[1:], x.dtype), x.node.tracked, site)
            staged.append(one)
            inner.append(one)
        call_args, call_kwargs = structure.rebuild(inner)
        since = staged[0].node.seq
        with undone():
            result = f(*call_args, **call_kwargs)
            outs, out_structure = tensors(result, "vmap: the result")
        graph = extract(staged, outs, since)
        values = evaluate(graph, fronted, functools.partial(apply_batched, size))
        return out_structure.rebuild(_place_axes(values, axes_out, size, out_structure))

    return mapped


def apply_batched(size: int, node: Node, xs: list[Any]) -> Any:
    """One node on values of which some are batched."""
    batched = tuple(isinstance(x, Batched) for x in xs)
    plain = [x.x if isinstance(x, Batched) else x for x in xs]
    # what was staged without recording, or depends on nothing tracked, stays unrecorded
    with setting(site=node.site, recording=state.recording and node.tracked):
        if not any(batched):
            return node.op(*plain)
        out = node.op.batch(size, batched, *plain)
    return tuple(map(Batched, out)) if isinstance(out, tuple) else Batched(out)


def to_front(x: Any, axis: int) -> Any:
    """The value with this axis first."""
    if axis == 0:
        return x
    return Permute((axis, *(a for a in range(x.ndim) if a != axis)))(x)


def _axes_for(in_axes: Any, numbered: tuple[Any, Any], n: int) -> list[int | None]:
    """The batch axis of every leaf; keyword arguments are batched along axis 0.

    Args:
        in_axes: what the user gave.
        numbered: the arguments and keyword arguments, with its number in the place of each leaf.
        n: the number of leaves.
    """
    args, kwargs = numbered
    per_arg: Sequence[Any] = in_axes if isinstance(in_axes, tuple | list) else [in_axes] * len(args)
    if len(per_arg) != len(args):
        raise ArgumentError(
            f"vmap: in_axes has {len(per_arg)} entries, the call {len(args)} positional arguments"
        )
    axes: list[int | None] = [0] * n
    for spec, arg in zip(per_arg, args, strict=True):
        _spread(spec, arg, axes, "in_axes")
    _spread(0, kwargs, axes, "in_axes")
    return axes


def _spread(spec: Any, numbered: Any, axes: list[int | None], what: str) -> None:
    """Note the axis of each leaf, from an axis or a tree of axes that is a prefix of the tree."""
    if spec is None or isinstance(spec, int):
        for i in flatten(numbered)[0]:
            axes[i] = spec
        return
    for inner, part in _parts(spec, numbered, what):
        _spread(inner, part, axes, what)


def _parts(spec: Any, tree: Any, what: str) -> list[tuple[Any, Any]]:
    """Entries of two containers that belong together."""
    if isinstance(spec, dict) and isinstance(tree, dict) and spec.keys() == tree.keys():
        return [(spec[key], tree[key]) for key in tree]
    if isinstance(spec, tuple | list) and isinstance(tree, tuple | list) and len(spec) == len(tree):
        return list(zip(spec, tree, strict=True))
    if dataclasses.is_dataclass(spec) and type(spec) is type(tree):
        names = [field.name for field in dataclasses.fields(spec)]
        return [(getattr(spec, name), getattr(tree, name)) for name in names]
    raise ArgumentError(
        f"vmap: {what} {spec!r} does not fit a {type(tree).__name__}"
        + (f" with the keys {sorted(map(str, tree))}" if isinstance(tree, dict) else "")
    )


def _argument(path: str) -> str:
    """How an argument is called in an error, from its path in ``(args, kwargs)``."""
    kind, name, *inner = path.split(".")
    shown = f"argument {name}" if kind == "0" else name
    return f"{shown} at {'.'.join(inner)!r}" if inner else shown


def _batch_size(xs: Sequence[Any], axes: Sequence[int | None], names: Sequence[str]) -> int:
    """The size that all batch axes share."""
    sizes: dict[int, tuple[str, Any]] = {}
    for x, axis, name in zip(xs, axes, names, strict=True):
        if axis is None:
            continue
        if x.ndim == 0:
            fact = AxisError(f"{name} is a scalar, which has no axis to map over")
            raise refusal("vmap", fact, (name, x), hint="in_axes=None for it.")
        try:
            at = normalize_axis(axis, x.ndim, f"in_axes of {name}")
        except AxisError as error:
            raise refusal("vmap", error, (name, x)) from None
        sizes.setdefault(x.shape[at], (name, x))
    if not sizes:
        raise ArgumentError("vmap: no argument is batched; at least one in_axes must be an int")
    if len(sizes) > 1:
        (n, (first, x)), (m, (second, y)) = list(sizes.items())[:2]
        fact = ShapeError(f"batch sizes differ: {n} of {first}, {m} of {second}")
        raise refusal("vmap", fact, (first, x), (second, y))
    return next(iter(sizes))


def _place_axes(values: Sequence[Any], out_axes: Any, size: int, structure: Any) -> list[Any]:
    """Batch axes of the results moved to where they were asked for."""
    axes: list[int | None] = [0] * len(values)
    _spread(out_axes, structure.rebuild(range(len(values))), axes, "out_axes")
    out: list[Any] = []
    for value, axis in zip(values, axes, strict=True):
        if axis is None:
            if isinstance(value, Batched):
                raise ArgumentError("vmap: out_axes is None for a result that depends on the batch")
            out.append(value)
            continue
        x = value.x if isinstance(value, Batched) else Expand((size, *value.shape), (0,))(value)
        at = normalize_axis(axis, x.ndim, "out_axes")
        if at:
            x = Permute((*range(1, at + 1), 0, *range(at + 1, x.ndim)))(x)
        out.append(x)
    return out


def per_example_grad(
    f: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    batch_argnums: Sequence[int] | None = None,
) -> Callable[..., Any]:
    """A function that computes the gradient of a loss for every example of a batch apart.

    Args:
        f: the loss of one example, ``f(parameters, *example)``.
        argnums: which arguments to differentiate; they are shared by the examples.
        batch_argnums: which arguments carry the batch in axis 0; all others by default.

    Returns:
        A function of parameters and batch; gradients have the batch axis in front.

    Example:
        >>> loss = lambda w, x: (w * x).sum()
        >>> ad.per_example_grad(loss)(ad.tensor([1.0, 1.0]), ad.tensor([[1.0, 2.0], [3.0, 4.0]]))
        tensor([[1., 2.],
                [3., 4.]])
    """
    shared = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    @functools.wraps(f, updated=())
    def gradients(*args: Any, **kwargs: Any) -> Any:
        batch = batch_argnums
        if batch is None:
            batch = [i for i in range(len(args)) if i not in shared]
        axes = tuple(0 if i in batch else None for i in range(len(args)))
        return vmap(functools.partial(grad(f, argnums), **kwargs), axes)(*args)

    return gradients
