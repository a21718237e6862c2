"""The one way to make a graph from a graph: walk it once, put each operation in again by rules.

A rule looks at an operation and at what its operands have become, and says what stands for it
instead, or None. Operands come before the operations that use them, so a rule sees operands to
which every rule has been applied already, and one walk is enough for nearly everything.

An operation that no rule concerns and whose operands stay stays the
same node too, so a walk that changes nothing gives back the graph that it was given.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adjoint.core.bind import make
from adjoint.core.graph import Node, Pick, leaf
from adjoint.core.program import Graph
from adjoint.core.types import Type

Xs = tuple[Any, ...]
Rule = Callable[["Builder", Any, Xs], Node | None]
"""``rule(build, op, xs)``: the node that stands for ``op(*xs)``, or None for no opinion."""
Pass = Callable[[Graph], Graph]


class Rules:
    """Rules by the class of card that they are about; a rule for a family holds for its cards.

    Args:
        parts: tables whose rules are taken over, the first first.
    """

    def __init__(self, *parts: Rules) -> None:
        self.listed: list[tuple[tuple[type, ...], Rule]] = [r for p in parts for r in p.listed]
        self.found: dict[type, tuple[Rule, ...]] = {}

    def on(self, *classes: type) -> Callable[[Rule], Rule]:
        """Add the decorated rule for these classes."""

        def add(rule: Rule) -> Rule:
            self.listed.append((classes, rule))
            self.found.clear()
            return rule

        return add

    def of(self, cls: type) -> tuple[Rule, ...]:
        """The rules for a class."""
        rules = self.found.get(cls)
        if rules is None:
            rules = tuple(r for classes, r in self.listed if issubclass(cls, classes))
            self.found[cls] = rules
        return rules


class Builder:
    """A graph in the making.

    Attributes:
        graph: the graph that is walked.
        constants: the constants of the new graph, with those that no operation uses any more.
        uses: how often the graph uses what a new node stands for.
        at: the operation of the old graph that is being rewritten.
        picked: for an operation of the old graph with several results, those that are used.
        parts: for a new operation that stands for one with other results, what stands for those.
        scalars: what rules found out about constants: the number that one is made of.
    """

    def __init__(self, graph: Graph, rules: Rules, again: Pass, pool: Any = None) -> None:
        self.graph = graph
        self.rules = rules
        self.constants: dict[Node, Any] = dict(graph.constants)
        self.nodes: list[Node] = []
        self.changed = False
        self.uses: dict[Node, int] = {}
        self.at: Node | None = None
        self.picked: dict[Node, set[int]] = {}
        self.parts: dict[Node, dict[int, Node]] = {}
        self._again = again
        self._pool = pool
        self._code: Any = None
        self._offset = 0
        self._cards: dict[int, tuple[Any, Any]] = {}
        self.scalars: dict[Node, Any] = {}

    def __call__(self, op: Any, *xs: Any) -> Node:
        """The node for ``op(*xs)``, or the one that a rule gives for it."""
        for rule in self.rules.of(op.__class__):
            found = rule(self, op, xs)
            if found is not None:
                return found
        return self.put(op, xs)

    def put(self, op: Any, xs: Xs) -> Node:
        """The node for ``op(*xs)`` itself; it knows the line of the operation being rewritten."""
        if op.__class__ is Pick:
            part = xs[0].shape[op.index]
            return self._append(op, xs, part.shape, part.dtype)
        t = op.out_type(*[x.type if x.__class__ is Node else x for x in xs])
        several = t.__class__ is tuple
        return self._append(op, xs, t if several else t.shape, None if several else t.dtype)

    def _append(self, op: Any, xs: Xs, shape: Any, dtype: Any) -> Node:
        if self._pool is not None:
            known = self._pool.find(op, xs)
            if known is not None:
                return known
        out = shape if dtype is None else Type(shape, dtype)
        saved = (out, *[x.type if x.__class__ is Node else x for x in xs])
        node = Node(op, xs, saved, 0, shape, dtype, self._code, self._offset)
        if self.at is not None and hasattr(self.at, "phase"):
            node.phase = self.at.phase
        self.nodes.append(node)
        self.changed = True
        if self._pool is not None:
            self._pool.add(op, xs, node)
        return node

    def constant(self, array: Any) -> Node:
        """A constant with these numbers."""
        node = leaf(array)
        node.code, node.offset = self._code, self._offset
        if self._pool is not None:
            known = self._pool.constant(node, array)
            if known is not node:
                return known
        self.constants[node] = make(array, node)
        return node

    def known(self, x: Any) -> Any:
        """The array behind a constant, the number of a literal; None for what is computed."""
        if x.__class__ is not Node:
            return x
        handle = self.constants.get(x)
        return None if handle is None or handle.value.__class__ is Type else handle.value

    # -- the walk ------------------------------------------------------------------------------

    def run(self) -> Graph:
        """The new graph."""
        env = self._entered()
        get = env.get
        count: dict[Node, int] = {}
        for node in self.graph.nodes:
            if node.op.__class__ is Pick:
                self.picked.setdefault(node.inputs[0], set()).add(node.op.index)
            for x in node.inputs:
                if x.__class__ is Node:
                    count[x] = count.get(x, 0) + 1
        for node in self.graph.outputs:
            count[node] = count.get(node, 0) + 1
        uses = self.uses
        for node in (*self.graph.inputs, *self.graph.constants):
            new = get(node, node)
            uses[new] = uses.get(new, 0) + count.get(node, 0)
        for node in self.graph.nodes:
            new = self._renewed(node, tuple([get(x, x) for x in node.inputs]))
            if new is not node:
                env[node] = new
                self.changed = True
            uses[new] = uses.get(new, 0) + count.get(node, 0)
        outputs = tuple(get(node, node) for node in self.graph.outputs)
        if not self.changed and len(self.nodes) == len(self.graph.nodes):
            return self.graph
        inputs = tuple(get(node, node) for node in self.graph.inputs)
        return Graph(inputs, tuple(self.nodes), outputs, self.constants)

    def _entered(self) -> dict[Node, Node]:
        """Leaves for what enters the graph as the result of an operation outside of it.

        So a rule that looks for the operation behind an operand never looks beyond the graph.
        """
        env: dict[Node, Node] = {}
        for node in (*self.graph.inputs, *self.graph.constants):
            if node.op is not None:
                env[node] = new = leaf(node, False, node.site)
                new.slot = node.slot
                if node in self.constants:
                    self.constants[new] = make(self.constants.pop(node).value, new)
        if self._pool is not None:
            for node, handle in self.graph.constants.items():
                new = env.get(node, node)
                known = self._pool.constant(new, handle.value)
                if known is not new:
                    env[node] = known
        self.changed = bool(env)
        return env

    def _renewed(self, node: Node, xs: Xs) -> Node:
        """What becomes of a node whose operands have become `xs`."""
        self.at, self._code, self._offset = node, node.code, node.offset
        op = node.op
        if op.__class__ is Pick and xs[0] in self.parts:
            return self.parts[xs[0]][op.index]
        for rule in self.rules.of(op.__class__):
            found = rule(self, op, xs)
            if found is not None:
                return found
        if op.__class__ is Pick:
            t = xs[0].shape[op.index]
            shape, dtype = t.shape, t.dtype
        else:
            op = self._inside(op) if op.kind == "control" else op
            shape, dtype = node.shape, node.dtype
        if op is not node.op or xs != node.inputs:
            return self._append(op, xs, shape, dtype)
        if self._pool is not None:
            known = self._pool.find(op, xs)
            if known is not None:
                return known
            self._pool.add(op, xs, node)
        self.nodes.append(node)
        return node

    def _inside(self, op: Any) -> Any:
        """The operation with its graphs rewritten as well; one card stays one card."""
        if id(op) not in self._cards:
            fields = {name: getattr(op, name) for name in op.fields}
            new = {name: self._deep(value) for name, value in fields.items()}
            same = all(new[name] is value for name, value in fields.items())
            self._cards[id(op)] = op, op if same else type(op)(**new)
        return self._cards[id(op)][1]

    def _deep(self, value: Any) -> Any:
        if value.__class__ is Graph:
            return self._again(value)
        if value.__class__ is tuple:
            new = tuple(map(self._deep, value))
            return value if all(a is b for a, b in zip(new, value, strict=True)) else new
        return value


def rewrite(graph: Graph, rules: Rules, pool: Callable[[], Any] | None = None) -> Graph:
    """The graph with every operation, also inside of loops and branches, put in anew by rules.

    Args:
        graph: any graph; it is left as it is.
        rules: what stands for what. A rule may give only what has the same type and numbers.
        pool: makes what knows of equal nodes (see `cse`); equal operations are kept apart without.

    Returns:
        A graph of the same inputs, outputs and meaning; the same object if nothing changes.
    """

    def again(inner: Graph) -> Graph:
        return rewrite(inner, rules, pool)

    return Builder(graph, rules, again, None if pool is None else pool()).run()


NO_RULES = Rules()
