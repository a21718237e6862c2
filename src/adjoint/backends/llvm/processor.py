"""What the processor at hand is and has: its name, its vectors, its cores, its best kernels."""

from __future__ import annotations

import functools
import os

from adjoint.backends.llvm import door
from adjoint.core.errors import ArgumentError

# What OpenBLAS tells apart by itself among processors with AVX-512; of the others it knows nothing
# and falls back on kernels with half the width.
_KNOWN_TO_OPENBLAS = ("skylake-avx512", "cascadelake", "cooperlake", "icelake", "sapphirerapids")


@functools.cache
def name() -> str:
    """LLVM's name of the processor, such as ``znver5`` or ``apple-m1``."""
    return door.llvm().get_host_cpu_name()


@functools.cache
def features() -> str:
    """The processor's features, as LLVM takes them: ``+avx2,-avx512f,…``."""
    return door.llvm().get_host_cpu_features().flatten()


@functools.cache
def triple() -> str:
    """The platform that code is made for, such as ``x86_64-unknown-linux-gnu``."""
    return door.llvm().get_process_triple()


@functools.cache
def machine() -> str:
    """The family of processors: ``x86_64``, ``aarch64``, or another first word of the triple."""
    first = triple().split("-")[0]
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(first, first)


def has(*wanted: str) -> bool:
    """Whether the processor has every feature that is named."""
    present = features().split(",")
    return all(f"+{feature}" in present for feature in wanted)


@functools.cache
def vector_bytes() -> int:
    """Width of the widest vector register worth using, in bytes."""
    if has("avx512f", "avx512vl", "avx512bw", "avx512dq"):
        return 64
    return 32 if has("avx2") else 16


def affinity() -> int:
    """How many cores this process may run on."""
    count = getattr(os, "process_cpu_count", None)  # from Python 3.13
    if count is not None:
        return count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


def threads() -> int:
    """How many threads a program runs on: ``ADJOINT_NUM_THREADS``, or one for each core.

    Raises:
        ArgumentError: if the variable holds something else than a whole number from 1.
    """
    said = os.environ.get("ADJOINT_NUM_THREADS", "").strip()
    if not said:
        return affinity()
    if not said.isdecimal() or int(said) < 1:
        raise ArgumentError(f"ADJOINT_NUM_THREADS is {said!r}; it takes a whole number from 1")
    return int(said)


def blas_family() -> str:
    """The kernels that OpenBLAS shall use, or an empty string where it chooses well by itself."""
    if vector_bytes() < 64 or name().startswith(_KNOWN_TO_OPENBLAS):
        return ""
    return "SkylakeX"
