"""compile: a function as one native call, with the tensors that it reads and changes outside."""

from __future__ import annotations

import ctypes
import functools
import operator
import sys
import threading
import warnings
from collections.abc import Callable
from time import perf_counter
from typing import Any, overload

import numpy as np

from adjoint.backends.interpreter import NOT_FINITE
from adjoint.compiler.budget import budget_bytes
from adjoint.compiler.executors import executor
from adjoint.compiler.names import input_names, output_names
from adjoint.compiler.nonfinite import NonFinite, Replay, watched
from adjoint.compiler.report import Report
from adjoint.compiler.staged import Staged, stage_call
from adjoint.compiler.verification import Verifier
from adjoint.core.bind import lift, make
from adjoint.core.capture import CHANGES
from adjoint.core.errors import ArgumentError, NonFiniteWarning
from adjoint.core.graph import Handle, Node, leaf, next_seq
from adjoint.core.program import evaluate
from adjoint.core.tree import Structure, flatten
from adjoint.core.types import Type, default_dtype
from adjoint.passes.pipeline import optimise
from adjoint.tensor import Tensor

__all__ = ["Compiled", "compile"]

get_node = operator.attrgetter("node")
get_grad = operator.attrgetter("grad")
count: Any = getattr(sys, "getrefcount", lambda _: 0)
MISS: Any = object()
"""What a quick call returns when it needs a longer look."""
ndarray, empty, is_, new = np.ndarray, np.empty, operator.is_, object.__new__


