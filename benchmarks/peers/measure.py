"""One system in one process: started by `rounds`, imports its library, prints a line of JSON.

    python -m peers.measure steps SYSTEM WORKLOAD [--threads 2] [--seconds 1]
    python -m peers.measure rate SYSTEM WORKLOAD [--threads 2]
    python -m peers.measure products SYSTEM [--threads 2]

Nothing is imported before its import is timed, so this module names the standard library alone.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import sys
import time
from typing import Any

from peers.names import MODULES, base

MARK = "@@RESULT@@"
SIZES = (64, 256, 512, 1024, 2048)
"""Of the square products whose best rate counts as the machine's peak."""


def set_affinity(threads: int) -> None:
    """Stay on as many processors as there may be threads."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def peak_megabytes() -> float:
    """The most memory that this process has had, in MB (10⁶ bytes)."""
    try:  # not inherited from the parent, as `ru_maxrss` is
        with open("/proc/self/status") as file:
            line = next(line for line in file if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024 / 1e6
    except (OSError, StopIteration):
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most / 1e6 if sys.platform == "darwin" else most * 1024 / 1e6


class Contention:
    """Processors that other processes used since this was made; None where nobody says."""

    def __init__(self) -> None:
        self.wall = time.perf_counter()
        self.own = sum(os.times()[:4])
        self.busy = self._busy()

    @staticmethod
    def _busy() -> float | None:
        try:
            with open("/proc/stat") as file:
                ticks = [int(word) for word in file.readline().split()[1:]]
        except OSError:
            return None
        user, nice, system, _idle, _waiting, *rest = ticks
        return (user + nice + system + sum(rest[:3])) / os.sysconf("SC_CLK_TCK")

    def processors(self) -> float | None:
        """How many were in use by others, on average."""
        wall, busy = time.perf_counter() - self.wall, self._busy()
        if busy is None or self.busy is None or wall < 0.2:  # the counters are coarse
            return None
        return max(0.0, (busy - self.busy - (sum(os.times()[:4]) - self.own)) / wall)


def steps(system: str, workload: str, threads: int, seconds: float, most: int) -> dict[str, Any]:
    """Times, losses and memory of training steps."""
    clock = time.perf_counter
    start = clock()
    module = importlib.import_module(f"peers.{MODULES[base(system)]}")
    import_s = clock() - start
    after_import = peak_megabytes()
    from peers import workloads

    wl = workloads.build(workload)
    start = clock()
    peer = module.Peer(base(system), wl, threads)
    build_s = clock() - start
    start = clock()
    first = peer.step(0)
    first_s = clock() - start
    losses = [peer.value(first)]
    losses += [peer.value(peer.step(i)) for i in range(1, wl.check_steps)]
    times, foreign = _window(peer.step, wl.check_steps, seconds, most)
    return {
        "system": system,
        "workload": workload,
        "version": module.version(),
        "import_s": import_s,
        "build_s": build_s,
        "first_s": first_s,
        "losses": losses,
        "steps": len(times),
        "median_s": statistics.median(times),
        "least_s": min(times),
        "import_mb": after_import,
        "peak_mb": peak_megabytes(),
        "foreign": foreign,
    }


def _window(step: Any, n: int, seconds: float, most: int) -> tuple[list[float], float | None]:
    """Seconds of each step over a while, after a warm-up; processors that others used."""
    clock = time.perf_counter
    end = clock() + min(0.3, seconds / 4)
    while clock() < end:
        step(n)
        n += 1
    times: list[float] = []
    load = Contention()
    begin = clock()
    while True:
        start = clock()
        step(n)
        now = clock()
        n += 1
        times.append(now - start)
        spent = now - begin
        if len(times) >= most or (len(times) >= 30 and spent >= seconds):
            break
        if len(times) >= 3 and spent >= 3 * seconds:
            break
    return times, load.processors()


def products(system: str, threads: int) -> dict[str, float]:
    """Rate of square float32 products, in GFLOP/s by size."""
    module = importlib.import_module(f"peers.{MODULES[base(system)]}")
    clock = time.perf_counter
    rates: dict[str, float] = {}
    for n in SIZES:
        product = module.gemm(n, threads)
        product(), product()
        least, count, begin = float("inf"), 0, clock()
        while count < 5 or (clock() - begin < 0.6 and count < 300):
            start = clock()
            product()
            least = min(least, clock() - start)
            count += 1
        rates[str(n)] = 2 * n**3 / least / 1e9
    return rates


def rate(system: str, workload: str, threads: int) -> dict[str, float]:
    """GFLOP/s within the products of a step, after some steps."""
    module = importlib.import_module(f"peers.{MODULES[base(system)]}")
    from peers import workloads

    peer = module.Peer(base(system), workloads.build(workload), threads)
    for i in range(3):
        peer.step(i)
    return {"gflops": peer.rate()}


def main() -> None:
    """Measure what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("steps", "rate", "products"))
    parser.add_argument("system")
    parser.add_argument("workload", nargs="?", default="")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--most", type=int, default=5000)
    args = parser.parse_args()
    set_affinity(args.threads)
    found: dict[str, Any]
    if args.what == "products":
        found = products(args.system, args.threads)
    elif args.what == "rate":
        found = rate(args.system, args.workload, args.threads)
    else:
        found = steps(args.system, args.workload, args.threads, args.seconds, args.most)
    print(MARK + json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
