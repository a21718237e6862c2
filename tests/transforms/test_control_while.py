"""while_loop and fori_loop, known and staged, against Python loops."""

from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint.core.errors import ArgumentError, DTypeError, NotDifferentiable, ShapeError
from adjoint.core.parse import parse
from adjoint.core.text import large_constants
from adjoint.testing import check_grads
from adjoint.transforms.control_scan import Scan
from adjoint.transforms.control_while import While

STARTS = np.array([2.0, 3.0, 20.0, 200.0])


def grow(x: Any, w: Any) -> Any:
    """x, squared and multiplied until it is large."""
    return ad.while_loop(lambda x: x < 100.0, lambda x: x * x * w, x)


def grow_python(x: float, w: float) -> float:
    while x < 100.0:
        x = x * x * w
    return x


def newton(a: Any) -> Any:
    """The square root, by Newton's method, with a number of steps that depends on it."""

    def wrong(carry: Any) -> Any:
        x, n = carry
        return ad.logical_and(ad.abs(x * x - a) > 1e-12 * a, n < 50)

    return ad.while_loop(wrong, lambda c: (0.5 * (c[0] + a / c[0]), c[1] + 1), (a, 0))[0]


def close(found: Any, wanted: Any, rtol: float = 1e-12) -> None:
    np.testing.assert_allclose(found.value, np.asarray(wanted), rtol=rtol)


# -- values ----------------------------------------------------------------------------------------


def test_value_is_that_of_the_python_loop() -> None:
    for x in STARTS:
        assert grow(x, 1.5).item() == grow_python(x, 1.5)
    carry = ad.while_loop(
        lambda c: c["n"] > 0, lambda c: {"n": c["n"] - 1, "x": [2]}, {"n": 3, "x": [1]}
    )
    assert carry["n"].item() == 0
    assert carry["x"][0].item() == 2


def test_python_number_takes_the_dtype_that_a_step_gives_it() -> None:
    found = ad.while_loop(lambda x: x < 1.0, lambda x: x + np.float64(0.1) * np.ones(()), 0.1)
    wanted = 0.1
    while wanted < 1.0:
        wanted += 0.1
    assert found.dtype == np.float64
    assert found.item() == wanted


def test_staged_in_a_scan_and_in_vmap() -> None:
    wanted = [grow_python(x, 1.5) for x in STARTS]
    close(ad.vmap(grow, (0, None))(STARTS, 1.5), wanted)
    close(ad.scan(lambda c, x: (c, grow(x, 1.5)), None, STARTS)[1], wanted)


def test_steps_after_the_last_known_one_are_staged() -> None:
    def f(y: Any) -> Any:  # the carry is known, the condition is not
        return ad.while_loop(lambda x: x < y, lambda x: x * 2.0, 1.0)

    assert ad.vmap(f)(ad.tensor([0.5, 3.0, 9.0])).tolist() == [1.0, 4.0, 16.0]


# -- derivatives -----------------------------------------------------------------------------------


def test_known_loop_differentiates_through_the_steps_taken() -> None:
    check_grads(newton, (np.array(7.0),), order=3)
    for a in (0.3, 2.0, 9.0):
        close(ad.grad(newton)(np.array(a)), 0.5 / np.sqrt(a), 1e-6)


def test_captured_tensors_get_their_gradient() -> None:
    w = ad.tensor(1.5, requires_grad=True)
    grow(3.0, w).backward()  # 9 w, then 81 w**3
    assert w.grad.item() == 3 * 81 * 1.5**2


def test_gradient_of_vmap() -> None:
    w = np.array(1.5)
    each = [ad.grad(grow, 1)(x, w).item() for x in STARTS]
    close(ad.grad(lambda w: ad.sum(ad.vmap(grow, (0, None))(STARTS, w)))(w), sum(each))
    found = ad.grad(lambda x: ad.sum(ad.vmap(grow, (0, None))(x, w)))(STARTS)
    close(found, [ad.grad(grow)(np.array(x), w).item() for x in STARTS])


def test_examples_that_are_done_stay_finite() -> None:
    # 1 / x of an example that is done would overflow if it went on
    def f(x: Any) -> Any:
        return ad.while_loop(
            lambda c: c[0] > 1.0, lambda c: (c[0] - 1.0, c[1] / (c[0] - 1.0)), (x, 1.0)
        )[1]

    xs = np.array([1.0, 2.0, 3.5])
    close(ad.vmap(f)(xs), [1.0, 1.0, 1.0 / 2.5 / 1.5 / 0.5])
    found = ad.grad(lambda x: ad.sum(ad.vmap(f)(x)))(xs)
    close(found, [ad.grad(f)(np.array(x)).item() for x in xs])


def test_forward_mode_of_a_staged_loop() -> None:
    w = np.array(1.5)
    wanted = [ad.grad(grow, 1)(x, w).item() for x in STARTS]

    def tangent(x: Any) -> Any:
        return ad.jvp(lambda w: grow(x, w), (w,), (np.array(1.0),))[1]

    close(ad.vmap(tangent)(STARTS), wanted)
    second = ad.vmap(
        lambda x: ad.jvp(lambda w: ad.jvp(lambda w: grow(x, w), (w,), (1.0,))[1], (w,), (1.0,))[1]
    )
    close(second(STARTS), [ad.grad(ad.grad(grow, 1), 1)(x, w).item() for x in STARTS])


