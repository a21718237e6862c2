"""A run on disk: what was asked, what the data mean, and the weights."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import adjoint as ad
from adjoint.command.networks import build
from adjoint.command.refusal import Refused

VERSION = 1


def new_folder(given: Path | None, data: str) -> Path:
    """The folder for a new run: the one that is asked for, or the next free one under ``runs``."""
    if given is not None:
        if given.is_file():
            raise Refused(f"--out {given} is a file; name a folder for the run.")
        if (given / "run.json").exists():
            raise Refused(
                f"{given} holds a run already.\nTry: --resume {given} to go on with it, or another "
                "--out."
            )
        return given
    stem = re.sub(r"[^\w.-]+", "-", Path(data).stem) or "run"
    number = 1
    while True:
        folder = Path("runs") / (stem if number == 1 else f"{stem}-{number}")
        if not folder.exists():
            return folder
        number += 1


def write(folder: Path, about: dict[str, Any]) -> None:
    """Write what a run is."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"version": VERSION, **about}, ensure_ascii=False, indent=1).encode()
    ad.storage.write_atomically(folder / "run.json", lambda file: file.write(text))


def read(folder: Path) -> dict[str, Any]:
    """What a run is.

    Raises:
        Refused: if the folder holds none.
    """
    place = folder / "run.json"
    try:
        about = json.loads(place.read_text(encoding="utf-8"))
        if about["version"] != VERSION:
            raise Refused(f"{folder} is a run of another release of Adjoint.")
    except (FileNotFoundError, NotADirectoryError):
        there = sorted(str(p.parent) for p in Path("runs").glob("*/run.json"))[:5]
        hint = f"\nThere are: {', '.join(there)}" if there else ""
        raise Refused(f"{folder} holds no run: there is no {place}.{hint}") from None
    except (ValueError, KeyError, TypeError):
        raise Refused(f"{place} is damaged: it is not what `adjoint train` wrote.") from None
    return about


def load(folder: Path) -> tuple[Any, dict[str, Any]]:
    """The model of a run with its best weights, and what the run is."""
    about = read(folder)
    weights = folder / "model.safetensors"
    if not weights.exists():
        weights = folder / "best.safetensors"
    if not weights.exists():
        raise Refused(f"{folder} has no weights yet.\nTry: adjoint train --resume {folder}")
    model = build(about["model"])
    try:
        model.load_state_dict(ad.load(weights))
    except ad.errors.AdjointError as error:
        raise Refused(f"{weights} cannot be used: {error}") from None
    return model.eval(), about
