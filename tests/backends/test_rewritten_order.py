"""What a rewrite makes of a node is younger than what uses the node, and must still come first."""

import numpy as np
import pytest

import adjoint as ad

pytest.importorskip("llvmlite")


def test_gradient_of_a_choice_among_probabilities() -> None:
    scores = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
    w = ad.tensor(scores, requires_grad=True)

    def gates(k: float) -> ad.Tensor:
        w.grad = None
        best, which = ad.topk(ad.softmax(w, axis=-1), 1)
        share = (which == ad.arange(4)).astype(ad.float32) * best
        (share * k).sum().backward()
        return share

    gates(1.5)
    assert w.grad is not None
    expected = w.grad.numpy().copy()
    ad.compile(gates, backend="llvm")(1.5)
    np.testing.assert_allclose(w.grad.numpy(), expected, atol=1e-6)
