"""Products in machine code: against NumPy, at any distance between rows, on one thread and two."""

import ctypes
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adjoint.backends.llvm import blas, blas_text, build, door, processor, threads

WHOLE, ADDRESS = ctypes.c_int64, ctypes.c_void_p
REALS = {"f32": ctypes.c_float, "f64": ctypes.c_double}
DTYPES = {"f32": np.float32, "f64": np.float64}
EXACT = {"f32": 2e-6, "f64": 4e-15}
FLAGS = list(product((0, 1), (0, 1)))


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    blas.install()
    threads.set_threads(2)
    yield
    threads.set_threads(processor.threads())


def entry(kind: str, t: str) -> Any:
    real = REALS[t]
    a, b, c = [[ADDRESS, WHOLE, *([WHOLE] if kind == "bgemm" else [])]] * 3
    batch = [WHOLE] if kind == "bgemm" else []
    return blas.products(t).function(
        f"adjoint_{kind}_{t}", None, *[WHOLE] * 5, real, *a, *b, real, *c, *batch
    )


def matrix(rng: np.random.Generator, rows: int, columns: int, pad: int, t: str) -> np.ndarray:
    """A matrix whose rows lie `pad` numbers apart; what lies between is not a number."""
    whole = np.full((rows, columns + pad), np.nan, DTYPES[t])
    whole[:, :columns] = rng.standard_normal((rows, columns))
    return whole[:, :columns]


def lead(x: np.ndarray) -> int:
    return x.strides[-2] // x.itemsize


def call(
    kind: str, t: str, ta: int, tb: int, a: Any, b: Any, c: Any, alpha: float = 1, beta: float = 0
) -> np.ndarray:
    m, n = c.shape
    k = a.shape[0] if ta else a.shape[1]
    pointers = (a.ctypes.data, lead(a), b.ctypes.data, lead(b)), (c.ctypes.data, lead(c))
    entry(kind, t)(ta, tb, m, n, k, alpha, *pointers[0], beta, *pointers[1])
    return c


