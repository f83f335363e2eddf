"""What a schema says of a value at first sight: types, members, list of values. Alternatives stay alternatives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tillgate_contracts.observe.kept import type_of
from tillgate_contracts.reading.pointers import MISSING, resolve

MOST_ALTERNATIVES = 32
_DEEPEST = 24


@dataclass(slots=True)
class SchemaShape:
    """One alternative of a schema. `types` None: any. `closed`: members that it does not name are not allowed;
    `mapped`: they have a schema of their own, so their names are data. `values` None: no closed list."""

    types: frozenset[str] | None = None
    members: dict[str, list[Any]] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    closed: bool = False
    mapped: list[Any] = field(default_factory=list)
    values: tuple[Any, ...] | None = None
    items: list[Any] = field(default_factory=list)

    def and_also(self, other: SchemaShape) -> SchemaShape:
        """Both at once, as `allOf` asks."""
        members = {name: list(several) for name, several in self.members.items()}
        for name, several in other.members.items():
            members.setdefault(name, []).extend(several)
        types = self.types if other.types is None else other.types if self.types is None else self.types & other.types
        values = other.values if self.values is None else self.values
        return SchemaShape(
            types,
            members,
            self.required | other.required,
            self.closed or other.closed,
            self.mapped + other.mapped,
            values,
            self.items + other.items,
        )

    def distance(self, value: Any) -> int:
        """How far a value is from this alternative: 0 where nothing differs at first sight."""
        kind = type_of(value)
        if self.types is not None and not _fits(kind, self.types):
            return 1000
        if self.values is not None and not any(same(value, one) for one in self.values):
            return 100
        if kind != "object":
            return 0
        strange = sum(1 for name in value if name not in self.members) if not self.mapped else 0
        return 10 * sum(1 for name in self.required if name not in value) + strange


class Shapes:
    """The shapes of the schemas of one document, each computed once."""

    def __init__(self, tree: Any) -> None:
        self._tree = tree
        self._known: dict[int, tuple[Any, list[SchemaShape]]] = {}

    def best(self, schemas: list[Any], value: Any) -> SchemaShape | None:
        """The alternative that a value fits best; None where nothing is said of it."""
        if not schemas:
            return None
        several = self.of(schemas[0])
        for schema in schemas[1:]:
            several = _both(several, self.of(schema))
        return several[0] if len(several) == 1 else min(several, key=lambda one: one.distance(value))

    def of(self, schema: Any, depth: int = 0) -> list[SchemaShape]:
        """The alternatives of a schema, at most MOST_ALTERNATIVES."""
        if not isinstance(schema, Mapping) or depth > _DEEPEST:
            return [SchemaShape()]
        known = self._known.get(id(schema))
        if known is None:
            known = self._known[id(schema)] = (schema, [SchemaShape()])  # what it says of itself inside is left out
            known = self._known[id(schema)] = (schema, self._made(schema, depth))
        return known[1]

    def _made(self, schema: Mapping[str, Any], depth: int) -> list[SchemaShape]:
        made = [_own(schema)]
        reference = schema.get("$ref")
        if isinstance(reference, str):
            target = resolve(self._tree, reference)
            made = _both(made, [SchemaShape()] if target is MISSING else self.of(target, depth + 1))
        for part in _list(schema.get("allOf")):
            made = _both(made, self.of(part, depth + 1))
        for word in ("oneOf", "anyOf"):
            if several := _list(schema.get(word)):
                made = _both(made, [one for part in several for one in self.of(part, depth + 1)])
        if schema.get("nullable") is True:
            made = [*made, SchemaShape(frozenset({"null"}))]
        return made[:MOST_ALTERNATIVES]


def _own(schema: Mapping[str, Any]) -> SchemaShape:
    written = schema.get("type")
    types = frozenset(t for t in (written if isinstance(written, list) else [written]) if isinstance(t, str))
    members = schema.get("properties")
    further = schema.get("additionalProperties", schema.get("unevaluatedProperties"))
    values = schema.get("enum")
    if "const" in schema:
        values = [schema["const"]]
    patterns = schema.get("patternProperties")
    return SchemaShape(
        types or None,
        {str(name): [one] for name, one in members.items()} if isinstance(members, dict) else {},
        frozenset(name for name in _list(schema.get("required")) if isinstance(name, str)),
        further is False,
        ([further] if isinstance(further, dict) and further else [])
        + (list(patterns.values()) if isinstance(patterns, dict) else []),
        tuple(values) if isinstance(values, list) and values and "x-extensible-enum" not in schema else None,
        [schema["items"]] if isinstance(schema.get("items"), dict) else [],
    )


def _both(left: list[SchemaShape], right: list[SchemaShape]) -> list[SchemaShape]:
    if len(right) == 1 and right[0] == SchemaShape():
        return left
    return [one.and_also(other) for one in left for other in right][:MOST_ALTERNATIVES]


def _fits(kind: str, types: frozenset[str]) -> bool:
    return kind in types or (kind == "integer" and "number" in types)


def same(value: Any, other: Any) -> bool:
    """Equality of JSON values: 1 is 1.0, and true is not 1."""
    return type_of(value) == type_of(other) and bool(value == other)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
