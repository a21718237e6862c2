"""The mixture of experts beside one written token by token in PyTorch: ``pytest -m peers``."""

from typing import Any

import numpy as np
import pytest

import adjoint as ad
from tests.nn.beside_torch import DTYPES, Record, compare_calls

torch = pytest.importorskip("torch")
F = torch.nn.functional
pytestmark = pytest.mark.peers

E, HIDDEN, EXPERTS = 6, 5, 4


def reference(w: dict[str, Any], x: Any, k: int, normalize: bool, room: int) -> Any:
    """One token after the other; an expert that is full is passed over."""
    logits = x @ w["router.weight"].T
    p = logits.softmax(-1)
    best, chosen = logits.topk(k, dim=-1)
    gates = best.softmax(-1) if normalize else p.gather(-1, chosen)
    asked = [0] * EXPERTS
    rows = [torch.zeros(E, dtype=x.dtype) for _ in x]
    for j in range(k):
        for t, token in enumerate(x):
            e = int(chosen[t, j])
            asked[e] += 1
            if asked[e] <= room:
                inner = F.gelu(w["weight1"][e] @ token + w["bias1"][e])
                made = w["weight2"][e] @ inner + w["bias2"][e]
                rows[t] = rows[t] + gates[t, j] * made
    share = F.one_hot(chosen, EXPERTS).to(x.dtype).mean((0, 1))
    return torch.stack(rows), EXPERTS * (share * p.mean(0)).sum()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize(("factor", "room"), [(None, 99), (4.0, 99), (0.75, 0)])
def test_like_a_loop(
    factor: float | None, room: int, normalize: bool, k: int, dtype: str, record_property: Record
) -> None:
    rng = np.random.default_rng(3)
    layer = ad.nn.MixtureOfExperts(
        E, HIDDEN, EXPERTS, k, normalize=normalize, capacity_factor=factor
    ).to(dtype)
    x = rng.normal(size=(14, E)).astype(dtype)
    a = ad.tensor(x, requires_grad=True)
    b = torch.from_numpy(x).requires_grad_()
    weights = {
        name: torch.from_numpy(np.array(p.numpy())).requires_grad_()
        for name, p in layer.state_dict().items()
    }
    room = room or int(np.ceil(0.75 * k * 14 / EXPERTS))
    compare_calls(
        lambda: layer(a, return_loss=True),
        lambda: reference(weights, b, k, normalize, room),
        {"x": a} | dict(layer.named_parameters()),
        {"x": b} | weights,
        dtype,
        record_property,
    )
