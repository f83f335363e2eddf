"""Dependencies as a graph: what breaks, cycles, layer violations, and the columns in which it is drawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

Node = str
Edge = tuple[Node, Node]
_RANK: Final[dict[str, int]] = {"experience": 0, "process": 1, "system": 2, "record": 3}


def reachable(start: Iterable[Node], edges: Iterable[Edge], *, backwards: bool = False) -> set[Node]:
    """Everything that `start` needs, or with `backwards` everything that needs it; without `start` unless it lies on a cycle."""
    onward: dict[Node, list[Node]] = {}
    for source, target in edges:
        onward.setdefault(target if backwards else source, []).append(source if backwards else target)
    seen: set[Node] = set()
    todo = list(start)
    while todo:
        for node in onward.get(todo.pop(), ()):
            if node not in seen:
                seen.add(node)
                todo.append(node)
    return seen


def cycles(edges: Iterable[Edge]) -> list[list[Node]]:
    """Every knot of nodes that need each other (strongly connected components of two and more), by Tarjan without recursion."""
    onward: dict[Node, list[Node]] = {}
    for source, target in edges:
        onward.setdefault(source, []).append(target)
        onward.setdefault(target, [])
    index: dict[Node, int] = {}
    low: dict[Node, int] = {}
    stack: list[Node] = []
    on_stack: set[Node] = set()
    found: list[list[Node]] = []
    for root in sorted(onward):
        if root in index:
            continue
        work: list[tuple[Node, int]] = [(root, 0)]
        while work:
            node, step = work.pop()
            if step == 0:
                index[node] = low[node] = len(index)
                stack.append(node)
                on_stack.add(node)
            advanced = False
            for n in range(step, len(onward[node])):
                child = onward[node][n]
                if child not in index:
                    work += [(node, n + 1), (child, 0)]
                    advanced = True
                    break
                if child in on_stack:
                    low[node] = min(low[node], index[child])
            if advanced:
                continue
            if low[node] == index[node]:
                knot = []
                while True:
                    member = stack.pop()
                    on_stack.discard(member)
                    knot.append(member)
                    if member == node:
                        break
                if len(knot) > 1:
                    found.append(sorted(knot))
            if work:
                parent = work[-1][0]
                low[parent] = min(low[parent], low[node])
    return found


def violations(edges: Iterable[Edge], layers: Mapping[Node, str]) -> list[Edge]:
    """Edges that run against the layers: a system API that needs a process or experience API, a process API that needs an
    experience API. Edges inside one layer are allowed; a node without a layer is not judged."""
    return [
        (source, target)
        for source, target in edges
        if layers.get(source) in _RANK and layers.get(target) in _RANK and _RANK[layers[source]] > _RANK[layers[target]]
    ]


@dataclass(frozen=True, slots=True)
class Box:
    """A drawn node; coordinates in the 1100-wide view box of the style guide."""

    node: Node
    x: float
    y: float
    lit: bool


@dataclass(frozen=True, slots=True)
class Line:
    path: str
    lit: bool


@dataclass(frozen=True, slots=True)
class Drawing:
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    height: int


WIDTH: Final = 212
HEIGHT: Final = 46
_COLUMN_X: Final = (24, 304, 584, 864)
_ROW: Final = 66


def draw(columns: list[list[Node]], edges: Iterable[Edge], *, lit: set[Node]) -> Drawing:
    """Four columns of boxes with curved lines between them; inside a column the line runs around the right side. With nothing
    lit, everything is drawn alike."""
    tallest = max((len(c) for c in columns), default=0)
    height = max(120, 36 + tallest * _ROW)
    place: dict[Node, tuple[float, float]] = {}
    boxes = []
    for x, column in zip(_COLUMN_X, columns, strict=True):
        top = 36 + (tallest - len(column)) * _ROW / 2
        for n, node in enumerate(column):
            place[node] = (x, top + n * _ROW)
            boxes.append(Box(node, x, top + n * _ROW, node in lit))
    lines = []
    for source, target in edges:
        if source not in place or target not in place:
            continue
        (x1, y1), (x2, y2) = place[source], place[target]
        y1, y2 = y1 + HEIGHT / 2, y2 + HEIGHT / 2
        if x1 < x2:
            middle = (x1 + WIDTH + x2) / 2
            path = f"M{x1 + WIDTH:g} {y1:g} C{middle:g} {y1:g} {middle:g} {y2:g} {x2:g} {y2:g}"
        else:
            out = max(x1, x2) + WIDTH + 26
            path = f"M{x1 + WIDTH:g} {y1:g} C{out:g} {y1:g} {out:g} {y2:g} {x2 + WIDTH:g} {y2:g}"
        lines.append(Line(path, source in lit and target in lit))
    return Drawing(tuple(boxes), tuple(sorted(lines, key=lambda line: line.lit)), height)
