"""Graphs as text: one operation a line, in a form that `parse` reads back to an equal graph.

Numbers are written so that the same bits come back. What is long (constants of more than eight
elements) is named and summed up by a checksum; `large_constants` gives the arrays by name.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from adjoint.core.graph import Node, Pick
from adjoint.core.primitive import Primitive, registry
from adjoint.core.types import Type, short_name

SHORT: Final = 8
"""The largest number of elements that a constant is printed with."""
COMMENT_COLUMN: Final = 64


class Layout:
    """What a reader sees of a graph: values in order, each with a name.

    Constants come in the order in which they are used. The picks of an operation with several
    results are not shown: they are the names on its left.

    Attributes:
        constants: the constants in use.
        steps: the operations, oldest first.
        names: the name of each value.
        parts: for an operation with several results, their names; ``_`` for one that is not used.
    """

    def __init__(self, graph: Any) -> None:
        self.steps: list[Node] = [n for n in graph.nodes if n.op.__class__ is not Pick]
        used = [x for n in graph.nodes for x in n.inputs if x.__class__ is Node]
        used = [x for x in (*used, *graph.outputs) if x in graph.constants]
        self.constants: list[Node] = list(dict.fromkeys(used))
        self.names: dict[Node, str] = {}
        self.parts: dict[Node, list[str]] = {}
        count = 0
        for node in (*graph.inputs, *self.constants):
            self.names[node] = f"%{count}"
            count += 1
        picked: dict[Node, dict[int, list[Node]]] = {}
        for node in graph.nodes:
            if node.op.__class__ is Pick:
                picked.setdefault(node.inputs[0], {}).setdefault(node.op.index, []).append(node)
        for node in self.steps:
            if node.dtype is not None:
                self.names[node] = f"%{count}"
                count += 1
                continue
            self.parts[node] = parts = ["_"] * len(node.shape)
            for i in range(len(parts)):
                if i in picked.get(node, ()):
                    parts[i] = f"%{count}"
                    count += 1
                    self.names |= dict.fromkeys(picked[node][i], parts[i])

    def results(self, node: Node) -> str:
        """The left side of a line: names and types."""
        if node.dtype is not None:
            return f"{self.names[node]}: {node.type}"
        shown = zip(self.parts[node], node.shape, strict=True)
        return ", ".join(f"{name}: {t}" for name, t in shown)

    def operand(self, x: Any) -> str:
        """How an operand is written: a name, or the Python number itself."""
        return self.names.get(x, "%?") if x.__class__ is Node else literal(x)


def print_graph(graph: Any, sites: bool = False) -> str:
    """The graph, one operation a line.

    Args:
        graph: the graph.
        sites: whether each line ends with the user's line as a comment.
    """
    return _text(graph, sites, constant_names(graph))


def skeleton(graph: Any) -> str:
    """The text without places and without names of constants: what equal graphs share."""
    return _text(graph, False, dict.fromkeys(graph.constants, ""))


def _text(graph: Any, sites: bool, known_as: dict[Node, str]) -> str:
    layout = Layout(graph)
    names = layout.names
    head = "graph(" + ", ".join(f"{names[n]}: {n.type}" for n in graph.inputs) + ") {"
    lines: list[tuple[str, str]] = []
    for node in layout.constants:
        said = constant_text(graph.constants[node].value, known_as[node])
        lines.append((f"  {names[node]}: {node.type} = {said}", ""))
    for node in layout.steps:
        lines.append((f"  {step_text(node, layout, sites)}", place_text(node) if sites else ""))
    tail = "} -> (" + ", ".join(names.get(n, "%?") for n in graph.outputs) + ")"
    return "\n".join([head, *_commented(lines), tail])


def step_text(node: Node, layout: Layout, sites: bool = False) -> str:
    """One operation: results, the card's name, operands, fields."""
    if node.op is None:  # only in a graph that does not hold together
        return f"{layout.results(node)} = leaf()"
    args = [layout.operand(x) for x in node.inputs] + fields_of(node.op, sites)
    return f"{layout.results(node)} = {card_name(node.op)}({', '.join(args)})"


def place_text(node: Node) -> str:
    """The user's line that made a node: file, number and text."""
    site = node.site
    return "" if site is None else f"{site}   {site.text}".rstrip()


def _commented(lines: list[tuple[str, str]]) -> Iterator[str]:
    widths = [len(code.rsplit("\n", 1)[-1]) for code, comment in lines if comment]
    column = min(max(widths, default=0), COMMENT_COLUMN)
    for code, comment in lines:
        if not comment:
            yield code
            continue
        gap = max(column - len(code.rsplit("\n", 1)[-1]), 0) + 2
        yield f"{code}{' ' * gap}# {comment}"


# -- operations ----------------------------------------------------------------------------------


def card_name(op: Primitive) -> str:
    """The operation as users spell it, or the name of its class where that is not unique."""
    return op.name if card_named(op.name) is type(op) else type(op).__name__


