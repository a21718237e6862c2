"""Work ahead: results are computed in threads while the earlier ones are being used."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any


def ahead(
    make: Callable[[int], Any], keys: Iterable[int], workers: int, depth: int
) -> Generator[Any]:
    """``make(key)`` for each key, in order, computed by threads at most `depth` results ahead.

    An exception in a thread is raised here, with its traceback, in the place of its result. When
    the generator is closed (which `break`, Ctrl-C and garbage collection do), what has not begun
    is cancelled, and the threads end.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="adjoint-data")
    rest = iter(keys)
    waiting: deque[Future[Any]] = deque()
    try:
        waiting.extend(pool.submit(make, key) for key in islice(rest, depth))
        while waiting:
            waiting.extend(pool.submit(make, key) for key in islice(rest, 1))
            yield waiting.popleft().result()  # without a name, which would keep the batch alive
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
