"""What was written as objects of the `onnx` package: the one place of the library to import it."""

# It is an extra.
# pyright: reportMissingImports=false, reportMissingTypeStubs=false

from __future__ import annotations

import os
from typing import Any

import numpy as np

import adjoint as ad
from adjoint.export.refusal import ExportError
from adjoint.export.sizes import Dims
from adjoint.export.writer import Body, Step, Writer

__all__ = ["build", "write"]


def build(w: Writer, opset: int, about: dict[str, str]) -> Any:
    """A checked `onnx.ModelProto` of what was written.

    Args:
        w: the writer.
        opset: version of the operators.
        about: facts, by name.

    Raises:
        MissingExtra: if the package is not installed.
        ExportError: if this version of it does not know the opset.
    """
    try:
        import onnx  # noqa: PLC0415  # an extra
        from onnx import helper, numpy_helper  # noqa: PLC0415
    except ImportError:
        raise ad.data.MissingExtra(
            "export.onnx needs onnx, which is not installed.\n"
            "  Try: python -m pip install 'adjoint[onnx]'"
        ) from None
    newest = onnx.defs.onnx_opset_version()
    if not 18 <= opset <= newest:
        raise ExportError(f"export.onnx: opset must be from 18 to {newest}, got {opset}")
    arrays = [numpy_helper.from_array(np.array(x), name) for name, x in w.constants.items()]
    imports = [helper.make_opsetid("", opset)]
    model = helper.make_model(
        _graph(w.body, "model", arrays),
        opset_imports=imports,
        ir_version=helper.find_min_ir_version_for(imports),
        producer_name="adjoint",
        producer_version=ad.__version__,
    )
    helper.set_model_props(model, about)
    onnx.checker.check_model(model, full_check=True)
    return model


def _graph(body: Body, name: str, arrays: Any = ()) -> Any:
    from onnx import helper  # noqa: PLC0415

    inputs, outputs = ([_value(*x) for x in side] for side in (body.inputs, body.outputs))
    return helper.make_graph([_node(s) for s in body.steps], name, inputs, outputs, list(arrays))


def _value(name: str, dtype: Any, dims: Dims | None) -> Any:
    from onnx import helper  # noqa: PLC0415

    shape = None if dims is None else [d if isinstance(d, int) else _free(d) for d in dims]
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), shape)


def _free(dim: Any) -> str:
    return "batch" if dim.factor == 1 else f"{dim.factor}*batch"


def _node(step: Step) -> Any:
    from onnx import helper  # noqa: PLC0415

    given: dict[str, Any] = {}
    for key, value in step.attributes.items():
        if isinstance(value, np.dtype):
            value = helper.np_dtype_to_tensor_dtype(value)
        elif isinstance(value, Body):
            value = _graph(value, "step")
        if value != []:
            given[key] = value
    return helper.make_node(step.kind, step.inputs, step.outputs, **given)


def write(model: Any, path: str | os.PathLike[str]) -> None:
    """Write a model to a file, whole or not at all.

    Raises:
        ExportError: if it is larger than the format allows.
        SaveError: if the file cannot be written.
    """
    size = model.ByteSize()
    if size >= 2**31:
        raise ExportError(f"export.onnx: the model has {size:,} bytes, an ONNX file up to 2 GiB")
    data = model.SerializeToString()
    ad.storage.write_atomically(path, lambda file: file.write(data))
