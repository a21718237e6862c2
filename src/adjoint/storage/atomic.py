"""Files that appear whole or not at all, whatever fails, and whenever the process is killed.

The bytes go to a new file in the same folder, are flushed to the disk, and the new file then takes
the place of the old one in one step. A process that is killed leaves at most the unfinished file
behind, which a later save to the same place removes.
"""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from adjoint import errors

UNFINISHED = ".partial"
STALE_AFTER_S = 3600.0  # nobody writes to a file for so long without touching it
_WAYS_OUT = {
    errno.ENOSPC: "free some space, or save to another disk.",
    errno.EDQUOT: "free some of your quota, or save to another disk.",
    errno.EFBIG: "raise the limit on the size of files (`ulimit -f`), or save to another disk.",
    errno.EACCES: "save to a folder that you may write to.",
    errno.EPERM: "save to a folder that you may write to.",
    errno.EROFS: "save to a folder that is not read-only.",
    errno.ENOENT: "make the folder first.",
    errno.ENOTDIR: "save to a path whose parent is a folder.",
    errno.EISDIR: "give the name of a file in it.",
}


class SaveError(errors.AdjointError, OSError):
    """A file could not be written; what was there before is still there."""

    def __str__(self) -> str:
        return str(self.args[0])


def write_atomically(path: str | os.PathLike[str], write: Callable[[IO[bytes]], Any]) -> None:
    """Create or replace a file in one step: its old content stays until the new one is on disk.

    A symbolic link is followed, and the permissions of a file that is replaced are kept.

    Args:
        path: the file.
        write: is called with a binary file to write to.

    Raises:
        SaveError: if it cannot be written; the error is also an `OSError` with its `errno`.

    Example:
        >>> import tempfile, os
        >>> path = os.path.join(tempfile.mkdtemp(), "notes.txt")
        >>> ad.storage.write_atomically(path, lambda file: file.write(b"all or nothing"))
        >>> os.path.getsize(path)
        14
    """
    place = Path(os.path.realpath(path))
    name = f".{place.name[:80]}.{os.getpid()}-{threading.get_ident()}{UNFINISHED}"
    beside = place.with_name(name)
    try:
        if place.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        with beside.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        if place.exists():
            shutil.copymode(place, beside)
        beside.replace(place)
        _flush_folder(place.parent)
    except BaseException as error:
        _forget(beside)
        if isinstance(error, OSError) and not isinstance(error, SaveError):
            raise _save_error(error, path, place) from None
        raise
    _remove_stale(place)


def _flush_folder(folder: Path) -> None:
    """Make a rename last through a power failure, where the system lets folders be opened."""
    if os.name == "nt":
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    except OSError as error:  # some network file systems cannot, and need not
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(number)


def _save_error(error: OSError, path: str | os.PathLike[str], place: Path) -> SaveError:
    text = error.strerror or str(error)
    lines = [f"save: {os.fspath(path)} could not be written: {text[:1].lower()}{text[1:]}."]
    if error.errno == errno.ENOSPC:
        free = shutil.disk_usage(place.parent).free
        lines.append(f"  {free / 1e6:,.1f} MB are free there.")
    if place.is_file():
        lines.append("  The file that was there before is unchanged.")
    way_out = _WAYS_OUT.get(error.errno or 0)
    if way_out:
        lines.append(f"  Try: {way_out}")
    out = SaveError("\n".join(lines))
    out.errno, out.strerror, out.filename = error.errno, text, os.fspath(path)
    return out


def _forget(file: Path) -> None:
    """Remove a file if it can be done: an error here must not hide the one that led here."""
    try:
        file.unlink(missing_ok=True)
    except OSError:
        return


def _remove_stale(place: Path) -> None:
    """Remove what killed processes left unfinished beside this file, long ago."""
    start = f".{place.name[:80]}."
    try:
        beside = [x for x in os.scandir(place.parent) if x.name.startswith(start)]
    except OSError:
        return
    for entry in beside:
        middle = entry.name.removeprefix(start).removesuffix(UNFINISHED)
        if entry.name.endswith(UNFINISHED) and middle.replace("-", "").isdigit():
            try:
                if time.time() - entry.stat().st_mtime > STALE_AFTER_S:
                    Path(entry.path).unlink(missing_ok=True)
            except OSError:
                continue
