"""Specialisations: the program for one signature, and the state that it updates in place."""

from __future__ import annotations

import ctypes
import functools
import operator
import sys
from time import perf_counter
from typing import Any

import numpy as np

from adjoint.backends.interpreter import NOT_FINITE, set_all
from adjoint.compiler.arguments import Filled, Static, is_flat
from adjoint.compiler.executors import executor
from adjoint.compiler.names import input_names, output_names
from adjoint.compiler.nonfinite import Replay, watched
from adjoint.compiler.report import Report
from adjoint.compiler.staged import Staged, stage_call
from adjoint.compiler.verification import Verifier
from adjoint.core.bind import make
from adjoint.core.capture import CHANGES
from adjoint.core.errors import ArgumentError
from adjoint.core.graph import Handle, Node, leaf, next_seq
from adjoint.core.program import evaluate
from adjoint.core.tree import Structure
from adjoint.core.types import Type
from adjoint.passes.pipeline import optimise
from adjoint.tensor import Tensor

get_node = operator.attrgetter("node")


def _uncounted(x: Any) -> int:
    del x
    return 0


count: Any = getattr(sys, "getrefcount", _uncounted)
MISS: Any = object()
"""What a quick call returns when it needs a longer look."""
ndarray, empty, is_, new = np.ndarray, np.empty, operator.is_, object.__new__


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
    """

    def __init__(self, owner: Any, structure: Structure, spec: tuple[Any, ...]) -> None:
        self.spec, self.structure = spec, structure
        self.types = [s[0] for s in spec if not isinstance(s, Static)]
        self.wanted = [s[1] for s in spec if not isinstance(s, Static)]
        self.name, self.backend, self.found = owner.name, owner.backend, owner.found
        begin = perf_counter()
        rebuild = Filled(structure, spec)
        self.staged: Staged = stage_call(owner.f, rebuild, self.types, self.wanted)
        self.seconds = {"staging": perf_counter() - begin}
        self._note_state()
        self._make_program(owner)
        self.changes = CHANGES[0]
        self.ready = False  # whether the block holds the state that the last call left

    def _note_state(self) -> None:
        """What is read and changed outside, sorted by what a call does with it."""
        staged = self.staged
        self.single = is_leaf(staged.structure)
        out_types = [node.type for node in staged.graph.outputs]
        self.result_types = out_types[: staged.results]
        self.result_shapes = [(t.shape, t.dtype) for t in self.result_types]
        self.gradient_types = out_types[staged.results + len(staged.assigned) :]
        self.nodes = [h.node for h in staged.read]
        self.was_tracked = [n.tracked for n in self.nodes]
        self.read_types = [n.type for n in self.nodes]
        self.read_gradients = [slot for slot, had in staged.gradients if had]
        self.owned: list[Any] = [None] * len(staged.assigned)
        self.owned_counts: list[int] = []
        self.graded = [slot for slot, on in staged.graded if on]
        self.gradients: list[Any] = [None] * len(self.graded)
        self.gradient_arrays: list[Any] = []
        self.held: list[Any] = []  # arrays whose addresses the block holds
        empty = {slot for slot, had in staged.gradients if not had}
        self.empty = [slot for slot in empty if slot not in self.graded]
        self.cleared = [slot for slot, on in staged.graded if not on and slot not in empty]

    def _make_program(self, owner: Any) -> None:
        """The graph through the passes, and what runs it."""
        staged = self.staged
        position = {id(h): staged.arguments + i for i, h in enumerate(staged.read)}
        self.donated = {
            position[id(h)]: staged.results + k
            for k, h in enumerate(staged.assigned)
            if id(h) in position
        }
        begin = perf_counter()
        self.graph = optimise(staged.graph)
        self.seconds["passes"] = perf_counter() - begin
        results, graded = staged.results, len(self.graded)
        self.watched = watched(self.graph.out_types, results, graded, staged.swept)
        if owner.memory is not None:
            self.graph = self._fitted(owner)
        self.program: Any = executor(
            owner.backend, self.graph, self.donated, staged.arguments, self.watched
        )
        self.program.arm(owner.nonfinite is None)
        self.execute: Any = self.program
        if owner.verify:
            names = functools.partial(output_names, staged)
            self.execute = Verifier(staged.graph, self.program, self.donated, names)
        native = getattr(self.program, "native", False)
        self.quick = native and is_flat(self.structure, self.spec) and not owner.verify
        if self.quick:
            program = self.program
            self.native = program.run[0]
            self.address = ctypes.addressof(program.block)
            self.block = memoryview(program.block).cast("B").cast("q")
            self.first_argument, self.first_result = program.first_input, program.first_output

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

    def _fitted(self, owner: Any) -> Any:
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
        set_all(outputs, replay.outputs)
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


def is_leaf(structure: Structure) -> bool:
    """Whether a structure is a single leaf."""
    return repr(structure) == "*"
