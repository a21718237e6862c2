"""Graphs as text, and back: numbers keep their bits, and wrong text is refused with its line."""

import math
import re

import numpy as np
import pytest

import adjoint as ad
from adjoint.core.bind import fresh_slot, make
from adjoint.core.errors import GraphError
from adjoint.core.graph import leaf
from adjoint.core.parse import parse
from adjoint.core.program import Graph, evaluate
from adjoint.core.text import large_constants, literal
from adjoint.core.types import Type
from tests.cards import Case, all_cases


def again(graph: Graph) -> Graph:
    """The graph, printed and read."""
    return parse(str(graph), large_constants(graph))


def scaled(x: ad.Tensor) -> ad.Tensor:
    h = x * 2.0
    return ad.sum(h)


def test_a_graph_prints_one_operation_a_line() -> None:
    assert str(ad.trace(scaled, ad.tensor([1.0, 2.0]))) == (
        "graph(%0: f32[2]) {\n"
        "  %1: f32[2] = multiply(%0, 2.0)\n"
        "  %2: f32[] = sum(%1, axes=(0,))\n"
        "} -> (%2)"
    )


def test_places_are_comments_in_one_column() -> None:
    graph = ad.trace(scaled, ad.tensor([1.0, 2.0]))
    line = scaled.__code__.co_firstlineno
    shown = graph.text(sites=True).splitlines()
    assert shown[1].endswith(f"# test_text.py:{line + 1}   h = x * 2.0")
    assert shown[2].endswith(f"# test_text.py:{line + 2}   return ad.sum(h)")
    assert shown[1].index("#") == shown[2].index("#")
    assert str(parse(graph.text(sites=True))) == str(graph)


def test_several_results_stand_on_the_left_and_unused_ones_are_an_underscore() -> None:
    def f(x: ad.Tensor) -> ad.Tensor:
        first, _, third = ad.split(x, 3)
        return third - first

    graph = ad.trace(f, ad.zeros(6))
    assert "%1: f32[2], _: f32[2], %2: f32[2] = split(%0" in str(graph)
    assert "subtract(%2, %1)" in str(graph)
    assert again(graph) == graph
    x = ad.tensor([1.0, 2.0, 3.0, 4.0, 6.0, 8.0])
    assert evaluate(again(graph), [x])[0].tolist() == [5.0, 6.0]


def test_an_output_may_be_an_input_and_there_may_be_no_operation() -> None:
    graph = ad.trace(lambda x, y: (y, x, y), ad.zeros(2), 1.0)
    assert str(graph) == "graph(%0: f32[2], %1: f32[]) {\n} -> (%1, %0, %1)"
    assert again(graph) == graph


@pytest.mark.parametrize(
    "value",
    [
        2.0,
        -0.0,
        0.1,
        1e-310,
        1e300,
        math.inf,
        -math.inf,
        math.nan,
        True,
        3,
        -(2**60),
        1j,
        complex(-0.0, math.nan),
    ],
    ids=repr,
)
def test_python_numbers_come_back_as_they_were(value: complex) -> None:
    line = f"%1: c128[] = multiply(%0, {literal(value)})"
    graph = parse(f"graph(%0: c128[]) {{\n  {line}\n}} -> (%1)")
    found = graph.nodes[0].inputs[1]
    assert type(found) is type(value)
    assert repr(found) == repr(value)
    assert again(graph) == graph


BITS = {
    "f64": np.array([0.1, -0.0, 5e-324, np.nan, -np.inf, 1 / 3]),
    "f32": np.array([0.1, -0.0, 1e-45, np.nan, np.inf, 1 / 3, 16777217], np.float32),
    "f16": np.array([0.1, -0.0, 6e-8, np.nan, 65504], np.float16),
    "bf16": np.asarray(ad.tensor([0.1, 1 / 3, -0.0, np.inf], dtype="bfloat16").value),
    "c64": np.array([0.1 + 1j / 3, complex(-0.0, np.nan)], np.complex64),
    "c128": np.array([[0.1 + 1j / 3], [complex(np.inf, -0.0)]]),
    "bool": np.array([True, False]),
    "u64": np.array([2**64 - 1], np.uint64),
    "i8": np.array([[-128, 127]], np.int8),
    "empty": np.zeros((2, 0)),
    "a NaN with a payload": np.array([0x7FF8000000000123, 0xFFF8000000000000], np.uint64).view(
        float
    ),
    "large": np.linspace(0, 1, 9),
}


@pytest.mark.parametrize("value", BITS.values(), ids=BITS)
def test_constants_come_back_bit_by_bit(value: np.ndarray) -> None:
    node = leaf(value)
    graph = Graph((), (), (node,), {node: make(value, node)})
    (found,) = again(graph).constants.values()
    assert found.dtype == value.dtype
    assert found.shape == value.shape
    assert found.value.tobytes() == value.tobytes()
    assert again(graph) == graph


def test_constants_of_more_than_eight_elements_are_named_and_must_be_supplied() -> None:
    w = ad.zeros((3, 3)) + 0.5
    graph = ad.trace(lambda x: x + w, ad.zeros(3))
    assert re.search(r"%1: f32\[3,3\] = constant\('c0', crc=0x[0-9a-f]{8}\)", str(graph))
    with pytest.raises(GraphError, match=r"line 2: the constant 'c0' is needed"):
        parse(str(graph))
    with pytest.raises(GraphError, match="is not the array that was printed"):
        parse(str(graph), {"c0": np.zeros((3, 3), np.float32)})
    assert parse(str(graph), {"c0": w}) == graph


