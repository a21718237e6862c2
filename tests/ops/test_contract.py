"""Contractions: `matmul`, `einsum` and the named products, against NumPy, with their gradients."""

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, strategies as st

import adjoint as ad
from adjoint.core.errors import ArgumentError, AxisError, ShapeError
from adjoint.ops.bilinear import renamed, roles, with_batch
from adjoint.ops.contract import Contract, contraction
from tests.strategies import contractible


def random(rng: np.random.Generator, shape: Any, dtype: str = "float64") -> Any:
    x = rng.normal(size=shape)
    if dtype.startswith("complex"):
        x = x + 1j * rng.normal(size=shape)
    return x.astype(dtype) if "int" not in dtype else rng.integers(-4, 5, size=shape).astype(dtype)


def close(found: Any, wanted: Any, rtol: float = 1e-12) -> None:
    wanted = np.asarray(wanted)
    value = found.value if hasattr(found, "value") else found
    assert value.shape == wanted.shape
    np.testing.assert_allclose(
        value, wanted, rtol=rtol, atol=rtol * (1 + np.abs(wanted).max(initial=0))
    )


def gradients(out: Any, ct: Any, *xs: Any) -> list[Any]:
    out.backward(ad.tensor(ct))
    return [x.grad.value for x in xs]


def inner(x: Any, y: Any) -> float:
    return float(np.real(np.vdot(x, y)))


# -- the card --------------------------------------------------------------------------------------


@st.composite
def specs(draw: Any) -> tuple[str, dict[str, int]]:
    """A contraction of two operands with up to two letters of each role, in any order."""
    names = iter("abcdefgh")
    roles = {
        role: [next(names) for _ in range(draw(st.integers(0, 2)))]
        for role in ("batch", "left", "right", "inner")
    }
    a = draw(st.permutations(roles["batch"] + roles["left"] + roles["inner"]))
    b = draw(st.permutations(roles["batch"] + roles["right"] + roles["inner"]))
    o = draw(st.permutations(roles["batch"] + roles["left"] + roles["right"]))
    sizes = {c: draw(st.integers(0, 3)) for c in (*a, *b)}
    return f"{''.join(a)},{''.join(b)}->{''.join(o)}", sizes


@given(specs(), st.sampled_from(["float64", "complex128", "int64"]), st.booleans())
@example(("ab,bc->ac", {"a": 2, "b": 0, "c": 3}), "float64", False)
@example(("abc,bad->dbca", {"a": 2, "b": 1, "c": 3, "d": 2}), "complex128", True)
def test_contraction_equals_einsum(spec: Any, dtype: str, reverse: bool) -> None:
    text, sizes = spec
    rng = np.random.default_rng(len(text))
    x, y = (random(rng, [sizes[c] for c in part], dtype) for part in text.split("->")[0].split(","))
    if reverse:  # memory in the other order
        x, y = x.copy("F"), y.copy("F")
    wanted = np.einsum(text, x, y)
    found = np.asarray(Contract(text).value(x, y))
    assert found.dtype == wanted.dtype
    close(found, wanted)


@given(specs())
def test_gradients_of_a_contraction_are_its_transposes(spec: Any) -> None:
    text, sizes = spec
    rng = np.random.default_rng(len(text))
    x, y = (
        ad.tensor(random(rng, [sizes[c] for c in part], "complex128"), requires_grad=True)
        for part in text.split("->")[0].split(",")
    )
    out = Contract(text)(x, y)
    ct, dx, dy = (random(rng, z.shape, "complex128") for z in (out, x, y))
    gx, gy = gradients(out, ct, x, y)
    change = np.einsum(text, dx, y.value) + np.einsum(text, x.value, dy)
    expected = inner(ct, change)
    assert inner(gx, dx) + inner(gy, dy) == pytest.approx(expected, rel=1e-10, abs=1e-10)


def test_letters_are_renamed_in_order_of_appearance() -> None:
    assert renamed("xy", "yz", "xz") == "ab,bc->ac"
    assert contraction("q", "rq", "r") == contraction("a", "ba", "b")
    assert with_batch("ab,bc->ac", (True, False)) == "abc,cd->abd"


@pytest.mark.parametrize("spec", ["aa,ab->b", "ab,bc->acd", "abd,bc->ac"])
def test_spec_with_a_letter_in_one_place_only_or_twice_in_one_is_refused(spec: str) -> None:
    with pytest.raises(ValueError, match="letter"):
        roles(spec)


def test_cost_counts_multiplications_and_additions() -> None:
    x, y = ad.ones((2, 3)), ad.ones((3, 5))
    assert Contract("ab,bc->ac").cost(x, y) == 2 * 2 * 3 * 5
    assert Contract("a,b->ab").cost(ad.ones(2), ad.ones(3)) == 6


