"""onnx: a model in the operators of the ONNX standard."""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

import adjoint as ad
from adjoint.core.graph import Node
from adjoint.core.program import Graph
from adjoint.export import files, rules_map, rules_shape, rules_sum
from adjoint.export.refusal import ExportError
from adjoint.export.rules_softmax import live
from adjoint.export.sizes import BATCHES, NotFree, Sizes
from adjoint.export.writer import Step, Writer

__all__ = ["onnx"]

RULES = (rules_map, rules_shape, rules_sum)  # importing them has registered the rules


def onnx(
    model: Callable[..., Any],
    path: str | os.PathLike[str] | None,
    *example_inputs: Any,
    opset: int = 18,
    batch_axis: int | None = 0,
) -> Any:
    """Write a model, in evaluation mode, to an ONNX file; what other programs then run.

    The model is traced, so that a Python branch is taken as for these inputs. Parameters keep their
    names. The axis of the batch stays free where all operations allow it; other sizes are those of
    the examples. If the batch cannot be free, its size is that of the examples too, and a warning
    says why.

    Args:
        model: an `ad.nn.Module`, or any function of tensors.
        path: the file; an existing one is replaced. None writes none.
        example_inputs: tensors or arrays; only their shapes and dtypes matter. Those whose size
            along the axis of the batch is that of the first one have the batch.
        opset: version of the operators, from 18.
        batch_axis: the axis that stays free; None fixes all sizes.

    Returns:
        The `onnx.ModelProto` that was written.

    Raises:
        ExportError: if an operation has no counterpart in ONNX; it names the operation and the
            line. It is a `NotImplementedError`.
        MissingExtra: if the `onnx` package is not installed: ``pip install 'adjoint[onnx]'``.
        SaveError: if the file cannot be written.

    Example:
        >>> import tempfile, os
        >>> model = ad.nn.Sequential(ad.nn.Linear(4, 8), ad.nn.ReLU(), ad.nn.Linear(8, 2))
        >>> path = os.path.join(tempfile.mkdtemp(), "model.onnx")
        >>> written = ad.export.onnx(model, path, ad.zeros((1, 4)))  # doctest: +SKIP
        >>> [x.name for x in written.graph.initializer][:2]  # doctest: +SKIP
        ['0.weight', '0.bias']
    """
    if not example_inputs:
        raise ExportError(
            "export.onnx: example inputs are needed, of which shapes and dtypes count"
        )
    examples = [ad.asarray(x) for x in example_inputs]
    named = _named(model)
    with _evaluated(model), ad.no_grad():
        w = _written(model, examples, batch_axis, named)
    proto = files.build(w, opset, {"batch": "free" if w.sizes.free else "fixed"})
    if path is not None:
        files.write(proto, path)
    return proto


def _written(
    model: Callable[..., Any], examples: Sequence[Any], axis: int | None, named: dict[Node, str]
) -> Writer:
    """The model's operators, with a free batch if that can be."""
    names = _input_names(model, len(examples))
    if axis is not None:
        try:
            one, two = (ad.trace(model, *_with_batch(examples, axis, n)) for n in BATCHES)
            return _write(one, Sizes(one, two), names, named, axis)
        except (NotFree, ad.errors.AdjointError) as error:
            if isinstance(error, ExportError):
                raise
            why = str(error).splitlines()[0]
            size = examples[0].shape[axis] if examples[0].ndim > axis else "that of the example"
            warnings.warn(
                f"export.onnx: the batch is fixed, at {size}: {why}", UserWarning, stacklevel=4
            )
    graph = ad.trace(model, *examples)
    return _write(graph, Sizes(graph, None), names, named, axis)


def _write(
    graph: Graph, sizes: Sizes, names: list[str], named: dict[Node, str], axis: int | None
) -> Writer:
    w = Writer(sizes, named)
    for node, stem in zip(graph.inputs, names, strict=True):
        name = w.fresh(stem)
        w.give(node, name)
        w.body.inputs.append((name, node.dtype, w.dims(node)))
    if sizes.free and axis is not None:
        first = w.name(graph.inputs[0])
        w.batch = w.op("Shape", first, start=axis, end=axis + 1)
    w.write(graph)
    several = len(graph.outputs) > 1
    for k, node in enumerate(graph.outputs):
        name = w.fresh(f"output_{k}" if several else "output")
        w.body.steps.append(Step("Identity", [w.name(node)], [name], {}))
        w.body.outputs.append((name, node.dtype, w.dims(node)))
    needed = live(w.body)
    w.constants = {name: x for name, x in w.constants.items() if name in needed}
    return w


def _with_batch(examples: Sequence[Any], axis: int, size: int) -> list[Any]:
    """Inputs like these with another batch size."""
    first = examples[0].shape
    if len(first) <= axis:
        raise NotFree(f"the first input has no axis {axis}")
    out: list[Any] = []
    for x in examples:
        shape = list(x.shape)
        if len(shape) > axis and shape[axis] == first[axis]:
            shape[axis] = size
        out.append(ad.zeros(tuple(shape), dtype=x.dtype))
    return out


def _named(model: Any) -> dict[Node, str]:
    """The names of parameters and buffers, by node."""
    if not isinstance(model, ad.nn.Module):
        return {}
    found = [*model.named_parameters(), *model.named_buffers()]
    return {tensor.node: name for name, tensor in found}


def _input_names(model: Any, count: int) -> list[str]:
    """What the model calls its inputs."""
    try:
        f = model.forward if isinstance(model, ad.nn.Module) else model
        names = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        names = []
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    known = [p.name for p in names if p.kind in kinds][:count]
    return [*known, *(f"input_{k}" for k in range(len(known), count))]


@contextmanager
def _evaluated(model: Any) -> Generator[None]:
    """The model in evaluation mode, and then in the modes that it had."""
    modules = list(model.modules()) if isinstance(model, ad.nn.Module) else []
    modes = [module.training for module in modules]
    try:
        for module in modules:
            module.training = False
        yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode
