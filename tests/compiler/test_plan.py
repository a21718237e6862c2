"""`ad.plan`: exact memory, operations by part, what is kept; nothing is run or allocated."""

import json
import tracemalloc
from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint.core.types import Type


def rng() -> Any:
    return np.random.default_rng(0)


class Step:
    """A perceptron of two layers with momentum."""

    def __init__(self) -> None:
        self.model = ad.nn.Sequential(ad.nn.Linear(20, 16), ad.nn.Tanh(), ad.nn.Linear(16, 4))
        self.opt = ad.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)

    def __call__(self, x: Any, y: Any) -> Any:
        self.opt.zero_grad()
        loss = ad.nn.functional.cross_entropy(self.model(x), y)
        loss.backward()
        self.opt.step()
        return loss


X = rng().normal(size=(32, 20)).astype(np.float32)
Y = rng().integers(0, 4, 32)


def test_the_arena_is_that_of_the_compiled_program() -> None:
    own = Step()
    found = ad.plan(own.__call__, X, Y)
    step = ad.compile(own.__call__)
    step(ad.tensor(X), ad.tensor(Y))
    last = step._last
    assert found.arena_bytes == last.program.arena_size
    arrays = [X, Y, *(h.value for h in last.staged.read)]
    assert found.input_bytes == sum(a.nbytes for a in arrays)
    assert found.gradient_bytes == sum(p.grad.numpy().nbytes for p in own.model.parameters())
    assert found.result_bytes == 4
    total = found.input_bytes + found.gradient_bytes + found.result_bytes + found.arena_bytes
    assert found.peak_bytes == total


@pytest.mark.parametrize("width", [3, 64, 200])
def test_the_arena_is_exact_for_other_programs(width: int) -> None:
    w = ad.tensor(rng().normal(size=(width, width)).astype(np.float32), requires_grad=True)

    def f(x: Any) -> Any:
        w.grad = None
        for _ in range(3):
            x = ad.softmax(x @ w, axis=-1) + x
        (x * x).sum().backward()
        return x.mean()

    x = ad.tensor(rng().normal(size=(50, width)).astype(np.float32))
    found = ad.plan(f, x)
    g = ad.compile(f)
    g(x)
    assert found.arena_bytes == g._last.program.arena_size


def test_operations_of_the_parts_are_those_of_the_products() -> None:
    found = ad.plan(Step().__call__, X, Y)
    products = 2 * 32 * (20 * 16 + 16 * 4)
    assert products <= found.forward.flops < 2 * products
    # all but the gradient of the input, which nobody asks for
    backward = 2 * products - 2 * 32 * 20 * 16
    assert backward <= found.backward.flops < 2 * backward
    assert 0 < found.update.flops < products
    assert found.flops == found.forward.flops + found.backward.flops + found.update.flops
    assert found.parameters == 20 * 16 + 16 + 16 * 4 + 4
    assert found.parameter_bytes == 4 * found.parameters


def test_what_is_kept_has_its_layer_and_line() -> None:
    found = ad.plan(Step().__call__, X, Y)
    hidden = [k for k in found.kept if k.operation == "tanh"]
    assert [(k.layer, k.bytes, k.type) for k in hidden] == [("0", 32 * 16 * 4, "f32[32,16]")]
    assert hidden[0].line.startswith("test_plan.py:")
    assert found.kept_bytes == sum(k.bytes for k in found.kept) <= found.arena_bytes


def test_without_a_backward_pass_all_is_forward() -> None:
    own = Step()
    found = ad.plan(own.model, X)
    assert found.forward.flops > 0
    assert found.backward.flops == found.update.flops == found.gradient_bytes == 0
    assert found.kept == ()


def test_arguments_may_be_tensors_arrays_types_and_numbers() -> None:
    plans = [
        ad.plan(lambda x, n: (x * n).sum(), x, n)
        for x, n in (
            (ad.tensor(X), 2),
            (X, 2),
            (Type(X.shape, X.dtype), 2),
        )
    ]
    assert plans[0].to_dict() == plans[1].to_dict() == plans[2].to_dict()
    assert ad.plan(lambda x, lr: x * lr, X, 0.5).argument_bytes == X.nbytes + 4


def test_a_compiled_function_can_be_planned() -> None:
    own = Step()
    compiled = ad.compile(own.__call__)
    assert ad.plan(compiled, X, Y).arena_bytes == ad.plan(own.__call__, X, Y).arena_bytes


def test_nothing_changes_outside() -> None:
    own = Step()
    before = [p.numpy().copy() for p in own.model.parameters()]
    ad.plan(own.__call__, X, Y)
    for p, b in zip(own.model.parameters(), before, strict=True):
        np.testing.assert_array_equal(p.numpy(), b)
        assert p.grad is None


def transformer(layers: int, dtype: Any = None) -> Any:
    """A step of a transformer of the width of the largest of 2020."""

    def step() -> Any:
        config = ad.nn.GPTConfig(
            vocab_size=50257, block_size=2048, layers=layers, heads=96, width=12288, dropout=0.0
        )
        model = ad.nn.GPT(config)
        opt = ad.optim.AdamW(model.parameters(), lr=1e-4)
        tokens = ad.zeros((1, 2048), dtype=ad.int64)
        scores = model(tokens)
        loss = ad.nn.functional.cross_entropy(scores.reshape((-1, 50257)), tokens.reshape((-1,)))
        loss.backward()
        opt.step()
        return loss

    return step


def test_a_model_made_inside_is_not_allocated() -> None:
    tracemalloc.start()
    found = ad.plan(transformer(1))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    block = 12 * 12288**2 + 13 * 12288
    assert found.parameters == block + 2 * 12288 + (50257 + 2048) * 12288
    assert most < 64 << 20 < found.parameter_bytes
    assert found.gradient_bytes == found.parameter_bytes == 4 * found.parameters
    assert 2 * found.parameter_bytes <= found.state_bytes < 2.001 * found.parameter_bytes
    # products: 6 operations for a weight and a token; the table of positions has none
    assert 6 * 2048 * found.parameters < found.flops < 7 * 2048 * found.parameters
    assert {k.layer.partition(".")[0] for k in found.kept} >= {"h", "wpe"}


def test_a_model_made_inside_needs_what_it_needs_outside() -> None:
    def inside(x: Any, y: Any) -> Any:
        return Step()(x, y)

    a, b = ad.plan(inside, X, Y), ad.plan(Step().__call__, X, Y)
    assert a.parameters == b.parameters
    assert a.gradient_bytes == b.gradient_bytes
    assert (a.forward.flops, a.backward.flops) == (b.forward.flops, b.backward.flops)
    assert a.kept_bytes == b.kept_bytes


def test_it_prints_and_dumps() -> None:
    found = ad.plan(Step().__call__, X, Y)
    text = str(found)
    for word in ("at the peak", "forward", "backward", "update", "parameters", "arena", "tanh"):
        assert word in text
    assert max(map(len, text.splitlines())) < 120
    assert json.loads(json.dumps(found.to_dict()))["peak_bytes"] == found.peak_bytes


def test_the_interpreter_is_never_silent() -> None:
    found = ad.plan(lambda x: ad.linalg.eigh(x)[0], np.eye(3))
    assert any("eigh" in why for why in found.interpreted)
    assert "interpreter" in str(found)
