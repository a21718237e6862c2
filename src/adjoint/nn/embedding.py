"""Embeddings as layers: tables of which rows are looked up."""

from __future__ import annotations

from typing import Any, Self

import adjoint as ad
from adjoint.nn import init
from adjoint.nn.embed import embedding, embedding_bag, padding_row
from adjoint.nn.module import Module
from adjoint.nn.parameter import Parameter

__all__ = ["Embedding", "EmbeddingBag"]

Generator = ad.random.Generator


class AbstractTable(Module):
    """What both layers share: the table, and what they refuse."""

    weight: Any

    def _make(
        self,
        rows: int,
        size: int,
        padding_idx: int | None,
        sparse: bool,
        dtype: Any,
        generator: Generator | None,
    ) -> None:
        self.num_embeddings = rows
        self.embedding_dim = size
        self.padding_idx = padding_row(type(self).__name__, padding_idx, rows)
        self.sparse = sparse
        self.weight = Parameter(ad.empty((rows, size), dtype=dtype))
        self.reset_parameters(generator)

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw first values anew: normal, and zero for the padding row."""
        init.normal_(self.weight, generator=generator)
        if self.padding_idx is not None:
            with ad.no_grad():
                self.weight[self.padding_idx] = 0.0

    @classmethod
    def from_pretrained(cls, embeddings: Any, freeze: bool = True, **options: Any) -> Self:
        """A layer with a given table.

        Args:
            embeddings: (rows, n).
            freeze: whether it is not trained.
            options: further arguments of the constructor.
        """
        table = ad.tensor(embeddings)
        layer = cls(*table.shape, dtype=table.dtype, **options)
        layer.weight = Parameter(table, requires_grad=not freeze)
        return layer

    def extra_repr(self) -> str:
        """The arguments."""
        said = f"{self.num_embeddings}, {self.embedding_dim}"
        if self.padding_idx is not None:
            said += f", padding_idx={self.padding_idx}"
        return said + (", sparse=True" if self.sparse else "")


def _refuse_max_norm(name: str, max_norm: float | None) -> None:
    if max_norm is not None:
        raise ad.errors.ArgumentError(
            f"{name}: max_norm is not supported: it would change the weight in the forward pass\n"
            "  Try: ad.nn.functional.normalize(...) of the result."
        )


class Embedding(AbstractTable):
    """A table of vectors that are looked up by number and trained.

    The table starts normal with standard deviation 1, as PyTorch's.

    Args:
        num_embeddings: how many rows.
        embedding_dim: size of a row.
        padding_idx: a row of zeros that gets no gradient.
        max_norm: not supported.
        sparse: let a compiled step compute the gradient, and the optimizer's update, of the rows
            that were looked up alone. Outside of a compiled step the gradient is dense.
        dtype: dtype of the table.
        generator: where its first values come from.

    Raises:
        ArgumentError: if `max_norm` is given, or an index names no row.

    Example:
        >>> ad.nn.Embedding(10, 3)(ad.tensor([[1, 2], [9, 1]])).shape
        (2, 2, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        *,
        sparse: bool = False,
        dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:
        _refuse_max_norm("Embedding", max_norm)
        self._make(num_embeddings, embedding_dim, padding_idx, sparse, dtype, generator)

    def forward(self, input: Any) -> Any:
        """The row for each index: (..., embedding_dim)."""
        return embedding(input, self.weight, self.padding_idx)


class EmbeddingBag(AbstractTable):
    """The sum, mean or maximum of the rows of each bag of indices.

    Args:
        num_embeddings: how many rows.
        embedding_dim: size of a row.
        max_norm: not supported.
        mode: ``"mean"``, ``"sum"`` or ``"max"``.
        sparse: as of `Embedding`.
        include_last_offset: whether the offsets end with the number of indices.
        padding_idx: a row that does not count and gets no gradient.
        dtype: dtype of the table.
        generator: where its first values come from.

    Raises:
        ArgumentError: if `max_norm` is given, or an index names no row.

    Example:
        >>> bags = ad.nn.EmbeddingBag(10, 3, mode="sum")
        >>> bags(ad.tensor([1, 2, 4, 5]), offsets=ad.tensor([0, 3])).shape
        (2, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        *,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:
        _refuse_max_norm("EmbeddingBag", max_norm)
        self.mode = mode
        self.include_last_offset = include_last_offset
        self._make(num_embeddings, embedding_dim, padding_idx, sparse, dtype, generator)

    def forward(self, input: Any, offsets: Any = None, per_sample_weights: Any = None) -> Any:
        """One row for each bag: (bags, embedding_dim)."""
        return embedding_bag(
            input,
            self.weight,
            offsets,
            self.mode,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{super().extra_repr()}, mode={self.mode!r}"
