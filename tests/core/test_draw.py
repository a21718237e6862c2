"""Drawings of graphs: well-formed, complete, no overlaps, and refused where they show nothing."""

import itertools
from xml.etree import ElementTree

import numpy as np
import pytest

import adjoint as ad
from adjoint.core.errors import GraphError
from adjoint.core.layers import GAP_X, Layers, ranked
from adjoint.core.program import Graph

SVG = "{http://www.w3.org/2000/svg}"


def f(x: ad.Tensor, y: ad.Tensor) -> ad.Tensor:
    a, b = ad.split(x, 2)
    return a * y + b * 2.0 - ad.tensor([0.5, 1.5])


def graph() -> Graph:
    return ad.trace(f, ad.zeros(4), ad.zeros(2))


def boxes(svg: str) -> dict[str, list[str]]:
    """The lines of text of each box, by what it says on hovering."""
    groups = ElementTree.fromstring(svg).iter(f"{SVG}g")
    return {
        title: [t.text or "" for t in group.iter(f"{SVG}text")]
        for group in groups
        if (title := group.findtext(f"{SVG}title")) is not None
    }


def test_every_value_has_a_box_with_its_name_type_and_line() -> None:
    found = boxes(graph().svg())
    line = f.__code__.co_firstlineno
    place = f"test_draw.py:{line + 1}   a, b = ad.split(x, 2)"
    text = "%3: f32[2], %4: f32[2] = split(%0, axis=0, sizes=(2, 2))"
    assert found[f"{text}\n{place}"] == [
        "split",
        "axis=0, sizes=(2, 2)",
        "%3: f32[2], %4: f32[2]",
    ]
    shown = list(found.values())
    assert ["input", "%0: f32[4]"] in shown
    assert ["multiply(·, 2.0)", "%6: f32[2]"] in shown
    assert ["constant", "%2: f32[2]"] in shown
    assert ["result %8"] in shown
    assert len(shown) == 2 + 1 + 5 + 1  # inputs, a constant, operations, a result


def test_there_is_an_arrow_for_every_use() -> None:
    arrows = [p for p in ElementTree.fromstring(graph().svg()).iter(f"{SVG}path") if p.get("class")]
    assert len(arrows) == 1 + 2 + 1 + 2 + 2 + 1


def test_text_is_escaped_and_nothing_is_loaded() -> None:
    g = ad.trace(lambda x: x < 1.0, ad.zeros(2))
    svg = g.svg()
    assert "lambda x: x &lt; 1.0" in svg
    assert "href" not in svg
    assert "<script" not in svg


def test_a_notebook_shows_the_drawing_or_for_a_large_graph_the_text() -> None:
    assert graph()._repr_svg_() == graph().svg()

    def deep(x: ad.Tensor) -> ad.Tensor:
        for _ in range(301):
            x = x * 2.0
        return x

    large = ad.trace(deep, 1.0)
    assert large._repr_svg_() is None
    with pytest.raises(GraphError, match="the graph has 301 operations, and a drawing of more"):
        large.svg()


def test_a_graph_without_operations_is_drawn() -> None:
    assert len(boxes(ad.trace(lambda x: x, 1.0).svg())) == 2
    assert boxes(ad.trace(lambda: ()).svg()) == {}


def test_layers_are_longest_paths_and_constants_stand_above_their_use() -> None:
    edges = [(0, 2), (2, 3), (0, 3), (1, 3), (3, 4)]
    assert ranked(5, edges, set()) == [0, 0, 1, 2, 3]
    assert ranked(5, edges, {1}) == [0, 1, 1, 2, 3]


@pytest.mark.parametrize("seed", range(5))
def test_boxes_of_a_random_graph_do_not_overlap_and_arrows_point_down(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 40
    edges = [(int(rng.integers(0, v)), v) for v in range(1, n) for _ in range(rng.integers(0, 3))]
    sizes = [(float(rng.uniform(40, 160)), float(rng.uniform(20, 60))) for _ in range(n)]
    plan = Layers(sizes, edges, set())
    spans = [(x - w / 2, x + w / 2, y) for (x, y), (w, _) in zip(plan.centers, sizes, strict=True)]
    for (left, right, y), (other, end, z) in itertools.combinations(spans, 2):
        assert y != z or right + GAP_X < other + 1e-6 or end + GAP_X < left + 1e-6
    assert min(left for left, _, _ in spans) >= -1e-6
    assert max(right for _, right, _ in spans) <= plan.width + 1e-6
    for (u, v), route in zip(edges, plan.routes, strict=True):
        ys = [y for _, y, _ in route]
        assert ys == sorted(set(ys))
        assert abs(route[0][0] - plan.centers[u][0]) <= sizes[u][0] / 2
        assert abs(route[-1][0] - plan.centers[v][0]) <= sizes[v][0] / 2


def test_the_order_in_a_layer_has_few_crossings() -> None:
    # two ladders that were numbered in turn: drawn without a crossing they stand side by side
    edges = [(v, v + 2) for v in range(18)]
    plan = Layers([(40.0, 20.0)] * 20, edges, set())
    assert plan._crossings() == 0
