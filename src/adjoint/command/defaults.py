"""Sizes and settings where nothing is said: by the kind of data and the number of rows.

Chosen on tables that come with scikit-learn, see ``benchmarks/tabular.py``.
"""

from __future__ import annotations

from typing import Any

from adjoint.command.networks import FITS
from adjoint.command.problem import Problem
from adjoint.command.refusal import Refused

SIZES: dict[str, dict[str, Any]] = {
    "mlp": {"hidden": [128], "width": 0, "layers": 0, "heads": 0, "dropout": 0.0},
    "cnn": {"hidden": [], "width": 16, "layers": 2, "heads": 0, "dropout": 0.0},
    "resnet": {"hidden": [], "width": 16, "layers": 3, "heads": 0, "dropout": 0.0},
    "gpt": {"hidden": [], "width": 96, "layers": 3, "heads": 4, "dropout": 0.0},
    "lstm": {"hidden": [], "width": 128, "layers": 1, "heads": 0, "dropout": 0.0},
}


def model_for(problem: Problem, name: str | None, given: dict[str, Any]) -> dict[str, Any]:
    """The description of the network: its name, and its sizes where none are given.

    Raises:
        Refused: if a model cannot be trained on such data, or has no such size.
    """
    fits = FITS[problem.kind]
    if name is None:
        images = problem.kind == "images" and problem.name != "digits"
        name = "cnn" if images else fits[0]
    if name not in fits:
        raise Refused(
            f"A {name} cannot be trained on {problem.kind}.\nTry: --model {' or '.join(fits)}"
        )
    sizes = dict(SIZES[name])
    for size, value in given.items():
        if value is None:
            continue
        if not _has(name, size):
            usable = ", ".join(f"--{k}" for k in SIZES[name] if _has(name, k))
            raise Refused(f"--{size} is no size of a {name}; it has {usable}.")
        sizes[size] = value
    if name == "gpt" and sizes["width"] % sizes["heads"]:
        raise Refused(f"--heads {sizes['heads']} does not divide --width {sizes['width']}.")
    about = {"model": name, "inputs": problem.inputs, "outputs": problem.outputs, **sizes}
    if problem.kind == "text":
        about["block_size"] = problem.about["block_size"]
    return about


def _has(model: str, size: str) -> bool:
    """Whether a model has a size of this name."""
    return model in ("mlp", "gpt") if size == "dropout" else bool(SIZES[model][size])


def settings_for(problem: Problem, given: dict[str, Any]) -> dict[str, Any]:
    """Epochs, batch size, learning rate and so on, where none are given."""
    rows = len(problem.parts[0])
    found: dict[str, Any]
    if problem.kind == "text":
        found = {"epochs": 10, "batch_size": 16, "lr": 2e-3, "patience": 5, "weight_decay": 0.1}
    elif problem.kind == "table":
        found = _table(rows)
    else:
        found = {"epochs": 40, "batch_size": 32, "lr": 3e-3, "patience": 12, "weight_decay": 0.01}
    out: dict[str, Any] = {"checkpoint_every": None} | found
    out |= {name: value for name, value in given.items() if value is not None}
    out["batch_size"] = (
        even(rows, out["batch_size"])
        if given["batch_size"] is None
        else min(out["batch_size"], rows)
    )
    return out


def _table(rows: int) -> dict[str, Any]:
    """Small tables: small batches and many passes; large ones the other way round."""
    steps = 3000
    batch = 32 if rows <= 5_000 else 128 if rows <= 50_000 else 512
    epochs = min(100, max(10, steps * batch // rows))
    return {
        "epochs": epochs,
        "batch_size": batch,
        "lr": 5e-3,
        "patience": max(5, epochs * 3 // 10),
        "weight_decay": 0.01,
    }


def even(rows: int, most: int) -> int:
    """A batch size such that the batches of a pass are equal, and hardly a row is left over."""
    return rows // -(-rows // most)
