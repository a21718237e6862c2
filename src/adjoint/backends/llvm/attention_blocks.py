"""The kernels of attention: blocks of rows of scores, forward and backward.

Every number of a result is computed by one unit in a fixed order, so results do not depend on how
units are shared among threads.

Source: Dao et al., FlashAttention (2022), arXiv:2205.14135, algorithms 1 and 4, with whole rows of
scores in place of pieces of rows: a block of them fits into the cache of a core.
"""

from __future__ import annotations

from math import inf
from typing import Any

from llvmlite import ir

from adjoint.backends.llvm.attention_rows import Rows
from adjoint.backends.llvm.attention_shape import Kernel, Matrix
from adjoint.backends.llvm.convolution_tile import at, flat, least, plus, times
from adjoint.backends.llvm.nest import I8, I64, PTR, Nest, index, ll

SUMS = ("reassoc", "contract")
"""Sums over an axis of values may be taken in vectors: the same ones in every run."""


def most(b: Any, x: Any, y: Any) -> Any:
    """The larger of two indices."""
    return b.select(b.icmp_signed(">", x, y), x, y)


class Writer:
    """What both kernels share: units, blocks, products.

    Attributes:
        it: what the kernel depends on.
        wanted: which results are used.
        place: addresses for the current unit, by the operand's name.
    """

    def __init__(self, program: Any, it: Kernel, wanted: tuple[bool, ...], parts: int) -> None:
        self.program, self.it = program, it
        self.wanted = dict(zip(it.names[len(it.names) - len(wanted) :], wanted, strict=True))
        count = len(it.names) + 1
        kind = ir.FunctionType(ir.VoidType(), [PTR] * count + [I64, I64])
        self.function: Any = ir.Function(program.module, kind, program.name())
        self.function.linkage = "internal"
        used = [name for name in it.names if self.wanted.get(name, True)]
        for name, pointer in zip(it.names, self.function.args, strict=False):
            if name in used:
                pointer.add_attribute("noalias")
        self.t = ll(it.dtype)
        self.nest = Nest(self.function)
        self.rows = Rows(self.nest, it.dtype)
        self.vector = self.nest.local(self.rows.kind, 1)
        begin, end = self.function.args[-2:]
        part = self.nest.open(begin, end)
        b = self.nest.inner
        step = b.mul(part, index(it.bytes))
        self.own = b.gep(self.function.args[count - 1], [step], source_etype=I8)
        low = b.udiv(b.mul(part, index(it.units)), index(parts))
        high = b.udiv(b.mul(b.add(part, index(1)), index(it.units)), index(parts))
        self.unit = self.nest.open(low, high)
        self.place: dict[str, Any] = {}

    @property
    def b(self) -> Any:
        """The builder of the innermost loop."""
        return self.nest.inner

    def enter(self, number: Any) -> None:
        """The addresses of the head with a number; operands that lie badly are copied."""
        it, b = self.it, self.b
        self.matrices: dict[str, Matrix] = {}
        for name, pointer in zip(it.names, self.function.args, strict=False):
            dims = tuple(zip(it.batch, it.walk(name).batch, strict=True))
            t = I8 if name == "mask" and it.how == "where" else self.t
            self.place[name] = at(b, pointer, flat(b, number, dims), t)
            if name in ("q", "k", "v") or name == "ct":
                self.matrices[name] = it.matrix(name)
        for name in it.copied:
            self._copy(name)

    def _copy(self, name: str) -> None:
        walk, (rows, columns) = self.it.walk(name), self.it.shape(name)
        target = at(self.b, self.own, self.it.place(name), self.t)
        i = self.nest.open(index(0), index(rows))
        j = self.nest.open(index(0), index(columns))
        b = self.b
        source = plus(b, b.mul(i, index(walk.row)), b.mul(j, index(walk.column)))
        x = b.load(at(b, self.place[name], source, self.t), typ=self.t)
        b.store(x, at(b, target, plus(b, b.mul(i, index(columns)), j), self.t))
        self.nest.close()
        self.nest.close()
        self.place[name], self.matrices[name] = target, Matrix(False, columns)

    def down(self, name: str, row: Any) -> Any:
        """The address of a row of a matrix."""
        m = self.matrices[name]
        return at(
            self.b, self.place[name], times(self.b, row, 1 if m.transposed else m.lead), self.t
        )

    def begin_block(self, number: Any) -> None:
        """The rows of a block, and how many columns one of them sees."""
        it, b = self.it, self.b
        self.first = b.mul(number, index(it.rows))
        self.height = least(b, index(it.rows), b.sub(index(it.t), self.first))
        self.width: Any = index(it.s)
        if it.reach is not None:
            end = b.add(b.add(self.first, self.height), index(it.reach))
            # a block that sees nothing is zeros in one step of columns
            end = self.rows.up(most(b, end, index(1)), 2)
            self.width = least(b, end, index(it.s))
        self.whole = self.rows.up(self.width)

    def limit(self, i: Any) -> Any:
        """How many columns the row `i` of the block sees."""
        it, b = self.it, self.b
        if it.reach is None:
            return index(it.s)
        end = plus(b, self.first, i, index(it.reach + 1))
        return least(b, most(b, end, index(0)), index(it.s))

    def product(
        self,
        sizes: tuple[Any, Any, Any],
        x: tuple[Any, bool, Any],
        y: tuple[Any, bool, Any],
        out: tuple[Any, Any],
        alpha: float = 1.0,
        beta: Any = None,
    ) -> None:
        """``out = alpha x @ y + beta out``: sizes, addresses, transposed or not, leads."""
        t = self.t
        kinds = [I64] * 5 + [t, PTR, I64, PTR, I64, t, PTR, I64]
        letter = "f32" if self.it.dtype.char == "f" else "f64"
        gemm = self.program.external(f"adjoint_gemm_{letter}", kinds)
        flags = [index(int(x[1])), index(int(y[1]))]
        beta = t(0.0) if beta is None else beta
        args = [*flags, *sizes, t(alpha), x[0], index(x[2]), y[0], index(y[2]), beta]
        self.b.call(gemm, [*args, out[0], index(out[1])])

    def rows_of(self, name: str, rows: str) -> tuple[Any, bool, int]:
        """A matrix from the block's first row on (`rows` "block"), or whole."""
        m = self.matrices[name]
        start = self.down(name, self.first) if rows == "block" else self.place[name]
        return start, m.transposed, m.lead

    def turned(self, name: str) -> tuple[Any, bool, int]:
        """A whole matrix, transposed."""
        start, transposed, lead = self.rows_of(name, "whole")
        return start, not transposed, lead

    def scores(self, scores: Any) -> None:
        """Scores of the block."""
        it = self.it
        self.product(
            (self.height, self.width, index(it.d)),
            self.rows_of("q", "block"),
            self.turned("k"),
            (scores, it.lead),
            it.scale,
        )

    def masked(self, row: Any, i: Any, limit: Any, gradient: bool = False) -> None:
        """What the mask makes of the row `i` of scores, or of their gradient."""
        it = self.it
        if not it.how or (gradient and it.how == "add"):
            return
        walk = it.walk("mask")
        t = I8 if it.how == "where" else self.t
        b = self.b
        first = at(b, self.place["mask"], b.mul(b.add(self.first, i), index(walk.row)), t)
        j = self.nest.open(index(0), limit)
        b = self.b
        m = b.load(at(b, first, b.mul(j, index(walk.column)), t), typ=t)
        place = at(b, row, j, self.t)
        x = b.load(place, typ=self.t)
        if it.how == "where":
            x = b.select(b.icmp_unsigned("!=", m, I8(0)), x, self.t(0.0 if gradient else it.fill))
        else:
            x = b.fadd(x, m)
        b.store(x, place)
        self.nest.close()

    def row(self, scores: Any, i: Any) -> Any:
        """The address of a row of the block."""
        return at(self.b, scores, self.b.mul(i, index(self.it.lead)), self.t)

    def known(self, i: Any) -> Any:
        """The address of what is known of a row of scores."""
        b, walk = self.b, self.it.walk("rows")
        return at(b, self.place["rows"], b.mul(b.add(self.first, i), index(walk.row)), self.t)

    def finish(self) -> Any:
        """The function."""
        while self.nest.depth:
            self.nest.close()
        self.b.ret_void()
        return self.function


