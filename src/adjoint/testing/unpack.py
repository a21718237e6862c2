"""A function of nested arguments as a function of a flat list of tensors, with names for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from adjoint.core.bind import lift
from adjoint.core.errors import ArgumentError
from adjoint.core.graph import Handle
from adjoint.core.tree import Structure, flatten
from adjoint.core.types import is_inexact

Arrays = list[np.ndarray[Any, Any]]
TensorFunction = Callable[..., list[Any]]


class Unpacked:
    """The differentiable leaves of a call, and the call as a function of them alone.

    Attributes:
        xs: the differentiable leaves as arrays; Python floats count in double precision.
        names: such as ``args[0].weight``.
        out_names: names of the differentiable outputs, known after the first call.
    """

    def __init__(self, f: Callable[..., Any], args: Sequence[Any]) -> None:
        self.f = f
        self.leaves, self.structure = flatten(tuple(args))
        paths = self.structure.paths()
        self.at: list[int] = []
        self.xs: Arrays = []
        for i, leaf in enumerate(self.leaves):
            array = _as_array(leaf)
            if array is not None and is_inexact(array.dtype):
                self.at.append(i)
                self.xs.append(array)
        self.names = [_spell("args", paths[i]) for i in self.at]
        self.out_names: list[str] = []
        if not self.at:
            raise ArgumentError("check_grads: no argument is a float or complex tensor or array")

    def __call__(self, *xs: Any) -> list[Any]:
        """The float and complex outputs for these tensors in place of the leaves."""
        leaves = list(self.leaves)
        for i, x in zip(self.at, xs, strict=True):
            leaves[i] = x
        outs, structure = flatten(self.f(*self.structure.rebuild(leaves)))
        kept: list[Any] = []
        names: list[str] = []
        for out, path in zip(outs, _paths(structure, len(outs)), strict=True):
            tensor = lift(out) if _as_array(out) is not None else None
            if tensor is not None and is_inexact(tensor.dtype):
                kept.append(tensor)
                names.append(_spell("result", path))
        self.out_names = names
        if not kept:
            raise ArgumentError("check_grads: the function returns no float or complex tensor")
        return kept


def on_arrays(f: TensorFunction) -> Callable[[Arrays], Arrays]:
    """The same function on arrays."""

    def values(xs: Arrays) -> Arrays:
        return [np.asarray(t.value) for t in f(*map(lift, xs))]

    return values


def _as_array(x: Any) -> Any:
    if isinstance(x, Handle):
        return x.value
    if isinstance(x, bool | int | float | complex):
        return np.asarray(x)
    return np.asarray(x) if isinstance(x, np.ndarray | np.generic) else None


def _paths(structure: Structure, n: int) -> list[str]:
    return structure.paths() if n else []


def _spell(root: str, path: str) -> str:
    """``args[0].weight`` for the path ``0.weight``."""
    parts = path.split(".") if path else []
    return root + "".join(f"[{p}]" if p.isdigit() else f".{p}" for p in parts)
