"""A problem: examples to train, validate and test on, and what it takes to use the result."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import adjoint as ad
from adjoint.command.refusal import Refused

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Asked:
    """What was asked about the data."""

    data: str
    target: str | None = None
    task: str | None = None
    validation: float = 0.15
    test: str = "0.15"
    seed: int = 0
    size: int = 32
    grayscale: bool = False
    tokens: str = "char"
    block_size: int = 128
    skip_missing: bool = False
    model: str | None = None

    @property
    def test_share(self) -> float:
        """The share of the rows that test; 0 where a file is given."""
        try:
            share = float(self.test)
        except ValueError:
            return 0.0
        if not 0 <= share < 1:
            raise Refused(f"--test is a share of the rows, below 1, or a file; got {self.test}.")
        return share

    @property
    def test_file(self) -> Path | None:
        """The file with the rows that test, if one is given."""
        try:
            float(self.test)
        except ValueError:
            if not Path(self.test).exists():
                raise Refused(f"For --test there is no file {self.test}.") from None
            return Path(self.test)
        return None


@dataclass
class Problem:
    """Examples and their meaning.

    Attributes:
        name: of the data.
        about: what makes numbers of such data again; fits into JSON.
        parts: datasets to train, validate and test; without elements where there are none.
        inputs: shape of an example.
        outputs: numbers that a model gives for one.
        facts: to be shown at the start.
    """

    name: str
    about: dict[str, Any]
    parts: list[Any]
    inputs: list[int]
    outputs: int
    facts: list[tuple[str, str]] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """``table``, ``images``, ``sequences`` or ``text``."""
        return self.about["kind"]

    @property
    def target(self) -> Any:
        """How the target is encoded; None for text."""
        return target_of(self.about)

    @property
    def task(self) -> str:
        """``classification``, ``regression`` or ``text``."""
        return "text" if self.kind == "text" else self.target.task


def target_of(about: dict[str, Any]) -> Any:
    """How the target of a problem is encoded; None for text."""
    saved = about.get("target")
    return None if saved is None else ad.data.TargetEncoder.from_state_dict(saved)


def divided(rows: int, asked: Asked, labels: Any) -> list[Array]:
    """Which rows train, validate and test: at random, classes in their proportions."""
    test, validation = asked.test_share, asked.validation
    if not 0 <= validation < 1 - test:
        raise Refused(
            f"--validation {validation:g} and --test {asked.test} leave no rows to train."
        )
    shares = [1 - validation - test, validation, test]
    if labels is None:
        parts = ad.data.random_split(range(rows), shares, asked.seed)
    else:
        parts = ad.data.stratified_split(range(rows), shares, labels, asked.seed)
    if not len(parts[0]) or (validation and not len(parts[1])):
        raise Refused(f"{rows} rows are too few to train and validate.")
    return [part.indices for part in parts]
