"""What strong zeros cost: backward passes with the check for NaN, over the same without it.

    python benchmarks/strong_zeros.py [--rounds 15] [--sizes 1,100,10000,1000000] [--write FILE]

A cotangent that is exactly zero stays zero through an infinite or NaN derivative. For this, each
product in a backward pass is looked at once more: is there a NaN in it? Here the products are also
computed without that look, in the same process and in turn, and backward passes are timed with one
thread for numerical libraries. A ratio is the median over the rounds of one round's minimum over
that of the other; "noise" is the same ratio of two measurements of the same thing.

The chain has 20 elementwise operations whose derivative is an array, on a vector of that size. The
network has three layers with as many units as its batch has rows, and its hidden activations are of
that size. No gradient here is NaN, so nothing has to be repaired.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import adjoint as ad
from adjoint.ops import families
from adjoint.ops.bilinear import AbstractBilinear

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
LENGTH = 20
LAYERS = 3
SPENT = 0.05  # seconds of a round that one measurement may take
Step = Callable[[], Any]


@contextlib.contextmanager
def without_check() -> Iterator[None]:
    """The library as it would be without strong zeros: plain products in the backward pass."""
    before = families.strong_multiply, AbstractBilinear.value
    families.strong_multiply = lambda ct, d: ct * d
    AbstractBilinear.value = lambda self, x, y: self.plain(x, y)
    try:
        yield
    finally:
        families.strong_multiply, AbstractBilinear.value = before


def chain(size: int) -> Step:
    """A loss at the end of elementwise operations."""
    x = ad.tensor(np.random.default_rng(0).uniform(0.5, 1.0, size), "float32", requires_grad=True)

    def loss() -> Any:
        y = x
        for _ in range(LENGTH // 4):
            y = ad.exp(ad.tanh(ad.sin(ad.sqrt(y))) - 1.0)
        return y.sum()

    return loss


def network(size: int) -> Step:
    """The loss of a network with a batch."""
    n = max(1, math.isqrt(size))
    rng = np.random.default_rng(0)
    batch = rng.normal(size=(n, n)).astype("float32")
    weights = [
        ad.tensor(rng.normal(size=(n, n)) / n**0.5, "float32", requires_grad=True)
        for _ in range(LAYERS)
    ]

    def loss() -> Any:
        h = ad.tensor(batch)
        for w in weights:
            h = ad.tanh(h @ w)
        return (h * h).mean()

    return loss


CASES = {"elementwise chain": chain, "network": network}


def fastest(loss: Step) -> float:
    """The shortest time of a backward pass, in seconds; forward passes are not counted."""
    best, spent = math.inf, 0.0
    while spent < SPENT:
        root = loss()
        start = time.perf_counter()
        root.backward()
        taken = time.perf_counter() - start
        best, spent = min(best, taken), spent + taken
    return best


def measure(case: str, size: int, rounds: int) -> dict[str, float]:
    """Times and ratios of one row."""
    loss = CASES[case](size)
    fastest(loss)  # the first pass finds out what each operation keeps
    checked: list[float] = []
    plain: list[float] = []
    again: list[float] = []
    for _ in range(rounds):
        checked.append(fastest(loss))
        with without_check():
            plain.append(fastest(loss))
        again.append(fastest(loss))
    ratios = [with_ / without for with_, without in zip(checked, plain, strict=True)]
    noise = [a / b for a, b in zip(checked, again, strict=True)]
    return {
        "with": statistics.median(checked),
        "without": statistics.median(plain),
        "ratio": statistics.median(ratios),
        "noise": statistics.median(noise),
    }


def table(sizes: list[int], rounds: int) -> str:
    """All rows, as Markdown."""
    lines = [
        f"NumPy {np.__version__}, Python {platform.python_version()}, {platform.machine()}, "
        f"1 thread, float32, {rounds} rounds",
        "",
        "| backward pass of | size | without check, µs | with check, µs | ratio | noise |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for case in CASES:
        for size in sizes:
            row = measure(case, size, rounds)
            lines.append(
                f"| {case} | {size:,} | {row['without'] * 1e6:,.1f} | {row['with'] * 1e6:,.1f} "
                f"| {row['ratio']:.3f} | {row['noise']:.3f} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--sizes", default="1,100,10000,1000000")
    parser.add_argument("--write", type=Path, help="also write the table to this file")
    args = parser.parse_args()
    if any(os.environ.get(name) != "1" for name in THREADS):  # NumPy reads them when it is loaded
        env = os.environ | dict.fromkeys(THREADS, "1")
        sys.exit(subprocess.run([sys.executable, *sys.argv], env=env, check=False).returncode)
    text = table([int(n) for n in args.sizes.split(",")], args.rounds)
    print(text)
    if args.write:
        args.write.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