def test_forward_mode_where_one_carry_has_no_tangent() -> None:
    def f(a: Any, stop: Any) -> Any:
        def step(c: Any) -> Any:
            n, x, _ = c
            return n + 1, x * a, ad.stop_gradient(x)

        return ad.while_loop(lambda c: c[0] < stop, step, (0, 1.0, a))

    stops = np.array([0, 1, 3])
    out, dots = ad.vmap(lambda s: ad.jvp(lambda a: f(a, s), (2.0,), (1.0,)))(stops)
    assert out[1].tolist() == [1.0, 2.0, 8.0]
    assert dots[1].tolist() == [0.0, 1.0, 12.0]
    assert dots[2].tolist() == [1.0, 0.0, 0.0]


def test_reverse_mode_of_a_staged_loop_says_why_not_and_what_else() -> None:
    with pytest.raises(NotDifferentiable) as caught:
        ad.vmap(ad.grad(grow), (0, None))(STARTS, 1.5)
    text = str(caught.value)
    assert text.startswith("while_loop: reverse mode needs the values of every step")
    assert "test_control_while.py" in text
    assert "while differentiating" in text
    assert "Try: ad.scan with a fixed length" in text


# -- vmap ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axes", [(0, 0, 0), (0, None, None), (None, 0, None), (None, None, 0)])
def test_vmap_over_any_operands(axes: Any) -> None:
    def f(x: Any, y: Any, n: Any) -> Any:
        def step(c: Any) -> Any:
            i, a, b, k = c
            return i + 1, a + b, b * y, k

        return ad.while_loop(lambda c: c[0] < n, step, (0, x, y, 1.0))

    full = [np.array([1.0, 2.0]), np.array([3.0, 0.5]), np.array([2, 5])]
    args = [a if axis == 0 else a[0] for a, axis in zip(full, axes, strict=True)]
    found = ad.vmap(f, axes)(*args)
    for k in range(2):
        single = f(*[a[k] if axis == 0 else a for a, axis in zip(args, axes, strict=True)])
        for one, all_ in zip(single, found, strict=True):
            close(all_[k], one.value)


def test_vmap_of_vmap() -> None:
    ws = np.array([1.5, 1.1, 2.0])
    found = ad.vmap(lambda x: ad.vmap(lambda w: grow(x, w))(ws))(STARTS)
    close(found, [[grow_python(x, w) for w in ws] for x in STARTS])
    # a condition with a batch axis meets a batch of what is only carried along
    found = ad.vmap(lambda y: ad.vmap(lambda n: count(n, y))(np.array([1, 3])))(
        np.array([1.0, 2.0])
    )
    assert found.tolist() == [[2.0, 8.0], [4.0, 16.0]]


def count(n: Any, y: Any) -> Any:
    return ad.while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1, c[1] * 2.0), (0, y))[1]


# -- fori_loop -------------------------------------------------------------------------------------


def power(n: Any, x: Any) -> Any:
    return ad.fori_loop(0, n, lambda i, c: c * x, ad.tensor(1.0, dtype="f8"))


def test_static_bounds_make_a_scan() -> None:
    graph = ad.trace(lambda x: power(3, x), np.array(2.0))
    assert [n.op.length for n in graph.nodes if isinstance(n.op, Scan)] == [3]
    check_grads(lambda x: power(3, x), (np.array(2.0),), order=3)
    assert power(np.int32(3), np.array(2.0)).item() == 8.0
    assert power(ad.tensor(3), np.array(2.0)).item() == 8.0
    assert power(-1, np.array(2.0)).item() == 1.0


def test_staged_bounds_make_a_while_loop() -> None:
    graph = ad.trace(power, 3, np.array(2.0))
    graph.verify()
    assert any(isinstance(n.op, While) for n in graph.nodes)
    assert parse(str(graph), large_constants(graph)) == graph
    assert ad.vmap(power, (0, None))(np.array([0, 1, 4]), np.array(2.0)).tolist() == [
        1.0,
        2.0,
        16.0,
    ]


def test_index_counts() -> None:
    total = ad.fori_loop(2, 5, lambda i, c: c + i, 0)
    assert total.item() == 9
    assert total.dtype == np.int64


# -- errors ----------------------------------------------------------------------------------------


def test_carry_must_keep_its_type_and_structure() -> None:
    with pytest.raises(ShapeError, match=r"while_loop: the carry goes into a step as f32\[\] and"):
        ad.while_loop(lambda c: True, lambda c: ad.stack([c, c]), ad.tensor(1.0))
    with pytest.raises(DTypeError, match="comes out as f64"):
        ad.while_loop(lambda c: True, lambda c: c * np.ones(()), ad.tensor(1.0))
    with pytest.raises(ArgumentError, match="comes out as"):
        ad.while_loop(lambda c: True, lambda c: (c, c), 1.0)
    with pytest.raises(DTypeError, match="fori_loop: the carry"):
        ad.fori_loop(0, 3, lambda i, c: c * np.ones(()), ad.tensor(1.0))


def test_condition_must_be_a_scalar() -> None:
    with pytest.raises(ShapeError, match="condition must be a scalar"):
        ad.while_loop(lambda c: c > 0, lambda c: c, np.ones(2))


@pytest.mark.parametrize(("bound", "error"), [(1.5, DTypeError), (np.ones(2, int), ShapeError)])
def test_bounds_must_be_integers(bound: Any, error: Any) -> None:
    with pytest.raises(error, match="upper must be one integer"):
        ad.fori_loop(0, bound, lambda i, c: c, 1.0)
