"""Loops over arrays around scalar bodies, compiled for this processor: what the tests run."""

from __future__ import annotations

import ctypes
import functools
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir

from adjoint.backends.llvm import scalars

I64 = ir.IntType(64)


def machine() -> Any:
    """A new one each time, for an engine owns and frees the one that it is given."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=3,
    )


def new_module() -> Any:
    module: Any = ir.Module("loops")
    module.triple = llvm.get_default_triple()
    return module


def add_loop(module: Any, symbol: str, kinds: Any, result: Any, body: Any) -> None:
    """A function with a loop: ``out[i] = body(builder, [x[i], ...])``."""
    symbol = f"loop_{symbol}"  # the C library has an `exp`, too
    pointers = [kind.as_pointer() for kind in (*kinds, result)]
    function: Any = ir.Function(module, ir.FunctionType(ir.VoidType(), [*pointers, I64]), symbol)
    for argument in function.args[:-1]:
        argument.add_attribute("noalias")
    entry, head, done = (function.append_basic_block(n) for n in ("entry", "head", "done"))
    n = function.args[-1]
    b: Any = ir.IRBuilder(entry)
    b.cbranch(b.icmp_signed(">", n, I64(0)), head, done)
    b.position_at_end(head)
    i = b.phi(I64)
    out = body(b, [b.load(b.gep(p, [i])) for p in function.args[:-2]])
    b.store(out, b.gep(function.args[-2], [i]))
    following = b.add(i, I64(1))
    i.add_incoming(I64(0), entry)
    i.add_incoming(following, head)
    b.cbranch(b.icmp_signed("<", following, n), head, done)
    b.position_at_end(done)
    b.ret_void()


def optimised(module: Any, level: int) -> Any:
    parsed = llvm.parse_assembly(str(module))
    parsed.verify()
    tuning = llvm.create_pipeline_tuning_options(speed_level=level)
    tuning.loop_vectorization = level > 1
    tuning.slp_vectorization = level > 1
    builder = llvm.create_pass_builder(machine(), tuning)
    builder.getModulePassManager().run(parsed, builder)
    return parsed


class Library:
    """The loops of one module."""

    def __init__(self, module: Any, level: int = 3) -> None:
        parsed = optimised(module, level)
        self.assembly = machine().emit_assembly(parsed)
        self._engine = llvm.create_mcjit_compiler(parsed, machine())
        self._engine.finalize_object()

    def listing(self, symbol: str) -> str:
        """The instructions of one loop."""
        return self.assembly.partition(f"\nloop_{symbol}:")[2].partition(".cfi_endproc")[0]

    def run(self, symbol: str, result: Any, *xs: Any) -> Any:
        """The loop over these arrays, which are broadcast."""
        xs = tuple(np.ascontiguousarray(x) for x in np.broadcast_arrays(*xs))
        out = np.empty(xs[0].shape, result)
        pointers = [ctypes.c_void_p(x.ctypes.data) for x in (*xs, out)]
        kinds = [ctypes.c_void_p] * len(pointers)
        address = self._engine.get_function_address(f"loop_{symbol}")
        ctypes.CFUNCTYPE(None, *kinds, ctypes.c_int64)(address)(*pointers, out.size)
        return out


@functools.cache
def bodies(dtype: Any, arities: tuple[tuple[str, int], ...], level: int = 3) -> Library:
    """One loop for each of these bodies, named as they are, of operands of one dtype."""
    module = new_module()
    for name, count in arities:
        kinds = [scalars.storage_type(dtype)] * count
        if name == "select":
            kinds[0] = scalars.storage_type(np.dtype(np.bool_))
        result = scalars.storage_type(scalars.result_dtype(name, dtype))
        add_loop(module, name, kinds, result, functools.partial(_body, name, dtype))
    return Library(module, level)


def _body(name: str, dtype: Any, b: Any, xs: Any) -> Any:
    return scalars.emit(b, name, dtype, xs)


@functools.cache
def casts(from_dtype: Any, to_dtypes: tuple[Any, ...]) -> Library:
    """One loop for each conversion from a dtype, named after the other one."""
    module = new_module()
    for dtype in to_dtypes:
        kinds = [scalars.storage_type(from_dtype)]
        body = functools.partial(_cast, from_dtype, dtype)
        add_loop(module, dtype.name, kinds, scalars.storage_type(dtype), body)
    return Library(module, level=1)


def _cast(from_dtype: Any, to_dtype: Any, b: Any, xs: Any) -> Any:
    return scalars.emit_cast(b, xs[0], from_dtype, to_dtype)


def machine_features() -> set[str]:
    """What this processor has."""
    return {name for name, has in llvm.get_host_cpu_features().items() if has}
