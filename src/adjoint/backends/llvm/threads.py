"""The project's own threads: one per core beyond the caller's, asleep when there is nothing to do.

Generated code calls ``void adjoint_parallel(ptr fn, ptr args, i64 n, i64 grain)``, which runs
``fn(args, begin, end)`` over parts of ``[0, n)`` whose borders are multiples of `grain`, and
returns when all are done. There are no more parts than threads.

A worker is a thread of Python's that went into machine code and stays there without the
interpreter's lock. It takes no signals: Ctrl-C goes to the main thread, as ever.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
import sys
import threading
import time
from typing import Any

from adjoint.backends.llvm import build, processor, threads_text

PATIENCE = 100e-6  # seconds that a worker spins for before it sleeps: about what waking it costs

_lock = threading.RLock()


class _Pool:
    """The workers of this process."""

    def __init__(self, parking: str) -> None:
        for name in _LIBC[parking]:
            function = getattr(ctypes.CDLL(None), name)
            build.external(name, ctypes.cast(function, ctypes.c_void_p).value or 0)
        self.library = build.library(threads_text.text(processor.machine(), parking), effort=0)
        whole = ctypes.c_int64
        self.limit = self.library.function("adjoint_limit", None, whole)
        self.worker = self.library.function("adjoint_worker", None, whole)
        self.dismiss = self.library.function("adjoint_dismiss", ctypes.c_int, whole)
        self.forget = self.library.function("adjoint_forget", None)
        self.library.function("adjoint_prepare", None)()
        self._measure_patience()
        self.workers: list[threading.Thread] = []
        _publish(self.library)

    def _measure_patience(self) -> None:
        pauses = self.library.function("adjoint_pauses", None, ctypes.c_int64)
        pauses(1)
        tries: list[float] = []
        for _ in range(3):
            begin = time.perf_counter()
            pauses(1000)
            tries.append(time.perf_counter() - begin)
        count = int(PATIENCE / (min(tries) / 1000 + 1e-10))
        set_patience = self.library.function("adjoint_patience", None, ctypes.c_int64)
        set_patience(max(100, min(count, 1_000_000)))

    def resize(self, count: int) -> None:
        """Lets loops run on `count` threads, and starts the workers that are missing for that."""
        for i in range(len(self.workers) + 1, count):
            worker = threading.Thread(
                target=self._serve, args=(i,), name=f"adjoint-worker-{i}", daemon=True
            )
            worker.start()
            self.workers.append(worker)
        self.limit(count)

    def _serve(self, i: int) -> None:
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        self.worker(i)

    def stop(self) -> None:
        """Sends all workers home; loops run on the caller alone from here on."""
        if self.workers and self.dismiss(len(self.workers) + 1):
            for worker in self.workers:
                worker.join()
            self.workers = []

    def after_fork(self) -> None:
        """In the child only the thread that forked is left."""
        count = len(self.workers) + 1
        self.workers = []
        self.forget()
        self.resize(count)


_LIBC = {
    "futex": ("syscall",),
    "pthread": (
        "pthread_mutex_init",
        "pthread_mutex_lock",
        "pthread_mutex_unlock",
        "pthread_cond_init",
        "pthread_cond_wait",
        "pthread_cond_broadcast",
    ),
}

# Where threads cannot sleep, a loop is run whole by the thread that asks for it.
_ALONE = """
define void @adjoint_parallel(ptr %function, ptr %arguments, i64 %n, i64 %grain) {
  %some = icmp sgt i64 %n, 0
  br i1 %some, label %run, label %done
run:
  call void %function(ptr %arguments, i64 0, i64 %n)
  br label %done
done:
  ret void
}
define i64 @adjoint_threads() {
  ret i64 1
}
"""

_pool: _Pool | None = None
_alone: build.Library | None = None
_count = 1


def install() -> None:
    """Makes ``adjoint_parallel`` known to modules and starts the workers, once for the process."""
    global _pool, _alone  # noqa: PLW0603  # one pool for one process
    with _lock:
        if _pool is not None or _alone is not None:
            return
        parking = threads_text.parking(processor.machine(), sys.platform)
        if parking:
            _pool = _Pool(parking)
            set_threads(processor.threads())
        else:
            _alone = build.library(_ALONE, effort=0)
            _publish(_alone)


def _publish(library: build.Library) -> None:
    for name in ("adjoint_parallel", "adjoint_threads"):
        build.external(name, library.address(name))


def set_threads(count: int) -> None:
    """Lets loops run on `count` threads from now on, the caller's among them."""
    global _count  # noqa: PLW0603
    with _lock:
        install()
        if _pool is not None:
            _count = max(1, min(count, threads_text.MOST))
            _pool.resize(_count)


def count() -> int:
    """How many threads a loop is split among at most."""
    return _count


def stop() -> None:
    """Sends the workers home. `set_threads` brings new ones."""
    global _count  # noqa: PLW0603
    with _lock:
        if _pool is not None:
            _count = 1
            _pool.stop()


def _after_fork() -> None:
    global _lock  # noqa: PLW0603
    _lock = threading.RLock()
    if _pool is not None:
        _pool.after_fork()


atexit.register(stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def state() -> dict[str, Any]:
    """What tests and reports want to know."""
    return {"threads": _count, "workers": 0 if _pool is None else len(_pool.workers)}
