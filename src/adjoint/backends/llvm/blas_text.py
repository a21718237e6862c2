"""LLVM's text of the products: guards and panels around the library's single-threaded kernels.

All matrices are row-major. A product is split into panels of rows. Panels of columns keep kernels
at full speed however few rows there are, but every row of the result then has a border where two
cores write side by side: they are for few rows that sum much. Kernels sum in an order that depends
on how far a number is from the border of its panel. So panels follow from the shape and the number
of threads alone, and one thread computes the panels of two: both get the same bits.
"""

from __future__ import annotations

# Borders of panels are multiples of these: of what a kernel takes at once, and of a cache line.
ROWS = 12
COLUMNS = 16
# Rows are split if there are few columns, or rows enough for a kernel to run at full speed.
NARROW = 48
HIGH = 96
# Multiply-adds below which waking others costs more than they bring.
SMALL = 100_000
# The project's own kernel is the faster one for this many multiply-adds, for this few columns, and
# for a transposed B if there are not too many rows.
LITTLE = 1 << 18
THIN = 32
LOW = 512

_TYPES = {"f32": ("float", "s"), "f64": ("double", "d")}

_DECLARED = """
declare void @adjoint_parallel(ptr, ptr, i64, i64)
declare i64 @adjoint_threads()
declare i64 @llvm.smax.i64(i64, i64)
declare i64 @llvm.smin.i64(i64, i64)
"""

_ARGUMENTS = (
    "i64 %ta, i64 %tb, i64 %m, i64 %n, i64 %k, {R} %alpha, ptr %a, i64 %lda, "
    "ptr %b, i64 %ldb, {R} %beta, ptr %c, i64 %ldc"
)

_SMALL = "{word} void @adjoint_small_{t}({kinds}){body}"

