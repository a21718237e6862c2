"""What a gradient check found: its report, and the error that names the worst element."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import inf

from adjoint.core.errors import AdjointError


class GradientMismatch(AdjointError, AssertionError):
    """A derivative differs from the one found by another way."""


@dataclass(frozen=True)
class Comparison:
    """One element of a derivative, computed in two ways.

    Attributes:
        where: the argument and the index in it, such as ``args[0].weight[2, 1]``.
        output: the output and the index in it, where the mode tells outputs apart.
        analytic: what the rules gave.
        numeric: what it was compared with.
        tolerance: the relative tolerance.
        rounding: the difference that rounding may make on top.
        order: order of the derivative.
        mode: such as ``reverse over forward``.
        method: what `numeric` was found by.
        note: what else is known.
    """

    where: str
    output: str
    analytic: float
    numeric: float
    tolerance: float
    rounding: float
    order: int
    mode: str
    method: str
    note: str = ""

    @property
    def relative_error(self) -> float:
        """Distance of the two beyond rounding, relative to the larger."""
        gap = abs(self.analytic - self.numeric)
        if not gap < inf:
            return inf
        size = max(abs(self.analytic), abs(self.numeric))
        return max(0.0, gap - self.rounding) / size if size else 0.0

    @property
    def excess(self) -> float:
        """The error in units of the tolerance: above 1 the check fails."""
        return self.relative_error / self.tolerance if self.tolerance else inf

    def __str__(self) -> str:
        lines = [
            f"check_grads: the derivative with respect to {self.where} is wrong",
            f"    analytic: {self.analytic:.17g}",
            f"    numeric:  {self.numeric:.17g}   by {self.method}",
            f"    relative error: {self.relative_error:.3g}   tolerance: {self.tolerance:.3g}",
            f"    order: {self.order}   mode: {self.mode}",
        ]
        if self.output:
            lines.insert(1, f"    of output: {self.output}")
        if self.note:
            lines.append(f"    {self.note}")
        return "\n".join(lines)


@dataclass
class GradientReport:
    """What `check_grads` did, when all is well.

    Attributes:
        checks: number of comparisons.
        worst: the comparison that came closest to its tolerance.
        methods: how often each numeric way served.
    """

    checks: int = 0
    worst: Comparison | None = None
    methods: Counter[str] = field(default_factory=Counter[str])

    @property
    def worst_error(self) -> float:
        """Relative error of the comparison that came closest to its tolerance."""
        return 0.0 if self.worst is None else self.worst.relative_error

    def add(self, comparison: Comparison) -> None:
        """Count a comparison.

        Raises:
            GradientMismatch: if it is out of tolerance.
        """
        self.checks += 1
        self.methods[comparison.method] += 1
        if comparison.excess > 1:
            raise GradientMismatch(str(comparison))
        if self.worst is None or comparison.excess > self.worst.excess:
            self.worst = comparison

    def __str__(self) -> str:
        ways = ", ".join(f"{n} by {method}" for method, n in sorted(self.methods.items()))
        text = f"{self.checks} checks passed ({ways})"
        if self.worst is not None:
            w = self.worst
            text += f"; largest relative error {w.relative_error:.1e} at {w.where} ({w.mode})"
        return text
