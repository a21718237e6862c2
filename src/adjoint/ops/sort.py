"""Sorting along an axis: values, places, the k largest.

The order is stable: equal elements keep the order in which they stand, also when descending. NaN
counts as larger than everything.

**Ties:** the gradient of a sorted element goes to the element that the stable order puts there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, final

import numpy as np

from adjoint.core.bind import lift
from adjoint.core.errors import ArgumentError, AxisError, DTypeError
from adjoint.core.primitive import Primitive, Sample
from adjoint.core.types import Type
from adjoint.ops.along import AddAlong, TakeAlong
from adjoint.ops.families import AbstractGeneral
from adjoint.ops.shape import axis_of, ravel, refusal, several
from adjoint.ops.slice import part

__all__ = ["argpartition", "argsort", "partition", "sort", "topk"]


def check_sortable(x: Any, axis: int) -> None:
    """Refuse complex values, and an axis that is not there."""
    if x.dtype.kind == "c":
        raise DTypeError(f"complex numbers have no order, got {x.dtype}")
    if axis >= len(x.shape):
        raise AxisError(f"axis {axis} of a value with {len(x.shape)} axes")


@final
class ArgSort(Primitive):
    """The places from which sorting along `axis` takes the elements."""

    axis: int
    descending: bool = False
    kind = "sort"
    name = "argsort"
    no_derivative = "a place is a whole number"

    def value(self, x: Any) -> Any:
        check_sortable(x, self.axis)
        if not self.descending:
            return np.argsort(x, axis=self.axis, kind="stable").astype(np.int64, copy=False)
        # turned around twice, so that equal elements keep their order
        order = np.argsort(np.flip(x, self.axis), axis=self.axis, kind="stable")
        return (x.shape[self.axis] - 1 - np.flip(order, self.axis)).astype(np.int64, copy=False)

    def out_type(self, x: Any) -> Type:
        check_sortable(x, self.axis)
        return Type(x.shape, np.dtype(np.int64))

    def batch(self, size: int, batched: tuple[bool, ...], *xs: Any) -> Any:
        return ArgSort(self.axis + 1, self.descending)(*xs)

    def cost(self, *types: Any) -> int:
        x = types[0]
        return x.size * max(x.shape[self.axis], 1).bit_length()

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(1), [rng.normal(size=(2, 4))]
        yield cls(0, True), [np.array([2, 1, 2, 3, 1])]


@final
class Sort(AbstractGeneral):
    """The elements along `axis` in ascending order, or in descending order."""

    axis: int
    descending: bool = False
    kind = "sort"

    def value(self, x: Any) -> Any:
        check_sortable(x, self.axis)
        out = np.sort(x, axis=self.axis)
        return np.flip(out, self.axis) if self.descending else out

    def out_type(self, x: Any) -> Type:
        check_sortable(x, self.axis)
        return Type(x.shape, x.dtype)

    def vjp(self, ct: Any, out: Any, x: Any) -> Any:
        order = ArgSort(self.axis, self.descending)(x)
        return (AddAlong(self.axis, x.shape[self.axis])(ct, order),)

    def batch(self, size: int, batched: tuple[bool, ...], x: Any) -> Any:
        return Sort(self.axis + 1, self.descending)(x)

    def cost(self, *types: Any) -> int:
        x = types[0]
        return x.size * max(x.shape[self.axis], 1).bit_length()

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(1), [rng.permutation(np.arange(8.0)).reshape(2, 4)]
        yield cls(0, True), [rng.permutation(np.arange(6.0)).reshape(3, 2)]
        yield cls(0), [np.zeros((0,))]


def _axis(op: str, x: Any, axis: int | None) -> tuple[Any, int]:
    x = lift(x)
    if axis is None:
        return ravel(x), 0
    return x, axis_of(op, x, axis)


def sort(x: Any, /, axis: int | None = -1, *, descending: bool = False, stable: bool = True) -> Any:
    """The elements of a tensor in order along an axis.

    Args:
        x: at least one axis, real.
        axis: the axis; None flattens `x` first.
        descending: from the largest to the smallest.
        stable: accepted for the Array API; the order is always stable.

    Raises:
        AxisError: if the axis does not exist.
        DTypeError: for complex numbers, which have no order.

    Example:
        >>> ad.sort(ad.tensor([3.0, 1.0, 2.0]))
        tensor([1., 2., 3.])

    **Gradient:** to where the elements came from; at ties in the order in which they stood.
    """
    x, at = _axis("sort", x, axis)
    return Sort(at, descending)(x)


def argsort(
    x: Any, /, axis: int | None = -1, *, descending: bool = False, stable: bool = True
) -> Any:
    """The places from which sorting along an axis takes the elements.

    Args:
        x: at least one axis, real.
        axis: the axis; None flattens `x` first.
        descending: from the largest to the smallest.
        stable: accepted for the Array API; the order is always stable.

    Raises:
        AxisError: if the axis does not exist.

    Example:
        >>> ad.argsort(ad.tensor([3.0, 1.0, 2.0]))
        tensor([1, 2, 0])
    """
    x, at = _axis("argsort", x, axis)
    return ArgSort(at, descending)(x)


def topk(
    x: Any, k: int, /, axis: int = -1, *, largest: bool = True, dim: int | None = None
) -> tuple[Any, Any]:
    """The `k` largest elements along an axis, in descending order, and their places.

    Args:
        x: at least one axis, real.
        k: how many.
        axis: the axis.
        largest: False for the smallest, in ascending order.
        dim: another name of `axis`.

    Raises:
        ArgumentError: if there are fewer than `k` elements along the axis.

    Example:
        >>> ad.topk(ad.tensor([3.0, 1.0, 2.0]), 2)
        (tensor([3., 2.]), tensor([0, 2]))

    **Gradient:** to the elements that were chosen; of equal ones the first are chosen.
    """
    x, at = _axis("topk", x, axis if dim is None else dim)
    if not 0 <= k <= x.shape[at]:
        fact = ArgumentError(f"k = {k} elements of axis {at}, which has size {x.shape[at]}")
        raise refusal("topk", fact, ("x", x))
    places = part(ArgSort(at, largest)(x), at, 0, k)
    return TakeAlong(at)(x, places), places


def partition(x: Any, kth: int | tuple[int, ...], /, axis: int | None = -1) -> Any:
    """The elements along an axis with the `kth` in its sorted place, smaller ones before it.

    All of them are sorted, which is one of the orders that NumPy's `partition` may give.

    Raises:
        ArgumentError: if there is no `kth` element.

    Example:
        >>> ad.partition(ad.tensor([3.0, 1.0, 2.0]), 1)
        tensor([1., 2., 3.])

    **Gradient:** as for `sort`.
    """
    x, at = _axis("partition", x, axis)
    _check_kth("partition", x, at, kth)
    return Sort(at)(x)


def argpartition(x: Any, kth: int | tuple[int, ...], /, axis: int | None = -1) -> Any:
    """The places from which `partition` takes the elements.

    Raises:
        ArgumentError: if there is no `kth` element.

    Example:
        >>> ad.argpartition(ad.tensor([3.0, 1.0, 2.0]), 1)
        tensor([1, 2, 0])
    """
    x, at = _axis("argpartition", x, axis)
    _check_kth("argpartition", x, at, kth)
    return ArgSort(at)(x)


def _check_kth(op: str, x: Any, axis: int, kth: Any) -> None:
    n = x.shape[axis]
    for k in several(kth):
        if not -n <= k < n:
            raise refusal(op, ArgumentError(f"kth = {k}, axis {axis} has size {n}"), ("x", x))
