"""Weights on disk: safetensors, which hold numbers and words and run no code."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save as serialise

from adjoint.train.loop import Run


def save(run: Run, path: Path) -> None:
    """Write the weights of a run, and in the metadata what it takes to use them.

    The file appears whole or not at all: it is written beside its place and then moved there.
    """
    tensors = {name: np.ascontiguousarray(p.numpy()) for name, p in run.parameters.items()}
    data = serialise(tensors, metadata=metadata(run))
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def metadata(run: Run) -> dict[str, str]:
    """How to use the weights: layers, scaling, names of columns and classes, each as JSON."""
    table = run.table
    about: dict[str, Any] = {
        "format": "adjoint.mlp.1",
        "task": table.task,
        "layers": run.sizes,
        "activation": "relu",
        "columns": table.columns,
        "target": table.target_name,
        "labels": table.labels,
        "scaling": {name: np.asarray(x).tolist() for name, x in run.scaling.items()},
        "epoch": run.best.number if run.best else 0,
        "seed": run.settings.seed,
    }
    return {key: json.dumps(value, ensure_ascii=False) for key, value in about.items()}