# -- matmul ----------------------------------------------------------------------------------------


@given(contractible("(m?,n),(n,p?)->(m?,p?)"), st.sampled_from(["float64", "complex128", "int32"]))
def test_matmul_equals_numpy(shapes: Any, dtype: str) -> None:
    rng = np.random.default_rng(0)
    x, y = (random(rng, s, dtype) for s in shapes)
    found = ad.matmul(ad.tensor(x), ad.tensor(y))
    wanted = np.matmul(x, y)
    assert found.dtype == wanted.dtype
    close(found, wanted)


@given(contractible("(m?,n),(n,p?)->(m?,p?)"))
def test_gradient_of_matmul(shapes: Any) -> None:
    rng = np.random.default_rng(0)
    x, y = (ad.tensor(random(rng, s), requires_grad=True) for s in shapes)
    out = x @ y
    ct, dx, dy = (random(rng, z.shape) for z in (out, x, y))
    gx, gy = gradients(out, ct, x, y)
    assert gx.shape == x.shape
    assert gy.shape == y.shape
    change = dx @ y.value + x.value @ dy
    assert inner(gx, dx) + inner(gy, dy) == pytest.approx(inner(ct, change), rel=1e-10, abs=1e-10)


def test_matmul_of_mixed_dtypes() -> None:
    ints, floats = np.arange(6).reshape(2, 3), np.ones((3, 2), np.float32)
    assert ad.matmul(ints, floats).dtype == np.float32  # the higher kind keeps its precision
    assert ad.matmul(floats, ints.astype(bool)).dtype == np.float32
    assert ad.matmul(ints.astype(np.int8), ints.T).dtype == np.int64
    assert ad.matmul(floats, np.ones((2, 1), np.complex64)).dtype == np.complex64


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_16_bit_floats_are_summed_in_32(dtype: str) -> None:
    x = ad.ones((1, 5000), dtype=dtype)
    out = x @ x.reshape((5000, 1))
    assert out.dtype == x.dtype
    # one after the other in 16 bits, the sum would stop growing at 2048 (float16) or 256 (bfloat16)
    assert abs(float(out.value.astype(np.float64)[0, 0]) - 5000) <= 16


def message(*operands: Any, function: Any = None) -> str:
    with pytest.raises(ShapeError) as caught:
        (function or ad.matmul)(*operands)
    return str(caught.value)


def test_inner_sizes_that_differ_are_named_with_the_way_out() -> None:
    text = message(ad.ones((2, 5)), ad.ones((3, 5)))
    assert text.startswith("matmul: inner sizes differ: x.shape[1] = 5, y.shape[0] = 3\n")
    assert text.endswith("  Try: x @ y.T, which gives f32[2,3].")
    assert message(ad.ones((5, 2)), ad.ones((5, 3))).endswith("x.T @ y, which gives f32[2,3].")
    assert "Try" not in message(ad.ones((2, 5)), ad.ones((3, 4)))


def test_sizes_in_a_message_are_those_of_the_user() -> None:
    assert "x.shape[3] = 3, y.shape[1] = 4" in message(ad.ones((1, 5, 2, 3)), ad.ones((1, 4, 2)))
    assert "batch sizes differ: x.shape[1] = 5, y.shape[0] = 4" in message(
        ad.ones((1, 5, 2, 3)), ad.ones((4, 3, 2))
    )
    assert "x has no axes" in message(2.0, ad.ones((3, 2)))


# -- zeros that are strong -------------------------------------------------------------------------


def test_masked_rows_with_nan_leave_the_gradient_of_the_weights_finite() -> None:
    rng = np.random.default_rng(0)
    data = random(rng, (4, 3))
    data[1], data[2, 0] = np.nan, np.inf
    w = ad.tensor(random(rng, (3, 2)), requires_grad=True)
    mask = np.array([1.0, 0.0, 0.0, 1.0])[:, None]
    (ad.tensor(data) @ w).backward(ad.tensor(mask * np.ones((4, 2))))
    close(w.grad, data[[0, 3]].T @ np.ones((2, 2)))


def test_what_a_cotangent_reaches_stays_not_a_number() -> None:
    data = np.array([[np.nan, 1.0], [2.0, 3.0]])
    w = ad.tensor(np.ones((2, 2)), requires_grad=True)
    (ad.tensor(data) @ w).backward(ad.tensor(np.array([[0.0, 1.0], [1.0, 0.0]])))
    np.testing.assert_array_equal(w.grad.value, [[2.0, np.nan], [3.0, 1.0]])


