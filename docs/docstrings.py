"""How the reference shows docstrings: the site's generator loads this, nothing else does."""

import re
from typing import Any

import griffe

RETURNS = re.compile(r"(?m)^Returns:\n((?:    .*\n?|\n)+)")


class Docstrings(griffe.Extension):
    """Reads our ``Example:`` as the generator's ``Examples:``; leaves out types that say Any."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rename the section."""
        if obj.docstring is not None:
            text = obj.docstring.value
            obj.docstring.value = re.sub(r"(?m)^(\s*)Example:$", r"\1Examples:", text)

    def on_function(self, *, func: griffe.Function, **kwargs: Any) -> None:
        """Leave out what a reader cannot use."""
        for parameter in func.parameters:
            if str(parameter.annotation) == "Any":
                parameter.annotation = None
        if str(func.returns) == "Any":
            func.returns = None
        if func.docstring is not None:  # the generator would take each line for a returned value
            func.docstring.value = RETURNS.sub(as_paragraph, func.docstring.value)


def as_paragraph(section: re.Match[str]) -> str:
    """The text of a section, with its title in front."""
    return "**Returns:** " + re.sub(r"(?m)^    ", "", section[1]).lstrip()
