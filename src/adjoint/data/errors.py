"""Errors of reading data: what is wrong with a file or a table, and where."""

from __future__ import annotations

from adjoint import errors


class DataError(errors.AdjointError, ValueError):
    """Data that cannot be read, or from which nothing can be learned; the message says where."""


class MissingExtra(errors.AdjointError, ImportError):
    """An optional package is needed and not installed; the message says how to install it."""


def missing_extra(what: str, packages: str, extra: str) -> MissingExtra:
    """The error for something that needs a package which is not installed."""
    return MissingExtra(
        f"{what} needs {packages}, which is not installed.\n"
        f"  Try: python -m pip install 'adjoint[{extra}]'"
    )
