"""Every public name of `ad.nn` has a place in the reference, and every function an example."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adjoint import nn

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "nn.md"


def public() -> Iterator[tuple[str, Any]]:
    for prefix, module in (("", nn), ("functional.", nn.functional), ("init.", nn.init)):
        for name in getattr(module, "__all__", None) or dir(module):
            value = getattr(module, name)
            home = getattr(value, "__module__", "") or ""
            if name[0] != "_" and not inspect.ismodule(value) and home.startswith("adjoint.nn"):
                yield prefix + name, value


NAMES = dict(public())


def test_the_names_are_found() -> None:
    assert len(NAMES) > 150  # or the tests below pass on nothing


def test_the_reference_has_every_name() -> None:
    shown = re.findall(r"^::: adjoint\.nn\.(\S+)$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert not set(NAMES) - set(shown), "give each a place in docs/reference/nn.md"
    assert not set(shown) - set(NAMES), "these are in docs/reference/nn.md and nowhere else"


@pytest.mark.parametrize("name", NAMES)
def test_a_name_says_in_a_sentence_what_it_is(name: str) -> None:
    text = inspect.getdoc(NAMES[name]) or ""
    assert text.partition("\n")[0].endswith(".")
    if inspect.isfunction(NAMES[name]):
        assert re.search(r"^Example:\n    >>> ", text, re.MULTILINE)
