"""Families of primitives: the plumbing that a kind of derivative statement needs, written once.

A card says ``partial``, ``transpose`` or ``vjp``; its family turns that into both directions:

========== ============================== ======================= =============================
family     the card states                reverse (`pull`)        forward (`push`)
========== ============================== ======================= =============================
map        ``partial(i, out, *xs)``       scale the cotangent     scale the tangents and add
linear     ``transpose(i, ct, *xs)``      the transpose           the operation itself
multilinear  the same, for each input     the transpose           the operation, input by input
general    ``vjp(ct, out, *xs)``          the rule                transpose of the rule
========== ============================== ======================= =============================
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Final, final

import numpy as np

from adjoint.core.bind import SCALARS, failure, lift
from adjoint.core.errors import DTypeError
from adjoint.core.graph import Handle
from adjoint.core.primitive import Primitive, Sample
from adjoint.core.types import (
    FLOAT,
    DType,
    Type,
    as_dtype,
    broadcast_shapes,
    default_dtype,
    dtype_kind,
    is_inexact,
    promote,
)


class Zero:
    """A derivative that is zero everywhere: nothing is computed and nothing flows.

    It differs from None, which stands for "was not asked for", and from `NotDifferentiable`.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "ZERO"


ZERO: Final = Zero()
ndarray = np.ndarray


def scale(ct: Any, d: Any) -> Any:
    """A cotangent (or tangent) times a local derivative, with strong zeros.

    Where `ct` is exactly zero the result is zero, even if `d` is infinite or NaN: what does not
    reach the loss has no gradient. So a branch that was masked out cannot spoil a gradient.
    """
    if d.__class__ is ndarray is ct.__class__:
        return strong_multiply(ct, d)
    if d is ZERO or ct is ZERO:
        return ZERO
    if d.__class__ in SCALARS:
        return ct if d == 1 else ct * d
    return SCALE(ct, d)


def conj(x: Any) -> Any:
    """Complex conjugate; real values, tensors or arrays, are returned untouched."""
    if x.__class__ is ndarray:
        return x if x.dtype.kind != "c" else x.conj()
    if x.__class__ is complex:
        return x.conjugate()
    if getattr(x, "dtype", None) is None or x.dtype.kind != "c":
        return x
    return x.conj()


