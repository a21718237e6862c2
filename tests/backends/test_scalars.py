"""Scalar bodies against the cards they stand for: exact operations, conversions, the registry."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from llvmlite import ir

from adjoint.backends.llvm import scalars
from adjoint.core.primitive import registry
from adjoint.core.types import as_dtype
from adjoint.ops.families import AbstractMap
from tests.backends import scalar_loops

NAMES = "bool int8 int32 int64 uint8 uint32 uint64 float16 bfloat16 float32 float64".split()
DTYPES = [as_dtype(name) for name in NAMES]
SIZE = 2000

# whose zero is returned among equal ones differs between NumPy's own loops
ANY_ZERO = {"max", "min", "fmax", "fmin", "clip", "relu", "sign", "strong_mul", "strong_mul_both"}
# functions that NumPy has no loop for, and what needs more than one element
WITHOUT_BODY = {
    "bessel_i",
    "complex",
    "gelu",
    "gelu_tanh",
    "lgamma",
    "log_gamma_slope",
    "polygamma",
    "spherical_bessel",
    "wrap_index",
}


def cards() -> dict[str, Any]:
    """One card for each scalar body."""
    found: dict[str, Any] = {}
    for card in registry.values():
        ours = issubclass(card, AbstractMap) and card.__module__.startswith("adjoint.ops")
        if ours and card.kind == "map" and card.llvm not in WITHOUT_BODY | {"cast"}:
            found[card.llvm] = card()
    found["strong_mul_both"] = registry["Scale"](both=True)
    found["floordiv_paired"] = registry["FloorDivide"](paired=True)
    return found


CARDS = cards()
EXACT = {name: card for name, card in CARDS.items() if name not in scalars.BOUNDS}


def draw(dtype: Any, seed: int) -> Any:
    """Numbers of all sizes, small ones that meet each other, and those at the ends."""
    rng = np.random.default_rng(seed)
    if dtype.kind == "b":
        return rng.random(SIZE) < 0.5
    kind = f"u{dtype.itemsize}"
    wild = rng.integers(0, np.iinfo(kind).max, SIZE, dtype=kind, endpoint=True).view(dtype)
    few = rng.integers(0 if dtype.kind == "u" else -9, 10, SIZE).astype(dtype)
    if dtype.kind in "iu":
        ends = np.array([np.iinfo(dtype).min, np.iinfo(dtype).max, 0, 1], dtype)
        return np.choose(rng.integers(0, 3, SIZE), [wild, few, rng.choice(ends, SIZE)])
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 0.5, -0.5, 1.5, 2.5]).astype(dtype)
    normal = rng.normal(size=SIZE).astype(dtype)
    return np.choose(rng.integers(0, 4, SIZE), [wild, few, normal, rng.choice(special, SIZE)])


def bits(x: Any) -> Any:
    return x.view(f"u{x.dtype.itemsize}")


def agree(got: Any, want: Any, any_zero: bool = False) -> Any:
    """Where two arrays hold the same bits, NaNs being alike."""
    same = bits(got) == bits(want)
    if got.dtype.kind in "fV":
        with np.errstate(all="ignore"):
            same |= np.isnan(got) & np.isnan(want)
            if any_zero:
                same |= (got == 0) & (want == 0)
    return same


def exact_names(dtype: Any) -> tuple[tuple[str, int], ...]:
    return tuple((n, c.arity()) for n, c in EXACT.items() if scalars.supports(n, dtype))


@pytest.mark.parametrize("dtype", DTYPES, ids=NAMES)
def test_exact_bodies_compute_what_the_cards_compute(dtype: Any) -> None:
    level = 3 if dtype.kind in "fb" else 1  # it takes time: integers are as right without it
    library = scalar_loops.bodies(dtype, exact_names(dtype), level)
    for name, count in exact_names(dtype):
        xs = [draw(dtype, seed) for seed in range(count)]
        if name == "select":
            xs[0] = draw(np.dtype(np.bool_), 9)
        with np.errstate(all="ignore"):
            want = np.asarray(EXACT[name].value(*xs))
        result = scalars.result_dtype(name, dtype)
        assert want.dtype == result, name
        got = library.run(name, result, *xs)
        wrong = np.flatnonzero(~agree(got, want, name in ANY_ZERO or name == "nextafter"))
        first = wrong[:1]
        assert not wrong.size, (name, [x[first] for x in xs], got[first], want[first])


@pytest.mark.parametrize("dtype", DTYPES, ids=NAMES)
def test_conversions_are_those_of_astype(dtype: Any) -> None:
    library = scalar_loops.casts(dtype, tuple(DTYPES))
    for to in DTYPES:
        x = draw(dtype, 4)
        if dtype.kind in "fV" and to.kind in "iu":
            with np.errstate(all="ignore"):
                wide = x.astype(np.float64)
            low, high = float(np.iinfo(to).min), float(np.iinfo(to).max)
            x = x[(wide >= low) & (wide < high)]
        with np.errstate(all="ignore"):
            want = x.astype(to)
        got = library.run(to.name, to, x)
        wrong = np.flatnonzero(~agree(got, want))[:1]
        assert not wrong.size, (to.name, x[wrong], got[wrong], want[wrong])


def test_floats_without_an_integer_give_defined_ones() -> None:
    x = np.array([np.nan, np.inf, -np.inf, 1e30, -1.0, 300.0], np.float32)
    library = scalar_loops.casts(x.dtype, tuple(DTYPES))
    info = np.iinfo(np.int32)
    as_int32 = library.run("int32", np.int32, x)
    assert as_int32.tolist() == [0, info.max, info.min, info.max, -1, 300]
    assert library.run("uint8", np.uint8, x)[[0, 4, 5]].tolist() == [0, 255, 44]
    assert library.run("uint64", np.uint64, x)[[0, 1, 4]].tolist() == [0, 2**64 - 1, 2**64 - 1]


def test_every_elementwise_card_has_a_body_or_is_known_to_have_none() -> None:
    for name in CARDS:
        assert name in scalars.SCALARS, name
    for name in WITHOUT_BODY:
        assert name not in scalars.SCALARS


def test_logic_and_bits_have_names_of_their_own() -> None:
    assert registry["LogicalAnd"].llvm != registry["BitwiseAnd"].llvm
    assert scalars.result_dtype("logical_and", np.dtype(np.int8)) == np.bool_
    assert scalars.result_dtype("and", np.dtype(np.int8)) == np.int8


def test_bounds_are_for_bodies_of_floats() -> None:
    for name, bound in scalars.BOUNDS.items():
        assert scalars.supports(name, np.dtype(np.float64))
        assert max(bound) <= 2


def test_complex_numbers_have_no_bodies() -> None:
    assert not scalars.supports("add", np.dtype(np.complex64))
    assert not scalars.supports("nothing", np.dtype(np.float32))


def test_long_bodies_are_written_once_for_a_module() -> None:
    kind = ir.FloatType()
    module: Any = ir.Module("once")
    function: Any = ir.Function(module, ir.FunctionType(kind, [kind]), "f")
    b: Any = ir.IRBuilder(function.append_basic_block())
    x = function.args[0]
    for _ in range(3):
        x = scalars.emit(b, "exp", np.dtype(np.float32), [x])
    b.ret(x)
    assert str(module).count('define internal float @"adjoint.exp.float32"') == 1


@pytest.mark.parametrize(
    ("exponent", "expected"),
    [(1, "load"), (2, "fmul"), (3, "fmul"), (-1, "fdiv"), (0.5, "llvm.sqrt")],
)
def test_powers_to_simple_constants_take_no_logarithm(exponent: float, expected: str) -> None:
    kind = ir.DoubleType()

    def body(b: Any, xs: Any) -> Any:
        return scalars.emit(b, "pow", np.dtype(np.float64), [xs[0], ir.Constant(kind, exponent)])

    module = scalar_loops.new_module()
    scalar_loops.add_loop(module, "f", [kind], kind, body)
    assert expected in str(module)
    assert "adjoint.pow" not in str(module)
    x = draw(np.dtype(np.float64), 1)
    with np.errstate(all="ignore"):
        want = CARDS["pow"].value(x, exponent)
    got = scalar_loops.Library(module).run("f", np.float64, x)
    np.testing.assert_array_equal(got, want)
