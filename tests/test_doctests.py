"""The examples in the docstrings of the library run, and print what they say."""

import doctest
import importlib
import pkgutil
import re
from typing import Any

import numpy as np
import pytest

import adjoint as ad

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
NUMBER = re.compile(r"[-+]?\d+\.\d*(?:[eE][-+]?\d+)?|[-+]?\d+[eE][-+]?\d+")


def module_names() -> list[str]:
    found = pkgutil.walk_packages(ad.__path__, "adjoint.", onerror=lambda name: None)
    return ["adjoint", *(m.name for m in found if not m.name.endswith("__main__"))]


class NumberChecker(doctest.OutputChecker):
    """Numbers with a decimal point agree to as many places as the example writes."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        if super().check_output(want, got, optionflags):
            return True
        wanted, gotten = NUMBER.findall(want), NUMBER.findall(got)
        if len(wanted) != len(gotten):
            return False
        for w, g in zip(wanted, gotten, strict=True):
            places = len(re.split(r"[eE]", w)[0].partition(".")[2])
            scale = 10.0 ** (int(re.split(r"[eE]", w)[1]) if re.search(r"[eE]", w) else 0)
            if abs(float(w) - float(g)) > 0.5000001 * 10.0**-places * scale:
                return False
        pattern = NUMBER.sub("#", want), NUMBER.sub("#", got)
        return super().check_output(*pattern, optionflags)


@pytest.mark.parametrize("name", module_names())
def test_examples(name: str) -> None:
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:  # of an optional package, such as a compiler
        if (error.name or "").startswith("adjoint"):
            raise
        pytest.skip(f"needs {error.name}")
    runner = doctest.DocTestRunner(checker=NumberChecker(), optionflags=FLAGS)
    reports: list[str] = []
    for test in doctest.DocTestFinder(exclude_empty=True).find(module, name):
        if test.examples:
            space: dict[str, Any] = {"ad": ad, "np": np}
            test.globs = space
            runner.run(test, out=reports.append)
    assert not reports, "\n".join(reports)


@pytest.mark.parametrize(
    ("want", "got", "same"),
    [
        ("tensor([1., 2.])", "tensor([1., 2.])", True),
        ("0.33", "0.3333333", True),
        ("0.34", "0.3333333", False),
        ("[1.00, 2.5]", "[1.0000001, 2.46]", True),
        ("1.5e-3", "0.00152", True),
        ("1.5e-3", "0.0016", False),
        ("tensor([1., 2.])", "tensor([1., 3.])", False),
        ("tensor(1.)", "1.", False),
        ("...", "anything", True),
    ],
)
def test_numbers_are_compared_as_written(want: str, got: str, same: bool) -> None:
    assert NumberChecker().check_output(want + "\n", got + "\n", FLAGS) is same
