"""Comparison of types, values, numbers and strings of two nodes."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from tillgate_contracts.compare.schema.change import BOTH, NARROWS, NONE, WIDENS
from tillgate_contracts.compare.schema.node import Bound, Node
from tillgate_contracts.compare.schema.patterns import readable
from tillgate_contracts.compare.schema.values import ALL_TYPES, type_text, value_key

if TYPE_CHECKING:
    from tillgate_contracts.compare.schema.diff import Meeting

#: What a text can spell besides a string; null is not among them, it is the absence of a value.
_SCALARS = frozenset({"boolean", "integer", "number", "string"})
_NUMBER_FORMATS = {
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float",
    "double",
    "decimal",
}
#: Formats that name the widest number which JSON readers commonly hold anyway.
_WIDEST_FORMATS = frozenset({"int64", "double"})
#: A format and the wider formats that hold all its values.
_WIDER_FORMATS: dict[str, frozenset[str]] = {
    "int8": frozenset({"int16", "int32", "int64", "float", "double", "decimal"}),
    "int16": frozenset({"int32", "int64", "float", "double", "decimal"}),
    "int32": frozenset({"int64", "double", "decimal"}),
    "int64": frozenset({"decimal"}),
    "float": frozenset({"double"}),
    "uint8": frozenset({"int16", "int32", "int64", "uint16", "uint32", "uint64", "float", "double", "decimal"}),
    "uint16": frozenset({"int32", "int64", "uint32", "uint64", "float", "double", "decimal"}),
    "uint32": frozenset({"int64", "uint64", "double", "decimal"}),
    "email": frozenset({"idn-email"}),
    "hostname": frozenset({"idn-hostname"}),
    "uri": frozenset({"iri", "uri-reference", "iri-reference"}),
    "url": frozenset({"uri", "iri", "uri-reference", "iri-reference"}),
    "uri-reference": frozenset({"iri-reference"}),
    "iri": frozenset({"iri-reference"}),
}
#: Patterns that every string satisfies, in either anchoring style.
_FREE_PATTERNS = frozenset({"", ".*", "^.*$", "^.*", ".*$", "^", "$", "^[\\s\\S]*$", "[\\s\\S]*", "(.*)", "^(.*)$"})


def describe(node: Node) -> str:
    """Type and format of a node in a few words, for messages."""
    if node.groups and node.types is None:
        return " and ".join(group.kind for group in node.groups)
    text = type_text(node.types)
    return f"{text}/{'/'.join(node.formats)}" if node.formats else text


def _expand(node: Node, *, text: bool) -> frozenset[str]:
    """Every JSON type that a node admits, integer and number apart; as text, a string can spell every scalar."""
    types = ALL_TYPES | {"integer"} if node.types is None else node.types
    if "number" in types:
        types |= {"integer"}
    if text and "string" in types:
        types |= _SCALARS
    return types


def compare_types(meeting: Meeting) -> frozenset[str]:
    """Reports type, nullability and format changes; answers the types on which keywords are compared."""
    old, new, text = meeting.old, meeting.new, meeting.flow.text
    before, after = _expand(old, text=text), _expand(new, text=text)
    lost, gained = before - after, after - before
    _compare_null(meeting, lost, gained)
    lost, gained = lost - {"null"}, gained - {"null"}
    effect = (NARROWS if lost else NONE) | (WIDENS if gained else NONE)
    if effect:
        as_list = (
            (old.from_union or new.from_union) and effect != BOTH and old.types is not None and new.types is not None
        )
        if as_list:
            kind = "list-of-types-narrowed" if effect == NARROWS else "list-of-types-widened"
        else:
            kind = {NARROWS: "type-specialized", WIDENS: "type-generalized", BOTH: "type-changed"}[effect]
        meeting.add(kind, effect, describe(old), describe(new), "type")
    elif old.types != new.types and text and (old.types or ALL_TYPES) - {"null"} != (new.types or ALL_TYPES) - {"null"}:
        meeting.add("type-compatible", NONE, describe(old), describe(new), "type")
    mine, theirs = _expand(old, text=False), _expand(new, text=False)
    shared: set[str] = {name for name in ("string", "array", "object") if name in mine and name in theirs}
    if mine & theirs & {"integer", "number"}:
        shared.add("number")
    if not effect or effect != BOTH:
        _compare_formats(meeting, shared)
    return frozenset(shared)


def _compare_null(meeting: Meeting, lost: frozenset[str], gained: frozenset[str]) -> None:
    old, new = meeting.old, meeting.new
    if "null" in lost and new.types is not None:
        meeting.add("became-not-nullable", NARROWS, describe(old), describe(new), "type")
    dropped = new.types is None and gained != {"null"}  # the type as a whole went: said as one generalisation
    if "null" in gained and old.types is not None and not dropped:
        meeting.add("became-nullable", WIDENS, describe(old), describe(new), "type")


def _compare_formats(meeting: Meeting, shared: set[str]) -> None:
    old, new = meeting.old, meeting.new
    if old.formats == new.formats or not shared & {"string", "number"}:
        return
    if old.types != new.types and not (old.formats and new.formats):
        kinds = {"number"} if set(old.formats + new.formats) <= _NUMBER_FORMATS else {"string"}
        if not kinds & shared:
            return
    effect = NONE
    if not all(_within(old.formats, name) for name in new.formats):
        effect |= NARROWS
    if not all(_within(new.formats, name) for name in old.formats):
        effect |= WIDENS
    if effect and not any(change.kind.startswith("type-") for change in meeting.pair.changes):
        kind = {NARROWS: "type-specialized", WIDENS: "type-generalized", BOTH: "type-changed"}[effect]
        if effect != BOTH and {*old.formats, *new.formats} <= _WIDEST_FORMATS and "number" in shared:
            kind = "format-width-declared" if effect == NARROWS else "format-width-dropped"
        meeting.add(kind, effect, describe(old), describe(new), "format", data={"format": True})


def _within(have: tuple[str, ...], needed: str) -> bool:
    """True when values of the formats `have` also satisfy the format `needed`."""
    return any(name == needed or needed in _WIDER_FORMATS.get(name, ()) for name in have)


def compare_values(meeting: Meeting) -> None:
    """Closed lists (`enum`, `const`) and open ones (`x-extensible-enum`)."""
    old, new = meeting.old, meeting.new
    if old.extensible is not None or new.extensible is not None:
        _compare_extensible(meeting)
    before, after = old.enum, new.enum
    if before is None and after is None:
        return
    if before is not None and after is not None:
        if meeting.flow.text:
            before = {_as_text(value): value for value in before.values()}
            after = {_as_text(value): value for value in after.values()}
        constant = "const" in old.where and "const" in new.where
        removed = [value for key, value in before.items() if key not in after]
        added = [value for key, value in after.items() if key not in before]
        if constant and removed and added:
            meeting.add("const-changed", BOTH, removed[0], added[0], "const")
            return
        for value in removed:
            if _is_null(value) and _null_said(meeting):
                continue
            meeting.add("enum-value-removed", NARROWS, value, None, "enum")
        for value in added:
            if _is_null(value) and _null_said(meeting):
                continue
            meeting.add("enum-value-added", WIDENS, None, value, "enum")
    elif after is not None:
        if _only_boolean(old) and {True, False} <= set(map(_plain, after.values())):
            return
        if "const" in new.where and "enum" not in new.where:
            meeting.add("const-added", NARROWS, None, next(iter(after.values()), None), "const")
        else:
            meeting.add("became-enum", NARROWS, None, list(after.values()), "enum")
    elif before is not None:
        if _only_boolean(new) and {True, False} <= set(map(_plain, before.values())):
            return
        if "const" in old.where and "enum" not in old.where:
            meeting.add("const-removed", WIDENS, next(iter(before.values()), None), None, "const")
        else:
            meeting.add("enum-removed", WIDENS, list(before.values()), None, "enum")


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool) else None


def _is_null(value: Any) -> bool:
    return value is None


def _null_said(meeting: Meeting) -> bool:
    return any(change.kind in {"became-nullable", "became-not-nullable"} for change in meeting.pair.changes)


def _only_boolean(node: Node) -> bool:
    return node.types == frozenset({"boolean"})


def _as_text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value_key(value)) if isinstance(value, list | dict) else str(value)


def _compare_extensible(meeting: Meeting) -> None:
    before, after = meeting.old.extensible or {}, meeting.new.extensible or {}
    for key, value in before.items():
        if key not in after and (meeting.new.extensible is not None or meeting.new.enum is not None):
            if meeting.new.enum is not None and key in meeting.new.enum:
                continue
            meeting.add("x-extensible-enum-value-removed", NARROWS, value, None, "x-extensible-enum")
    if meeting.new.extensible is not None and meeting.old.extensible is not None:
        for key, value in after.items():
            if key not in before:
                meeting.add("x-extensible-enum-value-added", NONE, None, value, "x-extensible-enum")


def compare_numbers(meeting: Meeting, *, active: bool) -> None:
    old, new = meeting.old, meeting.new
    idle = not active
    if idle and (old.types != new.types or not meeting.settings.declared):
        return
    _compare_bound(meeting, "min", old.low, new.low, idle=idle)
    _compare_bound(meeting, "max", old.high, new.high, idle=idle)
    if old.multiples != new.multiples:
        effect = NONE
        if not all(any(_divides(need, have) for have in old.multiples) for need in new.multiples):
            effect |= NARROWS
        if not all(any(_divides(need, have) for have in new.multiples) for need in old.multiples):
            effect |= WIDENS
        if _whole(old) and _whole(new):
            effect = _drop_units(old, new, effect)
        kind = (
            "multiple-of-added"
            if not old.multiples
            else "multiple-of-removed"
            if not new.multiples
            else "multiple-of-changed"
        )
        meeting.add(kind, effect, _plural(old.multiples), _plural(new.multiples), "multipleOf", idle=idle)


def _whole(node: Node) -> bool:
    return node.types is not None and "number" not in node.types


def _drop_units(old: Node, new: Node, effect: int) -> int:
    """multipleOf 1 says nothing about integers."""
    needs = [value for value in new.multiples if value != 1]
    haves = [value for value in old.multiples if value != 1]
    if effect & NARROWS and all(any(_divides(need, have) for have in haves) for need in needs):
        effect &= ~NARROWS
    if effect & WIDENS and all(any(_divides(have, need) for need in needs) for have in haves):
        effect &= ~WIDENS
    return effect


def _divides(part: Any, whole: Any) -> bool:
    """True when every multiple of `whole` is a multiple of `part`."""
    return (Fraction(str(whole)) / Fraction(str(part))).denominator == 1


def _plural(values: tuple[Any, ...]) -> Any:
    return None if not values else values[0] if len(values) == 1 else list(values)


def _compare_bound(meeting: Meeting, side: str, old: Bound | None, new: Bound | None, *, idle: bool) -> None:
    if old == new:
        return
    words = ("minimum", "exclusiveMinimum") if side == "min" else ("maximum", "exclusiveMaximum")
    if old is None or new is None:
        present = new if old is None else old
        exclusive = bool(present and present.exclusive)
        name = f"exclusive-{side}" if exclusive else side
        kind, effect = (f"{name}-set", NARROWS) if old is None else (f"{name}-unset", WIDENS)
        meeting.add(kind, effect, old and old.value, new and new.value, words[exclusive], idle=idle)
        return
    tighter = _order(side, new) > _order(side, old)
    effect = NARROWS if tighter else WIDENS
    verb = ("increased" if tighter else "decreased") if side == "min" else ("decreased" if tighter else "increased")
    told = False
    for word, name in zip(words, (side, f"exclusive-{side}"), strict=True):
        before, after = meeting.old.raw_bounds.get(word), meeting.new.raw_bounds.get(word)
        if before is not None and after is not None and before != after and ((after > before) == (verb == "increased")):
            meeting.add(f"{name}-{verb}", effect, before, after, word, idle=idle)
            told = True
    if not told:
        name = f"exclusive-{side}" if new.exclusive and old.exclusive else side
        meeting.add(f"{name}-{verb}", effect, old.value, new.value, words[new.exclusive], idle=idle)


def _order(side: str, bound: Bound) -> tuple[Any, int]:
    """Sort key: the higher, the tighter."""
    value = bound.value if side == "min" else -bound.value
    return value, int(bound.exclusive)


def compare_least(meeting: Meeting, name: str, keyword: str, old: int, new: int, *, idle: bool = False) -> None:
    """A lower limit of a size (absent is 0)."""
    if old == new:
        return
    if new > old:
        meeting.add(f"{name}-increased", NARROWS, old or None, new, keyword, idle=idle)
    else:
        meeting.add(f"{name}-decreased" if new else f"{name}-unset", WIDENS, old, new or None, keyword, idle=idle)


def compare_most(
    meeting: Meeting, name: str, keyword: str, old: int | None, new: int | None, *, idle: bool = False
) -> None:
    """An upper limit of a size (absent is none)."""
    if old == new:
        return
    if new is not None and (old is None or new < old):
        meeting.add(f"{name}-set" if old is None else f"{name}-decreased", NARROWS, old, new, keyword, idle=idle)
    else:
        meeting.add(f"{name}-unset" if new is None else f"{name}-increased", WIDENS, old, new, keyword, idle=idle)


def compare_strings(meeting: Meeting, *, active: bool) -> None:
    old, new = meeting.old, meeting.new
    idle = not active
    if idle and (old.types != new.types or not meeting.settings.declared):
        return
    compare_least(meeting, "min-length", "minLength", old.min_length, new.min_length, idle=idle)
    compare_most(meeting, "max-length", "maxLength", old.max_length, new.max_length, idle=idle)
    _compare_patterns(meeting, idle=idle)
    for name, kind, keyword in (
        ("content_encoding", "content-encoding", "contentEncoding"),
        ("content_media_type", "content-media-type", "contentMediaType"),
    ):
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            verb, effect = (
                ("added", NARROWS) if before is None else ("removed", WIDENS) if after is None else ("changed", BOTH)
            )
            meeting.add(f"{kind}-{verb}", effect, before, after, keyword, idle=idle)
    if old.content_schema is not None and new.content_schema is not None:
        meeting.child(old.content_schema, new.content_schema)
    elif old.content_schema is not None:
        meeting.add("content-schema-removed", WIDENS, keyword="contentSchema")
    elif new.content_schema is not None:
        meeting.add("content-schema-added", NARROWS, keyword="contentSchema")


def _compare_patterns(meeting: Meeting, *, idle: bool) -> None:
    if "x-odata-flags" in meeting.old.annotations and "x-odata-flags" in meeting.new.annotations:
        return  # the members were compared one by one
    before = {pattern for pattern in meeting.old.patterns if pattern not in _FREE_PATTERNS}
    after = {pattern for pattern in meeting.new.patterns if pattern not in _FREE_PATTERNS}
    if before == after:
        if meeting.old.patterns != meeting.new.patterns:
            kind = "pattern-generalized" if before < set(meeting.old.patterns) else "pattern-changed"
            meeting.add(kind, NONE, _plural(meeting.old.patterns), _plural(meeting.new.patterns), "pattern", idle=idle)
        return
    old, new = _plural(tuple(sorted(before))), _plural(tuple(sorted(after)))
    if before < after:
        added = _plural(tuple(sorted(after - before)))
        meeting.add("pattern-added", NARROWS, old, added if not before else new, "pattern", idle=idle)
    elif after < before:
        kind = "pattern-generalized" if meeting.new.patterns and not after else "pattern-removed"
        shown = _plural(meeting.new.patterns) if kind == "pattern-generalized" else new
        meeting.add(kind, WIDENS, old, shown, "pattern", idle=idle)
    else:
        reason = "whether one regular expression includes another is not decided"
        if not all(readable(pattern) for pattern in before | after):
            reason = "a regular expression cannot be read"
        meeting.add("pattern-changed", BOTH, old, new, "pattern", idle=idle, data={"reason": reason})
