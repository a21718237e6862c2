"""Recurrent steps as functions, and the loop that walks along a sequence with them.

What the inputs of all steps contribute is one product ahead of the loop; a step then costs the
product with the state alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import adjoint as ad

__all__ = ["gru_cell", "lstm_cell", "rnn_cell", "walk"]

State = tuple[Any, ...]
Step = Callable[[Any, State], State]
"""From what an input contributes and the state to the new state, whose first part is put out."""


# -- one step of a cell ----------------------------------------------------------------------------


def rnn_cell(
    x: Any,
    h: Any,
    weight_ih: Any,
    weight_hh: Any,
    bias_ih: Any = None,
    bias_hh: Any = None,
    nonlinearity: str = "tanh",
) -> Any:
    """The next state of a simple recurrent cell.

    ``h' = tanh(weight_ih @ x + bias_ih + weight_hh @ h + bias_hh)``

    Args:
        x: shape (..., input size).
        h: shape (..., hidden size).
        weight_ih: shape (hidden size, input size).
        weight_hh: shape (hidden size, hidden size).
        bias_ih: shape (hidden size,), or None.
        bias_hh: shape (hidden size,), or None.
        nonlinearity: ``"tanh"`` or ``"relu"``.

    Raises:
        ArgumentError: for another nonlinearity.

    Example:
        >>> one = ad.ones((1, 1))
        >>> ad.nn.functional.rnn_cell(one, one, one, one, nonlinearity="relu")
        tensor([[2.]])
    """
    step = rnn_step(weight_hh, nonlinearity)
    return step(product(x, weight_ih, bias_ih, bias_hh), (h,))[0]


def lstm_cell(
    x: Any,
    state: tuple[Any, Any],
    weight_ih: Any,
    weight_hh: Any,
    bias_ih: Any = None,
    bias_hh: Any = None,
    weight_hr: Any = None,
) -> tuple[Any, Any]:
    """The next state (h, c) of a cell with long short-term memory.

    Of the four rows of blocks of the weights come the gates i, f, g and o::

        c' = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h' = sigmoid(o) * tanh(c')

    Args:
        x: shape (..., input size).
        state: h and c, shape (..., hidden size) both.
        weight_ih: shape (4 * hidden size, input size).
        weight_hh: shape (4 * hidden size, hidden size).
        bias_ih: shape (4 * hidden size,), or None.
        bias_hh: shape (4 * hidden size,), or None.
        weight_hr: shape (projected size, hidden size), or None; what h is multiplied by at last.

    Example:
        >>> zeros, weight = ad.zeros((1, 2)), ad.ones((8, 2))
        >>> h, c = ad.nn.functional.lstm_cell(zeros, (zeros, zeros), weight, weight)
        >>> h
        tensor([[0., 0.]])

    Source: Hochreiter and Schmidhuber, Long short-term memory (1997); with the forget gate of
    Gers, Schmidhuber and Cummins (2000).
    """
    step = lstm_step(weight_hh, weight_hr)
    h, c = step(product(x, weight_ih, bias_ih, bias_hh), state)
    return h, c


def gru_cell(
    x: Any,
    h: Any,
    weight_ih: Any,
    weight_hh: Any,
    bias_ih: Any = None,
    bias_hh: Any = None,
) -> Any:
    """The next state of a gated recurrent unit.

    Of the three rows of blocks of the weights come the gates r, z and n, from the input and from
    the state::

        n' = tanh(n_x + sigmoid(r_x + r_h) * n_h)
        h' = n' + sigmoid(z_x + z_h) * (h - n')

    Args:
        x: shape (..., input size).
        h: shape (..., hidden size).
        weight_ih: shape (3 * hidden size, input size).
        weight_hh: shape (3 * hidden size, hidden size).
        bias_ih: shape (3 * hidden size,), or None.
        bias_hh: shape (3 * hidden size,), or None.

    Example:
        >>> zeros, weight = ad.zeros((1, 2)), ad.ones((6, 2))
        >>> ad.nn.functional.gru_cell(zeros, zeros, weight, weight)
        tensor([[0., 0.]])

    Source: Cho et al., Learning phrase representations (2014), arXiv:1406.1078; as in cuDNN, the
    gate r takes part after the product.
    """
    return gru_step(weight_hh, bias_hh)(product(x, weight_ih, bias_ih), (h,))[0]


# -- steps, given what the input contributes -------------------------------------------------------


def product(x: Any, weight: Any, *biases: Any) -> Any:
    """What inputs contribute: ``x @ weight.T`` and the biases that are there."""
    out = x @ weight.T
    given = [b for b in biases if b is not None]
    return out + sum(given[1:], given[0]) if given else out


def rnn_step(weight_hh: Any, nonlinearity: str = "tanh") -> Step:
    """The step of a simple recurrent network."""
    if nonlinearity not in ("tanh", "relu"):
        raise ad.errors.ArgumentError(
            f'nonlinearity must be "tanh" or "relu", got {nonlinearity!r}'
        )
    f = ad.tanh if nonlinearity == "tanh" else ad.relu
    weight = weight_hh.T

    def step(x: Any, state: State) -> State:
        return (f(x + state[0] @ weight),)

    return step


def lstm_step(weight_hh: Any, weight_hr: Any = None) -> Step:
    """The step of a network with long short-term memory."""
    weight = weight_hh.T
    projection = None if weight_hr is None else weight_hr.T

    def step(x: Any, state: State) -> State:
        h, c = state
        i, f, g, o = ad.split(x + h @ weight, 4, axis=-1)
        c = ad.sigmoid(f) * c + ad.sigmoid(i) * ad.tanh(g)
        h = ad.sigmoid(o) * ad.tanh(c)
        return (h if projection is None else h @ projection), c

    return step


def gru_step(weight_hh: Any, bias_hh: Any = None) -> Step:
    """The step of gated recurrent units."""
    weight = weight_hh.T

    def step(x: Any, state: State) -> State:
        (h,) = state
        r_x, z_x, n_x = ad.split(x, 3, axis=-1)
        inner = h @ weight if bias_hh is None else h @ weight + bias_hh
        r_h, z_h, n_h = ad.split(inner, 3, axis=-1)
        n = ad.tanh(n_x + ad.sigmoid(r_x + r_h) * n_h)
        return (n + ad.sigmoid(z_x + z_h) * (h - n),)

    return step


# -- the loop --------------------------------------------------------------------------------------


def walk(
    step: Step, xs: Any, state: State, inside: Any = None, reverse: bool = False
) -> tuple[Any, State]:
    """The outputs of all steps along a sequence, and the last state.

    Args:
        step: from what an input contributes and the state to the new state.
        xs: what the inputs contribute, shape (steps, N, gates).
        state: what the loop starts with.
        inside: shape (steps, N, 1), true where a sequence has not ended yet. Behind its end the
            outputs of a sequence are zero and its state stays; None if all are of full length.
        reverse: whether to walk from the last step to the first.

    Returns:
        Shape (steps, N, hidden size), and the state behind the last step.
    """
    if inside is None:

        def advance(now: State, x: Any) -> tuple[State, Any]:
            new = step(x, now)
            return new, new[0]

        last, ys = ad.scan(advance, state, xs, reverse=reverse)
        return ys, last

    def within(now: State, x: Any) -> tuple[State, Any]:
        x, here = x
        new = step(x, now)
        kept = tuple(ad.where(here, a, b) for a, b in zip(new, now, strict=True))
        return kept, ad.where(here, new[0], 0.0)

    last, ys = ad.scan(within, state, (xs, inside), reverse=reverse)
    return ys, last
