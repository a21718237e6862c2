"""Random programs: whatever is composed, the ways to compute and to differentiate it agree."""

from typing import Any

import numpy as np
from hypothesis import given, strategies as st

import adjoint as ad
from adjoint.core.bind import lift, staged_leaf
from adjoint.core.program import evaluate, extract
from adjoint.core.types import Type
from adjoint.testing import check_grads
from adjoint.transforms.batch import vmap
from adjoint.transforms.reverse import grad, vjp
from tests.strategies import SIDE, Program, programs

SEEDS = st.integers(0, 2**16)


def operands(seed: int, *lead: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (*lead, SIDE, SIDE)), rng.uniform(-1, 1, (*lead, SIDE, SIDE))


def staged(f: Any, *types: Type) -> Any:
    leaves = [staged_leaf(t) for t in types]
    return extract(leaves, [f(*leaves)], leaves[0].node.seq)


MATRIX = Type((SIDE, SIDE), np.dtype(np.float64))


def close(a: Any, b: Any) -> None:
    np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * np.abs(b).max(initial=1.0))


@given(programs(), SEEDS)
def test_gradients_are_right_in_both_modes(program: Program, seed: int) -> None:
    check_grads(program, operands(seed), order=2, elementwise=0, seed=seed)


@given(programs(), SEEDS)
def test_the_staged_program_computes_the_same_bits(program: Program, seed: int) -> None:
    xs = operands(seed)
    (found,) = evaluate(staged(program, MATRIX, MATRIX), [lift(x) for x in xs])
    np.testing.assert_array_equal(found.numpy(), program(*map(lift, xs)).numpy())


@given(programs(), SEEDS)
def test_the_staged_gradient_computes_the_same(program: Program, seed: int) -> None:
    gradient = grad(lambda x, y: ad.sum(program(x, y)))
    xs = operands(seed)
    (found,) = evaluate(staged(gradient, MATRIX, MATRIX), [lift(x) for x in xs])
    close(found.numpy(), gradient(*xs).numpy())


@given(programs(), SEEDS, st.sampled_from([(0, 0), (0, None), (None, 0)]))
def test_a_batch_is_a_stack(program: Program, seed: int, axes: Any) -> None:
    xs = operands(seed, 4)
    xs = tuple(x if a == 0 else x[0] for x, a in zip(xs, axes, strict=True))
    found = vmap(program, axes)(*xs)
    for b in range(4):
        one = [x[b] if a == 0 else x for x, a in zip(xs, axes, strict=True)]
        close(found.numpy()[b], program(*map(lift, one)).numpy())


@given(programs(), SEEDS)
def test_a_batch_of_gradients_is_a_stack(program: Program, seed: int) -> None:
    gradient = grad(lambda x, y: ad.sum(program(x, y)), argnums=(0, 1))
    xs, ys = operands(seed, 3)
    found = vmap(gradient)(xs, ys)
    for b in range(3):
        for batch, single in zip(found, gradient(xs[b], ys[b]), strict=True):
            close(batch.numpy()[b], single.numpy())


@given(programs(), SEEDS)
def test_the_tape_and_the_transform_agree(program: Program, seed: int) -> None:
    x, y = (ad.tensor(v, requires_grad=True) for v in operands(seed))
    out = program(x, y)
    ct = np.random.default_rng(seed).normal(size=out.shape)
    if out.requires_grad:
        out.backward(ct)
    _, pullback = vjp(program, x.numpy(), y.numpy())
    for leaf, g in zip((x, y), pullback(ct), strict=True):
        wanted = np.zeros(leaf.shape) if leaf.grad is None else leaf.grad.numpy()
        np.testing.assert_array_equal(g.numpy(), wanted)
