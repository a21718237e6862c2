"""Nested containers: dicts, lists, tuples, dataclasses, modules; leaves are everything else.

optree does the work; dataclasses are registered with it when they are first met, and so are classes
that say themselves what their children are, which modules do:

- ``x.__tree_flatten__()`` returns the children, what else is needed to build `x` again (it must
  have ``==`` and ``hash``), and a name for each child;
- ``cls.__tree_unflatten__(rest, children)`` builds it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, Final

NAMESPACE: Final = "adjoint"
_LEAF: Final = object()


class Structure:
    """The shape of a tree without its leaves."""

    __slots__ = ("spec",)

    def __init__(self, spec: Any) -> None:
        self.spec = spec

    def rebuild(self, leaves: Iterable[Any]) -> Any:
        """The tree with these leaves."""
        if self.spec is _LEAF:
            (leaf,) = leaves
            return leaf
        return self.spec.unflatten(leaves)

    def paths(self) -> list[str]:
        """A name for each leaf, such as ``layers.0.weight``."""
        if self.spec is _LEAF:
            return [""]
        return [".".join(map(str, path)) for path in self.spec.paths()]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Structure) and self.spec == other.spec

    def __hash__(self) -> int:
        return hash(self.spec)

    def __repr__(self) -> str:
        return "*" if self.spec is _LEAF else str(self.spec)


def flatten(tree: Any) -> tuple[list[Any], Structure]:
    """The leaves of a tree, and what is needed to build it again. None is an empty tree."""
    plain = hasattr(tree, "dtype") and not hasattr(tree, "__tree_flatten__")
    if plain or isinstance(tree, int | float | complex):
        return [tree], Structure(_LEAF)
    import optree  # noqa: PLC0415  # late: 30 ms that a single tensor does not need

    leaves, spec = optree.tree_flatten(tree, namespace=NAMESPACE)
    new = {type(x) for x in leaves if _is_branch(x)}
    if new:
        for cls in new:
            _register(cls)
        return flatten(tree)
    if len(leaves) == 1 and leaves[0] is tree:
        return leaves, Structure(_LEAF)
    return leaves, Structure(spec)


def _is_branch(x: Any) -> bool:
    """Whether something that optree took for a leaf has children."""
    has_children = dataclasses.is_dataclass(x) or hasattr(x, "__tree_flatten__")
    return has_children and not isinstance(x, type)


def _register(cls: type[Any]) -> None:
    """Teach optree a class: it says what its children are, or they are a dataclass's fields."""
    import optree  # noqa: PLC0415

    if hasattr(cls, "__tree_flatten__"):
        optree.register_pytree_node(
            cls, cls.__tree_flatten__, cls.__tree_unflatten__, namespace=NAMESPACE
        )
        return
    names = tuple(f.name for f in dataclasses.fields(cls))

    def children(x: Any) -> tuple[tuple[Any, ...], None, tuple[str, ...]]:
        return tuple(getattr(x, name) for name in names), None, names

    def build(_: Any, values: Iterable[Any]) -> Any:
        out = object.__new__(cls)
        for name, value in zip(names, values, strict=True):
            object.__setattr__(out, name, value)
        return out

    optree.register_pytree_node(cls, children, build, namespace=NAMESPACE)


def tree_map(f: Callable[..., Any], tree: Any, *rest: Any) -> Any:
    """The tree with `f` applied to each leaf (and to the leaves beside it in further trees)."""
    leaves, structure = flatten(tree)
    others = [flatten(r)[0] for r in rest]
    return structure.rebuild([f(*xs) for xs in zip(leaves, *others, strict=True)])
