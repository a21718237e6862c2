"""Linear algebra where it is delicate: equal values, singular matrices, zeros, refusals."""

from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint import linalg
from adjoint.core.errors import ArgumentError, DTypeError, NotDifferentiable, ShapeError
from adjoint.ops.linalg.triangular import BLOCK
from adjoint.testing import check_grads

ORDERS = [2, 1, 0, np.inf, -np.inf, 3, 0.5, 1.5]


def gradient(f: Any, x: Any) -> Any:
    leaf = ad.tensor(x, requires_grad=True)
    out = f(leaf).sum()
    if not out.requires_grad:
        return np.zeros_like(x)
    out.backward()
    return leaf.grad.numpy()


def rotation(n: int, rng: Any) -> Any:
    return np.linalg.qr(rng.normal(size=(n, n)))[0]


# -- equal eigenvalues and singular values ---------------------------------------------------------


def test_functions_of_eigenvalues_have_gradients_where_they_repeat(rng: Any) -> None:
    q = rotation(4, rng)
    x = (q * np.array([1.0, 1.0, 2.0, 2.0])) @ q.T
    wanted = (q * (3 * np.array([1.0, 1.0, 4.0, 4.0]))) @ q.T  # d tr(x^3) = 3 x^2
    for values in (linalg.eigvalsh, lambda x: linalg.eigh(x).eigenvalues):
        np.testing.assert_allclose(gradient(lambda x, f=values: f(x) ** 3, x), wanted, atol=1e-12)
    both = gradient(lambda x: linalg.eigh(x).eigenvalues + 0 * linalg.eigh(x).eigenvectors, x)
    assert np.isfinite(both).all()


def test_functions_of_singular_values_have_gradients_where_they_repeat(rng: Any) -> None:
    u, v = rotation(4, rng)[:, :3], rotation(3, rng)
    x = 2 * u @ v.T
    for values in (linalg.svdvals, lambda x: linalg.svd(x, full_matrices=False).S):
        found = gradient(lambda x, f=values: f(x) ** 2, x)
        np.testing.assert_allclose(found, 2 * x, atol=1e-12)


def test_eigenvalues_of_the_identity_have_a_gradient() -> None:
    found = gradient(lambda x: linalg.eigvals(x).real, np.eye(3))
    np.testing.assert_allclose(found, np.eye(3), atol=1e-14)


# -- determinants ----------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [0, 1, 2, 3])
@pytest.mark.parametrize("kind", ["real", "complex"])
def test_det_of_matrices_of_any_rank(rank: int, kind: str, rng: Any) -> None:
    x = rng.normal(size=(4, rank)) @ rng.normal(size=(rank, 4))
    if kind == "complex":
        x = x * np.exp(0.7j)
    check_grads(linalg.det, (x,), order=2, elementwise=0, atol=1e-6)


def test_det_gradient_of_a_diagonal_with_one_zero_is_exact() -> None:
    found = gradient(linalg.det, np.diag([2.0, 3.0, 0.0]))
    np.testing.assert_allclose(found, np.diag([0.0, 0.0, 6.0]), atol=1e-14)


def test_det_gradient_in_a_stack_with_regular_and_singular_matrices(rng: Any) -> None:
    x = np.stack([rng.normal(size=(3, 3)), np.ones((3, 3)), np.diag([1.0, 2.0, 0.0])])
    found = gradient(linalg.det, x)
    wanted = [np.linalg.det(x[0]) * np.linalg.inv(x[0]).T, np.zeros((3, 3)), np.diag([0, 0, 2.0])]
    np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_third_derivative_of_det(rng: Any) -> None:
    check_grads(linalg.det, (rng.normal(size=(3, 3)),), order=3, elementwise=0, atol=1e-6)


def test_a_singular_matrix_does_not_spoil_slogdet_of_the_others(rng: Any) -> None:
    x = np.stack([np.eye(2) * 2, np.ones((2, 2))])
    leaf = ad.tensor(x, requires_grad=True)
    out = linalg.slogdet(leaf)
    np.testing.assert_array_equal(out.sign.numpy(), [1.0, 0.0])
    assert out.logabsdet.numpy()[1] == -np.inf
    out.logabsdet.backward(np.array([1.0, 0.0]))
    np.testing.assert_allclose(leaf.grad.numpy(), [np.eye(2) / 2, np.zeros((2, 2))])


# -- norms at zero and at ties ---------------------------------------------------------------------


@pytest.mark.parametrize("ord", ORDERS)
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_vector_norm_at_zero_has_a_gradient_of_zero(ord: float, dtype: str) -> None:
    found = gradient(lambda x: linalg.vector_norm(x, axis=-1, ord=ord), np.zeros((2, 3), dtype))
    assert not np.isnan(found).any()
    if ord not in (np.inf, -np.inf):
        assert not found.any()


