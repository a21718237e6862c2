"""compile: a function as one native call, with the tensors that it reads and changes outside."""

from __future__ import annotations

import functools
import operator
import sys
import threading
from collections.abc import Callable
from typing import Any, overload

import numpy as np

from adjoint.compiler.executors import executor
from adjoint.compiler.staged import Staged, stage_call
from adjoint.core.bind import lift, make
from adjoint.core.errors import ArgumentError
from adjoint.core.graph import Handle, leaf
from adjoint.core.program import evaluate
from adjoint.core.tree import Structure, flatten
from adjoint.core.types import Type, default_dtype
from adjoint.passes.pipeline import optimise

__all__ = ["Compiled", "compile"]

get_node = operator.attrgetter("node")
get_grad = operator.attrgetter("grad")
bind_value: Any = Handle.__dict__["value"].__set__
count: Any = getattr(sys, "getrefcount", lambda _: 0)
ALONE = 3
"""References to an array that only its tensor and the specialisation hold, as `count` sees them."""


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
        self.memory = memory
        self.verify = verify
        self.recompilations: list[str] = []
        self._programs: dict[Any, list[Specialisation]] = {}
        self._lock = threading.RLock()
        self._last: Specialisation | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the function on these arguments."""
        last = self._last
        if last is not None and not kwargs:
            arrays = last.matches(args)
            if arrays is not None:
                with self._lock:
                    if last.current():
                        return last.run(arrays)
        with self._lock:
            return self._slow(args, kwargs)

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
        return program.run([np.ascontiguousarray(x.value) for x in dynamic])

    def _why(self, key: Any, programs: list[Specialisation]) -> str:
        """What differs from the programs that there are."""
        if programs:
            return programs[-1].changed()
        before = next(k for k in self._programs if self._programs[k])
        if before[0] != key[0]:
            return f"the arguments have another structure: {key[0]} instead of {before[0]}"
        pairs = zip(before[1], key[1], structure_paths(key[0]), strict=True)
        return "; ".join(f"argument {path}: {new} instead of {old}" for old, new, path in pairs if old != new)


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
        rebuild = _with_static(structure, spec)
        self.staged: Staged = stage_call(owner.f, rebuild, types, tracked)
        staged = self.staged
        self.types = types
        self.plain = [(t.shape, t.dtype) for t in types] if _flat(structure, spec) else None
        self.tracked = tracked
        n_args, n_read = staged.arguments, len(staged.read)
        self.position = {id(h): n_args + i for i, h in enumerate(staged.read)}
        self.first_assigned = staged.results
        self.donated = {
            self.position[id(h)]: staged.results + k
            for k, h in enumerate(staged.assigned)
            if id(h) in self.position
        }
        self.graph = optimise(staged.graph)
        self.program = executor(owner.backend, self.graph, self.donated)
        self.result_types = [node.type for node in staged.graph.outputs[: staged.results]]
        self.out_types = [node.type for node in staged.graph.outputs]
        self.nodes = [h.node for h in staged.read]
        self.was_tracked = [n.tracked for n in self.nodes]
        self.read_types = [n.type for n in self.nodes]
        self.read_gradients = [slot for slot, had in staged.gradients if had]
        self.guarded = list(staged.gradients)
        self.owned: list[Any] = [None] * len(staged.assigned)
        self.graded = [slot for slot, on in staged.graded if on]
        self.cleared = [slot for slot, on in staged.graded if not on]
        self.gradient_arrays: list[Any] = [None] * len(self.graded)
        self.single = len(staged.results * [0]) == 1 and structure_is_leaf(staged.structure)
        self.verify = owner.verify

    # -- does it apply ------------------------------------------------------------------------

    def matches(self, args: tuple[Any, ...]) -> list[Any] | None:
        """The arrays of the arguments, if they are plain tensors of the right types."""
        plain = self.plain
        if plain is None or len(args) != len(plain):
            return None
        arrays: list[Any] = []
        for x, (shape, dtype), tracked in zip(args, plain, self.tracked, strict=True):
            value = getattr(x, "value", None)
            if (
                value.__class__ is not np.ndarray
                or value.dtype is not dtype
                or value.shape != shape
                or x.node.tracked is not tracked
            ):
                return None
            arrays.append(value if value.flags.c_contiguous else np.ascontiguousarray(value))
        return arrays

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
        return all((slot.grad is not None) == had for slot, had in self.guarded)

    def changed(self) -> str:
        """Which assumption does not hold any more."""
        for h, t, tracked in zip(self.staged.read, self.read_types, self.was_tracked, strict=True):
            name = h.node.name or f"a tensor made at {h.node.site}"
            if h.shape != t.shape or h.dtype != t.dtype:
                return f"{name} is {Type(h.shape, h.dtype)} instead of {t}"
            if h.node.tracked != tracked:
                word = "wants" if h.node.tracked else "no longer wants"
                return f"{name} {word} a gradient"
        for slot, had in self.guarded:
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
        ins = arrays
        for h in staged.read:
            value = h.value
            ins.append(value if value.flags.c_contiguous else np.ascontiguousarray(value))
        for slot in self.read_gradients:
            ins.append(np.ascontiguousarray(slot.grad.value))
        results = [np.empty(t.shape, t.dtype) for t in self.result_types]
        gradients = self._gradients()
        if not self.program([*ins, *results, *self.owned, *gradients]):
            self._complain(ins)
        for slot in self.cleared:
            slot.grad = None
        if staged.results == 1 and self.single:
            return make(results[0], leaf(results[0]))
        return staged.structure.rebuild([make(r, leaf(r)) for r in results])

    def _complain(self, arrays: list[Any]) -> None:
        """Raise what the interpreter raises on these inputs, with the user's line."""
        evaluate(self.graph, [make(a, leaf(a)) for a in arrays])
        raise AssertionError("the program left early, and the interpreter finds nothing wrong")

    def _own(self) -> None:
        """See that assigned tensors lie in memory that nobody else looks at."""
        staged = self.staged
        for k, h in enumerate(staged.assigned):
            array = h.value
            if array is not self.owned[k] or count(array) > ALONE + 1:
                # the copy is the tensor's value from now on, so an interruption changes nothing
                self.owned[k] = array = np.array(array, order="C")
                h.value = array

    def _gradients(self) -> list[Any]:
        """The arrays of the gradients that are set, in memory of their own."""
        out: list[Any] = []
        for k, slot in enumerate(self.graded):
            t = self.out_types[self.staged.results + len(self.owned) + k]
            out.append(np.empty(t.shape, t.dtype))
            slot.grad = make(out[-1], leaf(out[-1]))
        return out


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


