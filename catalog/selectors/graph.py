"""The dependency graph as the page draws it: experience, process, system, system of record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import connection

from catalog import permissions
from catalog.domain import graph
from catalog.models import Api
from kernel.viewer import Viewer

MAX_PER_COLUMN = 40
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
class Picture:
    """`boxes` pair a box with its node; `sentences` say the same in words; `left_out` counts what did not fit."""

    drawing: graph.Drawing
    boxes: tuple[tuple[graph.Box, Node], ...]
    sentences: tuple[tuple[str, tuple[str, ...]], ...]
    cycles: tuple[tuple[Node, ...], ...]
    violations: tuple[tuple[Node, Node], ...]
    left_out: int
    breaks: tuple[Node, ...]


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


def picture(viewer: Viewer, *, focus: str = "") -> Picture:
    """With a focus (an API's slug) only what it needs and what needs it is drawn, lit; else everything, up to 40 boxes a column."""
    nodes, edges = _all(viewer)
    lit: set[str] = set()
    breaks: set[str] = set()
    if focus and f"api:{focus}" in nodes:
        centre = f"api:{focus}"
        breaks = graph.reachable([centre], edges, backwards=True) - {centre}
        lit = {centre} | graph.reachable([centre], edges) | breaks
    shown = lit or {node for edge in edges for node in edge}
    columns: list[list[str]] = [[], [], [], []]
    for key in sorted(shown, key=lambda n: nodes[n].name.lower()):
        node = nodes[key]
        columns[3 if node.kind == "system" else _COLUMN.get(node.layer, 2)].append(key)
    left_out = sum(max(0, len(c) - MAX_PER_COLUMN) for c in columns)
    columns = [c[:MAX_PER_COLUMN] for c in columns]
    drawn = graph.draw(_untangled(columns, edges), edges, lit=lit)
    layers = {key: node.layer for key, node in nodes.items()}
    by_source: dict[str, list[str]] = {}
    for source, target in edges:
        if source in shown and target in shown:
            by_source.setdefault(source, []).append(nodes[target].name)
    return Picture(
        drawing=drawn,
        boxes=tuple((box, nodes[box.node]) for box in drawn.boxes),
        sentences=tuple((nodes[s].name, tuple(t)) for s, t in sorted(by_source.items(), key=lambda p: nodes[p[0]].name)),
        cycles=tuple(tuple(nodes[n] for n in knot) for knot in graph.cycles(edges)),
        violations=tuple((nodes[a], nodes[b]) for a, b in graph.violations(edges, layers)),
        left_out=left_out,
        breaks=tuple(sorted((nodes[n] for n in breaks if nodes[n].kind == "api"), key=lambda n: n.name)),
    )


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