_PRODUCT = """
declare void @adjoint_cblas_{x}gemm(
  i32, i32, i32, i32, i32, i32, {R}, ptr, i32, ptr, i32, {R}, ptr, i32)
declare void @adjoint_cblas_{x}gemv(i32, i32, i32, i32, {R}, ptr, i32, ptr, i32, {R}, ptr, i32)

{small_function}

; C times beta, where zero clears whatever was there.
define internal void @scale_{t}(i64 %m, i64 %n, {R} %beta, ptr %c, i64 %ldc) {{
entry:
  %clear = fcmp oeq {R} %beta, 0.0
  br label %row
row:
  %i = phi i64 [ 0, %entry ], [ %i1, %rowend ]
  %offset = mul i64 %i, %ldc
  %line = getelementptr {R}, ptr %c, i64 %offset
  br label %column
column:
  %j = phi i64 [ 0, %row ], [ %j1, %column ]
  %p = getelementptr {R}, ptr %line, i64 %j
  %x = load {R}, ptr %p
  %y = fmul {R} %x, %beta
  %z = select i1 %clear, {R} 0.0, {R} %y
  store {R} %z, ptr %p
  %j1 = add i64 %j, 1
  %jm = icmp slt i64 %j1, %n
  br i1 %jm, label %column, label %rowend
rowend:
  %i1 = add i64 %i, 1
  %im = icmp slt i64 %i1, %m
  br i1 %im, label %row, label %done
done:
  ret void
}}

; For what the library's 32-bit sizes cannot say.
define internal void @naive_{t}({arguments}) {{
entry:
  %atrans = icmp ne i64 %ta, 0
  %btrans = icmp ne i64 %tb, 0
  %ai = select i1 %atrans, i64 1, i64 %lda
  %al = select i1 %atrans, i64 %lda, i64 1
  %bl = select i1 %btrans, i64 1, i64 %ldb
  %bj = select i1 %btrans, i64 %ldb, i64 1
  call void @scale_{t}(i64 %m, i64 %n, {R} %beta, ptr %c, i64 %ldc)
  br label %row
row:
  %i = phi i64 [ 0, %entry ], [ %i1, %rowend ]
  %ao = mul i64 %i, %ai
  %co = mul i64 %i, %ldc
  %arow = getelementptr {R}, ptr %a, i64 %ao
  %crow = getelementptr {R}, ptr %c, i64 %co
  br label %inner
inner:
  %l = phi i64 [ 0, %row ], [ %l1, %innerend ]
  %alo = mul i64 %l, %al
  %ap = getelementptr {R}, ptr %arow, i64 %alo
  %x = load {R}, ptr %ap
  %ax = fmul {R} %x, %alpha
  %blo = mul i64 %l, %bl
  %brow = getelementptr {R}, ptr %b, i64 %blo
  br label %column
column:
  %j = phi i64 [ 0, %inner ], [ %j1, %column ]
  %bo = mul i64 %j, %bj
  %bp = getelementptr {R}, ptr %brow, i64 %bo
  %y = load {R}, ptr %bp
  %cp = getelementptr {R}, ptr %crow, i64 %j
  %z = load {R}, ptr %cp
  %s = call {R} @llvm.fma.{t}({R} %ax, {R} %y, {R} %z)
  store {R} %s, ptr %cp
  %j1 = add i64 %j, 1
  %jm = icmp slt i64 %j1, %n
  br i1 %jm, label %column, label %innerend
innerend:
  %l1 = add i64 %l, 1
  %lm = icmp slt i64 %l1, %k
  br i1 %lm, label %inner, label %rowend
rowend:
  %i1 = add i64 %i, 1
  %im = icmp slt i64 %i1, %m
  br i1 %im, label %row, label %done
done:
  ret void
}}
declare {R} @llvm.fma.{t}({R}, {R}, {R})

define void @adjoint_gemm_{t}({arguments}) {{
entry:
  %m0 = icmp sle i64 %m, 0
  %n0 = icmp sle i64 %n, 0
  %none = or i1 %m0, %n0
  br i1 %none, label %done, label %some
done:
  ret void
some:
  %k0 = icmp sle i64 %k, 0
  br i1 %k0, label %scale, label %sized
scale:
  call void @scale_{t}(i64 %m, i64 %n, {R} %beta, ptr %c, i64 %ldc)
  ret void
sized:
  %mn = or i64 %m, %n
  %mnk = or i64 %mn, %k
  %ld1 = or i64 %lda, %ldb
  %ld2 = or i64 %ld1, %ldc
  %all = or i64 %mnk, %ld2
  %large = icmp ugt i64 %all, 2147483647
  br i1 %large, label %naive, label %fits
naive:
  call void @naive_{t}({names})
  ret void
fits:
  %atrans = icmp ne i64 %ta, 0
  %btrans = icmp ne i64 %tb, 0
  ; a matrix of one row may come with any distance between rows
  %acols = select i1 %atrans, i64 %m, i64 %k
  %bcols = select i1 %btrans, i64 %k, i64 %n
  %la = call i64 @llvm.smax.i64(i64 %lda, i64 %acols)
  %lb = call i64 @llvm.smax.i64(i64 %ldb, i64 %bcols)
  %lc = call i64 @llvm.smax.i64(i64 %ldc, i64 %n)
  %mi = trunc i64 %m to i32
  %ni = trunc i64 %n to i32
  %ki = trunc i64 %k to i32
  %lai = trunc i64 %la to i32
  %lbi = trunc i64 %lb to i32
  %lci = trunc i64 %lc to i32
  %mnl = mul i64 %m, %n
  %n1 = icmp eq i64 %n, 1
  br i1 %n1, label %matvec, label %notcol
matvec:
  ; stored rows and columns of A; a column of C has the distance of C's rows
  %arows_i = select i1 %atrans, i32 %ki, i32 %mi
  %acols_i = select i1 %atrans, i32 %mi, i32 %ki
  %aflag = select i1 %atrans, i32 112, i32 111
  %bstep = select i1 %btrans, i32 1, i32 %lbi
  call void @adjoint_cblas_{x}gemv(
    i32 101, i32 %aflag, i32 %arows_i, i32 %acols_i,
    {R} %alpha, ptr %a, i32 %lai, ptr %b, i32 %bstep, {R} %beta, ptr %c, i32 %lci)
  ret void
notcol:
  %m1 = icmp eq i64 %m, 1
  br i1 %m1, label %vecmat, label %full
vecmat:
  %brows_i = select i1 %btrans, i32 %ni, i32 %ki
  %bcols_i = select i1 %btrans, i32 %ki, i32 %ni
  %bflag = select i1 %btrans, i32 111, i32 112
  %astep = select i1 %atrans, i32 %lai, i32 1
  call void @adjoint_cblas_{x}gemv(
    i32 101, i32 %bflag, i32 %brows_i, i32 %bcols_i,
    {R} %alpha, ptr %b, i32 %lbi, ptr %a, i32 %astep, {R} %beta, ptr %c, i32 1)
  ret void
full:
  %work = mul i64 %mnl, %k
  %thin = icmp sle i64 %n, {thin}
  %little0 = icmp sle i64 %mnl, {little}
  %little1 = icmp sle i64 %work, {little}
  %little = and i1 %little0, %little1
  %low = icmp sle i64 %m, {low}
  %lowtrans = and i1 %btrans, %low
  %own0 = or i1 %thin, %little
  %own1 = or i1 %own0, %lowtrans
  %own = and i1 %own1, {own}
  br i1 %own, label %small, label %call
small:
  call void @adjoint_small_{t}({names})
  ret void
call:
  %af = select i1 %atrans, i32 112, i32 111
  %bf = select i1 %btrans, i32 112, i32 111
  call void @adjoint_cblas_{x}gemm(
    i32 101, i32 %af, i32 %bf, i32 %mi, i32 %ni, i32 %ki,
    {R} %alpha, ptr %a, i32 %lai, ptr %b, i32 %lbi, {R} %beta, ptr %c, i32 %lci)
  ret void
}}

%product_{t} = type {{
  i64, i64, i64, i64, i64, {R}, ptr, i64, ptr, i64, {R}, ptr, i64, i64, i64, i64 }}

define void @adjoint_pgemm_{t}({arguments}) {{
entry:
  %mn = mul i64 %m, %n
  %mnk = mul i64 %mn, %k
  %small = icmp slt i64 %mnk, {small}
  br i1 %small, label %alone, label %split
alone:
  call void @adjoint_gemm_{t}({names})
  ret void
split:
  %block = alloca %product_{t}, align 64
{stores}
  %narrow = icmp slt i64 %n, {narrow}
  %high = icmp sge i64 %m, {high}
  %m4 = mul i64 %m, 4
  %short = icmp slt i64 %k, %m4
  %tall0 = or i1 %narrow, %high
  %tall = or i1 %tall0, %short
  %side = select i1 %tall, i64 %m, i64 %n
  %tile = select i1 %tall, i64 {rows}, i64 {columns}
  %t1 = sub i64 %tile, 1
  %s1 = add i64 %side, %t1
  %units = udiv i64 %s1, %tile
  ; one thread takes the panels of two, so that both get the same bits
  %threads = call i64 @adjoint_threads()
  %two = call i64 @llvm.smax.i64(i64 %threads, i64 2)
  %panels = call i64 @llvm.smin.i64(i64 %two, i64 %units)
  %wtall = zext i1 %tall to i64
  %pt = getelementptr %product_{t}, ptr %block, i64 0, i32 13
  store i64 %wtall, ptr %pt
  %pu = getelementptr %product_{t}, ptr %block, i64 0, i32 14
  store i64 %units, ptr %pu
  %pp = getelementptr %product_{t}, ptr %block, i64 0, i32 15
  store i64 %panels, ptr %pp
  call void @adjoint_parallel(ptr @panels_{t}, ptr %block, i64 %panels, i64 1)
  ret void
}}

define internal void @panels_{t}(ptr %block, i64 %begin, i64 %end) {{
entry:
{loads}
  %pt = getelementptr %product_{t}, ptr %block, i64 0, i32 13
  %wtall = load i64, ptr %pt
  %pu = getelementptr %product_{t}, ptr %block, i64 0, i32 14
  %units = load i64, ptr %pu
  %pp = getelementptr %product_{t}, ptr %block, i64 0, i32 15
  %panels = load i64, ptr %pp
  %tall = icmp ne i64 %wtall, 0
  %side = select i1 %tall, i64 %m, i64 %n
  %tile = select i1 %tall, i64 {rows}, i64 {columns}
  %atrans = icmp ne i64 %ta, 0
  %btrans = icmp ne i64 %tb, 0
  %arow = select i1 %atrans, i64 1, i64 %lda
  %bcolumn = select i1 %btrans, i64 %ldb, i64 1
  ; how far A, B and C go from one number of the side that is split to the next
  %astep = select i1 %tall, i64 %arow, i64 0
  %bstep = select i1 %tall, i64 0, i64 %bcolumn
  %cstep = select i1 %tall, i64 %ldc, i64 1
  br label %next
next:
  %p = phi i64 [ %begin, %entry ], [ %q, %next ]
  %q = add i64 %p, 1
  %up = mul i64 %units, %p
  %uq = mul i64 %units, %q
  %vp = udiv i64 %up, %panels
  %vq = udiv i64 %uq, %panels
  %from = mul i64 %vp, %tile
  %most = mul i64 %vq, %tile
  %to = call i64 @llvm.smin.i64(i64 %most, i64 %side)
  %here = sub i64 %to, %from
  %pm = select i1 %tall, i64 %here, i64 %m
  %pn = select i1 %tall, i64 %n, i64 %here
  %ao = mul i64 %from, %astep
  %bo = mul i64 %from, %bstep
  %co = mul i64 %from, %cstep
  %ap = getelementptr {R}, ptr %a, i64 %ao
  %bp = getelementptr {R}, ptr %b, i64 %bo
  %cp = getelementptr {R}, ptr %c, i64 %co
  call void @adjoint_gemm_{t}(
    i64 %ta, i64 %tb, i64 %pm, i64 %pn, i64 %k,
    {R} %alpha, ptr %ap, i64 %lda, ptr %bp, i64 %ldb, {R} %beta, ptr %cp, i64 %ldc)
  %more = icmp slt i64 %q, %end
  br i1 %more, label %next, label %done
done:
  ret void
}}

define void @adjoint_bgemm_{t}(
    i64 %ta, i64 %tb, i64 %m, i64 %n, i64 %k, {R} %alpha, ptr %a, i64 %lda, i64 %sa,
    ptr %b, i64 %ldb, i64 %sb, {R} %beta, ptr %c, i64 %ldc, i64 %sc, i64 %batch) {{
entry:
  %one = icmp eq i64 %batch, 1
  br i1 %one, label %single, label %many
single:
  call void @adjoint_pgemm_{t}({names})
  ret void
many:
  %block = alloca %product_{t}, align 64
{stores}
  %psa = getelementptr %product_{t}, ptr %block, i64 0, i32 13
  store i64 %sa, ptr %psa
  %psb = getelementptr %product_{t}, ptr %block, i64 0, i32 14
  store i64 %sb, ptr %psb
  %psc = getelementptr %product_{t}, ptr %block, i64 0, i32 15
  store i64 %sc, ptr %psc
  %mn = mul i64 %m, %n
  %work0 = mul i64 %mn, %k
  %work = call i64 @llvm.smax.i64(i64 %work0, i64 1)
  %grain0 = sdiv i64 {half}, %work
  %grain = add i64 %grain0, 1
  call void @adjoint_parallel(ptr @batch_{t}, ptr %block, i64 %batch, i64 %grain)
  ret void
}}

define internal void @batch_{t}(ptr %block, i64 %begin, i64 %end) {{
entry:
{loads}
  %psa = getelementptr %product_{t}, ptr %block, i64 0, i32 13
  %sa = load i64, ptr %psa
  %psb = getelementptr %product_{t}, ptr %block, i64 0, i32 14
  %sb = load i64, ptr %psb
  %psc = getelementptr %product_{t}, ptr %block, i64 0, i32 15
  %sc = load i64, ptr %psc
  br label %next
next:
  %i = phi i64 [ %begin, %entry ], [ %i1, %next ]
  %ao = mul i64 %i, %sa
  %bo = mul i64 %i, %sb
  %co = mul i64 %i, %sc
  %ap = getelementptr {R}, ptr %a, i64 %ao
  %bp = getelementptr {R}, ptr %b, i64 %bo
  %cp = getelementptr {R}, ptr %c, i64 %co
  call void @adjoint_gemm_{t}(
    i64 %ta, i64 %tb, i64 %m, i64 %n, i64 %k,
    {R} %alpha, ptr %ap, i64 %lda, ptr %bp, i64 %ldb, {R} %beta, ptr %cp, i64 %ldc)
  %i1 = add i64 %i, 1
  %more = icmp slt i64 %i1, %end
  br i1 %more, label %next, label %done
done:
  ret void
}}
"""


