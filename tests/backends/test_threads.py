"""The thread pool: every part once, borders in multiples, two callers, fork, exit, Ctrl-C."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from adjoint.backends.llvm import build, processor, threads, threads_text

# Counts what is run, notes the borders of parts, and for `nested` calls itself through the pool.
TEXT = """
declare void @adjoint_parallel(ptr, ptr, i64, i64)

define internal void @count(ptr %counts, i64 %begin, i64 %end) {
entry:
  %some = icmp slt i64 %begin, %end
  br i1 %some, label %loop, label %done
loop:
  %i = phi i64 [ %begin, %entry ], [ %j, %loop ]
  %p = getelementptr i64, ptr %counts, i64 %i
  %v = load i64, ptr %p
  %w = add i64 %v, 1
  store i64 %w, ptr %p
  %j = add i64 %i, 1
  %more = icmp slt i64 %j, %end
  br i1 %more, label %loop, label %done
done:
  ret void
}

define void @run(ptr %counts, i64 %n, i64 %grain, i64 %times) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %j, %loop ]
  call void @adjoint_parallel(ptr @count, ptr %counts, i64 %n, i64 %grain)
  %j = add i64 %i, 1
  %more = icmp slt i64 %j, %times
  br i1 %more, label %loop, label %done
done:
  ret void
}

; Marks with 1 where parts begin, and counts parts in the last place.
define internal void @mark(ptr %marks, i64 %begin, i64 %end) {
  %p = getelementptr i64, ptr %marks, i64 %begin
  store i64 1, ptr %p
  %q = getelementptr i64, ptr %marks, i64 1000000
  %old = atomicrmw add ptr %q, i64 1 monotonic
  ret void
}
define void @marks(ptr %marks, i64 %n, i64 %grain) {
  call void @adjoint_parallel(ptr @mark, ptr %marks, i64 %n, i64 %grain)
  ret void
}

