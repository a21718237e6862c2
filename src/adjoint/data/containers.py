"""Batches and items as nested containers: mapping over their leaves, and stacking items."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import adjoint as ad
from adjoint.data.errors import DataError

Array = np.ndarray[Any, Any]


def map_leaves(f: Callable[..., Any], tree: Any, *rest: Any) -> Any:
    """The tree with `f` applied to each leaf, and to the leaves beside it in further trees.

    Inner nodes are dicts, lists, tuples (named ones too) and dataclasses.
    """
    cls = type(tree)
    if cls is tuple and not rest:  # most batches are: this is where a loader's time would go
        return tuple([f(x) if x.__class__ is np.ndarray else map_leaves(f, x) for x in tree])
    if isinstance(tree, dict):
        return {key: map_leaves(f, *(t[key] for t in (tree, *rest))) for key in tree}
    if isinstance(tree, list | tuple):
        inner = [map_leaves(f, *xs) for xs in zip(tree, *rest, strict=True)]
        return cls(*inner) if hasattr(cls, "_fields") else cls(inner)
    if dataclasses.is_dataclass(tree):
        names = [field.name for field in dataclasses.fields(tree)]
        inner = [map_leaves(f, *(getattr(t, name) for t in (tree, *rest))) for name in names]
        return dataclasses.replace(tree, **dict(zip(names, inner, strict=True)))  # pyright: ignore[reportArgumentType]  # an instance, not a class
    return f(tree, *rest)


def as_array(x: Any) -> Array:
    """The numbers behind a tensor, a memory map or anything that NumPy can read; not copied."""
    return np.asarray(x.detach().numpy() if isinstance(x, ad.Tensor) else x)


def to_tensors(tree: Any) -> Any:
    """The tree with tensors in place of its arrays of numbers, which are not copied."""
    if tree.__class__ is tuple:
        out: list[Any] = []  # a loop: a tensor looks for the user's line through every frame
        for x in tree:
            numbers = x.__class__ is np.ndarray and x.dtype.kind in "biufcV"
            out.append(ad.asarray(x) if numbers else to_tensors(x))
        return tuple(out)
    return map_leaves(_to_tensor, tree)


def _to_tensor(x: Any) -> Any:
    return ad.asarray(x) if isinstance(x, np.ndarray) and x.dtype.kind in "biufcV" else x


def collate(items: Sequence[Any]) -> Any:
    """One batch of several items: numbers and arrays are stacked along a new first axis.

    Containers keep their structure; strings and everything else become lists.

    Args:
        items: of equal structure: any nesting of dicts, lists, tuples and dataclasses, whose leaves
            are numbers, NumPy arrays, tensors, or something else.

    Raises:
        DataError: if the items differ in structure, or arrays in shape.

    Example:
        >>> ad.data.collate([{"x": [1.0, 2.0], "name": "a"}, {"x": [3.0, 4.0], "name": "b"}])
        {'x': [array([1., 3.]), array([2., 4.])], 'name': ['a', 'b']}
    """
    if not items:
        raise DataError("collate: a batch needs at least one item")
    try:
        return map_leaves(lambda *leaves: _stack(leaves), *items)
    except (KeyError, AttributeError, TypeError, IndexError) as error:
        raise DataError(f"collate: the items differ in structure ({error})") from None
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"collate: the items differ in structure ({error})") from None


def _stack(leaves: Sequence[Any]) -> Any:
    first = leaves[0]
    if isinstance(first, ad.Tensor | np.ndarray):
        arrays = [as_array(x) for x in leaves]
        shapes = sorted({a.shape for a in arrays})
        if len(shapes) > 1:
            listed = ", ".join(map(str, shapes[:4]))
            raise DataError(
                f"collate: arrays of different shapes cannot be stacked: {listed}.\n"
                "  Try: bring them to one shape in the dataset (for images: size=), "
                "or pass collate_fn= to the loader."
            )
        return np.stack(arrays)
    if isinstance(first, bool | int | float | complex | np.generic):
        return np.array(leaves)
    return list(leaves)
