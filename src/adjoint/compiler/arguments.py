"""Arguments of compiled functions: tensors, which change from call to call, and all else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from adjoint.core.bind import lift
from adjoint.core.errors import ArgumentError
from adjoint.core.graph import Handle
from adjoint.core.tree import Structure, flatten
from adjoint.core.types import Type, default_dtype


class Static:
    """An argument that is part of the program: it stands in the tree where a tensor would."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Static)
            and type(self.value) is type(other.value)
            and self.value == other.value
        )

    def __hash__(self) -> int:
        return hash((type(self.value), self.value))

    def __repr__(self) -> str:
        return repr(self.value)


def split_arguments(leaves: list[Any]) -> tuple[list[Any], tuple[Any, ...]]:
    """The tensors among the arguments, and what the program depends on for each argument."""
    dynamic: list[Any] = []
    spec: list[Any] = []
    for x in leaves:
        if x.__class__ is float:
            x = lift(np.asarray(x, default_dtype()))
        if isinstance(x, Handle) or (hasattr(x, "dtype") and hasattr(x, "shape")):
            x = lift(x)
            dynamic.append(x)
            spec.append((Type(x.shape, x.dtype), x.node.tracked))
        else:
            try:
                hash(x)
            except TypeError:
                raise ArgumentError(
                    f"compile: an argument is a {type(x).__name__}, which is neither a tensor nor "
                    "something that can be part of the program (hashable)"
                ) from None
            spec.append(Static(x))
    return dynamic, tuple(spec)


class Filled:
    """A structure into which tensors and static values are put in turn."""

    def __init__(self, structure: Structure, spec: tuple[Any, ...]) -> None:
        self.structure, self.spec = structure, spec

    def rebuild(self, tensors: Iterable[Any]) -> Any:
        """The arguments with these tensors."""
        given = iter(tensors)
        return self.structure.rebuild(
            [s.value if isinstance(s, Static) else next(given) for s in self.spec]
        )


def is_flat(structure: Structure, spec: tuple[Any, ...]) -> bool:
    """Whether the arguments are tensors one after the other, without containers or keywords."""
    _, plain = flatten((tuple([0.0] * len(spec)), {}))
    return structure == plain and not any(isinstance(s, Static) for s in spec)
