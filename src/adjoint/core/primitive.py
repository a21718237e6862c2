"""Primitive: one operation on one card.

A card states meaning, type, one derivative, batching, lowering data, cost and samples. An
instance *is* the operation in the graph: static parameters are its fields, so printing, equality
and hashing follow from them. Defining the class registers it, and a card with a missing rule is
refused when it is defined.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, dataclass_transform

from adjoint.core.bind import bind
from adjoint.core.errors import NotDifferentiable

STATEMENTS = ("partial", "transpose", "vjp", "no_derivative")
Sample = tuple["Primitive", list[Any]]

registry: dict[str, type[Primitive]] = {}


class AbstractCard:
    """What a card says. Attributes, because a card may give a method or one of NumPy's ufuncs."""

    value: Any = None
    """``value(*xs)``: the meaning, in NumPy; the reference for every back end."""
    out_type: Any = None
    """``out_type(*types)``: type of the result (a tuple of types for several), or the error."""
    batch: Any = None
    """``batch(size, batched, *xs)``: apply to operands of which some carry a batch axis in front,
    of this size; results carry it in front."""
    cost: Any = None
    """``cost(*types)``: floating-point operations; bytes follow from the types."""
    samples: Any = None
    """``samples(rng)``, a class method: instances with valid operands, for tests and benchmarks."""
    partial: Any = None
    """``partial(i, out, *xs)``: elementwise derivative with respect to input `i`."""
    transpose: Any = None
    """``transpose(i, ct, *xs)``: cotangent of input `i` of a linear or multilinear operation."""
    vjp: Any = None
    """``vjp(ct, out, *xs)``: the cotangents of all inputs."""


@dataclass_transform(frozen_default=True, kw_only_default=False)
class Primitive(AbstractCard):
    """One operation: its meaning, its type, its derivative, its batching, its lowering, its cost.

    A final card writes `value`, `out_type`, `batch`, `cost` and `samples` (or takes them from its
    family), and exactly one derivative statement:

    - ``partial(i, out, *xs)``: the elementwise derivative with respect to input `i`;
    - ``transpose(i, ct, *xs)``: for what is linear (jointly, or in each input apart);
    - ``vjp(ct, out, *xs)``: the cotangents of all inputs;
    - ``no_derivative = "why"``.

    Instances are immutable. Calling one applies it: to tensors (recorded) or to plain arrays
    (just computed), so rules written with cards and operators run on both.
    """

    kind: ClassVar[str] = ""
    """The loop shape that a back end knows: map, reduce, view, contract, gather, ..."""
    name: ClassVar[str] = ""
    """The operation as users spell it, for messages and printing."""
    operands: ClassVar[tuple[str, ...]] = ("x", "y", "z")
    takes: ClassVar[str] = "?bBhHiIlLqQefdFDE"
    """dtype characters of equal operands that need no coercion (`E` is bfloat16)."""
    no_derivative: ClassVar[str] = ""
    llvm: ClassVar[str] = ""
    """Lowering data: the scalar body by name, where the operation is a loop over scalars."""
    fields: ClassVar[tuple[str, ...]] = ()
    savers: ClassVar[dict[Any, Any]]
    """The function that keeps what the rule reads, for each mask of differentiated operands with
    one more bit above them, which counts the operands; filled once."""
    sparse_ct: ClassVar[bool] = False
    """Whether the rule takes ZERO for the cotangents of outputs that nothing depends on."""
    own_savers: ClassVar[bool] = False
    """Whether what the rule reads depends on the fields, so that each instance finds out itself."""

    # -- what families and the engine do with it ----------------------------------------------

    def pull(self, ct: Any, out: Any, xs: tuple[Any, ...], mask: int) -> Sequence[Any]:
        """Cotangents of the inputs whose bit is set in `mask`; None elsewhere."""
        raise NotImplementedError

    def push(self, dots: tuple[Any, ...], out: Any, xs: tuple[Any, ...]) -> Any:
        """Tangent of the output for tangents of the inputs; None stands for a zero tangent.

        NotImplemented says: transpose the pullback, which the engine can do for any rule.
        """
        return NotImplemented

    def coerce(self, xs: tuple[Any, ...]) -> tuple[Any, ...]:
        """Operands with mixed dtypes made fit, or `xs` itself if they are."""
        return xs

    def hint(self, *xs: Any) -> str:
        """A way out that is known to work for operands that failed, or nothing."""
        return ""

    def operand_names(self, n: int) -> tuple[str, ...]:
        """A name for each of `n` operands."""
        if n <= len(self.operands):
            return self.operands[:n]
        return tuple(f"{self.operands[0]}[{i}]" for i in range(n))

    # -- plumbing: fields, equality, printing, registration ------------------------------------
    # By hand instead of @dataclass, whose generated code costs 0.4 ms of import per card.

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = cls.__annotations__  # of this class alone, whether evaluated lazily or not
        new = tuple(n for n, a in own.items() if "ClassVar" not in str(a))
        cls.fields = (*cls.fields, *(n for n in new if n not in cls.fields))
        cls.savers = {}
        if cls.__name__.lstrip("_").startswith("Abstract"):
            return
        if cls.no_derivative:
            cls.pull = _refuse
        cls.name = cls.__dict__.get("name") or snake(cls.__name__)
        check_complete(cls)
        registry[cls.__name__] = cls

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        names = self.fields
        if len(args) == len(names) and not kwargs:  # rules make cards in passing
            self.__dict__.update(zip(names, args, strict=True))
            if self.own_savers:
                self.__dict__["savers"] = {}
            return
        if args:
            kwargs |= zip(names, args, strict=False)
        for name in names:
            if name not in kwargs and not hasattr(type(self), name):
                raise TypeError(f"{type(self).__name__} needs its field {name!r}")
        if len(args) > len(names) or not kwargs.keys() <= set(names):
            raise TypeError(f"{type(self).__name__} has the fields {names}, got {args} {kwargs}")
        self.__dict__.update(kwargs)
        if self.own_savers:
            self.__dict__["savers"] = {}

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def _key(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.fields)

    def __eq__(self, other: Any) -> bool:
        return type(self) is type(other) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash((type(self), self._key()))

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.fields)
        return f"{type(self).__name__}({inside})"

    __call__ = bind


def _refuse(self: Primitive, ct: Any, out: Any, xs: tuple[Any, ...], mask: int) -> Any:
    """Stands in for the derivative of a card that says it has none."""
    raise NotDifferentiable(self.no_derivative)


def snake(name: str) -> str:
    """``LogAddExp`` as ``log_add_exp``."""
    out = "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
    return out.lstrip("_")


def check_complete(cls: type[Primitive]) -> None:
    """Refuse a card that lacks a rule or states its derivative more than once.

    Raises:
        TypeError: naming the class and what is missing.
    """
    rules = ("value", "out_type", "batch", "cost", "samples")
    missing = [rule for rule in rules if getattr(cls, rule) is None]
    stated = [s for s in STATEMENTS if getattr(cls, s, "")]
    if missing:
        raise TypeError(f"card {cls.__name__} lacks {', '.join(missing)}")
    if len(stated) != 1:
        found = ", ".join(stated) or "none"
        raise TypeError(
            f"card {cls.__name__} must state its derivative exactly once "
            f"(one of {', '.join(STATEMENTS)}); found {found}"
        )
    if not cls.__doc__:
        raise TypeError(f"card {cls.__name__} has no docstring")
