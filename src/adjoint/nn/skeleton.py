"""A module without its trained parameters: what the transforms need to build it again."""

from __future__ import annotations

from typing import Any, Final, final

from adjoint.nn.parameter import Parameter

PLACES: Final = "_leaf_places"
"""On a module that a transform has built: for each path which leaf stands there."""


@final
class Skeleton:
    """A module of which only the places of some tensors matter.

    Two are equal if they are of the same classes with the same leaves at the same places. A
    parameter that stands in several places is one leaf.

    Args:
        module: the module; it is not changed.

    Attributes:
        leaves: what stands at the places.
        names: the first path of each leaf.
    """

    __slots__ = ("_key", "leaves", "module", "names", "places")

    def __init__(self, module: Any) -> None:
        self.module = module
        self.places: dict[str, int] = vars(module).get(PLACES) or _places(module)
        firsts: dict[int, str] = {}
        for path, i in self.places.items():
            firsts.setdefault(i, path)
        self.names = tuple(firsts.values())
        self.leaves = tuple(vars(_holder(module, path))[_last(path)] for path in self.names)
        classes = tuple((path, type(m)) for path, m in module.named_modules())
        self._key = (tuple(self.places.items()), classes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Skeleton) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        return type(self.module).__name__

    def filled(self, leaves: tuple[Any, ...]) -> Any:
        """A module like this one with other leaves; all else is shared with it."""
        twin = twin_of(self.module, {})
        for path, i in self.places.items():
            vars(_holder(twin, path))[_last(path)] = leaves[i]
        vars(twin)[PLACES] = self.places
        return twin


def _places(module: Any) -> dict[str, int]:
    """Which leaf stands where: the parameters that are not frozen.

    A tensor that is no parameter, such as a gradient, is not frozen.
    """
    numbers: dict[int, int] = {}
    return {
        path: numbers.setdefault(id(value), len(numbers))
        for path, value in module.placed_parameters()
        if not isinstance(value, Parameter) or value.requires_grad
    }


def _holder(module: Any, path: str) -> Any:
    """The module that holds what stands at a path."""
    for name in path.split(".")[:-1]:
        module = vars(module)[name]
    return module


def _last(path: str) -> str:
    return path.rpartition(".")[2]


def twin_of(module: Any, twins: dict[int, Any]) -> Any:
    """The copy of a module and of all below it; shared modules stay shared."""
    if id(module) in twins:
        return twins[id(module)]
    twin = twins[id(module)] = object.__new__(type(module))
    parts = dict(vars(module))
    parts.pop(PLACES, None)
    for registry in ("_parameters", "_buffers", "_children"):
        parts[registry] = dict(parts[registry])
    for name in parts["_children"]:
        if parts[name] is not None:
            parts[name] = twin_of(parts[name], twins)
    vars(twin).update(parts)
    return twin
