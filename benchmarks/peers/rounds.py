"""Processes in turn: each round runs every system once, so that a drift of the machine hits all."""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peers.measure import MARK
from peers.names import ARENA, base, supported

ROOT = Path(__file__).resolve().parents[1]
NUMBERS_OF_THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUM_CPU_THREADS",
    "ADJOINT_NUM_THREADS",
)
QUIET = 0.15
"""Processors that others may use while a round counts as undisturbed."""


@dataclass
class Settings:
    """How to measure.

    Attributes:
        cache: a folder for what systems keep on disk; it starts empty.
        threads: of each process, which is kept to as many processors.
        seconds: of the window in which steps are timed.
        most: steps in it.
        rounds: how often each system is measured.
        extra: how many more rounds there may be where some were disturbed.
        timeout: seconds after which a process is ended.
    """

    cache: Path
    threads: int = 2
    seconds: float = 1.0
    most: int = 5000
    rounds: int = 3
    extra: int = 0
    timeout: float = 240.0


def environment(system: str, threads: int, cache: Path) -> dict[str, str]:
    """What a process sees: numbers of threads, and folders of its own for what it keeps."""
    cache.mkdir(parents=True, exist_ok=True)
    (cache / "tmp").mkdir(exist_ok=True)  # where MLX keeps its kernels
    env = dict(os.environ, **dict.fromkeys(NUMBERS_OF_THREADS, str(threads)))
    env |= {
        "ADJOINT_CACHE_DIR": str(cache / "adjoint"),
        "TORCHINDUCTOR_CACHE_DIR": str(cache / "inductor"),
        "CACHEDB": str(cache / "tinygrad.db"),
        "TMPDIR": str(cache / "tmp"),
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
    }
    return env | (ARENA if system.endswith("+arena") else {})


def install_bytecode(package: str) -> None:
    """Compile a package's sources to bytecode, as installing it does: it may be a checkout."""
    found = importlib.util.find_spec(package)
    for folder in (found and found.submodule_search_locations) or ():
        subprocess.run([sys.executable, "-m", "compileall", "-q", folder], check=False)


def process(module: str, args: Iterable[str], env: dict[str, str], timeout: float) -> str:
    """Standard output of a module run in a process of its own.

    Raises:
        RuntimeError: if it fails; with the last line of what it said.
    """
    command = [sys.executable, "-m", module, *args]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, env=env, check=False
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"no end after {timeout:g} s") from None
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise RuntimeError(said[-1][:300] if said else f"exit status {done.returncode}")
    return done.stdout


def measured(what: str, system: str, workload: str, settings: Settings) -> dict[str, Any]:
    """What a process of `peers.measure` found, or the error that ended it."""
    cache = settings.cache / system / (workload or what)
    args = [what, system, *([workload] if workload else [])]
    args += ["--threads", str(settings.threads), "--seconds", str(settings.seconds)]
    args += ["--most", str(settings.most)]
    env = environment(system, settings.threads, cache)
    try:
        text = process("peers.measure", args, env, settings.timeout)
    except RuntimeError as error:
        return {"error": str(error)}
    line = next(line for line in reversed(text.splitlines()) if line.startswith(MARK))
    return json.loads(line.removeprefix(MARK))


def peak(systems: Iterable[str], settings: Settings) -> dict[str, dict[str, float]]:
    """Best rates of square products by system and size, each in two processes."""
    found: dict[str, dict[str, float]] = {}
    names = [s for s in dict.fromkeys(map(base, systems)) if s in ("torch", "jax", "adjoint")]
    for name in names * 2:
        for size, rate in measured("products", name, "", settings).items():
            if size != "error":
                best = found.setdefault(name, {})
                best[size] = max(rate, best.get(size, 0.0))
    for name, rates in found.items():
        say(f"products {name}: " + "  ".join(f"{n}: {r:.0f}" for n, r in rates.items()))
    return found


