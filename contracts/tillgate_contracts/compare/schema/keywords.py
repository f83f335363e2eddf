"""Reading the keywords of one raw schema into a node, and which keywords say nothing about values."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from typing import Any

from tillgate_contracts.compare.schema.node import Bound, Conditional, Contains, Node, SchemaUnion
from tillgate_contracts.compare.schema.source import DROP_ANY_OF, DROP_IF, DROP_ONE_OF, Part, Parts, SchemaSource, join
from tillgate_contracts.compare.schema.values import intersect_types, is_number, simplify_types, value_key

#: Keywords that describe and never restrict (JSON Schema 2020-12 Validation §9, OpenAPI).
ANNOTATIONS = frozenset(
    {"title", "description", "summary", "example", "examples", "externalDocs", "xml", "$comment", "tags", "comment"}
)
#: Keywords that organise a document and say nothing about values.
STRUCTURE = frozenset(
    {
        "$schema",
        "$id",
        "id",
        "$anchor",
        "$dynamicAnchor",
        "$recursiveAnchor",
        "$vocabulary",
        "$defs",
        "definitions",
        "$ref",
        "$dynamicRef",
        "$recursiveRef",
        "allOf",
        "nullable",
        "components",
        "x-bundled",
    }
)


def is_descriptive(keyword: str) -> bool:
    """True for keywords that describe or organise and say nothing about values."""
    return keyword in ANNOTATIONS or keyword in _PLACES or (keyword.startswith("x-") and keyword not in _HANDLERS)


#: Keywords that organise a document and neither refer nor compose.
_PLACES = frozenset({"$schema", "$id", "id", "$anchor", "$vocabulary", "$defs", "definitions"})


def constant(schema: Any) -> bool | None:
    """True for a schema that takes every value, False for one that takes none (JSON Schema 2020-12 Core 4.3.2); None
    where its keywords have to be looked at."""
    if isinstance(schema, bool):
        return schema
    if not isinstance(schema, dict):
        return None
    said = [word for word in schema if not is_descriptive(word)]
    return True if not said else False if said == ["not"] and constant(schema["not"]) is True else None


class KeywordReader:
    """Applies one raw part to a node, keyword by keyword."""

    def __init__(self, node: Node, part: Part, source: SchemaSource, *, owner: Any) -> None:
        """`owner`: the schema as it is written, of which the part has what counts."""
        self.node = node
        self.raw: dict[str, Any] = part.raw
        self.owner = owner
        self.pointer = part.pointer
        self.mask = part.mask
        self.source = source

    def apply(self) -> None:
        node = self.node
        for keyword, value in self.raw.items():
            handler = _HANDLERS.get(keyword)
            if handler is not None:
                handler(self, value)
                node.where.setdefault(keyword, self.pointer)
            elif keyword in ANNOTATIONS:
                node.annotations.setdefault(keyword, value)
            elif keyword in _COLLECTED or keyword in STRUCTURE:
                continue
            elif keyword.startswith("x-"):
                node.annotations.setdefault(keyword, value)
                node.where.setdefault(keyword, self.pointer)
            else:
                node.unknown.setdefault(keyword, value)

    def parts(self, value: Any, *tokens: str | int) -> Parts:
        return (Part(value, join(self.pointer, *tokens)),)

    def _type(self, value: Any) -> None:
        names = [value] if isinstance(value, str) else value
        if not isinstance(names, list):
            return
        flat: set[str] = set()
        for name in names:
            if isinstance(name, str):
                if name == "any":
                    return
                flat.add(name)
        if self.source.dialect.nullable and self.raw.get("nullable") is True:
            flat.add("null")
        self.node.types = intersect_types(self.node.types, simplify_types(flat))

    def _enum(self, value: Any) -> None:
        if not isinstance(value, list):
            return
        # `nullable` adds null to the type alone; an enum without null refuses it (OpenAPI 3.0.3 section 4.7.24.1).
        self._restrict({value_key(item): item for item in value})

    def _const(self, value: Any) -> None:
        self._restrict({value_key(value): value})

    def _restrict(self, found: dict[Hashable, Any]) -> None:
        known = self.node.enum
        self.node.enum = found if known is None else {key: item for key, item in known.items() if key in found}

    def _extensible(self, value: Any) -> None:
        if isinstance(value, list) and self.node.extensible is None:
            self.node.extensible = {value_key(item): item for item in value}

    def _minimum(self, value: Any) -> None:
        if is_number(value):
            self._low(Bound(value, self.raw.get("exclusiveMinimum") is True))
            self.node.raw_bounds.setdefault("minimum", value)

    def _exclusive_minimum(self, value: Any) -> None:
        if is_number(value):
            self._low(Bound(value, True))
            self.node.raw_bounds.setdefault("exclusiveMinimum", value)

    def _maximum(self, value: Any) -> None:
        if is_number(value):
            self._high(Bound(value, self.raw.get("exclusiveMaximum") is True))
            self.node.raw_bounds.setdefault("maximum", value)

    def _exclusive_maximum(self, value: Any) -> None:
        if is_number(value):
            self._high(Bound(value, True))
            self.node.raw_bounds.setdefault("exclusiveMaximum", value)

    def _low(self, bound: Bound) -> None:
        known = self.node.low
        if known is None or (bound.value, bound.exclusive) > (known.value, known.exclusive):
            self.node.low = bound

    def _high(self, bound: Bound) -> None:
        known = self.node.high
        if known is None or (bound.value, not bound.exclusive) < (known.value, not known.exclusive):
            self.node.high = bound

    def _multiple(self, value: Any) -> None:
        if is_number(value) and value > 0 and value not in self.node.multiples:
            self.node.multiples = tuple(sorted((*self.node.multiples, value)))

    def _least(self, name: str, value: Any) -> None:
        if is_number(value):
            setattr(self.node, name, max(getattr(self.node, name), math.ceil(value)))

    def _most(self, name: str, value: Any) -> None:
        if is_number(value):
            known = getattr(self.node, name)
            limit = math.floor(value)
            setattr(self.node, name, limit if known is None else min(known, limit))

    def _pattern(self, value: Any) -> None:
        if isinstance(value, str) and value not in self.node.patterns:
            self.node.patterns = tuple(sorted((*self.node.patterns, value)))

    def _format(self, value: Any) -> None:
        if isinstance(value, str) and value and value not in self.node.formats:
            self.node.formats = tuple(sorted((*self.node.formats, value)))

    def _content(self, name: str, value: Any) -> None:
        if isinstance(value, str) and getattr(self.node, name) is None:
            setattr(self.node, name, value)

    def _content_schema(self, value: Any) -> None:
        self.node.content_schema = (*(self.node.content_schema or ()), *self.parts(value, "contentSchema"))

    def _contains(self, value: Any) -> None:
        least, most = self.raw.get("minContains"), self.raw.get("maxContains")
        found = Contains(
            self.parts(value, "contains"),
            least if isinstance(least, int) else 1,
            most if isinstance(most, int) else None,
        )
        self.node.contains = (*self.node.contains, found)

    def _unique(self, value: Any) -> None:
        self.node.unique = self.node.unique or value is True

    def _required(self, value: Any) -> None:
        if isinstance(value, list):
            for name in value:
                if isinstance(name, str):
                    self.node.required.setdefault(name, self.pointer)

    def _names(self, value: Any) -> None:
        if constant(value) is False:  # an object without members has no name that is refused
            self._most("max_properties", 0)
            self.node.where.setdefault("maxProperties", self.pointer)
        elif constant(value) is None:
            self.node.names = (*(self.node.names or ()), *self.parts(value, "propertyNames"))

    def _dependencies(self, value: Any) -> None:
        if isinstance(value, dict):
            for name, item in value.items():
                if isinstance(item, list):
                    self._depend(name, item)
                else:
                    known = self.node.dependent_schemas.get(name, ())
                    self.node.dependent_schemas[name] = (*known, *self.parts(item, "dependencies", name))

    def _dependent_required(self, value: Any) -> None:
        if isinstance(value, dict):
            for name, item in value.items():
                if isinstance(item, list):
                    self._depend(name, item)

    def _depend(self, name: str, needed: list[Any]) -> None:
        known = self.node.dependent_required.get(name, frozenset())
        both = known | {item for item in needed if isinstance(item, str)}
        if both:
            self.node.dependent_required[name] = both

    def _dependent_schemas(self, value: Any) -> None:
        if isinstance(value, dict):
            for name, item in value.items():
                known = self.node.dependent_schemas.get(name, ())
                self.node.dependent_schemas[name] = (*known, *self.parts(item, "dependentSchemas", name))

    def _any_of(self, value: Any) -> None:
        if not self.mask & DROP_ANY_OF:
            self._group("anyOf", value)

    def _one_of(self, value: Any) -> None:
        if not self.mask & DROP_ONE_OF:
            self._group("oneOf", value)

    def _group(self, kind: str, value: Any) -> None:
        if not isinstance(value, list) or not value:
            return
        branches: list[Parts] = []
        nested: list[tuple[int, int]] = []
        for index, branch in enumerate(value):
            inner = None if "discriminator" in self.raw else _same_union(branch, kind)
            if inner is None:
                branches.append(self.parts(branch, kind, index))
                continue
            if kind == "oneOf":
                nested.append((len(branches), len(inner)))
            branches += [self.parts(one, kind, index, kind, number) for number, one in enumerate(inner)]
        if self.source.dialect.admits_null(self.raw):
            branches.append((self.source.type_slice("null"),))
        group = SchemaUnion(kind, tuple(branches), join(self.pointer, kind), id(self.owner), tuple(nested))
        self.node.groups = (*self.node.groups, group)

    def _not(self, value: Any) -> None:
        if value is False:
            return
        if value is True or value == {}:
            self.node.never = True
        self.node.nots = (*self.node.nots, self.parts(value, "not"))

    def _if(self, value: Any) -> None:
        if self.mask & DROP_IF:
            return
        then, otherwise = self.raw.get("then", True), self.raw.get("else", True)
        found = Conditional(self.parts(value, "if"), self.parts(then, "then"), self.parts(otherwise, "else"))
        # alone it accepts everything, and evaluates what it names where it fits (JSON Schema 2020-12 Core 11.3)
        idle = constant(then) is True and constant(otherwise) is True
        if not idle or self.raw.keys() & {"unevaluatedProperties", "unevaluatedItems"}:
            self.node.conditionals = (*self.node.conditionals, found)

    def _unevaluated(self, name: str, keyword: str, value: Any) -> None:
        if value is not True and value != {}:
            setattr(self.node, name, (*(getattr(self.node, name) or ()), *self.parts(value, keyword)))

    def _flag(self, name: str, value: Any) -> None:
        if value is True:
            setattr(self.node, name, True)

    def _default(self, value: Any) -> None:
        if self.node.default is None:
            self.node.default = (value,)

    def _once(self, name: str, value: Any) -> None:
        if getattr(self.node, name) is None:
            setattr(self.node, name, value)

    def _discriminator(self, value: Any) -> None:
        if self.node.discriminator is None:
            if isinstance(value, str):
                value = {"propertyName": value}
            if isinstance(value, dict):
                self.node.discriminator = value


def _same_union(branch: Any, kind: str) -> list[Any] | None:
    """The branches of a branch without a name that is nothing but a union of the same kind."""
    inner = branch.get(kind) if isinstance(branch, dict) else None
    plain = isinstance(inner, list) and len(inner) > 1 and all(word == kind or is_descriptive(word) for word in branch)
    return inner if plain else None


_Handler = Callable[[KeywordReader, Any], None]
_HANDLERS: dict[str, _Handler] = {
    "type": KeywordReader._type,
    "enum": KeywordReader._enum,
    "const": KeywordReader._const,
    "x-extensible-enum": KeywordReader._extensible,
    "minimum": KeywordReader._minimum,
    "exclusiveMinimum": KeywordReader._exclusive_minimum,
    "maximum": KeywordReader._maximum,
    "exclusiveMaximum": KeywordReader._exclusive_maximum,
    "multipleOf": KeywordReader._multiple,
    "divisibleBy": KeywordReader._multiple,
    "minLength": lambda reading, value: reading._least("min_length", value),
    "maxLength": lambda reading, value: reading._most("max_length", value),
    "pattern": KeywordReader._pattern,
    "format": KeywordReader._format,
    "contentEncoding": lambda reading, value: reading._content("content_encoding", value),
    "contentMediaType": lambda reading, value: reading._content("content_media_type", value),
    "contentSchema": KeywordReader._content_schema,
    "contains": KeywordReader._contains,
    "minItems": lambda reading, value: reading._least("min_items", value),
    "maxItems": lambda reading, value: reading._most("max_items", value),
    "uniqueItems": KeywordReader._unique,
    "unevaluatedItems": lambda reading, value: reading._unevaluated("unevaluated_items", "unevaluatedItems", value),
    "required": KeywordReader._required,
    "propertyNames": KeywordReader._names,
    "minProperties": lambda reading, value: reading._least("min_properties", value),
    "maxProperties": lambda reading, value: reading._most("max_properties", value),
    "dependencies": KeywordReader._dependencies,
    "dependentRequired": KeywordReader._dependent_required,
    "dependentSchemas": KeywordReader._dependent_schemas,
    "unevaluatedProperties": lambda reading, value: reading._unevaluated(
        "unevaluated_properties", "unevaluatedProperties", value
    ),
    "anyOf": KeywordReader._any_of,
    "oneOf": KeywordReader._one_of,
    "not": KeywordReader._not,
    "if": KeywordReader._if,
    "readOnly": lambda reading, value: reading._flag("read_only", value),
    "writeOnly": lambda reading, value: reading._flag("write_only", value),
    "deprecated": lambda reading, value: reading._flag("deprecated", value),
    "default": KeywordReader._default,
    "x-sunset": lambda reading, value: reading._once("sunset", value),
    "x-stability-level": lambda reading, value: reading._once("stability", value),
    "discriminator": KeywordReader._discriminator,
}
#: Keywords read elsewhere, together with their neighbours.
_COLLECTED = frozenset(
    {
        "properties",
        "patternProperties",
        "additionalProperties",
        "items",
        "prefixItems",
        "additionalItems",
        "then",
        "else",
        "minContains",
        "maxContains",
    }
)
