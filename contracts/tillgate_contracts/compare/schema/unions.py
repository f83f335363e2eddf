"""Comparison of `anyOf` and `oneOf` without tags: branches are matched, coverage is proven, and the rest is recorded.

A branch that changed may be covered by another one. An open object takes what it does not name, so it seems to cover
much; that proves nothing, and is a warning.

`anyOf` is a union. `oneOf` is not monotone: a new branch that overlaps an old one makes old values match twice, and
`oneOf` refuses what matches twice (JSON Schema 2020-12 Core §10.2.1.3). So it only widens where the branches provably
exclude each other.
"""

from __future__ import annotations

from tillgate_contracts.compare.schema.accepts import parts_for
from tillgate_contracts.compare.schema.branches import (
    NAMES,
    alternatives,
    covered_by,
    is_exclusive,
    label_of,
    ref_of,
    title_of,
)
from tillgate_contracts.compare.schema.change import BOTH, EXACT, NARROWS, NONE, PLAIN, WIDENS
from tillgate_contracts.compare.schema.comparison import BESIDE, NodeComparison
from tillgate_contracts.compare.schema.node import SchemaUnion
from tillgate_contracts.compare.schema.source import Parts

_PROOF_LIMIT = 400
DOUBT = (
    "Cannot tell automatically whether another alternative takes the values: an open object only ignores properties "
    "that it does not name."
)
CHOICE = "Cannot tell automatically whether the tag of every value chooses a schema that takes it."
OVERLAP = "Cannot tell automatically whether branches overlap; oneOf refuses values that match two."


def compare_unions(comparison: NodeComparison, *, first: int) -> None:
    """The unions of two nodes that both have some. `first`: index of the first change found beside the unions."""
    pairs, removed, added = pair_groups(comparison.old.groups, comparison.new.groups)
    for left, right in pairs:
        Branches(comparison, left, right).compare()
    for group in removed:
        comparison.add(f"{NAMES[group.kind]}-dropped", WIDENS, group.kind, None, old_pointer=group.pointer)
    for group in added:
        comparison.add(f"{NAMES[group.kind]}-imposed", NARROWS, None, group.kind, new_pointer=group.pointer)
    _prove(comparison, first)


