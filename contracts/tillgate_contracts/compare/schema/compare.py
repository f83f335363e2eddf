"""The comparison of two nodes: one table from keyword to function, and the questions that concern a node as a whole.

Each function of the table takes the comparison as its only argument and imports no other function of the table. A new
keyword is one function and one row here (`docs/how-to/add-a-comparison-rule.md`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tillgate_contracts.compare.schema import arrays, conditions, enums, numbers, objects, strings, unions
from tillgate_contracts.compare.schema.accepts import accepts
from tillgate_contracts.compare.schema.annotations import compare_annotations
from tillgate_contracts.compare.schema.change import BOTH, NARROWS, WIDENS, NodePair
from tillgate_contracts.compare.schema.comparison import NodeComparison
from tillgate_contracts.compare.schema.files import is_file, is_text
from tillgate_contracts.compare.schema.idle import compare_idle
from tillgate_contracts.compare.schema.node import Node, describe, is_plain
from tillgate_contracts.compare.schema.properties import compare_properties
from tillgate_contracts.compare.schema.tagged import TaggedUnions, tags_of
from tillgate_contracts.compare.schema.types import compare_types
from tillgate_contracts.compare.schema.union_change import UnionChange


class Keyword(NamedTuple):
    """A keyword, the type of the values it speaks of ("": all), and the function that compares it."""

    name: str
    type: str
    compare: Callable[[NodeComparison], None]


#: In the order in which they run.
KEYWORDS = (
    Keyword("x-extensible-enum", "", enums.compare_extensible),
    Keyword("enum", "", enums.compare_enum),
    Keyword("minimum", "number", numbers.compare_minimum),
    Keyword("maximum", "number", numbers.compare_maximum),
    Keyword("multipleOf", "number", numbers.compare_multiples),
    Keyword("minLength", "string", strings.compare_min_length),
    Keyword("maxLength", "string", strings.compare_max_length),
    Keyword("pattern", "string", strings.compare_pattern),
    Keyword("contentEncoding", "string", strings.compare_content_encoding),
    Keyword("contentMediaType", "string", strings.compare_content_media_type),
    Keyword("contentSchema", "string", strings.compare_content_schema),
    Keyword("minItems", "array", arrays.compare_min_items),
    Keyword("maxItems", "array", arrays.compare_max_items),
    Keyword("uniqueItems", "array", arrays.compare_unique_items),
    Keyword("unevaluatedItems", "array", arrays.compare_unevaluated_items),
    Keyword("items", "array", arrays.compare_positions),
    Keyword("contains", "array", arrays.compare_contains),
    Keyword("minProperties", "object", objects.compare_min_properties),
    Keyword("maxProperties", "object", objects.compare_max_properties),
    Keyword("properties", "object", compare_properties),
    Keyword("additionalProperties", "object", objects.compare_additional_properties),
    Keyword("patternProperties", "object", objects.compare_pattern_properties),
    Keyword("propertyNames", "object", objects.compare_property_names),
    Keyword("dependentRequired", "object", objects.compare_dependent_required),
    Keyword("dependentSchemas", "object", objects.compare_dependent_schemas),
    Keyword("unevaluatedProperties", "object", objects.compare_unevaluated_properties),
    Keyword("not", "", conditions.compare_negations),
    Keyword("if", "", conditions.compare_conditionals),
)
_FINITE_LIMIT = 200
#: Kinds of change that say nothing about values.
_DESCRIPTIVE = frozenset(
    {"annotation-changed", "default-value-added", "default-value-removed", "default-value-changed"}
)
#: Kinds that hold whatever the values are: they list values, or say how one is written.
_BY_VALUE = ("enum", "xml-", "odata-enum-number")


def compare_nodes(comparison: NodeComparison) -> NodePair:
    """The pair of two nodes with all its changes."""
    old, new = comparison.old, comparison.new
    if old is new:
        return comparison.pair
    compare_annotations(comparison)
    if comparison.direction.form == "part":
        files = is_file(old), is_file(new)
        if all(files):
            return comparison.pair
        file, builder = (old, comparison.graph.old) if files[0] else (new, comparison.graph.new)
        unsaid = file.is_free and builder.source.dialect.nullable  # 3.0 does not say what a part of any type is
        if any(files) and not unsaid and is_text(new if files[0] else old):
            # The part has another media type, and bytes are no text (OpenAPI 3.1.1 Encoding Object).
            told = ["a file" if file else describe(node) for file, node in zip(files, (old, new), strict=True)]
            comparison.add("type-changed", BOTH, told[0], told[1], "type")
            return comparison.pair
    if old.unresolved or new.unresolved:
        _add_unresolved(comparison)
        if set(old.unresolved) != set(new.unresolved):
            return comparison.pair  # what seems to come or to go may stand behind the reference
    if old.never or new.never:
        if old.never != new.never:
            kind, effect = ("type-generalized", WIDENS) if old.never else ("type-specialized", NARROWS)
            comparison.add(kind, effect, _type_text(old), _type_text(new), "type")
        return comparison.pair
    _compare_values(comparison)
    conditions.compare_discriminators(comparison)
    _check_listed_values(comparison)
    _check_unevaluated(comparison)
    return comparison.pair


def _compare_values(comparison: NodeComparison) -> None:
    old, new = comparison.old, comparison.new
    tags = tags_of(comparison)
    if tags is not None:
        before = len(comparison.pair.changes)
        compare_keywords(comparison)
        TaggedUnions(comparison, *tags).compare(first=before)
    elif not old.groups and not new.groups:
        compare_keywords(comparison)
    elif old.groups and new.groups:
        before = len(comparison.pair.changes)
        compare_keywords(comparison)
        unions.compare_unions(comparison, first=before)
    elif new.groups:
        UnionChange(comparison, plain=old, union=new, inward=True).compare()
    else:
        UnionChange(comparison, plain=new, union=old, inward=False).compare()


def compare_keywords(comparison: NodeComparison) -> None:
    """Everything but `anyOf` and `oneOf`, keyword by keyword on the types that both sides share."""
    shared = compare_types(comparison)
    for keyword in KEYWORDS:
        if not keyword.type or keyword.type in shared:
            keyword.compare(comparison)
    if comparison.settings.declared and comparison.old.types == comparison.new.types:
        compare_idle(comparison, shared)


def _add_unresolved(comparison: NodeComparison) -> None:
    comparison.add(
        "reference-unresolved",
        BOTH,
        ", ".join(comparison.old.unresolved) or None,
        ", ".join(comparison.new.unresolved) or None,
        undecided=True,
        data={"reason": "Cannot tell automatically what changed: the reference leads nowhere."},
    )


def _check_unevaluated(comparison: NodeComparison) -> None:
    """Which values stay unevaluated depends on the branches that a value takes: after a change, it is undecided."""
    for name, keyword in (
        ("unevaluated_properties", "unevaluatedProperties"),
        ("unevaluated_items", "unevaluatedItems"),
    ):
        nodes = (comparison.old, comparison.new)
        if not any(getattr(node, name) is not None and not is_plain(node) for node in nodes):
            continue
        pair = comparison.pair
        quiet = not pair.links and all(change.kind in _DESCRIPTIVE for change in pair.changes)
        if quiet and conditions.same_reach(comparison):
            continue
        comparison.add(
            "unevaluated-reach-changed",
            BOTH,
            keyword=keyword,
            undecided=True,
            data={"reason": f"Cannot tell automatically which values {keyword} reaches: branches changed."},
        )


def _check_listed_values(comparison: NodeComparison) -> None:
    """Where one side lists its values, ask the other side about each instead of comparing keywords."""
    _check_listed(comparison, comparison.old, NARROWS)
    _check_listed(comparison, comparison.new, WIDENS)


def _check_listed(comparison: NodeComparison, node: Node, effect: int) -> None:
    if node.enum is None or len(node.enum) > _FINITE_LIMIT:
        return
    builders = (comparison.graph.old, comparison.graph.new)
    mine, theirs = builders if effect == NARROWS else reversed(builders)
    other = comparison.new if effect == NARROWS else comparison.old
    refused = [
        value
        for value in node.enum.values()
        if accepts(mine, node, value) is not False and accepts(theirs, other, value) is not True
    ]
    if refused:
        return
    for change in comparison.pair.changes:
        if change.effect & effect and not change.inapplicable and not change.kind.startswith(_BY_VALUE):
            change.effect &= ~effect
    comparison.silence(effect)


def _type_text(node: Node) -> str:
    return "nothing" if node.never else describe(node)
