"""What can go wrong in a training, as errors that say what to do."""

from __future__ import annotations

from adjoint import errors


class TrainingError(errors.AdjointError, RuntimeError):
    """A training that cannot begin, or cannot go on; the message says why and what to do."""


class CheckpointError(TrainingError):
    """A checkpoint that cannot be used: cut off, damaged, or of something else."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C came; the step was finished and the run saved. The message says how to resume.

    It is a `KeyboardInterrupt`, so a script that does not catch it ends as Ctrl-C ends a program.
    """
