"""Algebra that holds for every number: NaN, infinities and both zeros included.

What does not hold for all of them is not here: ``x + 0.0`` is not x where x is -0.0, ``x * 0`` is
not 0 where x is NaN, a sum of negatives is not the negative sum where that is zero. The one
product with zero that vanishes is `Scale`, whose zero is strong: it says so itself.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from adjoint.core.bind import SCALARS
from adjoint.core.graph import Node, Pick
from adjoint.core.program import Graph
from adjoint.ops.arithmetic import (
    ADD,
    MULTIPLY,
    SUBTRACT,
    Add,
    Divide,
    Multiply,
    Negative,
    Positive,
    Subtract,
)
from adjoint.ops.compare import NOT_EQUAL, Equal, LogicalNot
from adjoint.ops.families import CAST, Cast, Scale
from adjoint.ops.power import Power
from adjoint.ops.select import Where
from adjoint.ops.shape import Expand, Reshape
from adjoint.ops.stop import StopGradient
from adjoint.passes.rewrite import Builder, Rules, Xs, rewrite
from adjoint.transforms.custom import Override
from adjoint.transforms.leaves import Alias

SIMPLIFY: Final = Rules()
COMMUTE: Final = (Add, Multiply)


def made_by(x: Any, card: type) -> bool:
    """Whether an operand is the result of such a card."""
    return x.__class__ is Node and x.op.__class__ is card


def literal(x: Any, number: float) -> bool:
    """Whether an operand is this Python number (and this zero, of the two)."""
    return (
        x.__class__ in SCALARS and x == number and math.copysign(1, x) == math.copysign(1, number)
    )


def keeps(build: Builder, op: Any, xs: Xs, x: Any) -> bool:
    """Whether the result has the type of `x`, so that `x` itself can stand for it."""
    if x.__class__ is not Node:
        return False
    return op.out_type(*[y.type if y.__class__ is Node else y for y in xs]) == x.type


# -- what is there for gradients only --------------------------------------------------------------


@SIMPLIFY.on(Alias, StopGradient, Positive)
def _transparent(build: Builder, op: Any, xs: Xs) -> Node | None:
    """Gradients have been taken: the value stands for itself."""
    return xs[0] if xs[0].__class__ is Node and keeps(build, op, xs, xs[0]) else None


@SIMPLIFY.on(Pick)
def _stated(build: Builder, op: Any, xs: Xs) -> Node | None:
    """Outputs with a stated gradient are the first operands of the node that states it."""
    return xs[0].inputs[op.index] if made_by(xs[0], Override) else None


# -- one way to write it ---------------------------------------------------------------------------


@SIMPLIFY.on(Add, Subtract, Multiply, Divide)
def _written(build: Builder, op: Any, xs: Xs) -> Node | None:
    """Numbers beside floats are floats, and stand second where the order does not matter."""
    x, y = xs
    if x.__class__ is Node:
        if y.__class__ in (int, bool) and x.dtype.kind == "f" and abs(y) <= 2**53:
            return build(op, x, float(y))
    elif y.__class__ is Node and x.__class__ in SCALARS:
        number = x
        if x.__class__ in (int, bool) and y.dtype.kind == "f" and abs(x) <= 2**53:
            number = float(x)
        if op.__class__ in COMMUTE:
            return build(op, y, number)
        return None if number is x else build(op, number, y)
    return None


# -- signs, ones and zeros -------------------------------------------------------------------------


@SIMPLIFY.on(Negative)
def _twice(build: Builder, op: Any, xs: Xs) -> Node | None:
    """``-(-x)`` is x."""
    return xs[0].inputs[0] if made_by(xs[0], Negative) else None


@SIMPLIFY.on(Multiply)
def _product(build: Builder, op: Any, xs: Xs) -> Node | None:
    """``x * 1`` is x; two signs cancel, and one goes into a number: a sign is no rounding."""
    x, y = xs
    for a, b in ((x, y), (y, x)):
        if literal(b, 1) and keeps(build, op, xs, a) and a.dtype.kind != "c":
            return a  # complex infinities come out of a product with 1 as NaN
        if made_by(a, Negative) and b.__class__ in (int, float) and a.dtype.kind == "f":
            return build(op, a.inputs[0], -float(b))
    if made_by(x, Negative) and made_by(y, Negative) and x.dtype == y.dtype:
        return build(op, x.inputs[0], y.inputs[0])
    return None


@SIMPLIFY.on(Divide)
def _quotient(build: Builder, op: Any, xs: Xs) -> Node | None:
    """``x / 1`` is x, and ``x / 2**k`` is ``x * 2**-k``: both are the same number, rounded once."""
    x, y = xs
    if literal(y, 1) and keeps(build, op, xs, x) and x.dtype.kind != "c":
        return x
    if made_by(x, Negative) and made_by(y, Negative) and x.dtype == y.dtype and x.dtype.kind == "f":
        return build(op, x.inputs[0], y.inputs[0])
    if (
        x.__class__ is Node
        and y.__class__ in (int, float)
        and x.dtype.kind == "f"
        and power_of_two(y, x.dtype)
    ):
        return build(MULTIPLY, x, 1.0 / y)
    return None


def power_of_two(y: float, dtype: Any) -> bool:
    """Whether a number is a power of two that has a reciprocal among normal numbers."""
    if not y or not math.isfinite(y):
        return False
    mantissa, exponent = math.frexp(y)
    return abs(mantissa) == 0.5 and abs(exponent) < {2: 13, 4: 125, 8: 1021}[dtype.itemsize]


@SIMPLIFY.on(Add)
def _sum(build: Builder, op: Any, xs: Xs) -> Node | None:
    """``x + -0.0`` is x, ``x + 0`` of whole numbers too; ``x + (-y)`` is ``x - y``."""
    x, y = xs
    for a, b in ((x, y), (y, x)):
        if b.__class__ in SCALARS and a.__class__ is Node and nothing(b, a.dtype, -0.0):
            return a if keeps(build, op, xs, a) else None
    for a, b in ((x, y), (y, x)):
        if made_by(b, Negative) and a.__class__ is Node and a.dtype == b.dtype:
            return build(SUBTRACT, a, b.inputs[0])
    return None


@SIMPLIFY.on(Subtract)
def _difference(build: Builder, op: Any, xs: Xs) -> Node | None:
    """``x - 0.0`` is x; ``x - (-y)`` is ``x + y``."""
    x, y = xs
    if y.__class__ in SCALARS and x.__class__ is Node and nothing(y, x.dtype, 0.0):
        return x if keeps(build, op, xs, x) else None
    if made_by(y, Negative) and x.__class__ is Node and x.dtype == y.dtype:
        return build(ADD, x, y.inputs[0])
    return None


def nothing(y: Any, dtype: Any, zero: float) -> bool:
    """Whether adding a number changes no number of this dtype."""
    if dtype.kind in "iu":
        return y.__class__ in (int, bool) and y == 0
    return dtype.kind == "f" and y.__class__ is float and literal(y, zero)


@SIMPLIFY.on(Scale)
def _scaled(build: Builder, op: Any, xs: Xs) -> Node | None:
    """``ct * 1`` is ct, ``0 * d`` is 0, and ``c * d`` is a plain product for a number c but 0.

    The zero is 0.0; that of the card is either zero, depending on other elements.
    """
    ct, d = xs
    if literal(d, 1) and keeps(build, op, xs, ct) and ct.dtype.kind != "c":
        return ct
    number = uniform(build, ct)
    if number is None or op.both:
        return None
    if number == 0:
        t = op.out_type(*[x.type if x.__class__ is Node else x for x in xs])
        return repeated(build, build.constant(np.zeros((), t.dtype)), t.shape)
    return build(MULTIPLY, ct, d)


def uniform(build: Builder, x: Any) -> Any:
    """The number of a constant of which all elements are equal (bits and all), else None."""
    while x.__class__ is Node and x.op.__class__ in (Expand, Reshape):
        x = x.inputs[0]
    if x.__class__ is not Node:
        return x
    known = build.scalars
    if x not in known:
        array = build.known(x) if x.op is None else None
        known[x] = None if array is None else same_everywhere(array)
    return known[x]


def same_everywhere(array: Any) -> Any:
    """The element that an array is made of, as a Python number; None if there are several."""
    if not array.size or array.dtype.kind == "V":
        return None
    flat = np.ascontiguousarray(array).reshape(-1)
    first = flat[:1]
    if flat.size > 1:
        if flat[:1].tobytes() != flat[-1:].tobytes():
            return None
        raw = flat.view(f"V{flat.itemsize}") if flat.dtype.kind == "c" else flat
        bits = raw.view(f"u{flat.itemsize}") if flat.dtype.kind == "f" else raw
        if not (bits == bits[0]).all():
            return None
    number = first[0].item()
    return None if number != number else number


def repeated(build: Builder, x: Node, shape: tuple[int, ...]) -> Node:
    """A value repeated to a shape by NumPy's rule."""
    if x.shape == shape:
        return x
    lead = len(shape) - x.ndim
    kept = [a for a in range(lead, len(shape)) if x.shape[a - lead] == shape[a]]
    sizes = tuple(shape[a] for a in kept)
    core = x if x.shape == sizes else build(Reshape(sizes), x)
    axes = tuple(a for a in range(len(shape)) if a not in kept)
    return build(Expand(shape, axes), core) if axes else core