def operands(
    rng: np.random.Generator, t: str, ta: int, tb: int, m: int, n: int, k: int, pad: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    a = matrix(rng, k, m, pad, t) if ta else matrix(rng, m, k, pad, t)
    b = matrix(rng, n, k, pad, t) if tb else matrix(rng, k, n, pad, t)
    return a, b


def reference(
    ta: int, tb: int, a: np.ndarray, b: np.ndarray, alpha: float, beta: float, c: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The product in double precision, and the sum of magnitudes that bounds its error."""
    x, y = (a.T if ta else a).astype(np.float64), (b.T if tb else b).astype(np.float64)
    old = beta * c.astype(np.float64) if beta else np.zeros(c.shape)
    return alpha * (x @ y) + old, abs(alpha) * (abs(x) @ abs(y)) + abs(old) + 1e-30


@pytest.mark.parametrize("kind", ["gemm", "pgemm"])
@pytest.mark.parametrize("t", REALS)
@pytest.mark.parametrize(("ta", "tb"), FLAGS)
def test_products_are_numpys(kind: str, t: str, ta: int, tb: int, rng: np.random.Generator) -> None:
    sizes = (0, 1, 2, 5, 17, 48, 67)
    for m, n, k in product(sizes, sizes, (0, 1, 3, 16, 70)):
        pad = (m + n + k) % 3
        a, b = operands(rng, t, ta, tb, m, n, k, pad)
        for alpha, beta in ((1, 0), (1, 1), (-0.5, 0.25)):
            whole = np.full((m, n + 2), 7, DTYPES[t])
            c = whole[:, :n]
            c[...] = np.nan if beta == 0 else rng.standard_normal((m, n))
            expected, bound = reference(ta, tb, a, b, alpha, beta, c)
            call(kind, t, ta, tb, a, b, c, alpha, beta)
            assert (abs(c - expected) <= EXACT[t] * bound).all(), (m, n, k, alpha, beta)
            assert (whole[:, n:] == 7).all()


LARGE = [
    (32, 512, 300),
    (33, 100, 300),
    (300, 40, 40),
    (700, 10, 90),
    (10, 700, 90),
    (129, 257, 65),
    (784, 128, 32),
    (1, 1000, 500),
    (1000, 1, 500),
    (64, 64, 64),
]


@pytest.mark.parametrize("t", REALS)
@pytest.mark.parametrize(("m", "n", "k"), LARGE)
def test_one_thread_and_two_give_the_same_bits(
    t: str, m: int, n: int, k: int, rng: np.random.Generator
) -> None:
    for ta, tb in FLAGS:
        a, b = operands(rng, t, ta, tb, m, n, k, pad=1)
        start = rng.standard_normal((m, n)).astype(DTYPES[t])
        found = []
        for count in (1, 2, 2, 1):
            threads.set_threads(count)
            found.append(call("pgemm", t, ta, tb, a, b, start.copy(), 1.25, 0.5))
        assert all((found[0] == other).all() for other in found[1:])
        expected, bound = reference(ta, tb, a, b, 1.25, 0.5, start)
        assert (abs(found[0] - expected) <= EXACT[t] * bound).all()


@pytest.mark.parametrize("t", REALS)
def test_more_threads_than_panels(t: str, rng: np.random.Generator) -> None:
    threads.set_threads(7)
    for m, n, k in LARGE:
        a, b = operands(rng, t, 0, 0, m, n, k)
        c = np.empty((m, n), DTYPES[t])
        expected, bound = reference(0, 0, a, b, 1, 0, c)
        first = call("pgemm", t, 0, 0, a, b, c).copy()
        assert (abs(first - expected) <= EXACT[t] * bound).all()
        assert (call("pgemm", t, 0, 0, a, b, c) == first).all()


@pytest.mark.parametrize("t", REALS)
@pytest.mark.parametrize(("ta", "tb"), FLAGS)
def test_batches(t: str, ta: int, tb: int, rng: np.random.Generator) -> None:
    run = entry("bgemm", t)
    for batch, m, n, k in (
        (0, 3, 4, 5),
        (1, 30, 40, 50),
        (5, 3, 4, 5),
        (24, 32, 32, 16),
        (3, 70, 80, 90),
    ):
        a = rng.standard_normal((batch, *((k, m) if ta else (m, k)))).astype(DTYPES[t])
        b = rng.standard_normal((batch, *((n, k) if tb else (k, n)))).astype(DTYPES[t])
        c = rng.standard_normal((batch, m, n)).astype(DTYPES[t])
        x, y = a.mT if ta else a, b.mT if tb else b
        expected = 2 * (x.astype(np.float64) @ y) + 0.5 * c
        found = []
        for count in (1, 2, 2):
            threads.set_threads(count)
            out = c.copy()
            addresses = [(z.ctypes.data, z.shape[2], z.shape[1] * z.shape[2]) for z in (a, b, out)]
            run(ta, tb, m, n, k, 2.0, *addresses[0], *addresses[1], 0.5, *addresses[2], batch)
            found.append(out)
        assert all((found[0] == other).all() for other in found)
        np.testing.assert_allclose(found[0], expected, rtol=0, atol=200 * EXACT[t] * k**0.5 + 1e-30)


def test_an_operand_may_be_shared_by_the_batch(rng: np.random.Generator) -> None:
    a, b = rng.standard_normal((6, 4, 5)), rng.standard_normal((5, 3))
    c = np.empty((6, 4, 3))
    entry("bgemm", "f64")(
        0, 0, 4, 3, 5, 1, a.ctypes.data, 5, 20, b.ctypes.data, 3, 0, 0, c.ctypes.data, 3, 12, 6
    )
    np.testing.assert_allclose(c, a @ b, rtol=1e-13)


@pytest.mark.parametrize("t", REALS)
def test_a_single_row_may_come_with_any_distance(t: str, rng: np.random.Generator) -> None:
    for ta, tb in FLAGS:
        for m, n, k in ((1, 5, 7), (5, 1, 7), (5, 7, 1), (1, 1, 9), (1, 1, 1)):
            a, b = operands(rng, t, ta, tb, m, n, k)
            c = np.full((m, n), np.nan, DTYPES[t])
            expected, bound = reference(ta, tb, a, b, 1, 0, c)
            leads = [0 if x.shape[0] == 1 else lead(x) for x in (a, b, c)]
            entry("gemm", t)(
                ta, tb, m, n, k, 1, a.ctypes.data, leads[0], b.ctypes.data, leads[1], 0,
                c.ctypes.data, leads[2],
            )  # fmt: skip
            assert (abs(c - expected) <= EXACT[t] * bound).all(), (ta, tb, m, n, k)


def test_what_is_not_a_number_goes_through(rng: np.random.Generator) -> None:
    for m, n, k in ((4, 5, 6), (1, 5, 6), (4, 1, 6), (100, 100, 40)):
        a, b = operands(rng, "f32", 0, 0, m, n, k)
        a[0, 0] = np.nan
        b[k - 1, n - 1] = np.inf
        for kind in ("gemm", "pgemm"):
            c = call(kind, "f32", 0, 0, a, b, np.empty((m, n), np.float32))
            with np.errstate(invalid="ignore"):
                assert (np.isfinite(c) == np.isfinite(a @ b)).all()


def test_beyond_32_bits(rng: np.random.Generator) -> None:
    """Distances between rows that the library cannot be told, of matrices with one row."""
    far = 2**31 + 16
    a, b = operands(rng, "f64", 1, 0, 4, 3, 1)
    c = np.full((4, 3), np.nan)
    addresses = (a.ctypes.data, far, b.ctypes.data, far)
    entry("gemm", "f64")(1, 0, 4, 3, 1, 1.5, *addresses, 0, c.ctypes.data, 3)
    np.testing.assert_allclose(c, 1.5 * a.T @ b, rtol=1e-14)
    entry("gemm", "f64")(1, 0, 4, 3, 1, 1.5, *addresses, 2, c.ctypes.data, 3)
    np.testing.assert_allclose(c, 4.5 * a.T @ b, rtol=1e-14)


def test_two_threads_call_at_once(rng: np.random.Generator) -> None:
    jobs = [operands(rng, "f32", 0, 1, 96, 160, 80) for _ in range(3)]
    blank = np.empty((96, 160), np.float32)
    alone = [call("pgemm", "f32", 0, 1, a, b, blank.copy()) for a, b in jobs]
    wrong: list[int] = []

    def work(i: int) -> None:
        for _ in range(200):
            found = call("pgemm", "f32", 0, 1, *jobs[i], blank.copy())
            if not (found == alone[i]).all():
                wrong.append(i)

    callers = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


FORK = """
import numpy as np, os, sys
sys.path.insert(0, {root!r})
from adjoint.backends.llvm import threads
from tests.backends.test_blas import blas, call, operands
blas.install()
threads.set_threads(2)
a, b = operands(np.random.default_rng(0), "f32", 0, 0, 128, 128, 128)
c = call("pgemm", "f32", 0, 0, a, b, np.empty((128, 128), np.float32))
child = os.fork()
d = call("pgemm", "f32", 0, 0, a, b, np.empty((128, 128), np.float32))
assert (c == d).all()
if child:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    print("both")
else:
    os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_computes_the_same() -> None:
    text = FORK.format(root=str(Path(__file__).parents[2]))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", text],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "both\n"), done.stderr


def test_the_environment_is_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    before = dict(os.environ)
    with blas._environment(OPENBLAS_NUM_THREADS="1", OPENBLAS_CORETYPE="SkylakeX", OTHER=""):
        assert os.environ["OPENBLAS_NUM_THREADS"] == "1"
        assert os.environ["OPENBLAS_CORETYPE"] == "Prescott"  # what the user says counts
        assert "OTHER" not in os.environ
    assert dict(os.environ) == before


def test_kernels_are_those_of_the_processor() -> None:
    assert blas.available() == ""
    assert blas.family()
    if processor.vector_bytes() == 64:
        assert blas.family() in ("SkylakeX", "Cooperlake", "SapphireRapids")


def test_without_the_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blas.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(blas, "_library", blas._library.__wrapped__)
    assert blas.available.__wrapped__() == (
        "scipy-openblas32 is not installed; `pip install scipy-openblas32` brings it"
    )
    monkeypatch.setattr(door, "available", lambda: "llvmlite is away")
    assert blas.available.__wrapped__() == "llvmlite is away"


@pytest.mark.parametrize("t", REALS)
def test_processors_without_masked_vectors(
    t: str, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor, "vector_bytes", lambda: 16)
    assert blas._small(t) is False
    library = build.library(blas_text.text(t, own=False), effort=0)
    monkeypatch.setattr(blas, "products", lambda _: library)
    for m, n, k in ((3, 4, 5), (40, 70, 90)):
        a, b = operands(rng, t, 0, 1, m, n, k)
        c = np.empty((m, n), DTYPES[t])
        expected, bound = reference(0, 1, a, b, 1, 0, c)
        assert (abs(call("gemm", t, 0, 1, a, b, c) - expected) <= EXACT[t] * bound).all()


@pytest.mark.parametrize("t", REALS)
@pytest.mark.parametrize(("ta", "tb"), FLAGS)
def test_the_projects_own_kernel_at_its_borders(
    t: str, ta: int, tb: int, rng: np.random.Generator
) -> None:
    """Rows left over, columns of part of a vector, more terms than a block."""
    for m, n, k in product((2, 3, 7, 10, 25), (2, 8, 9, 16, 31, 33), (1, 8, 15, 257, 520)):
        a, b = operands(rng, t, ta, tb, m, n, k, pad=3)
        whole = np.full((m, n + 1), 7, DTYPES[t])
        for beta in (0, 0.5):
            c = whole[:, :n]
            c[...] = rng.standard_normal((m, n))
            expected, bound = reference(ta, tb, a, b, 2, beta, c)
            call("gemm", t, ta, tb, a, b, c, 2, beta)
            assert (abs(c - expected) <= 4 * EXACT[t] * bound).all(), (m, n, k, beta)
            assert (whole[:, n:] == 7).all()


def test_the_externals_are_known() -> None:
    for name in ("gemm", "pgemm", "bgemm"):
        assert f"adjoint_{name}_f32" in build._externals
