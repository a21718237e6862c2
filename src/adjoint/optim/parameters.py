"""What an optimizer is given: tensors, named tensors, a module, a tree or groups of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import adjoint as ad

Named = tuple[str, ad.Tensor]
FLOATS = ("bfloat16", "float16", "float32", "float64", "complex64", "complex128")


def walk(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of a tree with their dotted paths; of a module, its parameters.

    Containers are mappings, lists, tuples and dataclasses. None is a leaf: a gradient that does
    not exist.
    """
    if hasattr(tree, "named_parameters"):
        children: Iterable[tuple[Any, Any]] = tree.named_parameters()
    elif isinstance(tree, Mapping):
        children = tree.items()
    elif isinstance(tree, list | tuple):
        children = enumerate(tree)
    elif dataclasses.is_dataclass(tree):
        children = ((f.name, getattr(tree, f.name)) for f in dataclasses.fields(tree))
    else:
        yield path, tree
        return
    for key, child in children:
        yield from walk(child, f"{path}.{key}" if path else str(key))


def split_groups(params: Any, owner: str) -> list[dict[str, Any]]:
    """The groups that a constructor was given, as dicts whose `params` is not yet looked at."""
    if isinstance(params, ad.Tensor):
        raise ad.errors.ArgumentError(
            f"{owner}: params is a tensor, and shall be several\n  Try: {owner}([x])"
        )
    if hasattr(params, "named_parameters") or isinstance(params, Mapping):
        return [{"params": params}]
    if not isinstance(params, Iterable):
        raise ad.errors.ArgumentError(
            f"{owner}: params is {type(params).__name__}; it may be a module, an iterable of "
            f"tensors or of (name, tensor) pairs, a tree of tensors, or a list of groups"
        )
    items: list[Any] = list(params)
    if not items:
        raise ad.errors.ArgumentError(
            f"{owner}: no parameters\n"
            "  A generator such as model.parameters() is empty when it has been walked before."
        )
    if all(isinstance(item, Mapping) and "params" in item for item in items):
        return [dict(item) for item in items]
    return [{"params": items}]


def named(params: Any, taken: Collection[str], owner: str) -> list[Named]:
    """The parameters of a group with their names.

    What is given without a name has that of its place in a module, or else its number.

    Args:
        params: what the group was given.
        taken: names of the parameters of the groups before.
        owner: class that asks, for messages.
    """
    first = len(taken)
    if isinstance(params, ad.Tensor):
        found: list[Named] = [(_own_name(params, taken) or str(first), params)]
    elif hasattr(params, "named_parameters") or isinstance(params, Mapping):
        found = list(walk(params))
    else:
        found = []
        used = set(taken)
        for item in params:
            number = str(first + len(found))
            if isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str):
                found.append((item[0], item[1]))
            elif isinstance(item, Mapping | list | tuple):
                found.extend(walk(item, number))
            else:
                found.append((_own_name(item, used) or number, item))
            used.add(found[-1][0] if found else "")
    for name, p in found:
        _check(name, p, owner)
    return found


def _own_name(p: Any, taken: Collection[str]) -> str | None:
    """What a parameter is called in its module, unless that name is taken by another's."""
    name = getattr(p, "name", None)
    return name if isinstance(name, str) and name and name not in taken else None


def _check(name: str, p: Any, owner: str) -> None:
    """Whether this can be a parameter."""
    if not isinstance(p, ad.Tensor):
        raise ad.errors.ArgumentError(
            f"{owner}: parameter {name!r} is {type(p).__name__}, not a tensor"
        )
    if p.dtype.name not in FLOATS:
        raise ad.errors.DTypeError(
            f"{owner}: parameter {name!r} has dtype {p.dtype}, which has no gradient\n"
            "  Try: p.astype('float32')"
        )
    if not p.is_leaf:
        raise ad.errors.ArgumentError(
            f"{owner}: parameter {name!r} was computed from other tensors, and would be computed "
            "again\n"
            "  Try: p.detach(), and then p.requires_grad = True; or optimize what it comes from."
        )


def tensors_of(parameters: Any) -> list[ad.Tensor]:
    """The tensors in a tensor, an iterable, a tree or a module."""
    if isinstance(parameters, ad.Tensor):
        return [parameters]
    if not hasattr(parameters, "named_parameters") and not isinstance(parameters, Mapping):
        parameters = list(parameters)
    return [p for _, p in walk(parameters) if isinstance(p, ad.Tensor)]
