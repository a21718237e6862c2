"""Where in a network an error arose: the path of the module is added to its text."""

from __future__ import annotations

from typing import Any, Final

import adjoint as ad

CHAIN: Final = "_modules"
"""On an exception: the modules that it has left, innermost first."""
BEFORE: Final = "_text_without_modules"


def say_where(error: Exception, module: Any) -> None:
    """Say in an error that it left the forward pass of a module.

    Each module that it passes on its way out rewrites the line, so that the path at last begins at
    the outermost one.
    """
    state = vars(error)
    chain = state.setdefault(CHAIN, [])
    chain.append(module)
    line = f"  at {place(chain)}"
    if isinstance(error, ad.errors.AdjointError) and _is_text(error.args):
        error.args = (f"{state.setdefault(BEFORE, error.args[0])}\n{line}",)
        return
    if BEFORE in state:
        error.__notes__.remove(state[BEFORE])
    state[BEFORE] = line
    error.add_note(line)


def _is_text(args: tuple[Any, ...]) -> bool:
    return len(args) == 1 and isinstance(args[0], str)


def place(chain: list[Any]) -> str:
    """The path from the outermost module to the innermost, such as ``layers.0 (Linear) of MLP``."""
    names: list[str] = []
    for outer, inner in zip(chain[:0:-1], chain[-2::-1], strict=True):
        paths = [path for path, module in outer.named_modules() if module is inner]
        names.append((paths or [f"<{type(inner).__name__}>"])[0])
    path = ".".join(name for name in names if name)
    outermost, innermost = type(chain[-1]).__name__, type(chain[0]).__name__
    return f"{path} ({innermost}) of {outermost}" if path else outermost
