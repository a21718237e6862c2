"""Bytes on disk under the hash of what they were made from, shared by all processes of a user.

An entry is a file: a mark, its own key, the hash of the content, the content. Whatever does not
check out (cut short, overwritten, renamed, written by something else) is removed and counts as
absent. Entries are written beside their place and moved there, so that nobody reads half of one.
The least recently used go when the folder outgrows its limit.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

MARK = b"adjoint cache 1\n"
HASH = hashlib.sha256
LIMIT = 256 << 20
MEMORY_LIMIT = 64 << 20  # of what cannot be written to disk
STALE = (
    3600.0  # seconds: how old a stamp of use may grow, and how long a temporary file is somebody's
)

_lock = threading.Lock()
_memory: dict[str, bytes] = {}
_unswept: dict[Path, int] = {}  # bytes written to a folder since it was last looked through


def key(*parts: str | bytes) -> str:
    """The name under which something made from `parts` is kept."""
    digest = HASH()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))  # so that ("ab", "c") is not ("a", "bc")
        digest.update(data)
    return digest.hexdigest()


def folder() -> Path | None:
    """Where entries are: ``ADJOINT_CACHE_DIR``, or the user's own; None if switched off."""
    said = os.environ.get("ADJOINT_CACHE_DIR")
    if said is not None:
        return Path(said).expanduser() if said.strip() not in ("", "0") else None
    with contextlib.suppress(RuntimeError):  # a user without a home
        return _user_folder() / "adjoint"
    return None


def _user_folder() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    said = os.environ.get("XDG_CACHE_HOME", "")
    return Path(said) if os.path.isabs(said) else Path.home() / ".cache"


def load(name: str) -> bytes | None:
    """What was stored under a key, or None."""
    with _lock:
        known = _memory.get(name)
    place = folder()
    if known is not None or place is None:
        return known
    path = place / name
    try:
        data = path.read_bytes()
    except OSError:
        return None
    content = _content(name, data)
    if content is None:
        with contextlib.suppress(OSError):
            path.unlink()
        return None
    _stamp(path)
    return content


def store(name: str, content: bytes) -> None:
    """Keeps `content` under a key: on disk, or in this process alone if that cannot be."""
    place = folder()
    if place is None:
        return
    try:
        _write(place, name, _head(name, content) + content)
    except OSError:
        _remember(name, content)
        return
    with _lock:
        written = _unswept.get(place, LIMIT) + len(content)
        sweep_now = written > LIMIT // 16
        _unswept[place] = 0 if sweep_now else written
    if sweep_now:
        sweep(place, LIMIT)


def sweep(place: Path, limit: int) -> None:
    """Removes the least recently used entries until the folder holds at most `limit` bytes."""
    found = sorted(_entries(place), reverse=True)
    total = 0
    for used, size, path in found:
        total += size
        left_over = path.suffix == ".new" and time.time() - used > STALE
        if total > limit or left_over:
            total -= size
            with contextlib.suppress(OSError):  # another process was faster
                path.unlink()


def _entries(place: Path) -> Iterator[tuple[float, int, Path]]:
    with contextlib.suppress(OSError), os.scandir(place) as listing:
        for entry in listing:
            with contextlib.suppress(OSError):
                if entry.is_file(follow_symlinks=False) and _is_ours(entry.name):
                    fact = entry.stat(follow_symlinks=False)
                    yield fact.st_mtime, fact.st_size, Path(entry.path)


def _is_ours(filename: str) -> bool:
    """The folder may be one that the user keeps other things in."""
    name = filename.partition(".")[0]
    return len(name) == 64 and all(c in "0123456789abcdef" for c in name)


def _head(name: str, content: bytes) -> bytes:
    return MARK + name.encode() + HASH(content).digest()


def _content(name: str, data: bytes) -> bytes | None:
    size = len(MARK) + len(name) + HASH().digest_size
    content = data[size:]
    return content if data[:size] == _head(name, content) else None


def _write(place: Path, name: str, data: bytes) -> None:
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, temporary = tempfile.mkstemp(prefix=f"{name}.", suffix=".new", dir=place)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
        os.replace(temporary, place / name)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _stamp(path: Path) -> None:
    """Notes that an entry was used; once an hour is enough to tell what is old."""
    with contextlib.suppress(OSError):
        if time.time() - path.stat().st_mtime > STALE:
            os.utime(path)


def _remember(name: str, content: bytes) -> None:
    with _lock:
        _memory[name] = content
        while sum(map(len, _memory.values())) > MEMORY_LIMIT:
            del _memory[next(iter(_memory))]
