"""Binding: what applying an operation does.

There is no stack of interpreters. What happens follows from the operands:

- plain arrays: the value is computed, and nothing else happens (derivative rules run on these);
- tensors whose numbers are known: the value is computed and, if gradients may flow, recorded;
- tensors that are only types (`Handle.known` is False), or staging is on: the node is recorded
  with the type that the card infers, and nothing is computed.

Types are not inferred before an eager computation. They are when staging, or when NumPy has
raised, in order to say what was wrong.
"""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np

from adjoint.core.capture import Capture
from adjoint.core.errors import (
    AdjointError,
    ArgumentError,
    NotDifferentiable,
    TracerLeak,
    explain,
)
from adjoint.core.graph import Handle, Node, Pick, Slot, ancestors, next_seq
from adjoint.core.site import Site, outside, outward, user_frame
from adjoint.core.types import Type, is_inexact

ndarray = np.ndarray
new = object.__new__
# no public function finds the user's line at this price
getframe = sys._getframe  # pyright: ignore[reportPrivateUsage]
SCALARS: Final = frozenset({bool, int, float, complex})


class State(threading.local):
    """What the current thread is doing.

    Attributes:
        recording: whether operations on tracked tensors are recorded; `no_grad` turns it off.
        staging: whether every operation is recorded by type only, even on known values.
        site: the user's line to note on new nodes instead of the current one.
        capture: what the function being compiled reads and changes outside of itself.
    """

    recording: bool = True
    staging: bool = False
    site: Site | None = None
    capture: Capture | None = None


state: Final = State()
_tensor: Any = Handle
_lift: Callable[[Any], Handle]


def install(tensor: type[Handle], lift: Callable[[Any], Handle]) -> None:
    """Tell binding which class handles have, and how other values become handles."""
    global _tensor, _lift  # set once, when the tensor module is imported
    _tensor, _lift = tensor, lift


def make(value: Any, node: Node) -> Any:
    """A handle on a node with this value."""
    out: Any = new(_tensor)
    out.value = value
    out.node = node
    out.slot = None
    return out


def lift(x: Any) -> Any:
    """A handle for anything that can be one: handles are returned as they are, arrays are copied.

    The copy is what keeps gradients right when the caller changes the array afterwards.
    """
    return x if isinstance(x, Handle) else _lift(x)


def own(array: Any, tracked: bool = False) -> Any:
    """A handle on an array that nobody else will change: a leaf, made by the user's line."""
    if _special and state.site is not None:
        code, offset = state.site
    else:
        frame = user_frame(3)  # between here and the user there is a public function
        code, offset = frame.f_code, frame.f_lasti
    mask = int(tracked)
    return make(array, Node(None, (), None, mask, array.shape, array.dtype, code, offset))


IMAGINED: Final = 1 << 12
"""Elements from which on a tensor that is made while a plan is made has no numbers."""


def imagined(shape: tuple[int, ...], dtype: Any) -> Any:
    """While a plan is made, a large new tensor without numbers; None at any other time."""
    if not _special or state.capture is None or not state.capture.imagines:
        return None
    if math.prod(shape) < IMAGINED:
        return None
    return staged_leaf(Type(shape, dtype), False, _place())


def constant(array: Any) -> Any:
    """A handle on an array that no line of the user made: a cotangent, or a gradient."""
    return make(array, Node(None, (), None, 0, array.shape, array.dtype, None, 0))


# NumPy's own error state costs 2 us to enter; its context variable costs 0.1 us. The public
# `np.errstate` serves where a future NumPy has moved the variable.
fp_set: Callable[[Any], Any]
"""Silence floating-point warnings until `fp_reset`."""
fp_reset: Callable[[Any], None]
"""Restore the floating-point warnings that were in force."""
try:
    from numpy._core.umath import _extobj_contextvar as _fp_state  # pyright: ignore[reportPrivateUsage]

    with np.errstate(all="ignore"):
        _ignore: Any = _fp_state.get()
    fp_set, fp_reset = _fp_state.set, _fp_state.reset
except ImportError:  # pragma: no cover
    _ignore = None

    def _silence(_: Any) -> Any:
        guard = np.errstate(all="ignore")
        guard.__enter__()
        return guard

    def _restore(guard: Any) -> None:
        guard.__exit__(None, None, None)

    fp_set, fp_reset = _silence, _restore
