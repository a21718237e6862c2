"""What the cost table says about memory is what NumPy allocates."""

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint.cost import count


def perceptron(layers: int, width: int, seed: int = 0) -> list[tuple[Any, Any]]:
    rng = np.random.default_rng(seed)
    spread = (2 / width) ** 0.5
    return [
        (
            ad.tensor(rng.normal(0, spread, (width, width)).astype(np.float32), requires_grad=True),
            ad.tensor(np.zeros(width, np.float32), requires_grad=True),
        )
        for _ in range(layers)
    ]


def plain(parameters: list[tuple[Any, Any]], x: Any) -> Any:
    for weight, bias in parameters:
        x = ad.relu(x @ weight + bias)
    return (x * x).sum()


def residual(parameters: list[tuple[Any, Any]], x: Any) -> Any:
    for weight, bias in parameters:
        x = x + ad.tanh(x @ weight + bias)
    return (x * x).sum()


def measured_peak(run: Callable[[], Any]) -> int:
    """The most bytes that are allocated while `run` runs, beyond what was there before."""
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        result = run()
        _, peak = tracemalloc.get_traced_memory()
        del result
    finally:
        tracemalloc.stop()
    return peak - before


@pytest.mark.parametrize("network", [plain, residual])
@pytest.mark.parametrize(
    ("batch", "width"),
    [(2048, 64), (64, 256)],
    ids=["activations weigh most", "weights weigh most"],
)
def test_the_peak_is_what_was_predicted(network: Any, batch: int, width: int) -> None:
    parameters = perceptron(layers=50, width=width)
    x = ad.tensor(np.random.default_rng(1).normal(size=(batch, width)).astype(np.float32))

    def step() -> Any:
        loss = network(parameters, x)
        loss.backward()
        return loss

    predicted = count(network(parameters, x)).peak_bytes
    for weight, bias in parameters:
        weight.grad = bias.grad = None
    assert measured_peak(step) == pytest.approx(predicted, rel=0.02)


def test_memory_returns_to_where_it_was() -> None:
    parameters = perceptron(layers=50, width=64)
    x = ad.tensor(np.ones((256, 64), np.float32))

    def step() -> None:
        plain(parameters, x).backward()
        for weight, bias in parameters:
            weight.grad = bias.grad = None

    step()
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        step()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 10_000  # less than one activation


def saved_by_looking(loss: Any, leaves: list[Any]) -> int:
    """Bytes of the arrays that the graph holds, each owner once, without those of the leaves."""
    known = {id(owner(x.numpy())) for x in leaves}
    stack, seen, arrays = [loss.node], set(), {}
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        for v in node.saved or ():
            for array in v if isinstance(v, tuple) else (v,):
                if isinstance(array, np.ndarray):
                    arrays[id(owner(array))] = owner(array)
        stack += [x for x in node.inputs if hasattr(x, "inputs")]
    return sum(a.nbytes for key, a in arrays.items() if key not in known)


def owner(array: np.ndarray) -> np.ndarray:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


@pytest.mark.parametrize("network", [plain, residual])
def test_saved_bytes_are_those_of_the_arrays_that_are_held(network: Any) -> None:
    parameters = perceptron(layers=5, width=16)
    x = ad.tensor(np.ones((32, 16), np.float32))
    loss = network(parameters, x)
    leaves = [p for pair in parameters for p in pair] + [x]
    assert count(loss).saved_bytes == saved_by_looking(loss, leaves)