; 8 outer rows of 100, each a loop of its own.
define internal void @outer(ptr %counts, i64 %begin, i64 %end) {
entry:
  br label %loop
loop:
  %i = phi i64 [ %begin, %entry ], [ %j, %loop ]
  %o = mul i64 %i, 100
  %p = getelementptr i64, ptr %counts, i64 %o
  call void @adjoint_parallel(ptr @count, ptr %p, i64 100, i64 1)
  %j = add i64 %i, 1
  %more = icmp slt i64 %j, %end
  br i1 %more, label %loop, label %done
done:
  ret void
}
define void @nested(ptr %counts) {
  call void @adjoint_parallel(ptr @outer, ptr %counts, i64 8, i64 1)
  ret void
}
"""

WHOLE, ADDRESS = ctypes.c_int64, ctypes.c_void_p


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    threads.install()
    yield
    threads.set_threads(processor.threads())


def library() -> build.Library:
    threads.install()
    return build.library(TEXT)


def counted(n: int, grain: int, times: int = 1) -> None:
    counts = np.zeros(n + 1, np.int64)
    run = library().function("run", None, ADDRESS, WHOLE, WHOLE, WHOLE)
    run(counts.ctypes.data, n, grain, times)
    assert (counts[:n] == times).all()
    assert counts[n] == 0


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_every_number_once(count: int) -> None:
    threads.set_threads(count)
    for n in (0, 1, 2, 3, 7, 64, 1001):
        for grain in (-1, 0, 1, 2, 16, 5000):
            counted(n, grain, 5)


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("grain", [1, 3, 16])
def test_borders_are_multiples_of_the_grain(count: int, grain: int) -> None:
    threads.set_threads(count)
    marks = library().function("marks", None, ADDRESS, WHOLE, WHOLE)
    for n in (1, 15, 16, 17, 100, 1000):
        found = np.zeros(1_000_001, np.int64)
        marks(found.ctypes.data, n, grain)
        (begins,) = np.nonzero(found[:-1])
        units = -(-n // grain)
        assert (begins % grain == 0).all()
        assert found[-1] == len(begins) == min(count, units)
        sizes = np.diff([*begins // grain, units])
        assert sizes.max() - sizes.min() <= 1


def test_many_in_a_row() -> None:
    threads.set_threads(2)
    counted(64, 8, 20_000)


def test_a_worker_that_sleeps_is_woken() -> None:
    threads.set_threads(3)
    for _ in range(20):
        time.sleep(0.002)
        counted(300, 1, 1)


def test_a_loop_within_a_loop() -> None:
    threads.set_threads(2)
    nested = library().function("nested", None, ADDRESS)
    for _ in range(50):
        counts = np.zeros(800, np.int64)
        nested(counts.ctypes.data)
        assert (counts == 1).all()


def test_two_callers_at_once() -> None:
    threads.set_threads(2)
    library()
    failed: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(30):
                counted(500, 4, 100)
        except BaseException as error:  # of any kind: the main thread tells
            failed.append(error)

    callers = [threading.Thread(target=work) for _ in range(3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not failed


def test_going_home_and_coming_back() -> None:
    for _ in range(3):
        threads.set_threads(3)
        assert threads.count() == 3
        counted(100, 1)
        threads.stop()
        assert (threads.count(), threads.state()["workers"]) == (1, 0)
        assert not [t for t in threading.enumerate() if t.name.startswith("adjoint-worker")]
        counted(100, 1)


def test_going_home_while_another_thread_calls() -> None:
    threads.set_threads(2)
    run = library().function("run", None, ADDRESS, WHOLE, WHOLE, WHOLE)
    counts = np.zeros(64, np.int64)
    caller = threading.Thread(target=run, args=(counts.ctypes.data, 64, 1, 100_000))
    caller.start()
    for _ in range(10):
        threads.stop()
        threads.set_threads(2)
    caller.join()
    assert (counts == 100_000).all()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_child_has_its_own_workers() -> None:
    threads.set_threads(2)
    counted(100, 1, 100)
    child = os.fork()
    if child == 0:
        try:
            counted(100, 1, 1000)
            os._exit(0 if threads.state() == {"threads": 2, "workers": 1} else 2)
        finally:
            os._exit(3)
    counted(100, 1, 100)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        time.sleep(0.005)
    else:
        os.kill(child, signal.SIGKILL)
        pytest.fail("the child hangs")
    assert os.waitstatus_to_exitcode(status) == 0
    counted(100, 1, 100)


def pool_of(parking: str) -> build.Library:
    """A pool of its own, whose workers sleep in the way that is asked for."""
    for name in threads._LIBC[parking]:
        address = ctypes.cast(getattr(ctypes.CDLL(None), name), ADDRESS).value or 0
        build.external(name, address)
    return build.library(threads_text.text(processor.machine(), parking), effort=0)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pthread here")
def test_workers_may_sleep_on_a_condition() -> None:
    pool = pool_of("pthread")
    pool.function("adjoint_prepare", None)()
    pool.function("adjoint_patience", None, WHOLE)(100)
    serve = pool.function("adjoint_worker", None, WHOLE)
    workers = [threading.Thread(target=serve, args=(i,)) for i in (1, 2)]
    for worker in workers:
        worker.start()
    pool.function("adjoint_limit", None, WHOLE)(3)
    parallel = pool.function("adjoint_parallel", None, ADDRESS, ADDRESS, WHOLE, WHOLE)
    code = build.library(TEXT.replace("internal void @count", "void @count"))
    count = code.address("count")
    counts = np.zeros(30, np.int64)
    for i in range(2000):
        parallel(count, counts.ctypes.data, 30, 1)
        if i % 100 == 0:
            time.sleep(0.001)
    assert (counts == 2000).all()
    assert pool.function("adjoint_dismiss", ctypes.c_int, WHOLE)(3) == 1
    for worker in workers:
        worker.join(10)
        assert not worker.is_alive()


def test_how_workers_sleep() -> None:
    assert threads_text.parking("x86_64", "linux") == "futex"
    assert threads_text.parking("aarch64", "linux") == "futex"
    assert threads_text.parking("s390x", "linux") == "pthread"
    assert threads_text.parking("aarch64", "darwin") == "pthread"
    assert threads_text.parking("x86_64", "win32") == ""


def test_without_threads() -> None:
    alone = build.library(threads._ALONE, effort=0)
    parallel = alone.function("adjoint_parallel", None, ADDRESS, ADDRESS, WHOLE, WHOLE)
    code = build.library(TEXT.replace("internal void @count", "void @count"))
    count = code.address("count")
    counts = np.zeros(30, np.int64)
    for n in (0, 30):
        parallel(count, counts.ctypes.data, n, 1)
    assert (counts == 1).all()
    assert alone.function("adjoint_threads", WHOLE)() == 1


PROGRAM = """
import ctypes, os, signal, sys, threading, time
import numpy as np
from adjoint.backends.llvm import threads
sys.path.insert(0, {tests!r})
from tests.backends.test_threads import library, ADDRESS, WHOLE
threads.set_threads(2)
run = library().function("run", None, ADDRESS, WHOLE, WHOLE, WHOLE)
counts = np.zeros(64, np.int64)
{body}
"""

EXITS = {
    "plain": "run(counts.ctypes.data, 64, 1, 100)",
    "asleep": "run(counts.ctypes.data, 64, 1, 100); time.sleep(0.01)",
    "busy": """
def forever():
    while True:
        run(counts.ctypes.data, 64, 1, 1000)
threading.Thread(target=forever, daemon=True).start()
time.sleep(0.02)
""",
}


def program(body: str) -> subprocess.CompletedProcess[str]:
    root = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
    text = PROGRAM.format(tests=root, body=body)
    return subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("body", EXITS.values(), ids=EXITS)
def test_the_interpreter_ends(body: str) -> None:
    done = program(body)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(sys.platform == "win32", reason="signals are others there")
def test_ctrl_c_is_not_lost() -> None:
    done = program("""
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    begin = time.monotonic()
    while time.monotonic() - begin < 20:
        run(counts.ctypes.data, 64, 1, 1000)
except KeyboardInterrupt:
    run(counts.ctypes.data, 64, 1, 1000)
    print("stopped", len(set(counts)))
""")
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "stopped 1\n")
