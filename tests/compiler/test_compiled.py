"""Compiled functions: what they read and change outside, and when they are compiled again."""

import threading
from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint.core.errors import AxisError, TracerLeak

BACKENDS = ["llvm", "numpy"]


class Network:
    """A small network with momentum, a step counter and gradients, as a user writes it."""

    def __init__(self, dtype: Any = np.float32) -> None:
        rng = np.random.default_rng(0)
        self.weight = ad.tensor(rng.normal(size=(3, 2)).astype(dtype), requires_grad=True)
        self.bias = ad.tensor(np.zeros(2, dtype), requires_grad=True)
        self.velocity = ad.tensor(np.zeros((3, 2), dtype))
        self.steps = ad.tensor(np.zeros((), dtype))

    def step(self, x: Any) -> Any:
        self.weight.grad = self.bias.grad = None
        loss = (ad.tanh(x @ self.weight + self.bias) ** 2).mean()
        loss.backward()
        with ad.no_grad():
            self.steps.assign(self.steps + 1)
            self.velocity.assign(self.velocity * 0.9 + self.weight.grad)
            self.weight.assign(self.weight - self.velocity * 0.1 / self.steps)
            self.bias -= self.bias.grad * 0.1
        return loss

    def state(self) -> list[Any]:
        tensors = (self.weight, self.bias, self.velocity, self.steps)
        return [t.numpy().copy() for t in tensors] + [self.weight.grad.numpy().copy()]


def data(seed: int, dtype: Any = np.float32) -> Any:
    return ad.tensor(np.random.default_rng(seed).normal(size=(4, 3)).astype(dtype))


def same(a: list[Any], b: list[Any], rtol: float = 1e-5) -> None:
    for x, y in zip(a, b, strict=True):
        np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol * 1e-2)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_training_step_does_what_it_does_eagerly(backend: str, dtype: Any) -> None:
    eager, compiled = Network(dtype), Network(dtype)
    step = ad.compile(compiled.step, backend=backend)
    for i in range(6):
        a, b = eager.step(data(i, dtype)), step(data(i, dtype))
        same([a.numpy()], [b.numpy()])
        same(eager.state(), compiled.state())
    assert compiled.weight.requires_grad
    assert not step.recompilations


def test_eager_and_compiled_steps_may_alternate() -> None:
    eager, mixed = Network(), Network()
    step = ad.compile(mixed.step)
    for i in range(6):
        eager.step(data(i))
        (step if i % 2 else mixed.step)(data(i))
        same(eager.state(), mixed.state())


def test_what_somebody_holds_is_not_overwritten() -> None:
    network = Network()
    step = ad.compile(network.step)
    step(data(0))
    handle, array = network.weight.detach(), network.weight.numpy()
    gradient, gradient_array = network.weight.grad, network.weight.grad.numpy()
    before = [x.copy() for x in (handle.numpy(), array, gradient.numpy(), gradient_array)]
    for i in range(3):
        step(data(i))
    for x, y in zip((handle.numpy(), array, gradient.numpy(), gradient_array), before, strict=True):
        np.testing.assert_array_equal(x, y)
    assert not np.array_equal(network.weight.numpy(), array)


def test_memory_is_updated_where_it_lies_if_nobody_holds_it() -> None:
    network = Network()
    step = ad.compile(network.step)
    step(data(0))
    at = network.weight.numpy().ctypes.data
    step(data(1))
    step(data(2))
    assert network.weight.numpy().ctypes.data == at


def test_gradients_add_up_where_they_are_not_cleared() -> None:
    def run(compiled: bool) -> list[Any]:
        w = ad.tensor([1.0, 2.0], requires_grad=True)

        def f(x: Any) -> Any:
            loss = (w * x).sum()
            loss.backward()
            return loss

        g = ad.compile(f) if compiled else f
        for i in range(3):
            g(ad.tensor([1.0, float(i)]))
        return w.grad.tolist()

    assert run(True) == run(False) == [3.0, 3.0]


def test_one_program_reads_what_another_updates_in_place() -> None:
    w = ad.tensor([1.0, 2.0], requires_grad=True)
    read = ad.compile(lambda x: w * x)

    @ad.compile
    def update(x: Any) -> Any:
        with ad.no_grad():
            w.assign(w + x)
        return x

    x = ad.ones(2)
    read(x)  # its second call is the quick one, and must not go on with the memory of the first
    for k in range(4):
        assert read(x).tolist() == [1.0 + k, 2.0 + k] == w.tolist()
        update(x)


