"""Attention as one operation, forward and backward, so that no array of scores need exist.

Programs are not written with these cards: attention is composed of products and a softmax, and so
are its derivatives of every order. Where a compiled program has that composition, these stand for
it: a back end walks over blocks of rows of the scores and keeps only two numbers of each row,
what was subtracted before the exponential, and one over the sum.

Source: Dao et al., FlashAttention: fast and memory-efficient exact attention (2022),
arXiv:2205.14135. Two numbers are kept where they keep the logarithm of the sum, so that the
weights of the backward pass do not lose digits where scores are large.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, prod, sqrt
from typing import Any, final

import numpy as np

from adjoint.core.errors import ShapeError
from adjoint.core.primitive import Primitive, Sample
from adjoint.core.types import Type
from adjoint.ops.slice import in_front

__all__: list[str] = []

LETTERS = "abcfghiklmnopquvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""Names of batch axes: all but those that `AbstractAttention` gives a meaning."""
FORWARD = "abtd,absd,abse->abte,abtr"
BACKWARD = "abtd,absd,abse,abte,abtr,abte->abtd,absd,abse"
AFTERWARDS = "it is made of other operations after differentiation"


def laid(x: Any, letters: str, want: str) -> Any:
    """An array with its axes in another order."""
    return np.transpose(x, [letters.index(c) for c in want])


class AbstractAttention(Primitive):
    """What both directions share: which scores there are, and what masks leave of them.

    Attributes:
        spec: letters of the operands and results, such as ``"abtd,absd,abse->abte,abtr"``: t for
            queries, s for keys, d for the axis that scores are summed over, e for that of values,
            r for what is known of a row of scores; its batch axes have the order of the scores'.
        scale: factor of the scores.
        reach: query i sees the keys up to ``i + reach``; None lets it see all.
        mask: ``"where"`` if the last operand says which scores stay, ``"add"`` if it is added to
            them, else empty. It broadcasts against the scores: (batch axes, t, s).
        fill: what takes the place of scores that do not stay.
        zero: whether a row that sees nothing has weights of zero; else they are NaN.
    """

    spec: str
    scale: float = 1.0
    reach: int | None = None
    mask: str = ""
    fill: float = -inf
    zero: bool = False
    kind = "contract"
    takes = "?fd"
    operands = ("q", "k", "v", "out", "rows", "ct", "mask")
    no_derivative = AFTERWARDS

    @property
    def letters(self) -> tuple[list[str], list[str]]:
        """The letters of operands and of results."""
        left, right = self.spec.split("->")
        return left.split(","), right.split(",")

    @property
    def batch_letters(self) -> str:
        """The letters of the batch axes in the order that the scores have."""
        known = next(part for side in self.letters for part in side if part.endswith("r"))
        return known[:-2]

    def sizes(self, *xs: Any) -> dict[str, int]:
        """Sizes by letter.

        Raises:
            ShapeError: if operands disagree.
        """
        found: dict[str, int] = {}
        for x, letters in zip(xs, self.letters[0], strict=False):
            if len(letters) != len(x.shape):
                raise ShapeError(f"{letters} names {len(letters)} axes of a shape {x.shape}")
            for c, n in zip(letters, x.shape, strict=True):
                if found.setdefault(c, n) != n:
                    raise ShapeError(f"axis {c} has the sizes {found[c]} and {n}")
        return found

    def seen(self, queries: int, keys: int) -> Any:
        """Which scores stay; None for all."""
        if self.reach is None:
            return None
        return np.tril(np.ones((queries, keys), np.bool_), self.reach)

    def scores(self, q: Any, k: Any, mask: Any) -> Any:
        """Scores (batch axes, t, s), of which masks have taken what is not seen."""
        (of_q, of_k, *_), _ = self.letters
        batch = self.batch_letters
        q, k = laid(q, of_q, batch + "td"), laid(k, of_k, batch + "ds")
        scores = np.matmul(q, k) * q.dtype.type(self.scale)
        seen = self.seen(*scores.shape[-2:])
        if seen is not None:
            scores = np.where(seen, scores, scores.dtype.type(-inf))
        if self.mask == "where":
            return np.where(mask, scores, scores.dtype.type(self.fill))
        return scores + mask if self.mask else scores

    def weights(self, scores: Any, rows: Any) -> Any:
        """Softmax of the scores, from what is known of their rows."""
        with np.errstate(all="ignore"):
            out = np.exp(scores - rows[..., :1]) * rows[..., 1:]
        return np.where(rows[..., :1] == inf, 0, out) if self.zero else out

    def rows(self, scores: Any) -> Any:
        """For each row of scores what is subtracted, and one over the sum of exponentials.

        A row that has weights of zero is marked by an infinity.
        """
        with np.errstate(all="ignore"):
            top = scores.max(-1, keepdims=True)
            peak = np.where(np.isfinite(top), top, 0)
            total = np.exp(scores - peak).sum(-1, keepdims=True)
            one = np.ones((), scores.dtype)
            rows = np.concatenate([peak, one / total], -1).astype(scores.dtype)
        if self.zero:
            rows[~(scores > -inf).any(-1)] = inf, 0
        return rows

    def work(self, xs: tuple[Any, ...], products: int) -> int:
        """Operations for so many products of the scores' size, of which the half may be unseen."""
        sizes = self.sizes(*xs[:3])
        t, s = sizes["t"], sizes["s"]
        pairs = t * s
        if self.reach is not None:
            pairs = sum(min(max(i + 1 + self.reach, 0), s) for i in range(t))
        batch = prod(n for c, n in sizes.items() if c in self.batch_letters)
        return batch * pairs * (products * (sizes["d"] + sizes["e"]) + 6)

    def fields_with(self, spec: str) -> dict[str, Any]:
        """The fields, with another spec."""
        return {name: getattr(self, name) for name in self.fields} | {"spec": spec}

    def batch(self, size: int, batched: tuple[bool, ...], *xs: Any) -> Any:
        left, right = self.letters
        new = next(c for c in LETTERS if c not in self.spec)
        spec = "->".join(",".join(new + part for part in side) for side in (left, right))
        n = len(left)
        parts = [in_front(size, b, x) for b, x in zip(batched[:n], xs[:n], strict=True)]
        for b, mask in zip(batched[n:], xs[n:], strict=True):
            lead = len(self.batch_letters) + 3 - len(mask.shape)
            parts.append(mask.reshape(size, *(1,) * lead, *mask.shape[1:]) if b else mask)
        return type(self)(**self.fields_with(spec))(*parts)


