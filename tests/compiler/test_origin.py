"""The origin of what is not finite in a compiled step: operation, line, forward or backward."""

import warnings
from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint.compiler.nonfinite import NonFinite
from adjoint.core.errors import NonFiniteWarning

BACKENDS = ["llvm", "numpy"]


def tensor(x: Any) -> Any:
    return ad.tensor(np.asarray(x, np.float32))


class Step:
    """A step whose forward or backward pass fails for some inputs."""

    def __init__(self, loss: Any) -> None:
        self.w = ad.tensor(np.full((4, 3), 0.5, np.float32), requires_grad=True)
        self.w.name = "layer.weight"
        self.loss = loss

    def __call__(self, x: Any) -> Any:
        self.w.grad = None
        out = self.loss(x @ self.w)
        out.backward()
        with ad.no_grad():
            self.w.assign(self.w - 0.1 * self.w.grad)
        return out


def run(loss: Any, xs: list[Any], backend: str = "llvm") -> tuple[Step, Any]:
    """Run a step compiled and eagerly; both end with the same numbers."""
    eager, own = Step(loss), Step(loss)
    step = ad.compile(own.__call__, backend=backend)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NonFiniteWarning)
        for x in xs:
            a, b = eager(tensor(x)), step(tensor(x))
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5)
            np.testing.assert_allclose(eager.w.numpy(), own.w.numpy(), rtol=1e-5)
            np.testing.assert_allclose(eager.w.grad.numpy(), own.w.grad.numpy(), rtol=1e-5)
    return own, step


GOOD = np.ones((2, 4))


def log_mean(y: Any) -> Any:
    return ad.log(y).mean()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_nan_of_the_forward_pass_has_its_operation_and_line(backend: str) -> None:
    bad = np.ones((2, 4))
    bad[1] = -1
    _, step = run(log_mean, [GOOD, GOOD, bad], backend)
    found = step.nonfinite
    assert isinstance(found, NonFinite)
    assert (found.found, found.operation, found.phase) == ("NaN", "log", "forward")
    assert found.text == "return ad.log(y).mean()"
    assert found.line.startswith("test_origin.py:")
    (operand,) = found.operands
    assert operand.type == "f32[2,3]"
    assert operand.range.startswith("[-")
    assert "from matmul at test_origin.py:" in operand.name
    text = str(found)
    assert text.startswith("the result is NaN: the first NaN came from log in the forward pass")


def root_mean(y: Any) -> Any:
    return ad.sqrt(y).mean()


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_infinity_of_the_backward_pass_is_told_apart(backend: str) -> None:
    """The derivative of the root is infinite at zero, where the root itself is zero."""
    zero = np.zeros((2, 4))
    _, step = run(root_mean, [GOOD, zero], backend)
    found = step.nonfinite
    assert found is not None
    assert found.phase == "backward"
    assert found.result == "the gradient of layer.weight"
    assert found.text == "return ad.sqrt(y).mean()"


def test_infinities_that_harm_nothing_are_not_looked_at() -> None:
    mask = np.array([[0.0, -np.inf, 0.0]] * 2, np.float32)

    def masked(y: Any) -> Any:
        return (ad.softmax(y + mask, axis=-1) * y).sum()

    _, step = run(masked, [GOOD, GOOD])
    assert step.nonfinite is None


def test_a_result_that_was_not_finite_already_is_the_inputs_fault() -> None:
    own = Step(log_mean)
    step = ad.compile(own.__call__)
    step(tensor(GOOD))
    own.w.assign(np.full((4, 3), np.nan, np.float32))
    with pytest.warns(NonFiniteWarning, match=r"not finite when the call began"):
        step(tensor(GOOD))
    found = step.nonfinite
    assert found is not None
    assert found.operation == ""
    assert found.operands[0].name == "layer.weight"
    assert "12 × NaN" in found.operands[0].range


def test_it_warns_once_and_again_when_asked() -> None:
    own = Step(log_mean)
    step = ad.compile(own.__call__)
    with pytest.warns(NonFiniteWarning, match="log in the forward pass") as caught:
        step(tensor(-GOOD))
    assert len(caught) == 1
    for _ in range(3):  # natively again, and not looked at
        step(tensor(-GOOD))
    own.w.assign(np.full((4, 3), 0.5, np.float32))
    step.nonfinite = None
    step(tensor(GOOD))
    assert step.nonfinite is None
    with pytest.warns(NonFiniteWarning):
        step(tensor(-GOOD))


def test_only_steps_with_a_backward_pass_are_watched() -> None:
    f = ad.compile(lambda x: ad.log(x).sum())
    assert np.isnan(float(f(tensor([-1.0]))))
    assert f.nonfinite is None


def test_a_large_gradient_without_a_bias_is_seen() -> None:
    w = ad.tensor(np.full((100, 90), 0.01, np.float32), requires_grad=True)

    def f(x: Any) -> Any:
        w.grad = None
        loss = ad.sqrt(ad.abs(x @ w)).sum()
        loss.backward()
        with ad.no_grad():
            w.assign(w - 0.1 * w.grad)
        return loss

    step = ad.compile(f)
    x = np.ones((8, 100), np.float32)
    step(tensor(x))
    x[3] = 0
    before = w.numpy().copy()
    with pytest.warns(NonFiniteWarning, match="backward"):
        step(tensor(x))
    assert not np.array_equal(before, w.numpy())


def test_it_says_which_of_several_results() -> None:
    w = ad.tensor(np.ones(3, np.float32), requires_grad=True)

    def f(x: Any) -> Any:
        w.grad = None
        loss = (w * x).sum()
        loss.backward()
        return {"loss": loss, "entropy": ad.log(x).mean()}

    step = ad.compile(f)
    step(tensor(np.ones(3)))
    with pytest.warns(NonFiniteWarning, match="the result entropy is inf"):
        step(tensor(np.zeros(3)))