# -- powers, choices, conversions ------------------------------------------------------------------


@SIMPLIFY.on(Power)
def _products(build: Builder, op: Any, xs: Xs) -> Node | None:
    """``x**2`` and ``x**3`` are the products that the card computes, ``x**1`` is x."""
    x, y = xs
    if x.__class__ is not Node or y.__class__ not in SCALARS or y not in (1, 2, 3):
        return None
    if not keeps(build, op, xs, x) or x.dtype.kind not in "iuf":
        return None
    if y == 1:
        return x
    square = build(MULTIPLY, x, x)
    return square if y == 2 else build(MULTIPLY, square, x)


@SIMPLIFY.on(Where)
def _choice(build: Builder, op: Any, xs: Xs) -> Node | None:
    """A choice that is known, or between equal things, is no choice."""
    condition, x, y = xs
    truth = uniform(build, condition)
    if truth is None and not (x is y and x.__class__ is Node):
        return None
    taken = x if truth or truth is None else y
    t = op.out_type(*[v.type if v.__class__ is Node else v for v in xs])
    if taken.__class__ is not Node:
        return repeated(build, build.constant(np.asarray(taken, t.dtype)), t.shape)
    return repeated(build, taken, t.shape) if taken.dtype == t.dtype else None


@SIMPLIFY.on(LogicalNot)
def _negated(build: Builder, op: Any, xs: Xs) -> Node | None:
    """Not equal, also of NaN; not (not x) for a bool x."""
    (x,) = xs
    if made_by(x, Equal):
        return build(NOT_EQUAL, *x.inputs)
    if made_by(x, LogicalNot) and x.inputs[0].dtype.kind == "b":
        return x.inputs[0]
    return None


