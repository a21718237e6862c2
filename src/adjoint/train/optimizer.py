"""Updates: from weights and gradients to new weights. Nothing else changes a weight."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Tensors = dict[str, Any]
Update = Callable[[Tensors, Tensors, Tensors], tuple[Tensors, Tensors]]


def sgd(lr: float, momentum: float = 0.9) -> Update:
    """Stochastic gradient descent with momentum, as a function (weights, gradients, state)."""

    def update(weights: Tensors, gradients: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        new_weights, new_state = {}, {}
        for name, weight in weights.items():
            velocity = gradients[name]
            if name in state:
                velocity = state[name] * momentum + velocity
            new_state[name] = velocity
            new_weights[name] = weight - velocity * lr
        return new_weights, new_state

    return update


def adam(lr: float, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8) -> Update:
    """Adam (Kingma and Ba, 2015), as a function (weights, gradients, state)."""

    def update(weights: Tensors, gradients: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        new_weights, new_state = {}, {}
        # the powers of the decay rates, which correct for the start at zero, travel in the state
        left1 = state.get("left1", 1.0) * beta1
        left2 = state.get("left2", 1.0) * beta2
        step = lr * (1 - left2) ** 0.5 / (1 - left1)
        small = eps * (1 - left2) ** 0.5
        for name, weight in weights.items():
            g = gradients[name]
            mean = g * (1 - beta1) + state.get(f"mean.{name}", 0.0) * beta1
            square = g * g * (1 - beta2) + state.get(f"square.{name}", 0.0) * beta2
            new_state[f"mean.{name}"], new_state[f"square.{name}"] = mean, square
            new_weights[name] = weight - mean * step / (square**0.5 + small)
        return new_weights, new_state | {"left1": left1, "left2": left2}

    return update


OPTIMIZERS = {"adam": adam, "sgd": sgd}
