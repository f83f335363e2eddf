"""Comparison of the array keywords of two nodes."""

from __future__ import annotations

from tillgate_contracts.compare.schema.change import BOTH, EXACT, NARROWS, NONE, WIDENS
from tillgate_contracts.compare.schema.comparison import NodeComparison
from tillgate_contracts.compare.schema.empty import STILL_LOOKED_FOR, is_ended
from tillgate_contracts.compare.schema.limits import compare_least, compare_most
from tillgate_contracts.compare.schema.node import Contains, Node, is_plain
from tillgate_contracts.compare.schema.source import Parts


def compare_min_items(comparison: NodeComparison) -> None:
    compare_least(comparison, "min-items", "minItems", comparison.old.min_items, comparison.new.min_items)


def compare_max_items(comparison: NodeComparison) -> None:
    compare_most(comparison, "max-items", "maxItems", comparison.old.max_items, comparison.new.max_items)


def compare_unique_items(comparison: NodeComparison) -> None:
    old, new = comparison.old.unique, comparison.new.unique
    if old != new:
        kind, effect = ("unique-items-added", NARROWS) if new else ("unique-items-removed", WIDENS)
        comparison.add(kind, effect, old, new, "uniqueItems")


def item_at(node: Node, index: int) -> Parts:
    """What a node demands of the item at a position (empty: nothing)."""
    return node.prefix[index] if index < len(node.prefix) else _tail(node)


def compare_positions(comparison: NodeComparison) -> None:
    """`prefixItems` and `items`: position by position, then the rest."""
    old, new = comparison.old, comparison.new
    for index in range(max(len(old.prefix), len(new.prefix))):
        if _beyond(old, index) and _beyond(new, index):
            continue
        here, there = item_at(old, index), item_at(new, index)
        key = comparison.child(here, there, direction=comparison.direction.of_item)
        if (index < len(old.prefix)) == (index < len(new.prefix)) or key is None:
            continue
        gone = index >= len(new.prefix)
        effect = comparison.graph.relation(key)
        if effect:
            comparison.pair.links.pop()
            kind = "prefix-items-removed" if gone else "prefix-items-added"
            closed = comparison.graph.new.node(there).never if gone else comparison.graph.old.node(here).never
            word = "prefixItems" if "prefixItems" in (old if gone else new).where else "items"
            comparison.add(
                kind, effect, index if gone else None, None if gone else index, word, data={"closed": closed}
            )
    tail_old, tail_new = _tail(old), _tail(new)
    if not old.prefix and not new.prefix and is_ended(comparison, tail_old, tail_new):
        comparison.add("items-ended", NONE, keyword="items", data={"reason": STILL_LOOKED_FOR})
    said = (
        old.items is None and new.items is None and (old.unevaluated_items is None) != (new.unevaluated_items is None)
    )
    if (tail_old or tail_new) and not said:
        longest = max(len(old.prefix), len(new.prefix))
        if not (_beyond(old, longest) and _beyond(new, longest)):
            comparison.child(tail_old, tail_new, direction=comparison.direction.of_item)


def _tail(node: Node) -> Parts:
    """What holds for the items after the named positions; `unevaluatedItems` where no other keyword evaluates items."""
    if node.items is not None:
        return node.items
    return node.unevaluated_items if node.unevaluated_items is not None and is_plain(node) else ()


def _beyond(node: Node, index: int) -> bool:
    """True when arrays are too short to have an item at a position."""
    return node.max_items is not None and index >= node.max_items


def compare_contains(comparison: NodeComparison) -> None:
    """`contains`, `minContains` and `maxContains`."""
    old, new = list(comparison.old.contains), list(comparison.new.contains)
    if len(old) == 1 and len(new) == 1:
        _compare_one_contains(comparison, old[0], new[0])
        return
    graph, direction = comparison.graph, comparison.direction.of_item
    for have in list(old):
        for need in list(new):
            key = graph.link(have.schema, need.schema, direction)
            if have[1:] == need[1:] and (key is None or not graph.relation(key, EXACT)):
                old.remove(have)
                new.remove(need)
                break
    for need in new:
        if need.least or need.most is not None:
            comparison.add("contains-added", NARROWS, None, need.least, "contains")
    for have in old:
        if have.least or have.most is not None:
            comparison.add("contains-removed", WIDENS, have.least, None, "contains")


def _compare_one_contains(comparison: NodeComparison, old: Contains, new: Contains) -> None:
    # A lower count of matches is a demand on the schema, an upper count is a demand on what does not match it.
    demands = bool(old.least or new.least)
    forbids = old.most is not None or new.most is not None
    direction = comparison.direction.of_item
    if demands and not forbids:
        comparison.child(old.schema, new.schema, direction=direction)
    elif forbids and not demands:
        comparison.child(old.schema, new.schema, negated=True, direction=direction)
    elif comparison.graph.relation(comparison.graph.link(old.schema, new.schema, direction)):
        comparison.add("contains-changed", BOTH, None, None, "contains")
    if old.least != new.least:
        kind, effect = (
            ("min-contains-increased", NARROWS) if new.least > old.least else ("min-contains-decreased", WIDENS)
        )
        comparison.add(kind, effect, old.least, new.least, "minContains")
    compare_most(comparison, "max-contains", "maxContains", old.most, new.most)


def compare_unevaluated_items(comparison: NodeComparison) -> None:
    old, new = comparison.old.unevaluated_items, comparison.new.unevaluated_items
    if (old is None) == (new is None):
        if old is not None and new is not None and not (is_plain(comparison.old) and is_plain(comparison.new)):
            comparison.child(old, new, direction=comparison.direction.of_item)
        return
    if new is not None and (comparison.old.items is None or comparison.new.tangled):
        comparison.add("unevaluated-items-added", NARROWS, keyword="unevaluatedItems")
    elif old is not None and (comparison.new.items is None or comparison.old.tangled):
        comparison.add("unevaluated-items-removed", WIDENS, keyword="unevaluatedItems")