class Static:
    """An argument that is part of the program: it stands in the tree where a tensor would."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Static)
            and type(self.value) is type(other.value)
            and self.value == other.value
        )

    def __hash__(self) -> int:
        return hash((type(self.value), self.value))

    def __repr__(self) -> str:
        return repr(self.value)


class Compiled:
    """A function that runs as native code; `adjoint.compile` makes it.

    Attributes:
        recompilations: why each program after the first was made.
    """

    def __init__(self, f: Callable[..., Any], backend: str, memory: Any, verify: bool) -> None:
        functools.update_wrapper(self, f)
        self.f = f
        self.backend = backend
        self.memory = budget_bytes(memory)
        self.verify = verify
        self.recompilations: list[str] = []
        self._nonfinite: NonFinite | None = None
        self._programs: dict[Any, list[Specialisation]] = {}
        self._lock = threading.RLock()
        self._last: Specialisation | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the function on these arguments."""
        with self._lock:
            last = self._last
            if last is not None and not kwargs:
                out = last.again(args)
                if out is not MISS:
                    return out
            return self._slow(args, kwargs)

    @property
    def nonfinite(self) -> NonFinite | None:
        """Where the first NaN or infinity came from that a training step has yielded, or None.

        A step that calls ``backward`` looks at its small results, such as the loss, and at its
        gradients (at some elements of large ones) before it changes anything. The first time that
        one is not finite, the origin is found with the interpreter, noted here, and said in a
        `NonFiniteWarning`; the step ends as it would have. From then on nothing is looked at, until
        this is set to None.
        """
        return self._nonfinite

    @nonfinite.setter
    def nonfinite(self, value: None) -> None:
        with self._lock:
            self._nonfinite = value
            self._arm(value is None)

    def _arm(self, on: bool) -> None:
        for programs in self._programs.values():
            for program in programs:
                program.program.arm(on)

    def found(self, origin: NonFinite) -> None:
        """Note the origin of what is not finite, once, and warn."""
        self._arm(False)
        if self._nonfinite is None:
            self._nonfinite = origin
            warnings.warn(f"{name_of(self.f)}: {origin}", NonFiniteWarning, stacklevel=6)

    def report(self, *args: Any, **kwargs: Any) -> Report:
        """What the machine code does: kernels with their lines, times and rates, and its memory.

        The program runs on copies, with each kernel as a call of its own, for about half a second;
        nothing changes. Print the report, or take ``report.to_dict()``.

        Args:
            args: arguments to measure with; without any, made-up ones of the types of the last
                call.
            kwargs: keyword arguments, likewise.

        Raises:
            ArgumentError: if the function has not been called with arguments of these types.
        """
        with self._lock:
            program, arrays = self._last, None
            if args or kwargs:
                leaves, structure = flatten((args, kwargs))
                dynamic, spec = split_arguments(leaves)
                known = self._programs.get((structure, spec), [])
                program = next((p for p in known if p.current()), None)
                arrays = [x.value for x in dynamic]
            if program is None:
                raise ArgumentError(
                    "report: call the function first, with arguments of these types"
                )
            return program.report(arrays)

    def _slow(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        leaves, structure = flatten((args, kwargs))
        dynamic, spec = split_arguments(leaves)
        key = (structure, spec)
        programs = self._programs.setdefault(key, [])
        for program in programs:
            if program.current():
                break
        else:
            if self._programs and any(self._programs.values()):
                self.recompilations.append(self._why(key, programs))
            program = Specialisation(self, structure, spec, dynamic)
            programs.append(program)
        self._last = program
        return program.run([np.asarray(x.value, order="C") for x in dynamic])

    def _why(self, key: Any, programs: list[Specialisation]) -> str:
        """What differs from the programs that there are."""
        if programs:
            return programs[-1].changed()
        before = next(k for k in self._programs if self._programs[k])
        if before[0] != key[0]:
            return f"the arguments have another structure: {key[0]} instead of {before[0]}"
        pairs = zip(before[1], key[1], structure_paths(key[0]), strict=True)
        return "; ".join(
            f"argument {path}: {new} instead of {old}" for old, new, path in pairs if old != new
        )


def name_of(f: Callable[..., Any]) -> str:
    """What a function is called in messages."""
    return getattr(f, "__name__", type(f).__name__)


def structure_paths(structure: Structure) -> list[str]:
    """A name for each argument."""
    return structure.paths()


def split_arguments(leaves: list[Any]) -> tuple[list[Any], tuple[Any, ...]]:
    """The tensors among the arguments, and what the program depends on for each argument."""
    dynamic: list[Any] = []
    spec: list[Any] = []
    for x in leaves:
        if x.__class__ is float:
            x = lift(np.asarray(x, default_dtype()))
        if isinstance(x, Handle) or (hasattr(x, "dtype") and hasattr(x, "shape")):
            x = lift(x)
            dynamic.append(x)
            spec.append((Type(x.shape, x.dtype), x.node.tracked))
        else:
            try:
                hash(x)
            except TypeError:
                raise ArgumentError(
                    f"compile: an argument is a {type(x).__name__}, which is neither a tensor nor "
                    "something that can be part of the program (hashable)"
                ) from None
            spec.append(Static(x))
    return dynamic, tuple(spec)


def fresh(array: Any) -> Any:
    """A tensor of a new array, as `make(array, leaf(array))` makes it, without the calls."""
    node: Node = new(Node)
    node.op = node.saved = node.slot = node.code = None
    node.inputs = ()
    node.mask = node.offset = 0
    node.tracked = False
    node.shape = array.shape
    node.dtype = array.dtype
    node.seq = next_seq()
    out: Any = new(Tensor)
    out.value = array
    out.node = node
    out.slot = None
    return out


class Specialisation:
    """The program for one signature, and the memory of the state that it updates in place.

    Args:
        owner: the compiled function.
        structure: of the arguments.
        spec: types of the tensors and the other arguments.
        dynamic: tensors of this signature.
    """

    def __init__(
        self, owner: Compiled, structure: Structure, spec: tuple[Any, ...], dynamic: list[Any]
    ) -> None:
        types = [s[0] for s in spec if not isinstance(s, Static)]
        tracked = [s[1] for s in spec if not isinstance(s, Static)]
        self.spec = spec
        self.structure = structure
        rebuild = _with_static(structure, spec)
        begin = perf_counter()
        self.staged: Staged = stage_call(owner.f, rebuild, types, tracked)
        self.seconds = {"staging": perf_counter() - begin}
        staged = self.staged
        self.types = types
        self.plain = _flat(structure, spec)
        position = {id(h): staged.arguments + i for i, h in enumerate(staged.read)}
        self.donated = {
            position[id(h)]: staged.results + k
            for k, h in enumerate(staged.assigned)
            if id(h) in position
        }
        begin = perf_counter()
        self.graph = optimise(staged.graph)
        self.seconds["passes"] = perf_counter() - begin
        n_gradients = sum(on for _, on in staged.graded)
        self.watched = watched(self.graph.out_types, staged.results, n_gradients, staged.swept)
        if owner.memory is not None:
            self.graph = self._fitted(owner)
        self.program: Any = executor(
            owner.backend, self.graph, self.donated, staged.arguments, self.watched
        )
        self.program.arm(owner.nonfinite is None)
        self.result_types = [node.type for node in staged.graph.outputs[: staged.results]]
        self.result_shapes = [(t.shape, t.dtype) for t in self.result_types]
        self.out_types = [node.type for node in staged.graph.outputs]
        self.gradient_types = self.out_types[staged.results + len(staged.assigned) :]
        self.wanted = [s[1] for s in spec if not isinstance(s, Static)]
        self.execute: Any = self.program
        if owner.verify:
            names = functools.partial(output_names, staged)
            self.execute = Verifier(staged.graph, self.program, self.donated, names)
        self.quick = self.plain and getattr(self.program, "native", False) and not owner.verify
        if self.quick:
            program = self.program
            self.native = program.run[0]
            self.address = ctypes.addressof(program.block)
            self.block = memoryview(program.block).cast("B").cast("q")
            self.first_argument, self.first_result = program.first_input, program.first_output
        self.nodes = [h.node for h in staged.read]
        self.was_tracked = [n.tracked for n in self.nodes]
        self.read_types = [n.type for n in self.nodes]
        self.read_gradients = [slot for slot, had in staged.gradients if had]
        self.owned: list[Any] = [None] * len(staged.assigned)
        self.owned_counts: list[int] = []
        self.graded = [slot for slot, on in staged.graded if on]
        self.gradients: list[Any] = [None] * len(self.graded)
        self.gradient_arrays: list[Any] = []
        empty = {slot for slot, had in staged.gradients if not had}
        self.empty = [slot for slot in empty if slot not in self.graded]
        self.cleared = [slot for slot, on in staged.graded if not on and slot not in empty]
        self.single = structure_is_leaf(staged.structure)
        self.name = name_of(owner.f)
        self.backend = owner.backend
        self.found = owner.found
        self.changes = CHANGES[0]
        self.ready = False  # whether the block holds the state that the last call left
        self.held: list[Any] = []  # arrays whose addresses the block holds

    # -- the same again ------------------------------------------------------------------------

    def again(self, args: tuple[Any, ...]) -> Any:
        """Run again if nothing has changed since the last call but the arguments; else `MISS`.

        The program itself checks the types of the arguments and that all tensors are as the last
        call left them, so this is all that a step costs in Python.
        """
        if not self.ready or len(args) != len(self.wanted) or CHANGES[0] != self.changes:
            return MISS
        block = self.block
        k = self.first_argument
        for x, tracked in zip(args, self.wanted, strict=True):
            if not isinstance(x, Handle):
                return MISS
            value = x.value
            if value.__class__ is not ndarray or x.node.tracked is not tracked:
                return MISS
            block[k] = id(value)
            k += 1
        results: list[Any] = []
        k = self.first_result
        for shape, dtype in self.result_shapes:
            value = empty(shape, dtype)
            block[k] = id(value)
            k += 1
            results.append(value)
        if self.native(self.address):
            return MISS
        for slot in self.cleared:
            slot.grad = None
        if self.single:
            return fresh(results[0])
        return self._result(results)

    def _result(self, arrays: list[Any]) -> Any:
        return self.staged.structure.rebuild([make(a, leaf(a)) for a in arrays])

    def _fitted(self, owner: Compiled) -> Any:
        """The graph, as it keeps the memory budget."""
        from adjoint.compiler.budget import within_budget  # noqa: PLC0415  # late: few ask

        if owner.backend == "numpy":
            raise ArgumentError("compile: memory= is for machine code, not for backend='numpy'")
        wanted = self.donated, self.watched, owner.memory
        return within_budget(self.staged.graph, self.graph, *wanted)

    def report(self, arrays: list[Any] | None) -> Report:
        """What the program does, measured on these arguments or on made-up ones."""
        from adjoint.compiler.measure import filled, measured  # noqa: PLC0415  # late: few ask

        if arrays is None:
            arrays = [filled(t, k) for k, t in enumerate(self.types)]
        return measured(
            self.staged,
            self.graph,
            self.donated,
            self.program,
            arrays,
            name=self.name,
            backend=self.backend,
            compiled=self.seconds,
        )

    # -- does it apply ------------------------------------------------------------------------

    def current(self) -> bool:
        """Whether what the program assumed of the tensors outside still holds."""
        staged = self.staged
        if list(map(get_node, staged.read)) != self.nodes:
            nodes = [h.node for h in staged.read]
            for h, node, t, tracked in zip(
                staged.read, nodes, self.read_types, self.was_tracked, strict=True
            ):
                if node.tracked != tracked or h.shape != t.shape or h.dtype != t.dtype:
                    return False
                if node.tracked and node.op is not None:
                    return False
            self.nodes = nodes
        self.changes = CHANGES[0]
        return all((slot.grad is not None) == had for slot, had in staged.gradients) and all(
            getattr(owner, name) == value for owner, name, value in staged.relied
        )

    def changed(self) -> str:
        """Which assumption does not hold any more."""
        for h, t, tracked in zip(self.staged.read, self.read_types, self.was_tracked, strict=True):
            name = h.node.name or f"a tensor made at {h.node.site}"
            if h.shape != t.shape or h.dtype != t.dtype:
                return f"{name} is {Type(h.shape, h.dtype)} instead of {t}"
            if h.node.tracked != tracked:
                word = "wants" if h.node.tracked else "no longer wants"
                return f"{name} {word} a gradient"
        for owner, name, value in self.staged.relied:
            if getattr(owner, name) != value:
                return f"{type(owner).__name__}.{name} is {getattr(owner, name)} instead of {value}"
        for slot, had in self.staged.gradients:
            if (slot.grad is not None) != had:
                name = slot.name or "a tensor"
                word = "had none" if not had else "had one"
                return f"the gradient of {name}: when the program was made it {word}"
        return "a tensor from outside has changed"

    # -- running ------------------------------------------------------------------------------

    def run(self, arrays: list[Any]) -> Any:
        """Run on these arguments: state in place, results as new tensors."""
        staged = self.staged
        self._own()
        held: list[Any] = []
        for h in staged.read:
            value = h.value
            held.append(value if value.flags.c_contiguous else np.asarray(value, order="C"))
        self.ready = self.quick and all(map(is_, held, [h.value for h in staged.read]))
        held += [np.asarray(slot.grad.value, order="C") for slot in self.read_gradients]
        self.ready = self.ready and not self.read_gradients
        results = [np.empty(t.shape, t.dtype) for t in self.result_types]
        gradients = [np.empty(t.shape, t.dtype) for t in self.gradient_types]
        outputs = [*results, *self.owned, *gradients]
        if not self.execute([*arrays, *held, *outputs]):
            if self.program.code != NOT_FINITE:
                self._complain([*arrays, *held])
            self._find_origin([*arrays, *held], outputs)
        del outputs
        for k, (slot, g) in enumerate(zip(self.graded, gradients, strict=True)):
            slot.grad = self.gradients[k] = make(g, leaf(g))
        for slot in self.cleared:
            slot.grad = None
        self.held, self.gradient_arrays = held, gradients
        del held, gradients
        slot = g = h = value = None  # these would be counted
        self._note_counts()
        return make(results[0], leaf(results[0])) if self.single else self._result(results)

    def _note_counts(self) -> None:
        """How often memory that is updated in place is referred to, when nobody else does."""
        self.owned_counts = list(map(count, self.owned))
        if self.ready:
            self.program.remember(
                self.staged.read + self.staged.assigned,
                [(slot, None) for slot in self.empty]
                + list(zip(self.graded, self.gradients, strict=True)),
                [self.owned, self.gradients, self.gradient_arrays],
            )

    def _complain(self, arrays: list[Any]) -> None:
        """Raise what the interpreter raises on these inputs, with the user's line."""
        evaluate(self.graph, [make(a, leaf(a)) for a in arrays])
        raise AssertionError("the program left early, and the interpreter finds nothing wrong")

    def _find_origin(self, inputs: list[Any], outputs: list[Any]) -> None:
        """Compute the call operation by operation, and say where what is not finite came from."""
        replay = Replay(self.staged.graph, inputs)
        bad = [k for k in self.watched if not np.isfinite(replay.outputs[k]).all()]
        for target, value in zip(outputs, replay.outputs, strict=True):
            target[...] = value
        if bad:
            named = iter(self.structure.paths())
            paths = [p for p, s in zip(named, self.spec, strict=True) if not isinstance(s, Static)]
            names = input_names(self.staged, paths)
            self.found(replay.origin(bad[0], output_names(self.staged)[bad[0]], names))

    def _own(self) -> None:
        """See that assigned tensors lie in memory that nobody else looks at."""
        alone = len(self.owned_counts) == len(self.owned)
        now = list(map(count, self.owned)) if alone else []
        for k, h in enumerate(self.staged.assigned):
            if not alone or h.value is not self.owned[k] or now[k] != self.owned_counts[k]:
                # the copy is the tensor's value from now on, so an interruption changes nothing
                self.owned[k] = h.value = np.array(h.value, order="C")


def structure_is_leaf(structure: Structure) -> bool:
    """Whether a structure is a single leaf."""
    return repr(structure) == "*"


class _Filled:
    """A structure into which tensors and static values are put in turn."""

    def __init__(self, structure: Structure, spec: tuple[Any, ...]) -> None:
        self.structure, self.spec = structure, spec

    def rebuild(self, tensors: Any) -> Any:
        given = iter(tensors)
        return self.structure.rebuild(
            [s.value if isinstance(s, Static) else next(given) for s in self.spec]
        )


def _with_static(structure: Structure, spec: tuple[Any, ...]) -> Any:
    return _Filled(structure, spec)


def _flat(structure: Structure, spec: tuple[Any, ...]) -> bool:
    """Whether the arguments are tensors one after the other, without containers or keywords."""
    _, plain = flatten((tuple([0.0] * len(spec)), {}))
    return structure == plain and not any(isinstance(s, Static) for s in spec)


@overload
def compile(
    f: Callable[..., Any], *, backend: str = ..., memory: Any = ..., verify: bool = ...
) -> Compiled: ...
@overload
def compile(
    f: None = ..., *, backend: str = ..., memory: Any = ..., verify: bool = ...
) -> Callable[[Callable[..., Any]], Compiled]: ...
def compile(
    f: Callable[..., Any] | None = None,
    *,
    backend: str = "auto",
    memory: Any = None,
    verify: bool = False,
) -> Any:
    """The function as native code: one call for a whole training step.

    The function is written as if it ran: with ``loss.backward()``, ``optimizer.step()``, random
    draws and running statistics. Tensors that it reads from outside are inputs, tensors that it
    assigns to are outputs, updated in place.

    Args:
        f: the function; without it, a decorator.
        backend: ``"llvm"``, ``"numpy"`` (the interpreter), or ``"auto"``: the first that is there.
        memory: the most bytes that a call may need beside its inputs and outputs, as a number or as
            text such as ``"256MiB"``.
        verify: compare every output with the interpreter's, in each call.

    Returns:
        A function of the same arguments. Tensors, arrays and floats may change from call to call;
        anything else is part of the program, and another value makes another program.

    Raises:
        TracerLeak: if the function asks for the number behind a tensor.
        VerificationError: if `verify` finds a difference; then nothing has been changed.

    Example:
        >>> w = ad.tensor([1.0, 2.0], requires_grad=True)
        >>> @ad.compile
        ... def step(x):
        ...     w.grad = None
        ...     loss = ((w * x).sum() - 1.0) ** 2
        ...     loss.backward()
        ...     with ad.no_grad():
        ...         w.assign(w - 0.1 * w.grad)
        ...     return loss
        >>> step(ad.tensor([1.0, 1.0]))
        tensor(4.)
        >>> w
        tensor([0.6, 1.6], requires_grad=True)
    """
    if f is None:
        return lambda g: Compiled(g, backend, memory, verify)
    return Compiled(f, backend, memory, verify)
