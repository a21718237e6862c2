"""What each pass makes of small programs, kept as text: the graph before, and the graph after.

``pytest tests/passes --update-golden`` writes the files anew; the diff is what a review reads.
"""

from pathlib import Path
from typing import Any

import pytest

import adjoint as ad
from adjoint.core.program import Graph
from adjoint.passes.dce import dce
from tests.passes.random_graphs import arguments, run, same_bits
from tests.passes.small import SMALL

FOLDER = Path(__file__).parent.parent / "golden" / "passes"


def graphs(name: str) -> tuple[Graph, Graph]:
    apply, f, args = SMALL[name]
    before = ad.trace(f, *args)
    if apply is dce:
        before = Graph(before.inputs, before.nodes, before.outputs[:1], before.constants)
    return before, apply(before)


@pytest.mark.parametrize("name", SMALL)
def test_the_graphs_are_those_that_are_kept(name: str, pytestconfig: pytest.Config) -> None:
    before, after = graphs(name)
    after.verify()
    title = SMALL[name][0].__name__
    found = f"{before}\n\n# after {title}\n\n{dce(after)}\n"
    file = FOLDER / f"{name}.txt"
    if pytestconfig.getoption("--update-golden"):
        file.write_text(found, encoding="utf-8")
    assert file.exists(), "no golden text yet: run pytest tests/passes --update-golden"
    assert found == file.read_text(encoding="utf-8"), "if it is meant: --update-golden"


@pytest.mark.parametrize("name", SMALL)
def test_they_compute_the_same_bits(name: str) -> None:
    before, after = graphs(name)
    for odd in (False, True):
        args: Any = arguments(before, 3, odd)
        for a, b in zip(run(before, args), run(after, args), strict=True):
            assert same_bits(a, b)


@pytest.mark.parametrize("name", SMALL)
def test_every_operation_knows_its_line(name: str) -> None:
    _, after = graphs(name)
    for node in after.nodes:
        assert node.site is not None
        assert node.site.filename.endswith("small.py")


def test_no_file_is_left_over() -> None:
    assert {file.stem for file in FOLDER.glob("*.txt")} == set(SMALL)
