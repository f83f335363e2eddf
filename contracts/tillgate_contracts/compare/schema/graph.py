"""The schema comparison: a graph of node pairs, each built once per direction, with the changes left where they arise.

`$ref` cycles need no special case: a pair that leads back to itself is a cycle in the graph. Questions about whole
sub-graphs ("does this branch still fit that one?") follow it with a visited set. An answer that depends on a pair still
under construction is kept only until that pair is complete.
"""

from __future__ import annotations

from collections.abc import Iterator

from tillgate_contracts.compare.schema.build import Builder
from tillgate_contracts.compare.schema.change import (
    BOTH,
    EXACT,
    NAMED,
    NARROWS,
    NONE,
    PLAIN,
    WIDENS,
    Change,
    Direction,
    NodePair,
    PairKey,
    PairLink,
    flip,
)
from tillgate_contracts.compare.schema.compare import compare_nodes
from tillgate_contracts.compare.schema.comparison import NodeComparison
from tillgate_contracts.compare.schema.node import Node
from tillgate_contracts.compare.schema.settings import Settings
from tillgate_contracts.compare.schema.source import Parts, Sameness, SchemaSource
from tillgate_contracts.errors import ContractError

_MAX_PAIRS = 100_000


class SchemaGraph:
    """Compares schemas of two sources."""

    def __init__(self, old: SchemaSource, new: SchemaSource, settings: Settings) -> None:
        self.old = Builder(old)
        self.new = Builder(new)
        self.settings = settings
        self.sameness = Sameness(old, new)
        self._pairs: dict[PairKey, NodePair] = {}
        self._nodes: dict[PairKey, tuple[Node, Node]] = {}
        self._open: set[PairKey] = set()
        self._relations: dict[tuple[PairKey, int], int] = {}
        # Answers that depend on open pairs hold as long as those stay open.
        self._provisional: dict[tuple[PairKey, int], int] = {}
        self._leaning: dict[PairKey, list[tuple[PairKey, int]]] = {}

    def link(self, old: Parts, new: Parts, direction: Direction) -> PairKey | None:
        """Key of the comparison of two conjunctions; None when they are the same on both sides."""
        if self.sameness.same_parts(old, new):
            return None
        return self.pair_key(self.old.node(old), self.new.node(new), direction)

    def pair_key(self, old: Node, new: Node, direction: Direction) -> PairKey:
        """Key of the pair of two nodes, which are kept until the pair is asked for."""
        key = (old.uid, new.uid, direction)
        if key not in self._nodes:
            self._nodes[key] = (old, new)
        return key

    def pair(self, key: PairKey) -> NodePair | None:
        """The pair, built on first use; None while it is under construction."""
        found = self._pairs.get(key)
        if found is not None:
            return found
        if key in self._open:
            return None
        if len(self._pairs) > _MAX_PAIRS:
            raise ContractError(
                "contract.comparison_too_large",
                f"The two contracts need more than {_MAX_PAIRS} schema comparisons: their unions multiply. "
                "Name fewer alternatives.",
                {"limit": _MAX_PAIRS},
            )
        self._open.add(key)
        try:
            found = compare_nodes(NodeComparison(self, *self._nodes[key], key[2]))
        finally:
            self._open.discard(key)
            for name in self._leaning.pop(key, ()):
                self._provisional.pop(name, None)
        self._pairs[key] = found
        return found

    def relation(self, key: PairKey | None, proof: int = PLAIN) -> int:
        """Effect of a whole sub-graph: NONE, NARROWS, WIDENS or BOTH. `proof` says how much counts."""
        if key is None:
            return NONE
        if self.settings.strict:
            proof = PLAIN
        question = (key, proof)
        known = self._relations.get(question)
        if known is not None:
            return known
        provisional = self._provisional.get(question)
        if provisional is not None:
            return provisional
        effect, leaned = NONE, set[PairKey]()
        stack = [(key, False, BOTH)]
        seen = {(key, False, BOTH)}
        while stack and effect != BOTH:
            current, negated, mask = stack.pop()
            pair = self.pair(current)
            if pair is None:
                leaned.add(current)
                continue
            for change in pair.changes:
                counted = self._counted(change, proof)
                if counted:
                    effect |= (flip(counted) if negated else counted) & mask
            for link in pair.links:
                follow = _follow(link, negated, mask)
                if follow[2] and follow not in seen:
                    seen.add(follow)
                    stack.append(follow)
        if not leaned or effect == BOTH:
            self._relations[question] = effect
        else:
            self._provisional[question] = effect
            for name in leaned:
                self._leaning.setdefault(name, []).append(question)
        return effect

    def _counted(self, change: Change, proof: int) -> int:
        """What a change does to the accepted set: under the content model in force, or as a proof asks."""
        if change.inapplicable:
            return NONE
        if self.settings.strict:
            return change.effect
        effect = NONE if change.tolerated and proof != EXACT else change.effect
        return effect if proof == PLAIN else effect | change.unproven

    def fits(self, old: Parts, new: Parts, direction: Direction, proof: int = NAMED) -> bool:
        """True when the revision accepts all that the base accepts; NAMED and EXACT are proofs, PLAIN tolerates."""
        return not self.relation(self.link(old, new, direction), proof) & NARROWS

    def covers(self, old: Parts, new: Parts, direction: Direction, proof: int = NAMED) -> bool:
        """True when the base accepts all that the revision accepts; NAMED and EXACT are proofs, PLAIN tolerates."""
        return not self.relation(self.link(old, new, direction), proof) & WIDENS

    def walk(self, key: PairKey) -> Iterator[tuple[NodePair, bool, int, bool]]:
        """Every pair below `key` as (pair, negated, effects let through, is root), once for each such state."""
        start = (key, False, BOTH)
        stack, seen = [start], {start}
        while stack:
            state = stack.pop()
            pair = self.pair(state[0])
            if pair is None:  # pragma: no cover - nothing is open outside construction
                continue
            yield pair, state[1], state[2], state == start
            for link in pair.links:
                follow = _follow(link, state[1], state[2])
                if follow not in seen:
                    seen.add(follow)
                    stack.append(follow)


def _follow(link: PairLink, negated: bool, mask: int) -> tuple[PairKey, bool, int]:
    """State below a link; the mask is kept in the orientation of the root."""
    let_through = flip(link.mask) if negated else link.mask
    return link.target, negated != link.negated, mask & let_through
