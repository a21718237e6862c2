"""NumPy's own files, without pickles: an ``.npy`` mapped into memory, an ``.npz`` as a dict."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from adjoint.data.errors import DataError

Array = np.ndarray[Any, Any]


def read_npy(path: str | os.PathLike[str], *, mmap: bool = True) -> Array:
    """The array in an ``.npy`` file; by default mapped, so that rows are read when used.

    Args:
        path: the file.
        mmap: whether to map it, read-only; otherwise it is read at once.

    Raises:
        DataError: if the file is missing, truncated, of another format, or holds Python objects.

    Example:
        >>> import tempfile, os
        >>> path = os.path.join(tempfile.mkdtemp(), "x.npy")
        >>> np.save(path, np.arange(4))
        >>> ad.data.read_npy(path)[1:3]
        array([1, 2])
    """
    place = Path(path)
    _check(place, b"\x93NUMPY", "an .npy file")
    try:
        found: Any = np.load(place, mmap_mode="r" if mmap else None, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise DataError(_fault(place, error)) from None
    return np.asarray(found)


def read_npz(path: str | os.PathLike[str]) -> dict[str, Array]:
    """The arrays in an ``.npz`` file, by name.

    Args:
        path: the file.

    Raises:
        DataError: if the file is missing, truncated, of another format, or holds Python objects.

    Example:
        >>> import tempfile, os
        >>> path = os.path.join(tempfile.mkdtemp(), "xy.npz")
        >>> np.savez(path, x=np.zeros((2, 3)), y=np.array([0, 1]))
        >>> {name: array.shape for name, array in ad.data.read_npz(path).items()}
        {'x': (2, 3), 'y': (2,)}
    """
    place = Path(path)
    _check(place, b"PK", "an .npz file")
    try:
        # NumPy would leave the file open if it turned out to be damaged
        with place.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise DataError(_fault(place, error)) from None


def _check(place: Path, magic: bytes, what: str) -> None:
    try:
        with place.open("rb") as file:
            start = file.read(len(magic))
    except FileNotFoundError:
        raise DataError(f"There is no file {place}.") from None
    except OSError as error:
        raise DataError(f"{place} cannot be read: {error.strerror}.") from None
    if start != magic:
        raise DataError(f"{place} is not {what}: it begins with {start!r}, not with {magic!r}.")


def _fault(place: Path, error: Exception) -> str:
    if "allow_pickle" in str(error) or "Python objects" in str(error):
        return (
            f"{place} holds Python objects, which are pickled, and a pickle runs code.\n"
            "  Try: save arrays of numbers; words as numbers of classes."
        )
    return f"{place} is truncated or damaged: {error}.\n  Try: copy or download it again."
