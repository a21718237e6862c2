"""Where the boxes of a drawing stand: a layered layout, by hand, so that no Graphviz is needed.

Longest paths give the layers, barycentre sweeps the order within a layer, and least squares the
places, so that edges run straight where they can. Edges of one box that pass through a layer share
a narrow lane there.

Source: Sugiyama, Tagawa, Toda, Methods for Visual Understanding of Hierarchical System Structures
(1981); the places within a layer are an isotonic regression (pool adjacent violators).
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

GAP_X: Final = 22.0
GAP_Y: Final = 38.0
LANE: Final = 10.0
SWEEPS: Final = 12
WORK: Final = 60_000
"""How often a box or lane is placed anew; large graphs get fewer sweeps."""

Point = tuple[float, float]
Stop = tuple[float, float, float]
"""The middle of a lane in a layer, and half the height of the layer."""


class Layers:
    """A drawing plan of an acyclic graph.

    Args:
        sizes: width and height of each box, in a topological order.
        edges: pairs of box numbers, from the earlier to the later.
        floating: boxes (constants) that may stand just above where they are used.

    Attributes:
        centers: the centre of each box.
        routes: for each edge the points that it passes through.
        width: of the drawing.
        height: of the drawing.
    """

    def __init__(
        self,
        sizes: Sequence[tuple[float, float]],
        edges: Sequence[tuple[int, int]],
        floating: set[int],
    ) -> None:
        ranks = ranked(len(sizes), edges, floating)
        self.boxes = len(sizes)
        self.widths = [w for w, _ in sizes]
        self.rows: list[list[int]] = [[] for _ in range(max(ranks, default=0) + 1)]
        for v, rank in enumerate(ranks):
            self.rows[rank].append(v)
        self.above: list[list[int]] = [[] for _ in sizes]
        self.below: list[list[int]] = [[] for _ in sizes]
        self.lanes: dict[int, list[int]] = {}
        paths = [self._path(ranks, u, v) for u, v in edges]
        self._order()
        xs = self._places()
        heights = [
            max((sizes[v][1] for v in row if v < len(sizes)), default=0) for row in self.rows
        ]
        ys: list[float] = []
        at = 0.0
        for h in heights:
            ys.append(at + h / 2)
            at += h + GAP_Y
        rank_of = {v: rank for rank, row in enumerate(self.rows) for v in row}
        self.height = at - GAP_Y
        left = min((x - w / 2 for x, w in zip(xs, self.widths, strict=True)), default=0.0)
        right = max((x + w / 2 for x, w in zip(xs, self.widths, strict=True)), default=0.0)
        self.width = right - left
        self.centers: list[Point] = [(xs[v] - left, ys[rank_of[v]]) for v in range(self.boxes)]
        ports = self._ports(paths, xs)
        self.routes: list[list[Stop]] = []
        for path, (start, end) in zip(paths, ports, strict=True):
            shift = [start, *[0.0] * (len(path) - 2), end]
            stops = [(xs[v] - left + s, rank_of[v]) for v, s in zip(path, shift, strict=True)]
            self.routes.append([(x, ys[rank], heights[rank] / 2) for x, rank in stops])

    def _ports(self, paths: list[list[int]], xs: list[float]) -> list[tuple[float, float]]:
        """How far from the middle each edge leaves and enters, so that edges stand side by side.

        Edges that leave by the same lane leave at the same place.
        """
        out = [[0.0, 0.0] for _ in paths]
        for side in (0, 1):
            meeting: dict[int, dict[tuple[float, int], list[int]]] = {}
            for i, path in enumerate(paths):
                near = path[-2 if side else 1]
                apart = i if near < self.boxes or side else -1
                meeting.setdefault(path[-side], {}).setdefault((xs[near], apart), []).append(i)
            for v, places in meeting.items():
                step = min(12.0, (self.widths[v] - 16) / len(places))
                for k, place in enumerate(sorted(places)):
                    for i in places[place]:
                        out[i][side] = (k - (len(places) - 1) / 2) * step
        return [(start, end) for start, end in out]

    def _path(self, ranks: list[int], u: int, v: int) -> list[int]:
        """Connect two boxes: by the lane that the upper one has in each layer between them."""
        lane = self.lanes.setdefault(u, [])
        while len(lane) < ranks[v] - ranks[u] - 1:
            new = len(self.widths)
            self.widths.append(LANE)
            self.above.append([])
            self.below.append([])
            self.rows[ranks[u] + len(lane) + 1].append(new)
            self._link(lane[-1] if lane else u, new)
            lane.append(new)
        path = [u, *lane[: ranks[v] - ranks[u] - 1], v]
        self._link(path[-2], v)
        return path

    def _link(self, u: int, v: int) -> None:
        self.below[u].append(v)
        self.above[v].append(u)

    def _order(self) -> None:
        """Order each layer by the mean place of its neighbours; keep what crosses least."""
        best = [list(row) for row in self.rows]
        fewest = self._crossings()
        for sweep in range(SWEEPS):
            down = sweep % 2 == 0
            rows = self.rows if down else self.rows[::-1]
            near = self.above if down else self.below
            place = {v: float(i) for row in self.rows for i, v in enumerate(row)}
            for row in rows:
                mean = {
                    v: sum(place[u] for u in near[v]) / len(near[v]) if near[v] else place[v]
                    for v in row
                }
                row.sort(key=mean.__getitem__)
                place |= {v: float(i) for i, v in enumerate(row)}
            crossings = self._crossings()
            if crossings < fewest:
                fewest, best = crossings, [list(row) for row in self.rows]
        self.rows = best

    def _crossings(self) -> int:
        """How many pairs of edges cross: inversions between neighbouring layers."""
        total = 0
        for row, following in pairwise(self.rows):
            place = {v: i for i, v in enumerate(following)}
            seen: list[int] = []
            for u in row:
                ends = sorted(place[v] for v in self.below[u])
                total += sum(len(seen) - bisect_right(seen, end) for end in ends)
                for end in ends:
                    insort(seen, end)
        return total

    def _places(self) -> list[float]:
        """The middle of each box and lane: near the mean of its neighbours, without overlaps."""
        xs = [0.0] * len(self.widths)
        for row in self.rows:
            self._settle(row, xs, [0.0] * len(row))
        sweeps = max(SWEEPS, min(5 * SWEEPS, WORK // len(xs))) if xs else 0
        for sweep in range(sweeps):
            down = sweep % 2 == 0
            for row in self.rows if down else self.rows[::-1]:
                wish: list[float] = []
                for v in row:
                    near = self.above[v] if down else self.below[v]
                    if sweep > sweeps // 3 or not near:  # at the end both directions count
                        near = self.above[v] + self.below[v]
                    wish.append(sum(xs[u] for u in near) / len(near) if near else xs[v])
                self._settle(row, xs, wish)
        return xs

    def _settle(self, row: list[int], xs: list[float], wish: list[float]) -> None:
        """The places nearest to the wished ones, in least squares, that keep order and distance.

        Lanes weigh more than boxes, so that long edges run straight.
        """
        offset = 0.0
        offsets: list[float] = []
        blocks: list[tuple[float, int, int]] = []  # of boxes that touch: mean, weight, length
        for i, v in enumerate(row):
            if i:
                offset += (self.widths[row[i - 1]] + self.widths[v]) / 2 + GAP_X
            offsets.append(offset)
            mean, weight, n = wish[i] - offset, (1 if v < self.boxes else 6), 1
            while blocks and blocks[-1][0] >= mean:
                before, w, m = blocks.pop()
                mean = (before * w + mean * weight) / (w + weight)
                weight, n = w + weight, m + n
            blocks.append((mean, weight, n))
        placed = [mean for mean, _, n in blocks for _ in range(n)]
        for v, mean, shift in zip(row, placed, offsets, strict=True):
            xs[v] = mean + shift


def ranked(n: int, edges: Sequence[tuple[int, int]], floating: set[int]) -> list[int]:
    """The layer of each box: the longest path that leads to it.

    What depends on floating boxes alone stands as low as its users allow.
    """
    above: list[list[int]] = [[] for _ in range(n)]
    below: list[list[int]] = [[] for _ in range(n)]
    for u, v in edges:
        above[v].append(u)
        below[u].append(v)
    ranks = [0] * n
    light = set(floating)
    for v in range(n):
        ranks[v] = max((ranks[u] + 1 for u in above[v]), default=0)
        if above[v] and all(u in light for u in above[v]):
            light.add(v)
    for v in sorted(light, reverse=True):
        ranks[v] = min((ranks[u] - 1 for u in below[v]), default=ranks[v])
    return ranks