class AbstractMap(Primitive):
    """An elementwise operation. It states partial derivatives; everything else is here.

    ``partial(i, out, *xs)`` is the derivative of the output with respect to input `i`, written in
    cards and operators, for each element; a Python number or ZERO where it is constant.
    """

    kind = "map"
    flops: ClassVar[int] = 1
    floating: ClassVar[bool] = False
    """Whether integers are first converted to the default float dtype."""
    complex_ok: ClassVar[bool] = True
    integers: ClassVar[bool] = False
    """Whether only integers and bools are allowed."""
    bools: ClassVar[bool] = True
    """Whether bools are allowed: they are not where NumPy makes small integers of them."""
    domain: ClassVar[tuple[tuple[float, float], ...]] = ((-3.0, 3.0),)
    """An interval for each operand from which samples are drawn; the last one repeats."""
    takes = "?bBhHiIlLqQefdFD"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        if cls.floating:
            cls.takes = "efdFD" if cls.complex_ok else "efd"
        elif cls.integers:
            cls.takes = "?bBhHiIlLqQ"
        elif not cls.complex_ok:
            cls.takes = "?bBhHiIlLqQefd"
        if not cls.bools:
            cls.takes = cls.takes.replace("?", "")
        super().__init_subclass__(**kwargs)

    def out_dtype(self, dtype: DType) -> DType:
        """dtype of the result for the common dtype of the operands."""
        return dtype

    def check_dtype(self, dtype: DType) -> None:
        """Refuse a common dtype for which the operation is not defined."""
        if not self.complex_ok and dtype.kind == "c":
            raise DTypeError(f"not defined for complex numbers, got {dtype}")
        if self.integers and dtype_kind(dtype) >= FLOAT:
            raise DTypeError(f"defined for integers and bools, got {dtype}")
        if not self.bools and dtype.kind == "b":
            raise DTypeError("not defined for bools")

    def out_type(self, *types: Any) -> Type:
        dtype = self.common_dtype(types)
        self.check_dtype(dtype)
        shapes = [() if t.__class__ in SCALARS else t.shape for t in types]
        return Type(broadcast_shapes(*shapes), self.out_dtype(dtype))

    def common_dtype(self, xs: Sequence[Any]) -> DType:
        """The dtype that the operands are brought to."""
        dtype = promote(*[x if x.__class__ in SCALARS else x.dtype for x in xs])
        return default_dtype() if self.floating and not is_inexact(dtype) else dtype

    def coerce(self, xs: tuple[Any, ...]) -> tuple[Any, ...]:
        xs_ = tuple(x if x.__class__ in SCALARS else lift(x) for x in xs)
        dtype = self.common_dtype(xs_)
        try:
            self.check_dtype(dtype)
        except DTypeError as error:
            raise failure(self, xs_, error) from None
        changed = False
        out: list[Any] = []
        for x, given in zip(xs_, xs, strict=True):
            changed |= x is not given
            if isinstance(x, Handle) and x.dtype != dtype:
                x = CAST[dtype](x)
                changed = True
            elif x.__class__ in SCALARS and dtype.kind == "V":
                x = lift(np.asarray(x, dtype))  # ml_dtypes arrays know no weak scalars
                changed = True
            out.append(x)
        return tuple(out) if changed else xs

    # one operand and two are written out: this runs once for every node of a backward pass
    def pull(self, ct: Any, out: Any, xs: tuple[Any, ...], mask: int) -> Sequence[Any]:
        partial = self._partial_conj if ct.dtype.kind == "c" else self.partial
        if len(xs) == 1:
            return (scale(ct, partial(0, out, xs[0])),)
        if len(xs) == 2:
            x, y = xs
            return (
                scale(ct, partial(0, out, x, y)) if mask & 1 else None,
                scale(ct, partial(1, out, x, y)) if mask & 2 else None,
            )
        return [scale(ct, partial(i, out, *xs)) if mask >> i & 1 else None for i in range(len(xs))]

    def _partial_conj(self, i: int, out: Any, *xs: Any) -> Any:
        return conj(self.partial(i, out, *xs))

    def push(self, dots: tuple[Any, ...], out: Any, xs: tuple[Any, ...]) -> Any:
        total: Any = None
        for i, dot in enumerate(dots):
            if dot is None:
                continue
            term = scale(dot, self.partial(i, out, *xs))
            if term is not ZERO:
                total = term if total is None else total + term
        return total

    def batch(self, size: int, batched: tuple[bool, ...], *xs: Any) -> Any:
        ndims = [getattr(x, "ndim", 0) - b for x, b in zip(xs, batched, strict=True)]
        rank = max(ndims)
        aligned = [
            x.reshape((x.shape[0],) + (1,) * (rank - n) + tuple(x.shape[1:]))
            if b and n < rank
            else x
            for x, b, n in zip(xs, batched, ndims, strict=True)
        ]
        return self(*aligned)

    def cost(self, *types: Any) -> int:
        return self.flops * self.out_type(*types).size

    @classmethod
    def arity(cls) -> int:
        """Number of operands, read from the signature of `value`."""
        nin = getattr(cls.value, "nin", None)
        return nin if nin is not None else cls.value.__code__.co_argcount - 1

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        n = cls.arity()
        spans = [cls.domain[min(i, len(cls.domain) - 1)] for i in range(n)]
        shapes: list[tuple[int, ...]] = [(3, 4), (4,), (3, 1)]
        xs: list[Any] = []
        for same in (True, False) if n > 1 else (True,):
            xs = [
                rng.uniform(*span, size=shapes[0] if same else shapes[i])
                for i, span in enumerate(spans)
            ]
            if cls.integers:
                xs = [x.astype(np.int64) for x in xs]
            yield cls(), xs
        yield cls(), [np.asarray(x.ravel()[0]) for x in xs]


class AbstractLinear(Primitive):
    """Linear jointly in all its inputs, except for those named in `parameters`.

    ``transpose(i, ct, *xs)`` is the cotangent of input `i`. It may read shapes and dtypes of `xs`,
    and values of the parameters only.
    """

    parameters: ClassVar[tuple[int, ...]] = ()
    """Positions of the inputs that the operation is not linear in and that have no gradient."""

    # written out for one operand and two, as that of maps is
    def pull(self, ct: Any, out: Any, xs: tuple[Any, ...], mask: int) -> Sequence[Any]:
        if len(xs) == 1:
            return (self.transpose(0, ct, xs[0]),)
        if len(xs) == 2:
            x, y = xs
            return (
                self.transpose(0, ct, x, y) if mask & 1 else None,
                self.transpose(1, ct, x, y) if mask & 2 else None,
            )
        return [self.transpose(i, ct, *xs) if mask >> i & 1 else None for i in range(len(xs))]

    def push(self, dots: tuple[Any, ...], out: Any, xs: tuple[Any, ...]) -> Any:
        if all(dot is None for dot in dots):
            return None
        filled: list[Any] = []
        for i, (dot, x) in enumerate(zip(dots, xs, strict=True)):
            if i in self.parameters:
                filled.append(x)
            elif dot is None:
                # in the operand's own dtype: that of the result may be complex, or real, instead
                scalar = x.__class__ in SCALARS
                filled.append(x.__class__(0) if scalar else np.zeros(x.shape, x.dtype))
            else:
                filled.append(dot)
        return self(*filled)

    def cost(self, *types: Any) -> int:
        return 0


