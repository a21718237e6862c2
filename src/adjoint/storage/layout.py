"""The safetensors format: where each array lies in a file, read with distrust.

A file is the length of the header (8 bytes, little-endian), the header (JSON: for each name dtype,
shape, first and last byte, and under ``__metadata__`` words about it all), and the numbers.
Source: https://github.com/huggingface/safetensors#format, whose own limits are kept here.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

import adjoint as ad
from adjoint import errors

Array = np.ndarray[Any, Any]
METADATA: Final = "__metadata__"
MAX_HEADER: Final = 100_000_000
_DTYPES: Final[dict[str, str]] = {
    "BOOL": "bool",
    "I8": "int8",
    "I16": "int16",
    "I32": "int32",
    "I64": "int64",
    "U8": "uint8",
    "U16": "uint16",
    "U32": "uint32",
    "U64": "uint64",
    "BF16": "bfloat16",
    "F16": "float16",
    "F32": "float32",
    "F64": "float64",
    "C64": "complex64",
}
_CODES: Final = {name: code for code, name in _DTYPES.items()}
_FOREIGN: Final[dict[bytes, tuple[str, str]]] = {
    b"PK\x03\x04": (
        "a zip archive, such as PyTorch's .pt or NumPy's .npz",
        "read_npz of adjoint.data for an .npz; a .pt must be saved again by PyTorch, "
        "with safetensors.torch.save_file.",
    ),
    b"\x93NUMPY": ("a NumPy array", "read_npy of adjoint.data."),
    b"\x89HDF": ("an HDF5 file", "save the weights as safetensors where they come from."),
    b"GGUF": ("a GGUF file", "the safetensors version of these weights."),
    b"\x1f\x8b": ("compressed with gzip", "gunzip it first."),
    b"\x80\x02": ("a Python pickle", "save it again as safetensors: a pickle runs code."),
    b"\x80\x04": ("a Python pickle", "save it again as safetensors: a pickle runs code."),
    b"\x80\x05": ("a Python pickle", "save it again as safetensors: a pickle runs code."),
}


class FormatError(errors.AdjointError, ValueError):
    """A file is not what it should be: truncated, of another format, or with a broken header."""


@dataclass(frozen=True)
class Entry:
    """Where one array lies.

    Attributes:
        dtype: of its elements.
        shape: of the array.
        start: its first byte, counted from the start of the file.
        nbytes: its length.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int
    nbytes: int


@dataclass(frozen=True)
class Layout:
    """What the header of a file says.

    Attributes:
        entries: the arrays, in the order in which they lie in the file.
        metadata: words about the file.
    """

    entries: dict[str, Entry]
    metadata: dict[str, str]


def dtype_of(code: str) -> np.dtype[Any] | None:
    """The dtype that the format calls so, or None."""
    name = _DTYPES.get(code)
    return ad.bfloat16 if name == "bfloat16" else None if name is None else np.dtype(name)


def write(file: IO[bytes], arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> None:
    """Write arrays and metadata to an open file, array by array: nothing is copied as a whole."""
    # the widest elements first, so that each array lies at a multiple of its element size
    names = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))
    header: dict[str, Any] = {METADATA: dict(metadata)} if metadata else {}
    at = 0
    for name in names:
        array = arrays[name]
        header[name] = {
            "dtype": _CODES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [at, at + array.nbytes],
        }
        at += array.nbytes
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > MAX_HEADER:
        raise errors.ArgumentError(
            f"save: names and metadata take {len(text):,} bytes; the format allows {MAX_HEADER:,}"
        )
    file.write(len(text).to_bytes(8, "little"))
    file.write(text)
    for name in names:
        file.write(_bytes(arrays[name]))


def _bytes(array: Array) -> Any:
    little = array.astype(array.dtype.newbyteorder("<"), copy=False) if array.size else array
    flat = np.asarray(little, order="C").reshape(-1)
    return flat.view(np.uint8).data


