"""Mixture of experts: each token goes through the few networks that a router picks for it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import adjoint as ad
from adjoint.nn import init
from adjoint.nn.balance import load_balancing_loss, one_hot, top_k_gates
from adjoint.nn.linear import Linear
from adjoint.nn.module import Module
from adjoint.nn.parameter import Parameter
from adjoint.nn.transformer_layers import activation_of

__all__ = ["MixtureOfExperts"]

Generator = ad.random.Generator


class MixtureOfExperts(Module):
    """Experts, which are networks with one hidden layer, of which each token is sent to a few.

    ``out = sum over the k best experts of gate * expert(x)``, where a router gives the gates.

    Without a capacity nothing is dropped: all experts see all tokens, and those with gate 0 are
    left out of the sum. With a capacity each expert computes for at most
    ``capacity_factor * k * tokens / experts`` tokens, first choices first, so that the work is that
    of k experts for each token; what does not fit contributes nothing, as in GShard and the Switch
    transformer. Shapes depend on no numbers either way, so the layer can be staged and compiled.

    Args:
        width: size E of a token.
        hidden: size of the hidden layer of an expert.
        experts: number of experts.
        top_k: number of experts that a token is sent to.
        activation: ``"relu"``, ``"gelu"`` or a function.
        normalize: whether the gates of a token add up to 1; see `functional.top_k_gates`.
        capacity_factor: room of an expert, relative to what it gets if all get the same; or None.
        noise: whether the router's scores are disturbed in training by normal noise of a learned
            strength, so that other experts are tried too.
        bias: whether experts have biases.
        dtype: of the parameters; by default the default dtype.
        generator: where their first values come from.

    Attributes:
        router: a `Linear` from E to the experts.
        weight1: shape (experts, hidden, E).
        bias1: shape (experts, hidden), or None.
        weight2: shape (experts, E, hidden).
        bias2: shape (experts, E), or None.

    Raises:
        ArgumentError: if `top_k` is not from 1 to the number of experts.

    Example:
        >>> layer = ad.nn.MixtureOfExperts(8, 16, experts=4)
        >>> y, loss = layer(ad.ones((2, 5, 8)), return_loss=True)
        >>> y.shape, loss.shape
        ((2, 5, 8), ())

    **Gradient:** to the router through the gates; which experts are best is taken as given.

    Source: Shazeer et al., Outrageously large neural networks (2017), arXiv:1701.06538; capacity as
    in Lepikhin et al., GShard (2020), arXiv:2006.16668.
    """

    noise: Linear | None
    bias1: Parameter | None
    bias2: Parameter | None

    def __init__(
        self,
        width: int,
        hidden: int,
        experts: int,
        top_k: int = 2,
        activation: str | Callable[[Any], Any] = "gelu",
        normalize: bool = True,
        capacity_factor: float | None = None,
        noise: bool = False,
        bias: bool = True,
        *,
        dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:
        if not 1 <= top_k <= experts:
            raise ad.errors.ArgumentError(
                f"MixtureOfExperts: top_k must be from 1 to {experts}, got {top_k}"
            )
        self.width, self.hidden, self.experts, self.top_k = width, hidden, experts, top_k
        self.activation, self.normalize = activation_of(activation), normalize
        self.capacity_factor = capacity_factor
        self.router = Linear(width, experts, bias=False, dtype=dtype, generator=generator)
        self.register_module("noise", None)
        if noise:
            self.noise = Linear(width, experts, bias=False, dtype=dtype)
        self.weight1 = Parameter(ad.empty((experts, hidden, width), dtype=dtype))
        self.weight2 = Parameter(ad.empty((experts, width, hidden), dtype=dtype))
        for name, size in (("bias1", hidden), ("bias2", width)):
            made = Parameter(ad.empty((experts, size), dtype=dtype)) if bias else None
            self.register_parameter(name, made)
        self.reset_parameters(generator)

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw the weights anew: of each expert as those of a `Linear`; the noise starts alike."""
        self.router.reset_parameters(generator)
        if self.noise is not None:
            init.zeros_(self.noise.weight)
        for weight, bias in ((self.weight1, self.bias1), (self.weight2, self.bias2)):
            bound = 1 / math.sqrt(weight.shape[2])
            init.uniform_(weight, -bound, bound, generator)
            if bias is not None:
                init.uniform_(bias, -bound, bound, generator)

    def forward(self, x: Any, return_loss: bool = False) -> Any:
        """What the experts make of each token, shaped as `x`, (..., E).

        Args:
            x: shape (..., E).
            return_loss: whether to return as well the loss that keeps the experts equally busy,
                `functional.load_balancing_loss`; add it to the training loss with a small factor
                such as 0.01.
        """
        x = ad.asarray(x)
        tokens = x.reshape((-1, self.width))
        logits = self.router(tokens)
        if self.noise is not None and self.training:
            strength = ad.softplus(self.noise(tokens))
            logits = logits + strength * ad.random.normal(size=logits.shape, dtype=logits.dtype)
        gates, chosen = top_k_gates(logits, self.top_k, self.normalize)
        if self.capacity_factor is None:
            out = self._all(tokens, gates, chosen)
        else:
            out = self._within_capacity(tokens, gates, chosen)
        out = out.reshape(x.shape)
        if not return_loss:
            return out
        return out, load_balancing_loss(ad.softmax(logits, axis=-1), chosen)

    def _expert(self, x: Any) -> Any:
        """All experts on rows of their own: shape (experts, rows, E)."""
        inner = x @ self.weight1.mT
        if self.bias1 is not None:
            inner = inner + self.bias1[:, None]
        out = self.activation(inner) @ self.weight2.mT
        return out if self.bias2 is None else out + self.bias2[:, None]

    def _all(self, tokens: Any, gates: Any, chosen: Any) -> Any:
        """The sum over experts that have all computed for all tokens."""
        share = one_hot(chosen, self.experts, gates.dtype) * gates[..., None]
        made = self._expert(tokens[None])
        return ad.einsum("etd,te->td", made, ad.sum(share, axis=1))

    def _within_capacity(self, tokens: Any, gates: Any, chosen: Any) -> Any:
        """The sum over experts that have computed only for the tokens they have room for."""
        n, k = chosen.shape
        room = max(math.ceil((self.capacity_factor or 0.0) * k * n / self.experts), 1)
        wish = chosen.T.reshape(-1)  # first choices of all tokens, then second ones
        asks = one_hot(wish, self.experts, ad.int64)
        place = ad.sum((ad.cumsum(asks, axis=0) - 1) * asks, axis=1)
        fits = place < room
        slot = wish * room + ad.where(fits, place, 0)
        rows = ad.where(fits[:, None], ad.tile(tokens, (k, 1)), 0.0)
        empty = ad.zeros((self.experts * room, self.width), dtype=tokens.dtype)
        inputs = ad.add_at(empty, slot, rows).reshape((self.experts, room, self.width))
        made = self._expert(inputs).reshape((self.experts * room, self.width))
        gate = ad.where(fits, gates.T.reshape(-1), 0.0)
        out = ad.take(made, slot, axis=0) * gate[:, None]
        return ad.sum(out.reshape((k, n, self.width)), axis=0)

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{self.width}, {self.hidden}, experts={self.experts}, top_k={self.top_k}"
