"""A multilayer perceptron as functions over a dictionary of tensors: the forward pass."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np

import adjoint as ad

Parameters = dict[str, Any]


def initialise(sizes: tuple[int, ...], generator: Any) -> Parameters:
    """Weights and biases of a perceptron whose layers have these sizes.

    Weights are normal with variance ``2 / inputs``, under which the signal neither grows nor fades
    from layer to layer of rectified units (He et al., 2015); the last layer starts small, so that
    no answer is preferred.
    """
    parameters: Parameters = {}
    last = len(sizes) - 2
    for k, (n, m) in enumerate(pairwise(sizes)):
        spread = math.sqrt(2 / n) if k < last else 0.1 / math.sqrt(n)
        weight = ad.random.normal(0.0, spread, (n, m), dtype=np.float32, generator=generator)
        parameters[f"layers.{k}.weight"] = weight
        parameters[f"layers.{k}.bias"] = ad.zeros(m, dtype=np.float32)
    for tensor in parameters.values():
        tensor.requires_grad = True
    return parameters


def forward(parameters: Parameters, x: Any) -> Any:
    """The network's answer, (rows, outputs): scores of the classes, or one value."""
    layers = len(parameters) // 2
    for k in range(layers):
        x = ad.matmul(x, parameters[f"layers.{k}.weight"]) + parameters[f"layers.{k}.bias"]
        if k < layers - 1:
            x = ad.relu(x)
    return x


def cross_entropy(scores: Any, target: Any) -> Any:
    """Mean surprise at the right class: minus the logarithm of its probability."""
    log_p = ad.log_softmax(scores, axis=-1)
    return -ad.mean(ad.take_along_axis(log_p, target.reshape((-1, 1)), axis=1))


def squared_error(values: Any, target: Any) -> Any:
    """Mean squared difference."""
    return ad.mean((values.reshape((-1,)) - target) ** 2)
