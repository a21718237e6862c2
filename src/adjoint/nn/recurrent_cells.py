"""Recurrent cells: one step of a recurrent network, for loops that the user writes."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import adjoint as ad
from adjoint.nn import init
from adjoint.nn.module import Module
from adjoint.nn.parameter import Parameter
from adjoint.nn.recur import gru_cell, lstm_cell, rnn_cell

__all__ = ["GRUCell", "LSTMCell", "RNNCell"]

Generator = ad.random.Generator


class AbstractCell(Module):
    """What the cells share: their weights, and a state of zeros where none is given.

    Attributes:
        gates: number of blocks of rows of the weights.
        weight_ih: shape (gates * hidden size, input size).
        weight_hh: shape (gates * hidden size, hidden size).
        bias_ih: shape (gates * hidden size,), or None.
        bias_hh: shape (gates * hidden size,), or None.
    """

    gates: ClassVar[int]
    weight_ih: Parameter
    weight_hh: Parameter
    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def _set_up(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        dtype: Any,
        generator: Generator | None,
    ) -> None:
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows = self.gates * hidden_size
        self.weight_ih = Parameter(ad.empty((rows, input_size), dtype=dtype))
        self.weight_hh = Parameter(ad.empty((rows, hidden_size), dtype=dtype))
        for name in ("bias_ih", "bias_hh"):
            made = Parameter(ad.empty(rows, dtype=dtype)) if bias else None
            self.register_parameter(name, made)
        self.reset_parameters(generator)

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw all weights anew: uniform within ``1 / sqrt(hidden size)``."""
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size else 0.0
        for parameter in self.parameters(recurse=False):
            init.uniform_(parameter, -bound, bound, generator)

    def _zeros(self, x: Any) -> Any:
        return ad.zeros((*x.shape[:-1], self.hidden_size), dtype=x.dtype)

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")


class RNNCell(AbstractCell):
    """One step of a simple recurrent network; see `functional.rnn_cell`.

    Args:
        input_size: size of an input.
        hidden_size: size of the state.
        bias: whether there are biases.
        nonlinearity: ``"tanh"`` or ``"relu"``.
        dtype: of the parameters; by default the default dtype.
        generator: where their first values come from.

    Example:
        >>> ad.nn.RNNCell(3, 2)(ad.ones((5, 3))).shape
        (5, 2)
    """

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        *,
        dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:
        self.nonlinearity = nonlinearity
        self._set_up(input_size, hidden_size, bias, dtype, generator)

    def forward(self, x: Any, hx: Any = None) -> Any:
        """The next state, shape (N, hidden size), for `x`, shape (N, input size)."""
        h = self._zeros(x) if hx is None else hx
        weights = self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh
        return rnn_cell(x, h, *weights, nonlinearity=self.nonlinearity)


class LSTMCell(AbstractCell):
    """One step of a network with long short-term memory; see `functional.lstm_cell`.

    Args:
        input_size: size of an input.
        hidden_size: size of h and c.
        bias: whether there are biases.
        dtype: of the parameters; by default the default dtype.
        generator: where their first values come from.

    Example:
        >>> h, c = ad.nn.LSTMCell(3, 2)(ad.ones((5, 3)))
        >>> h.shape, c.shape
        ((5, 2), (5, 2))
    """

    gates = 4

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:
        self._set_up(input_size, hidden_size, bias, dtype, generator)

    def forward(self, x: Any, hx: tuple[Any, Any] | None = None) -> tuple[Any, Any]:
        """The next state (h, c), shape (N, hidden size) both, for `x`, shape (N, input size)."""
        state = (self._zeros(x), self._zeros(x)) if hx is None else hx
        return lstm_cell(x, state, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)


class GRUCell(AbstractCell):
    """One step of gated recurrent units; see `functional.gru_cell`.

    Args:
        input_size: size of an input.
        hidden_size: size of the state.
        bias: whether there are biases.
        dtype: of the parameters; by default the default dtype.
        generator: where their first values come from.

    Example:
        >>> ad.nn.GRUCell(3, 2)(ad.ones((5, 3))).shape
        (5, 2)
    """

    gates = 3

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:
        self._set_up(input_size, hidden_size, bias, dtype, generator)

    def forward(self, x: Any, hx: Any = None) -> Any:
        """The next state, shape (N, hidden size), for `x`, shape (N, input size)."""
        h = self._zeros(x) if hx is None else hx
        return gru_cell(x, h, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
