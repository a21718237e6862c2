"""cond and switch, known and staged, against calling the function that is chosen."""

from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint.core.errors import ArgumentError, DTypeError, ShapeError
from adjoint.core.parse import parse
from adjoint.core.text import large_constants
from adjoint.testing import check_grads
from adjoint.transforms.control_cond import Cond

XS = np.array([0.5, -1.5, 2.0])


def close(found: Any, wanted: Any) -> None:
    np.testing.assert_allclose(found.value, np.asarray(wanted), rtol=1e-12, atol=1e-14)


def staged(f: Any, *args: Any) -> Any:
    """The function with its first argument known only when its graph runs."""
    graph = ad.trace(f, *args)
    graph.verify()
    assert any(isinstance(n.op, Cond) for n in graph.nodes)
    return graph


# -- values ----------------------------------------------------------------------------------------


def test_known_predicate_calls_one_function() -> None:
    def never(x: Any) -> Any:
        raise AssertionError

    for pred in (True, np.True_, ad.tensor(True), 1, 0.5):
        assert ad.cond(pred, lambda x: x + 1.0, never, 2.0).item() == 3.0
    for pred in (False, ad.tensor(False), 0, 0.0):
        assert ad.cond(pred, never, lambda x: {"a": x}, ad.tensor(2.0))["a"].item() == 2.0


def test_switch_takes_the_nearest_branch() -> None:
    fns = [lambda x: x, lambda x: x * x, lambda x: x * x * x]
    wanted = [2.0, 2.0, 4.0, 8.0, 8.0]
    indices = [-1, 0, 1, 2, 5]
    assert [ad.switch(i, fns, 2.0).item() for i in indices] == wanted
    found = ad.vmap(lambda i: ad.switch(i, fns, ad.tensor(2.0)))(np.array(indices))
    assert found.tolist() == wanted
    several = ad.scan(lambda c, i: (c, ad.switch(i, fns, c)), 2.0, np.array(indices))[1]
    assert several.tolist() == wanted


def test_trees_in_and_out() -> None:
    def f(p: Any, x: Any) -> Any:
        return ad.cond(p, lambda d: (d["x"] + 1, None), lambda d: (d["x"], None), {"x": x})

    found, nothing = ad.vmap(f)(np.array([True, False]), np.array([1, 2]))
    assert found.tolist() == [2, 2]
    assert nothing is None


def test_python_numbers_follow_the_other_branch() -> None:
    def f(p: Any, x: Any) -> Any:
        return ad.cond(p, lambda x: (x, 1), lambda x: (0.0, 2.5), x)

    one, two = ad.vmap(f)(np.array([True, False]), XS[:2])
    assert (one.dtype, two.dtype) == (np.float64, np.float32)
    assert one.tolist() == [0.5, 0.0]
    assert two.tolist() == [1.0, 2.5]


# -- derivatives -----------------------------------------------------------------------------------


def branches(p: Any, x: Any, y: Any) -> Any:
    return ad.cond(
        p, lambda x, y: (ad.sin(x) * y, x), lambda x, y: (y * y * y, ad.zeros(3, dtype="f8")), x, y
    )


def in_a_scan(x: Any, y: Any) -> Any:
    """Both branches in one function whose predicates are staged."""
    return ad.scan(
        lambda c, p: (branches(p, c, y)[0], branches(p, c, y)[1]), x, np.array([True, False, True])
    )


def test_derivatives_of_both_branches() -> None:
    check_grads(in_a_scan, (XS, XS[::-1]), order=3, elementwise=0)


@pytest.mark.parametrize("pred", [True, False])
def test_staged_gradient_is_that_of_the_chosen_function(pred: bool) -> None:
    def loss(p: Any, x: Any, y: Any) -> Any:
        a, b = branches(p, x, y)
        return ad.sum(a * a) + ad.sum(b)

    wanted = ad.grad(loss, (1, 2))(pred, XS, XS[::-1])
    preds = np.array([pred, pred])
    for axes in ((0, None, None), (None, 0, 0)):
        args = [
            a if axis is None else np.stack([a, a])
            for a, axis in zip((preds[0], XS, XS[::-1]), axes, strict=True)
        ]
        found = ad.vmap(ad.grad(loss, (1, 2)), axes)(*args)
        for f, w in zip(found, wanted, strict=True):
            close(f[0], w.value)
            close(f[1], w.value)


def test_captured_tensors_get_their_gradient() -> None:
    w, v = (ad.tensor(k, requires_grad=True) for k in (3.0, 5.0))
    preds = np.array([True, False, True])

    def f(c: Any, p: Any) -> Any:
        return ad.cond(p, lambda c: c * w, lambda c: c + v * w, c), None

    ad.scan(f, 2.0, preds)[0].backward()  # (2 w + v w) w
    assert w.grad.item() == 2 * 3 * (2 + 5)
    assert v.grad.item() == 9.0