def text(t: str, own: bool) -> str:
    """The module with all products of a precision.

    Args:
        t: ``f32`` or ``f64``.
        own: whether ``adjoint_small`` may be called where it is faster.
    """
    real, letter = _TYPES[t]
    arguments = _ARGUMENTS.format(R=real)
    fields = [field.split() for field in arguments.split(", ")]
    names = ", ".join(f"{kind} {name}" for kind, name in fields)
    stores: list[str] = []
    loads: list[str] = []
    for i, (kind, name) in enumerate(fields):
        place = f"getelementptr %product_{t}, ptr %block, i64 0, i32 {i}"
        stores += [f"  %at{i} = {place}", f"  store {kind} {name}, ptr %at{i}"]
        loads += [f"  %at{i} = {place}", f"  {name} = load {kind}, ptr %at{i}"]
    products = _PRODUCT.format(
        R=real,
        x=letter,
        t=t,
        arguments=arguments,
        small_function=_SMALL.format(
            word="declare" if own else "define internal",
            t=t,
            kinds=", ".join(kind for kind, _ in fields),
            body="" if own else " {\n  ret void\n}",
        ),
        names=names,
        stores="\n".join(stores),
        loads="\n".join(loads),
        own="true" if own else "false",
        little=LITTLE,
        thin=THIN,
        low=LOW,
        small=SMALL,
        half=SMALL // 2,
        narrow=NARROW,
        high=HIGH,
        rows=ROWS,
        columns=COLUMNS,
    )
    return "\n".join((_DECLARED, products))
