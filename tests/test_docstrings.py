"""Every public function has an example and a place in the reference; kinks have a Gradient line."""

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint import cost, errors, fft, linalg, random, testing

DOCS = Path(__file__).resolve().parent.parent / "docs"
KINKS = DOCS / "use" / "kinks.md"
NAMESPACES: dict[str, ModuleType] = {
    "": ad,
    "linalg.": linalg,
    "fft.": fft,
    "random.": random,
    "testing.": testing,
    "errors.": errors,
    "cost.": cost,
}
OPERATORS = {"//": "floor_divide", "%": "remainder", "**": "power"}


def is_data(value: object) -> bool:
    """A constant, a dtype or a module: things that have no docstring of their own."""
    if isinstance(value, np.dtype | ModuleType | float) or value is None:
        return True
    return inspect.isclass(value) and issubclass(value, np.generic)


def public() -> Iterator[tuple[str, Any]]:
    for prefix, module in NAMESPACES.items():
        names = getattr(module, "__all__", None) or [n for n in dir(module) if n[0] != "_"]
        for name in names:
            value = getattr(module, name)
            home = getattr(value, "__module__", "") or ""
            if module is errors and not inspect.isclass(value):
                continue  # what formats the messages, which users do not call
            if not is_data(value) and home.startswith("adjoint"):
                yield prefix + name, value


def functions() -> dict[str, Any]:
    return {name: value for name, value in public() if inspect.isfunction(value)}


def test_the_functions_are_found() -> None:
    assert len(functions()) > 300  # or every test below passes on nothing


@pytest.mark.parametrize("name", functions())
def test_a_function_has_an_example(name: str) -> None:
    assert re.search(r"^Example:\n    >>> ", inspect.getdoc(functions()[name]) or "", re.MULTILINE)


def listed_kinks() -> set[str]:
    """The functions in the table of kinks and ties."""
    found: set[str] = set()
    for line in KINKS.read_text(encoding="utf-8").splitlines():
        row = re.match(r"\| `(?:([\w.]+)\(|\w+ (\S+) \w)", line)
        if row is not None:
            found.add(row[1] or OPERATORS[row[2]])
    return found


@pytest.mark.parametrize("name", sorted(listed_kinks()))
def test_a_function_with_a_kink_says_what_its_gradient_is_there(name: str) -> None:
    assert "**Gradient:**" in (inspect.getdoc(functions()[name]) or "")


def in_the_reference() -> set[Any]:
    """The objects that the reference pages show."""
    found: set[Any] = set()
    for page in (DOCS / "reference").glob("*.md"):
        for path in re.findall(r"^::: (adjoint\S+)$", page.read_text("utf-8"), re.MULTILINE):
            module, _, name = path.rpartition(".")
            found.add(getattr(importlib.import_module(module), name))
    return found


def test_the_reference_has_every_public_name() -> None:
    shown = in_the_reference()
    missing = {name for name, value in public() if value not in shown}
    assert not missing, "give each a place in docs/reference/"


def test_the_reference_names_every_constant() -> None:
    text = (DOCS / "reference" / "tensors.md").read_text(encoding="utf-8")
    constants = {
        name
        for name in ad.__all__
        if is_data(getattr(ad, name)) and not isinstance(getattr(ad, name), ModuleType)
    }
    assert not {name for name in constants if f"`ad.{name}`" not in text}
