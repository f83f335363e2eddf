"""The dependency graph that a viewer may see, in four columns: experience, process, system, system of record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from django.db import connection

from catalog import permissions
from catalog.domain.dependency_graph import GraphEdge, NodeId, cycles, reachable, violations
from catalog.models import Api
from kernel.viewer import Viewer

MAX_PER_COLUMN: Final = 40
MAX_SENTENCES: Final = 300
COLUMNS: Final = {"experience": "Experience", "process": "Process", "system": "System", "record": "System of record"}
_COLUMN: Final = {"experience": 0, "process": 1, "system": 2, "": 2}


@dataclass(frozen=True, slots=True)
class DependencyNode:
    """An API or a system; `kind` says which. `note` is the line below its name."""

    key: str
    kind: str
    name: str
    note: str
    layer: str


@dataclass(frozen=True, slots=True)
class ConnectedNode:
    """A node and how many others it needs and is needed by, directly."""

    node: DependencyNode
    needs: int
    needed_by: int


@dataclass(frozen=True, slots=True)
class DependencyGraph:
    """What is shown, by the ids of nodes (`api:<slug>`, `system:<key>`), and what is said beside it.

    `lit` holds the nodes that depend on the focus or that it depends on. `sentences` say the same in words. `left_out`
    names each column that does not fit: its title, its key for `column`, and how many nodes are not shown. `matched`
    counts the nodes that the filter's words meet, None without a filter. `breaks` are the APIs that need the focus.
    """

    nodes: Mapping[NodeId, DependencyNode]
    edges: tuple[GraphEdge, ...]
    columns: tuple[tuple[NodeId, ...], ...]
    lit: frozenset[NodeId]
    sentences: tuple[tuple[str, tuple[str, ...]], ...]
    cycles: tuple[tuple[DependencyNode, ...], ...]
    violations: tuple[tuple[DependencyNode, DependencyNode], ...]
    left_out: tuple[tuple[str, str, int], ...]
    breaks: tuple[DependencyNode, ...]
    matched: int | None = None


_EDGES = """
select 'api:' || a.slug, coalesce('api:' || t.slug, 'system:' || s.key)
  from catalog_dependency d
  join catalog_api a on a.id = d.api_id
  left join catalog_api t on t.id = d.target_api_id
  left join catalog_system s on s.id = d.target_system_id
union
select 'api:' || a.slug, 'system:' || s.key
  from catalog_api a
  join catalog_system s on s.id = a.system_id
 where a.layer = 'system' and a.retired_at is null