@pytest.mark.parametrize("ord", ["fro", "nuc", 2, -2, 1, -1, np.inf, -np.inf])
def test_matrix_norm_at_zero_has_a_gradient_of_zero(ord: Any) -> None:
    found = gradient(lambda x: linalg.matrix_norm(x, ord=ord), np.zeros((3, 2)))
    np.testing.assert_array_equal(found, np.zeros((3, 2)))


@pytest.mark.parametrize("ord", [0.5, 1, 1.5, 2, 3, 4])
def test_zero_elements_get_no_gradient(ord: float) -> None:
    x = np.array([3.0, 0.0, -4.0])
    found = gradient(lambda x: linalg.vector_norm(x, ord=ord), x)
    assert found[1] == 0
    assert np.isfinite(found).all()
    assert found[0] > 0 > found[2]


def test_second_derivative_of_the_norm_at_zero_is_finite() -> None:
    x = ad.tensor(np.zeros(3), requires_grad=True)
    linalg.vector_norm(x).backward(create_graph=True)
    g, x.grad = x.grad, None
    if g.requires_grad:
        g.backward(np.ones(3))
        assert np.isfinite(x.grad.numpy()).all()


def test_ties_of_the_largest_norm_share_the_gradient() -> None:
    found = gradient(lambda x: linalg.vector_norm(x, ord=np.inf), np.array([2.0, -2.0, 1.0]))
    np.testing.assert_allclose(found, [0.5, -0.5, 0.0])


# -- what has no derivative ------------------------------------------------------------------------


def test_complete_qr_of_a_tall_matrix_says_that_it_has_no_derivative(rng: Any) -> None:
    x = ad.tensor(rng.normal(size=(4, 2)), requires_grad=True)
    out = linalg.qr(x, mode="complete")
    assert out.Q.shape == (4, 4)
    assert out.R.shape == (4, 2)
    np.testing.assert_allclose((out.Q @ out.R).numpy(), x.numpy(), atol=1e-14)
    with pytest.raises(NotDifferentiable, match="reduced"):
        out.R.sum().backward()


@pytest.mark.parametrize("shape", [(4, 2), (2, 4), (3, 2, 3)])
def test_full_svd_has_gradients_through_what_is_determined(shape: Any, rng: Any) -> None:
    x = ad.tensor(rng.normal(size=shape), requires_grad=True)
    u, s, vh = linalg.svd(x)
    m, n = shape[-2:]
    assert (u.shape[-2:], vh.shape[-2:]) == ((m, m), (n, n))
    for q in (u.numpy(), vh.numpy()):
        eye = np.broadcast_to(np.eye(q.shape[-1]), q.shape)
        np.testing.assert_allclose(np.swapaxes(q, -1, -2) @ q, eye, atol=1e-13)
    (s * s).sum().backward(retain_graph=True)
    np.testing.assert_allclose(x.grad.numpy(), 2 * x.numpy(), atol=1e-12)
    with pytest.raises(NotDifferentiable, match="full_matrices=False"):
        (u.sum() + vh.sum()).backward()


# -- dtypes, sizes, refusals -----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_dtypes_are_kept(dtype: str) -> None:
    x = ad.tensor(np.array([[2.0, 1.0], [1.0, 3.0]]), dtype=dtype)
    real = x.numpy().real.dtype
    for f in (linalg.inv, linalg.det, linalg.cholesky, linalg.pinv, linalg.expm):
        assert f(x).dtype == x.dtype
    for f in (linalg.svdvals, linalg.eigvalsh, linalg.vector_norm, linalg.matrix_norm, linalg.cond):
        assert f(x).dtype == real
    assert linalg.eigvals(x).dtype == np.result_type(x.dtype, np.complex64)
    assert linalg.slogdet(x).logabsdet.dtype == real
    assert linalg.matrix_rank(x).dtype == np.int64


def test_integers_become_the_default_dtype() -> None:
    x = ad.tensor(np.array([[2, 0], [0, 4]]))
    assert linalg.inv(x).dtype == np.float32
    assert linalg.pinv(x).dtype == np.float32
    assert linalg.solve(x, ad.tensor(np.array([2.0, 4.0]))).dtype == np.float64
    assert linalg.matrix_power(x, 2).dtype == np.int64
    assert linalg.trace(x).dtype == np.int64


def test_half_precision_is_refused_with_a_way_out() -> None:
    with pytest.raises(DTypeError, match="not defined for float16"):
        linalg.inv(ad.tensor(np.eye(2, dtype=np.float16)))


