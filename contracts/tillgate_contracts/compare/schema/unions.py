"""Comparison of `anyOf` and `oneOf`: branches are matched, coverage is proven, and the rest is recorded.

`anyOf` is a union. `oneOf` is not monotone: a new branch that overlaps an old one makes old values match twice, and
`oneOf` refuses what matches twice (JSON Schema 2020-12 Core §10.2.1.3). So it only widens where the branches provably
exclude each other.
"""

from __future__ import annotations

from tillgate_contracts.compare.schema.branches import (
    NAMES,
    alternatives,
    covered_by,
    is_exclusive,
    label_of,
    ref_of,
    title_of,
)
from tillgate_contracts.compare.schema.change import BOTH, NARROWS, NONE, WIDENS
from tillgate_contracts.compare.schema.comparison import NodeComparison
from tillgate_contracts.compare.schema.node import SchemaUnion
from tillgate_contracts.compare.schema.source import Parts

_PROOF_LIMIT = 400


def compare_unions(comparison: NodeComparison, *, first: int) -> None:
    """The unions of two nodes that both have some. `first`: index of the first change found beside the unions."""
    pairs, removed, added = _pair_groups(comparison.old.groups, comparison.new.groups)
    for left, right in pairs:
        _Branches(comparison, left, right).compare()
    for group in removed:
        comparison.add(f"{NAMES[group.kind]}-dropped", WIDENS, group.kind, None, old_pointer=group.pointer)
    for group in added:
        comparison.add(f"{NAMES[group.kind]}-imposed", NARROWS, None, group.kind, new_pointer=group.pointer)
    _prove(comparison, first)


def _pair_groups(
    old: tuple[SchemaUnion, ...], new: tuple[SchemaUnion, ...]
) -> tuple[list[tuple[SchemaUnion, SchemaUnion]], list[SchemaUnion], list[SchemaUnion]]:
    pairs: list[tuple[SchemaUnion, SchemaUnion]] = []
    left, right = list(old), list(new)
    for same_kind in (True, False):
        for group in list(left):
            found = next((other for other in right if not same_kind or other.kind == group.kind), None)
            if found is not None:
                pairs.append((group, found))
                left.remove(group)
                right.remove(found)
    return pairs, left, right


def _prove(comparison: NodeComparison, start: int) -> None:
    """Tries to prove the unions as a whole, and masks the effects that the proof refutes."""
    left, right = alternatives(comparison.old), alternatives(comparison.new)
    if len(left) * len(right) > _PROOF_LIMIT:
        return
    effect = NONE
    for change in comparison.pair.changes:
        effect |= change.effect
    for link in comparison.pair.links:
        effect |= comparison.graph.relation(link.target)
    for harm, inward in ((NARROWS, True), (WIDENS, False)):
        if not effect & harm or not is_exclusive(
            comparison, comparison.new if inward else comparison.old, is_old=not inward
        ):
            continue
        one, other = (left, right) if inward else (right, left)
        if all(hit is not None for hit in covered_by(comparison, one, other, inward=inward)):
            for change in comparison.pair.changes[start:]:
                if not change.inapplicable:
                    change.effect &= ~harm
            comparison.silence(harm)


