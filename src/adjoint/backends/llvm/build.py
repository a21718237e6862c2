"""From LLVM's text to addresses that can be called: optimised, made into an object, linked here.

Objects come from the cache if they were made before. Functions that a module only declares are
found among those that were announced with `external`.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import itertools
import re
import sys
import threading
from collections.abc import Callable, Generator
from typing import Any

from adjoint.backends.llvm import cache, door, processor
from adjoint.core.errors import AdjointError

# Part of the key of every cached object: to be raised with any change in how it is made.
PIPELINE = "1"

# For each effort the level of the passes, and that of the code generator.
_LEVELS = {0: (0, 0), 1: (0, 2), 2: (2, 1), 3: (3, 3)}

_DEFINED = re.compile(r'^\s*define\s+(?!internal\b|private\b)[^@]*@"?([\w.$-]+)"?', re.MULTILINE)
_DECLARED = re.compile(r'^\s*declare\s[^@]*@"?(?!llvm\.)([\w.$-]+)"?', re.MULTILINE)

_lock = threading.RLock()
_externals: dict[str, int | Callable[[], int]] = {}
_numbers = itertools.count()


class LoweringError(AdjointError, RuntimeError):
    """Machine code could not be made of a program.

    Attributes:
        text: LLVM's text of the module that failed, or an empty string.
    """

    def __init__(self, message: str, text: str = "") -> None:
        super().__init__(message)
        self.text = text


class Library:
    """Machine code in memory. It stays there as long as this object does.

    Attributes:
        names: the functions that can be called.
        cached: whether all of it was in the cache.
    """

    def __init__(self, tracker: Any, names: frozenset[str]) -> None:
        self._tracker = tracker
        self.names = names
        self.cached = False

    def address(self, symbol: str) -> int:
        """Where the function called `symbol` begins.

        Raises:
            LoweringError: if the module defines no such function.
        """
        if symbol not in self.names:
            raise LoweringError(f"no function {symbol!r}; there are {sorted(self.names)}")
        return self._tracker[symbol]

    def function(self, symbol: str, result: Any, *arguments: Any) -> Any:
        """The function called `symbol`, as ctypes calls it: without the interpreter's lock."""
        call: Any = ctypes.CFUNCTYPE(result, *arguments)(self.address(symbol))
        call.library = self  # the code must outlive the function
        return call


def external(name: str, address: int | Callable[[], int]) -> None:
    """Says where a function lies that modules declare and do not define.

    Args:
        name: as the modules declare it.
        address: of the function, or what finds it when a module first asks.
    """
    with _lock:
        _externals[name] = address


def attributes() -> str:
    """What every function that loops over numbers should have behind its parameters."""
    return f'nounwind "prefer-vector-width"="{processor.vector_bytes() * 8}"'


def library(text: str, *more: str, effort: int = 3) -> Library:
    """Machine code of a module, from the cache if it was made before.

    Args:
        text: LLVM's text of the module, without a target. Functions that it declares are those of
            `external`, or of the other modules.
        more: modules that are linked together with the first. Each is cached by itself, and all
            that are missing are compiled at the same time, on as many threads as programs run on.
        effort: 3 for short loops, which are unrolled; 2 for long ones; 1 for code that is written
            as it shall run, in a quarter of the time; 0 for code that only calls others.

    Raises:
        LoweringError: with the text attached, if LLVM refuses it or something declared is unknown.
    """
    texts = [text, *more]
    names = [_key(t, effort) for t in texts]
    codes = [cache.load(name) for name in names]
    absent = [i for i, code in enumerate(codes) if code is None]
    for i, code in zip(absent, _all_compiled([texts[i] for i in absent], effort), strict=True):
        cache.store(names[i], code)
        codes[i] = code
    linked = _linked([code for code in codes if code is not None], texts)
    linked.cached = not absent
    return linked


def compiled(text: str, effort: int = 3) -> bytes:
    """Object code of one module, made now.

    Raises:
        LoweringError: with the text attached.
    """
    with _optimised(text, effort) as (target, module):
        try:
            return door.emit(target, module)
        except RuntimeError as error:
            raise LoweringError(f"LLVM makes no code of this module: {error}", text) from None


