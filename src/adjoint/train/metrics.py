"""Metrics: how good outputs are, exactly, over batches of any sizes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import adjoint as ad
from adjoint.train.errors import TrainingError
from adjoint.train.losses import cross_entropy

Array = np.ndarray[Any, Any]


class Metric:
    """A number that says how good outputs are, from statistics that can be merged.

    `statistics` turns a batch into a few numbers, by tensor operations, so that it can be compiled;
    `merge` joins those of two sets of rows, and `value` makes the metric of those of all rows. The
    result is that of one batch with all rows, however they were divided.

    Attributes:
        name: under which the metric is reported.
        larger_is_better: whether it grows as the model improves.

    Example:
        >>> metric = ad.train.Accuracy()
        >>> scores = np.array([[2.0, 1.0], [0.0, 3.0], [1.0, 0.0]])
        >>> a = metric.statistics(ad.asarray(scores[:2]), ad.tensor([0, 0]))
        >>> b = metric.statistics(ad.asarray(scores[2:]), ad.tensor([0]))
        >>> metric.value(metric.merge(a.numpy(), b.numpy()))
        0.66667
    """

    name = "metric"
    larger_is_better = True

    def statistics(self, output: Any, target: Any) -> Any:
        """The numbers of one batch, as a float64 tensor."""
        raise NotImplementedError

    def merge(self, a: Array, b: Array) -> Array:
        """The numbers of two sets of rows together; by default their sum."""
        return a + b

    def value(self, total: Array) -> float:
        """The metric, of the numbers of all rows; by default the quotient of the two."""
        return float(total[0] / total[1]) if total[1] else math.nan


def _labelled(output: Any, target: Any) -> tuple[Any, Any]:
    """Scores and labels with one axis of examples."""
    if output.ndim > 2:
        return output.reshape((-1, output.shape[-1])), target.reshape((-1,))
    return output, target


def _pair(a: Any, b: Any) -> Any:
    return ad.stack([ad.asarray(a).astype(ad.float64), ad.asarray(b).astype(ad.float64)])


def _sum(x: Any) -> Any:
    return ad.sum(x.astype(ad.float64))


class Accuracy(Metric):
    """The share of examples whose class has the largest score; of equal scores the first wins.

    Labels of -100 do not count. A single score for each example stands for a class of its own if it
    is above 0.
    """

    name = "accuracy"

    def statistics(self, output: Any, target: Any) -> Any:
        """How many are right, and how many there are."""
        if output.ndim == target.ndim or output.shape[-1] == 1:
            found, target = (output.reshape((-1,)) > 0), target.reshape((-1,))
            return _pair(_sum(found == (target > 0)), target.size)
        output, target = _labelled(output, target)
        right = ad.argmax(output, axis=-1) == target
        return _pair(_sum(right), _sum(target != -100))


class TopK(Metric):
    """The share of examples whose class is among those with the k largest scores.

    Of equal scores the first counts as larger, so that k = 1 is `Accuracy`.

    Args:
        k: how many.
    """

    def __init__(self, k: int = 5) -> None:
        self.k = k
        self.name = f"top-{k} accuracy"

    def statistics(self, output: Any, target: Any) -> Any:
        """How many are among the best, and how many there are."""
        output, target = _labelled(output, target)
        used = target != -100
        label = ad.where(used, target, 0)[:, None]
        mine = ad.take_along_axis(output, label, axis=1)
        place = ad.arange(output.shape[1])[None, :]
        ahead = (output > mine) | ((output == mine) & (place < label))
        rank = ad.sum(ahead.astype(ad.int64), axis=1)
        return _pair(_sum((rank < self.k) & used), _sum(used))


class MeanAbsoluteError(Metric):
    """The mean distance from the target.

    Args:
        scale: what the distance is multiplied by: the standard deviation of the target in its own
            unit, where it was standardised.
    """

    name = "mean absolute error"
    larger_is_better = False

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale

    def statistics(self, output: Any, target: Any) -> Any:
        """Sum of the distances, and their number."""
        error = output.reshape(target.shape).astype(ad.float64) - target.astype(ad.float64)
        return _pair(_sum(abs(error)), target.size)

    def value(self, total: Array) -> float:
        """The mean, in the unit of the scale."""
        return super().value(total) * self.scale


class R2(Metric):
    """The share of the variance that is explained, ``1 - Σ(y - ŷ)² / Σ(y - mean)²``.

    Means and squares are merged by the formula of Chan, Golub and LeVeque (1979), which does not
    cancel. Of several outputs the mean is taken. A target that does not vary gives NaN.
    """

    name = "R²"

    def statistics(self, output: Any, target: Any) -> Any:
        """For each output: number, mean, squared deviations, squared errors."""
        y = target.astype(ad.float64).reshape((target.shape[0], -1))
        error = output.astype(ad.float64).reshape(y.shape) - y
        mean = ad.mean(y, axis=0)
        count = ad.full(mean.shape, y.shape[0], dtype=ad.float64)
        spread = ad.sum((y - mean) ** 2, axis=0)
        return ad.stack([count, mean, spread, ad.sum(error * error, axis=0)])

    def merge(self, a: Array, b: Array) -> Array:
        """The numbers of both."""
        count = a[0] + b[0]
        shift = b[1] - a[1]
        mean = a[1] + shift * b[0] / count
        spread = a[2] + b[2] + shift**2 * a[0] * b[0] / count
        return np.stack([count, mean, spread, a[3] + b[3]])

    def value(self, total: Array) -> float:
        """The mean over the outputs."""
        spread = np.where(total[2] > 0, total[2], math.nan)
        return float(np.mean(1.0 - total[3] / spread))


class Perplexity(Metric):
    """The exponential of the mean cross-entropy: between how many tokens the model wavers."""

    name = "perplexity"
    larger_is_better = False

    def statistics(self, output: Any, target: Any) -> Any:
        """Sum of the cross-entropies, and their number."""
        return _pair(*cross_entropy(output, target))

    def value(self, total: Array) -> float:
        """The exponential of the mean."""
        mean = super().value(total)
        return math.exp(mean) if mean < 700 else math.inf


class Mean(Metric):
    """The mean over all rows of what a function gives for each row, or for each batch on average.

    Args:
        f: of output and target.
        name: under which it is reported; by default the name of the function.
        larger_is_better: whether it grows as the model improves.
    """

    def __init__(
        self, f: Callable[[Any, Any], Any], name: str | None = None, larger_is_better: bool = True
    ) -> None:
        self.f, self.larger_is_better = f, larger_is_better
        self.name = name or getattr(f, "__name__", "metric")

    def statistics(self, output: Any, target: Any) -> Any:
        """Sum and number of the values."""
        found = self.f(output, target)
        if found.ndim:
            return _pair(_sum(found), found.size)
        return _pair(found.astype(ad.float64) * target.shape[0], target.shape[0])


NAMED: dict[str, Callable[[], Metric]] = {
    "accuracy": Accuracy,
    "top-5": TopK,
    "r2": R2,
    "mae": MeanAbsoluteError,
    "perplexity": Perplexity,
}


def as_metric(given: Any) -> Metric:
    """A metric that is given as one, by name, or as a function of output and target.

    Raises:
        TrainingError: if there is no metric of this name.
    """
    if isinstance(given, Metric):
        return given
    if isinstance(given, str):
        if given not in NAMED:
            raise TrainingError(f"There is no metric {given!r}; there are {', '.join(NAMED)}.")
        return NAMED[given]()
    return Mean(given)
