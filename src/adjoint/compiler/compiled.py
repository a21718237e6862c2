"""compile: a function as one native call, with the tensors that it reads and changes outside."""

from __future__ import annotations

import functools
import threading
import warnings
from collections.abc import Callable
from typing import Any, overload

import numpy as np

from adjoint.compiler.arguments import split_arguments
from adjoint.compiler.budget import budget_bytes
from adjoint.compiler.nonfinite import NonFinite
from adjoint.compiler.report import Report
from adjoint.compiler.specialisation import MISS, Specialisation
from adjoint.core.errors import ArgumentError, NonFiniteWarning
from adjoint.core.tree import flatten

__all__ = ["Compiled", "compile"]


class Compiled:
    """A function that runs as native code; `adjoint.compile` makes it.

    Attributes:
        recompilations: why each program after the first was made.
    """

    def __init__(self, f: Callable[..., Any], backend: str, memory: Any, verify: bool) -> None:
        functools.update_wrapper(self, f)
        self.f = f
        self.name: str = getattr(f, "__name__", type(f).__name__)
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
            warnings.warn(f"{self.name}: {origin}", NonFiniteWarning, stacklevel=6)

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
            program = Specialisation(self, structure, spec)
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
        pairs = zip(before[1], key[1], key[0].paths(), strict=True)
        return "; ".join(
            f"argument {path}: {new} instead of {old}" for old, new, path in pairs if old != new
        )


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
        return functools.partial(compile, backend=backend, memory=memory, verify=verify)
    return Compiled(f, backend, memory, verify)
