"""Connectionist temporal classification against PyTorch."""

from typing import Any

import numpy as np
import pytest

import adjoint as ad
from tests.nn.parity import Pair, compare

pytestmark = pytest.mark.peers
torch = pytest.importorskip("torch")

RNG = np.random.default_rng(6)


def pair(
    sizes: tuple[int, int, int], times: list[int], lengths: list[int], flat: bool, **options: Any
) -> Pair:
    """The losses after a log-softmax: of log-probabilities alone PyTorch's gradient is another."""
    steps, batch, classes = sizes
    targets = RNG.integers(1, classes, size=(batch, max(lengths)))
    if flat:
        targets = np.concatenate([row[:n] for row, n in zip(targets, lengths, strict=True)])

    def ours(x: Any) -> Any:
        loss = ad.nn.functional.ctc_loss
        return loss(ad.log_softmax(x, axis=2), targets, times, lengths, **options)

    def theirs(x: Any) -> Any:
        loss = torch.nn.functional.ctc_loss
        given = [torch.tensor(a) for a in (targets, times, lengths)]
        return loss(torch.log_softmax(x, 2), *given, **options)

    return Pair(
        f"ctc_loss-{sizes}-{times}-{lengths}-{'flat' if flat else 'padded'}-{options}",
        lambda: ours,
        lambda: theirs,
        (RNG.normal(size=(steps, batch, classes)),),
    )


PAIRS = [
    pair(sizes, times, lengths, flat, reduction=reduction)
    for sizes, times, lengths in [
        ((6, 3, 5), [6, 5, 4], [3, 2, 1]),
        ((1, 2, 3), [1, 1], [1, 0]),
        ((30, 2, 8), [30, 20], [9, 5]),
    ]
    for flat in (False, True)
    for reduction in ("mean", "sum", "none")
]
PAIRS.append(pair((3, 2, 4), [3, 2], [2, 3], False, zero_infinity=True))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_ctc(pair: Pair, dtype: str, record_property: Any) -> None:
    compare(pair, dtype, record_property)