def test_a_new_value_assigned_outside_is_read() -> None:
    w = ad.tensor([1.0, 2.0])
    f = ad.compile(lambda x: w * x)
    x = ad.tensor([3.0, 4.0])
    assert f(x).tolist() == [3.0, 8.0]
    w.assign(ad.tensor([10.0, 10.0]))
    assert f(x).tolist() == [30.0, 40.0]
    w += 1
    assert f(x).tolist() == [33.0, 44.0]


def test_random_draws_go_on_as_they_do_eagerly() -> None:
    def draws(compiled: bool) -> list[Any]:
        generator = ad.random.Generator(7)
        f = lambda x: x + ad.random.normal(size=3, generator=generator)  # noqa: E731
        g = ad.compile(f) if compiled else f
        return [g(ad.zeros(3)).tolist() for _ in range(3)]

    np.testing.assert_allclose(draws(True), draws(False), rtol=1e-6)


def test_it_is_compiled_again_for_other_types_and_says_why() -> None:
    f = ad.compile(lambda x, n=1: x * n)
    f(ad.ones(3))
    f(ad.ones(3))
    assert not f.recompilations
    f(ad.ones(4))
    f(ad.ones(3), n=2)
    assert len(f.recompilations) == 2
    assert "f32[4]" in f.recompilations[0]
    assert f(ad.ones(3)).tolist() == [1.0] * 3


def test_floats_may_change_without_compiling_again() -> None:
    f = ad.compile(lambda x, lr: x * lr)
    found = [f(ad.ones(2), lr).tolist() for lr in (0.5, 0.25, 2.0)]
    assert found == [[0.5, 0.5], [0.25, 0.25], [2.0, 2.0]]
    assert not f.recompilations


def test_python_control_flow_on_a_value_names_the_line_and_the_remedy() -> None:
    w = ad.tensor([1.0])

    def f(x: Any) -> Any:
        if (x * w).sum() > 0:
            return x
        return -x

    with pytest.raises(TracerLeak, match=r"if \(x \* w\)") as error:
        ad.compile(f)(ad.ones(1))
    assert "ad.where" in str(error.value)
    assert w.tolist() == [1.0]


def test_an_exception_while_staging_leaves_everything_as_it_was() -> None:
    network = Network()
    before = network.weight.numpy().copy()

    def f(x: Any) -> Any:
        network.step(x)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        ad.compile(f)(data(0))
    assert network.weight.known
    np.testing.assert_array_equal(network.weight.numpy(), before)
    assert network.weight.grad is None


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_bad_index_raises_and_changes_nothing(backend: str) -> None:
    table = ad.tensor(np.ones((4, 2), np.float32), requires_grad=True)
    count = ad.zeros(())

    def f(i: Any) -> Any:
        table.grad = None
        with ad.no_grad():
            count.assign(count + 1)
        loss = table[i].sum()
        loss.backward()
        with ad.no_grad():
            table.assign(table - table.grad)
        return loss

    g = ad.compile(f, backend=backend)
    assert float(g(ad.tensor([0, 1, -1]))) == 6.0
    before = table.numpy().copy()
    with pytest.raises(AxisError, match="index 4 is out of range"):
        g(ad.tensor([0, 4, 1]))
    np.testing.assert_array_equal(table.numpy(), before)
    assert float(count) == 1.0


def test_two_threads_may_compile_and_call_at_once() -> None:
    f = ad.compile(lambda x: ad.softmax(x @ x.T, axis=-1).sum(0))
    inputs = [np.random.default_rng(i).normal(size=(20, 20)).astype(np.float32) for i in range(8)]
    wanted = [ad.softmax(lift @ lift.T, axis=-1).sum(0).numpy() for lift in map(ad.tensor, inputs)]
    found: list[Any] = [None] * 8

    def work(i: int) -> None:
        for _ in range(5):
            found[i] = f(ad.tensor(inputs[i])).numpy()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def test_a_history_from_outside_is_refused() -> None:
    w = ad.tensor([1.0], requires_grad=True) * 2
    with pytest.raises(ad.errors.ArgumentError, match="history"):
        ad.compile(lambda x: x * w)(ad.ones(1))


def test_training_and_evaluation_are_two_programs() -> None:
    model = ad.nn.Sequential(ad.nn.Linear(4, 8), ad.nn.Dropout(0.5), ad.nn.Linear(8, 2))
    f = ad.compile(model.forward)
    x = ad.ones((3, 4))
    assert f(x).tolist() != f(x).tolist()  # dropout draws anew
    model.eval()
    assert f(x).tolist() == f(x).tolist()
    np.testing.assert_allclose(f(x).numpy(), model(x).numpy(), rtol=1e-6)
    assert "training" in f.recompilations[0]
    model.train()
    assert f(x).tolist() != f(x).tolist()
    assert len(f.recompilations) == 1
