"""Tensor: the handle that users hold, with its operators. Importing this installs it."""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np

from adjoint.backward import accumulate
from adjoint.core.bind import (
    fresh_slot,
    install,
    lift,
    make,
    numbers,
    own,
    setting,
    state,
    touch,
)
from adjoint.core.errors import (
    ArgumentError,
    DTypeError,
    NotDifferentiable,
    ShapeError,
    explain,
)
from adjoint.core.graph import Node, leaf
from adjoint.core.site import here
from adjoint.core.types import as_dtype, default_for, dtype_kind, is_inexact
from adjoint.operators import AbstractOperators
from adjoint.ops import (
    axes,
    complex_parts,
    contract,
    cumulative,
    exponential,
    extreme,
    hyperbolic,
    index,
    power as power_ops,
    products,
    reduce,
    repeat as repeat_ops,
    rounding,
    select,
    shape as shape_ops,
    softmax as softmax_ops,
    special,
    trigonometric,
)
from adjoint.ops.dtypes import as_numpy
from adjoint.ops.families import CAST
from adjoint.ops.source import CPU, check_device
from adjoint.ops.stop import STOP

__all__ = ["Tensor", "asarray", "tensor"]

ELSEWHERE = ("cuda", "gpu", "mps", "tpu", "xpu")
"""Names of devices that people try, so that `Tensor.to` does not take them for dtypes."""
ARRAYS = (np.ndarray, np.generic)
ARRAY_API_VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12", "2025.12")