def test_tangents_have_strong_zeros_too() -> None:
    x, w = np.array([[np.nan, 1.0], [2.0, 3.0]]), np.ones((2, 2))
    card = Contract("ab,bc->ac")
    dot = np.array([[0.0, 0.0], [1.0, 0.0]])
    pushed = card.push((None, dot), card.value(x, w), (x, w))
    np.testing.assert_array_equal(pushed, [[1.0, 0.0], [3.0, 0.0]])


def test_infinite_weights_of_a_masked_output_do_not_reach_the_input() -> None:
    x = ad.tensor(np.ones((1, 2)), requires_grad=True)
    w = np.array([[np.inf, 1.0], [np.nan, 2.0]])
    (x @ ad.tensor(w)).backward(ad.tensor([[0.0, 1.0]]))
    np.testing.assert_array_equal(x.grad.value, [[1.0, 2.0]])


# -- einsum ----------------------------------------------------------------------------------------

SUBSCRIPTS = [
    ("ij,jk", (2, 3), (3, 4)),
    ("ij,jk->", (2, 3), (3, 4)),
    ("ba", (2, 3)),
    ("ii", (3, 3)),
    ("iij->ji", (3, 3, 4)),
    ("iijj->ij", (3, 3, 2, 2)),
    ("iii->i", (3, 3, 3)),
    ("ii,i->i", (3, 3), (3,)),
    ("...ii->...i", (2, 3, 3)),
    ("i...->...", (3, 4, 5)),
    ("...ij,...jk->...ik", (5, 1, 2, 3), (4, 3, 6)),
    ("...,...", (2, 3), (3,)),
    (",ij->ij", (), (2, 3)),
    ("i,i->", (1,), (3,)),
    ("ij,ij->ij", (1, 3), (2, 3)),
    ("a,b,c->cab", (2,), (3,), (4,)),
    ("i,j,ij->", (3,), (4,), (3, 4)),
    ("ij,jk,kl,lm->im", (2, 3), (3, 4), (4, 5), (5, 6)),
    ("ijk,jil,kl->", (2, 3, 4), (3, 2, 5), (4, 5)),
    ("bqhd,bkhd->bhqk", (2, 3, 4, 5), (2, 6, 4, 5)),
    ("ij,j->i", (0, 3), (3,)),
    (" i j , j k -> i k ", (2, 3), (3, 4)),
]


@pytest.mark.parametrize("case", SUBSCRIPTS, ids=lambda case: case[0])
def test_einsum_equals_numpy_and_its_gradient_the_difference(case: Any) -> None:
    subscripts, *shapes = case
    rng = np.random.default_rng(0)
    arrays = [random(rng, s) for s in shapes]
    xs = [ad.tensor(x, requires_grad=True) for x in arrays]
    out = ad.einsum(subscripts, *xs)
    close(out, np.einsum(subscripts, *arrays))
    ct = random(rng, out.shape)
    dots = [random(rng, s) for s in shapes]
    found = sum(inner(g, d) for g, d in zip(gradients(out, ct, *xs), dots, strict=True))
    parts = [
        np.einsum(subscripts, *arrays[:i], dot, *arrays[i + 1 :]) for i, dot in enumerate(dots)
    ]
    assert found == pytest.approx(inner(ct, sum(parts)), rel=1e-10, abs=1e-12)


def test_einsum_with_lists_of_axes_and_with_paths() -> None:
    rng = np.random.default_rng(0)
    x, y, z = (random(rng, s) for s in ((2, 3), (3, 4), (4, 2)))
    close(ad.einsum(x, [0, 1], y, [1, 2], [2, 0]), (x @ y).T)
    close(ad.einsum(x, [5, 1], y, [1, 2]), np.einsum(x, [5, 1], y, [1, 2]))
    close(ad.einsum(x, [Ellipsis, 1], y, [1, 2], [Ellipsis, 2]), x @ y)
    for optimize in (True, False, "optimal", ["einsum_path", (1, 2), (0, 1)]):
        close(ad.einsum("ij,jk,kl->il", x, y, z, optimize=optimize), x @ y @ z)


@pytest.mark.parametrize(
    ("subscripts", "shapes", "fact"),
    [
        (
            "ij,jk",
            [(2, 3), (2, 3)],
            "'j' stands for two sizes: x[0].shape[1] = 3, x[1].shape[0] = 2",
        ),
        ("ij", [(2, 3), (2, 3)], "name 1 operands, got 2"),
        ("ijk", [(2, 3)], "'ijk' names 3 axes, but x[0] has 2"),
        ("ij->ii", [(2, 3)], "the result names 'i' twice"),
        ("ij->iq", [(2, 3)], "the result names 'q', which no operand has"),
        ("i-j", [(2, 3)], "a sign that is no letter"),
    ],
)
def test_wrong_subscripts_are_explained(subscripts: str, shapes: Any, fact: str) -> None:
    with pytest.raises((ArgumentError, ShapeError)) as caught:
        ad.einsum(subscripts, *map(ad.ones, shapes))
    assert str(caught.value).startswith("einsum: ")
    assert fact in str(caught.value).splitlines()[0]


