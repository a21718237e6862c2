"""LLVM's text of small products: a kernel that takes the matrices where they lie.

The library's kernels copy both matrices into an order of their own first, under a lock. Where a
product is small, or narrow, that is most of the time. Here a tile of the result, a few rows and
two vectors of columns, stays in registers while a row of B and a column of A go by. Only B is
copied, two vectors of columns at a time, to the stack: where it is transposed, or there are many
rows.

Every number is the sum of its terms from the first to the last, wherever it lies: how a product is
split cannot be seen in the result.
"""

from __future__ import annotations

from collections.abc import Iterator

# Terms that are summed at a time, so that two vectors of each stay in the nearest cache.
DEEP = 256
# Rows from which on it pays to copy a B that lies as it should, but far apart.
COPIED = 24
# Rows of the tiles for few rows.
FLAT = 2

_SIZES = {"f32": 4, "f64": 8}


def rows(vector_bytes: int) -> int:
    """Rows of a tile, so that its two vectors each, and what goes by, fit in the registers."""
    return 8 if vector_bytes >= 64 else 6


def text(t: str, real: str, lanes: int, high: int) -> str:
    """The module that defines ``adjoint_small_f32`` or ``adjoint_small_f64``.

    Args:
        t: ``f32`` or ``f64``.
        real: LLVM's name of the type.
        lanes: numbers in a vector.
        high: rows of a tile.
    """
    lines = [*_driver(t, real, lanes, high), *_pack(t, real, lanes)]
    for height in (high, FLAT):
        for whole in (2, 1, 0):
            lines += _Tile(t, real, lanes, height, whole).lines()
    vector, mask = f"<{lanes} x {real}>", f"<{lanes} x i1>"
    kind = f"v{lanes}{t}"
    lines += [
        "declare i64 @llvm.smin.i64(i64, i64)",
        f"declare {vector} @llvm.fma.{kind}({vector}, {vector}, {vector})",
        f"declare {vector} @llvm.masked.load.{kind}.p0(ptr, i32, {mask}, {vector})",
        f"declare void @llvm.masked.store.{kind}.p0({vector}, ptr, i32, {mask})",
    ]
    return "\n".join(lines)


