"""Comparison of `type`, `nullable` and `format`."""

from __future__ import annotations

from tillgate_contracts.compare.schema.change import BOTH, NARROWS, NONE, WIDENS
from tillgate_contracts.compare.schema.comparison import NodeComparison
from tillgate_contracts.compare.schema.files import BINARY, text_forms
from tillgate_contracts.compare.schema.node import Node, describe
from tillgate_contracts.compare.schema.values import ALL_TYPES

#: What a text can spell besides a string. A text cannot spell null: it is the absence of a value.
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


def _expand(node: Node, *, text: bool) -> frozenset[str]:
    """Every JSON type that a node admits, integer and number apart; as text, a string without a form can spell every
    scalar."""
    types = ALL_TYPES | {"integer"} if node.types is None else node.types
    if "number" in types:
        types |= {"integer"}
    if text and "string" in types and is_free_text(node):
        types |= _SCALARS
    return types


def is_free_text(node: Node) -> bool:
    """True where a string may be any text: no format, pattern or length. What an enumeration lists is compared by
    value."""
    return not (
        node.formats
        or node.patterns
        or node.min_length > 1
        or node.max_length is not None
        or node.content_encoding
        or node.content_media_type
    )


def is_spelled_boolean(node: Node) -> bool:
    """True for texts that are listed, and each `true` or `false`: in a text they are what a boolean is written as."""
    return (
        node.types == frozenset({"string"})
        and bool(node.enum)
        and all(value in ("true", "false") for value in (node.enum or {}).values())
    )


def compare_types(comparison: NodeComparison) -> frozenset[str]:
    """Records changes of type, nullability and format. Returns the types on which keywords are compared."""
    old, new, text = comparison.old, comparison.new, comparison.direction.text
    before, after = _expand(old, text=False), _expand(new, text=False)
    if text and is_spelled_boolean(old) and after == {"boolean"}:
        before = after
    if text and is_spelled_boolean(new) and before == {"boolean"}:
        after = before
    whole = frozenset({"number"})  # a number that is a multiple of whole ones is an integer
    if old.whole and not after & whole:
        before -= whole
    if new.whole and not before & whole:
        after -= whole
    same = before == after
    lost, gained = (
        (frozenset[str](), frozenset[str]())
        if same
        else (before - _expand(new, text=text), after - _expand(old, text=text))
    )
    _compare_null(comparison, lost, gained)
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
        comparison.add(kind, effect, describe(old), describe(new), "type")
    elif text and before - {"null"} != after - {"null"}:
        comparison.add("type-compatible", NONE, describe(old), describe(new), "type")
    shared: set[str] = {name for name in ("string", "array", "object") if name in before and name in after}
    if before & after & {"integer", "number"}:
        shared.add("number")
    _compare_formats(comparison, shared)
    return frozenset(shared)


def _compare_null(comparison: NodeComparison, lost: frozenset[str], gained: frozenset[str]) -> None:
    old, new = comparison.old, comparison.new
    if "null" in lost and new.types is not None:
        comparison.add("became-not-nullable", NARROWS, describe(old), describe(new), "type")
    dropped = new.types is None and gained != {"null"}  # no type is demanded any more: recorded as one generalisation
    if "null" in gained and old.types is not None and not dropped:
        comparison.add("became-nullable", WIDENS, describe(old), describe(new), "type")


def _compare_formats(comparison: NodeComparison, shared: set[str]) -> None:
    old, new = comparison.old, comparison.new
    before, after = (form.formats for form in text_forms(old, new))
    if before == after or not shared & {"string", "number"}:
        return
    if old.types != new.types and not (before and after):
        kinds = {"number"} if set(before + after) <= _NUMBER_FORMATS else {"string"}
        if not kinds & shared:
            return
    effect = NONE
    if comparison.direction.form == "part" and (BINARY in before) != (BINARY in after):
        effect = BOTH  # bytes are no text, and the part has another media type (OpenAPI 3.0.4 Encoding Object)
    if not all(_within(before, name) for name in after):
        effect |= NARROWS
    if not all(_within(after, name) for name in before):
        effect |= WIDENS
    if not effect or _is_said(comparison, effect):
        return
    words = {NARROWS: "type-specialized", WIDENS: "type-generalized", BOTH: "type-changed"}
    listed = [(words[effect], effect)]
    if {*before, *after} <= _WIDEST_FORMATS and "number" in shared:
        widths = ((NARROWS, "format-width-declared"), (WIDENS, "format-width-dropped"))
        listed = [(kind, harm) for harm, kind in widths if effect & harm]
    for kind, harm in listed:
        comparison.add(kind, harm, describe(old), describe(new), "format", data={"format": True})


def _is_said(comparison: NodeComparison, effect: int) -> bool:
    """True where a change of type says as much as the change of format does."""
    said = NONE
    for change in comparison.pair.changes:
        if change.kind.startswith(("type-", "list-of-types-")):
            said |= change.effect
    return not effect & ~said


def _within(have: tuple[str, ...], needed: str) -> bool:
    """True when values of the formats `have` also satisfy the format `needed`."""
    return any(name == needed or needed in _WIDER_FORMATS.get(name, ()) for name in have)
