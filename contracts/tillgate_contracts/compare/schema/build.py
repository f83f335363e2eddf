"""Building nodes: flattens `$ref` and `allOf`, then intersects the keywords of all parts."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from tillgate_contracts.compare.schema.keywords import ANNOTATIONS, KeywordReader, constant
from tillgate_contracts.compare.schema.node import Bound, Node, SchemaUnion
from tillgate_contracts.compare.schema.shapes import drop_unevaluated, merge_arrays, merge_objects
from tillgate_contracts.compare.schema.source import (
    ADMITS_NULL,
    CHOSEN,
    DROP_ANY_OF,
    DROP_IF,
    DROP_ONE_OF,
    EXPANDED,
    HEAD,
    Part,
    Parts,
    SchemaSource,
    join,
)
from tillgate_contracts.compare.schema.values import has_type, intersect_types, simplify_types, value_fits
from tillgate_contracts.reading.vocabulary import BOOLEAN, NULL_TYPE, forms_of

_MAX_FLATTEN = 2000
#: Dialects in which 1.0 is an integer (JSON Schema 2020-12 Core 4.2.3, Validation 6.1.1).
_WHOLE_NUMBERS = ("openapi-3.1", "openapi-3.2", "jsonschema-2020-12")
#: Where every version has schemas that are true or false.
_BOOLEANS = ("/additionalProperties", "/additionalItems")


class Builder:
    """Turns parts into nodes of one source, each conjunction once."""

    def __init__(self, source: SchemaSource) -> None:
        self.source = source
        self._open: set[int] = set()

    def node(self, parts: Parts) -> Node:
        """Node of a conjunction of parts; the same object for the same conjunction."""
        cache = self.source.by_parts
        quick: Any = (
            (id(parts[0].raw), parts[0].mask) if len(parts) == 1 else tuple((id(part.raw), part.mask) for part in parts)
        )
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
        if flat.circle and not flat.parts and not flat.never:
            flat.unresolved += flat.refs[:1]  # references that lead to each other alone
        key: tuple[Any, ...] = tuple(sorted((id(part.raw), part.mask) for part in flat.parts))
        subtypes = tuple(dict.fromkeys(ref for raw in flat.heads for ref in self.source.family.children(raw)))
        if subtypes:
            key = (*key, subtypes)
        if flat.null or flat.never or flat.unresolved or not flat.parts:
            key = (*key, flat.null, flat.never, tuple(flat.unresolved), parts[0].pointer if parts else "")
        known: Node | None = self.source.nodes.get(key)
        if known is not None:
            return known
        node = Node(tuple(flat.parts), len(self.source.nodes))
        self.source.nodes[key] = node
        if not flat.parts and parts:
            node.pointer = parts[0].pointer
        node.refs = tuple(flat.refs)
        node.composed = tuple(flat.composed)
        node.subtypes = subtypes
        node.unresolved = tuple(flat.unresolved)
        node.never = flat.never
        node.tangled = flat.holders > 1
        node.forms.update(flat.forms)
        self._note_version(node)
        written = [part for part in flat.parts if isinstance(part.raw, dict)]
        spoken = [self.source.counting(part) for part in written]
        for part, counting in zip(written, spoken, strict=True):
            KeywordReader(node, counting, self.source, owner=part.raw).apply()
        merge_objects(node, spoken)
        merge_arrays(node, spoken)
        drop_unevaluated(node, spoken)
        if flat.null:
            node.flat = tuple(part._replace(mask=part.mask | ADMITS_NULL) for part in node.flat)
            _admit_null(node)
        self._fold_unions(node)
        node.whole = self.source.dialect.name in _WHOLE_NUMBERS and any(one == one // 1 for one in node.multiples)
        _tighten(node)
        return node

    def _note_version(self, node: Node) -> None:
        """Keywords and forms that the version of the document does not have."""
        vocabulary = self.source.dialect.vocabulary
        for raw, pointer, _ in node.flat:
            if isinstance(raw, dict):
                for word in vocabulary.ignored & raw.keys():
                    if word == "nullable" and raw[word] is not True:
                        continue
                    node.foreign.setdefault(word, raw[word])
                    node.where.setdefault(word, pointer)
                node.forms.update((form, pointer) for form, _ in forms_of(raw, vocabulary) if form not in node.forms)
            elif BOOLEAN in vocabulary.forms and not _may_be_boolean(pointer):
                node.forms.setdefault(BOOLEAN, pointer)

    def _flatten(
        self, part: Part, flat: _Flat, path: set[int], *, top: bool, inner: bool, named: bool = False, head: bool = True
    ) -> None:
        """`named`: reached through a reference. `head`: the conjunction is this schema itself (or one of several that
        it is composed of without a name), not a parent that a named schema extends."""
        raw = part.raw
        if isinstance(raw, bool):
            if not raw:
                flat.never = True
                flat.add(part)
            return
        if not isinstance(raw, dict) or not raw or id(raw) in path or len(flat.parts) > _MAX_FLATTEN:
            flat.circle = flat.circle or (
                isinstance(raw, dict) and id(raw) in path and isinstance(raw.get("$ref"), str)
            )
            return
        head = head and not part.mask & CHOSEN
        if "unevaluatedProperties" in raw or "unevaluatedItems" in raw:
            flat.holders += 2 if inner else 1
        if part.mask & EXPANDED:
            flat.null = flat.null or bool(part.mask & ADMITS_NULL)
            if part.mask & HEAD:
                flat.heads.append(raw)
            flat.add(part)
            return
        if head and named:
            flat.heads.append(raw)
        path = path | {id(raw)}
        ref = raw.get("$ref", raw.get("$dynamicRef"))
        if ref is None and isinstance(raw.get("$recursiveRef"), str):
            ref = raw["$recursiveRef"]
        if isinstance(ref, str):
            self._flatten_target(ref, part, flat, path, top=top, inner=inner or len(raw) > 1, head=head)
            if not self.source.dialect.siblings or len(raw) == 1:
                return
        size = len(raw) - (ref is not None)
        for kind, mask in (("anyOf", DROP_ANY_OF), ("oneOf", DROP_ONE_OF)):
            if kind in raw and not part.mask & mask:
                if self._is_list_of_children(raw, kind, path, head=head):
                    part, size = part._replace(mask=part.mask | mask), size - 1
                    continue
                only = self._only_branch(raw, kind, flat, top=top, pointer=part.pointer)
                if only is not None:
                    part, size = part._replace(mask=part.mask | mask), size - 1
                    branch = Part(raw[kind][only], join(part.pointer, kind, only))
                    self._flatten(branch, flat, path, top=top, inner=inner or len(raw) > 1)
        chosen = (
            None if part.mask & DROP_IF or "if" in self.source.dialect.vocabulary.ignored else constant(raw.get("if"))
        )
        if chosen is not None:
            # The other branch never counts (JSON Schema 2020-12 Core 10.2.2).
            word = "then" if chosen else "else"
            part, size = part._replace(mask=part.mask | DROP_IF), size - len({"if", "then", "else"} & raw.keys())
            branch = Part(raw.get(word, True), join(part.pointer, word))
            self._flatten(branch, flat, path, top=False, inner=inner or len(raw) > 1)
        composed = raw.get("allOf")
        if isinstance(composed, list):
            size -= 1
            if top and self.source.dialect.admits_null(raw):
                flat.null = True
        if size:
            flat.add(part._replace(mask=part.mask | EXPANDED | (HEAD if head else 0)))
        if isinstance(composed, list):
            alone = len(raw) == 1 and len(composed) == 1
            self._flatten_composed(
                composed, part, flat, path, inner=inner or not alone, named=named, head=head and not named
            )

    def _is_list_of_children(self, raw: dict[str, Any], kind: str, path: set[int], *, head: bool) -> bool:
        """True for the union of a parent that one of its own branches extends, met on the way up from a child.

        Such a union lists the children; strictly, its validation does not end. The child is one of them already.
        """
        branches = raw[kind] if isinstance(raw[kind], list) else []
        return any(self.source.family.extends(branch, raw) and (not head or id(branch) in path) for branch in branches)

    def _flatten_target(
        self, ref: str, part: Part, flat: _Flat, path: set[int], *, top: bool, inner: bool, head: bool
    ) -> None:
        target = self.source.resolve(ref)
        if target is None:
            flat.unresolved.append(ref)
            flat.add(self.source.dangling(ref, part.pointer))
        else:
            flat.refs.append(ref)
            self._flatten(target, flat, path, top=top, inner=inner, named=True, head=head)

    def _flatten_composed(
        self, branches: list[Any], part: Part, flat: _Flat, path: set[int], *, inner: bool, named: bool, head: bool
    ) -> None:
        for index, branch in enumerate(branches):
            if isinstance(branch, dict) and isinstance(branch.get("$ref"), str):
                flat.composed.append(branch["$ref"])
            inside = Part(branch, join(part.pointer, "allOf", index))
            self._flatten(inside, flat, path, top=False, inner=inner, named=named, head=head)

    def _only_branch(self, raw: dict[str, Any], kind: str, flat: _Flat, *, top: bool, pointer: str = "") -> int | None:
        """Index of the single meaningful branch: a union of one, or of one and null (which sets `flat.null`)."""
        branches = raw[kind]
        if not isinstance(branches, list) or not 1 <= len(branches) <= 2 or "discriminator" in raw:
            return None  # a tag is asked for even where it has one value
        nullable = self.source.dialect.admits_null(raw)
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
        if node.never or node.nots or node.conditionals or (kind == "oneOf" and has_type(node.types, "null")):
            return None
        flat.null = True
        if NULL_TYPE in self.source.dialect.vocabulary.forms and branches[nulls[0]].get("type") == "null":
            flat.forms.setdefault(NULL_TYPE, join(pointer, kind, nulls[0]))
        return other

    def _fold_unions(self, node: Node) -> None:
        """Folds unions that say no more than a type list, a null branch or a single schema into the node itself."""
        kept: list[SchemaUnion] = []
        for group in node.groups:
            if not self._fold(node, group):
                kept.append(group)
        node.groups = tuple(kept)

    def _fold(self, node: Node, group: SchemaUnion) -> bool:
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
        for (only,) in group.branches:
            for form, _ in forms_of(only.raw, self.source.dialect.vocabulary):
                node.forms.setdefault(form, only.pointer)
        return True


class _Flat:
    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.refs: list[str] = []
        self.unresolved: list[str] = []
        self.composed: list[str] = []
        self.heads: list[dict[str, Any]] = []
        self.forms: dict[str, str] = {}
        self.circle = False
        self.never = False
        self.null = False
        self.holders = 0
        self._seen: set[tuple[int, int]] = set()

    def add(self, part: Part) -> None:
        mark = (id(part.raw), part.mask & ~HEAD)
        if mark not in self._seen:
            self._seen.add(mark)
            self.parts.append(part)


def _may_be_boolean(pointer: str) -> bool:
    """Whether every version may have true or false at a place."""
    return pointer.endswith(_BOOLEANS) and pointer.rsplit("/", 2)[-2] != "properties"


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
    if node.enum is not None and node.enum.keys() == {None} and node.types in (None, {"null"}):
        node.types, node.enum = frozenset({"null"}), None  # one value, which has a type of its own
    if node.types is not None and not node.types:
        node.never = True
    _drop_idle(node)
    numbers = node.types & {"integer", "number"} if node.types is not None else frozenset({"number"})
    if numbers == {"integer"} or (numbers and node.whole):
        if node.low is not None:
            value = node.low.value
            least = math.floor(value) + 1 if node.low.exclusive else math.ceil(value)
            node.low = Bound(least, False)
        if node.high is not None:
            value = node.high.value
            most = math.ceil(value) - 1 if node.high.exclusive else math.floor(value)
            node.high = Bound(most, False)


def _drop_idle(node: Node) -> None:
    """What the rest of the schema says already: values of an enum that the type refuses (of numbers and booleans: among
    texts, a number may be meant as one), `uniqueItems` of one item, what depends on itself, parts of whole numbers."""
    if node.enum is not None and node.types is not None and "string" not in node.types:
        fitting = {key: value for key, value in node.enum.items() if value_fits(value, node.types)}
        node.enum = fitting or node.enum
    if node.unevaluated_items is None and not node.tangled:
        for need in list(node.contains):
            if all(constant(part.raw) is True for part in need.schema):  # each item is one that is looked for
                node.contains = tuple(one for one in node.contains if one is not need)
                node.min_items = max(node.min_items, need.least)
                if need.most is not None:
                    node.max_items = need.most if node.max_items is None else min(node.max_items, need.most)
    if node.max_items is not None and node.max_items <= 1:
        node.unique = False
    node.dependent_required = {
        name: rest for name, needed in node.dependent_required.items() if (rest := needed - {name})
    }
    if node.types is not None and "integer" in node.types and "number" not in node.types:
        node.multiples = tuple(one for one in node.multiples if one >= 1 or (1 / Fraction(str(one))).denominator != 1)
    if len(node.multiples) > 1 and all(isinstance(one, int) for one in node.multiples):
        node.multiples = (math.lcm(*node.multiples),)
