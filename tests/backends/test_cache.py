"""The cache on disk: what it keeps, and what it survives."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from adjoint.backends.llvm import cache

KEY = cache.key("a program")


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    place = tmp_path / "deep" / "cache"
    monkeypatch.setenv("ADJOINT_CACHE_DIR", str(place))
    monkeypatch.setattr(cache, "_memory", {})
    monkeypatch.setattr(cache, "_unswept", {})
    return place


def test_what_was_stored_is_loaded(folder: Path) -> None:
    assert cache.load(KEY) is None
    cache.store(KEY, b"code")
    assert cache.load(KEY) == b"code"
    assert [path.name for path in folder.iterdir()] == [KEY]
    cache.store(KEY, b"other code")
    assert cache.load(KEY) == b"other code"


def test_empty_content_is_content() -> None:
    cache.store(KEY, b"")
    assert cache.load(KEY) == b""


def test_keys_tell_their_parts_apart() -> None:
    keys = {cache.key("ab", "c"), cache.key("a", "bc"), cache.key("abc"), cache.key("ab", "c", "")}
    assert len(keys) == 4
    assert cache.key("ab") == cache.key(b"ab")


def damage_cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def damage_header(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:10])


def damage_emptied(path: Path) -> None:
    path.write_bytes(b"")


def damage_flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    path.write_bytes(data)


def damage_longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def damage_foreign(path: Path) -> None:
    path.write_text("something else altogether, longer than the header of an entry " * 5)


def damage_renamed(path: Path) -> None:
    other = cache.key("another program")
    cache.store(other, b"another code")
    os.replace(path.parent / other, path)


DAMAGES = [f for name, f in list(globals().items()) if name.startswith("damage_")]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_dropped(damage, folder: Path) -> None:
    cache.store(KEY, b"code of some length")
    damage(folder / KEY)
    assert cache.load(KEY) is None
    assert not (folder / KEY).exists()
    cache.store(KEY, b"code again")
    assert cache.load(KEY) == b"code again"


def test_an_entry_that_is_a_folder_is_no_entry(folder: Path) -> None:
    (folder / KEY).mkdir(parents=True)
    assert cache.load(KEY) is None
    cache.store(KEY, b"code")  # cannot replace it: kept in memory
    assert cache.load(KEY) == b"code"


@pytest.mark.parametrize("off", ["", "0", " "])
def test_switched_off(off: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADJOINT_CACHE_DIR", off)
    assert cache.folder() is None
    cache.store(KEY, b"code")
    assert cache.load(KEY) is None


def test_a_folder_that_cannot_be_written_is_replaced_by_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("ADJOINT_CACHE_DIR", str(tmp_path / "file" / "below"))
    cache.store(KEY, b"code")
    assert cache.load(KEY) == b"code"


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("ADJOINT_CACHE_DIR", str(tmp_path / "file"))
    monkeypatch.setattr(cache, "MEMORY_LIMIT", 100)
    for i in range(10):
        cache.store(cache.key(str(i)), bytes(30))
    assert cache.load(cache.key("0")) is None
    assert cache.load(cache.key("9")) == bytes(30)
    assert sum(map(len, cache._memory.values())) <= 100


def test_the_users_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ADJOINT_CACHE_DIR")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.folder() == tmp_path / "adjoint"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # which the standard says to ignore
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache.folder() == tmp_path / "home" / ".cache" / "adjoint"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache.folder() == tmp_path / "home" / "Library" / "Caches" / "adjoint"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert cache.folder() == tmp_path / "local" / "adjoint"


def test_the_least_recently_used_go_first(folder: Path) -> None:
    keys = [cache.key(str(i)) for i in range(6)]
    now = time.time()
    for i, name in enumerate(keys):
        cache.store(name, bytes(1000))
        os.utime(folder / name, (now - 10_000 + i, now - 10_000 + i))
    assert cache.load(keys[0]) is not None  # used again: its stamp is renewed
    (folder / "notes.txt").write_text("of the user's own " * 500)
    cache.sweep(folder, limit=3 * 1200)
    assert [cache.load(name) is not None for name in keys] == [
        True,
        False,
        False,
        False,
        True,
        True,
    ]
    assert (folder / "notes.txt").exists()


def test_what_a_killed_process_left_is_swept(folder: Path) -> None:
    cache.store(KEY, b"code")
    left, fresh = folder / f"{KEY}.abc.new", folder / f"{KEY}.xyz.new"
    for path in (left, fresh):
        path.write_bytes(b"half an ent")
    os.utime(left, (1e9, 1e9))
    cache.sweep(folder, cache.LIMIT)
    assert not left.exists()
    assert fresh.exists()
    assert cache.load(KEY) == b"code"


def test_storing_sweeps_now_and_then(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "LIMIT", 20_000)
    for i in range(100):
        cache.store(cache.key(str(i)), bytes(1000))
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 21_500


def test_threads_share_it() -> None:
    wrong: list[bytes] = []

    def work(seed: int) -> None:
        for i in range(40):
            name = cache.key(str((seed + i) % 5))
            cache.store(name, name.encode() * 50)
            found = cache.load(name)
            if found != name.encode() * 50:
                wrong.append(found or b"")

    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


PROCESS = """
import sys
from adjoint.backends.llvm import cache
for i in range(150):
    name = cache.key(str(i % 7))
    content = name.encode() * 2000
    found = cache.load(name)
    assert found in (None, content), "half an entry was read"
    cache.store(name, content)
    if i % 13 == int(sys.argv[1]):
        (cache.folder() / name).write_bytes(b"damaged")
        cache.sweep(cache.folder(), limit=400_000)
"""


def test_processes_share_it() -> None:
    running = [
        subprocess.Popen([sys.executable, "-c", PROCESS, str(i)], stderr=subprocess.PIPE, text=True)
        for i in range(3)
    ]
    for process in running:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
