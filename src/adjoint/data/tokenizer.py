"""Vocabularies of word pieces by Hugging Face's tokenizers: the one place that imports them."""

# An extra, imported where it is needed.
# pyright: reportMissingImports=false

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from adjoint.data.containers import as_array
from adjoint.data.errors import DataError, missing_extra

Array = np.ndarray[Any, Any]


class Tokenizer:
    """A vocabulary of word pieces, as a ``tokenizer.json`` describes it.

    Args:
        description: the JSON text of a tokenizer; `from_file` and `train` are other ways to one.

    Raises:
        MissingExtra: if ``tokenizers`` is not installed.
        DataError: if the description is none.

    Example:
        >>> try:
        ...     pieces = ad.data.Tokenizer.train(["low lower lowest"], size=300)
        ...     print(pieces.decode(pieces.encode("lowest")))
        ... except ad.data.MissingExtra:
        ...     print("lowest")
        lowest
    """

    def __init__(self, description: str) -> None:
        try:
            import tokenizers  # noqa: PLC0415
        except ImportError:
            raise missing_extra("A vocabulary of word pieces", "tokenizers", "text") from None
        try:
            self._inner: Any = tokenizers.Tokenizer.from_str(description)
        except Exception as error:  # the library raises bare ones
            raise DataError(f"Tokenizer: not the description of a tokenizer: {error}") from None

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Tokenizer:
        """The tokenizer in a ``tokenizer.json``."""
        try:
            return cls(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise DataError(f"There is no file {path}.") from None

    @classmethod
    def train(cls, texts: Iterable[str], size: int) -> Tokenizer:
        """A byte-level byte-pair encoding (as GPT-2's) with at most `size` tokens, from texts.

        Source: Sennrich, Haddow and Birch (2016), "Neural machine translation of rare words with
        subword units".
        """
        if size < 256:
            raise DataError(f"Tokenizer: needs at least the 256 bytes as tokens, got size {size}")
        try:
            from tokenizers import (  # noqa: PLC0415
                Tokenizer as Inner,
                decoders,
                models,
                pre_tokenizers,
                trainers,
            )
        except ImportError:
            raise missing_extra("A vocabulary of word pieces", "tokenizers", "text") from None
        inner: Any = Inner(models.BPE())
        inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        inner.decoder = decoders.ByteLevel()
        trainer: Any = trainers.BpeTrainer(
            vocab_size=size,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        inner.train_from_iterator(texts, trainer)
        return cls(inner.to_str())

    @property
    def description(self) -> str:
        """The JSON text that makes this tokenizer again, to be stored with a model."""
        return self._inner.to_str()

    def __len__(self) -> int:
        return self._inner.get_vocab_size()

    def encode(self, text: str) -> Array:
        """The numbers of the pieces of a text."""
        return np.array(self._inner.encode(text).ids, np.int64)

    def decode(self, tokens: Any) -> str:
        """The text of these pieces."""
        return self._inner.decode(as_array(tokens).reshape(-1).tolist(), skip_special_tokens=False)
