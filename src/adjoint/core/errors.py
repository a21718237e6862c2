"""Errors as designed objects, and the single formatter of operands, shapes and places.

Every class names a cause. A message states the operation and the fact that failed, then one line
per operand (name, type, where it was made), then the user's line, then the way out if we know it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class AdjointError(Exception):
    """Base of all errors that the library raises on purpose."""


class ShapeError(AdjointError, ValueError):
    """Shapes of operands do not fit together."""


class DTypeError(AdjointError, TypeError):
    """An operation is not defined for the dtype of an operand."""


class AxisError(AdjointError, ValueError, IndexError):
    """An axis does not exist, or is named twice."""


class ArgumentError(AdjointError, ValueError, TypeError):
    """An argument has a value that the operation cannot use."""


class NotDifferentiable(AdjointError, RuntimeError):
    """A gradient was asked of something that has none."""


class NoGraph(AdjointError, RuntimeError):
    """A gradient was asked of a value that was not recorded, or whose graph was released."""


class TracerLeak(AdjointError, TypeError):
    """The number behind a value was asked for while the function is only being staged."""


class MutatedInput(AdjointError, RuntimeError):
    """An array was changed behind the back of a graph that still needs it."""


class VerificationError(AdjointError, RuntimeError):
    """Machine code has computed something else than the interpreter: a fault of the library."""


class MemoryBudgetError(AdjointError, MemoryError):
    """A compiled function cannot be made to fit into the memory that it was given."""


class NonFiniteWarning(RuntimeWarning):
    """A compiled training step has yielded a NaN or an infinity; the message names its origin."""


class GraphError(AdjointError, ValueError):
    """A graph, or the text of one, does not hold together."""


def operand_line(name: str, x: Any) -> str:
    """One line about an operand: its name, its type, where it was made, its path in a module."""
    node = getattr(x, "node", None)
    if node is None:
        shape = getattr(x, "shape", None)
        said = repr(x) if shape is None else f"{_type_text(x)}   an array"
        return f"    {name}: {said}"
    made = f"   from {node.site}" if node.site is not None else ""
    label = f"   {node.name}" if node.name else ""
    return f"    {name}: {_type_text(x.value)}{made}{label}"


def _type_text(x: Any) -> str:
    from adjoint.core.types import Type  # noqa: PLC0415  # types raise these errors

    return str(Type.of(x))


def user_line() -> Any:
    """The user's line that is being executed: the `site` of `explain`."""
    from adjoint.core.site import here  # noqa: PLC0415  # it needs NumPy, which is not loaded yet

    return here()


def explain(
    error: BaseException | str,
    op: str,
    operands: Iterable[tuple[str, Any]],
    site: Any = None,
    hint: str = "",
    while_doing: str = "",
) -> str:
    """The whole text of an error about one operation.

    Args:
        error: the fact that failed.
        op: name of the operation, as the user spells it.
        operands: pairs of name and value.
        site: the user's line.
        hint: a way out that is known to work, or nothing.
        while_doing: such as ``while differentiating``.
    """
    fact = str(error)
    head = fact if fact.startswith(f"{op}:") else f"{op}: {fact}"
    lines = [head, *(operand_line(name, x) for name, x in operands)]
    if site is not None:
        text = f":   {site.text}" if site.text else ""
        where = f"  at {site} in {site.function}" if site.function != "<module>" else f"  at {site}"
        lines.append(f"{where}{' ' + while_doing if while_doing else ''}{text}")
    if hint:
        lines.append(f"  Try: {hint}")
    return "\n".join(lines)
