"""The schemas of one document: resolving `$ref`, identity of subtrees, and the cache of normal nodes."""

from __future__ import annotations

import re
from typing import Any, NamedTuple
from urllib.parse import unquote

import orjson

from tillgate_contracts.compare.schema.family import Family
from tillgate_contracts.compare.schema.values import signature
from tillgate_contracts.reading.vocabulary import ALL, Vocabulary, vocabulary_of

DROP_ANY_OF = 1
DROP_ONE_OF = 2
DROP_IF = 4
#: `$ref` and `allOf` of the part are already split into other parts.
EXPANDED = 8
#: The whole conjunction also admits null (OpenAPI 3.0 `nullable` around a composition).
ADMITS_NULL = 16

#: The part is the schema itself, not a parent that it extends.
HEAD = 32
#: A tag chose this schema, so that the schemas which extend it are not meant any more.
CHOSEN = 64

_REF_IN_BYTES = re.compile(rb'"\$(?:ref|dynamicRef|recursiveRef)":"((?:[^"\\]|\\.)*)"')
_HAS_REF = (b'"$ref"', b'"$dynamicRef"', b'"$recursiveRef"')
_HAS_TAG = b'"discriminator":{'


class Part(NamedTuple):
    """One raw schema with its place: `mask` leaves out keywords that a caller has taken apart (DROP_…)."""

    raw: Any
    pointer: str
    mask: int = 0


Parts = tuple[Part, ...]


class SchemaDialect(NamedTuple):
    """How a document reads keywords. `nullable`: as OpenAPI 3.0 does; `siblings`: keywords beside `$ref` apply;
    `vocabulary`: what its version does not have."""

    name: str
    nullable: bool
    siblings: bool
    vocabulary: Vocabulary = ALL

    def admits_null(self, raw: dict[str, Any]) -> bool:
        """True for a schema whose `nullable` counts: an enum without null refuses null all the same."""
        listed = raw.get("enum")
        return self.nullable and raw.get("nullable") is True and not (isinstance(listed, list) and None not in listed)

    @classmethod
    def of_document(cls, tree: Any, format_name: str) -> SchemaDialect:
        """The dialect of a whole contract, with what its version does not have."""
        return cls.of(format_name)._replace(vocabulary=vocabulary_of(tree, format_name))

    @classmethod
    def of(cls, format_name: str) -> SchemaDialect:
        if format_name in {"openapi-2.0", "openapi-3.0"}:
            return cls(format_name, True, False)
        if format_name in {
            "jsonschema-04",
            "jsonschema-06",
            "jsonschema-07",
            "jsonschema-03",
            "asyncapi-2",
            "asyncapi-3",
        }:
            return cls(format_name, False, False)
        return cls(format_name, False, True)


def unescape(token: str) -> str:
    return token.replace("~1", "/").replace("~0", "~")


def escape(token: str) -> str:
    return token.replace("~", "~0").replace("/", "~1")


def join(pointer: str, *tokens: str | int) -> str:
    return pointer + "".join("/" + escape(str(token)) for token in tokens)


