"""A layer and PyTorch's with the same weights: outputs, gradients and statistics side by side."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import adjoint as ad
from tests.nn.parity import PARITY, TOLERANCE

torch = pytest.importorskip("torch")

DTYPES = ("float32", "float64")
Record = Callable[[str, object], None]


@dataclass(frozen=True)
class Layer:
    """A layer that both libraries have under one name.

    Attributes:
        name: of the class, in `adjoint.nn` and in `torch.nn`.
        args: of the constructor.
        shapes: of the inputs.
        kwargs: of the constructor, by name.
        call: of the forward pass, by name; arrays become tensors.
        steps: number of forward passes in training before the comparison.
        train: whether the layer trains in the comparison.
    """

    name: str
    args: tuple[Any, ...]
    shapes: Sequence[tuple[int, ...]]
    kwargs: dict[str, Any] = field(default_factory=dict)
    call: dict[str, Any] = field(default_factory=dict)
    steps: int = 0
    train: bool = True

    def __str__(self) -> str:
        said = [*map(str, self.args), *(f"{k}={v}" for k, v in self.kwargs.items())]
        said += self.call
        said += [f"steps={self.steps}"] * bool(self.steps) + ["eval"] * (not self.train)
        return f"{self.name}({', '.join(said)}) on {self.shapes[0]}".replace(" ", "")


def flat(out: Any) -> list[Any]:
    """The tensors of a nesting of tuples."""
    if isinstance(out, tuple | list):
        return [x for part in out for x in flat(part)]
    return [] if out is None else [out]


def to_torch(x: Any) -> Any:
    return torch.from_numpy(x) if isinstance(x, np.ndarray) else x


def to_ours(x: Any) -> Any:
    return ad.tensor(x) if isinstance(x, np.ndarray) else x


def difference(ours: Any, theirs: Any, what: str, rtol: float, scale: float = 0.0) -> float:
    """How much two tensors differ, relative to the largest element; at most `rtol`."""
    a, b = ours.detach().numpy(), theirs.detach().numpy()
    assert a.shape == b.shape, f"{what}: shape {a.shape}, PyTorch's is {b.shape}"
    if not a.size:
        return 0.0
    error = float(np.abs(a - b).max() / max(np.abs(b).max(), scale, 1e-30))
    assert error <= rtol, f"{what} differs by {error:.1e}"
    return error


def compare(layer: Layer, dtype: str, record: Record, seed: int = 0) -> None:
    """Run both and compare all that comes out; the largest difference is recorded."""
    torch.manual_seed(seed)
    theirs = getattr(torch.nn, layer.name)(*layer.args, **layer.kwargs)
    theirs = theirs.to(getattr(torch, dtype))
    ours = getattr(ad.nn, layer.name)(*layer.args, **layer.kwargs).to(dtype)
    for p in theirs.parameters():
        if p.ndim == 1:  # ones and zeros would hide a mistake
            p.data += 0.1 * torch.randn(p.shape, dtype=p.dtype)
    result = ours.load_state_dict(theirs.state_dict())
    assert not result.missing_keys
    assert not result.unexpected_keys
    assert list(ours.state_dict()) == list(theirs.state_dict())
    rng = np.random.default_rng(seed)
    for _ in range(layer.steps):
        xs = [rng.normal(size=shape).astype(dtype) for shape in layer.shapes]
        ours(*map(ad.tensor, xs))
        theirs(*map(torch.from_numpy, xs))
    ours.train(layer.train)
    theirs.train(layer.train)
    xs = [rng.normal(size=shape).astype(dtype) for shape in layer.shapes]
    a = [ad.tensor(x, requires_grad=True) for x in xs]
    b = [torch.from_numpy(x).requires_grad_() for x in xs]
    compare_calls(
        lambda: ours(*a, **{k: to_ours(v) for k, v in layer.call.items()}),
        lambda: theirs(*b, **{k: to_torch(v) for k, v in layer.call.items()}),
        dict(zip("xyz", a, strict=False)) | dict(ours.named_parameters()),
        dict(zip("xyz", b, strict=False)) | dict(theirs.named_parameters()),
        dtype,
        record,
    )
    for name, buffer in theirs.named_buffers():
        difference(dict(ours.named_buffers())[name], buffer, name, TOLERANCE[dtype])


def compare_calls(
    f: Callable[[], Any],
    g: Callable[[], Any],
    leaves: dict[str, Any],
    others: dict[str, Any],
    dtype: str,
    record: Record,
) -> None:
    """Compare outputs of two functions, and gradients of a random mixture of them by the leaves."""
    rng, rtol = np.random.default_rng(7), TOLERANCE[dtype]
    outs, refs = flat(f()), flat(g())
    assert len(outs) == len(refs)
    pairs = zip(outs, refs, strict=True)
    worst = [difference(out, ref, f"output {i}", rtol) for i, (out, ref) in enumerate(pairs)]
    pairs = [(o, r) for o, r in zip(outs, refs, strict=True) if r.requires_grad]
    cts = [rng.normal(size=o.shape).astype(str(o.dtype)) for o, _ in pairs]
    sum((o * ct).sum() for (o, _), ct in zip(pairs, cts, strict=True)).backward()
    sum((r * torch.from_numpy(ct)).sum() for (_, r), ct in zip(pairs, cts, strict=True)).backward()
    grads = {name: ref.grad for name, ref in others.items() if ref.grad is not None}
    # some gradients are zero but for rounding, such as that of the bias of keys
    scale = 1e-2 * max((float(g.abs().max()) for g in grads.values()), default=0.0)
    assert leaves.keys() == others.keys()
    for name, ref in grads.items():
        assert leaves[name].grad is not None, f"no gradient of {name}"
        what = f"gradient of {name}"
        worst.append(difference(leaves[name].grad, ref, what, rtol, scale))
    record(PARITY, f"{dtype} {max(worst)}")
