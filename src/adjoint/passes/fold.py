"""Constant folding: what is known when the graph is made is computed then.

It is computed by the cards themselves, so the numbers are those that the graph would give. Not
folded: random draws and loops (a function of constants they may be, but not one to run twice or
for long), operations with several results, and what only repeats numbers, which costs nothing as
a view and memory as a constant.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from adjoint.core.bind import FP_IGNORE, fp_reset, fp_set
from adjoint.core.graph import Node
from adjoint.core.primitive import Primitive
from adjoint.core.program import Graph
from adjoint.core.types import Type
from adjoint.ops.shape import Expand, Reshape
from adjoint.passes.rewrite import Builder, Rules, Xs, rewrite

LARGEST: Final = 64 * 1024
"""Bytes of the largest result that is computed beforehand."""
MOST: Final = 16 * 1024 * 1024
"""Bytes of the largest operand that is worth a pass over it."""
NEVER: Final = frozenset({"source", "control"})

FOLD: Final = Rules()


@FOLD.on(Primitive)
def folded(build: Builder, op: Any, xs: Xs) -> Node | None:
    """A constant for an operation on constants."""
    constants = build.constants
    for x in xs:
        if x.__class__ is Node and x not in constants:
            return None
    if op.kind in NEVER or op.__class__ is Expand:
        return None
    values = [build.known(x) for x in xs]
    if any(v is None for v in values):
        return None
    t = op.out_type(*[x.type if x.__class__ is Node else x for x in xs])
    if t.__class__ is not Type or not _worth(op, t, xs):
        return None
    token = fp_set(FP_IGNORE)
    try:
        out = np.asarray(op.value(*values))
    finally:
        fp_reset(token)
    if out.dtype != t.dtype or out.shape != t.shape:
        return None
    return build.constant(out if out.flags.c_contiguous else out.copy())


def _worth(op: Any, t: Type, xs: Xs) -> bool:
    """Whether the result is small, or another shape of numbers that are there anyway."""
    if op.__class__ is Reshape:
        return True
    return t.nbytes <= LARGEST and all(x.type.nbytes <= MOST for x in xs if x.__class__ is Node)


def fold(graph: Graph) -> Graph:
    """The graph with operations on constants computed. Exact: their cards compute them.

    Example:
        >>> from adjoint.passes.fold import fold
        >>> print(fold(ad.trace(lambda x: x + ad.arange(3) * 2, ad.tensor([1, 2, 3]))))
        graph(%0: i64[3]) {
          %1: i64[3] = constant([0, 2, 4])
          %2: i64[3] = add(%0, %1)
        } -> (%2)
    """
    return rewrite(graph, FOLD)
