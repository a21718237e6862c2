"""Arguments and results of transformed functions: containers to tensors and back."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, final

import numpy as np

from adjoint.core.bind import lift, make, setting, state, touch
from adjoint.core.capture import Capture
from adjoint.core.errors import ArgumentError, DTypeError, explain
from adjoint.core.graph import Handle, Node, leaf
from adjoint.core.site import here
from adjoint.core.tree import Structure, flatten
from adjoint.core.types import is_inexact
from adjoint.ops.families import AbstractLinearMap
from adjoint.ops.stop import STOP


@final
class Alias(AbstractLinearMap):
    """The same value as a node of its own: where a transform begins to differentiate."""

    llvm = "copy"

    def value(self, x: Any) -> Any:
        return x

    def transpose(self, i: int, ct: Any, x: Any) -> Any:
        return ct


ALIAS = Alias()


def tensors(tree: Any, what: str = "argument") -> tuple[list[Any], Structure]:
    """The leaves of a tree as tensors."""
    leaves, structure = flatten(tree)
    out: list[Any] = []
    for i, x in enumerate(leaves):
        if isinstance(x, Handle):
            touch(x)
            out.append(x)
            continue
        try:
            out.append(lift(x))
        except Exception:
            path = structure.paths()[i]
            where = f"{what} at {path!r}" if path else what
            raise ArgumentError(
                f"{where} is {type(x).__name__}, which is neither an array nor a number"
            ) from None
    return out, structure


@contextmanager
def undone() -> Generator[None]:
    """Undo assignments to tensors from outside: they would be left without numbers.

    In a function that is being compiled, which makes outputs of them, they stand.
    """
    if state.capture is not None:
        yield
        return
    capture = Capture(reads=False)
    try:
        with setting(capture=capture):
            yield
    finally:
        capture.restore()


def alias(x: Any, what: str, name: str) -> Any:
    """A fresh tensor of the same value that gradients are asked of.

    It stays linked to where `x` came from if somebody around differentiates too.
    """
    if not is_inexact(x.dtype):
        raise DTypeError(
            explain(
                f"{what} has dtype {x.dtype}, which has no gradient",
                name,
                [("x", x)],
                here(),
                "x.astype('float32'), or leave it out of argnums.",
            )
        )
    if x.known and not x.node.tracked:
        return make(x.value, leaf(x.value, True, here()))
    saved = (x.value, x.value) if not x.known else (None, x.node)
    code, offset = here()
    return make(x.value, Node(ALIAS, (x.node,), saved, 1, x.shape, x.dtype, code, offset))


def released(x: Any, fresh: Sequence[Any]) -> Any:
    """The same value without the history that begins at `fresh`, which nobody else watches."""
    if not isinstance(x, Handle) or not x.node.tracked:
        return x
    if x.known:
        return make(x.value, leaf(x.value, False, x.node.site))
    if any(alias.known for alias in fresh):
        with setting(recording=False):
            return STOP(x)
    return x  # staged from end to end: what it depends on decides when the graph is evaluated


def zeros_like(x: Any) -> Any:
    """A known tensor of zeros of the same type."""
    value = np.zeros(x.shape, x.dtype)
    return make(value, leaf(value))


def as_argnums(argnums: int | Sequence[int], n: int, name: str) -> tuple[int, ...]:
    """Positions of the differentiated arguments, checked."""
    given = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    out = tuple(a + n if a < 0 else a for a in given)
    for a, raw in zip(out, given, strict=True):
        if not 0 <= a < n:
            noun = "argument" if n == 1 else "arguments"
            raise ArgumentError(f"{name}: argnums {raw}, but the call has {n} positional {noun}")
    if len(set(out)) != len(out):
        raise ArgumentError(f"{name}: argnums {given} name an argument twice")
    return out


def call_recorded(f: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Call a function with recording on, whatever is set around."""
    if state.recording:
        return f(*args, **kwargs)
    with setting(recording=True):
        return f(*args, **kwargs)