class _Tile:
    """Tiles below each other, `height` rows each; the vectors behind the first `whole` are masked.

    With `whole` 2 a tile has two whole vectors of columns, with 1 a whole one and a part of one,
    with 0 a part of one.
    """

    def __init__(self, t: str, real: str, lanes: int, height: int, whole: int) -> None:
        self.name = f"tile_{t}_{height}_{whole}"
        self.kind, self.real, self.lanes, self.whole = f"v{lanes}{t}", real, lanes, whole
        self.vector, self.size = f"<{lanes} x {real}>", _SIZES[t]
        self.rows, self.vectors = range(height), range(2 if whole else 1)
        self.tiles = [(r, v) for r in self.rows for v in self.vectors]

    def lines(self) -> Iterator[str]:
        """The function: over rows, over terms; then what is in the registers goes to C."""
        yield f"define internal void @{self.name}(i64 %from, i64 %to, i64 %k, {self.real} %alpha,"
        yield f"  ptr %a, i64 %ai, i64 %al, ptr %b, i64 %bl, {self.real} %beta, ptr %c, i64 %ldc,"
        yield f"  <{self.lanes} x i1> %mask) noinline nounwind {{"
        yield "entry:"
        yield f"  %overwrite = fcmp oeq {self.real} %beta, 0.0"
        yield from self.splat("%alphav", "%alpha")
        yield from self.splat("%betav", "%beta")
        yield "  %bottom = sub i64 %to, 1"
        yield "  br label %rows"
        yield "rows:"
        yield "  %i = phi i64 [ %from, %entry ], [ %i1, %next ]"
        yield from self.starts()
        yield "  br label %terms"
        yield from self.sums()
        yield from self.results()
        yield "  br label %next"
        yield "next:"
        yield f"  %i1 = add i64 %i, {len(self.rows)}"
        yield "  %im = icmp slt i64 %i1, %to"
        yield "  br i1 %im, label %rows, label %done"
        yield "done:"
        yield "  ret void"
        yield "}"

    def starts(self) -> Iterator[str]:
        """Where the rows of A and of C begin."""
        for r in self.rows:
            # below the last row it is the last row again: computed and written twice the same
            yield f"  %row_{r} = add i64 %i, {r}"
            yield f"  %i_{r} = call i64 @llvm.smin.i64(i64 %row_{r}, i64 %bottom)"
            yield f"  %ao_{r} = mul i64 %i_{r}, %ai"
            yield f"  %a_{r} = getelementptr {self.real}, ptr %a, i64 %ao_{r}"
            yield f"  %co_{r} = mul i64 %i_{r}, %ldc"
            yield f"  %c_{r}_0 = getelementptr {self.real}, ptr %c, i64 %co_{r}"
            yield f"  %c_{r}_1 = getelementptr {self.real}, ptr %c_{r}_0, i64 {self.lanes}"

    def sums(self) -> Iterator[str]:
        """The loop over terms."""
        yield "terms:"
        yield "  %l = phi i64 [ 0, %rows ], [ %l1, %terms ]"
        for r, v in self.tiles:
            came = "[ zeroinitializer, %rows ]"
            yield f"  %x_{r}_{v} = phi {self.vector} {came}, [ %y_{r}_{v}, %terms ]"
        yield "  %bo = mul i64 %l, %bl"
        yield f"  %b_0 = getelementptr {self.real}, ptr %b, i64 %bo"
        yield f"  %b_1 = getelementptr {self.real}, ptr %b_0, i64 {self.lanes}"
        for v in self.vectors:
            yield self.load(f"%bv_{v}", f"%b_{v}", v)
        yield "  %at = mul i64 %l, %al"
        for r in self.rows:
            yield f"  %ap_{r} = getelementptr {self.real}, ptr %a_{r}, i64 %at"
            yield f"  %as_{r} = load {self.real}, ptr %ap_{r}, align {self.size}"
            yield from self.splat(f"%av_{r}", f"%as_{r}")
            for v in self.vectors:
                yield self.fma(f"%y_{r}_{v}", f"%av_{r}", f"%bv_{v}", f"%x_{r}_{v}")
        yield "  %l1 = add nuw nsw i64 %l, 1"
        yield "  %lm = icmp slt i64 %l1, %k"
        yield "  br i1 %lm, label %terms, label %finish"

    def results(self) -> Iterator[str]:
        """What goes to C: alpha times the sums, and beta times what was there."""
        yield "finish:"
        for r, v in self.tiles:
            yield f"  %z_{r}_{v} = fmul {self.vector} %y_{r}_{v}, %alphav"
        yield "  br i1 %overwrite, label %write, label %add"
        yield "add:"
        for r, v in self.tiles:
            yield self.load(f"%o_{r}_{v}", f"%c_{r}_{v}", v)
            yield self.fma(f"%s_{r}_{v}", f"%o_{r}_{v}", "%betav", f"%z_{r}_{v}")
        yield "  br label %write"
        yield "write:"
        for r, v in self.tiles:
            came = f"[ %z_{r}_{v}, %finish ], [ %s_{r}_{v}, %add ]"
            yield f"  %w_{r}_{v} = phi {self.vector} {came}"
        for r, v in self.tiles:
            yield self.store(f"%w_{r}_{v}", f"%c_{r}_{v}", v)

    def load(self, name: str, address: str, v: int) -> str:
        """Vector `v` of a row."""
        if v < self.whole:
            return f"  {name} = load {self.vector}, ptr {address}, align {self.size}"
        masked = f"  {name} = call {self.vector} @llvm.masked.load.{self.kind}.p0(ptr {address}, "
        mask = f"<{self.lanes} x i1> %mask"
        return f"{masked}i32 {self.size}, {mask}, {self.vector} zeroinitializer)"

    def store(self, value: str, address: str, v: int) -> str:
        """Writes vector `v` of a row."""
        if v < self.whole:
            return f"  store {self.vector} {value}, ptr {address}, align {self.size}"
        masked = f"  call void @llvm.masked.store.{self.kind}.p0({self.vector} {value}, "
        return f"{masked}ptr {address}, i32 {self.size}, <{self.lanes} x i1> %mask)"

    def fma(self, name: str, x: str, y: str, z: str) -> str:
        """X times y plus z."""
        operands = ", ".join(f"{self.vector} {operand}" for operand in (x, y, z))
        return f"  {name} = call {self.vector} @llvm.fma.{self.kind}({operands})"

    def splat(self, name: str, scalar: str) -> Iterator[str]:
        """A vector of the same number."""
        yield f"  {name}_ = insertelement {self.vector} poison, {self.real} {scalar}, i64 0"
        every = f"<{self.lanes} x i32> zeroinitializer"
        yield f"  {name} = shufflevector {self.vector} {name}_, {self.vector} poison, {every}"


