"""Building nodes: flattens `$ref` and `allOf`, then intersects the keywords of all parts."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Hashable
from typing import Any

from catalog.contracts.compare.schema.node import Bound, Conditional, Contains, Group, Node, NodeKey
from catalog.contracts.compare.schema.source import (
    ADMITS_NULL,
    DROP_ANY_OF,
    DROP_IF,
    DROP_ONE_OF,
    EXPANDED,
    Part,
    Parts,
    SchemaSource,
    join,
)
from catalog.contracts.compare.schema.values import has_type, intersect_types, is_number, simplify_types, value_key

#: Words that describe and never restrict (`contracts.md` fact 27).
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
_MAX_FLATTEN = 2000


class Builder:
    """Turns parts into nodes of one source, each conjunction once."""

    def __init__(self, source: SchemaSource) -> None:
        self.source = source
        self._open: set[int] = set()

    def node(self, parts: Parts) -> Node:
        """Node of a conjunction of parts; the same object for the same conjunction."""
        cache = self.source.by_parts
        quick: Any = (id(parts[0].raw), parts[0].mask) if len(parts) == 1 else tuple((id(part.raw), part.mask) for part in parts)
        if isinstance(parts[0].raw, bool) if parts else False:
            quick = (quick, parts[0].pointer, len(parts))
        found: Node | None = cache.get(quick)
        if found is None:
            found = cache[quick] = self._build(parts)
        return found

    def _build(self, parts: Parts) -> Node:
        flat = _Flat()
        for part in parts:
            self._flatten(part, flat, set(), top=True, inner=len(parts) > 1)
        key: NodeKey = tuple(sorted((id(part.raw), part.mask) for part in flat.parts))
        if flat.null or flat.never or flat.unresolved or not flat.parts:
            key = (*key, flat.null, flat.never, tuple(flat.unresolved), parts[0].pointer if parts else "")
        known: Node | None = self.source.nodes.get(key)
        if known is not None:
            return known
        node = Node(key, tuple(flat.parts), len(self.source.nodes))
        self.source.nodes[key] = node
        if not flat.parts and parts:
            node.pointer = parts[0].pointer
        node.refs = tuple(flat.refs)
        node.composed = tuple(flat.composed)
        node.unresolved = tuple(flat.unresolved)
        node.never = flat.never
        node.tangled = flat.holders > 1
        spoken = [part for part in flat.parts if isinstance(part.raw, dict)]
        for part in spoken:
            _Reading(node, part, self.source).apply()
        _merge_objects(node, spoken)
        _merge_arrays(node, spoken)
        _settle_unevaluated(node, spoken)
        if flat.null:
            node.flat = tuple(part._replace(mask=part.mask | ADMITS_NULL) for part in node.flat)
            _admit_null(node)
        self._settle_groups(node)
        _tighten(node)
        return node

    def _flatten(self, part: Part, flat: _Flat, path: set[int], *, top: bool, inner: bool) -> None:
        raw = part.raw
        if isinstance(raw, bool):
            if not raw:
                flat.never = True
                flat.add(part)
            return
        if not isinstance(raw, dict) or not raw or id(raw) in path or len(flat.parts) > _MAX_FLATTEN:
            return
        if "unevaluatedProperties" in raw or "unevaluatedItems" in raw:
            flat.holders += 2 if inner else 1
        if part.mask & EXPANDED:
            flat.null = flat.null or bool(part.mask & ADMITS_NULL)
            flat.add(part)
            return
        path = path | {id(raw)}
        ref = raw.get("$ref", raw.get("$dynamicRef"))
        if ref is None and isinstance(raw.get("$recursiveRef"), str):
            ref = raw["$recursiveRef"]
        if isinstance(ref, str):
            target = self.source.resolve(ref)
            if target is None:
                flat.unresolved.append(ref)
                flat.add(self.source.dangling(ref, part.pointer))
            else:
                flat.refs.append(ref)
                self._flatten(target, flat, path, top=top, inner=inner or len(raw) > 1)
            if not self.source.dialect.siblings or len(raw) == 1:
                return
        size = len(raw) - (ref is not None)
        for kind, mask in (("anyOf", DROP_ANY_OF), ("oneOf", DROP_ONE_OF)):
            if kind in raw and not part.mask & mask:
                only = self._only_branch(raw, kind, flat, top=top)
                if only is not None:
                    part, size = part._replace(mask=part.mask | mask), size - 1
                    self._flatten(Part(raw[kind][only], join(part.pointer, kind, only)), flat, path, top=top, inner=True)
        branches = raw.get("allOf")
        if isinstance(branches, list):
            size -= 1
            if top and self.source.dialect.nullable and raw.get("nullable") is True:
                flat.null = True
        if size:
            flat.add(part._replace(mask=part.mask | EXPANDED))
        for index, branch in enumerate(branches if isinstance(branches, list) else ()):
            if isinstance(branch, dict) and isinstance(branch.get("$ref"), str):
                flat.composed.append(branch["$ref"])
            self._flatten(Part(branch, join(part.pointer, "allOf", index)), flat, path, top=False, inner=True)

    def _only_branch(self, raw: dict[str, Any], kind: str, flat: _Flat, *, top: bool) -> int | None:
        """Index of the single meaningful branch: a union of one, or of one and null (which sets `flat.null`)."""
        branches = raw[kind]
        if not isinstance(branches, list) or not 1 <= len(branches) <= 2:
            return None
        nullable = self.source.dialect.nullable and raw.get("nullable") is True
        if len(branches) == 1:
            if nullable and not top:
                return None
            flat.null = flat.null or nullable
            return 0
        nulls = [index for index, item in enumerate(branches) if isinstance(item, dict) and _is_null(item)]
        if len(nulls) != 1 or not top or any(word in raw for word in ("type", "enum", "const", "allOf")):
            return None
        other = 1 - nulls[0]
        if id(branches[other]) in self._open:
            return None
        self._open.add(id(branches[other]))
        node = self.node((Part(branches[other], ""),))
        self._open.discard(id(branches[other]))
        if node.never or (kind == "oneOf" and has_type(node.types, "null")):
            return None
        flat.null = True
        return other

    def _settle_groups(self, node: Node) -> None:
        """Folds unions that say no more than a type list, a null branch or a single schema into the node itself."""
        kept: list[Group] = []
        for group in node.groups:
            if not self._fold(node, group):
                kept.append(group)
        node.groups = tuple(kept)

    def _fold(self, node: Node, group: Group) -> bool:
        types: set[str] = set()
        total = 0
        for branch in group.branches:
            raw = branch[0].raw
            if len(branch) != 1 or not isinstance(raw, dict):
                return False
            named = _pure_types(raw, nullable=self.source.dialect.nullable)
            if named is None:
                return False
            if group.kind == "oneOf" and (types & named or {"integer", "number"} <= types | named):
                return False
            types |= named
            total += 1
        if not total:
            return True
        before = node.types
        node.types = intersect_types(node.types, simplify_types(types))
        node.from_union = before is None or before != node.types
        node.where.setdefault("type", group.pointer)
        return True


class _Flat:
    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.refs: list[str] = []
        self.unresolved: list[str] = []
        self.composed: list[str] = []
        self.never = False
        self.null = False
        self.holders = 0
        self._seen: set[tuple[int, int]] = set()

    def add(self, part: Part) -> None:
        mark = (id(part.raw), part.mask)
        if mark not in self._seen:
            self._seen.add(mark)
            self.parts.append(part)


def _is_null(raw: dict[str, Any]) -> bool:
    return _pure_types(raw, nullable=False) == {"null"} or raw == {"enum": [None]} or raw == {"const": None}


def _pure_types(raw: dict[str, Any], *, nullable: bool) -> set[str] | None:
    """Types of a branch that only names types (annotations aside), else None."""
    types: set[str] = set()
    for keyword, value in raw.items():
        if keyword == "type":
            names = [value] if isinstance(value, str) else value
            if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
                return None
            types |= set(names)
        elif keyword == "nullable":
            if nullable and value is True:
                types.add("null")
        elif keyword not in ANNOTATIONS and not keyword.startswith("x-"):
            return None
    return types if "type" in raw else None


def _admit_null(node: Node) -> None:
    if node.types is not None:
        node.types = node.types | {"null"}
    if node.enum is not None:
        node.enum = {**node.enum, None: None}
    node.groups = tuple(
        group._replace(branches=(*group.branches, (Part({"type": "null"}, group.pointer),))) for group in node.groups
    )


def _tighten(node: Node) -> None:
    """Last cleaning: null in an enum only counts where the type allows it; integer bounds become inclusive."""
    if node.enum is not None and None in node.enum and node.types is not None and "null" not in node.types:
        node.enum = {key: value for key, value in node.enum.items() if key is not None}
    if node.types is not None and not node.types:
        node.never = True
    numbers = node.types & {"integer", "number"} if node.types is not None else frozenset({"number"})
    if numbers == {"integer"}:
        if node.low is not None:
            value = node.low.value
            least = math.floor(value) + 1 if node.low.exclusive else math.ceil(value)
            node.low = Bound(least, False)
        if node.high is not None:
            value = node.high.value
            most = math.ceil(value) - 1 if node.high.exclusive else math.floor(value)
            node.high = Bound(most, False)


class _Reading:
    """Applies one raw part to a node, keyword by keyword."""

    def __init__(self, node: Node, part: Part, source: SchemaSource) -> None:
        self.node = node
        self.raw: dict[str, Any] = part.raw
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
            else:
                node.unknown.setdefault(keyword, value)
        title = self.raw.get("title")
        if isinstance(title, str):
            node.labels = (*node.labels, title)

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
        found: dict[Hashable, Any] = {value_key(item): item for item in value}
        if self.source.dialect.nullable and self.raw.get("nullable") is True:
            found.setdefault(None, None)
        self._restrict(found)

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
            self.parts(value, "contains"), least if isinstance(least, int) else 1, most if isinstance(most, int) else None
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
        branches = [self.parts(branch, kind, index) for index, branch in enumerate(value)]
        if self.source.dialect.nullable and self.raw.get("nullable") is True:
            branches.append((self.source.type_slice("null"),))
        group = Group(kind, tuple(branches), join(self.pointer, kind), id(self.raw))
        self.node.groups = (*self.node.groups, group)

    def _not(self, value: Any) -> None:
        self.node.nots = (*self.node.nots, self.parts(value, "not"))

    def _if(self, value: Any) -> None:
        if self.mask & DROP_IF:
            return
        then, otherwise = self.raw.get("then", True), self.raw.get("else", True)
        found = Conditional(self.parts(value, "if"), self.parts(then, "then"), self.parts(otherwise, "else"))
        if "then" in self.raw or "else" in self.raw:
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


_Handler = Callable[[_Reading, Any], None]
_HANDLERS: dict[str, _Handler] = {
    "type": _Reading._type,
    "enum": _Reading._enum,
    "const": _Reading._const,
    "x-extensible-enum": _Reading._extensible,
    "minimum": _Reading._minimum,
    "exclusiveMinimum": _Reading._exclusive_minimum,
    "maximum": _Reading._maximum,
    "exclusiveMaximum": _Reading._exclusive_maximum,
    "multipleOf": _Reading._multiple,
    "divisibleBy": _Reading._multiple,
    "minLength": lambda reading, value: reading._least("min_length", value),
    "maxLength": lambda reading, value: reading._most("max_length", value),
    "pattern": _Reading._pattern,
    "format": _Reading._format,
    "contentEncoding": lambda reading, value: reading._content("content_encoding", value),
    "contentMediaType": lambda reading, value: reading._content("content_media_type", value),
    "contentSchema": _Reading._content_schema,
    "contains": _Reading._contains,
    "minItems": lambda reading, value: reading._least("min_items", value),
    "maxItems": lambda reading, value: reading._most("max_items", value),
    "uniqueItems": _Reading._unique,
    "unevaluatedItems": lambda reading, value: reading._unevaluated("unevaluated_items", "unevaluatedItems", value),
    "required": _Reading._required,
    "propertyNames": _Reading._names,
    "minProperties": lambda reading, value: reading._least("min_properties", value),
    "maxProperties": lambda reading, value: reading._most("max_properties", value),
    "dependencies": _Reading._dependencies,
    "dependentRequired": _Reading._dependent_required,
    "dependentSchemas": _Reading._dependent_schemas,
    "unevaluatedProperties": lambda reading, value: reading._unevaluated(
        "unevaluated_properties", "unevaluatedProperties", value
    ),
    "anyOf": _Reading._any_of,
    "oneOf": _Reading._one_of,
    "not": _Reading._not,
    "if": _Reading._if,
    "readOnly": lambda reading, value: reading._flag("read_only", value),
    "writeOnly": lambda reading, value: reading._flag("write_only", value),
    "deprecated": lambda reading, value: reading._flag("deprecated", value),
    "default": _Reading._default,
    "x-sunset": lambda reading, value: reading._once("sunset", value),
    "x-stability-level": lambda reading, value: reading._once("stability", value),
    "discriminator": _Reading._discriminator,
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


class _Shape:
    """The object keywords of one part: what it says about a name depends on the names of the same part only."""

    def __init__(self, part: Part) -> None:
        raw, pointer = part.raw, part.pointer
        properties = raw.get("properties")
        patterns = raw.get("patternProperties")
        self.properties: dict[str, Part] = (
            {name: Part(value, join(pointer, "properties", name)) for name, value in properties.items()}
            if isinstance(properties, dict)
            else {}
        )
        self.patterns: dict[str, Part] = (
            {name: Part(value, join(pointer, "patternProperties", name)) for name, value in patterns.items()}
            if isinstance(patterns, dict)
            else {}
        )
        additional = raw.get("additionalProperties", True)
        self.additional = (
            None if additional is True or additional == {} else Part(additional, join(pointer, "additionalProperties"))
        )
        self.pointer = pointer

    @property
    def speaks(self) -> bool:
        return bool(self.properties or self.patterns or self.additional is not None)

    def about(self, name: str) -> list[Part]:
        found = [self.properties[name]] if name in self.properties else []
        found += [schema for pattern, schema in self.patterns.items() if matches(pattern, name)]
        if not found and self.additional is not None:
            found.append(self.additional)
        return found


def _merge_objects(node: Node, parts: list[Part]) -> None:
    shapes = [shape for shape in map(_Shape, parts) if shape.speaks]
    if not shapes:
        return
    if len(shapes) == 1 and not shapes[0].patterns:
        shape = shapes[0]
        node.properties = {name: (part,) for name, part in shape.properties.items()}
        if shape.additional is not None:
            node.additional = (shape.additional,)
            node.additional_pointer = shape.pointer
        return
    names = {name: None for shape in shapes for name in shape.properties}
    for name in names:
        node.properties[name] = tuple(part for shape in shapes for part in shape.about(name))
    for pattern in {pattern: None for shape in shapes for pattern in shape.patterns}:
        found: list[Part] = []
        for shape in shapes:
            if pattern in shape.patterns:
                found.append(shape.patterns[pattern])
            elif shape.additional is not None:
                found.append(shape.additional)
        node.pattern_properties[pattern] = tuple(found)
    closing = [shape for shape in shapes if shape.additional is not None]
    if closing:
        node.additional = tuple(shape.additional for shape in closing if shape.additional is not None)
        node.additional_pointer = closing[0].pointer


def _merge_arrays(node: Node, parts: list[Part]) -> None:
    shapes: list[tuple[list[Part], Part | None]] = []
    for raw, pointer, _ in parts:
        if "items" not in raw and "prefixItems" not in raw:
            continue
        items = raw.get("items", True)
        if isinstance(items, list):
            prefix = [Part(item, join(pointer, "items", index)) for index, item in enumerate(items)]
            rest, place = raw.get("additionalItems", True), join(pointer, "additionalItems")
        else:
            listed = raw.get("prefixItems")
            prefix = (
                [Part(item, join(pointer, "prefixItems", index)) for index, item in enumerate(listed)]
                if isinstance(listed, list)
                else []
            )
            rest, place = items, join(pointer, "items")
        shapes.append((prefix, None if rest is True or rest == {} else Part(rest, place)))
    if not shapes:
        return
    longest = max(len(prefix) for prefix, _ in shapes)
    node.prefix = tuple(
        tuple(found for prefix, rest in shapes if (found := prefix[index] if index < len(prefix) else rest) is not None)
        for index in range(longest)
    )
    rests = tuple(rest for _, rest in shapes if rest is not None)
    node.items = rests or None


def _settle_unevaluated(node: Node, parts: list[Part]) -> None:
    """Where `items` or `additionalProperties` speak for all the rest (be it by `true`), nothing is left unevaluated."""
    if node.tangled:
        return
    if any(isinstance(part.raw.get("items", []), dict | bool) or "additionalItems" in part.raw for part in parts):
        node.unevaluated_items = None
    if any("additionalProperties" in part.raw for part in parts):
        node.unevaluated_properties = None


_compiled: dict[str, re.Pattern[str] | None] = {}


def matches(pattern: str, text: str) -> bool:
    """Search of an ECMA-262 pattern, as far as Python reads it; an unreadable one matches nothing."""
    if pattern not in _compiled:
        try:
            _compiled[pattern] = re.compile(pattern.replace(r"\d", "[0-9]"))
        except (re.error, RecursionError, OverflowError):
            _compiled[pattern] = None
    found = _compiled[pattern]
    return found is not None and found.search(text) is not None


def readable(pattern: str) -> bool:
    matches(pattern, "")
    return _compiled[pattern] is not None
