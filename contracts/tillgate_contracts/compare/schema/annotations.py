"""Comparison of the keywords that only describe, of deprecation, and of what OData adds to schemas."""

from __future__ import annotations

from typing import Any

from tillgate_contracts.compare.schema import lifecycle
from tillgate_contracts.compare.schema.change import BOTH, NARROWS, NONE, WIDENS
from tillgate_contracts.compare.schema.comparison import NodeComparison
from tillgate_contracts.compare.schema.keywords import is_descriptive
from tillgate_contracts.compare.schema.node import Node
from tillgate_contracts.compare.schema.values import as_text, is_number, signature, value_key

#: Words of OData with rules of their own.
LIMITS = "x-odata-says-"
_TOLD = frozenset(("x-odata-key", "x-odata-type", "x-odata-open", "x-odata-contained"))


def compare_annotations(comparison: NodeComparison) -> None:
    """Defaults, deprecation, descriptions, extensions and unknown keywords: they do not change what is accepted."""
    old, new = comparison.old, comparison.new
    _compare_default(comparison)
    _compare_lifecycle(comparison)
    _compare_composition(comparison)
    _compare_odata(comparison)
    if comparison.settings.declared:
        _compare_version(comparison)
    if comparison.direction.xml:
        _compare_xml(comparison)
    changed = sorted(
        name
        for name in old.annotations.keys() | new.annotations.keys()
        if name not in _TOLD and not name.startswith(LIMITS) and _differs(old.annotations, new.annotations, name)
    )
    if changed:
        comparison.add("annotation-changed", NONE, None, None, data={"words": changed})
    odd = sorted(name for name in old.unknown.keys() | new.unknown.keys() if _differs(old.unknown, new.unknown, name))
    for name in odd:
        comparison.add(
            "unknown-keyword-changed",
            BOTH,
            old.unknown.get(name),
            new.unknown.get(name),
            name=name,
            undecided=True,
            data={"reason": f"Cannot tell automatically what it means: no schema language has the keyword {name!r}."},
        )


def _differs(old: dict[str, Any], new: dict[str, Any], name: str) -> bool:
    """By JSON values: 0 is not false (RFC 8259 section 3), as it is to Python."""
    return (name in old) != (name in new) or value_key(old.get(name)) != value_key(new.get(name))


def _compare_version(comparison: NodeComparison) -> None:
    """Keywords that a version does not have are without effect there; forms that it does not have are read as other
    versions read them, and what readers make of them cannot be told where only one of the two versions has them."""
    old, new = comparison.old, comparison.new
    versions = [builder.source.dialect.vocabulary for builder in (comparison.graph.old, comparison.graph.new)]
    for word in sorted(old.foreign.keys() | new.foreign.keys()):
        before, after = old.foreign.get(word), new.foreign.get(word)
        if (word in old.foreign) == (word in new.foreign) and signature(before) == signature(after):
            continue
        version = versions[1] if word in new.foreign else versions[0]
        reason = f"It has no effect: {version.name} does not have it."
        comparison.add("keyword-without-effect", NONE, before, after, word, name=word, data={"reason": reason})
    for form in sorted(old.forms.keys() ^ new.forms.keys()):
        gone = form in old.forms
        moved = form not in versions[0].forms or form not in versions[1].forms
        text = f"{form}, which {versions[0 if gone else 1].name} does not have"
        comparison.add(
            "version-form-removed" if gone else "version-form-added",
            BOTH if moved else NONE,
            text if gone else None,
            None if gone else text,
            old_pointer=old.forms.get(form, old.pointer),
            new_pointer=new.forms.get(form, new.pointer),
            undecided=moved,
            data={"reason": "Cannot tell automatically what its readers make of it." if moved else ""},
        )


