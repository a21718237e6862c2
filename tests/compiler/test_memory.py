"""`compile(memory=...)`: the arena keeps the budget, by computing again what is cheapest."""

from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint.compiler.budget import budget_bytes
from adjoint.core.errors import MemoryBudgetError


class Deep:
    """A deep perceptron with normalisation, whose activations are most of its memory."""

    def __init__(self, depth: int = 8, width: int = 16) -> None:
        rng = np.random.default_rng(0)
        weights = rng.normal(0, width**-0.5, (depth, width, width)).astype(np.float32)
        self.ws = [ad.tensor(w, requires_grad=True) for w in weights]

    def __call__(self, x: Any) -> Any:
        for w in self.ws:
            w.grad = None
        for w in self.ws:
            y = ad.tanh(x @ w)
            x = x + y * ad.sigmoid(y)
        loss = (x * x).mean()
        loss.backward()
        with ad.no_grad():
            for w in self.ws:
                w.assign(w - 0.1 * w.grad)
        return loss


X = np.random.default_rng(1).normal(size=(256, 16)).astype(np.float32)


def arena(step: Any) -> int:
    """Bytes of the arena that was really allocated."""
    return step._last.program.arena.nbytes


def steps(memory: Any) -> tuple[list[float], list[Any], Any]:
    own = Deep()
    step = ad.compile(own.__call__, memory=memory)
    losses = [float(step(ad.tensor(X))) for _ in range(3)]
    return losses, [w.numpy().copy() for w in own.ws], step


def test_the_arena_keeps_every_budget_and_the_numbers_stay() -> None:
    losses, weights, free = steps(None)
    most = arena(free)
    flops = free._last.graph.flops()
    before = flops
    for share in (0.9, 0.75, 0.6, 0.55):
        budget = int(most * share)
        found, ws, step = steps(budget)
        assert arena(step) <= budget
        np.testing.assert_allclose(found, losses, rtol=1e-5)
        for a, b in zip(ws, weights, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
        now = step._last.graph.flops()
        assert now >= before  # a smaller budget never takes less work
        before = now
    assert before > flops


def test_cheap_values_go_first() -> None:
    _, _, free = steps(None)
    _, _, step = steps(int(arena(free) * 0.9))
    names = [n.op.name for n in step._last.graph.nodes]
    assert names.count("matmul") == [n.op.name for n in free._last.graph.nodes].count("matmul")


def test_an_impossible_budget_says_what_is_possible() -> None:
    with pytest.raises(MemoryBudgetError, match="least budget") as error:
        steps(1000)
    least = int(str(error.value).split("found: ")[1].split(" bytes")[0])
    _, _, step = steps(least)
    assert arena(step) <= least


def test_a_budget_that_is_large_enough_changes_nothing() -> None:
    _, _, free = steps(None)
    _, _, step = steps("1GiB")
    assert len(step._last.graph.nodes) == len(free._last.graph.nodes)


def test_a_plan_of_a_compiled_function_keeps_its_budget() -> None:
    _, _, free = steps(None)
    budget = int(arena(free) * 0.75)
    own = Deep()
    step = ad.compile(own.__call__, memory=budget)
    found = ad.plan(step, X)
    step(ad.tensor(X))
    assert found.arena_bytes == step._last.program.arena_size <= budget
    assert found.recomputed_flops > 0


def test_a_budget_may_be_verified() -> None:
    _, _, free = steps(None)
    own = Deep()
    step = ad.compile(own.__call__, memory=int(arena(free) * 0.6), verify=True)
    for _ in range(2):
        step(ad.tensor(X))


@pytest.mark.parametrize(
    ("said", "n"),
    [("256MiB", 256 << 20), ("1.5 GB", 1_500_000_000), (1000, 1000), ("12", 12), ("3 kib", 3072)],
)
def test_budgets_are_read(said: Any, n: int) -> None:
    assert budget_bytes(said) == n


def test_other_text_is_refused() -> None:
    with pytest.raises(ad.errors.ArgumentError, match="256MiB"):
        ad.compile(lambda x: x, memory="much")