@final
class AttentionForward(AbstractAttention):
    """Values mixed by the softmax of scores: ``softmax(mask(scale q k^T)) v``.

    Operands q, k, v, and a mask if there is one. The results are the mixed values, and for each row
    of scores what was subtracted and one over the sum: axes (batch, t, 2).
    """

    name = "attention"

    def value(self, q: Any, k: Any, v: Any, *mask: Any) -> Any:
        (_, _, of_v), (of_out, _) = self.letters
        batch = self.batch_letters
        scores = self.scores(q, k, mask[0] if mask else None)
        rows = self.rows(scores)
        out = np.matmul(self.weights(scores, rows), laid(v, of_v, batch + "se"))
        return np.ascontiguousarray(laid(out, batch + "te", of_out)), rows

    def out_type(self, q: Any, k: Any, v: Any, *mask: Any) -> tuple[Type, Type]:
        sizes = self.sizes(q, k, v)
        check_mask(self, sizes, mask)
        of_out, _ = self.letters[1]
        lead = tuple(sizes[c] for c in self.batch_letters + "t")
        return Type(tuple(sizes[c] for c in of_out), q.dtype), Type((*lead, 2), q.dtype)

    def cost(self, *types: Any) -> int:
        return self.work(types, 2)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        for fields, xs in attention_samples(rng, FORWARD, "atbd,sabd,abes->atbe,batr"):
            yield cls(**fields), xs


