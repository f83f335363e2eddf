"""Comparison of the string keywords: length, `pattern`, and what the text encodes."""

from __future__ import annotations

from tillgate_contracts.compare.media import MediaType, includes
from tillgate_contracts.compare.schema.change import BOTH, NARROWS, NONE, WIDENS, Direction
from tillgate_contracts.compare.schema.comparison import NodeComparison
from tillgate_contracts.compare.schema.files import OCTETS, text_forms
from tillgate_contracts.compare.schema.limits import compare_least, compare_most
from tillgate_contracts.compare.schema.patterns import is_free, readable
from tillgate_contracts.compare.schema.values import one_or_list


def compare_min_length(comparison: NodeComparison) -> None:
    compare_least(comparison, "min-length", "minLength", comparison.old.min_length, comparison.new.min_length)


def compare_max_length(comparison: NodeComparison) -> None:
    compare_most(comparison, "max-length", "maxLength", comparison.old.max_length, comparison.new.max_length)


def compare_content_encoding(comparison: NodeComparison) -> None:
    old, new = (form.encoding for form in text_forms(comparison.old, comparison.new))
    if old != new:
        _add_content(comparison, "content-encoding", "contentEncoding", old, new, BOTH)


def compare_content_media_type(comparison: NodeComparison) -> None:
    """`contentMediaType`; `application/octet-stream` is any data (RFC 2046 section 4.5.1)."""
    old, new = (form.media_type for form in text_forms(comparison.old, comparison.new))
    if old is None or new is None:
        if old != new:
            _add_content(comparison, "content-media-type", "contentMediaType", old, new, BOTH)
        return
    one, other, free = (MediaType.parse(text).essence for text in (old, new, OCTETS))
    if one != other:
        effect = NARROWS if one == free or includes(one, other) else WIDENS if other == free else BOTH
        effect = WIDENS if includes(other, one) else effect
        _add_content(comparison, "content-media-type", "contentMediaType", old, new, effect)


def _add_content(
    comparison: NodeComparison, name: str, keyword: str, old: str | None, new: str | None, effect: int
) -> None:
    verb, effect = ("added", NARROWS) if old is None else ("removed", WIDENS) if new is None else ("changed", effect)
    comparison.add(f"{name}-{verb}", effect, old, new, keyword)


def compare_content_schema(comparison: NodeComparison) -> None:
    old, new = comparison.old.content_schema, comparison.new.content_schema
    if old is not None and new is not None:
        comparison.child(old, new, direction=Direction(comparison.direction.name))
    elif old is not None:
        comparison.add("content-schema-removed", WIDENS, keyword="contentSchema")
    elif new is not None:
        comparison.add("content-schema-added", NARROWS, keyword="contentSchema")


def compare_pattern(comparison: NodeComparison) -> None:
    """`pattern`, every one of the conjunction."""
    if "x-odata-flags" in comparison.old.annotations and "x-odata-flags" in comparison.new.annotations:
        return  # the members were compared one by one
    before = {pattern for pattern in comparison.old.patterns if not is_free(pattern)}
    after = {pattern for pattern in comparison.new.patterns if not is_free(pattern)}
    if before == after:
        if comparison.old.patterns != comparison.new.patterns:
            kind = "pattern-generalized" if before < set(comparison.old.patterns) else "pattern-changed"
            comparison.add(
                kind, NONE, one_or_list(comparison.old.patterns), one_or_list(comparison.new.patterns), "pattern"
            )
        return
    old, new = one_or_list(tuple(sorted(before))), one_or_list(tuple(sorted(after)))
    if before < after:
        added = one_or_list(tuple(sorted(after - before)))
        comparison.add("pattern-added", NARROWS, old, added if not before else new, "pattern")
    elif after < before:
        kind = "pattern-generalized" if comparison.new.patterns and not after else "pattern-removed"
        shown = one_or_list(comparison.new.patterns) if kind == "pattern-generalized" else new
        comparison.add(kind, WIDENS, old, shown, "pattern")
    else:
        reason = "Cannot tell automatically whether the new pattern is stricter."
        if not all(readable(pattern) for pattern in before | after):
            reason = "Cannot tell automatically whether the new pattern is stricter: it cannot be read."
        comparison.add("pattern-changed", BOTH, old, new, "pattern", data={"reason": reason})
