"""One comparison with PyTorch: the same weights and inputs, then outputs and all gradients."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import adjoint as ad

PARITY = "parity with PyTorch"
TOLERANCE = {"float32": 1e-5, "float64": 1e-10}


@dataclass
class Pair:
    """A layer of ours, the same of PyTorch's, and inputs: float arrays get gradients."""

    name: str
    ours: Callable[[], Any]
    theirs: Callable[[], Any]
    inputs: tuple[Any, ...]
    fixed: tuple[int, ...] = ()
    """Inputs that want no gradient though they are floats, such as targets."""
    train: bool = True

    def __str__(self) -> str:
        return self.name + ("" if self.train else "-eval")


def difference(ours: Any, theirs: Any) -> float:
    """The largest difference, as a fraction of the largest element or of 1."""
    assert ours.shape == theirs.shape
    if not ours.size:
        return 0.0
    assert (np.isnan(ours) == np.isnan(theirs)).all()
    ours, theirs = np.nan_to_num(ours), np.nan_to_num(theirs)
    return float(abs(ours - theirs).max() / max(1.0, abs(theirs).max()))


def compare(pair: Pair, dtype: str, record: Callable[[str, object], None]) -> None:
    """Outputs, input gradients and parameter gradients agree.

    The record fixture gets the largest difference.
    """
    import torch

    kind = getattr(torch, dtype)
    theirs = pair.theirs()
    ours = pair.ours()
    if isinstance(theirs, torch.nn.Module):
        theirs = theirs.to(kind).train(pair.train)
        ours = ours.to(dtype).train(pair.train)
        state = theirs.state_dict()
        ours.load_state_dict(state)
        assert list(ours.state_dict()) == list(state)
        assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    xs: list[Any] = []
    ys: list[Any] = []
    for i, x in enumerate(pair.inputs):
        flows = x is not None and x.dtype.kind == "f" and i not in pair.fixed
        array = x.astype(dtype) if x is not None and x.dtype.kind == "f" else x
        xs.append(None if x is None else ad.tensor(array, requires_grad=flows))
        ys.append(None if x is None else torch.tensor(array, requires_grad=flows))
    out, expected = ours(*xs), theirs(*ys)
    assert out.dtype == np.dtype(dtype)
    gradients = [(out.detach().numpy(), expected.detach().numpy())]
    ct = np.random.default_rng(7).normal(size=out.shape).astype(dtype)
    if expected.requires_grad:
        out.backward(ad.tensor(ct))
        expected.backward(torch.tensor(ct))
        pairs = list(zip(xs, ys, strict=True))
        if isinstance(theirs, torch.nn.Module):
            pairs += list(zip(ours.parameters(), theirs.parameters(), strict=True))
        for x, y in pairs:
            if y is not None and y.requires_grad:
                zero = np.zeros(y.shape, dtype)
                theirs_g = zero if y.grad is None else y.grad.to_dense().numpy()
                gradients.append((zero if x.grad is None else x.grad.numpy(), theirs_g))
    worst = max(difference(a, b) for a, b in gradients)
    assert worst <= TOLERANCE[dtype]
    record(PARITY, f"{dtype} {worst}")
