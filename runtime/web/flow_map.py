"""The flow map, laid out on the server: systems in three columns, one edge per flow. Lengths are in pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from catalog.domain.facts import SystemFacts
from kernel.ui.tones import Tone
from kernel.ui.wording import duration, number
from runtime.selectors.flows import SOURCE_NOT_READ, Flow

WIDTH, BOX, CHIP, LANE = 1100, 206, 172, 40
_X = (0, 447, 894)
_COLUMN = {"pos": 1, "oms": 1, "loyalty": 2, "commerce": 2, "ecommerce": 2, "crm": 2, "marketing": 2}
_KINDS = {"erp": "ERP", "pos": "Tills", "loyalty": "Loyalty", "wms": "Warehouse", "oms": "Order hub", "crm": "CRM"}


@dataclass(slots=True)
class SystemBox:
    """One system. `lines` stand below its name."""

    key: str
    name: str
    column: int
    lines: list[str]
    x: int = 0
    y: int = 0
    height: int = 76
    url: str = ""

    @property
    def text_x(self) -> int:
        return self.x + 16

    @property
    def rows(self) -> list[tuple[int, str]]:
        return [(self.y + 43 + 16 * index, line) for index, line in enumerate(self.lines)]

    @property
    def name_y(self) -> int:
        return self.y + 25

    @property
    def middle(self) -> float:
        return self.y + self.height / 2


@dataclass(slots=True)
class FlowEdge:
    """One flow: a path, the point of its arrow and the chip with its state."""

    flow: Flow
    tone: Tone
    chip: str
    path: str = ""
    head: str = ""
    chip_x: float = 0
    chip_y: float = 0


@dataclass(slots=True)
class FlowMap:
    boxes: list[SystemBox]
    edges: list[FlowEdge]
    height: int

    width: int = WIDTH
    chip_width: int = CHIP


def draw(flows: Sequence[Flow], facts: Sequence[SystemFacts]) -> FlowMap | None:
    """None where fewer than two systems are joined."""
    known = {s.key: s for s in facts}
    joined = [flow for flow in flows if flow.source_system and flow.source_system != flow.target_system]
    keys = dict.fromkeys(key for flow in joined for key in (flow.source_system, flow.target_system))
    if len(keys) < 2:
        return None
    boxes = {key: _box(key, known.get(key), flows) for key in keys}
    edges = [FlowEdge(flow, flow.tone, _chip(flow)) for flow in joined]
    _place(boxes, edges)
    height = max(_route(boxes, edges), max(box.y + box.height for box in boxes.values())) + 22
    return FlowMap(list(boxes.values()), edges, int(height))


def _box(key: str, facts: SystemFacts | None, flows: Sequence[Flow]) -> SystemBox:
    kind = facts.kind if facts else ""
    lines = [_KINDS.get(kind, kind.replace("_", " ").capitalize())] if kind else []
    stores = {name for flow in flows if flow.target_system == key and flow.fleet for name, _, _ in flow.instances}
    if stores:
        lines.append(f"{number(len(stores))} stores")
    elif facts and facts.vendor:
        lines.append(facts.vendor)
    return SystemBox(key, (facts.name if facts else key)[:28], _COLUMN.get(kind, 0), lines)


def _chip(flow: Flow) -> str:
    name = flow.target if len(flow.target) <= 14 else flow.target[:13] + "…"
    if flow.tone.tone == "ok":
        return f"{name} · {duration(flow.lag) if flow.backlog.waiting else 'flowing'}"
    word = "not read" if flow.tone.word == SOURCE_NOT_READ else flow.tone.word
    return f"{name} · {word[:1].lower()}{word[1:]}"


def _gap(one: SystemBox, other: SystemBox) -> tuple[int, int]:
    return min(one.column, other.column), max(one.column, other.column)


def _place(boxes: dict[str, SystemBox], edges: Sequence[FlowEdge]) -> None:
    """Stack boxes in their column, high enough for the edges at their sides; centre columns on the tallest."""
    for box in boxes.values():
        ends = [e for e in edges if box.key in (e.flow.source_system, e.flow.target_system)]
        sides = [sum(1 for e in ends if _side(box, boxes, e) == side) for side in (-1, 1)]
        box.height = max(60 + 16 * max(len(box.lines) - 1, 0), LANE * max(sides) + 24)
    columns = [[box for box in boxes.values() if box.column == column] for column in (0, 1, 2)]
    heights = [sum(box.height for box in column) + 64 * max(len(column) - 1, 0) for column in columns]
    for column, members in enumerate(columns):
        y = 22 + (max(heights) - heights[column]) // 2
        for box in members:
            box.x, box.y = _X[column], y
            y += box.height + 64


def _side(box: SystemBox, boxes: dict[str, SystemBox], edge: FlowEdge) -> int:
    other = boxes[edge.flow.target_system if box.key == edge.flow.source_system else edge.flow.source_system]
    return (other.column > box.column) - (other.column < box.column)


def _route(boxes: dict[str, SystemBox], edges: Sequence[FlowEdge]) -> float:
    """Give each edge the track nearest to its ends (tracks in a gap are `LANE` apart); returns the lowest y."""
    lowest = 0.0
    for gap in ((0, 1), (1, 2)):
        here = [e for e in edges if _gap(*_ends(boxes, e)) == gap]
        here.sort(key=lambda e: sum(box.middle for box in _ends(boxes, e)))
        for edge, y in zip(here, _tracks([_wish(*_ends(boxes, e)) for e in here]), strict=True):
            _across(edge, *_ends(boxes, edge), y)
            lowest = max(lowest, y + 14)
    floor = max(box.y + box.height for box in boxes.values()) + 30
    for edge in edges:
        source, target = _ends(boxes, edge)
        if _gap(source, target) == (0, 2):
            _around(edge, source, target, floor)
            lowest, floor = max(lowest, floor + 14), floor + LANE
        elif source.column == target.column:
            _beside(edge, source, target)
    return lowest


def _ends(boxes: dict[str, SystemBox], edge: FlowEdge) -> tuple[SystemBox, SystemBox]:
    return boxes[edge.flow.source_system], boxes[edge.flow.target_system]


def _wish(one: SystemBox, other: SystemBox) -> float:
    top, bottom = max(one.y, other.y), min(one.y + one.height, other.y + other.height)
    return (top + bottom) / 2 if bottom - top > 20 else (one.middle + other.middle) / 2


def _tracks(wishes: Sequence[float]) -> list[float]:
    """Wishes in rising order, moved apart to at least `LANE`, around the same middle."""
    if not wishes:
        return []
    apart: list[float] = []
    for wish in wishes:
        apart.append(max(wish, apart[-1] + LANE) if apart else wish)
    shift = (sum(apart) - sum(wishes)) / len(wishes)
    return [max(y - shift, 20.0) if index == 0 else y - shift for index, y in enumerate(apart)]


def _port(box: SystemBox, y: float) -> float:
    return min(max(y, box.y + 14), box.y + box.height - 14)


def _across(edge: FlowEdge, source: SystemBox, target: SystemBox, y: float) -> None:
    """Out of the facing side, to the track, along it, into the facing side of the other."""
    left, right = (source, target) if source.column < target.column else (target, source)
    x1, x2 = left.x + BOX, right.x
    yl, yr = _port(left, y), _port(right, y)
    bends = f"M{x1} {yl:.0f} H{x1 + 12} V{y:.0f} H{x2 - 14} V{yr:.0f} H{x2}"
    if source is left:
        edge.path = bends if (yl, yr) != (y, y) else f"M{x1} {y:.0f} H{x2 - 6}"
        edge.head = f"{x2},{yr:.0f} {x2 - 8},{yr - 4.5:.1f} {x2 - 8},{yr + 4.5:.1f}"
    else:
        edge.path = bends if (yl, yr) != (y, y) else f"M{x2} {y:.0f} H{x1 + 6}"
        edge.head = f"{x1},{yl:.0f} {x1 + 8},{yl - 4.5:.1f} {x1 + 8},{yl + 4.5:.1f}"
    edge.chip_x, edge.chip_y = (x1 + x2) / 2 - CHIP / 2, y - 13


def _around(edge: FlowEdge, source: SystemBox, target: SystemBox, floor: float) -> None:
    """From the first to the last column, below everything."""
    left, right = (source, target) if source.column < target.column else (target, source)
    xl, xr = left.x + BOX // 2, right.x + BOX // 2
    yl, yr = left.y + left.height, right.y + right.height
    edge.path = f"M{xl} {yl} V{floor:.0f} H{xr} V{yr}"
    x, y = (xr, yr) if source is left else (xl, yl)
    edge.head = f"{x},{y} {x - 4.5},{y + 8} {x + 4.5},{y + 8}"
    edge.chip_x, edge.chip_y = WIDTH / 2 - CHIP / 2, floor - 13


def _beside(edge: FlowEdge, source: SystemBox, target: SystemBox) -> None:
    """Two systems of one column, one above the other."""
    upper, lower = (source, target) if source.y < target.y else (target, source)
    x, top, bottom = upper.x + BOX // 2, upper.y + upper.height, lower.y
    edge.path = f"M{x} {top} V{bottom}"
    y, step = (bottom, -8) if source is upper else (top, 8)
    edge.head = f"{x},{y} {x - 4.5},{y + step} {x + 4.5},{y + step}"
    edge.chip_x, edge.chip_y = x - CHIP / 2, (top + bottom) / 2 - 13
