"""What must hold of every card, for every sample. A new card is tested by existing."""

import itertools
from typing import Any

import numpy as np
import pytest

from adjoint.backward import sweep
from adjoint.core.bind import lift, reads_of, staged_leaf
from adjoint.core.errors import NotDifferentiable
from adjoint.core.primitive import STATEMENTS
from adjoint.core.types import Type, as_dtype, is_inexact
from adjoint.testing import check_grads
from adjoint.testing.numeric import directional
from adjoint.testing.tolerances import tolerance_for
from adjoint.testing.unpack import on_arrays
from adjoint.transforms.batch import vmap
from adjoint.transforms.forward import jvp
from adjoint.transforms.reverse import vjp
from tests.cards import (
    Case,
    all_cases,
    cards,
    compute,
    import_everything,
    is_zero,
    like_random,
    rng_for,
    several,
)
from tests.strategies import in_layout

CASES, BROKEN = all_cases()
STATED = {
    "StopGradient": "its gradient is zero by definition",
    "Override": "its gradient is what the user says",
    "RandomLogGamma": "its gradient is that of the distribution, not that of the sampler",
}
"""Cards whose derivative is not that of their value, and why."""
KINDS = {
    "map",
    "reduce",
    "view",
    "contract",
    "conv",
    "gather",
    "scatter",
    "sort",
    "scan",
    "source",
    "linalg",
    "fft",
    "control",
}
BATCH = 3

every_sample = pytest.mark.parametrize("case", CASES, ids=str)
differentiable = pytest.mark.parametrize(
    "case", [c for c in CASES if c.inexact and not c.op.no_derivative], ids=str
)


def close(found: Any, wanted: Any, rtol: float = 1e-11, size: float = 0.0) -> None:
    """Equal shapes and dtypes, and values to a tolerance relative to the largest, or to `size`."""
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype
    if not is_inexact(wanted.dtype):
        np.testing.assert_array_equal(found, wanted)
        return
    wide = np.complex128 if wanted.dtype.kind == "c" else np.float64
    found, wanted = found.astype(wide), wanted.astype(wide)
    finite = np.abs(wanted[np.isfinite(wanted)])
    np.testing.assert_allclose(found, wanted, rtol=rtol, atol=rtol * finite.max(initial=size))


# -- the card itself -------------------------------------------------------------------------------


def test_every_module_with_cards_imports() -> None:
    assert not import_everything()


@pytest.mark.parametrize("card", cards().values(), ids=lambda c: c.__name__)
def test_card_is_complete(card: Any) -> None:
    assert card.__name__ not in BROKEN, BROKEN[card.__name__]
    assert any(c.card is card for c in CASES), "gives no samples"
    assert getattr(card, "__final__", False), "is not marked @final"
    assert card.kind in KINDS
    stated = [s for s in STATEMENTS if getattr(card, s, "")]
    assert len(stated) == 1, f"derivative statements: {stated}"
    doc = (card.__doc__ or "").strip()
    assert "." in doc, "its docstring has no sentence"


@every_sample
def test_operation_is_a_value(case: Case) -> None:
    op = case.op
    again = type(op)(**{name: getattr(op, name) for name in op.fields})
    assert op == again
    assert hash(op) == hash(again)
    assert repr(op) == repr(again)
    assert type(op).__name__ in repr(op)
    with pytest.raises(AttributeError, match="immutable"):
        op.anything = 1


@every_sample
def test_cost_is_a_count(case: Case) -> None:
    cost = case.op.cost(*case.types)
    assert type(cost) is int
    assert cost >= 0


# -- value and type --------------------------------------------------------------------------------


@every_sample
def test_value_has_the_inferred_type(case: Case) -> None:
    outs = several(compute(case.op, case.xs))
    assert tuple((y.shape, y.dtype) for y in outs) == tuple(
        (t.shape, t.dtype) for t in case.out_types
    )


@every_sample
def test_tensor_and_staged_tensor_agree_with_value(case: Case) -> None:
    computed = several(compute(case.op, case.xs))
    tensors = several(case.op(*map(_lifted, case.xs)))
    for t, y in zip(tensors, computed, strict=True):
        np.testing.assert_array_equal(t.value, y)
    staged = several(case.op(*[_staged(t) for t in case.types])) if case.xs else ()
    for t, y in zip(staged, computed, strict=bool(case.xs)):
        assert not t.known
        assert (t.shape, t.dtype) == (y.shape, y.dtype)


@every_sample
@pytest.mark.parametrize("layout", ["transposed", "strided", "read-only"])
def test_memory_layout_makes_no_difference(case: Case, layout: str) -> None:
    """Nor may a value or a rule write to what it was given, which read-only operands refuse."""
    xs = [in_layout(x, layout) if hasattr(x, "dtype") else x for x in case.xs]
    other = Case(case.card, case.index, case.op, xs)
    for y, wanted in zip(
        several(compute(case.op, xs)), several(compute(case.op, case.xs)), strict=True
    ):
        close(y, wanted)
    if not case.differentiable:
        return
    ct, out, _ = case.sweep_inputs()
    laid_out = [
        tuple(in_layout(y, layout) for y in z) if isinstance(z, tuple) else in_layout(z, layout)
        for z in (ct, out)
    ]
    pairs = zip(other.pull(*laid_out, xs), case.pull(ct, out, case.xs), strict=True)
    for g, wanted in pairs:
        if wanted is not None and not is_zero(wanted):
            close(g, wanted)


