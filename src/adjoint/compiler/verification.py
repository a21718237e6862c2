"""Verification: every output of a call compared with what the interpreter computes.

The reference is the graph as it was staged, before any pass, node by node in NumPy. Integers and
truth values must be the same. Floats may differ by rounding: by a fraction of the largest element
that depends on the dtype. Where that is exceeded, the reference is computed once more from inputs
that are moved by units in the last place; what that changes is beyond what numbers of this
precision say, such as the sign of a gradient that is zero but for rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from adjoint.backends.interpreter import Interpreter
from adjoint.core.errors import VerificationError
from adjoint.core.program import Graph
from adjoint.core.types import is_inexact

Arrays = list[Any]
TOLERANCE: Final = {2: 2e-2, 4: 2e-4, 8: 1e-9}
"""The allowed difference as a part of the largest element, by bytes of a real number."""
TRIALS: Final = 6
"""In how many ways inputs are moved where something differs."""
MOVED: Final = 16
"""How many times what a moved input changes is still taken for rounding."""


class Verifier:
    """Runs a program on copies, compares what it yields with the interpreter, then hands it over.

    Args:
        graph: the graph as it was staged.
        program: what runs the calls, with the graph's inputs and outputs.
        donated: for an input, the output that lies in the same memory.
        names: gives a name for each output.
    """

    def __init__(
        self,
        graph: Graph,
        program: Callable[[Arrays], bool],
        donated: dict[int, int],
        names: Callable[[], Sequence[str]],
    ) -> None:
        self.reference = Interpreter(graph)
        self.program = program
        self.donated = donated
        self.names = names
        self.types = graph.out_types

    def __call__(self, arrays: Sequence[Any]) -> bool:
        """Run on the arrays of all inputs and outputs; these change if everything agrees.

        Returns:
            What the program returns; if that is False nothing is compared.

        Raises:
            VerificationError: if an output differs.
        """
        n = len(arrays) - len(self.types)
        copies = [np.array(x) for x in arrays[:n]]
        found = [np.empty(t.shape, t.dtype) for t in self.types]
        for i, o in self.donated.items():
            found[o] = copies[i]
        if not self.program([*copies, *found]):
            return False
        wanted = self._expected(arrays[:n])
        faults = [k for k, (x, y) in enumerate(zip(found, wanted, strict=True)) if excess(x, y)]
        if faults:
            trials = [self._expected([moved(x, t) for x in arrays[:n]]) for t in range(TRIALS)]
            for k in faults:
                worst = excess(found[k], wanted[k], [trial[k] for trial in trials])
                if worst is not None:
                    raise VerificationError(complaint(self.names()[k], *worst))
        for target, value in zip(arrays[n:], found, strict=True):
            target[...] = value
        return True

    def _expected(self, inputs: Sequence[Any]) -> Arrays:
        outs = [np.empty(t.shape, t.dtype) for t in self.types]
        self.reference([*inputs, *outs])
        return outs


Worst = tuple[Any, Any, Any, float]
"""Where the worst element is, what was found there, what was wanted, and what is allowed."""


def excess(found: Any, wanted: Any, trials: Sequence[Any] = ()) -> Worst | None:
    """The element that differs most beyond what is allowed, or None if all is well.

    Args:
        found: what the program computed.
        wanted: what the interpreter computed.
        trials: what the interpreter computed from moved inputs.
    """
    if found.size == 0:
        return None
    allowed, gap = _gaps(found, wanted)
    if trials:
        uncertain = np.max([_gaps(moved, wanted)[1] for moved in trials], axis=0)
        if is_inexact(wanted.dtype):
            known = uncertain[np.isfinite(uncertain)]
            allowed += MOVED * float(known.max(initial=0))
            gap = np.where(np.isinf(uncertain), 0, gap)
        else:
            gap = np.where(uncertain > 0, 0, gap)
    at = np.unravel_index(int(np.argmax(gap)), gap.shape)
    if gap[at] <= allowed:
        return None
    return tuple(map(int, at)), found[at], wanted[at], allowed


def _gaps(x: Any, y: Any) -> tuple[float, Any]:
    """What is allowed, and how far apart elements are: infinitely where only one is finite."""
    if not is_inexact(y.dtype):
        return 0.0, (x != y).astype(np.float64)
    wide = np.complex128 if y.dtype.kind == "c" else np.float64
    with np.errstate(all="ignore"):
        a, b = np.asarray(x).astype(wide), np.asarray(y).astype(wide)
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        gap = np.where(same, 0.0, np.abs(a - b))
        gap = np.where(np.isnan(gap), np.inf, gap)
        size = np.abs(b)
    largest = float(size[np.isfinite(size)].max(initial=0.0))
    width = y.dtype.itemsize // (2 if y.dtype.kind == "c" else 1)
    tiny = float(np.finfo(wide).tiny if width == 8 else 1e-37)
    return TOLERANCE[width] * largest + tiny, gap


def moved(x: Any, trial: int) -> Any:
    """The array with every float moved by up to four units in the last place, at random."""
    if x.dtype.kind != "f" or x.dtype.itemsize < 4:
        return x
    steps = np.random.default_rng(trial).integers(-4, 5, x.shape)
    with np.errstate(all="ignore"):
        return np.where(np.isfinite(x), x + steps * np.spacing(np.abs(x)), x).astype(x.dtype)


def complaint(name: str, at: Any, found: Any, wanted: Any, allowed: float) -> str:
    """The text of the error."""
    where = f" at {list(at)}" if at else ""
    limit = f" (allowed: {allowed:.3g})" if allowed else ""
    return (
        f"compile: {name} differs from what the interpreter computes{limit}\n"
        f"    compiled:    {found!s}{where}\n"
        f"    interpreter: {wanted!s}\n"
        "  This is a fault of the library, not of the program; nothing has been changed.\n"
        '  Try: ad.compile(..., backend="numpy"), and please report it with the function.'
    )
