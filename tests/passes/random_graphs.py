"""Random graphs with odd numbers in them, and what it takes to compare two graphs to the bit."""

from typing import Any

import numpy as np

from adjoint.core.bind import lift, staged_leaf
from adjoint.core.primitive import registry
from adjoint.core.program import Graph, evaluate, extract
from adjoint.core.types import Type
from adjoint.ops.families import CAST, SCALE
from adjoint.ops.join import Concat
from adjoint.ops.select import WHERE
from adjoint.ops.shape import Expand, Permute, Reshape
from adjoint.ops.slice import Pad, Slice
from adjoint.ops.stop import STOP
from adjoint.transforms.leaves import ALIAS

ODD = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 0.5, 3.0, 1e-40, -7.25, 1e30])
NUMBERS = (0.0, -0.0, 1.0, -1.0, 2.0, 0.5, -4.0, 0.1, float("inf"), 1, 0, 3, True)
UNARY = "Negative Positive Abs Square Exp Relu Sign Floor Sqrt Tanh".split()
BINARY = "Add Subtract Multiply Divide Maximum Minimum Fmax Less Equal NotEqual".split()
REDUCTIONS = "Sum Max Min Prod".split()
SHAPES: tuple[tuple[int, ...], ...] = (
    (),
    (3,),
    (2, 3),
    (1, 3),
    (2, 1),
    (2, 1, 3),
    (1, 1),
    (2, 2, 3),
)
FLOAT, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)


def odd_array(rng: Any, t: Type) -> Any:
    """Numbers among which NaN, infinities and both zeros are frequent."""
    if t.dtype.kind in "bi":
        return (rng.random(t.shape) < 0.5).astype(t.dtype)
    with np.errstate(all="ignore"):
        return np.asarray(rng.choice(ODD, t.shape)).astype(t.dtype)


def plain_array(rng: Any, t: Type) -> Any:
    return np.asarray(rng.normal(size=t.shape)).astype(t.dtype)


