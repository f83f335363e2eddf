"""The schema comparison: a graph of node pairs, each built once per flow, with the findings left where they arise.

`$ref` cycles need no special case: a pair that leads back to itself is a cycle in the graph. Questions about whole
sub-graphs ("does this branch still fit that one?") follow it with a visited set, and an answer that leaned on a pair still
under construction is not remembered (`contracts.md` fact 1).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tillgate_contracts.compare.schema import annotations as words
from tillgate_contracts.compare.schema import arrays, conditions, objects, scalars, unions
from tillgate_contracts.compare.schema.accepts import accepts
from tillgate_contracts.compare.schema.build import Builder
from tillgate_contracts.compare.schema.change import (
    BOTH,
    NARROWS,
    NONE,
    WIDENS,
    Change,
    Edge,
    Flow,
    Pair,
    PairKey,
    flip,
)
from tillgate_contracts.compare.schema.node import Node, is_plain
from tillgate_contracts.compare.schema.source import Parts, Sameness, SchemaSource
from tillgate_contracts.errors import ContractError

_FINITE_LIMIT = 200
_MAX_PAIRS = 100_000
_WORDS = frozenset({"annotation-changed", "default-value-added", "default-value-removed", "default-value-changed"})


@dataclass(frozen=True, slots=True)
class Settings:
    """What the comparison of schemas depends on besides the two documents.

    `strict`: content model (False: adding a property to an open object is tolerated). `declared`: also report keywords on
    types they do not apply to. `as_of`, `days`, `threshold`: sunset and stability policy, see `lifecycle.py`.
    """

    strict: bool = False
    declared: bool = True
    as_of: dt.date | None = None
    sunset_min_days_beta: int = 0
    sunset_min_days_stable: int = 0
    stability_threshold: str = "beta"


class SchemaDiff:
    """Compares schemas of two sources."""

    def __init__(self, old: SchemaSource, new: SchemaSource, settings: Settings) -> None:
        self.old = Builder(old)
        self.new = Builder(new)
        self.settings = settings
        self.sameness = Sameness(old, new)
        self._pairs: dict[PairKey, Pair] = {}
        self._nodes: dict[PairKey, tuple[Node, Node]] = {}
        self._open: set[PairKey] = set()
        self._relations: dict[PairKey, int] = {}
        # Answers that leaned on open pairs hold as long as those stay open.
        self._provisional: dict[PairKey, int] = {}
        self._leaning: dict[PairKey, list[PairKey]] = {}

    def link(self, old: Parts, new: Parts, flow: Flow) -> PairKey | None:
        """Key of the comparison of two conjunctions; None when they are the same on both sides."""
        if self.sameness.same_parts(old, new):
            return None
        return self.meet(self.old.node(old), self.new.node(new), flow)

    def meet(self, old: Node, new: Node, flow: Flow) -> PairKey:
        key = (old.uid, new.uid, flow)
        if key not in self._nodes:
            self._nodes[key] = (old, new)
        return key

    def nodes(self, key: PairKey) -> tuple[Node, Node]:
        return self._nodes[key]

    def pair(self, key: PairKey) -> Pair | None:
        """The pair, built on first use; None while it is under construction."""
        found = self._pairs.get(key)
        if found is not None:
            return found
        if key in self._open:
            return None
        if len(self._pairs) > _MAX_PAIRS:
            raise ContractError(
                "contract.comparison_too_large",
                f"The two contracts need more than {_MAX_PAIRS} schema comparisons: their unions multiply. Name fewer alternatives.",
                {"limit": _MAX_PAIRS},
            )
        self._open.add(key)
        try:
            found = Meeting(self, key).settle()
        finally:
            self._open.discard(key)
            for name in self._leaning.pop(key, ()):
                self._provisional.pop(name, None)
        self._pairs[key] = found
        return found

    def relation(self, key: PairKey | None) -> int:
        """Effect of a whole sub-graph: NONE, NARROWS, WIDENS or BOTH."""
        if key is None:
            return NONE
        known = self._relations.get(key)
        if known is not None:
            return known
        provisional = self._provisional.get(key)
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
                if not self.is_silent(change):
                    effect |= (flip(change.effect) if negated else change.effect) & mask
            for edge in pair.edges:
                follow = _follow(edge, negated, mask)
                if follow[2] and follow not in seen:
                    seen.add(follow)
                    stack.append(follow)
        if not leaned or effect == BOTH:
            self._relations[key] = effect
        else:
            self._provisional[key] = effect
            for name in leaned:
                self._leaning.setdefault(name, []).append(key)
        return effect

    def is_silent(self, change: Change) -> bool:
        """True for changes that do not alter the accepted set under the content model in force."""
        return change.idle or (change.tolerated and not self.settings.strict)

    def fits(self, old: Parts, new: Parts, flow: Flow) -> bool:
        """True when the revision provably accepts all that the base accepts."""
        return not self.relation(self.link(old, new, flow)) & NARROWS

    def covers(self, old: Parts, new: Parts, flow: Flow) -> bool:
        """True when the base provably accepts all that the revision accepts."""
        return not self.relation(self.link(old, new, flow)) & WIDENS

    def walk(self, key: PairKey) -> Iterator[tuple[Pair, bool, int, bool]]:
        """Every pair below `key` as (pair, negated, effects let through, is root), each once per way of being reached."""
        start = (key, False, BOTH)
        stack, seen = [start], {start}
        while stack:
            state = stack.pop()
            pair = self.pair(state[0])
            if pair is None:  # pragma: no cover - nothing is open outside construction
                continue
            yield pair, state[1], state[2], state == start
            for edge in pair.edges:
                follow = _follow(edge, state[1], state[2])
                if follow not in seen:
                    seen.add(follow)
                    stack.append(follow)


def _follow(edge: Edge, negated: bool, mask: int) -> tuple[PairKey, bool, int]:
    """State below an edge; the mask is kept in the orientation of the root."""
    own = flip(edge.mask) if negated else edge.mask
    return edge.target, negated != edge.negated, mask & own


class Meeting:
    """One comparison under construction: two nodes, a flow, and what was found so far."""

    def __init__(self, diff: SchemaDiff, key: PairKey) -> None:
        self.diff = diff
        self.old, self.new = diff.nodes(key)
        self.flow = key[2]
        self.pair = Pair(key)
        self.settings = diff.settings

    def add(self, kind: str, effect: int, old: Any = None, new: Any = None, keyword: str = "", **more: Any) -> Change:
        """Records a change; `keyword` finds the raw schema on each side that it stands in."""
        change = Change(
            kind,
            effect,
            old,
            new,
            more.pop("old_pointer", self.old.at(keyword) if keyword else self.old.pointer),
            more.pop("new_pointer", self.new.at(keyword) if keyword else self.new.pointer),
            **more,
        )
        self.pair.changes.append(change)
        return change

    def child(self, old: Parts, new: Parts, *, negated: bool = False, mask: int = BOTH) -> PairKey | None:
        """Links the comparison of two child schemas; None when they are the same."""
        key = self.diff.link(old, new, self.flow)
        if key is not None:
            self.pair.edges.append(Edge(key, negated, mask))
        return key

    def settle(self) -> Pair:
        old, new = self.old, self.new
        if old.flat == new.flat and old is new:
            return self.pair
        words.compare_annotations(self)
        if old.unresolved or new.unresolved:
            self._unresolved()
        if old.never or new.never:
            if old.never != new.never:
                effect = WIDENS if old.never else NARROWS
                self.add(
                    "type-generalized" if old.never else "type-specialized", effect, _text(old), _text(new), "type"
                )
            return self.pair
        if old.groups or new.groups:
            unions.compare(self)
        else:
            self.compare_keywords()
        conditions.compare_discriminators(self)
        self._check_finite()
        self._check_unevaluated()
        return self.pair

    def compare_keywords(self) -> None:
        """Everything but `anyOf`/`oneOf`, keyword by keyword on the types that both sides share."""
        shared = scalars.compare_types(self)
        scalars.compare_values(self)
        scalars.compare_numbers(self, active="number" in shared)
        scalars.compare_strings(self, active="string" in shared)
        arrays.compare(self, active="array" in shared)
        objects.compare(self, active="object" in shared)
        conditions.compare_negations(self)
        conditions.compare_conditionals(self)

    def _unresolved(self) -> None:
        self.add(
            "reference-unresolved",
            BOTH,
            ", ".join(self.old.unresolved) or None,
            ", ".join(self.new.unresolved) or None,
            undecided=True,
            data={"reason": "a reference leads nowhere, so what it would say is unknown"},
        )

    def _check_unevaluated(self) -> None:
        """What is left unevaluated hangs on every branch that a value takes: with any change there, it is not followed."""
        for name, word in (
            ("unevaluated_properties", "unevaluatedProperties"),
            ("unevaluated_items", "unevaluatedItems"),
        ):
            sides = [node for node in (self.old, self.new) if getattr(node, name) is not None and not is_plain(node)]
            if not sides or not (self.pair.edges or any(change.kind not in _WORDS for change in self.pair.changes)):
                continue
            self.add(
                "unevaluated-reach-changed",
                BOTH,
                keyword=word,
                undecided=True,
                data={"reason": f"which values {word} reaches depends on branches that changed"},
            )

    def _check_finite(self) -> None:
        """Where one side lists its values, ask the other side about each instead of comparing keywords."""
        self._finite(self.old, NARROWS)
        self._finite(self.new, WIDENS)

    def _finite(self, side: Node, effect: int) -> None:
        if side.enum is None or len(side.enum) > _FINITE_LIMIT or self.flow.text:
            return
        mine, theirs = (self.diff.old, self.diff.new) if effect == NARROWS else (self.diff.new, self.diff.old)
        other = self.new if effect == NARROWS else self.old
        refused = [
            value
            for value in side.enum.values()
            if accepts(mine, side, value) is not False and accepts(theirs, other, value) is not True
        ]
        if refused:
            return
        for change in self.pair.changes:
            if change.effect & effect and not change.idle and not change.kind.startswith("enum"):
                change.effect &= ~effect
                change.data["proved"] = True
        self.silence(effect)

    def silence(self, effect: int) -> None:
        """Masks an effect that is proven not to happen in all comparisons below."""
        kept = []
        for edge in self.pair.edges:
            relation = self.diff.relation(edge.target)
            relation = (flip(relation) if edge.negated else relation) & edge.mask
            if not relation or relation & ~effect:
                kept.append(edge._replace(mask=edge.mask & ~effect))
        self.pair.edges = kept


def _text(node: Node) -> str:
    return "nothing" if node.never else scalars.describe(node)