FP_IGNORE: Final[Any] = _ignore

# How many `setting` blocks are open in all threads. While there is none, which is the common case,
# nobody needs to look at the thread's state; a look costs five times as much as this number.
_special = 0
_special_lock: Final = threading.Lock()


@contextmanager
def setting(**values: Any) -> Generator[None]:
    """Change the thread's `state` for a while."""
    global _special  # noqa: PLW0603
    before = {name: getattr(state, name) for name in values}
    with _special_lock:
        _special += 1
    for name, value in values.items():
        setattr(state, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(state, name, value)
        with _special_lock:
            _special -= 1


def bind(op: Any, *xs: Any) -> Any:
    """Apply `op`: compute the value, record the node, or stage it.

    One and two known tensors of equal dtype, the bulk of all calls, go straight to `compute`.
    """
    n = len(xs)
    if n == 2:
        x, y = xs
        if x.__class__ is ndarray is y.__class__:
            return op.value(x, y)
        return bind_two(op, x, y)
    if n == 1:
        x = xs[0]
        return op.value(x) if not isinstance(x, Handle) else bind_one(op, x)
    return _bind_any(op, xs)


def bind_one(op: Any, x: Any) -> Any:
    """`bind` for one operand, which becomes a handle if it is none."""
    if isinstance(x, Handle):
        xv = x.value
        if (
            xv.__class__ is ndarray
            and xv.dtype.char in op.takes
            and not (_special and state.staging)
        ):
            nx = x.node
            return compute(op, (xv,), (nx,), nx.tracked)
        return _bind_any(op, (x,))
    return _bind_any(op, (_lift(x),))


def bind_two(op: Any, x: Any, y: Any) -> Any:
    """`bind` for two operands."""
    if _special and state.staging:
        return _bind_any(op, (x, y))
    if isinstance(x, Handle):
        xv = x.value
        dtype = xv.dtype
        nx = x.node
        if isinstance(y, Handle):
            yv = y.value
            if (
                yv.dtype is dtype
                and yv.__class__ is ndarray is xv.__class__
                and dtype.char in op.takes
            ):
                ny = y.node
                return compute(op, (xv, yv), (nx, ny), nx.tracked | ny.tracked << 1)
        elif (
            y.__class__ is float
            and dtype.kind == "f"
            and xv.__class__ is ndarray
            and dtype.char in op.takes
        ):
            return compute(op, (xv, y), (nx, y), nx.tracked)
    elif not isinstance(y, Handle):
        return op.value(x, y)
    return _bind_any(op, (x, y))


def compute(  # noqa: PLR0915  # written out on purpose, see below
    op: Any, values: tuple[Any, ...], nodes: tuple[Any, ...], mask: int
) -> Any:
    """Compute the value and, if gradients may flow, record the node."""
    token = fp_set(FP_IGNORE)
    try:
        out = op.value(*values)
    except Exception as error:
        raise failure(op, handles(values, nodes), error) from None
    finally:
        fp_reset(token)
    if out.__class__ is not ndarray:
        if out.__class__ is tuple:
            return _several(op, out, values, nodes, mask if state.recording else 0)
        out = np.asarray(out)
    # attributes are set here rather than by constructors: calls are a third of the overhead
    node: Node = new(Node)
    dtype = out.dtype
    if mask and dtype.kind in "fcV" and (not _special or state.recording):
        key = mask | 1 << len(values)
        save = op.savers.get(key) or make_saver(op, mask, out, values)
        node.saved = save(out, values, nodes)
        node.tracked = True
        node.mask = mask
        node.inputs = nodes
    else:
        node.saved = None
        node.tracked = False
        node.mask = 0
        node.inputs = ()
    node.op = op
    node.shape = out.shape
    node.dtype = dtype
    node.slot = None
    node.seq = next_seq()
    if _special and state.site is not None:
        node.code, node.offset = state.site
    else:
        try:
            frame = getframe(3)  # beyond the function that binds and the one that called it
        except ValueError:  # a program that embeds Python has called, and has no frame
            frame = getframe(2)
        if frame.f_code.co_filename not in outside:
            frame = outward(frame)
        node.code = frame.f_code
        node.offset = frame.f_lasti
    result: Any = new(_tensor)
    result.value = out
    result.node = node
    result.slot = None
    return result


def handles(values: tuple[Any, ...], nodes: tuple[Any, ...]) -> tuple[Any, ...]:
    """Operands as they were given, from what binding made of them."""
    return tuple(
        make(v, n) if n.__class__ is Node else v for v, n in zip(values, nodes, strict=True)
    )


def _bind_any(op: Any, xs: tuple[Any, ...]) -> Any:
    """Apply `op` to operands that need a look: scalars, arrays, mixed dtypes, staged tensors."""
    if state.capture is not None:
        for x in xs:
            touch(x)
    handled = staged = False
    mask = 0
    dtypes: set[Any] = set()
    plain = True
    for i, x in enumerate(xs):
        if isinstance(x, Handle):
            handled = True
            mask |= x.node.tracked << i
            staged |= x.value.__class__ is not ndarray
            dtypes.add(x.value.dtype)
        else:
            plain = False
    if not handled:
        return op.value(*xs)
    if not plain or len(dtypes) > 1 or next(iter(dtypes)).char not in op.takes:
        coerced = op.coerce(xs)
        if coerced is not xs:
            return bind(op, *coerced)
    values = tuple([x.value if isinstance(x, Handle) else x for x in xs])
    nodes = tuple([x.node if isinstance(x, Handle) else x for x in xs])
    if staged or state.staging:
        return _stage(op, values, nodes, mask)
    return compute(op, values, nodes, mask)


def touch(x: Any) -> None:
    """Make a tensor from outside of the function being compiled an input of it."""
    if state.capture is not None and isinstance(x, Handle):
        state.capture.read(x)


def _place() -> Site:
    if state.site is not None:
        return state.site
    frame = user_frame(3)
    return Site(frame.f_code, frame.f_lasti)


def _stage(op: Any, values: tuple[Any, ...], nodes: tuple[Any, ...], mask: int) -> Any:
    """Record the node by its type alone."""
    try:
        out = op.out_type(*[v if v.__class__ in SCALARS else Type.of(v) for v in values])
    except Exception as error:
        raise failure(op, handles(values, nodes), error) from None
    if not state.recording:
        mask = 0
    if out.__class__ is tuple:
        return _several(op, out, values, nodes, mask, staged=True)
    mask = mask if is_inexact(out.dtype) else 0
    saved = (out, *values)
    return make(out, Node(op, nodes, saved, mask, out.shape, out.dtype, *_place()))


def _several(
    op: Any,
    outs: tuple[Any, ...],
    values: tuple[Any, ...],
    nodes: tuple[Any, ...],
    mask: int,
    staged: bool = False,
) -> tuple[Any, ...]:
    """One node for an operation with several outputs, and one that picks each of them."""
    place = _place()
    if not staged:
        outs = tuple(np.asarray(out) for out in outs)
    types = tuple(Type.of(out) for out in outs)
    tracked = bool(mask) and any(is_inexact(t.dtype) for t in types)
    if staged:
        saved: Any = (types, *values)
    elif tracked:
        key = mask | 1 << len(values)
        save = op.savers.get(key) or make_saver(op, mask, types, values)
        saved = save(outs, values, nodes)
    else:
        saved = None
    keep = tracked or staged
    whole = Node(op, nodes if keep else (), saved, mask if tracked else 0, types, None, *place)
    picks: list[Any] = []
    for i, (out, t) in enumerate(zip(outs, types, strict=True)):
        on = tracked and is_inexact(t.dtype)
        pick_saved = (out, types) if staged else (None, None)
        inputs = (whole,) if keep else ()
        node = Node(Pick(i), inputs, pick_saved, int(on), t.shape, t.dtype, *place)
        picks.append(make(out, node))
    return tuple(picks)


def staged_leaf(t: Type, tracked: bool = False, site: Site | None = None) -> Any:
    """A handle on a new leaf of which only the type is known."""
    code, offset = site or (None, 0)
    return make(t, Node(None, (), (t,), int(tracked), t.shape, t.dtype, code, offset))


def reads_of(op: Any, mask: int, out: Any, values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Which of (out, *inputs) the derivative reads: found by staging the rule and looking.

    Where there are several outputs and the rule reads some, its entry is a tuple.
    """
    with setting(recording=False, site=Site(reads_of.__code__, 0)):
        staged = [v if v.__class__ in SCALARS else staged_leaf(Type.of(v)) for v in values]
        if out.__class__ is tuple:
            outs: Any = tuple(staged_leaf(Type.of(t)) for t in out)
            ct: Any = tuple(staged_leaf(Type.of(t)) for t in out)
        else:
            outs, ct = staged_leaf(Type.of(out)), staged_leaf(Type.of(out))
        results = op.pull(ct, outs, tuple(staged), mask)
    roots = [r.node for r in results if isinstance(r, Handle)]
    seen = set(ancestors(roots, lambda node: True))
    read: Any
    if outs.__class__ is tuple:
        parts = tuple([h.node in seen for h in outs])
        read = parts if any(parts) else False
    else:
        read = outs.node in seen
    return (
        read,
        # literals stay: they cost nothing, and the rule finds them where it expects them
        *[not isinstance(v, Handle) or v.node in seen for v in staged],
    )


def make_saver(op: Any, mask: int, out: Any, values: tuple[Any, ...]) -> Callable[..., Any]:
    """The function that keeps of ``(out, *inputs)`` what the rule of `op` reads, made once."""
    reads: tuple[Any, ...]
    try:
        reads = () if op.no_derivative else reads_of(op, mask, out, values)
    except NotDifferentiable:  # in reverse mode; forward mode may exist, and read anything
        reads = (True,) * (1 + len(values))

    def save(out: Any, xs: tuple[Any, ...], nodes: tuple[Any, ...]) -> tuple[Any, ...]:
        kept = [x if r else n for r, x, n in zip(reads[1:], xs, nodes, strict=True)]
        if reads[0].__class__ is tuple:
            out = tuple([o if r else Type.of(o) for r, o in zip(reads[0], out, strict=True)])
        return (out if reads[0] else None, *kept)

    key = mask | 1 << len(values)
    op.savers[key] = chosen = _SAVERS.get(reads, save)
    return chosen


# The common cases without a loop. Where a rule reads only the shape of an input, the input's node
# stands in for its value.
_SAVERS: Final[dict[tuple[bool, ...], Callable[[Any, Any, Any], tuple[Any, ...]]]] = {
    (): lambda out, xs, nodes: (None, *nodes),
    (False, False): lambda out, xs, nodes: (None, nodes[0]),
    (True, False): lambda out, xs, nodes: (out, nodes[0]),
    (False, True): lambda out, xs, nodes: (None, xs[0]),
    (False, False, False): lambda out, xs, nodes: (None, nodes[0], nodes[1]),
    (False, True, False): lambda out, xs, nodes: (None, xs[0], nodes[1]),
    (False, False, True): lambda out, xs, nodes: (None, nodes[0], xs[1]),
    (False, True, True): lambda out, xs, nodes: (None, xs[0], xs[1]),
    (True, False, True): lambda out, xs, nodes: (out, nodes[0], xs[1]),
}


def failure(op: Any, xs: tuple[Any, ...], error: Exception) -> Exception:
    """The error to raise when computing or staging `op` on `xs` failed: the fact, said fully."""
    fact = error
    values = [x.value if isinstance(x, Handle) else x for x in xs]
    if not isinstance(error, AdjointError):
        try:
            op.out_type(*[v if v.__class__ in SCALARS else Type.of(v) for v in values])
        except AdjointError as found:
            fact = found
        except Exception:  # the card could not say more than NumPy did
            fact = error
    names = op.operand_names(len(xs))
    hint = op.hint(*xs) if isinstance(fact, AdjointError) else ""
    text = explain(fact, op.name, list(zip(names, xs, strict=True)), _place(), hint)
    cls = type(fact)
    try:
        return cls(text)
    except Exception:
        return ArgumentError(text)


def numbers(x: Handle, asked: str) -> Any:
    """The array behind a handle, or an error that says why there is none.

    Args:
        x: the handle.
        asked: what the user did that needs the numbers, such as ``float(x)``.
    """
    if _special:
        touch(x)
    value = x.value
    if value.__class__ is not Type:
        return value
    raise TracerLeak(
        explain(
            "the number is not known while the function is staged (traced, compiled or mapped)",
            asked,
            [("x", x)],
            _place(),
            "ad.where(condition, a, b), ad.cond or ad.scan instead of Python control flow; "
            "or compute this outside of the staged function.",
        )
    )


def fresh_slot(x: Handle, leaf: bool) -> Slot:
    """The slot of a handle, made if it has none."""
    if x.slot is None:
        x.slot = Slot(leaf)
        x.node.slot = x.slot
    return x.slot
