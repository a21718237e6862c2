"""LLVM's text of small products: a kernel that takes the matrices where they lie.

The library's kernels copy both matrices into an order of their own first, under a lock. For a product
whose matrices fit in the nearest cache that is most of the time. Here a tile of the result, a few rows
and two vectors of columns, stays in registers while a row of B and a column of A go by. Only a
transposed B is copied, two vectors of columns at a time, to the stack.

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


def rows(lanes_bytes: int) -> int:
    """Rows of a tile, so that its two vectors each, and what goes by, fit in the registers."""
    return 8 if lanes_bytes >= 64 else 6


def text(t: str, real: str, lanes: int, high: int) -> str:
    """The functions ``small_f32`` or ``small_f64``.

    Args:
        t: ``f32`` or ``f64``.
        real: LLVM's name of the type.
        lanes: numbers in a vector.
        high: rows of a tile.
    """
    parts = [_driver(t, real, lanes, high), _pack(t, real, lanes)]
    for height in (high, FLAT):
        parts += [_tiles(t, real, lanes, height, whole) for whole in (2, 1, 0)]
    vector = f"<{lanes} x {real}>"
    kind = f"v{lanes}{t}"
    mask = f"<{lanes} x i1>"
    parts += [
        f"declare {vector} @llvm.fma.{kind}({vector}, {vector}, {vector})",
        f"declare {vector} @llvm.masked.load.{kind}.p0(ptr, i32, {mask}, {vector})",
        f"declare void @llvm.masked.store.{kind}.p0({vector}, ptr, i32, {mask})",
    ]
    return "\n".join(parts)


def _tile_name(t: str, height: int, whole: int) -> str:
    return f"tile_{t}_{height}_{whole}"


def _tiles(t: str, real: str, lanes: int, height: int, whole: int) -> str:
    """Tiles below each other, `height` rows each; vectors behind the first `whole` are masked.

    With `whole` 2 a tile has two whole vectors of columns, with 1 a whole one and a part of another,
    with 0 a part of one.
    """
    return "\n".join(_tiles_lines(t, real, lanes, height, whole))


def _tiles_lines(t: str, real: str, lanes: int, height: int, whole: int) -> Iterator[str]:
    vectors = (0, 1) if whole else (0,)
    vector, size = f"<{lanes} x {real}>", 4 if t == "f32" else 8

    def load(name: str, address: str, v: int) -> str:
        if v < whole:
            return f"  {name} = load {vector}, ptr {address}, align {size}"
        return (
            f"  {name} = call {vector} @llvm.masked.load.v{lanes}{t}.p0("
            f"ptr {address}, i32 {size}, <{lanes} x i1> %mask, {vector} zeroinitializer)"
        )

    yield (
        f"define internal void @{_tile_name(t, height, whole)}(i64 %from, i64 %to, i64 %k, "
        f"{real} %alpha, ptr %a, i64 %ai, i64 %al, ptr %b, i64 %bl, {real} %beta, ptr %c, i64 %ldc, "
        f"<{lanes} x i1> %mask) noinline nounwind {{"
    )
    yield from ("entry:", f"  %overwrite = fcmp oeq {real} %beta, 0.0")
    for name in ("alpha", "beta"):
        yield from _splat(f"%{name}v", f"%{name}", vector, real, lanes)
    yield from ("  br label %rows", "rows:", "  %i = phi i64 [ %from, %entry ], [ %i1, %next ]")
    yield "  %bottom = sub i64 %to, 1"
    for r in range(height):
        # below the last row it is the last row again: computed twice, and written twice the same
        yield f"  %row_{r} = add i64 %i, {r}"
        yield f"  %i_{r} = call i64 @llvm.smin.i64(i64 %row_{r}, i64 %bottom)"
        yield f"  %ao_{r} = mul i64 %i_{r}, %ai"
        yield f"  %a_{r} = getelementptr {real}, ptr %a, i64 %ao_{r}"
    yield from ("  br label %terms", "terms:", "  %l = phi i64 [ 0, %rows ], [ %l1, %terms ]")
    for r in range(height):
        for v in vectors:
            yield f"  %x_{r}_{v} = phi {vector} [ zeroinitializer, %rows ], [ %y_{r}_{v}, %terms ]"
    yield from ("  %bo = mul i64 %l, %bl", f"  %b_0 = getelementptr {real}, ptr %b, i64 %bo")
    yield f"  %b_1 = getelementptr {real}, ptr %b_0, i64 {lanes}"
    for v in vectors:
        yield load(f"%bv_{v}", f"%b_{v}", v)
    yield "  %at = mul i64 %l, %al"
    for r in range(height):
        yield f"  %ap_{r} = getelementptr {real}, ptr %a_{r}, i64 %at"
        yield f"  %as_{r} = load {real}, ptr %ap_{r}, align {size}"
        yield from _splat(f"%av_{r}", f"%as_{r}", vector, real, lanes)
        for v in vectors:
            yield (
                f"  %y_{r}_{v} = call {vector} @llvm.fma.v{lanes}{t}("
                f"{vector} %av_{r}, {vector} %bv_{v}, {vector} %x_{r}_{v})"
            )
    yield from ("  %l1 = add nuw nsw i64 %l, 1", "  %lm = icmp slt i64 %l1, %k")
    yield from ("  br i1 %lm, label %terms, label %finish", "finish:")
    for r in range(height):
        yield from (f"  %co_{r} = mul i64 %i_{r}, %ldc",)
        yield f"  %c_{r}_0 = getelementptr {real}, ptr %c, i64 %co_{r}"
        yield f"  %c_{r}_1 = getelementptr {real}, ptr %c_{r}_0, i64 {lanes}"
        for v in vectors:
            yield f"  %z_{r}_{v} = fmul {vector} %y_{r}_{v}, %alphav"
    yield "  br i1 %overwrite, label %write, label %add"
    yield "add:"
    for r in range(height):
        for v in vectors:
            yield load(f"%o_{r}_{v}", f"%c_{r}_{v}", v)
            yield (
                f"  %s_{r}_{v} = call {vector} @llvm.fma.v{lanes}{t}("
                f"{vector} %o_{r}_{v}, {vector} %betav, {vector} %z_{r}_{v})"
            )
    yield from ("  br label %write", "write:")
    tiles = [(r, v) for r in range(height) for v in vectors]
    for r, v in tiles:
        yield f"  %w_{r}_{v} = phi {vector} [ %z_{r}_{v}, %finish ], [ %s_{r}_{v}, %add ]"
    for r, v in tiles:
        if v < whole:
            yield f"  store {vector} %w_{r}_{v}, ptr %c_{r}_{v}, align {size}"
        else:
            yield (
                f"  call void @llvm.masked.store.v{lanes}{t}.p0({vector} %w_{r}_{v}, "
                f"ptr %c_{r}_{v}, i32 {size}, <{lanes} x i1> %mask)"
            )
    yield from ("  br label %next", "next:", f"  %i1 = add i64 %i, {height}")
    yield from ("  %im = icmp slt i64 %i1, %to", "  br i1 %im, label %rows, label %done")
    yield from ("done:", "  ret void", "}")


def _splat(name: str, scalar: str, vector: str, real: str, lanes: int) -> Iterator[str]:
    yield f"  {name}_ = insertelement {vector} poison, {real} {scalar}, i64 0"
    yield (
        f"  {name} = shufflevector {vector} {name}_, {vector} poison, <{lanes} x i32> zeroinitializer"
    )


def _pack(t: str, real: str, lanes: int) -> str:
    """Copies some columns of a transposed B, so that what is summed lies one behind the other."""
    lines = [
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
    return "\n".join(lines)


def _turn(t: str, real: str, lanes: int) -> Iterator[str]:
    """Transposes a block in registers: blocks off the diagonal change places, halves, then quarters.

    J. O. Eklundh, "A fast computer method for matrix transposing" (1972).
    """
    vector, size = f"<{lanes} x {real}>", 4 if t == "f32" else 8
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


def _driver(t: str, real: str, lanes: int, high: int) -> str:
    """Columns in steps of two vectors; for each, rows in tiles of falling height."""
    return "\n".join(_driver_lines(t, real, lanes, high))


def _driver_lines(t: str, real: str, lanes: int, high: int) -> Iterator[str]:
    wide, size = 2 * lanes, 4 if t == "f32" else 8
    yield (
        f"define internal void @small_{t}(i64 %ta, i64 %tb, i64 %m, i64 %n, i64 %k, {real} %alpha, "
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
        f"  %bterm = select i1 %btrans, i64 1, i64 %ldb",
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
        f"  %last = trunc i64 %inlast to i{32}",
        f"  %lastv_ = insertelement <{lanes} x i32> poison, i32 %last, i64 0",
        f"  %lastv = shufflevector <{lanes} x i32> %lastv_, <{lanes} x i32> poison, "
        f"<{lanes} x i32> zeroinitializer",
        f"  %mask = icmp slt <{lanes} x i32> <{', '.join(f'i32 {i}' for i in range(lanes))}>, %lastv",
        "  br i1 %two, label %cols2, label %part",
        "part:",
        "  br i1 %beyond, label %cols1, label %cols0",
    )
    for whole in (2, 1, 0):
        arguments = (
            f"i64 %kh, {real} %alpha, ptr %ah, i64 %ai, i64 %al, ptr %bj, i64 %bl, "
            f"{real} %betah, ptr %cj, i64 %ldc, <{lanes} x i1> %mask)"
        )
        yield from (
            f"cols{whole}:",
            f"  br i1 %anyhigh, label %high{whole}, label %flat{whole}",
            f"high{whole}:",
            f"  call void @{_tile_name(t, high, whole)}(i64 0, i64 %tall, {arguments}",
            f"  br i1 %anyflat, label %flat{whole}, label %panelend",
            f"flat{whole}:",
            f"  call void @{_tile_name(t, FLAT, whole)}(i64 %tall, i64 %m, {arguments}",
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
