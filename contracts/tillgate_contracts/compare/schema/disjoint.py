"""Can two schemas accept the same value? Proof of disjointness only; False means "not proven", never "they overlap"."""

from __future__ import annotations

from tillgate_contracts.compare.schema.accepts import accepts, parts_for
from tillgate_contracts.compare.schema.build import Builder
from tillgate_contracts.compare.schema.node import Node
from tillgate_contracts.compare.schema.values import ALL_TYPES, intersect_types

_DEPTH = 3


def disjoint(left: Node, left_builder: Builder, right: Node, right_builder: Builder, depth: int = 0) -> bool:
    """True when provably no value satisfies both nodes."""
    if left.never or right.never:
        return True
    for one, one_builder, other, other_builder in (
        (left, left_builder, right, right_builder),
        (right, right_builder, left, left_builder),
    ):
        if one.enum is not None and all(accepts(other_builder, other, value) is False for value in one.enum.values()):
            return True
        # A union is disjoint from the other side when each of its branches is.
        if depth < _DEPTH:
            for group in one.groups:
                branches = [one_builder.node(branch) for branch in group.branches]
                if all(disjoint(branch, one_builder, other, other_builder, depth + 1) for branch in branches):
                    return True
    types = intersect_types(left.types, right.types)
    kinds = ALL_TYPES if types is None else types
    return all(_apart(kind, left, left_builder, right, right_builder, depth) for kind in kinds)


def _apart(kind: str, left: Node, left_builder: Builder, right: Node, right_builder: Builder, depth: int) -> bool:
    if kind in {"integer", "number"}:
        return _range_apart(left, right) or _range_apart(right, left)
    if kind == "string":
        return _length_apart(left, right) or _length_apart(right, left)
    if kind == "array":
        return (left.max_items is not None and left.max_items < right.min_items) or (
            right.max_items is not None and right.max_items < left.min_items
        )
    if kind == "object" and depth < _DEPTH:
        return _objects_apart(left, left_builder, right, right_builder, depth)
    return False


def _range_apart(below: Node, above: Node) -> bool:
    if below.high is None or above.low is None:
        return False
    if below.high.value < above.low.value:
        return True
    return bool(below.high.value == above.low.value and (below.high.exclusive or above.low.exclusive))


def _length_apart(short: Node, long: Node) -> bool:
    return short.max_length is not None and short.max_length < long.min_length


def _objects_apart(left: Node, left_builder: Builder, right: Node, right_builder: Builder, depth: int) -> bool:
    """A property that one side requires and on whose value the two sides exclude each other."""
    for name in [*left.required, *(name for name in right.required if name not in left.required)]:
        mine, theirs = parts_for(left, name), parts_for(right, name)
        one, other = left_builder.node(mine), right_builder.node(theirs)
        if one.never or other.never:
            return True
        if mine and theirs and disjoint(one, left_builder, other, right_builder, depth + 1):
            return True
    return False
