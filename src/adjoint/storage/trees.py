"""A tree of arrays as named arrays and a description in JSON, and back.

The description says what stands where: ``["dict", [[key, …], …]]``, ``["list", […]]``,
``["tuple", […]]``, ``["tensor", name]`` and ``["array", name]`` (with ``"complex"`` behind, where
two reals stand for each complex number), ``["float", "nan"]``, ``["complex", re, im]``; None, True,
finite numbers and strings stand for themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import adjoint as ad
from adjoint import errors

Array = np.ndarray[Any, Any]
_SCALARS = frozenset({type(None), str, bool, int, float, complex})
MAX_DEPTH = 200  # of nesting; a tree that contains itself has no end


def take_apart(tree: Any) -> tuple[Any, dict[str, Array]]:
    """The description of a tree, and its arrays by name: the path, joined by dots.

    Raises:
        ArgumentError: if the tree has something that cannot be stored; it says where.
    """
    arrays: dict[str, Array] = {}
    return _describe(tree, (), arrays), arrays


def _describe(x: Any, path: tuple[str, ...], arrays: dict[str, Array]) -> Any:
    if len(path) > MAX_DEPTH:
        raise _refused(path, f"is nested deeper than {MAX_DEPTH} levels; does it contain itself?")
    if type(x) in _SCALARS:
        return _scalar(x)
    if isinstance(x, ad.Tensor):
        return _array("tensor", x.detach().numpy(), path, arrays)
    if isinstance(x, np.ndarray | np.generic):
        return _array("array", np.asarray(x), path, arrays)
    if isinstance(x, dict):
        return ["dict", [_pair(key, value, path, arrays) for key, value in x.items()]]
    if type(x) in (list, tuple):
        inner = [_describe(value, (*path, str(i)), arrays) for i, value in enumerate(x)]
        return [type(x).__name__, inner]
    if callable(getattr(x, "state_dict", None)):
        return _describe(x.state_dict(), path, arrays)
    raise _refused(
        path,
        f"is {_a(type(x).__name__)}; what can be stored are dicts, lists and tuples of tensors, "
        "arrays, numbers, strings and None, and what has a state_dict()",
    )


def _scalar(x: Any) -> Any:
    if type(x) is complex:
        return ["complex", x.real.hex(), x.imag.hex()]
    if type(x) is float and not math.isfinite(x):
        return ["float", x.hex()]
    return x


def _pair(key: Any, value: Any, path: tuple[str, ...], arrays: dict[str, Array]) -> Any:
    if type(key) not in (str, int):
        raise _refused(path, f"has the key {key!r}; keys must be str or int")
    return [key, _describe(value, (*path, str(key)), arrays)]


def _array(kind: str, x: Array, path: tuple[str, ...], arrays: dict[str, Array]) -> Any:
    if x.dtype != ad.bfloat16 and x.dtype.kind not in "biufc":
        raise _refused(path, f"is an array of {x.dtype}; only numbers and bools can be stored")
    if x.dtype.newbyteorder("=").name in ("longdouble", "float128", "complex256", "clongdouble"):
        raise _refused(path, f"is an array of {x.dtype}, which differs from machine to machine")
    name = stem = ".".join(path) or "value"
    number = 1
    while name in arrays or name == "__metadata__":  # {"a.b": x, "a": {"b": y}}
        number += 1
        name = f"{stem}#{number}"
    if x.dtype.kind == "c":
        native: Any = x.astype(x.dtype.newbyteorder("="), order="C", copy=False)
        arrays[name] = native.reshape(-1).view(native.real.dtype).reshape(*x.shape, 2)
        return [kind, name, "complex"]
    arrays[name] = x
    return [kind, name]


def _a(noun: str) -> str:
    return f"{'an' if noun[0].lower() in 'aeio' else 'a'} {noun}"


def _refused(path: tuple[str, ...], fact: str) -> errors.ArgumentError:
    where = ".".join(path[:12]) + (" …" if len(path) > 12 else "")
    return errors.ArgumentError(f"save: {where or 'the tree'} {fact}.")


def put_together(node: Any, get: Callable[[str], Array], wrap: Callable[[Array], Any]) -> Any:
    """The tree that a description stands for.

    Args:
        node: the description.
        get: gives an array by its name.
        wrap: makes of an array what stands for a tensor.

    Raises:
        ValueError, KeyError, TypeError: if the description makes no sense.
    """
    if not isinstance(node, list):
        if node is None or isinstance(node, str | int | float):
            return node
        raise ValueError(f"a tree cannot have {node!r}")
    kind, *rest = node
    if kind in ("tensor", "array"):
        array = get(rest[0])
        if len(rest) > 1:
            dtype = np.dtype(np.complex128 if array.dtype == np.float64 else np.complex64)
            array = array.reshape(-1).view(dtype).reshape(array.shape[:-1])
        return wrap(array) if kind == "tensor" else array
    if kind == "dict":
        return {key: put_together(value, get, wrap) for key, value in rest[0]}
    if kind in ("list", "tuple"):
        inner = [put_together(value, get, wrap) for value in rest[0]]
        return inner if kind == "list" else tuple(inner)
    if kind == "float":
        return float.fromhex(rest[0])
    if kind == "complex":
        return complex(*map(float.fromhex, rest))
    raise ValueError(f"a tree cannot have {kind!r}")
