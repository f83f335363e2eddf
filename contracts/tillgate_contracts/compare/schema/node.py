"""The normal form of a schema: one node per conjunction of raw schemas, whatever spelling the document uses.

`$ref`, `allOf`, OpenAPI 3.0 `nullable` and boolean exclusive bounds, `const`, tuple `items`, `dependencies` and unions
of types all end in the same fields here, so two spellings of one meaning give two equal nodes. Child schemas stay lazy
(`Parts`), so recursive schemas are never expanded.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tillgate_contracts.compare.schema.source import Parts
from tillgate_contracts.compare.schema.values import type_text


class Bound(NamedTuple):
    value: Any
    exclusive: bool


class SchemaUnion(NamedTuple):
    """One `anyOf` or `oneOf`: the `parts` of each branch, the id of the raw schema that holds it, and its pointer.
    `nested`: where branches stand that were a union of the same kind inside it (first index, number)."""

    kind: str
    branches: tuple[Parts, ...]
    pointer: str
    owner: int
    nested: tuple[tuple[int, int], ...] = ()


class Conditional(NamedTuple):
    condition: Parts
    then: Parts
    otherwise: Parts


class Contains(NamedTuple):
    schema: Parts
    least: int
    most: int | None


@dataclass(slots=True, eq=False)
class Node:
    """The normal form of schemas that must all hold at once. In each field that can restrict values, None means no
    restriction."""

    flat: Parts
    uid: int
    pointer: str = ""
    never: bool = False
    types: frozenset[str] | None = None
    from_union: bool = False
    enum: dict[Hashable, Any] | None = None
    extensible: dict[Hashable, Any] | None = None
    low: Bound | None = None
    high: Bound | None = None
    raw_bounds: dict[str, Any] = field(default_factory=dict)
    multiples: tuple[Any, ...] = ()
    #: True where every number that is a multiple of `multiples` is an integer.
    whole: bool = False
    min_length: int = 0
    max_length: int | None = None
    patterns: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    content_encoding: str | None = None
    content_media_type: str | None = None
    content_schema: Parts | None = None
    prefix: tuple[Parts, ...] = ()
    items: Parts | None = None
    contains: tuple[Contains, ...] = ()
    min_items: int = 0
    max_items: int | None = None
    unique: bool = False
    unevaluated_items: Parts | None = None
    properties: dict[str, Parts] = field(default_factory=dict)
    required: dict[str, str] = field(default_factory=dict)
    pattern_properties: dict[str, Parts] = field(default_factory=dict)
    additional: Parts | None = None
    additional_pointer: str = ""
    names: Parts | None = None
    min_properties: int = 0
    max_properties: int | None = None
    dependent_required: dict[str, frozenset[str]] = field(default_factory=dict)
    dependent_schemas: dict[str, Parts] = field(default_factory=dict)
    unevaluated_properties: Parts | None = None
    #: True when an `unevaluated…` keyword does not cover all schemas of this conjunction.
    tangled: bool = False
    groups: tuple[SchemaUnion, ...] = ()
    nots: tuple[Parts, ...] = ()
    conditionals: tuple[Conditional, ...] = ()
    refs: tuple[str, ...] = ()
    composed: tuple[str, ...] = ()
    #: References to the schemas that extend this one, where it has a discriminator.
    subtypes: tuple[str, ...] = ()
    unresolved: tuple[str, ...] = ()
    unknown: dict[str, Any] = field(default_factory=dict)
    #: Keywords that the version of the document does not have, and forms that it does not have with their places.
    foreign: dict[str, Any] = field(default_factory=dict)
    forms: dict[str, str] = field(default_factory=dict)
    where: dict[str, str] = field(default_factory=dict)
    read_only: bool = False
    write_only: bool = False
    deprecated: bool = False
    default: tuple[Any] | None = None
    sunset: Any = None
    stability: Any = None
    discriminator: dict[str, Any] | None = None
    annotations: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.flat:
            self.pointer = self.flat[0].pointer

    def at(self, keyword: str) -> str:
        """Pointer of the raw schema that holds the keyword; the pointer of the node when no schema holds it."""
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
    """True when the same items and properties are evaluated whatever the value is."""
    return not (node.tangled or node.groups or node.conditionals or node.contains or node.dependent_schemas)


def describe(node: Node) -> str:
    """Type and format of a node in a few words, for messages."""
    if node.groups and node.types is None:
        return " and ".join(group.kind for group in node.groups)
    text = type_text(node.types)
    return f"{text}/{'/'.join(node.formats)}" if node.formats else text
