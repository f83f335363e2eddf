"""Comparison of the array keywords of two nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tillgate_contracts.compare.schema.change import BOTH, NARROWS, WIDENS
from tillgate_contracts.compare.schema.node import Contains, Node, is_plain
from tillgate_contracts.compare.schema.scalars import compare_least, compare_most
from tillgate_contracts.compare.schema.source import Parts

if TYPE_CHECKING:
    from tillgate_contracts.compare.schema.diff import Meeting


def compare(meeting: Meeting, *, active: bool) -> None:
    """Sizes, positions, `items`, `contains`, uniqueness and what is left unevaluated."""
    old, new = meeting.old, meeting.new
    idle = not active
    if idle and (old.types != new.types or not meeting.settings.declared):
        return
    compare_least(meeting, "min-items", "minItems", old.min_items, new.min_items, idle=idle)
    compare_most(meeting, "max-items", "maxItems", old.max_items, new.max_items, idle=idle)
    if old.unique != new.unique:
        kind, effect = ("unique-items-added", NARROWS) if new.unique else ("unique-items-removed", WIDENS)
        meeting.add(kind, effect, old.unique, new.unique, "uniqueItems", idle=idle)
    _compare_unevaluated(meeting, idle=idle)
    if idle:
        return
    _compare_positions(meeting)
    _compare_contains(meeting)


def item_at(node: Node, index: int) -> Parts:
    """What a node demands of the item at a position (empty: nothing)."""
    return node.prefix[index] if index < len(node.prefix) else _tail(node)


def _compare_positions(meeting: Meeting) -> None:
    old, new = meeting.old, meeting.new
    for index in range(max(len(old.prefix), len(new.prefix))):
        if _beyond(old, index) and _beyond(new, index):
            continue
        here, there = item_at(old, index), item_at(new, index)
        key = meeting.child(here, there)
        if (index < len(old.prefix)) == (index < len(new.prefix)) or key is None:
            continue
        gone = index >= len(new.prefix)
        effect = meeting.diff.relation(key)
        if effect:
            meeting.pair.edges.pop()
            kind = "prefix-items-removed" if gone else "prefix-items-added"
            closed = meeting.diff.new.node(there).never if gone else meeting.diff.old.node(here).never
            word = "prefixItems" if "prefixItems" in (old if gone else new).where else "items"
            meeting.add(kind, effect, index if gone else None, None if gone else index, word, data={"closed": closed})
    tail_old, tail_new = _tail(old), _tail(new)
    said = (
        old.items is None and new.items is None and (old.unevaluated_items is None) != (new.unevaluated_items is None)
    )
    if (tail_old or tail_new) and not said:
        longest = max(len(old.prefix), len(new.prefix))
        if not (_beyond(old, longest) and _beyond(new, longest)):
            meeting.child(tail_old, tail_new)


def _tail(node: Node) -> Parts:
    """What holds for the items after the named positions, `unevaluatedItems` included where nothing else can evaluate."""
    if node.items is not None:
        return node.items
    return node.unevaluated_items if node.unevaluated_items is not None and is_plain(node) else ()


def _beyond(node: Node, index: int) -> bool:
    """True when arrays are too short to have an item at a position."""
    return node.max_items is not None and index >= node.max_items


def _compare_contains(meeting: Meeting) -> None:
    old, new = list(meeting.old.contains), list(meeting.new.contains)
    if len(old) == 1 and len(new) == 1:
        _compare_one_contains(meeting, old[0], new[0])
        return
    for have in list(old):
        for need in list(new):
            if have[1:] == need[1:] and meeting.diff.link(have.schema, need.schema, meeting.flow) is None:
                old.remove(have)
                new.remove(need)
                break
    for need in new:
        if need.least or need.most is not None:
            meeting.add("contains-added", NARROWS, None, need.least, "contains")
    for have in old:
        if have.least or have.most is not None:
            meeting.add("contains-removed", WIDENS, have.least, None, "contains")


def _compare_one_contains(meeting: Meeting, old: Contains, new: Contains) -> None:
    # A lower count of matches is a demand on the schema, an upper count is a demand on what does not match it.
    demands = bool(old.least or new.least)
    forbids = old.most is not None or new.most is not None
    if demands and not forbids:
        meeting.child(old.schema, new.schema)
    elif forbids and not demands:
        meeting.child(old.schema, new.schema, negated=True)
    elif meeting.diff.relation(meeting.diff.link(old.schema, new.schema, meeting.flow)):
        meeting.add("contains-changed", BOTH, None, None, "contains")
    if old.least != new.least:
        kind, effect = (
            ("min-contains-increased", NARROWS) if new.least > old.least else ("min-contains-decreased", WIDENS)
        )
        meeting.add(kind, effect, old.least, new.least, "minContains")
    compare_most(meeting, "max-contains", "maxContains", old.most, new.most)


def _compare_unevaluated(meeting: Meeting, *, idle: bool) -> None:
    old, new = meeting.old.unevaluated_items, meeting.new.unevaluated_items
    if (old is None) == (new is None):
        if old is not None and new is not None and not (is_plain(meeting.old) and is_plain(meeting.new)):
            meeting.child(old, new)
        return
    if new is not None and (meeting.old.items is None or meeting.new.tangled):
        meeting.add("unevaluated-items-added", NARROWS, keyword="unevaluatedItems", idle=idle)
    elif old is not None and (meeting.new.items is None or meeting.old.tangled):
        meeting.add("unevaluated-items-removed", WIDENS, keyword="unevaluatedItems", idle=idle)