@pytest.mark.parametrize(
    "f",
    [linalg.inv, linalg.det, linalg.slogdet, linalg.cholesky, linalg.eigh, linalg.eig, linalg.expm],
)
def test_a_matrix_that_is_not_square_is_refused(f: Any) -> None:
    with pytest.raises(ShapeError, match="square, got 2 rows and 3 columns"):
        f(ad.tensor(np.ones((2, 3))))


@pytest.mark.parametrize("f", [linalg.svd, linalg.svdvals, linalg.qr, linalg.pinv, linalg.inv])
def test_a_vector_is_refused(f: Any) -> None:
    with pytest.raises(ShapeError, match="at least two axes"):
        f(ad.tensor(np.ones(3)))


def test_numpy_errors_keep_their_class_and_name_the_operation() -> None:
    with pytest.raises(np.linalg.LinAlgError, match="inv: Singular matrix"):
        linalg.inv(ad.tensor(np.ones((2, 2))))
    with pytest.raises(np.linalg.LinAlgError, match=r"cholesky: .*positive definite"):
        linalg.cholesky(ad.tensor(-np.eye(2)))


def test_sizes_that_do_not_fit_are_named() -> None:
    with pytest.raises(ShapeError, match="x1 has 2 rows, x2 has 3"):
        linalg.solve(ad.tensor(np.eye(2)), ad.tensor(np.ones((3, 1))))
    with pytest.raises(ShapeError, match="x1 has 2 rows, x2 has 3"):
        linalg.lstsq(ad.tensor(np.eye(2)), ad.tensor(np.ones(3)))
    with pytest.raises(ShapeError, match="three elements, got 2 and 3"):
        linalg.cross(ad.tensor(np.ones(2)), ad.tensor(np.ones(3)))


@pytest.mark.parametrize(
    "call",
    [
        lambda x: linalg.qr(x, mode="full"),
        lambda x: linalg.eigh(x, UPLO="M"),
        lambda x: linalg.matrix_norm(x, ord="frobenius"),
        lambda x: linalg.norm(x, ord="fro", axis=0),
        lambda x: linalg.matrix_power(x, 0.5),
        lambda x: linalg.tensorinv(x, 0),
    ],
)
def test_arguments_without_meaning_are_refused(call: Any) -> None:
    with pytest.raises(ArgumentError):
        call(ad.tensor(np.eye(2)))


@pytest.mark.parametrize("upper", [False, True])
def test_triangular_solve_is_right_across_blocks(upper: bool, rng: Any) -> None:
    n = 2 * BLOCK + 5
    a = rng.normal(size=(2, n, n)) / n + 2 * np.eye(n)
    b = rng.normal(size=(n, 3))
    found = linalg.triangular_solve(ad.tensor(a), ad.tensor(b), upper=upper).numpy()
    kept = np.triu(a) if upper else np.tril(a)
    np.testing.assert_allclose(kept @ found, np.broadcast_to(b, (2, n, 3)), atol=1e-13)


def test_rank_counts_singular_values_above_the_tolerance(rng: Any) -> None:
    x = rng.normal(size=(5, 2)) @ rng.normal(size=(2, 4))
    stack = ad.tensor(np.stack([x, np.zeros((5, 4))]))
    np.testing.assert_array_equal(linalg.matrix_rank(stack).numpy(), [2, 0])
    many = ad.tensor(np.stack([np.diag([1.0, 0.1, 0.01])] * 2))
    share = ad.tensor(np.array([0.5, 0.05]))
    np.testing.assert_array_equal(linalg.matrix_rank(many, rtol=share).numpy(), [1, 2])
    found = linalg.pinv(many, rtol=share).numpy()
    np.testing.assert_allclose(found, [np.diag([1.0, 0, 0]), np.diag([1.0, 10.0, 0])])


@pytest.mark.parametrize("shape", [(0, 0), (2, 0, 0), (0, 3, 3)])
def test_empty_stacks_and_matrices(shape: Any) -> None:
    x = ad.tensor(np.zeros(shape) + np.eye(shape[-1]))
    assert linalg.det(x).shape == shape[:-2]
    assert linalg.inv(x).shape == shape
    assert linalg.expm(x).shape == shape
    assert linalg.pinv(x).shape == shape
    np.testing.assert_array_equal(linalg.det(x).numpy(), np.ones(shape[:-2]))


def test_results_are_named_tuples() -> None:
    x = ad.tensor(np.eye(2))
    assert linalg.qr(x)._fields == ("Q", "R")
    assert linalg.svd(x)._fields == ("U", "S", "Vh")
    assert linalg.eigh(x)._fields == ("eigenvalues", "eigenvectors")
    assert linalg.eig(x)._fields == ("eigenvalues", "eigenvectors")
    assert linalg.slogdet(x)._fields == ("sign", "logabsdet")