@SIMPLIFY.on(Cast)
def _converted(build: Builder, op: Any, xs: Xs) -> Node | None:
    """A conversion to the dtype that is there, or over one that loses nothing."""
    (x,) = xs
    if x.__class__ is not Node:
        return None
    if x.dtype == op.dtype:
        return x
    if made_by(x, Cast):
        first = x.inputs[0]
        if first.dtype == op.dtype or safe(first.dtype, op.dtype):
            return build(CAST[op.dtype], first) if lossless(first.dtype, x.dtype) else None
    return None


def lossless(a: Any, b: Any) -> bool:
    """Whether every number of dtype `a` is one of dtype `b`."""
    if "V" in (a.kind, b.kind):
        return a == b or b.name in ("float32", "float64")
    if a.kind in "iu" and b.kind in "fc":
        mantissa = {2: 11, 4: 24, 8: 53}[b.itemsize // (2 if b.kind == "c" else 1)]
        return 8 * a.itemsize - (a.kind == "i") <= mantissa
    return bool(np.can_cast(a, b, "safe"))


def safe(a: Any, b: Any) -> bool:
    """Whether a conversion is defined for every number: to a float, or from whole numbers."""
    return "V" not in (a.kind, b.kind) and (b.kind in "fc" or a.kind in "biu")


def simplify(graph: Graph) -> Graph:
    """The graph with the algebra of this file applied. Exact, bit for bit, NaNs counting as one.

    Example:
        >>> from adjoint.passes.simplify import simplify
        >>> print(simplify(ad.trace(lambda x: x * 1.0 + x / 4, ad.tensor([1.0, 2.0]))))
        graph(%0: f32[2]) {
          %1: f32[2] = multiply(%0, 0.25)
          %2: f32[2] = add(%0, %1)
        } -> (%2)
    """
    return rewrite(graph, SIMPLIFY)
