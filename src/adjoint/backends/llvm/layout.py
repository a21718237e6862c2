"""Where the elements of a value lie: strides and an offset into a base, as NumPy's views.

Views (reshape, permute, slice, broadcast, windows) cost nothing: they change how a consumer walks
through the base. A base is a value that is computed; its elements are counted in C order. Strides
are in elements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any

from adjoint.core.graph import Node, Pick
from adjoint.core.types import Shape
from adjoint.ops.diagonal import Diagonal
from adjoint.ops.join import Split
from adjoint.ops.shape import Expand, Permute, Reshape
from adjoint.ops.slice import Slice
from adjoint.ops.stop import StopGradient
from adjoint.ops.windows import Windows
from adjoint.transforms.leaves import Alias

Ints = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class View:
    """A walk through the elements of `base`: element ``i`` is at ``offset + sum(i * strides)``."""

    base: Node
    shape: Shape
    strides: Ints
    offset: int = 0

    @property
    def contiguous(self) -> bool:
        """Whether the walk is the whole base in C order."""
        return self.offset == 0 and self.size == prod(self.base.shape) and self.dense

    @property
    def dense(self) -> bool:
        """Whether the elements lie one after the other in C order."""
        step = 1
        for n, s in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if n != 1 and s != step:
                return False
            step *= n
        return True

    @property
    def size(self) -> int:
        """Number of elements of the walk."""
        return prod(self.shape)


def steps(shape: Sequence[int]) -> Ints:
    """Strides of an array of this shape in C order."""
    out: list[int] = []
    step = 1
    for n in reversed(shape):
        out.append(step)
        step *= n
    return tuple(reversed(out))


def whole(node: Node) -> View:
    """A node as its own base."""
    return View(node, node.shape, steps(node.shape))


def through(op: Any, x: View, node: Node) -> View | None:
    """The view that `op` makes of a view; None if it is none, or needs a copy."""
    rule = _RULES.get(type(op))
    return None if rule is None else rule(op, x, node)


def _same(op: Any, x: View, node: Node) -> View:
    return x


def _permute(op: Any, x: View, node: Node) -> View:
    return View(x.base, node.shape, tuple(x.strides[a] for a in op.order), x.offset)


def _expand(op: Any, x: View, node: Node) -> View:
    kept = iter(x.strides)
    strides = tuple(0 if a in op.axes else next(kept) for a in range(len(op.shape)))
    return View(x.base, node.shape, strides, x.offset)


def _slice(op: Any, x: View, node: Node) -> View:
    if 0 in op.sizes:
        return View(x.base, node.shape, (0,) * len(node.shape), 0)
    offset = x.offset + sum(a * s for a, s in zip(op.starts, x.strides, strict=True))
    strides = tuple(
        s * step
        for a, (s, step) in enumerate(zip(x.strides, op.steps, strict=True))
        if a not in op.drop
    )
    return View(x.base, node.shape, strides, offset)


def _diagonal(op: Any, x: View, node: Node) -> View:
    *lead, row, column = x.strides
    shift = max(op.offset, 0) * column - min(op.offset, 0) * row
    offset = x.offset + (shift if 0 not in node.shape else 0)
    return View(x.base, node.shape, (*lead, row + column), offset)


def _windows(op: Any, x: View, node: Node) -> View:
    n = len(op.kernel)
    lead, space = x.strides[: len(x.strides) - n], x.strides[len(x.strides) - n :]
    moves = tuple(s * step for s, step in zip(space, op.stride, strict=True))
    inside = tuple(s * d for s, d in zip(space, op.dilation, strict=True))
    return View(x.base, node.shape, (*lead, *moves, *inside), x.offset)


def _reshape(op: Any, x: View, node: Node) -> View | None:
    strides = regroup(x.shape, x.strides, node.shape)
    return None if strides is None else View(x.base, node.shape, strides, x.offset)


def picked(node: Node, x: View) -> View | None:
    """The view that a part of a split is; None for outputs of other operations."""
    whole_node = node.inputs[0]
    if not isinstance(node.op, Pick) or not isinstance(whole_node.op, Split):
        return None
    axis, sizes = whole_node.op.axis, whole_node.op.sizes
    start = sum(sizes[: node.op.index]) * x.strides[axis] if 0 not in node.shape else 0
    return View(x.base, node.shape, x.strides, x.offset + start)


def regroup(shape: Shape, strides: Ints, new: Shape) -> Ints | None:
    """Strides of the same elements in another shape; None if they are not regular in it.

    Both shapes are cut into the smallest groups of axes of equal size. The axes of a group must lie
    one behind the other in memory, unless the group holds a single axis on each side.
    """
    if 0 in shape:
        return steps(new)
    old = [(n, s) for n, s in zip(shape, strides, strict=True) if n != 1]
    out: list[int] = []
    i = j = 0
    while j < len(new):
        if new[j] == 1:
            out.append(1)
            j += 1
            continue
        group, sizes = [old[i]], [new[j]]
        i, j = i + 1, j + 1
        have, want = group[0][0], sizes[0]
        while have != want:
            if have < want:
                group.append(old[i])
                have *= old[i][0]
                i += 1
            else:
                sizes.append(new[j])
                want *= new[j]
                j += 1
        for (_, outer), (n, inner) in pairwise(group):
            if outer != n * inner:
                return None
        step = group[-1][1]
        out += [s * step for s in steps(sizes)]
    return tuple(out)


_RULES: dict[type, Any] = {
    Alias: _same,
    StopGradient: _same,
    Permute: _permute,
    Expand: _expand,
    Slice: _slice,
    Diagonal: _diagonal,
    Windows: _windows,
    Reshape: _reshape,
}
