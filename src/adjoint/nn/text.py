"""Modules as text: `repr` with shapes and parameter counts, and the tree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

_SHORT: Final = {"float": "f", "uint": "u", "int": "i", "complex": "c", "bfloat": "bf"}


def type_text(x: Any) -> str:
    """Type of a tensor as errors spell it, such as ``f32[2,3]``."""
    dtype = str(x.dtype).removeprefix("torch.")
    letters = dtype.rstrip("0123456789")
    short = _SHORT.get(letters, letters) + dtype[len(letters) :]
    return f"{short}[{','.join(map(str, x.shape))}]"


def count(module: Any) -> int:
    """How many numbers the parameters of a module and of all below it have."""
    return sum(p.size for p in module.parameters())


def amount(n: int) -> str:
    """A count in words, such as ``1,234 parameters``."""
    return f"{n:,} parameter{'' if n == 1 else 's'}"


def module_repr(module: Any) -> str:
    """A module as the calls that would build it, a line for each, with parameter counts."""
    n = count(module)
    lines = list(_calls(module))
    lines[0] += f"  # {amount(n)}" if n else ""
    return "\n".join(lines)


def _calls(module: Any) -> Iterator[str]:
    name, said = type(module).__name__, module.extra_repr()
    children = list(module.named_children())
    own = [n for n, _ in module.named_parameters(recurse=False)]
    if not children:
        plain = said or ", ".join(f"{n}={type_text(vars(module)[n])}" for n in own)
        yield f"{name}({plain})"
        return
    yield f"{name}({said}"
    for child_name, child in children:
        inner = list(_calls(child))
        n = count(child)
        inner[0] = f"({child_name}): {inner[0]}" + (f"  # {n:,}" if n else "")
        yield from (f"  {line}" for line in inner)
    yield ")"


def module_tree(module: Any) -> str:
    """A drawing of the modules, a line for each."""
    n = count(module)
    head = f"{type(module).__name__}   {amount(n)}{_own(module)}"
    return "\n".join([head, *_branches(module)])


def _branches(module: Any) -> Iterator[str]:
    children = list(module.named_children())
    for i, (name, child) in enumerate(children):
        last = i == len(children) - 1
        n = count(child)
        size = f"   {n:,}" if n else ""
        yield f"{'└' if last else '├'}─ {name}: {type(child).__name__}{size}{_own(child)}"
        yield from (("   " if last else "│  ") + line for line in _branches(child))


def _own(module: Any) -> str:
    """The types of the parameters and buffers of a module itself."""
    parts = [
        f"{name} {type_text(p)}{'' if p.requires_grad else ' frozen'}"
        for name, p in module.named_parameters(recurse=False)
    ]
    parts += [f"{name} {type_text(b)} buffer" for name, b in module.named_buffers(recurse=False)]
    return f"   {', '.join(parts)}" if parts else ""