@every_sample
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_lower_precision(case: Case, dtype: str) -> None:
    xs = [_in_precision(x, dtype) for x in case.xs]
    if not any(x is not y for x, y in zip(xs, case.xs, strict=True)):
        return  # no float operand, or no such complex dtype
    if any(hasattr(x, "dtype") and x.dtype.char not in case.op.takes for x in xs):
        return
    lower = Case(case.card, case.index, case.op, xs)
    outs = several(case.op(*map(_lifted, xs)))
    assert tuple((y.shape, y.dtype) for y in outs) == tuple(
        (t.shape, t.dtype) for t in lower.out_types
    )
    if case.op.kind == "source" or dtype != "float32":
        return
    for y, exact in zip(outs, several(compute(case.op, case.xs)), strict=True):
        if is_inexact(y.dtype):
            close(y.value, exact.astype(y.dtype), tolerance_for(as_dtype(dtype)).value, 1.0)


@differentiable
def test_lower_precision_gradient(case: Case) -> None:
    at = case.differentiable
    xs = [_in_precision(case.xs[i], "float32") for i in at]
    if not at or any(x.dtype.char not in case.op.takes for x in xs):
        return
    others = [_in_precision(x, "float32") for x in case.xs]
    lower = Case(case.card, case.index, case.op, others)
    wanted = _gradients(case, [case.xs[i] for i in at])
    found = _gradients(lower, xs)
    for g, x, exact in zip(found, xs, wanted, strict=True):
        assert g.dtype == x.dtype
        close(g.value, exact.value.astype(x.dtype), 10 * tolerance_for(x.dtype).value, 1.0)


# -- derivatives -----------------------------------------------------------------------------------


@differentiable
@pytest.mark.parametrize("order", [1, 2])
def test_derivatives(case: Case, order: int) -> None:
    at = case.differentiable
    if not at or case.card.__name__ in STATED:
        return
    check_grads(case.function(at), [case.xs[i] for i in at], order=order, elementwise=0)


@differentiable
def test_operands_without_gradient_do_not_move_the_value(case: Case) -> None:
    at = [i for i in case.candidates if i not in case.differentiable]
    if not at or case.card.__name__ in STATED:
        return
    xs = [case.xs[i] for i in at]
    found = directional(on_arrays(lambda *x: list(several(case.function(at)(*x)))), xs, xs)
    for y in found.values:
        np.testing.assert_allclose(y, 0, atol=1e-8)


@differentiable
def test_saved_values_are_those_that_the_rule_reads(case: Case) -> None:
    """They are found once for a card; a rule that reads more for some fields says `own_savers`."""
    if case.op.own_savers:
        return
    for sample in (c for c in CASES if c.card is case.card and len(c.xs) == len(case.xs)):
        if not sample.differentiable:
            continue
        mask = sum(1 << i for i in sample.differentiable if i in case.differentiable)
        pairs = zip(_reads(sample, mask), _reads(case, mask), strict=True) if mask else ()
        for i, (there, here) in enumerate(pairs):
            literal = i and not all(hasattr(c.xs[i - 1], "dtype") for c in (sample, case))
            assert there == here or literal, f"differs from {sample}"


@differentiable
def test_rule_on_arrays_equals_rule_on_tensors(case: Case) -> None:
    ct, out, xs = case.sweep_inputs()
    on_arrays = case.pull(ct, out, xs)
    lifted = [tuple(map(lift, y)) if isinstance(y, tuple) else lift(y) for y in (ct, out)]
    on_tensors = case.pull(*lifted, [_lifted(x) for x in xs])
    for a, t in zip(on_arrays, on_tensors, strict=True):
        if a is None or is_zero(a):
            assert t is a
        else:
            close(t.value if hasattr(t, "value") else t, a)


@differentiable
def test_staged_gradient_has_the_type_of_the_operand(case: Case) -> None:
    at = case.differentiable
    if not at:
        return
    leaves = [_staged(case.types[i], tracked=True) for i in at]
    outs = several(case.function(at)(*leaves))
    seeds = [(y.node, staged_leaf(y.value)) for y in outs if y.node.tracked]
    found = sweep(seeds, [x.node for x in leaves], on_tensors=True)
    for x in leaves:
        g = found.get(x.node)
        assert g is None or (g.shape, g.dtype) == (x.shape, x.dtype)


