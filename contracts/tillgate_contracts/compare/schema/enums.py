"""Comparison of closed lists of values (`enum`, `const`) and open ones (`x-extensible-enum`)."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from tillgate_contracts.compare.schema.change import BOTH, NARROWS, NONE, WIDENS
from tillgate_contracts.compare.schema.comparison import NodeComparison
from tillgate_contracts.compare.schema.node import Node
from tillgate_contracts.compare.schema.values import as_text


def compare_enum(comparison: NodeComparison) -> None:
    """`enum` and `const`: closed lists."""
    old, new = comparison.old, comparison.new
    before, after = old.enum, new.enum
    if before is None and after is None:
        return
    if before is not None and after is not None:
        if comparison.direction.text:
            before = {as_text(value): value for value in before.values()}
            after = {as_text(value): value for value in after.values()}
        constant = "const" in old.where and "const" in new.where
        removed = [value for key, value in before.items() if key not in after]
        added = [value for key, value in after.items() if key not in before]
        if constant and removed and added:
            comparison.add("const-changed", BOTH, removed[0], added[0], "const")
            return
        said = _null_said(comparison)
        removed, added = ([v for v in values if not (said and _is_null(v))] for values in (removed, added))
        _add_values(comparison, "enum-value-removed", NARROWS, removed, "enum", gone=True)
        _add_values(comparison, "enum-value-added", WIDENS, added, "enum")
    elif after is not None:
        if _only_boolean(old) and _has_both(comparison, after):
            return
        if "const" in new.where and "enum" not in new.where:
            comparison.add("const-added", NARROWS, None, next(iter(after.values()), None), "const")
        else:
            comparison.add("became-enum", NARROWS, None, list(after.values()), "enum")
    elif before is not None:
        if _only_boolean(new) and _has_both(comparison, before):
            return
        if "const" in old.where and "enum" not in old.where:
            comparison.add("const-removed", WIDENS, next(iter(before.values()), None), None, "const")
        else:
            comparison.add("enum-removed", WIDENS, list(before.values()), None, "enum")


MOST_VALUES = 200
"""So many values that come or go are a finding each; more are one finding with their number and the first of them."""
_SHOWN_VALUES = 20


def _add_values(
    comparison: NodeComparison, kind: str, effect: int, values: list[Any], keyword: str, *, gone: bool = False
) -> None:
    many: dict[str, Any] = {}
    told = values
    if len(values) > MOST_VALUES:
        told, many = [values[:_SHOWN_VALUES]], {"data": {"many": len(values)}}
    for value in told:
        comparison.add(kind, effect, value if gone else None, None if gone else value, keyword, **many)


def _has_both(comparison: NodeComparison, listed: dict[Hashable, Any]) -> bool:
    """Whether a list has both booleans; in a text, also as words."""
    if comparison.direction.text and {"true", "false"} <= {as_text(value) for value in listed.values()}:
        return True
    return {True, False} <= set(map(_plain, listed.values()))


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool) else None


def _is_null(value: Any) -> bool:
    return value is None


def _null_said(comparison: NodeComparison) -> bool:
    return any(change.kind in {"became-nullable", "became-not-nullable"} for change in comparison.pair.changes)


def _only_boolean(node: Node) -> bool:
    return node.types == frozenset({"boolean"})


def compare_extensible(comparison: NodeComparison) -> None:
    """`x-extensible-enum`: a list that readers must expect to grow."""
    before, after = comparison.old.extensible or {}, comparison.new.extensible or {}
    keyword, closed = "x-extensible-enum", comparison.new.enum or {}
    if comparison.new.extensible is not None or comparison.new.enum is not None:
        removed = [value for key, value in before.items() if key not in after and key not in closed]
        _add_values(comparison, "x-extensible-enum-value-removed", NARROWS, removed, keyword, gone=True)
    if comparison.new.extensible is not None and comparison.old.extensible is not None:
        added = [value for key, value in after.items() if key not in before]
        _add_values(comparison, "x-extensible-enum-value-added", NONE, added, keyword)
