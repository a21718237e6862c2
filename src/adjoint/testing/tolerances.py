"""How closely two ways to compute a derivative must agree, by dtype: the only such table."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from adjoint.core.types import DType, real_of


class Tolerance(NamedTuple):
    """Relative tolerances for one precision.

    Attributes:
        value: results of the same formula in this precision and in double precision.
        differences: a derivative against finite differences.
        exact: a derivative against one that has no truncation error, such as the complex step.
        identity: the two sides of ``<ct, J v> = <J' ct, v>``.
    """

    value: float
    differences: float
    exact: float
    identity: float


TOLERANCES: Final[dict[str, Tolerance]] = {
    "float64": Tolerance(1e-12, 1e-6, 1e-9, 1e-12),
    "float32": Tolerance(1e-4, 1e-3, 1e-3, 1e-4),
    "float16": Tolerance(2e-2, 5e-2, 5e-2, 5e-2),
    "bfloat16": Tolerance(1e-1, 2e-1, 2e-1, 2e-1),
}


def precision(dtype: DType) -> str:
    """The row of the table for a dtype: a complex dtype has the precision of its parts."""
    return real_of(dtype).name


def tolerance_for(*dtypes: DType) -> Tolerance:
    """The tolerances of the least precise of these dtypes."""
    order = list(TOLERANCES)
    rows = [order.index(precision(d)) for d in dtypes]
    return TOLERANCES[order[max(rows, default=0)]]


def epsilon(dtype: DType) -> float:
    """The distance from 1 to the next number of this precision."""
    name = precision(dtype)
    return 2.0**-7 if name == "bfloat16" else float(np.finfo(name).eps)


def coarsest(*dtypes: Any) -> float:
    """The largest `epsilon` among these dtypes."""
    return max((epsilon(d) for d in dtypes), default=epsilon(np.dtype(np.float64)))