order by 1, 2
"""


def _all(viewer: Viewer) -> tuple[dict[NodeId, DependencyNode], list[GraphEdge]]:
    nodes: dict[NodeId, DependencyNode] = {}
    with connection.cursor() as cursor:
        cursor.execute(_EDGES)
        edges: list[GraphEdge] = cursor.fetchall()
        cursor.execute("select key, name, kind from catalog_system")
        for key, name, kind in cursor.fetchall():
            nodes[f"system:{key}"] = DependencyNode(key, "system", name, kind or "system", "record")
    touched = {node for edge in edges for node in edge}
    rows = permissions.visible(viewer).filter(slug__in=[n[4:] for n in touched if n.startswith("api:")])
    for slug, name, layer, tier, team in rows.values_list("slug", "name", "layer", "tier__level", "owner_team__name"):
        note = " · ".join(filter(None, (f"Tier {tier}" if tier is not None else "", team or "no owner")))
        nodes[f"api:{slug}"] = DependencyNode(slug, "api", name, note, layer)
    return nodes, [(a, b) for a, b in edges if a in nodes and b in nodes]


def _columns(keys: Iterable[NodeId], nodes: Mapping[NodeId, DependencyNode]) -> list[list[NodeId]]:
    columns: list[list[NodeId]] = [[], [], [], []]
    for key in sorted(keys, key=lambda n: (nodes[n].name.lower(), n)):
        node = nodes[key]
        columns[3 if node.kind == "system" else _COLUMN.get(node.layer, 2)].append(key)
    return columns


def _meets(node: DependencyNode, words: list[str]) -> bool:
    text = f"{node.name} {node.key} {node.note}".lower()
    return all(word in text for word in words)


def column(viewer: Viewer, key: str, *, q: str = "") -> list[ConnectedNode]:
    """Every node of one column that the words meet, most connected first: the list behind "and 31 more"."""
    nodes, edges = _all(viewer)
    needs, needed = Counter(a for a, _ in edges), Counter(b for _, b in edges)
    words = q.lower().split()
    wanted = _columns({node for edge in edges for node in edge}, nodes)[list(COLUMNS).index(key)]
    made = [ConnectedNode(nodes[n], needs[n], needed[n]) for n in wanted if _meets(nodes[n], words)]
    return sorted(made, key=lambda c: (-(c.needs + c.needed_by), c.node.name.lower()))


def graph(viewer: Viewer, *, focus: str = "", q: str = "") -> DependencyGraph:
    """The graph to show. With a focus (an API's slug) only what it needs and what needs it, lit; with words the nodes
    that they meet and their direct neighbours; else everything, up to 40 nodes a column, the most connected ones."""
    nodes, edges = _all(viewer)
    centre = f"api:{focus}"
    breaks = reachable([centre], edges, backwards=True) - {centre} if centre in nodes else set()
    lit = {centre} | reachable([centre], edges) | breaks if centre in nodes else set()
    shown, matched = _filtered(lit or {node for edge in edges for node in edge}, nodes, edges, q.lower().split())
    weight = Counter(node for edge in edges for node in edge)
    columns = _columns(shown, nodes)
    kept = [_heaviest(column, weight, kept=centre) for column in columns]
    layers = {key: node.layer for key, node in nodes.items()}
    return DependencyGraph(
        nodes=nodes,
        edges=tuple(edges),
        columns=_untangled(kept, edges),
        lit=frozenset(lit),
        sentences=_sentences(shown, nodes, edges),
        cycles=tuple(tuple(nodes[n] for n in group) for group in cycles(edges)),
        violations=tuple((nodes[a], nodes[b]) for a, b in violations(edges, layers)),
        left_out=tuple(
            (title, key, len(column) - MAX_PER_COLUMN)
            for (key, title), column in zip(COLUMNS.items(), columns, strict=True)
            if len(column) > MAX_PER_COLUMN
        ),
        breaks=tuple(sorted((nodes[n] for n in breaks if nodes[n].kind == "api"), key=lambda n: n.name)),
        matched=matched,
    )


def _filtered(
    shown: set[NodeId], nodes: Mapping[NodeId, DependencyNode], edges: Iterable[GraphEdge], words: list[str]
) -> tuple[set[NodeId], int | None]:
    """(the nodes that the words meet and their neighbours, how many they meet); everything and None without words."""
    if not words:
        return shown, None
    met = {key for key in shown if _meets(nodes[key], words)}
    return met | {n for edge in edges if met & set(edge) for n in edge if n in shown}, len(met)


def _sentences(
    shown: Collection[NodeId], nodes: Mapping[NodeId, DependencyNode], edges: Iterable[GraphEdge]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """(name, names of what it needs) for each shown node that needs another, by name."""
    by_source: dict[NodeId, list[str]] = {}
    for source, target in edges:
        if source in shown and target in shown:
            by_source.setdefault(source, []).append(nodes[target].name)
    ordered = sorted(by_source.items(), key=lambda pair: nodes[pair[0]].name)
    return tuple((nodes[source].name, tuple(targets)) for source, targets in ordered[:MAX_SENTENCES])


def _heaviest(column: list[NodeId], weight: Mapping[NodeId, int], *, kept: NodeId) -> list[NodeId]:
    """The most connected nodes of a column, in the column's order; the node `kept` is never left out."""
    if len(column) <= MAX_PER_COLUMN:
        return column
    chosen = set(sorted(column, key=lambda n: (n != kept, -weight[n], n))[:MAX_PER_COLUMN])
    return [n for n in column if n in chosen]


def _untangled(columns: list[list[NodeId]], edges: Collection[GraphEdge]) -> tuple[tuple[NodeId, ...], ...]:
    """Each column ordered by the average place of its neighbours to the left (barycentre): fewer lines cross."""
    place: dict[NodeId, float] = {}
    made = []
    for column in columns:
        weights: dict[NodeId, tuple[float, int]] = {}
        for n, node in enumerate(column):
            left = [place[a] for a, b in edges if b == node and a in place]
            weights[node] = (sum(left) / len(left) if left else n, n)
        ordered = sorted(column, key=lambda node: weights[node])
        place |= {node: n for n, node in enumerate(ordered)}
        made.append(tuple(ordered))
    return tuple(made)


def focusable(viewer: Viewer, slug: str) -> Api | None:
    """The API that the graph may be focused on; None where the viewer sees none of this slug."""
    return permissions.visible(viewer).filter(slug=slug).first() if slug and "\x00" not in slug else None
