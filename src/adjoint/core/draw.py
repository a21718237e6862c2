"""Graphs as drawings: one self-contained SVG, in which the user's line shows on hovering."""

from __future__ import annotations

from html import escape
from typing import Any, Final

from adjoint.core.errors import GraphError
from adjoint.core.graph import Node, Pick
from adjoint.core.layers import Layers, Stop
from adjoint.core.text import Layout, card_name, constant_text, fields_of, place_text, step_text

LARGEST: Final = 300
"""The largest number of operations that is drawn: beyond it a drawing shows nothing."""
CHAR: Final = 7.3
LINE: Final = 17.0
MARGIN: Final = 18.0
WIDEST: Final = 30

# fill and border, by what a box is: an input, a constant, an output, or a kind of loop
COLOURS: Final = {
    "input": ("#d9f2dd", "#2e7d3c"),
    "constant": ("#f4f4f1", "#8a8a80"),
    "output": ("#2b3a4a", "#2b3a4a"),
    "map": ("#e8f0fb", "#5b83b8"),
    "reduce": ("#efe6f8", "#8258b0"),
    "view": ("#ffffff", "#a8b2bd"),
    "contract": ("#fdebd3", "#c77a1b"),
    "linalg": ("#fdebd3", "#c77a1b"),
    "conv": ("#fdebd3", "#c77a1b"),
    "control": ("#fbe3e6", "#b8475a"),
}
OTHER: Final = ("#e4f3f1", "#3f8a80")

STYLE: Final = (
    "text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#1c2733;"
    "text-anchor:middle}"
    ".n{font-weight:600}.t{fill:#56636f}.o{fill:#fff}"
    ".e{fill:none;stroke:#7c8894;stroke-width:1.3}"
    "g:hover>rect{stroke-width:2.5}"
)


class Box:
    """One box: what it says, what it is, and what it says on hovering."""

    def __init__(self, what: str, lines: list[str], tip: str) -> None:
        self.what = what
        self.lines = [s if len(s) <= WIDEST else s[: WIDEST - 1] + "…" for s in lines]
        self.tip = tip
        self.width = max(map(len, self.lines)) * CHAR + 20
        self.height = len(self.lines) * LINE + 10

    def svg(self, x: float, y: float) -> str:
        """The box with its middle at a point."""
        fill, border = COLOURS.get(self.what, OTHER)
        round_ = self.height / 2 if self.what in ("input", "output") else 5
        dash = ' stroke-dasharray="4 3"' if self.what == "constant" else ""
        top = y - self.height / 2
        parts = [
            f"<g><title>{escape(self.tip)}</title>",
            f'<rect x="{x - self.width / 2:.1f}" y="{top:.1f}" width="{self.width:.1f}" '
            f'height="{self.height:.1f}" rx="{round_:.1f}" fill="{fill}" stroke="{border}"{dash}/>',
        ]
        for i, text in enumerate(self.lines):
            style = "n" if i == 0 else "t"
            style = "n o" if self.what == "output" else style
            down = top + 5 + LINE * (i + 0.75)
            parts.append(f'<text x="{x:.1f}" y="{down:.1f}" class="{style}">{escape(text)}</text>')
        return "".join([*parts, "</g>"])


