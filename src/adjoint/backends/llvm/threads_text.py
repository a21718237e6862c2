"""LLVM's text of the thread pool: one loop, split among workers that wait for the next.

A worker waits on a word of its own, its slot, in a cache line of its own: 0 is "nothing to do", 1
is "your part is on offer", 2 is "I sleep: wake me", 3 is "go home". Whoever turns a 1 into a 0 has
taken that part: the worker, or the caller, who when done with the first part takes what nobody
began. So a call returns even if no worker ever comes, and one that sleeps costs the time of its
part at most. A part that was taken is counted off in `pending`; the caller leaves when it is zero.

The lock is tried, never waited for: a loop within a loop, and the loop of another thread, run whole
where they are.
"""

from __future__ import annotations

MOST = 256  # workers, the caller among them

_SHARED = """
%job = type {{ ptr, ptr, i64, i64, i64, i64 }} ; function, arguments, n, grain, units, parts
@job = internal global %job zeroinitializer, align 128
@lock = internal global [32 x i32] zeroinitializer, align 128
@pending = internal global [32 x i32] zeroinitializer, align 128
@waiting = internal global [32 x i32] zeroinitializer, align 128
@limit = internal global i64 1, align 128
@patience = internal global i64 0, align 128
@slots = internal global [{most} x [32 x i32]] zeroinitializer, align 128

define internal ptr @slot(i64 %i) alwaysinline {{
  %p = getelementptr [{most} x [32 x i32]], ptr @slots, i64 0, i64 %i
  ret ptr %p
}}

; Part i of the job: from unit i * units / parts, in multiples of the grain, cut off at n.
define internal void @part(i64 %i) {{
  %function = load ptr, ptr @job
  %arguments = load ptr, ptr getelementptr (%job, ptr @job, i64 0, i32 1)
  %n = load i64, ptr getelementptr (%job, ptr @job, i64 0, i32 2)
  %grain = load i64, ptr getelementptr (%job, ptr @job, i64 0, i32 3)
  %units = load i64, ptr getelementptr (%job, ptr @job, i64 0, i32 4)
  %parts = load i64, ptr getelementptr (%job, ptr @job, i64 0, i32 5)
  %j = add i64 %i, 1
  %ui = mul i64 %units, %i
  %uj = mul i64 %units, %j
  %vi = udiv i64 %ui, %parts
  %vj = udiv i64 %uj, %parts
  %begin = mul i64 %vi, %grain
  %most = mul i64 %vj, %grain
  %end = call i64 @llvm.smin.i64(i64 %most, i64 %n)
  call void %function(ptr %arguments, i64 %begin, i64 %end)
  ret void
}}

define void @adjoint_parallel(ptr %function, ptr %arguments, i64 %n, i64 %grain) {{
  %some = icmp sgt i64 %n, 0
  br i1 %some, label %count, label %nothing
nothing:
  ret void
count:
  %limit = load atomic i64, ptr @limit monotonic, align 8
  %divisor = call i64 @llvm.smax.i64(i64 %grain, i64 1)
  %n1 = sub i64 %n, 1
  %u0 = udiv i64 %n1, %divisor
  %units = add i64 %u0, 1
  %parts = call i64 @llvm.smin.i64(i64 %units, i64 %limit)
  %several = icmp sgt i64 %parts, 1
  br i1 %several, label %try, label %alone
alone:
  call void %function(ptr %arguments, i64 0, i64 %n)
  ret void
try:
  %got = cmpxchg ptr @lock, i32 0, i32 1 acquire monotonic
  %mine = extractvalue {{ i32, i1 }} %got, 1
  br i1 %mine, label %offer, label %alone
offer:
  store ptr %function, ptr @job
  store ptr %arguments, ptr getelementptr (%job, ptr @job, i64 0, i32 1)
  store i64 %n, ptr getelementptr (%job, ptr @job, i64 0, i32 2)
  store i64 %divisor, ptr getelementptr (%job, ptr @job, i64 0, i32 3)
  store i64 %units, ptr getelementptr (%job, ptr @job, i64 0, i32 4)
  store i64 %parts, ptr getelementptr (%job, ptr @job, i64 0, i32 5)
  %others = sub i64 %parts, 1
  %open = trunc i64 %others to i32
  store atomic i32 %open, ptr @pending release, align 4
  br label %next
next:
  %i = phi i64 [ 1, %offer ], [ %i1, %offered ]
  %slot = call ptr @slot(i64 %i)
  %was = atomicrmw xchg ptr %slot, i32 1 seq_cst
  %asleep = icmp eq i32 %was, 2
  br i1 %asleep, label %rouse, label %offered
rouse:
  call void @wake(ptr %slot)
  br label %offered
offered:
  %i1 = add i64 %i, 1
  %more = icmp slt i64 %i1, %parts
  br i1 %more, label %next, label %own
own:
  call void @part(i64 0)
  br label %steal
steal:
  %s = phi i64 [ %others, %own ], [ %s1, %stolen ]
  %stealable = icmp sgt i64 %s, 0
  br i1 %stealable, label %look, label %settle
look:
  %victim = call ptr @slot(i64 %s)
  %taken = cmpxchg ptr %victim, i32 1, i32 0 acq_rel monotonic
  %ours = extractvalue {{ i32, i1 }} %taken, 1
  br i1 %ours, label %take, label %stolen
take:
  call void @part(i64 %s)
  %before = atomicrmw sub ptr @pending, i32 1 acq_rel
  br label %stolen
stolen:
  %s1 = sub i64 %s, 1
  br label %steal
settle:
  %patience = load i64, ptr @patience
  br label %spin
spin:
  %k = phi i64 [ %patience, %settle ], [ %k1, %again ]
  %left = load atomic i32, ptr @pending acquire, align 4
  %finished = icmp eq i32 %left, 0
  br i1 %finished, label %leave, label %spinning
spinning:
  call void @pause()
  %k1 = sub i64 %k, 1
  %enough = icmp slt i64 %k1, 0
  br i1 %enough, label %rest, label %again
again:
  br label %spin
rest:
  %announced = atomicrmw xchg ptr @waiting, i32 1 seq_cst
  br label %doze
doze:
  %rest_left = load atomic i32, ptr @pending seq_cst, align 4
  %over = icmp eq i32 %rest_left, 0
  br i1 %over, label %risen, label %sleep
sleep:
  call void @park(ptr @pending, i32 %rest_left)
  br label %doze
risen:
  store atomic i32 0, ptr @waiting release, align 4
  br label %leave
leave:
  store atomic i32 0, ptr @lock release, align 4
  ret void
}}

; What worker i does until it is told to go home.
define void @adjoint_worker(i64 %i) {{
entry:
  %slot = call ptr @slot(i64 %i)
  br label %fresh
fresh:
  %patience = load i64, ptr @patience
  br label %spin
spin:
  %k = phi i64 [ %patience, %fresh ], [ %k1, %wait ]
  %state = load atomic i32, ptr %slot acquire, align 4
  switch i32 %state, label %wait [ i32 1, label %claim
                                   i32 3, label %home ]
wait:
  call void @pause()
  %k1 = sub i64 %k, 1
  %enough = icmp slt i64 %k1, 0
  br i1 %enough, label %lie, label %spin
claim:
  %got = cmpxchg ptr %slot, i32 1, i32 0 acq_rel monotonic
  %mine = extractvalue {{ i32, i1 }} %got, 1
  br i1 %mine, label %work, label %fresh
work:
  call void @part(i64 %i)
  %before = atomicrmw sub ptr @pending, i32 1 seq_cst
  %last = icmp eq i32 %before, 1
  br i1 %last, label %tell, label %fresh
tell:
  %awaited = load atomic i32, ptr @waiting seq_cst, align 4
  %must = icmp ne i32 %awaited, 0
  br i1 %must, label %call, label %fresh
call:
  call void @wake(ptr @pending)
  br label %fresh
lie:
  %down = cmpxchg ptr %slot, i32 0, i32 2 acq_rel acquire
  %lying = extractvalue {{ i32, i1 }} %down, 1
  br i1 %lying, label %sleep, label %fresh
sleep:
  call void @park(ptr %slot, i32 2)
  %now = load atomic i32, ptr %slot acquire, align 4
  %still = icmp eq i32 %now, 2
  br i1 %still, label %sleep, label %fresh
home:
  store atomic i32 0, ptr %slot release, align 4
  ret void
}}

; How many threads loops are split among, from the next call on.
define void @adjoint_limit(i64 %n) {{
  store atomic i64 %n, ptr @limit release, align 8
  ret void
}}

; How many threads a loop is split among at most.
define i64 @adjoint_threads() {{
  %limit = load atomic i64, ptr @limit monotonic, align 8
  ret i64 %limit
}}

define void @adjoint_patience(i64 %pauses) {{
  store i64 %pauses, ptr @patience
  ret void
}}

; For measuring how long a pause takes.
define void @adjoint_pauses(i64 %n) {{
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %i1, %loop ]
  call void @pause()
  %i1 = add i64 %i, 1
  %more = icmp slt i64 %i1, %n
  br i1 %more, label %loop, label %done
done:
  ret void
}}

; Sends workers 1 to n-1 home; 0 if a call was under way for too long to wait for.
define i32 @adjoint_dismiss(i64 %n) {{
entry:
  store atomic i64 1, ptr @limit seq_cst, align 8
  br label %try
try:
  %k = phi i64 [ 0, %entry ], [ %k1, %again ]
  %got = cmpxchg ptr @lock, i32 0, i32 1 acquire monotonic
  %mine = extractvalue {{ i32, i1 }} %got, 1
  br i1 %mine, label %check, label %again
again:
  call void @pause()
  %k1 = add i64 %k, 1
  %enough = icmp sgt i64 %k1, 20000000
  br i1 %enough, label %busy, label %try
busy:
  ret i32 0
check:
  br label %next
next:
  %i = phi i64 [ 1, %check ], [ %i1, %sent ]
  %within = icmp slt i64 %i, %n
  br i1 %within, label %send, label %done
send:
  %slot = call ptr @slot(i64 %i)
  %was = atomicrmw xchg ptr %slot, i32 3 seq_cst
  %asleep = icmp eq i32 %was, 2
  br i1 %asleep, label %rouse, label %sent
rouse:
  call void @wake(ptr %slot)
  br label %sent
sent:
  %i1 = add i64 %i, 1
  br label %next
done:
  store atomic i32 0, ptr @lock release, align 4
  ret i32 1
}}

; In a child process none of the workers exists, and nobody holds the lock.
define void @adjoint_forget() {{
  call void @llvm.memset.p0.i64(ptr @slots, i8 0, i64 {bytes}, i1 false)
  store i64 1, ptr @limit
  store i32 0, ptr @pending
  store i32 0, ptr @waiting
  store i32 0, ptr @lock
  ret void
}}

declare i64 @llvm.smin.i64(i64, i64)
declare i64 @llvm.smax.i64(i64, i64)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
"""

