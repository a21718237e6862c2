"""How the reference shows docstrings: the site's generator loads this, nothing else does."""

import re
from typing import Any

import griffe


class Docstrings(griffe.Extension):
    """Reads our one ``Example:`` as the generator's ``Examples:``; leaves out types that say Any."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rename the section."""
        if obj.docstring is not None:
            text = obj.docstring.value
            obj.docstring.value = re.sub(r"(?m)^(\s*)Example:$", r"\1Examples:", text)

    def on_function(self, *, func: griffe.Function, **kwargs: Any) -> None:
        """Leave out what a reader cannot use."""
        if str(func.returns) == "Any":
            func.returns = None
        for parameter in func.parameters:
            if str(parameter.annotation) == "Any":
                parameter.annotation = None