def assembly(text: str) -> str:
    """The listing of one module, for people."""
    with _optimised(text, 3) as (target, module):
        return target.emit_assembly(module)


def _key(text: str, effort: int) -> str:
    of_processor = (processor.triple(), processor.name(), processor.features())
    return cache.key(text, *of_processor, door.version(), PIPELINE, str(effort))


def _all_compiled(texts: list[str], effort: int) -> list[bytes]:
    at_once = min(len(texts), processor.threads())
    if at_once < 2:
        return [compiled(text, effort) for text in texts]
    # milliseconds to import, which a program from the cache does not have to spend
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    with ThreadPoolExecutor(at_once, thread_name_prefix="adjoint-compile") as pool:
        return list(pool.map(compiled, texts, itertools.repeat(effort)))


def _target(effort: int) -> Any:
    family = door.llvm().Target.from_triple(processor.triple())
    return family.create_target_machine(
        cpu=processor.name(),
        features=processor.features(),
        opt=_LEVELS[effort][1],
        reloc="pic",
        codemodel="small",
    )


@contextlib.contextmanager
def _optimised(text: str, effort: int) -> Generator[tuple[Any, Any]]:
    """A module that went through LLVM's passes, and the target that it is for."""
    llvm = door.llvm()
    level = _LEVELS[effort][0]
    # Each object is closed before the one that it lies in: the garbage collector would not do so.
    # A context for every module is what lets two threads compile at once.
    with (
        _target(effort) as target,
        llvm.create_context() as context,
        contextlib.ExitStack() as open_,
    ):
        try:
            module = open_.enter_context(llvm.parse_assembly(text, context))
            module.triple = processor.triple()
            module.verify()
        except RuntimeError as error:
            raise LoweringError(f"LLVM does not take this module: {error}", text) from None
        tuning = open_.enter_context(llvm.create_pipeline_tuning_options(speed_level=level))
        tuning.loop_vectorization = level > 1
        # in long loops neither has a measurable effect, and together they take most of the time
        tuning.slp_vectorization = tuning.loop_unrolling = level > 2
        builder = open_.enter_context(llvm.create_pass_builder(target, tuning))
        passes = open_.enter_context(builder.getModulePassManager())
        door.optimise(passes, module, builder)
        yield target, module


def _linked(codes: list[bytes], texts: list[str]) -> Library:
    names = frozenset(name for text in texts for name in _DEFINED.findall(text))
    declared = {name for text in texts for name in _DECLARED.findall(text)} - names
    with _lock:
        builder = door.llvm().JITLibraryBuilder()
        for code in codes:
            builder.add_object_img(code)
        for name in names:
            builder.export_symbol(name)
        for name, address in {**_memory_functions(), **_addresses(declared, texts)}.items():
            builder.import_symbol(name, address)
        try:
            tracker = builder.link(_linker(), f"adjoint{next(_numbers)}")
        except RuntimeError as error:
            message = f"LLVM could not link this module: {error}"
            raise LoweringError(message, "\n".join(texts)) from None
    return Library(tracker, names)


def _addresses(declared: set[str], texts: list[str]) -> dict[str, int]:
    unknown = sorted(declared - _externals.keys() - _memory_functions().keys())
    if unknown:
        raise LoweringError(f"nobody said where {', '.join(unknown)} is", "\n".join(texts))
    found: dict[str, int] = {}
    for name in sorted(declared & _externals.keys()):
        address = _externals[name]
        found[name] = _externals[name] = address if isinstance(address, int) else address()
    return found


@functools.cache
def _linker() -> Any:
    linker = door.llvm().create_lljit_compiler(_target(3))
    # A thread may still be in machine code when the interpreter ends: leave it where it is.
    atexit.register(linker.detach)
    return linker


@functools.cache
def _memory_functions() -> dict[str, int]:
    """What LLVM calls of its own accord, for loops that copy or clear, and for remainders."""
    process: Any = ctypes.cdll.msvcrt if sys.platform == "win32" else ctypes.CDLL(None)
    found: dict[str, int] = {}
    for name in ("memcpy", "memmove", "memset", "memcmp", "bcmp", "fmod", "fmodf"):
        function = getattr(process, name, None)
        if function is not None:
            found[name] = ctypes.cast(function, ctypes.c_void_p).value or 0
    return found