# Sleep until the word may differ from what was seen; waking too often is allowed.
_FUTEX = """
declare i64 @syscall(i64, ...)
define internal void @park(ptr %word, i32 %seen) noinline {{
  %r = call i64 (i64, ...) @syscall(
    i64 {number}, ptr %word, i32 128, i32 %seen, ptr null, ptr null, i32 0)
  ret void
}}
define internal void @wake(ptr %word) noinline {{
  %r = call i64 (i64, ...) @syscall(
    i64 {number}, ptr %word, i32 129, i32 1, ptr null, ptr null, i32 0)
  ret void
}}
define void @adjoint_prepare() {{
  ret void
}}
"""

# One mutex and one condition for all: a wake-up is rare, and everybody looks at a word of his own.
_PTHREAD = """
@mutex = internal global [256 x i8] zeroinitializer, align 128
@condition = internal global [256 x i8] zeroinitializer, align 128
declare i32 @pthread_mutex_init(ptr, ptr)
declare i32 @pthread_mutex_lock(ptr)
declare i32 @pthread_mutex_unlock(ptr)
declare i32 @pthread_cond_init(ptr, ptr)
declare i32 @pthread_cond_wait(ptr, ptr)
declare i32 @pthread_cond_broadcast(ptr)
define internal void @park(ptr %word, i32 %seen) noinline {{
  %l = call i32 @pthread_mutex_lock(ptr @mutex)
  br label %look
look:
  %now = load atomic i32, ptr %word seq_cst, align 4
  %same = icmp eq i32 %now, %seen
  br i1 %same, label %sleep, label %go
sleep:
  %w = call i32 @pthread_cond_wait(ptr @condition, ptr @mutex)
  br label %look
go:
  %u = call i32 @pthread_mutex_unlock(ptr @mutex)
  ret void
}}
define internal void @wake(ptr %word) noinline {{
  %l = call i32 @pthread_mutex_lock(ptr @mutex)
  %b = call i32 @pthread_cond_broadcast(ptr @condition)
  %u = call i32 @pthread_mutex_unlock(ptr @mutex)
  ret void
}}
define void @adjoint_prepare() {{
  %m = call i32 @pthread_mutex_init(ptr @mutex, ptr null)
  %c = call i32 @pthread_cond_init(ptr @condition, ptr null)
  ret void
}}
"""

