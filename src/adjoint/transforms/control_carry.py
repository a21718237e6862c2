"""The carry of a loop: a tree of values that each step takes and gives back, of the same types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from adjoint.core.bind import SCALARS, lift
from adjoint.core.errors import ArgumentError, DTypeError, ShapeError, explain
from adjoint.core.site import here
from adjoint.core.tree import flatten
from adjoint.core.types import Type, promote
from adjoint.transforms.leaves import tensors


class Carry:
    """What a loop starts with.

    Python numbers are weak, as everywhere: one that a step turns into another dtype starts out
    with that dtype.

    Args:
        name: of the loop, for messages.
        tree: as the user gave it.
    """

    def __init__(self, name: str, tree: Any) -> None:
        self.name = name
        self.xs, self.structure = tensors(tree, f"{name}: the carry")
        self.weak = [x if x.__class__ in SCALARS else None for x in flatten(tree)[0]]

    @property
    def types(self) -> list[Type]:
        """Types of the leaves."""
        return [Type.of(x) for x in self.xs]

    def received(self, tree: Any) -> list[Any]:
        """The leaves of what a step gave back.

        Raises:
            ArgumentError: if it is built in another way.
        """
        leaves, structure = flatten(tree)
        if structure != self.structure:
            raise ArgumentError(
                explain(
                    f"the carry goes into a step as {self.structure} and comes out as {structure}",
                    self.name,
                    [],
                    here(),
                )
            )
        for i, (x, t) in enumerate(zip(leaves, self.types, strict=True)):
            if x.__class__ in SCALARS and promote(t.dtype, x) == t.dtype:
                leaves[i] = np.asarray(x, t.dtype)
        return tensors(structure.rebuild(leaves), f"{self.name}: the new carry")[0]

    def grown(self, new: Sequence[Any]) -> bool:
        """Whether Python numbers had to take the dtype that a step gave them.

        Raises:
            ShapeError: if a step changes the shape of a leaf.
            DTypeError: if it changes its dtype.
        """
        out = False
        for i, (x, y, number) in enumerate(zip(self.xs, new, self.weak, strict=True)):
            before, after = Type.of(x), Type.of(y)
            if before == after:
                continue
            if number is None or after.shape or promote(after.dtype, number) != after.dtype:
                raise self._changed(self.structure.paths()[i], x, before, after)
            self.xs[i] = lift(np.asarray(number, after.dtype))
            out = True
        return out

    def _changed(self, path: str, x: Any, before: Type, after: Type) -> Exception:
        """The error that says how a leaf has changed."""
        where = f"the carry {path!r}" if path else "the carry"
        error = ShapeError if before.shape != after.shape else DTypeError
        hint = "" if error is ShapeError else f"start with {after}, or end the step with {before}."
        fact = f"{where} goes into a step as {before} and comes out as {after}"
        return error(explain(fact, self.name, [("start", x)], here(), hint))
