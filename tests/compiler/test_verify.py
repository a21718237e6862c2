"""`compile(verify=True)`: a fault of the library is found, named, and changes nothing."""

from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint.compiler import verification
from adjoint.compiler.verification import excess, moved
from adjoint.core.errors import VerificationError
from adjoint.core.program import Graph


class Step:
    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.weight = ad.tensor(rng.normal(size=(3, 2)).astype(np.float32), requires_grad=True)
        self.weight.name = "layer.weight"
        self.bias = ad.tensor(np.zeros(2, np.float32), requires_grad=True)

    def __call__(self, x: Any) -> Any:
        self.weight.grad = self.bias.grad = None
        y = ad.tanh(x @ self.weight + self.bias)
        loss = (y * y).mean()
        loss.backward()
        with ad.no_grad():
            self.weight.assign(self.weight - 0.1 * self.weight.grad)
            self.bias.assign(self.bias - 0.1 * self.bias.grad)
        return {"loss": loss, "best": ad.argmax(y, axis=0)}


X = np.random.default_rng(1).normal(size=(4, 3)).astype(np.float32)


def spoil(step: Any, output: int, by: float) -> None:
    """Let the program compute something else for one output."""
    verifier = next(iter(step._programs.values()))[0].execute
    real = verifier.program

    def wrong(arrays: Any) -> bool:
        done = real(arrays)
        target = arrays[len(arrays) - len(verifier.types) + output]
        target.reshape(-1)[-1] += target.dtype.type(by)
        return done

    verifier.program = wrong


def test_a_verified_step_does_what_it_does_eagerly() -> None:
    eager, own = Step(), Step()
    step = ad.compile(own.__call__, verify=True)
    for i in range(3):
        a, b = eager(ad.tensor(X + i)), step(ad.tensor(X + i))
        np.testing.assert_allclose(a["loss"].numpy(), b["loss"].numpy(), rtol=1e-5)
        np.testing.assert_allclose(eager.weight.numpy(), own.weight.numpy(), rtol=1e-5)


@pytest.mark.parametrize(
    ("output", "named"),
    [
        (0, "the result best"),
        (1, "the result loss"),
        (2, "layer.weight differs"),
        (3, "the tensor made at test_verify.py:"),
        (4, "the gradient of layer.weight"),
        (5, "the gradient of the tensor made at test_verify.py:"),
    ],
)
def test_a_difference_is_named_and_nothing_changes(output: int, named: str) -> None:
    own = Step()
    step = ad.compile(own.__call__, verify=True)
    step(ad.tensor(X))
    weight, bias = own.weight.numpy().copy(), own.bias.numpy().copy()
    gradient = own.weight.grad.numpy().copy()
    spoil(step, output, 1)
    with pytest.raises(VerificationError, match="fault of the library") as error:
        step(ad.tensor(X))
    assert named in str(error.value)
    np.testing.assert_array_equal(own.weight.numpy(), weight)
    np.testing.assert_array_equal(own.bias.numpy(), bias)
    np.testing.assert_array_equal(own.weight.grad.numpy(), gradient)


def test_the_worst_element_is_named_with_both_values() -> None:
    own = Step()
    step = ad.compile(own.__call__, verify=True)
    step(ad.tensor(X))
    spoil(step, 2, 100.0)
    with pytest.raises(VerificationError) as error:
        step(ad.tensor(X))
    text = str(error.value)
    assert "at [2, 1]" in text
    assert "compiled:" in text
    assert "interpreter:" in text


def test_a_wrong_pass_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(graph: Any) -> Any:
        outs = (graph.outputs[1], graph.outputs[0])
        return Graph(graph.inputs, graph.nodes, outs, graph.constants)

    monkeypatch.setattr("adjoint.compiler.specialisation.optimise", wrong)
    f = ad.compile(lambda x: (x + 1, x + 2), verify=True)
    with pytest.raises(VerificationError, match="the result 0"):
        f(ad.ones(3))


def test_a_bad_index_is_the_users_fault() -> None:
    f = ad.compile(lambda t, i: t[i].sum(), verify=True)
    assert float(f(ad.ones(3), ad.tensor([0, 2]))) == 2.0
    with pytest.raises(ad.errors.AxisError):
        f(ad.ones(3), ad.tensor([0, 3]))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.complex64, np.complex128])
def test_what_is_allowed_follows_the_dtype(dtype: Any) -> None:
    x = np.array([1e-3, 1.0, -5.0], dtype)
    width = np.dtype(dtype).itemsize // (2 if np.dtype(dtype).kind == "c" else 1)
    near = x + dtype(0.4 * 5 * verification.TOLERANCE[width])
    far = x + dtype(5 * 5 * verification.TOLERANCE[width])
    assert excess(near, x) is None
    assert excess(far, x) is not None


def test_integers_are_exact_and_what_is_not_finite_must_agree() -> None:
    assert excess(np.array([1, 2]), np.array([1, 3])) == ((1,), 2, 3, 0.0)
    nan, inf = np.float32(np.nan), np.float32(np.inf)
    assert excess(np.array([nan, inf, 1]), np.array([nan, inf, 1])) is None
    for found in ([inf, 1], [-inf, 1], [0, 1]):
        assert excess(np.array(found), np.array([nan, 1])) is not None
    assert excess(np.array([-inf, 1]), np.array([inf, 1])) is not None
    assert excess(np.zeros((0, 2)), np.zeros((0, 2))) is None


def test_what_rounding_decides_is_no_fault() -> None:
    """A gradient that is zero but for rounding has no sign; Adam makes a whole step of it."""
    x = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
    bias = ad.tensor(np.zeros(3, np.float32), requires_grad=True)

    def f(x: Any) -> Any:
        bias.grad = None
        y = x + bias
        y = y - y.mean(axis=0)
        (y * y * y).sum().backward()
        with ad.no_grad():
            bias.assign(bias - ad.sign(bias.grad))

    step = ad.compile(lambda x: (f(x), x.sum())[1], verify=True)
    for i in range(5):
        step(ad.tensor(x * (i + 1)))


def test_inputs_are_moved_by_units_in_the_last_place() -> None:
    x = np.array([1.0, -1.0, 0.0, np.inf] * 5, np.float32)
    found = moved(x, 0)
    assert found.dtype == x.dtype
    assert not np.array_equal(found, x)
    np.testing.assert_allclose(found, x, rtol=1e-6, atol=1e-40)
    assert moved(np.arange(3), 0).tolist() == [0, 1, 2]
