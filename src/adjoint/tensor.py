"""Tensor: the handle that users hold, with its operators; importing this installs it for binding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np

from adjoint.backward import sweep
from adjoint.core.bind import bind, bind_two, fresh_slot, install, lift, make, numbers, setting, state
from adjoint.core.errors import ArgumentError, DTypeError, NoGraph, ShapeError, explain
from adjoint.core.graph import Handle, Node, leaf
from adjoint.core.site import here
from adjoint.core.types import Type, as_dtype, is_inexact
from adjoint.ops.arithmetic import ADD, DIVIDE, MULTIPLY, NEGATIVE, SUBTRACT


__all__ = ["Tensor", "asarray", "tensor"]


class Tensor(Handle):
    """An array that remembers how it was computed.

    A tensor is a name for an immutable node of the computation graph. Assigning to it
    (``x[i] = v``, ``x += y``, ``x.assign(v)``) makes the name stand for a new node; nothing that was
    computed before changes, so no gradient can go wrong through it.
    """

    __slots__ = ()
    __array_priority__ = 1000

    def __new__(cls, data: Any = None, dtype: Any = None, requires_grad: bool = False) -> Self:
        return tensor(data, dtype, requires_grad)  # type: ignore[return-value]

    # -- the tape ------------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to or through this tensor."""
        return self.node.tracked

    @requires_grad.setter
    def requires_grad(self, on: bool) -> None:
        if on and not is_inexact(self.dtype):
            raise DTypeError(f"requires_grad: {self.dtype} has no gradient; use a float dtype")
        site = self.node.site or here()
        self.node = leaf(self.value, on, site)
        self.slot = None
        if on:
            fresh_slot(self, leaf=True)

    @property
    def grad(self) -> Any:
        """The gradient that `backward` has accumulated, or None."""
        return None if self.slot is None else self.slot.grad

    @grad.setter
    def grad(self, value: Any) -> None:
        fresh_slot(self, leaf=self.node.op is None).grad = value

    def backward(
        self,
        gradient: Any = None,
        retain_graph: bool = False,
        create_graph: bool = False,
    ) -> None:
        """Add the gradient of this tensor to ``.grad`` of every leaf that it depends on.

        Args:
            gradient: the cotangent to start from, of this tensor's shape; 1 for a scalar.
            retain_graph: keep the graph's saved values, so that `backward` can run again.
            create_graph: record the backward pass itself, so that gradients can be differentiated.

        Raises:
            NoGraph: if nothing that requires a gradient leads here, or the graph was released.
            ShapeError: if this is not a scalar and no gradient is given.

        Example:
            >>> x = ad.tensor([1.0, 2.0], requires_grad=True)
            >>> (x * x).sum().backward()
            >>> x.grad
            tensor([2., 4.])
        """
        if not self.node.tracked:
            raise NoGraph(
                explain(
                    "nothing that requires a gradient leads to this tensor",
                    "backward",
                    [("self", self)],
                    here(),
                    "ad.tensor(..., requires_grad=True) for what you want gradients of, "
                    "and no ad.no_grad() or .detach() on the way.",
                )
            )
        on_tensors = create_graph or not self.known
        ct = _seed(self, gradient)
        with setting(recording=create_graph):
            found = sweep(
                [(self.node, ct if on_tensors else ct.value)],
                on_tensors=on_tensors,
                retain_graph=retain_graph or create_graph,
            )
        for node, g in found.items():
            if node.slot is None:
                continue
            g = g if on_tensors else make(np.asarray(g), leaf(g))
            before = node.slot.grad
            if before is not None:
                with setting(recording=create_graph):
                    g = before + g
            node.slot.grad = g

    def register_hook(self, fn: Callable[[Tensor], Tensor | None]) -> Callable[[], None]:
        """Call `fn` with this tensor's gradient when it is known; what it returns replaces it.

        Returns:
            A function that removes the hook.
        """
        hooks = fresh_slot(self, leaf=self.node.op is None).hooks
        hooks.append(fn)
        return lambda: hooks.remove(fn)

    def retain_grad(self) -> None:
        """Keep the gradient of this intermediate result in ``.grad`` as well."""
        fresh_slot(self, leaf=self.node.op is None)

    def detach(self) -> Tensor:
        """The same value without its history."""
        return make(self.value, leaf(self.value, False, here()))

    # -- the numbers ---------------------------------------------------------------------------

    def numpy(self) -> np.ndarray[Any, Any]:
        """The values as a read-only NumPy array that shares memory."""
        out = numbers(self, "x.numpy()").view()
        out.flags.writeable = False
        return out

    def item(self) -> Any:
        """The single value as a Python number."""
        return numbers(self, "x.item()").item()

    def tolist(self) -> Any:
        """The values as nested lists of Python numbers."""
        return numbers(self, "x.tolist()").tolist()

    def __repr__(self) -> str:
        grad = ", requires_grad=True" if self.node.tracked else ""
        if not self.known:
            return f"tensor(<{self.value}>{grad})"
        text = np.array2string(self.value, separator=", ", prefix="tensor(")
        dtype = "" if self.dtype.name in ("float32", "int64", "bool") else f", dtype={self.dtype}"
        return f"tensor({text}{dtype}{grad})"

    # -- operators -----------------------------------------------------------------------------

    def __add__(self, other: Any) -> Tensor:
        return bind_two(ADD, self, other)

    def __radd__(self, other: Any) -> Tensor:
        return bind_two(ADD, other, self)

    def __sub__(self, other: Any) -> Tensor:
        return bind_two(SUBTRACT, self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return bind_two(SUBTRACT, other, self)

    def __mul__(self, other: Any) -> Tensor:
        return bind_two(MULTIPLY, self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return bind_two(MULTIPLY, other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return bind_two(DIVIDE, self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return bind_two(DIVIDE, other, self)

    def __neg__(self) -> Tensor:
        return bind(NEGATIVE, self)


def tensor(data: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A new tensor with a copy of the data.

    Args:
        data: a scalar, nested lists, a NumPy array, anything with DLPack, or a tensor.
        dtype: dtype of the elements. By default Python floats get the default dtype (float32
            unless `set_default_dtype` changed it), Python ints int64, and arrays keep theirs.
        requires_grad: whether `backward` shall compute a gradient for it.

    Example:
        >>> ad.tensor([[1.0, 2.0], [3.0, 4.0]])
        tensor([[1., 2.],
                [3., 4.]])
    """
    out = asarray(data, dtype=dtype, copy=True)
    if out.node.tracked or not requires_grad:
        out = make(out.value, leaf(out.value, False, here()))
    if requires_grad:
        out.requires_grad = True
    return out


def asarray(data: Any, dtype: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor with this data: a tensor is returned as it is, a NumPy array is not copied."""
    if isinstance(data, Tensor):
        if not data.known:
            return data
        value = data.value
        if dtype is None and not copy:
            return data
        array = np.array(value, dtype=None if dtype is None else as_dtype(dtype))
    elif isinstance(data, np.ndarray | np.generic):
        array = np.array(data, dtype=None if dtype is None else as_dtype(dtype), copy=copy)
    else:
        array = _from_python(data, dtype)
    if array.__class__ is not np.ndarray:
        array = np.asarray(array)
    as_dtype(array.dtype)
    return make(array, leaf(array, False, here()))


def _from_python(data: Any, dtype: Any) -> Any:
    if dtype is not None:
        return np.array(data, dtype=as_dtype(dtype))
    array = np.array(data)
    if array.dtype == np.float64:
        return array.astype(as_dtype(None))
    return array


def _seed(x: Tensor, gradient: Any) -> Any:
    """The cotangent that a backward pass starts from."""
    if gradient is None:
        if x.size != 1:
            raise ShapeError(
                explain(
                    "only a scalar has a gradient without a cotangent",
                    "backward",
                    [("self", x)],
                    here(),
                    "loss.sum().backward(), or pass gradient= of the shape of the tensor.",
                )
            )
        gradient = make(np.ones(x.shape, x.dtype), leaf(x.value))
    gradient = lift(gradient)
    if gradient.shape != x.shape:
        raise ShapeError(
            explain(
                f"the gradient has shape {gradient.shape}, the tensor {x.shape}",
                "backward",
                [("self", x), ("gradient", gradient)],
                here(),
            )
        )
    return gradient


install(Tensor, asarray)
