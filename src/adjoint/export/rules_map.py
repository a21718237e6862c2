"""How operations on single elements are written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from adjoint.core.graph import Node
from adjoint.core.primitive import registry
from adjoint.core.types import promote
from adjoint.export.refusal import unsupported
from adjoint.export.writer import RULES, Writer, rule

__all__: list[str] = []

DIRECT: Final = {
    "Abs": "Abs", "Acos": "Acos", "Acosh": "Acosh", "Add": "Add", "Alias": "Identity",
    "Asin": "Asin", "Asinh": "Asinh", "Atan": "Atan", "Atanh": "Atanh", "BitwiseAnd": "BitwiseAnd",
    "BitwiseInvert": "BitwiseNot", "BitwiseOr": "BitwiseOr", "BitwiseXor": "BitwiseXor",
    "Ceil": "Ceil", "Conj": "Identity", "Cos": "Cos", "Cosh": "Cosh", "Divide": "Div",
    "Equal": "Equal", "Erf": "Erf", "Exp": "Exp", "Floor": "Floor", "Greater": "Greater",
    "GreaterEqual": "GreaterOrEqual", "IsInf": "IsInf", "IsNan": "IsNaN", "Less": "Less",
    "LessEqual": "LessOrEqual", "Log": "Log", "LogicalAnd": "And", "LogicalNot": "Not",
    "LogicalOr": "Or", "LogicalXor": "Xor", "Maximum": "Max", "Minimum": "Min", "Multiply": "Mul",
    "Negative": "Neg", "Positive": "Identity", "Power": "Pow", "Real": "Identity",
    "Reciprocal": "Reciprocal", "Relu": "Relu", "Sigmoid": "Sigmoid", "Sign": "Sign", "Sin": "Sin",
    "Sinh": "Sinh", "Softplus": "Softplus", "Sqrt": "Sqrt", "StopGradient": "Identity",
    "Subtract": "Sub", "Tan": "Tan", "Tanh": "Tanh",
}  # fmt: skip
"""Cards that are one operator."""

VOTES: Final = {"And", "Not", "Or", "Xor"}


def operand_dtype(node: Node) -> Any:
    """The dtype that the operands of a map are brought to."""
    op: Any = node.op
    if hasattr(op, "common_dtype"):
        return op.common_dtype(node.inputs)
    return promote(*[x.dtype if isinstance(x, Node) else x for x in node.inputs])


def operands(w: Writer, node: Node) -> list[str]:
    """The names of the operands of a map, all in one dtype."""
    dtype = operand_dtype(node)
    return [w.operand(x, dtype) for x in node.inputs]


def direct(kind: str) -> Callable[[Writer, Node], str]:
    """The rule of a card that is one operator."""

    def write(w: Writer, node: Node) -> str:
        if kind in VOTES:
            return w.op(kind, *(w.operand(x, np.bool_) for x in node.inputs))
        votes = kind.startswith("Bitwise") and operand_dtype(node).kind == "b"
        return w.op(kind.removeprefix("Bitwise") if votes else kind, *operands(w, node))

    return write


RULES.update({registry[card]: direct(kind) for card, kind in DIRECT.items()})


class Term:
    """A value that formulas can be written with."""

    def __init__(self, w: Writer, name: str, dtype: Any) -> None:
        self.w, self.name, self.dtype = w, name, dtype

    def op(self, kind: str, *others: Any) -> Term:
        """An operator applied to this value and others, in one dtype."""
        return Term(self.w, self.w.op(kind, self.name, *map(self.lift, others)), self.dtype)

    def lift(self, x: Any) -> str:
        """The name of a value or number."""
        return x.name if isinstance(x, Term) else self.w.constant(np.asarray(x, self.dtype))

    def where(self, yes: Any, no: Any) -> Term:
        """One of two values, as this condition says."""
        like = yes if isinstance(yes, Term) else no
        name = self.w.op("Where", self.name, like.lift(yes), like.lift(no))
        return Term(self.w, name, like.dtype)

    def __add__(self, other: Any) -> Term:
        return self.op("Add", other)

    def __sub__(self, other: Any) -> Term:
        return self.op("Sub", other)

    def __mul__(self, other: Any) -> Term:
        return self.op("Mul", other)

    def __truediv__(self, other: Any) -> Term:
        return self.op("Div", other)

    def __neg__(self) -> Term:
        return self.op("Neg")


ONE: Final[dict[str, Callable[[Term], Term]]] = {
    "Erfc": lambda x: -(x.op("Erf") - 1),
    "Exp2": lambda x: (x * np.log(2.0)).op("Exp"),
    "Expm1": lambda x: x.op("Exp") - 1,
    "Gelu": lambda x: x * 0.5 * ((x * np.sqrt(0.5)).op("Erf") + 1),
    "GeluTanh": lambda x: (
        x * 0.5 * (((x + x * x * x * 0.044715) * np.sqrt(2 / np.pi)).op("Tanh") + 1)
    ),
    "Log10": lambda x: x.op("Log") / np.log(10.0),
    "Log1p": lambda x: (x + 1).op("Log"),
    "Log2": lambda x: x.op("Log") / np.log(2.0),
    "LogSigmoid": lambda x: -(-x).op("Softplus"),
    "Rsqrt": lambda x: x.op("Sqrt").op("Reciprocal"),
    "Square": lambda x: x * x,
    "Trunc": lambda x: x.op("Sign") * x.op("Abs").op("Floor"),
}
"""Cards of one operand that are a few operators."""

TWO: Final[dict[str, Callable[[Term, Term], Term]]] = {
    "Heaviside": lambda x, at: x.op("Equal", 0).where(
        at, x.op("Less", 0).where(at * 0, at * 0 + 1)
    ),
    "Hypot": lambda x, y: (x * x + y * y).op("Sqrt"),
    "Logaddexp": lambda x, y: x.op("Max", y) + ((-(x - y).op("Abs")).op("Exp") + 1).op("Log"),
    "NotEqual": lambda x, y: x.op("Equal", y).op("Not"),
    "Xlogy": lambda x, y: x.op("Equal", 0).where(x * 0, x * y.op("Log")),
}
"""Cards of two operands that are a few operators."""


def composed(formula: Callable[..., Term]) -> Callable[[Writer, Node], str]:
    """The rule of a card that is a few operators."""

    def write(w: Writer, node: Node) -> str:
        dtype = operand_dtype(node)
        return formula(*(Term(w, x, dtype) for x in operands(w, node))).name

    return write


for _card, _formula in [*ONE.items(), *TWO.items()]:
    RULES[registry[_card]] = composed(_formula)


@rule(registry["Clip"])
def clip(w: Writer, node: Node) -> str:
    """Max and Min, which keep NaNs."""
    x, low, high = operands(w, node)
    return w.op("Min", w.op("Max", x, low), high)


@rule(registry["Cast"])
def cast(w: Writer, node: Node) -> str:
    """Cast, where it changes anything."""
    return w.operand(node.inputs[0], node.dtype)


@rule(registry["Where"])
def where(w: Writer, node: Node) -> str:
    """Where: the condition is bool, the others have the dtype of the result."""
    condition, x, y = node.inputs
    return w.op(
        "Where", w.operand(condition, np.bool_), w.operand(x, node.dtype), w.operand(y, node.dtype)
    )


@rule(registry["IsFinite"])
def is_finite(w: Writer, node: Node) -> str:
    """Neither infinite nor NaN."""
    x = operands(w, node)[0]
    return w.op("Not", w.op("Or", w.op("IsInf", x), w.op("IsNaN", x)))


@rule(registry["Round"])
def rounded(w: Writer, node: Node) -> str:
    """Round, to whole numbers."""
    op: Any = node.op
    if op.decimals:
        raise unsupported(node, "ONNX rounds to whole numbers only")
    return w.op("Round", *operands(w, node))


@rule(registry["FloorDivide"], registry["Remainder"], registry["Fmod"])
def divided(w: Writer, node: Node) -> str:
    """Quotients rounded down, and what is left of them."""
    x, y = operands(w, node)
    kind = type(node.op).__name__
    whole = operand_dtype(node).kind in "iu"
    if kind == "Remainder" and whole:
        return w.op("Mod", x, y)
    if kind == "Fmod":
        return w.op("Mod", x, y, fmod=1)
    if whole:  # ONNX rounds quotients of whole numbers to zero
        return w.op("Div", w.op("Sub", x, w.op("Mod", x, y)), y)
    quotient = w.op("Floor", w.op("Div", x, y))
    return quotient if kind == "FloorDivide" else w.op("Sub", x, w.op("Mul", quotient, y))


@rule(registry["WrapIndex"])
def wrap_index(w: Writer, node: Node) -> str:
    """Negative indices counted from the end; whoever uses an index checks its range."""
    op: Any = node.op
    x = w.operand(node.inputs[0], np.int64)
    below = w.op("Less", x, w.constant(np.int64(0)))
    return w.op("Where", below, w.op("Add", x, w.constant(np.int64(op.size))), x)