class Tensor(AbstractOperators):
    """An array that remembers how it was computed.

    A tensor is a name for an immutable node of the computation graph. Assigning to it
    (``x[i] = v``, ``x += y``, ``x.assign(v)``) makes the name stand for a new node; nothing that
    was computed before changes, so no gradient can go wrong through it. Arguments are those of
    `adjoint.tensor`.
    """

    __slots__ = ()
    __array_priority__ = 1000

    def __new__(  # noqa: D102
        cls, data: Any = None, dtype: Any = None, requires_grad: bool = False
    ) -> Any:
        out = tensor(data, dtype, requires_grad)
        if cls is Tensor:
            return out
        own = object.__new__(cls)
        own.value, own.node, own.slot = out.value, out.node, out.slot
        return own

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
        name = self.name
        self.node = leaf(self.value, on, site)
        self.slot = None
        if on or name:
            fresh_slot(self, leaf=True).name = name

    @property
    def name(self) -> str:
        """What messages and drawings call this tensor: a parameter's path, or an empty string."""
        return "" if self.slot is None else self.slot.name

    @name.setter
    def name(self, text: str) -> None:
        fresh_slot(self, leaf=self.node.op is None).name = text

    @property
    def is_leaf(self) -> bool:
        """Whether this tensor was given, not computed from others: an input or a parameter."""
        return self.node.op is None

    @property
    def grad(self) -> Any:
        """The gradient that `backward` has accumulated, or None."""
        slot = self.slot
        if slot is None:
            return None
        return slot.grad if state.capture is None else state.capture.read_gradient(slot, make)

    @grad.setter
    def grad(self, value: Any) -> None:
        slot = fresh_slot(self, leaf=self.node.op is None)
        if state.capture is not None:
            state.capture.write_gradient(slot)
        slot.grad = value

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
        accumulate(self, gradient, retain_graph, create_graph)

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
        touch(self)
        if not self.known:  # staged: the value must stay connected to what it is computed from
            with setting(recording=False):
                return STOP(self)
        return make(self.value, leaf(self.value, False, here()))

    # -- the numbers ---------------------------------------------------------------------------

    def numpy(self) -> np.ndarray[Any, Any]:
        """The values as a read-only NumPy array that shares memory."""
        out = numbers(self, "x.numpy()").view()
        out.setflags(write=False)
        return out

    @property
    def device(self) -> str:
        """Where the values are: ``"cpu"``."""
        return CPU

    def to_device(self, device: Any, /, *, stream: Any = None) -> Tensor:
        """This tensor on a device; ``"cpu"`` is the one there is."""
        check_device(device)
        if stream is not None:
            raise ArgumentError("to_device: stream must be None, the CPU has no streams")
        return self

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        if api_version not in (None, *ARRAY_API_VERSIONS):
            known = ", ".join(ARRAY_API_VERSIONS)
            raise ArgumentError(f"Array API version {api_version!r} is not one of {known}")
        return sys.modules["adjoint"]

    numpy_protocol: ClassVar[staticmethod[[], Any]]
    """Where NumPy's protocols are answered: a floor above, so the package says it, late."""

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return Tensor.numpy_protocol().array_ufunc(self, ufunc, method, *inputs, **kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return Tensor.numpy_protocol().array_function(self, func, types, args, kwargs)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if self.node.tracked:
            raise NotDifferentiable(
                explain(
                    "a NumPy array cannot hold a recorded value",
                    "np.asarray",
                    [("x", self)],
                    here(),
                    "x.detach(), or a function of NumPy or Adjoint that records.",
                )
            )
        value = numbers(self, "np.asarray(x)")
        return np.array(value, dtype=dtype, copy=True if copy is None else copy)

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: Any = None,
        dl_device: Any = None,
        copy: bool | None = None,
    ) -> Any:
        if self.node.tracked:
            raise NotDifferentiable(
                explain(
                    "another library cannot hold a recorded value",
                    "__dlpack__",
                    [("x", self)],
                    here(),
                    "x.detach()",
                )
            )
        # a copy: what another library does with the memory must not reach the graph
        owned = np.array(numbers(self, "x.__dlpack__()"))
        return owned.__dlpack__(stream=stream, max_version=max_version, dl_device=dl_device)

    def __dlpack_device__(self) -> tuple[int, int]:
        return numbers(self, "x.__dlpack_device__()").__dlpack_device__()

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

    # -- methods: the functions themselves -----------------------------------------------------

    sum, prod, mean, var, std = reduce.sum, reduce.prod, reduce.mean, reduce.var, reduce.std
    max, min, any, all = extreme.max, extreme.min, reduce.any, reduce.all
    argmax, argmin = extreme.argmax, extreme.argmin
    cumsum, cumprod = cumulative.cumsum, cumulative.cumprod
    softmax, log_softmax = softmax_ops.softmax, softmax_ops.log_softmax
    flatten, ravel = shape_ops.flatten, shape_ops.ravel
    squeeze, unsqueeze, swapaxes = axes.squeeze, axes.expand_dims, axes.swapaxes
    broadcast_to, expand = shape_ops.broadcast_to, shape_ops.broadcast_to
    repeat, tile = repeat_ops.repeat, repeat_ops.tile
    matmul, dot = contract.matmul, products.dot
    pow, sqrt = power_ops.power, power_ops.sqrt
    exp, log, tanh = exponential.exp, exponential.log, hyperbolic.tanh
    sin, cos = trigonometric.sin, trigonometric.cos
    relu, sigmoid = select.relu, special.sigmoid
    abs, conj, clip, round = complex_parts.abs, complex_parts.conj, select.clip, rounding.round

    def reshape(self, *shape: Any) -> Tensor:
        """The same elements in another shape: ``x.reshape(2, 3)`` or ``x.reshape((2, 3))``."""
        return shape_ops.reshape(self, shape[0] if len(shape) == 1 else shape)

    view = reshape

    def permute(self, *order: Any) -> Tensor:
        """The axes in another order: ``x.permute(1, 0)`` or ``x.permute((1, 0))``."""
        return shape_ops.permute_dims(self, order[0] if len(order) == 1 else order)

    def transpose(self, *order: Any) -> Tensor:
        """The axes reversed, or in another order, as NumPy's method: ``x.transpose(1, 0)``."""
        return axes.transpose(self, (order[0] if len(order) == 1 else order) or None)

    def copy(self) -> Tensor:
        """Another name for the same value; assigning to one leaves the other alone."""
        touch(self)
        return make(self.value, self.node)

    clone = copy

    def __deepcopy__(self, memo: Any) -> Tensor:
        """A leaf of its own with a copy of the values, which wants a gradient if this one does."""
        cls: Any = type(self)
        data = np.array(numbers(self, "copy.deepcopy(x)"))
        out = cls(data, requires_grad=self.requires_grad)
        if self.name:
            out.name = self.name
        return out

    @property
    def real(self) -> Tensor:
        """Real part."""
        return complex_parts.real(self)

    @property
    def imag(self) -> Tensor:
        """Imaginary part; zeros for real tensors."""
        return complex_parts.imag(self)

    @property
    def T(self) -> Tensor:
        """The matrix transposed; for other ranks all axes reversed."""
        return axes.transpose(self)

    @property
    def mT(self) -> Tensor:
        """Each matrix transposed: the last two axes swapped."""
        return axes.matrix_transpose(self)

    def to(self, target: Any) -> Tensor:
        """This tensor in another dtype, or on a device (``"cpu"`` is the one there is)."""
        if isinstance(target, str) and target.partition(":")[0] in (CPU, *ELSEWHERE):
            return self.to_device(target)
        return self.astype(target)

    def astype(self, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Tensor:
        """The same values in another dtype."""
        return CAST[as_dtype(dtype)](self)

    # -- assignment: the handle is bound to a new node; nothing that was computed changes ---------

    def assign(self, value: Any) -> Tensor:
        """Give this tensor another value of the same shape: its name now stands for a new node.

        Where a leaf that wants a gradient is assigned to without recording (under `no_grad`), it
        stays such a leaf; that is how optimizers update parameters.

        Raises:
            ShapeError: if the value does not broadcast to the shape.
        """
        # a Python float is not rounded to the default dtype on its way
        new = tensor(value, self.dtype) if value.__class__ is float else lift(value)
        if new.shape != self.shape:
            new = shape_ops.broadcast_to(new, self.shape)
        if new.dtype != self.dtype:
            new = CAST[self.dtype](new)
        return self._rebind(new)

    def _rebind(self, new: Any) -> Tensor:
        """Bind this handle to the node of another. The slot stays: it belongs to the tensor."""
        slot = self.slot
        if state.capture is not None:
            state.capture.write(self)
        self.value = new.value
        if slot is not None and slot.leaf and not new.node.tracked:
            self.node = _fresh_leaf(new, self.node.tracked)
            self.node.slot = slot
        else:
            self.node = new.node
        return self

    def __iadd__(self, other: Any) -> Tensor:
        return self._rebind(_same_type(self, self + other, "+="))

    def __isub__(self, other: Any) -> Tensor:
        return self._rebind(_same_type(self, self - other, "-="))

    def __imul__(self, other: Any) -> Tensor:
        return self._rebind(_same_type(self, self * other, "*="))

    def __itruediv__(self, other: Any) -> Tensor:
        return self._rebind(_same_type(self, self / other, "/="))

    def __ifloordiv__(self, other: Any) -> Tensor:
        return self._rebind(_same_type(self, self // other, "//="))

    def __imod__(self, other: Any) -> Tensor:
        return self._rebind(_same_type(self, self % other, "%="))

    def __ipow__(self, other: Any) -> Tensor:
        return self._rebind(_same_type(self, self**other, "**="))

    def __imatmul__(self, other: Any) -> Tensor:
        return self._rebind(_same_type(self, self @ other, "@="))

    def __iand__(self, other: Any) -> Tensor:
        return self._rebind(_same_type(self, self & other, "&="))

    def __ior__(self, other: Any) -> Tensor:
        return self._rebind(_same_type(self, self | other, "|="))

    def __ixor__(self, other: Any) -> Tensor:
        return self._rebind(_same_type(self, self ^ other, "^="))

    def __ilshift__(self, other: Any) -> Tensor:
        return self._rebind(_same_type(self, self << other, "<<="))

    def __irshift__(self, other: Any) -> Tensor:
        return self._rebind(_same_type(self, self >> other, ">>="))

    def __getitem__(self, key: Any) -> Tensor:
        return index.getitem(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._rebind(index.setitem(self, key, value))

    def __len__(self) -> int:
        if not self.ndim:
            raise ArgumentError("len: a tensor of rank 0 has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if not self.ndim:
            raise ArgumentError("iteration over a tensor of rank 0")
        return (self[i] for i in range(self.shape[0]))

    def __contains__(self, item: Any) -> bool:
        return bool((self == item).any())

    # -- numbers out -----------------------------------------------------------------------------

    def __bool__(self) -> bool:
        return bool(self._scalar("bool(x), or Python's if, while, and, or, not"))

    def __float__(self) -> float:
        return float(self._scalar("float(x)"))

    def __int__(self) -> int:
        return int(self._scalar("int(x)"))

    def __complex__(self) -> complex:
        return complex(self._scalar("complex(x)"))

    def __index__(self) -> int:
        return operator.index(self._scalar("using x as an index"))

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    def _scalar(self, asked: str) -> Any:
        value = numbers(self, asked)
        if value.size != 1:
            raise ArgumentError(
                explain(
                    f"a tensor of {value.size} elements is not one number",
                    asked,
                    [("x", self)],
                    here(),
                    "x.any(), x.all(), or x.tolist()." if "bool" in asked else "",
                )
            )
        return value.reshape(())[()]


def _same_type(x: Tensor, new: Any, how: str) -> Any:
    """The result of an in-place operator, which keeps shape and dtype."""
    if new.shape != x.shape:
        raise ShapeError(
            explain(
                f"the result has shape {new.shape}, the tensor {x.shape}",
                how,
                [("x", x)],
                here(),
                f"x = x {how[:-1]} y",
            )
        )
    if new.dtype != x.dtype:
        if dtype_kind(new.dtype) > dtype_kind(x.dtype):
            raise DTypeError(
                explain(
                    f"the result is {new.dtype}, the tensor {x.dtype}",
                    how,
                    [("x", x)],
                    here(),
                    f"x = x {how[:-1]} y",
                )
            )
        new = CAST[x.dtype](new)
    return new


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
    if isinstance(data, Tensor):
        out = asarray(data, dtype=dtype, copy=True)
        if out.node.tracked:
            out = out.detach()
        if requires_grad:
            out.requires_grad = True
        return out
    out = own(_array(data, dtype, True), requires_grad)
    if requires_grad:
        if not is_inexact(out.value.dtype):
            raise DTypeError(f"requires_grad: {out.dtype} has no gradient; use a float dtype")
        fresh_slot(out, leaf=True)
    return out


def asarray(
    obj: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None
) -> Tensor:
    """A tensor with this data: a tensor is returned as it is, a NumPy array is not copied.

    Args:
        obj: a scalar, nested lists, a NumPy array, anything with ``__array__``, DLPack or the
            buffer protocol, or a tensor.
        dtype: dtype of the elements; see `tensor`.
        device: ``"cpu"``.
        copy: True to copy always, False to refuse where a copy is needed. Without a copy the
            memory is shared: do not change the array while a graph needs it.

    Example:
        >>> ad.asarray(np.array([1, 2]))
        tensor([1, 2])

    **Gradient:** flows through tensors that are converted to another dtype.
    """
    check_device(device)
    data = obj
    if isinstance(data, Tensor):
        to = data.dtype if dtype is None else as_dtype(dtype)
        if to != data.dtype:
            if copy is False:
                raise ArgumentError(f"asarray: {data.dtype} to {to} needs a copy, and copy=False")
            return CAST[to](data)
        return data if not copy else data.copy()
    return own(_array(data, dtype, copy))


def _array(data: Any, dtype: Any, copy: bool | None) -> Any:
    """The array that a tensor of this data holds."""
    if data.__class__ is not np.ndarray:
        data = as_numpy(data, copy)
    if isinstance(data, ARRAYS):
        array = np.array(data, dtype=None if dtype is None else as_dtype(dtype), copy=copy)
    else:
        array = _from_python(data, dtype)
    as_dtype(array.dtype)
    return array


def _from_python(data: Any, dtype: Any) -> Any:
    if dtype is not None:
        return np.array(data, dtype=as_dtype(dtype))
    array = np.array(data)
    if array.dtype.kind in "fc":
        return array.astype(default_for(dtype_kind(array.dtype)))
    return array


def _enter(x: Any) -> Tensor:
    """What stands beside a tensor in an operation, as a tensor: arrays are copied."""
    return asarray(x, copy=True)


install(Tensor, _enter)


def _fresh_leaf(x: Any, tracked: bool) -> Any:
    """The node of a leaf that has been given the value of `x`: gradients end here."""
    planned = state.capture  # in a plan, what comes before the backward pass is a first value
    if x.known or (planned is not None and planned.imagines and not planned.sweeps):
        return leaf(x.value, tracked, here())
    node = Node(STOP, (x.node,), (x.value, x.value), 0, x.shape, x.dtype, *here())
    node.tracked = tracked
    return node
