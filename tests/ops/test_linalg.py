"""Linear algebra against NumPy and SciPy, and its gradients against differences of values."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import scipy.linalg

import adjoint as ad
from adjoint import linalg
from adjoint.testing import check_grads

RNG = np.random.default_rng(7)


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape)


def cplx(*shape: int) -> Any:
    return normal(*shape) + 1j * normal(*shape)


def regular(*shape: int, kind: Any = normal) -> Any:
    """Matrices far from singular."""
    return kind(*shape) + 3 * np.eye(shape[-1])


def mH(x: Any) -> Any:
    return np.conj(np.swapaxes(x, -1, -2))


def positive(x: Any) -> Any:
    return x @ mH(x) + np.eye(x.shape[-1])


def apart(x: Any) -> Any:
    """The same singular vectors, with singular values well apart."""
    u, s, vh = np.linalg.svd(x, full_matrices=False)
    return (u * (1.0 + np.arange(s.shape[-1])[::-1])) @ vh


def hermitian(*shape: int, kind: Any = normal) -> Any:
    q = np.linalg.qr(kind(*shape))[0]
    return (q * np.arange(1.0, shape[-1] + 1)) @ mH(q)


def of_vectors(v: Any) -> Any:
    """What does not depend on the phases of the columns: their outer products."""
    return v[..., :, None, :] * v.conj()[..., None, :, :]


# name, function, its twin in NumPy or SciPy, operands
Row = tuple[str, Callable[..., Any], Callable[..., Any] | None, list[Any]]


def rows() -> Iterator[Row]:
    yield from solvers()
    yield from decompositions()
    yield from numbers()
    yield from norms()


def solvers() -> Iterator[Row]:
    a, c = regular(2, 3, 3), regular(3, 3, kind=cplx)
    yield "solve", linalg.solve, np.linalg.solve, [a[0], normal(3, 2)]
    yield "solve-vector", linalg.solve, np.linalg.solve, [a, normal(3)]
    yield "solve-broadcast", linalg.solve, np.linalg.solve, [a[0], normal(2, 3, 1)]
    yield "solve-complex", linalg.solve, np.linalg.solve, [c, cplx(3, 2)]
    yield "solve-mixed", linalg.solve, np.linalg.solve, [a[0], cplx(3, 2)]
    for lower in (True, False):
        for unit in (False, True):

            def ours(x: Any, y: Any, lower: bool = lower, unit: bool = unit) -> Any:
                return linalg.triangular_solve(x, y, upper=not lower, unitriangular=unit)

            def theirs(x: Any, y: Any, lower: bool = lower, unit: bool = unit) -> Any:
                return scipy.linalg.solve_triangular(x, y, lower=lower, unit_diagonal=unit)

            yield f"triangular-{lower}-{unit}", ours, theirs, [c, cplx(3, 2)]
            yield f"triangular-vector-{lower}-{unit}", ours, theirs, [a[0], normal(3)]
    yield "inv", linalg.inv, np.linalg.inv, [a]
    yield "inv-complex", linalg.inv, np.linalg.inv, [c]
    for x in (normal(4, 3), normal(2, 3, 4), cplx(3, 2), normal(3, 3)):
        yield f"pinv-{x.dtype}-{x.shape}", linalg.pinv, np.linalg.pinv, [x]
    yield (
        "lstsq",
        lambda x, y: linalg.lstsq(x, y)[:2],
        first(2, np.linalg.lstsq),
        [normal(5, 3), normal(5, 2)],
    )
    yield (
        "lstsq-vector",
        lambda x, y: linalg.lstsq(x, y)[:2],
        first(2, np.linalg.lstsq),
        [normal(5, 3), normal(5)],
    )
    yield (
        "lstsq-wide",
        lambda x, y: linalg.lstsq(x, y)[:1],
        first(1, np.linalg.lstsq),
        [cplx(2, 3), cplx(2, 2)],
    )
    yield "tensorinv", linalg.tensorinv, np.linalg.tensorinv, [regular(6, 6).reshape(2, 3, 3, 2)]
    yield (
        "tensorsolve",
        linalg.tensorsolve,
        np.linalg.tensorsolve,
        [regular(6, 6).reshape(2, 3, 3, 2), normal(2, 3)],
    )


def first(n: int, f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *xs: tuple(f(*xs))[:n]


def decompositions() -> Iterator[Row]:
    for x in (positive(normal(3, 3)), positive(normal(2, 3, 3)), positive(cplx(3, 3))):
        yield f"cholesky-{x.dtype}-{x.shape}", linalg.cholesky, np.linalg.cholesky, [x]
        yield (
            f"cholesky-upper-{x.dtype}-{x.shape}",
            lambda x: linalg.cholesky(x, upper=True),
            lambda x: np.linalg.cholesky(x, upper=True),
            [x],
        )
    for x in (normal(4, 3), normal(3, 3), normal(2, 3, 5), cplx(4, 3), cplx(2, 4), cplx(3, 3)):
        for mode in ("reduced", "r"):
            yield (
                f"qr-{mode}-{x.dtype}-{x.shape}",
                lambda x, m=mode: linalg.qr(x, mode=m),
                lambda x, m=mode: np.linalg.qr(x, m),
                [x],
            )
    yield (
        "qr-complete",
        lambda x: linalg.qr(x, mode="complete"),
        lambda x: np.linalg.qr(x, "complete"),
        [normal(3, 5)],
    )
    for x in (normal(3, 3), normal(2, 4, 3), normal(2, 4)):
        yield (
            f"svd-{x.shape}",
            lambda x: linalg.svd(x, full_matrices=False),
            lambda x: np.linalg.svd(x, full_matrices=False),
            [apart(x)],
        )
    for x in (apart(cplx(3, 3)), apart(cplx(4, 2)), apart(cplx(2, 4))):
        yield f"svd-vectors-{x.shape}", svd_vectors, None, [x]
        yield f"svdvals-{x.shape}", linalg.svdvals, np.linalg.svdvals, [x]
    yield "eigh", linalg.eigh, np.linalg.eigh, [hermitian(2, 3, 3)]
    yield (
        "eigh-lower",
        lambda x: linalg.eigh(x, UPLO="L"),
        lambda x: np.linalg.eigh(x, "L"),
        [hermitian(3, 3) + np.triu(normal(3, 3), 1)],
    )
    yield (
        "eigh-upper",
        lambda x: linalg.eigvalsh(x, UPLO="U"),
        lambda x: np.linalg.eigvalsh(x, "U"),
        [hermitian(3, 3) + np.tril(normal(3, 3), -1)],
    )
    yield (
        "eigh-vectors",
        lambda x: of_vectors(linalg.eigh(x).eigenvectors),
        None,
        [hermitian(3, 3, kind=cplx)],
    )
    yield "eigvalsh", linalg.eigvalsh, np.linalg.eigvalsh, [hermitian(2, 3, 3, kind=cplx)]
    for x in (regular(3, 3), np.diag([1.0, 3.0, 6.0]) + 0.3 * cplx(3, 3)):
        yield f"eig-{x.dtype}", eig_invariants, None, [x]
        yield (
            f"eigvals-{x.dtype}",
            lambda x: sorted_sums(linalg.eigvals(x)),
            lambda x: sorted_sums(np.linalg.eigvals(x)),
            [x],
        )


def svd_vectors(x: Any) -> Any:
    u, _, vh = linalg.svd(x, full_matrices=False)
    return u[..., :, None, :] * vh.mT[..., None, :, :]


def eig_invariants(x: Any) -> Any:
    w, v = linalg.eig(x)
    return (of_vectors(v) * w).sum(axis=-1), (of_vectors(v) ** 2 * w).sum(axis=-1)


def sorted_sums(w: Any) -> Any:
    """Symmetric functions: eigenvalues come in no particular order."""
    return w.sum(axis=-1), (w * w * w).sum(axis=-1)


def numbers() -> Iterator[Row]:
    for x in (normal(2, 3, 3), cplx(3, 3), normal(1, 1), normal(5, 5)):
        yield f"det-{x.dtype}-{x.shape}", linalg.det, np.linalg.det, [x]
        yield f"slogdet-{x.dtype}-{x.shape}", linalg.slogdet, np.linalg.slogdet, [x]
    yield (
        "det-singular",
        linalg.det,
        np.linalg.det,
        [np.outer(normal(3), normal(3)) + np.outer(normal(3), normal(3))],
    )
    for n in (3, 1, 0, -2, 6):
        yield (
            f"matrix_power-{n}",
            lambda x, n=n: linalg.matrix_power(x, n),
            lambda x, n=n: np.linalg.matrix_power(x, n),
            [regular(2, 3, 3) / 3],
        )
    for x in (
        normal(3, 3),
        normal(2, 3, 3) * np.array([1, 20.0])[:, None, None],
        cplx(3, 3),
        np.zeros((2, 2)),
    ):
        yield f"expm-{x.dtype}-{x.shape}", linalg.expm, scipy.linalg.expm, [x]
    yield "trace", linalg.trace, np.linalg.trace, [normal(2, 3, 4)]
    yield (
        "trace-offset",
        lambda x: linalg.trace(x, offset=-1),
        lambda x: np.linalg.trace(x, offset=-1),
        [cplx(3, 4)],
    )
    for k in (0, 1, -2, 5):
        yield (
            f"diagonal-{k}",
            lambda x, k=k: linalg.diagonal(x, offset=k),
            lambda x, k=k: np.linalg.diagonal(x, offset=k),
            [normal(2, 3, 4)],
        )
    yield "cross", linalg.cross, np.linalg.cross, [normal(2, 3), normal(3)]
    yield (
        "cross-axis",
        lambda x, y: linalg.cross(x, y, axis=0),
        lambda x, y: np.linalg.cross(x, y, axis=0),
        [cplx(3, 2), normal(3, 2)],
    )
    yield "outer", linalg.outer, np.linalg.outer, [normal(2), cplx(3)]
    yield (
        "multi_dot",
        lambda *xs: linalg.multi_dot(xs),
        lambda *xs: np.linalg.multi_dot(xs),
        [normal(2, 3), normal(3, 5), normal(5, 2), normal(2)],
    )
    yield (
        "tensordot",
        lambda x, y: linalg.tensordot(x, y, axes=1),
        lambda x, y: np.linalg.tensordot(x, y, axes=1),
        [normal(2, 3), normal(3, 4)],
    )
    yield "vecdot", linalg.vecdot, np.linalg.vecdot, [cplx(2, 3), cplx(3)]
    yield "matrix_transpose", linalg.matrix_transpose, np.linalg.matrix_transpose, [normal(2, 3, 4)]


def norms() -> Iterator[Row]:
    for ord in (2, 1, np.inf, -np.inf, 3, 4, 1.5, 0.5, -1, -2.5):
        for x in (normal(3, 4), cplx(3, 4)):
            yield (
                f"vector_norm-{ord}-{x.dtype}",
                lambda x, p=ord: linalg.vector_norm(x, axis=-1, ord=p),
                lambda x, p=ord: np.linalg.vector_norm(x, axis=-1, ord=p),
                [x],
            )
    yield "vector_norm-all", linalg.vector_norm, np.linalg.vector_norm, [normal(2, 3)]
    yield (
        "vector_norm-axes",
        lambda x: linalg.vector_norm(x, axis=(0, -1), keepdims=True),
        lambda x: np.linalg.vector_norm(x, axis=(0, -1), keepdims=True),
        [normal(2, 3, 4)],
    )
    for ord in ("fro", "nuc", 2, -2, 1, -1, np.inf, -np.inf):
        for x in (apart(normal(2, 4, 3)), apart(cplx(2, 3))):
            yield (
                f"matrix_norm-{ord}-{x.dtype}",
                lambda x, p=ord: linalg.matrix_norm(x, ord=p),
                lambda x, p=ord: np.linalg.matrix_norm(x, ord=p),
                [x],
            )
    yield "norm-flat", linalg.norm, np.linalg.norm, [normal(2, 3, 2)]
    yield (
        "norm-axes",
        lambda x: linalg.norm(x, "nuc", (2, 0), True),
        lambda x: np.linalg.norm(x, "nuc", (2, 0), True),
        [normal(2, 3, 3)],
    )
    yield (
        "norm-axis",
        lambda x: linalg.norm(x, 3, axis=1),
        lambda x: np.linalg.norm(x, 3, axis=1),
        [normal(2, 3)],
    )
    yield "norm-one", lambda x: linalg.norm(x, 1), lambda x: np.linalg.norm(x, 1), [normal(2, 3)]
    for p in (None, 2, -2, "fro", 1):
        yield (
            f"cond-{p}",
            lambda x, p=p: linalg.cond(x, p),
            lambda x, p=p: np.linalg.cond(x, p),
            [apart(normal(3, 3))],
        )


ROWS = list(rows())
every_row = pytest.mark.parametrize(
    ("f", "twin", "xs"), [pytest.param(*row[1:], id=row[0]) for row in ROWS]
)


def several(out: Any) -> tuple[Any, ...]:
    return tuple(out) if isinstance(out, tuple | list) else (out,)


@every_row
def test_values(f: Any, twin: Any, xs: Any) -> None:
    outs = several(f(*map(ad.asarray, xs)))
    if twin is None:
        return
    for y, wanted in zip(outs, several(twin(*xs)), strict=True):
        wanted = np.asarray(wanted)
        assert y.shape == wanted.shape
        assert y.dtype == wanted.dtype
        np.testing.assert_allclose(y.numpy(), wanted, rtol=1e-10, atol=1e-11)


@every_row
def test_derivatives_of_both_orders_in_both_modes(f: Any, twin: Any, xs: Any) -> None:
    check_grads(lambda *ts: several(f(*ts)), tuple(xs), order=2, elementwise=0, atol=1e-7)


# -- Tensor.backward, with a check that shares nothing with the library's own ----------------------


def pulled(f: Any, xs: Any, cts: Any, create_graph: bool = False) -> tuple[list[Any], list[Any]]:
    """Leaves with the gradient of ``sum <ct, out>``, and that gradient."""
    leaves = [ad.tensor(x, requires_grad=True) for x in xs]
    for out, ct in zip(several(f(*leaves)), cts, strict=True):
        if out.requires_grad:
            out.backward(ct, retain_graph=True, create_graph=create_graph)
    gs = [x.grad for x in leaves]
    for x in leaves:
        x.grad = None
    return leaves, gs


def along(pairs: Any) -> float:
    return sum(float(np.real(np.vdot(a, b))) for a, b in pairs)


def slope(value: Callable[[Any], float], xs: Any, vs: Any, h: float = 1e-5) -> float:
    """A central difference of fourth order."""
    at = [value([x + k * h * v for x, v in zip(xs, vs, strict=True)]) for k in (-2, -1, 1, 2)]
    return (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * h)


def like(rng: Any, x: Any) -> Any:
    x = np.asarray(x)
    out = rng.normal(size=x.shape)
    return out + 1j * rng.normal(size=x.shape) if x.dtype.kind == "c" else out


@every_row
def test_backward_and_backward_of_it(f: Any, twin: Any, xs: Any, rng: Any) -> None:
    def arrays(xs: Any) -> list[Any]:
        return [y.numpy() for y in several(f(*map(ad.asarray, xs)))]

    cts = [like(rng, y) for y in arrays(xs)]
    vs, ws = ([like(rng, x) for x in xs] for _ in range(2))
    leaves, gs = pulled(f, xs, cts, create_graph=True)
    if any(g is None for g in gs):
        assert not any(y.requires_grad for y in several(f(*leaves)))
        return
    found = along((g.numpy(), v) for g, v in zip(gs, vs, strict=True))
    wanted = slope(lambda xs: along(zip(cts, arrays(xs), strict=True)), xs, vs)
    assert found == pytest.approx(wanted, rel=1e-6, abs=1e-7)

    for g, w in zip(gs, ws, strict=True):
        if g.requires_grad:
            g.backward(w, retain_graph=True)
    zeros = [np.zeros_like(x) for x in xs]
    second = [z if x.grad is None else x.grad.numpy() for x, z in zip(leaves, zeros, strict=True)]
    found = along(zip(second, vs, strict=True))

    def first_order(xs: Any) -> float:
        return along((g.numpy(), w) for g, w in zip(pulled(f, xs, cts)[1], ws, strict=True))

    assert found == pytest.approx(slope(first_order, xs, vs), rel=1e-6, abs=1e-6)
