"""The network behind an estimator: it takes rows as they are, and scales them itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np

import adjoint as ad

__all__ = ["ACTIVATIONS", "Perceptron", "spread"]

Array = np.ndarray[Any, Any]

ACTIVATIONS: Final[dict[str, Callable[[], ad.nn.Module]]] = {
    "elu": ad.nn.ELU,
    "gelu": ad.nn.GELU,
    "identity": ad.nn.Identity,
    "leaky_relu": ad.nn.LeakyReLU,
    "logistic": ad.nn.Sigmoid,
    "relu": ad.nn.ReLU,
    "sigmoid": ad.nn.Sigmoid,
    "silu": ad.nn.SiLU,
    "tanh": ad.nn.Tanh,
}


class Perceptron(ad.nn.Module):
    """Linear maps with an activation between them, in the units of the data.

    What the inputs are scaled by, and the outputs, are buffers: they are saved and exported with
    the weights, and not trained.

    Args:
        sizes: numbers of inputs, of units in each hidden layer, and of outputs.
        activation: a key of `ACTIVATIONS`.
        dropout: probability with which a hidden unit is dropped in training.
        dtype: dtype of the parameters.
        generator: where first weights and the bits of the dropout come from.

    Attributes:
        layers: the linear maps and what is between them.
    """

    input_mean: ad.Tensor
    input_scale: ad.Tensor
    output_mean: ad.Tensor
    output_scale: ad.Tensor

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str = "relu",
        dropout: float = 0.0,
        dtype: Any = None,
        generator: ad.random.Generator | None = None,
    ) -> None:
        self.sizes = tuple(sizes)
        layers: list[ad.nn.Module] = []
        for k, (n, m) in enumerate(pairwise(sizes)):
            if k:
                layers.append(ACTIVATIONS[activation]())
                if dropout:
                    layers.append(ad.nn.Dropout(dropout, generator=generator))
            layers.append(ad.nn.Linear(n, m, dtype=dtype, generator=generator))
        self.layers = ad.nn.Sequential(*layers)
        for side, size in (("input", sizes[0]), ("output", sizes[-1])):
            self.register_buffer(f"{side}_mean", ad.zeros(size, dtype=dtype))
            self.register_buffer(f"{side}_scale", ad.ones(size, dtype=dtype))

    def scale_by(self, side: str, mean: Array, scale: Array) -> None:
        """Say what the inputs (``"input"``) or outputs (``"output"``) are scaled by."""
        dtype = self.input_mean.dtype
        setattr(self, f"{side}_mean", ad.asarray(np.asarray(mean, dtype)))
        setattr(self, f"{side}_scale", ad.asarray(np.asarray(scale, dtype)))

    def forward(self, x: Any) -> Any:
        """The outputs for rows of inputs: (rows, inputs) to (rows, outputs)."""
        scores = self.layers((x - self.input_mean) / self.input_scale)
        return scores * self.output_scale + self.output_mean


def spread(values: Array, weights: Array) -> tuple[Array, Array]:
    """Weighted means and standard deviations of columns; 1 for a column that does not vary."""
    mean = np.average(values, axis=0, weights=weights)
    scale = np.sqrt(np.average((values - mean) ** 2, axis=0, weights=weights))
    rounding = 10 * np.finfo(values.dtype).eps * np.abs(values).max(0, initial=1e-300)
    return mean, np.where(scale > rounding, scale, 1.0)
