"""Checkpoints: the whole state of a run in one file, written at once, the oldest removed."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import Any, Final

import adjoint as ad
from adjoint.train.errors import CheckpointError, TrainingError

KIND: Final = "adjoint training state"
_NAME: Final = re.compile(r"step-(\d{9,})\.safetensors")


class Checkpoints:
    """The checkpoints of a run, in the folder ``checkpoints`` of the folder of the run.

    Each is one safetensors file, ``step-000001200.safetensors``, which appears whole or not at all.
    The newest `keep` are kept. Beside the folder stands ``best.safetensors``: the weights alone, by
    their PyTorch names, as they were when validation was best.

    Args:
        run: the folder of the run; it is made.
        keep: how many to keep.

    Raises:
        TrainingError: if the folder cannot be made or written to.

    Example:
        >>> import tempfile
        >>> checkpoints = ad.train.Checkpoints(tempfile.mkdtemp(), keep=2)
        >>> for step in (10, 20, 30):
        ...     path = checkpoints.save(step, {"step": step})
        >>> [path.name for path in checkpoints.paths()]
        ['step-000000020.safetensors', 'step-000000030.safetensors']
        >>> checkpoints.load()["step"]
        30
    """

    def __init__(self, run: str | os.PathLike[str], keep: int = 3) -> None:
        if keep < 1:
            raise TrainingError(f"keep must be at least 1, got {keep}.")
        self.run, self.keep = Path(run), keep
        self.folder = self.run / "checkpoints"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TrainingError(
                f"The folder {self.run} of the run cannot be made: {error.strerror}.\n"
                "  Try: a folder that you may write to, out=..."
            ) from None
        if not os.access(self.folder, os.W_OK):
            raise TrainingError(
                f"The folder {self.folder} cannot be written to.\n"
                "  Try: a folder that you may write to, out=..."
            )

    def paths(self) -> list[Path]:
        """The checkpoints that there are, the oldest first."""
        found = [(int(m[1]), p) for p in self.folder.iterdir() if (m := _NAME.fullmatch(p.name))]
        return [path for _, path in sorted(found)]

    @property
    def best(self) -> Path:
        """Where the best weights are."""
        return self.run / "best.safetensors"

    def save(self, step: int, state: dict[str, Any]) -> Path:
        """Write the state at a step, and remove what is older than the newest few.

        Raises:
            SaveError: if it cannot be written; the earlier checkpoints are still there.
        """
        path = self.folder / f"step-{step:09d}.safetensors"
        ad.save(path, state, metadata={"kind": KIND, "step": step})
        for old in self.paths()[: -self.keep]:
            with contextlib.suppress(OSError):  # it is only in the way
                old.unlink()
        return path

    def load(self, path: str | os.PathLike[str] | None = None) -> dict[str, Any]:
        """The state in a checkpoint, by default the newest.

        Raises:
            CheckpointError: if it is cut off, damaged, or of something else.
        """
        paths = self.paths()
        if path is None and not paths:
            raise CheckpointError(f"{self.folder} has no checkpoint.")
        place = paths[-1] if path is None else Path(path)
        try:
            if ad.storage.read_metadata(place).get("kind") != KIND:
                raise CheckpointError(
                    f"{place} is a safetensors file, but not the state of a training.\n"
                    "  Try: ad.load(path) and model.load_state_dict(...), for weights alone."
                )
            return ad.load(place)
        except (ad.storage.FormatError, FileNotFoundError) as error:
            raise CheckpointError(f"{error}{_earlier(paths, place)}") from None


def _earlier(paths: list[Path], place: Path) -> str:
    before = [path for path in paths if path != place]
    return f"\n  An earlier checkpoint is there: resume={str(before[-1])!r}" if before else ""