def _pack(t: str, real: str, lanes: int) -> list[str]:
    """Copies some columns of a transposed B, so that what is summed lies one behind the other."""
    return [
        f"define internal void @pack_{t}(ptr %b, i64 %ldb, i64 %columns, i64 %k, ptr %to) "
        "noinline nounwind {",
        "entry:",
        f"  %blocks = and i64 %k, {-lanes}",
        "  br label %group",
        # groups of `lanes` columns: whole blocks of lanes by lanes are turned in registers
        "group:",
        "  %g = phi i64 [ 0, %entry ], [ %g1, %groupend ]",
        f"  %g1 = add i64 %g, {lanes}",
        "  %full = icmp sle i64 %g1, %columns",
        "  %deep = icmp sgt i64 %blocks, 0",
        "  %turn = and i1 %full, %deep",
        "  br i1 %turn, label %block, label %single",
        "block:",
        "  %l = phi i64 [ 0, %group ], [ %l1, %block ]",
        *_turn(t, real, lanes),
        f"  %l1 = add i64 %l, {lanes}",
        "  %lm = icmp slt i64 %l1, %blocks",
        "  br i1 %lm, label %block, label %single",
        # what is left over, number by number
        "single:",
        "  %start = phi i64 [ 0, %group ], [ %blocks, %block ]",
        "  %end = call i64 @llvm.smin.i64(i64 %g1, i64 %columns)",
        "  br label %column",
        "column:",
        "  %j = phi i64 [ %g, %single ], [ %j1, %columnend ]",
        "  %some = icmp slt i64 %start, %k",
        "  %jo = mul i64 %j, %ldb",
        f"  %bj = getelementptr {real}, ptr %b, i64 %jo",
        f"  %tj = getelementptr {real}, ptr %to, i64 %j",
        "  br i1 %some, label %copy, label %columnend",
        "copy:",
        "  %q = phi i64 [ %start, %column ], [ %q1, %copy ]",
        f"  %from = getelementptr {real}, ptr %bj, i64 %q",
        f"  %x = load {real}, ptr %from",
        f"  %qo = mul i64 %q, {2 * lanes}",
        f"  %there = getelementptr {real}, ptr %tj, i64 %qo",
        f"  store {real} %x, ptr %there",
        "  %q1 = add i64 %q, 1",
        "  %qm = icmp slt i64 %q1, %k",
        "  br i1 %qm, label %copy, label %columnend",
        "columnend:",
        "  %j1 = add i64 %j, 1",
        "  %jm = icmp slt i64 %j1, %end",
        "  br i1 %jm, label %column, label %groupend",
        "groupend:",
        "  %gm = icmp slt i64 %g1, %columns",
        "  br i1 %gm, label %group, label %done",
        "done:",
        "  ret void",
        "}",
    ]


