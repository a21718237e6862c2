"""Running sums, products and log-sums along an axis.

The derivative of a running product must not divide by its elements, which may be zero. It is a
linear recurrence run the other way, and so is that of a running log-sum-exp; the derivative of a
recurrence is a recurrence. So all of these are right at zeros, to any order, in linear time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, final

import numpy as np

from adjoint.core.bind import lift
from adjoint.core.errors import AxisError, DTypeError
from adjoint.core.primitive import Sample
from adjoint.core.types import Type, default_dtype, is_inexact
from adjoint.ops.compare import IS_INF, LESS, LOGICAL_AND, LOGICAL_XOR
from adjoint.ops.exponential import EXP
from adjoint.ops.families import CAST, AbstractGeneral, AbstractLinear, conj, scale
from adjoint.ops.join import Concat
from adjoint.ops.recurrence import Recurrence, accumulate, check_axis, shifted, with_first
from adjoint.ops.select import WHERE
from adjoint.ops.shape import axis_of, broadcast_to, ravel, refusal, sum_dtype
from adjoint.ops.slice import pad_axis, part

__all__ = [
    "cumprod",
    "cumsum",
    "cumulative_prod",
    "cumulative_sum",
    "diff",
    "logcumsumexp",
]


@final
class CumSum(AbstractLinear):
    """Running sums along `axis`, from the end with `reverse`."""

    axis: int
    reverse: bool = False
    kind = "scan"
    name = "cumulative_sum"

    def value(self, x: Any) -> Any:
        return accumulate(np.add, x, self.axis, self.reverse)

    def out_type(self, x: Any) -> Type:
        check_axis(x, self.axis)
        return Type(x.shape, x.dtype)

    def transpose(self, i: int, ct: Any, x: Any) -> Any:
        return CumSum(self.axis, not self.reverse)(ct)

    def batch(self, size: int, batched: tuple[bool, ...], x: Any) -> Any:
        return CumSum(self.axis + 1, self.reverse)(x)

    def cost(self, *types: Any) -> int:
        return types[0].size

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(1), [rng.normal(size=(2, 4))]
        yield cls(0, True), [rng.normal(size=(3, 2))]
        yield cls(0), [rng.normal(size=(0,))]


@final
class CumProd(AbstractGeneral):
    """Running products along `axis`, from the end with `reverse`."""

    axis: int
    reverse: bool = False
    kind = "scan"
    name = "cumulative_prod"

    def value(self, x: Any) -> Any:
        return accumulate(np.multiply, x, self.axis, self.reverse)

    def out_type(self, x: Any) -> Type:
        check_axis(x, self.axis)
        return Type(x.shape, x.dtype)

    def vjp(self, ct: Any, out: Any, x: Any) -> Any:
        step = -1 if self.reverse else 1
        back = Recurrence(self.axis, not self.reverse)
        into = back(conj(shifted(x, self.axis, -step)), ct)
        before = with_first(shifted(out, self.axis, step), self.axis, self.reverse, 1)
        return (scale(into, conj(before)),)

    def batch(self, size: int, batched: tuple[bool, ...], x: Any) -> Any:
        return CumProd(self.axis + 1, self.reverse)(x)

    def cost(self, *types: Any) -> int:
        return types[0].size

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(1), [rng.normal(size=(2, 4))]
        yield cls(0, True), [rng.normal(size=(3, 2))]
        yield cls(0), [np.array([1.5, 0.0, -2.0, 0.0, 0.5])]
        yield cls(0), [rng.normal(size=3) + 1j * rng.normal(size=3)]
        yield cls(0), [np.zeros((0, 2))]


@final
class LogCumSumExp(AbstractGeneral):
    """Logarithm of the running sums of exponentials along `axis`."""

    axis: int
    kind = "scan"
    name = "logcumsumexp"
    takes = "efdE"

    def value(self, x: Any) -> Any:
        return accumulate(np.logaddexp, x, self.axis, False)

    def out_type(self, x: Any) -> Type:
        check_axis(x, self.axis)
        if x.dtype.kind == "c":
            raise DTypeError(f"not defined for complex numbers, got {x.dtype}")
        return Type(x.shape, x.dtype)

    def coerce(self, xs: tuple[Any, ...]) -> tuple[Any, ...]:
        return xs if is_inexact(xs[0].dtype) else (CAST[default_dtype()](lift(xs[0])),)

    def vjp(self, ct: Any, out: Any, x: Any) -> Any:
        # d out[j] / d x[k] = exp(x[k] - out[j]) for j >= k; every exponent below is at most 0
        below = LOGICAL_AND(IS_INF(out), LESS(out, 0))
        level = WHERE(below, 0, out)
        # the last one plays no part; 1 there keeps its derivative finite
        n = out.shape[self.axis]
        later = part(level, self.axis, min(1, n), max(n - 1, 0)), part(level, self.axis, n - 1, 1)
        decay = EXP(out - Concat(self.axis)(*later)) if n else out
        into = Recurrence(self.axis, True)(decay, ct)
        return (scale(into, EXP(x - level)),)

    def batch(self, size: int, batched: tuple[bool, ...], x: Any) -> Any:
        return LogCumSumExp(self.axis + 1)(x)

    def cost(self, *types: Any) -> int:
        return 20 * types[0].size

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield cls(1), [rng.normal(size=(2, 4))]
        yield cls(0), [np.array([0.0, -300.0, 200.0, 199.0])]


def _flat(op: str, x: Any, axis: int | None, dim: int | None) -> tuple[Any, int]:
    """The operand and its axis; without one a tensor of several axes is flattened."""
    axis = dim if axis is None else axis
    if axis is None:
        return ravel(x), 0
    return x, axis_of(op, x, axis)


def cumulative_sum(
    x: Any,
    /,
    *,
    axis: int | None = None,
    dtype: Any = None,
    include_initial: bool = False,
    dim: int | None = None,
) -> Any:
    """Running sums along an axis.

    Args:
        x: any shape.
        axis: the axis; may be left out for vectors.
        dtype: dtype of the sums; by default that of `sum`.
        include_initial: put a zero in front, so that there is one element more.
        dim: another name of `axis`.

    Raises:
        AxisError: if `axis` is left out and there is not exactly one.

    Example:
        >>> ad.cumulative_sum(ad.tensor([1.0, 2.0, 3.0]))
        tensor([1., 3., 6.])

    **Gradient:** the running sums of the cotangent from the end.
    """
    x = _vector("cumulative_sum", lift(x), axis if dim is None else dim)
    return _sum("cumulative_sum", x, axis, dtype, include_initial, dim)


def _vector(op: str, x: Any, axis: int | None) -> Any:
    if axis is None and x.ndim != 1:
        raise refusal(op, AxisError(f"axis must be given for {x.ndim} axes"), ("x", x))
    return x


def _sum(op: str, x: Any, axis: int | None, dtype: Any, initial: bool, dim: int | None) -> Any:
    x, at = _flat(op, x, axis, dim)
    out = CumSum(at)(_converted(x, dtype))
    return pad_axis(out, at, 1, 0) if initial else out


def _converted(x: Any, dtype: Any) -> Any:
    target = sum_dtype(x.dtype, dtype)
    return x if x.dtype == target else CAST[target](x)


def cumulative_prod(
    x: Any,
    /,
    *,
    axis: int | None = None,
    dtype: Any = None,
    include_initial: bool = False,
    dim: int | None = None,
) -> Any:
    """Running products along an axis.

    Args:
        x: any shape.
        axis: the axis; may be left out for vectors.
        dtype: dtype of the products; by default that of `prod`.
        include_initial: put a one in front, so that there is one element more.
        dim: another name of `axis`.

    Raises:
        AxisError: if `axis` is left out and there is not exactly one.

    Example:
        >>> ad.cumulative_prod(ad.tensor([1.0, 2.0, 3.0]))
        tensor([1., 2., 6.])

    **Gradient:** right where elements are zero, to any order: nothing is divided.
    """
    x = _vector("cumulative_prod", lift(x), axis if dim is None else dim)
    return _prod("cumulative_prod", x, axis, dtype, include_initial, dim)


def _prod(op: str, x: Any, axis: int | None, dtype: Any, initial: bool, dim: int | None) -> Any:
    x, at = _flat(op, x, axis, dim)
    out = CumProd(at)(_converted(x, dtype))
    if not initial:
        return out
    ones = np.ones((*x.shape[:at], 1, *x.shape[at + 1 :]), out.dtype)
    return Concat(at)(ones, out)


def cumsum(x: Any, /, axis: int | None = None, dtype: Any = None, *, dim: int | None = None) -> Any:
    """Running sums along an axis, of the flattened tensor without one.

    Example:
        >>> ad.cumsum(ad.tensor([[1.0, 2.0], [3.0, 4.0]]))
        tensor([ 1.,  3.,  6., 10.])

    **Gradient:** the running sums of the cotangent from the end.
    """
    return _sum("cumsum", lift(x), axis, dtype, False, dim)


def cumprod(
    x: Any, /, axis: int | None = None, dtype: Any = None, *, dim: int | None = None
) -> Any:
    """Running products along an axis, of the flattened tensor without one.

    Example:
        >>> ad.cumprod(ad.tensor([[1.0, 2.0], [3.0, 4.0]]), axis=1)
        tensor([[ 1.,  2.],
                [ 3., 12.]])

    **Gradient:** right where elements are zero, to any order.
    """
    return _prod("cumprod", lift(x), axis, dtype, False, dim)


def logcumsumexp(x: Any, /, axis: int | None = None, *, dim: int | None = None) -> Any:
    """Logarithm of the running sums of exponentials along an axis, without overflow.

    Example:
        >>> ad.logcumsumexp(ad.tensor([0.0, 0.0, 1000.0]))
        tensor([0.000000e+00, 6.931472e-01, 1.000000e+03])

    **Gradient:** finite for any finite operand; zero for elements that are -inf.
    """
    x, at = _flat("logcumsumexp", lift(x), axis, dim)
    return LogCumSumExp(at)(x)


def diff(x: Any, /, *, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None) -> Any:
    """Differences of neighbours along an axis: ``x[k+1] - x[k]``, taken `n` times.

    Args:
        x: at least one axis.
        axis: the axis.
        n: how often the difference is taken.
        prepend: values to put before `x` first; a number stands for one element everywhere.
        append: values to put after `x` first.

    Raises:
        AxisError: if the axis does not exist.

    Example:
        >>> ad.diff(ad.tensor([1.0, 4.0, 9.0]))
        tensor([3., 5.])

    **Gradient:** 1 for the later, -1 for the earlier neighbour.
    """
    x = lift(x)
    at = axis_of("diff", x, axis)
    ends = [_end(x, at, y) for y in (prepend, append)]
    if ends != [None, None]:
        x = Concat(at)(*[y for y in (ends[0], x, ends[1]) if y is not None])
    for _ in range(n):
        m = max(x.shape[at] - 1, 0)
        first = min(x.shape[at], 1)
        later, earlier = part(x, at, first, m), part(x, at, 0, m)
        x = LOGICAL_XOR(later, earlier) if x.dtype.kind == "b" else later - earlier
    return x


def _end(x: Any, axis: int, y: Any) -> Any:
    if y is None:
        return None
    y = lift(np.asarray(y, x.dtype) if np.isscalar(y) else y)
    if y.ndim:
        return y
    return broadcast_to(y, (*x.shape[:axis], 1, *x.shape[axis + 1 :]))