class AbstractLinearMap(AbstractLinear, AbstractMap):
    """Elementwise and linear: addition, negation, conversion, selection."""

    pull = AbstractLinear.pull
    push = AbstractLinear.push

    def cost(self, *types: Any) -> int:
        return AbstractMap.cost(self, *types)


class AbstractMultilinear(Primitive):
    """Linear in each input while the others are held: products of all kinds.

    ``transpose(i, ct, *xs)`` is the cotangent of input `i`; it may read the other inputs.
    """

    pull = AbstractLinear.pull

    def push(self, dots: tuple[Any, ...], out: Any, xs: tuple[Any, ...]) -> Any:
        total: Any = None
        for i, dot in enumerate(dots):
            if dot is not None:
                term = self(*xs[:i], dot, *xs[i + 1 :])
                total = term if total is None else total + term
        return total


class AbstractGeneral(Primitive):
    """Anything else: it states ``vjp(ct, out, *xs)``, the cotangents of all inputs.

    The rule is linear in `ct`, so forward mode is its transpose, and is derived.
    """

    def pull(self, ct: Any, out: Any, xs: tuple[Any, ...], mask: int) -> Sequence[Any]:
        return self.vjp(ct, out, *xs)


# NaN in the sum of squares exactly if an element is NaN: one pass and no temporary. The
# implementation behind NumPy's dispatcher, because it is called once for each local derivative.
square_of: Any = getattr(np.vdot, "_implementation", np.vdot)


def strong_multiply(ct: Any, d: Any) -> Any:
    """``ct * d`` on arrays, but zero wherever `ct` is zero."""
    out = ct * d
    if out.dtype.char in "fdFD":  # vdot knows no half precision
        square = square_of(out, out)
        if square == square:
            return out
    return np.where(np.equal(ct, 0), np.zeros((), out.dtype), out)


@final
class Scale(AbstractMultilinear, AbstractMap):
    """A cotangent times a local derivative; zero wherever the cotangent is exactly zero.

    With `both`, zero wherever either operand is: so is the derivative with respect to `d`, where a
    cotangent of higher order meets `ct`. Where that is zero, `d` did not reach the loss.
    """

    both: bool = False
    operands = ("ct", "d")
    llvm = "strong_mul"

    def value(self, ct: Any, d: Any) -> Any:
        out = strong_multiply(ct, d)
        return np.where(np.equal(d, 0), np.zeros((), out.dtype), out) if self.both else out

    def transpose(self, i: int, ct: Any, x: Any, y: Any) -> Any:
        return SCALE_BOTH(ct, conj(x)) if i else self(ct, conj(y))

    def push(self, dots: tuple[Any, ...], out: Any, xs: tuple[Any, ...]) -> Any:
        ct, d = xs
        along_ct = None if dots[0] is None else self(dots[0], d)
        if dots[1] is None:
            return along_ct
        along_d = SCALE_BOTH(ct, dots[1])
        return along_d if along_ct is None else along_ct + along_d

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        yield from super().samples(rng)
        yield cls(both=True), [rng.normal(size=(2, 3)), rng.normal(size=3)]
        yield cls(), [rng.normal(size=3) + 1j, rng.normal(size=3) - 1j]


@final
class Cast(AbstractLinearMap):
    """Each element converted to `dtype`. **Gradient:** converted back; none through integers."""

    dtype: DType
    llvm = "cast"
    takes = "?bBhHiIlLqQefdFDE"

    def value(self, x: Any) -> Any:
        if x.dtype.kind == "c" and self.dtype.kind != "c":
            x = x.real
        return np.asarray(x).astype(self.dtype, copy=False)

    def out_type(self, *types: Any) -> Type:
        return Type(types[0].shape, self.dtype)

    def coerce(self, xs: tuple[Any, ...]) -> tuple[Any, ...]:
        return xs if isinstance(xs[0], Handle) else (lift(xs[0]),)

    def transpose(self, i: int, ct: Any, x: Any) -> Any:
        return CAST[x.dtype](ct)

    def __repr__(self) -> str:
        return f"Cast(dtype={self.dtype.name!r})"

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        x = rng.normal(size=(2, 3))
        yield cls(as_dtype("complex128")), [x]
        yield cls(as_dtype("float64")), [x + 1j * x]
        yield cls(as_dtype("float64")), [x]


class _Casts(dict[Any, Cast]):
    def __missing__(self, dtype: Any) -> Cast:
        self[dtype] = cast = Cast(as_dtype(dtype))
        return cast


CAST: Final = _Casts()
SCALE: Final = Scale()
SCALE_BOTH: Final = Scale(both=True)
