"""Einstein summation: `einsum`, in the whole of NumPy's syntax.

Each operand is first brought to distinct letters (diagonals are taken as views) and to letters that
somebody else needs (the others are summed). What remains is a sequence of contractions of pairs, in
a greedy order.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from adjoint.core.bind import lift
from adjoint.core.errors import ArgumentError, ShapeError
from adjoint.core.types import Shape
from adjoint.ops.bilinear import LETTERS
from adjoint.ops.contract import contraction
from adjoint.ops.shape import Permute, Reshape, Sum, refusal
from adjoint.ops.windows import Windows, as_tuple

__all__ = ["einsum"]

# operands while they are being contracted: the letters of the axes, and the tensor
Term = tuple[str, Any]


def einsum(*operands: Any, optimize: Any = True) -> Any:
    """Sum of products of tensors over named axes, in NumPy's notation.

    ``einsum("ij,jk->ik", x, y)`` is the matrix product. A letter that is repeated within an operand
    takes a diagonal, letters that the result lacks are summed over, ``...`` stands for axes that
    broadcast. Without ``->`` the result has the letters that occur once, in alphabetical order.

    Args:
        *operands: the subscripts and then the tensors; or each tensor followed by a list of ints
            that name its axes, and at the end such a list for the result.
        optimize: how the order of pairs is found for three and more operands: True or a method of
            `np.einsum_path`, such as "greedy" or "optimal"; a path that it has returned; or False
            for the order as given.

    Raises:
        ArgumentError: if the subscripts are no valid notation, or do not fit the operands' axes.
        ShapeError: if one letter stands for two sizes, neither of which is 1.

    Example:
        >>> x = ad.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> ad.einsum("ij,j->i", x, ad.tensor([1.0, 10.0]))
        tensor([21., 43.])
        >>> ad.einsum("ii", x)
        tensor(5.)

    **Gradient:** that of a product for each operand: the cotangent contracted with the others,
    conjugated. Where a cotangent is exactly zero, infinities and NaNs do not reach the gradient.
    """
    subscripts, given = (
        from_lists(operands) if not _is_text(operands) else (operands[0], operands[1:])
    )
    xs = [lift(x) for x in given]
    named = [(f"x[{i}]", x) for i, x in enumerate(xs)]
    try:
        inputs, out = parse(subscripts, [x.ndim for x in xs])
        sizes = sizes_of(inputs, [x.shape for x in xs])
    except (ArgumentError, ShapeError) as error:
        raise refusal("einsum", error, *named) from None
    terms = [single(letters, x, sizes) for letters, x in zip(inputs, xs, strict=True)]
    return contract_all(terms, out, sizes, optimize)


def _is_text(operands: Sequence[Any]) -> bool:
    if not operands:
        raise ArgumentError("einsum: needs subscripts and at least one tensor")
    return isinstance(operands[0], str)


# -- notation --------------------------------------------------------------------------------------


def from_lists(operands: Sequence[Any]) -> tuple[str, list[Any]]:
    """Subscripts and tensors from tensors that are each followed by a list of axis names."""
    pairs, rest = len(operands) // 2, len(operands) % 2
    given = [operands[2 * i] for i in range(pairs)]
    lists = [list(operands[2 * i + 1]) for i in range(pairs)]
    out = [list(operands[-1])] if rest else []
    names = sorted({n for found in (*lists, *out) for n in found if n is not Ellipsis})
    if len(names) > len(LETTERS):
        raise ArgumentError(
            f"einsum: {len(names)} different axes; at most {len(LETTERS)} have names"
        )
    letter = dict(zip(names, sorted(LETTERS), strict=False))
    texts = ["".join("..." if n is Ellipsis else letter[n] for n in one) for one in (*lists, *out)]
    return ",".join(texts[:pairs]) + (f"->{texts[-1]}" if rest else ""), given


def parse(subscripts: str, ndims: Sequence[int]) -> tuple[list[str], str]:
    """Letters of each operand and of the result, with the ellipsis and the result spelled out.

    Raises:
        ArgumentError: if the notation is wrong or does not fit operands with so many axes.
    """
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    inputs = left.split(",")
    if not re.fullmatch(r"[^\W\d_.,>-]*(\.\.\.)?[^\W\d_.,>-]*", right) or not all(
        re.fullmatch(r"[^\W\d_.,>-]*(\.\.\.)?[^\W\d_.,>-]*", part) for part in inputs
    ):
        raise ArgumentError(f"subscripts {subscripts!r} have a sign that is no letter , -> or ...")
    if len(inputs) != len(ndims):
        raise ArgumentError(
            f"subscripts {subscripts!r} name {len(inputs)} operands, got {len(ndims)}"
        )
    inputs, dots = spell_ellipsis(inputs, ndims)
    counted = Counter("".join(inputs))
    if not arrow:
        return inputs, dots + "".join(
            sorted(c for c, n in counted.items() if n == 1 and c not in dots)
        )
    out = right.replace("...", dots)
    for c, n in Counter(out).items():
        if n > 1:
            raise ArgumentError(f"the result names {c!r} twice")
        if c not in counted:
            raise ArgumentError(f"the result names {c!r}, which no operand has")
    return inputs, out


def spell_ellipsis(inputs: list[str], ndims: Sequence[int]) -> tuple[list[str], str]:
    """Operands with unused letters for ``...``, aligned at the right; and all of these letters."""
    used = set("".join(inputs))
    hidden: list[int] = []
    for i, (part, ndim) in enumerate(zip(inputs, ndims, strict=True)):
        letters = len(part.replace("...", ""))
        if ndim < letters or ("..." not in part and ndim != letters):
            raise ArgumentError(f"{part!r} names {letters} axes, but x[{i}] has {ndim}")
        hidden.append(ndim - letters)
    n = max((h for h, part in zip(hidden, inputs, strict=True) if "..." in part), default=0)
    dots = "".join(c for c in LETTERS if c not in used)[:n]
    return [p.replace("...", dots[n - h :]) for p, h in zip(inputs, hidden, strict=True)], dots


def sizes_of(inputs: Sequence[str], shapes: Sequence[Shape]) -> dict[str, int]:
    """The size behind each letter; a size of 1 broadcasts.

    Raises:
        ShapeError: if a letter stands for two other sizes.
    """
    sizes: dict[str, int] = {}
    where: dict[str, str] = {}
    for i, (part, shape) in enumerate(zip(inputs, shapes, strict=True)):
        for axis, (c, n) in enumerate(zip(part, shape, strict=True)):
            place = f"x[{i}].shape[{axis}] = {n}"
            if sizes.get(c, 1) == 1:
                sizes[c], where[c] = n, place
            elif n not in (1, sizes[c]):
                raise ShapeError(f"{c!r} stands for two sizes: {where[c]}, {place}")
    return sizes


# -- computation -----------------------------------------------------------------------------------


def single(letters: str, x: Any, sizes: dict[str, int]) -> Term:
    """An operand with axes of size 1 dropped where they broadcast, and with diagonals taken."""
    keep = [n == sizes[c] for c, n in zip(letters, x.shape, strict=True)]
    if not all(keep):
        x = Reshape(tuple(n for n, on in zip(x.shape, keep, strict=True) if on))(x)
        letters = "".join(c for c, on in zip(letters, keep, strict=True) if on)
    for c, times in Counter(letters).items():
        for _ in range(times - 1):
            letters, x = diagonal(letters, x, c)
    return letters, x


def diagonal(letters: str, x: Any, c: str) -> Term:
    """The elements whose indices on the first two axes named `c` agree; that axis comes last."""
    i = letters.index(c)
    j = letters.index(c, i + 1)
    rest = [a for a in range(len(letters)) if a not in (i, j)]
    x = Permute((*rest, i, j))(x)
    n = x.shape[-1]
    lead = x.shape[:-2]
    if n:
        # in the flattened matrix the diagonal is every (n+1)-th element
        x = Windows((1,), (n + 1,), (1,))(Reshape((*lead, n * n))(x))
    return "".join(letters[a] for a in rest) + c, Reshape((*lead, n))(x)


def contract_all(terms: list[Term], out: str, sizes: dict[str, int], optimize: Any) -> Any:
    """All operands contracted in pairs, and the axes put in the order of the result."""
    for step in path_of(terms, out, sizes, optimize):
        chosen = [terms[i] for i in step]
        terms = [t for i, t in enumerate(terms) if i not in step]
        while len(chosen) > 1:
            x, y = chosen[:2]
            chosen = chosen[2:]
            others = "".join(letters for letters, _ in (*terms, *chosen))
            last = not terms and not chosen
            chosen.insert(0, pair(x, y, out if last else "", others + out))
        terms += chosen
    letters, x = summed(*terms[0], out)
    if letters == out:
        return x
    return Permute(tuple(letters.index(c) for c in out))(x)


def path_of(
    terms: list[Term], out: str, sizes: dict[str, int], optimize: Any
) -> list[tuple[int, ...]]:
    """Which operands to contract in each step; results are appended."""
    if isinstance(optimize, list | tuple):
        return [tuple(step) for step in as_tuple(optimize) if not isinstance(step, str)]
    if len(terms) < 3 or optimize is False:
        return [tuple(range(len(terms)))]
    # np.einsum_path reads shapes only, so zeros without memory serve for values that may be staged
    text = ",".join(letters for letters, _ in terms) + "->" + out
    dummies = [np.broadcast_to(np.zeros(()), [sizes[c] for c in letters]) for letters, _ in terms]
    if not text.replace(",", "").replace("->", "").isascii():
        return [tuple(range(len(terms)))]
    found, _ = np.einsum_path(text, *dummies, optimize="greedy" if optimize is True else optimize)
    return [tuple(step) for step in found[1:]]


def summed(letters: str, x: Any, needed: str) -> Term:
    """The operand summed over the letters that nobody needs."""
    axes = tuple(i for i, c in enumerate(letters) if c not in needed)
    if not axes:
        return letters, x
    return "".join(c for c in letters if c in needed), Sum(axes)(x)


def pair(x: Term, y: Term, out: str, needed: str) -> Term:
    """Two operands contracted over the letters that nobody else needs."""
    a, x_ = summed(*x, y[0] + needed)
    b, y_ = summed(*y, x[0] + needed)
    if not out:
        shared = "".join(c for c in a if c in b and c in needed)
        left = "".join(c for c in a if c not in b)
        out = shared + left + "".join(c for c in b if c not in a)
    return out, contraction(a, b, out)(x_, y_)