_PAUSES = {
    "x86_64": ("declare void @llvm.x86.sse2.pause()", "call void @llvm.x86.sse2.pause()"),
    "aarch64": ("declare void @llvm.aarch64.isb(i32)", "call void @llvm.aarch64.isb(i32 15)"),
}
_FUTEX_NUMBERS = {"x86_64": 202, "aarch64": 98, "riscv64": 98}


def text(machine: str, parking: str) -> str:
    """The module for a family of processors, whose workers sleep by ``futex`` or ``pthread``."""
    shared = _SHARED.format(most=MOST, bytes=MOST * 128)
    number = _FUTEX_NUMBERS.get(machine, 0)
    sleep = _FUTEX.format(number=number) if parking == "futex" else _PTHREAD.format()
    declaration, instruction = _PAUSES.get(machine, ("", ""))
    pause = f"define internal void @pause() alwaysinline {{\n  {instruction}\n  ret void\n}}\n"
    return "\n".join((shared, sleep, declaration, pause))


def parking(machine: str, platform: str) -> str:
    """How workers can sleep there: ``futex``, ``pthread``, or an empty string for not at all."""
    if platform == "linux" and machine in _FUTEX_NUMBERS:
        return "futex"
    return "pthread" if platform in ("linux", "darwin") else ""