def _turn(t: str, real: str, lanes: int) -> Iterator[str]:
    """Transposes a block in registers: what is off the diagonal changes places, ever smaller.

    J. O. Eklundh, "A fast computer method for matrix transposing" (1972).
    """
    vector, size = f"<{lanes} x {real}>", _SIZES[t]
    for i in range(lanes):
        yield f"  %gi_{i} = add i64 %g, {i}"
        yield f"  %go_{i} = mul i64 %gi_{i}, %ldb"
        yield f"  %gl_{i} = add i64 %go_{i}, %l"
        yield f"  %gp_{i} = getelementptr {real}, ptr %b, i64 %gl_{i}"
        yield f"  %r0_{i} = load {vector}, ptr %gp_{i}, align {size}"
    stage, distance = 0, lanes // 2
    while distance:
        for i in range(lanes):
            low, high = i & ~distance, i | distance
            picked = [
                (c if not c & distance else lanes + c - distance)
                if i == low
                else (c + distance if not c & distance else lanes + c)
                for c in range(lanes)
            ]
            mask = ", ".join(f"i32 {c}" for c in picked)
            yield (
                f"  %r{stage + 1}_{i} = shufflevector {vector} %r{stage}_{low}, "
                f"{vector} %r{stage}_{high}, <{lanes} x i32> <{mask}>"
            )
        stage, distance = stage + 1, distance // 2
    for i in range(lanes):
        yield f"  %tl_{i} = add i64 %l, {i}"
        yield f"  %to_{i} = mul i64 %tl_{i}, {2 * lanes}"
        yield f"  %tg_{i} = add i64 %to_{i}, %g"
        yield f"  %tp_{i} = getelementptr {real}, ptr %to, i64 %tg_{i}"
        yield f"  store {vector} %r{stage}_{i}, ptr %tp_{i}, align {size}"


