"""`compiled.report()`: every kernel with its lines, times, rates; memory; compile times."""

import json
from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint.compiler.machine import Machine
from adjoint.compiler.report import Kernel, said
from adjoint.compiler.table import count, duration, plot, size, table


class Step:
    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.w1 = ad.tensor(rng.normal(size=(40, 32)).astype(np.float32), requires_grad=True)
        self.w2 = ad.tensor(rng.normal(size=(32, 8)).astype(np.float32), requires_grad=True)

    def __call__(self, x: Any) -> Any:
        self.w1.grad = self.w2.grad = None
        hidden = ad.tanh(x @ self.w1)
        loss = ((hidden @ self.w2) ** 2).mean()
        loss.backward()
        with ad.no_grad():
            self.w1.assign(self.w1 - 0.1 * self.w1.grad)
            self.w2.assign(self.w2 - 0.1 * self.w2.grad)
        return loss


X = np.random.default_rng(1).normal(size=(64, 40)).astype(np.float32)


@pytest.fixture(autouse=True, scope="module")
def quick() -> Any:
    """Measure for as short as can be: the numbers do not matter here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("adjoint.compiler.measure.LONG", 0.01)
        patch.setattr("adjoint.compiler.machine.SPAN", 0.001)
        patch.setattr("adjoint.compiler.machine.SIDES", (64,))
        patch.setattr("adjoint.compiler.machine.COPIED", (1 << 10, 1 << 14))
        yield


@pytest.mark.parametrize("backend", ["llvm", "numpy"])
def test_a_report_says_what_each_kernel_is_and_changes_nothing(backend: str) -> None:
    own = Step()
    step = ad.compile(own.__call__, backend=backend)
    step(ad.tensor(X))
    before = own.w1.numpy().copy()
    report = step.report()
    np.testing.assert_array_equal(own.w1.numpy(), before)
    names = [name for k in report.kernels for name in k.operations]
    assert names.count("matmul") == 5 or names.count("contract") == 5
    assert {k.phase for k in report.kernels} == {"forward", "backward", "update"}
    assert all(k.seconds > 0 for k in report.kernels)
    assert report.flops >= 2 * 64 * (40 * 32 * 2 + 32 * 8 * 3)
    products = [k for k in report.kernels if k.kind == "contract"]
    lines = {line: report.source[line] for k in products for line in k.lines}
    assert "hidden = ad.tanh(x @ self.w1)" in lines.values()
    assert all((k.interpreted == "") == (backend == "llvm") for k in report.kernels)


def test_the_memory_is_that_of_the_program() -> None:
    own = Step()
    step = ad.compile(own.__call__)
    step(ad.tensor(X))
    report = step.report(ad.tensor(X))
    program = step._last.program
    assert report.arena == program.arena_size
    assert 0 < max(report.live) <= report.arena
    assert report.inputs == X.nbytes + own.w1.numpy().nbytes + own.w2.numpy().nbytes
    assert report.in_place == own.w1.numpy().nbytes + own.w2.numpy().nbytes
    (loop,) = [k for k in report.kernels if "tanh" in k.operations and k.phase == "forward"]
    assert loop.bytes_read == loop.bytes_written == 64 * 32 * 4


def test_it_prints_as_a_table_and_dumps_as_json() -> None:
    own = Step()
    step = ad.compile(own.__call__)
    step(ad.tensor(X))
    report = step.report()
    text = str(report)
    for word in ("of peak", "forward", "backward", "update", "arena", "compiled in", "LLVM"):
        assert word in text
    assert "test_report.py" in text
    assert "loss = ((hidden @ self.w2) ** 2).mean()" in text
    assert max(map(len, text.splitlines())) < 160
    kernels = json.loads(json.dumps(report.to_dict()))["kernels"]
    assert len(kernels) == len(report.kernels)


def test_what_the_interpreter_computes_is_never_silent() -> None:
    f = ad.compile(lambda x: ad.linalg.inv(x) * 2)
    f(ad.tensor(np.eye(3, dtype=np.float32)))
    report = f.report(ad.tensor(np.eye(3, dtype=np.float32)))
    if report.backend == "llvm" and any(k.interpreted for k in report.kernels):
        assert "computed by the interpreter" in str(report)
        assert any("inv" in k.interpreted for k in report.kernels)


def test_a_function_must_have_been_called() -> None:
    f = ad.compile(lambda x: x * 2)
    with pytest.raises(ad.errors.ArgumentError, match="call the function first"):
        f.report()
    f(ad.ones(3))
    with pytest.raises(ad.errors.ArgumentError, match="call the function first"):
        f.report(ad.ones(4))


def test_the_peak_is_the_slower_of_arithmetic_and_memory() -> None:
    machine = Machine(1e9, ((1000, 1e9), (10**6, 1e8)))
    arithmetic = Kernel("contract", ("matmul",), (), "forward", 2.0, 10**9, 10, 10)
    memory = Kernel("loop", ("add",), (), "forward", 1.0, 1, 2 * 10**7, 3 * 10**7)
    cached = Kernel("loop", ("add",), (), "forward", 1e-6, 1, 250, 250)
    assert arithmetic.of_peak(machine) == 0.5
    assert memory.of_peak(machine) == 0.5
    assert cached.of_peak(machine) == 0.5


def test_quantities_are_short() -> None:
    assert [count(x, "B/s") for x in (5, 999, 1234, 2.5e9)] == [
        "5 B/s",
        "999 B/s",
        "1.23 kB/s",
        "2.50 GB/s",
    ]
    assert [size(x) for x in (0, 100, 1 << 10, 3 << 29)] == ["0 B", "100 B", "1.00 KiB", "1.50 GiB"]
    assert [duration(x) for x in (2.0, 0.0123, 4.5e-6, 3e-9)] == [
        "2.00 s",
        "12.3 ms",
        "4.50 µs",
        "3 ns",
    ]
    assert said(("add", "mul", "add")) == "3 fused: add×2 mul"
    assert said(("matmul",)) == "matmul"


def test_tables_and_plots() -> None:
    text = table(("n", "what"), [("1", "a"), ("22", "bb")], left=(1,))
    assert text.splitlines() == [" n  what", "──  ────", " 1  a", "22  bb"]
    assert plot([0, 4, 8], height=1) == [" ▄█"]
    assert plot([1, 2, 3, 4], width=2, height=1) == ["▄█"]
    assert plot([]) == []