def test_a_parameter_keeps_its_path_as_the_name_of_its_constant() -> None:
    w = ad.zeros(9)
    fresh_slot(w, leaf=True).name = "layers.0.weight"
    graph = ad.trace(lambda x: (x + w) * w, ad.zeros(9))
    assert "constant('layers.0.weight', crc=" in str(graph)
    assert list(large_constants(graph)) == ["layers.0.weight"]
    assert again(graph).text() == graph.text()


def test_equal_graphs_share_operations_wiring_and_constants_but_not_places() -> None:
    def f(x: ad.Tensor) -> ad.Tensor:
        return x * 2.0 + x

    def g(y: ad.Tensor) -> ad.Tensor:
        return y * 2.0 + y

    x = ad.zeros(3)
    same = [ad.trace(f, x), ad.trace(g, x), again(ad.trace(f, x))]
    assert same[0] == same[1] == same[2]
    assert len({hash(graph) for graph in same}) == 1
    others = [
        ad.trace(lambda x: x * 2 + x, x),  # another literal
        ad.trace(lambda x: x + x * 2.0, x),  # another wiring
        ad.trace(lambda x: x * 2.0 - x, x),  # another operation
        ad.trace(f, ad.zeros(4)),  # another type
        ad.trace(lambda x: (f(x), x), x),  # another output
    ]
    assert all(graph != same[0] for graph in others)
    assert same[0] != "graph"


def test_constants_are_compared_by_all_their_bits() -> None:
    def graph(w: np.ndarray) -> Graph:
        return ad.trace(lambda x: x * w, ad.zeros(10, dtype="float64"))

    w = np.linspace(0, 1, 10)
    assert graph(w) == graph(w.copy())
    assert graph(w) != graph(-w)
    assert graph(np.array(0.0)) != graph(np.array(-0.0))


def test_an_inner_graph_prints_values_of_the_outer_one_as_known_outside() -> None:
    inner = []

    def f(x: ad.Tensor) -> ad.Tensor:
        inner.append(ad.trace(lambda y: y + x, ad.zeros(2)))
        return x

    ad.trace(f, ad.zeros(2))
    assert "%1: f32[2] = outside()" in str(inner[0])
    assert str(again(inner[0])) == str(inner[0])


CASES, _ = all_cases()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_card_prints_verifies_and_comes_back(case: Case) -> None:
    graph = ad.trace(case.function(range(len(case.xs))), *case.xs)
    graph.verify()
    found = again(graph)
    assert found.nodes[0].op == graph.nodes[0].op
    assert found.text() == graph.text()


def one_line(line: str) -> str:
    return f"graph(%0: f32[2]) {{\n  {line}\n}} -> (%1)"


WRONG = {
    one_line("%1: f32[2] = nonsense(%0)"): "line 2: there is no operation 'nonsense'",
    one_line("%1: f32[2] = negative(%7)"): "line 2: %7 is used before it is defined",
    one_line("%0: f32[2] = negative(%0)"): "line 2: %0 is defined twice",
    one_line("%1: f32[] = sum(%0, axis=0)"): "line 2: Sum needs its field 'axes'",
    one_line("%1: f32[3] = negative(%0)"): "the card infers f32[2]",
    one_line("%1: f32[2] = constant([1.0])"): "line 2: 1 numbers for a constant",
    one_line("%1: f32[2] = negative(%0, x=opaque('f'))"): "no form as text",
    one_line("%1: f32[2] = negative(%0, x=y)"): "expected a value, found 'y'",
    one_line("%1: f32[2] = negative(%0, x=])"): "expected a value, found ']'",
    one_line("?"): "line 2: cannot read '?",
    "graph(%0: f32[2]) {\n} -> (%1)": "line 2: %1 is used before it is defined",
    "graph(%0: f31[2]) {\n} -> (%0)": "line 1: 'f31' is not a dtype",
    "graph(%0: f32[2]) {} -> (%0) and more": "expected 'the end', found 'and'",
    "graph(%0: f32[2])": "expected '{', found ''",
    "graph(%0: f32['a']) {} -> (%0)": "expected a number, found",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_written_wrongly_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(GraphError) as error:
        parse(text)
    assert WRONG[text] in str(error.value)


class Odd:
    """A field that text cannot hold."""

    def __repr__(self) -> str:
        return "an 'odd' thing"


def test_fields_print_as_python_literals() -> None:
    shown = {
        literal(value): value
        for value in (
            (1,),
            (1, (2, -3)),
            [0.5, None],
            {"a": True},
            slice(None, 3, -1),
            np.dtype("f4"),
            np.float32(0.5),
            Type((2, 3), np.dtype("i8")),
            "it's",
        )
    }
    assert list(shown) == [
        "(1,)",
        "(1, (2, -3))",
        "[0.5, None]",
        "{'a': True}",
        "slice(None, 3, -1)",
        "f32",
        "0.5",
        "i64[2,3]",
        '"it\'s"',
    ]
    assert literal(Odd()) == """opaque("an 'odd' thing")"""
