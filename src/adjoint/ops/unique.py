"""The distinct values of a tensor; their number depends on the numbers, which must be known."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from adjoint.core.bind import lift, numbers
from adjoint.ops.gather import Gather
from adjoint.ops.shape import Reshape, ravel

__all__ = ["unique_all", "unique_counts", "unique_inverse", "unique_values"]


class UniqueAll(NamedTuple):
    """What `unique_all` returns."""

    values: Any
    indices: Any
    inverse_indices: Any
    counts: Any


class UniqueCounts(NamedTuple):
    """What `unique_counts` returns."""

    values: Any
    counts: Any


class UniqueInverse(NamedTuple):
    """What `unique_inverse` returns."""

    values: Any
    inverse_indices: Any


def unique_all(x: Any, /) -> UniqueAll:
    """The distinct values in ascending order, where each stands first, where each element went.

    Each NaN is distinct from every other, as the Array API says.

    Returns:
        Values, the places of their first occurrence in the flattened tensor, for each element
        the place of its value, and how often each value occurs.

    Raises:
        TracerLeak: if the numbers are not known; the shape of the result depends on them.

    Example:
        >>> ad.unique_all(ad.tensor([3.0, 1.0, 3.0])).inverse_indices
        tensor([1, 0, 1])

    **Gradient:** of the values, to their first occurrence.
    """
    x = lift(x)
    found = np.unique(
        numbers(x, "ad.unique_all(x)"),
        return_index=True,
        return_inverse=True,
        return_counts=True,
        equal_nan=False,
    )
    indices, inverse, counts = (lift(np.asarray(y, np.int64)) for y in found[1:])
    values = Gather(0)(ravel(x), indices)
    return UniqueAll(values, indices, Reshape(x.shape)(inverse), counts)


def unique_counts(x: Any, /) -> UniqueCounts:
    """The distinct values in ascending order, and how often each occurs.

    Example:
        >>> ad.unique_counts(ad.tensor([3.0, 1.0, 3.0])).counts
        tensor([1, 2])

    **Gradient:** of the values, to their first occurrence.
    """
    found = unique_all(x)
    return UniqueCounts(found.values, found.counts)


def unique_inverse(x: Any, /) -> UniqueInverse:
    """The distinct values in ascending order, and for each element the place of its value.

    Example:
        >>> ad.unique_inverse(ad.tensor([3.0, 1.0, 3.0])).inverse_indices
        tensor([1, 0, 1])

    **Gradient:** of the values, to their first occurrence.
    """
    found = unique_all(x)
    return UniqueInverse(found.values, found.inverse_indices)


def unique_values(x: Any, /) -> Any:
    """The distinct values of a tensor in ascending order.

    Example:
        >>> ad.unique_values(ad.tensor([3.0, 1.0, 3.0]))
        tensor([1., 3.])

    **Gradient:** to the first occurrence of each value.
    """
    return unique_all(x).values
