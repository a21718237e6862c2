"""From LLVM's text to code: results, the cache between processes, and errors."""

import ctypes
import gc
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from adjoint.backends.llvm import build, cache, door, processor

ADD = """
define i64 @{name}(i64 %a, i64 %b) {{
  %s = add i64 %a, %b
  %t = add i64 %s, {more}
  ret i64 %t
}}
"""

SCALE = """
define void @scale(ptr noalias %x, ptr noalias %y, i64 %n) {attributes} {{
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %j, %loop ]
  %p = getelementptr float, ptr %x, i64 %i
  %v = load float, ptr %p
  %w = fmul float %v, 2.0
  %q = getelementptr float, ptr %y, i64 %i
  store float %w, ptr %q
  %j = add nsw i64 %i, 1
  %more = icmp slt i64 %j, %n
  br i1 %more, label %loop, label %done
done:
  ret void
}}
"""


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("ADJOINT_CACHE_DIR", str(tmp_path))
    return tmp_path


def adder(library: build.Library, name: str = "add"):
    whole = ctypes.c_int64
    return library.function(name, whole, whole, whole)


def never(*_: object) -> bytes:
    raise AssertionError("compiled again")


def test_code_runs() -> None:
    assert adder(build.library(ADD.format(name="add", more=0)))(40, 2) == 42


def test_a_function_keeps_its_code() -> None:
    add = adder(build.library(ADD.format(name="add", more=3)))
    gc.collect()
    for i in range(5):
        build.library(ADD.format(name="add", more=10 + i))
    assert add(1, 2) == 6


def test_the_second_time_comes_from_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    text = ADD.format(name="add", more=1)
    build.library(text)
    monkeypatch.setattr(build, "compiled", never)
    assert adder(build.library(text))(1, 1) == 3


def test_a_damaged_object_is_made_again(folder: Path) -> None:
    text = ADD.format(name="add", more=1)
    build.library(text)
    (entry,) = folder.iterdir()
    good = entry.read_bytes()
    for bad in (b"", good[:100], good[:-1], b"x" * len(good)):
        entry.write_bytes(bad)
        assert adder(build.library(text))(1, 1) == 3
        assert entry.read_bytes() == good


def test_every_part_of_the_key_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {build._key("text", 3), build._key("text", 0), build._key("text ", 3)}
    for module, name in ((processor, "name"), (processor, "features"), (processor, "triple")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, lambda: "another")
            keys.add(build._key("text", 3))
    with monkeypatch.context() as patch:
        patch.setattr(door, "version", lambda: "another")
        keys.add(build._key("text", 3))
    with monkeypatch.context() as patch:
        patch.setattr(build, "PIPELINE", "another")
        keys.add(build._key("text", 3))
    assert len(keys) == 8


def test_modules_are_linked_together(monkeypatch: pytest.MonkeyPatch) -> None:
    first = """
    declare i64 @second(i64, i64)
    define i64 @first(i64 %a, i64 %b) {
      %r = call i64 @second(i64 %a, i64 %b)
      %s = mul i64 %r, 2
      ret i64 %s
    }
    """
    library = build.library(first, ADD.format(name="second", more=0))
    assert library.names == {"first", "second"}
    assert adder(library, "first")(1, 2) == 6
    third = ADD.format(name="second", more=1)
    build.library(third)
    monkeypatch.setattr(build, "compiled", never)
    assert adder(build.library(first, third), "first")(1, 2) == 8


def test_externals_are_found() -> None:
    whole = ctypes.c_int64
    called = ctypes.CFUNCTYPE(whole, whole)(lambda x: x * 10)
    address = ctypes.cast(called, ctypes.c_void_p).value or 0
    text = """
    declare i64 @adjoint_test_{0}(i64)
    define i64 @call(i64 %x) {{
      %r = call i64 @adjoint_test_{0}(i64 %x)
      ret i64 %r
    }}
    """
    build.external("adjoint_test_now", address)
    assert build.library(text.format("now")).function("call", whole, whole)(4) == 40
    asked: list[int] = []
    build.external("adjoint_test_later", lambda: asked.append(1) or address)
    assert not asked
    for _ in range(2):
        assert build.library(text.format("later")).function("call", whole, whole)(5) == 50
    assert asked == [1]


def test_memory_functions_are_found() -> None:
    text = """
    declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
    declare float @fmodf(float, float)
    define void @clear(ptr %p, i64 %n) {
      call void @llvm.memset.p0.i64(ptr %p, i8 7, i64 %n, i1 false)
      ret void
    }
    define float @remainder(float %x, float %y) {
      %r = frem float %x, %y
      ret float %r
    }
    """
    library = build.library(text)
    x = np.zeros(1000, np.int8)
    library.function("clear", None, ctypes.c_void_p, ctypes.c_int64)(x.ctypes.data, 900)
    assert (x[:900] == 7).all()
    assert (x[900:] == 0).all()
    real = ctypes.c_float
    assert library.function("remainder", real, real, real)(7.5, 2.0) == 1.5


