"""Graphs read back from their text: the inverse of `print_graph`.

A recursive descent over the tokens. The grammar is that of Python calls and literals, with ``%n``
for values, ``f32[2,3]`` for types and a nested graph where a field holds one.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from adjoint.core.bind import fresh_slot, make, staged_leaf
from adjoint.core.errors import GraphError
from adjoint.core.graph import Node, Pick, leaf
from adjoint.core.program import Graph
from adjoint.core.text import card_named, checksum
from adjoint.core.types import Type, dtype_named
from adjoint.core.verify import verify

TOKEN: Final = re.compile(
    r"""(?P<space>[ \t\r]+|\#[^\n]*)
      | (?P<line>\n)
      | (?P<ref>%\w+)
      | (?P<number>(?:0x[0-9a-fA-F]+|\d+\.\d*(?:e[+-]?\d+)?|\d+e[+-]?\d+|\d+))
      | (?P<string>'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")
      | (?P<name>[A-Za-z_]\w*)
      | (?P<sign>->|[()\[\]{},:=\-])""",
    re.VERBOSE,
)
WORDS: Final = {
    "None": None,
    "True": True,
    "False": False,
    "inf": float("inf"),
    "nan": float("nan"),
}
CALLS: Final[dict[str, Callable[..., Any]]] = {"complex": complex, "slice": slice}


def parse(text: str, constants: Mapping[str, Any] | None = None) -> Graph:
    """The graph that prints as `text`; places in user code are not part of it.

    Args:
        text: what ``str(graph)`` or ``graph.text()`` gave.
        constants: the arrays that the text only names (see `large_constants`).

    Returns:
        A checked graph.

    Raises:
        GraphError: naming the line and what is wrong with it.
    """
    reader = Reader(text, constants or {})
    graph = reader.graph()
    reader.expect("")
    verify(graph)
    return graph


class Reader:
    """The tokens of a text, and a place among them."""

    def __init__(self, text: str, constants: Mapping[str, Any]) -> None:
        self.constants = constants
        self.tokens: list[tuple[str, str, int]] = []
        self.at = 0
        line, start = 1, 0
        while start < len(text):
            found = TOKEN.match(text, start)
            if found is None:
                raise GraphError(f"parse: line {line}: cannot read {text[start : start + 10]!r}")
            start = found.end()
            if found.lastgroup == "line":
                line += 1
            elif found.lastgroup != "space":
                self.tokens.append((str(found.lastgroup), found[0], line))
        self.tokens.append(("end", "", line))

    # -- tokens ------------------------------------------------------------------------------------

    @property
    def ahead(self) -> str:
        """The next token."""
        return self.tokens[self.at][1]

    def wrong(self, fact: str) -> GraphError:
        """An error that names the line of the token that was read last."""
        return GraphError(f"parse: line {self.tokens[max(self.at - 1, 0)][2]}: {fact}")

    def take(self, kind: str) -> str:
        """The next token, which must be of this kind."""
        found, token, _ = self.tokens[self.at]
        if found != kind:
            raise self.wrong(f"expected a {kind}, found {token!r}")
        self.at += 1
        return token

    def expect(self, token: str) -> None:
        """Pass over the next token, which must be this one."""
        if self.ahead != token:
            raise self.wrong(f"expected {token or 'the end'!r}, found {self.ahead!r}")
        self.at += 1

    def accept(self, token: str) -> bool:
        """Pass over the next token if it is this one."""
        if self.ahead != token:
            return False
        self.at += 1
        return True

    def listed(self, read: Callable[[], Any], end: str) -> list[Any]:
        """What `read` reads, separated by commas, up to and with `end`."""
        out: list[Any] = []
        while not self.accept(end):
            out.append(read())
            if not self.accept(","):
                self.expect(end)
                break
        return out

    # -- graphs ------------------------------------------------------------------------------------

    def graph(self) -> Graph:
        """A graph: its inputs, lines and outputs."""
        self.expect("graph")
        self.expect("(")
        env: dict[str, Node] = {}
        inputs = tuple(self.listed(lambda: self.input(env), ")"))
        nodes: list[Node] = []
        constants: dict[Node, Any] = {}
        self.expect("{")
        while not self.accept("}"):
            self.line(env, nodes, constants)
        self.expect("->")
        self.expect("(")
        outputs = tuple(self.listed(lambda: self.known(env), ")"))
        return Graph(inputs, tuple(nodes), outputs, constants)

    def input(self, env: dict[str, Node]) -> Node:
        """One input: a name and a type."""
        name, t = self.result()
        return self.define(env, name, staged_leaf(t).node)

    def define(self, env: dict[str, Node], name: str, node: Node) -> Node:
        """Let a name stand for a node."""
        if name in env:
            raise self.wrong(f"{name} is defined twice")
        env[name] = node
        return node

    def known(self, env: dict[str, Node]) -> Node:
        """A name that has been defined."""
        name = self.take("ref")
        if name not in env:
            raise self.wrong(f"{name} is used before it is defined")
        return env[name]

    def result(self) -> tuple[str, Type]:
        """A name (``_`` for a result that is not used) and its type."""
        name = "_" if self.accept("_") else self.take("ref")
        self.expect(":")
        return name, self.type()

    def type(self) -> Type:
        """A type such as ``f32[2,3]``."""
        name = self.take("name")
        dtype = dtype_named(name)
        if dtype is None:
            raise self.wrong(f"{name!r} is not a dtype")
        self.expect("[")
        return Type(tuple(int(n) for n in self.listed(lambda: self.take("number"), "]")), dtype)

    def line(self, env: dict[str, Node], nodes: list[Node], constants: dict[Node, Any]) -> None:
        """One line: results, the operation, operands and fields."""
        results = [self.result()]
        while self.accept(","):
            results.append(self.result())
        self.expect("=")
        name = self.take("name")
        if name in ("constant", "outside"):
            (target, t) = results[0]
            handle = staged_leaf(t) if name == "outside" else self.constant(t)
            if name == "outside":
                self.expect("(")
                self.expect(")")
            constants[self.define(env, target, handle.node)] = handle
            return
        cls = card_named(name)
        if cls is None:
            raise self.wrong(f"there is no operation {name!r}")
        self.expect("(")
        xs, fields = self.arguments(env)
        try:
            op = cls(**fields)
        except TypeError as error:
            raise self.wrong(str(error)) from None
        self.append(op, tuple(xs), results, env, nodes)

    def append(
        self,
        op: Any,
        xs: tuple[Any, ...],
        results: list[tuple[str, Type]],
        env: dict[str, Node],
        nodes: list[Node],
    ) -> None:
        """Add the node of an operation, and the picks of its results if it has several."""
        types = [x.type if x.__class__ is Node else x for x in xs]
        try:
            several = isinstance(op.out_type(*types), tuple)
        except Exception:  # `verify` says it better
            several = len(results) > 1
        if not several and len(results) == 1:
            (name, t) = results[0]
            node = Node(op, xs, (t, *types), 0, t.shape, t.dtype, None, 0)
            nodes.append(self.define(env, name, node))
            return
        outs = tuple(t for _, t in results)
        whole = Node(op, xs, (outs, *types), 0, outs, None, None, 0)
        nodes.append(whole)
        for i, (name, t) in enumerate(results):
            if name != "_":
                pick = Node(Pick(i), (whole,), (t, outs), 0, t.shape, t.dtype, None, 0)
                nodes.append(self.define(env, name, pick))

    def arguments(self, env: dict[str, Node]) -> tuple[list[Any], dict[str, Any]]:
        """Operands by position, then fields by name, up to the closing parenthesis."""
        xs: list[Any] = []
        fields: dict[str, Any] = {}

        def one() -> None:
            kind, token, _ = self.tokens[self.at]
            if kind == "ref":
                xs.append(self.known(env))
            elif kind == "name" and self.tokens[self.at + 1][1] == "=":
                self.at += 2
                fields[token] = self.value()
            else:
                xs.append(self.value())

        self.listed(one, ")")
        return xs, fields

    # -- values ------------------------------------------------------------------------------------

    def value(self) -> Any:
        """A Python literal, a dtype, a type or a graph."""
        kind, token, _ = self.tokens[self.at]
        if token == "graph":
            return self.graph()
        if kind == "name":
            return self.word(token)
        self.at += 1
        if kind == "number":
            return int(token, 0) if token.isdigit() or token.startswith("0x") else float(token)
        if kind == "string":
            return _unquoted(token)
        if token == "-":
            return -self.value()
        if token == "(":
            return tuple(self.listed(self.value, ")"))
        if token == "[":
            return self.listed(self.value, "]")
        if token == "{":
            return dict(self.listed(self.pair, "}"))
        raise self.wrong(f"expected a value, found {token!r}")

    def pair(self) -> tuple[Any, Any]:
        """A key and a value."""
        key = self.value()
        self.expect(":")
        return key, self.value()

    def word(self, token: str) -> Any:
        """A value that begins with a name."""
        after = self.tokens[self.at + 1][1]
        if after == "[":
            return self.type()
        dtype = dtype_named(token)
        if token == "opaque":
            raise self.wrong("a field holds a Python object that has no form as text")
        if token not in WORDS and token not in CALLS and dtype is None:
            raise self.wrong(f"expected a value, found {token!r}")
        self.at += 1
        if token in CALLS:
            self.expect("(")
            return CALLS[token](*self.listed(self.value, ")"))
        return WORDS.get(token, dtype)

    def constant(self, t: Type) -> Any:
        """A constant of this type, from its numbers, its bytes, or the array of that name."""
        self.expect("(")
        xs, fields = self.arguments({})
        if "bytes" in fields:
            little = t.dtype.newbyteorder("<")
            flat = np.frombuffer(bytes.fromhex(fields["bytes"]), little)
        elif "crc" in fields:
            return self.supplied(xs[0], fields["crc"], t)
        else:
            flat = np.asarray(list(_flat(xs[0])), t.dtype)
        if flat.size != t.size:
            raise self.wrong(f"{flat.size} numbers for a constant of type {t}")
        value = flat.astype(t.dtype).reshape(t.shape)
        return make(value, leaf(value))

    def supplied(self, name: str, crc: int, t: Type) -> Any:
        """A constant that the caller gave by name, if it is the one that was printed."""
        if name not in self.constants:
            raise self.wrong(f"the constant {name!r} is needed: pass constants={{{name!r}: array}}")
        given = self.constants[name]
        value = np.asarray(getattr(given, "value", given))
        if Type.of(value) != t or checksum(value) != crc:
            raise self.wrong(f"the constant {name!r} is not the array that was printed ({t})")
        out = make(value, leaf(value))
        if not re.fullmatch(r"c\d+", name):
            fresh_slot(out, leaf=True).name = name
        return out


def _flat(value: Any) -> list[Any]:
    return [x for part in value for x in _flat(part)] if value.__class__ is list else [value]


def _unquoted(token: str) -> str:
    """The string that a Python literal stands for."""
    return str(ast.literal_eval(token))