class _Branches:
    """Two unions, branch against branch."""

    def __init__(self, comparison: NodeComparison, old: SchemaUnion, new: SchemaUnion) -> None:
        self.comparison = comparison
        self.old, self.new = old, new
        self.kind = NAMES[new.kind]

    def compare(self) -> None:
        matched, left, right = self._match()
        comparison = self.comparison
        inner = NONE
        for before, after in matched:
            key = comparison.graph.link(self.old.branches[before], self.new.branches[after], comparison.direction)
            effect = comparison.graph.relation(key)
            inner |= effect
            if effect & NARROWS and self._other_home(before, after, narrow=True):
                effect &= ~NARROWS
            if effect & WIDENS and self._other_home(after, before, narrow=False):
                effect &= ~WIDENS
            if key is not None and (effect or not comparison.graph.relation(key)):
                comparison.child(self.old.branches[before], self.new.branches[after], mask=effect or BOTH)
        for index in left:
            branch = self.old.branches[index]
            covered = any(comparison.graph.fits(branch, other, comparison.direction) for other in self.new.branches)
            inner |= NARROWS
            self._say("removed", NARROWS, branch, index, covered=covered)
        for index in right:
            branch = self.new.branches[index]
            covered = any(comparison.graph.covers(other, branch, comparison.direction) for other in self.old.branches)
            inner |= WIDENS
            self._say("added", WIDENS, branch, index, covered=covered)
        self._exclusivity(inner)

    def _say(self, verb: str, effect: int, branch: Parts, index: int, *, covered: bool) -> None:
        """An alternative was removed or added. A named one is recorded even where another one happens to cover it."""
        comparison = self.comparison
        declared = covered and comparison.settings.declared and ref_of(branch) is not None
        label = label_of(branch, index)
        gone = verb == "removed"
        places = {"old_pointer": branch[0].pointer} if gone else {"new_pointer": branch[0].pointer}
        comparison.add(
            f"{NAMES[(self.old if gone else self.new).kind]}-{verb}",
            NONE if covered and not declared else effect,
            label if gone else None,
            None if gone else label,
            inapplicable=declared,
            **places,
        )

    def _exclusivity(self, inner: int) -> None:
        """What changes because `oneOf` counts matches."""
        comparison, old, new = self.comparison, self.old, self.new
        exclusive_old = old.kind == "anyOf" or is_exclusive(comparison, comparison.old, is_old=True)
        exclusive_new = new.kind == "anyOf" or is_exclusive(comparison, comparison.new, is_old=False)
        if old.kind != new.kind:
            if old.kind == "oneOf" and not exclusive_old:
                comparison.add("one-of-became-any-of", WIDENS, "oneOf", "anyOf", new_pointer=new.pointer)
            elif new.kind == "oneOf" and not exclusive_new:
                comparison.add("any-of-became-one-of", NARROWS, "anyOf", "oneOf", new_pointer=new.pointer)
            return
        if old.kind == "anyOf" or not inner:
            return
        effect = NONE
        if inner & WIDENS and not exclusive_new:
            effect |= NARROWS
        if inner & NARROWS and not exclusive_old:
            effect |= WIDENS
        if effect:
            comparison.add(
                "one-of-overlap-changed",
                effect,
                None,
                None,
                new_pointer=new.pointer,
                tolerated=True,
                undecided=True,
                data={
                    "reason": "Cannot tell automatically whether branches overlap; oneOf refuses values that match two."
                },
            )

    def _other_home(self, index: int, known: int, *, narrow: bool) -> bool:
        """True when another branch of the other union accepts everything that a branch accepts."""
        comparison = self.comparison
        mine, theirs = (self.old, self.new) if narrow else (self.new, self.old)
        for other, branch in enumerate(theirs.branches):
            if other == known:
                continue
            if narrow and comparison.graph.fits(mine.branches[index], branch, comparison.direction):
                return True
            if not narrow and comparison.graph.covers(branch, mine.branches[index], comparison.direction):
                return True
        return False

    def _match(self) -> tuple[list[tuple[int, int]], list[int], list[int]]:
        left, right = list(range(len(self.old.branches))), list(range(len(self.new.branches)))
        matched: list[tuple[int, int]] = []

        def take(before: int, after: int) -> None:
            matched.append((before, after))
            left.remove(before)
            right.remove(after)

        # Equal bytes first, then the same name, then the same title.
        for test in (self._same, self._same_name, self._same_title):
            for before in list(left):
                after = next((index for index in right if test(before, index)), None)
                if after is not None:
                    take(before, after)
        for before in list(left):
            after = next((index for index in right if self._may_be_renamed(before, index)), None)
            if after is not None:
                take(before, after)
        scores = sorted(
            ((self._score(before, after), -before, -after) for before in left for after in right), reverse=True
        )
        for score, before, after in scores:
            if score > 0 and -before in left and -after in right:
                take(-before, -after)
        return matched, left, right

    def _may_be_renamed(self, before: int, after: int) -> bool:
        """True for the same schema under another name, where the old name is gone and the new one is new."""
        mine, theirs = ref_of(self.old.branches[before]), ref_of(self.new.branches[after])
        if mine and theirs and self.comparison.settings.declared:
            graph = self.comparison.graph
            if graph.new.source.resolve(mine) is not None or graph.old.source.resolve(theirs) is not None:
                return False
        return not self._relation(before, after)

    def _relation(self, before: int, after: int) -> int:
        graph = self.comparison.graph
        return graph.relation(
            graph.link(self.old.branches[before], self.new.branches[after], self.comparison.direction)
        )

    def _same(self, before: int, after: int) -> bool:
        return self.comparison.graph.sameness.same_parts(self.old.branches[before], self.new.branches[after])

    def _same_name(self, before: int, after: int) -> bool:
        mine, theirs = ref_of(self.old.branches[before]), ref_of(self.new.branches[after])
        return mine is not None and mine == theirs

    def _same_title(self, before: int, after: int) -> bool:
        mine, theirs = title_of(self.old.branches[before]), title_of(self.new.branches[after])
        return mine is not None and mine == theirs

    def _score(self, before: int, after: int) -> float:
        """Likeness of two branches: 0 for branches that are better told apart (different names or types)."""
        if ref_of(self.old.branches[before]) and ref_of(self.new.branches[after]):
            return 0.0
        mine = self.comparison.graph.old.node(self.old.branches[before])
        theirs = self.comparison.graph.new.node(self.new.branches[after])
        if mine.types != theirs.types:
            return 0.0
        effect = self._relation(before, after)
        bonus = 1.0 if effect in {NARROWS, WIDENS} else 0.0
        if mine.properties or theirs.properties:
            both = mine.properties.keys() & theirs.properties.keys()
            share = len(both) / max(len(mine.properties.keys() | theirs.properties.keys()), 1)
            return share + bonus if share >= 0.5 else 0.0
        if mine.groups or theirs.groups:
            return 0.0
        return 0.5 + bonus