# -- named products --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "axes", [0, 1, 2, ((0, 2), (1, 0)), ((1,), (1,)), ((-1, 1), (0, -2)), ((), ())], ids=str
)
def test_tensordot(axes: Any) -> None:
    rng = np.random.default_rng(0)
    x, y = random(rng, (3, 3, 3)), random(rng, (3, 3, 3))
    close(ad.tensordot(x, y, axes=axes), np.tensordot(x, y, axes=axes))


@pytest.mark.parametrize(
    ("shapes", "axis"),
    [
        (((3,), (3,)), -1),
        (((2, 1, 3), (4, 3)), -1),
        (((3, 2), (3, 1)), 0),
        (((2, 3, 4), (3, 1)), -2),
    ],
)
def test_vecdot_conjugates_the_first_operand(shapes: Any, axis: int) -> None:
    rng = np.random.default_rng(0)
    x, y = (random(rng, s, "complex128") for s in shapes)
    close(ad.vecdot(x, y, axis=axis), np.vecdot(x, y, axis=axis))


@pytest.mark.parametrize("name", ["dot", "inner", "outer", "kron"])
@pytest.mark.parametrize(
    "shapes", [((3,), (3,)), ((2, 3), (3, 3)), ((), (2, 3)), ((2, 2, 3), (3,)), ((3,), (4, 3, 3))]
)
def test_products_as_in_numpy(name: str, shapes: Any) -> None:
    rng = np.random.default_rng(0)
    x, y = (random(rng, s, "complex128") for s in shapes)
    close(getattr(ad, name)(x, y), getattr(np, name)(x, y))


def test_vdot_flattens_and_conjugates() -> None:
    rng = np.random.default_rng(0)
    x, y = random(rng, (2, 3), "complex128"), random(rng, (3, 2), "complex128")
    close(ad.vdot(x, y), np.vdot(x, y))


def test_multi_dot_finds_the_cheapest_order() -> None:
    rng = np.random.default_rng(0)
    xs = [random(rng, s) for s in ((5, 2), (2, 30), (30, 3), (3,))]
    close(ad.multi_dot(xs), np.linalg.multi_dot(xs))
    close(ad.multi_dot(xs[:2]), xs[0] @ xs[1])


@pytest.mark.parametrize(
    ("call", "fact"),
    [
        (
            lambda: ad.tensordot(ad.ones((2, 3)), ad.ones((2, 3)), axes=1),
            "x.shape[1] = 3, y.shape[0] = 2",
        ),
        (lambda: ad.tensordot(ad.ones(2), ad.ones(2), axes=2), "axes = 2, but x has 1"),
        (lambda: ad.tensordot(ad.ones(2), ad.ones(2), axes=((0,), (0, 1))), "pairs 1 axes"),
        (lambda: ad.tensordot(ad.ones((2, 2)), ad.ones((2, 2)), axes=((0, 0), (0, 1))), "twice"),
        (lambda: ad.vecdot(ad.ones(2), ad.ones(3)), "vector sizes differ"),
        (lambda: ad.vecdot(ad.ones(2), ad.ones(2), axis=1), "axis 1 is out of range"),
        (lambda: ad.vdot(ad.ones(2), ad.ones(3)), "x has 2 elements, y has 3"),
        (lambda: ad.inner(ad.ones(2), ad.ones(3)), "last sizes differ"),
        (lambda: ad.dot(ad.ones((2, 2, 2)), ad.ones(3)), "inner sizes differ"),
        (lambda: ad.multi_dot([ad.ones(2)]), "at least two"),
        (lambda: ad.multi_dot([ad.ones((2, 2)), ad.ones(2), ad.ones((2, 2))]), "x[1] is no matrix"),
    ],
)
def test_operands_that_do_not_fit_are_explained(call: Any, fact: str) -> None:
    with pytest.raises((ShapeError, ArgumentError, AxisError)) as caught:
        call()
    assert fact in str(caught.value).splitlines()[0]


# -- higher order ----------------------------------------------------------------------------------


def test_second_derivative_of_a_bilinear_form() -> None:
    rng = np.random.default_rng(0)
    x = ad.tensor(random(rng, (3,)), requires_grad=True)
    a = random(rng, (3, 3))
    out = ad.einsum("i,ij,j->", x, a, x)
    out.backward(create_graph=True)
    close(x.grad, (a + a.T) @ x.value)
    first = x.grad
    x.grad = None
    v = random(rng, (3,))
    first.backward(ad.tensor(v))
    close(x.grad, (a + a.T) @ v)
