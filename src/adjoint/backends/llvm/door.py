"""The door through which LLVM comes in, late: programs that do not compile never load it."""

# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import ctypes
import functools
from typing import Any


@functools.cache
def llvm() -> Any:
    """llvmlite's binding to LLVM, made ready for the processor at hand."""
    from llvmlite import binding  # noqa: PLC0415  # tens of milliseconds, and optional

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    return binding


@functools.cache
def available() -> str:
    """An empty string if machine code can be made here, else the sentence that says why not."""
    try:
        llvm().check_jit_execution()
    except ImportError as error:
        return f"llvmlite is not installed ({error}): `pip install llvmlite` brings it"
    except (OSError, RuntimeError) as error:
        return f"llvmlite does not work here: {error}"
    return ""


@functools.cache
def version() -> str:
    """Versions of llvmlite and of its LLVM."""
    import llvmlite  # noqa: PLC0415  # as above

    return f"llvmlite {llvmlite.__version__}, LLVM {llvm().llvm_version_info}"


def optimise(passes: Any, module: Any, builder: Any) -> None:
    """Runs passes over a module, while other threads may do the same with theirs."""
    _unlocked()[0](passes, module, builder)


def emit(target: Any, module: Any) -> bytes:
    """Object code of a module, made while other threads may make theirs.

    Raises:
        RuntimeError: if LLVM cannot.
    """
    ffi = _ffi()
    with ffi.OutputString() as message:
        buffer = _unlocked()[1](target, module, 1, message)
        if not buffer:
            raise RuntimeError(str(message))
    try:
        size = ffi.lib.LLVMPY_GetBufferSize(buffer)
        return ctypes.string_at(ffi.lib.LLVMPY_GetBufferStart(buffer), size)
    finally:
        ffi.lib.LLVMPY_DisposeMemoryBuffer(buffer)


def _ffi() -> Any:
    llvm()
    from llvmlite.binding import ffi  # noqa: PLC0415  # as above

    return ffi


@functools.cache
def _unlocked() -> tuple[Any, Any]:
    """The two functions that take long, without the lock that llvmlite puts around each call.

    LLVM itself asks only that two threads do not work in one context, and every module here has its
    own.
    """
    ffi = _ffi()
    library: Any = ctypes.CDLL(ffi.lib._name, handle=ffi.lib._handle)
    optimise, emit = (
        library.LLVMPY_RunNewModulePassManager,
        library.LLVMPY_TargetMachineEmitToMemory,
    )
    optimise.argtypes = ffi.lib.LLVMPY_RunNewModulePassManager.argtypes
    optimise.restype = None
    emit.argtypes = ffi.lib.LLVMPY_TargetMachineEmitToMemory.argtypes
    emit.restype = ffi.lib.LLVMPY_TargetMachineEmitToMemory.restype
    return optimise, emit