@pytest.mark.parametrize("mark", ["@name", '@"name"', '@"na.me-1"'])
def test_names_are_read_as_llvmlite_writes_them(mark: str) -> None:
    library = build.library(f"define void {mark}()\n{{\n  ret void\n}}\n")
    (name,) = library.names
    assert library.address(name) != 0


def test_loops_use_the_whole_width_of_the_processor() -> None:
    text = SCALE.format(attributes=build.attributes())
    listing = build.assembly(text)
    if processor.machine() == "x86_64":
        assert {64: "zmm", 32: "ymm", 16: "xmm"}[processor.vector_bytes()] in listing
    scale = build.library(text).function(
        "scale", None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64
    )
    for n in (1, 7, 100):
        x = np.arange(n, dtype=np.float32)
        y = np.full(n + 1, -1, np.float32)
        scale(x.ctypes.data, y.ctypes.data, n)
        assert (y == [*(2 * x), -1]).all()


def test_text_that_is_wrong() -> None:
    text = "define i64 @f() {\n  ret i32 0\n}\n"
    with pytest.raises(build.LoweringError, match="LLVM does not take this module") as caught:
        build.library(text)
    assert caught.value.text == text
    assert isinstance(caught.value, RuntimeError)


def test_text_that_does_not_verify() -> None:
    text = """
    define i64 @f(i1 %c) {
      br i1 %c, label %a, label %b
    a:
      %x = add i64 1, 2
      br label %b
    b:
      ret i64 %x
    }
    """
    with pytest.raises(build.LoweringError, match="does not dominate") as caught:
        build.library(text)
    assert caught.value.text == text


def test_what_nobody_announced() -> None:
    text = """
    declare void @adjoint_nowhere()
    define void @f() {
      call void @adjoint_nowhere()
      ret void
    }
    """
    with pytest.raises(build.LoweringError, match="nobody said where adjoint_nowhere is") as caught:
        build.library(text)
    assert caught.value.text == text


def test_a_function_that_is_not_there() -> None:
    with pytest.raises(build.LoweringError, match=r"no function 'sub'; there are \['add'\]"):
        build.library(ADD.format(name="add", more=0)).address("sub")


def test_an_error_leaves_the_next_module_alone() -> None:
    with pytest.raises(build.LoweringError):
        build.library("nonsense")
    assert adder(build.library(ADD.format(name="add", more=77)))(0, 0) == 77


def test_two_threads_compile_at_once() -> None:
    found: dict[int, int] = {}

    def work(seed: int) -> None:
        for i in range(seed, seed + 8):
            library = build.library(ADD.format(name="add", more=i), SCALE.format(attributes=""))
            found[i] = adder(library)(0, 0)

    workers = [threading.Thread(target=work, args=(1000 * k,)) for k in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(found) == 24
    assert all(key == value for key, value in found.items())


PROCESS = """
import ctypes, sys
from adjoint.backends.llvm import build
whole = ctypes.c_int64
for i in range(6):
    text = f"define i64 @f() {{ ret i64 {i} }}"
    assert build.library(text).function("f", whole)() == i
print("done")
"""


def test_processes_compile_the_same_at_once(folder: Path) -> None:
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in running:
        out, errors = process.communicate(timeout=60)
        assert (process.returncode, out) == (0, "done\n"), errors
    assert len(list(folder.iterdir())) == 6


def test_without_a_cache(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("ADJOINT_CACHE_DIR", "0")
    assert adder(build.library(ADD.format(name="add", more=5)))(0, 0) == 5
    assert not list(folder.iterdir())
    assert cache.folder() is None


def test_the_processor() -> None:
    assert processor.name()
    assert processor.vector_bytes() in (16, 32, 64)
    assert processor.affinity() >= 1
    assert not processor.has("no-such-feature")


def test_the_kernels_are_chosen_by_features(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, width, chosen in (
        ("znver5", 64, "SkylakeX"),
        ("znver4", 64, "SkylakeX"),
        ("sapphirerapids", 64, ""),
        ("skylake-avx512", 64, ""),
        ("znver3", 32, ""),
        ("apple-m1", 16, ""),
    ):
        monkeypatch.setattr(processor, "name", lambda name=name: name)
        monkeypatch.setattr(processor, "vector_bytes", lambda width=width: width)
        assert processor.blas_family() == chosen


def test_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ADJOINT_NUM_THREADS", raising=False)
    assert processor.threads() == processor.affinity()
    monkeypatch.setenv("ADJOINT_NUM_THREADS", " 3 ")
    assert processor.threads() == 3
    for wrong in ("0", "-1", "two", "1.5"):
        monkeypatch.setenv("ADJOINT_NUM_THREADS", wrong)
        with pytest.raises(ValueError, match="a whole number from 1"):
            processor.threads()


def test_without_llvmlite(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ImportError("No module named 'llvmlite'")

    assert door.available() == ""
    monkeypatch.setattr(door, "llvm", missing)
    assert "llvmlite is not installed" in door.available.__wrapped__()
