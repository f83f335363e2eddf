"""The tags of a union: which schema a discriminator chooses for each value of its property.

OpenAPI 3.0.4 and 3.1.1 section 4.8.25: the tag chooses the one schema by which a value is judged. An entry of `mapping`
is the name of a component or a URI reference; a schema without an entry is chosen by its name. 3.2.0 section 4.25 adds
`defaultMapping`, for values without a tag or with an unknown one. 3.0.4 section 4.7.24: where a parent holds no union,
the schemas that extend it are the alternatives.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from tillgate_contracts.compare.schema.branches import ref_of
from tillgate_contracts.compare.schema.build import Builder
from tillgate_contracts.compare.schema.family import name_of
from tillgate_contracts.compare.schema.node import Node, SchemaUnion
from tillgate_contracts.compare.schema.source import CHOSEN, HEAD, Parts, join
from tillgate_contracts.compare.schema.values import as_mapping


class TagTarget(NamedTuple):
    """The schema that a tag chooses. `key`: where it stands, or the reference as written when it leads nowhere.

    `group` and `place`: its place among the unions of the node; None for a child, or a schema that only the mapping
    names. `how`: whether the mapping says the tag, the name of the schema is it, or the values that it lists.
    """

    parts: Parts
    name: str
    key: str
    group: int | None = None
    place: int | None = None
    how: str = "mapping"


class Tags(NamedTuple):
    """What a discriminator says: tags with their schemas, the default schema, and the branches that no tag chooses."""

    by_tag: dict[str, TagTarget]
    default: TagTarget | None
    loose: tuple[SchemaUnion, ...]
    kind: str


def read_tags(builder: Builder, node: Node) -> Tags | None:
    """The tags of a node; None where it has no discriminator, or nothing to choose from."""
    written = node.discriminator
    if written is None or not (node.groups or node.subtypes or _is_own(node)):
        return None
    candidates = _candidates(builder, node)
    by_tag: dict[str, TagTarget] = {}
    for tag, text in as_mapping(written.get("mapping")).items():
        if isinstance(text, str):
            by_tag[str(tag)] = _target(builder, node, text, candidates)
    default = written.get("defaultMapping")
    chosen = _target(builder, node, default, candidates) if isinstance(default, str) else None
    mapped = {target.key for target in by_tag.values()}
    name = str(written.get("propertyName", ""))
    for candidate in candidates:
        if candidate.key not in mapped and not builder.source.dialect.name.startswith("edmx"):
            how, found = _implicit(builder, candidate, name)
            for tag in found:
                by_tag.setdefault(tag, candidate._replace(how=how))
    if not by_tag and chosen is None:
        return None
    by_tag = {tag: _as_chosen(builder, target, name) for tag, target in by_tag.items()}
    used = {(target.group, target.place) for target in (*by_tag.values(), chosen) if target is not None}
    loose = []
    for number, group in enumerate(node.groups):
        rest = tuple(branch for index, branch in enumerate(group.branches) if (number, index) not in used)
        if rest:
            loose.append(group._replace(branches=rest))
    return Tags(by_tag, chosen, tuple(loose), node.groups[0].kind if node.groups else "")


def _as_chosen(builder: Builder, target: TagTarget, name: str) -> TagTarget:
    """The schema that a tag chose: those that extend it have tags of their own for the same property."""
    node = builder.node(target.parts)
    if not node.subtypes or as_mapping(node.discriminator).get("propertyName") != name:
        return target
    return target._replace(parts=tuple(part._replace(mask=part.mask | CHOSEN) for part in target.parts))


def _is_own(node: Node) -> bool:
    """True where the discriminator stands in the schema itself, not in a parent that it extends: a child is one of the
    alternatives of its parent, and has none."""
    return any(part.mask & HEAD and isinstance(part.raw, dict) and "discriminator" in part.raw for part in node.flat)


def _candidates(builder: Builder, node: Node) -> list[TagTarget]:
    """The branches that have a name, or else the schemas that extend the node."""
    found = []
    for number, group in enumerate(node.groups):
        for index, branch in enumerate(group.branches):
            ref = ref_of(branch)
            if isinstance(ref, str):
                found.append(TagTarget(branch, name_of(ref), _key(builder, ref), number, index))
    if found or node.groups:
        return found
    return [
        TagTarget((builder.source.reference(ref, node.pointer),), name_of(ref), _key(builder, ref))
        for ref in node.subtypes
    ]


def _key(builder: Builder, ref: str) -> str:
    target = builder.source.resolve(ref)
    return ref if target is None else target.pointer


def _target(builder: Builder, node: Node, text: str, candidates: list[TagTarget]) -> TagTarget:
    """The schema that an entry of the mapping names: a branch by its name, a branch or another schema by reference."""
    for candidate in candidates:
        if candidate.name == text:
            return candidate
    ref = builder.source.family.reference_of(text)
    key = _key(builder, ref)
    for candidate in candidates:
        if candidate.key == key:
            return candidate
    return TagTarget((builder.source.reference(ref, node.at("discriminator")),), name_of(ref), key)


def _implicit(builder: Builder, candidate: TagTarget, name: str) -> tuple[str, list[str]]:
    """The tags of a schema without an entry: its name, or the values that it lists for the property where the name is
    none of them (the name could never be sent)."""
    parts = builder.node(candidate.parts).properties.get(name)
    listed = builder.node(parts).enum if parts else None
    values: list[Any] = [] if listed is None else [value for value in listed.values() if isinstance(value, str)]
    return ("name", [candidate.name]) if not values or candidate.name in values else ("values", values)


def own_tags(builder: Builder, node: Node) -> list[str]:
    """The tags that lead to the node itself, by the mapping that it inherits."""
    itself = builder.source.resolve(node.refs[0]) if node.refs else None
    if itself is None:
        return []
    mapping = as_mapping(as_mapping(node.discriminator).get("mapping"))
    family = builder.source.family
    found = sorted(
        str(tag)
        for tag, text in mapping.items()
        if isinstance(text, str) and _key(builder, family.reference_of(text)) == itself.pointer
    )
    # A name that leads to its own schema is so without words (OpenAPI 3.1.1 section 4.8.25.3).
    return [] if [join("", "components", "schemas", tag) for tag in found] == [itself.pointer] else found
