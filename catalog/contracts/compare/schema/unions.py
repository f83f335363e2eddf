"""Comparison of `anyOf`, `oneOf`, `not` and `if`: branches are matched, coverage is proven, and what is left is said.

`anyOf` is a union. `oneOf` is not monotone: a new branch that overlaps an old one makes old values match twice, so an
exclusive union only widens where the branches provably exclude each other (`contracts.md` fact 4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from catalog.contracts.compare.schema.change import BOTH, NARROWS, NONE, WIDENS
from catalog.contracts.compare.schema.disjoint import disjoint
from catalog.contracts.compare.schema.node import Group, Node
from catalog.contracts.compare.schema.source import DROP_ANY_OF, DROP_IF, DROP_ONE_OF, Parts
from catalog.contracts.compare.schema.values import ALL_TYPES

if TYPE_CHECKING:
    from catalog.contracts.compare.schema.diff import Meeting

_PROOF_LIMIT = 400
_NAMES = {"anyOf": "any-of", "oneOf": "one-of"}


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
            meeting.add(f"{_NAMES[group.kind]}-dropped", WIDENS, group.kind, None, old_pointer=group.pointer)
        for group in added:
            meeting.add(f"{_NAMES[group.kind]}-imposed", NARROWS, None, group.kind, new_pointer=group.pointer)
        _prove(meeting, before)
    elif new.groups:
        _Wrap(meeting, plain=old, union=new, inward=True).compare()
    else:
        _Wrap(meeting, plain=new, union=old, inward=False).compare()


def _pair_groups(old: tuple[Group, ...], new: tuple[Group, ...]) -> tuple[list[tuple[Group, Group]], list[Group], list[Group]]:
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


def alternatives(node: Node) -> list[Parts]:
    """A node as a list of conjunctions: its first union taken apart, or else its types."""
    if node.groups:
        group = node.groups[0]
        mask = DROP_ANY_OF if group.kind == "anyOf" else DROP_ONE_OF
        rest = tuple(part._replace(mask=part.mask | mask) if id(part.raw) == group.owner else part for part in node.flat)
        return [(*rest, *branch) for branch in group.branches]
    return [node.flat]


def _slices(meeting: Meeting, node: Node, *, is_old: bool) -> list[Parts]:
    source = meeting.diff.old.source if is_old else meeting.diff.new.source
    types = ALL_TYPES if node.types is None else node.types
    return [(*node.flat, source.type_slice(name)) for name in sorted(types)]


def _covered(meeting: Meeting, left: list[Parts], right: list[Parts], *, inward: bool) -> list[int | None]:
    """For each conjunction of `left`, the index of one of `right` that provably accepts all of it.

    `inward`: left is the base. Otherwise left is the revision and the question runs the other way.
    """
    found: list[int | None] = []
    for one in left:
        hit = None
        for index, other in enumerate(right):
            fits = meeting.diff.fits(one, other, meeting.flow) if inward else meeting.diff.covers(other, one, meeting.flow)
            if fits:
                hit = index
                break
        found.append(hit)
    return found


def _exclusive(meeting: Meeting, node: Node, *, is_old: bool) -> bool:
    """True when no value can match two branches of a `oneOf` of the node (or there is none)."""
    builder = meeting.diff.old if is_old else meeting.diff.new
    for group in node.groups:
        if group.kind != "oneOf" or (node.discriminator is not None):
            continue
        branches = [builder.node(branch) for branch in group.branches]
        for index, branch in enumerate(branches):
            for other in branches[index + 1 :]:
                if not disjoint(branch, builder, other, builder):
                    return False
    return True


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
        if not effect & direction or not _exclusive(meeting, meeting.new if inward else meeting.old, is_old=not inward):
            continue
        one, other = (left, right) if inward else (right, left)
        if all(hit is not None for hit in _covered(meeting, one, other, inward=inward)):
            for change in meeting.pair.changes[start:]:
                if not change.idle:
                    change.effect &= ~direction
            meeting.silence(direction)


class _Branches:
    """Two unions, branch against branch."""

    def __init__(self, meeting: Meeting, old: Group, new: Group) -> None:
        self.meeting = meeting
        self.old, self.new = old, new
        self.kind = _NAMES[new.kind]

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
        declared = covered and meeting.settings.declared and _ref(branch) is not None
        label = _label(branch, index)
        gone = verb == "removed"
        places = {"old_pointer": branch[0].pointer} if gone else {"new_pointer": branch[0].pointer}
        meeting.add(
            f"{_NAMES[(self.old if gone else self.new).kind]}-{verb}",
            NONE if covered and not declared else effect,
            label if gone else None,
            None if gone else label,
            idle=declared,
            **places,
        )

    def _exclusivity(self, inner: int) -> None:
        """What changes because `oneOf` counts matches."""
        meeting, old, new = self.meeting, self.old, self.new
        exclusive_old = old.kind == "anyOf" or _exclusive(meeting, meeting.old, is_old=True)
        exclusive_new = new.kind == "anyOf" or _exclusive(meeting, meeting.new, is_old=False)
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
        scores = sorted(((self._score(before, after), -before, -after) for before in left for after in right), reverse=True)
        for score, before, after in scores:
            if score > 0 and -before in left and -after in right:
                take(-before, -after)
        return matched, left, right

    def _may_be_renamed(self, before: int, after: int) -> bool:
        """True for the same schema under another name, where the old name is gone and the new one is new."""
        mine, theirs = _ref(self.old.branches[before]), _ref(self.new.branches[after])
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
        mine, theirs = _ref(self.old.branches[before]), _ref(self.new.branches[after])
        return mine is not None and mine == theirs

    def _same_title(self, before: int, after: int) -> bool:
        mine, theirs = _title(self.old.branches[before]), _title(self.new.branches[after])
        return mine is not None and mine == theirs

    def _score(self, before: int, after: int) -> float:
        """Likeness of two branches: 0 for branches that are better told apart (different names or types)."""
        if _ref(self.old.branches[before]) and _ref(self.new.branches[after]):
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


def _ref(branch: Parts) -> str | None:
    raw = branch[0].raw
    return raw.get("$ref") if isinstance(raw, dict) else None


def _title(branch: Parts) -> str | None:
    raw = branch[0].raw
    title = raw.get("title") if isinstance(raw, dict) else None
    return title if isinstance(title, str) else None


def _label(branch: Parts, index: int) -> str:
    ref = _ref(branch)
    return ref.rsplit("/", 1)[-1] if ref else _title(branch) or f"branch {index + 1}"


class _Wrap:
    """One side plain, the other a union: `S` became `oneOf[S, T]`, or the reverse (`inward` False)."""

    def __init__(self, meeting: Meeting, *, plain: Node, union: Node, inward: bool) -> None:
        self.meeting = meeting
        self.plain, self.union, self.inward = plain, union, inward
        self.kind = union.groups[0].kind
        # Read forwards, the plain side narrows into the union and the union widens it; read backwards, the reverse.
        self.into, self.beyond = (NARROWS, WIDENS) if inward else (WIDENS, NARROWS)

    def compare(self) -> None:
        meeting = self.meeting
        branches = alternatives(self.union)
        whole = [self.plain.flat]
        home = _covered(meeting, whole, branches, inward=self.inward)[0]
        effect = NONE
        if home is None and not self._sliced(branches):
            effect |= self.into
        elif not _exclusive(meeting, self.union, is_old=not self.inward):
            others = [branch for index, branch in enumerate(branches) if index != home]
            if not self._apart(others):
                effect |= self.into
        outside = [index for index, hit in enumerate(_covered(meeting, branches, whole, inward=not self.inward)) if hit is None]
        if outside:
            effect |= self.beyond
        likely = self._likeliest(branches) if effect & self.into else home
        if likely is not None and home is None and (len(branches) == 1 or self._named_alike(branches[likely])):
            # The plain schema lives on, changed, as one branch: say what changed inside it.
            mine, theirs = (self.plain.flat, branches[likely]) if self.inward else (branches[likely], self.plain.flat)
            inner = meeting.diff.relation(meeting.diff.link(mine, theirs, meeting.flow))
            if inner & effect:
                meeting.child(mine, theirs)
        self._say(effect, outside, branches)

    def _sliced(self, branches: list[Parts]) -> bool:
        """True when each type of the plain schema on its own fits some branch."""
        if self.plain.types is not None and len(self.plain.types) < 2:
            return False
        slices = _slices(self.meeting, self.plain, is_old=self.inward)
        return all(hit is not None for hit in _covered(self.meeting, slices, branches, inward=self.inward))

    def _apart(self, others: list[Parts]) -> bool:
        mine = self.meeting.diff.old if self.inward else self.meeting.diff.new
        theirs = self.meeting.diff.new if self.inward else self.meeting.diff.old
        return all(disjoint(self.plain, mine, theirs.node(other), theirs) for other in others)

    def _likeliest(self, branches: list[Parts]) -> int | None:
        theirs = self.meeting.diff.new if self.inward else self.meeting.diff.old
        for index, branch in enumerate(branches):
            if set(self.plain.refs) & set(theirs.node(branch).refs):
                return index
        names = self.plain.properties.keys()
        best, score = None, 0.0
        for index, branch in enumerate(branches):
            other = theirs.node(branch)
            share = len(names & other.properties.keys()) / max(len(names | other.properties.keys()), 1)
            if other.types == self.plain.types and share >= score:
                best, score = index, share
        return best

    def _named_alike(self, branch: Parts) -> bool:
        theirs = self.meeting.diff.new if self.inward else self.meeting.diff.old
        return bool(set(self.plain.refs) & set(theirs.node(branch).refs))

    def _say(self, effect: int, outside: list[int], branches: list[Parts]) -> None:
        meeting, name = self.meeting, _NAMES[self.kind]
        shown: Any = [_label((part,), index) for index, part in enumerate(branch[0] for branch in self.union_branches())]
        places = {}
        if self.inward:
            places["new_pointer"] = self.union.groups[0].pointer
        else:
            places["old_pointer"] = self.union.groups[0].pointer
        if self.plain.is_free:
            kind, shift = ("imposed", NARROWS) if self.inward else ("dropped", WIDENS)
            meeting.add(f"{name}-{kind}", shift if effect else NONE, *self._order(None, shown), **places)
            return
        if effect == NONE and meeting.settings.declared and self._named_beside():
            kind = f"{name}-added" if self.inward else f"{name}-removed"
            meeting.add(kind, self.beyond, *self._order(None, shown), idle=True, **places)
        elif effect == NONE:
            meeting.add(f"{name}-rearranged", NONE, *self._order(None, shown), **places)
        elif effect == self.beyond and self.inward:
            meeting.add(f"{name}-added", effect, None, [shown[index] for index in outside], **places)
        elif effect == self.beyond:
            meeting.add(f"{name}-removed", effect, [shown[index] for index in outside], None, **places)
        else:
            meeting.add(
                f"{'wrapped-in' if self.inward else 'unwrapped-from'}-{name}", effect, *self._order(None, shown), **places
            )

    def _named_beside(self) -> bool:
        """True where the union names further schemas beside the plain one."""
        return any(_ref(branch) is not None and _ref(branch) not in self.plain.refs for branch in self.union_branches())

    def union_branches(self) -> list[Parts]:
        return list(self.union.groups[0].branches)

    def _order(self, plain: Any, union: Any) -> tuple[Any, Any]:
        return (plain, union) if self.inward else (union, plain)


def compare_discriminators(meeting: Meeting) -> None:
    """The tag that chooses a branch: a rename, or a value that is gone or leads elsewhere, breaks both directions."""
    old, new = meeting.old.discriminator, meeting.new.discriminator
    if old == new:
        return
    if old is None or new is None:
        verb = "added" if old is None else "removed"
        names = [None if side is None else str(side.get("propertyName")) for side in (old, new)]
        meeting.add(f"discriminator-{verb}", NONE, names[0], names[1], "discriminator")
        return
    before, after = str(old.get("propertyName")), str(new.get("propertyName"))
    if before != after:
        meeting.add("discriminator-property-name-changed", BOTH, before, after, "discriminator")
    left, right = _mapping(meeting.old, old), _mapping(meeting.new, new)
    gone = {change.old for change in meeting.pair.changes if change.kind.endswith("-of-removed")}
    for value, target in left.items():
        if value not in right:
            if target not in gone:
                meeting.add("discriminator-mapping-deleted", BOTH, value, None, "discriminator", name=value)
        elif right[value] != target and value in (new.get("mapping") or {}):
            meeting.add("discriminator-mapping-changed", BOTH, target, right[value], "discriminator", name=value)
    for value in right:
        if value not in left and value in (new.get("mapping") or {}):
            meeting.add("discriminator-mapping-added", NONE, None, value, "discriminator", name=value)


def _mapping(node: Node, discriminator: dict[str, Any]) -> dict[str, str]:
    """Tag value -> schema name. Without an entry of its own, a branch answers to its schema name."""
    written = discriminator.get("mapping")
    found = {
        str(value): str(target).rsplit("/", 1)[-1] for value, target in (written.items() if isinstance(written, dict) else ())
    }
    for group in node.groups:
        for branch in group.branches:
            ref = _ref(branch)
            name = ref.rsplit("/", 1)[-1] if ref else None
            if name and name not in found.values():
                found.setdefault(name, name)
    return found


def compare_negations(meeting: Meeting) -> None:
    """`not`: equal ones cancel, a single pair is compared with the direction turned round."""
    old, new = list(meeting.old.nots), list(meeting.new.nots)
    for mine in list(old):
        found = next((theirs for theirs in new if meeting.diff.link(mine, theirs, meeting.flow) is None), None)
        if found is not None:
            old.remove(mine)
            new.remove(found)
    if len(old) == 1 and len(new) == 1:
        meeting.child(old[0], new[0], negated=True)
        return
    for parts in new:
        if not meeting.diff.new.node(parts).never:
            meeting.add("not-added", NARROWS, keyword="not")
    for parts in old:
        if not meeting.diff.old.node(parts).never:
            meeting.add("not-removed", WIDENS, keyword="not")


def compare_conditionals(meeting: Meeting) -> None:
    """`if`/`then`/`else`: compared under an equal condition, else added, removed or changed as a whole."""
    old, new = list(meeting.old.conditionals), list(meeting.new.conditionals)
    diff, flow = meeting.diff, meeting.flow
    for mine in list(old):
        for theirs in list(new):
            if not diff.relation(diff.link(mine.condition, theirs.condition, flow)):
                _consequence(meeting, mine.then, theirs.then)
                _consequence(meeting, mine.otherwise, theirs.otherwise)
                old.remove(mine)
                new.remove(theirs)
                break
    if old and new:
        meeting.add(
            "condition-changed",
            BOTH,
            keyword="if",
            undecided=False,
            data={"reason": "the condition itself changed, so the same value may fall under another branch"},
        )
        return
    for conditional, verb, effect in [*((item, "added", NARROWS) for item in new), *((item, "removed", WIDENS) for item in old)]:
        meeting.add(f"if-{verb}", effect, keyword="if")
        if conditional.then[0].raw is not True:
            meeting.add(f"then-{verb}", effect, keyword="if")
        if conditional.otherwise[0].raw is not True:
            meeting.add(f"else-{verb}", effect, keyword="if")


def _consequence(meeting: Meeting, mine: Parts, theirs: Parts) -> None:
    """`then` or `else` on both sides, judged together with the schema around them."""
    diff, flow = meeting.diff, meeting.flow
    alone = diff.relation(diff.link(mine, theirs, flow))
    if not alone:
        return
    around = [tuple(part._replace(mask=part.mask | DROP_IF) for part in node.flat) for node in (meeting.old, meeting.new)]
    inside = diff.relation(diff.link((*around[0], *mine), (*around[1], *theirs), flow))
    outside = diff.relation(diff.link(around[0], around[1], flow))
    effect = alone & (inside | outside)
    if effect == alone:
        meeting.child(mine, theirs)
        return
    kind = "consequence-changed" if effect else "consequence-rearranged"
    meeting.add(kind, effect, keyword="if", new_pointer=theirs[0].pointer)
