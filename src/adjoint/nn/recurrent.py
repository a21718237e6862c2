"""Recurrent layers along whole sequences: simple, long short-term memory, gated units."""

from __future__ import annotations

from typing import Any

import adjoint as ad
from adjoint.nn.recur import Step, gru_step, lstm_step, product, rnn_step
from adjoint.nn.stacked import AbstractRecurrent

__all__ = ["GRU", "LSTM", "RNN"]

Generator = ad.random.Generator


class RNN(AbstractRecurrent):
    """Simple recurrent layers along sequences; see `functional.rnn_cell` for a step.

    Arguments, shapes and names of the weights are those of `LSTM`, except that the state is h
    alone, and without `proj_size`.

    Args:
        input_size: size of an input.
        hidden_size: size of the state.
        num_layers: number of layers, each on the outputs of the one before.
        nonlinearity: ``"tanh"`` or ``"relu"``.
        bias: whether there are biases.
        batch_first: whether sequences have shape (N, steps, ...) rather than (steps, N, ...).
        dropout: probability with which outputs are dropped between layers, in training.
        bidirectional: whether each layer walks in both directions.
        dtype: of the parameters; by default the default dtype.
        generator: where their first values come from.

    Example:
        >>> output, h = ad.nn.RNN(3, 4, batch_first=True)(ad.ones((2, 5, 3)))
        >>> output.shape, h.shape
        ((2, 5, 4), (1, 2, 4))
    """

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:
        self.nonlinearity = nonlinearity
        self._set_up(
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            dtype=dtype,
            generator=generator,
        )

    def _input_and_step(self, x: Any, suffix: str) -> tuple[Any, Step]:
        biases = self._weight("bias_ih" + suffix), self._weight("bias_hh" + suffix)
        inputs = product(x, self._weight("weight_ih" + suffix), *biases)
        return inputs, rnn_step(self._weight("weight_hh" + suffix), self.nonlinearity)

    def forward(self, x: Any, hx: Any = None, *, lengths: Any = None) -> tuple[Any, Any]:
        """Output of the last layer at each step, and the last h of all layers; as in `LSTM`."""
        ys, (h,) = self._run(x, hx, lengths)
        return ys, h


class LSTM(AbstractRecurrent):
    """Layers with long short-term memory along sequences; see `functional.lstm_cell` for a step.

    Args:
        input_size: size of an input.
        hidden_size: size of the state.
        num_layers: number of layers, each on the outputs of the one before.
        bias: whether there are biases.
        batch_first: whether sequences have shape (N, steps, ...) rather than (steps, N, ...).
        dropout: probability with which outputs are dropped between layers, in training.
        bidirectional: whether each layer walks in both directions; its outputs stand side by side.
        proj_size: size that h is projected to, or 0.
        dtype: of the parameters; by default the default dtype.
        generator: where their first values come from.

    Attributes:
        weight_ih_l0: shape (4 * hidden size, input size), of layer 0; ``_reverse`` is appended for
            the other direction.
        weight_hh_l0: shape (4 * hidden size, size of h).
        bias_ih_l0: shape (4 * hidden size,).
        bias_hh_l0: shape (4 * hidden size,).
        weight_hr_l0: shape (proj_size, hidden size), where h is projected.

    Raises:
        ArgumentError: if a size is wrong.

    Example:
        >>> layer = ad.nn.LSTM(3, 4, num_layers=2, batch_first=True, bidirectional=True)
        >>> output, (h, c) = layer(ad.ones((2, 5, 3)), lengths=[5, 2])
        >>> output.shape, h.shape, c.shape
        ((2, 5, 8), (4, 2, 4), (4, 2, 4))

    **Gradient:** through `ad.scan`: of each step the state before it is kept, the rest is computed
    again.
    """

    gates = 4
    states = 2

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        *,
        dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:
        self._set_up(
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            proj_size,
            dtype,
            generator,
        )

    def _input_and_step(self, x: Any, suffix: str) -> tuple[Any, Step]:
        biases = self._weight("bias_ih" + suffix), self._weight("bias_hh" + suffix)
        inputs = product(x, self._weight("weight_ih" + suffix), *biases)
        return inputs, lstm_step(
            self._weight("weight_hh" + suffix), self._weight("weight_hr" + suffix)
        )

    def forward(
        self, x: Any, hx: tuple[Any, Any] | None = None, *, lengths: Any = None
    ) -> tuple[Any, tuple[Any, Any]]:
        """Output of the last layer at each step, and the last state of all layers.

        Args:
            x: shape (steps, N, input size), (N, steps, input size) with `batch_first`, or
                (steps, input size) for one sequence.
            hx: the first h and c, shape (layers * directions, N, size) each; zeros by default.
            lengths: number of steps of each sequence, shape (N,), for sequences that are filled
                up to the longest. Behind its end the outputs of a sequence are zero, and its last
                state is that at its end, as with PyTorch's packed sequences.

        Returns:
            The outputs, shaped as `x` with directions * size of h as last axis, and the pair of
            the last h and c.

        Raises:
            ShapeError: if a shape does not fit.
        """
        ys, (h, c) = self._run(x, hx, lengths)
        return ys, (h, c)


class GRU(AbstractRecurrent):
    """Layers of gated recurrent units along sequences; see `functional.gru_cell` for a step.

    Arguments, shapes and names of the weights are those of `LSTM`, except that the state is h
    alone, the weights have 3 blocks of rows, and there is no `proj_size`.

    Args:
        input_size: size of an input.
        hidden_size: size of the state.
        num_layers: number of layers, each on the outputs of the one before.
        bias: whether there are biases.
        batch_first: whether sequences have shape (N, steps, ...) rather than (steps, N, ...).
        dropout: probability with which outputs are dropped between layers, in training.
        bidirectional: whether each layer walks in both directions.
        dtype: of the parameters; by default the default dtype.
        generator: where their first values come from.

    Example:
        >>> output, h = ad.nn.GRU(3, 4)(ad.ones((5, 2, 3)))
        >>> output.shape, h.shape
        ((5, 2, 4), (1, 2, 4))
    """

    gates = 3

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:
        self._set_up(
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            dtype=dtype,
            generator=generator,
        )

    def _input_and_step(self, x: Any, suffix: str) -> tuple[Any, Step]:
        inputs = product(x, self._weight("weight_ih" + suffix), self._weight("bias_ih" + suffix))
        return inputs, gru_step(
            self._weight("weight_hh" + suffix), self._weight("bias_hh" + suffix)
        )

    def forward(self, x: Any, hx: Any = None, *, lengths: Any = None) -> tuple[Any, Any]:
        """Output of the last layer at each step, and the last h of all layers; as in `LSTM`."""
        ys, (h,) = self._run(x, hx, lengths)
        return ys, h
