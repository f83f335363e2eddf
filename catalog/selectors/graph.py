"""The dependency graph as the page draws it: experience, process, system, system of record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection

from catalog import permissions
from catalog.domain import graph
from catalog.models import Api
from kernel.viewer import Viewer

MAX_PER_COLUMN = 40
MAX_SENTENCES = 300
COLUMNS = {"experience": "Experience", "process": "Process", "system": "System", "record": "System of record"}
_COLUMN = {"experience": 0, "process": 1, "system": 2, "": 2}


@dataclass(frozen=True, slots=True)
class Node:
    """One box: `kind` is api or system."""

    key: str
    kind: str
    name: str
    note: str
    layer: str


@dataclass(frozen=True, slots=True)
class Connected:
    """A node and how many others it needs and is needed by, directly."""

    node: Node
    needs: int
    needed_by: int


@dataclass(frozen=True, slots=True)
class Picture:
    """`boxes` pair a box with its node; `sentences` say the same in words; `left_out` names for each column that does not fit its title,
    its key for `column`, and how many are not drawn: the least connected ones. `matched` counts what a filter has met, None without."""

    drawing: graph.Drawing
    boxes: tuple[tuple[graph.Box, Node], ...]
    sentences: tuple[tuple[str, tuple[str, ...]], ...]
    cycles: tuple[tuple[Node, ...], ...]
    violations: tuple[tuple[Node, Node], ...]
    left_out: tuple[tuple[str, str, int], ...]
    breaks: tuple[Node, ...]
    matched: int | None = None


_EDGES = """
select 'api:' || a.slug, coalesce('api:' || t.slug, 'system:' || s.key) from catalog_dependency d join catalog_api a on a.id = d.api_id
  left join catalog_api t on t.id = d.target_api_id left join catalog_system s on s.id = d.target_system_id
union
select 'api:' || a.slug, 'system:' || s.key from catalog_api a join catalog_system s on s.id = a.system_id
 where a.layer = 'system' and a.retired_at is null
order by 1, 2
"""


def _all(viewer: Viewer) -> tuple[dict[str, Node], list[graph.Edge]]:
    nodes: dict[str, Node] = {}
    with connection.cursor() as cursor:
        cursor.execute(_EDGES)
        edges: list[tuple[str, str]] = cursor.fetchall()
        cursor.execute("select key, name, kind from catalog_system")
        for key, name, kind in cursor.fetchall():
            nodes[f"system:{key}"] = Node(key, "system", name, kind or "system", "record")
    touched = {node for edge in edges for node in edge}
    rows = permissions.visible(viewer).filter(slug__in=[n[4:] for n in touched if n.startswith("api:")])
    for slug, name, layer, tier, team in rows.values_list("slug", "name", "layer", "tier__level", "owner_team__name"):
        note = " · ".join(filter(None, (f"Tier {tier}" if tier is not None else "", team or "no owner")))
        nodes[f"api:{slug}"] = Node(slug, "api", name, note, layer)
    return nodes, [(a, b) for a, b in edges if a in nodes and b in nodes]


def _columns(keys: set[str], nodes: dict[str, Node]) -> list[list[str]]:
    columns: list[list[str]] = [[], [], [], []]
    for key in sorted(keys, key=lambda n: (nodes[n].name.lower(), n)):
        node = nodes[key]
        columns[3 if node.kind == "system" else _COLUMN.get(node.layer, 2)].append(key)
    return columns


def _meets(node: Node, words: list[str]) -> bool:
    text = f"{node.name} {node.key} {node.note}".lower()
    return all(word in text for word in words)


def column(viewer: Viewer, key: str, *, q: str = "") -> list[Connected]:
    """Everything of one column, most connected first: the list behind "and 31 more"."""
    nodes, edges = _all(viewer)
    needs, needed = Counter(a for a, _ in edges), Counter(b for _, b in edges)
    words = q.lower().split()
    wanted = _columns({node for edge in edges for node in edge}, nodes)[list(COLUMNS).index(key)]
    made = [Connected(nodes[n], needs[n], needed[n]) for n in wanted if _meets(nodes[n], words)]
    return sorted(made, key=lambda c: (-(c.needs + c.needed_by), c.node.name.lower()))


def picture(viewer: Viewer, *, focus: str = "", q: str = "") -> Picture:
    """With a focus (an API's slug) only what it needs and what needs it is drawn, lit; with words what they meet and its direct
    neighbours; else everything, up to 40 boxes a column, the most connected ones."""
    nodes, edges = _all(viewer)
    lit: set[str] = set()
    breaks: set[str] = set()
    matched: int | None = None
    if focus and f"api:{focus}" in nodes:
        centre = f"api:{focus}"
        breaks = graph.reachable([centre], edges, backwards=True) - {centre}
        lit = {centre} | graph.reachable([centre], edges) | breaks
    shown = lit or {node for edge in edges for node in edge}
    if words := q.lower().split():
        met = {key for key in shown if _meets(nodes[key], words)}
        matched, shown = len(met), met | {n for edge in edges if met & set(edge) for n in edge if n in shown}
    weight = Counter(node for edge in edges for node in edge)
    columns = _columns(shown, nodes)
    left_out = tuple(
        (title, key, len(column) - MAX_PER_COLUMN)
        for (key, title), column in zip(COLUMNS.items(), columns, strict=True)
        if len(column) > MAX_PER_COLUMN
    )
    columns = [_heaviest(column, weight, lit={f"api:{focus}"}) for column in columns]
    drawn = graph.draw(_untangled(columns, edges), edges, lit=lit)
    layers = {key: node.layer for key, node in nodes.items()}
    by_source: dict[str, list[str]] = {}
    for source, target in edges:
        if source in shown and target in shown:
            by_source.setdefault(source, []).append(nodes[target].name)
    return Picture(
        drawing=drawn,
        boxes=tuple((box, nodes[box.node]) for box in drawn.boxes),
        sentences=tuple(
            (nodes[s].name, tuple(t))
            for s, t in sorted(by_source.items(), key=lambda p: nodes[p[0]].name)[:MAX_SENTENCES]
        ),
        cycles=tuple(tuple(nodes[n] for n in knot) for knot in graph.cycles(edges)),
        violations=tuple((nodes[a], nodes[b]) for a, b in graph.violations(edges, layers)),
        left_out=left_out,
        matched=matched,
        breaks=tuple(sorted((nodes[n] for n in breaks if nodes[n].kind == "api"), key=lambda n: n.name)),
    )


def _heaviest(column: list[str], weight: Mapping[str, int], *, lit: set[str]) -> list[str]:
    """The most connected of a column, in the column's own order; what is in focus is never left out."""
    if len(column) <= MAX_PER_COLUMN:
        return column
    kept = set(sorted(column, key=lambda n: (n not in lit, -weight[n], n))[:MAX_PER_COLUMN])
    return [n for n in column if n in kept]


def _untangled(columns: list[list[str]], edges: list[graph.Edge]) -> list[list[str]]:
    """Each column ordered by the average place of its neighbours to the left (barycentre): fewer crossings."""
    place: dict[str, float] = {}
    made = []
    for column in columns:
        weights: dict[str, Any] = {}
        for n, node in enumerate(column):
            left = [place[a] for a, b in edges if b == node and a in place]
            weights[node] = (sum(left) / len(left) if left else n, n)
        ordered = sorted(column, key=lambda node: weights[node])
        place |= {node: n for n, node in enumerate(ordered)}
        made.append(ordered)
    return made


def focusable(viewer: Viewer, slug: str) -> Api | None:
    return permissions.visible(viewer).filter(slug=slug).first() if slug and "\x00" not in slug else None
