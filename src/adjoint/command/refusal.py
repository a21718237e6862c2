"""How the command refuses what it cannot use."""

from __future__ import annotations

from typing import Final

from adjoint import errors

OK: Final = 0
FAILED: Final = 1
BAD_INPUT: Final = 2
STOPPED: Final = 130


class Refused(errors.AdjointError, ValueError):
    """Something in the arguments or the data that cannot be used; the message says what to do."""
