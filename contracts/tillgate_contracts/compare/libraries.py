"""Documents without operations: libraries of schemas that other contracts refer to. Who uses a schema, and which side
sends it, stands elsewhere, so each is compared for both, as a bare JSON Schema is."""

from __future__ import annotations

from typing import Any

from tillgate_contracts.compare.collector import FindingCollector, Where
from tillgate_contracts.compare.schema.change import Direction
from tillgate_contracts.compare.schema.graph import SchemaGraph
from tillgate_contracts.compare.schema.keywords import is_descriptive
from tillgate_contracts.compare.schema.source import Part, join
from tillgate_contracts.compare.schema.values import as_mapping, signature

_OPERATIONS = ("paths", "webhooks", "x-webhooks", "channels", "operations")
#: Components that only describe.
_WORDS = ("examples", "links", "tags", "externalDocs")
#: Fields that only describe, or hold data.
_IDLE = frozenset(("description", "summary", "title", "example", "examples", "links", "externalDocs"))
_NAMES = frozenset(("properties", "patternProperties", "content", "headers", "callbacks", "encoding", "variables"))


def compare_libraries(graph: SchemaGraph, collector: FindingCollector) -> None:
    """The components of two documents of which neither has an operation; nothing for others."""
    trees = graph.old.source.tree, graph.new.source.tree
    if any(as_mapping(tree.get(word)) for tree in trees for word in _OPERATIONS):
        return
    old, new = (as_mapping(tree.get("components")) for tree in trees)
    _schemas(graph, collector, as_mapping(old.get("schemas")), as_mapping(new.get("schemas")))
    for section in dict.fromkeys([*old, *new]):
        if section != "schemas" and section not in _WORDS and not str(section).startswith("x-"):
            _others(collector, str(section), as_mapping(old.get(section)), as_mapping(new.get(section)))


def compare_definitions(graph: SchemaGraph, collector: FindingCollector) -> None:
    """The definitions of two JSON Schemas of which neither says anything else: other schemas refer to them."""
    trees = graph.old.source.tree, graph.new.source.tree
    if not all(isinstance(tree, dict) and all(is_descriptive(word) for word in tree) for tree in trees):
        return
    for section in ("$defs", "definitions"):
        old, new = (as_mapping(tree.get(section)) for tree in trees)
        _schemas(graph, collector, old, new, section)


def _schemas(
    graph: SchemaGraph, collector: FindingCollector, old: dict[str, Any], new: dict[str, Any], *section: str
) -> None:
    for name in dict.fromkeys([*old, *new]):
        place = join("", *(section or ("components", "schemas")), name)
        where = Where(f"schema {name}", str(name), place if name in old else None, place if name in new else None)
        if name not in new:
            collector.add("schema-removed", f"The schema {name} was removed.", where=where, old=name)
        elif name not in old:
            collector.add("schema-added", f"The schema {name} was added.", where=where, new=name)
        else:
            for direction in ("event-receive", "event-send"):
                left, right = (Part(old[name], place),), (Part(new[name], place),)
                collector.use(graph.link(left, right, Direction(direction)), "payload", where)


def _bare(value: Any, *, names: bool = False) -> Any:
    """A component without what only describes. `names`: the keys are names, not fields."""
    if isinstance(value, list):
        return [_bare(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _bare(one, names=not names and key in _NAMES)
        for key, one in value.items()
        if names or (key not in _IDLE and not str(key).startswith("x-"))
    }


def _others(collector: FindingCollector, section: str, old: dict[str, Any], new: dict[str, Any]) -> None:
    """Parameters, answers and their like: what a change does depends on the operation that uses them."""
    for name in dict.fromkeys([*old, *new]):
        if name in old and name in new and signature(_bare(old[name])) == signature(_bare(new[name])):
            continue
        place = join("", "components", section, name)
        verb = "was added" if name not in old else "was removed" if name not in new else "changed"
        collector.add(
            "component-undecided",
            f"{name} of {section} {verb}. Cannot tell automatically what it does: no operation here uses it.",
            base=place if name in old else None,
            revision=place if name in new else None,
            level="info" if name not in old else None,
        )
