"""Hypothesis strategies: shapes, dtypes, axes, arrays in all layouts, and small programs."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import adjoint as ad
from adjoint.core.types import as_dtype

FLOATS = ("float16", "bfloat16", "float32", "float64")
REALS = ("float32", "float64")
COMPLEX = ("complex64", "complex128")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
LAYOUTS = ("plain", "reversed", "strided", "transposed", "broadcast", "read-only")


def dtypes(names: tuple[str, ...] = ("bool", *INTEGERS, *FLOATS, *COMPLEX)) -> Any:
    """Any dtype that the library computes with."""
    return st.sampled_from([as_dtype(n) for n in names])


def shapes(max_dims: int = 4, max_side: int = 4, min_side: int = 0) -> Any:
    """Shapes, also 0-d and with empty axes."""
    return hnp.array_shapes(min_dims=0, max_dims=max_dims, min_side=min_side, max_side=max_side)


def broadcastable(n: int = 3, min_side: int = 0) -> Any:
    """Tuples of shapes that broadcast together."""
    return hnp.mutually_broadcastable_shapes(
        num_shapes=n, max_dims=3, min_side=min_side, max_side=4
    ).map(lambda found: found.input_shapes)


def contractible(signature: str = "(m,n),(n,p)->(m,p)") -> Any:
    """Shapes of the operands of a contraction, with broadcast batch axes."""
    return hnp.mutually_broadcastable_shapes(
        signature=signature, max_dims=2, min_side=1, max_side=4
    ).map(lambda found: found.input_shapes)


def axes_of(ndim: int) -> Any:
    """Some axes of a value, negative or not, or None for all."""
    some = st.sets(st.integers(0, ndim - 1)) if ndim else st.just(set[int]())
    signed = st.tuples(some, st.booleans()).map(
        lambda t: tuple(a - ndim if t[1] else a for a in sorted(t[0]))
    )
    return st.one_of(st.none(), signed)


def numbers(dtype: Any, low: float = -3.0, high: float = 3.0) -> Any:
    """Elements of this dtype that are well inside of the range where nothing overflows."""
    dtype = as_dtype(dtype)
    if dtype.kind == "b":
        return st.booleans()
    if dtype.kind in "iu":
        return st.integers(0 if dtype.kind == "u" else int(low), int(high))
    part = st.floats(low, high, allow_nan=False, width=16)
    if dtype.kind == "c":
        return st.builds(complex, part, part)
    return part


@st.composite
def arrays(
    draw: Any, dtype: Any = "float64", shape: Any = None, low: float = -3.0, high: float = 3.0
) -> Any:
    """Arrays in every memory layout that NumPy can hand over."""
    found = draw(shapes()) if shape is None else shape
    dtype = as_dtype(dtype)
    size = int(np.prod(found, dtype=int))
    elements = numbers(dtype, low, high)
    flat = draw(st.lists(elements, min_size=size, max_size=size))
    plain = np.array(flat, dtype=dtype).reshape(found)
    return in_layout(plain, draw(st.sampled_from(LAYOUTS)))


def in_layout(x: Any, layout: str) -> Any:
    """An array of the same shape in another layout of memory; `broadcast` changes its values."""
    if layout == "reversed":
        return np.flip(np.flip(x).copy())
    if layout == "strided":
        wide = np.zeros(tuple(2 * n for n in x.shape), x.dtype)
        wide[tuple(slice(None, None, 2) for _ in x.shape)] = x
        return wide[tuple(slice(None, None, 2) for _ in x.shape)]
    if layout == "transposed":
        return x.T.copy().T
    if layout == "broadcast" and x.ndim and x.size:
        return np.broadcast_to(x[:1], x.shape)
    if layout == "read-only":
        x = x.copy()
        x.flags.writeable = False
    return x


# -- random programs: straight lines of operations on 3 by 3 matrices, smooth everywhere -----------

SIDE = 3


def _operations() -> dict[str, tuple[int, Any]]:
    """Name -> number of operands and function; each takes and gives 3 by 3 matrices."""
    return {
        "add": (2, lambda x, y: x + y),
        "subtract": (2, lambda x, y: x - y),
        "multiply": (2, lambda x, y: x * y),
        "divide": (2, lambda x, y: x / (y * y + 1.0)),
        "matmul": (2, lambda x, y: x @ y),
        "select": (3, lambda x, y, z: ad.where(ad.tensor(np.eye(SIDE, dtype=bool)), x + z, y)),
        "join": (2, lambda x, y: ad.concat([x[:1], y[1:]])),
        "sin": (1, ad.sin),
        "tanh": (1, ad.tanh),
        "exp": (1, lambda x: ad.exp(-x * x)),
        "root": (1, lambda x: ad.sqrt(x * x + 1.0)),
        "transpose": (1, lambda x: x.T),
        "reverse": (1, lambda x: x[::-1]),
        "rows": (1, lambda x: ad.broadcast_to(ad.sum(x, axis=1, keepdims=True), x.shape)),
        "running": (1, lambda x: ad.cumulative_sum(x, axis=0)),
        "shape": (1, lambda x: ad.reshape(ad.reshape(x, (SIDE * SIDE,)), x.shape)),
        "scale": (1, lambda x: 0.5 * x - 1.0),
    }


@dataclass(frozen=True)
class Program:
    """A function of two matrices: each step applies an operation to earlier values."""

    steps: tuple[tuple[str, tuple[int, ...]], ...]

    def __call__(self, x: Any, y: Any) -> Any:
        values = [x, y]
        table = _operations()
        for name, at in self.steps:
            values.append(table[name][1](*[values[i] for i in at]))
        return values[-1]

    def __str__(self) -> str:
        lines = (
            f"v{i} = {name}({', '.join(f'v{a}' for a in at)})"
            for i, (name, at) in enumerate(self.steps, 2)
        )
        return "; ".join(lines)


@st.composite
def programs(draw: Any, max_steps: int = 6) -> Program:
    """Random programs; a step mostly uses what was computed last, so that little is dead."""
    table = _operations()
    steps: list[tuple[str, tuple[int, ...]]] = []
    for i in range(draw(st.integers(1, max_steps))):
        name = draw(st.sampled_from(sorted(table)))
        n = table[name][0]
        others = draw(st.lists(st.integers(0, i + 1), min_size=n - 1, max_size=n - 1))
        steps.append((name, (i + 1, *others)))
    return Program(tuple(steps))
