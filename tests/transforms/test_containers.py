"""Every transform on one nested argument: a dict of a list of a tuple and a dataclass."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint.core.program import evaluate
from adjoint.core.tree import flatten, tree_map


@dataclass(frozen=True)
class Affine:
    b: Any
    s: Any


Tree = dict[str, Any]
W, B, S, G = np.arange(6.0).reshape(2, 3) - 2, np.array([1.0, -2.0, 0.5]), 3.0, -0.5


def tree(w: Any = W, b: Any = B, s: Any = S, g: Any = G) -> Tree:
    w, b, s, g = (np.asarray(x, np.float64) for x in (w, b, s, g))
    return {"layers": [(w,), Affine(b, s)], "gain": g}


def f(p: Tree) -> ad.Tensor:
    (w,), affine = p["layers"]
    cubes = ad.sum(affine.b * affine.b * affine.b)
    return ad.sum(w * w) * affine.s + cubes * p["gain"] + affine.s * p["gain"]


VALUE = (W * W).sum() * S + (B**3).sum() * G + S * G
GRADIENT = tree(2 * W * S, 3 * B**2 * G, (W * W).sum() + G, (B**3).sum() + S)


def along(dot: Tree) -> Tree:
    """The Hessian times a vector."""
    (dw,), affine = dot["layers"]
    db, ds, dg = affine.b, affine.s, dot["gain"]
    return tree(
        2 * dw * S + 2 * W * ds,
        6 * B * db * G + 3 * B**2 * dg,
        (2 * W * dw).sum() + dg,
        (3 * B**2 * db).sum() + ds,
    )


def leaves(x: Any) -> list[Any]:
    return flatten(x)[0]


def same(found: Any, wanted: Any) -> None:
    got, structure = flatten(found)
    want, expected = flatten(wanted)
    assert structure == expected
    for x, y in zip(got, want, strict=True):
        assert isinstance(x, ad.Tensor)
        assert not x.requires_grad
        assert x.dtype == y.dtype
        np.testing.assert_allclose(x.numpy(), y, rtol=1e-13)


def direction() -> Tree:
    rng = np.random.default_rng(0)
    return tree_map(lambda x: rng.normal(size=np.shape(x)), tree())


def inner(a: Any, b: Any) -> float:
    pairs = zip(leaves(a), leaves(b), strict=True)
    return sum(float(np.sum(np.asarray(x) * np.asarray(y))) for x, y in pairs)


def test_grad() -> None:
    same(ad.grad(f)(tree()), GRADIENT)


def test_value_and_grad() -> None:
    value, gradient = ad.value_and_grad(f)(tree())
    same(value, np.asarray(VALUE))
    same(gradient, GRADIENT)


def test_vjp() -> None:
    value, pullback = ad.vjp(f, tree())
    same(value, np.asarray(VALUE))
    (gradient,) = pullback(np.asarray(2.0))
    same(gradient, tree_map(lambda x: 2 * x, GRADIENT))


def test_vjp_with_a_result_of_several_leaves() -> None:
    out, pullback = ad.vjp(lambda p: {"value": f(p), "same": p}, tree())
    same(out, {"value": np.asarray(VALUE), "same": tree()})
    dot = direction()
    (gradient,) = pullback({"value": np.asarray(1.0), "same": dot})
    same(gradient, tree_map(lambda x, y: x + y, GRADIENT, dot))


def test_jvp() -> None:
    dot = direction()
    value, out_dot = ad.jvp(f, (tree(),), (dot,))
    same(value, np.asarray(VALUE))
    same(out_dot, np.asarray(inner(GRADIENT, dot)))


def test_linearize() -> None:
    value, push = ad.linearize(lambda p: (f(p), p), tree())
    dot = direction()
    same(value, (np.asarray(VALUE), tree()))
    for _ in range(2):
        same(push(dot), (np.asarray(inner(GRADIENT, dot)), dot))


@pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])
def test_jacobian(mode: Any) -> None:
    jacobian = ad.jacobian(lambda p: {"f": f(p), "w": p["layers"][0][0]}, mode=mode)(tree())
    same(jacobian["f"], GRADIENT)
    zero = [np.zeros((2, 3, *x.shape)) for x in (B, np.asarray(S), np.asarray(G))]
    same(jacobian["w"], tree(np.eye(6).reshape(2, 3, 2, 3), *zero))


def test_hessian() -> None:
    rows = leaves(ad.hessian(f)(tree()))
    dot = leaves(direction())
    n = len(dot)
    assert len(rows) == n * n
    for i, wanted in enumerate(leaves(along(direction()))):
        block = rows[i * n : (i + 1) * n]
        product = sum(
            np.tensordot(h.numpy(), d, np.ndim(d)) for h, d in zip(block, dot, strict=True)
        )
        np.testing.assert_allclose(product, wanted, rtol=1e-12)


def test_hvp() -> None:
    dot = direction()
    same(ad.hvp(f, tree(), dot), along(dot))
    same(ad.hvp(f, (tree(),), (dot,)), along(dot))


def batch(n: int = 4) -> Tree:
    return tree_map(lambda x: np.stack([x * (k + 1) for k in range(n)]), tree())


def example(p: Tree, k: int) -> Tree:
    return tree_map(lambda x: x[k], p)


def test_vmap() -> None:
    mapped = ad.vmap(lambda p: {"f": f(p), "p": p})(batch())
    each = np.array([f(tree_map(ad.tensor, example(batch(), k))).item() for k in range(4)])
    same(mapped, {"f": each, "p": batch()})


def test_vmap_with_a_tree_of_axes() -> None:
    axes = {"layers": [None, Affine(0, None)], "gain": None}
    p = tree(b=np.stack([B, 2 * B]))
    each = np.array([f(tree_map(ad.tensor, tree(b=k * B))).item() for k in (1, 2)])
    same(ad.vmap(f, (axes,))(p), each)


def test_vmap_of_grad() -> None:
    stacked = ad.vmap(ad.grad(f))(batch())
    for k in range(4):
        same(tree_map(lambda x, k=k: x[k], stacked), tree_map(np.asarray, numpy_gradient(k + 1)))


def numpy_gradient(k: float) -> Tree:
    w, b, s, g = W * k, B * k, S * k, G * k
    return tree(2 * w * s, 3 * b**2 * g, (w * w).sum() + g, (b**3).sum() + s)


def test_per_example_grad() -> None:
    data = np.array([1.0, -2.0, 0.5])
    found = ad.per_example_grad(lambda p, x: f(p) * x)(tree(), data)
    same(found, tree_map(lambda x: np.multiply.outer(data, x), GRADIENT))


def test_checkpoint() -> None:
    kept = ad.checkpoint(lambda p: {"f": f(p), "p": p})
    same(kept(tensors()), {"f": np.asarray(VALUE), "p": tree()})
    same(ad.grad(lambda p: kept(p)["f"])(tree()), GRADIENT)


def tensors() -> Tree:
    return tree_map(ad.tensor, tree())


def test_custom_gradient() -> None:
    @ad.custom_gradient
    def doubled(p: Tree) -> Any:
        return f(p), lambda ct: tree_map(lambda x: 2.0 * ct * x, GRADIENT)

    same(ad.grad(doubled)(tree()), tree_map(lambda x: 2 * x, GRADIENT))


def test_stop_gradient() -> None:
    same(ad.stop_gradient(tree()), tree())
    stopped = ad.grad(lambda p: f(p) + f(ad.stop_gradient(p)))(tree())
    same(stopped, GRADIENT)


def test_trace() -> None:
    graph = ad.trace(lambda p: {"f": f(p), "gain": p["gain"]}, tree())
    assert [t.shape for t in graph.in_types] == [x.shape for x in leaves(tree())]
    found = evaluate(graph, leaves(tensors()))
    same(found, [np.asarray(VALUE), np.asarray(G)])
    graph.verify()