def card_named(name: str) -> type[Primitive] | None:
    """The card that a name in a text stands for."""
    return _card_named(name, len(registry))


@functools.lru_cache(maxsize=1024)
def _card_named(name: str, cards: int) -> type[Primitive] | None:
    """The same, found once as long as no card is added."""
    found = [cls for cls in registry.values() if cls.name == name]
    return found[0] if len(found) == 1 else registry.get(name)


def fields_of(op: Primitive, sites: bool = False) -> list[str]:
    """The fields of an operation as keyword arguments; those with their default are left out.

    Graphs stand last, because they take lines of their own.
    """
    shown: list[str] = []
    for name in op.fields:
        text = literal(getattr(op, name), sites)
        if hasattr(type(op), name) and literal(getattr(type(op), name)) == text:
            continue
        shown.append(f"{name}={text}")
    return sorted(shown, key=lambda text: "\n" in text)


# -- values --------------------------------------------------------------------------------------


def literal(value: Any, sites: bool = False) -> str:
    """A field or a Python number as text; what has no text form becomes ``opaque('...')``."""
    cls = value.__class__
    if issubclass(cls, np.generic):
        return literal(value.item())
    if issubclass(cls, np.dtype):
        return short_name(value)
    if cls is complex:
        return f"complex({value.real!r}, {value.imag!r})"
    if value is None or cls in (bool, int, float, str):
        return repr(value)
    if cls is Type:
        return str(value)
    if cls in (tuple, list, dict, slice):
        return _container(value, sites)
    if hasattr(value, "nodes") and hasattr(value, "constants"):  # a Graph, which imports this file
        return print_graph(value, sites).replace("\n", "\n  ")
    return f"opaque({repr(value)!r})"


def _container(value: Any, sites: bool) -> str:
    if value.__class__ is slice:
        return f"slice({literal(value.start)}, {literal(value.stop)}, {literal(value.step)})"
    if value.__class__ is dict:
        return "{" + ", ".join(f"{literal(k)}: {literal(v, sites)}" for k, v in value.items()) + "}"
    inside = ", ".join(literal(part, sites) for part in value)
    if value.__class__ is list:
        return f"[{inside}]"
    return f"({inside},)" if len(value) == 1 else f"({inside})"


# -- constants -----------------------------------------------------------------------------------


def constant_names(graph: Any) -> dict[Node, str]:
    """A name for each constant: its own (such as ``layers.0.weight``), or ``c0``, ``c1``..."""
    names: dict[Node, str] = {}
    for i, node in enumerate(Layout(graph).constants):
        label = name = node.name or f"c{i}"
        again = 1
        while name in names.values():
            again += 1
            name = f"{label}_{again}"
        names[node] = name
    return names


def large_constants(graph: Any) -> dict[str, Any]:
    """The arrays that the text only names, by that name: what `parse` needs beside the text."""
    arrays = {name: graph.constants[node].value for node, name in constant_names(graph).items()}
    return {name: x for name, x in arrays.items() if x.size > SHORT and x.__class__ is not Type}


def constant_text(value: Any, name: str) -> str:
    """The right side of a constant's line."""
    if value.__class__ is Type:
        return "outside()"  # known to the function around this one, not here
    if value.size > SHORT:
        return f"constant({name!r}, crc={checksum(value):#010x})"
    numbers = [number(x) for x in np.asarray(value).ravel()]
    if None in numbers:
        return f"constant(bytes={little_endian(value).hex()!r})"
    it = iter(numbers)
    return f"constant({_nested(value.shape, it)})"


def _nested(shape: tuple[int, ...], numbers: Iterator[Any]) -> str:
    if not shape:
        return str(next(numbers))
    return "[" + ", ".join(_nested(shape[1:], numbers) for _ in range(shape[0])) + "]"


def number(x: Any) -> str | None:
    """The shortest text from which an element comes back bit by bit; None if there is none."""
    dtype = x.dtype
    if dtype.kind in "biuc":
        texts = [literal(x.item())]
    else:
        exact = float(x)
        texts = [literal(float(str(x))), literal(exact)]
    for text in texts:
        again = np.asarray(from_number(text), dtype)
        if again.tobytes() == x.tobytes():
            return text
    return None


def from_number(text: str) -> Any:
    """The Python number that `number` wrote."""
    if text.startswith("complex"):
        re, im = text.removeprefix("complex(").removesuffix(")").split(", ")
        return complex(float(re), float(im))
    if text in ("True", "False"):
        return text == "True"
    return int(text) if text.lstrip("-").isdigit() else float(text)


def little_endian(x: Any) -> bytes:
    """The bytes of an array, the same on every machine."""
    array = np.ascontiguousarray(x)
    return array.astype(array.dtype.newbyteorder("<")).tobytes()


def checksum(x: Any) -> int:
    """A number that tells arrays apart: CRC-32 of the bytes."""
    return zlib.crc32(little_endian(x))