def pair_groups(
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
            refute(comparison, harm, start)


def refute(comparison: NodeComparison, harm: int, start: int, end: int | None = None, *, named: bool = True) -> None:
    """Masks an effect that is proven not to happen, in some changes of this pair and in all comparisons below.

    A property that went without an effect of its own is only made up for where every branch has it now: `named` says
    that the proof counted properties which only one side names.
    """
    for change in comparison.pair.changes[start:end]:
        if change.inapplicable:
            continue
        made_up = named and not change.unproven & ~(change.refuted | harm)
        if change.unproven and not change.effect & harm and not made_up:
            continue
        change.effect &= ~harm
        change.refuted |= harm
    comparison.silence(harm)


class Branches:
    """Two unions, branch against branch. `tagged`: what is left of unions whose other branches were paired by tag."""

    def __init__(self, comparison: NodeComparison, old: SchemaUnion, new: SchemaUnion, *, tagged: bool = False) -> None:
        self.comparison = comparison
        self.old, self.new = old, new
        self.kind = NAMES[new.kind]
        self.tagged = tagged

    def compare(self) -> None:
        matched, left, right = self._match()
        inner = NONE
        for before, after in matched:
            inner |= self._compare_pair(before, after) | self._shared(before, after)
        for index in left:
            inner |= NARROWS
            self._say("removed", NARROWS, self.old.branches[index], index, *self._homes(index, None, NARROWS))
        for index in right:
            inner |= WIDENS
            self._say("added", WIDENS, self.new.branches[index], index, *self._homes(index, None, WIDENS))
        if not self.tagged:
            moved = any(_inside(self.old, before) != _inside(self.new, after) for before, after in matched)
            self._exclusivity(inner, moved=moved)

    def _compare_pair(self, before: int, after: int) -> int:
        """One branch on both sides; returns its effect. What another branch covers is masked, or is a warning."""
        comparison = self.comparison
        mine, theirs = self.old.branches[before], self.new.branches[after]
        key = comparison.graph.link(mine, theirs, comparison.direction)
        effect = comparison.graph.relation(key)
        beside = comparison.named_beside(key) & ~effect
        masked = doubtful = NONE
        for harm, index, known in ((NARROWS, before, after), (WIDENS, after, before)):
            if effect & harm:
                proven, tolerated = self._homes(index, known, harm)
                masked |= harm if proven or tolerated else NONE
                doubtful |= harm if tolerated and not proven else NONE
        if not masked or doubtful or comparison.settings.declared or effect & ~masked:
            comparison.child(mine, theirs, mask=BOTH & ~masked)
        if doubtful:
            self._doubt(doubtful, label_of(theirs, after), mine, theirs)
        if beside:
            self._doubt(beside, label_of(theirs, after), mine, theirs, reason=BESIDE)
        return effect

    def _shared(self, before: int, after: int) -> int:
        """What one branch newly says, or no longer says, of a property that another branch names: it decides how many
        branches of `oneOf` a value matches, so it is not to be ignored."""
        comparison = self.comparison
        key = comparison.graph.link(self.old.branches[before], self.new.branches[after], comparison.direction)
        pair = comparison.graph.pair(key) if key is not None and self.new.kind == "oneOf" else None
        changes = [change for change in pair.changes if change.tolerated] if pair is not None else []
        if not changes:
            return NONE
        sides = ((self.old, comparison.graph.old, before), (self.new, comparison.graph.new, after))
        others = [
            builder.node(branch)
            for union, builder, own in sides
            for index, branch in enumerate(union.branches)
            if index != own
        ]
        effect = NONE
        for change in changes:
            if any(parts_for(other, change.name) for other in others):
                effect |= change.effect
        return effect

    def _doubt(self, effect: int, label: str, mine: Parts | None, theirs: Parts | None, *, reason: str = DOUBT) -> None:
        places = {
            **({} if mine is None else {"old_pointer": mine[0].pointer}),
            **({} if theirs is None else {"new_pointer": theirs[0].pointer}),
        }
        self.comparison.add(
            f"{self.kind}-coverage-undecided", effect, name=label, undecided=True, data={"reason": reason}, **places
        )

    def _say(self, verb: str, effect: int, branch: Parts, index: int, proven: bool, tolerated: bool) -> None:
        """An alternative was removed or added. A named one is recorded even where another one happens to cover it."""
        comparison = self.comparison
        if comparison.settings.declared and self._is_null(branch, is_old=verb == "removed"):
            self._say_null(verb, NONE if proven else effect, branch)
            return
        named = comparison.settings.declared and ref_of(branch) is not None
        if tolerated and not proven and not named:
            gone = verb == "removed"
            self._doubt(effect, label_of(branch, index), branch if gone else None, None if gone else branch)
            return
        covered = proven
        declared = covered and named
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

    def _is_null(self, branch: Parts, *, is_old: bool) -> bool:
        graph = self.comparison.graph
        return (graph.old if is_old else graph.new).node(branch).types == frozenset({"null"})

    def _say_null(self, verb: str, effect: int, branch: Parts) -> None:
        """The alternative that is null: in the words for null, unless the type says it already."""
        kind = "became-not-nullable" if verb == "removed" else "became-nullable"
        if any(change.kind == kind for change in self.comparison.pair.changes):
            return
        group = self.old if verb == "removed" else self.new
        place = {"old_pointer" if verb == "removed" else "new_pointer": branch[0].pointer or group.pointer}
        old, new = ("null", None) if verb == "removed" else (None, "null")
        self.comparison.add(kind, effect, old, new, **place)

    def _exclusivity(self, inner: int, *, moved: bool) -> None:
        """What changes because `oneOf` counts matches. `moved`: a branch stands in another inner union now."""
        comparison, old, new = self.comparison, self.old, self.new
        exclusive_old = old.kind == "anyOf" or is_exclusive(comparison, comparison.old, is_old=True)
        exclusive_new = new.kind == "anyOf" or is_exclusive(comparison, comparison.new, is_old=False)
        if old.kind != new.kind:
            if old.kind == "oneOf" and not exclusive_old:
                comparison.add("one-of-became-any-of", WIDENS, "oneOf", "anyOf", new_pointer=new.pointer)
            elif new.kind == "oneOf" and not exclusive_new:
                comparison.add("any-of-became-one-of", NARROWS, "anyOf", "oneOf", new_pointer=new.pointer)
            return
        if old.kind == "anyOf" or not (inner or moved or old.nested != new.nested):
            return
        effect = NONE
        if (old.nested or new.nested) and not (exclusive_old and exclusive_new):
            # A value that matches two branches of an inner union matches none of it, and may match another branch.
            both = inner or (old.nested and new.nested)
            effect = BOTH if both else NARROWS if old.nested else WIDENS
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
                undecided=True,
                data={"reason": OVERLAP},
            )

    def _homes(self, index: int, known: int | None, harm: int) -> tuple[bool, bool]:
        """Whether another branch of the other union takes everything that a branch accepts: proven, or at least under
        the tolerant content model. `known`: the branch that it is paired with."""
        graph, direction = self.comparison.graph, self.comparison.direction
        inward = harm == NARROWS
        mine, theirs = (self.old, self.new) if inward else (self.new, self.old)
        branch = mine.branches[index]
        others = [other for number, other in enumerate(theirs.branches) if number != known]
        answers = []
        for proof in (EXACT, PLAIN):
            answers.append(
                any(
                    graph.fits(branch, other, direction, proof)
                    if inward
                    else graph.covers(other, branch, direction, proof)
                    for other in others
                )
            )
            if answers[0]:
                return True, True
        return answers[0], answers[1]

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


def _inside(union: SchemaUnion, index: int) -> int:
    """Which inner union a branch comes from, counted from 1; 0 for none."""
    numbers = (n for n, (start, size) in enumerate(union.nested, 1) if start <= index < start + size)
    return next(numbers, 0)