@pytest.mark.parametrize("case", [c for c in CASES if c.op.no_derivative], ids=str)
def test_missing_derivative_is_said(case: Case) -> None:
    leaves = [_lifted(x) for x in case.xs]
    for x in leaves:
        if hasattr(x, "node") and is_inexact(x.dtype):
            x.requires_grad = True
    outs = several(case.op(*leaves))
    for y in outs:
        if not is_inexact(y.dtype):
            assert not y.requires_grad
        elif y.requires_grad:
            with pytest.raises(NotDifferentiable):
                y.backward(np.ones(y.shape, y.dtype), retain_graph=True)


# -- vmap ------------------------------------------------------------------------------------------


@every_sample
def test_vmap_equals_a_stack_of_calls(case: Case) -> None:
    arrays = [i for i, x in enumerate(case.xs) if hasattr(x, "dtype")]
    choices = {(i,) for i in arrays} | {tuple(arrays)} if arrays else set[Any]()
    for chosen in sorted(choices):
        xs = list(case.xs)
        for i in chosen:
            xs[i] = _stack(case.xs[i])
        axes = [0 if i in chosen else None for i in range(len(xs))]
        found = several(_vmap(case.op, xs, axes))
        singles = [
            several(
                compute(case.op, [x[b] if a == 0 else x for x, a in zip(xs, axes, strict=True)])
            )
            for b in range(BATCH)
        ]
        for y, parts in zip(found, zip(*singles, strict=True), strict=True):
            close(y.value, np.stack(parts))


@differentiable
def test_vmap_of_the_gradient_equals_a_stack_of_gradients(case: Case) -> None:
    at = case.differentiable
    if not at:
        return
    xs = [_stack(case.xs[i]) for i in at]
    found = vmap(lambda *x: tuple(_gradients(case, x)))(*map(lift, xs))
    for k, g in enumerate(found):
        singles = [_gradients(case, [x[b] for x in xs])[k].value for b in range(BATCH)]
        close(g.value, np.stack(singles), 1e-10)


# -- odd points ------------------------------------------------------------------------------------

ODD = [0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, 1.0, -1.0]
FLOAT_MAPS = [
    c for c in CASES if c.op.kind == "map" and c.index == 0 and c.candidates and c.inexact
]


@pytest.mark.parametrize("case", FLOAT_MAPS, ids=str)
def test_odd_points_do_not_warn_or_fail(case: Case) -> None:
    at = case.candidates
    if len(at) > 3:
        return
    points = np.array(list(itertools.product(ODD, repeat=len(at)))).T
    for dtype in ("float64", "float32"):
        leaves = [lift(p.astype(dtype)) for p in points]
        rest = [np.broadcast_to(np.asarray(x).ravel()[:1], points[0].shape) for x in case.xs]
        odd = Case(case.card, case.index, case.op, rest)
        out = odd.function(at)(*leaves)
        assert out.shape == points[0].shape
        if case.op.no_derivative:
            continue
        _, pullback = vjp(odd.function(at), *leaves)
        for g in pullback(np.zeros(out.shape, out.dtype)):
            assert not np.any(g.value), "a zero cotangent must give a zero gradient"
        pullback(np.ones(out.shape, out.dtype))
        jvp(odd.function(at), leaves, [np.ones(x.shape, x.dtype) for x in leaves])


# -- small steps -----------------------------------------------------------------------------------


def _lifted(x: Any) -> Any:
    return lift(x) if hasattr(x, "dtype") else x


def _staged(t: Any, tracked: bool = False) -> Any:
    return staged_leaf(t, tracked) if hasattr(t, "dtype") else t


def _in_precision(x: Any, dtype: str) -> Any:
    """The operand with its floats in this precision; anything else as it is."""
    if not hasattr(x, "dtype") or not is_inexact(x.dtype):
        return x
    if x.dtype.kind == "c":
        return x.astype(np.complex64) if dtype == "float32" else x
    return x.astype(as_dtype(dtype))


def _gradients(case: Case, xs: Any) -> list[Any]:
    """Gradients for a fixed random cotangent."""
    out, pullback = vjp(case.function(case.differentiable), *map(_lifted, xs))
    rng = rng_for(str(case))
    cts = tuple(like_random(rng, y) for y in several(out))
    return list(pullback(cts if isinstance(out, tuple) else cts[0]))


def _reads(case: Case, mask: int) -> tuple[bool, ...]:
    _, out, xs = case.sweep_inputs()
    out = tuple(Type.of(y) for y in out) if isinstance(out, tuple) else out
    return reads_of(case.op, mask, out, tuple(xs))


def _stack(x: Any) -> Any:
    """Three valid operands like `x`: scaled a little, or in another order."""
    if is_inexact(x.dtype):
        return np.stack([x, x * 1.125, x * 0.875])
    return np.stack([x, np.flip(x), x])


def _vmap(op: Any, xs: list[Any], axes: list[int | None]) -> Any:
    """vmap over some operands; the others, and Python scalars, are the same for every example."""
    at = [i for i, a in enumerate(axes) if a == 0]

    def f(*mapped: Any) -> Any:
        given = [_lifted(x) for x in xs]
        for i, x in zip(at, mapped, strict=True):
            given[i] = x
        return op(*given)

    return vmap(f)(*[lift(xs[i]) for i in at])