class SchemaSource:
    """Schemas of one document tree. Raw dictionaries must outlive the source: their `id` is their identity."""

    def __init__(self, tree: Any, dialect: SchemaDialect) -> None:
        self.tree = tree
        self.dialect = dialect
        self.nodes: dict[Any, Any] = {}
        self.by_parts: dict[Any, Any] = {}
        self._resolved: dict[str, Part | None] = {}
        self._signatures: dict[int, bytes] = {}
        self._anchors: dict[str, Part] | None = None
        self._kept: list[Any] = []
        self._slices: dict[str, Part] = {}
        self._tag_slices: dict[tuple[str, tuple[str, ...]], Part] = {}
        self._dangling: dict[tuple[str, str], Part] = {}
        self._references: dict[str, Part] = {}
        self._plain: dict[int, Any] = {}
        self.family = Family(tree, self.resolve)

    def synthetic(self, raw: Any, pointer: str) -> Part:
        """Part for a schema that is not in the document (kept alive, because identity is by object)."""
        self._kept.append(raw)
        return Part(raw, pointer)

    def counting(self, part: Part) -> Part:
        """The part without keywords that the version of the document does not have."""
        ignored = self.dialect.vocabulary.ignored
        if ignored.isdisjoint(part.raw):
            return part
        plain = self._plain.get(id(part.raw))
        if plain is None:
            plain = self._plain[id(part.raw)] = {key: item for key, item in part.raw.items() if key not in ignored}
        return part._replace(raw=plain)

    def dangling(self, ref: str, pointer: str) -> Part:
        """Part for a reference that leads nowhere; the same reference at the same place gives the same identity."""
        part = self._dangling.get((ref, pointer))
        if part is None:
            part = self._dangling[ref, pointer] = self.synthetic({"$ref": ref}, pointer)
        return part

    def reference(self, ref: str, pointer: str) -> Part:
        """Part that refers to a schema which the document names elsewhere (a child of a parent, a mapping)."""
        part = self._references.get(ref)
        if part is None:
            part = self._references[ref] = self.synthetic({"$ref": ref}, pointer)
        return part

    def tag_slice(self, name: str, tags: tuple[str, ...]) -> Part:
        """Part that demands a property with one of some values."""
        part = self._tag_slices.get((name, tags))
        if part is None:
            raw = {"type": "object", "required": [name], "properties": {name: {"enum": list(tags)}}}
            part = self._tag_slices[name, tags] = self.synthetic(raw, "")
        return part

    def type_slice(self, name: str) -> Part:
        part = self._slices.get(name)
        if part is None:
            part = self._slices[name] = self.synthetic({"type": name}, "")
        return part

    def resolve(self, ref: str) -> Part | None:
        """Target of a local reference by JSON Pointer (percent-decoded, `~0 ~1`), `$anchor` or `$id`, or None."""
        if ref in self._resolved:
            return self._resolved[ref]
        part = self._find(ref)
        self._resolved[ref] = part
        return part

    def _find(self, ref: str) -> Part | None:
        if ref == "#":
            return Part(self.tree, "")
        if ref.startswith("#/"):
            fragment = unquote(ref[1:])
            node: Any = self.tree
            for token in fragment[1:].split("/"):
                name = unescape(token)
                if isinstance(node, dict):
                    if name not in node:
                        return None
                    node = node[name]
                elif isinstance(node, list) and name.isdecimal() and int(name) < len(node):
                    node = node[int(name)]
                else:
                    return None
            return Part(node, fragment)
        return self._anchor_index().get(ref)

    def _anchor_index(self) -> dict[str, Part]:
        if self._anchors is None:
            self._anchors = {}
            stack: list[tuple[Any, str]] = [(self.tree, "")]
            while stack:
                node, pointer = stack.pop()
                if isinstance(node, dict):
                    for keyword in ("$anchor", "$dynamicAnchor"):
                        if isinstance(node.get(keyword), str):
                            self._anchors.setdefault("#" + node[keyword], Part(node, pointer))
                    for keyword in ("$id", "id"):
                        name = node.get(keyword)
                        if isinstance(name, str) and name:
                            self._anchors.setdefault(name, Part(node, pointer))
                            self._anchors.setdefault(name.rsplit("/", 1)[-1], Part(node, pointer))
                    if node.get("$recursiveAnchor") is True:
                        self._anchors.setdefault("#recursive", Part(node, pointer))
                    stack.extend((value, join(pointer, name)) for name, value in node.items())
                elif isinstance(node, list):
                    stack.extend((value, join(pointer, index)) for index, value in enumerate(node))
        return self._anchors

    def sign(self, raw: Any) -> bytes:
        """Canonical bytes of a raw schema, computed once."""
        if not isinstance(raw, dict | list):
            return signature(raw)
        found = self._signatures.get(id(raw))
        if found is None:
            found = self._signatures[id(raw)] = signature(raw)
        return found


