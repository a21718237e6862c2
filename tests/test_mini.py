"""The file that explains backpropagation: its gradients are the engine's, and it runs."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import adjoint as ad

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "examples" / "mini.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mini", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


mini: Any = load()


def tanh(x: Any) -> Any:
    return x.tanh() if isinstance(x, mini.Tensor) else ad.tanh(x)


def total(x: Any) -> Any:
    return x.sum() if isinstance(x, mini.Tensor) else ad.sum(x)


def random_program(rng: np.random.Generator, leaves: list[Any]) -> Any:
    """A loss that twelve random steps make of the leaves; the same for the same `rng`."""
    pool = list(leaves)
    for _ in range(12):
        x, y = (pool[rng.integers(len(pool))] for _ in range(2))
        steps = [
            lambda x, y: x + y,
            lambda x, y: x - y,
            lambda x, y: x * y,
            lambda x, y: tanh(x),
            lambda x, y: tanh(x) ** 3,
            lambda x, y: total(x) * 0.1 + y,
            lambda x, y: x @ y if shape(x)[-1:] == shape(y)[:1] and ndims(x, y) == (2, 2) else x,
        ]
        pool.append(tanh(steps[rng.integers(len(steps))](x, y)))
    loss = total(pool[-1])
    for x in pool[-4:-1]:
        loss = loss + total(x * x)
    return loss


def shape(x: Any) -> tuple[int, ...]:
    return x.value.shape


def ndims(x: Any, y: Any) -> tuple[int, int]:
    return x.value.ndim, y.value.ndim


SHAPES: list[tuple[int, ...]] = [(3, 3), (3, 3), (3, 1), (1, 3), (3,), ()]


@pytest.mark.parametrize("seed", range(25))
def test_gradients_of_random_programs_are_the_engine_s(seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = [rng.normal(size=s) for s in SHAPES]
    small = [mini.Tensor(x) for x in data]
    large = [ad.tensor(x, requires_grad=True) for x in data]
    loss = random_program(np.random.default_rng(seed), small)
    expected = random_program(np.random.default_rng(seed), large)
    np.testing.assert_allclose(loss.value, expected.numpy(), rtol=1e-12)
    mini.backward(loss)
    expected.backward()
    for x, y in zip(small, large, strict=True):
        if y.grad is not None:
            np.testing.assert_allclose(x.grad, y.grad.numpy(), rtol=1e-9, atol=1e-12)
        else:
            assert x.grad is None  # the program does not use this leaf


def test_gradients_of_the_network_are_the_engine_s() -> None:
    parameters = mini.initialise(seed=3)
    loss = ((mini.predict(parameters, mini.Tensor(mini.XOR_INPUTS)) - mini.XOR_TARGETS) ** 2).sum()
    mini.backward(loss)

    same = {k: ad.tensor(p.value, requires_grad=True) for k, p in parameters.items()}
    hidden = ad.tanh(ad.matmul(mini.XOR_INPUTS, same["weight1"]) + same["bias1"])
    expected = ((hidden @ same["weight2"] + same["bias2"] - mini.XOR_TARGETS) ** 2).sum()
    expected.backward()
    np.testing.assert_allclose(loss.value, expected.numpy(), rtol=1e-12)
    for name, p in parameters.items():
        np.testing.assert_allclose(p.grad, same[name].grad.numpy(), rtol=1e-11)


def test_a_deep_graph_needs_no_recursion() -> None:
    x = mini.Tensor(1.0)
    y = x
    for _ in range(5000):
        y = y + x
    mini.backward(y)
    assert x.grad == 5001


def test_it_runs_and_learns() -> None:
    done = subprocess.run([sys.executable, FILE], capture_output=True, text=True, check=True)
    losses = [float(line.split()[-1]) for line in done.stdout.splitlines()[:6]]
    assert losses[0] > 1
    assert losses[-1] < 0.01
    answers = [float(line.split()[-1]) for line in done.stdout.splitlines()[6:]]
    assert [round(a) for a in answers] == [0, 1, 1, 0]
    assert not done.stderr


def test_the_page_about_it_shows_all_of_it() -> None:
    page = (ROOT / "docs" / "learn" / "mini.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    shown = [line for block in blocks for line in block.splitlines() if line.strip()]
    _, _, code = FILE.read_text(encoding="utf-8").split('"""', 2)
    lines = [line for line in code.splitlines() if line.strip() and not line.startswith("# ----")]
    example = ["x = Tensor(3.0)", "backward(x * x - x)", "print(x.grad)"]
    assert [line for line in shown if line not in example] == lines