def test_untaken_branch_gives_exact_zeros_and_no_nan() -> None:
    def safe_log(x: Any) -> Any:
        return ad.cond(x > 0.0, ad.log, lambda x: 0.0 * x, x)

    xs = np.array([2.0, 0.0, -1.0])
    close(ad.vmap(safe_log)(xs), [np.log(2.0), 0.0, 0.0])
    close(ad.vmap(ad.grad(safe_log))(xs), [0.5, 0.0, 0.0])
    close(ad.grad(lambda x: ad.sum(ad.vmap(safe_log)(x)))(xs), [0.5, 0.0, 0.0])
    close(ad.jvp(ad.vmap(safe_log), (xs,), (np.ones(3),))[1], [0.5, 0.0, 0.0])
    close(ad.vmap(ad.grad(ad.grad(safe_log)))(xs), [-0.25, 0.0, 0.0])


def test_no_gradient_through_integers_and_the_index() -> None:
    def f(i: Any, n: Any, x: Any) -> Any:
        return ad.switch(i, [lambda n, x: (n, x), lambda n, x: (n + 1, x * x)], n, x)

    def loss(x: Any) -> Any:
        n, y = ad.vmap(f, (0, 0, None))(np.array([0, 1, 1]), np.arange(3), x)
        assert n.tolist() == [0, 2, 3]
        return ad.sum(y)

    close(ad.grad(loss)(np.array(3.0)), 1.0 + 6.0 + 6.0)


# -- vmap ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axes", [(0, 0, 0), (0, None, 0), (None, 0, None), (None, None, 0)])
def test_vmap_over_any_operands(axes: Any) -> None:
    w = ad.tensor(XS)

    def f(p: Any, x: Any, y: Any) -> Any:
        return ad.cond(p, lambda x, y: (x * w, y), lambda x, y: (w, x + y), x, y)

    full = [np.array([True, False]), np.stack([XS, 2 * XS]), np.stack([XS + 1, 3 * XS])]
    args = [a if axis == 0 else a[0] for a, axis in zip(full, axes, strict=True)]
    found = ad.vmap(f, axes)(*args)
    inner = ad.vmap(lambda p: ad.vmap(lambda x: f(p, x, XS))(full[1]))(full[0])
    for k in range(2):
        single = f(*[a[k] if axis == 0 else a for a, axis in zip(args, axes, strict=True)])
        for one, all_ in zip(single, found, strict=True):
            close(all_[k], one.value)
        for j in range(2):
            for one, all_ in zip(f(full[0][k], full[1][j], XS), inner, strict=True):
                close(all_[k, j], one.value)


def test_one_predicate_for_the_batch_runs_one_branch() -> None:
    graph = staged(
        lambda p, xs: ad.vmap(lambda x: ad.cond(p, ad.sin, ad.cos, x))(xs), True, np.ones(3)
    )
    assert " where(" not in str(graph)


# -- text ------------------------------------------------------------------------------------------


def test_staged_cond_prints_and_is_read_back() -> None:
    graph = staged(ad.grad(lambda p, x: ad.cond(p, ad.sin, lambda x: 2.0 * x, x), 1), True, 1.0)
    assert parse(str(graph), large_constants(graph)) == graph
    assert graph.out_types[0].shape == ()


def test_trace_stages_even_a_known_predicate() -> None:
    staged(lambda x: ad.cond(True, ad.sin, ad.cos, x), 1.0)


# -- errors ----------------------------------------------------------------------------------------


def test_predicate_must_be_a_scalar() -> None:
    with pytest.raises(ShapeError, match="pred must be a scalar") as caught:
        ad.cond(np.array([True, False]), ad.sin, ad.cos, 1.0)
    assert "Try: ad.where(pred, x, y)" in str(caught.value)


def test_index_must_be_an_integer() -> None:
    with pytest.raises(DTypeError, match="index must be an integer, got f32"):
        ad.switch(1.0, [ad.sin], 1.0)
    with pytest.raises(ArgumentError, match="no branches"):
        ad.switch(1, [], 1.0)


@pytest.mark.parametrize(
    ("other", "error", "fact"),
    [
        (lambda x: {"a": ad.stack([x, x])}, ShapeError, r"'a' of false_fn is f32\[2\], of true_fn"),
        (lambda x: {"a": ad.astype(x, "f8")}, DTypeError, "of false_fn is f64"),
        (lambda x: x, ArgumentError, "false_fn returns"),
    ],
)
def test_branches_must_agree(other: Any, error: Any, fact: str) -> None:
    with pytest.raises(error, match=fact) as caught:
        ad.trace(lambda p, x: ad.cond(p, lambda x: {"a": x}, other, x), True, 1.0)
    assert "test_control_cond.py" in str(caught.value)