def _compare_default(comparison: NodeComparison) -> None:
    """`default`, as value; where values travel as text, by its text: `7` and `"7"`, a value and the list of it."""
    old, new = comparison.old.default, comparison.new.default
    if old is None and new is None:
        return
    if old is not None and new is not None and value_key(old[0]) == value_key(new[0]):
        return
    if old is not None and new is not None and comparison.direction.text:
        texts = [_texts(side[0], node) for side, node in ((old, comparison.old), (new, comparison.new))]
        if texts[0] == texts[1]:
            comparison.add("annotation-changed", NONE, None, None, "default", data={"words": ["default"]})
            return
    verb = "added" if old is None else "removed" if new is None else "changed"
    comparison.add(f"default-value-{verb}", NONE, old and old[0], new and new[0], "default")


def _texts(value: Any, node: Node) -> list[str] | str:
    """A value as it is written in a parameter or header."""
    if isinstance(value, list):
        return [as_text(item) for item in value]
    return [as_text(value)] if node.types == frozenset({"array"}) else as_text(value)


def _compare_composition(comparison: NodeComparison) -> None:
    """Which schemas a schema is composed of. The keywords of these schemas are compared one by one; this is a note."""
    old, new = comparison.old, comparison.new
    for verb, before, after in (("removed", old, new), ("added", new, old)):
        if len(before.flat) <= len(after.flat):
            continue
        for ref in before.composed:
            if ref not in after.refs:
                name = ref.rsplit("/", 1)[-1]
                gone = verb == "removed"
                comparison.add(f"all-of-{verb}", NONE, name if gone else None, None if gone else name, "allOf")
        if _has_descriptive_part(before) and not _has_descriptive_part(after):
            comparison.add(f"all-of-{verb}-annotation-only", NONE, None, None, "allOf")


def _compare_xml(comparison: NodeComparison) -> None:
    """How a value is written in XML (OpenAPI 3.1.1 section 4.8.26): a reader finds it by name, namespace and place."""
    before, after = (
        _xml(node, builder.source.dialect.name)
        for node, builder in ((comparison.old, comparison.graph.old), (comparison.new, comparison.graph.new))
    )
    for word in sorted(before.keys() | after.keys()):
        old, new = before.get(word), after.get(word)
        if old == new:
            continue
        if word == "prefix":
            comparison.add(
                "xml-prefix-changed",
                BOTH,
                old,
                new,
                "xml",
                undecided=True,
                data={"reason": "Cannot tell automatically whether readers look at the prefix or at its namespace."},
            )
        else:
            comparison.add("xml-changed", BOTH, old, new, "xml", name=word)


def _xml(node: Node, dialect: str) -> dict[str, Any]:
    """The XML words of a schema that mean something; a name that is the property's own says nothing, nor does the node
    that is usual. OpenAPI 3.2 has `nodeType` for `attribute` and `wrapped` (3.2.0 section 4.26.1)."""
    written = node.annotations.get("xml")
    found = {
        word: value
        for word, value in (written.items() if isinstance(written, dict) else ())
        if not word.startswith("x-") and value not in (False, None, "")
    }
    if dialect == "openapi-3.2" and "nodeType" in found:
        several = node.types == frozenset({"array"})
        refers = any("$ref" in part.raw for part in node.flat if isinstance(part.raw, dict) and "xml" in part.raw)
        kind = found.pop("nodeType")
        if kind == "attribute":
            found["attribute"] = True
        elif kind == "element" and several:
            found["wrapped"] = True
        elif kind != ("none" if several or refers else "element"):
            found["nodeType"] = kind
    own = node.pointer.rsplit("/", 2)
    if len(own) == 3 and own[1] == "properties" and found.get("name") == own[2]:
        del found["name"]
    return found


def _compare_numbers(comparison: NodeComparison) -> None:
    """The numbers behind the members of an enumeration: JSON of OData 4.01 may carry them in place of the names."""
    before, after = (
        _numbers(node, builder.source.dialect.name)
        for node, builder in ((comparison.old, comparison.graph.old), (comparison.new, comparison.graph.new))
    )
    for member in before:
        if member in after and before[member] != after[member]:
            comparison.add(
                "odata-enum-number-changed",
                BOTH,
                before[member],
                after[member],
                name=member,
                undecided=True,
                data={"reason": "Cannot tell automatically whether anybody sends or reads numbers instead of names."},
            )


