"""Matrix products by address: a copy of OpenBLAS of the project's own, called from machine code.

The library is `scipy-openblas32`, loaded apart from NumPy's, with the kernels that suit the
processor and one thread: work is split by the caller (`adjoint_parallel`). After `install`, modules
may declare, for ``f32`` and ``f64`` and row-major matrices,

- ``adjoint_gemm_f32(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)``:
  ``C[m, n] = alpha op(A) op(B) + beta C`` on the calling thread; sizes are ``i64``, and ``ta``
  other than 0 transposes A;
- ``adjoint_pgemm_f32(…)``: the same on all threads;
- ``adjoint_bgemm_f32(ta, tb, m, n, k, alpha, a, lda, sa, b, ldb, sb, beta, c, ldc, sc, batch)``:
  one for each of a batch, ``sa``, ``sb`` and ``sc`` numbers apart, on all threads.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib.util
import os
import sys
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

from adjoint.backends.llvm import blas_text, build, door, processor, small_text, threads

_lock = threading.RLock()
_SIZES = {"f32": 4, "f64": 8}
_kept: list[build.Library] = []  # others call into them


@functools.cache
def available() -> str:
    """An empty string if products can be had, else the sentence that says why not."""
    reason = door.available()
    if reason:
        return reason
    try:
        _library()
    except ImportError as error:
        return f"{error}; `pip install scipy-openblas32` brings it"
    except (OSError, AttributeError) as error:
        return f"scipy-openblas32 does not work here: {error}"
    return ""


@functools.cache
def install() -> None:
    """Makes the products known to modules, and the threads that they run on.

    Nothing is compiled before a module declares a product of that precision.
    """
    threads.install()
    for t in _SIZES:
        for name in ("gemm", "pgemm", "bgemm"):
            symbol = f"adjoint_{name}_{t}"
            build.external(symbol, functools.partial(_address, t, symbol))


@functools.cache
def products(t: str) -> build.Library:
    """The products of a precision, ``f32`` or ``f64``."""
    install()
    library = _library()
    letter = {"f32": "s", "f64": "d"}[t]
    for name in ("gemm", "gemv"):
        function = getattr(library, f"scipy_cblas_{letter}{name}")
        address = ctypes.cast(function, ctypes.c_void_p).value or 0
        build.external(f"adjoint_cblas_{letter}{name}", address)
    small = _small(t)
    return build.library(blas_text.text(t, small), effort=0)


def _address(t: str, symbol: str) -> int:
    return products(t).address(symbol)


def _small(t: str) -> bool:
    """Announces the project's own kernel for small products, if there are vectors for it."""
    width = processor.vector_bytes()
    symbol = f"adjoint_small_{t}"
    if width < 32:  # masked vectors are what makes it fast
        return False
    lanes = width // _SIZES[t]
    real = {"f32": "float", "f64": "double"}[t]
    library = build.library(small_text.text(t, real, lanes, small_text.rows(width)), effort=1)
    build.external(symbol, library.address(symbol))
    _kept.append(library)
    return True


def family() -> str:
    """The kernels that are in use, such as ``SkylakeX`` or ``Zen``."""
    asked = _library().scipy_openblas_get_corename
    asked.restype = ctypes.c_char_p
    return asked().decode()


@functools.cache
def _library() -> Any:
    with _lock, _environment(OPENBLAS_NUM_THREADS="1", OPENBLAS_CORETYPE=processor.blas_family()):
        library = ctypes.CDLL(str(_path()))
    library.scipy_openblas_set_num_threads(1)
    return library


def _path() -> Path:
    """Where the shared library lies. Its package is not imported: that would take longer."""
    found = importlib.util.find_spec("scipy_openblas32")
    if found is None or found.origin is None:
        raise ImportError("scipy-openblas32 is not installed")
    suffix = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
    files = sorted((Path(found.origin).parent / "lib").glob(f"*openblas*{suffix}"))
    if not files:
        raise ImportError("scipy-openblas32 is installed without its library")
    return files[0]


@contextlib.contextmanager
def _environment(**variables: str) -> Generator[None]:
    """Sets variables of the environment for a while; not to "", nor a choice of the user's."""
    new = {
        k: v for k, v in variables.items() if v and (k not in os.environ or k.endswith("THREADS"))
    }
    old = {k: os.environ.get(k) for k in new}
    os.environ.update(new)
    try:
        yield
    finally:
        for k, v in old.items():
            if v is None:
                del os.environ[k]
            else:
                os.environ[k] = v
