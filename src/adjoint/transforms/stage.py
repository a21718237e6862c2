"""trace: the graph of a function, without computing anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adjoint.core.bind import setting, staged_leaf
from adjoint.core.program import Graph, extract
from adjoint.core.site import here
from adjoint.core.tree import Structure
from adjoint.core.types import Type
from adjoint.transforms.leaves import tensors, undone

__all__ = ["trace"]


def trace(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Graph:
    """The computation graph of a function, for arguments like these.

    The function is called once with tensors of which only shape and dtype are known; nothing is
    computed. Tensors that it uses from outside become constants of the graph; what it assigns to
    them is undone at the end.

    Args:
        f: any function of tensors.
        args: arguments, any nesting of containers; only the types of their tensors matter.
        kwargs: keyword arguments.

    Returns:
        The graph: it prints as text, and `Graph.inputs`, `.nodes`, `.outputs` can be walked.

    Raises:
        TracerLeak: if the function asks for the number behind a tensor.

    Example:
        >>> print(ad.trace(lambda x: (x * 2.0).sum(), ad.tensor([1.0, 2.0])))
        graph(%0: f32[2]) {
          %1: f32[2] = multiply(%0, 2.0)
          %2: f32[] = sum(%1, axes=(0,))
        } -> (%2)
    """
    return stage(f, args, kwargs)[0]


def stage(f: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> tuple[Graph, Structure]:
    """The graph of a call on types alone, and the structure of its result."""
    xs, structure = tensors((args, kwargs), "trace: argument")
    site = here()
    staged = [staged_leaf(Type(x.shape, x.dtype), x.node.tracked, site) for x in xs]
    since = staged[0].node.seq if staged else staged_leaf(Type.of(0.0)).node.seq
    call_args, call_kwargs = structure.rebuild(staged)
    with undone(), setting(staging=True):
        result = f(*call_args, **call_kwargs)
        outs, out_structure = tensors(result, "trace: the result")
    return extract(staged, outs, since), out_structure
