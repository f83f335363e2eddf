"""Dependencies as a graph: what a node needs, what breaks without it, cycles, and edges against the layers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

NodeId = str
GraphEdge = tuple[NodeId, NodeId]
_RANK: Final[dict[str, int]] = {"experience": 0, "process": 1, "system": 2, "record": 3}


def _neighbours(edges: Iterable[GraphEdge], *, backwards: bool = False) -> dict[NodeId, list[NodeId]]:
    """The nodes that each node needs, or with `backwards` those that need it; every node of an edge has an entry."""
    onward: dict[NodeId, list[NodeId]] = {}
    for source, target in edges:
        begin, end = (target, source) if backwards else (source, target)
        onward.setdefault(begin, []).append(end)
        onward.setdefault(end, [])
    return onward


def reachable(start: Iterable[NodeId], edges: Iterable[GraphEdge], *, backwards: bool = False) -> set[NodeId]:
    """Everything that `start` needs, directly or not, or with `backwards` everything that needs it. A node of `start`
    is part of the answer only where it lies on a cycle."""
    onward = _neighbours(edges, backwards=backwards)
    seen: set[NodeId] = set()
    todo = list(start)
    while todo:
        for node in onward.get(todo.pop(), ()):
            if node not in seen:
                seen.add(node)
                todo.append(node)
    return seen


def cycles(edges: Iterable[GraphEdge]) -> list[list[NodeId]]:
    """The groups of two and more nodes that all need each other (strongly connected components, by Kosaraju without
    recursion)."""
    edges = list(edges)
    backward = _neighbours(edges, backwards=True)
    placed: set[NodeId] = set()
    found = []
    for root in reversed(list(_finished(_neighbours(edges)))):
        if root in placed:
            continue
        placed.add(root)
        group, todo = [root], [root]
        while todo:
            for node in backward[todo.pop()]:
                if node not in placed:
                    placed.add(node)
                    group.append(node)
                    todo.append(node)
        if len(group) > 1:
            found.append(sorted(group))
    return sorted(found)


def _finished(onward: Mapping[NodeId, list[NodeId]]) -> Iterator[NodeId]:
    """Every node, after all nodes that are reached from it for the first time: the order in which a depth-first search
    leaves them."""
    seen: set[NodeId] = set()
    for root in sorted(onward):
        if root in seen:
            continue
        seen.add(root)
        path = [(root, iter(onward[root]))]
        while path:
            node, rest = path[-1]
            following = next((n for n in rest if n not in seen), None)
            if following is None:
                path.pop()
                yield node
            else:
                seen.add(following)
                path.append((following, iter(onward[following])))


def violations(edges: Iterable[GraphEdge], layers: Mapping[NodeId, str]) -> list[GraphEdge]:
    """Edges against the layers: a system API that needs a process or experience API, a process API that needs an
    experience API. Edges inside one layer are allowed; a node without a layer breaks no rule."""
    return [
        (source, target)
        for source, target in edges
        if layers.get(source) in _RANK and layers.get(target) in _RANK and _RANK[layers[source]] > _RANK[layers[target]]
    ]
