"""One comparison of two nodes: what the functions of the keywords read, and where they record changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from tillgate_contracts.compare.schema.accepts import parts_for
from tillgate_contracts.compare.schema.build import Builder
from tillgate_contracts.compare.schema.change import (
    BOTH,
    NAMED,
    NONE,
    PLAIN,
    Change,
    Direction,
    NodePair,
    PairKey,
    PairLink,
    flip,
)
from tillgate_contracts.compare.schema.node import Node
from tillgate_contracts.compare.schema.settings import Settings
from tillgate_contracts.compare.schema.source import Parts, Sameness

BESIDE = (
    "Cannot tell automatically whether values fit: one part says something new, or no longer says something, "
    "about a property that is described beside it."
)


class PairGraph(Protocol):
    """What a comparison may ask about other pairs of nodes (`graph.py` answers)."""

    @property
    def old(self) -> Builder: ...
    @property
    def new(self) -> Builder: ...
    @property
    def settings(self) -> Settings: ...
    @property
    def sameness(self) -> Sameness: ...
    def link(self, old: Parts, new: Parts, direction: Direction) -> PairKey | None: ...
    def pair(self, key: PairKey) -> NodePair | None: ...
    def relation(self, key: PairKey | None, proof: int = PLAIN) -> int: ...
    def walk(self, key: PairKey) -> Iterator[tuple[NodePair, bool, int, bool]]: ...
    def fits(self, old: Parts, new: Parts, direction: Direction, proof: int = NAMED) -> bool: ...
    def covers(self, old: Parts, new: Parts, direction: Direction, proof: int = NAMED) -> bool: ...


class NodeComparison:
    """Two nodes, the direction in which values travel, and the pair under construction."""

    def __init__(self, graph: PairGraph, old: Node, new: Node, direction: Direction) -> None:
        self.graph = graph
        self.old, self.new = old, new
        self.direction = direction
        self.settings = graph.settings
        self.pair = NodePair((old.uid, new.uid, direction))

    def add(self, kind: str, effect: int, old: Any = None, new: Any = None, keyword: str = "", **more: Any) -> Change:
        """Records a change; `keyword` finds the raw schema on each side that it stands in."""
        change = Change(
            kind,
            effect,
            old,
            new,
            more.pop("old_pointer", _place(self.old, keyword)),
            more.pop("new_pointer", _place(self.new, keyword)),
            **more,
        )
        self.pair.changes.append(change)
        return change

    def child(
        self, old: Parts, new: Parts, *, negated: bool = False, mask: int = BOTH, direction: Direction | None = None
    ) -> PairKey | None:
        """Links the comparison of two child schemas; None when they are the same. `direction`: where the child is
        another value than this one."""
        key = self.graph.link(old, new, direction or self.direction)
        if key is not None:
            self.pair.links.append(PairLink(key, negated, mask))
        return key

    def named_beside(self, key: PairKey | None) -> int:
        """What a part of this schema (an alternative, a dependent schema) does to properties that it names newly or no
        longer, and that stand beside it: there they are no unknown ones, which an open object ignores."""
        pair = None if key is None else self.graph.pair(key)
        effect = NONE
        for change in pair.changes if pair is not None and not self.settings.strict else ():
            if change.tolerated and (parts_for(self.old, change.name) or parts_for(self.new, change.name)):
                effect |= change.effect
        return effect

    def relation(self, old: Parts, new: Parts) -> int:
        """Effect of going from one schema to another, without a link to it: NONE, NARROWS, WIDENS or BOTH."""
        return self.graph.relation(self.graph.link(old, new, self.direction))

    def silence(self, effect: int) -> None:
        """Masks an effect that is proven not to happen in all comparisons below."""
        kept = []
        for link in self.pair.links:
            relation = self.graph.relation(link.target)
            relation = (flip(relation) if link.negated else relation) & link.mask
            if not relation or relation & ~effect:
                kept.append(link._replace(mask=link.mask & ~effect))
        self.pair.links = kept


def is_odata(comparison: NodeComparison) -> bool:
    """True for OData metadata, whose readers are prepared for types that are derived later (OData Protocol 4.01 section
    5.2)."""
    return all(
        builder.source.dialect.name.startswith("edmx") for builder in (comparison.graph.old, comparison.graph.new)
    )


def _place(node: Node, keyword: str) -> str | None:
    """Where a keyword of a node stands; None where the document has no schema."""
    if not node.flat and not node.pointer:
        return None
    return node.at(keyword) if keyword else node.pointer
