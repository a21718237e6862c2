"""Files that are not what they should be, and disks that fail: a clear error, and nothing lost."""

import errno
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest

import adjoint as ad
from adjoint.storage import FormatError, SaveError, read_metadata, write_atomically

WHOLE = {"x": np.arange(6.0).reshape(2, 3), "y": np.arange(3)}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "run.safetensors"
    ad.save(path, WHOLE)
    return path


def with_header(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Write the file anew with another header."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    text = json.dumps(change(header) or header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])


def test_no_cut_off_file_is_taken_for_a_whole_one(saved: Path) -> None:
    data = saved.read_bytes()
    for length in range(len(data)):
        saved.write_bytes(data[:length])
        for read in (ad.load, read_metadata):
            with pytest.raises(FormatError, match="not a whole safetensors file") as caught:
                read(saved)
        assert "Expected: " in str(caught.value)
        assert "Try: copy or download it again" in str(caught.value)


def test_the_message_says_what_was_expected_and_what_was_found(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes()[:-10])
    with pytest.raises(FormatError) as caught:
        ad.load(saved)
    assert str(caught.value) == (
        f"load: {saved} is not a whole safetensors file: its header describes 72 bytes of numbers, "
        "and 62 follow.\n"
        "  Expected: the length of a JSON header, the header, and the numbers that it describes.\n"
        "  Try: copy or download it again: it is cut off."
    )


def zipped(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, x=np.ones(3))


FOREIGN: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "it is empty"),
    "short": (b"abc", "it has 3 bytes"),
    "text": (b"a,b,c\n1,2,3\n4,5,6\n", "not the length of a header"),
    "zeros": (bytes(100), "not the length of a header"),
    "header too long": ((2**40).to_bytes(8, "little") + b"{}", "not the length of a header"),
    "header over the limit": (
        (100_000_001).to_bytes(8, "little") + bytes(64),
        "not the length of a header",
    ),
    "header longer than the file": ((1000).to_bytes(8, "little") + b"{}", "only 2 follow"),
    "pickle": (b"\x80\x04\x95\x0c\x00\x00\x00\x00\x00\x00\x00", "a Python pickle"),
    "npy": (b"\x93NUMPY\x01\x00v\x00", "a NumPy array"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(8), "an HDF5 file"),
    "gzip": (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", "compressed with gzip"),
    "not JSON": ((8).to_bytes(8, "little") + b"{'x': 1}", "its header is not JSON"),
    "not UTF-8": ((4).to_bytes(8, "little") + b'{"\xff"', "its header is not JSON"),
    "list": ((4).to_bytes(8, "little") + b"[1] ", "no dict of names"),
    "twice": ((14).to_bytes(8, "little") + b'{"a":1, "a":2}', "a name occurs twice"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_file_is_refused(tmp_path: Path, name: str) -> None:
    data, fact = FOREIGN[name]
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(FormatError, match=fact):
        ad.load(tmp_path / "x")


def test_an_npz_is_refused_with_a_way_out(tmp_path: Path) -> None:
    zipped(tmp_path / "x")
    with pytest.raises(FormatError, match=r"a zip archive.*\n.*\n  Try: read_npz"):
        ad.load(tmp_path / "x")


def header(**fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda found: found["x"].update(fields)


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "unknown dtype": (header(dtype="F8_E4M3"), "with the elements 'F8_E4M3'"),
    "shape too large": (header(shape=[2, 4]), "takes 64 bytes, not 48"),
    "negative size": (header(shape=[-2, -3]), "no dtype, shape and data_offsets"),
    "shape of words": (header(shape="2,3"), "no dtype, shape and data_offsets"),
    "bytes backwards": (header(data_offsets=[48, 0]), "takes 48 bytes, not -48"),
    "three offsets": (header(data_offsets=[0, 24, 48]), "no dtype, shape and data_offsets"),
    "a hole": (header(shape=[2, 2], data_offsets=[0, 32]), "begins at byte"),
    "array missing": (lambda h: {k: v for k, v in h.items() if k != "x"}, "begins at byte"),
    "last array missing": (lambda h: {k: v for k, v in h.items() if k != "y"}, "24 bytes follow"),
    "overlap": (header(data_offsets=[8, 56]), "begins at byte"),
    "entry is a number": (lambda h: h | {"x": 3}, "no dtype, shape and data_offsets"),
    "metadata is a list": (lambda h: h | {"__metadata__": [1]}, "not a dict of strings"),
    "newer": (lambda h: h | {"__metadata__": {"adjoint": '{"version": 2}'}}, "newer release"),
    "record": (lambda h: h | {"__metadata__": {"adjoint": "?"}}, "record .* is damaged"),
    "tree": (
        lambda h: h | {"__metadata__": {"adjoint": '{"version": 1, "tree": ["tensor", "z"]}'}},
        "describes a tree that it does not hold",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_damaged_header_is_refused(saved: Path, name: str) -> None:
    change, fact = CHANGES[name]
    with_header(saved, change)
    with pytest.raises(FormatError, match=fact):
        ad.load(saved)


@pytest.mark.parametrize("length", [0x280, 0x480, 0x580])
def test_a_header_whose_length_begins_as_a_pickle_does(tmp_path: Path, length: int) -> None:
    header = b"{}" + b" " * (length - 2)
    (tmp_path / "x").write_bytes(len(header).to_bytes(8, "little") + header)
    assert ad.load(tmp_path / "x") == {}


def test_no_file_no_folder(tmp_path: Path) -> None:
    ad.save(tmp_path / "other.safetensors", {})
    with pytest.raises(FileNotFoundError, match=r"(?s)no file .*other\.safetensors"):
        ad.load(tmp_path / "x.safetensors")
    with pytest.raises(FormatError, match="is a folder"):
        ad.load(tmp_path)
    with pytest.raises(SaveError, match=r"(?s)no such file or directory.*make the folder first"):
        ad.save(tmp_path / "none" / "x", {})
    with pytest.raises(SaveError, match="give the name of a file in it") as caught:
        ad.save(tmp_path, {})
    assert caught.value.errno == errno.EISDIR


def is_intact(path: Path) -> bool:
    """Whether the earlier file is there, whole, and alone."""
    found = ad.load(path)
    alone = [p.name for p in path.parent.iterdir()] == [path.name]
    return alone and all(np.array_equal(found[k], WHOLE[k]) for k in WHOLE)


def failing(fail: Callable[[], Any]) -> Callable[[IO[bytes]], None]:
    def write(file: IO[bytes]) -> None:
        file.write(b"half of it")
        fail()

    return write


def test_a_full_disk_leaves_the_earlier_file(saved: Path) -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(SaveError, match=r"(?s)no space left.*MB are free.*unchanged.*free some"):
        write_atomically(saved, failing(full))
    assert is_intact(saved)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, ValueError])
def test_whatever_is_raised_while_writing_the_earlier_file_stays(
    saved: Path, error: type[BaseException]
) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(error):
        write_atomically(saved, failing(fail))
    assert is_intact(saved)


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failing_flush_or_rename_leaves_the_earlier_file(
    saved: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def fail(*_: Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(*((os, "fsync") if call == "fsync" else (Path, "replace")), fail)
    with pytest.raises(SaveError, match="input/output error"):
        ad.save(saved, {"z": np.ones(100)})
    monkeypatch.undo()
    assert is_intact(saved)


LIMITED = """
import resource, sys
import numpy as np, adjoint as ad
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    ad.save(sys.argv[1], {"big": np.ones(10_000)})
except OSError as error:
    print(error)
"""


@pytest.mark.skipif(os.name == "nt", reason="limits of POSIX systems")
def test_a_limit_of_the_system_leaves_the_earlier_file(saved: Path) -> None:
    run = [sys.executable, "-c", LIMITED, str(saved)]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert "could not be written: file too large" in done.stdout
    assert "The file that was there before is unchanged." in done.stdout
    assert is_intact(saved)


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX systems")
def test_a_read_only_folder(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:  # root may write anywhere: let the system say no

        def denied(self: Path, *args: Any, **_: Any) -> Any:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

        monkeypatch.setattr(Path, "open", denied)
    saved.parent.chmod(0o555)
    try:
        with pytest.raises(SaveError, match=r"(?s)permission denied.*that you may write to"):
            ad.save(saved, {})
    finally:
        saved.parent.chmod(0o755)
    monkeypatch.undo()
    assert is_intact(saved)


KILLED = """
import os, sys, signal
from adjoint.storage import write_atomically
def write(file):
    file.write(b"half of it")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
write_atomically(sys.argv[1], write)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX systems")
def test_a_killed_process_leaves_the_earlier_file_and_its_rest_is_removed_later(
    saved: Path,
) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(saved)], check=False)
    (rest,) = [p for p in saved.parent.iterdir() if p != saved]
    assert rest.name.endswith(".partial")
    assert set(ad.load(saved)) == set(WHOLE)
    ad.save(saved, WHOLE)
    assert rest.exists()  # it may belong to a process that still writes
    old = time.time() - 7200
    os.utime(rest, (old, old))
    ad.save(saved, WHOLE)
    assert is_intact(saved)


@pytest.mark.skipif(os.name == "nt", reason="links and permissions of POSIX systems")
def test_links_are_followed_and_permissions_kept(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    ad.save(there / "x", {})
    (there / "x").chmod(0o640)
    (tmp_path / "link").symlink_to(there / "x")
    ad.save(tmp_path / "link", WHOLE)
    assert (tmp_path / "link").is_symlink()
    assert is_intact(there / "x")
    assert (there / "x").stat().st_mode & 0o777 == 0o640


def test_a_file_name_may_be_long(tmp_path: Path) -> None:
    name = "n" * 250
    ad.save(tmp_path / name, WHOLE)
    assert is_intact(tmp_path / name)
