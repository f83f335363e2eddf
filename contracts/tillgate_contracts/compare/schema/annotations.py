"""Comparison of words without force on the accepted set, and of what OData adds to schemas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tillgate_contracts.compare.schema import lifecycle
from tillgate_contracts.compare.schema.change import BOTH, NARROWS, NONE, WIDENS
from tillgate_contracts.compare.schema.keywords import is_word
from tillgate_contracts.compare.schema.node import Node
from tillgate_contracts.compare.schema.values import is_number, value_key

if TYPE_CHECKING:
    from tillgate_contracts.compare.schema.diff import Meeting


def compare_annotations(meeting: Meeting) -> None:
    """Words without force on the accepted set: defaults, deprecation, descriptions, extensions, unknown keywords."""
    old, new = meeting.old, meeting.new
    if old.default != new.default and (
        old.default is None or new.default is None or not _equal(old.default, new.default)
    ):
        verb = "added" if old.default is None else "removed" if new.default is None else "changed"
        meeting.add(
            f"default-value-{verb}", NONE, old.default and old.default[0], new.default and new.default[0], "default"
        )
    lifecycle.compare_node(meeting)
    _compare_composition(meeting)
    _compare_odata(meeting)
    changed = sorted(
        name
        for name in old.annotations.keys() | new.annotations.keys()
        if old.annotations.get(name) != new.annotations.get(name)
    )
    if changed:
        meeting.add("annotation-changed", NONE, None, None, data={"words": changed})
    odd = sorted(
        name for name in old.unknown.keys() | new.unknown.keys() if old.unknown.get(name) != new.unknown.get(name)
    )
    for name in odd:
        meeting.add(
            "unknown-keyword-changed",
            BOTH,
            old.unknown.get(name),
            new.unknown.get(name),
            name=name,
            undecided=True,
            data={"reason": f"the keyword {name!r} is not part of any supported schema language"},
        )


def _compare_composition(meeting: Meeting) -> None:
    """Which schemas a schema is composed of: what follows from it is judged keyword by keyword, this is the note."""
    old, new = meeting.old, meeting.new
    for verb, before, after in (("removed", old, new), ("added", new, old)):
        if len(before.flat) <= len(after.flat):
            continue
        for ref in before.composed:
            if ref not in after.refs:
                name = ref.rsplit("/", 1)[-1]
                gone = verb == "removed"
                meeting.add(f"all-of-{verb}", NONE, name if gone else None, None if gone else name, "allOf")
        if _only_words(before) and not _only_words(after):
            meeting.add(f"all-of-{verb}-annotation-only", NONE, None, None, "allOf")


def _compare_odata(meeting: Meeting) -> None:
    """What OData metadata says beyond JSON Schema (`contracts.md` fact 29): keys, opaque types, scale, flag members."""
    old, new = meeting.old.annotations, meeting.new.annotations
    for word, kind in (("x-odata-key", "odata-key-changed"), ("x-odata-type", "odata-type-changed")):
        if old.get(word) != new.get(word):
            meeting.add(kind, BOTH, old.get(word), new.get(word))
    before, after = old.get("x-odata-scale"), new.get("x-odata-scale")
    if (
        before is not None
        and after is not None
        and is_number(before)
        and is_number(after)
        and before != after
        and "number" not in (meeting.new.types or ())
    ):
        kind, effect = ("odata-scale-increased", WIDENS) if after > before else ("odata-scale-decreased", NARROWS)
        meeting.add(kind, effect, before, after)
    flags = old.get("x-odata-flags"), new.get("x-odata-flags")
    if isinstance(flags[0], list) and isinstance(flags[1], list):
        for value in flags[0]:
            if value not in flags[1]:
                meeting.add("enum-value-removed", NARROWS, value, None)
        for value in flags[1]:
            if value not in flags[0]:
                meeting.add("enum-value-added", WIDENS, None, value)


def _only_words(node: Node) -> bool:
    """True when a part of the node describes and demands nothing."""
    return any(isinstance(part.raw, dict) and all(is_word(keyword) for keyword in part.raw) for part in node.flat)


def _equal(old: tuple[Any], new: tuple[Any]) -> bool:
    return value_key(old[0]) == value_key(new[0])
