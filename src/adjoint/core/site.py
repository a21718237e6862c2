"""The user's line: taken as (code, offset) when a node is made, turned into text when asked.

Taking a place must cost a fraction of a microsecond, because every operation does it; a code
object and an instruction offset are two attribute reads and keep no frame alive.
"""

from __future__ import annotations

import linecache
import os
import sys
from types import CodeType, FrameType
from typing import Final, NamedTuple

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
# code made by exec inside the package, or NumPy's dispatch on the way into it, is not the user's
INTERNAL = (PACKAGE, os.path.dirname(os.path.abspath(sys.modules["numpy"].__file__ or "")) + os.sep)


class Site(NamedTuple):
    """A place in the user's program."""

    code: CodeType
    offset: int

    @property
    def filename(self) -> str:
        """Path of the source file, as Python knows it."""
        return self.code.co_filename

    @property
    def function(self) -> str:
        """Name of the function that holds the line."""
        return self.code.co_name

    @property
    def line(self) -> int:
        """Number of the line, from 1."""
        table = list(self.code.co_positions())
        found = table[self.offset // 2][0] if self.offset // 2 < len(table) else None
        return found or self.code.co_firstlineno

    @property
    def text(self) -> str:
        """The line itself, or an empty string where the source is not at hand."""
        return linecache.getline(self.filename, self.line).strip()

    def __str__(self) -> str:
        return f"{os.path.basename(self.filename)}:{self.line}"


outside: Final[set[str]] = set()
"""Files that have turned out not to be the library's; to look here is the cheapest test."""


def outward(frame: FrameType) -> FrameType:
    """The nearest frame outside of the library, from this one on."""
    while frame.f_code.co_filename.startswith(INTERNAL):
        if frame.f_back is None:
            return frame
        frame = frame.f_back
    outside.add(frame.f_code.co_filename)
    return frame


def user_frame(depth: int = 1) -> FrameType:
    """The nearest frame outside of the library, counted from `depth` frames up."""
    # the only way to the line that called
    try:
        frame: FrameType = sys._getframe(depth)  # pyright: ignore[reportPrivateUsage]
    except ValueError:  # a program that embeds Python has called, and has no frame
        frame = sys._getframe()  # pyright: ignore[reportPrivateUsage]
    return frame if frame.f_code.co_filename in outside else outward(frame)


def here(depth: int = 2) -> Site:
    """The place in user code that is being executed now."""
    frame = user_frame(depth)
    return Site(frame.f_code, frame.f_lasti)
