"""Where attention is in a graph: its composition, and what differentiation makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf, isclose
from typing import Any, Final

import numpy as np

from adjoint.core.bind import SCALARS
from adjoint.core.graph import Node
from adjoint.core.program import Graph
from adjoint.core.types import Shape
from adjoint.ops.arithmetic import Add, Divide, Multiply, Negative, Subtract
from adjoint.ops.attention import LETTERS
from adjoint.ops.bilinear import split
from adjoint.ops.compare import Greater, IsFinite
from adjoint.ops.contract import Contract
from adjoint.ops.exponential import Exp
from adjoint.ops.extreme import Max
from adjoint.ops.families import Scale
from adjoint.ops.join import Concat
from adjoint.ops.reduce import Sum
from adjoint.ops.select import Where
from adjoint.ops.shape import Expand, Permute, Reshape
from adjoint.ops.truth import AnyTrue
from adjoint.passes.simplify import made_by

Good = Callable[[Any], bool]
"""Whether a node is what is looked for."""

LEAST: Final = 256
"""Scores of one head below which they are worth no kernel of their own."""


@dataclass(eq=False)
class Found:
    """An attention in a graph.

    Attributes:
        batch: letters of the batch axes of the scores.
        q, k, v, ct, mask: operands.
        of: letters of operands and results by name: q, k, v, out, ct, dq, dk, dv.
        scale: factor of the scores.
        reach: as in the cards; so are `fill` and `zero`.
        out: the node that mixes values.
        ends: the nodes that the gradients are, by name.
        inside: the nodes that go.
        steps: what is done to the products before the softmax, the outermost first.
        seen: where rows see anything, if that is asked.
        join: the node that all gradients are joined in, with their order and its letters.
    """

    batch: str = ""
    q: Any = None
    k: Any = None
    v: Any = None
    ct: Any = None
    mask: Any = None
    of: dict[str, str] = field(default_factory=dict[str, str])
    scale: float = 1.0
    reach: int | None = None
    how: str = ""
    fill: float = -inf
    zero: bool = False
    out: Any = None
    ends: dict[str, Node] = field(default_factory=dict[str, Node])
    inside: set[Node] = field(default_factory=set[Node])
    steps: list[Node] = field(default_factory=list[Node])
    seen: Any = None
    join: Any = None
    joined: tuple[str, str] = "", ""

    @property
    def fields(self) -> dict[str, Any]:
        """What both cards have in common."""
        return {
            "scale": self.scale,
            "reach": self.reach,
            "mask": self.how,
            "fill": self.fill,
            "zero": self.zero,
        }


class _No(Exception):
    """What was looked at is something else."""


def need(condition: Any) -> None:
    """Go on only if a condition holds."""
    if not condition:
        raise _No


def last_axis(x: Any, card: type) -> Any:
    """The operand of a reduction over its last axis."""
    need(made_by(x, card) and tuple(x.op.axes) == (x.inputs[0].ndim - 1,))
    return x.inputs[0]


def column(x: Any) -> Any:
    """What was given an axis of size 1, or repeated along one, behind its own."""
    need(x.__class__ is Node)
    if made_by(x, Expand):
        need(x.op.axes == (x.ndim - 1,))
    else:
        need(made_by(x, Reshape) and without(x.shape) == without((*x.inputs[0].shape, 1)))
    return x.inputs[0]


def without(shape: Shape) -> Shape:
    """A shape without axes of size 1 in front, which broadcast anyway."""
    lead = next((i for i, n in enumerate(shape) if n != 1), len(shape))
    return shape[min(lead, len(shape) - 1) :]


class Finder:
    """What is where in a graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.outputs = set(graph.outputs)
        self.users: dict[Node, list[Node]] = {}
        self.position = {node: i for i, node in enumerate(graph.nodes)}
        for node in graph.nodes:
            for x in dict.fromkeys(x for x in node.inputs if x.__class__ is Node):
                self.users.setdefault(x, []).append(node)

    def all(self) -> list[Found]:
        """The attentions of the graph."""
        found: list[Found] = []
        for node in self.graph.nodes:
            if node.op.__class__ is Divide and node.dtype is not None and node.dtype.char in "fd":
                try:
                    found.append(self._at(node))
                except _No:
                    continue
        return found

    def number(self, x: Any) -> float:
        """The number that an operand is everywhere."""
        if x.__class__ in SCALARS:
            return float(x)
        need(x in self.graph.constants and x.shape == () and self.graph.constants[x].known)
        return float(self.graph.constants[x].value)

    def is_number(self, x: Any, number: float) -> bool:
        """Whether an operand is this number."""
        return x.__class__ in SCALARS and x == number

    def _at(self, p: Node) -> Found:
        """The attention whose softmax is this quotient."""
        e, total = p.inputs
        need(made_by(e, Exp) and e.shape == p.shape and p.ndim >= 2)
        need(p.shape[-1] * p.shape[-2] >= LEAST)
        sums = column(total)
        need(last_axis(sums, Sum) is e)
        it = Found()
        it.inside |= {p, e, total, sums}
        x = self._shifted(it, e.inputs[0])
        weights = self._unseen(it, x, p)
        self._scores(it, it.steps[-1] if it.zero else x)
        self._mixed(it, weights)
        self._back(it, p, e, sums, total)
        self._prescaled(it)
        self._alone(it)
        self._together(it)
        return it

    # -- forward -------------------------------------------------------------------------------

    def _shifted(self, it: Found, difference: Any) -> Any:
        """The scores from which the largest of each row is subtracted."""
        need(made_by(difference, Subtract))
        x, shift = difference.inputs
        peak = column(shift)
        need(made_by(peak, Where) and self.is_number(peak.inputs[2], 0))
        finite, top, _ = peak.inputs
        need(made_by(finite, IsFinite) and finite.inputs[0] is top and last_axis(top, Max) is x)
        it.inside |= {difference, shift, peak, finite, top, x}
        return x

    def _unseen(self, it: Found, x: Any, p: Node) -> Node:
        """The weights: `p`, or zero in rows that see nothing."""
        if not (made_by(x, Where) and self.is_number(x.inputs[2], 0)):
            return p
        seen, scores, _ = x.inputs
        some = column(seen)
        more = last_axis(some, AnyTrue)
        need(made_by(more, Greater) and more.inputs[0] is scores)
        need(self.is_number(more.inputs[1], -inf))
        kept = [u for u in self.users.get(p, ()) if u.op.__class__ is Where]
        kept = [u for u in kept if u.inputs[:2] == (seen, p) and self.is_number(u.inputs[2], 0)]
        need(len(kept) == 1)
        it.zero, it.seen = True, seen
        it.inside |= {seen, some, more, scores, kept[0]}
        it.steps.append(scores)
        return kept[0]

    def _scores(self, it: Found, x: Any) -> None:
        """What is done to the products of queries and keys, down to these."""
        it.steps = []
        while not made_by(x, Contract):
            need(x.__class__ is Node and x.op is not None)
            it.inside.add(x)
            it.steps.append(x)
            if made_by(x, Where):
                x = self._chosen(it, x)
            elif made_by(x, Add):
                x = self._added(it, x)
            else:
                need(isinstance(x.op, (Multiply, Divide)))
                y = x.inputs[not self._full(x.inputs[0], x)]
                need(self._full(y, x))
                it.scale *= self._factor(x, y)
                x = y
                need(made_by(x, Contract) or isinstance(x.op, (Multiply, Divide)))
        it.inside.add(x)
        self._products(it, x)

    def _products(self, it: Found, x: Node) -> None:
        """Queries and keys."""
        a, b, out = split(x.op.spec)
        q, k = x.inputs
        if out[-2] in b:
            a, b, q, k = b, a, k, q
        it.batch = LETTERS[: len(out) - 2]
        names = dict(zip(out, it.batch + "ts", strict=True))
        inner = set(a) - set(out)
        need(len(inner) == 1)
        names[inner.pop()] = "d"
        need(set(a) <= names.keys() and set(b) <= names.keys())
        it.of["q"], it.of["k"] = ("".join(names[c] for c in part) for part in (a, b))
        need(set(it.of["q"]) == set(it.batch + "td") and set(it.of["k"]) == set(it.batch + "sd"))
        it.q, it.k = q, k
        need(q.dtype == x.dtype and k.dtype == x.dtype)

    def _chosen(self, it: Found, x: Node) -> Any:
        """Scores that stay where a mask says so."""
        mask, scores, fill = x.inputs
        need(mask.__class__ is Node and scores.__class__ is Node and scores.shape == x.shape)
        fill = self.number(fill)
        reach = self._triangle(mask, x.shape) if fill == -inf and it.reach is None else None
        if reach is not None:
            it.reach = reach
            return scores
        need(not it.how)
        it.how, it.mask, it.fill = "where", mask, fill
        return scores

    def _triangle(self, mask: Node, shape: Any) -> int | None:
        """How far the first row of a constant triangle reaches; None for other masks."""
        handle = self.graph.constants.get(mask)
        if handle is None or not handle.known or mask.shape[-2:] != shape[-2:]:
            return None
        if any(n != 1 for n in mask.shape[:-2]):
            return None
        array = np.asarray(handle.value).reshape(shape[-2:])
        reach = int(array[0].sum()) - 1
        same = array.dtype == np.bool_ and (array == np.tril(np.ones_like(array), reach)).all()
        return reach if same else None

    def _added(self, it: Found, x: Node) -> Any:
        """Scores that a mask is added to."""
        need(not it.how)
        for scores, mask in (x.inputs, x.inputs[::-1]):
            if scores.__class__ is Node and mask.__class__ is Node and scores.shape == x.shape:
                known = (Contract, Multiply, Divide, Where)
                if isinstance(scores.op, known) and mask.dtype == x.dtype:
                    need(mask.ndim <= x.ndim)
                    it.how, it.mask = "add", mask
                    return scores
        raise _No

    def _mixed(self, it: Found, weights: Node) -> None:
        """The product of weights and values, and that of weights and a cotangent."""
        for user in self.users.get(weights, ()):
            if not made_by(user, Contract):
                continue
            other, of, out = self._beside(it, user, weights, "e")
            if "t" in out:
                need(it.out is None and set(of) == set(it.batch + "se"))
                need(set(out) == set(it.batch + "te"))
                it.out, it.v, it.of["v"], it.of["out"] = user, other, of, out
            else:
                need("dv" not in it.ends and set(of) == set(it.batch + "te"))
                need(set(out) == set(it.batch + "se"))
                it.ends["dv"], it.ct, it.of["ct"], it.of["dv"] = user, other, of, out
        need(it.out is not None and it.v.dtype == it.out.dtype)

    def _beside(self, it: Found, node: Node, scores: Node, new: str) -> tuple[Any, str, str]:
        """The other operand of a product with an array of scores; its letters and the result's."""
        a, b, out = split(node.op.spec)
        x, y = node.inputs
        if x is not scores:
            a, b, x, y = b, a, y, x
        need(x is scores and y is not scores)
        names = dict(zip(a, it.batch + "ts", strict=True))
        fresh = set(b) - set(a)
        need(len(fresh) == 1)
        names[fresh.pop()] = new
        return y, "".join(names[c] for c in b), "".join(names[c] for c in out)

    # -- backward ------------------------------------------------------------------------------

    def _back(self, it: Found, p: Node, e: Node, sums: Node, total: Node) -> None:
        """What differentiation made of it, if anything."""
        negative = self._one(p, lambda u: made_by(u, Negative))
        if negative is None:
            return
        slope = self._one(negative, lambda u: made_by(u, Divide) and u.inputs[1] is total)
        scaled = self._one(slope, lambda u: made_by(u, Scale) and u.inputs[1] is slope)
        need(scaled is not None)
        moved = scaled.inputs[0]
        mean = self._one(scaled, lambda u: made_by(u, Sum) and last_axis(u, Sum) is scaled)
        spread = self._one(mean, lambda u: column(u) is mean)
        direct = self._one(moved, lambda u: self._over(u, moved, sums))
        both = self._one(direct, lambda u: made_by(u, Add) and set(u.inputs) == {direct, spread})
        g = self._one(both, lambda u: made_by(u, Scale) and u.inputs == (both, e))
        need(g is not None)
        it.inside |= {negative, slope, scaled, moved, mean, spread, direct, both, g}
        it.inside |= {direct.inputs[1], column(direct.inputs[1])}
        if it.zero:
            need(self._is_kept(moved, it.seen))
            moved = moved.inputs[1]
            it.inside.add(moved)
            g = self._through(it, g, lambda u: self._is_kept(u, it.seen) and u.inputs[1] is g)
        self._cotangent(it, moved)
        for step in it.steps:
            g = self._down(it, step, g)
        self._gradients(it, g)

    def _one(self, x: Any, good: Good) -> Any:
        """The only user of a node that is as it should be; None without one."""
        if x is None:
            return None
        found: list[Node] = []
        for user in self.users.get(x, ()):
            try:
                if good(user):
                    found.append(user)
            except _No:
                continue
        need(len(found) <= 1)
        return found[0] if found else None

    def _over(self, u: Any, moved: Node, sums: Node) -> bool:
        """Whether a node is `moved` over the sums of its rows."""
        if not made_by(u, Scale) or u.inputs[0] is not moved:
            return False
        inverse = column(u.inputs[1])
        return (
            made_by(inverse, Divide)
            and inverse.inputs[1] is sums
            and self.is_number(inverse.inputs[0], 1)
        )

    def _is_kept(self, u: Any, mask: Any) -> bool:
        """Whether a node is zero where a mask is false."""
        return made_by(u, Where) and u.inputs[0] is mask and self.is_number(u.inputs[2], 0)

    def _through(self, it: Found, g: Node, good: Good) -> Node:
        """The next node of a gradient's way."""
        user = self._one(g, good)
        need(user is not None)
        it.inside.add(user)
        return user

    def _down(self, it: Found, step: Node, g: Node) -> Node:
        """The gradient on the other side of a step."""
        if made_by(step, Add):
            return g
        if made_by(step, Where):
            mask = step.inputs[0]
            return self._through(it, g, lambda u: self._is_kept(u, mask) and u.inputs[1] is g)
        factor = self._factor(step, next(x for x in step.inputs if self._full(x, step)))

        def same(u: Any) -> bool:
            if u.op.__class__ not in (Multiply, Divide, Scale) or g not in u.inputs:
                return False
            return isclose(self._factor(u, g), factor, rel_tol=1e-6)

        return self._through(it, g, same)

    def _full(self, x: Any, node: Node) -> bool:
        return x.__class__ is Node and x.shape == node.shape

    def _factor(self, node: Node, x: Node) -> float:
        """The number that a node multiplies one of its operands by."""
        y, c = node.inputs
        if y is not x:
            need(not isinstance(node.op, Divide))
            y, c = c, y
        need(y is x)
        number = self.number(c)
        need(number != 0)
        return 1 / number if isinstance(node.op, Divide) else number

    def _cotangent(self, it: Found, moved: Node) -> None:
        """The product of the cotangent and the values."""
        need(made_by(moved, Contract))
        a, b, out = split(moved.op.spec)
        ct, v = moved.inputs
        if ct is it.v and v is not it.v:
            a, b, ct, v = b, a, v, ct
        names = dict(zip(out, it.batch + "ts", strict=True))
        inner = set(a) - set(out)
        need(len(inner) == 1 and v is it.v)
        names[inner.pop()] = "e"
        need(set(a) <= names.keys() and set(b) <= names.keys())
        of_ct, of_v = ("".join(names[c] for c in part) for part in (a, b))
        need(of_v == it.of["v"] and set(of_ct) == set(it.batch + "te"))
        need(it.ct in (None, ct) and it.of.get("ct", of_ct) == of_ct)
        it.ct, it.of["ct"] = ct, of_ct

    def _gradients(self, it: Found, g: Node) -> None:
        """The products that the gradients of queries and keys are."""
        for user in self.users.get(g, ()):
            need(made_by(user, Contract))
            other, of, out = self._beside(it, user, g, "d")
            name, wanted, source = ("dq", "td", "k") if "t" in out else ("dk", "sd", "q")
            need(other is getattr(it, source) and of == it.of[source] and name not in it.ends)
            need(set(out) == set(it.batch + wanted))
            it.ends[name], it.of[name] = user, out

    # -- what is around it ---------------------------------------------------------------------

    def _prescaled(self, it: Found) -> None:
        """Queries that are scaled before the product: the scale is that of the scores."""
        q = it.q
        if not made_by(q, Multiply) or q.inputs[1].__class__ not in SCALARS:
            return
        source, c = q.inputs
        if source.__class__ is not Node or source.dtype != q.dtype or c == 0:
            return
        if it.ct is not None and ("dq" in it.ends or "dk" in it.ends):
            end = it.ends.get("dq")
            users = self.users.get(end, []) if end is not None else []
            if len(users) != 1 or end in self.outputs:
                return
            (user,) = users
            if not isinstance(user.op, (Multiply, Scale)) or user.inputs != (end, c):
                return
            it.inside.add(it.ends["dq"])
            it.ends["dq"] = user
        it.q, it.scale = source, it.scale * c

    def _alone(self, it: Found) -> None:
        """Nothing else may read what goes, and what is read must be there in time."""
        ends = {it.out, *it.ends.values()}
        for node in it.inside - ends:
            need(node not in self.outputs)
            need(all(u in it.inside or u in ends for u in self.users.get(node, ())))
        after = [self.position[node] for node in it.ends.values()]
        need(not after or self.position[it.out] < min(after))

    def _stacked(self, node: Node) -> tuple[Node, Any]:
        """The part of a stack of three that a value becomes, and the stack; None if it does not."""
        x = part = node
        while not made_by(x, Concat):
            users = self.users.get(x, [])
            if len(users) != 1 or x in self.outputs:
                return node, None
            part, (x,) = x, users
            zero = made_by(x, Add) and self.is_number(x.inputs[1], 0)
            alone = made_by(x, Reshape) and x.shape == (1, *node.shape)
            if not (zero or alone or made_by(x, Concat)):
                return node, None
        return part, x if x.op.axis == 0 and x.shape == (3, *node.shape) else None

    def _together(self, it: Found) -> None:
        """Where the gradients are only stacked, as those of parts of one projection are."""
        if len(it.ends) < 3:
            return
        places: dict[Node, str] = {}
        for name, node in it.ends.items():
            part, join = self._stacked(node)
            if join is None or it.join not in (None, join):
                it.join = None
                return
            places[part], it.join = name[1], join
        same = it.of["dk"].replace("s", "t"), it.of["dv"].replace("s", "t").replace("e", "d")
        order = "".join(places.get(x, "") for x in it.join.inputs)
        if len(order) != 3 or {it.of["dq"]} != set(same):
            it.join = None
            return
        letters = "j" + it.of["dq"]
        users = self.users.get(it.join, [])
        if len(users) == 1 and made_by(users[0], Permute) and it.join not in self.outputs:
            it.join = users[0]
            letters = "".join(letters[a] for a in it.join.op.order)
        it.joined = order, letters
        if letters[-1] != "d":
            it.join = None