def _numbers(node: Node, format_name: str) -> dict[str, Any]:
    """The number behind each member: as stated, else counted from 0 (OData CSDL 4.01 section 10.3)."""
    if not format_name.startswith("edmx"):
        return {}
    stated = node.annotations.get("x-odata-numbers")
    if isinstance(stated, dict):
        return stated
    members = node.annotations.get("x-odata-flags") or list((node.enum or {}).values())
    return {str(member): number for number, member in enumerate(members)}


def _compare_odata(comparison: NodeComparison) -> None:
    """What OData metadata (CSDL 4.01 §7) says beyond JSON Schema: keys, opaque types, scale, members of flags."""
    old, new = comparison.old.annotations, comparison.new.annotations
    for word, kind in (("x-odata-key", "odata-key-changed"), ("x-odata-type", "odata-type-changed")):
        if old.get(word) != new.get(word):
            comparison.add(kind, BOTH, old.get(word), new.get(word))
    if old.get("x-odata-open") != new.get("x-odata-open"):
        closed = bool(old.get("x-odata-open"))
        kind, effect = ("odata-type-closed", NARROWS) if closed else ("odata-type-opened", WIDENS)
        comparison.add(kind, effect, keyword="x-odata-open", tolerated=not closed)
    if old.get("x-odata-contained") != new.get("x-odata-contained"):
        verb = "removed" if old.get("x-odata-contained") else "added"
        reason = "Cannot tell automatically who addresses them: what is contained has its URL below its parent alone."
        comparison.add(f"odata-containment-{verb}", BOTH, undecided=True, data={"reason": reason})
    for word in sorted(old.keys() | new.keys()):
        if word.startswith(LIMITS) and old.get(word) != new.get(word):
            data = {"reason": "Cannot tell automatically whether anybody relies on it."}
            name = word.removeprefix(LIMITS)
            comparison.add(
                "odata-limit-changed", BOTH, old.get(word), new.get(word), name=name, undecided=True, data=data
            )
    before, after = old.get("x-odata-scale"), new.get("x-odata-scale")
    if (
        before is not None
        and after is not None
        and is_number(before)
        and is_number(after)
        and before != after
        and "number" not in (comparison.new.types or ())
    ):
        kind, effect = ("odata-scale-increased", WIDENS) if after > before else ("odata-scale-decreased", NARROWS)
        comparison.add(kind, effect, before, after)
    _compare_numbers(comparison)
    flags = old.get("x-odata-flags"), new.get("x-odata-flags")
    if isinstance(flags[0], list) and isinstance(flags[1], list):
        for value in flags[0]:
            if value not in flags[1]:
                comparison.add("enum-value-removed", NARROWS, value, None)
        for value in flags[1]:
            if value not in flags[0]:
                comparison.add("enum-value-added", WIDENS, None, value)


def _has_descriptive_part(node: Node) -> bool:
    """True when some part of the node only describes."""
    return any(
        isinstance(part.raw, dict) and all(is_descriptive(keyword) for keyword in part.raw) for part in node.flat
    )


def _compare_lifecycle(comparison: NodeComparison) -> None:
    """Lifecycle of a schema (in practice: of a property)."""
    if comparison.settings.as_of is None:
        return
    old = lifecycle.Mark(comparison.old.deprecated, comparison.old.sunset, comparison.old.stability)
    new = lifecycle.Mark(comparison.new.deprecated, comparison.new.sunset, comparison.new.stability)
    if old == new:
        return
    for change in lifecycle.transitions(old, new, comparison.settings):
        comparison.add(change.kind, NONE, change.old, change.new, "deprecated")
