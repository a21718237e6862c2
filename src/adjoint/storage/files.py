"""Saving and loading."""

from __future__ import annotations

import json
import mmap as memory
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

import adjoint as ad
from adjoint import errors
from adjoint.storage import layout, trees
from adjoint.storage.atomic import write_atomically

Array = np.ndarray[Any, Any]
RECORD: Final = "adjoint"
VERSION: Final = 1


def save(
    path: str | os.PathLike[str], tree: Any, metadata: Mapping[str, Any] | None = None
) -> None:
    """Write a module, or any nesting of dicts, lists and tuples of tensors, to a safetensors file.

    What has a ``state_dict()`` is stored as that, under its flat dotted names; so PyTorch's
    safetensors loads a module's file with PyTorch's names. The file appears whole or not at all:
    a crash, a full disk or a kill leaves the earlier file as it was.

    Args:
        path: the file; an existing one is replaced.
        tree: what to store. Leaves are tensors, NumPy arrays, numbers, strings and None; bfloat16
            and bool are stored as they are, complex numbers as two reals.
        metadata: further facts, by name; strings, or what JSON can hold.

    Raises:
        ArgumentError: if something in the tree cannot be stored; the message says where.
        SaveError: if the file cannot be written; it is an `OSError` too.

    Example:
        >>> import tempfile, os
        >>> path = os.path.join(tempfile.mkdtemp(), "run.safetensors")
        >>> ad.save(path, {"weight": ad.ones((2, 2)), "step": 3}, metadata={"note": "first"})
        >>> ad.load(path)
        {'weight': tensor([[1., 1.],
               [1., 1.]]), 'step': 3}
    """
    if not (isinstance(path, str) or hasattr(path, "__fspath__")):
        kind = type(path).__name__
        raise errors.ArgumentError(f"save: the path comes first, then the tree; got a {kind}")
    description, arrays = trees.take_apart(tree)
    words = _words(metadata or {}, description)
    write_atomically(path, lambda file: layout.write(file, arrays, words))


def _words(metadata: Mapping[str, Any], description: Any) -> dict[str, str]:
    """Metadata as the format holds it, all strings, with the record of what is no string."""
    # what stands under "format" is asked for by libraries that load PyTorch's weights
    out = {"format": "pt"}
    coded: list[str] = []
    for key, value in metadata.items():
        if type(key) is not str or key == RECORD:
            raise errors.ArgumentError(f"save: metadata cannot have the key {key!r}")
        if isinstance(value, str):
            out[key] = value
            continue
        try:
            out[key] = json.dumps(value, ensure_ascii=False)
        except (TypeError, ValueError) as error:
            raise errors.ArgumentError(f"save: metadata[{key!r}] is no JSON: {error}") from None
        coded.append(key)
    record = {"version": VERSION, "tree": description, "metadata": list(metadata), "json": coded}
    out[RECORD] = json.dumps(record, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return out


def load(path: str | os.PathLike[str], *, mmap: bool = False, numpy: bool = False) -> Any:
    """What `save` wrote, with its structure; of a file from elsewhere a flat dict of tensors.

    Nothing in a file is run, and a file that is cut off or of another format is refused.

    Args:
        path: a safetensors file.
        mmap: read each number only when it is used. Tensors then share the memory of the file,
            which nobody may write to as long as they live (`save` replaces it, which is safe).
        numpy: return read-only NumPy arrays in place of tensors.

    Raises:
        FormatError: if the file is truncated, damaged or of another format.
        FileNotFoundError: if there is none.

    Example:
        >>> import tempfile, os
        >>> path = os.path.join(tempfile.mkdtemp(), "pair.safetensors")
        >>> ad.save(path, (ad.tensor([1.0, 2.0]), None))
        >>> ad.load(path)
        (tensor([1., 2.]), None)
    """
    place = Path(path)
    with _opened(place) as file:
        found = layout.read(file, place)
        whole = _mapped(file) if mmap else None

        def get(name: str) -> Array:
            entry = found.entries[name]
            return _mapped_array(whole, entry) if whole is not None else _array(file, entry, place)

        wrap = _read_only if numpy else ad.asarray
        record = _record(found, place)
        if record is None:
            return {name: wrap(get(name)) for name in found.entries}
        try:
            return trees.put_together(record["tree"], get, wrap)
        except (KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
            if isinstance(error, errors.AdjointError):
                raise
            raise layout.FormatError(
                f"load: {place} describes a tree that it does not hold ({error}).\n"
                "  Try: load(...) of the file as it was written; this one was changed since."
            ) from None


def read_metadata(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The metadata of a safetensors file; of its arrays nothing is read.

    Args:
        path: the file. Of one from elsewhere all metadata are strings.

    Raises:
        FormatError: if the file is truncated, damaged or of another format.

    Example:
        >>> import tempfile, os
        >>> path = os.path.join(tempfile.mkdtemp(), "run.safetensors")
        >>> ad.save(path, {}, metadata={"epoch": 3, "classes": ["cat", "dog"]})
        >>> ad.storage.read_metadata(path)
        {'epoch': 3, 'classes': ['cat', 'dog']}
    """
    place = Path(path)
    with _opened(place) as file:
        found = layout.read(file, place)
    record = _record(found, place)
    if record is None:
        return dict(found.metadata)
    try:
        return {
            key: json.loads(found.metadata[key]) if key in record["json"] else found.metadata[key]
            for key in record["metadata"]
        }
    except (KeyError, ValueError, TypeError) as error:
        raise layout.FormatError(f"load: the metadata of {place} are damaged ({error})") from None


def _opened(place: Path) -> IO[bytes]:
    try:
        return place.open("rb")
    except FileNotFoundError:
        near = sorted(p.name for p in place.parent.glob("*.safetensors"))[:5]
        beside = f"  Beside it: {', '.join(near)}." if near else "  Try: check the path."
        message = f"load: there is no file {place}.\n{beside}"
        raise FileNotFoundError(message) from None
    except IsADirectoryError:
        raise layout.FormatError(f"load: {place} is a folder, not a safetensors file.") from None


def _record(found: layout.Layout, place: Path) -> dict[str, Any] | None:
    """What `save` noted about a file; None if it comes from elsewhere."""
    text = found.metadata.get(RECORD)
    if text is None:
        return None
    try:
        record = json.loads(text)
        version = record["version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise layout.FormatError(f"load: the record of the tree in {place} is damaged.") from None
    if version != VERSION:
        raise layout.FormatError(
            f"load: {place} is of version {version} of the format, and this release reads "
            f"{VERSION}.\n  Try: a newer release of Adjoint."
        )
    return record


def _array(file: IO[bytes], entry: layout.Entry, place: Path) -> Array:
    out = np.empty(entry.shape, entry.dtype)
    file.seek(entry.start)
    got = file.readinto(out.reshape(-1).view(np.uint8).data) if out.size else 0  # pyright: ignore[reportAttributeAccessIssue]  # binary files have it
    if got != entry.nbytes:
        raise layout.FormatError(f"load: {place} became shorter while it was read.")
    return out


def _mapped(file: IO[bytes]) -> memory.mmap:
    return memory.mmap(file.fileno(), 0, access=memory.ACCESS_READ)


def _mapped_array(whole: memory.mmap, entry: layout.Entry) -> Array:
    count = entry.nbytes // entry.dtype.itemsize
    if not count:
        return np.empty(entry.shape, entry.dtype)
    out = np.frombuffer(whole, entry.dtype, count, entry.start).reshape(entry.shape)
    return out if out.flags.aligned else out.copy()


def _read_only(array: Array) -> Array:
    array.flags.writeable = False
    return array
