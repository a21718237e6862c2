"""What recording costs: time per eager operation over the bare NumPy call, beside peers.

    python benchmarks/eager.py [--rounds 5] [--systems adjoint,torch,autograd,mygrad] [--write FILE]

Each round starts one process per system, one after the other (interleaved), with one thread for
numerical libraries. A case is a chain of operations on a recorded value; forward is the time of
building it, backward the time of differentiating it, each divided by the length of the chain, less
the bare NumPy calls that compute the same. Figures are medians over the rounds of each process's
minimum. The network step must end with the same loss in every system, or the table says so.
"""

from __future__ import annotations

import argparse
import functools
import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SIZES = (1, 100, 10_000)
OPS = ("add", "mul", "tanh", "sum", "matmul")
CHAIN = 200
STEPS = 20
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def operands(op: str, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs of one case, the same for every system."""
    rng = np.random.default_rng(size)
    if op == "matmul":
        n = max(1, round(size**0.5))
        return rng.normal(size=(n, n)) / n**0.5, rng.normal(size=(n, n)) / n**0.5
    return rng.normal(size=size), rng.normal(size=size) * 0.01 + 1.0


def network() -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Weights and batch of the small network: 64-32-10, batch 32."""
    rng = np.random.default_rng(0)
    weights = {
        "w1": rng.normal(size=(64, 32)) / 8,
        "b1": np.zeros(32),
        "w2": rng.normal(size=(32, 10)) / 32**0.5,
        "b2": np.zeros(10),
    }
    return weights, rng.normal(size=(32, 64)), rng.normal(size=(32, 10))


class System:
    """What a library must do to take part."""

    def leaf(self, array: np.ndarray) -> Any:
        """A value that gradients are asked of."""
        raise NotImplementedError

    def constant(self, array: np.ndarray) -> Any:
        """A value without a gradient."""
        return array

    def tanh(self, x: Any) -> Any:
        """Hyperbolic tangent."""
        raise NotImplementedError

    def total(self, x: Any) -> Any:
        """Sum of all elements."""
        return x.sum()

    def forward_backward(self, build: Callable[[Any], Any], x: np.ndarray) -> tuple[float, float]:
        """Seconds of building a result from a recorded `x`, and of differentiating its sum."""
        best_forward = best_backward = float("inf")
        gc.disable()  # as timeit does: a collection would land on one system or the other
        for _ in range(25):
            leaf = self.leaf(x)
            start = timeit.default_timer()
            out = build(leaf)
            middle = timeit.default_timer()
            self.backward(self.total(out))
            end = timeit.default_timer()
            best_forward = min(best_forward, middle - start)
            best_backward = min(best_backward, end - middle)
            del out, leaf  # not within the next measurement
        gc.enable()
        return best_forward, best_backward

    def backward(self, loss: Any) -> None:
        """Differentiate a scalar."""
        loss.backward()

    def step(self, weights: dict[str, Any], x: Any, t: Any) -> tuple[float, dict[str, Any]]:
        """One training step of the small network by plain gradient descent."""
        params = {name: self.leaf(w) for name, w in weights.items()}
        hidden = self.tanh(x @ params["w1"] + params["b1"])
        error = hidden @ params["w2"] + params["b2"] - t
        loss = self.total(error * error) * (1.0 / 320)
        self.backward(loss)
        new = {name: w - 0.1 * self.gradient(params[name]) for name, w in weights.items()}
        return float(self.number(loss)), new

    def gradient(self, leaf: Any) -> Any:
        """The gradient of a leaf as an array."""
        return leaf.grad

    def number(self, x: Any) -> Any:
        """A scalar as a number."""
        return x.item()


class Adjoint(System):
    """This library, eager."""

    def __init__(self) -> None:
        import adjoint as ad

        self.ad = ad
        self.tanh = ad.tanh

    def leaf(self, array: np.ndarray) -> Any:
        return self.ad.tensor(array, requires_grad=True)

    def constant(self, array: np.ndarray) -> Any:
        return self.ad.tensor(array)

    def gradient(self, leaf: Any) -> Any:
        return leaf.grad.numpy()


class Torch(System):
    """PyTorch, eager."""

    def __init__(self) -> None:
        import torch

        torch.set_num_threads(1)
        self.torch = torch
        self.tanh = torch.tanh

    def leaf(self, array: np.ndarray) -> Any:
        return self.torch.tensor(array, requires_grad=True)

    def constant(self, array: np.ndarray) -> Any:
        return self.torch.tensor(array)

    def gradient(self, leaf: Any) -> Any:
        return leaf.grad.numpy()


class MyGrad(System):
    """MyGrad."""

    def __init__(self) -> None:
        import mygrad

        mygrad.turn_memory_guarding_off()
        self.mg = mygrad
        self.tanh = mygrad.tanh

    def leaf(self, array: np.ndarray) -> Any:
        return self.mg.tensor(array.copy())

    def constant(self, array: np.ndarray) -> Any:
        return self.mg.tensor(array, constant=True)


class Autograd(System):
    """HIPS autograd, whose tape lives inside a call of its transforms."""

    def __init__(self) -> None:
        import autograd
        import autograd.numpy as anp
        from autograd.core import make_vjp

        self.make_vjp = make_vjp
        self.value_and_grad = autograd.value_and_grad
        self.tanh = anp.tanh
        self.anp = anp

    def total(self, x: Any) -> Any:
        return self.anp.sum(x)

    def forward_backward(self, build: Callable[[Any], Any], x: np.ndarray) -> tuple[float, float]:
        best_forward = best_backward = float("inf")
        gc.disable()
        for _ in range(25):
            start = timeit.default_timer()
            pullback, _ = self.make_vjp(lambda v: self.total(build(v)), x)
            middle = timeit.default_timer()
            pullback(1.0)
            end = timeit.default_timer()
            best_forward = min(best_forward, middle - start)
            best_backward = min(best_backward, end - middle)
            del pullback
        gc.enable()
        return best_forward, best_backward

    def step(self, weights: dict[str, Any], x: Any, t: Any) -> tuple[float, dict[str, Any]]:
        def loss_of(params: dict[str, Any]) -> Any:
            hidden = self.tanh(x @ params["w1"] + params["b1"])
            error = hidden @ params["w2"] + params["b2"] - t
            return self.total(error * error) * (1.0 / 320)

        loss, grads = self.value_and_grad(loss_of)(weights)
        return float(loss), {name: w - 0.1 * grads[name] for name, w in weights.items()}


SYSTEMS: dict[str, type[System]] = {
    "adjoint": Adjoint,
    "torch": Torch,
    "autograd": Autograd,
    "mygrad": MyGrad,
}


def chain(system: System, op: str, w: Any) -> Callable[[Any], Any]:
    """A function that applies `op` CHAIN times to a recorded value."""
    tanh, total = system.tanh, system.total

    def build(x: Any) -> Any:
        if op == "sum":
            parts = [total(x) for _ in range(CHAIN)]
            return parts[-1]
        if op == "add":
            for _ in range(CHAIN):
                x = x + w
        elif op == "mul":
            for _ in range(CHAIN):
                x = x * w
        elif op == "tanh":
            for _ in range(CHAIN):
                x = tanh(x)
        else:
            for _ in range(CHAIN):
                x = x @ w
        return x

    return build


def sums_chain(system: System, count: int) -> Callable[[Any], Any]:
    """A function whose backward pass goes through `count` sums: their fan-out from one value."""

    def build(x: Any) -> Any:
        out = system.total(x)
        for _ in range(count - 1):
            out = out + system.total(x)
        return out

    return build


def numpy_times(op: str, size: int) -> tuple[float, float]:
    """Seconds of the bare NumPy calls: the operation, and its local derivative."""
    x, w = operands(op, size)
    out, ct = np.tanh(x), np.ones_like(x)
    scalar = np.ones(())
    forward = {
        "add": functools.partial(np.add, x, w),
        "mul": functools.partial(np.multiply, x, w),
        "tanh": functools.partial(np.tanh, x),
        "sum": functools.partial(np.sum, x),
        "matmul": functools.partial(np.matmul, x, w),
    }[op]
    backward = {
        "add": lambda: None,
        "mul": lambda: ct * w,
        "tanh": lambda: ct * (1 - out * out),
        "sum": lambda: np.broadcast_to(scalar, x.shape),
        "matmul": lambda: ct @ w.T,
    }[op]
    return tuple(min(timeit.repeat(f, number=500, repeat=7)) / 500 for f in (forward, backward))  # type: ignore[return-value]


def measure(name: str) -> dict[str, Any]:
    """All cases of one system in this process."""
    if name == "numpy":
        return {f"{op} {size}": numpy_times(op, size) for op in OPS for size in SIZES}
    system = SYSTEMS[name]()
    result: dict[str, Any] = {}
    for op in OPS:
        for size in SIZES:
            x, w = operands(op, size)
            build = chain(system, op, system.constant(w))
            forward, backward = system.forward_backward(build, x)
            if op == "sum":  # of the chain only the last sum is differentiated: many, less the adds
                _, many = system.forward_backward(sums_chain(system, CHAIN), x)
                backward = many
            result[f"{op} {size}"] = (forward / CHAIN, backward / CHAIN)
    weights, x, t = network()
    xs, ts = system.constant(x), system.constant(t)
    best = float("inf")
    loss = 0.0
    for _ in range(15):
        w = weights
        start = timeit.default_timer()
        for _ in range(STEPS):
            loss, w = system.step(w, xs, ts)
        best = min(best, (timeit.default_timer() - start) / STEPS)
    result["step"] = (best, loss)
    return result


def run(systems: list[str], rounds: int) -> dict[str, list[dict[str, Any]]]:
    """Interleaved processes: every round measures every system once."""
    env = dict(os.environ, **dict.fromkeys(THREADS, "1"))
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in ("numpy", *systems)}
    for i in range(rounds):
        for name, results in found.items():
            print(f"round {i + 1}/{rounds}: {name}", file=sys.stderr, flush=True)
            done = subprocess.run(
                [sys.executable, __file__, "--child", name],
                env=env,
                capture_output=True,
                text=True,
                check=True,
            )
            results.append(json.loads(done.stdout.splitlines()[-1]))
    return found