def references(signed: bytes) -> set[str]:
    """Every reference text inside canonical bytes."""
    if not any(mark in signed for mark in _HAS_REF):
        return set()
    return {
        match.decode("utf-8", "replace").replace("\\/", "/").replace('\\"', '"').replace("\\\\", "\\")
        for match in _REF_IN_BYTES.findall(signed)
    }


def mapped(signed: bytes) -> set[str]:
    """Every schema that a discriminator inside canonical bytes maps to, as written."""
    if _HAS_TAG not in signed:
        return set()
    found: set[str] = set()
    stack: list[Any] = [orjson.loads(signed)]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            tag = value.get("discriminator")
            if isinstance(tag, dict):
                mapping = tag.get("mapping")
                written = [*(mapping.values() if isinstance(mapping, dict) else ()), tag.get("defaultMapping")]
                found.update(item for item in written if isinstance(item, str))
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)
    return found


def _reading(dialect: SchemaDialect) -> tuple[Any, ...]:
    return dialect.nullable, dialect.siblings, dialect.vocabulary.ignored, dialect.vocabulary.forms


class Sameness:
    """Which references mean the same on both sides: equal bytes, and everything that they refer to is the same too.

    Found by the greatest fixpoint over the reference graph, so cycles of unchanged components are unchanged.
    Only meaningful when both documents read keywords alike (same dialect).
    """

    def __init__(self, old: SchemaSource, new: SchemaSource) -> None:
        self.old = old
        self.new = new
        self.comparable = _reading(old.dialect) == _reading(new.dialect)
        self._same: dict[str, bool] = {}

    def same_ref(self, ref: str) -> bool:
        known = self._same.get(ref)
        if known is not None:
            return known
        return self._decide(ref)

    def _decide(self, start: str) -> bool:
        links: dict[str, set[str]] = {}
        bad: list[str] = []
        stack = [start]
        while stack:
            ref = stack.pop()
            if ref in links:
                continue
            known = self._same.get(ref)
            if known is not None:
                links[ref] = set()
                if not known:
                    bad.append(ref)
                continue
            left, right = self.old.resolve(ref), self.new.resolve(ref)
            links[ref] = set()
            if left is None or right is None:
                bad.append(ref)
                continue
            signed = self.old.sign(left.raw)
            if signed != self.new.sign(right.raw):
                bad.append(ref)
                continue
            children = self.old.family.children(left.raw)
            if children != self.new.family.children(right.raw):
                bad.append(ref)
                continue
            links[ref] = self._targets(signed) | set(children)
            stack.extend(links[ref])
        users: dict[str, list[str]] = {}
        for ref, targets in links.items():
            for target in targets:
                users.setdefault(target, []).append(ref)
        changed = set(bad)
        while bad:
            for user in users.get(bad.pop(), ()):
                if user not in changed:
                    changed.add(user)
                    bad.append(user)
        for ref in links:
            self._same[ref] = ref not in changed
        return self._same[start]

    def same(self, left: Any, right: Any) -> bool:
        """True when two raw trees are byte-equal and all their references are the same on both sides."""
        if not self.comparable:
            return False
        signed = self.old.sign(left)
        if signed != self.new.sign(right):
            return False
        return all(self.same_ref(ref) for ref in self._targets(signed))

    def _targets(self, signed: bytes) -> set[str]:
        """What a schema refers to: by `$ref`, and by the mapping of a discriminator."""
        written = mapped(signed)
        return (
            references(signed) | {self.old.family.reference_of(text) for text in written}
            if written
            else (references(signed))
        )

    def same_parts(self, left: Parts, right: Parts) -> bool:
        return len(left) == len(right) and all(
            a.mask == b.mask and self.same(a.raw, b.raw) for a, b in zip(left, right, strict=True)
        )
