"""Where the boxes and lines of the dependency graph stand, in pixels of a picture that is 1100 wide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from catalog.domain.dependency_graph import NodeId
from catalog.selectors.dependency_graph import DependencyGraph, DependencyNode

BOX_WIDTH: Final = 212
BOX_HEIGHT: Final = 46
_COLUMN_X: Final = (24, 304, 584, 864)
_FIRST_Y: Final = 36
_ROW: Final = 66
_LEAST_HEIGHT: Final = 120


@dataclass(frozen=True, slots=True)
class GraphBox:
    """The box of a node, by its upper left corner."""

    node: DependencyNode
    x: float
    y: float
    lit: bool


@dataclass(frozen=True, slots=True)
class GraphLine:
    """The path of a line, as SVG writes it."""

    path: str
    lit: bool


@dataclass(frozen=True, slots=True)
class GraphDrawing:
    """Boxes, and lines with the lit ones last, so that they are drawn above the others."""

    boxes: tuple[GraphBox, ...]
    lines: tuple[GraphLine, ...]
    height: int


def draw(graph: DependencyGraph) -> GraphDrawing:
    """Four columns of boxes with curved lines between them. With nothing lit, everything is drawn alike."""
    tallest = max((len(column) for column in graph.columns), default=0)
    places = _places(graph.columns, tallest)
    boxes = tuple(GraphBox(graph.nodes[key], x, y, key in graph.lit) for key, (x, y) in places.items())
    lines = [
        GraphLine(_path(places[source], places[target]), source in graph.lit and target in graph.lit)
        for source, target in graph.edges
        if source in places and target in places
    ]
    height = max(_LEAST_HEIGHT, _FIRST_Y + tallest * _ROW)
    return GraphDrawing(boxes, tuple(sorted(lines, key=lambda line: line.lit)), height)


def _places(columns: Sequence[Sequence[NodeId]], tallest: int) -> dict[NodeId, tuple[float, float]]:
    """Each column is centred beside the tallest one."""
    places: dict[NodeId, tuple[float, float]] = {}
    for x, column in zip(_COLUMN_X, columns, strict=True):
        top = _FIRST_Y + (tallest - len(column)) * _ROW / 2
        places |= {key: (float(x), top + n * _ROW) for n, key in enumerate(column)}
    return places


def _path(begin: tuple[float, float], end: tuple[float, float]) -> str:
    """From the right side of one box to the left side of another; inside a column the line runs around the right
    side."""
    (x1, y1), (x2, y2) = begin, end
    y1, y2 = y1 + BOX_HEIGHT / 2, y2 + BOX_HEIGHT / 2
    if x1 < x2:
        middle = (x1 + BOX_WIDTH + x2) / 2
        return f"M{x1 + BOX_WIDTH:g} {y1:g} C{middle:g} {y1:g} {middle:g} {y2:g} {x2:g} {y2:g}"
    out = max(x1, x2) + BOX_WIDTH + 26
    return f"M{x1 + BOX_WIDTH:g} {y1:g} C{out:g} {y1:g} {out:g} {y2:g} {x2 + BOX_WIDTH:g} {y2:g}"
