"""Comparison of `anyOf` and `oneOf`: branches are matched, coverage is proven, and what is left is said.

`anyOf` is a union. `oneOf` is not monotone: a new branch that overlaps an old one makes old values match twice, so an
exclusive union only widens where the branches provably exclude each other (`contracts.md` fact 4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
from tillgate_contracts.compare.schema.node import Group
from tillgate_contracts.compare.schema.source import Parts
from tillgate_contracts.compare.schema.wrapping import Wrap

if TYPE_CHECKING:
    from tillgate_contracts.compare.schema.diff import Meeting

_PROOF_LIMIT = 400


def compare(meeting: Meeting) -> None:
    """Two nodes of which at least one holds a union."""
    old, new = meeting.old, meeting.new
    if old.groups and new.groups:
        pairs, removed, added = _pair_groups(old.groups, new.groups)
        before = len(meeting.pair.changes)
        meeting.compare_keywords()
        for left, right in pairs:
            _Branches(meeting, left, right).compare()
        for group in removed:
            meeting.add(f"{NAMES[group.kind]}-dropped", WIDENS, group.kind, None, old_pointer=group.pointer)
        for group in added:
            meeting.add(f"{NAMES[group.kind]}-imposed", NARROWS, None, group.kind, new_pointer=group.pointer)
        _prove(meeting, before)
    elif new.groups:
        Wrap(meeting, plain=old, union=new, inward=True).compare()
    else:
        Wrap(meeting, plain=new, union=old, inward=False).compare()


def _pair_groups(
    old: tuple[Group, ...], new: tuple[Group, ...]
) -> tuple[list[tuple[Group, Group]], list[Group], list[Group]]:
    pairs: list[tuple[Group, Group]] = []
    left, right = list(old), list(new)
    for same_kind in (True, False):
        for group in list(left):
            found = next((other for other in right if not same_kind or other.kind == group.kind), None)
            if found is not None:
                pairs.append((group, found))
                left.remove(group)
                right.remove(found)
    return pairs, left, right


def _prove(meeting: Meeting, start: int) -> None:
    """Where branch by branch looks worse than it is: prove the whole, and silence what the proof refutes."""
    left, right = alternatives(meeting.old), alternatives(meeting.new)
    if len(left) * len(right) > _PROOF_LIMIT:
        return
    effect = NONE
    for change in meeting.pair.changes:
        effect |= change.effect
    for edge in meeting.pair.edges:
        effect |= meeting.diff.relation(edge.target)
    for direction, inward in ((NARROWS, True), (WIDENS, False)):
        if not effect & direction or not is_exclusive(
            meeting, meeting.new if inward else meeting.old, is_old=not inward
        ):
            continue
        one, other = (left, right) if inward else (right, left)
        if all(hit is not None for hit in covered_by(meeting, one, other, inward=inward)):
            for change in meeting.pair.changes[start:]:
                if not change.idle:
                    change.effect &= ~direction
            meeting.silence(direction)


class _Branches:
    """Two unions, branch against branch."""

    def __init__(self, meeting: Meeting, old: Group, new: Group) -> None:
        self.meeting = meeting
        self.old, self.new = old, new
        self.kind = NAMES[new.kind]

    def compare(self) -> None:
        matched, left, right = self._match()
        meeting = self.meeting
        inner = NONE
        for before, after in matched:
            key = meeting.diff.link(self.old.branches[before], self.new.branches[after], meeting.flow)
            effect = meeting.diff.relation(key)
            inner |= effect
            if effect & NARROWS and self._other_home(before, after, narrow=True):
                effect &= ~NARROWS
            if effect & WIDENS and self._other_home(after, before, narrow=False):
                effect &= ~WIDENS
            if key is not None and (effect or not meeting.diff.relation(key)):
                meeting.child(self.old.branches[before], self.new.branches[after], mask=effect or BOTH)
        for index in left:
            branch = self.old.branches[index]
            covered = any(meeting.diff.fits(branch, other, meeting.flow) for other in self.new.branches)
            inner |= NARROWS
            self._say("removed", NARROWS, branch, index, covered=covered)
        for index in right:
            branch = self.new.branches[index]
            covered = any(meeting.diff.covers(other, branch, meeting.flow) for other in self.old.branches)
            inner |= WIDENS
            self._say("added", WIDENS, branch, index, covered=covered)
        self._exclusivity(inner)

    def _say(self, verb: str, effect: int, branch: Parts, index: int, *, covered: bool) -> None:
        """An alternative that went or came. A named one counts as declared, even where another one happens to cover it."""
        meeting = self.meeting
        declared = covered and meeting.settings.declared and ref_of(branch) is not None
        label = label_of(branch, index)
        gone = verb == "removed"
        places = {"old_pointer": branch[0].pointer} if gone else {"new_pointer": branch[0].pointer}
        meeting.add(
            f"{NAMES[(self.old if gone else self.new).kind]}-{verb}",
            NONE if covered and not declared else effect,
            label if gone else None,
            None if gone else label,
            idle=declared,
            **places,
        )

    def _exclusivity(self, inner: int) -> None:
        """What changes because `oneOf` counts matches."""
        meeting, old, new = self.meeting, self.old, self.new
        exclusive_old = old.kind == "anyOf" or is_exclusive(meeting, meeting.old, is_old=True)
        exclusive_new = new.kind == "anyOf" or is_exclusive(meeting, meeting.new, is_old=False)
        if old.kind != new.kind:
            if old.kind == "oneOf" and not exclusive_old:
                meeting.add("one-of-became-any-of", WIDENS, "oneOf", "anyOf", new_pointer=new.pointer)
            elif new.kind == "oneOf" and not exclusive_new:
                meeting.add("any-of-became-one-of", NARROWS, "anyOf", "oneOf", new_pointer=new.pointer)
            return
        if old.kind == "anyOf" or not inner:
            return
        effect = NONE
        if inner & WIDENS and not exclusive_new:
            effect |= NARROWS
        if inner & NARROWS and not exclusive_old:
            effect |= WIDENS
        if effect:
            meeting.add(
                "one-of-overlap-changed",
                effect,
                None,
                None,
                new_pointer=new.pointer,
                tolerated=True,
                undecided=True,
                data={"reason": "branches of the oneOf may overlap, and a value that matches two of them is refused"},
            )

    def _other_home(self, index: int, known: int, *, narrow: bool) -> bool:
        """True when another branch of the other side takes a branch in."""
        meeting = self.meeting
        mine, theirs = (self.old, self.new) if narrow else (self.new, self.old)
        for other, branch in enumerate(theirs.branches):
            if other == known:
                continue
            if narrow and meeting.diff.fits(mine.branches[index], branch, meeting.flow):
                return True
            if not narrow and meeting.diff.covers(branch, mine.branches[index], meeting.flow):
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
        if mine and theirs and self.meeting.settings.declared:
            diff = self.meeting.diff
            if diff.new.source.resolve(mine) is not None or diff.old.source.resolve(theirs) is not None:
                return False
        return not self._relation(before, after)

    def _relation(self, before: int, after: int) -> int:
        diff = self.meeting.diff
        return diff.relation(diff.link(self.old.branches[before], self.new.branches[after], self.meeting.flow))

    def _same(self, before: int, after: int) -> bool:
        return self.meeting.diff.sameness.same_parts(self.old.branches[before], self.new.branches[after])

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
        mine = self.meeting.diff.old.node(self.old.branches[before])
        theirs = self.meeting.diff.new.node(self.new.branches[after])
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
