"""A single value and the list of it are written alike in the styles `form` and `simple`: `?id=7`, `X-Id: 7`
(OpenAPI 3.1.1 section 4.8.12.4)."""

from __future__ import annotations

from tillgate_contracts.compare.openapi.comparison import DocumentComparison
from tillgate_contracts.compare.schema.change import NARROWS, WIDENS, Direction
from tillgate_contracts.compare.schema.node import Node
from tillgate_contracts.compare.schema.source import Parts
from tillgate_contracts.compare.schema.types import is_free_text
from tillgate_contracts.compare.schema.values import has_type

_WITHOUT_COMMA = frozenset({"uuid", "date", "date-time", "time", "duration", "ipv4", "ipv6", "hostname", "byte"})
#: What is added to the message where it may matter.
COMMAS = " Cannot tell automatically whether anybody sends a comma: it separates two items."


def list_of_one(
    comparison: DocumentComparison, old: Parts, new: Parts, direction: Direction, *, splits: bool
) -> tuple[str, str] | None:
    """The old and the new type in words, where a single value became the list of it, or (where the owner of the
    contract sends) a list that may be of one became a single value. None where it did not.

    `splits`: a comma in a single text separates items.
    """
    graph = comparison.graph
    single, several = graph.old.node(old), graph.new.node(new)
    if direction.outward:
        single, several = graph.new.node(new), graph.old.node(old)
    kinds, listed = ((node.types or frozenset({"object"})) - {"null"} for node in (single, several))
    if not kinds or kinds & {"array", "object"} or listed != {"array"}:
        return None
    if has_type(single.types, "null") and not has_type(several.types, "null"):
        return None
    if several.min_items > 1 or several.max_items == 0 or several.prefix or several.contains or several.groups:
        return None
    if several.enum is not None or several.nots or several.conditionals or several.unresolved or single.unresolved:
        return None
    item = several.items
    if "string" in kinds and splits and not _spells_no_comma(single):
        # Each part of the text is an item of its own.
        builder = graph.old if direction.outward else graph.new
        if (
            several.max_items is not None
            or several.unique
            or (item is not None and not _is_any_text(builder.node(item)))
        ):
            return None
    elif item is not None:
        source = (graph.new if direction.outward else graph.old).source
        for kind in kinds:
            one = (*single.flat, source.type_slice(kind))  # the value alone: a text spells no null
            old, new = (item, one) if direction.outward else (one, item)
            if graph.relation(graph.link(old, new, direction)) & (WIDENS if direction.outward else NARROWS):
                return None
    inside = sorted((graph.old if direction.outward else graph.new).node(item).types or {"any"}) if item else ["any"]
    words = ", ".join(sorted(kinds)), f"array<{', '.join(inside)}>"
    return (words[1], words[0]) if direction.outward else words


def may_hold_commas(comparison: DocumentComparison, old: Parts, new: Parts, direction: Direction) -> bool:
    """True where a single text that became a list (or, sent, was one) may hold a comma, which separates items now."""
    graph = comparison.graph
    single = graph.new.node(new) if direction.outward else graph.old.node(old)
    return has_type(single.types, "string") and not _spells_no_comma(single)


def _spells_no_comma(node: Node) -> bool:
    if _WITHOUT_COMMA.intersection(node.formats) or node.content_encoding in ("base64", "base64url", "base16"):
        return True
    return node.enum is not None and not any("," in str(value) for value in node.enum.values())


def _is_any_text(node: Node) -> bool:
    return has_type(node.types, "string") and is_free_text(node) and node.enum is None and node.min_length == 0
