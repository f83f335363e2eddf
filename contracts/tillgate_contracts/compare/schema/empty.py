"""Schemas that no value fits: a property, an item or an entry of such a schema can never come."""

from __future__ import annotations

from tillgate_contracts.compare.schema.accepts import accepts
from tillgate_contracts.compare.schema.build import Builder
from tillgate_contracts.compare.schema.comparison import NodeComparison
from tillgate_contracts.compare.schema.node import Node
from tillgate_contracts.compare.schema.source import Parts

STILL_LOOKED_FOR = "Readers may still look for some."


def is_empty(builder: Builder, node: Node) -> bool:
    """True where surely no value fits: each type that a schema admits is ruled out, or each value that it lists."""
    if node.never or any(builder.node(parts).is_free for parts in node.nots):
        return True
    if node.enum is not None and all(accepts(builder, node, value) is False for value in node.enum.values()):
        return True
    return node.types is not None and node.types <= _ruled_out(node)


def is_ended(comparison: NodeComparison, old: Parts, new: Parts) -> bool:
    """True where the owner sends what could have values and has none any more, so that readers never see one again."""
    graph = comparison.graph
    if not comparison.direction.outward or graph.sameness.same_parts(old, new):
        return False
    return is_empty(graph.new, graph.new.node(new)) and not is_empty(graph.old, graph.old.node(old))


def _ruled_out(node: Node) -> set[str]:
    """The types of which the keywords for that type leave no value."""
    found: set[str] = set()
    low, high = node.low, node.high
    if low is not None and high is not None:
        touching = low.value == high.value and (low.exclusive or high.exclusive)
        if low.value > high.value or touching:
            found |= {"integer", "number"}
    for name, least, most in (
        ("string", node.min_length, node.max_length),
        ("array", node.min_items, node.max_items),
        ("object", node.min_properties, node.max_properties),
    ):
        if most is not None and least > most:
            found.add(name)
    return found
