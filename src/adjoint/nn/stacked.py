"""The way through stacked recurrent layers, in both directions, of sequences of several lengths."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import adjoint as ad
from adjoint.nn import init
from adjoint.nn.drop import dropout as drop
from adjoint.nn.misfit import misfit
from adjoint.nn.module import Module
from adjoint.nn.parameter import Parameter
from adjoint.nn.recur import State, Step, walk

__all__ = ["AbstractRecurrent"]

Generator = ad.random.Generator


class AbstractRecurrent(Module):
    """What the recurrent layers share: their weights and the way through layers and directions.

    Attributes:
        gates: number of blocks of rows of the weights.
        states: number of tensors that the state consists of.
    """

    gates: ClassVar[int]
    states: ClassVar[int] = 1

    def _set_up(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:
        if num_layers < 1 or hidden_size < 1:
            raise ad.errors.ArgumentError(
                f"{type(self).__name__}: needs layers and hidden units, "
                f"got num_layers={num_layers}, hidden_size={hidden_size}"
            )
        if not 0 <= proj_size < hidden_size:
            raise ad.errors.ArgumentError(
                f"{type(self).__name__}: proj_size must be from 0 to below hidden_size "
                f"= {hidden_size}, got {proj_size}"
            )
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, dropout
        self.bidirectional, self.proj_size = bidirectional, proj_size
        out = proj_size or hidden_size
        rows = self.gates * hidden_size
        for layer in range(num_layers):
            inputs = input_size if layer == 0 else out * (2 if bidirectional else 1)
            shapes = {"weight_ih": (rows, inputs), "weight_hh": (rows, out)}
            if bias:
                shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
            if proj_size:
                shapes["weight_hr"] = (proj_size, hidden_size)
            for suffix in self._suffixes(layer):
                for name, shape in shapes.items():
                    made = Parameter(ad.empty(shape, dtype=dtype))
                    self.register_parameter(name + suffix, made)
        self.reset_parameters(generator)

    def _suffixes(self, layer: int) -> list[str]:
        """What the names of a layer's weights end with, for each direction."""
        names = [f"_l{layer}"]
        return [*names, f"_l{layer}_reverse"] if self.bidirectional else names

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw all weights anew: uniform within ``1 / sqrt(hidden size)``."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters(recurse=False):
            init.uniform_(parameter, -bound, bound, generator)

    def _weight(self, name: str) -> Any:
        return getattr(self, name, None)

    def _input_and_step(self, x: Any, suffix: str) -> tuple[Any, Step]:
        """What all inputs contribute, and the step of a direction of a layer."""
        raise NotImplementedError

    # -- the way through ---------------------------------------------------------------------------

    def _run(self, x: Any, hx: Any, lengths: Any) -> tuple[Any, State]:
        """Output and last state for a sequence in the layout that the layer was asked for."""
        x = ad.asarray(x)
        if x.ndim not in (2, 3) or x.shape[-1] != self.input_size:
            raise misfit(
                type(self).__name__,
                f"x needs 2 or 3 axes, the last of size {self.input_size}, got {x.shape}",
                x=x,
            )
        alone = x.ndim == 2
        xs = x[:, None] if alone else ad.swapaxes(x, 0, 1) if self.batch_first else x
        inside = None if lengths is None else within(lengths, *xs.shape[:2])
        given = self._state(hx, xs, alone)
        ys, last = self._layers(xs, given, inside)
        if alone:
            return ys[:, 0], tuple(s[:, 0] for s in last)
        return (ad.swapaxes(ys, 0, 1) if self.batch_first else ys), last

    def _state(self, hx: Any, xs: Any, alone: bool) -> State:
        """The first state of all layers and directions, stacked: zeros if none is given."""
        layers, n = self.num_layers * (2 if self.bidirectional else 1), xs.shape[1]
        sizes = (self.proj_size or self.hidden_size, self.hidden_size)[: self.states]
        shapes = [(layers, n, size) for size in sizes]
        if hx is None:
            return tuple(ad.zeros(shape, dtype=xs.dtype) for shape in shapes)
        given = [ad.asarray(s) for s in (hx if self.states > 1 else (hx,))]
        given = [s[:, None] if alone and s.ndim == 2 else s for s in given]
        if [s.shape for s in given] != shapes:
            wanted = " and ".join(map(str, shapes))
            names = dict(zip(("h", "c"), given, strict=False))
            raise misfit(type(self).__name__, f"the state needs shape {wanted}", x=xs, **names)
        return tuple(given)

    def _layers(self, xs: Any, given: State, inside: Any) -> tuple[Any, State]:
        """Output of the last layer, and the last state of all layers and directions."""
        last: list[State] = []
        for layer in range(self.num_layers):
            if layer and self.dropout:
                xs = drop(xs, self.dropout, self.training)
            outs: list[Any] = []
            for backwards, suffix in enumerate(self._suffixes(layer)):
                inputs, step = self._input_and_step(xs, suffix)
                first = tuple(s[len(last)] for s in given)
                ys, end = walk(step, inputs, first, inside, reverse=bool(backwards))
                outs.append(ys)
                last.append(end)
            xs = ad.concat(outs, axis=-1) if len(outs) > 1 else outs[0]
        return xs, tuple(ad.stack(parts) for parts in zip(*last, strict=True))

    def extra_repr(self) -> str:
        """The arguments that differ from the defaults."""
        text = f"{self.input_size}, {self.hidden_size}"
        optional = {
            "proj_size": (self.proj_size, 0),
            "num_layers": (self.num_layers, 1),
            "bias": (self.bias, True),
            "batch_first": (self.batch_first, False),
            "dropout": (self.dropout, 0.0),
            "bidirectional": (self.bidirectional, False),
        }
        return text + "".join(f", {k}={v}" for k, (v, usual) in optional.items() if v != usual)


def within(lengths: Any, steps: int, n: int) -> Any:
    """Where each of `n` sequences has not ended yet: shape (steps, n, 1)."""
    lengths = ad.asarray(lengths)
    if lengths.shape != (n,):
        raise misfit("lengths", f"there must be one for each of {n} sequences", lengths=lengths)
    return ad.arange(steps).reshape((steps, 1, 1)) < lengths.reshape((1, n, 1))
