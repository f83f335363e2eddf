"""Comparison of the string keywords: length, `pattern`, and what the text encodes."""

from __future__ import annotations

from tillgate_contracts.compare.schema.change import BOTH, NARROWS, NONE, WIDENS
from tillgate_contracts.compare.schema.comparison import NodeComparison
from tillgate_contracts.compare.schema.limits import compare_least, compare_most
from tillgate_contracts.compare.schema.patterns import is_free, readable
from tillgate_contracts.compare.schema.values import one_or_list


def compare_min_length(comparison: NodeComparison) -> None:
    compare_least(comparison, "min-length", "minLength", comparison.old.min_length, comparison.new.min_length)


def compare_max_length(comparison: NodeComparison) -> None:
    compare_most(comparison, "max-length", "maxLength", comparison.old.max_length, comparison.new.max_length)


def compare_content_encoding(comparison: NodeComparison) -> None:
    old, new = comparison.old.content_encoding, comparison.new.content_encoding
    _compare_content(comparison, "content-encoding", "contentEncoding", old, new)


def compare_content_media_type(comparison: NodeComparison) -> None:
    old, new = comparison.old.content_media_type, comparison.new.content_media_type
    _compare_content(comparison, "content-media-type", "contentMediaType", old, new)


def _compare_content(comparison: NodeComparison, name: str, keyword: str, old: str | None, new: str | None) -> None:
    if old == new:
        return
    verb, effect = ("added", NARROWS) if old is None else ("removed", WIDENS) if new is None else ("changed", BOTH)
    comparison.add(f"{name}-{verb}", effect, old, new, keyword)


def compare_content_schema(comparison: NodeComparison) -> None:
    old, new = comparison.old.content_schema, comparison.new.content_schema
    if old is not None and new is not None:
        comparison.child(old, new)
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
            reason = "Cannot tell automatically whether the new pattern is stricter: Python cannot read it."
        comparison.add("pattern-changed", BOTH, old, new, "pattern", data={"reason": reason})
