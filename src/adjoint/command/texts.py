"""Text: a vocabulary, windows to predict the next token of, and sampling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import adjoint as ad
from adjoint.command.problem import Asked, Problem
from adjoint.command.refusal import Refused


def text_problem(path: Path, asked: Asked) -> Problem:
    """Text in a file, of which the last part validates."""
    text = ad.data.read_text(path)
    vocabulary: Any = (
        ad.data.ByteVocabulary() if asked.tokens == "byte" else ad.data.CharVocabulary(text)
    )
    tokens = vocabulary.encode(text)
    share = min(max(asked.validation, 0.0), 0.5)
    cut = len(tokens) - int(len(tokens) * share)
    block = asked.block_size
    if min(cut, len(tokens) - cut) <= block:
        raise Refused(
            f"{path} has {len(tokens):,} tokens, which is too little for windows of {block}.\n"
            f"Try: --block-size {max(8, int(len(tokens) * share) // 4)}, or more text."
        )
    train = ad.data.TextDataset(tokens[:cut], block)
    valid = ad.data.TextDataset(tokens[cut:], block)
    about = {
        "kind": "text",
        "tokens": asked.tokens,
        "characters": getattr(vocabulary, "characters", ""),
        "block_size": block,
    }
    words = "characters" if asked.tokens == "char" else "bytes"
    return Problem(
        name=path.stem,
        about=about,
        parts=[train, valid, []],
        inputs=[block],
        outputs=len(vocabulary),
        facts=[("data", f"{path}, {len(tokens):,} {words}, {len(vocabulary)} different")],
    )


def vocabulary_of(about: dict[str, Any]) -> Any:
    """The vocabulary that a model was trained with."""
    if about["tokens"] == "byte":
        return ad.data.ByteVocabulary()
    return ad.data.CharVocabulary(about["characters"])


def sampled(
    model: Any, about: dict[str, Any], prompt: str, count: int, temperature: float, seed: int
) -> str:
    """The prompt, and so many tokens that the model expects behind it."""
    vocabulary = vocabulary_of(about)
    tokens = vocabulary.encode(prompt) if prompt else np.zeros(1, np.int64)
    generator = ad.random.Generator(seed)
    if isinstance(model, ad.nn.GPT):
        out = model.generate(
            ad.asarray(tokens), count, temperature=temperature, generator=generator
        ).numpy()
    else:
        out = _stepwise(model, about["block_size"], tokens, count, temperature, generator)
    return vocabulary.decode(out if prompt else out[1:])


def _stepwise(
    model: Any, block: int, tokens: Any, count: int, temperature: float, generator: Any
) -> Any:
    model.eval()
    out = tokens
    with ad.no_grad():
        for _ in range(count):
            scores = model(ad.asarray(out[None, -block:]))[:, -1]
            if temperature == 0:
                new = ad.argmax(scores, axis=-1)
            else:
                new = ad.random.categorical(scores / temperature, generator=generator)
            out = np.concatenate([out, new.numpy().astype(out.dtype)])
    return out
