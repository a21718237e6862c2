"""Images and sequences: folders, the arrays of an .npz, the digits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import adjoint as ad
from adjoint.command.problem import Asked, Problem, divided
from adjoint.command.refusal import Refused
from adjoint.command.tables import npz_table, table_problem

INPUTS = ("x", "X", "inputs", "images", "data", "features")
TARGETS = ("y", "Y", "target", "targets", "labels", "label")


def digits_problem(asked: Asked) -> Problem:
    """The handwritten digits that come with scikit-learn."""
    if asked.target is not None:
        raise Refused("The digits have one target, the digit; --target is for files.")
    images, labels = ad.data.digits().tree
    return _array_problem("digits", images, labels, "digit", asked)


def folder_problem(path: Path, asked: Asked) -> Problem:
    """The images in a folder, with a folder for each class."""
    folder = ad.data.ImageFolder(path, size=asked.size, grayscale=asked.grayscale)
    images, labels = folder.arrays().tree
    names = np.array(folder.classes)[labels]
    problem = _array_problem(path.name, images, names, "folder", asked)
    problem.about |= {"size": asked.size, "grayscale": asked.grayscale}
    return problem


def npz_problem(path: Path, asked: Asked) -> Problem:
    """Arrays in a file: inputs and target by their usual names, or the target as it is named."""
    x, y, name = npz_arrays(path, asked.target)
    if x.ndim == 2:
        whole = asked.model == "lstm"
        if whole:
            raise Refused(
                f"{path}: an lstm needs sequences, (rows, length, features); got {x.shape}."
            )
        return table_problem(npz_table(path, x, y, name), _with_target(asked, name))
    return _array_problem(path.stem, x, y, name, asked)


def npz_arrays(path: Path, target: str | None, needs_target: bool = True) -> tuple[Any, Any, str]:
    """Inputs, target and its name."""
    arrays = ad.data.read_npz(path)
    listed = ", ".join(f"{name} {a.shape}" for name, a in arrays.items())
    name = target or next((n for n in TARGETS if n in arrays), None)
    inputs = next((n for n in INPUTS if n in arrays), None)
    rest = [n for n in arrays if n != name]
    if inputs is None and len(rest) == 1:
        inputs = rest[0]
    if inputs is None or (needs_target and (name is None or name not in arrays)):
        raise Refused(
            f"{path} has {listed or 'no arrays'}.\n"
            "Expected: inputs as 'x' and the target as 'y'; --target NAME for another name."
        )
    x, y = arrays[inputs], arrays.get(name or "")
    if x.ndim < 2 or (y is not None and y.shape != x.shape[:1]):
        shape = None if y is None else y.shape
        raise Refused(f"{path}: x has the shape {x.shape}, y {shape}; needed are (n, …) and (n,).")
    if x.dtype.kind not in "biuf" or not np.isfinite(x).all():
        raise Refused(f"{path}: {inputs!r} must hold finite numbers.")
    return x.astype(np.float32) if x.ndim > 2 else x, y, name or "y"


def _with_target(asked: Asked, name: str) -> Asked:
    return replace(asked, target=name)


def _array_problem(name: str, x: Any, y: Any, target_name: str, asked: Asked) -> Problem:
    kind = "sequences" if x.ndim == 3 and asked.model in ("lstm", None) else "images"
    if x.ndim == 3 and kind == "images":
        x = x[:, None]
    cells = y if y.dtype.kind in "biuf" else [str(value) for value in y.tolist()]
    table = ad.data.Table.of({target_name: cells}, source=name)
    whole = ad.data.TargetEncoder.fit(table, target_name, asked.task)
    labels = whole.transform(table) if whole.task == "classification" else None
    if asked.test_file is not None:
        raise Refused("--test takes a file for tables only; here it is a share of the examples.")
    parts = divided(len(table), asked, labels)
    target = whole
    if whole.task == "regression":
        target = ad.data.TargetEncoder.fit(table.take(parts[0]), target_name, "regression")
        target.reason = whole.reason
    seen = x[parts[0]].astype(np.float64)
    mean, scale = float(seen.mean()), float(seen.std()) or 1.0
    values = ((x - mean) / scale).astype(np.float32)
    numbers = target.transform(table)
    about = {
        "kind": kind,
        "mean": mean,
        "scale": scale,
        "shape": list(x.shape[1:]),
        "target": target.state_dict(),
    }
    size = " × ".join(map(str, x.shape[1:]))
    return Problem(
        name=name,
        about=about,
        parts=[ad.data.ArrayDataset(values[rows], numbers[rows]) for rows in parts],
        inputs=list(x.shape[1:]),
        outputs=len(target.labels) or 1,
        facts=[("data", f"{name}, {len(x):,} {kind} of {size}")],
    )


def encode_arrays(path: str, about: dict[str, Any], needs_target: bool) -> tuple[Any, Any]:
    """The images or sequences at a path, and the target, as a trained model wants them."""
    target = ad.data.TargetEncoder.from_state_dict(about["target"])
    place = Path(path)
    if path == "digits":
        x, y = ad.data.digits().tree
    elif place.is_dir():
        grayscale = about.get("grayscale", False)
        folder = ad.data.ImageFolder(place, size=about.get("size"), grayscale=grayscale)
        x, found = folder.arrays().tree
        y = np.array(folder.classes)[found]
    elif place.suffix == ".npz":
        x, y, _ = npz_arrays(place, target.name if needs_target else None, needs_target)
    else:
        image = ad.data.read_image(
            place, size=about.get("size"), grayscale=about.get("grayscale", False)
        )
        x, y = image[None], None
    if list(x.shape[1:]) != about["shape"] and [1, *x.shape[1:]] == about["shape"]:
        x = x[:, None]
    if list(x.shape[1:]) != about["shape"]:
        raise Refused(f"{path}: an example has the shape {x.shape[1:]}, not {about['shape']}.")
    values = ((x - about["mean"]) / about["scale"]).astype(np.float32)
    if not needs_target:
        return values, None
    if y is None:
        raise Refused(f"{path} has no target to compare with.")
    cells = y if y.dtype.kind in "biuf" else [str(value) for value in y.tolist()]
    return values, target.transform(ad.data.Table.of({target.name: cells}, source=path))
