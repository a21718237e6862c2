"""Products of two operands: the family behind contractions and convolutions.

Such a card names the axes of its operands by letters (`spec`, such as ``"ab,bc->ac"``), and its
two transposes are the same card with the letters in another order. What all of them share is
here: batching is one more letter, 16-bit floats accumulate in float32, and a cotangent's exact
zeros are strong.

Strong zeros: with ``strong = i`` operand `i` is a cotangent (or a tangent), and where it is exactly
zero the infinities and NaNs of the other operand do not count. A masked row of data that holds NaN
then leaves the gradient of the weights finite. The plain product is computed first; only if it
holds a NaN is it computed again.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from itertools import chain
from string import ascii_letters
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from adjoint.core.bind import lift
from adjoint.core.types import promote
from adjoint.ops.families import CAST, AbstractMultilinear, square_of

# NumPy arrays have up to 64 axes, the alphabet 52 letters
LETTERS = ascii_letters + "".join(map(chr, range(0x3B1, 0x3B1 + 80)))

HALF = "eE"
"""dtype characters of float16 and bfloat16."""


class Roles(NamedTuple):
    """The letters of a spec by what they do.

    Attributes:
        batch: in both operands and in the result.
        left: in the first operand and in the result.
        right: in the second operand and in the result.
        inner: in both operands only; summed over.
    """

    batch: str
    left: str
    right: str
    inner: str


@lru_cache(maxsize=4096)
def split(spec: str) -> tuple[str, str, str]:
    """Letters of the first operand, of the second and of the result."""
    operands, out = spec.split("->")
    left, right = operands.split(",")
    return left, right, out


@lru_cache(maxsize=4096)
def roles(spec: str) -> Roles:
    """What each letter of a spec does; each group in the order of the operand that has it."""
    a, b, o = split(spec)
    named = Counter(chain(set(a), set(b), set(o)))
    if named.total() != len(a + b + o) or min(named.values(), default=2) < 2:
        raise ValueError(f"{spec!r} repeats a letter in an operand, or has one in a single part")
    return Roles(
        batch="".join(c for c in o if c in a and c in b),
        left="".join(c for c in a if c in o and c not in b),
        right="".join(c for c in b if c in o and c not in a),
        inner="".join(c for c in a if c in b and c not in o),
    )


@lru_cache(maxsize=4096)
def renamed(a: str, b: str, o: str) -> str:
    """The spec of these operands, with letters by order of appearance: equal work prints alike."""
    names = dict(zip(dict.fromkeys(a + b), LETTERS, strict=False))
    a, b, o = ("".join(names[c] for c in part) for part in (a, b, o))
    return f"{a},{b}->{o}"


@lru_cache(maxsize=4096)
def with_batch(spec: str, batched: tuple[bool, bool]) -> str:
    """The spec with one more letter in front of the result and of the operands that have it."""
    parts = split(spec)
    new = next(c for c in LETTERS if c not in spec)
    a, b = (new + part if on else part for part, on in zip(parts, batched, strict=False))
    return renamed(a, b, new + parts[2])


class AbstractBilinear(AbstractMultilinear):
    """A product of two operands whose axes have letters.

    A card has the fields `spec` and `strong` and writes `plain`, its value without strong zeros.
    (They are declared there, in the card's order; hence `self: Any` in the methods that read them.)
    """

    takes = "?bBhHiIlLqQefdFDE"
    operands: ClassVar[tuple[str, ...]] = ("x", "y")

    def plain(self, x: Any, y: Any) -> Any:
        """The product of two arrays, as NumPy computes it."""
        raise NotImplementedError

    def value(self: Any, x: Any, y: Any) -> Any:
        if x.dtype.char in HALF:
            single = self.value(x.astype(np.float32), y.astype(np.float32))
            return np.asarray(single).astype(x.dtype)
        out = self.plain(x, y)
        if self.strong < 0:
            return out
        flat: Any = out.ravel("K")
        square: Any = square_of(flat, flat)  # NaN if an element is: one pass, no temporary
        return out if square == square else self._restrain(out, x, y)

    def _restrain(self: Any, out: Any, x: Any, y: Any) -> Any:
        """The product again, without what exact zeros of the strong operand multiply."""
        pair = [x, y]
        other = pair[1 - self.strong]
        finite = np.isfinite(other)
        if finite.all():
            return out
        pair[1 - self.strong] = np.where(finite, other, np.zeros((), other.dtype))
        restrained = self.plain(*pair)
        pair[1 - self.strong] = np.logical_not(finite).astype(np.float32)
        pair[self.strong] = np.not_equal(pair[self.strong], 0).astype(np.float32)
        reached: Any = self.plain(*pair)
        return np.where(reached > 0, out, restrained)

    def coerce(self, xs: tuple[Any, ...]) -> tuple[Any, ...]:
        x, y = map(lift, xs)
        dtype = promote(x.dtype, y.dtype)
        if x is xs[0] and y is xs[1] and x.dtype == y.dtype == dtype:
            return xs
        return tuple(z if z.dtype == dtype else CAST[dtype](z) for z in (x, y))

    def altered(self, **fields: Any) -> Self:
        """The same card with other fields."""
        return type(self)(**{name: getattr(self, name) for name in self.fields} | fields)

    def push(self, dots: tuple[Any, ...], out: Any, xs: tuple[Any, ...]) -> Any:
        total: Any = None
        for i, dot in enumerate(dots):
            if dot is not None:
                term = self.altered(strong=i)(*xs[:i], dot, *xs[i + 1 :])
                total = term if total is None else total + term
        return total

    def batch(self: Any, size: int, batched: tuple[bool, ...], *xs: Any) -> Any:
        return self.altered(spec=with_batch(self.spec, (batched[0], batched[1])))(*xs)

    def sizes(self: Any, x: Any, y: Any) -> dict[str, int]:
        """The size behind each letter."""
        a, b, _ = split(self.spec)
        return dict(zip(a + b, x.shape[: len(a)] + y.shape[: len(b)], strict=True))