@final
class AttentionBackward(AbstractAttention):
    """The gradients of attention with respect to q, k and v.

    Operands q, k, v, the two results of `AttentionForward`, the cotangent of the mixed values, and
    a mask if there is one. With weights P of the forward pass: ``dV = P^T ct``,
    ``dS = P (ct V^T - rowsum(ct out))``, ``dQ = scale dS K``, ``dK = scale dS^T Q``.

    Attributes:
        joined: if there is one result for all three, their order in it, such as ``"qkv"``; its
            letters then name that axis j, and the others as in the gradient of q.
    """

    joined: str = ""

    name = "attention_backward"

    def value(self, q: Any, k: Any, v: Any, out: Any, rows: Any, ct: Any, *mask: Any) -> Any:
        (of_q, of_k, of_v, of_out, _, of_ct), (of_dq, of_dk, of_dv) = self.letters[0], self.parts
        batch = self.batch_letters
        scores = self.scores(q, k, mask[0] if mask else None)
        weights = self.weights(scores, rows)
        out, ct = laid(out, of_out, batch + "te"), laid(ct, of_ct, batch + "te")
        with np.errstate(all="ignore"):
            moved = np.matmul(ct, laid(v, of_v, batch + "es"))
            inner = weights * (moved - (ct * out).sum(-1, keepdims=True))
        # what has no weight in the end has no gradient, whatever its weight was
        silent = (ct == 0).all(-1, keepdims=True) | (rows[..., :1] == inf)
        weights, inner = np.where(silent, 0, weights), np.where(silent, 0, inner)
        seen = self.seen(*scores.shape[-2:])
        if seen is not None:
            inner = np.where(seen, inner, 0)
        if self.mask == "where":
            inner = np.where(mask[0], inner, 0)
        inner = (inner * q.dtype.type(self.scale)).astype(q.dtype)
        dq = np.matmul(inner, laid(k, of_k, batch + "sd"))
        dk = np.matmul(inner.swapaxes(-1, -2), laid(q, of_q, batch + "td"))
        dv = np.matmul(weights.astype(q.dtype).swapaxes(-1, -2), ct)
        ends = ((dq, "td", of_dq), (dk, "sd", of_dk), (dv, "se", of_dv))
        outs = tuple(np.ascontiguousarray(laid(x, batch + end, to)) for x, end, to in ends)
        if not self.joined:
            return outs
        order = ["qkv".index(name) for name in self.joined]
        return np.stack([outs[i] for i in order], self.letters[1][0].index("j"))

    @property
    def parts(self) -> tuple[str, ...]:
        """The letters of the three gradients."""
        if not self.joined:
            return tuple(self.letters[1])
        dq = self.letters[1][0].replace("j", "")
        dk = dq.replace("t", "s")
        return dq, dk, dk.replace("d", "e")

    def out_type(self, q: Any, k: Any, v: Any, out: Any, rows: Any, ct: Any, *mask: Any) -> Any:
        sizes = self.sizes(q, k, v, out, rows, ct) | {"j": 3}
        check_mask(self, sizes, mask)
        if self.joined and (sizes["t"], sizes["d"]) != (sizes["s"], sizes["e"]):
            raise ShapeError(f"gradients of the sizes {sizes} cannot be joined")
        types = tuple(Type(tuple(sizes[c] for c in part), q.dtype) for part in self.letters[1])
        return types[0] if self.joined else types

    def cost(self, *types: Any) -> int:
        return self.work(types, 5)

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        other = "atbd,sabd,abes,bate,batr,atbe->tabd,basd,abse"
        for fields, xs in attention_samples(rng, BACKWARD, other):
            back = cls(**fields)
            of, _ = back.letters
            batch = back.batch_letters
            q, k, v, *mask = xs
            scores = back.scores(q, k, *mask or [None])
            rows = back.rows(scores)
            out = np.matmul(back.weights(scores, rows), laid(v, of[2], batch + "se"))
            out = laid(out, batch + "te", of[3])
            ct = rng.normal(size=laid(out, of[3], of[5]).shape)
            yield back, [q, k, v, out, rows, ct, *mask]
        q, k, v, out, ct = rng.normal(size=(5, 2, 4, 3))
        rows = np.abs(rng.normal(size=(2, 4, 2)))
        spec = "atd,asd,ase,ate,atr,ate->tjad"
        yield cls(spec=spec, joined="kvq", reach=0), [q, k, v, out, rows, ct]


def check_mask(op: AbstractAttention, sizes: dict[str, int], mask: tuple[Any, ...]) -> None:
    """Refuse a mask that does not broadcast against the scores, or is missing.

    Raises:
        ShapeError: saying the sizes.
    """
    if len(mask) != bool(op.mask):
        raise ShapeError(f"{len(mask)} masks where the mask is {op.mask!r}")
    shape = tuple(sizes[c] for c in op.batch_letters + "ts")
    for m in mask:
        tail = shape[len(shape) - len(m.shape) :]
        if len(m.shape) > len(shape) or any(
            a not in (1, b) for a, b in zip(m.shape, tail, strict=True)
        ):
            raise ShapeError(f"a mask of shape {m.shape} does not broadcast to {shape}")


def attention_samples(
    rng: Any, plain: str, permuted: str
) -> Iterator[tuple[dict[str, Any], list[Any]]]:
    """Fields, and operands q, k, v and mask, in two layouts."""
    sizes = dict(zip("abtsde", (2, 3, 5, 7, 4, 3), strict=True))

    def operands(spec: str) -> list[Any]:
        parts = spec.split("->", maxsplit=1)[0].split(",")[:3]
        return [rng.normal(size=[sizes[c] for c in part]) for part in parts]

    scale = 1 / sqrt(sizes["d"])
    yield {"spec": plain, "scale": scale}, operands(plain)
    yield {"spec": permuted, "scale": 0.5, "reach": 0}, operands(permuted)
    yield {"spec": plain, "reach": 2}, operands(plain)
    keep = rng.normal(size=(3, 5, 7)) > 0
    keep[..., 0] = True
    yield {"spec": plain, "scale": scale, "mask": "where"}, [*operands(plain), keep]
    keep = np.repeat(np.arange(7) < np.array([[[[7]]], [[[0]]]]), 5, -2)
    fields = {"spec": plain, "mask": "where", "zero": True, "reach": 1}
    yield fields, [*operands(plain), keep]
    yield {"spec": plain, "mask": "where", "fill": -1e4}, [*operands(plain), keep]
    yield {"spec": plain, "mask": "add"}, [*operands(plain), rng.normal(size=(5, 7))]
