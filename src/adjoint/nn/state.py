"""Loading a state: every difference is found and listed before anything changes."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

import adjoint as ad
from adjoint.nn.text import type_text

__all__ = ["LoadResult"]

SHOWN = 20
"""How many lines of each kind of difference an error lists."""


class LoadResult(NamedTuple):
    """What `load_state_dict` did not find, and what it did not use."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def load(name: str, own: dict[str, Any], state: Mapping[str, Any], strict: bool) -> LoadResult:
    """Assign the values of a state to tensors of the same names.

    Args:
        name: of the module's class, for the error.
        own: path and tensor.
        state: path and value.
        strict: whether every name must be on both sides.

    Raises:
        ArgumentError: with all differences, if they do not fit.
    """
    missing = [path for path in own if path not in state]
    unexpected = [path for path in state if path not in own]
    arrays = {path: as_array(path, state[path]) for path in own if path in state}
    shapes = [path for path, array in arrays.items() if array.shape != own[path].shape]
    if shapes or (strict and (missing or unexpected)):
        lines = [f"load_state_dict: the state does not fit {name}"]
        if strict:
            lines += _unmatched("missing", missing, own, unexpected, "the state has")
            lines += _unmatched("unexpected", unexpected, state, missing, "the module has")
        lines += _cut(
            [
                f"    shape: {path} is {_type(own[path])}, the state has {_type(arrays[path])}"
                for path in shapes
            ]
        )
        if not shapes:
            lines.append("  Try: strict=False, which loads what fits.")
        raise ad.errors.ArgumentError("\n".join(lines))
    with ad.no_grad():
        for path, array in arrays.items():
            own[path].assign(ad.tensor(array))
    return LoadResult(missing, unexpected)


def _unmatched(
    kind: str, paths: list[str], values: Mapping[str, Any], others: list[str], whose: str
) -> list[str]:
    lines: list[str] = []
    for path in paths:
        close = difflib.get_close_matches(path, others, n=1)
        said = f"   ({whose} {close[0]})" if close else ""
        lines.append(f"    {kind}: {path}   {_type(values[path])}{said}")
    return _cut(lines)


def _cut(lines: list[str]) -> list[str]:
    rest = len(lines) - SHOWN
    return [*lines[:SHOWN], f"    and {rest} more"] if rest > 0 else lines


def _type(x: Any) -> str:
    return type_text(x) if hasattr(x, "shape") else type(x).__name__


def as_array(path: str, value: Any) -> Any:
    """A value of a state as an array: of a tensor of ours, NumPy's or PyTorch's.

    Raises:
        ArgumentError: if it is none of these.
    """
    if hasattr(value, "detach"):
        value = value.detach()
    if str(getattr(value, "dtype", "")) == "torch.bfloat16":  # which it does not give to NumPy
        value = value.float()
    if hasattr(value, "cpu"):
        value = value.cpu()
    if not hasattr(value, "shape") and not isinstance(value, int | float | list | tuple):
        raise ad.errors.ArgumentError(
            f"load_state_dict: {path} is {type(value).__name__}, which is not a tensor"
        )
    known: Any = value
    return np.array(known.numpy() if hasattr(known, "numpy") else known)
