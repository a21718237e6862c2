"""Rows of a table: one for each index, or one for each bag of indices."""

from __future__ import annotations

from typing import Any

import adjoint as ad
from adjoint.nn.refusal import refusal

__all__ = ["embedding", "embedding_bag"]


def _indices(name: str, input: Any, rows: int) -> Any:
    """Indices as a tensor, checked where their numbers are known.

    Raises:
        DTypeError: if they are not integers.
        ArgumentError: if one names no row.
    """
    index = ad.asarray(input)
    if not ad.isdtype(index.dtype, "integral"):
        fact = f"indices are integers, got {index.dtype}"
        raise refusal(ad.errors.DTypeError, fact, name, [("input", index)])
    if index.known and index.size:
        numbers = index.numpy()
        wrong = (numbers < 0) | (numbers >= rows)
        if wrong.any():
            fact = f"the index {numbers[wrong][0]} names no row: they are 0 to {rows - 1}"
            raise refusal(ad.errors.ArgumentError, fact, name, [("input", index)])
    return index


def padding_row(name: str, padding_idx: int | None, rows: int) -> int | None:
    """The number of the padding row; negative ones count from the end.

    Raises:
        ArgumentError: if there is no such row.
    """
    if padding_idx is None:
        return None
    if not -rows <= padding_idx < rows:
        raise ad.errors.ArgumentError(
            f"{name}: padding_idx {padding_idx} names no row: there are {rows}"
        )
    return padding_idx % rows


def embedding(input: Any, weight: Any, padding_idx: int | None = None) -> Any:
    """The row of a table for each index.

    Args:
        input: indices of any shape.
        weight: (rows, n).
        padding_idx: a row that gets no gradient.

    Returns:
        (..., n).

    Raises:
        ArgumentError: if an index names no row.

    Example:
        >>> table = ad.tensor([[0.0, 0.0], [1.0, 2.0]])
        >>> ad.nn.functional.embedding(ad.tensor([1, 1, 0]), table)
        tensor([[1., 2.],
                [1., 2.],
                [0., 0.]])

    **Gradient:** added up where a row is taken several times; none for the padding row.
    """
    index = _indices("embedding", input, weight.shape[0])
    out = ad.take(weight, index, axis=0)
    padding = padding_row("embedding", padding_idx, weight.shape[0])
    if padding is None:
        return out
    return ad.where((index == padding)[..., None], ad.stop_gradient(out), out)


def embedding_bag(
    input: Any,
    weight: Any,
    offsets: Any = None,
    mode: str = "mean",
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Any:
    """The sum, mean or maximum of the rows of each bag of indices.

    Args:
        input: indices: (bags, n) for bags of equal size, or (n,) with `offsets`.
        weight: (rows, m).
        offsets: (bags,), where in `input` each bag begins; the first is 0.
        mode: ``"sum"``, ``"mean"`` or ``"max"``.
        per_sample_weights: factors of the rows, of the input's shape; for ``"sum"`` alone.
        include_last_offset: whether `offsets` ends with the number of indices.
        padding_idx: a row that does not count and gets no gradient.

    Returns:
        (bags, m); zeros for an empty bag.

    Raises:
        ArgumentError: if an index names no row, or the arguments do not fit together.

    Example:
        >>> table = ad.tensor([[1.0], [2.0], [4.0]])
        >>> ad.nn.functional.embedding_bag(ad.tensor([0, 1, 2]), table, ad.tensor([0, 1]), "sum")
        tensor([[1.],
                [6.]])

    **Gradient:** in ``"max"``, shared equally between rows that tie.
    """
    if mode not in ("sum", "mean", "max"):
        raise ad.errors.ArgumentError(
            f"embedding_bag: mode is 'sum', 'mean' or 'max', got {mode!r}"
        )
    if per_sample_weights is not None and mode != "sum":
        raise ad.errors.ArgumentError(
            f"embedding_bag: per_sample_weights go with mode='sum', not with {mode!r}"
        )
    index = _indices("embedding_bag", input, weight.shape[0])
    rows = ad.take(weight, index, axis=0)
    if per_sample_weights is not None:
        rows = rows * ad.asarray(per_sample_weights)[..., None]
    padding = padding_row("embedding_bag", padding_idx, weight.shape[0])
    counts = ad.ones(index.shape, dtype=ad.bool) if padding is None else index != padding
    if index.ndim == 2 and offsets is None:
        return _of_equal_bags(rows, counts, mode)
    if index.ndim != 1 or offsets is None:
        raise ad.errors.ArgumentError(
            "embedding_bag: input has two axes, or one axis and offsets; "
            f"got {index.ndim} axes {'with' if offsets is not None else 'without'} offsets"
        )
    starts = ad.asarray(offsets)
    if include_last_offset:
        starts = starts[:-1]
    return _of_bags(rows, counts, starts, mode)


def _of_equal_bags(rows: Any, counts: Any, mode: str) -> Any:
    """Bags of the shape (bags, n, m), in which some rows may not count."""
    some = counts[..., None]
    if mode == "max":
        return _largest(rows, some, axis=1)
    total = ad.sum(ad.where(some, rows, 0.0), axis=1)
    if mode == "sum":
        return total
    return total / ad.maximum(ad.sum(some.astype(rows.dtype), axis=1), 1.0)


def _of_bags(rows: Any, counts: Any, starts: Any, mode: str) -> Any:
    """Bags one after the other: rows of the shape (n, m), where each bag starts."""
    n, bags = rows.shape[0], starts.shape[0]
    bag = ad.searchsorted(starts, ad.arange(n, dtype=starts.dtype), side="right") - 1
    some = counts[:, None]
    if mode == "max":  # bags * n * m numbers; there is no faster way that can be staged
        mine = (bag == ad.arange(bags, dtype=bag.dtype)[:, None])[..., None] & some
        return _largest(rows, mine, axis=1)
    empty = ad.zeros((bags, rows.shape[1]), dtype=rows.dtype)
    total = ad.add_at(empty, bag, ad.where(some, rows, 0.0))
    if mode == "sum":
        return total
    size = ad.add_at(ad.zeros(bags, dtype=rows.dtype), bag, counts.astype(rows.dtype))
    return total / ad.maximum(size, 1.0)[:, None]


def _largest(rows: Any, some: Any, axis: int) -> Any:
    """The maximum of the rows that count; 0 where none does."""
    top = ad.max(ad.where(some, rows, -ad.inf), axis=axis)
    return ad.where(ad.any(some, axis=axis), top, 0.0)
