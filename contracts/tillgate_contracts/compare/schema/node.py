"""The normal form of a schema: one node per conjunction of raw schemas, whatever spelling the document uses.

`$ref`, `allOf`, OpenAPI 3.0 `nullable` and boolean exclusive bounds, `const`, tuple `items`, `dependencies` and pure-type
unions all end in the same fields here, so two spellings of one meaning give two equal nodes. Child schemas stay lazy
(`Parts`), so recursive schemas are never expanded.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, NamedTuple

from tillgate_contracts.compare.schema.source import Parts
from tillgate_contracts.compare.schema.values import type_text

NodeKey = tuple[Any, ...]


class Bound(NamedTuple):
    value: Any
    exclusive: bool


class SchemaUnion(NamedTuple):
    """One `anyOf` or `oneOf`: `parts` of each branch, the raw owner (by id) and where it stands."""

    kind: str
    branches: tuple[Parts, ...]
    pointer: str
    owner: int


class Conditional(NamedTuple):
    condition: Parts
    then: Parts
    otherwise: Parts


class Contains(NamedTuple):
    schema: Parts
    least: int
    most: int | None


class Node:
    """Normal form of one conjunction. None means unrestricted, for every field that can restrict."""

    __slots__ = (
        "additional",
        "additional_pointer",
        "annotations",
        "composed",
        "conditionals",
        "contains",
        "content_encoding",
        "content_media_type",
        "content_schema",
        "default",
        "dependent_required",
        "dependent_schemas",
        "deprecated",
        "discriminator",
        "enum",
        "extensible",
        "flat",
        "formats",
        "from_union",
        "groups",
        "high",
        "items",
        "key",
        "labels",
        "low",
        "max_items",
        "max_length",
        "max_properties",
        "min_items",
        "min_length",
        "min_properties",
        "multiples",
        "names",
        "never",
        "nots",
        "pattern_properties",
        "patterns",
        "pointer",
        "prefix",
        "properties",
        "raw_bounds",
        "read_only",
        "refs",
        "required",
        "stability",
        "sunset",
        "tangled",
        "types",
        "uid",
        "unevaluated_items",
        "unevaluated_properties",
        "unique",
        "unknown",
        "unresolved",
        "where",
        "write_only",
    )

    def __init__(self, key: NodeKey, flat: Parts, uid: int) -> None:
        self.key = key
        self.uid = uid
        self.flat = flat
        self.pointer = flat[0].pointer if flat else ""
        self.never = False
        self.types: frozenset[str] | None = None
        self.from_union = False
        self.enum: dict[Hashable, Any] | None = None
        self.extensible: dict[Hashable, Any] | None = None
        self.low: Bound | None = None
        self.high: Bound | None = None
        self.raw_bounds: dict[str, Any] = {}
        self.multiples: tuple[Any, ...] = ()
        self.min_length = 0
        self.max_length: int | None = None
        self.patterns: tuple[str, ...] = ()
        self.formats: tuple[str, ...] = ()
        self.content_encoding: str | None = None
        self.content_media_type: str | None = None
        self.content_schema: Parts | None = None
        self.prefix: tuple[Parts, ...] = ()
        self.items: Parts | None = None
        self.contains: tuple[Contains, ...] = ()
        self.min_items = 0
        self.max_items: int | None = None
        self.unique = False
        self.unevaluated_items: Parts | None = None
        self.properties: dict[str, Parts] = {}
        self.required: dict[str, str] = {}
        self.pattern_properties: dict[str, Parts] = {}
        self.additional: Parts | None = None
        self.additional_pointer = ""
        self.names: Parts | None = None
        self.min_properties = 0
        self.max_properties: int | None = None
        self.dependent_required: dict[str, frozenset[str]] = {}
        self.dependent_schemas: dict[str, Parts] = {}
        self.unevaluated_properties: Parts | None = None
        #: An `unevaluated…` keyword stands where it does not see all parts of this conjunction.
        self.tangled = False
        self.groups: tuple[SchemaUnion, ...] = ()
        self.nots: tuple[Parts, ...] = ()
        self.conditionals: tuple[Conditional, ...] = ()
        self.refs: tuple[str, ...] = ()
        self.composed: tuple[str, ...] = ()
        self.unresolved: tuple[str, ...] = ()
        self.unknown: dict[str, Any] = {}
        self.where: dict[str, str] = {}
        self.read_only = False
        self.write_only = False
        self.deprecated = False
        self.default: tuple[Any] | None = None
        self.sunset: Any = None
        self.stability: Any = None
        self.discriminator: dict[str, Any] | None = None
        self.annotations: dict[str, Any] = {}
        self.labels: tuple[str, ...] = ()

    def at(self, keyword: str) -> str:
        """Pointer of the raw schema that gives a keyword (the node's own place when several or none do)."""
        return self.where.get(keyword, self.pointer)

    @property
    def restricts_objects(self) -> bool:
        return bool(
            self.properties
            or self.required
            or self.pattern_properties
            or self.additional is not None
            or self.names is not None
            or self.min_properties
            or self.max_properties is not None
            or self.dependent_required
            or self.dependent_schemas
            or self.unevaluated_properties is not None
        )

    @property
    def is_free(self) -> bool:
        """True when every JSON value is accepted."""
        return not (
            self.never
            or self.types is not None
            or self.enum is not None
            or self.low
            or self.high
            or self.multiples
            or self.min_length
            or self.max_length is not None
            or self.patterns
            or self.formats
            or self.content_encoding
            or self.content_media_type
            or self.prefix
            or self.items is not None
            or self.contains
            or self.min_items
            or self.max_items is not None
            or self.unique
            or self.unevaluated_items is not None
            or self.restricts_objects
            or self.groups
            or self.nots
            or self.conditionals
            or self.unresolved
        )


def is_plain(node: Node) -> bool:
    """True when no keyword evaluates items or properties depending on the value."""
    return not (node.tangled or node.groups or node.conditionals or node.contains or node.dependent_schemas)


def describe(node: Node) -> str:
    """Type and format of a node in a few words, for messages."""
    if node.groups and node.types is None:
        return " and ".join(group.kind for group in node.groups)
    text = type_text(node.types)
    return f"{text}/{'/'.join(node.formats)}" if node.formats else text
