"""Evaluation: loss and metrics over all batches, merged exactly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from adjoint.train.metrics import Metric


def evaluated(model: Any, step: Any, loader: Any, metrics: Sequence[Metric]) -> dict[str, float]:
    """Loss and metrics of a model on the batches of a loader."""
    before = model.training
    model.eval()
    total = count = 0.0
    found: list[Any] = []
    try:
        for batch in loader:
            s, n, *statistics = step(*(batch if isinstance(batch, tuple) else (batch,)))
            total, count = total + s.item(), count + n.item()
            arrays = [x.numpy() for x in statistics]
            merged = zip(metrics, found, arrays, strict=True) if found else ()
            found = [m.merge(a, b) for m, a, b in merged] or arrays
    finally:
        model.train(before)
    out = {"loss": total / count if count else math.nan}
    return out | {m.name: m.value(x) for m, x in zip(metrics, found, strict=False)}
