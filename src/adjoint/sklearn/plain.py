"""Values of attributes as files can hold them: arrays of strings become lists."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

__all__ = ["plain", "restored"]

MARK: Final = "array of words"


def plain(value: Any) -> Any:
    """A value without arrays of strings or objects, and without NumPy's scalars."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "OUSm":
        return {MARK: [plain(x) for x in value.ravel().tolist()], "dtype": value.dtype.str}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {plain(key): plain(x) for key, x in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(plain(x) for x in value)
    return value


def restored(value: Any) -> Any:
    """The value that `plain` has made plain."""
    if isinstance(value, dict):
        if MARK in value:
            out = np.empty(len(value[MARK]), value["dtype"])
            out[:] = value[MARK]
            return out
        return {key: restored(x) for key, x in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(restored(x) for x in value)
    return value