def forward(program: Any, it: Kernel, wanted: tuple[bool, ...], parts: int) -> Any:
    """The kernel of `AttentionForward`; a unit is a block of queries of one head."""
    w = _Forward(program, it, wanted, parts)
    b = w.b
    w.enter(b.udiv(w.unit, index(it.blocks)))
    w.begin_block(w.b.urem(w.unit, index(it.blocks)))
    w.scores(w.own)
    i = w.nest.open(index(0), w.height)
    w.softmax(i)
    w.nest.close()
    w.mix()
    return w.finish()


class _Forward(Writer):
    """Values mixed by the softmax of their scores."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.inverse = self.nest.local(self.t, self.it.rows)

    def softmax(self, i: Any) -> None:
        """Exponentials of a row, not yet divided by their sum."""
        it, rows, t = self.it, self.rows, self.t
        row, limit = self.row(self.own, i), self.limit(i)
        self.masked(row, i, limit)
        rows.cut(row, limit, it.lead, -inf)
        end = rows.up(limit)
        top = rows.largest(row, end, self.vector)
        b = self.b
        size = b.call(_fabs(b.module, t), [top])
        peak = b.select(b.fcmp_ordered("<", size, t(inf)), top, t(0.0))
        empty = b.fcmp_ordered("==", top, t(-inf))
        shift = rows.splat(peak)
        b.store(rows.splat(0.0), self.vector)

        def body(j: Any) -> None:
            b = self.b
            e = rows.exp(b.fsub(rows.load(row, j), shift))
            if it.zero:  # a row of -inf and NaN
                e = b.select(empty, rows.splat(0.0), e)
            rows.store(e, row, j)
            b.store(b.fadd(b.load(self.vector, typ=rows.kind), e), self.vector)

        rows.each(index(0), end, body)
        rows.fill(0.0, row, end, self.whole)
        b = self.b
        inverse = b.fdiv(t(1.0), rows.folded(b.load(self.vector, typ=rows.kind), b.fadd))
        if it.zero:
            inverse = b.select(empty, t(0.0), inverse)
            peak = b.select(empty, t(inf), peak)
        b.store(inverse, at(b, self.inverse, i, t))
        if self.wanted["rows"]:
            known = self.known(i)
            b.store(peak, known)
            b.store(inverse, at(b, known, 1, t))

    def mix(self) -> None:
        """The product with the values, each row divided by its sum."""
        if not self.wanted["out"]:
            return
        it, t = self.it, self.t
        walk, b = it.walk("out"), self.b
        out = at(b, self.place["out"], b.mul(self.first, index(walk.row)), t)
        lead = max(walk.row, it.e) if it.t > 1 else it.e
        self.product(
            (self.height, index(it.e), self.width),
            (self.own, False, it.lead),
            self.rows_of("v", "whole"),
            (out, lead),
        )
        i = self.nest.open(index(0), self.height)
        b = self.b
        inverse = b.load(at(b, self.inverse, i, t), typ=t)
        row = at(b, out, b.mul(i, index(walk.row)), t)
        j = self.nest.open(index(0), index(it.e))
        b = self.b
        place = at(b, row, j, t)
        b.store(b.fmul(b.load(place, typ=t), inverse), place)
        self.nest.close()
        self.nest.close()


def backward(program: Any, it: Kernel, wanted: tuple[bool, ...], parts: int) -> Any:
    """The kernel of `AttentionBackward`; a unit is a head.

    It begins with the last block, which sees the most keys: what later ones add to is there.
    """
    w = _Backward(program, it, wanted, parts)
    w.enter(w.unit)
    number = w.nest.open(index(0), index(it.blocks))
    b = w.b
    w.again = b.select(b.icmp_signed("==", number, index(0)), w.t(0.0), w.t(1.0))
    w.begin_block(b.sub(index(it.blocks - 1), number))
    w.scores(w.own)
    w.values()
    i = w.nest.open(index(0), w.height)
    w.softmax(i)
    w.nest.close()
    w.gradients()
    w.nest.close()
    w.unseen()
    return w.finish()


class _Backward(Writer):
    """The gradients of queries, keys and values."""

    again: Any

    @property
    def slopes(self) -> bool:
        """Whether the gradient of the scores is needed."""
        return self.wanted["dq"] or self.wanted["dk"]

    def other(self) -> Any:
        """The block of the scores' gradient."""
        return at(self.b, self.own, self.it.rows * self.it.lead, self.t)

    def values(self) -> None:
        """The gradient of the weights of the block."""
        if not self.slopes:
            return
        it = self.it
        self.product(
            (self.height, self.width, index(it.e)),
            self.rows_of("ct", "block"),
            self.turned("v"),
            (self.other(), it.lead),
        )

    def softmax(self, i: Any) -> None:
        """Weights of a row, and the gradient of its scores."""
        it, rows, t = self.it, self.rows, self.t
        inner, some = self._inner(i)
        b = self.b
        row, slopes, limit = self.row(self.own, i), self.row(self.other(), i), self.limit(i)
        known = self.known(i)
        peak, inverse = b.load(known, typ=t), b.load(at(b, known, 1, t), typ=t)
        silent = b.or_(
            b.icmp_unsigned("==", some, some.type(0)), b.fcmp_ordered("==", peak, t(inf))
        )
        # what has no weight in the end has no gradient, whatever its weight was
        end = b.select(silent, index(0), rows.up(limit))
        limit = b.select(silent, index(0), limit)
        self.masked(row, i, limit)
        rows.cut(row, limit, it.lead, -inf)
        b = self.b
        shift, factor, mean = rows.splat(peak), rows.splat(inverse), rows.splat(inner)

        def body(j: Any) -> None:
            b = self.b
            p = b.fmul(rows.exp(b.fsub(rows.load(row, j), shift)), factor)
            rows.store(p, row, j)
            if self.slopes:
                rows.store(b.fmul(p, b.fsub(rows.load(slopes, j), mean)), slopes, j)

        rows.each(index(0), end, body)
        rows.fill(0.0, row, end, self.whole)
        if self.slopes:
            self.masked(slopes, i, limit, gradient=True)
            rows.cut(slopes, limit, it.lead, 0.0)
            rows.fill(0.0, slopes, end, self.whole)

    def _inner(self, i: Any) -> tuple[Any, Any]:
        """The inner product of a row of the cotangent with the result's; the bits of the first."""
        it, t, b = self.it, self.t, self.b
        integer = ir.IntType(8 * it.dtype.itemsize)
        total, bits = self.sums(integer)
        b.store(t(0.0), total)
        b.store(integer(0), bits)
        starts = [
            at(b, self.place[name], b.mul(b.add(self.first, i), index(it.walk(name).row)), t)
            for name in ("ct", "out")
        ]
        if "ct" in it.copied:
            starts[0] = self.down("ct", b.add(self.first, i))
        j = self.nest.open(index(0), index(it.e))
        b = self.b
        steps = [1 if "ct" in it.copied else it.walk("ct").column, it.walk("out").column]
        x, y = (
            b.load(at(b, start, b.mul(j, index(step)), t), typ=t)
            for start, step in zip(starts, steps, strict=True)
        )
        b.store(b.fadd(b.load(total, typ=t), b.fmul(x, y, flags=SUMS), flags=SUMS), total)
        whole = b.shl(b.bitcast(x, integer), integer(1))  # without the sign
        b.store(b.or_(b.load(bits, typ=integer), whole), bits)
        self.nest.close()
        b = self.b
        return b.load(total, typ=t), b.load(bits, typ=integer)

    def sums(self, integer: Any) -> tuple[Any, Any]:
        """Memory for the sums over a row."""
        return self.nest.local(self.t, 1), self.nest.local(integer, 1)

    def gradients(self) -> None:
        """What the block adds to the gradients."""
        it = self.it
        slopes, weights = (self.other(), True, it.lead), (self.own, True, it.lead)
        if self.wanted["dq"]:
            walk, b = it.walk("dq"), self.b
            out = at(b, self.place["dq"], b.mul(self.first, index(walk.row)), self.t)
            self.product(
                (self.height, index(it.d), self.width),
                (slopes[0], False, it.lead),
                self.rows_of("k", "whole"),
                (out, max(walk.row, it.d) if it.t > 1 else it.d),
                it.scale,
            )
        for name, x, y, n, alpha in (
            ("dk", slopes, "q", it.d, it.scale),
            ("dv", weights, "ct", it.e, 1.0),
        ):
            if self.wanted[name]:
                lead = max(it.walk(name).row, n) if it.s > 1 else n
                self.product(
                    (self.width, index(n), self.height),
                    x,
                    self.rows_of(y, "block"),
                    (self.place[name], lead),
                    alpha,
                    self.again,
                )

    def unseen(self) -> None:
        """Zeros for keys and values that no query sees."""
        it = self.it
        seen = it.s
        if it.reach is not None:
            step = 2 * it.lanes
            seen = min(-(-max(it.t + it.reach, 1) // step) * step, it.s)
        for name, n in (("dk", it.d), ("dv", it.e)):
            if not self.wanted[name] or seen == it.s:
                continue
            i = self.nest.open(index(seen), index(it.s))
            row = at(self.b, self.place[name], self.b.mul(i, index(it.walk(name).row)), self.t)
            j = self.nest.open(index(0), index(n))
            self.b.store(self.t(0.0), at(self.b, row, j, self.t))
            self.nest.close()
            self.nest.close()


def _fabs(module: Any, t: Any) -> Any:
    return module.declare_intrinsic("llvm.fabs", (t,), ir.FunctionType(t, [t]))