def rates(workload: str, systems: Iterable[str], settings: Settings) -> dict[str, float]:
    """GFLOP/s within the products of a workload, of the systems that can tell."""
    found: dict[str, float] = {}
    for system in [s for s in systems if base(s) == "adjoint"]:
        result = measured("rate", system, workload, settings)
        say(f"{workload} products {system}: {result}")
        if "gflops" in result:
            found[system] = result["gflops"]
    return found


def cells(workload: str, systems: Iterable[str], settings: Settings) -> dict[str, dict[str, Any]]:
    """Each system on a workload, summarised over the rounds."""
    found: dict[str, list[dict[str, Any]]] = {s: [] for s in systems if supported(s, workload)}
    for i in range(settings.rounds + settings.extra):
        for system, before in found.items():
            if any("error" in r for r in before):
                continue
            if i >= settings.rounds and not disturbed(before, settings.rounds):
                continue
            start = time.perf_counter()
            result = measured("steps", system, workload, settings)
            before.append(result)
            say(
                f"{workload} {i + 1} {system}: {_line(result)}  {time.perf_counter() - start:.1f} s"
            )
    return {system: summary(rounds) for system, rounds in found.items()}


def _line(r: dict[str, Any]) -> str:
    if "error" in r:
        return f"failed: {r['error']}"
    return (
        f"{r['median_s'] * 1e3:.4g} ms, {r['steps']} steps, first {r['first_s']:.3f} s, "
        f"{r['peak_mb']:.0f} MB, others {r['foreign'] or 0.0:.2f}"
    )


def quiet(rounds: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rounds in which hardly anything else ran."""
    return [r for r in rounds if (r["foreign"] or 0.0) < QUIET]


def disturbed(rounds: list[dict[str, Any]], wanted: int) -> bool:
    """Whether more rounds would help."""
    still = quiet(rounds)
    if len(still) < wanted:
        return True
    medians = sorted(r["median_s"] for r in still)
    return medians[len(medians) // 2] / medians[0] > 1.15


def summary(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """The median of the rounds' medians, over undisturbed rounds where there are any."""
    failed = [r["error"] for r in rounds if "error" in r]
    if failed:
        return {"error": failed[0]}
    used = quiet(rounds) or rounds
    medians = [r["median_s"] for r in used]
    first, later = rounds[0], rounds[1:]
    step = statistics.median(medians)
    return {
        "version": first["version"],
        "rounds": len(used),
        "contended": not quiet(rounds),
        "step_s": step,
        "best_s": min(medians),
        "spread": max(medians) / min(medians),
        "import_s": statistics.median(r["import_s"] for r in rounds),
        "import_mb": statistics.median(r["import_mb"] for r in rounds),
        "cold_s": max(0.0, first["first_s"] - step),
        "warm_s": max(0.0, min(r["first_s"] for r in later) - step) if later else None,
        "start_cold_s": first["import_s"] + first["build_s"] + first["first_s"],
        "start_warm_s": min(
            (r["import_s"] + r["build_s"] + r["first_s"] for r in later), default=None
        ),
        "peak_mb": statistics.median(r["peak_mb"] for r in rounds),
        "losses": first["losses"],
    }


def agree(found: dict[str, dict[str, Any]], tolerance: float) -> None:
    """Note how far each system's losses are from the median system's."""
    have = {s: c["losses"] for s, c in found.items() if "losses" in c}
    if not have:
        return
    middle = [statistics.median_low(row) for row in zip(*have.values(), strict=True)]
    for system, losses in have.items():
        pairs = zip(losses, middle, strict=True)
        off = max(abs(a - b) / max(abs(b), 1e-6) for a, b in pairs)
        found[system]["loss_off"] = off
        found[system]["loss_ok"] = bool(off <= tolerance)


def say(line: str) -> None:
    """Progress, beside the report."""
    print(line, file=sys.stderr, flush=True)
