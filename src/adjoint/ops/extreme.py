"""The largest and smallest elements over axes, and where they stand.

**Ties:** equal elements share the gradient equally.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, final

import numpy as np

from adjoint.core.bind import lift
from adjoint.core.errors import DTypeError, ShapeError
from adjoint.core.primitive import Primitive, Sample
from adjoint.core.types import Type
from adjoint.ops.compare import EQUAL
from adjoint.ops.families import CAST, AbstractGeneral, scale
from adjoint.ops.shape import Expand, Sum, axes_of, axis_of, ravel, with_axes

__all__ = ["amax", "amin", "argmax", "argmin", "max", "min"]

Axis = int | Sequence[int] | None


def check_some(x: Any, axes: tuple[int, ...], what: str) -> None:
    """Refuse complex values, and to look for an element among none."""
    if x.dtype.kind == "c":
        raise DTypeError(f"complex numbers have no order, got {x.dtype}")
    for a in axes:
        if not x.shape[a]:
            raise ShapeError(f"no {what} of no elements: x has shape {x.shape}, axis {a} is empty")


class AbstractExtreme(AbstractGeneral):
    """The element that wins over `axes`. **Gradient:** shared equally by all that are equal to it.

    If an element is NaN the result is NaN, and so are the gradients of its row.
    """

    axes: tuple[int, ...]
    kind = "reduce"
    takes = "?bBhHiIlLqQefdE"
    what: ClassVar[str] = ""

    def out_type(self, x: Any) -> Type:
        check_some(x, self.axes, self.what)
        return x.drop(self.axes)

    def vjp(self, ct: Any, out: Any, x: Any) -> Any:
        wins = CAST[ct.dtype](EQUAL(x, Expand(x.shape, self.axes)(out)))
        each = scale(ct, 1 / Sum(self.axes)(wins))
        return (scale(Expand(x.shape, self.axes)(each), wins),)

    def batch(self, size: int, batched: tuple[bool, ...], x: Any) -> Any:
        return type(self)(tuple(a + 1 for a in self.axes))(x)

    def cost(self, *types: Any) -> int:
        return types[0].size

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls((0,)), [rng.permutation(np.arange(6.0)).reshape(2, 3)]
        yield cls((0, 2)), [rng.permutation(np.arange(12.0)).reshape(2, 2, 3)]
        yield cls((0,)), [np.array([2.0])]
        yield cls(()), [rng.normal(size=2)]


@final
class Max(AbstractExtreme):
    """The largest element over `axes`. **Gradient:** shared equally at ties."""

    llvm = "max"
    what = "maximum"

    def value(self, x: Any) -> Any:
        check_some(x, (), "maximum")
        return np.maximum.reduce(x, axis=self.axes)


@final
class Min(AbstractExtreme):
    """The smallest element over `axes`. **Gradient:** shared equally at ties."""

    llvm = "min"
    what = "minimum"

    def value(self, x: Any) -> Any:
        check_some(x, (), "minimum")
        return np.minimum.reduce(x, axis=self.axes)


class AbstractPlace(Primitive):
    """Where along `axis` the element that wins stands first."""

    axis: int
    kind = "reduce"
    no_derivative = "a place is a whole number"
    takes = "?bBhHiIlLqQefdE"

    def out_type(self, x: Any) -> Type:
        check_some(x, (self.axis,), "place")
        return x.drop((self.axis,)).with_dtype(np.int64)

    def batch(self, size: int, batched: tuple[bool, ...], *xs: Any) -> Any:
        return type(self)(self.axis + 1)(*xs)

    def cost(self, *types: Any) -> int:
        return types[0].size

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(1), [rng.normal(size=(2, 3))]
        yield cls(0), [np.array([1, 3, 3, 2])]


@final
class ArgMax(AbstractPlace):
    """Where along `axis` the largest element stands first."""

    name = "argmax"
    llvm = "argmax"

    def value(self, x: Any) -> Any:
        check_some(x, (), "place")
        return np.asarray(np.argmax(x, axis=self.axis)).astype(np.int64, copy=False)


@final
class ArgMin(AbstractPlace):
    """Where along `axis` the smallest element stands first."""

    name = "argmin"
    llvm = "argmin"

    def value(self, x: Any) -> Any:
        check_some(x, (), "place")
        return np.asarray(np.argmin(x, axis=self.axis)).astype(np.int64, copy=False)


def max(
    x: Any,
    /,
    axis: Axis = None,
    *,
    keepdims: bool = False,
    dim: Axis = None,
    keepdim: bool | None = None,
) -> Any:
    """The largest element over axes; NaN if one is.

    Args:
        x: any shape, real.
        axis: one axis, several, or None for all.
        keepdims: leave the reduced axes with size 1.
        dim: another name of `axis`.
        keepdim: another name of `keepdims`.

    Raises:
        ShapeError: if there are no elements.
        DTypeError: for complex numbers, which have no order.

    Example:
        >>> ad.max(ad.tensor([[1.0, 5.0], [3.0, 2.0]]), axis=1)
        tensor([5., 3.])

    **Gradient:** to the largest element; shared equally at ties.
    """
    x = lift(x)
    axes = axes_of("max", x, dim if axis is None else axis)
    return with_axes(Max(axes)(x), x, axes, keepdims or keepdim)


def min(
    x: Any,
    /,
    axis: Axis = None,
    *,
    keepdims: bool = False,
    dim: Axis = None,
    keepdim: bool | None = None,
) -> Any:
    """The smallest element over axes; NaN if one is.

    Args:
        x: any shape, real.
        axis: one axis, several, or None for all.
        keepdims: leave the reduced axes with size 1.
        dim: another name of `axis`.
        keepdim: another name of `keepdims`.

    Raises:
        ShapeError: if there are no elements.
        DTypeError: for complex numbers, which have no order.

    Example:
        >>> ad.min(ad.tensor([[1.0, 5.0], [3.0, 2.0]]), axis=1)
        tensor([1., 2.])

    **Gradient:** to the smallest element; shared equally at ties.
    """
    x = lift(x)
    axes = axes_of("min", x, dim if axis is None else axis)
    return with_axes(Min(axes)(x), x, axes, keepdims or keepdim)


amax = max
amin = min


def argmax(
    x: Any,
    /,
    axis: int | None = None,
    *,
    keepdims: bool = False,
    dim: int | None = None,
    keepdim: bool | None = None,
) -> Any:
    """Where the largest element along an axis stands first; NaN counts as the largest.

    Args:
        x: any shape, real.
        axis: the axis; None looks through the flattened tensor.
        keepdims: leave the axis with size 1; with ``axis=None`` all of them.
        dim: another name of `axis`.
        keepdim: another name of `keepdims`.

    Raises:
        ShapeError: if there are no elements.

    Example:
        >>> ad.argmax(ad.tensor([[1.0, 5.0], [3.0, 2.0]]), axis=1)
        tensor([1, 0])
    """
    return _place(ArgMax, "argmax", lift(x), dim if axis is None else axis, keepdims or keepdim)


def argmin(
    x: Any,
    /,
    axis: int | None = None,
    *,
    keepdims: bool = False,
    dim: int | None = None,
    keepdim: bool | None = None,
) -> Any:
    """Where the smallest element along an axis stands first; NaN counts as the smallest.

    Args:
        x: any shape, real.
        axis: the axis; None looks through the flattened tensor.
        keepdims: leave the axis with size 1; with ``axis=None`` all of them.
        dim: another name of `axis`.
        keepdim: another name of `keepdims`.

    Raises:
        ShapeError: if there are no elements.

    Example:
        >>> ad.argmin(ad.tensor([[1.0, 5.0], [3.0, 2.0]]), axis=1)
        tensor([0, 1])
    """
    return _place(ArgMin, "argmin", lift(x), dim if axis is None else axis, keepdims or keepdim)


def _place(card: Any, op: str, x: Any, axis: int | None, keepdims: bool | None) -> Any:
    if axis is None:
        return with_axes(card(0)(ravel(x)), x, tuple(range(x.ndim)), keepdims)
    at = axis_of(op, x, axis)
    return with_axes(card(at)(x), x, (at,), keepdims)
