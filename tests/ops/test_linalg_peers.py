"""Linear algebra beside PyTorch: values and gradients to 1e-10, real and complex."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint import linalg

pytestmark = pytest.mark.peers
torch = pytest.importorskip("torch")
RNG = np.random.default_rng(11)


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape)


def cplx(*shape: int) -> Any:
    return normal(*shape) + 1j * normal(*shape)


def pairs() -> Iterator[tuple[str, Any, Any, list[Any]]]:
    """Name, our function, PyTorch's, operands."""
    peer = torch.linalg
    for kind in (normal, cplx):
        tag = kind.__name__
        a = kind(2, 3, 3) + 3 * np.eye(3)
        spd = a @ np.conj(np.swapaxes(a, -1, -2))
        tall, wide = kind(4, 3), kind(2, 3, 4)
        yield f"solve-{tag}", linalg.solve, peer.solve, [a, kind(2, 3, 2)]
        yield f"inv-{tag}", linalg.inv, peer.inv, [a]
        yield f"det-{tag}", linalg.det, peer.det, [a]
        yield f"slogdet-{tag}", linalg.slogdet, peer.slogdet, [a]
        yield f"cholesky-{tag}", hermitian(linalg.cholesky), hermitian(peer.cholesky), [spd]
        yield f"qr-tall-{tag}", linalg.qr, peer.qr, [tall]
        yield f"qr-wide-{tag}", linalg.qr, peer.qr, [wide]
        yield f"pinv-{tag}", linalg.pinv, peer.pinv, [tall]
        yield f"svdvals-{tag}", linalg.svdvals, peer.svdvals, [wide]
        yield f"eigvalsh-{tag}", linalg.eigvalsh, peer.eigvalsh, [spd]
        yield f"expm-{tag}", linalg.expm, torch.matrix_exp, [a]
        yield f"eigvals-{tag}", cubes(linalg.eigvals), cubes(peer.eigvals), [a]
        yield f"eig-{tag}", eig_loss(linalg.eig), eig_loss(peer.eig), [a]
        yield (
            f"eigh-{tag}",
            hermitian(eigh_loss(linalg.eigh)),
            hermitian(eigh_loss(peer.eigh)),
            [spd],
        )
        yield f"svd-{tag}", svd_loss(linalg.svd), svd_loss(peer.svd), [tall]
        yield (
            f"power-{tag}",
            lambda x: linalg.matrix_power(x, -3),
            lambda x: peer.matrix_power(x, -3),
            [a],
        )
        yield (
            f"triangular-{tag}",
            lambda x, y: linalg.triangular_solve(x, y, upper=True),
            lambda x, y: peer.solve_triangular(x, y, upper=True),
            [a, kind(2, 3, 2)],
        )
        for p in ("fro", "nuc", 2, -2, 1, -1, np.inf, -np.inf):
            yield (
                f"matrix_norm-{p}-{tag}",
                lambda x, p=p: linalg.matrix_norm(x, ord=p),
                lambda x, p=p: peer.matrix_norm(x, ord=p),
                [wide],
            )
        for p in (0.5, 1, 1.5, 2, 3, np.inf, -np.inf, -2):
            yield (
                f"vector_norm-{p}-{tag}",
                lambda x, p=p: linalg.vector_norm(x, ord=p),
                lambda x, p=p: peer.vector_norm(x, ord=p),
                [tall],
            )
            if p > 0:
                zeros = tall * (np.abs(tall) > 1)
                yield (
                    f"vector_norm-zeros-{p}-{tag}",
                    lambda x, p=p: linalg.vector_norm(x, ord=p),
                    lambda x, p=p: peer.vector_norm(x, ord=p),
                    [zeros],
                )
        yield f"norm-of-zeros-{tag}", linalg.vector_norm, peer.vector_norm, [tall * 0]
        for norm in ("backward", "ortho", "forward"):
            for n in (None, 3, 6):
                for name in (
                    "fft",
                    "ifft",
                    "hfft",
                    "irfft",
                    *(("rfft", "ihfft") if kind is normal else ()),
                ):
                    ours, theirs = getattr(ad.fft, name), getattr(torch.fft, name)
                    yield (
                        f"{name}-{norm}-{n}-{tag}",
                        lambda x, f=ours, n=n, w=norm: f(x, n=n, norm=w),
                        lambda x, f=theirs, n=n, w=norm: f(x, n=n, norm=w),
                        [wide],
                    )


def hermitian(f: Any) -> Any:
    """Only the Hermitian part of such a gradient is determined; PyTorch's has another as well."""
    return lambda x: f((x + x.mT.conj()) / 2)


def cubes(f: Any) -> Any:
    return lambda x: (f(x) ** 3).sum()


def eig_loss(f: Any) -> Any:
    def loss(x: Any) -> Any:
        w, v = f(x)
        size = (v * v.conj()).real
        return ((size * size).sum(-2) * w).sum()

    return loss


def eigh_loss(f: Any) -> Any:
    def loss(x: Any) -> Any:
        w, v = f(x)
        size = (v * v.conj()).real
        return ((size * size).sum(-2) * w).sum()

    return loss


def svd_loss(f: Any) -> Any:
    def loss(x: Any) -> Any:
        u, s, vh = f(x, full_matrices=False)
        one = (u[0] * vh[:, 0] * s).sum()
        return (one * one.conj()).real + ((u * u.conj()).real ** 2).sum()

    return loss


def array(x: Any) -> Any:
    return x.detach().resolve_conj().numpy()


def several(out: Any) -> tuple[Any, ...]:
    return tuple(out) if isinstance(out, tuple | list) else (out,)


@pytest.mark.parametrize(
    ("ours", "theirs", "xs"), [pytest.param(*row[1:], id=row[0]) for row in pairs()]
)
def test_values_and_gradients_are_those_of_pytorch(ours: Any, theirs: Any, xs: Any) -> None:
    mine = [ad.tensor(x, requires_grad=True) for x in xs]
    peer = [torch.tensor(x, requires_grad=True) for x in xs]
    outs, wanted = several(ours(*mine)), several(theirs(*peer))
    for a, b in zip(outs, wanted, strict=True):
        np.testing.assert_allclose(a.numpy(), array(b), rtol=1e-10, atol=1e-10)
    rng = np.random.default_rng(5)
    for a, b in zip(outs, wanted, strict=True):
        if not a.requires_grad:
            continue
        ct = rng.normal(size=a.shape)
        ct = ct + 1j * rng.normal(size=a.shape) if a.dtype.kind == "c" else ct
        a.backward(ct, retain_graph=True)
        b.backward(torch.tensor(ct), retain_graph=True)
    for a, b in zip(mine, peer, strict=True):
        np.testing.assert_allclose(a.grad.numpy(), array(b.grad), rtol=1e-10, atol=1e-10)