class Making:
    """A graph in the making: operations drawn one after the other, each on earlier values."""

    def __init__(self, seed: int, products: bool) -> None:
        self.rng = np.random.default_rng(seed)
        self.products = products
        self.inputs = [staged_leaf(Type(s, FLOAT)) for s in SHAPES]
        self.values: list[Any] = list(self.inputs)
        array = plain_array if products else odd_array
        for shape in SHAPES[:5]:
            full = np.full(shape, self.rng.choice(ODD), FLOAT)
            both = full, array(self.rng, Type(shape, FLOAT))
            self.values += [lift(x) for x in both]

    def pick(self) -> Any:
        """A value, mostly a late one, of floats."""
        while True:
            i = min(int(self.rng.exponential(6)), len(self.values) - 1)
            late = (
                self.values[-1 - i]
                if self.rng.random() < 0.8
                else self.rng.choice(len(self.values))
            )
            x = late if not np.isscalar(late) else self.values[int(late)]
            if x.dtype.kind == "f":
                return x

    def other(self, x: Any) -> Any:
        """A second operand that broadcasts with the first; numbers now and then."""
        if self.rng.random() < 0.35:
            return NUMBERS[int(self.rng.integers(len(NUMBERS)))]
        for _ in range(20):
            y = self.pick()
            try:
                shape = np.broadcast_shapes(x.shape, y.shape)
            except ValueError:
                continue
            if y.dtype == x.dtype and len(shape) <= 4:
                return y
        return x

    def step(self) -> Any:
        kind = self.rng.choice(
            "unary binary binary power cast view view reduce pads copy where scale matmul".split()
        )
        return getattr(self, str(kind))(self.pick())

    def unary(self, x: Any) -> Any:
        return registry[str(self.rng.choice(UNARY))]()(x)

    def binary(self, x: Any) -> Any:
        xs = [x, self.other(x)]
        if self.rng.random() < 0.5:
            xs.reverse()
        return registry[str(self.rng.choice(BINARY))]()(*xs)

    def power(self, x: Any) -> Any:
        return x ** [1, 2, 3, 2.0][int(self.rng.integers(4))]

    def cast(self, x: Any) -> Any:
        wide = CAST[DOUBLE](x)
        return CAST[FLOAT](wide) if self.rng.random() < 0.6 else CAST[FLOAT](wide * 0.5)

    def copy(self, x: Any) -> Any:
        return (STOP, ALIAS)[int(self.rng.integers(2))](x)

    def where(self, x: Any) -> Any:
        y = self.other(x)
        condition = lift(np.bool_(True)) if self.rng.random() < 0.2 else x > 0
        return WHERE(condition, *((x, y) if self.rng.random() < 0.5 else (y, x)))

    def scale(self, x: Any) -> Any:
        y = self.other(x)
        y = y if hasattr(y, "shape") else lift(np.asarray(y, x.dtype))
        return SCALE(x, y) + 0.0  # which of the zeros its zero is, depends on other elements

    def reduce(self, x: Any) -> Any:
        axes = tuple(a for a in range(x.ndim) if self.rng.random() < 0.5)
        return registry[str(self.rng.choice(REDUCTIONS))](axes)(x)

    def view(self, x: Any) -> Any:
        name = str(self.rng.choice(["ones", "flat", "permute", "expand", "slice"]))
        rng = self.rng
        if name == "permute":
            return Permute(tuple(map(int, rng.permutation(x.ndim))))(x)
        if name == "flat":
            return Reshape((x.size,))(x)
        if name == "ones":
            shape = [n for n in x.shape if n != 1 or rng.random() < 0.5]
            if len(shape) < 4:
                shape.insert(int(rng.integers(len(shape) + 1)), 1)
            return Reshape(tuple(shape))(x)
        if name == "expand":
            if x.ndim > 2:
                return x
            a = int(rng.integers(x.ndim + 1))
            return Expand((*x.shape[:a], int(rng.integers(1, 4)), *x.shape[a:]), (a,))(x)
        if not x.ndim:
            return x
        starts = tuple(int(rng.integers(n)) if n else 0 for n in x.shape)
        sizes = tuple(n - s for n, s in zip(x.shape, starts, strict=True))
        drop = tuple(a for a, n in enumerate(sizes) if n == 1 and rng.random() < 0.5)
        return Slice(starts, sizes, (1,) * x.ndim, drop)(x)

    def pads(self, x: Any) -> Any:
        """A sum of parts with zeros around them, which mostly fill an axis."""
        if not x.ndim:
            return x
        rng = self.rng
        a = int(rng.integers(x.ndim))
        sizes = [int(rng.integers(1, 3)) for _ in range(int(rng.integers(2, 4)))]
        total = sum(sizes)
        order = list(range(len(sizes)))
        rng.shuffle(order)
        out: Any = None
        for i in order:
            part = Slice((0,) * x.ndim, tuple(1 if b == a else n for b, n in enumerate(x.shape)),
                         (1,) * x.ndim)(x)  # fmt: skip
            part = Concat(a)(*[part * float(k + 1) for k in range(sizes[i])])
            low = sum(sizes[:i])
            high = total - low - sizes[i]
            edge = [(low, high) if b == a else (0, 0) for b in range(x.ndim)]
            padded = Pad(tuple(e[0] for e in edge), tuple(e[1] for e in edge), (0,) * x.ndim)(part)
            out = padded if out is None else out + padded
        return out

    def matmul(self, x: Any) -> Any:
        if not self.products or x.ndim < 2:
            return x
        y = Permute((*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))(x)
        return 0.25 * (x @ y) if self.rng.random() < 0.5 else 0.25 * (y @ x)


def random_graph(seed: int, steps: int, products: bool = False) -> Graph:
    """A graph of so many random steps; the first of two seeds alike begin alike."""
    making = Making(seed, products)
    with np.errstate(all="ignore"):
        for _ in range(steps):
            out = making.step()
            if out.size and out.size <= 200:
                making.values.append(out)
    return extract(making.inputs, making.values[-6:], making.inputs[0].node.seq)


def arguments(graph: Graph, seed: int, odd: bool = True) -> list[Any]:
    rng = np.random.default_rng(seed)
    make = odd_array if odd else plain_array
    return [make(rng, t) for t in graph.in_types]


def run(graph: Graph, args: list[Any]) -> list[Any]:
    with np.errstate(all="ignore"):
        return [np.asarray(x.numpy()) for x in evaluate(graph, [lift(x) for x in args])]


def same_bits(a: Any, b: Any) -> bool:
    """Whether arrays are equal to the bit, except that any NaN is as good as another."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.dtype.kind != "f":
        return a.tobytes() == b.tobytes() or bool(
            np.array_equal(a, b, equal_nan=a.dtype.kind == "c")
        )
    nan = np.isnan(a)
    if not np.array_equal(nan, np.isnan(b)):
        return False
    return np.where(nan, 0, a).tobytes() == np.where(nan, 0, b).tobytes()