def read(file: IO[bytes], path: Path) -> Layout:
    """The header of an open file, checked against its size.

    Raises:
        FormatError: saying what was expected, what was found and what to do.
    """
    size = os.fstat(file.fileno()).st_size
    start = file.read(8)
    length = int.from_bytes(start, "little")
    if size < 8 or not 2 <= length <= min(MAX_HEADER, size - 8):
        raise _no_header(start, length, size, path)
    header = _header(file.read(length), path)
    words = header.pop(METADATA, None) or {}
    if not isinstance(words, dict) or not all(isinstance(x, str) for x in words.values()):
        raise _wrong(path, f"{METADATA} in its header is not a dict of strings")
    entries = {name: _entry(name, about, 8 + length, path) for name, about in header.items()}
    entries = dict(sorted(entries.items(), key=lambda item: (item[1].start, item[1].nbytes)))
    _check_places(entries, 8 + length, size, path)
    return Layout(entries, words)


_TRUNCATED: Final = "copy or download it again: it is cut off."
_DAMAGED: Final = "copy or download it again: it is damaged, or of another format."


def _wrong(path: Path, found: str, way_out: str = _DAMAGED) -> FormatError:
    return FormatError(
        f"load: {path} is not a whole safetensors file: {found}.\n"
        "  Expected: the length of a JSON header, the header, and the numbers that it describes.\n"
        f"  Try: {way_out}"
    )


def _no_header(start: bytes, length: int, size: int, path: Path) -> FormatError:
    """What is wrong with a file whose first bytes are not the length of a header."""
    for magic, (what, way_out) in _FOREIGN.items():
        if start.startswith(magic):
            return _wrong(path, f"it is {what}", way_out)
    if size < 8:
        found = f"it has {size} bytes, less than a header has" if size else "it is empty"
        return _wrong(path, found, _TRUNCATED)
    if 2 <= length <= MAX_HEADER:
        found = f"its header should take {length:,} bytes, and only {size - 8:,} follow"
        return _wrong(path, found, _TRUNCATED)
    return _wrong(path, f"its first 8 bytes are {start!r}, not the length of a header")


def _header(text: bytes, path: Path) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        out = dict(pairs)
        if len(out) < len(pairs):
            raise ValueError("a name occurs twice")
        return out

    try:
        header = json.loads(text.decode(), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise _wrong(path, f"its header is not JSON ({error})") from None
    if not isinstance(header, dict):
        raise _wrong(path, "its header is JSON, but no dict of names")
    return header


def _entry(name: str, about: Any, begin: int, path: Path) -> Entry:
    try:
        code, shape, (first, last) = about["dtype"], about["shape"], about["data_offsets"]
        shape = tuple(shape)
        whole = all(type(n) is int and n >= 0 for n in (*shape, first, last))
    except (TypeError, KeyError, ValueError):
        whole, code, shape, first, last = False, None, (), 0, 0
    if not whole:
        raise _wrong(path, f"its header has no dtype, shape and data_offsets for {name!r}")
    dtype = dtype_of(code) if isinstance(code, str) else None
    if dtype is None:
        raise FormatError(
            f"load: {path} holds {name!r} with the elements {code!r}.\n"
            f"  Expected: one of {', '.join(_DTYPES)}.\n"
            "  Try: convert it to one of these where it comes from."
        )
    nbytes = math.prod(shape) * dtype.itemsize
    if last - first != nbytes:
        found = f"{name!r}, {dtype} of shape {shape}, takes {nbytes:,} bytes, not {last - first:,}"
        raise _wrong(path, found)
    return Entry(dtype, shape, begin + first, nbytes)


def _check_places(entries: dict[str, Entry], begin: int, size: int, path: Path) -> None:
    """The arrays fill the file, one after the other, as the format asks."""
    at = begin
    for name, entry in entries.items():
        if entry.start != at:
            raise _wrong(path, f"{name!r} begins at byte {entry.start:,} instead of {at:,}")
        at += entry.nbytes
    if at > size:
        found = f"its header describes {at - begin:,} bytes of numbers, and {size - begin:,} follow"
        raise _wrong(path, found, _TRUNCATED)
    if at < size:
        raise _wrong(path, f"{size - at:,} bytes follow after the last array")