def table(found: dict[str, list[dict[str, Any]]]) -> str:
    """The Markdown table."""
    systems = [name for name in found if name != "numpy"]

    def median(name: str, case: str, k: int) -> float:
        return statistics.median(r[case][k] for r in found[name]) * 1e6

    lines = [
        f"{platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}, one "
        f"thread, float64, {len(next(iter(found.values())))} interleaved rounds. Microseconds per "
        "operation over the bare NumPy calls; NumPy's own time beside them.",
        "",
    ]
    for k, title in enumerate(("forward", "backward")):
        lines += [
            f"| {title} | elements | NumPy | " + " | ".join(systems) + " |",
            "| --- | ---: | ---: |" + " ---: |" * len(systems),
        ]
        for op in OPS:
            for size in SIZES:
                case = f"{op} {size}"
                base = median("numpy", case, k)
                over = " | ".join(f"{median(name, case, k) - base:+.2f}" for name in systems)
                lines.append(f"| {op} | {size:,} | {base:.2f} | {over} |")
        lines.append("")
    ours = median(systems[0], "step", 0)
    losses = {n: rounds[0]["step"][1] for n, rounds in found.items() if n != "numpy"}
    agree = max(losses.values()) - min(losses.values()) < 1e-9
    lines += [
        "| training step of a 64-32-10 network, batch 32 | " + " | ".join(systems) + " |",
        "| --- |" + " ---: |" * len(systems),
        f"| time over {systems[0]}'s | "
        + " | ".join(f"{median(name, 'step', 0) / ours:.2f}" for name in systems)
        + " |",
        f"| loss after {STEPS} steps | " + " | ".join(f"{losses[n]:.9f}" for n in systems) + " |",
        "",
        "Losses agree." if agree else "LOSSES DIFFER: the comparison is void.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Run as parent or as child."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--child")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--systems", default="adjoint,torch,autograd,mygrad")
    parser.add_argument("--write", type=Path, help="also write the table to this file")
    args = parser.parse_args()
    if args.child:
        print(json.dumps(measure(args.child)))
        return
    text = table(run(args.systems.split(","), args.rounds))
    print(text)
    if args.write:
        args.write.write_text(text + "\n")


if __name__ == "__main__":
    main()
