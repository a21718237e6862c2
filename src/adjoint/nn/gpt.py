"""GPT: a transformer that predicts the next token, with the structure and names of GPT-2."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import adjoint as ad
from adjoint.nn import init
from adjoint.nn.containers import ModuleList
from adjoint.nn.dropout import Dropout
from adjoint.nn.embedding import Embedding
from adjoint.nn.gpt_blocks import GPTBlock, GPTConfig, Seen
from adjoint.nn.linear import Linear
from adjoint.nn.misfit import misfit
from adjoint.nn.module import Module
from adjoint.nn.normalization import LayerNorm
from adjoint.nn.state import LoadResult

__all__ = ["GPT"]

Generator = ad.random.Generator


class GPT(Module):
    """A model of text: the scores of the next token at each position, from all tokens up to it.

    Names and layout of the weights are those of ``GPT2Model`` in `transformers`: ``wte.weight``,
    ``wpe.weight``, ``h.0.ln_1.weight``, ``h.0.attn.c_attn.weight`` with shape (in, out), and so
    on. `load_state_dict` takes the state of a ``GPT2LMHeadModel`` as well.

    Args:
        config: the sizes.
        generator: where the first values come from.
        sizes: the sizes by name, instead of a config.

    Attributes:
        wte: table of the tokens.
        wpe: table of the positions.
        h: the blocks.
        ln_f: the normalisation behind them.
        lm_head: a `Linear` that gives the scores, or None where `wte` does.

    Raises:
        ArgumentError: if the heads do not divide the width.

    Example:
        >>> model = ad.nn.GPT(vocab_size=11, block_size=8, layers=2, heads=2, width=16)
        >>> model(ad.tensor([[1, 2, 3]])).shape
        (1, 3, 11)
        >>> model.generate(ad.tensor([[1, 2, 3]]), 4).shape
        (1, 7)

    Source: Radford et al., Language models are unsupervised multitask learners (2019).
    """

    lm_head: Linear | None

    def __init__(
        self, config: GPTConfig | None = None, *, generator: Generator | None = None, **sizes: Any
    ) -> None:
        if config is not None and sizes:
            raise ad.errors.ArgumentError("GPT: give a config or sizes by name, not both")
        config = config or GPTConfig(**sizes)
        self.config = config
        self.wte = Embedding(config.vocab_size, config.width)
        self.wpe = Embedding(config.block_size, config.width)
        self.drop = Dropout(config.dropout)
        self.h = ModuleList([GPTBlock(config) for _ in range(config.layers)])
        self.ln_f = LayerNorm(config.width, bias=config.bias)
        self.register_module("lm_head", None)
        if not config.tied:
            self.lm_head = Linear(config.width, config.vocab_size, bias=False)
        self.reset_parameters(generator)

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw the weights anew, as GPT-2: normal with standard deviation 0.02, biases 0.

        Projections that are added to what came in get ``0.02 / sqrt(2 * layers)``, so that the sum
        does not grow with the number of blocks.
        """
        for name, parameter in self.named_parameters():
            if parameter.ndim > 1:
                added = name.endswith("c_proj.weight")
                std = 0.02 / math.sqrt(2 * self.config.layers) if added else 0.02
                init.normal_(parameter, 0.0, std, generator)

    def forward(self, tokens: Any, seen: list[Seen] | None = None) -> Any:
        """The scores of the next token, shape (N, L, vocabulary).

        Args:
            tokens: integers, shape (N, L), or (L,) without a batch; L is `block_size` at most.
            seen: what the blocks have seen of the tokens before these; `generate` uses it.

        Raises:
            ShapeError: if there are too many tokens.
        """
        tokens = ad.asarray(tokens)
        alone = tokens.ndim == 1
        tokens = tokens[None] if alone else tokens
        length, start = tokens.shape[1], 0
        if seen and seen[0].keys is not None:
            start = seen[0].keys.shape[-2]
        if start + length > self.config.block_size:
            most = self.config.block_size
            raise misfit(
                "GPT",
                f"{start + length} tokens, the model sees {most} at once",
                f"tokens[:, -{most}:], or a larger block_size",
                tokens=tokens,
            )
        x = self.drop(self.wte(tokens) + self.wpe.weight[start : start + length])
        for i, block in enumerate(self.h):
            x = block(x, None if seen is None else seen[i])
        x = self.ln_f(x)
        logits = x @ self.wte.weight.T if self.lm_head is None else self.lm_head(x)
        return logits[0] if alone else logits

    def generate(
        self,
        tokens: Any,
        n: int,
        temperature: float = 1.0,
        top_k: int | None = None,
        generator: Generator | None = None,
    ) -> Any:
        """The tokens, and `n` more, each drawn from what the model expects behind those before it.

        Args:
            tokens: integers, shape (N, L), or (L,) without a batch; at least one.
            n: number of tokens to append.
            temperature: what the scores are divided by: less is more certain, 0 takes the best.
            top_k: draw only among so many of the best; by default among all.
            generator: where the random bits come from.

        Returns:
            Shape (N, L + n). Dropout is off; behind `block_size` tokens the model sees the last.

        Raises:
            ArgumentError: if the temperature is negative, or there is no token to begin with.
        """
        tokens = ad.asarray(tokens)
        if temperature < 0 or not tokens.shape[-1]:
            raise ad.errors.ArgumentError(
                f"GPT: needs a token and a temperature from 0 on, got shape {tokens.shape} "
                f"and temperature {temperature}"
            )
        alone, trains = tokens.ndim == 1, self.training
        tokens = tokens[None] if alone else tokens
        self.eval()
        try:
            with ad.no_grad():
                tokens = self._continued(tokens, n, temperature, top_k, generator)
        finally:
            self.train(trains)
        return tokens[0] if alone else tokens

    def _continued(
        self, tokens: Any, n: int, temperature: float, top_k: int | None, generator: Any
    ) -> Any:
        size = self.config.block_size
        seen: list[Seen] = []
        for _ in range(n):
            if not seen or tokens.shape[1] > size:  # positions move on: everything is made anew
                seen = [Seen() for _ in self.h]
                new = tokens[:, -size:]
            else:
                new = tokens[:, -1:]
            logits = self(new, seen)[:, -1]
            drawn = chosen(logits, temperature, top_k, generator).astype(tokens.dtype)
            tokens = ad.concat([tokens, drawn[:, None]], axis=1)
        return tokens

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> LoadResult:
        """Take the weights from a state of this class, of ``GPT2Model`` or ``GPT2LMHeadModel``.

        The prefix ``transformer.`` is taken off, masks among the buffers of older versions are left
        out, and so is ``lm_head.weight`` where the scores are made with `wte`. Otherwise as
        `Module.load_state_dict`.

        Args:
            state: path and value.
            strict: whether every name must be on both sides.

        Returns:
            ``missing_keys`` and ``unexpected_keys``.
        """
        named = {name.removeprefix("transformer."): value for name, value in state.items()}
        left_out = (".attn.bias", ".attn.masked_bias")
        named = {name: value for name, value in named.items() if not name.endswith(left_out)}
        if self.lm_head is None:
            named.pop("lm_head.weight", None)
        return super().load_state_dict(named, strict)

    def extra_repr(self) -> str:
        """The sizes."""
        return repr(self.config).removeprefix("GPTConfig(").removesuffix(")")


def chosen(logits: Any, temperature: float, top_k: int | None, generator: Any) -> Any:
    """One token for each row of scores."""
    if temperature == 0:
        return ad.argmax(logits, axis=-1)
    logits = logits / temperature
    if top_k is not None:
        least = ad.topk(logits, min(top_k, logits.shape[-1]))[0][:, -1:]
        logits = ad.where(logits < least, -math.inf, logits)
    return ad.random.categorical(logits, generator=generator)
