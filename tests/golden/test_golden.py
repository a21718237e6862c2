"""The printed graphs of small programs, kept in files: a change of the engine shows as a diff.

``pytest tests/golden --update-golden`` writes the files anew; the diff is what a review reads. A
change that is meant to change no behaviour leaves them as they are.
"""

import re
from pathlib import Path

import numpy as np
import pytest

import adjoint as ad
from adjoint.core.parse import parse
from adjoint.core.program import Graph, evaluate
from adjoint.core.text import large_constants
from adjoint.core.tree import flatten, tree_map
from tests.golden.programs import PROGRAMS

FOLDER = Path(__file__).parent


def traced(name: str) -> Graph:
    f, args = PROGRAMS[name]
    return ad.trace(f, *args)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_printed_graph_is_the_one_that_is_kept(name: str, pytestconfig: pytest.Config) -> None:
    found = re.sub(r"(# \w+\.py):\d+", r"\1", traced(name).text(sites=True)) + "\n"
    file = FOLDER / f"{name}.txt"
    if pytestconfig.getoption("--update-golden"):
        file.write_text(found, encoding="utf-8")
    assert file.exists(), "no golden text yet: run pytest tests/golden --update-golden"
    assert found == file.read_text(encoding="utf-8"), "if it is meant: --update-golden"


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_kept_text_reads_back_as_the_graph(name: str) -> None:
    graph = traced(name)
    graph.verify()
    kept = (FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    found = parse(kept, large_constants(graph))
    assert found == graph
    assert hash(found) == hash(graph)
    assert str(parse(str(found), large_constants(found))) == str(graph)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_graph_that_was_read_computes_what_the_function_does(name: str) -> None:
    f, args = PROGRAMS[name]
    rng = np.random.default_rng(0)
    values = tree_map(lambda x: rng.integers(1, 5, x.shape) / 2, args)
    values = tree_map(lambda x, like: x.astype(like.dtype), values, args)
    tensors = tree_map(ad.tensor, values)
    wanted = flatten(f(*tensors))[0]
    graph = parse(str(traced(name)), large_constants(traced(name)))
    found = evaluate(graph, flatten(tensors)[0])
    for x, y in zip(found, wanted, strict=True):
        assert x.dtype == y.dtype
        np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=1e-14, atol=1e-15)


def test_no_file_is_left_over() -> None:
    assert {file.stem for file in FOLDER.glob("*.txt")} == set(PROGRAMS)