def draw(graph: Any) -> str:
    """A drawing of a graph: inputs above, results below, operations coloured by their kind.

    Hovering over a box shows its line of the printed graph and the user's line.

    Raises:
        GraphError: if there are more than 300 operations.
    """
    layout = Layout(graph)
    if len(layout.steps) > LARGEST:
        raise GraphError(
            f"the graph has {len(layout.steps)} operations, and a drawing of more than {LARGEST} "
            "shows nothing; print(graph) lists them, or trace a part of the function"
        )
    boxes: list[Box] = []
    number: dict[Node, int] = {}
    edges: list[tuple[int, int]] = []
    for node in (*graph.inputs, *layout.constants):
        number[node] = len(boxes)
        boxes.append(_leaf_box(graph, node, layout))
    first = len(graph.inputs)
    floating = set(range(first, len(boxes)))
    for node in layout.steps:
        number[node] = len(boxes)
        edges += [(number[_made_by(x)], len(boxes)) for x in node.inputs if x.__class__ is Node]
        boxes.append(_step_box(node, layout))
    for i, node in enumerate(graph.outputs):
        edges.append((number[_made_by(node)], len(boxes)))
        tip = f"result {i}: {layout.names[node]}: {node.type}"
        boxes.append(Box("output", [f"result {layout.names[node]}"], tip))
    plan = Layers([(box.width, box.height) for box in boxes], edges, floating)
    return _page(boxes, edges, plan)


def _made_by(node: Node) -> Node:
    """The operation that computes a value: the one behind a pick."""
    return node.inputs[0] if node.op.__class__ is Pick else node


def _leaf_box(graph: Any, node: Node, layout: Layout) -> Box:
    name = layout.names[node]
    if node not in graph.constants:
        shown = ["input", f"{name}: {node.type}"]
        return Box("input", shown, f"{name}: {node.type}\n{place_text(node)}".strip())
    value = graph.constants[node].value
    text = constant_text(value, node.name or name)
    inside = text.removeprefix("constant(").removesuffix(")")
    label = inside if node.size <= 1 else node.name or "constant"
    tip = f"{name}: {node.type} = {text}\n{place_text(node)}".strip()
    return Box("constant", [label, f"{name}: {node.type}"], tip)


def _step_box(node: Node, layout: Layout) -> Box:
    literals = [x for x in node.inputs if x.__class__ is not Node]
    title = card_name(node.op)
    if literals:
        title += "(" + ", ".join("·" if x.__class__ is Node else f"{x}" for x in node.inputs) + ")"
    fields = ", ".join(f for f in fields_of(node.op) if "\n" not in f)
    lines = [title, *([fields] if fields else []), layout.results(node)]
    tip = f"{step_text(node, layout)}\n{place_text(node)}".strip()
    return Box(node.op.kind, lines, tip)


def _page(boxes: list[Box], edges: list[tuple[int, int]], plan: Layers) -> str:
    width, height = plan.width + 2 * MARGIN, plan.height + 2 * MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" role="img" aria-label="computation graph">',
        f"<style>{STYLE}</style>",
        '<defs><marker id="adjoint-arrow" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="7" '
        'markerHeight="7" orient="90"><path d="M0 0.6 8 4 0 7.4z" fill="#7c8894"/></marker></defs>',
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#fff"/>',
        f'<g transform="translate({MARGIN:.0f} {MARGIN:.0f})">',
    ]
    for (u, v), route in zip(edges, plan.routes, strict=True):
        parts.append(_edge(route, boxes[u].height / 2, boxes[v].height / 2))
    for box, (x, y) in zip(boxes, plan.centers, strict=True):
        parts.append(box.svg(x, y))
    return "\n".join([*parts, "</g></svg>"])


def _edge(route: list[Stop], start: float, end: float) -> str:
    """A smooth line through the lanes of an edge: straight within a layer, curved between two.

    Args:
        route: where it passes through each layer.
        start: half the height of the box where it begins.
        end: half the height of the box where it ends.
    """
    x, y, half = route[0]
    middle = y
    path = [f"M{x:.1f} {y + start:.1f}V{y + half:.1f}"]
    y += half
    for to, middle, half in route[1:]:
        top = middle - half
        bend = (top - y) / 2
        path.append(f"C{x:.1f} {y + bend:.1f} {to:.1f} {top - bend:.1f} {to:.1f} {top:.1f}")
        x, y = to, middle + half
        path.append(f"V{y:.1f}")
    path[-1] = f"V{middle - end:.1f}"
    return f'<path class="e" d="{"".join(path)}" marker-end="url(#adjoint-arrow)"/>'
