"""Typical user code: pyright and mypy must pass it, and `test_user_code.py` runs it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import adjoint as ad


@dataclass
class Layer:
    """Parameters in a class of the user's own."""

    weight: ad.Tensor
    bias: ad.Tensor

    def __call__(self, x: ad.Tensor) -> ad.Tensor:
        """The layer applied."""
        return (x @ self.weight + self.bias).tanh()


def tape() -> ad.Tensor:
    """Tensors, operators, methods, the tape."""
    x = ad.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=ad.float64, requires_grad=True)
    y: ad.Tensor = 2 * x**2 - x / 3 + (-x).abs()
    largest: ad.Tensor = y.max(axis=0, keepdims=True)
    loss: ad.Tensor = (y @ x.T - largest).sum() + y[0, 1:].mean()
    loss.backward()
    gradient: ad.Tensor = x.grad
    with ad.no_grad():
        x -= 0.1 * gradient
        x[0] = ad.zeros(2, dtype=ad.float64)
    shape: tuple[int, ...] = x.reshape(4).shape
    assert shape == (4,)
    assert not bool((x > 100).any())
    return x


def as_numpy(x: ad.Tensor) -> NDArray[np.float64]:
    """Out to NumPy and back."""
    array: NDArray[np.float64] = x.detach().numpy()
    back: ad.Tensor = ad.asarray(array)
    number: float = float(back.sum())
    assert np.isfinite(number)
    return array


def numpy_functions(x: ad.Tensor) -> ad.Tensor:
    """NumPy's own functions on tensors; its stubs say that they return arrays, hence `Any`."""
    z: Any = np.sin(x) * np.exp(-x) + np.maximum(x, 0.0)
    joined: Any = np.concatenate([z, z])
    mean: Any = np.mean(np.square(np.sum(joined, axis=0)))
    mean.backward()
    return mean


def loss(layer: Layer, x: ad.Tensor, target: ad.Tensor) -> ad.Tensor:
    """A scalar of parameters and data."""
    error = layer(x) - target
    return ad.mean(error * error)


def train(layer: Layer, x: ad.Tensor, target: ad.Tensor) -> Layer:
    """A step of gradient descent on a dataclass."""
    value, gradient = ad.value_and_grad(loss)(layer, x, target)
    assert value.shape == ()
    return Layer(layer.weight - 0.1 * gradient.weight, layer.bias - 0.1 * gradient.bias)


def transforms() -> float:
    """Functions of functions."""

    def f(x: ad.Tensor) -> ad.Tensor:
        return ad.sum(ad.sin(x) * x)

    x = ad.linspace(0.0, 1.0, 3, dtype=ad.float64)
    slope: Callable[..., ad.Tensor] = ad.grad(f)
    out, pullback = ad.vjp(f, x)
    (ct,) = pullback(ad.ones_like(out))
    out, tangent = ad.jvp(f, [x], [ct])
    rows = ad.vmap(slope)(ad.stack([x, 2 * x]))
    curvature = ad.hessian(f)(x)
    total = tangent + ad.linalg.norm(curvature) + ad.fft.fft(rows).real.sum()
    graph = ad.trace(f, x)
    assert len(graph) > 0
    return float(total)


@ad.custom_gradient
def clipped(x: ad.Tensor) -> tuple[ad.Tensor, Callable[[ad.Tensor], ad.Tensor]]:
    """A derivative of the user's own."""
    return x, lambda ct: ad.clip(ct, -1.0, 1.0)


@ad.checkpoint
def block(x: ad.Tensor) -> ad.Tensor:
    """Computed again on the way back."""
    return ad.exp(x).sum()


def random_numbers(generator: ad.random.Generator) -> ad.Tensor:
    """Samples, with a stream of one's own."""
    return ad.random.normal(size=(2, 3), generator=generator).astype(ad.bfloat16)


def main() -> None:
    """Everything above, once."""
    x = tape()
    as_numpy(x)
    numpy_functions(x)
    layer = Layer(ad.ones((2, 3), dtype=ad.float64), ad.zeros(3, dtype=ad.float64))
    train(layer, x, ad.ones((2, 3), dtype=ad.float64))
    transforms()
    ad.grad(clipped)(3.0)
    ad.grad(block)(ad.tensor([1.0, 2.0]))
    random_numbers(ad.random.Generator(0))
    ad.testing.check_grads(ad.sin, ad.tensor(0.5, dtype=ad.float64))
    try:
        ad.add(ad.ones(2), ad.ones(3))
    except ad.errors.ShapeError as error:
        print(error)


if __name__ == "__main__":
    main()