def _driver(t: str, real: str, lanes: int, high: int) -> Iterator[str]:
    """Terms in blocks; for each, columns in steps of two vectors; for these, rows in tiles."""
    wide, size = 2 * lanes, _SIZES[t]
    numbers = ", ".join(f"i32 {i}" for i in range(lanes))
    yield (
        f"define void @adjoint_small_{t}(i64 %ta, i64 %tb, i64 %m, i64 %n, i64 %k, {real} %alpha, "
        f"ptr %a, i64 %lda, ptr %b, i64 %ldb, {real} %beta, ptr %c, i64 %ldc) noinline nounwind {{"
    )
    yield from (
        "entry:",
        f"  %copy = alloca [{DEEP * wide} x {real}], align 64",
        "  %atrans = icmp ne i64 %ta, 0",
        "  %btrans = icmp ne i64 %tb, 0",
        "  %ai = select i1 %atrans, i64 1, i64 %lda",
        "  %al = select i1 %atrans, i64 %lda, i64 1",
        # rows left over fill another high tile, or few flat ones
        f"  %over_high = urem i64 %m, {high}",
        f"  %few = icmp sle i64 %over_high, {2 * FLAT}",
        "  %cut = select i1 %few, i64 %over_high, i64 0",
        "  %tall = sub i64 %m, %cut",
        "  %anyhigh = icmp sgt i64 %tall, 0",
        "  %anyflat = icmp sgt i64 %cut, 0",
        # terms in blocks: the first takes what C was into account, the next ones add to it
        "  %bterm = select i1 %btrans, i64 1, i64 %ldb",
        f"  %tops = icmp sge i64 %m, {COPIED}",
        "  br label %block",
        "block:",
        "  %l0 = phi i64 [ 0, %entry ], [ %l1, %blockend ]",
        "  %kleft = sub i64 %k, %l0",
        f"  %kh = call i64 @llvm.smin.i64(i64 %kleft, i64 {DEEP})",
        "  %first = icmp eq i64 %l0, 0",
        f"  %betah = select i1 %first, {real} %beta, {real} 1.0",
        "  %ablock = mul i64 %l0, %al",
        f"  %ah = getelementptr {real}, ptr %a, i64 %ablock",
        "  %bblock = mul i64 %l0, %bterm",
        f"  %bh = getelementptr {real}, ptr %b, i64 %bblock",
        "  br label %panel",
        "panel:",
        "  %j = phi i64 [ 0, %block ], [ %j1, %panelend ]",
        "  %left = sub i64 %n, %j",
        f"  %here = call i64 @llvm.smin.i64(i64 %left, i64 {wide})",
        f"  %cj = getelementptr {real}, ptr %c, i64 %j",
        f"  %two = icmp eq i64 %here, {wide}",
        "  br i1 %btrans, label %pack, label %place",
        "pack:",
        "  %bo = mul i64 %j, %ldb",
        f"  %bfrom = getelementptr {real}, ptr %bh, i64 %bo",
        f"  call void @pack_{t}(ptr %bfrom, i64 %ldb, i64 %here, i64 %kh, ptr %copy)",
        "  br label %ready",
        "place:",
        f"  %bplace = getelementptr {real}, ptr %bh, i64 %j",
        "  %gather = and i1 %tops, %two",
        "  br i1 %gather, label %copyrow, label %ready",
        "copyrow:",
        "  %q = phi i64 [ 0, %place ], [ %q1, %copyrow ]",
        "  %qo = mul i64 %q, %ldb",
        f"  %qfrom = getelementptr {real}, ptr %bplace, i64 %qo",
        f"  %qto = getelementptr [{wide} x {real}], ptr %copy, i64 %q",
        f"  %qrow = load <{wide} x {real}>, ptr %qfrom, align {size}",
        f"  store <{wide} x {real}> %qrow, ptr %qto, align {size}",
        "  %q1 = add i64 %q, 1",
        "  %qm = icmp slt i64 %q1, %kh",
        "  br i1 %qm, label %copyrow, label %ready",
        "ready:",
        "  %bj = phi ptr [ %copy, %pack ], [ %bplace, %place ], [ %copy, %copyrow ]",
        f"  %bl = phi i64 [ {wide}, %pack ], [ %ldb, %place ], [ {wide}, %copyrow ]",
        f"  %beyond = icmp sgt i64 %here, {lanes}",
        f"  %over = select i1 %beyond, i64 {lanes}, i64 0",
        "  %inlast = sub i64 %here, %over",
        "  %last = trunc i64 %inlast to i32",
        f"  %lastv_ = insertelement <{lanes} x i32> poison, i32 %last, i64 0",
        f"  %lastv = shufflevector <{lanes} x i32> %lastv_, <{lanes} x i32> poison, "
        f"<{lanes} x i32> zeroinitializer",
        f"  %mask = icmp slt <{lanes} x i32> <{numbers}>, %lastv",
        "  br i1 %two, label %cols2, label %part",
        "part:",
        "  br i1 %beyond, label %cols1, label %cols0",
    )
    for whole in (2, 1, 0):
        tall, flat = (_Tile(t, real, lanes, h, whole).name for h in (high, FLAT))
        arguments = (
            f"i64 %kh, {real} %alpha, ptr %ah, i64 %ai, i64 %al, ptr %bj, i64 %bl, "
            f"{real} %betah, ptr %cj, i64 %ldc, <{lanes} x i1> %mask)"
        )
        yield from (
            f"cols{whole}:",
            f"  br i1 %anyhigh, label %high{whole}, label %flat{whole}",
            f"high{whole}:",
            f"  call void @{tall}(i64 0, i64 %tall, {arguments}",
            f"  br i1 %anyflat, label %flat{whole}, label %panelend",
            f"flat{whole}:",
            f"  call void @{flat}(i64 %tall, i64 %m, {arguments}",
            "  br label %panelend",
        )
    yield from (
        "panelend:",
        f"  %j1 = add i64 %j, {wide}",
        "  %more = icmp slt i64 %j1, %n",
        "  br i1 %more, label %panel, label %blockend",
        "blockend:",
        f"  %l1 = add i64 %l0, {DEEP}",
        "  %deeper = icmp slt i64 %l1, %k",
        "  br i1 %deeper, label %block, label %done",
        "done:",
        "  ret void",
        "}",
    )
