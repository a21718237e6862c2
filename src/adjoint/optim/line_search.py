"""A line search for the strong Wolfe conditions, for `LBFGS`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

SUFFICIENT, CURVATURE = 1e-4, 0.9


class Point(NamedTuple):
    """A place on the line: its distance, the loss there, the gradient, the slope along the line."""

    t: float
    loss: float
    grad: Any
    slope: float


class Search(NamedTuple):
    """What a search knows.

    Attributes:
        at: evaluates a distance.
        start: the point at distance 0.
        reach: largest element of the direction.
        tolerance: change of an element below which it is not worth going on.
        limit: how often `at` may be called beyond the first time.
    """

    at: Callable[[float], Point]
    start: Point
    reach: float
    tolerance: float
    limit: int

    def too_high(self, x: Point) -> bool:
        """Whether the loss has not fallen in proportion to the distance."""
        return x.loss > self.start.loss + SUFFICIENT * x.t * self.start.slope

    def flat(self, x: Point) -> bool:
        """Whether the slope has become small enough."""
        return abs(x.slope) <= -CURVATURE * self.start.slope


def strong_wolfe(search: Search, t: float) -> tuple[Point, int]:
    """A point where the loss has fallen and the slope is small, and how many points were tried.

    First the distance grows until a bracket contains such a point; then the bracket shrinks.

    Source: Nocedal and Wright, Numerical optimization, 2006, algorithms 3.5 and 3.6; in the form of
    PyTorch, after minFunc.
    """
    bracket, done, tries = _bracket(search, t)
    return _zoom(search, bracket, done, tries)


def _bracket(search: Search, t: float) -> tuple[list[Point], bool, int]:
    before, x = search.start, search.at(t)
    for tries in range(search.limit):
        if search.too_high(x) or (tries > 1 and x.loss >= before.loss):
            return [before, x], False, tries
        if search.flat(x):
            return [x], True, tries
        if x.slope >= 0:
            return [before, x], False, tries
        bounds = (x.t + 0.01 * (x.t - before.t), 10 * x.t)
        before, x = x, search.at(cubic_minimum(before, x, bounds))
    return [search.start, x], False, search.limit


def _zoom(search: Search, bracket: list[Point], done: bool, tries: int) -> tuple[Point, int]:
    low = _lower(bracket)
    stuck = False
    while not done and tries < search.limit:
        a, b = bracket
        if abs(b.t - a.t) * search.reach < search.tolerance:
            break
        t, stuck = _inside(cubic_minimum(a, b), a.t, b.t, stuck)
        x = search.at(t)
        tries += 1
        high = 1 - low
        if search.too_high(x) or x.loss >= bracket[low].loss:
            bracket[high] = x
            low = _lower(bracket)
            continue
        done = search.flat(x)
        if not done and x.slope * (bracket[high].t - bracket[low].t) >= 0:
            bracket[high] = bracket[low]
        bracket[low] = x
    return bracket[low], tries + 1


def _lower(bracket: list[Point]) -> int:
    """Which end has the lower loss."""
    return 0 if bracket[0].loss <= bracket[-1].loss else 1


def _inside(t: float, a: float, b: float, stuck: bool) -> tuple[float, bool]:
    """The distance to try, and whether it is close to an end of the bracket.

    The second time that this happens in a row it is moved away, as it is from the end itself.
    """
    low, high = min(a, b), max(a, b)
    margin = 0.1 * (high - low)
    if min(high - t, t - low) >= margin:
        return t, False
    if not stuck and low < t < high:
        return t, True
    return (high - margin if abs(t - high) < abs(t - low) else low + margin), False


def cubic_minimum(a: Point, b: Point, bounds: tuple[float, float] | None = None) -> float:
    """Where the cubic through two points with their slopes is lowest, within bounds."""
    low, high = bounds or (min(a.t, b.t), max(a.t, b.t))
    if a.t > b.t:
        a, b = b, a
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0:
        return (low + high) / 2.0
    d2 = square**0.5
    t = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2))
    return min(max(t, low), high)
